"""Machines as values: clocks of devices that are wrong, a disk that is not always as quick, a load generator that is short of CPU. All are
perfect by default."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

PPM_MAX = 10_000.0
"""A per cent: far beyond any crystal (tens of ppm), and the rules' timers still mean what they say."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clocks jump, as when a phone that was off gets the time from its network."""

    at_s: float
    """In seconds from the beginning of the load."""
    by_s: float
    """Forward above 0, back below."""
    share: float = 1.0
    """Of the devices, drawn by key."""


class Clocks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How wrong the clocks are that devices go by; histories are written on the run's own clock all the same."""

    rate_ppm: float = 0.0
    """Standard deviation of their rates, parts per million; normal. Crystals of phones are specified at some tens."""
    offset_us: float = 0.0
    """Standard deviation of how far they are off at the start; normal."""
    steps: tuple[Step, ...] = ()

    @property
    def perfect(self) -> bool:
        """Whether they are not wrong at all."""
        return not (self.rate_ppm or self.offset_us or self.steps)

    def scaled(self, factor: float) -> Clocks:
        """The same in a run that is shortened."""
        steps = tuple(Step(step.at_s * factor, step.by_s * factor, step.share) for step in self.steps)
        return msgspec.structs.replace(self, steps=steps)


class Disk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a commit's time varies about what was measured."""

    sigma: float = 0.0
    """Standard deviation of the logarithm of a lognormal factor with the mean 1; 0: every commit takes the same."""
    stall_share: float = 0.0
    """Share of the commits that wait for the device besides (a flush, a garbage collection of the flash)."""
    stall_us: float = 0.0
    """Mean of that wait, exponential."""


class Starved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The load generator gets no CPU, now and then: no fault of the system, but one of the harness, planted to see that it is found out.

    In the live world its process is stopped (SIGSTOP); the simulated one then plays all devices as one process, as a live run does."""

    from_s: float
    to_s: float
    """Seconds from the beginning of the load."""
    stop_s: float = 0.1
    every_s: float = 0.5

    def scaled(self, factor: float) -> Starved:
        """The same in a run that is shortened; a stop is as long, for what a generator may be late is."""
        return msgspec.structs.replace(self, from_s=self.from_s * factor, to_s=self.to_s * factor)

    def begins_s(self) -> list[float]:
        """When it is stopped, each time for ``stop_s``."""
        return [self.from_s + i * self.every_s for i in range(math.ceil((self.to_s - self.from_s) / self.every_s))]


STOPS_MAX = 100_000
"""Of a starved generator: more is a slip of the pen."""


def problems(clocks: Clocks, disk: Disk, starved: Starved | None = None) -> Iterator[str]:
    """What is wrong with a scenario's machines, in words, the first first."""
    yield from (text for holds, text in _conditions(clocks, disk) if not holds)
    if starved is not None:
        yield from (text for holds, text in _starved_conditions(starved) if not holds)


def _starved_conditions(starved: Starved) -> Iterator[tuple[bool, str]]:
    yield _at_least_0(starved.from_s), f"starved.from_s is {starved.from_s:g}; give at least 0 seconds"
    yield starved.from_s < starved.to_s < math.inf, f"starved.to_s is {starved.to_s:g}; give a time after from_s"
    yield 0 < starved.stop_s < math.inf, f"starved.stop_s is {starved.stop_s:g}; give more than 0 seconds"
    fewest_s = max(starved.stop_s, (starved.to_s - starved.from_s) / STOPS_MAX)
    yield fewest_s < starved.every_s < math.inf, f"starved.every_s is {starved.every_s:g}; give more than {fewest_s:g} seconds"


def _conditions(clocks: Clocks, disk: Disk) -> Iterator[tuple[bool, str]]:
    yield 0 <= clocks.rate_ppm <= PPM_MAX, f"clocks.rate_ppm is {clocks.rate_ppm:g}; give 0 to {PPM_MAX:g}"
    yield _at_least_0(clocks.offset_us), f"clocks.offset_us is {clocks.offset_us:g}; give at least 0 microseconds"
    for i, step in enumerate(clocks.steps):
        yield _at_least_0(step.at_s), f"clocks.steps.{i}.at_s is {step.at_s:g}; give at least 0 seconds"
        yield math.isfinite(step.by_s), f"clocks.steps.{i}.by_s is {step.by_s:g}; give a number of seconds"
        yield 0 < step.share <= 1, f"clocks.steps.{i}.share is {step.share:g}; give a share above 0, up to 1"
    yield 0 <= disk.sigma <= 3, f"disk.sigma is {disk.sigma:g}; give 0 to 3"
    yield 0 <= disk.stall_share <= 1, f"disk.stall_share is {disk.stall_share:g}; give 0 to 1"
    yield _at_least_0(disk.stall_us), f"disk.stall_us is {disk.stall_us:g}; give at least 0 microseconds"


def _at_least_0(value: float) -> bool:
    return math.isfinite(value) and value >= 0
