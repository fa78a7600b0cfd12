"""What was read: ``watermark_regressed`` and ``unread_wrong``.

Rules of the file:

- A read watermark belongs to a user and a conversation; ``mark`` rows ask for it, ``marked`` rows confirm it, ``watermark`` rows tell it
  to a device. A receive watermark belongs to a device. Positions of different epochs are never compared.
- What a device is told must not go back. What it was told last, if that was after the highest mark was confirmed, must lie between the
  highest confirmed and the highest asked for, once the drain is complete.
- An unread count is judged by what must and what may be counted: messages of other users above the read watermark. The time that counts is
  between the device's question and the answer; without a question, that of the answer. After the drain, everything is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part
from model.checkers.grouped import NONE, Bool, Int, Rows, dense, dominated, highest_before, highest_earlier, whole
from model.checkers.outcome import FAIL
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

SURE, POSSIBLE = Kind.MARKED, Kind.MARK
_TOP = 1 << 62


def judge(case: Case) -> Part:
    """Watermarks that went back, and unread counts that cannot be."""
    return Part((_regressed(case), _misplaced(case), _unread(case)))


# watermarks -----------------------------------------------------------------------------------------------------------------


def _told(case: Case) -> tuple[Int, Int]:
    """The rows that tell a device a watermark, rising, and whose watermark of which sort it is, by number."""
    history = case.history
    rows = history.rows_of(Kind.MARKED, Kind.WATERMARK, Kind.RECEIVE_CONFIRMED)
    rows = rows[(history.kind[rows] != Kind.RECEIVE_CONFIRMED) | (history.value[rows] == 1)]
    received = history.kind[rows] == Kind.RECEIVE_CONFIRMED
    if not len(rows):
        return rows, rows
    return rows, dense(received, history.device[rows], history.conversation[rows], history.epoch[rows])


def _word(case: Case, row: int) -> str:
    return "receive" if case.history.kind[row] == Kind.RECEIVE_CONFIRMED else "read"


def _regressed(case: Case) -> Finding:
    """Watermarks told to a device below one it was told before."""
    history, say = case.history, case.say
    rows, group = _told(case)
    before = highest_earlier(group, history.seq[rows])
    late = np.flatnonzero((before >= 0) & (history.seq[rows[before]] > history.seq[rows])) if len(rows) else rows
    lower, higher = rows[late], rows[before[late]]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, past = int(lower[i]), int(higher[i])
        text = f"{say.device(int(history.device[row]))} was told a {_word(case, row)} watermark of {history.seq[past]} at {say.at(past)}"
        where = say.conversation(int(history.conversation[row]))
        return f"{text} and of {history.seq[row]} at {say.at(row)}, in {where}", (past, row)

    return Finding("watermark_regressed", lower, np.full(len(lower), NONE), whole(history.device[lower]), tell)


def _owner(case: Case, rows: Int) -> Int:
    """One number per (user, conversation) of rows, the same for all calls; that of the device alone where its user is not known."""
    history = case.history
    device = case.deliveries.device[rows]
    user = case.members.user[device]
    owner = np.where(user >= 0, user, len(history.names.users) + device)
    return whole(owner * (len(history.names.conversations) + 1) + history.conversation[rows])


def _highest(case: Case, kinds: tuple[Kind, ...], rows: Int, until: Int, *, any_epoch: bool = False) -> Int:
    """For each row of ``rows`` the first row of the highest of these marks of its user before ``until``, -1 for none.

    Of the row's own epoch; with ``any_epoch``, for rows that have none, of the latest.
    """
    history, marks = case.history, case.history.rows_of(*kinds)
    every = np.concatenate([marks, rows])
    if not len(marks) or not len(rows):
        return np.full(len(rows), NONE, np.int64)
    group = dense(_owner(case, every), history.epoch[every] * (not any_epoch))
    height = dense(history.epoch[marks], history.seq[marks]) * len(marks) - np.arange(len(marks))
    found = highest_before(group[: len(marks)], marks, height, group[len(marks) :], until)
    return np.where(found >= 0, marks[found], NONE)


def _misplaced(case: Case) -> Finding:
    """Read watermarks that a device was told last, after the highest was confirmed, and that are not where they were put."""
    history, say = case.history, case.say
    rows = history.rows_of(Kind.MARKED, Kind.WATERMARK)
    place = dense(history.device[rows], history.conversation[rows], history.epoch[rows]) if len(rows) else rows
    last = rows[::-1][np.unique(place[::-1], return_index=True)[1]] if case.phases.settled else whole([])
    end = np.full(len(last), len(history))
    sure, possible = _highest(case, (SURE,), last, end), _highest(case, (SURE, POSSIBLE), last, end)
    low, high = (np.where(found >= 0, history.seq[found], 0) for found in (sure, possible))
    seq = history.seq[last]
    bad = np.flatnonzero(((seq < low) & (last > sure)) | (seq > high))
    last, low, high = last[bad], low[bad], high[bad]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(last[i])
        text = (
            f"{say.device(int(history.device[row]))} ends with a read watermark of {history.seq[row]} (told at {say.at(row)}) in "
        )
        between = f"{low[i]}" if low[i] == high[i] else f"{low[i]} to {high[i]}"
        return f"{text}{say.conversation(int(history.conversation[row]))}, where it was put to {between}", (row,)

    return Finding("watermark_regressed", last, np.full(len(last), NONE), whole(history.device[last]), tell)


# unread counts --------------------------------------------------------------------------------------------------------------


def _unread(case: Case) -> Finding:
    history, say = case.history, case.say
    rows = history.rows_of(Kind.UNREAD)
    if not len(rows):
        return Finding("unread_wrong", rows, rows, rows, lambda _: ("", ()))
    asked = _asked(case, rows)
    settled = case.phases.settled & (asked > case.phases.quiet_row)
    least = _least(case, rows, asked)
    most = np.where(settled, _most(case, rows, asked, True), _most(case, rows, asked, False))
    bad = np.flatnonzero((history.value[rows] < least) | (history.value[rows] > most))
    wrong, least, most = rows[bad], least[bad], most[bad]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(wrong[i])
        where = say.conversation(int(history.conversation[row]))
        text = f"{say.device(int(history.device[row]))} was told {history.value[row]} unread in {where} at {say.at(row)}, where "
        allowed = f"{least[i]} is right" if least[i] == most[i] else f"{least[i]} to {most[i]} are possible"
        return text + allowed, (row,)

    return Finding("unread_wrong", wrong, np.full(len(wrong), NONE), whole(history.device[wrong]), tell)


def _asked(case: Case, rows: Int) -> Int:
    """For each count the question it answers: the last one of its device before it that nothing has answered; else itself."""
    history, room = case.history, case.deliveries.room
    asks = history.rows_of(Kind.UNREAD_ASKED)
    question = Rows(room(asks), asks).before(room(rows), rows)
    previous = Rows(room(rows), rows).before(room(rows), rows)
    return np.where((question >= 0) & (question > previous), question, rows)


@dataclass(frozen=True, slots=True)
class _Log:
    """Messages that may count, in parallel arrays: in whose view, from which row on, and where they stand."""

    view: Int
    since: Int
    epoch: Int
    seq: Int

    def before(self, view: Int, row: Int) -> Int:
        """How many of each view there were before each row."""
        level = np.zeros(len(self.view), np.int64)
        return dominated(self.view, self.since, level, view, row, np.ones(len(view), np.int64))

    def placed(self, view: Int, row: Int, epoch: Int, upto: Int) -> Int:
        """How many of each view had a position of the epoch, not above a place, before each row."""
        at = np.flatnonzero(self.seq > 0)
        views, epochs = np.concatenate([self.view[at], view]), np.concatenate([self.epoch[at], epoch])
        group = dense(views, epochs) if len(views) else views
        return dominated(group[: len(at)], self.since[at], self.seq[at], group[len(at) :], row, upto + 1)


def _mark(case: Case, kinds: tuple[Kind, ...], rows: Int, until: Int) -> tuple[Bool, Int, Int]:
    """Whether there is a mark of the user, and the epoch and place of the highest."""
    row = _highest(case, kinds, rows, until, any_epoch=True)
    there = row >= 0
    return there, np.where(there, case.history.epoch[row], NONE), np.where(there, case.history.seq[row], 0)


def _least(case: Case, rows: Int, asked: Int) -> Int:
    """How many messages a count must have: owed to the device, of others, known before the question, above any mark asked for."""
    pairs, sends, user = case.obligations, case.sends, case.members.user
    message, device = pairs.message, pairs.device
    counts = np.isin(device, case.history.device[rows]) & sends.committed[message] & ~pairs.trimmed
    counts &= (user[sends.sender[message]] != user[device]) & ~case.revisions.recalled[message]
    message, device = message[counts], device[counts]
    width = len(case.history.names.conversations) + 1
    view = device * width + sends.conversation[message]
    log = _Log(view, sends.known_row[message], case.epoch[message], case.seq[message])
    marked, epoch, seq = _mark(case, (SURE, POSSIBLE), rows, rows)
    room = case.deliveries.room(rows)
    above = log.placed(room, asked, epoch, np.full(len(rows), _TOP)) - log.placed(room, asked, epoch, seq)
    return np.where(marked, above, log.before(room, asked))


def _most(case: Case, rows: Int, asked: Int, settled: bool) -> Int:
    """How many messages a count can have: of others, sent before the answer, not rejected, not below a mark confirmed before the question.

    ``settled``: only what was committed, since after the drain nothing else can come.
    """
    sends, history = case.sends, case.history
    there = sends.committed if settled else sends.scheduled & (sends.outcome != FAIL)
    message = np.flatnonzero(there | sends.of_the_system)
    since = np.where(sends.of_the_system, sends.system_row, sends.begun_row)[message]
    users = len(history.names.users) + 1
    author = np.where(sends.sender[message] >= 0, case.members.user[sends.sender[message]], NONE)
    conversation = sends.conversation[message]
    everyone = _Log(conversation, since, case.epoch[message], case.seq[message])
    by_author = _Log(conversation * users + author + 1, since, case.epoch[message], case.seq[message])
    marked, epoch, seq = _mark(case, (SURE,), rows, asked)
    room, user = whole(history.conversation[rows]), case.members.user[case.deliveries.device[rows]]
    mine = room * users + user + 1
    every = everyone.before(room, rows) - np.where(marked, everyone.placed(room, rows, epoch, seq), 0)
    own = by_author.before(mine, rows) - np.where(marked, by_author.placed(mine, rows, epoch, seq), 0)
    return every - np.where(user >= 0, own, 0)
