"""What there was twice: ``dup_stored``, ``seq_conflict``, ``dup_app``, ``redelivery``.

``dup_app`` looks at what the user saw, however far apart and across connections; ``redelivery`` at the wire, where a second copy is in
order as long as nobody knows that the first one arrived, and a sync may bring what it was asked for. All copies are judged at once, by
running counts and sorted look-ups, in O(n log n): a server that sends one message over and over costs no more than one that does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part, distinct
from model.checkers.grouped import NONE, Bool, Int, Rows, dense, dominated, first_by, first_reaching, whole
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
    """Which of ``rows``, of those shown, are the first to show a giving of a revision at their device."""
    content, given = case.revisions.showing(shown)
    revised = np.flatnonzero((content != ORIGINAL) | (given > 1))
    if not len(revised):
        return np.zeros(len(rows), np.bool_)
    first = revised[first_by(dense(case.deliveries.pair_of(shown[revised]), content[revised], given[revised]))]
    return np.isin(rows, shown[first])


# on the wire ----------------------------------------------------------------------------------------------------------------


def _redelivery(case: Case, dup_app: Finding) -> Finding:
    """Copies on the wire that nothing excuses."""
    history, say = case.history, case.say
    ledger = _Ledger(case)
    at, told = ledger.unexcused()
    bad, first = ledger.rows[at], ledger.origin[at]
    order = np.argsort(bad)
    at, bad, first = at[order], bad[order], first[order]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, origin = int(bad[i]), int(first[i])
        what = f"{say.message(int(history.message[row]))} at {say.place(row)}"
        had = "was sent" if history.kind[origin] == Kind.WIRE else "had"
        text = (
            f"{say.device(int(history.device[row]))} {had} {what} at {say.at(origin)} and {'was sent it ' * (had == 'had')}again"
        )
        return f"{text} at {say.at(row)}: {told(int(at[i]))}", (origin, row)

    messages, devices = history.message[bad], whole(history.device[bad])
    shown_twice = np.sort(case.deliveries.pair(dup_app.messages, dup_app.devices))
    causes: dict[str, Bool] = {"dup_app": np.isin(case.deliveries.pair(messages, devices), shown_twice)}
    return Finding("redelivery", bad, messages, devices, tell, causes)


class _Ledger:
    """What excuses a copy: no confirmation yet, connections that ended, resends, and sync requests.

    Copies are kept by (device, message, position, revision) and in each such set by time, so that what there was "so far" is a running
    count. Arrays have shape (copies,).
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        history, deliveries = case.history, case.deliveries
        wired = deliveries.wired[history.via[deliveries.wired] != Via.PUSH]
        content, given = case.revisions.showing(wired)
        sent = history.via[wired] != Via.BACKFILL
        rows, epoch, seq = wired[sent], *case.deliveries.placed(wired[sent])
        key = dense(deliveries.pair_of(rows), epoch, seq, content[sent], given[sent]) if len(rows) else rows
        order = np.argsort(key, kind="stable")
        self.rows, self._seq, self._key = rows[order], seq[order], key[order]
        self._begin = np.searchsorted(self._key, self._key)
        """The place of the first copy of each one's set."""
        self._room, self._device = deliveries.room(self.rows), deliveries.device[self.rows]
        self._synced: Bool = history.via[self.rows] == Via.SYNC
        self._seen = self._first_sightings(wired, content, given)[sent][order]
        """The first row in which the device saw that giving of that content, in the app or on the wire, backfill included."""
        revised = (content != ORIGINAL) | (given > 1)
        self._known = self._confirmations(epoch[order], np.where(revised[sent][order], self._seen, NONE))
        first = self.rows[self._begin] if len(self.rows) else self.rows
        self.origin = np.where(first == self.rows, self._seen, first)
        """The row that a copy repeats."""

    def unexcused(self) -> tuple[Int, Callable[[int], str]]:
        """The copies that are redeliveries, and a function that tells why one of them is."""
        confirmed = self._known < self.rows
        live, allowed = self._so_far(~self._synced), self._allowed()
        synced, asked = self._so_far(self._synced), self._asked()
        wrong = np.where(self._synced, self._unasked(synced, asked), confirmed | (live > allowed))
        repeats = confirmed | (np.arange(len(self.rows)) != self._begin)

        def why(i: int) -> str:
            if self._synced[i]:
                return f"sync copy {synced[i]} of {asked[i]} asked for"
            return "its receive ack had been confirmed" if confirmed[i] else f"live copy {live[i]} where {allowed[i]} are allowed"

        return np.flatnonzero(wrong & repeats & (self.rows != self._seen)), why

    def _so_far(self, counted: Bool) -> Int:
        """How many of the copies counted there were in each one's set, up to itself."""
        total = np.concatenate([[0], np.cumsum(counted)])
        return whole(total[1:] - total[self._begin])

    def _first_sightings(self, wired: Int, content: Int, given: Int) -> Int:
        shown = self._case.deliveries.shown
        rows = np.concatenate([shown, wired])
        parts = [np.concatenate(pair) for pair in zip(self._case.revisions.showing(shown), (content, given), strict=True)]
        key = dense(self._case.deliveries.pair_of(rows), *parts) if len(rows) else rows
        first = np.full(int(key.max(initial=NONE)) + 1, len(self._case.history), np.int64)
        np.minimum.at(first, key, rows)
        return first[key[len(shown) :]]

    def _confirmations(self, epoch: Int, after: Int) -> Int:
        """By copy the first confirmation, after a row, of a receive ack that covers its position; past the end where there is none."""
        history, never = self._case.history, len(self._case.history)
        rows = history.rows_of(Kind.RECEIVE_CONFIRMED)
        upto, room = history.value[rows] == 1, self._case.deliveries.room(rows)
        found = np.full(len(self.rows), never, np.int64)
        if not len(rows) or not len(found):
            return found
        for said in (epoch, np.zeros(len(epoch), np.int64)):  # a confirmation without an epoch speaks of any
            key = dense(np.concatenate([room, self._room]), np.concatenate([whole(history.epoch[rows]), said]))
            mine, seq = key[: len(rows)], history.seq[rows]
            place = first_reaching(mine[upto], rows[upto], seq[upto], key[len(rows) :], after, self._seq)
            single = dense(key, np.concatenate([seq, self._seq]))
            alone = Rows(single[: len(rows)][~upto], rows[~upto]).after(single[len(rows) :], after)
            covering = np.where(place >= 0, rows[upto][place], never) if upto.any() else found
            found = np.minimum(found, np.minimum(covering, np.where(alone >= 0, alone, never)))
        return np.where(self._seq > 0, found, never)

    def _allowed(self) -> Int:
        """How many live copies connections that ended, or the policy's resends, excuse. Attempts that failed are no connections."""
        history, device = self._case.history, self._case.deliveries.device
        ended, ready = history.rows_of(Kind.DISCONNECTED), history.rows_of(Kind.READY)
        every = np.concatenate([ended, ready])
        on = dense(history.device[every], history.connection[every]) if len(every) else every
        had = np.isin(on[: len(ended)], on[len(ended) :]) | ~np.isin(device[ended], device[ready])
        filed = Rows(device[ended[had]], ended[had])
        first = self.rows[self._begin] if len(self.rows) else self.rows
        between = filed.count(self._device, self.rows) - filed.count(self._device, first)
        fresh = np.zeros(len(self.rows), np.bool_)
        if len(self.rows):
            fresh[first_by(dense(self._key, history.connection[self.rows]))] = True
        changed = self._so_far(fresh) - 1
        return whole(1 + np.maximum(between, changed)) + self._case.contract.resends_allowed

    def _asked(self) -> Int:
        """How many requests cover each copy: written before it, and before the confirmation, asking for what lies below it."""
        history = self._case.history
        requests = history.rows_of(Kind.SYNC_REQUEST)
        at = np.flatnonzero(self._synced)
        result = np.zeros(len(self.rows), np.int64)
        below = np.where(self._seq[at] > 0, self._seq[at], int(history.seq[requests].max(initial=0)) + 1)
        before = np.minimum(self.rows, self._known)[at]
        if len(requests) and len(at):
            result[at] = dominated(
                self._case.deliveries.room(requests), requests, history.seq[requests], self._room[at], before, below
            )
        return result

    def _unasked(self, synced: Int, asked: Int) -> Bool:
        """Which sync copies are no answer to a request of their own; nobody knows of a device that records no requests.

        A copy takes a request that no earlier one has taken; one that finds none takes none. ``asked - synced`` is what would be left if
        all had taken one; each new low of it below zero is a copy that found none.
        """
        at = np.flatnonzero(self._synced)
        left, key = (asked - synced)[at], dense(self._key[at]) if len(at) else at
        span = int(left.max(initial=0)) - int(left.min(initial=0)) + 1
        falling = np.minimum.accumulate(np.concatenate([[0], left - key * span])) if len(at) else left
        low = np.minimum(falling[:-1] + key * span, 0)
        records = np.unique(self._case.deliveries.device[self._case.history.rows_of(Kind.SYNC_REQUEST)])
        result = np.zeros(len(self.rows), np.bool_)
        result[at] = (left < low) & np.isin(self._device[at], records)
        return result
