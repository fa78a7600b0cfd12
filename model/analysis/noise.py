"""How far apart two runs of one and the same build are on a machine, and how good a comparison is in such noise.

The noise of a machine is a set of pairs of runs of one build: for each measure logarithms of one over the other, kept in the order of the
pairs, so that the measures of one pair, which share its luck, stay together. Which of two equal builds is called the base is arbitrary, so
each pair stands for itself and for its mirror image.

- The floor of a measure is by how much comparisons of equal builds differ on that machine: the 95 % quantile of the size of the median
  of so many pairs, drawn from the noise (a bootstrap: Efron, "Bootstrap methods: another look at the jackknife", 1979).
- A simulated comparison draws its pairs from the noise, whole and mirrored or not, makes one measure worse by as much as is asked for,
  and has the same decision made on it as a real one. What share of many is called what is how often the gate cries wolf, and its power.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model.analysis.regressions import Answer, Decision, Gated, decide, suspected

Noise = Mapping[str, Sequence[float]]
"""Logarithms of one run over its twin, by measure; number k of each measure is of pair k."""
FLOOR_DRAWS = 2_000
FLOOR_QUANTILE = 0.95


def floor(ratios: Sequence[float], pairs: int, luck: np.random.Generator) -> float:
    """By how much the median of so many pairs of one build differs from none, in 95 of 100 comparisons at most; 0 of nothing."""
    if not len(ratios):
        return 0.0
    drawn = luck.choice(np.asarray(ratios), size=(FLOOR_DRAWS, pairs)) * luck.choice([-1.0, 1.0], size=(FLOOR_DRAWS, pairs))
    return float(np.quantile(np.abs(np.median(drawn, axis=1)), FLOOR_QUANTILE))


def simulated(
    noise: Noise, gates: Mapping[str, Gated], pairs: int, luck: np.random.Generator, worse: Mapping[str, float] | None = None
) -> dict[str, Decision]:
    """One comparison of builds that differ by ``worse`` (logarithms, by measure) and by noise alone in all else."""
    shift = worse or {}
    first = _drawn(noise, pairs, luck, shift)
    again = _drawn(noise, pairs, luck, shift) if suspected(first, gates) else None
    return decide(first, gates, again)


def tallied(comparisons: Iterator[dict[str, Decision]], measure: str | None = None) -> Counter[Answer]:
    """What many comparisons answered of a measure; without one, of the whole report: the gravest answer that any measure has."""
    grave: tuple[Answer, ...] = ("REGRESSED", "IMPROVED", "INCONCLUSIVE", "EQUIVALENT")
    return Counter(
        found[measure].answer if measure else min((one.answer for one in found.values()), key=grave.index)
        for found in comparisons
    )


def _drawn(noise: Noise, pairs: int, luck: np.random.Generator, shift: Mapping[str, float]) -> dict[str, list[float]]:
    known = len(next(iter(noise.values())))
    which, mirrored = luck.integers(known, size=pairs), luck.choice([-1.0, 1.0], size=pairs)
    return {name: list(_taken(ratios, which) * mirrored + shift.get(name, 0.0)) for name, ratios in noise.items()}


def _taken(ratios: Sequence[float], which: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(ratios, dtype=np.float64)[which]
