"""Callbacks of equal time in a keyed random order, for a search for bugs: what the simulated world happens to do first, a real one
may do last.

A pending set as those of :mod:`model.sim.pending`, behind the same interface; a run that does not ask for it pays nothing. Where several
callbacks are due at one instant, any may come next but for one rule: what travels on one link comes out in the order in which it went in,
as TCP and Unix sockets give it. A callback that is asked for "now" joins those that are still to come.

Prior art: exploring schedules by random priorities (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with
probabilistic guarantees of finding bugs", ASPLOS 2010); here only ties are free, since simulated time decides the rest.
"""

from __future__ import annotations

from functools import partial
from heapq import heappop, heappush
from typing import Any

from model.sim.network import Lane, Link
from model.sim.pending import Entry

CALLBACKS_MAX = 2_000_000
"""In one run; one that asks for more goes in a circle (a run of a hunt has some ten thousand)."""


class Endless(Exception):
    """A run has gone on for ``CALLBACKS_MAX`` callbacks."""


class Shuffled:
    """A heap whose ties are broken by ``seed``; None: in the order of asking, and nothing but the bound on callbacks."""

    __slots__ = ("_entries", "_picks", "_seed", "_tied", "push")

    def __init__(self, seed: int | None) -> None:
        self._entries: list[Entry] = []
        self.push = partial(heappush, self._entries)
        self._tied: list[Entry] = []
        """Entries of one time, in the order of asking; empty where the next entry stands alone."""
        self._seed = seed
        self._picks = 0

    def pop(self) -> Entry:
        """Take one of the earliest; ``IndexError`` where there is none."""
        entries = self._entries
        if self._tied:
            return self._next()
        entry = heappop(entries)
        if entries and entries[0][0] == entry[0] and self._seed is not None:
            self._tied.append(entry)
            return self._next()
        if entry[1] > CALLBACKS_MAX:
            _check(entry)
        return entry

    def _next(self) -> Entry:
        """One of those tied, or an earlier one that was pushed back, or asked for since."""
        entries, tied = self._entries, self._tied
        if entries and entries[0][0] <= tied[0][0]:
            if entries[0][0] < tied[0][0]:
                return heappop(entries)
            while entries and entries[0][0] == tied[0][0]:
                tied.append(heappop(entries))
            tied.sort()  # one that was pushed back is older than others
            _check(tied[-1])
        return tied.pop(self._choice()) if len(tied) > 1 else tied.pop()

    def _choice(self) -> int:
        """Any of those tied, or rather the first of them on the same link."""
        self._picks += 1
        chosen = hash((self._seed, self._picks)) % len(self._tied)  # of integers: the same in every process
        link = link_of(self._tied[chosen])
        return chosen if link is None else next(i for i, entry in enumerate(self._tied) if link_of(entry) == link)

    def first_us(self) -> float:
        """The time of the earliest, infinity for none."""
        firsts = [entries[0][0] for entries in (self._entries, self._tied) if entries]
        return min(firsts, default=float("inf"))

    def __len__(self) -> int:
        return len(self._entries) + len(self._tied)


def _check(entry: Entry) -> None:
    if entry[1] > CALLBACKS_MAX:
        raise Endless(f"{CALLBACKS_MAX} callbacks and no end")


_ON_LOCAL_LINKS = ("told", "unlinked")
"""Callbacks of both ends of the link between a gateway and business, whose first argument is the number of the link."""


def link_of(entry: Entry) -> Any:
    """What the callback came along: a device's link, or a lane of it, or the link of a gateway with business; None for none of them."""
    _, _, callback, args = entry
    if getattr(callback, "__name__", "") in _ON_LOCAL_LINKS:
        return args[0]
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, Lane):
        return owner
    return next((arg for arg in args if isinstance(arg, Link)), None)
