"""A statistical comparison as a value: how two builds did in pairs of live runs, and what can be said of it.

``scenarios`` makes it, ``reports`` tells it; nothing here runs or shows anything. The unit is a run. What is compared exactly, simulated
runs against accepted baselines, is :mod:`model.scenario.comparison`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from model.analysis.paired import p_more_often
from model.analysis.regressions import ALPHA, Answer
from model.history.machine import Machine

VERSION = 1
"""Of what is compared and how: figures of different versions are not drawn in one curve."""
Outcome = Literal["REGRESSED", "HARNESS", "INCONCLUSIVE", "IMPROVED", "EQUIVALENT"]
SideKind = Literal["revision", "address", "folders"]


class Side(msgspec.Struct, frozen=True):
    """One of the two that are compared: what was given, and what that was found to be."""

    given: str
    kind: SideKind
    title: str
    """For people: of a revision its short commit and subject."""
    commit: str = ""
    """Whole; ``+`` behind it where files were changed. Empty where it is no revision, or nobody knows."""


class PlayedCase(msgspec.Struct, frozen=True):
    """A scenario that both sides played: with which settings, in how many pairs."""

    scenario: str
    preset: str
    settings: tuple[str, ...]
    pairs: int
    again: int = 0
    """Further pairs on fresh processes, to see whether what was suspected repeats."""

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.scenario} {self.preset}"


class Measured(msgspec.Struct, frozen=True):
    """One measure in one case. Ratios are candidate over base, turned so that above 1 is worse."""

    case: str
    """:attr:`PlayedCase.name`."""
    measure: str
    """A key, such as ``cpu_gateway_us``."""
    title: str
    """For people, such as ``CPU of gateways per delivered message``."""
    unit: str
    """``us``, ``B``, ``1/s``."""
    answer: Answer
    base: tuple[float | None, ...]
    """A figure for each pair that has one of both sides, in their order; in ``unit``, not turned. None: what is measured never came. Where
    no pair has both, what there is."""
    candidate: tuple[float | None, ...]
    ratio: float | None = None
    """The median of the pairs; None where nothing could be compared (``reason``)."""
    low: float | None = None
    """Its exact interval; None where there are too few pairs for one."""
    high: float | None = None
    again: float | None = None
    """The ratio on fresh processes; None where nothing was suspected."""
    matters: float = 1.0
    """The smallest ratio that anybody would act on."""
    floor: float = 1.0
    """By so much two comparisons of one build differ on this machine."""
    detectable: float | None = None
    """A ratio beyond this would have been seen."""
    pairs_needed: int | None = None
    """About how many pairs would show what matters, of an answer that is open."""
    reason: str = ""
    """Why an answer is open, where that is not chance."""


class Violated(msgspec.Struct, frozen=True):
    """A kind of anomaly that fails runs of the candidate: one is enough where the base never has it, else it must be more in clearly more
    pairs."""

    case: str
    kind: str
    seed: int
    """Of the first run that has it."""
    runs: int
    """Of the candidate, with it."""
    count: int
    """In all of them."""
    witness: str
    base: int = 0
    """How many the base has, in all its runs."""


class Discarded(msgspec.Struct, frozen=True):
    """A run that says nothing of the product: the harness failed. Its pair was played again, or is missing."""

    case: str
    side: Literal["base", "candidate"]
    seed: int
    reason: str
    replaced: bool
    unclear: bool = False
    """Whether that may be the product's own doing: it ended unasked, nothing worked, it never came to rest."""


def one_sided(discarded: Sequence[Discarded]) -> bool:
    """Whether the candidate may be why its runs were discarded, so that playing them again would choose its lucky ones: one is enough of
    what may be the product's own doing where the base has none, else it must be clearly more."""
    candidate = [run for run in discarded if run.side == "candidate"]
    base = [run for run in discarded if run.side == "base"]
    if any(run.unclear for run in candidate) and not any(run.unclear for run in base):
        return True
    return p_more_often(len(candidate), len(base)) <= ALPHA


class PairedComparison(msgspec.Struct, frozen=True):
    """The whole of it."""

    base: Side
    candidate: Side
    cases: tuple[PlayedCase, ...]
    measures: tuple[Measured, ...]
    violated: tuple[Violated, ...]
    discarded: tuple[Discarded, ...]
    machine: Machine
    noise: str
    """Where the floors come from, in words."""
    began: str
    """UTC, ISO 8601."""
    took_s: float
    same: bool = False
    """Whether both sides are one build: then the result tells the noise of the machine."""
    version: int = VERSION

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """The cases of which no measure was compared."""
        measured = {found.case for found in self.measures}
        return tuple(case.name for case in self.cases if case.name not in measured)

    @property
    def outcome(self) -> Outcome:
        """What it comes to: a proven regression outranks a harness that failed, and nothing unknown is green."""
        answers = {measured.answer for measured in self.measures}
        if self.violated or "REGRESSED" in answers:
            return "REGRESSED"
        if any(not run.replaced for run in self.discarded) or one_sided(self.discarded) or not self.measures or self.unmeasured:
            return "HARNESS"
        return next(answer for answer in ("INCONCLUSIVE", "IMPROVED", "EQUIVALENT") if answer in answers)
