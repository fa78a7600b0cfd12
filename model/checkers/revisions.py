"""Recalls and edits: which content a sighting shows.

A message keeps its identity and position when it is revised; a sighting with the content hash of a revision that was asked for before
shows that revision. A recall that names no hash explains any content after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from model.checkers.grouped import NONE, Bool, Int, Rows, dense, earliest, whole
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
        self._source = np.where(sends.intend_row >= 0, sends.intend_row, sends.invoke_row)

    @property
    def recalled(self) -> Bool:
        """By message."""
        return self.recalled_row >= 0

    def altered(self, rows: Int) -> Bool:
        """Which sightings show other content than was sent; an unknown hash says nothing."""
        history = self._history
        source = self._source[history.message[rows]]
        got = history.content_hash[rows]
        meant = history.content_hash[source] if len(history) else got
        return np.asarray((source >= 0) & (got != 0) & (meant != 0) & (got != meant))

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
