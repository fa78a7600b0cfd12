"""The pictures of a sweep, from the tables in its folder: heat maps over two axes, curves with their intervals over one.

Rules of the file are those of :mod:`reports.figures`: units on every axis, the colours of Okabe and Ito, nothing of pyplot. Every number
shown is a mean of replications and is told with its interval; "never" stands where at least one replication did not come to an end.
Beside each picture stands the table that it is drawn from.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import msgspec
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis as Scale
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from model.history.run_folder import PARTIAL, RunFolderError
from model.scenario import World
from model.scenario.sweep import RECORD, SUMMARY, Axis, Curves, HeatMap, Measure, Sweep, SweepRecord
from reports.figures import CYCLE, STYLE
from reports.plots import write_figure

Picture = HeatMap | Curves
_CELL_INCH: Final = (1.02, 0.62)
_CELL_LETTERS: Final = 12
"""Letters of a label that stand beside each other below a cell."""
_MANY_TIMES: Final = 1e4
"""A logarithmic scale is long from here on: 1, 2, 5, ... would make more than a dozen numbers."""
_HEADING_MIN: Final = 12
"""Letters that a heading may have on a line before it is broken."""
_MARKERS: Final = "os^Dvp"
_BELOW: Final = 3.0
"""How many times lower than the lowest mean an interval is drawn on a logarithmic scale."""


def write_pictures(folder: Path) -> list[Path]:
    """Write ``<picture>.svg``, ``.png`` and ``.csv`` for each picture of a sweep into its folder. Returns their paths.

    Raises :class:`model.history.schema.HistoryError` where the folder holds no sweep, or the disk does not take the files.
    """
    record, summary = read(folder)
    written: list[Path] = []
    for picture in record.sweep.pictures:
        rows = shown(record.sweep, picture, summary)
        if not rows.empty:
            written += write_figure(draw(record.sweep, picture, rows), folder, name(picture), rows)
    return written


def told(folder: Path, width: int = 120) -> str:
    """The summary of a sweep as a table: a line for each point, a column for each measure. Where lines would be longer than ``width``,
    headings are broken and the measures stand in several tables, one below the other.
    """
    record, summary = read(folder)
    left_out = [f"{count} {why}" for why, count in record.not_counted.items()]
    if summary.empty:
        return f"none of {record.runs} runs counts: {', '.join(left_out)}" if left_out else "no replication came to its end"
    axes = [axis for axis in record.sweep.axes if len(axis.choices) > 1] or list(record.sweep.axes)
    measures = record.sweep.measures or tuple(Measure(name, name) for name in summary["measure"].unique())
    lines = [[*(title(axis.name) for axis in axes), *(of_measure(measure) for measure in measures)]]
    for _, part in summary.groupby([axis.name for axis in record.sweep.axes], sort=False):
        cells = {row["measure"]: " ".join(cell(row).split("\n")) for row in part.to_dict("records")}
        lines.append([*(str(part[axis.name].iloc[0]) for axis in axes), *(cells.get(measure.name, "-") for measure in measures)])
    legend = "\n".join(_legend(summary))
    partial = "" if record.runs == record.planned else f"; partial: {record.runs} of {record.planned} runs"
    partial += "".join(f"; not counted: {told}" for told in left_out)
    return f"{record.question}\n\n{_fitted(lines, len(axes), width)}\n{legend}{partial}"


def _legend(summary: pd.DataFrame) -> Iterator[str]:
    """What the signs of a table mean, of those that stand in it."""
    if summary["n"].max() > 1:
        yield f"{seeds(summary)} a line; ± is the 95 % interval of the mean, none where all seeds agree"
    else:
        yield "1 seed a line, so no intervals"
    cells = {word for row in summary.to_dict("records") for word in cell(row).replace(",", "").split()}
    if "never" in cells:
        yield "never: it did not come before the run ended, or a formula has no end"
    if "below" in cells:
        yield "0, below b: none at all, and their share is below b at 95 %"
    if "withheld" in cells:
        yield "withheld: too few samples, or the run ended before it could be said"


def seeds(rows: pd.DataFrame) -> str:
    """How many replications stand behind each of these rows."""
    least, most = int(rows["n"].min()), int(rows["n"].max())
    return f"{least} to {most} seeds" if least < most else f"{most} seeds"


def _fitted(lines: list[list[str]], axes: int, width: int) -> str:
    """A table of lines, the first its heading; the first ``axes`` columns say which point a line is and are in every part."""
    columns = [list(column) for column in zip(*lines, strict=True)]
    if _width(columns) <= width:
        return _aligned(columns)
    broken = [[_broken_heading(heading, max(map(len, cells))), *cells] for heading, *cells in columns]
    parts: list[list[list[str]]] = [[]]
    for column in broken[axes:]:
        if parts[-1] and _width([*broken[:axes], *parts[-1], column]) > width:
            parts.append([])
        parts[-1].append(column)
    return "\n\n".join(_aligned(broken[:axes] + part) for part in parts)


def _broken_heading(text: str, width: int) -> str:
    """Broken at spaces and behind underscores, to be hardly wider than what stands below it."""
    lines = textwrap.wrap(text.replace("_", "_ "), max(width, _HEADING_MIN), break_long_words=False)
    return "\n".join(line.replace("_ ", "_") for line in lines)


def _width(columns: list[list[str]]) -> int:
    return sum(map(_size, columns)) + 2 * (len(columns) - 1)


def _size(column: list[str]) -> int:
    return max(len(line) for cell in column for line in cell.split("\n"))


def _aligned(columns: list[list[str]]) -> str:
    headings = [column[0].split("\n") for column in columns]
    height = max(map(len, headings))
    cells = [[""] * (height - len(heading)) + heading + column[1:] for heading, column in zip(headings, columns, strict=True)]
    sizes = [_size(column) for column in columns]
    rows = [
        "  ".join(text.ljust(size) for text, size in zip(line, sizes, strict=True)).rstrip() for line in zip(*cells, strict=True)
    ]
    return "\n".join([*rows[:height], "─" * _width(columns), *rows[height:]])


def read(folder: Path) -> tuple[SweepRecord, pd.DataFrame]:
    """What was asked, and the summary, a row for each point and measure; axes hold labels. Raises ``HistoryError`` where there is none."""
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=SweepRecord)
        return record, pd.read_csv(folder / SUMMARY, dtype={axis.name: str for axis in record.sweep.axes})
    except pd.errors.EmptyDataError:  # interrupted before a replication came to its end
        return record, pd.DataFrame()
    except (OSError, msgspec.DecodeError) as error:
        raise RunFolderError(f"{folder}: holds no sweep ({error}); make one with `imbench sweep`", "missing") from error


def name(picture: Picture) -> str:
    """The name of a picture's files."""
    return picture.measure if isinstance(picture, HeatMap) else "-".join(picture.measures)


def shown(sweep: Sweep, picture: Picture, summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of the summary that a picture shows."""
    names = (picture.measure,) if isinstance(picture, HeatMap) else picture.measures
    return summary[summary["measure"].isin(names)].reset_index(drop=True) if not summary.empty else summary


def draw(sweep: Sweep, picture: Picture, rows: pd.DataFrame) -> Figure:
    """A picture, one panel for each combination of the axes that it does not show itself."""
    with mpl.rc_context(STYLE):
        return _heat_maps(sweep, picture, rows) if isinstance(picture, HeatMap) else _curves(sweep, picture, rows)


def _panels(sweep: Sweep, rows: pd.DataFrame, own: tuple[str | None, ...]) -> list[tuple[str, pd.DataFrame]]:
    others = [axis.name for axis in sweep.axes if axis.name not in own and len(axis.choices) > 1]
    if not others:
        return [("", rows)]
    grouped = rows.groupby(others, sort=False)
    return [
        (", ".join(f"{title(axis)} {label}" for axis, label in zip(others, place, strict=True)), part) for place, part in grouped
    ]


def _axis(sweep: Sweep, name: str) -> Axis:
    return next(axis for axis in sweep.axes if axis.name == name)


def _measure(sweep: Sweep, name: str) -> Measure:
    return next((measure for measure in sweep.measures if measure.name == name), Measure(name, title(name)))


def of_measure(measure: Measure) -> str:
    """A measure as an axis says it."""
    return f"{measure.title} ({measure.unit})" if measure.unit else measure.title


def title(axis: str) -> str:
    """An axis in words: the last part of a field's path."""
    return axis.rpartition(".")[2].replace("_", " ")


# heat maps -------------------------------------------------------------------------------------------------------------------------


def _heat_maps(sweep: Sweep, picture: HeatMap, rows: pd.DataFrame) -> Figure:
    panels = _panels(sweep, rows, (picture.x, picture.y))
    x, y = _axis(sweep, picture.x), _axis(sweep, picture.y)
    size = (1.9 + len(x.choices) * _CELL_INCH[0] * len(panels), 1.7 + len(y.choices) * _CELL_INCH[1])
    figure = Figure(figsize=size, layout="constrained")
    norm = _norm(rows["mean"], picture.log)
    for i, (panel, part) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), i + 1)
        _heat_map(axes, part, x, y, norm)
        axes.set_xlabel(title(x.name))
        axes.set_ylabel("" if i else title(y.name))
        if panel:
            axes.set_title(panel, fontsize=10)
    figure.suptitle(f"{of_measure(_measure(sweep, picture.measure))}: mean of {seeds(rows)}, ± 95 % interval", fontsize=11)
    return figure


def _norm(values: pd.Series[float], log: bool) -> Normalize:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 1.0)
    if log and low > 0:
        return LogNorm(low, max(high, low * 1.2))
    return Normalize(low, high if high > low else low + 1)


def _heat_map(axes: Axes, rows: pd.DataFrame, x: Axis, y: Axis, norm: Normalize) -> None:
    xs, ys = [choice.label for choice in x.choices], [choice.label for choice in y.choices]
    cells = {(row[y.name], row[x.name]): row for row in rows.to_dict("records")}
    grid = np.array([[_value(cells.get((b, a))) for a in xs] for b in ys])
    colours = mpl.colormaps["cividis_r"].with_extremes(bad="#3d3d3d")
    axes.imshow(np.ma.masked_invalid(grid), cmap=colours, norm=norm, aspect="auto")
    axes.set_xticks(range(len(xs)), [_broken(label) for label in xs])
    axes.set_yticks(range(len(ys)), [label.replace("_", " ") for label in ys])
    axes.grid(False)
    axes.tick_params(length=0)
    for row, b in enumerate(ys):
        for column, a in enumerate(xs):
            dark = not math.isfinite(grid[row, column]) or norm(grid[row, column]) > 0.55
            axes.text(
                column, row, cell(cells.get((b, a))), ha="center", va="center", fontsize=9, color="white" if dark else "black"
            )


def _value(row: Mapping[Any, Any] | None) -> float:
    return math.nan if row is None else float(row["mean"])


def cell(row: Mapping[Any, Any] | None) -> str:
    """A mean and its interval, in a few letters."""
    if row is None or math.isnan(row["mean"]):
        return "-" if row is None else "withheld"
    if row["never"]:
        return f"never in\n{int(row['never'])} of {int(row['n'])}"
    if row["mean"] == row["low"] == 0 < row["high"]:
        return f"0,\nbelow {row['high']:.2g}"  # nothing was ever counted: a one-sided bound
    if row["mean"] == row["high"] == 1 > row["low"]:
        return f"1,\nabove {row['low']:.2g}"  # all of a share
    half = (row["high"] - row["low"]) / 2
    return number(row["mean"]) + (f"\n± {number(half, 2)}" if half > 1e-9 * abs(row["mean"]) else "")


def number(value: float, digits: int = 3) -> str:
    """So many digits that count, and all before the point."""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def _broken(label: str) -> str:
    """Over several lines, as wide as a cell."""
    parts = label.replace("_", " ").replace(" + ", " +\n").split("\n")
    return "\n".join(textwrap.fill(part, _CELL_LETTERS, break_long_words=False) for part in parts)


# curves ----------------------------------------------------------------------------------------------------------------------------


def _curves(sweep: Sweep, picture: Curves, rows: pd.DataFrame) -> Figure:
    panels = _panels(sweep, rows, (picture.x, picture.by))
    figure = Figure(figsize=(1.4 + 4.6 * len(panels), 3.6), layout="constrained")
    first: Axes | None = None
    floor = _floor(rows) if picture.log_y else -math.inf
    for i, (panel, part) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), i + 1, sharey=first)
        first = first or axes
        axes.set_xscale("log" if picture.log_x else "linear")
        axes.set_yscale("log" if picture.log_y else "linear")
        _lines(axes, sweep, picture, part, floor)
        for scale in [axes.xaxis] * picture.log_x + [axes.yaxis] * picture.log_y:
            _plain_ticks(scale)
        axes.set_xlabel(_of_x(sweep, picture.x))
        axes.set_ylabel("" if i else _of_y(sweep, picture))
        if panel:
            axes.set_title(panel, fontsize=10)
        axes.legend()
    if rows["low"].notna().any():
        figure.suptitle(f"mean of {seeds(rows)}, shaded: 95 % interval", fontsize=11)
    return figure


def _plain_ticks(scale: Scale) -> None:
    """Ticks of a logarithmic scale as plain numbers, at 1, 2, 5, 10, ...; only at powers of ten where it has many of them."""
    low, high = scale.get_view_interval()
    scale.set_major_locator(LogLocator(10.0, subs=(1.0, 2.0, 5.0) if high / low < _MANY_TIMES else (1.0,), numticks=12))
    scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    scale.set_minor_formatter(NullFormatter())


def _floor(rows: pd.DataFrame) -> float:
    """How far down intervals are drawn where the scale has no zero; of few seeds, one may reach below it."""
    means = rows["mean"][np.isfinite(rows["mean"]) & (rows["mean"] > 0)]
    return float(means.min()) / _BELOW if len(means) else 1e-12


def _of_y(sweep: Sweep, picture: Curves) -> str:
    """What the titles of measures begin with, up to a comma where there are several, and their unit."""
    first = _measure(sweep, picture.measures[0])
    several = len(picture.measures) > 1
    return of_measure(Measure("", first.title.partition(",")[0] if several else first.title, first.unit))


def _of_x(sweep: Sweep, name: str) -> str:
    unit = next((unit for end, unit in (("_per_s", "1/s"), ("_us", "µs"), ("_s", "s")) if name.endswith(end)), "")
    return f"{title(name)} ({unit})" if unit else title(name)


def _lines(axes: Axes, sweep: Sweep, picture: Curves, rows: pd.DataFrame, floor: float) -> None:
    lines = [choice.label for choice in _axis(sweep, picture.by).choices] if picture.by else list(picture.measures)
    column = picture.by or "measure"
    for i, line in enumerate(lines):
        part = rows[(rows[column] == line) & np.isfinite(rows["mean"])]
        x = part[picture.x].astype(float)
        label = line.replace("_", " ") if picture.by else _measure(sweep, line).title
        axes.plot(x, part["mean"], color=CYCLE[i % len(CYCLE)], marker=_MARKERS[i % len(_MARKERS)], markersize=4, label=label)
        if part["low"].notna().any():
            axes.fill_between(x, part["low"].clip(lower=floor), part["high"], color=CYCLE[i % len(CYCLE)], alpha=0.2, linewidth=0)


def latest(root: Path, scenario: str, world: World = "sim") -> Path | None:
    """The folder of the newest sweep of a scenario in that world that was run to its end; None where there is none."""
    ended = [path.parent for path in root.glob(f"{scenario}/*-sweep-*/{RECORD}") if not path.parent.name.endswith(PARTIAL)]
    found = [folder for folder in ended if ("-sweep-live-" in folder.name) == (world == "live")]
    return max(found, key=lambda folder: folder.name) if found else None
