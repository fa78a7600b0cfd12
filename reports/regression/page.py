"""A report as one self-contained HTML page: the finding, a picture for each case, a table of all, and where it comes from.

As every page here, it asks the network for nothing: pictures are inline SVG, styles are inline, there is no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from matplotlib.figure import Figure

from reports.markup import escape
from reports.plots import inline_svg
from reports.regression import pictures
from reports.regression.effects import change, interval, medians, size
from reports.regression.report import Compared, Item, Report
from reports.style import CSS

_OWN: Final = """
.answer{font-weight:600;white-space:nowrap}.blocks{color:var(--bad)}.open{color:var(--doubt)}.fine{color:var(--good)}
td.number{white-space:nowrap}.forest{max-width:1000px;overflow-x:auto}.forest svg{min-width:680px}
.findings{padding-left:1.2em}.findings li{margin:.4em 0;max-width:85em}.sides{margin:.6em 0}
.details{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85em;margin:.3em 0}
"""
_STYLES: Final = {
    "REGRESSED": "blocks",
    "CHANGED": "blocks",
    "HARNESS": "open",
    "NO BASELINE": "open",
    "INCONCLUSIVE": "open",
    "IMPROVED": "fine",
    "EQUIVALENT": "fine",
    "SAME": "fine",
}
_MEANINGS: Final = {
    "REGRESSED": "it is worse by more than what matters and than the noise, and so it was again on fresh processes; or a run of the"
    " candidate broke a promise that no run of the base broke, or clearly more runs did than of the base",
    "CHANGED": "a simulated run is not what it was when it was last accepted",
    "HARNESS": "runs said nothing, and whether that is the product's doing is not known; so nothing is green",
    "NO BASELINE": "nobody has accepted this case yet",
    "INCONCLUSIVE": "neither a change that matters nor its absence is shown",
    "IMPROVED": "it is better by more than what matters and than the noise",
    "EQUIVALENT": "whatever the difference is, it is less than what matters",
    "SAME": "every measure and every event is what it was",
}
_CAPTION: Final = (
    "Marks are medians of the pairs, bars their intervals, dots single pairs, squares the second look on fresh processes. The pale band is"
    " what does not matter, the dark one the noise of this machine: a bar beyond both to the right looks worse, and"
    " is REGRESSED if that also holds among so many measures and once more."
)


def told(report: Report) -> str:
    """The page as text."""
    cases = dict.fromkeys(item.case for item in report.items)
    sections = [_case(report, case, [item for item in report.items if item.case == case]) for case in cases]
    return page(report.headline, [_header(report), *sections, _meanings(report), _provenance(report)])


def page(title: str, parts: Iterable[str]) -> str:
    """A page of such parts."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{CSS}{_OWN}</style></head><body><main>",
            *parts,
            "</main></body></html>",
            "",
        ]
    )


def picture(figure: Figure, name: str, label: str, *, wide: bool = True) -> str:
    """A figure inside a page; ``name`` is no other's, ``label`` says what is to be seen. A ``wide`` one scrolls on a narrow screen."""
    svg = inline_svg(figure, name).replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return f'<figure class="forest" tabindex="0">{svg}</figure>' if wide else f"<figure>{svg}</figure>"


def _header(report: Report) -> str:
    answer, _, finding = report.headline.partition(": ")
    return (
        f'<header><p class="kicker">imbench · {escape(report.provenance.get("kind", ""))}</p>'
        f"<h1>{_answer(answer)}: {escape(finding)}</h1>"
        f'<dl class="sides"><dt>base</dt><dd>{_side(report.base)}</dd><dt>candidate</dt><dd>{_side(report.candidate)}</dd></dl></header>'
    )


def _side(side: Compared) -> str:
    changed = " with changes" if side.commit.endswith("+") else ""
    return escape(side.title) + (f" <code>{escape(side.commit[:12])}</code>{changed}" if side.commit else "")


def _answer(answer: str) -> str:
    return f'<span class="answer {_STYLES.get(answer, "open")}">{escape(answer)}</span>'


# a case -------------------------------------------------------------------------------------------------------------------


def _case(report: Report, case: str, items: Sequence[Item]) -> str:
    played = f'<p class="legend">{escape(report.cases[case])}</p>' if report.cases.get(case) else ""
    others = [item for item in items if item.measured is None]
    findings = "".join(map(_finding, others))
    return "\n".join(
        [
            f"<section><h2>{escape(case)}</h2>{played}",
            f'<ul class="findings">{findings}</ul>' if findings else "",
            *_drawn(case, items),
            _table([item for item in items if item.measured is not None]),
            "</section>",
        ]
    )


def _finding(item: Item) -> str:
    details = "\n".join(item.details)
    shown = f'<div class="details">{escape(details)}</div>' if details else ""
    return f"<li>{_answer(item.answer)} {escape(item.sentence)}{shown}</li>"


def _drawn(case: str, items: Sequence[Item]) -> Iterator[str]:
    measures = [item.sentence for item in items if item.measured is not None]
    label = f"{case}: {'; '.join(measures[: pictures.ROWS_MAX])}"
    if figure := pictures.forest(items):
        yield picture(figure, f"forest-{case}", label)
        yield f'<p class="legend">{escape(_CAPTION)}{_left_out(items)}</p>'
    for item in items:
        if item.exact is not None and (figure := pictures.changes(item.exact.measures)):
            yield picture(figure, f"changes-{case}-{item.name}", f"{case}: {item.sentence}")


def _left_out(items: Sequence[Item]) -> str:
    more = sum(item.measured is not None for item in items) - pictures.ROWS_MAX
    return f" The {pictures.ROWS_MAX} most telling are drawn, {more:,} more stand in the table." if more > 0 else ""


def _table(items: Sequence[Item]) -> str:
    if not items:
        return ""
    heads = (
        "answer",
        "measure",
        "base",
        "candidate",
        "change",
        "interval",
        "again",
        "matters",
        "noise",
        "would be seen",
        "pairs needed",
    )
    head = "".join(f'<th scope="col"{" class=number" * (place > 1)}>{name}</th>' for place, name in enumerate(heads))
    body = "\n".join(f"<tr>{''.join(_cells(item))}</tr>" for item in items)
    return (
        '<div class="wide" role="region" tabindex="0" aria-label="All measures">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(item: Item) -> Iterator[str]:
    found = item.measured
    assert found is not None
    reason = f'<br><span class="legend">{escape(found.reason)}</span>' if found.reason else ""
    yield f"<td>{_answer(item.answer)}</td><td>{escape(item.name)}{reason}</td>"
    ratios = (found.again, found.matters, found.floor, found.detectable)
    again, *sizes = ("–" if ratio is None else size(ratio, found) for ratio in ratios)
    effect = "–" if found.ratio is None else change(found.ratio, found)
    needed = "–" if found.pairs_needed is None else f"{found.pairs_needed:,}"
    for text in (*medians(found), effect, interval(found) or "–", again, *sizes, needed):
        yield f'<td class="number">{escape(text)}</td>'


# the foot -----------------------------------------------------------------------------------------------------------------


def _meanings(report: Report) -> str:
    found = [answer for answer in _MEANINGS if any(item.answer == answer for item in report.items)]
    return f"<h2>What the answers mean</h2>{_listed({answer: _MEANINGS[answer] for answer in found})}" if found else ""


def _provenance(report: Report) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f"<h2>Where it comes from</h2>{_listed(report.provenance)}{f'<ul>{notes}</ul>' if notes else ''}"


def _listed(values: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in values.items())}</dl>"
