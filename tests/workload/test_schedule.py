"""The population and the schedule: fixed by the seed, open, and what the plan asked for."""

from __future__ import annotations

import numpy as np
import pytest

from model.core import draws
from model.workload.amounts import Lognormal, Table, mean
from model.workload.arrivals import Ramp, Replay, Spike
from model.workload.population import PopulationPlan, populate
from model.workload.schedule import WorkloadPlan, plan, problems

PLAN = PopulationPlan(users=200, group_size=5)
SECOND = 1_000_000


def test_everyone_has_one_partner_one_group_and_a_home() -> None:
    people = populate(PLAN, gateways=2, seed=1)
    direct = [c for c in people.conversations if c.kind == "direct"]
    groups = [c for c in people.conversations if c.kind == "group"]
    assert sorted(u for c in direct for u in c.members) == list(range(1, 201))
    assert sorted(u for c in groups for u in c.members) == list(range(1, 201))
    assert {len(c.members) for c in groups} == {5}
    assert list(people.homes.values()).count(0) == 100
    assert [c.conversation for c in people.conversations] == list(range(1, 141))


def test_a_seed_fixes_everything_and_another_changes_it() -> None:
    def digest(seed: int) -> tuple[bytes, ...]:
        people = populate(PLAN, 2, seed)
        schedule = plan(people, WorkloadPlan(), 0, 10 * SECOND, seed)
        return schedule.t_us.tobytes(), schedule.device.tobytes(), schedule.conversation.tobytes()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_arrivals_are_poisson_at_the_planned_rate() -> None:
    schedule = plan(populate(PLAN, 2, 1), WorkloadPlan(rate_per_s=500), 5 * SECOND, 105 * SECOND, 1)
    assert abs(len(schedule) - 50_000) < 4 * 50_000**0.5
    assert schedule.t_us[0] >= 5 * SECOND
    assert schedule.t_us[-1] < 105 * SECOND
    counts = np.histogram(schedule.t_us, bins=1000, range=(5 * SECOND, 105 * SECOND))[0]
    assert 0.85 < counts.var() / counts.mean() < 1.15  # a Poisson count varies as much as its mean


def test_only_members_send_and_their_counters_are_dense() -> None:
    people = populate(PLAN, 2, 1)
    members = {c.conversation: c.members for c in people.conversations}
    schedule = plan(people, WorkloadPlan(), 0, 20 * SECOND, 1)
    seen: dict[tuple[int, int], int] = {}
    for device, conversation, counter in zip(schedule.device, schedule.conversation, schedule.send_counter, strict=True):
        assert device in members[conversation]
        assert counter == seen.get((device, conversation), 0) + 1
        seen[(device, conversation)] = counter
    kinds = {c.conversation: c.kind for c in people.conversations}
    direct = sum(kinds[c] == "direct" for c in schedule.conversation)
    assert abs(direct / len(schedule) - 0.5) < 0.05


def test_spaced_sends_keep_their_distance_in_every_conversation() -> None:
    schedule = plan(populate(PLAN, 2, 1), WorkloadPlan(spacing_us=250_000), 0, 20 * SECOND, 1)
    for conversation in np.unique(schedule.conversation):
        assert (np.diff(schedule.t_us[schedule.conversation == conversation]) >= 250_000).all()
    assert len(schedule) > 3000


def test_payloads_have_the_planned_size_and_are_all_different() -> None:
    schedule = plan(populate(PLAN, 2, 1), WorkloadPlan(payload_bytes=120), 0, 5 * SECOND, 1)
    payloads = [schedule.payload(i) for i in range(len(schedule))]
    assert {len(p) for p in payloads} == {120}
    assert len(set(payloads)) == len(payloads)


@pytest.mark.parametrize(
    "plan_",
    [PLAN, PopulationPlan(users=41, group_size=7, groups_per_user=2), PopulationPlan(40, 5, 0), PopulationPlan(60, "groups")],
)
def test_senders_are_drawn_as_one_by_one(plan_: PopulationPlan) -> None:
    """The plain loop that the arrays stand for: kind, conversation, member, from the same draws in the same order."""
    people, load = populate(plan_, 2, 7), WorkloadPlan(rate_per_s=200, direct_share=0.3)
    rng = np.random.default_rng(draws.key(7, draws.ARRIVAL))
    count = int(rng.poisson(2000))
    times = np.sort(rng.integers(0, 10 * SECOND, count))
    direct, picks = rng.random(count) < 0.3, rng.random((count, 2))
    schedule = plan(people, load, 0, 10 * SECOND, 7)
    assert schedule.t_us.tolist() == times.tolist()
    seen: dict[tuple[int, int], int] = {}
    for i in range(count):
        pool = [c for c in people.conversations if (c.kind == "direct") == direct[i]] or people.conversations
        chosen = pool[int(picks[i, 0] * len(pool))]
        device = chosen.members[int(picks[i, 1] * len(chosen.members))]
        seen[device, chosen.conversation] = counter = seen.get((device, chosen.conversation), 0) + 1
        assert (schedule.device[i], schedule.conversation[i], schedule.send_counter[i]) == (device, chosen.conversation, counter)


@pytest.mark.parametrize("sizes", ["sms_english", Lognormal(10, 3), Table(((1, 0.5), (16_384, 0.5)))])
def test_payloads_of_differing_sizes_are_all_different_and_the_seed_s(sizes: str | Lognormal | Table) -> None:
    load = WorkloadPlan(payload_bytes=sizes)
    schedule, again = (plan(populate(PLAN, 2, 1), load, 0, 5 * SECOND, 1) for _ in range(2))
    payloads = [schedule.payload(i) for i in range(len(schedule))]
    assert payloads == [again.payload(i) for i in range(len(again))]
    assert len(set(payloads)) == len(payloads)
    assert isinstance(schedule.payload_bytes, np.ndarray)
    shortest = [len(p.split(b" ")[0]) + 1 for p in payloads]  # a message says at least whose it is
    wanted = np.maximum(schedule.payload_bytes, shortest)
    assert [len(p) for p in payloads] == wanted.tolist()
    assert max(len(p) for p in payloads) <= 16_384


def test_sizes_shift_nothing_else() -> None:
    people = populate(PLAN, 2, 1)
    one = plan(people, WorkloadPlan(), 0, 5 * SECOND, 1)
    other = plan(people, WorkloadPlan(payload_bytes="sms_english"), 0, 5 * SECOND, 1)
    assert (one.t_us == other.t_us).all()
    assert (one.device == other.device).all()
    assert (one.conversation == other.conversation).all()


def test_sends_at_one_instant_come_in_bursts_of_any_shape() -> None:
    load = WorkloadPlan(rate_per_s=300, burst=3, arrivals=Ramp(0, 2))
    schedule = plan(populate(PLAN, 2, 1), load, 0, 100 * SECOND, 1)
    assert set(np.unique(schedule.t_us, return_counts=True)[1] % 3) == {0}
    assert abs(len(schedule) - 30_000) < 2.58 * 3 * 10_000**0.5


def test_groups_of_differing_sizes_have_them_and_everybody_is_in_one() -> None:
    people = populate(PopulationPlan(users=20_000, group_size="groups"), 2, 1)
    sizes = np.array([len(c.members) for c in people.conversations if c.kind == "group"])
    members = sorted(u for c in people.conversations if c.kind == "group" for u in c.members)
    assert len(members) >= 19_999
    assert len(set(members)) == len(members)
    assert sizes.min() >= 2
    assert abs(sizes.mean() - mean("groups")) < 2.58 * sizes.std() / len(sizes) ** 0.5
    assert [c for c in people.conversations if c.kind == "direct"] == [
        c for c in populate(PopulationPlan(users=20_000), 2, 1).conversations if c.kind == "direct"
    ]


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (WorkloadPlan(payload_bytes=0), "payload_bytes is 0; give 1 to 16384 bytes"),
        (WorkloadPlan(payload_bytes="tweets"), "payload_bytes is 'tweets', which is no preset"),
        (WorkloadPlan(rate_per_s=2e6), "rate_per_s is 2e+06"),
        (WorkloadPlan(rate_per_s=1e5, arrivals=Spike(1, 2, 100)), "arrivals reach 1e+07 sends a second"),
        (WorkloadPlan(spacing_us=5, personas=(("regular", 1.0),)), "spacing_us and personas exclude each other"),
        (WorkloadPlan(arrivals=Replay("x"), personas=(("regular", 1.0),)), "personas have no part in a replay"),
        (WorkloadPlan(arrivals=Replay("x"), burst=2), "burst is 2; leave it at 1"),
        (WorkloadPlan(arrivals=Replay("x"), spacing_us=2), "spacing_us is 2; leave it at 0"),
        (WorkloadPlan(arrivals=Spike(1, 50)), "arrivals.to_s is 50; give 0 to 30"),
    ],
)
def test_plans_that_cannot_be_are_refused(load: WorkloadPlan, words: str) -> None:
    assert words in next(problems(load, 30))
