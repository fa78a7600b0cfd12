"""The closed loop as a machine: who waits does not send, thinking is exponential, and all luck is keyed."""

from __future__ import annotations

import numpy as np
import pytest

from model.core import limits
from model.workload.arrivals import Closed, Replay
from model.workload.closed import Loop, Wish
from model.workload.population import Population, PopulationPlan, populate
from model.workload.schedule import WorkloadPlan, plan, problems

SECOND = 1_000_000
PEOPLE = populate(PopulationPlan(users=10, group_size=5), 2, 1)
CLOSED = WorkloadPlan(rate_per_s=100, arrivals=Closed())


def played(loop: Loop, answer_us: int, until_us: int = 100 * SECOND) -> list[tuple[Wish, int]]:
    """Every send with the instant of its answer, which comes after so long."""
    found = list[tuple[Wish, int]]()
    under_way = list[tuple[int, Wish]]()
    while True:
        answered_us = under_way[0][0] if under_way else limits.NEVER_US
        if min(loop.deadline, answered_us) >= until_us:
            return found
        if loop.deadline < answered_us:
            wish = loop.next()
            under_way.append((wish.t_int_us + answer_us, wish))
        else:
            t_us, wish = under_way.pop(0)
            found.append((wish, t_us))
            loop.answered(wish.device, wish.conversation, wish.send_counter, t_us)


def loop(people: Population = PEOPLE, load: WorkloadPlan = CLOSED, seed: int = 1) -> Loop:
    return Loop(people, load, SECOND, 101 * SECOND, seed)


def test_nobody_sends_before_the_answer() -> None:
    last = dict.fromkeys(PEOPLE.users, SECOND)
    sends = played(loop(), 50_000)
    for wish, answered_us in sends:
        assert wish.t_int_us >= last[wish.device]
        last[wish.device] = answered_us
    assert {wish.device for wish, _ in sends} == set(PEOPLE.users)


@pytest.mark.parametrize("answer_us", [0, 100_000])
def test_the_rate_is_users_over_thinking_and_waiting(answer_us: int) -> None:
    """The interactive response time law: N users, each a think time Z and an answer R, send N / (Z + R) (Lazowska et al., 1984)."""
    rate = len(played(loop(), answer_us)) / 99
    assert rate == pytest.approx(10 / (0.1 + answer_us / SECOND), rel=0.05)


def test_thinking_is_exponential() -> None:
    answers = dict[int, int]()
    thought = list[int]()
    for wish, answered_us in played(loop(), 1_000):
        thought += [wish.t_int_us - answers[wish.device]] if wish.device in answers else []
        answers[wish.device] = answered_us
    assert np.mean(thought) == pytest.approx(100_000, rel=0.05)
    assert np.std(thought) == pytest.approx(100_000, rel=0.05)


def test_nobody_begins_before_the_load_nor_after_its_end() -> None:
    slow = loop()
    first = slow.deadline
    assert first >= SECOND
    wish = slow.next()
    slow.answered(wish.device, wish.conversation, wish.send_counter, 101 * SECOND)
    assert all(wish.device != other.device for other, _ in played(slow, 0))


def test_only_the_answer_to_what_is_awaited_counts() -> None:
    """A send that was given up may be answered after all, while its user waits for another."""
    one = loop()
    wish = one.next()
    before = one.deadline
    one.answered(wish.device, wish.conversation, wish.send_counter + 1, wish.t_int_us)
    one.answered(wish.device + 1, wish.conversation, wish.send_counter, wish.t_int_us)
    assert one.deadline == before
    one.answered(wish.device, wish.conversation, wish.send_counter, wish.t_int_us)
    again = [other for other, _ in played(one, 0) if other.device == wish.device]
    assert len(again) > 500


def test_counters_are_dense_and_senders_are_members() -> None:
    members = {c.conversation: c.members for c in PEOPLE.conversations}
    counters = dict[tuple[int, int], int]()
    for wish, _ in played(loop(), 1_000):
        assert wish.device in members[wish.conversation]
        stream = (wish.device, wish.conversation)
        assert wish.send_counter == counters.get(stream, 0) + 1
        counters[stream] = wish.send_counter


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_direct_sends_is_the_planned_one(share: float) -> None:
    direct = {c.conversation for c in PEOPLE.conversations if c.kind == "direct"}
    sends = played(loop(load=WorkloadPlan(rate_per_s=100, direct_share=share, arrivals=Closed())), 0)
    assert np.mean([wish.conversation in direct for wish, _ in sends]) == pytest.approx(share, abs=0.03)


def test_what_a_user_says_and_thinks_does_not_depend_on_others() -> None:
    """The same luck at another pace: the n-th send of a user goes into the same conversation, with the same content."""
    quick, slow = ([wish for wish, _ in played(loop(), us) if wish.device == 3] for us in (0, 200_000))
    assert [wish[:4] for wish in quick[:50]] == [wish[:4] for wish in slow[:50]]
    assert [wish[:4] for wish in quick[:50]] != [wish[:4] for wish, _ in played(loop(seed=2), 0) if wish.device == 3][:50]


def test_sizes_are_drawn_where_they_differ() -> None:
    load = WorkloadPlan(rate_per_s=100, payload_bytes="sms_english", arrivals=Closed())
    sizes = [len(wish.payload) for wish, _ in played(loop(load=load), 0)]
    assert np.median(sizes) == pytest.approx(36, abs=6)
    assert len({wish.payload for wish, _ in played(loop(load=load), 0)}) == len(sizes)


def test_a_rate_of_nothing_is_nothing() -> None:
    assert loop(load=WorkloadPlan(rate_per_s=0, arrivals=Closed())).deadline == limits.NEVER_US


def test_there_is_no_schedule() -> None:
    assert len(plan(PEOPLE, CLOSED, SECOND, 101 * SECOND, 1)) == 0


@pytest.mark.parametrize(
    ("load", "complaint"),
    [
        (WorkloadPlan(arrivals=Closed(), burst=2), "burst is 2; leave it at 1 in a closed loop"),
        (WorkloadPlan(arrivals=Closed(), spacing_us=5), "spacing_us is 5; leave it at 0 in a closed loop"),
        (WorkloadPlan(arrivals=Closed(), personas=(("regular", 1.0),)), "personas have no part in a closed loop"),
    ],
)
def test_what_has_no_place_in_it_is_refused_in_one_line(load: WorkloadPlan, complaint: str) -> None:
    assert [text.startswith(complaint) for text in problems(load, 30)] == [True]
    assert not list(problems(WorkloadPlan(arrivals=Replay("trace.csv")), 30))
