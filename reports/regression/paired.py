"""The report of a statistical comparison: what each answer means for its measure, in a sentence, and which of them is told first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from typing import Final

from model.analysis.paired import PAIRS_MAX
from model.scenario.paired_comparison import Discarded, Measured, PairedComparison, PlayedCase, Side, Violated, one_sided
from reports.regression.effects import change, interval, medians, size
from reports.regression.report import ORDER, Compared, Item, Report, further
from reports.words import kind, listed, many

_NOUNS: Final = {
    "lost": ("delivery lost", "deliveries lost"),
    "lost_stored": ("stored message lost", "stored messages lost"),
    "dup_app": ("message shown twice", "messages shown twice"),
    "dup_stored": ("message stored twice", "messages stored twice"),
}
"""What one anomaly is, of the kinds that people ask for; others are named by their kind."""


def report(comparison: PairedComparison) -> Report:
    """The report of it."""
    items = tuple(sorted(_items(comparison), key=_rank))
    return Report(
        headline=_headline(comparison, items),
        answer=comparison.outcome,
        base=_compared(comparison.base),
        candidate=_compared(comparison.candidate),
        provenance=_provenance(comparison),
        cases={case.name: _played(case) for case in comparison.cases},
        items=items,
        notes=tuple(_again(run) for run in comparison.discarded if run.replaced),
    )


# what is found ------------------------------------------------------------------------------------------------------------


def _items(comparison: PairedComparison) -> Iterator[Item]:
    for violated in comparison.violated:
        yield _violation(violated)
    for number, run in enumerate((run for run in comparison.discarded if not run.replaced), 1):
        yield _missing(run, number)
    if one_sided(comparison.discarded):
        yield _one_sided(comparison.discarded)
    for case in comparison.unmeasured if comparison.measures else ():
        yield Item(case, "something was measured", "HARNESS", "no measure has figures of both sides")
    for measured in comparison.measures:
        yield Item(measured.case, measured.title, measured.answer, _sentence(measured), _figures(measured), measured=measured)


def _rank(item: Item) -> tuple[int, int, float]:
    """Violations before slowness, then by how far beyond what matters it is."""
    found = item.measured
    beyond = 0.0 if found is None or not found.ratio else abs(log(found.ratio)) / max(log(max(found.matters, found.floor)), 1e-9)
    return ORDER.index(item.answer), int(item.violated is None), -beyond


def _violation(found: Violated) -> Item:
    meaning = kind(found.kind)
    what = many(found.count, *_NOUNS.get(found.kind, (f"anomaly of kind {found.kind}", f"anomalies of kind {found.kind}")))
    where = f"kind {found.kind}, seed {found.seed}" if found.kind in _NOUNS else f"{meaning or 'seed'}, seed {found.seed}"
    more = f", in {found.runs} runs" if found.runs > 1 else ""
    sentence = f"{what} ({where}{more}), {found.base or 'none'} in the base"
    return Item(found.case, f"no {found.kind}", "REGRESSED", sentence, (f"first: {found.witness}",), violated=found)


def _missing(run: Discarded, number: int) -> Item:
    sentence = f"a run of the {run.side} (seed {run.seed}) says nothing of it, and its pair is missing: {run.reason}"
    return Item(run.case, f"pair {number} of those that are missing", "HARNESS", sentence, discarded=run)


def _one_sided(discarded: Sequence[Discarded]) -> Item:
    runs = [run for run in discarded if run.side == "candidate"]
    first = next((run for run in runs if run.unclear), runs[0])
    sentence = (
        f"{many(len(runs), 'run')} of the candidate and {len(discarded) - len(runs)} of the base said nothing, which may be the "
        f"candidate's own doing: {first.reason} (seed {first.seed})"
    )
    return Item(first.case, "runs of both sides are as often discarded", "HARNESS", sentence, discarded=first)


def _again(run: Discarded) -> str:
    return f"{run.case}: a run of the {run.side} (seed {run.seed}) was played again: {run.reason}"


def _figures(found: Measured) -> tuple[str, ...]:
    return ("medians: {} -> {}".format(*medians(found)),) if found.base and found.candidate else ()


# in words -----------------------------------------------------------------------------------------------------------------


def _sentence(found: Measured) -> str:
    if found.ratio is None:
        return f"{found.title} could not be compared: {found.reason or 'no pair has a figure of both sides'}"
    if found.answer == "INCONCLUSIVE":
        return _open(found, found.ratio)
    so_much = _so_much(found, found.ratio)
    if found.answer == "EQUIVALENT":
        return f"{found.title} is the same to within {size(found.matters, found)}: {so_much}"
    again = f", again {size(found.again, found)} on fresh processes" if found.again and found.answer == "REGRESSED" else ""
    return f"{found.title} is {so_much}{again}; {_bounds(found)}"


def _open(found: Measured, ratio: float) -> str:
    """What is not known, what it would take, and what is seen so far."""
    takes = _takes(found.pairs_needed, len(found.base)) if found.pairs_needed else ""
    again = f"suspected, but {change(found.again, found)} on fresh processes" if found.again else ""
    seen = f"a change of {size(found.detectable, found)} would have been seen" if found.detectable else ""
    if _leans(found) and not again and not found.reason:
        rest = "; ".join(filter(None, ("more pairs would tell", seen, _bounds(found))))
        return f"{found.title} looks {_so_much(found, ratio)}, which is not proven among so many measures: {rest}"
    rest = "; ".join(filter(None, (found.reason, takes, f"so far {_so_much(found, ratio)}", again, seen)))
    return f"{found.title} is not known to within {size(found.matters, found)}: {rest}"


def _leans(found: Measured) -> bool:
    """Whether the whole interval lies beyond what matters and beyond the noise, which alone would be clear."""
    bound = max(found.matters, found.floor)
    return (found.low is not None and found.low > bound) or (found.high is not None and found.high < 1 / bound)


def _takes(pairs: int, played: int) -> str:
    if pairs <= played:
        return "it is near the limit, and more pairs would tell"
    most = f", and {PAIRS_MAX} are the most: it takes longer runs or a quieter machine" if pairs > PAIRS_MAX else ""
    return f"about {pairs} pairs would show it{most}"


def _so_much(found: Measured, ratio: float) -> str:
    return f"{change(ratio, found)} ({interval(found) or 'too few pairs for an interval'})"


def _bounds(found: Measured) -> str:
    return f"{size(found.matters, found)} matter, noise {size(found.floor, found)}"


def _headline(comparison: PairedComparison, items: tuple[Item, ...]) -> str:
    outcome = comparison.outcome
    one = _one_build(outcome) if comparison.same else ""
    first = next((item for item in items if item.answer == outcome), None)
    if outcome == "EQUIVALENT":
        return f"EQUIVALENT: {_all_equivalent(comparison)}{one}"
    if first is None:
        return f"{outcome}: nothing was measured{one}"
    return f"{outcome}: {first.case}: {first.sentence}{further(items, first)}{one}"


def _one_build(outcome: str) -> str:
    alarm = "this is a false alarm" if outcome in ("REGRESSED", "IMPROVED") else "this is the noise of the machine"
    return f"; both sides are one build: {alarm}"


def _all_equivalent(comparison: PairedComparison) -> str:
    bounds = sorted({size(found.matters, found) for found in comparison.measures}, key=lambda text: float(text[:-2]))
    limits = bounds[0] if len(bounds) == 1 else f"{bounds[0].removesuffix(' %')} to {bounds[-1]}"
    cases = many(len({found.case for found in comparison.measures}), "case")
    number = len(comparison.measures)
    return f"{many(number, 'measure')} of {cases} {'is' if number == 1 else 'are'} the same to within what matters ({limits})"


# where it comes from ------------------------------------------------------------------------------------------------------


def _compared(side: Side) -> Compared:
    return Compared(side.title or side.given, side.commit)


def _played(case: PlayedCase) -> str:
    again = f", and {case.again} more on fresh processes" if case.again else ""
    return f"{many(case.pairs, 'pair')}{again}{f'; {listed(case.settings)}' if case.settings else ''}"


def _provenance(comparison: PairedComparison) -> dict[str, str]:
    machine = comparison.machine
    cores = many(machine.cores, "core") if machine.cores else ""
    known = (machine.cpu, cores, machine.kernel, f"Python {machine.python}" if machine.python else "")
    return {
        "kind": "live runs in pairs",
        "base": f"{comparison.base.given} {comparison.base.commit}".strip(),
        "candidate": f"{comparison.candidate.given} {comparison.candidate.commit}".strip(),
        "machine": ", ".join(filter(None, known)) or "not recorded",
        "fingerprint": machine.fingerprint,
        "noise": comparison.noise,
        "began": comparison.began,
        "took": f"{comparison.took_s:,.0f} s",
        "version": str(comparison.version),
    }
