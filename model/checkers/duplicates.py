"""What there was twice: ``dup_stored``, ``seq_conflict``, ``dup_app``, ``redelivery``.

``dup_app`` looks at what the user saw, however far apart and across connections; ``redelivery`` at the wire, where a second copy is in
order as long as nobody knows that the first one arrived, and a sync may bring what it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part, distinct
from model.checkers.grouped import Bool, Filed, Int, dense, first_by, whole
from model.checkers.revisions import ORIGINAL
from model.history.schema import Kind, Via

if TYPE_CHECKING:
    from model.checkers.case import Case


def judge(case: Case) -> Part:
    """All kinds of duplicates."""
    dup_app = _dup_app(case)
    findings = (*_positions(case), dup_app, _redelivery(case, dup_app))
    return Part(findings, {"duplicates": {"shown_twice": distinct(dup_app.messages), "shown_twice_pairs": len(dup_app.rows)}})


def _positions(case: Case) -> tuple[Finding, Finding]:
    """``dup_stored`` and ``seq_conflict``, from every row that gives a message a position: oks, D, W and R."""
    history, deliveries = case.history, case.deliveries
    ok = history.rows_of(Kind.OK)
    rows = np.sort(np.concatenate([ok[history.message[ok] >= 0], deliveries.shown, deliveries.wired, deliveries.read]))
    rows = rows[history.seq[rows] > 0]
    if not len(rows):
        nothing = whole([])
        return _clash(case, "dup_stored", nothing, nothing), _clash(case, "seq_conflict", nothing, nothing)
    message = history.message[rows]
    position = dense(case.sends.conversation[message], history.epoch[rows], history.seq[rows])
    claims = first_by(dense(message, position))
    rows, message, position = rows[claims], message[claims], position[claims]
    stored = _second(rows, dense(message, history.epoch[rows]))
    conflict = _second(rows, position)
    return _clash(case, "dup_stored", *stored), _clash(case, "seq_conflict", *conflict)


def _second(rows: Int, key: Int) -> tuple[Int, Int]:
    """The rows that are not the first of their key, and the first ones."""
    _, first, back = np.unique(key, return_index=True, return_inverse=True)
    origin = rows[first][back]
    again = origin != rows
    return rows[again], origin[again]


def _clash(case: Case, kind: str, rows: Int, origin: Int) -> Finding:
    history, say = case.history, case.say

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, other = int(rows[i]), int(origin[i])
        m, o = int(history.message[row]), int(history.message[other])
        where = say.conversation(int(history.conversation[row]))
        text = f"{say.message(o)} is at {say.place(other)} of {where} ({say.at(other)}), and "
        again = f"again at {say.place(row)}" if m == o else f"{say.message(m)} is there too"
        return f"{text}{again} ({say.at(row)})", (other, row)

    return Finding(kind, rows, history.message[rows], whole(history.device[rows]), tell)


def _dup_app(case: Case) -> Finding:
    """Every delivery of a message at a device after the first one there, but for the first of each revision."""
    history, say, shown = case.history, case.say, case.deliveries.shown
    rows = shown[~np.isin(shown, case.deliveries.first, assume_unique=True)]
    rows = rows[~_new_version(case, shown, rows)]
    message, device = history.message[rows], whole(history.device[rows])

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(rows[i])
        before = int(case.deliveries.first_row(message[i : i + 1], device[i : i + 1])[0])
        text = f"{say.device(int(device[i]))} showed {say.message(int(message[i]))} at {say.at(before)} ({say.place(before)})"
        return f"{text} and again at {say.at(row)} ({say.place(row)})", (before, row)

    return Finding("dup_app", rows, message, device, tell)


def _new_version(case: Case, shown: Int, rows: Int) -> Bool:
    """Which of ``rows``, of those shown, are the first to show a revision at their device."""
    version = case.revisions.version(shown)
    revised = np.flatnonzero(version != ORIGINAL)
    if not len(revised):
        return np.zeros(len(rows), np.bool_)
    first = revised[first_by(dense(case.deliveries.pair_of(shown[revised]), version[revised]))]
    return np.isin(rows, shown[first])


# on the wire ----------------------------------------------------------------------------------------------------------------


def _redelivery(case: Case, dup_app: Finding) -> Finding:
    """Copies on the wire that nothing excuses."""
    history, say = case.history, case.say
    rows = case.deliveries.wired
    rows = rows[(history.via[rows] != Via.BACKFILL) & (history.via[rows] != Via.PUSH)]
    found: list[tuple[int, int, str]] = []
    ledger = _Ledger(case)
    for copies in _copies(case, rows):
        found.extend(ledger.unexcused(copies))
    found.sort()
    bad, first = whole([row for row, _, _ in found]), whole([origin for _, origin, _ in found])

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, origin = int(bad[i]), int(first[i])
        what = f"{say.message(int(history.message[row]))} at {say.place(row)}"
        text = f"{say.device(int(history.device[row]))} was sent {what} at {say.at(origin)} and again at {say.at(row)}"
        return f"{text}: {found[i][2]}", (origin, row)

    messages, devices = history.message[bad], whole(history.device[bad])
    shown_twice = np.sort(case.deliveries.pair(dup_app.messages, dup_app.devices))
    causes: dict[str, Bool] = {"dup_app": np.isin(case.deliveries.pair(messages, devices), shown_twice)}
    return Finding("redelivery", bad, messages, devices, tell, causes)


def _copies(case: Case, rows: Int) -> list[Int]:
    """The rows of every (device, message, position, revision) that came more than once, each in order of time."""
    if not len(rows):
        return []
    history = case.history
    key = dense(case.deliveries.pair_of(rows), history.epoch[rows], history.seq[rows], case.revisions.version(rows))
    order = np.argsort(key, kind="stable")
    counts = np.bincount(key)
    ends = np.cumsum(counts)
    many = np.flatnonzero(counts > 1)
    return [rows[order[end - count : end]] for end, count in zip(ends[many].tolist(), counts[many].tolist(), strict=True)]


class _Ledger:
    """What excuses a second copy: no confirmation yet, connections that ended, resends, and sync requests."""

    def __init__(self, case: Case) -> None:
        self._history = history = case.history
        self._deliveries = case.deliveries
        self._resends = case.contract.resends_allowed
        confirmed, requests = history.rows_of(Kind.RECEIVE_CONFIRMED), history.rows_of(Kind.SYNC_REQUEST)
        ended = history.rows_of(Kind.DISCONNECTED)
        self._confirmed = Filed(case.deliveries.room(confirmed), confirmed)
        self._requests = Filed(case.deliveries.room(requests), requests)
        self._ended = Filed(case.deliveries.device[ended], ended)
        self._asks = set(np.unique(case.deliveries.device[requests]).tolist())

    def unexcused(self, copies: Int) -> list[tuple[int, int, str]]:
        """(row, first row, why) of the copies that are redeliveries."""
        history, first = self._history, int(copies[0])
        room, seq = int(self._deliveries.room(copies[:1])[0]), int(history.seq[first])
        confirmed = self._confirmation(room, seq, int(history.epoch[first]), first)
        requests = self._requests.of(room)
        requests = requests[history.seq[requests] < seq] if seq else requests
        answers: dict[int, int] = {}
        live = 0
        found = []
        for row in copies.tolist():
            synced = history.via[row] == Via.SYNC
            if synced:
                connection = int(history.connection[row])
                answers[connection] = answers.get(connection, 0) + 1
                why = self._unasked(requests, connection, answers[connection], row, confirmed)
            else:
                live += 1
                why = self._too_many(int(history.device[row]), live, copies, row, confirmed)
            if why and row != first:
                found.append((row, first, why))
        return found

    def _confirmation(self, room: int, seq: int, epoch: int, first: int) -> int:
        """The first confirmation after the first copy of a receive ack that covers the position; else past the end."""
        history, rows = self._history, self._confirmed.of(room)
        rows = rows[np.searchsorted(rows, first) :]
        covers = np.where(history.value[rows] == 1, history.seq[rows] >= seq, history.seq[rows] == seq)
        covers &= (history.epoch[rows] == 0) | (history.epoch[rows] == epoch)
        covering = rows[covers] if seq else rows[:0]
        return int(covering[0]) if len(covering) else len(history)

    def _unasked(self, requests: Int, connection: int, nth: int, row: int, confirmed: int) -> str:
        """Why the nth sync copy on a connection is one too many; "" if it is the answer to a request of its own.

        After the confirmation only requests written before it count. A device that records no requests cannot be judged.
        """
        history = self._history
        if int(history.device[row]) not in self._asks:
            return ""
        mine = requests[history.connection[requests] == connection]
        asked = int(np.searchsorted(mine, min(row, confirmed)))
        return "" if nth <= asked else f"sync copy {nth} of {asked} asked for"

    def _too_many(self, device: int, live: int, copies: Int, row: int, confirmed: int) -> str:
        """Why a live copy is one too many; "" if connections that ended, or the policy's resends, excuse it."""
        if row > confirmed:
            return "its receive ack had been confirmed"
        so_far = copies[copies <= row]
        changed = len(np.unique(self._history.connection[so_far])) - 1
        ended = self._ended.of(device)
        between = int(np.searchsorted(ended, row) - np.searchsorted(ended, so_far[0]))
        allowed = 1 + max(between, changed) + self._resends
        return "" if live <= allowed else f"live copy {live} where {allowed} are allowed"
