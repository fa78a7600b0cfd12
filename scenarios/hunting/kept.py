"""Trials that once failed, kept in ``tests/seeds.txt`` and played by the tests for ever.

A line is a JSON object: the seed, the day, the version of the generator, what it failed with, and the minimal trial itself. The trial
is what counts: a later generator makes another trial of the same seed. Lines that begin with ``#`` are for readers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import msgspec

from scenarios.hunting import generator
from scenarios.hunting.trial import Outcome, Trial

FILE = Path(__file__).resolve().parents[2] / "tests" / "seeds.txt"


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file."""

    seed: int
    day: str
    """On which it was found."""
    generator: int
    kinds: tuple[str, ...]
    """What the minimal trial failed with, before it was mended."""
    trial: Trial


def read(path: Path = FILE) -> list[Kept]:
    """What is kept, in the order of the file. Raises ValueError with the line that is no such object."""
    kept = []
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
        if line and not line.startswith("#"):
            try:
                kept.append(msgspec.json.decode(line, type=Kept))
            except msgspec.DecodeError as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from None
    return kept


def keep(found: Iterable[tuple[int, Trial, Outcome]], today: date, path: Path = FILE) -> int:
    """Append (seed, minimal trial, its outcome), but for trials that are there already. Returns how many were appended."""
    there = [entry.trial for entry in read(path)]
    lines = []
    for seed, trial, outcome in found:
        if trial not in there:
            there.append(trial)
            lines.append(msgspec.json.encode(Kept(seed, today.isoformat(), generator.VERSION, outcome.kinds, trial)).decode())
    with path.open("a", encoding="utf8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return len(lines)
