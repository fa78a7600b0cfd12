"""What repeated runs prove: means with their intervals, and bounds on what was never seen.

A replication is one run with a seed of its own, so its figures are independent of the others'; what lies within one run is not, and no
interval is made from it. For the mean of a steady state each replication leaves its warm-up out (:func:`steady`); runs that end by
themselves have none.
Told with care: an interval with every mean, 3/n for what was never seen, and no quantile without ``BEYOND_MIN`` samples beyond it.
Sources: Law, "Simulation Modeling and Analysis", 5th ed., 2015, 9.4 (replication and deletion), 11.2 (common random numbers); Hanley and
Lippman-Hand, "If nothing goes wrong, is everything all right?", 1983 (3/n); White,
"An effective truncation heuristic for bias reduction in simulation output", 1997 (warm-up).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BEYOND_MIN = 10
"""Samples that must lie beyond a quantile for it to be told: with fewer, its own interval is wider than what it says."""


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

    For none of ``n`` the upper end is one-sided: at 95 % it is 1 - 0.05^(1/n), which is the rule of 3/n; for all of ``n`` the lower end is.
    Two rules in one make the interval miss a little more often than each does: at the least favourable share it holds the truth in at
    least 92.5 % of all cases (1 less one and a half of the 5 %).
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


def quantile(samples: Sequence[float], q: float) -> float | None:
    """The nearest rank of ``q`` in (0, 1), or None with fewer than ``BEYOND_MIN`` samples beyond it."""
    values = np.sort(np.asarray(samples, np.float64))
    rank = math.ceil(q * len(values))
    return float(values[rank - 1]) if rank and len(values) - rank >= BEYOND_MIN else None


def warm_up(series: Sequence[float], batch: int = 5) -> int:
    """How many leading values of a series to leave out, so that the rest is a steady state: MSER-5 (White 1997).

    The cut is where the marginal standard error of what is left is least, over batches of ``batch`` values, looked for in the first half.
    One at the end of that half says that the series is too short to have a steady state, and raises ``ValueError``.
    """
    whole = len(series) // batch
    if whole < 4:
        raise ValueError(f"{len(series)} values: a warm-up is looked for in {4 * batch} at least")
    means = np.asarray(series[: whole * batch], np.float64).reshape(whole, batch).mean(axis=1)
    errors = [float(means[cut:].var() / (whole - cut)) for cut in range(whole // 2 + 1)]
    cut = int(np.argmin(errors))
    if cut == whole // 2:
        raise ValueError(f"the series is still changing after {cut * batch} of {len(series)} values; run it for longer")
    return cut * batch


def steady(series: Sequence[float]) -> float:
    """The mean of a series without its warm-up: one replication's figure, for :func:`mean`."""
    return float(np.mean(series[warm_up(series) :]))
