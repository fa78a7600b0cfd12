"""Personas: who sends how often, whose app is open when, and what is sent while it is."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from model.workload import personas
from model.workload.amounts import Lognormal
from model.workload.personas import PERSONAS, Apps, Mix, Persona, crowd
from model.workload.population import PopulationPlan, populate
from model.workload.schedule import Schedule, WorkloadPlan, plan

S = 1_000_000
PEOPLE = populate(PopulationPlan(users=200, group_size=5), 2, 1)
COMES_AND_GOES = Persona(open_s=Lognormal(10, 0.5), away_s=Lognormal(20, 1), linger_s=2)
HALF: Mix = ((COMES_AND_GOES, 0.5), ("regular", 0.5))


def planned(mix: Mix, rate_per_s: float = 500, seconds: int = 60, seed: int = 1, direct_share: float = 0.5) -> Schedule:
    load = WorkloadPlan(rate_per_s=rate_per_s, direct_share=direct_share, personas=mix)
    return plan(PEOPLE, load, 3 * S, (3 + seconds) * S, seed)


def who(mix: Mix, users: int = 200) -> list[int]:
    """How many users there are of each weight, the greatest first."""
    counts: list[int] = np.unique(crowd(mix, users, 0, S, 1).sends[1:], return_counts=True)[1][::-1].tolist()
    return counts


def test_each_persona_has_its_share_of_users() -> None:
    assert who((("chatty", 0.1), ("regular", 0.3), ("lurker", 0.6))) == [20, 60, 120]
    assert who((("chatty", 1 / 3), ("regular", 1 / 3), ("lurker", 1 / 3)), 100) == [33, 34, 33]


def test_a_persona_sends_as_often_as_its_weight_says() -> None:
    """20 chatty users of weight 10 and 180 lurkers of weight 0.1: 200 of 218 sends, within the 99 % interval of a binomial share."""
    mix: Mix = (("chatty", 0.1), ("lurker", 0.9))
    chatty = np.flatnonzero(crowd(mix, 200, 0, S, 1).sends == 10)
    schedule = planned(mix)
    share = np.isin(schedule.device, chatty).mean()
    assert abs(share - 200 / 218) < 2.58 * (200 * 18 / 218**2 / len(schedule)) ** 0.5
    per_user = np.bincount(schedule.device, minlength=201)[chatty]
    assert per_user.min() > 0.8 * per_user.mean()  # among themselves they are alike


def test_a_group_owner_speaks_in_groups_and_is_like_others_elsewhere() -> None:
    mix: Mix = (("group_owner", 0.1), ("regular", 0.9))
    owners = np.flatnonzero(crowd(mix, 200, 0, S, 1).group_sends == 20)
    schedule = planned(mix)
    direct = {c.conversation for c in PEOPLE.conversations if c.kind == "direct"}
    is_direct = np.isin(schedule.conversation, list(direct))
    is_owner = np.isin(schedule.device, owners)
    assert is_owner[is_direct].mean() == pytest.approx(0.1, abs=0.02)
    assert is_owner[~is_direct].mean() == pytest.approx(400 / 580, abs=0.02)


def test_only_members_send_their_counters_are_dense_and_the_rate_is_kept() -> None:
    schedule = planned(HALF)
    members = {c.conversation: c.members for c in PEOPLE.conversations}
    seen: dict[tuple[int, int], int] = {}
    for device, conversation, counter in zip(schedule.device, schedule.conversation, schedule.send_counter, strict=True):
        assert device in members[conversation]
        assert counter == seen.get((device, conversation), 0) + 1
        seen[(device, conversation)] = counter
    assert abs(len(schedule) - 30_000) < 2.58 * 30_000**0.5


def test_where_there_are_no_groups_all_is_said_in_direct_conversations() -> None:
    pairs = populate(PopulationPlan(users=20, groups_per_user=0), 2, 1)
    schedule = plan(pairs, WorkloadPlan(direct_share=0.2, personas=(("regular", 1.0),)), 0, 10 * S, 1)
    assert abs(len(schedule) - 2_000) < 2.58 * 2_000**0.5


def open_throughout(schedule: Schedule) -> dict[int, list[tuple[int, int]]]:
    """Sessions by device, from the arrays."""
    assert schedule.apps is not None
    found: dict[int, list[tuple[int, int]]] = {}
    for device, begin, end in zip(schedule.apps.device, schedule.apps.open_us, schedule.apps.close_us, strict=True):
        found.setdefault(int(device), []).append((int(begin), int(end)))
    return found


def test_nobody_sends_while_the_app_is_closed_or_about_to_close() -> None:
    schedule = planned(HALF)
    sessions = open_throughout(schedule)
    linger_us, end_us = 2 * S, 63 * S
    for device, t_us in zip(schedule.device.tolist(), schedule.t_us.tolist(), strict=True):
        _begin, close = next((b, c) for b, c in sessions[device] if b <= t_us < c)
        assert close == end_us or t_us < close - linger_us


def test_sessions_of_a_device_do_not_overlap_and_regular_users_have_one() -> None:
    sessions = open_throughout(planned(HALF))
    for mine in sessions.values():
        assert all(close <= begin for (_, close), (begin, _) in itertools.pairwise(mine))
        assert all(begin < close for begin, close in mine)
    assert sum(mine == [(3 * S, 63 * S)] for mine in sessions.values()) >= 100


@pytest.mark.parametrize("at_s", [0, 5, 30, 59])
def test_at_any_time_as_many_apps_are_open_as_in_the_long_run(at_s: int) -> None:
    """An alternating renewal process that begins as it goes on: mean open over mean cycle, within a binomial's 99 % interval."""
    share = COMES_AND_GOES.open_s.median * np.exp(0.125)  # type: ignore[union-attr]
    share /= share + 20 * np.exp(0.5)
    apps = crowd(((COMES_AND_GOES, 1.0),), 20_000, 0, 60 * S, 1).apps
    assert apps is not None
    found = apps.open_at(np.arange(1, 20_001), at_s * S).mean()
    assert abs(found - share) < 2.58 * (share * (1 - share) / 20_000) ** 0.5


def test_sessions_within_the_load_have_the_length_that_was_asked_for() -> None:
    apps = crowd(((COMES_AND_GOES, 1.0),), 5_000, 0, 600 * S, 1).apps
    assert apps is not None
    early = (apps.open_us > 0) & (apps.open_us < 400 * S)  # none of them is cut
    lengths = (apps.close_us - apps.open_us)[early] / S
    assert np.median(lengths) == pytest.approx(10, rel=0.02)
    assert np.log(lengths).std() == pytest.approx(0.5, rel=0.02)


def test_switches_tell_every_opening_and_closing_in_order_of_time() -> None:
    def column(*values: int) -> personas.Int:
        return np.array(values, np.int64)

    apps = Apps(0, 100, column(1, 2, 2), column(0, 10, 60), column(30, 50, 100), column(25, 45, 100))
    assert apps.switches() == [(10, 2, True), (30, 1, False), (50, 2, False), (60, 2, True)]
    assert apps.open_at(column(1, 2, 3), 0).tolist() == [True, False, False]
    assert apps.open_at(column(1, 2, 3), 100).tolist() == [False, True, False]
    assert apps.sending(column(1, 1, 2, 2, 2, 3), column(24, 25, 9, 10, 99, 10)).tolist() == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_where_nobody_has_the_app_open_nothing_is_sent() -> None:
    gone = Persona(open_s=0.01, away_s=86_400)
    assert len(planned(((gone, 1.0),), seconds=5, rate_per_s=20)) == 0
    assert len(planned(((gone, 0.995), ("regular", 0.005)), seconds=5, rate_per_s=20)) > 50  # one user says it all


def test_a_seed_fixes_who_is_who_and_when() -> None:
    one, again, other = (planned(HALF, seed=seed) for seed in (1, 1, 2))
    assert one.apps is not None
    assert again.apps is not None
    assert other.apps is not None
    assert one.apps.switches() == again.apps.switches() != other.apps.switches()
    assert (one.device == again.device).all()


def test_the_short_form_multiplies_times_and_leaves_weights_and_names() -> None:
    mix: Mix = (("chatty", 0.5), (msgspec.structs.replace(COMES_AND_GOES, sends=3), 0.25), ("commuter", 0.25))
    short = personas.scaled(mix, 0.1)
    assert short[0] == ("chatty", 0.5)
    assert short[1] == (Persona(sends=3, open_s=Lognormal(1, 0.5), away_s=Lognormal(2, 1), linger_s=0.2), 0.25)
    assert short[2] == (Persona(open_s=Lognormal(3, 1), away_s=Lognormal(90, 1), linger_s=0.5), 0.25)


@pytest.mark.parametrize(
    ("mix", "words"),
    [
        ((("chatterbox", 1.0),), "personas.0.0 is 'chatterbox', which is no preset; presets are regular, chatty"),
        ((("chatty", 0.5),), "the shares add up to 0.5"),
        ((("chatty", 1.5), ("lurker", -0.5)), "personas.0.1 is 1.5"),
        (((Persona(sends=-1), 1.0),), "personas.0.0.sends is -1; give a weight of 0 to 1000000"),
        (((Persona(sends=0), 1.0),), "sends is 0 for all"),
        (((Persona(open_s=0), 1.0),), "personas.0.0.open_s is 0; give 0.01 to 86400 seconds"),
        (((Persona(open_s=5, away_s="naps"), 1.0),), "personas.0.0.away_s is 'naps', which is no preset"),
        (((Persona(linger_s=-1), 1.0),), "personas.0.0.linger_s is -1"),
    ],
)
def test_mixes_that_cannot_be_are_refused(mix: Mix, words: str) -> None:
    assert words in next(personas.problems(mix))


def test_every_preset_can_be() -> None:
    assert list(personas.problems(tuple((name, 1 / len(PERSONAS)) for name in PERSONAS))) == []
