"""What a command leaves of a report: the text or the JSON on standard output, and the files that were asked for, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from reports.files import write_text
from reports.regression import contract, text
from reports.regression.report import Report


def tell(
    report: Report, *, as_json: bool = False, markdown: Path | None = None, junit: Path | None = None, html: Path | None = None
) -> None:
    """Print and write. Raises :class:`model.history.schema.HistoryError`, one line, where a file cannot be written."""
    print(contract.encoded(report) if as_json else text.told(report), flush=True)
    if markdown is not None:
        from reports.regression import markdown as comment

        write_text(markdown, comment.told(report), "the Markdown")
    if junit is not None:
        from reports.regression import junit as suites

        write_text(junit, suites.told(report), "the JUnit report")
    if html is not None:
        from reports.regression import page

        write_text(html, page.told(report), "the page")
