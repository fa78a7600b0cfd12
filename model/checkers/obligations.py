"""Who is owed what: Must, Never and May, from registrations and memberships (section 2 of the definitions).

A history of version 1 knows joins (the join's ok) and no leaving, so Must(m) is: devices registered, of users who were members, before
m was invoked, the sending device excepted; Never(m) is: devices of users who never were members, or, where earlier history is hidden,
became members after m was known. All others, and every device of a conversation without a single MEMBER row, are May(m).

Obligations are kept for every intended send, since availability counts them all; what is *owed* is the part of them whose message was
committed, that was not trimmed away, at a device that was not switched off when the run ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.checkers.grouped import NONE, Bool, Int, earliest, matches, place_of, spans, whole
from model.history.columns import History
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case
    from model.checkers.outcome import Sends


class Members:
    """Devices of members, by conversation."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._width = len(history.names.users) + 1
        rows = history.rows_of(Kind.MEMBER)
        keys = whole(history.conversation[rows]) * self._width + history.user[rows]
        self._keys, first = np.unique(keys, return_index=True)
        self._joined_row = rows[first]
        self.governed: Bool = np.zeros(len(history.names.conversations) + 1, np.bool_)
        """By conversation: whether its membership is known."""
        self.governed[history.conversation[rows]] = True
        registered = history.rows_of(Kind.DEVICE)
        self.registered_row = earliest(whole(history.device[registered]), registered, len(history.names.devices))
        self.user = self._by_registration(history.user)
        self.home = self._by_registration(history.node)
        """By device, its home gateway (a node), -1 for none."""
        self._devices_by_conversation()

    def _by_registration(self, column: NDArray[np.int32]) -> Int:
        if not len(self._history):
            return self.registered_row
        return np.where(self.registered_row >= 0, column[self.registered_row], NONE).astype(np.int64)

    def _devices_by_conversation(self) -> None:
        """``device`` and ``since_row`` of every certain membership of a device, sorted by ``conversation``."""
        by_user = np.argsort(self.user, kind="stable")
        member, at = matches(self.user[by_user], whole(self._keys % self._width))
        device = whole(by_user)[at]
        conversation = whole(self._keys // self._width)[member]
        known = self.registered_row[device] >= 0
        order = np.lexsort((device, conversation))
        order = order[known[order]]
        self.conversation, self.device = conversation[order], device[order]
        self.since_row = np.maximum(self._joined_row[member], self.registered_row[device])[order]

    def joined_row(self, conversation: Int, user: Int) -> Int:
        """The row of a user's join, -1 where there is none."""
        at = place_of(whole(self._keys), conversation * self._width + user)
        return np.where(at >= 0, self._joined_row[at], NONE) if len(self._keys) else at

    def never(self, message: Int, device: Int, sends: Sends) -> Bool:
        """Whether each message must not be seen on each device."""
        conversation, user = sends.conversation[message], self.user[device]
        joined = self.joined_row(conversation, user)
        never = joined == NONE
        contract = self._history.header.contract
        if contract.history_hidden and len(self._history):
            known_us = sends.known_us[message]
            late = self._history.t_us[joined] > known_us + contract.promise_us
            never |= (joined >= 0) & (known_us >= 0) & late
        return np.asarray(never & self.governed[conversation] & (user >= 0))


class Obligations:
    """Must(m) of every intended send, as parallel arrays of shape (pairs,)."""

    def __init__(self, case: Case) -> None:
        sends, members = case.sends, case.members
        intended = np.flatnonzero(sends.scheduled)
        conversation = sends.conversation[intended]
        which, at = spans(
            np.searchsorted(members.conversation, conversation, "left"),
            np.searchsorted(members.conversation, conversation, "right"),
        )
        message, device = intended[which], members.device[at]
        must = (device != sends.sender[message]) & (members.since_row[at] < sends.begun_row[message])
        self.message, self.device = message[must], device[must]
        self.row = case.deliveries.first_row(self.message, self.device)
        """The first delivery, -1 for none."""
        self.t_us = sends.times(self.row)
        self.trimmed: Bool = self._trimmed(case)
        self.owed: Bool = sends.committed[self.message] & ~self.trimmed & ~case.absences.off[self.device]
        self.missing: Bool = self.owed & (self.row < 0)
        """Owed and never shown; a loss if the drain was completed."""

    def _trimmed(self, case: Case) -> Bool:
        """Never shown, and the device was told that its position is gone."""
        candidates = np.flatnonzero((self.row < 0) & (case.seq[self.message] > 0))
        result = np.zeros(len(self.message), np.bool_)
        result[candidates] = trimmed_away(case, self.message[candidates], self.device[candidates])
        return result


def trimmed_away(case: Case, message: Int, device: Int) -> Bool:
    """Whether sync told each device that the span with each message is gone."""
    history = case.history
    rows = history.rows_of(Kind.TRIMMED)
    rooms = case.deliveries.room(rows)
    order = np.argsort(rooms, kind="stable")
    width = len(history.names.conversations) + 1
    which, at = matches(rooms[order], device * width + case.sends.conversation[message])
    row = rows[order][at]
    seq, epoch = case.seq[message[which]], history.epoch[row]
    covered = (history.value[row] < seq) & (seq < history.seq[row]) & ((epoch == 0) | (epoch == case.epoch[message[which]]))
    result = np.zeros(len(message), np.bool_)
    result[which[covered]] = True
    return result
