"""The history of a trunk: what each commit came to, as small files in a plain folder, and curves over them.

Layout: ``<folder>/<fingerprint of the machine>/<version>/<UTC>-<short commit>.json``. Figures of two machines, or of two versions of what
is compared, are never in one curve. The files are the candidate's absolute medians; whoever wants to keep them commits the folder or caches
it, and may delete what is old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Final

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from model.history.machine import Machine
from model.history.run_folder import RunFolderError
from model.scenario.paired_comparison import VERSION, Outcome, PairedComparison, Side
from reports.figures import CYCLE, INK, STYLE, VERMILLION
from reports.files import write_text
from reports.markup import escape, visible
from reports.regression.effects import amount, middle_of
from reports.regression.page import page, picture

SHOWN_MAX: Final = 200
"""Commits in one curve, the newest: more cannot be told apart on a page."""
_TICKS_MAX: Final = 12
_MARKERS: Final = "o^sDvP"


class Point(msgspec.Struct, frozen=True):
    """One measure of one case: the median of the candidate's runs, in ``unit``."""

    case: str
    measure: str
    title: str
    unit: str
    value: float
    answer: str


class Entry(msgspec.Struct, frozen=True):
    """One file: what a commit came to."""

    at: str
    """UTC, ISO 8601."""
    commit: str
    title: str
    outcome: Outcome
    machine: Machine
    points: tuple[Point, ...]
    version: int = VERSION


# files --------------------------------------------------------------------------------------------------------------------


def check(folder: Path, candidate: Side) -> None:
    """Raise :class:`model.history.schema.HistoryError`, one line, where a result on the candidate could not be kept there: before anything
    is played. Makes the folder."""
    if not candidate.commit:
        raise RunFolderError(
            f"{candidate.given}: is no commit, and a trunk's history is one of commits; compare a revision", "usage"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be made ({error.strerror}); choose another folder", "disk") from error


def entry(comparison: PairedComparison) -> Entry:
    """What is kept of a comparison."""
    side = comparison.candidate
    points = tuple(
        Point(found.case, found.measure, found.title, found.unit, middle, found.answer)
        for found in comparison.measures
        if found.candidate and isfinite(middle := middle_of(found.candidate))
    )
    return Entry(comparison.began, side.commit, side.title, comparison.outcome, comparison.machine, points, comparison.version)


def append(folder: Path, comparison: PairedComparison) -> Path:
    """Keep a result in ``folder``, which is made if need be. Returns the file.

    Raises :class:`model.history.schema.HistoryError`, one line, where it cannot be written or the candidate is no commit.
    """
    check(folder, comparison.candidate)
    kept = entry(comparison)
    at = datetime.fromisoformat(kept.at).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    changed = "+" if kept.commit.endswith("+") else ""
    place = folder / kept.machine.fingerprint / str(kept.version)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{place}: cannot be made ({error.strerror}); choose another folder", "disk") from error
    text = msgspec.json.format(msgspec.json.encode(kept), indent=1).decode() + "\n"
    return write_text(place / f"{at}-{kept.commit[:12].rstrip('+')}{changed}.json", text, "the result")


def read(folder: Path) -> list[Entry]:
    """All that is kept in ``folder``, the oldest first.

    Raises :class:`model.history.schema.HistoryError`, one line, where there is nothing or a file cannot be read.
    """
    found = sorted(folder.glob("*/*/*.json"))
    if not found:
        raise RunFolderError(f"{folder}: no results of a trunk are in it (MACHINE/VERSION/*.json)", "missing")
    return sorted(map(_read, found), key=lambda kept: (datetime.fromisoformat(kept.at), kept.commit))


def _read(path: Path) -> Entry:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Entry)
        if datetime.fromisoformat(kept.at).tzinfo is None:
            raise ValueError("'at' has no time zone")
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: is no result of a trunk ({error}); restore or delete it", "damaged") from None
    return kept


# curves -------------------------------------------------------------------------------------------------------------------


def write(folder: Path, out: Path) -> Path:
    """The page on all that is kept in ``folder``. Raises :class:`model.history.schema.HistoryError`, one line."""
    return write_text(out, told(read(folder)), "the page")


def told(entries: Sequence[Entry]) -> str:
    """The page as text: a part for each machine and version, the one with the newest result first."""
    groups: dict[tuple[str, int], list[Entry]] = {}
    for kept in reversed(entries):
        groups.setdefault((kept.machine.fingerprint, kept.version), []).insert(0, kept)
    parts = [part for group in groups.values() for part in _group(group)]
    return page(f"{len(entries)} results of a trunk", [f"<header><h1>{escape(_headline(entries))}</h1></header>", *parts])


def _headline(entries: Sequence[Entry]) -> str:
    newest = entries[-1]
    regressed = sum(kept.outcome == "REGRESSED" for kept in entries)
    what = f"of {len(entries)} results" if len(entries) > 1 else "and only result"
    more = f"; {regressed} of them REGRESSED" if regressed and len(entries) > 1 else ""
    return f"The newest {what}, {newest.commit[:12]} of {newest.at[:10]}, is {newest.outcome}{more}"


def _group(entries: Sequence[Entry]) -> Iterator[str]:
    machine, shown = entries[-1].machine, entries[-SHOWN_MAX:]
    cpu = machine.cpu or "a machine that is not known"
    yield f"<section><h2>{escape(cpu)}, {machine.cores} cores, Python {escape(machine.python)}</h2>"
    left = f" The newest {SHOWN_MAX} of {len(entries)} are drawn." if len(shown) < len(entries) else ""
    yield (
        f'<p class="legend">Machine {machine.fingerprint}, version {entries[-1].version} of what is compared. Each point is the median of '
        f"the runs of one commit; a cross: it was called REGRESSED.{left}</p>"
    )
    measures = {point.measure: point for kept in shown for point in kept.points}
    cells = []
    for name, point in measures.items():
        figure = curves(shown, name)
        label = f"{point.title} over {len(shown)} commits"
        drawn = picture(figure, f"trunk-{machine.fingerprint}-{entries[-1].version}-{name}", label, wide=False)
        cells.append(f"<div>{drawn}</div>")
    yield f'<div class="pair">{"".join(cells)}</div></section>'


def curves(entries: Sequence[Entry], measure: str) -> Figure:
    """One measure over commits, a line a case."""
    points = [(at, point) for at, kept in enumerate(entries) for point in kept.points if point.measure == measure]
    cases = list(dict.fromkeys(point.case for _, point in points))
    unit, title = points[-1][1].unit, points[-1][1].title
    with mpl.rc_context(STYLE):
        lines = -(-len(cases) // 2)
        height = 3.1 + 0.22 * lines
        figure = Figure(figsize=(6.2, height))
        bottom = (0.92 + 0.22 * lines) / height
        axes = figure.add_axes((0.15, bottom, 0.82, 1 - bottom - 0.32 / height))
        for number, case in enumerate(cases):
            _curve(axes, [(at, point) for at, point in points if point.case == case], number, case)
        axes.set_title(visible(title).replace("$", r"\$"), loc="left", fontsize=10)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, unit)))
        _scale(axes, [point.value for _, point in points])
        _commits(axes, entries)
        figure.legend(loc="lower left", bbox_to_anchor=(0.13, 0), ncols=2, fontsize=8.5)
    return figure


def _curve(axes: Axes, points: Sequence[tuple[int, Point]], number: int, case: str) -> None:
    colour, marker = CYCLE[number % len(CYCLE)], _MARKERS[number % len(_MARKERS)]
    label = visible(case).replace("$", r"\$").lstrip("_")
    axes.plot([at for at, _ in points], [point.value for _, point in points], color=colour, marker=marker, ms=4, label=label)
    worse = [(at, point.value) for at, point in points if point.answer == "REGRESSED"]
    axes.plot([at for at, _ in worse], [value for _, value in worse], "X", color=VERMILLION, ms=10, mec=INK, mew=0.6)


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """From 0, so that a step looks as large as it is."""
    axes.set_ylim(0, max(values, default=1.0) * 1.12 or 1.0)


def _commits(axes: Axes, entries: Sequence[Entry]) -> None:
    step = -(-len(entries) // _TICKS_MAX)
    at = range(len(entries) - 1, -1, -step)
    axes.set_xticks(list(at), [entries[i].commit[:7] for i in at], rotation=45, ha="right", fontsize=8, family="monospace")
    edge = 0.5 + 0.02 * len(entries)
    axes.set_xlim(-edge, len(entries) - 1 + edge)
    axes.set_xlabel("commit, the newest to the right")
