"""The table of a comparison: one row a run, preset by world, as values, as text for terminals and as cells for a page.

Rules of the file:

- Every number is one of ``verdict.json``'s ``measures``; nothing is computed from a history here.
- A quantile with too few samples beyond it is withheld by the judges; its cell then shows the largest value instead, marked ``max``.
  What was owed and never came is infinitely late: such a quantile reads ``> run``. What was not measured is a dash, never 0.
- Columns are declared once, in :data:`COLUMNS`, for every form; the seed has one where the rows differ in it.

What this does not do: colour, or decide what is good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from model.checkers import amounts
from model.checkers.amounts import NOTHING, count, duration, number
from model.checkers.harness import CLOSED_NOTE
from reports.results import Run, load_all

if TYPE_CHECKING:
    from rich.table import Table as RichTable

BY_POSITION: Final = "session_nonmonotonic"
"""What can be computed where there are positions, and only there."""
LEGEND: Final = (
    "lost, shown twice, out of order: in messages. end to end: from the intended send to the first showing, receiver connected. "
    "max: too few samples for that quantile, the largest instead. > run: never came. ≥: not over at the end."
)


@dataclass(frozen=True, slots=True)
class Quantile:
    """One reported quantile, microseconds. ``value_us`` is None where it is withheld, infinite where so many never came."""

    value_us: float | None
    max_us: float | None
    """The largest value, to be shown in place of a withheld one."""


@dataclass(frozen=True, slots=True)
class Outage:
    """The longest outage of a gateway's devices, microseconds; ``at_least``: it had not ended when the load did."""

    longest_us: float | None
    at_least: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One run's line of the table. Counts are None where they were not measured."""

    scenario: str
    preset: str
    world: str
    seed: int
    verdict: str
    expected: str | None
    """The verdict the scenario expects of this preset."""
    sent: int | None
    ok: int | None
    unknown: int | None
    """Sends given up without an answer, and those still open at the end."""
    lost: int | None
    """Messages that never came to someone they were owed to."""
    lost_pairs: int | None
    """The same, counted once for each receiver that lost it."""
    shown_twice: int | None
    out_of_order: int | None
    p50: Quantile
    p99: Quantile
    reconnect_p90: Quantile
    reconnect_max_us: float | None
    outages: Mapping[str, Outage]
    """By gateway."""
    notes: tuple[str, ...]
    """What must be said beside the numbers, in words: an unexpected verdict, a run that did not end."""
    folder: Path
    is_file: bool = False
    """Whether it is a history file: then its "preset" may be no more than its name."""

    @property
    def as_expected(self) -> bool | None:
        """Whether the verdict is the expected one; None where the scenario expects none."""
        return None if self.expected is None else self.verdict == self.expected


def summary(folders: Sequence[Path]) -> list[Row]:
    """The rows of run folders, in the order of a report.

    Raises :class:`model.history.run_folder.RunFolderError`, one line, where one of them is no run folder.
    """
    return [row_of(run) for run in load_all(folders)]


def row_of(run: Run) -> Row:
    """The line of one run."""
    manifest = run.manifest
    gateways = run.measure("availability", "gateways") or {}
    return Row(
        scenario=manifest.scenario,
        preset=manifest.preset,
        world=manifest.world,
        seed=manifest.seed,
        verdict=run.verdict,
        expected=run.expected,
        sent=run.measure("sends", "intended"),
        ok=run.measure("sends", "ok") if _answered(run) else None,
        unknown=_unknown(run),
        lost=run.measure("owed", "lost_messages"),
        lost_pairs=run.measure("owed", "lost_pairs"),
        shown_twice=run.measure("duplicates", "shown_twice"),
        out_of_order=_out_of_order(run),
        p50=_quantile(run.measure("latency", "end_to_end_live"), "p50_us"),
        p99=_quantile(run.measure("latency", "end_to_end_live"), "p99_us"),
        reconnect_p90=_quantile(run.measure("reconnect"), "p90_us"),
        reconnect_max_us=number(run.measure("reconnect", "max_us")),
        outages={name: _outage(found) for name, found in sorted(gateways.items())},
        notes=_notes(run),
        folder=run.path,
        is_file=run.is_file,
    )


def _notes(run: Run) -> tuple[str, ...]:
    """A plain verdict, as expected, of a run that came to its end needs none, but where its latencies are those of a closed loop."""
    closed = (CLOSED_NOTE,) if run.measure("generator", "closed_loop") and CLOSED_NOTE not in run.reasons else ()
    if run.expected not in (None, run.verdict):
        return (f"the scenario expects {run.expected}, not {run.verdict}", *run.reasons, *closed)
    return (*(run.reasons if run.verdict not in ("valid", "invalid") or not run.manifest.complete else ()), *closed)


def _out_of_order(run: Run) -> int | None:
    """None found means little where there are no positions."""
    found = run.measure("order", "out_of_order")
    return None if not found and not run.computed(BY_POSITION) else found


def _answered(run: Run) -> bool:
    """Whether the record has what senders were told; that of another system may have no word of it."""
    return not run.is_file or any(run.measure("sends", word) for word in ("ok", "fail", "info"))


def _unknown(run: Run) -> int | None:
    given_up = run.measure("sends", "info")
    return None if given_up is None or not _answered(run) else int(given_up) + int(run.measure("sends", "open") or 0)


def _outage(found: Mapping[str, Any]) -> Outage:
    return Outage(number(found.get("longest_outage_us")), bool(found.get("at_least", False)))


def _quantile(found: Mapping[str, Any] | None, key: str) -> Quantile:
    values = found or {}
    return Quantile(number(values.get(key)), number(values.get("max_us")))


# values as text ---------------------------------------------------------------------------------------------------------


def quantile(value: Quantile) -> str:
    """A quantile; where it is withheld, the largest value, marked as such."""
    return amounts.quantile(value.value_us, value.max_us)


def _expected(row: Row) -> str:
    return NOTHING if row.as_expected is None else "yes" if row.as_expected else "NO"


def _outages(row: Row) -> str:
    return "\n".join(f"{name.removeprefix('gateway-')}: {_longest(outage)}" for name, outage in row.outages.items()) or NOTHING


def _longest(outage: Outage) -> str:
    if outage.longest_us == 0:
        return "none"
    return ("≥ " if outage.at_least else "") + duration(outage.longest_us)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading (a line break where a narrow table may break it), what it shows, what it means."""

    title: str
    text: Callable[[Row], str]
    meaning: str
    numeric: bool = True

    @property
    def unbroken(self) -> str:
        """The heading without the breaks that a narrow table needs."""
        return self.title.replace("-\n", "").replace("\n", " ")


COLUMNS: Final[tuple[Column, ...]] = (
    Column("preset", lambda row: row.preset, "the set of policies under test", False),
    Column("world", lambda row: row.world, "sim: simulated; live: real processes, sockets and database", False),
    Column("verdict", lambda row: row.verdict.replace("_", "\n"), "valid: no promise of the contract was broken", False),
    Column("ex-\npected", _expected, "whether the scenario expects this verdict of this preset", False),
    Column("sent", lambda row: count(row.sent), "sends the schedule intended"),
    Column("ok", lambda row: count(row.ok), "sends the client reported as sent"),
    Column("un-\nknown", lambda row: count(row.unknown), "sends given up without an answer, or still open at the end"),
    Column("lost", lambda row: count(row.lost), "messages that never came to someone they were owed to"),
    Column("shown\ntwice", lambda row: count(row.shown_twice), "messages shown more than once on one device"),
    Column("out of\norder", lambda row: count(row.out_of_order), "messages shown in an order their sequence forbids"),
    Column("end to\nend p50", lambda row: quantile(row.p50), "half of the deliveries to connected receivers came within this"),
    Column("end to\nend p99", lambda row: quantile(row.p99), "99 % of the deliveries to connected receivers came within this"),
    Column("recon-\nnect p90", lambda row: quantile(row.reconnect_p90), "90 % of lost connections were ready again within this"),
    Column("recon-\nnect max", lambda row: duration(row.reconnect_max_us), "the longest time to be ready again"),
    Column("outage by\ngateway", _outages, "by home gateway of the devices: the longest run of failing operations", False),
)


_SEED: Final = Column("seed", lambda row: str(row.seed), "what all luck of the run comes from")


_HISTORY: Final = Column("history", lambda row: row.preset, "what was judged", False)


def columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """The columns these rows need."""
    found = (*COLUMNS[:2], _SEED, *COLUMNS[2:]) if len({row.seed for row in rows}) > 1 else COLUMNS
    if not all(row.is_file for row in rows):
        return found
    return (_HISTORY, *(column for column in found[1:] if column.text is not _expected))


def name(row: Row, rows: Sequence[Row]) -> str:
    """What tells a row from the others."""
    return f"{row.preset} {row.world}" + (f" seed {row.seed}" if len({other.seed for other in rows}) > 1 else "")


def render_text(rows: Sequence[Row], width: int = 120) -> str:
    """The table for a terminal ``width`` columns wide, notes and a legend below it; no colour, no control codes.

    It is made for 120 columns; on a terminal too narrow for it, it stands on its side: a line a measure, a column a run. Nothing is
    ever cut off: where neither form fits, lines are longer than ``width``.
    """
    from rich.console import Console

    file = StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    unbounded = console.options.update(width=1000 * len(rows))
    widths = {
        form: console.measure(form, options=unbounded).maximum
        for form in (_upright(rows, 1), _upright(rows, 0), _on_its_side(rows))
    }
    form = next((form for form, needed in widths.items() if needed <= width), min(widths, key=widths.__getitem__))
    console.width = max(width, widths[form])
    console.print(form)
    console.width = width
    for row in rows:
        for note in row.notes:
            console.print(f"{name(row, rows)}: {note}", highlight=False, markup=False)
    console.print(LEGEND, highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _bare_table(padding: int) -> RichTable:
    """``padding`` + 1 spaces between columns."""
    from rich import box
    from rich.table import Table as RichTable

    return RichTable(box=box.SIMPLE, padding=(0, padding, 0, 0), show_edge=False, pad_edge=False)


def _upright(rows: Sequence[Row], padding: int) -> RichTable:
    table = _bare_table(padding)
    shown = columns(rows)
    for column in shown:
        table.add_column(column.title, justify="right" if column.numeric else "left", no_wrap=True)
    for place, row in enumerate(rows):
        last = place + 1 == len(rows) or rows[place + 1].preset != row.preset
        table.add_row(*(column.text(row) for column in shown), end_section=last)
    return table


def _on_its_side(rows: Sequence[Row]) -> RichTable:
    table = _bare_table(0)
    heading, *measured = columns(rows)
    table.add_column(heading.unbroken, no_wrap=True)
    for row in rows:
        table.add_column(heading.text(row), justify="right", no_wrap=True)
    for column in measured:
        table.add_row(column.unbroken, *(column.text(row) for row in rows))
    return table
