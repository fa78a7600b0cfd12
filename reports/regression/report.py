"""A regression report as a value: what every form of it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from model.scenario.comparison import CaseResult
from model.scenario.paired_comparison import Discarded, Measured, Violated
from reports.words import listed

VERSION: Final = 1
"""Of the form; a program that reads the JSON checks it."""
Answer = Literal["REGRESSED", "CHANGED", "HARNESS", "NO BASELINE", "INCONCLUSIVE", "IMPROVED", "EQUIVALENT", "SAME"]
ORDER: Final[tuple[Answer, ...]] = (
    "REGRESSED",
    "CHANGED",
    "HARNESS",
    "NO BASELINE",
    "INCONCLUSIVE",
    "IMPROVED",
    "EQUIVALENT",
    "SAME",
)
"""From what is told first to what is told last."""


_OTHERS: Final[dict[Answer, str]] = {
    "REGRESSED": "regressed",
    "CHANGED": "changed",
    "HARNESS": "lost to the harness",
    "NO BASELINE": "without a baseline",
    "INCONCLUSIVE": "inconclusive",
    "IMPROVED": "improved",
}
"""What further findings are called in the headline; what is as it was is not counted there."""


class Compared(msgspec.Struct, frozen=True):
    """One of the two that are compared."""

    title: str
    commit: str = ""
    """Whole; ``+`` behind it where files were changed. Empty where it is none, or nobody knows."""


class Item(msgspec.Struct, frozen=True):
    """One finding, in words and in numbers. It has the numbers of one of the last four fields."""

    case: str
    """Scenario and preset."""
    name: str
    """What was compared, for people; no two items of a case have the same."""
    answer: Answer
    sentence: str
    details: tuple[str, ...] = ()
    """Further lines; one that belongs to the line before it begins with two spaces."""
    measured: Measured | None = None
    violated: Violated | None = None
    discarded: Discarded | None = None
    exact: CaseResult | None = None


class Report(msgspec.Struct, frozen=True):
    """The whole of it."""

    headline: str
    """The finding in a line; it begins with the answer."""
    answer: Answer
    base: Compared
    candidate: Compared
    provenance: dict[str, str]
    """Where the numbers come from: when, on which machine, against which noise."""
    cases: dict[str, str]
    """How a case was played, by its name; those of the exact gate are played as their ``exact`` says."""
    items: tuple[Item, ...]
    """The most telling first."""
    notes: tuple[str, ...] = ()
    version: int = VERSION


def further(items: Sequence[Item], first: Item, one: str = "", more: str = "") -> str:
    """What else there is that is not as it should be: ``; 2 more regressed and 1 inconclusive``; "" where nothing is.

    ``one`` and ``more`` are what a finding is called, and some.
    """
    parts = []
    for answer, words in _OTHERS.items():
        if number := sum(item.answer == answer for item in items if item is not first):
            noun = one if number == 1 else more
            parts.append(f"{number}{' more' if answer == first.answer else ''}{f' {noun}' if noun else ''} {words}")
    return f"; {listed(parts)}" if parts else ""
