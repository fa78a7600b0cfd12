"""Arrivals: when users want to send, fixed before a run; the system's answers change nothing of it.

Rules of the file:

- A shape says how the rate varies over the load, in multiples of the plan's ``rate_per_s``, so that one number turns any load up and
  down. Times are seconds from the beginning of the load.
- Every shape but the replay is a Poisson process whose rate is linear by pieces. It is drawn exactly: the number of arrivals is Poisson
  with the integral of the rate as its mean, and given their number, arrivals are independent with the rate as their density (Cinlar,
  "Introduction to Stochastic Processes", 1975), so each is the inverse of the integral at a uniform draw. A rate that is
  constant has the uniform density.
- :class:`Bursts` draws its pieces first, then the arrivals given them.

Prior art: the arrival profiles of load tools (ramps, steps, spikes); the Markov-modulated Poisson process of traffic theory (Fischer and
Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation 18, 1993).
What this does not do: choose senders (:mod:`model.workload.schedule`), read recordings (:mod:`model.workload.trace`), or play the one
load that does wait for the system (:mod:`model.workload.closed`)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]

SOJOURN_MIN_S = 0.001
"""Of a burst or the quiet between two: a millisecond, so that a day's load has at most some 10^8 of them."""
TIMES_MAX = 1e6
"""Of a multiple of the planned rate."""


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="shape"):
    """What all have in common."""

    def scaled(self, factor: float) -> _Shape:
        """The same in a run that is shortened: times multiplied, multiples of the rate kept."""
        return self


class Poisson(_Shape, frozen=True, tag="poisson"):
    """The planned rate throughout."""


class Bursts(_Shape, frozen=True, tag="bursts"):
    """Two states that alternate, each with its rate, for exponential times: a Markov-modulated Poisson process. It begins as it goes on,
    in a state drawn with the share of time that it has."""

    quiet: float = 0.5
    """Multiple of the planned rate."""
    busy: float = 5.0
    quiet_s: float = 9.0
    """Mean length of a stay."""
    busy_s: float = 1.0

    def scaled(self, factor: float) -> Bursts:
        return msgspec.structs.replace(self, quiet_s=self.quiet_s * factor, busy_s=self.busy_s * factor)

    @property
    def mean(self) -> float:
        """Of the multiple, in the long run."""
        return (self.quiet * self.quiet_s + self.busy * self.busy_s) / (self.quiet_s + self.busy_s)

    def dispersion(self, rate_per_s: float, window_s: float) -> float:
        """Variance over mean of the number of arrivals in a window, in the long run (Fischer and Meier-Hellstern, 1993):
        1 for Poisson arrivals, and more the longer the window is, up to a limit."""
        leaves = 1 / self.quiet_s + 1 / self.busy_s
        shares = self.quiet_s * self.busy_s / (self.quiet_s + self.busy_s) ** 2
        swing = rate_per_s * shares * (self.busy - self.quiet) ** 2 / self.mean
        return 1 + 2 * swing / leaves * (1 + math.expm1(-leaves * window_s) / (leaves * window_s))


class Ramp(_Shape, frozen=True, tag="ramp"):
    """The rate changes evenly from the beginning of the load to its end."""

    begin: float = 0.0
    end: float = 2.0


class Steps(_Shape, frozen=True, tag="steps"):
    """The rate jumps at given seconds and stays until the next; before the first it is the planned one."""

    steps: tuple[tuple[float, float], ...]
    """Pairs of a second and a multiple, in order of time."""

    def scaled(self, factor: float) -> Steps:
        return Steps(tuple((from_s * factor, times) for from_s, times in self.steps))


class Spike(_Shape, frozen=True, tag="spike"):
    """The planned rate, and ``times`` as much for a while."""

    from_s: float
    to_s: float
    times: float = 10.0

    def scaled(self, factor: float) -> Spike:
        return msgspec.structs.replace(self, from_s=self.from_s * factor, to_s=self.to_s * factor)


class Replay(_Shape, frozen=True, tag="replay"):
    """The instants of a recorded trace (:mod:`model.workload.trace`); the planned rate plays no part. A shorter run plays its beginning."""

    path: str
    sha256: str = ""
    """The first 16 digits of the file's digest; given when the scenario is made ready, then checked where it is played."""


class Closed(_Shape, frozen=True, tag="closed"):
    """No arrivals: every user sends, waits for the answer, thinks, and sends again (:mod:`model.workload.closed`). The planned rate is what
    they would come to if answers took no time."""


Drawn = Poisson | Bursts | Ramp | Steps | Spike
Arrivals = Drawn | Replay | Closed
"""How the rate varies, or what is played again."""

TAGS: tuple[str, ...] = tuple(str(shape.__struct_config__.tag) for shape in Arrivals.__args__)
"""What shapes are called where scenarios are written."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A rate that is linear by pieces; multiples of the planned one, arrays of shape (pieces,)."""

    begin_us: Floats
    """From the beginning of the load; each piece lasts until the next begins."""
    end_us: Floats
    left: Floats
    right: Floats

    @property
    def mass(self) -> Floats:
        """Integral of each piece: multiples times microseconds."""
        return (self.left + self.right) / 2 * (self.end_us - self.begin_us)

    def at(self, uniform: Floats) -> Floats:
        """Instants at which the integral reaches these shares of the whole: shares in [0, 1), sorted as they are."""
        reached = np.concatenate([[0.0], np.cumsum(self.mass)])
        wanted = uniform * reached[-1]
        piece = np.minimum(np.searchsorted(reached, wanted, "right") - 1, len(self.left) - 1)
        rest, left = wanted - reached[piece], self.left[piece]
        slope = (self.right - self.left)[piece] / (self.end_us - self.begin_us)[piece]
        root = np.sqrt(np.maximum(left * left + 2 * slope * rest, 0.0))
        # of left x + slope x^2 / 2 = rest, in the form that loses nothing where the slope is small
        offset = np.divide(2 * rest, left + root, out=np.zeros_like(rest), where=left + root > 0)
        return np.asarray(self.begin_us[piece] + offset)


def instants(shape: Drawn, rate_per_s: float, begin_us: int, end_us: int, rng: np.random.Generator) -> Instants:
    """The arrivals of a shape within [begin, end), in order."""
    if isinstance(shape, Poisson):
        count = int(rng.poisson(rate_per_s * (end_us - begin_us) / 1e6))
        return np.sort(rng.integers(begin_us, end_us, count)).astype(np.int64)
    profile = _profile(shape, float(end_us - begin_us), rng)
    count = int(rng.poisson(rate_per_s * float(profile.mass.sum()) / 1e6))
    found = profile.at(np.sort(rng.random(count)))
    return np.minimum(begin_us + found.astype(np.int64), end_us - 1)


def _profile(shape: Bursts | Ramp | Steps | Spike, length_us: float, rng: np.random.Generator) -> Profile:
    match shape:
        case Bursts():
            return _bursts(shape, length_us, rng)
        case Ramp(begin, end):
            return Profile(np.zeros(1), np.array([length_us]), np.array([begin]), np.array([end]))
        case Steps(steps):
            pairs = ((0.0, 1.0), *steps)
        case Spike(from_s, to_s, times):
            pairs = ((0.0, 1.0), (from_s, times), (to_s, 1.0))
    begin, level = np.array(pairs, np.float64).T
    return _levels(np.minimum(begin * 1e6, length_us), level, length_us)


def _levels(begin_us: Floats, level: Floats, length_us: float) -> Profile:
    """Pieces of constant rate; those of no length are left out."""
    end_us = np.append(begin_us[1:], length_us)
    kept = end_us > begin_us
    return Profile(begin_us[kept], end_us[kept], level[kept], level[kept])


def _bursts(shape: Bursts, length_us: float, rng: np.random.Generator) -> Profile:
    """Stays until they fill the load. What is left of the first one is exponential as well: it has no memory."""
    busy = bool(rng.random() < shape.busy_s / (shape.quiet_s + shape.busy_s))
    pair_us = np.array([shape.busy_s, shape.quiet_s] if busy else [shape.quiet_s, shape.busy_s]) * 1e6
    pair = (shape.busy, shape.quiet) if busy else (shape.quiet, shape.busy)
    some = int(length_us / pair_us.sum() * 1.1) + 16
    stays = np.zeros(0)
    while stays.sum() < length_us:
        stays = np.append(stays, (rng.exponential(size=(some, 2)) * pair_us).ravel())
    begin_us = np.concatenate([[0.0], np.cumsum(stays)[:-1]])
    return _levels(np.minimum(begin_us, length_us), np.resize(np.array(pair), len(stays)), length_us)


def peak(shape: Arrivals) -> float:
    """The greatest multiple of the planned rate."""
    match shape:
        case Bursts(quiet, busy):
            return max(quiet, busy)
        case Ramp(begin, end):
            return max(begin, end)
        case Steps(steps):
            return max(1.0, *(times for _, times in steps))
        case Spike(_, _, times):
            return max(1.0, times)
        case _:
            return 1.0


# what cannot be ---------------------------------------------------------------------------------------------------------------------


def problems(shape: Arrivals, duration_s: float) -> Iterator[str]:
    """What is wrong with a shape in a load of this length, in words that begin with a field's name."""
    for name, times in _multiples(shape):
        if not 0 <= times <= TIMES_MAX:
            yield f"{name} is {times:g}; give 0 to {TIMES_MAX:.0f} times the planned rate"
    for name, second in _seconds(shape):
        if not 0 <= second <= duration_s:
            yield f"{name} is {second:g}; give 0 to {duration_s:g}, the scenario's duration_s"
    match shape:
        case Bursts(quiet_s=quiet_s, busy_s=busy_s):
            for name, stay_s in (("quiet_s", quiet_s), ("busy_s", busy_s)):
                if not SOJOURN_MIN_S <= stay_s <= 86_400:
                    yield f"{name} is {stay_s:g}; give {SOJOURN_MIN_S:g} to 86400 seconds"
        case Steps(steps):
            if not steps:
                yield "steps is empty; give pairs of a second and a multiple of the rate"
            for i in range(1, len(steps)):
                if steps[i][0] <= steps[i - 1][0]:
                    yield f"steps.{i}.0 is {steps[i][0]:g}; give steps in order of time"
        case Spike(from_s, to_s):
            if from_s >= to_s:
                yield f"to_s is {to_s:g}; give a time after from_s"


def _multiples(shape: Arrivals) -> Iterator[tuple[str, float]]:
    for name in ("quiet", "busy", "begin", "end", "times"):
        if name in shape.__struct_fields__:
            yield name, getattr(shape, name)
    if isinstance(shape, Steps):
        yield from ((f"steps.{i}.1", times) for i, (_, times) in enumerate(shape.steps))


def _seconds(shape: Arrivals) -> Iterator[tuple[str, float]]:
    if isinstance(shape, Spike):
        yield from (("from_s", shape.from_s), ("to_s", shape.to_s))
    if isinstance(shape, Steps):
        yield from ((f"steps.{i}.0", second) for i, (second, _) in enumerate(shape.steps))
