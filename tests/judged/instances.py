"""What the brute-force judge finds: instances (kind, message, device), "" where a kind has none, as often as they are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from tests.judged.facts import Facts

Instance = tuple[str, str, str]
Found = Iterator[Instance]
Look = Callable[[Facts], Found]


def each_once(look: Look) -> Look:
    """A look that may come upon one instance in several ways, each of which counts once."""

    @wraps(look)
    def found(facts: Facts) -> Found:
        yield from sorted(set(look(facts)))

    return found
