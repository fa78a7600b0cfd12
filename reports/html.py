"""The report: one self-contained HTML page on any number of runs and histories, for a reader who has never heard of the project.

It begins with what happened, in words; then one table; then, for each preset, the pictures of its runs side by side on the same
scales, what its anomalies were, and why; and at the bottom what the kinds mean and where everything comes from. Runs of another
scenario, or of another form of it (the short and the full one), have a part of their own: their numbers are not comparable. A history
file has the same page, without what only a run folder knows; how it came to its anomalies is left to its rows, for nobody here knows
its design.

Rules of the file:

- The page asks the network for nothing: pictures are inline SVG, styles are inline, there is no script, fonts are the system's.
- Every text from a run or a history is escaped (:mod:`reports.markup`). Numbers in the table are those of the verdicts, by way of
  :mod:`reports.table`.
- It starts nothing and writes one file.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from model.checkers.amounts import NOTHING, duration
from model.checkers.kinds import KINDS
from model.checkers.life import WORLDS, Explainer
from model.history.schema import HistoryError
from reports import figures, series, spacetime, table, words
from reports.files import write_text
from reports.markup import escape
from reports.plots import inline_svg
from reports.results import Anomaly, Run, load_all
from reports.series import Series
from reports.style import CSS

WITNESSES_MAX: Final = 5
"""Witnesses shown of one anomaly."""


def write_report(run_folders: Sequence[Path], out: Path) -> Path:
    """Write the report of these runs to ``out``, in place of an earlier one, and return ``out``.

    Raises :class:`model.history.schema.HistoryError`, one line, where a folder is no run folder or ``out`` cannot be written. A run
    whose history cannot be read is in the report, and says so.
    """
    return write_text(out, page(load_all(run_folders)), "the report")


def page(runs: Sequence[Run]) -> str:
    """The page as text. ``runs`` are in the order of :func:`reports.results.load_all`."""
    scenarios = list(dict.fromkeys(run.manifest.scenario for run in runs))
    forms = list(dict.fromkeys(_form(run) for name in scenarios for run in runs if run.manifest.scenario == name))
    sections = [_scenario([run for run in runs if _form(run) == form]) for form in forms]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>imbench: {escape(', '.join(scenarios))}</title>",
            f"<style>{CSS}</style></head><body><main>",
            *sections,
            _meanings(runs),
            _provenance(runs),
            "</main></body></html>",
            "",
        ]
    )


def _form(run: Run) -> tuple[str, str]:
    return run.manifest.scenario, run.manifest.scenario_digest


def _scenario(runs: Sequence[Run]) -> str:
    name, short = runs[0].manifest.scenario, " (short form)" if runs[0].is_short else ""
    drawn, broken = _histories(runs)
    shared = figures.scales(list(drawn.values())) if drawn else None
    presets = list(dict.fromkeys(run.manifest.preset for run in runs))
    links = " · ".join(f'<a href="#{_anchor(*_form(runs[0]), preset)}">{escape(preset)}</a>' for preset in presets)
    question = str(runs[0].scenario.get("question") or "")
    return "\n".join(
        [
            "<header>",
            f'<p class="kicker">imbench · {escape(name)}{short}</p>',
            f"<h1>{escape(words.occasion(runs[0]))}</h1>",
            f'<ul class="answers">{"".join(f"<li>{_sentence(text)}.</li>" for text in words.headline(runs))}</ul>',
            f'<p class="question">{escape(question)}</p>' if question else "",
            f"<p>{escape(words.setting(runs[0]))}</p></header>",
            _table(runs),
            f'<nav aria-label="Details">Details: {links}</nav>',
            *(_preset([run for run in runs if run.manifest.preset == preset], drawn, broken, shared) for preset in presets),
        ]
    )


def _sentence(text: str) -> str:
    """Escaped, its first word (the preset) set off."""
    first, _, rest = text.partition(" ")
    return f"<b>{escape(first)}</b> {escape(rest)}"


def _anchor(*parts: object) -> str:
    """An identifier that no other parts have."""
    return "-".join("".join(c if c.isalnum() else f"_{ord(c):x}_" for c in str(part)) for part in parts)


def _histories(runs: Sequence[Run]) -> tuple[dict[Path, Series], dict[Path, str]]:
    """The series of those runs whose history can be drawn, and why not of the others."""
    drawn: dict[Path, Series] = {}
    broken: dict[Path, str] = {}
    for run in runs:
        try:
            drawn[run.path] = series.of(run.history)
        except HistoryError as error:
            broken[run.path] = f"Its history cannot be read: {error}"
        except Exception as error:  # like a judge that crashes: the rest of the page stands
            broken[run.path] = f"Its history cannot be drawn ({type(error).__name__}: {error}); this is a bug of imbench"
    return drawn, broken


# the table ------------------------------------------------------------------------------------------------------------


def _table(runs: Sequence[Run]) -> str:
    rows = [table.row_of(run) for run in runs]
    columns = table.columns(rows)
    head = "".join(
        f'<th scope="col"{_class("number", column.numeric)} title="{escape(column.meaning)}">{_heading(column)}</th>'
        for column in columns
    )
    body = "\n".join(_row(row, columns, place > 0 and rows[place - 1].preset != row.preset) for place, row in enumerate(rows))
    meanings = "".join(f"<dt>{escape(column.unbroken)}</dt><dd>{escape(column.meaning)}</dd>" for column in columns)
    notes = "".join(f"<li>{escape(table.name(row, rows))}: {escape(note)}</li>" for row in rows for note in row.notes)
    return "\n".join(
        [
            '<div class="wide" role="region" tabindex="0" aria-label="All runs">',
            f'<table class="summary"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
            f'<ul class="notes">{notes}</ul>' if notes else "",
            f'<p class="legend">{escape(table.LEGEND)}</p>',
            f"<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>",
        ]
    )


def _heading(column: table.Column) -> str:
    """A title in two lines, if it has more than one word."""
    lines = column.unbroken.rsplit(" ", 1) if "-\n" in column.title else column.title.split("\n")
    return "<br>".join(map(escape, lines))


def _class(name: str, wanted: bool) -> str:
    return f' class="{name}"' if wanted else ""


def _row(row: table.Row, columns: Sequence[table.Column], begins_group: bool) -> str:
    cells = [f'<th scope="row">{escape(row.preset)}<span class="narrow"> {escape(row.world)}</span></th>']
    for column in columns[1:]:
        text = escape(column.text(row)).replace("\n", ",<br>")
        classes = ["number"] if column.numeric else []
        if column.title == "verdict":
            text = escape(row.verdict.replace("_", " "))
            classes.append(f"verdict-{escape(row.verdict.replace('_', '-'))}")
            text = f'<span class="badge">{text}</span>'
        cells.append(f'<td class="{" ".join(classes)}">{text}</td>' if classes else f"<td>{text}</td>")
    return f"<tr{_class('group', begins_group)}>{''.join(cells)}</tr>"


# one preset -----------------------------------------------------------------------------------------------------------


def _preset(runs: Sequence[Run], drawn: dict[Path, Series], broken: dict[Path, str], shared: figures.Scales | None) -> str:
    manifest = runs[0].manifest
    found = ["<h3>Anomalies</h3>", _side_by_side([_anomalies(run) for run in runs]), _lives(runs, drawn)]
    parts = ["".join(_picture(picture, runs, drawn, shared) for picture in figures.PICTURES), "".join(found)]
    what = words.PRESETS.get(manifest.preset, "") if manifest.world in WORLDS else ""
    return "\n".join(
        [
            f'<section id="{_anchor(*_form(runs[0]), manifest.preset)}"><h2>{escape(manifest.preset)}</h2>',
            f"<p>{escape(what[:1].upper() + what[1:])}.</p>" if what else "",
            _side_by_side([_story(run, drawn, broken) for run in runs]),
            *(reversed(parts) if all(run.is_file for run in runs) else parts),  # of a foreign system, what is proven comes first
            "</section>",
        ]
    )


def _side_by_side(cells: Sequence[str]) -> str:
    return f'<div class="pair">{"".join(f"<div>{cell}</div>" for cell in cells)}</div>'


def _label(run: Run) -> str:
    return run.path.name if run.is_file else f"{run.manifest.world}, seed {run.manifest.seed}"


def _story(run: Run, drawn: dict[Path, Series], broken: dict[Path, str]) -> str:
    """What happened in this run and why, from its history."""
    head = f"<h3>{escape(_label(run))}: {escape(run.verdict.replace('_', ' '))}</h3>"
    if run.path in broken:
        return f'{head}<p class="warning">{escape(broken[run.path])}</p>'
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in run.reasons)
    history = drawn[run.path]
    warning = '<p class="warning">Only the salvaged part of this run is shown: its recording ended early.</p>'
    return "".join(
        [
            head,
            warning if history.history.header.truncated else "",
            "" if run.is_file else f"<p>{escape(words.fault_sentence(history))} {escape(words.explanation(history))}</p>",
            f"<p>{escape(words.fault_sentence(history))}</p>" if run.is_file and history.faults else "",
            f"<details><summary>What the judges remark</summary><ul>{reasons}</ul></details>" if reasons else "",
            _not_computed(run),
        ]
    )


def _not_computed(run: Run) -> str:
    """What the history does not tell, so that nobody takes silence for good news; "" where it tells everything."""
    gaps = run.measure("not_computed") or {}
    items = "".join(f"<li>{escape(', '.join(what))}: {escape(why)}</li>" for why, what in gaps.items())
    return f"<details><summary>What could not be computed</summary><ul>{items}</ul></details>" if items else ""


def _picture(picture: figures.Picture, runs: Sequence[Run], drawn: dict[Path, Series], shared: figures.Scales | None) -> str:
    """A picture of each run, or what its history lacks for it."""
    here = [run for run in runs if run.path in drawn]
    lacking = dict.fromkeys(why for run in here if (why := picture.lacks(drawn[run.path])))
    cells = [_figure(picture, run, drawn[run.path], shared) for run in here]
    if not any("<svg" in cell for cell in cells):
        return f'<p class="legend">Not drawn: {escape(picture.title)}: {escape(", ".join(lacking))}.</p>' if here else ""
    return f'<h3>{escape(picture.title)}</h3><p class="legend">{escape(picture.caption)}</p>{_side_by_side(cells)}'


def _figure(picture: figures.Picture, run: Run, history: Series, shared: figures.Scales | None) -> str:
    caption = f"<figcaption>{escape(_label(run))}</figcaption>"
    if why := picture.lacks(history):
        return f'<figure>{caption}<p class="legend">Not drawn: {escape(why)}.</p></figure>'
    svg = inline_svg(picture.draw(history, shared), _anchor(picture.name, run.manifest.scenario, run.path))
    label = f"{picture.title}: {run.name}: {picture.tell(history)}"
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return f"<figure>{caption}{svg}</figure>"


# anomalies --------------------------------------------------------------------------------------------------------------


def _anomalies(run: Run) -> str:
    head = f"<h4>{escape(_label(run))}</h4>"
    if not run.anomalies:
        return f"{head}<p>None was found.</p>" if run.measures else f"{head}<p>Not judged.</p>"
    return head + "".join(_anomaly(anomaly, run) for anomaly in run.anomalies)


def _anomaly(anomaly: Anomaly, run: Run) -> str:
    style, opened = ("fails", " open") if anomaly.fails else ("counted", "")
    mark = f'<span class="{style}">{escape(words.consequence(anomaly.kind, anomaly.fails))}</span>'
    messages = words.in_messages(anomaly)
    cause = f"; comes with {anomaly.implied_by}" if anomaly.implied_by else ""
    name = (
        f'<a href="#{_kind_anchor(anomaly.kind)}">{escape(anomaly.kind)}</a>' if anomaly.kind in KINDS else escape(anomaly.kind)
    )
    shown = anomaly.witnesses[:WITNESSES_MAX]
    items = "".join(f"<li>{escape(witness)}</li>" for witness in shown)
    more = anomaly.count - len(shown)
    rest = f"<p>… and {more:,} more.</p>" if more > 0 and shown else ""
    return (
        f"<details{opened}><summary><b>{name}</b> × {anomaly.count:,}{messages} {mark}<br>"
        f'<span class="legend">{escape(words.kind(anomaly.kind) + cause)}</span></summary>'
        f'<ol class="witnesses">{items}</ol>{rest}{_link(anomaly, run)}</details>'
    )


# the lives of witnesses ---------------------------------------------------------------------------------------------------


def _told(run: Run) -> dict[str, list[str]]:
    """The messages that are drawn, each the first witness of kinds that fail the run."""
    kinds: dict[str, list[str]] = {}
    for anomaly in run.anomalies:
        if anomaly.fails and anomaly.message is not None:
            kinds.setdefault(anomaly.message, []).append(anomaly.kind)
    return kinds


def _life_anchor(run: Run, message: str) -> str:
    return _anchor("life", run.path, message)


def _link(anomaly: Anomaly, run: Run) -> str:
    if anomaly.message not in _told(run):
        return ""
    return f'<p><a href="#{_life_anchor(run, anomaly.message)}">The life of {escape(anomaly.message)}</a></p>'


def _lives(runs: Sequence[Run], drawn: Mapping[Path, Series]) -> str:
    """The diagrams of all witnesses of these runs; "" where there is none."""
    cells = [_life(run, *told) for run in runs if run.path in drawn for told in _drawn_lives(run)]
    caption = "Where each came from, where it went, and when; the first witness of every kind that fails a run."
    hint = '<span class="hint"> Wider than the screen: they scroll sideways.</span>'
    return f'<h3>The lives of witnesses</h3><p class="legend">{caption}{hint}</p>{"".join(cells)}' if cells else ""


def _drawn_lives(run: Run) -> list[tuple[str, list[str], str]]:
    """(message, kinds, diagram) of one run."""
    told = _told(run)
    if not told:
        return []
    explainer = Explainer(run.history)
    found = [(message, kinds, explainer.find(message)) for message, kinds in told.items()]
    return [(message, kinds, spacetime.svg(explainer.life(at[0]), alone=False)) for message, kinds, at in found if at]


def _life(run: Run, message: str, kinds: Sequence[str], diagram: str) -> str:
    summary = f"<b>{escape(', '.join(kinds))}</b>: {escape(message)} <span class=legend>({escape(_label(run))})</span>"
    command = f"imbench explain {shlex.quote(str(run.path))} {shlex.quote(message)}"
    return (
        f'<details open id="{_life_anchor(run, message)}"><summary>{summary}</summary><figure class="life" tabindex="0">{diagram}</figure>'
        f'<p class="legend">All of its rows: <code>{escape(command)}</code></p></details>'
    )


# what the kinds mean -------------------------------------------------------------------------------------------------------


def _kind_anchor(kind: str) -> str:
    return f"kind-{kind}"


def _meanings(runs: Sequence[Run]) -> str:
    """The kinds that were found, each in a line; "" where nothing was."""
    found = {anomaly.kind for run in runs for anomaly in run.anomalies}
    lines = "".join(
        f'<dt id="{_kind_anchor(kind)}">{kind}</dt><dd>{escape(known.meaning)}</dd>'
        for kind, known in KINDS.items()
        if kind in found
    )
    more = "docs/judges.md defines each, with its smallest history and its usual causes."
    return f'<section><h2>What the kinds mean</h2><dl>{lines}</dl><p class="legend">{more}</p></section>' if lines else ""


# provenance -------------------------------------------------------------------------------------------------------------


def _provenance(runs: Sequence[Run]) -> str:
    folders, files = [run for run in runs if not run.is_file], [run for run in runs if run.is_file]
    parts = ["<section><h2>Where this comes from</h2>"]
    for text, same in [*_grouped([(run, _machine(run)) for run in folders]), *_grouped([(run, _contract(run)) for run in runs])]:
        parts.append(f"<p>{escape(text)} <span class=legend>({escape(_which(same, runs))})</span></p>")
    parts += [_origins(folders)] if folders else []
    parts += [f"<p>Histories, judged as this page was made:</p><ul>{''.join(map(_source, files))}</ul>"] if files else []
    return "".join([*parts, "</section>"])


def _source(run: Run) -> str:
    """Where a history lies, and how to judge it alone."""
    command = f"imbench check {shlex.quote(str(run.path))}"
    return f"<li>{escape(str(run.path))}: <code>{escape(command)}</code></li>"


def _origins(runs: Sequence[Run]) -> str:
    """A table of run folders: what each is of, and how to make it again."""
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _origin(run))}</tr>" for run in runs)
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("run", "scenario digest", "trace digest", "commit", "started (UTC)", "reproduce with")
    )
    return (
        '<div class="wide" role="region" tabindex="0" aria-label="Origin of each run">'
        f'<table class="origin"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        "<p class=legend>Digests are cut to 16 digits, commits to 12. A run made again has another scenario digest where fields were"
        " changed with --set: scenario.json in the run folder holds them all, beside the whole history and the verdict.</p>"
    )


def _grouped(texts: Sequence[tuple[Run, str]]) -> list[tuple[str, list[Run]]]:
    """Equal texts once, with the runs they hold for."""
    groups: dict[str, list[Run]] = {}
    for run, text in texts:
        groups.setdefault(text, []).append(run)
    return list(groups.items())


def _which(same: Sequence[Run], runs: Sequence[Run]) -> str:
    return (
        "all runs"
        if len(same) == len(runs)
        else words.listed([_label(run) if run.is_file else f"{run.manifest.preset} {_label(run)}" for run in same])
    )


def _machine(run: Run) -> str:
    machine = run.manifest.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    known = [machine.cpu, f"{machine.cores} cores" if machine.cores else "", machine.kernel, f"Python {machine.python}", packages]
    return f"Machine: {', '.join(filter(None, known))}." if machine.python else "Machine: not recorded."


def _contract(run: Run) -> str:
    contract = run.scenario.get("contract") or {}
    numbers = [
        f"{key.removesuffix('_us').replace('_', ' ')} {duration(value)}"
        for key, value in contract.items()
        if key.endswith("_us") and value is not None
    ]
    others = [
        f"{key.replace('_', ' ')}{'' if value is True else f' {value:g}'}"
        for key, value in contract.items()
        if isinstance(value, int | float) and value is not False and not key.endswith("_us")
    ]
    return (
        f"Contract “{contract.get('name', 'default')}”: {', '.join(numbers + others)}." if contract else "Contract: not recorded."
    )


def _commit(commit: str) -> str:
    """Twelve digits, and the mark of a changed checkout."""
    return f"{commit[:12]}{' with changes' if commit.endswith('+') else ''}" if commit else "no checkout"


def _origin(run: Run) -> list[str]:
    manifest = run.manifest
    command = f"imbench run {manifest.scenario} --world {manifest.world} --preset {manifest.preset} --seed {manifest.seed}"
    command += " --short" if run.is_short else ""
    health = _health(manifest.generator)
    cells = [
        manifest.scenario_digest,
        (manifest.trace_digest or NOTHING)[:16],
        _commit(manifest.commit),
        manifest.started[:19].replace("T", " "),
        command,
    ]
    label = f"{escape(manifest.preset)} {escape(_label(run))}<br><span class=legend>{escape(run.path.name)}"
    return [
        f"{label}{f'<br>{escape(health)}' if health else ''}</span>",
        *(f"<code>{_unbroken(cell)}</code>" for cell in cells),
    ]


def _unbroken(text: str) -> str:
    """Escaped; a command is broken between its options only."""
    first, *options = text.split(" --")
    return " ".join([escape(first), *(f'<span class="option">--{escape(option)}</span>' for option in options)])


def _health(generator: Mapping[str, float]) -> str:
    """How busy the load generator was; what else it counted is in the manifest."""
    busy = [f"{generator['cpu_max']:.0%} of a core at the most"] if "cpu_max" in generator else []
    busy += [f"{duration(generator['cpu_us_total'])} of CPU"] if "cpu_us_total" in generator else []
    return f"generator: {', '.join(busy)}" if busy else ""
