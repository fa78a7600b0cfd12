"""What differs between a baseline and a run, named: inputs, measures, and the first event at which the two traces part.

Inputs come first. Where the scenario or the service times were changed, measures differ for that reason, and the result says so instead
of blaming the rules. Every difference counts, for the better too: what was accepted is no longer what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final

from model.history.at_rest import as_table
from model.history.columns import History
from model.scenario.comparison import Answer, Case, CaseResult, Difference, Figure, Parting
from scenarios.gating.baselines import Kept
from scenarios.gating.play import PlayedCase

TELLING: Final = (
    "verdict",
    "owed.lost",
    "duplicates.",
    "order.out_of_order",
    "anomalies.",
    "order.",
    "sends.ok",
    "sends.fail",
    "sends.info",
    "roles.links.frames",
    "roles.links.bytes",
    "roles.links.wake_ups",
    "roles.storage.rows",
    "roles.storage.commits",
    "reconnect.",
    "recovery.",
    "latency.end_to_end_live",
    "latency.ack",
)
"""What a person asks for first, by the beginning of a measure's name."""


def compared(case: Case, kept: Kept | None, played: PlayedCase) -> CaseResult:
    """A case against its baseline."""
    if kept is None:
        return CaseResult(case, "no_baseline", reason="it has never been accepted; imbench gate --accept REASON does that")
    baseline, history = kept
    inputs = tuple(differences(baseline.inputs, played.inputs))
    measures = tuple(sorted(differences(baseline.measures, played.measures), key=_rank))
    trace_differs = baseline.trace_digest != played.trace_digest
    answer: Answer = "changed" if inputs or measures or trace_differs else "same"
    parting = parted(history, played.history) if answer == "changed" else None
    return CaseResult(case, answer, inputs, measures, len(played.measures), parting, trace_differs)


def differences(base: Mapping[str, Figure], candidate: Mapping[str, Figure]) -> Iterator[Difference]:
    """By name, sorted; what only one of them has is a difference, too, unless it is None there: a field that is new and not used."""
    for name in sorted({*base, *candidate}):
        one, other = base.get(name), candidate.get(name)
        if one != other:
            yield Difference(name, one, other)


def _rank(difference: Difference) -> tuple[int, str]:
    for rank, beginning in enumerate(TELLING):
        if difference.name.startswith(beginning):
            return rank, difference.name
    return len(TELLING), difference.name


def parted(base: History, candidate: History) -> Parting | None:
    """Where two histories part; None where they do not, and only measures of roles differ."""
    rows = [as_table(history).to_pylist() for history in (base, candidate)]
    for number, (one, other) in enumerate(zip_longest(*rows)):
        if one != other:
            return Parting(number, (other or one)["t_us"], _said(one), _said(other))
    return None


def _said(row: Mapping[str, Any] | None) -> str:
    """An event in a line: its instant on the clock of the run, its kind, and what else it says."""
    if row is None:
        return ""
    rest = (
        f"{name}={value}" for name, value in row.items() if value is not None and name not in ("t_us", "kind", "content_hash")
    )
    return f"{row['t_us'] / 1e6:.6f} s {row['kind']} {' '.join(rest)}".rstrip()
