"""The population and the schedule: fixed by the seed, open, and what the plan asked for."""

from __future__ import annotations

import numpy as np

from model.workload.population import PopulationPlan, populate
from model.workload.schedule import WorkloadPlan, plan

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
