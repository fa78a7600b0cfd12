"""Whether a candidate is slower than its base: four answers, of which only one blocks, and none is green for want of evidence.

Each measure has pairs of runs (:mod:`model.analysis.paired`), turned so that more is worse. Two numbers stand beside it: ``matters``, the
smallest change that anybody would act on, and ``floor``, how far apart two runs of one and the same build have been seen on this machine.

- REGRESSED: it is worse by more than both, and so it was on fresh processes once more. The first set of pairs is held against the level of
  the whole report (Holm); the second repeats only what the first suspects.
- IMPROVED: it is better by more than both, by the first set.
- EQUIVALENT: whatever it is, it is less than ``matters`` either way (two one-sided tests: Schuirmann, 1987).
- INCONCLUSIVE: none of these is shown. The answer says which change would have been seen, and how many pairs would show ``matters``.

A difference that is real and small can be EQUIVALENT, and one that is large and noisy INCONCLUSIVE; a slowdown of ``matters`` or more is
called EQUIVALENT with a chance of at most ``alpha``, whatever the noise.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from model.analysis.paired import Effect, effect, holm, p_above, pairs_needed

Name = TypeVar("Name", bound=Hashable)
"""Of a measure."""
Answer = Literal["REGRESSED", "IMPROVED", "EQUIVALENT", "INCONCLUSIVE"]
ALPHA = 0.05
"""The chance of any false REGRESSED or IMPROVED in a whole report, and of each false EQUIVALENT."""


@dataclass(frozen=True, slots=True)
class Gated:
    """A measure's bounds, as logarithms of candidate over base."""

    matters: float
    floor: float = 0.0

    @property
    def bound(self) -> float:
        """What must be exceeded."""
        return max(self.matters, self.floor)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of one measure. Effects are logarithms of candidate over base, more is worse."""

    answer: Answer
    effect: Effect
    again: Effect | None
    """On fresh processes; None where nothing was suspected."""
    detectable: float | None
    """A change beyond this, in pairs as far apart as these, would have been suspected among all measures of the report; None where
    there are too few pairs for any."""
    pairs: int | None
    """About how many pairs would show ``matters``; None where nobody can say, or the answer needs no more."""


def suspected(pairs: Mapping[Name, Sequence[float]], gates: Mapping[Name, Gated], alpha: float = ALPHA) -> list[Name]:
    """The measures that are worse by the first set of pairs: those to be looked at again. ``pairs``: figures by measure, more is worse."""
    names = list(pairs)
    raised = holm([p_above(pairs[name], gates[name].bound) for name in names])
    return [name for name, p in zip(names, raised, strict=True) if p <= alpha]


def decide(
    pairs: Mapping[Name, Sequence[float]],
    gates: Mapping[Name, Gated],
    again: Mapping[Name, Sequence[float]] | None = None,
    alpha: float = ALPHA,
) -> dict[Name, Decision]:
    """An answer for each measure. ``again`` has pairs of fresh processes for those that are suspected."""
    worse = set(suspected(pairs, gates, alpha))
    repeated = {name: again[name] for name in worse if again and name in again}
    confirmed = {name for name, found in repeated.items() if p_above(found, gates[name].bound) <= alpha}
    names = list(pairs)
    raised = holm([p_above([-value for value in pairs[name]], gates[name].bound) for name in names])
    better = {name for name, p in zip(names, raised, strict=True) if p <= alpha}
    return {
        name: _decision(
            pairs[name],
            repeated.get(name),
            gates[name],
            "REGRESSED" if name in confirmed else "IMPROVED" if name in better else None,
            alpha,
            len(names),
        )
        for name in names
    }


def _decision(
    pairs: Sequence[float], again: Sequence[float] | None, gate: Gated, clear: Answer | None, alpha: float, measures: int
) -> Decision:
    found = effect(pairs, 1 - 2 * alpha)
    # beyond the bound if and only if the strictest of Holm's tests suspects the measure
    least = effect(pairs, 1 - 2 * alpha / measures).low
    repeated = None if again is None else effect(again, 1 - 2 * alpha)
    answer = clear or ("EQUIVALENT" if is_equivalent(pairs, gate.matters, alpha) else "INCONCLUSIVE")
    return Decision(
        answer,
        found,
        repeated,
        gate.bound + found.median - least if math.isfinite(least) else None,
        pairs_needed(found, gate.matters) if answer == "INCONCLUSIVE" else None,
    )


def is_equivalent(pairs: Sequence[float], matters: float, alpha: float = ALPHA) -> bool:
    """Whether both "it is worse by ``matters`` or more" and "it is better by as much" are refused."""
    at_least_worse = p_above([-value for value in pairs], -matters)
    at_least_better = p_above(pairs, -matters)
    return max(at_least_worse, at_least_better) <= alpha
