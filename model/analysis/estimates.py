"""What repeated runs prove: means with their intervals, and bounds on what was never seen.

A replication is one run with a seed of its own, so its figures are independent of the others'; what lies within one run is not, and no
interval is made from it. For a steady state each replication leaves its warm-up out; runs that end by themselves have none.
Sources: Law, "Simulation Modeling and Analysis", 5th ed., 2015, 9.4 (replication and deletion), 11.2 (common random numbers); Hanley and
Lippman-Hand, "If nothing goes wrong, is everything all right?", 1983 (3/n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``n`` replications and its confidence interval."""

    mean: float
    low: float
    high: float
    n: int

    def __contains__(self, value: float) -> bool:
        """Whether the interval holds a value."""
        return self.low <= value <= self.high

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def mean(replications: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean over replications with Student's interval. At least two, or ``ValueError``: one run has no spread."""
    values = np.asarray(replications, np.float64)
    if len(values) < 2:
        raise ValueError(f"{len(values)} replications: an interval needs two at least")
    from scipy import stats

    center = float(values.mean())
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(center, center - half, center + half, len(values))


def difference(one: Sequence[float], other: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of ``other - one`` by pairs: replications of the same seeds, which share all luck that is not the policy's."""
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} replications: a pair is two runs of one seed")
    return mean([b - a for a, b in zip(one, other, strict=True)], confidence)


def share(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """A share of ``n`` independent trials with its exact interval (Clopper, Pearson 1934).

    For none of ``n`` the upper end is one-sided: at 95 % it is 1 - 0.05^(1/n), which is the rule of 3/n.
    """
    from scipy import stats

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}: a share needs a trial at least, and no more successes than trials")
    tail = (1 - confidence) / 2
    if successes == 0:
        return Estimate(0.0, 0.0, 1 - float((1 - confidence) ** (1 / n)), n)
    if successes == n:
        return Estimate(1.0, float((1 - confidence) ** (1 / n)), 1.0, n)
    low = float(stats.beta.ppf(tail, successes, n - successes + 1))
    high = float(stats.beta.ppf(1 - tail, successes + 1, n - successes))
    return Estimate(successes / n, low, high, n)
