"""Admission as a rule: whom a gateway lets in, what it tells the others, and that it costs nothing where the door is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from model.core.admission import ADMITTED, BoundedQueue, Hints, TokenBucket, admission
from model.core.codes import TEXT, Code
from model.core.effects import Close, TellBusiness, Write
from model.core.envelopes import Attached, Evict
from model.core.frames import Connect, Error, Goodbye
from model.core.gateway import Gateway
from model.core.limits import LOGIN_HINT_MAX_US
from model.core.policies import AdmissionHint, AdmissionPolicy, Policies, Timers

TIMERS = Timers(login_interval_us=10_000, login_burst=3, logins_max=2, login_hint_us=700_000)


def hints(kind: AdmissionHint = "none") -> Hints:
    return Hints(kind, TIMERS)


class TestTokenBucket:
    def test_a_burst_comes_in_and_then_one_an_interval(self) -> None:
        bucket = TokenBucket(TIMERS, hints())
        assert [bucket.ask(0) for _ in range(4)] == [ADMITTED, ADMITTED, ADMITTED, 0]
        assert [bucket.ask(t_us) for t_us in (9_999, 10_000, 10_001, 20_000)] == [0, ADMITTED, 0, ADMITTED]

    def test_a_pause_fills_it_and_no_more_than_that(self) -> None:
        bucket = TokenBucket(TIMERS, hints())
        assert [bucket.ask(60_000_000) for _ in range(4)].count(ADMITTED) == 3

    def test_over_a_long_time_the_rate_is_exact(self) -> None:
        bucket = TokenBucket(TIMERS, hints())
        let_in = sum(bucket.ask(t_us) == ADMITTED for t_us in range(0, 10_000_000, 100))
        assert let_in == 1_000 + 3 - 1  # at 0 the bucket was full


class TestBoundedQueue:
    def test_so_many_are_under_way_and_a_place_that_is_free_is_given_again(self) -> None:
        queue = BoundedQueue(TIMERS, hints())
        assert [queue.ask(0) for _ in range(3)] == [ADMITTED, ADMITTED, 0]
        queue.over()
        assert [queue.ask(0) for _ in range(2)] == [ADMITTED, 0]


class TestHints:
    def test_none_and_one_for_all(self) -> None:
        assert [hints("none").next_us(5), hints("fixed").next_us(5)] == [0, TIMERS.login_hint_us]

    def test_own_hints_are_places_in_a_line_that_moves_on(self) -> None:
        line = hints("spread")
        assert [line.next_us(1_000) for _ in range(3)] == [10_000, 20_000, 30_000]
        assert line.next_us(21_000) == 20_000  # after the last one, who comes back at 31_000
        assert line.next_us(9_000_000) == 10_000  # the line is empty again

    def test_no_line_is_longer_than_its_bound(self) -> None:
        line = Hints("spread", msgspec.structs.replace(TIMERS, login_interval_us=LOGIN_HINT_MAX_US // 2))
        assert [line.next_us(0) for _ in range(3)] == [LOGIN_HINT_MAX_US // 2, LOGIN_HINT_MAX_US, LOGIN_HINT_MAX_US]


def gateway(policy: AdmissionPolicy, hint: AdmissionHint = "fixed") -> Gateway:
    machine = Gateway(Policies(admission=policy, admission_hint=hint), TIMERS, lambda user, device, token: token == b"good")
    machine.business_up(0, [])
    return machine


def connect(machine: Gateway, number: int, now: int = 0, token: bytes = b"good") -> list[Any]:
    """What a gateway answers to a new connection's Connect."""
    out: list[Any] = []
    machine.opened(number, now, out)
    machine.receive(number, Connect(number, number, 1, token), now, out)
    return out


def let_in(effects: list[Any]) -> bool:
    return [type(effect) for effect in effects] == [TellBusiness]


def turned_away(number: int, hint_us: int) -> list[Any]:
    return [Write(number, Error(Code.OVERLOADED, TEXT[Code.OVERLOADED], hint_us)), Close(number, Code.OVERLOADED)]


def test_an_open_door_asks_nobody() -> None:
    assert admission(Policies(), TIMERS) is None
    machine = gateway("open")
    assert all(let_in(connect(machine, number)) for number in range(1, 100))


def test_the_refused_are_told_why_and_when_to_come_back_and_business_hears_nothing_of_them() -> None:
    machine = gateway("token_bucket")
    assert all(let_in(connect(machine, number)) for number in (1, 2, 3))
    assert connect(machine, 4) == turned_away(4, TIMERS.login_hint_us)
    assert len(machine) == 3
    assert let_in(connect(machine, 5, now=10_000))


def test_without_a_hint_the_client_is_left_to_its_own_backoff() -> None:
    machine = gateway("bounded_queue", "none")
    assert all(let_in(connect(machine, number)) for number in (1, 2))
    assert connect(machine, 3) == turned_away(3, 0)


def test_a_bad_token_takes_no_place() -> None:
    machine = gateway("bounded_queue")
    for number in (1, 2, 3):
        connect(machine, number, token=b"bad")
    assert let_in(connect(machine, 4))


ENDINGS: list[Callable[[Gateway], None]] = [
    lambda machine: machine.receive_business(Attached(1, 77, ()), 0, []),
    lambda machine: machine.receive_business(Evict(1, Code.STALE_CONNECT), 0, []),
    lambda machine: machine.closed(1, 0, []),
    lambda machine: machine.receive(1, Goodbye(), 0, []),
    lambda machine: machine.on_deadline(10**12, []),
]


@pytest.mark.parametrize("end", ENDINGS, ids=["answered", "evicted", "closed", "goodbye", "idle"])
def test_a_log_in_that_is_over_in_any_way_leaves_its_place_once(end: Callable[[Gateway], None]) -> None:
    machine = gateway("bounded_queue")
    connect(machine, 1)
    connect(machine, 2)
    assert not let_in(connect(machine, 3))
    end(machine)
    machine.closed(1, 0, [])
    freed = 2 if machine._connections.get(2) is None else 1  # an idle time-out ends both
    assert [let_in(connect(machine, number)) for number in range(4, 7)].count(True) == freed
