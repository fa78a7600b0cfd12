"""What a world hands back when it has played a scenario: the same from both, so that all that follows is written once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from model.history.recorder import Rows
from model.history.schema import Header


@dataclass(frozen=True, slots=True)
class Played:
    """``rows`` need not be in order of time. ``notes`` say in words what went wrong with the harness, if anything did."""

    header: Header
    rows: Rows
    metrics: dict[str, Any]
    trace_digest: str | None = None
    generator: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    interrupted: int = 0
    """The signal that ended the run early; 0: none."""
