"""What was read: ``watermark_regressed`` and ``unread_wrong``.

Rules of the file:

- A read watermark belongs to a user and a conversation; ``mark`` rows ask for it, ``marked`` rows confirm it, ``watermark`` rows tell it
  to a device. A receive watermark belongs to a device. Positions of different epochs are never compared.
- What a device is told must not go back. What it was told last, if that was after the highest mark was confirmed, must lie between the
  highest confirmed and the highest asked for, once the drain is complete.
- An unread count is judged by what must and what may be counted: messages of other users, owed to the user (not to the device: a new
  phone counts what was said before it), above the read watermark of their epoch. The time that counts is between the device's question and
  the answer; without a question, that of the answer. After the drain, everything is known. Questions of one connection are answered
  in the order in which they were asked; those that the connection did not outlive, never.
- Where a mark names no epoch, that of the conversation's latest messages is meant.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part
from model.checkers.grouped import (
    NONE,
    Bool,
    Int,
    Rows,
    blocks,
    dense,
    dominated,
    first_by,
    highest_before,
    highest_earlier,
    spans,
    whole,
)
from model.checkers.outcome import FAIL
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

SURE, POSSIBLE = Kind.MARKED, Kind.MARK
_TOP = 1 << 62


def judge(case: Case) -> Part:
    """Watermarks that went back, and unread counts that cannot be."""
    regressed = _regressed(case)
    return Part((regressed, _misplaced(case, regressed.rows), _unread(case)))


# watermarks -----------------------------------------------------------------------------------------------------------------


def _epoch(case: Case, rows: Int) -> Int:
    """The epoch of marks, watermarks and receive acks: their own, else the latest of their conversation."""
    latest = np.zeros(len(case.history.names.conversations) + 1, np.int64)
    np.maximum.at(latest, case.sends.conversation, case.epoch)
    own = whole(case.history.epoch[rows])
    return np.where(own > 0, own, latest[case.history.conversation[rows]])


def _told(case: Case) -> tuple[Int, Int]:
    """The rows that tell a device a watermark, rising, and whose watermark of which sort it is, by number."""
    history = case.history
    rows = history.rows_of(Kind.MARKED, Kind.WATERMARK, Kind.RECEIVE_CONFIRMED)
    rows = rows[(history.kind[rows] != Kind.RECEIVE_CONFIRMED) | (history.value[rows] == 1)]
    received = history.kind[rows] == Kind.RECEIVE_CONFIRMED
    if not len(rows):
        return rows, rows
    return rows, dense(received, history.device[rows], history.conversation[rows], _epoch(case, rows))


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


def _highest(case: Case, kinds: tuple[Kind, ...], rows: Int, until: Int, epoch: Int) -> Int:
    """For each row of ``rows`` the first row of the highest of these marks of its user, in an epoch, before ``until``; -1 for none."""
    history, marks = case.history, case.history.rows_of(*kinds)
    if not len(marks) or not len(rows):
        return np.full(len(rows), NONE, np.int64)
    group = dense(_owner(case, np.concatenate([marks, rows])), np.concatenate([_epoch(case, marks), epoch]))
    height = dense(history.seq[marks]) * len(marks) - np.arange(len(marks))
    found = highest_before(group[: len(marks)], marks, height, group[len(marks) :], until)
    return np.where(found >= 0, marks[found], NONE)


def _misplaced(case: Case, regressed: Int) -> Finding:
    """Read watermarks that a device was told last, after the highest was confirmed, and that are not where they were put.

    Those that went back besides are told of once, as that.
    """
    history, say = case.history, case.say
    rows = history.rows_of(Kind.MARKED, Kind.WATERMARK)
    place = dense(history.device[rows], history.conversation[rows], _epoch(case, rows)) if len(rows) else rows
    last = rows[::-1][np.unique(place[::-1], return_index=True)[1]] if case.drained else whole([])
    end, epoch = np.full(len(last), len(history)), _epoch(case, last)
    sure, possible = (_highest(case, kinds, last, end, epoch) for kinds in ((SURE,), (SURE, POSSIBLE)))
    low, high = (np.where(found >= 0, history.seq[found], 0) for found in (sure, possible))
    seq = history.seq[last]
    bad = np.flatnonzero((((seq < low) & (last > sure)) | (seq > high)) & ~np.isin(last, regressed))
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
    settled = case.drained & (asked > case.phases.quiet_row)
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
    """For each count the question it answers: the first open one of its device and connection; itself where none is open."""
    history, room = case.history, case.deliveries.room
    asks, ends = history.rows_of(Kind.UNREAD_ASKED), history.rows_of(Kind.DISCONNECTED, Kind.OFFLINE)
    every = np.sort(np.concatenate([asks, rows]))
    ended = Rows(whole(history.device[ends]), ends).before(whole(history.device[every]), every)
    open_: dict[tuple[int, int], deque[int]] = {}
    answered: dict[int, int] = {}
    for row, place, end in zip(every.tolist(), room(every).tolist(), ended.tolist(), strict=True):
        questions = open_.setdefault((place, end), deque())
        if history.kind[row] == Kind.UNREAD_ASKED:
            questions.append(row)
        else:
            answered[row] = questions.popleft() if questions else row
    return whole([answered[row] for row in rows.tolist()])


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


@dataclass(frozen=True, slots=True)
class _Marks:
    """How far the user of each count had read, or asked to have, by some row; arrays by count."""

    upto: dict[int, Int]
    """By epoch, the highest mark, 0 for none."""
    latest: Int
    """The highest epoch with a mark, -1 for none."""

    def may_cover(self, which: Int, epoch: Int, seq: Int) -> Bool:
        """Whether messages may have been read by the users of these counts: below a mark, of an older log, or nobody knows where."""
        read = (seq == 0) & (self.latest[which] >= 0) | (epoch < self.latest[which])
        for number, upto in self.upto.items():
            read |= (seq > 0) & (epoch == number) & (seq <= upto[which])
        return np.asarray(read)


def _marks(case: Case, kinds: tuple[Kind, ...], rows: Int, until: Int) -> _Marks:
    """The marks of these kinds before each row of ``until``, of the users who were told the counts of ``rows``."""
    epochs = np.unique(_epoch(case, case.history.rows_of(*kinds))).tolist()
    highest = {epoch: _highest(case, kinds, rows, until, np.full(len(rows), epoch)) for epoch in epochs}
    upto = {epoch: np.where(at >= 0, case.history.seq[at], 0) for epoch, at in highest.items()}
    latest = [np.where(at >= 0, epoch, NONE) for epoch, at in highest.items()]
    return _Marks(upto, np.maximum.reduce([np.full(len(rows), NONE), *latest]))


def _above(log: _Log, view: Int, counted: Int, marks: _Marks, *, surely: bool = False) -> Int:
    """How many of each view there were before ``counted`` and above the marks, epoch by epoch.

    ``surely``: what has no position, or is of an epoch before one that was marked, may have been read.
    """
    result = log.before(view, counted)
    for epoch in {*marks.upto, *(np.unique(log.epoch[log.seq > 0]).tolist() if surely else ())}:
        upto = marks.upto.get(epoch, np.zeros(len(view), np.int64))
        upto = np.where(surely & (marks.latest > epoch), _TOP, upto)
        result = result - log.placed(view, counted, np.full(len(view), epoch), upto)
    if surely and marks.upto:
        lost = np.flatnonzero(log.seq == 0)
        nowhere = _Log(log.view[lost], log.since[lost], log.epoch[lost], log.seq[lost])
        result = result - np.where(marks.latest >= 0, nowhere.before(view, counted), 0)
    return result


def _least(case: Case, rows: Int, asked: Int) -> Int:
    """How many messages a count must have: owed to the user, of others, known before the question, above any mark asked for.

    What was recalled, or may have been forgotten, before the answer need not be counted: it is looked at pair by pair.
    """
    message, device = _meant(case, np.unique(case.history.device[rows]))
    view = device * (len(case.history.names.conversations) + 1) + case.sends.conversation[message]
    room, marks = case.deliveries.room(rows), _marks(case, (SURE, POSSIBLE), rows, rows)
    known, epoch, seq = case.sends.known_row[message], case.epoch[message], case.seq[message]
    recalled, never = case.revisions.recalled_row[message], len(case.history)
    gone = np.minimum(np.where(recalled >= 0, recalled, never), case.retention.gone_row[message] - 1)
    stays = gone >= never
    result = _above(_Log(view[stays], known[stays], epoch[stays], seq[stays]), room, asked, marks, surely=True)
    order = np.flatnonzero(~stays)[np.argsort(view[~stays], kind="stable")]
    for which, at in blocks(view[order], room):
        m = order[at]
        counts = (known[m] < asked[which]) & (gone[m] >= rows[which]) & ~marks.may_cover(which, epoch[m], seq[m])
        result = result + np.bincount(which[counts], minlength=len(rows))
    return result


def _meant(case: Case, devices: Int) -> tuple[Int, Int]:
    """(message, device), parallel: committed messages of others that the device's user was a member for, certainly and throughout."""
    sends, members = case.sends, case.members
    due = np.flatnonzero(sends.committed & ~sends.may_be_shed)
    due = due[np.argsort(sends.conversation[due], kind="stable")]
    stay = np.flatnonzero(np.isin(members.device, devices))
    bounds = (np.searchsorted(sends.conversation[due], members.conversation[stay], side) for side in ("left", "right"))
    which, at = spans(*bounds)
    message, stay = due[at], stay[which]
    meant = (members.joined_row[stay] < sends.begun_row[message]) & (
        members.until_us[stay] >= sends.known_us[message] + case.contract.promise_us
    )
    meant &= members.user[sends.sender[message]] != members.user[members.device[stay]]
    message, device = message[meant], members.device[stay[meant]]
    once = first_by(dense(message, device)) if len(message) else message  # two stays may both do, where a clock is wrong
    return message[once], device[once]


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
    room, user = whole(history.conversation[rows]), case.members.user[case.deliveries.device[rows]]
    marks = _marks(case, (SURE,), rows, asked)
    every = _above(everyone, room, rows, marks)
    own = _above(by_author, room * users + user + 1, rows, marks)
    return every - np.where(user >= 0, own, 0)
