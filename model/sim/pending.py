"""What is still to happen: callbacks with their instants, taken in the order of time, and of asking where times are equal.

Two of a kind behind one interface, equal in order to the last callback:

- :class:`Heap`, a binary heap: the least work while few are pending, since all of it fits the CPU's caches.
- :class:`Buckets`, for large runs: what lies far ahead is only filed under its stretch of time, in no order, and put in order when its
  stretch begins. A push costs the same at a thousand pending and at a million, and a heartbeat due in a minute, which most often is
  moved before it comes, is never sorted at all.

Prior art: calendar queues (Brown 1988) and hierarchical timing wheels (Varghese and Lauck 1987). Stretches here are of one fixed length and
kept in a dictionary, so an empty one costs nothing and there is no wheel to turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

Entry = tuple[int, int, Callable[..., object], tuple[Any, ...]]
"""(time in microseconds, number of the asking, callback, its arguments); the first two are unique together."""

STRETCH_BITS = 12
"""A bucket holds 2**12 us, about 4 ms: at a million callbacks a second of simulated time some thousands, a heap that fits the caches."""


class Pending(Protocol):
    """The interface of both."""

    def push(self, entry: Entry) -> None:
        """Add one. It may lie before those already taken; then it is the next."""

    def pop(self) -> Entry:
        """Take the earliest; ``IndexError`` where there is none."""

    def first_us(self) -> float:
        """The time of the earliest, infinity for none."""

    def __len__(self) -> int: ...


class Heap:
    """A binary heap. ``push`` and ``pop`` are those of ``heapq`` themselves: a method around them would cost as much again."""

    __slots__ = ("_entries", "pop", "push")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.push: Callable[[Entry], None] = partial(heappush, self._entries)
        self.pop: Callable[[], Entry] = partial(heappop, self._entries)

    def first_us(self) -> float:
        return self._entries[0][0] if self._entries else float("inf")

    def __len__(self) -> int:
        return len(self._entries)


class Buckets:
    """Stretches of time, of which only the current one is in order."""

    __slots__ = ("_ahead", "_current", "_filed", "_number", "_numbers")

    def __init__(self) -> None:
        self._current: list[Entry] = []
        """A heap: all that lies in the current stretch, or before it."""
        self._number = -1
        self._ahead: dict[int, list[Entry]] = {}
        self._numbers: list[int] = []
        """A heap of the keys of ``_ahead``."""
        self._filed = 0

    def push(self, entry: Entry) -> None:
        """Into the heap if it lies in the current stretch or before it, else filed unsorted."""
        number = entry[0] >> STRETCH_BITS
        if number <= self._number:
            heappush(self._current, entry)
            return
        bucket = self._ahead.get(number)
        self._filed += 1
        if bucket is None:
            self._ahead[number] = [entry]
            heappush(self._numbers, number)
        else:
            bucket.append(entry)

    def pop(self) -> Entry:
        if not self._current:
            self._advance()
        return heappop(self._current)

    def first_us(self) -> float:
        if not self._current and self._numbers:
            self._advance()
        return self._current[0][0] if self._current else float("inf")

    def __len__(self) -> int:
        return len(self._current) + self._filed

    def _advance(self) -> None:
        """Put the next stretch in order; nothing where there is none."""
        if self._numbers:
            self._number = heappop(self._numbers)
            self._current = self._ahead.pop(self._number)
            self._filed -= len(self._current)
            heapify(self._current)
