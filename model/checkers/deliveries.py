"""D, W and R: what devices showed, what reached them on the wire, and what they read back after the drain.

Rules of the file:

- D leaves push notifications out; they are sightings only. Presence in D is by identity. Orders use first deliveries, and leave out those
  that came by backfill.
- A row whose conversation is not its message's is in none of the three: it is a misdelivery and nothing else.
- R(d) is the last complete read-back of a device after the drain: in the audit; without that phase, begun after the last send. A
  read-back is complete at its READ_BACK_DONE. Rows of one that was not completed count as presence but never as absence.
- A message's one position, where orders need one, is that of its first ok, else that of its first sighting.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from model.checkers.grouped import NONE, Bool, Int, Rows, dense, earliest, first_by, highest_before, place_of, whole
from model.history.columns import History
from model.history.schema import Kind, Via


class Deliveries:
    """Rows of D, W and R as arrays of row indexes, all in order of time."""

    def __init__(self, history: History, message_conversation: Int, audit_row: int) -> None:
        self.history = history
        self._audit = audit_row >= 0
        self._from_row = audit_row if self._audit else int(history.rows_of(Kind.INVOKE).max(initial=NONE))
        self.device: Int = whole(history.device)
        self.message: Int = history.message
        conversation = whole(history.conversation)
        of_message = (self.message >= 0) & (self.device >= 0)
        seen: Int = history.rows_of(Kind.DELIVER, Kind.WIRE, Kind.READ_BACK)
        seen = seen[of_message[seen]]
        at_home = message_conversation[self.message[seen]] == conversation[seen]
        self.seen = seen
        """Every sighting, push and wrong conversations included."""
        self.strayed = seen[~at_home]
        """Rows in a conversation that is not their message's."""
        seen = seen[at_home]
        kind, via = history.kind[seen], history.via[seen]
        self.shown: Int = seen[(kind == Kind.DELIVER) & (via != Via.PUSH)]
        self.pushed = seen[(kind == Kind.DELIVER) & (via == Via.PUSH)]
        self.wired = seen[kind == Kind.WIRE]
        self.read: Int = seen[kind == Kind.READ_BACK]

    def pair(self, messages: Int, devices: Int) -> Int:
        """One number per (message, device)."""
        return whole(messages * (len(self.history.names.devices) + 1) + devices)

    def pair_of(self, rows: Int) -> Int:
        """:meth:`pair` of rows."""
        return self.pair(self.message[rows], self.device[rows])

    # D -----------------------------------------------------------------------------------------------------------------------

    @cached_property
    def first(self) -> Int:
        """The first delivery of each message at each device."""
        return whole(self.shown[first_by(self.pair_of(self.shown))])

    @cached_property
    def ordered(self) -> Int:
        """First deliveries that say something of order: backfill left out."""
        return whole(self.first[self.history.via[self.first] != Via.BACKFILL])

    @cached_property
    def _by_pair(self) -> tuple[Int, Int]:
        keys = self.pair_of(self.first)
        order = np.argsort(keys)
        return keys[order], self.first[order]

    def first_row(self, messages: Int, devices: Int) -> Int:
        """The row at which each device first showed each message, -1 where it never did."""
        keys, rows = self._by_pair
        at = place_of(keys, self.pair(messages, devices))
        return np.where(at >= 0, rows[at], NONE) if len(rows) else at

    @cached_property
    def position(self) -> tuple[Int, Int]:
        """By message, the epoch and conversation_seq of its first ok, else of its first sighting; 0 where it has none."""
        history, ok = self.history, self.history.rows_of(Kind.OK)
        home = np.concatenate([self.shown, self.pushed, self.wired, self.read])
        row = np.full(len(history.message_sender), NONE, np.int64)
        for rows in (np.sort(home), ok[history.message[ok] >= 0]):
            rows = rows[history.seq[rows] > 0]
            found = earliest(history.message[rows], rows, len(row))
            row = np.where(found >= 0, found, row)
        if not len(history):
            return row + 1, row + 1
        return np.where(row >= 0, history.epoch[row], 0).astype(np.int64), np.where(row >= 0, history.seq[row], 0)

    def placed(self, rows: Int) -> tuple[Int, Int]:
        """The epoch and conversation_seq of what rows show: their own, else the message's; 0 for none."""
        history, message = self.history, self.message[rows]
        if not len(message):
            return rows, rows
        epoch, seq = (column[message] for column in self.position)
        own = history.seq[rows] > 0
        mine = own & (history.epoch[rows] > 0)
        return np.where(mine, history.epoch[rows], epoch).astype(np.int64), np.where(own, history.seq[rows], seq)

    @cached_property
    def overtaken_by(self) -> Int:
        """For each of ``ordered``, the earlier delivery there of the highest position, if that is above its own; else -1."""
        return self.passed_by(self.ordered)

    def passed_by(self, rows: Int) -> Int:
        """For each of some first deliveries, the earlier one of ``ordered`` there with the highest position, if above its own; else -1."""
        history, events = self.history, self.ordered
        if not len(events) or not len(rows):
            return np.full(len(rows), NONE, np.int64)
        event_epoch, event_seq = self.placed(events)
        epoch, seq = self.placed(rows)
        every = np.concatenate([events, rows])
        group = dense(history.device[every], history.conversation[every], np.concatenate([event_epoch, epoch]))
        known = np.flatnonzero(event_seq > 0)
        highest = highest_before(group[known], events[known], event_seq[known], group[len(events) :], rows)
        at = known[highest] if len(known) else highest
        return np.where((highest >= 0) & (seq > 0) & (event_seq[at] > seq), events[at], NONE)

    # R -----------------------------------------------------------------------------------------------------------------------

    @cached_property
    def read_done(self) -> Int:
        """READ_BACK_DONE rows: each completes a read-back of a (device, conversation)."""
        return self.history.rows_of(Kind.READ_BACK_DONE)

    def room(self, rows: Int) -> Int:
        """One number per (device, conversation)."""
        return whole(self.device[rows] * (len(self.history.names.conversations) + 1) + self.history.conversation[rows])

    @cached_property
    def read_whole(self) -> Int:
        """For each row of ``read`` the place in ``read_done`` of the read-back that it is part of, -1 for one that was not completed."""
        row = Rows(self.room(self.read_done), self.read_done).after(self.room(self.read), self.read)
        broken = (
            self._audit & (self.read < self._from_row) & (row > self._from_row)
        )  # of one that was broken off before the audit
        return np.where(broken, NONE, place_of(self.read_done, row))

    @cached_property
    def read_begun(self) -> Int:
        """For each of ``read_done`` a row before which it had not begun: its first; in an audit, the phase's, or the end of the last."""
        begun, room = self.read_done.copy(), self.room(self.read_done)
        part = self.read_whole >= 0
        np.minimum.at(begun, self.read_whole[part], self.read[part])
        previous = Rows(room, self.read_done).before(room, self.read_done)
        audits = self._audit & (begun > self._from_row)
        return np.where(audits, np.maximum(previous, self._from_row), begun)

    @cached_property
    def last_done(self) -> tuple[Int, Int]:
        """The (device, conversation) pairs that have an R, rising, and the READ_BACK_DONE row of each."""
        audits = self.read_done[(self.read_begun >= self._from_row) & (self.read_done > self._from_row)]
        rooms, at = np.unique(self.room(audits)[::-1], return_index=True)
        return whole(rooms), audits[::-1][at]

    def done_row(self, rooms: Int) -> Int:
        """The row that completes R of each (device, conversation), -1 where R is not known."""
        known, rows = self.last_done
        at = place_of(known, rooms)
        return np.where(at >= 0, rows[at], NONE) if len(rows) else at

    @cached_property
    def final_read(self) -> Int:
        """The rows of R: those of each device's last complete read-back, if it was read after the drain."""
        part = np.flatnonzero(self.read_whole >= 0)
        done = self.read_done[self.read_whole[part]] if len(part) else part
        return whole(self.read[part[done == self.done_row(self.room(self.read[part]))]])

    @cached_property
    def begun_to_read(self) -> Int:
        """The conversations that some device began to read back after the drain, and did not to the end."""
        rows = self.read[self.read > self._from_row]
        return np.unique(whole(self.history.conversation[rows[self.done_row(self.room(rows)) < 0]]))

    @cached_property
    def in_some_read(self) -> Bool:
        """By message, whether any read-back after the drain has it, complete or not."""
        result = np.zeros(len(self.history.message_sender), np.bool_)
        result[self.message[self.read[self.read > self._from_row]]] = True
        return result
