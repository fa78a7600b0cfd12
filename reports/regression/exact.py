"""The report of an exact comparison: each case with what differs, by the names that people have for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.scenario.comparison import Answer as Found
from model.scenario.comparison import CaseResult, Comparison, Difference, Figure
from reports.regression.report import ORDER, Answer, Compared, Item, Report, further

SHOWN: Final = 12
"""Measures of a case that are told; one change in the rules moves hundreds. Programs get them all."""
_WORDS: Final = (
    ("anomalies.", "violations of kind "),
    ("counted.", "counted anomalies of kind "),
    ("owed.lost_messages", "messages lost"),
    ("owed.lost_pairs", "deliveries lost"),
    ("owed.lost_stored_messages", "stored messages lost"),
    ("duplicates.shown_twice_pairs", "deliveries shown twice"),
    ("duplicates.shown_twice", "messages shown twice"),
    ("order.out_of_order", "deliveries out of order"),
    ("roles.links.frames_up", "frames from devices"),
    ("roles.links.frames_down", "frames to devices"),
    ("roles.links.bytes_up", "bytes from devices"),
    ("roles.links.bytes_down", "bytes to devices"),
    ("roles.links.wake_ups", "wake-ups of radios"),
    ("roles.storage.rows", "rows stored"),
    ("roles.storage.commits", "commits"),
    ("latency.end_to_end_live.", "end to end "),
    ("latency.ack.", "send ack "),
    ("reconnect.attempts_per_client_mean", "attempts per client"),
)
_ANSWERS: Final[dict[Found, Answer]] = {"same": "SAME", "changed": "CHANGED", "no_baseline": "NO BASELINE"}


def report(comparison: Comparison) -> Report:
    """The report of it."""
    items = tuple(sorted(map(_item, comparison.cases), key=lambda item: ORDER.index(item.answer)))
    return Report(
        headline=_headline(comparison, items),
        answer=items[0].answer if items else "SAME",
        base=Compared(f"baselines in {comparison.base}"),
        candidate=Compared("this checkout", comparison.candidate),
        provenance={
            "kind": "simulated runs of fixed seeds",
            "baselines": comparison.base,
            "candidate": comparison.candidate or "no checkout",
            "version": str(comparison.version),
        },
        cases={},
        items=items,
    )


def _headline(comparison: Comparison, items: tuple[Item, ...]) -> str:
    if not items or items[0].answer == "SAME":
        measures = sum(result.compared for result in comparison.cases)
        cases = "1 case is what it was" if len(items) == 1 else f"{len(items)} cases are what they were"
        return f"SAME: {cases}, in {measures:,} measures and every event"
    return f"{items[0].answer}: {items[0].case}: {items[0].sentence}{further(items, items[0], 'case', 'cases')}"


def _item(result: CaseResult) -> Item:
    name = f"every measure and event, seed {result.case.seed}"
    return Item(_name(result), name, _ANSWERS[result.answer], _why(result), tuple(_details(result)), exact=result)


def _why(result: CaseResult) -> str:
    if result.answer == "same":
        return f"{result.compared} measures and every event are what they were"
    if result.answer == "no_baseline":
        return result.reason
    if result.inputs:
        return f"what goes in was changed: {difference(result.inputs[0])}{_further(result.inputs)}"
    if result.measures:
        first = 2 if result.measures[0].name == "verdict" else 1  # a verdict, with what made it
        return f"{', '.join(map(difference, result.measures[:first]))}{_further(result.measures, first)}"
    return "all measures are the same, and the order of events is not"


def _further(found: tuple[Difference, ...], told: int = 1) -> str:
    return f", and {len(found) - told} more" if len(found) > told else ""


def _name(result: CaseResult) -> str:
    return f"{result.case.scenario} {result.case.preset}"


def _details(result: CaseResult) -> Iterator[str]:
    for kind, found in (("input", result.inputs), ("measure", result.measures)):
        yield from map(difference, found[:SHOWN])
        if len(found) > SHOWN:
            yield f"and {len(found) - SHOWN} more {kind}s"
    if result.parting is not None:
        yield f"the traces part at event {result.parting.row:,}:"
        yield f"  was: {result.parting.base or 'the end'}"
        yield f"  is:  {result.parting.candidate or 'the end'}"


def difference(found: Difference) -> str:
    """``frames to devices: 1,200 -> 1,320 (+10 %)``."""
    base, candidate = found.base, found.candidate
    change = ""
    if isinstance(base, int | float) and isinstance(candidate, int | float) and base and not isinstance(base, bool):
        share = candidate / base - 1
        change = f" ({share:+.1%})".replace("%", " %") if abs(share) >= 0.0005 else " (less than 0.1 %)"
    return f"{words(found.name)}: {_figure(base)} -> {_figure(candidate)}{change}"


def words(name: str) -> str:
    """A measure as a person would call it."""
    for beginning, text in _WORDS:
        if name.startswith(beginning):
            return text + name.removeprefix(beginning)
    return name


def _figure(value: Figure) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if abs(value) < 1000 else f"{value:,.1f}".removesuffix(".0")
