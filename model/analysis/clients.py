"""What clients come to in closed form: polling, and everyone who comes back at once.

Units are the caller's, one unit of time throughout. The formulas are elementary and derived in place; for the largest of many Poisson
counts see Kimber, "A note on Poisson maxima", 1983.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log

from model.analysis.queues import TheoryError


@dataclass(frozen=True, slots=True)
class Polling:
    """What somebody who asks again and again waits and spends."""

    delay: float
    """Mean time from a message's being there to its being seen."""
    requests: float
    """Requests in a unit of time."""


def short_polling(interval: float, one_way: float) -> Polling:
    """A question every ``interval``, answered at once. A message falls uniformly between two questions as they arrive, so it waits half an
    interval, and then travels; how many messages there are changes nothing."""
    _require(
        interval > 0 and one_way >= 0,
        f"an interval of {interval} and a way of {one_way}: the one must be above 0, the other not below",
    )
    return Polling(interval / 2 + one_way, 1 / interval)


def long_polling(one_way: float, messages: float, hold: float, jitter: float = 0.0) -> Polling:
    """A question that is held until there is a message, ``hold`` at the longest, and asked again on its answer; Poisson ``messages``.

    ``jitter``: how much of the mean ``one_way`` is exponential, anew each time. A message travels at once if a question is there. For the
    round trip R after an answer none is, and what falls into it waits for its end. A cycle is the time for which the question is held and
    the round trip: it is not held at all if something came during the round trip, which is so but for E[exp(-messages R)] of them, else
    until the next message or ``hold``. Of the messages of a cycle, those in its round trip wait messages R^2 / 2 together, so the mean
    wait is E[R^2] / 2 over the cycle (renewal-reward). R is twice the fixed part and two exponential ones.
    """
    _require(
        one_way > 0 and hold > 0 and 0 <= jitter <= one_way,
        f"a way of {one_way}, {jitter} of it jitter, and a hold of {hold}: way and hold must be above 0, jitter within the way",
    )
    round_trip, square = 2 * one_way, (2 * one_way) ** 2 + 2 * jitter**2
    if messages <= 0:
        return Polling(one_way, 1 / (hold + round_trip))
    none_came = exp(-2 * messages * (one_way - jitter)) / (1 + messages * jitter) ** 2
    cycle = none_came * (1 - exp(-messages * hold)) / messages + round_trip
    return Polling(one_way + square / (2 * cycle), 1 / cycle)


def push(one_way: float, heartbeat: float) -> Polling:
    """A connection down which messages come at once; ``requests`` are its pings."""
    _require(heartbeat > 0 and one_way >= 0, f"a heartbeat of {heartbeat} and a way of {one_way}: the one must be above 0")
    return Polling(one_way, 1 / heartbeat)


def awake(tail: float, *, every: float = 0.0, exchange: float = 0.0, messages: float = 0.0) -> float:
    """The share of time in which a radio is awake that sleeps ``tail`` after its last use: used every so often (0: never) for an
    ``exchange``, and for Poisson ``messages``. It sleeps when neither fell into the last ``tail``, and the two are independent."""
    _require(
        tail > 0 and every >= 0 and exchange >= 0 and messages >= 0,
        f"a tail of {tail}, every {every} for {exchange}, {messages} messages: none may be below 0",
    )
    asleep = max(0.0, 1 - (tail + exchange) / every) if every else 1.0
    return 1 - asleep * exp(-messages * tail)


def awake_long_polling(tail: float, one_way: float, messages: float, hold: float) -> float:
    """The same for a question that is renewed at every message and after ``hold``.

    The radio is used at the ends of intervals of a round trip and the time for which the question is held, the lesser of an exponential
    one and ``hold``; it sleeps for what each of them is longer than ``tail``. What falls into the round trip is neglected.
    """
    _require(tail > 2 * one_way > 0 and hold > 0, f"a tail of {tail} and a way of {one_way}: the tail must be above a round trip")
    quiet = tail - 2 * one_way
    if hold <= quiet:
        return 1.0
    if messages == 0:
        return 1 - (hold - quiet) / (2 * one_way + hold)
    held = (1 - exp(-messages * hold)) / messages
    return 1 - (exp(-messages * quiet) - exp(-messages * hold)) / messages / (2 * one_way + held)


def reconnect_peak(clients: int, window: float, width: float) -> float:
    """The mean, over runs, of the most arrivals in any bin of a ``width``, where ``clients`` come back uniformly within ``window``.

    Counts of bins are nearly independent Poisson numbers of mean ``clients * width / window``, so P(largest <= n) = F(n)^bins, and the mean
    is the sum over n of 1 - F(n)^bins.
    """
    _require(
        clients > 0 and 0 < width <= window, f"{clients} clients, bins of {width} in {window}: no bin is wider than the window"
    )
    bins, mean = window / width, clients * width / window
    expected, below, n = 0.0, 0.0, 0
    while True:
        below += exp(n * log(mean) - mean - lgamma(n + 1))
        beyond = 1 - min(below, 1.0) ** bins
        expected += beyond
        n += 1
        if n > mean and beyond < 1e-12:
            return float(expected)


def rolling_moves(gateways: int, *, to_next: bool) -> float:
    """How often a client changes its gateway, on average, while all ``gateways`` are restarted in turn and each sends its clients to the
    next one, or to any of the others, evenly. At first they are spread evenly.

    A gateway that comes later has got the clients of those before it: to the next one it is (n + 1) / 2.
    """
    _require(gateways > 1, f"{gateways} gateways: with fewer than two there is no other")
    there, moves = [1 / gateways] * gateways, 0.0
    for leaving in range(gateways):
        crowd, there[leaving] = there[leaving], 0.0
        moves += crowd
        others = [(leaving + 1) % gateways] if to_next else [k for k in range(gateways) if k != leaving]
        for other in others:
            there[other] += crowd / len(others)
    return moves


def zombie(interval: float, time_out: float, forgets: float = 0.0) -> tuple[float, float]:
    """How long a connection is dead before its device, which pings every ``interval`` and waits ``time_out`` for an answer, notices: the
    mean and the longest.

    Broken at any instant: what is left of the interval, uniform, and the time-out. Where a NAT ``forgets`` after so long a silence and
    nothing else is said: always the interval less that, and the time-out; 0 for an interval that it bears, since nothing breaks.
    """
    _require(
        interval > 0 and time_out > 0 and forgets >= 0, f"an interval of {interval}, a time-out of {time_out}: none may be 0"
    )
    if not forgets:
        return interval / 2 + time_out, interval + time_out
    window = interval - forgets + time_out if interval > forgets else 0.0
    return window, window


def storm_bound(capacity: float, time_out: float, wait: float) -> float:
    """The most clients that may lose their connections at once, where all ask again together, give up after ``time_out`` and ask anew after
    a ``wait``, and the server takes ``capacity`` of them in a unit of time, in order, those that have given up among them.

    Of N the first ``capacity * time_out`` get in; the others come again when the server has worked for ``time_out + wait``, and stand
    behind what is left of the first round. From then on a round begins behind N - capacity * (time_out + wait) stale requests at the
    least. If their work takes as long as the time-out nobody is ever let in again, and that is so for N above the result.
    """
    _require(
        capacity > 0 and time_out > 0 and wait >= 0, f"a capacity of {capacity}, a time-out of {time_out}: both must be above 0"
    )
    return capacity * (2 * time_out + wait)


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise TheoryError(text)
