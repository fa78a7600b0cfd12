"""A capacity as a report sees it: the folder that ``imbench capacity`` leaves, as a table and as a picture of latency over rate.

``capacity.json`` is read and nothing is decided again. In it, infinity is null: a latency of what never came stands in neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import msgspec
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from model.history.run_folder import RunFolderError
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE, VERMILLION
from reports.plots import write_figure

RESULT: Final = "capacity.json"
PICTURE: Final = "capacity"
_ANSWERS: Final = {"kept": (GREEN, "o"), "broken": (VERMILLION, "X"), "harness": (ORANGE, "s"), "open": (INK, "D")}
_MARKS: Final = (
    ("knee_per_s", "knee", BLUE, ":"),
    ("last_pass_per_s", "last pass", GREEN, "--"),
    ("first_failure_per_s", "first failure", VERMILLION, "--"),
    ("unmeasured_per_s", "not measurable", ORANGE, "-."),
)


def load(folder: Path) -> dict[str, Any]:
    """What ``capacity.json`` holds, as plain values. Raises :class:`model.history.run_folder.RunFolderError`."""
    path = folder / RESULT
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        assert {"points", "promises", "knee_of"} <= found.keys()
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror}); `imbench capacity` writes one", "missing") from error
    except (msgspec.DecodeError, AssertionError) as error:
        raise RunFolderError(f"{path}: is no result of a search; `imbench capacity` writes one") from error
    return found


def frame(result: dict[str, Any]) -> pd.DataFrame:
    """One row for each rate that was decided: latencies in milliseconds, and how busy each resource was."""
    rows = [
        {
            **{name: point[name] for name in ("rate_per_s", "answer", "runs", "kept", "sent_per_s")},
            **{f"{name}_ms": None if us is None else us / 1e3 for name, us in point["late_us"].items()},
            **{f"busy {name}": share for name, share in point["busy"].items()},
            "reason": point["reason"],
        }
        for point in result["points"]
    ]
    return pd.DataFrame(rows)


def figure(result: dict[str, Any]) -> Figure:
    """The promised latencies over the rate, with promises, knee, last pass and first failure; below them, how busy what was."""
    table = frame(result)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(7.4, 5.6), layout="constrained")
        late, busy = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        late.set_xscale("log")
        late.set_yscale("log")
        for promise, colour in zip(result["promises"], (BLUE, INK, ORANGE, GREEN), strict=False):
            _latency(late, table, promise, colour)
        for name, label, colour, style in _MARKS:
            for axes in (late, busy) if result[name] is not None else ():
                axes.axvline(result[name], color=colour, linestyle=style, linewidth=1.1, label=label if axes is late else None)
        for column in table.columns[table.columns.str.startswith("busy ")]:
            busy.plot(table["rate_per_s"], 100 * table[column], marker=".", label=column.removeprefix("busy "))
        late.set_ylabel("latency (ms)")
        busy.set_ylabel("busy (%)")
        busy.set_ylim(bottom=0)
        busy.set_xlabel("offered load (messages/s)")
        for scale in (busy.xaxis, late.yaxis):
            scale.set_major_locator(LogLocator(10.0, subs=(1.0, 2.0, 5.0), numticks=12))
            scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            scale.set_minor_formatter(NullFormatter())
        late.set_title(f"{result['scenario']} {result['preset']} {result['world']}", loc="left")
        late.legend(loc="upper left")
        if busy.lines:
            busy.legend(loc="upper left")
    return drawn


def _latency(axes: Axes, table: pd.DataFrame, promise: dict[str, Any], colour: str) -> None:
    """One promised quantile: its line, its points by what was decided of their rate, and the promise."""
    name = f"{promise['of']}.p{promise['quantile'] * 100:g}"
    known = table[table[f"{name}_ms"].notna()] if f"{name}_ms" in table else table[:0]
    title = name.replace("_", " ").replace(".", " ")
    axes.plot(known["rate_per_s"], known[f"{name}_ms"] if len(known) else [], color=colour, label=title)
    for answer, (shade, marker) in _ANSWERS.items():
        part = known[known["answer"] == answer] if len(known) else known
        if len(part):
            axes.plot(part["rate_per_s"], part[f"{name}_ms"], marker, color=shade, markersize=6)
    axes.axhline(promise["at_most_us"] / 1e3, color=colour, linewidth=0.8, linestyle=(0, (1, 2)), label=f"promise: {title}")


def write(folder: Path) -> list[Path]:
    """The picture as SVG and PNG, and the table that it is drawn from as CSV, into the folder of a search. Returns their paths; none where
    nothing was decided."""
    result = load(folder)
    return write_figure(figure(result), folder, PICTURE, frame(result)) if result["points"] else []
