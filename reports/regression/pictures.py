"""Pictures of a regression report: how far each measure of a case is from its base, and how sure that is.

To the right is worse, on a logarithmic axis, so that twice and half are equally far. A band about "no change" shows what matters, a darker
one inside or outside of it the noise floor; an answer is REGRESSED where the whole interval lies beyond both. Colours are those of
:mod:`reports.figures`, and every answer has a mark of its own, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from model.scenario.comparison import Difference
from model.scenario.paired_comparison import Measured
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE, VERMILLION
from reports.markup import visible
from reports.regression.effects import as_measured
from reports.regression.exact import SHOWN, words
from reports.regression.report import Item

ROWS_MAX: Final = 30
"""Measures in one picture, the most telling; the table has all."""
_LETTERS: Final = 44
_GREY: Final = "#8b949e"
_MARKS: Final = {
    "REGRESSED": (VERMILLION, "X"),
    "INCONCLUSIVE": (ORANGE, "D"),
    "IMPROVED": (BLUE, "^"),
    "EQUIVALENT": (GREEN, "o"),
}
_TICKS: Final = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)


def forest(items: Sequence[Item]) -> Figure | None:
    """The measures of one case, the most telling above; None where none of them has a ratio."""
    found = [item.measured for item in items if item.measured is not None and item.measured.ratio is not None][:ROWS_MAX]
    if not found:
        return None
    with mpl.rc_context(STYLE):
        figure, axes = _canvas(len(found), legend_lines=2)
        for row, measured in enumerate(found):
            _effect(axes, row, measured)
        _rows(axes, [measured.title for measured in found])
        _ratios(axes, [value for measured in found for value in (*_pairs(measured), *_bounds(measured))])
        axes.set_xlabel("candidate over base, of rates base over candidate: right is worse")
        figure.legend(handles=_legend(found), loc="lower left", ncols=4, fontsize=8.5)
    return figure


def changes(differences: Sequence[Difference]) -> Figure | None:
    """Measures of an exact comparison that are not what they were, as a share of it; None where none is a number that was above 0."""
    found = [(words(one.name), ratio) for one in differences if (ratio := _ratio(one)) is not None][:SHOWN]
    if not found:
        return None
    with mpl.rc_context(STYLE):
        figure, axes = _canvas(len(found), legend_lines=0, row_inch=0.26)
        for row, (_, ratio) in enumerate(found):
            axes.plot([1, ratio], [row, row], color=_GREY, linewidth=1.2)
            axes.plot([ratio], [row], "o", color=BLUE)
        axes.axvline(1, color=INK, linewidth=0.8)
        _rows(axes, [name for name, _ in found])
        _ratios(axes, [ratio for _, ratio in found])
        axes.set_xlabel("candidate over base")
    return figure


# parts --------------------------------------------------------------------------------------------------------------------


def _canvas(rows: int, legend_lines: int, row_inch: float = 0.42) -> tuple[Figure, Axes]:
    """Margins for long names to the left, and below for the axis and a legend."""
    bottom = 0.55 + 0.24 * legend_lines
    height = bottom + 0.1 + row_inch * rows
    figure = Figure(figsize=(10.0, height))
    axes = figure.add_axes((0.32, bottom / height, 0.66, (height - bottom - 0.1) / height))
    return figure, axes


def _effect(axes: Axes, row: int, measured: Measured) -> None:
    """One measure: bands of what matters and of noise, its pairs, its interval and its median, and once more on fresh processes."""
    colour, mark = _MARKS[measured.answer]
    for bound, alpha, half in ((measured.matters, 0.16, 0.42), (measured.floor, 0.38, 0.2)):
        axes.fill_betweenx([row - half, row + half], 1 / bound, bound, color=_GREY, alpha=alpha, linewidth=0)
    pairs = _pairs(measured)
    axes.plot(pairs, np.full(len(pairs), row + 0.27), "o", color=INK, markersize=2.6, alpha=0.55, linestyle="none")
    if measured.low is not None and measured.high is not None:
        axes.plot([measured.low, measured.high], [row, row], color=colour, linewidth=2.6, solid_capstyle="butt")
    if measured.again is not None:
        axes.plot([measured.again], [row - 0.27], "s", color=INK, markersize=5, markerfacecolor="none", markeredgewidth=1.1)
    axes.plot([measured.ratio or 1.0], [row], mark, color=colour, markersize=7.5)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def _short(name: str) -> str:
    """A name that fits beside its row, with nothing that the font's own markup would read."""
    text = visible(name).replace("\n", " ").replace("$", r"\$")
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _ratios(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis about 1, wide enough for all, with its ticks as percents that are more or less."""
    reach = max(1.12, *(max(value, 1 / value) for value in values if value > 0 and isfinite(value))) ** 1.08
    low = min([value for value in values if value > 0] + [1.0])
    axes.set_xscale("log")
    axes.set_xlim(max(1 / reach, min(low, 1 / 1.12) ** 1.08), reach)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(*axes.get_xlim())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.axvline(1, color=INK, linewidth=0.8, zorder=1)


def _ticks(low: float, high: float) -> list[float]:
    """Those of the round ratios that can be told apart: at least a twelfth of the axis between two, with 1 among them."""
    least, found = log(high / low) / 12, [1.0]
    for tick in sorted(_TICKS, key=lambda value: abs(log(value))):
        if low <= tick <= high and all(abs(log(tick / other)) >= least for other in found):
            found.append(tick)
    return sorted(found)


def _tick(ratio: float) -> str:
    if ratio >= 2:
        return f"× {ratio:g}"
    return "0 %" if abs(ratio - 1) < 1e-9 else f"{ratio - 1:+.0%}".replace("%", " %").replace("-", "−")


def _pairs(measured: Measured) -> list[float]:
    """Candidate over base of each pair, turned; a pair in which it never came has no place on the axis."""
    both = zip(measured.base, measured.candidate, strict=False)
    return [as_measured(other / one, measured.unit) for one, other in both if one and other]


def _bounds(measured: Measured) -> list[float]:
    ends = (measured.ratio, measured.low, measured.high, measured.again, measured.matters, measured.floor)
    return [end for end in ends if end is not None]


def _ratio(difference: Difference) -> float | None:
    base, candidate = difference.base, difference.candidate
    if isinstance(base, bool | str | None) or isinstance(candidate, bool | str | None) or base <= 0 or candidate <= 0:
        return None
    return candidate / base


def _legend(found: Sequence[Measured]) -> list[Any]:
    answers = dict.fromkeys(measured.answer for measured in found)
    marks: list[Any] = [
        Line2D([], [], color=_MARKS[answer][0], marker=_MARKS[answer][1], linewidth=2.6, label=answer) for answer in answers
    ]
    dots = Line2D([], [], color=INK, marker="o", markersize=2.6, alpha=0.55, linestyle="none", label="a pair of runs")
    again = Line2D(
        [], [], color=INK, marker="s", markersize=5, markerfacecolor="none", linestyle="none", label="on fresh processes"
    )
    shown = [dots, again] if any(measured.again is not None for measured in found) else [dots]
    bands = [Patch(color=_GREY, alpha=alpha, label=label) for alpha, label in ((0.16, "does not matter"), (0.45, "noise"))]
    return [*marks, *shown, *bands]
