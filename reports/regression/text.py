"""A report as plain text for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterator

from reports.markup import line
from reports.regression.report import Item, Report

_GREEN = ("EQUIVALENT", "SAME")


def told(report: Report) -> str:
    """All of it; names from outside cannot command the terminal."""
    return "\n".join(line(text) for text in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield report.headline
    yield ""
    yield f"base       {_side(report.base.title, report.base.commit)}"
    yield f"candidate  {_side(report.candidate.title, report.candidate.commit)}"
    for case in dict.fromkeys(item.case for item in report.items):
        yield ""
        yield f"{case}: {report.cases[case]}" if report.cases.get(case) else case
        for item in report.items:
            if item.case == case:
                yield from _item(item)
    if report.notes:
        yield ""
        yield from report.notes


def _side(title: str, commit: str) -> str:
    return f"{title} ({commit[:12]}{'+' * commit.endswith('+')})" if commit else title


def _item(item: Item) -> Iterator[str]:
    """The details of what is as it should be are left to the other forms."""
    yield f"  {item.answer:<13} {item.sentence}"
    for detail in item.details if item.answer not in _GREEN else ():
        yield f"      {detail}"
