"""A report as Markdown, for a comment under a change or the summary of a job.

GitHub refuses a comment of more than 65,536 characters ("Body is too long", answer 422 of its REST API), so whatever posts one too long
posts nothing. What is told last is left out first, and how much that was is said. Names from outside are text: they become no markup, no
mention of a person and no link to an issue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from reports.markup import line
from reports.regression.effects import change, interval, medians, size
from reports.regression.report import Compared, Item, Report

LIMIT: Final = 65_000
"""Bytes of UTF-8, of which there are at least as many as characters; the rest is for what a bot puts around it."""
_TEXT_MAX: Final = 300
"""Characters of one text from outside; a name that is longer tells nobody more."""
_HEADLINE_MAX: Final = 1000
_NOTES_MAX: Final = 20
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&$^!]|:(?=//))")
_BEGINNING: Final = re.compile(r"^(|\d+(?=[.)](?:\s|$)))([-+=.)])")
"""What would begin a list or a heading. A backslash before any ASCII punctuation makes it text (CommonMark 0.31, 2.4)."""
_HEAD: Final = (
    "| answer | case | measure | base | candidate | change | again | matters, noise |",
    "| --- | --- | --- | ---: | ---: | --- | --- | --- |",
)


def told(report: Report, limit: int = LIMIT) -> str:
    """All of it, or what fits into ``limit`` bytes."""
    frame = len("\n".join(_page(report, (), len(report.items))).encode())
    kept, taken = 0, frame
    for item in report.items:
        taken += sum(len(text.encode()) + 1 for text in _rendered(item))
        if taken > limit:
            break
        kept += 1
    return "\n".join(_page(report, report.items[:kept], len(report.items) - kept)) + "\n"


def _page(report: Report, items: Sequence[Item], left_out: int) -> Iterator[str]:
    answer, _, finding = report.headline.partition(": ")
    yield f"**{text(answer)}**: {text(finding, _HEADLINE_MAX)}"
    yield ""
    yield f"{_side(report.base)} → {_side(report.candidate)}"
    yield ""
    for item in items:
        if item.measured is None:
            yield from _rendered(item)
    yield ""
    yield from _HEAD if any(item.measured for item in report.items) else ()
    for item in items:
        if item.measured is not None:
            yield from _rendered(item)
    yield ""
    if left_out:
        yield f"{left_out:,} more findings, the least telling, are left out here: a comment may not be longer."
        yield ""
    yield from _around(report)


def _around(report: Report) -> Iterator[str]:
    """How it was played and where it comes from, folded."""
    yield "<details><summary>How it was played</summary>"
    yield ""
    for name, played in list(report.cases.items())[:_NOTES_MAX]:
        yield f"- {text(name)}: {text(played)}"
    for note in report.notes[:_NOTES_MAX]:
        yield f"- {text(note)}"
    if more := len(report.notes[_NOTES_MAX:]):
        yield f"- and {more:,} more runs that were played again"
    for name, value in report.provenance.items():
        yield f"- {name}: {text(value)}"
    yield ""
    yield "</details>"


def _rendered(item: Item) -> list[str]:
    if item.measured is None:
        details = item.details if item.answer != "SAME" else ()
        return [f"- **{item.answer}** {text(item.case)}: {text(item.sentence)}", *(f"  - {text(detail)}" for detail in details)]
    found = item.measured
    base, candidate = medians(found)
    effect = "–" if found.ratio is None else f"{change(found.ratio, found)} ({interval(found) or 'no interval'})"
    again = change(found.again, found) if found.again else "–"
    bounds = f"{size(found.matters, found)}, {size(found.floor, found)}"
    answer = f"**{item.answer}**" if item.answer in ("REGRESSED", "INCONCLUSIVE", "IMPROVED") else item.answer
    cells = [answer, text(item.case), text(item.name), *map(text, (base, candidate, effect, again, bounds))]
    return [f"| {' | '.join(cells)} |"]


def _side(side: Compared) -> str:
    commit = f" ({text(side.commit[:12])}{' with changes' if side.commit.endswith('+') else ''})" if side.commit else ""
    return f"{text(side.title)}{commit}"


def text(raw: str, limit: int = _TEXT_MAX) -> str:
    """``raw`` on one line, as itself and nothing else, cut where it is longer than ``limit`` characters."""
    short = raw if len(raw) <= limit else f"{raw[: limit - 1]}…"
    quiet = re.sub("([@#])", "\\1\u200b", line(short))  # nobody is called, no issue is linked
    return _BEGINNING.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", quiet))
