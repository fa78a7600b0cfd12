"""A comparison in words: the first line is the answer as a person would say it, then each case with what differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from model.scenario.comparison import Answer, CaseResult, Comparison, Difference, Figure

SHOWN: Final = 12
"""Measures of a case that are shown; one change in the rules moves hundreds."""
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
_ANSWERS: Final[dict[Answer, str]] = {
    "same": "same",
    "changed": "CHANGED",
    "no_baseline": "NO BASELINE",
}


def told(comparison: Comparison) -> str:
    """All of it, as plain text."""
    return "\n".join([first_line(comparison), "", *(line for result in comparison.cases for line in _case(result))])


def plain(comparison: Comparison) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    found: dict[str, Any] = {"answer": first_line(comparison), **msgspec.to_builtins(comparison)}
    return found


def first_line(comparison: Comparison) -> str:
    """What it comes to, in a line."""
    odd = [result for result in comparison.cases if result.answer != "same"]
    if not odd:
        measures = sum(result.compared for result in comparison.cases)
        return f"SAME: {len(comparison.cases)} cases are what they were, in {measures:,} measures and every event"
    first, more = odd[0], {1: "", 2: "; 1 more case differs"}.get(len(odd), f"; {len(odd) - 1} more cases differ")
    return f"{_ANSWERS[first.answer]}: {_name(first)}: {_why(first)}{more}"


def _why(result: CaseResult) -> str:
    if result.answer != "changed":
        return result.reason
    if result.inputs:
        return f"what goes in was changed: {difference(result.inputs[0])}{_further(result.inputs)}"
    if result.measures:
        return f"{difference(result.measures[0])}{_further(result.measures)}"
    return "all measures are the same, and the order of events is not"


def _further(found: tuple[Difference, ...]) -> str:
    return f", and {len(found) - 1} more" if len(found) > 1 else ""


def _name(result: CaseResult) -> str:
    return f"{result.case.scenario} {result.case.preset}"


def _case(result: CaseResult) -> Iterator[str]:
    yield f"{_name(result)}, seed {result.case.seed}: {_ANSWERS[result.answer]}{f', {result.compared} measures' if result.compared else ''}"
    if result.reason:
        yield f"  {result.reason}"
    for kind, found in (("input", result.inputs), ("measure", result.measures)):
        for one in found[:SHOWN]:
            yield f"  {difference(one)}"
        if len(found) > SHOWN:
            yield f"  and {len(found) - SHOWN} more {kind}s"
    if result.parting is not None:
        yield f"  the traces part at event {result.parting.row:,}:"
        yield f"    was: {result.parting.base or 'the end'}"
        yield f"    is:  {result.parting.candidate or 'the end'}"


def difference(found: Difference) -> str:
    """``frames to devices: 1,200 -> 1,320 (+10 %)``."""
    base, candidate = found.base, found.candidate
    change = ""
    if isinstance(base, int | float) and isinstance(candidate, int | float) and base and not isinstance(base, bool):
        change = f" ({candidate / base - 1:+.1%})".replace("%", " %")
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
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
