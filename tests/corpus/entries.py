"""What an entry of the corpus is: an id, a function that plants, the kinds that must fail the run, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.checkers.planting import Planting


@dataclass(frozen=True)
class Entry:
    """One history of the corpus."""

    name: str
    plant: Callable[[], Planting]
    raises: frozenset[str]
    verdict: str


Corpus = dict[str, Entry]


def entry(
    corpus: Corpus, name: str, raises: str = "", verdict: str = ""
) -> Callable[[Callable[[], Planting]], Callable[[], Planting]]:
    """Put a planting function into a corpus. The verdict is invalid if something is raised, valid if not, unless given."""

    def add(plant: Callable[[], Planting]) -> Callable[[], Planting]:
        if name in corpus:
            raise ValueError(f"two entries are called {name}")
        corpus[name] = Entry(name, plant, frozenset(raises.split()), verdict or ("invalid" if raises else "valid"))
        return plant

    return add
