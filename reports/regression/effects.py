"""Ratios and figures in words.

Ratios of a comparison are turned so that more is worse. Words are about the measure as it is: a latency is longer, CPU is more, and
goodput, which has fallen, is lower; so what is said of a rate is turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from statistics import median
from typing import Final

from model.checkers.amounts import NOTHING, duration
from model.scenario.paired_comparison import Measured

RATE: Final = "1/s"
"""The unit whose ratios are turned: more of it is better."""
_SIZES: Final = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def as_measured(ratio: float, unit: str) -> float:
    """Candidate over base of a figure in ``unit``, from a ratio that is turned so that more is worse; its own inverse."""
    return 1 / ratio if unit == RATE else ratio


def change(ratio: float, measured: Measured) -> str:
    """``31 % more``; ``the same`` where not a tenth of a percent is between them."""
    share = as_measured(ratio, measured.unit) - 1
    more, less = _words(measured)
    return f"{_percent(share)} {more if share > 0 else less}" if round(abs(share), 3) else "the same"


def size(ratio: float, measured: Measured) -> str:
    """``31 %``, whichever way."""
    return _percent(as_measured(ratio, measured.unit) - 1)


def interval(measured: Measured) -> str:
    """``27 to 36 %``, or ``8 % less to 4 % more``; "" where there is none."""
    if measured.low is None or measured.high is None:
        return ""
    ends = sorted((measured.low, measured.high), key=lambda end: abs(as_measured(end, measured.unit) - 1))
    if measured.low < 1 < measured.high:
        ends = sorted(ends, key=lambda end: as_measured(end, measured.unit))
        return f"{change(ends[0], measured)} to {change(ends[1], measured)}"
    return f"{size(ends[0], measured).removesuffix(' %')} to {size(ends[1], measured)}"


def medians(measured: Measured) -> tuple[str, str]:
    """The median of base and candidate, with their unit."""
    return middle(measured.base, measured.unit), middle(measured.candidate, measured.unit)


def middle(figures: Sequence[float | None], unit: str) -> str:
    """The median of some figures; a dash where there are none."""
    if not figures:
        return NOTHING
    found = middle_of(figures)
    return amount(found, unit) if isfinite(found) else "never"


def middle_of(figures: Sequence[float | None]) -> float:
    """The median of some figures; infinite where what is measured never came in most."""
    return median(inf if figure is None else figure for figure in figures)


def amount(value: float, unit: str) -> str:
    """``12.1 µs``, ``4.1 ms``, ``1.2 kB``, ``1,213/s``."""
    if unit == "us":
        return duration(value) if value >= 100 else f"{value:.3g} µs"
    if unit == "B":
        name, one = next(((name, one) for name, one in _SIZES if abs(value) >= one), ("B", 1.0))
        return f"{value / one:.3g} {name}"
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number}/s" if unit == RATE else f"{number} {unit}".rstrip()


def _words(measured: Measured) -> tuple[str, str]:
    """What a larger and what a smaller figure is called."""
    if measured.unit == RATE:
        return "higher", "lower"
    return ("longer", "shorter") if measured.unit == "us" and not measured.measure.startswith("cpu") else ("more", "less")


def _percent(share: float) -> str:
    """Whole percents, and a tenth below ten."""
    percent = abs(share) * 100
    return f"{percent:,.0f} %" if percent >= 9.95 else f"{percent:.1f}".removesuffix(".0") + " %"
