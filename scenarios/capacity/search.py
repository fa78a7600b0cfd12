"""Which rate is played next, when a rate is decided, and what it all comes to: decisions, without a run.

The rates go up by a constant factor until one breaks the promise, then the gap between the highest that kept it and the lowest that did
not is halved on a logarithmic scale until it is narrow enough. It is what RFC 2544 (26.1: raise the rate while all frames come back, lower
it and try again when some do not) calls a throughput test, with the search that everybody makes of it. RFC 2544 supposes that one rate
gives one answer. Servers made of software do not (draft-vpolak-bmwg-plrsearch says so of packet forwarding), so:

- A rate is decided by the majority of up to ``runs`` fresh runs with seeds of their own, and no more are played than the majority needs.
  If runs at one rate are independent and each keeps the promise with chance p, the majority is wrong about a rate with p = 0.9 or
  p = 0.1 with chance :func:`error`: 2.8 % for three runs, 0.9 % for five. About a rate with p = 0.5 nobody can be right: what the
  search closes in on is the rate that one run in two keeps.
- That holds for each rate by itself. A search decides a dozen, of which those near the limit are the ones that may be wrong.
- It is supposed that what is kept at one rate is kept at any lower one. Nothing below a rate that kept the promise is played.
- A run without an answer decides its rate, for it had as many attempts as any run has. If the harness failed, the rate cannot be measured;
  the search goes on below it, and where nothing is broken there the answer is a lower bound, never a capacity.

The knee. The curve of delay over load of a waiting line is a hyperbola, which bends everywhere and has no knee of its own (Gunther, "Mind
your knees and queues", 2009), so where it is has to be agreed on. Here: where the promised quantile is twice its least value at any lower
rate. In M/M/1 that is a load of one half, where power, throughput over delay, is greatest (Kleinrock, "Power and deterministic rules of
thumb for probabilistic problems in computer communications", 1979), for the mean as for every quantile, each a multiple of
1 / (capacity - load). The least value and not the first: a server that rests between messages is slower than one with a little to do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import comb
from typing import Final, Literal

import msgspec

Answer = Literal["kept", "broken", "harness", "open"]
"""Of a run or a rate: the promise was kept; it was broken; the harness failed; nobody can tell."""
Outcome = Literal["found", "at_least", "below", "harness", "unknown", "unfinished"]
"""A last pass and a first failure; kept at the highest rate asked for; broken at the lowest; no failure below what could be measured;
a rate without an answer; ended by a signal."""

KNEE: Final = 2.0
SURE: Final = 0.9
"""Chance of one run to say what its rate deserves, for which the error of the majority is told."""
DIGITS: Final = 3
"""Of a rate that is played: more suggest a precision that nobody has."""


class Plan(msgspec.Struct, frozen=True):
    """What is searched for, in messages sent a second."""

    from_per_s: float
    to_per_s: float
    tolerance: float = 0.1
    """First failure over last pass, less one, at which the search is over."""
    runs: int = 3
    """Most at one rate; odd, so that there is a majority."""
    factor: float = 2.0
    """From one rate to the next, on the way up."""

    @property
    def rates_max(self) -> int:
        """No search decides more rates."""
        up = 1 + math.ceil(math.log(self.to_per_s / self.from_per_s, self.factor))
        return (
            up + math.ceil(math.log2(math.log(self.factor) / math.log(1 + self.tolerance))) + 2
        )  # two for rates that are rounded


def decide(answers: Sequence[Answer], runs: int) -> Answer | None:
    """What a rate is, from the answers of its runs so far; None: play another."""
    for without in ("open", "harness"):
        if without in answers:
            return without
    majority = runs // 2 + 1
    return next((answer for answer in ("kept", "broken") if answers.count(answer) >= majority), None)


def next_rate(plan: Plan, decided: Mapping[float, Answer]) -> float | None:
    """The rate to decide next; None when the search is over."""
    low, high = last_pass(decided), _ceiling(decided)
    if "open" in decided.values():
        return None
    if high is None:
        if low is None:
            return plan.from_per_s
        return None if low >= plan.to_per_s else min(_rounded(low * plan.factor), plan.to_per_s)
    if low is None or high / low <= 1 + plan.tolerance:
        return None
    middle = _rounded(math.sqrt(low * high))
    return middle if low < middle < high else None


def _rounded(rate: float) -> float:
    return float(f"{rate:.{DIGITS}g}")


def last_pass(decided: Mapping[float, Answer]) -> float | None:
    """The highest rate that kept the promise."""
    return max((rate for rate, answer in decided.items() if answer == "kept"), default=None)


def first_failure(decided: Mapping[float, Answer]) -> float | None:
    """The lowest rate that broke it."""
    return min((rate for rate, answer in decided.items() if answer == "broken"), default=None)


def unmeasured(decided: Mapping[float, Answer]) -> float | None:
    """The lowest rate at which the harness failed."""
    return min((rate for rate, answer in decided.items() if answer == "harness"), default=None)


def _ceiling(decided: Mapping[float, Answer]) -> float | None:
    return min((rate for rate, answer in decided.items() if answer != "kept"), default=None)


def outcome(plan: Plan, decided: Mapping[float, Answer]) -> Outcome:
    """What a search came to."""
    if "open" in decided.values():
        return "unknown"
    if next_rate(plan, decided) is not None:
        return "unfinished"
    high = _ceiling(decided)
    if high is None:
        return "at_least"
    if decided[high] == "harness":
        return "harness"
    return "below" if last_pass(decided) is None else "found"


def error(runs: int, sure: float = SURE) -> float:
    """The chance that the majority of ``runs`` is wrong about a rate that a share ``sure`` of runs tell rightly."""
    return math.fsum(comb(runs, wrong) * (1 - sure) ** wrong * sure ** (runs - wrong) for wrong in range(runs // 2 + 1, runs + 1))


def knee(latencies: Mapping[float, float | None]) -> float | None:
    """The rate at which a latency is ``KNEE`` times the least of any lower rate; None where it never is, or where too little is known.

    In a straight line between its neighbours on logarithmic scales; where the upper one is infinite, that rate.
    """
    known = [(rate, late) for rate, late in sorted(latencies.items()) if late is not None]
    least = math.inf
    for i, (rate, late) in enumerate(known):
        if late > KNEE * least:
            return _between(known[i - 1], (rate, late), KNEE * least)
        least = min(least, late)
    return None


def _between(below: tuple[float, float], above: tuple[float, float], late: float) -> float:
    if math.isinf(above[1]):
        return above[0]
    share = math.log(late / below[1]) / math.log(above[1] / below[1])
    return below[0] * math.exp(share * math.log(above[0] / below[0]))
