"""The adaptive heartbeat: it grows while it is answered, goes back when it is not, and a gateway waits as long as it may become."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from model.core import draws
from model.core.client import READY, WAITING, ClientSession
from model.core.codes import Code
from model.core.commands import SendMessage
from model.core.effects import Close, Write
from model.core.frames import Notice, Ping, Pong, Welcome
from model.core.gateway import Gateway
from model.core.heartbeat import Heartbeat, longest_us
from model.core.policies import PRESETS, Timers

SECOND = 1_000_000
TIMERS = Timers(
    heartbeat_us=10 * SECOND,
    heartbeat_max_us=40 * SECOND,
    heartbeat_step_us=12 * SECOND,
    heartbeat_proofs=3,
    heartbeat_losses_max=2,
)
ADAPTIVE = msgspec.structs.replace(PRESETS["cursor"], heartbeat="adaptive")


def after(heartbeat: Heartbeat, story: str) -> list[int]:
    """Intervals in seconds after each event: ``a`` a silent interval that is answered, ``t`` one with talk, ``l`` one that is lost."""
    told = []
    for event in story:
        if event in "tl":
            heartbeat.stirred()  # before a loss, a log-in
        heartbeat.pinged()
        heartbeat.unanswered() if event == "l" else heartbeat.answered()
        told.append(heartbeat.interval_us // SECOND)
    return told


def searching(story: str = "") -> Heartbeat:
    """One that has been through a story, after the first pong, from which on silence counts."""
    heartbeat = Heartbeat(TIMERS)
    after(heartbeat, "t" + story)
    return heartbeat


@pytest.mark.parametrize(
    ("story", "intervals"),
    [
        ("aaa", [10, 10, 22]),
        ("aaaaaaaaaaaa", [10, 10, 22, 22, 22, 34, 34, 34, 40, 40, 40, 40]),  # in steps, and to the longest at most
        ("ataata", [10, 10, 10, 22, 22, 22]),  # where something was said, nothing is proven
        ("aaall", [10, 10, 22, 22, 10]),  # a step and a third back, to the least at least
        ("aaaaaall", [10, 10, 22, 22, 22, 34, 34, 18]),
        ("aaaaaalaal", [10, 10, 22, 22, 22, 34, 34, 34, 34, 34]),  # a proof in between: it was not the interval
        ("ll", [10, 10]),  # none is shorter
    ],
)
def test_the_interval_follows_what_is_answered(story: str, intervals: list[int]) -> None:
    assert after(searching(), story) == intervals


def test_once_it_has_been_too_long_it_stays_where_it_was_proven() -> None:
    assert after(searching("aaaaaa" + "ll"), "aaaaaaaaa") == [18] * 9


def test_where_even_that_is_lost_it_begins_anew() -> None:
    heartbeat = searching("aaaaaa" + "ll")
    assert after(heartbeat, "ll") == [18, 10]
    assert after(heartbeat, "taaa") == [10, 10, 10, 22]


def test_the_longest_is_lost_like_any_other() -> None:
    assert after(searching("a" * 12), "ll") == [40, 10]  # settled there: another network, so from the least


# the session -----------------------------------------------------------------------------------------------------------------------------


def session(policies: Any = ADAPTIVE) -> ClientSession:
    """A session that is ready on its first connection."""
    made, out = ClientSession(1, 1, b"", 1, 0, policies, TIMERS, draws.draws(1, 1)), list[Any]()
    made.start(0, out)
    made.opened(1, 0, out)
    made.receive(1, Welcome(1, ()), 0, out)
    return made


def beats(made: ClientSession, count: int, now: int = 0, *, talk: bool = False) -> list[int]:
    """The next pings, each answered at once: when they go out."""
    pings: list[int] = []
    while len(pings) < count:
        now, out = made.deadline, list[Any]()
        made.on_deadline(now, out)
        for effect in out:
            if isinstance(effect, Write) and isinstance(effect.frame, Ping):
                pings.append(now)
                made.receive(1, Pong(effect.frame.counter, ()), now, [])
        if talk and out:
            made.receive(1, Notice(Code.BUSINESS_UNAVAILABLE, 0), now + 1, [])
    return pings


def gaps(instants: list[int]) -> list[int]:
    return [(b - a) // SECOND for a, b in pairwise(instants)]


def test_a_device_that_is_silent_and_answered_pings_ever_less_often() -> None:
    assert gaps(beats(session(), 12)) == [
        10,
        10,
        10,
        10,
        22,
        22,
        22,
        34,
        34,
        34,
        40,
    ]  # the first follows a log-in; a new one counts from the next


def test_one_that_hears_something_in_each_interval_keeps_to_the_least() -> None:
    assert gaps(beats(session(), 8, talk=True)) == [10] * 7


def test_so_does_one_that_says_something_which_nobody_answers() -> None:
    made = session(msgspec.structs.replace(PRESETS["naive"], heartbeat="adaptive"))
    instants = []
    for _ in range(8):
        instants += beats(made, 1)
        made.submit(SendMessage(7, b""), instants[-1] + 1, [])
    assert gaps(instants) == [10] * 7


def test_fixed_it_never_changes() -> None:
    assert gaps(beats(session(PRESETS["cursor"]), 9)) == [10] * 8


def test_what_was_learnt_outlives_the_connection_and_a_missing_pong_is_a_loss() -> None:
    made = session()
    now = beats(made, 8)[-1]
    for connection in (2, 3):  # two losses: first the old interval again, then a shorter one
        while made.state is READY:
            now = made.deadline
            made.on_deadline(now, [])
        assert made.state is WAITING
        made.on_deadline(made.deadline, [])
        made.opened(connection, now, [])
        made.receive(connection, Welcome(connection, ()), now, [])
    first = made.deadline
    made.on_deadline(first, [])
    made.receive(3, Pong(99, ()), first, [])
    assert made.deadline - first == 18 * SECOND


def test_a_gateway_waits_for_the_longest_interval_that_may_be() -> None:
    assert longest_us("fixed", TIMERS) == 10 * SECOND
    assert longest_us("adaptive", TIMERS) == 40 * SECOND
    machine, out = Gateway(ADAPTIVE, TIMERS, lambda *_: True), list[Any]()
    machine.opened(1, 0, out)
    idle_us = 40 * SECOND * TIMERS.idle_heartbeats
    machine.on_deadline(idle_us - 1, out)
    assert out == []
    machine.on_deadline(idle_us, out)
    assert Close(1, Code.IDLE) in out
