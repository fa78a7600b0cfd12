"""What the design promises of connections, told from small histories."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from model.core.policies import Policies, Timers
from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Contract, Header, Kind
from model.observe import header
from scenarios.hunting.conduct import EVICTED, HAMMERING, TURNED_AWAY, UNCERTAIN, findings

BASE_US = Timers().backoff_base_us
TAKEN_OVER, NOT_ATTACHED, SHUTTING_DOWN, RESULT_FORGOTTEN = 42, 45, 46, 24
Row = tuple[Kind, int, int]


def found(rows: Sequence[Row], backoff: str = "exponential", drain: str = "at_once") -> list[str]:
    """The kinds found where one device did this: (what, when, with which code)."""
    recorder = MemoryRecorder()
    recorder.record(Kind.DEVICE, 0, device=1, user=1, node=2)
    for connection, (kind, t_us, code) in enumerate(rows, 1):
        recorder.record(kind, t_us, device=1, connection=connection, node=2, code=code)
    policies = Policies(backoff=backoff, drain=drain)  # type: ignore[arg-type]
    return [kind for kind, _ in findings(from_rows(head_of(policies), recorder.rows()))]


def head_of(policies: Policies) -> Header:
    """The header of a run with these policies."""
    return header(
        world="sim",
        scenario="",
        scenario_digest="",
        preset="cursor",
        seed=1,
        contract=Contract(),
        policies=policies,
        timers=Timers(),
        nodes={2: "gateway-1"},
        load_begin_us=0,
    )


def attempts(*waits_us: int, ready: bool = False) -> list[Row]:
    """Attempts that fail at once, each after a wait; ``ready``: each came in first."""
    rows, now = [(Kind.CONNECTING, 0, 0)], 0
    for wait_us in waits_us:
        rows += [(Kind.READY, now, 0)] if ready else []
        rows += [(Kind.DISCONNECTED, now, 0), (Kind.CONNECTING, now + wait_us, 0)]
        now += wait_us
    return rows


def test_waits_that_double_are_well_conducted() -> None:
    assert found(attempts(BASE_US, 2 * BASE_US, 4 * BASE_US)) == []


def test_a_wait_that_does_not_grow_with_failures_is_hammering() -> None:
    assert found(attempts(BASE_US, 2 * BASE_US, BASE_US)) == [HAMMERING]


def test_whoever_came_in_begins_anew() -> None:
    assert found(attempts(BASE_US, BASE_US, BASE_US, ready=True)) == []


@pytest.mark.parametrize(
    ("backoff", "least_us"),
    [
        ("fixed", Timers().backoff_fixed_us),
        ("exponential", 4 * BASE_US),
        ("equal_jitter", 2 * BASE_US),
        ("decorrelated", BASE_US),
        ("full_jitter", 0),
    ],
)
def test_the_least_wait_is_that_of_the_policy(backoff: str, least_us: int) -> None:
    long_us = 100 * BASE_US
    assert found(attempts(long_us, long_us, least_us), backoff) == []
    assert found(attempts(long_us, long_us, least_us - 1), backoff) == [HAMMERING] * (least_us > 0)


def test_no_wait_need_be_longer_than_the_longest() -> None:
    assert found(attempts(*[Timers().backoff_max_us] * 12)) == []


def test_who_leaves_when_it_was_told_to_need_not_wait_again() -> None:
    rows = [(Kind.CONNECTING, 0, 0), (Kind.READY, 1, 0), (Kind.DISCONNECTED, 2, SHUTTING_DOWN), (Kind.CONNECTING, 2, 0)]
    assert [found(rows, drain=drain) for drain in ("spread", "redirect", "at_once")] == [[], [], [HAMMERING]]


def test_the_newest_connection_is_never_taken_over() -> None:
    rows = [(Kind.CONNECTING, 0, 0), (Kind.READY, 1, 0), (Kind.DISCONNECTED, 2, TAKEN_OVER)]
    assert found(rows) == [EVICTED]
    assert found([*rows[:2], (Kind.DISCONNECTED, 2, 0)]) == []


def test_who_was_let_in_is_not_told_that_it_never_came_in() -> None:
    assert found([(Kind.CONNECTING, 0, 0), (Kind.READY, 1, 0), (Kind.DISCONNECTED, 2, NOT_ATTACHED)]) == [TURNED_AWAY]


def test_a_send_that_is_repeated_until_it_is_answered_is_not_given_up() -> None:
    recorder = MemoryRecorder()
    recorder.record(Kind.DEVICE, 0, device=1, user=1, node=2)
    recorder.record(Kind.INFO, 5, device=1, conversation=1, sender=1, send_counter=1, code=RESULT_FORGOTTEN)
    told = list(findings(from_rows(head_of(Policies()), recorder.rows())))
    assert told == [(UNCERTAIN, "d1 gave a send up at 0.000005 s: result_forgotten")]
    assert not list(findings(from_rows(head_of(Policies(send="bounded")), recorder.rows())))
