"""Pairs of runs, interleaved, and what is decided on them.

Rules of the file:

- A pair is one run of either side with the same seed, one right after the other; the order changes from pair to pair (A B, B A, ...), so
  that whatever the machine drifts by falls on both alike. All cases take turns, so that a bad minute hits none of them alone.
- A pair of which a run says nothing of the product is played again, up to ``ATTEMPTS`` times in all; one that never came is missing, and
  then nothing is green.
- What is suspected after the first set is played once more, by fresh processes with other seeds, and that second set must show it too.
- Playing again must not choose the lucky runs of a candidate that breaks its runs: where that may be so, nothing is green
  (:func:`model.scenario.paired_comparison.one_sided`). What a discarded run has proven against the product counts.
- All measures of all cases are one report: the chance of a false alarm is that of the whole (:mod:`model.analysis.regressions`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from model.analysis.paired import p_more_often
from model.analysis.regressions import ALPHA, Decision, Gated, decide, suspected
from model.checkers.kinds import KINDS
from model.scenario.paired_comparison import Discarded, Measured, Violated
from scenarios.comparing.measures import BY_KEY, MEASURES, Measure
from scenarios.comparing.playing import Case, Taken

ATTEMPTS: Final = 3
CLIP: Final = math.log(1000.0)
"""What never came is infinitely late; as a ratio it counts as a thousandfold."""
Which = Literal["base", "candidate"]
SIDES: Final[tuple[Which, Which]] = ("base", "candidate")
Play = Callable[[Which, Case, int], Taken]
"""Plays a run of one side: side, case, seed."""
Floors = Callable[[Case, str], float]
"""The floor of a measure in a case, as a logarithm of a ratio."""
Key = tuple[str, str]
"""Case and measure, by name."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs of one seed."""

    seed: int
    base: Taken
    candidate: Taken

    def ratio(self, measure: Measure) -> float | None:
        """The logarithm of candidate over base, turned so that more is worse; None where one of them has no figure."""
        base, candidate = self.base.figures.get(measure.key), self.candidate.figures.get(measure.key)
        if base is None or candidate is None:
            return None
        if math.isinf(base) or math.isinf(candidate):
            return measure.sign * CLIP * (math.isinf(candidate) - math.isinf(base))
        return measure.sign * max(-CLIP, min(CLIP, math.log(candidate) - math.log(base)))


@dataclass
class Pairs:
    """All that was played."""

    cases: Sequence[Case]
    first: dict[str, list[Pair]] = field(default_factory=dict)
    again: dict[str, list[Pair]] = field(default_factory=dict)
    discarded: list[Discarded] = field(default_factory=list)
    alone: dict[str, list[Pair]] = field(default_factory=dict)
    """Runs whose other half says nothing, each with nothing beside it: what they have proven against the product counts."""

    def ratios(self, of: Mapping[str, list[Pair]]) -> dict[Key, list[float]]:
        """By case and measure, of those pairs that have figures; without measures that no pair has."""
        found = {}
        for case, pairs in of.items():
            for measure in MEASURES:
                ratios = [ratio for pair in pairs if (ratio := pair.ratio(measure)) is not None]
                if ratios:
                    found[case, measure.key] = ratios
        return found

    def leave(self, case: Case, seed: int, taken: Mapping[Which, Taken]) -> None:
        """Keep a run, if there is one, that makes no pair."""
        if taken:
            nothing = Taken({}, {})
            self.alone.setdefault(case.name, []).append(Pair(seed, taken.get("base", nothing), taken.get("candidate", nothing)))

    def ratios_by_pair(self, case: Case) -> list[dict[str, float]]:
        """For each pair of a case what it says of each measure: as noise is kept."""
        pairs = [*self.first[case.name], *self.again.get(case.name, ())]
        return [{m.key: ratio for m in MEASURES if (ratio := pair.ratio(m)) is not None} for pair in pairs]


def pairs_least(measures: int, alpha: float) -> int:
    """The fewest pairs that can prove anything of so many measures: all of them on one side have a p-value of 2^-n, times ``measures``."""
    return math.ceil(math.log2(measures / alpha))


def play(cases: Sequence[Case], number: int, run: Play, floors: Floors, tell: Callable[[float, str], None]) -> Pairs:
    """Play ``number`` pairs of each case and, of cases in which something is suspected, as many again. ``tell`` is told how far it is."""
    played = Pairs(cases)
    total = number * len(cases)
    played.first = _set(cases, range(1, number + 1), run, played, lambda done, what: tell(done / total, what))
    doubtful = _suspected(played, floors)
    again = [case for case in cases if case.name in {name for name, _ in doubtful}]
    if again:
        more = number * len(again)
        played.again = _set(
            again, range(number + 1, 2 * number + 1), run, played, lambda done, what: tell(done / more, f"once more: {what}")
        )
    return played


def _set(
    cases: Sequence[Case], seeds: Iterable[int], run: Play, played: Pairs, tell: Callable[[int, str], None]
) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {case.name: [] for case in cases}
    done = 0
    for seed in seeds:
        for case in cases:
            tell(done, f"{case.name}, pair {seed}")
            pair = _pair(case, seed, run, played)
            found[case.name] += [pair] if pair else []
            done += 1
    return found


def _pair(case: Case, seed: int, run: Play, played: Pairs) -> Pair | None:
    """A pair of which both say something; None after ``ATTEMPTS``. Odd seeds play the base first, even ones the candidate."""
    failed: list[Discarded] = []
    pair = None
    for _ in range(ATTEMPTS):
        order = SIDES if seed % 2 else SIDES[::-1]
        taken: dict[Which, Taken] = {}
        for side in order:
            taken[side] = run(side, case, seed)
            if taken[side].nothing:
                failed.append(Discarded(case.name, side, seed, taken[side].nothing, False, taken[side].unclear))
                del taken[side]
                played.leave(case, seed, taken)
                break
        else:
            pair = Pair(seed, taken["base"], taken["candidate"])
            break
    played.discarded += [msgspec.structs.replace(one, replaced=pair is not None) for one in failed]
    return pair


# deciding -------------------------------------------------------------------------------------------------------------------------


def _gates(ratios: Iterable[Key], cases: Sequence[Case], floors: Floors) -> dict[Key, Gated]:
    by_name = {case.name: case for case in cases}
    return {(case, key): BY_KEY[key].gated(floors(by_name[case], key)) for case, key in ratios}


def _suspected(played: Pairs, floors: Floors) -> list[Key]:
    ratios = played.ratios(played.first)
    return suspected(ratios, _gates(ratios, played.cases, floors))


def decided(played: Pairs, floors: Floors) -> tuple[Measured, ...]:
    """An answer for each measure of each case, in the order of cases and of measures."""
    ratios = played.ratios(played.first)
    gates = _gates(ratios, played.cases, floors)
    decisions = decide(ratios, gates, played.ratios(played.again))
    return tuple(
        _measured(case, measure, played.first[case.name], ratios, gates, decisions)
        for case in played.cases
        for measure in MEASURES
        if (case.name, measure.key) in decisions or _one_sided(played.first[case.name], measure)
    )


def _one_sided(pairs: Sequence[Pair], measure: Measure) -> bool:
    """Whether the base has a figure and the candidate never has; what is new has nothing to be held against."""
    return any(measure.key in pair.base.figures for pair in pairs) and not any(measure.key in p.candidate.figures for p in pairs)


def _measured(
    case: Case,
    measure: Measure,
    pairs: Sequence[Pair],
    ratios: Mapping[Key, Sequence[float]],
    gates: Mapping[Key, Gated],
    decisions: Mapping[Key, Decision],
) -> Measured:
    shown = [pair for pair in pairs if pair.ratio(measure) is not None] or pairs
    of_base, of_candidate = (
        tuple(_finite(taken.figures[measure.key]) for taken in side if measure.key in taken.figures)
        for side in ([pair.base for pair in shown], [pair.candidate for pair in shown])
    )
    found = Measured(
        case.name,
        measure.key,
        measure.title,
        measure.unit,
        "INCONCLUSIVE",
        of_base,
        of_candidate,
        matters=1 + measure.matters,
        reason="the candidate has no such figure",
    )
    key = case.name, measure.key
    if key not in decisions:
        return found
    decision, few = decisions[key], len(ratios[key]) < len(pairs)
    lacking = sum(measure.key in pair.base.figures and measure.key not in pair.candidate.figures for pair in pairs)
    return msgspec.structs.replace(
        found,
        answer="INCONCLUSIVE" if lacking and decision.answer != "REGRESSED" else decision.answer,
        ratio=math.exp(decision.effect.median),
        low=_bound(decision.effect.low),
        high=_bound(decision.effect.high),
        again=None if decision.again is None else math.exp(decision.again.median),
        floor=math.exp(gates[key].floor),
        detectable=None if decision.detectable is None else math.exp(decision.detectable),
        pairs_needed=decision.pairs,
        reason=f"{lacking} of {len(pairs)} runs of the candidate lack it"
        if lacking
        else f"only {len(ratios[key])} of {len(pairs)} pairs have it"
        if few
        else "",
    )


def _bound(value: float) -> float | None:
    return math.exp(value) if math.isfinite(value) else None


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def violations(played: Pairs) -> tuple[Violated, ...]:
    """Kinds of anomalies that fail runs of the candidate and none of the base, or that the candidate has more of in clearly more pairs, by
    case and kind. Of a kind that is a matter of how fast things are, such as a recovery that was not over in time, one run is chance: for
    those alone the second counts."""
    found = []
    for case in played.cases:
        pairs = [*played.first[case.name], *played.again.get(case.name, ()), *played.alone.get(case.name, ())]
        kinds = sorted({kind for pair in pairs for kind in pair.candidate.failing})
        for kind in kinds:
            counts = [(_count(pair.base, kind), _count(pair.candidate, kind)) for pair in pairs]
            of_base, of_candidate = map(sum, zip(*counts, strict=True))
            more, less = (sum(sign * (b - a) > 0 for a, b in counts) for sign in (1, -1))
            by_chance = bool(of_base) or KINDS[kind].rests_on_generator
            if by_chance and p_more_often(more, less) > ALPHA / len(kinds):
                continue
            having = [pair for pair in pairs if kind in pair.candidate.failing]
            seed, witness = having[0].seed, having[0].candidate.failing[kind][1]
            found.append(Violated(case.name, kind, seed, len(having), of_candidate, witness, of_base))
    return tuple(found)


def _count(taken: Taken, kind: str) -> int:
    return taken.failing[kind][0] if kind in taken.failing else 0
