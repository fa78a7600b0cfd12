"""Counts and CPU into costs: non-negative least squares over points of load.

The CPU of a role at a point is the sum of what it did, each at its cost, so costs are the solution of a linear system with more rows than
unknowns. A cost cannot be negative, hence non-negative least squares (Lawson, Hanson: "Solving Least Squares Problems", 1974, ch. 23).
Every row is divided by what was measured at it, so that a point at a tenth of the CPU counts as much as the largest: what is made small is
the relative error. What hardly moves alone (a send and its result, say) is told apart badly; their sum, which is all that a prediction
uses, is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

FLOOR_US = 200_000.0
"""Added to what was measured before dividing by it. Two windows alike differ by about 5 % and 10 ms: collections of garbage, clock
ticks, what is done for the first time. So beneath 200 ms it is the 10 ms that count."""


class Point(msgspec.Struct, frozen=True):
    """What a role did within a window, and the CPU it took."""

    name: str
    counts: Mapping[str, float]
    cpu_us: float


class Residual(msgspec.Struct, frozen=True):
    """One point: CPU as the costs say, and as measured."""

    name: str
    predicted_us: float
    measured_us: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_us / self.measured_us - 1 if self.measured_us else 0.0


class Fit(msgspec.Struct, frozen=True):
    """Costs by name, in microseconds each, and how well they explain the points."""

    costs: dict[str, float]
    residuals: tuple[Residual, ...]
    absorbed: tuple[str, ...] = ()
    """What was done and yet costs nothing: it moved so much as other things did that their costs explain it."""

    @property
    def worst(self) -> float:
        """Largest relative error of a point that is not mostly noise."""
        return max((abs(r.error) for r in self.residuals if r.measured_us > FLOOR_US), default=0.0)


def fit(points: Sequence[Point], terms: Sequence[str], floor: float = FLOOR_US) -> Fit:
    """The costs of ``terms`` that explain the points best. A term that no point has costs nothing; ``floor`` is that of what is
    explained, see ``FLOOR_US``. ValueError for no points."""
    from scipy.optimize import nnls

    if not points:
        raise ValueError("no points: costs cannot be told from nothing")
    counts = np.array([[float(point.counts.get(term, 0.0)) for term in terms] for point in points])
    cpu = np.array([point.cpu_us for point in points])
    weight = 1 / (cpu + floor)
    scale = np.maximum(counts.max(axis=0), 1.0)  # columns of like size, so that the solver's tolerance means the same for each
    found, _ = nnls(counts / scale * weight[:, None], cpu * weight)
    costs = found / scale
    residuals = [Residual(p.name, float(c @ costs), p.cpu_us) for p, c in zip(points, counts, strict=True)]
    absorbed = tuple(term for term, cost, done in zip(terms, costs, counts.max(axis=0), strict=True) if done and not cost)
    return Fit(dict(zip(terms, costs.tolist(), strict=True)), tuple(residuals), absorbed)
