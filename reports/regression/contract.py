"""A report for programs: one JSON object, and the schema that says what is in it.

The schema is made from the types and their docstrings, and lies beside this file as ``schema.json``, so that nobody needs imbench to read
a report of it. ``python -m reports.regression.contract`` writes it anew; a test says when that is due.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from reports.regression.report import Report

SCHEMA: Final = Path(__file__).with_name("schema.json")


def encoded(report: Report) -> str:
    """The object in a line; :func:`decoded` reads it."""
    return msgspec.json.encode(report).decode()


def decoded(text: str | bytes) -> Report:
    """The report in ``text``. Raises :class:`msgspec.DecodeError` where it is none."""
    return msgspec.json.decode(text, type=Report)


def schema() -> str:
    """The schema as text (JSON Schema 2020-12)."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A regression report of imbench",
        **msgspec.json.schema(Report),
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=1).decode() + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
