"""Recalls and edits: which content a sighting shows.

A message keeps its identity and position when it is revised; a sighting with the content hash of a revision that was asked for before
shows that revision. A recall that names no hash explains any content after it. Revisions are told apart by content: where the same content
was given more than once (edited to A, to B, and to A again), a device may show it as often as it had been given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from model.checkers.grouped import NONE, Bool, Int, Rows, dense, earliest, numbered, whole
from model.history.columns import History
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.outcome import Sends

ORIGINAL: Final = 0
_ANY_TOMBSTONE: Final = 1


class Revisions:
    """What became of messages after they were sent."""

    def __init__(self, history: History, sends: Sends) -> None:
        self._history = history
        self._rows = history.rows_of(Kind.RECALL, Kind.EDIT)
        recalls = history.rows_of(Kind.RECALL)
        self.recalled_row: Int = earliest(history.message[recalls], recalls, sends.count)
        """By message, its first recall, -1 for none."""
        self._meant = _meant(history, sends)

    @property
    def recalled(self) -> Bool:
        """By message."""
        return self.recalled_row >= 0

    def altered(self, rows: Int) -> Bool:
        """Which sightings show other content than was sent; an unknown hash says nothing."""
        got, meant = self._history.content_hash[rows], self._meant[self._history.message[rows]]
        return np.asarray((got != 0) & (meant != 0) & (got != meant))

    def version(self, rows: Int) -> Int:
        """What each sighting shows: ``ORIGINAL``, or a number for the revision, equal where the content is."""
        result = np.full(len(rows), ORIGINAL, np.int64)
        if not len(self._rows):
            return result
        history, revisions = self._history, self._rows
        every = np.concatenate([revisions, rows])
        key = dense(history.message[every], history.content_hash[every])
        named = history.content_hash[revisions] != 0
        count = len(revisions)
        before = Rows(key[:count][named], revisions[named]).before(key[count:], rows)
        result[before != NONE] = _ANY_TOMBSTONE + 1 + history.content_hash[rows[before != NONE]].astype(np.int64) % (1 << 61)
        free = Rows(history.message[revisions[~named]], revisions[~named]).before(history.message[rows], rows)
        tombstone = (free != NONE) & (before == NONE) & (self.altered(rows) | (history.content_hash[rows] == 0))
        result[tombstone] = _ANY_TOMBSTONE
        return whole(result)

    def showing(self, rows: Int) -> tuple[Int, Int]:
        """:meth:`version`, and which giving of that content each sighting shows, from 1; ``rows`` in order of time.

        A device's nth sighting of a content shows its nth giving, as far as there were so many before it. Being sent counts as the
        first giving of the original, also where an edit brings it back.
        """
        version = self.version(rows)
        if not len(self._rows) or not len(rows):
            return version, np.ones(len(rows), np.int64)
        history, revisions, count = self._history, self._rows, len(self._rows)
        original = (history.content_hash[rows] != 0) & (history.content_hash[rows] == self._meant[history.message[rows]])
        every = np.concatenate([revisions, rows])
        key = dense(history.message[every], np.where(_free(history, every, version), 0, history.content_hash[every]))
        given = Rows(key[:count], revisions).count(key[count:], rows) + (original | (version == ORIGINAL))
        content = np.where(original, ORIGINAL, version)
        nth = numbered(dense(history.message[rows], history.device[rows], content)) + 1
        return content, np.minimum(nth, np.maximum(given, 1))


def _free(history: History, every: Int, version: Int) -> Bool:
    """Which of revisions and sightings are of no certain content: by their hash, or as a tombstone that any content is."""
    free = history.content_hash[every] == 0
    free[len(every) - len(version) :] = version == _ANY_TOMBSTONE
    return np.asarray(free)


def _meant(history: History, sends: Sends) -> NDArray[np.uint64]:
    """By message the hash of what was sent: by the schedule, else the invocation, else what the system said; 0 where unknown."""
    result = np.zeros(sends.count, history.content_hash.dtype)
    for source in (sends.system_row, sends.invoke_row, sends.intend_row) if len(history) else ():
        told = np.where(source >= 0, history.content_hash[source], 0)
        result = np.where(told != 0, told, result)
    return result
