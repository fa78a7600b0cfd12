"""Figures of a verdict as text, for whoever prints them: counts, and times with three digits and a unit.

``verdict.json`` writes an infinite time as ``">run"`` and a withheld one as null; neither is a number, and neither is shown as one.
"""

from __future__ import annotations

from typing import Any, Final

NOTHING: Final = "–"
NEVER: Final = "> run"
"""How an infinite time reads: longer than the run."""


def number(value: Any) -> float | None:
    """A measured time, of a judgement or of its file: infinite for what never came, None for what is withheld."""
    if value is None:
        return None
    return float("inf") if isinstance(value, str) else float(value)


def count(value: int | None) -> str:
    """``1,213``; a dash for what was not measured."""
    return NOTHING if value is None else f"{value:,}"


def duration(value_us: float | None) -> str:
    """``340 µs``, ``4.1 ms``, ``2.31 s``: three digits at most; ``> run`` for an infinite one, a dash for None."""
    if value_us is None:
        return NOTHING
    if value_us == float("inf"):
        return NEVER
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if value_us >= size * 0.9995:
            value = value_us / size
            return f"{value:.{max(0, 2 - (value >= 9.995) - (value >= 99.95))}f} {unit}"
    return f"{value_us:.0f} µs"


def quantile(value_us: float | None, max_us: float | None) -> str:
    """A quantile; where it is withheld, the largest value, marked as such."""
    if value_us is None and max_us is not None:
        return f"max {duration(max_us)}"
    return duration(value_us)
