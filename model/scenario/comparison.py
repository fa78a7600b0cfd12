"""A comparison as a value: what differs between a base and a candidate, and how sure that is.

``scenarios`` makes it, ``reports`` tells it; nothing here runs or shows anything. What is deterministic is compared exactly: a simulated
run of one seed with given service times either is the same as its base or is not, and each difference is named.
"""

from __future__ import annotations

from typing import Literal

import msgspec

VERSION = 1
Figure = bool | int | float | str | None
"""A measure of one run: None where the samples do not allow it."""
Answer = Literal["same", "changed", "no_baseline"]


class Accepted(msgspec.Struct, frozen=True):
    """A baseline was taken over: when (UTC, ISO 8601), at which commit, and why."""

    at: str
    commit: str
    reason: str


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that is compared exactly: a scenario in its short form with some settings, a preset and a seed, in the simulated world."""

    scenario: str
    preset: str = "cursor"
    seed: int = 1
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Under which its baseline is kept."""
        return f"{self.scenario}-{self.preset}-{self.seed}"


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case came to when it was last accepted; its history lies beside it."""

    case: Case
    inputs: dict[str, Figure]
    """What went in, by name: fields of the scenario and service times, flat."""
    measures: dict[str, Figure]
    """What came out, by name, flat."""
    trace_digest: str
    accepted: tuple[Accepted, ...]
    """Every time it was taken over, the last one last."""
    version: int = VERSION


class Difference(msgspec.Struct, frozen=True):
    """A measure, or an input, that is not what it was; None: it was not there."""

    name: str
    base: Figure
    candidate: Figure


class Parting(msgspec.Struct, frozen=True):
    """The first event at which two histories part: its number, from 0, and what happened in either; empty where one had ended."""

    row: int
    t_us: int
    base: str
    candidate: str


class CaseResult(msgspec.Struct, frozen=True):
    """What came of one case."""

    case: Case
    answer: Answer
    inputs: tuple[Difference, ...] = ()
    measures: tuple[Difference, ...] = ()
    """Those that differ, the most telling first."""
    compared: int = 0
    """How many measures were compared."""
    parting: Parting | None = None
    trace_differs: bool = False
    reason: str = ""
    """In words, where there is no comparison."""


class Comparison(msgspec.Struct, frozen=True):
    """The whole of it."""

    cases: tuple[CaseResult, ...]
    base: str
    """Where the baselines come from, in words."""
    candidate: str
    """The commit that was compared, ``+`` behind it where files were changed."""
    version: int = VERSION

    @property
    def same(self) -> bool:
        """Whether every case was compared and nothing differs."""
        return all(result.answer == "same" for result in self.cases)
