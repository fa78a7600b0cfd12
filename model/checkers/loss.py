"""What was owed and did not come, or came late: ``lost``, ``lost_stored``, ``missed_live``, ``late``, ``gap``, ``gap_filled``, ``trimmed``.

Losses are counted in owed (message, device) pairs and in distinct messages, by sets, never by comparing counts. That something never
came is known only after a completed drain; without one nothing here but ``lost_stored`` (which rests on read-backs) claims a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part, distinct
from model.checkers.grouped import NONE, Bool, Int, dense, highest_before, place_of, whole
from model.history.schema import Via

if TYPE_CHECKING:
    from model.checkers.case import Case


def judge(case: Case) -> Part:
    """All kinds of loss and lateness."""
    pairs = case.obligations
    stored, stream_class = _lost_stored(case)
    lost = np.flatnonzero(pairs.missing) if case.phases.settled else np.zeros(0, np.int64)
    findings = (
        _stored_finding(case, stored, stream_class),
        _lost_finding(case, lost, stored),
        _gap_finding(case, lost),
        *_late_findings(case),
        _gap_filled(case),
        _trimmed_finding(case),
    )
    owed = int(pairs.owed.sum())
    measures = {
        "pairs": owed,
        "lost_pairs": len(lost) if case.phases.settled else None,
        "lost_messages": distinct(pairs.message[lost]) if case.phases.settled else None,
        "lost_stored_messages": len(stored),
    }
    return Part(findings, {"owed": measures})


# lost, lost_stored ----------------------------------------------------------------------------------------------------------


def _lost_stored(case: Case) -> tuple[Int, dict[int, str]]:
    """Committed messages in no read-back of a conversation that was read back, and where each stood in its sender's stream."""
    sends, deliveries = case.sends, case.deliveries
    read = deliveries.conversation_read[sends.conversation]
    owed = sends.committed & ~sends.may_be_shed & ~case.revisions.recalled
    gone = owed & read & ~deliveries.in_some_read & case.retention.kept
    return whole(np.flatnonzero(gone)), _classes(case, gone)


def _classes(case: Case, gone: Bool) -> dict[int, str]:
    """Of each lost message: ``prefix`` if all before it in its stream are lost too, ``postfix`` if all after it, else ``middle``."""
    sends = case.sends
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


def _stored_finding(case: Case, stored: Int, classes: dict[int, str]) -> Finding:
    sends, say = case.sends, case.say
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


# gaps -----------------------------------------------------------------------------------------------------------------------


def _gap_finding(case: Case, lost: Int) -> Finding:
    """Lost messages whose position the device has gone past; there is no gap that is not a loss."""
    history, pairs, say = case.history, case.obligations, case.say
    placed = lost[case.seq[pairs.message[lost]] > 0]
    shown = case.deliveries.ordered
    shown = shown[history.seq[shown] > 0]
    message, device = pairs.message[placed], pairs.device[placed]
    groups = _rooms(case, device, case.sends.conversation[message], case.epoch[message], shown)
    always, last = np.zeros(len(shown), np.int64), np.ones(len(placed), np.int64)
    past = highest_before(groups[len(placed) :], always, history.seq[shown], groups[: len(placed)], last)
    seq = case.seq[message]
    beyond = np.flatnonzero((past >= 0) & (history.seq[shown[past]] > seq)) if len(shown) else np.zeros(0, np.int64)
    rows = shown[past[beyond]]
    message, device = message[beyond], device[beyond]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m, row = int(message[i]), int(rows[i])
        text = f"{say.device(int(device[i]))} went on to {say.place(row)} at {say.at(row)} without "
        return f"{text}{say.message(m)} at {say.position(int(case.epoch[m]), int(case.seq[m]))}", (row,)

    return Finding("gap", rows, message, device, tell, {"lost": np.ones(len(beyond), np.bool_)})


def _rooms(case: Case, device: Int, conversation: Int, epoch: Int, rows: Int) -> Int:
    """One number per (device, conversation, epoch), of given ones and then of rows."""
    history = case.history
    if not len(device) + len(rows):
        return np.zeros(0, np.int64)
    return dense(
        np.concatenate([device, history.device[rows]]),
        np.concatenate([conversation, history.conversation[rows]]),
        np.concatenate([epoch, history.epoch[rows]]),
    )


def _gap_filled(case: Case) -> Finding:
    """Owed messages first shown after one of a higher position."""
    history, pairs, say = case.history, case.obligations, case.say
    rows, past = case.deliveries.ordered, case.deliveries.overtaken_by
    owed = np.sort(pairs.row[pairs.owed & (pairs.row >= 0)])
    filled = np.flatnonzero((past >= 0) & (place_of(owed, rows) >= 0))
    rows, past = rows[filled], past[filled]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, before = int(rows[i]), int(past[i])
        text = f"{say.device(int(history.device[row]))} showed {say.place(before)} at {say.at(before)} and {say.place(row)}"
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
