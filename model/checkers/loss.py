"""What was owed and did not come, or came late: ``lost``, ``lost_stored``, ``missed_live``, ``late``, ``gap``, ``gap_filled``, ``trimmed``.

Losses are counted in owed (message, device) pairs and in distinct messages, by sets, never by comparing counts. That something never
came is known only after a completed drain; without one nothing here but ``lost_stored`` (which rests on read-backs) claims a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part, distinct
from model.checkers.grouped import NONE, Bool, Filed, Int, dense, highest_before, place_of, spans, whole
from model.history.schema import Via

if TYPE_CHECKING:
    from model.checkers.case import Case


def judge(case: Case) -> Part:
    """All kinds of loss and lateness."""
    pairs = case.obligations
    stored = case.stored_losses
    lost = np.flatnonzero(pairs.missing) if case.drained else np.zeros(0, np.int64)
    findings = (
        _stored_finding(case, stored),
        _lost_finding(case, lost, stored),
        _unread_finding(case, stored),
        _gap_finding(case, lost),
        *_late_findings(case),
        _gap_filled(case),
        _trimmed_finding(case),
    )
    measures = {
        "pairs": int(pairs.owed.sum()),
        "lost_pairs": len(lost) if case.drained else None,
        "lost_messages": distinct(pairs.message[lost]) if case.drained else None,
        "lost_stored_messages": len(stored),
    }
    return Part(findings, {"owed": measures})


# lost, lost_stored ----------------------------------------------------------------------------------------------------------


def stored_losses(case: Case) -> Int:
    """Committed messages that are in no R, where everyone who was to read their conversation back has, and somebody who may see them."""
    sends = case.sends
    owed = sends.committed & ~sends.may_be_shed & ~case.deliveries.in_some_read
    gone = np.flatnonzero(owed & ~np.isin(sends.conversation, np.concatenate([case.unread[1], case.deliveries.begun_to_read])))
    return whole(gone[_may_be_read(case, gone)])


def _may_be_read(case: Case, message: Int) -> Bool:
    """Which messages somebody who may see them had to find: the readers of a conversation are asked one after another.

    Whoever began to read before a message was known, or read when it had been recalled or let go, proves nothing.
    """
    sends, members, width = case.sends, case.members, len(case.history.names.conversations) + 1
    rooms, done = case.deliveries.last_done
    readers, recalled = Filed(rooms % width, np.arange(len(rooms))), case.revisions.recalled_row
    begun = case.deliveries.read_begun[place_of(case.deliveries.read_done, done)]
    low, high = (np.searchsorted(readers.keys, sends.conversation[message], side) for side in ("left", "right"))
    result = np.zeros(len(message), np.bool_)
    open_, turn = np.flatnonzero(low < high), 0
    while len(open_):
        m, reader = message[open_], readers.items[low[open_] + turn]
        device, read_us = rooms[reader] // width, sends.times(done[reader])
        may = members.entitled(sends.conversation[m], device, read_us)
        may &= ~members.never(sends.conversation[m], device, sends.t_inv_us[m], sends.known_us[m])
        may &= case.retention.kept(m, done[reader]) & (sends.known_row[m] < begun[reader])
        may &= ~((recalled[m] >= 0) & (recalled[m] < done[reader]))
        result[open_[may]] = True
        turn += 1
        open_ = open_[~may & (low[open_] + turn < high[open_])]
    return result


def _classes(case: Case, stored: Int) -> dict[int, str]:
    """Of each lost message: ``prefix`` if all before it in its stream are lost too, ``postfix`` if all after it, else ``middle``."""
    sends = case.sends
    gone = np.zeros(sends.count, np.bool_)
    gone[stored] = True
    result: dict[int, str] = {}
    committed = np.flatnonzero(sends.committed)
    stream = dense(sends.sender[committed], sends.conversation[committed]) if len(committed) else committed
    for number in np.unique(stream[gone[committed]]):
        messages = committed[stream == number]
        messages = messages[np.argsort(sends.begun_row[messages], kind="stable")]
        lost = gone[messages]
        head = int(np.argmin(lost)) if not lost.all() else len(lost)
        tail = len(lost) - int(np.argmin(lost[::-1])) if not lost.all() else len(lost)
        for at in np.flatnonzero(lost).tolist():
            result[int(messages[at])] = "prefix" if at < head else "postfix" if at >= tail else "middle"
    return result


def _stored_finding(case: Case, stored: Int) -> Finding:
    sends, say, classes = case.sends, case.say, _classes(case, stored)
    rows = np.where(sends.ok_row >= 0, sends.ok_row, sends.seen_row)[stored]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        message, row = int(stored[i]), int(rows[i])
        what = "ok" if sends.ok_row[message] >= 0 else "seen"
        where = say.position(int(case.epoch[message]), int(case.seq[message]))
        text = f"{say.message(message)} was {what} at {say.at(row)} ({where}) and is in no history after the run"
        return f"{text}: {classes[message]} of its sender's stream", (row,)

    return Finding("lost_stored", rows, stored, np.full(len(stored), NONE), tell)


def _lost_finding(case: Case, lost: Int, stored: Int) -> Finding:
    pairs, sends, say = case.obligations, case.sends, case.say
    message, device = pairs.message[lost], pairs.device[lost]
    rows = np.where(sends.ok_row >= 0, sends.ok_row, sends.seen_row)[message]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m, row = int(message[i]), int(rows[i])
        what = "ok" if sends.ok_row[m] >= 0 else "first seen"
        text = f"{say.device(int(device[i]))} never showed {say.message(m)}, {what} at {say.at(row)}, sent at "
        return text + say.at(int(sends.begun_row[m])), (int(sends.begun_row[m]), row)

    causes = {"lost_stored": np.isin(message, stored), "unreachable": case.absences.unreachable[device]}
    return Finding("lost", rows, message, device, tell, causes)


def _unread_finding(case: Case, stored: Int) -> Finding:
    """What was said before a device was registered, to a user who was a member then, and is not in the history the device reads back.

    Where another device of the user reads it back, ``divergence_final`` says so.
    """
    message, device = _before_registration(case) if case.drained else (whole([]), whole([]))
    width, sends, deliveries, say = len(case.history.names.conversations) + 1, case.sends, case.deliveries, case.say
    done = deliveries.done_row(device * width + sends.conversation[message])
    recalled = case.revisions.recalled_row[message]
    owed = (done >= 0) & sends.committed[message] & ~sends.may_be_shed[message] & ~((recalled >= 0) & (recalled < done))
    user = case.members.user
    read, users = deliveries.final_read, len(case.history.names.users) + 1
    found = deliveries.message[read] * users + user[deliveries.device[read]]
    owed &= ~np.isin(message * users + user[device], found)
    owed &= (deliveries.first_row(message, device) < 0) & (sends.sender[message] != device)
    message, device, done = message[owed], device[owed], done[owed]
    due = case.retention.kept(message, done) & ~case.retention.trimmed(message, device, done)
    message, device, done = message[due], device[due], done[due]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m, row = int(message[i]), int(sends.known_row[message[i]])
        text = f"{say.device(int(device[i]))}, registered later, does not find {say.message(m)} of {say.at(row)} in the history"
        return f"{text} it read back by {say.at(int(done[i]))}", (row, int(done[i]))

    return Finding("lost", done, message, device, tell, {"lost_stored": np.isin(message, stored)})


def _before_registration(case: Case) -> tuple[Int, Int]:
    """(message, device), parallel: sent while the device's user was a member, and before the device was registered."""
    sends, members = case.sends, case.members
    begun = np.flatnonzero(sends.scheduled & (sends.begun_row >= 0))
    rows = len(case.history) + 1
    key = sends.conversation[begun] * rows + sends.begun_row[begun]
    order = np.argsort(key)
    last = case.phases.audit_us if case.phases.audit_us >= 0 else case.phases.end_us
    later = np.flatnonzero((members.joined_row < members.registered_row[members.device]) & (members.until_us > last))
    room = members.conversation[later] * rows
    bounds = (members.joined_row[later], members.registered_row[members.device[later]])
    which, at = spans(*(np.searchsorted(key[order], room + bound, "left") for bound in bounds))
    return begun[order][at], members.device[later][which]


# gaps -----------------------------------------------------------------------------------------------------------------------


def _gap_finding(case: Case, lost: Int) -> Finding:
    """Lost messages whose position the device has gone past; there is no gap that is not a loss."""
    pairs, say = case.obligations, case.say
    placed = lost[case.seq[pairs.message[lost]] > 0]
    epoch, place = case.deliveries.placed(case.deliveries.ordered)
    shown, epoch, place = (column[place > 0] for column in (case.deliveries.ordered, epoch, place))
    message, device = pairs.message[placed], pairs.device[placed]
    groups = _rooms(case, device, case.sends.conversation[message], case.epoch[message], shown, epoch)
    always, last = np.zeros(len(shown), np.int64), np.ones(len(placed), np.int64)
    past = highest_before(groups[len(placed) :], always, place, groups[: len(placed)], last)
    beyond = np.flatnonzero((past >= 0) & (place[past] > case.seq[message])) if len(shown) else np.zeros(0, np.int64)
    rows = shown[past[beyond]]
    message, device = message[beyond], device[beyond]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m, row = int(message[i]), int(rows[i])
        text = f"{say.device(int(device[i]))} went on to {case.place(row)} at {say.at(row)} without "
        return f"{text}{say.message(m)} at {say.position(int(case.epoch[m]), int(case.seq[m]))}", (row,)

    return Finding("gap", rows, message, device, tell, {"lost": np.ones(len(beyond), np.bool_)})


def _rooms(case: Case, device: Int, conversation: Int, epoch: Int, rows: Int, row_epoch: Int) -> Int:
    """One number per (device, conversation, epoch), of given ones and then of rows."""
    history = case.history
    if not len(device) + len(rows):
        return np.zeros(0, np.int64)
    return dense(
        np.concatenate([device, history.device[rows]]),
        np.concatenate([conversation, history.conversation[rows]]),
        np.concatenate([epoch, row_epoch]),
    )


def _gap_filled(case: Case) -> Finding:
    """Owed messages first shown after one of a higher position."""
    history, pairs, say = case.history, case.obligations, case.say
    rows, past = case.deliveries.first, case.deliveries.passed_by(case.deliveries.first)
    owed = np.sort(pairs.row[pairs.owed & (pairs.row >= 0)])
    filled = np.flatnonzero((past >= 0) & (place_of(owed, rows) >= 0))
    rows, past = rows[filled], past[filled]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, before = int(rows[i]), int(past[i])
        text = f"{say.device(int(history.device[row]))} showed {case.place(before)} at {say.at(before)} and {case.place(row)}"
        return f"{text} ({say.message(int(history.message[row]))}) only at {say.at(row)}", (before, row)

    return Finding("gap_filled", rows, history.message[rows], whole(history.device[rows]), tell)


def _trimmed_finding(case: Case) -> Finding:
    pairs, sends, say = case.obligations, case.sends, case.say
    at = np.flatnonzero(pairs.trimmed & sends.committed[pairs.message])
    message, device = pairs.message[at], pairs.device[at]
    rows = np.where(sends.ok_row >= 0, sends.ok_row, sends.seen_row)[message]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m = int(message[i])
        where = say.position(int(case.epoch[m]), int(case.seq[m]))
        return f"{say.device(int(device[i]))} was told that {where} with {say.message(m)} is no longer kept", (int(rows[i]),)

    return Finding("trimmed", rows, message, device, tell)


# late -----------------------------------------------------------------------------------------------------------------------


def delivery_begin_us(case: Case) -> tuple[Int, Bool]:
    """For each obligation the instant from which its delivery is timed, and whether it is of the live class.

    Live: the device was ready at t_int, which is the instant. Catch-up: the later of t_int and the device's next readiness; t_int
    itself where the message came before that, or the device was never ready again.
    """
    pairs, sends = case.obligations, case.sends
    t_int_us = sends.t_int_us[pairs.message]
    live = case.sessions.ready_at(pairs.device, t_int_us)
    ready_us = case.sessions.ready.next_begin_us(pairs.device, t_int_us)
    waits = ~live & (ready_us >= 0) & ((pairs.row < 0) | (pairs.t_us >= ready_us))
    return np.where(waits, ready_us, t_int_us), live


def _late_findings(case: Case) -> tuple[Finding, Finding]:
    """``missed_live`` and ``late``."""
    pairs, sends, history = case.obligations, case.sends, case.history
    came = np.flatnonzero(pairs.owed & (pairs.row >= 0))
    message, device, row, t_us = pairs.message[came], pairs.device[came], pairs.row[came], pairs.t_us[came]
    promise_us = case.contract.promise_us
    due_us = sends.known_us[message] + promise_us
    by_sync = history.via[row] == Via.SYNC if len(history) else came < 0
    throughout = case.sessions.ready_until_us(device, sends.t_inv_us[message]) > due_us
    missed = by_sync & throughout & (t_us > due_us)
    begin_us, live = delivery_begin_us(case)
    late = t_us - begin_us[came] > promise_us

    def finding(kind: str, which: Bool, causes: dict[str, Bool]) -> Finding:
        at = np.flatnonzero(which)

        def tell(i: int) -> tuple[str, tuple[int, ...]]:
            k = int(at[i])
            m, r = int(message[k]), int(row[k])
            how = (
                "by sync, having been ready all the time,"
                if kind == "missed_live"
                else "live,"
                if live[came[k]]
                else "in catch-up,"
            )
            waited = (int(t_us[k]) - int(begin_us[came[k]])) / 1e6
            text = (
                f"{case.say.device(int(device[k]))} showed {case.say.message(m)} {how} at {case.say.at(r)}, {waited:.3f} s after"
            )
            return f"{text} {'its intended time' if begin_us[came[k]] == sends.t_int_us[m] else 'the device was ready'}", (
                int(sends.begun_row[m]),
                r,
            )

        return Finding(kind, row[at], message[at], device[at], tell, {cause: mask[at] for cause, mask in causes.items()})

    return finding("missed_live", missed, {}), finding("late", late, {"missed_live": missed})
