"""Who is owed what: Must and May (section 2 of the definitions).

Must(m): devices, registered before m was invoked, of users who are certainly members from before that until the promise after m was known,
and, where the device was not ready throughout, until its next completed sync of the conversation; the sending device excepted. What
may be shed is owed to nobody.

Obligations are kept for every intended send, since availability counts them all; what is *owed* is the part of them whose message was
committed and that was not trimmed away. A device that was switched off when the run ended is owed nothing beyond what it had got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.grouped import Bool, Int, Rows, spans
from model.checkers.sessions import FOREVER_US
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case


class Obligations:
    """Must(m) of every intended send, as parallel arrays of shape (pairs,)."""

    def __init__(self, case: Case) -> None:
        sends, members = case.sends, case.members
        due = np.flatnonzero(sends.scheduled & ~sends.may_be_shed)
        conversation = sends.conversation[due]
        which, at = spans(
            np.searchsorted(members.conversation, conversation, "left"),
            np.searchsorted(members.conversation, conversation, "right"),
        )
        message, device, until_us = due[which], members.device[at], members.until_us[at]
        must = (device != sends.sender[message]) & (members.since_row[at] < sends.begun_row[message])
        must &= until_us > sends.t_inv_us[message]
        leaves = must & (until_us < FOREVER_US)
        must[leaves] = _stays(case, message[leaves], device[leaves], until_us[leaves])
        self.message, self.device = message[must], device[must]
        self.row = case.deliveries.first_row(self.message, self.device)
        """The first delivery, -1 for none."""
        self.t_us = sends.times(self.row)
        self.trimmed: Bool = self._trimmed(case)
        off = case.absences.off[self.device] & (self.row < 0)
        self.owed: Bool = sends.committed[self.message] & ~self.trimmed & ~off
        self.missing: Bool = self.owed & (self.row < 0)
        """Owed and never shown; a loss if the drain was completed."""

    def _trimmed(self, case: Case) -> Bool:
        """Never shown, and the device was told that its position is gone."""
        candidates = np.flatnonzero((self.row < 0) & (case.seq[self.message] > 0))
        result = np.zeros(len(self.message), np.bool_)
        end = np.full(len(candidates), len(case.history))
        result[candidates] = case.retention.trimmed(self.message[candidates], self.device[candidates], end)
        return result


def _stays(case: Case, message: Int, device: Int, until_us: Int) -> Bool:
    """Whether members who leave at some time stay long enough for each message to be owed to them."""
    sends, sessions = case.sends, case.sessions
    known_row = np.where(sends.known_row >= 0, sends.known_row, sends.begun_row)[message]
    promised_us = sends.times(known_row) + case.contract.promise_us
    throughout = sessions.ready_until_us(device, sends.t_inv_us[message]) > promised_us
    done = case.history.rows_of(Kind.SYNC_DONE)
    room = device * (len(case.history.names.conversations) + 1) + sends.conversation[message]
    absent_us = np.maximum(sessions.ready_until_us(device, sends.t_inv_us[message]), sends.t_inv_us[message])
    absent_row = np.searchsorted(case.history.t_us, absent_us) - 1  # what it catches up with lies after its absence began
    synced = Rows(case.deliveries.room(done), done).after(room, np.maximum(known_row, absent_row))
    synced_us = np.where(synced >= 0, sends.times(synced), FOREVER_US)
    return np.asarray(until_us >= np.where(throughout, promised_us, np.maximum(promised_us, synced_us)))
