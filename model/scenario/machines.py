"""Machines as values: clocks of devices that are wrong, and a disk that is not always as quick. Both are perfect by default."""

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


def problems(clocks: Clocks, disk: Disk) -> Iterator[str]:
    """What is wrong with a scenario's machines, in words, the first first."""
    return (text for holds, text in _conditions(clocks, disk) if not holds)


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
