"""A validation as a report sees it: the folder that ``imbench validate`` leaves, as a table, as text and as a picture.

``results.json`` is read and nothing is judged again. In it, infinity is null where a number stands: a line that M/M/c calls unstable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import msgspec
import pandas as pd
from matplotlib.figure import Figure

from model.history.run_folder import RunFolderError
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE
from reports.markup import visible

RESULTS: Final = "results.json"
COLUMNS: Final = (
    "point", "preset", "load", "measure", "predicted", "measured", "half_width", "error", "allowed", "answer", "line", "line_error"
)  # fmt: skip
LATENCIES: Final = ("mean_us", "p50_us", "p95_us", "p99_us")
_WORDS: Final = {
    "throughput_per_s": "deliveries/s",
    "mean_us": "mean",
    "p50_us": "p50",
    "p95_us": "p95",
    "p99_us": "p99",
    "reconnect_peak": "most back in 100 ms",
    "reconnect_95_us": "95 % back",
    "attempts": "attempts a device",
    "lost": "lost",
    "twice": "shown twice",
    "out_of_order": "out of order",
}


def load(folder: Path) -> dict[str, Any]:
    """What ``results.json`` holds, as plain values. Raises :class:`model.history.run_folder.RunFolderError`."""
    path = folder / RESULTS
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        assert {"rows", "conclusion", "comparison", "busy"} <= found.keys()
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror}); `imbench validate` writes one", "missing") from error
    except (msgspec.DecodeError, AssertionError) as error:
        raise RunFolderError(f"{path}: is no result of a validation; `imbench validate` writes one") from error
    return found


def frame(results: dict[str, Any]) -> pd.DataFrame:
    """One row for each measure at each point; what M/M/c predicts is infinite where its line is unstable."""
    table = pd.DataFrame(results["rows"], columns=list(COLUMNS))
    asked = table["measure"].isin([*LATENCIES, "throughput_per_s"]) & ~table["point"].isin(_restarts(table))
    for column in ("line", "line_error"):
        table[column] = table[column].astype(float)
        table.loc[asked & table["measure"].isin(LATENCIES) & table[column].isna(), column] = math.inf
    return table


def _restarts(table: pd.DataFrame) -> set[str]:
    return set(table.loc[table["measure"] == "attempts", "point"]) | set(
        table.loc[~table["measure"].isin(LATENCIES), "point"]
    ) - set(table.loc[table["measure"].isin(LATENCIES), "point"])


def text(results: dict[str, Any]) -> str:
    """The conclusion, then the table, for people."""
    lines = [results["conclusion"], "", _HEAD, "─" * len(_HEAD)]
    place = None
    for row in (dict(zip(COLUMNS, values, strict=True)) for values in frame(results).itertuples(index=False)):
        here = (row["point"], row["preset"])
        lines += [""] * (place is not None and here != place)
        lines.append(_line(row, here != place, results["busy"]))
        place = here
    return "\n".join([*map(visible, lines), "", *_LEGEND])


_HEAD: Final = (
    f"{'point [busy: predicted, measured]':48} {'preset':7} {'measure':20} {'predicted':>10} {'measured':>10} {'± 95 %':>9} "
    f"{'error':>7} {'promised':>8} {'':7} {'M/M/c':>10} {'error':>7}"
)
_LEGEND: Final = (
    "mean, p50, p95, p99: end to end, from the intended send to the showing. error: of the prediction, relative to what was measured; of",
    "lost, shown twice and out of order it is the difference of shares of what was owed, and promised is that both intervals meet, or 0.",
)


def _line(row: dict[str, Any], first: bool, busy: dict[str, Any]) -> str:
    measure = row["measure"]
    place = f"{row['point']}{_busy(busy.get(row['point']))}" if first else ""
    cells = [_value(measure, row[name]) for name in ("predicted", "measured", "half_width")]
    return (
        f"{place:48.48} {row['preset'] if first else '':7} {_WORDS.get(measure, measure):20} {cells[0]:>10} {cells[1]:>10} {cells[2]:>9} "
        f"{_error(measure, row['error']):>7} {_error(measure, row['allowed']).lstrip('+'):>8} {_ANSWERS[row['answer']]:7} "
        f"{_value(measure, row['line']):>10} {_error(measure, row['line_error']):>7}"
    ).rstrip()


_ANSWERS: Final = {"kept": "kept", "broken": "BROKEN", "open": "open"}


def _busy(shares: Sequence[float | None] | None) -> str:
    return "" if not shares or shares[1] is None else f" [{shares[0]:.0%}, {shares[1]:.0%}]"


def _known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _value(measure: str, value: float | None) -> str:
    if value is None or not _known(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if measure in ("lost", "twice", "out_of_order"):
        return f"{value:.2%}"
    if measure.endswith("_us"):
        return f"{value / 1000:,.2f} ms"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _error(measure: str, value: float | None) -> str:
    if value is None or not _known(value):
        return "-"
    if math.isinf(value):
        return "∞"
    return f"{value:+.2%}" if measure in ("lost", "twice", "out_of_order") else f"{value:+.0%}"


# the picture -------------------------------------------------------------------------------------------------------------------------


def figure(results: dict[str, Any]) -> Figure:
    """Errors of all latencies over the load, ours and M/M/c's, with what was promised shaded."""
    table = frame(results)
    table = table[table["measure"].isin(LATENCIES) & table["error"].notna()]
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(9.2, 5.6), layout="constrained")
        panels = drawn.subplots(2, 2, sharex=True, sharey=True).ravel()
        for panel, measure in zip(panels, LATENCIES, strict=True):
            part = table[table["measure"] == measure].sort_values("load")
            _promise(panel, part)
            panel.plot(part["load"], _percent(part["line_error"]), "x", color=ORANGE, label="M/M/c")
            panel.plot(part["load"], _percent(part["error"]), "o", color=BLUE, mfc="none", label="simulation")
            panel.axhline(0, color=INK, linewidth=0.6)
            panel.set_title(_WORDS[measure], loc="left")
            panel.set_ylim(-_LIMIT, _LIMIT)
        for panel in panels[2:]:
            panel.set_xlabel("load (busy share of the busier side)")
        for panel in panels[::2]:
            panel.set_ylabel("error of the prediction (%)")
        panels[0].legend(loc="upper left")
    return drawn


_LIMIT: Final = 100.0
"""Percent beyond which an error is drawn at the edge."""


def _percent(errors: pd.Series[float]) -> pd.Series[float]:
    return (100 * errors).clip(-_LIMIT, _LIMIT)


def _promise(panel: Any, part: pd.DataFrame) -> None:
    """What was promised at each load, as a band."""
    if not part.empty:
        allowed = 100 * part["allowed"]
        panel.fill_between(part["load"], -allowed, allowed, step="mid", color=GREEN, alpha=0.15, linewidth=0, label="promised")


def write(folder: Path) -> list[Path]:
    """The table as text and CSV and the picture as SVG and PNG, into the folder of a validation. Returns their paths."""
    results = load(folder)
    drawn, paths = figure(results), [folder / name for name in ("table.txt", "table.csv", "errors.svg", "errors.png")]
    paths[0].write_text(text(results) + "\n", encoding="utf-8")
    frame(results).to_csv(paths[1], index=False)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "validation"}):
        drawn.savefig(paths[2], metadata={"Date": None, "Creator": None})
        drawn.savefig(paths[3], dpi=150, facecolor="white", metadata={"Software": None})
    return paths
