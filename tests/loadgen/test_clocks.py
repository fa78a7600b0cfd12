"""Comparing the clocks of two hosts: by the shortest of many round trips, and the truth is within the bound."""

from __future__ import annotations

import numpy as np
import pytest

from loadgen.clocks import Comparison, Offset, compare, concluded, offset


class Other:
    """Another host: its clock is ``ahead_ns`` ahead and gains ``gain`` of every nanosecond; trips take as long as they like."""

    def __init__(self, ahead_ns: int, gain: float = 0.0, seed: int = 1) -> None:
        self.ahead_ns, self.gain, self.now = ahead_ns, gain, 1_000_000_000
        self.luck = np.random.default_rng(seed)

    def shows(self) -> int:
        return self.now + self.ahead_ns + round(self.now * self.gain)

    def exchange(self) -> tuple[int, int, int]:
        t0 = self.now
        self.now += 50_000 + round(self.luck.exponential(300_000))
        t = self.shows()
        self.now += 80_000 + round(self.luck.exponential(300_000))
        return t0, t, self.now


@pytest.mark.parametrize("ahead_ns", [0, 7, -3_600_000_000_000, 86_400_000_000_000])
def test_the_true_offset_is_within_the_bound_however_unequal_the_ways_are(ahead_ns: int) -> None:
    for seed in range(20):
        found = compare(Other(ahead_ns, seed=seed).exchange)
        assert abs(found.offset_ns - ahead_ns) <= found.bound_ns


def test_the_shortest_round_is_taken() -> None:
    assert offset([(0, 500, 1000), (2000, 2107, 2200), (3000, 3900, 4000)]) == Offset(7, 100)
    assert offset([(0, 1, 1)]) == Offset(1, 1)


def test_what_a_clock_has_moved_by_counts_into_the_bound_of_the_whole_run() -> None:
    assert concluded(1, "b", Offset(5_000_000, 90_000), Offset(5_200_000, 60_000)) == Comparison(1, "b", 5000, 200, 260)
    assert concluded(1, "b", Offset(5_000_000, 90_500), Offset(5_000_000, 60_000)) == Comparison(1, "b", 5000, 0, 91)


def test_the_bound_holds_throughout_a_run_of_a_clock_that_goes_wrong_evenly() -> None:
    other = Other(10_000_000_000, gain=50e-6)
    before = compare(other.exchange)
    begun = other.now
    other.now += 60_000_000_000
    played = other.now
    verdict = concluded(0, "a", before, compare(other.exchange))
    for at in (begun, (begun + played) // 2, played):
        other.now = at
        assert abs(other.shows() - at - before.offset_ns) <= verdict.bound_us * 1000
    assert verdict.moved_us >= 2900
