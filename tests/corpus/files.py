"""The corpus as files: each history as JSON Lines, and what must be said of it, for people and for judges in other languages.

``python -m tests.corpus.files`` writes them anew from the planting functions; a test compares them, so that neither changes alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from model.history import at_rest
from model.history.columns import History
from tests.corpus import further_loss, further_order, further_time, further_wire, near_misses, planted
from tests.corpus.entries import Corpus, Entry

FOLDER = Path(__file__).parent / "histories"
EXPECTED = FOLDER / "expected.jsonl"
_MODULES = (planted, near_misses, further_loss, further_order, further_time, further_wire)
PLANTED: Corpus = {name: entry for module in _MODULES for name, entry in getattr(module, "PLANTED", {}).items()}
NEAR_MISSES: Corpus = {name: entry for module in _MODULES for name, entry in getattr(module, "NEAR_MISSES", {}).items()}
ENTRIES: dict[str, Entry] = {**PLANTED, **{f"near_{name}": entry for name, entry in NEAR_MISSES.items()}}
"""By the name of the file."""


class Expected(msgspec.Struct, frozen=True):
    """What must be said of one file: the kinds that fail the run, without those that come of them, and the verdict."""

    file: str
    raises: list[str]
    verdict: str


def expected() -> list[Expected]:
    """Of every file, in the order of their names."""
    return [Expected(f"{name}.jsonl", sorted(ENTRIES[name].raises), ENTRIES[name].verdict) for name in sorted(ENTRIES)]


def named(name: str) -> History:
    """A planted history that says what it is called."""
    history = ENTRIES[name].plant().history()
    return replace(history, header=msgspec.structs.replace(history.header, world="planted", scenario=name))


def write(folder: Path) -> None:
    """Every history, and what is expected of them."""
    for name in ENTRIES:
        at_rest.write(named(name), folder / f"{name}.jsonl")
    (folder / EXPECTED.name).write_bytes(msgspec.json.Encoder().encode_lines(expected()))


def main() -> None:
    """Replace the files."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.jsonl"):
        old.unlink()
    write(FOLDER)


if __name__ == "__main__":
    main()
