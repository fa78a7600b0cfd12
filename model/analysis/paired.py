"""What pairs of runs prove: by how much a candidate differs from its base, and whether that is more than chance.

The unit is a run, never a request: requests of one run share its luck and its machine. Two runs made one after the other, base and
candidate, make a pair, whose figure is the logarithm of candidate over base: pairs share what the machine was doing, and a ratio of two and
one of a half are equally far from none. If the two are equal, the order within a pair says nothing and each figure is as likely to have the
other sign. That alone is supposed here: no normal distribution, no variance, and n may be small.

- The effect is the median of the pairs. Its interval holds every shift that the sign-flip test does not refuse; its ends are means of
  subsets of the pairs (Hartigan, "Using subsample values as typical values", JASA 64, 1969), and its coverage is exact: of the 2^n - 1
  means of subsets, the true shift lies between the k-th and the k-th from above with probability 1 - 2k / 2^n.
- The p-value of "the shift is at most so much" is the share of all 2^n flips of signs about it whose sum is as large as was seen (Fisher,
  "The Design of Experiments", 1935, 21). It cannot be less than 2^-n, so with few pairs nothing is proven.
- Of several measures, p-values are raised as Holm has it ("A simple sequentially rejective multiple test procedure", 1979): the chance that
  any measure of a whole report is called wrongly is at most what one was to have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAIRS_MAX = 20
"""All flips of signs are looked at, a million of them for so many pairs."""


@dataclass(frozen=True, slots=True)
class Effect:
    """By how much, as a logarithm of candidate over base, with its interval; of ``n`` pairs. Without bounds where n is too small."""

    median: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the interval's width: a shift much smaller than this does not show."""
        return (self.high - self.low) / 2


def log_ratios(base: Sequence[float], candidate: Sequence[float]) -> list[float]:
    """A figure for each pair. ``ValueError`` where the numbers of runs differ, or a figure is not above zero."""
    if len(base) != len(candidate):
        raise ValueError(f"{len(base)} and {len(candidate)} runs make no pairs")
    if any(not (math.isfinite(value) and value > 0) for value in (*base, *candidate)):
        raise ValueError("a ratio needs figures above zero, and no infinite ones")
    return [math.log(b / a) for a, b in zip(base, candidate, strict=True)]


def effect(pairs: Sequence[float], confidence: float) -> Effect:
    """The median of the pairs and its exact two-sided interval, whose coverage is ``confidence`` or a little more."""
    n = _checked(pairs)
    from_each_end = math.floor((1 - confidence) / 2 * 2**n + 1e-9)
    if not from_each_end:
        return Effect(float(np.median(pairs)), -math.inf, math.inf, n)
    means = np.sort(_subset_sums(pairs)[1:] / _subset_sizes(n)[1:])
    return Effect(float(np.median(pairs)), float(means[from_each_end - 1]), float(means[-from_each_end]), n)


def p_above(pairs: Sequence[float], shift: float) -> float:
    """The p-value of "they are no more than ``shift`` above zero": small where they are clearly more."""
    _checked(pairs)
    sums = _subset_sums([2 * (value - shift) for value in pairs])  # flipping a sign changes the sum by twice the value
    as_far = int(np.count_nonzero(sums <= 1e-12 * max(1.0, float(np.abs(sums).max()))))
    return as_far / len(sums)


def holm(p_values: Sequence[float]) -> list[float]:
    """The same p-values, raised so that each may be held against the level of the whole."""
    raised = [1.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        raised[index] = least
    return raised


def p_more_often(more: int, less: int) -> float:
    """The p-value of "it is as often less as more", of so many that are more and so many that are less: the sign test (Conover, "Practical
    Nonparametric Statistics", 1999, 3.4); 1 where there is nothing."""
    number = more + less
    return float(sum(math.comb(number, k) for k in range(more, number + 1)) / 2**number)


def pairs_needed(found: Effect, resolution: float) -> int | None:
    """About how many pairs would make the interval's half as narrow as ``resolution``, as widths go with the root of n; None where nobody
    can say."""
    if not math.isfinite(found.half_width) or resolution <= 0:
        return None
    return max(found.n, math.ceil(found.n * (found.half_width / resolution) ** 2))


def _checked(pairs: Sequence[float]) -> int:
    if not 1 <= len(pairs) <= PAIRS_MAX:
        raise ValueError(f"{len(pairs)} pairs: give 1 to {PAIRS_MAX}")
    return len(pairs)


def _subset_sums(values: Sequence[float]) -> NDArray[np.float64]:
    """Sums of all 2^n subsets; subset number s has value k where bit k of s is set."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def _subset_sizes(n: int) -> NDArray[np.float64]:
    return _subset_sums([1.0] * n)
