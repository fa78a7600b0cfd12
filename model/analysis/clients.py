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


def long_polling(one_way: float, messages: float, hold: float) -> Polling:
    """A question that is held until there is a message, ``hold`` at the longest, and asked again on its answer; Poisson ``messages``.

    A message travels at once if a question is there. For the round trip after an answer none is, and what falls into it waits for its end,
    half a round trip on average. A cycle is the time for which the question is held and the round trip: it is not held at all if
    something came during the round trip, else until the next message or ``hold``.
    """
    _require(one_way > 0 and hold > 0, f"a way of {one_way} and a hold of {hold}: both must be above 0")
    round_trip = 2 * one_way
    if messages <= 0:
        return Polling(one_way, 1 / (hold + round_trip))
    held = exp(-messages * round_trip) * (1 - exp(-messages * hold)) / messages
    cycle = held + round_trip
    return Polling(one_way + round_trip / cycle * round_trip / 2, 1 / cycle)


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


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise TheoryError(text)
