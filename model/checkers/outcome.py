"""The outcome of every send, and what contradicts it: section 1 of the definitions.

A send is ok from its first OK row on, whatever was said before; failed where every word on it was FAIL; info in all other cases,
also where nothing was ever said ("open"). An info send that anyone sees is committed. Its sender's own placement is no sighting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model.checkers.deliveries import Deliveries
from model.checkers.findings import Finding, Part
from model.checkers.grouped import NONE, Bool, Int, earliest, first_by, whole
from model.checkers.revisions import ORIGINAL
from model.history.columns import History
from model.history.schema import Kind, SendClass, Via

if TYPE_CHECKING:
    from model.checkers.case import Case

NEVER_INVOKED, OK, FAIL, INFO = range(4)


def home_conversations(history: History) -> Int:
    """By message, the conversation it was meant for: by the schedule, else its invocation, else its first mention."""
    result = np.full(len(history.message_sender), NONE, np.int64)
    mentions = np.flatnonzero(history.message >= 0)
    for rows in (mentions, history.rows_of(Kind.SYSTEM), history.rows_of(Kind.INVOKE), history.rows_of(Kind.INTEND)):
        rows = rows[history.message[rows] >= 0]
        found = earliest(history.message[rows], rows, len(result))
        if len(rows):
            result = np.where(found >= 0, history.conversation[found], result)
    return result


class Sends:
    """By message: the rows of its life and its outcome. Row and time arrays have shape (messages,), -1 for none."""

    def __init__(self, history: History, deliveries: Deliveries, conversation: Int) -> None:
        self.history = history
        self.count = len(history.message_sender)
        self.sender = whole(history.message_sender)
        self.conversation = conversation
        self.intend_row = self._first(Kind.INTEND)
        self.invoke_row = self._first(Kind.INVOKE)
        self.attempt_row = self._first(Kind.ATTEMPT)
        self.ok_row = self._first(Kind.OK)
        self.fail_row = self._first(Kind.FAIL)
        self.info_row = self._first(Kind.INFO)
        foreign = deliveries.seen[history.via[deliveries.seen] != Via.OWN]
        self.seen_row = earliest(history.message[foreign], foreign, self.count)
        self.system_row = self._first(Kind.SYSTEM)
        self.of_the_system: Bool = self.system_row >= 0
        self.scheduled: Bool = (self.intend_row >= 0) | (self.invoke_row >= 0)
        self.begun_row = np.where(self.invoke_row >= 0, self.invoke_row, self._earliest_trace())
        """The invocation; where the recording lacks it, the first trace of the send, else its place in the schedule."""
        self.t_int_us = self.times(np.where(self.intend_row >= 0, self.intend_row, self.invoke_row))
        self.t_inv_us = self.times(self.begun_row)
        self.t_ok_us = self.times(self.ok_row)
        self.outcome = self._outcomes()
        self.committed: Bool = self.scheduled & ((self.outcome == OK) | ((self.outcome != FAIL) & (self.seen_row >= 0)))
        """Ok, or seen by someone: owed to everyone whom the membership makes it owed to."""
        self.known_row: Int = np.where(self.ok_row >= 0, self.ok_row, self.seen_row)
        """The first ok, or for info the first sighting."""
        self.known_us = self.times(self.known_row)
        system_us, own = self.times(self.system_row), self.of_the_system & ~self.scheduled
        self.said_us: Int = np.where(own, system_us, self.t_inv_us)
        """The invocation; of a message of the system's own, its own row."""
        self.told_us: Int = np.where(own, system_us, self.known_us)
        """When it was known; of a message of the system's own, from its own row on."""
        self.may_be_shed = self._is_of(SendClass.MAY_BE_SHED)
        self.to_be_rejected = self._is_of(SendClass.TO_BE_REJECTED)

    def times(self, rows: Int) -> Int:
        """The instants of rows, -1 for none."""
        return np.where(rows >= 0, self.history.t_us[rows], NONE) if len(self.history) else rows

    def _is_of(self, send_class: SendClass) -> Bool:
        if not len(self.history):
            return np.zeros(self.count, np.bool_)
        return np.asarray((self.intend_row >= 0) & (self.history.code[self.intend_row] == send_class))

    def _first(self, kind: Kind) -> Int:
        rows = self.history.rows_of(kind)
        rows = rows[self.history.message[rows] >= 0]
        return earliest(self.history.message[rows], rows, self.count)

    def _earliest_trace(self) -> Int:
        never = len(self.history)
        traces = [np.where(rows >= 0, rows, never) for rows in (self.attempt_row, self.ok_row, self.fail_row, self.info_row)]
        first = np.minimum.reduce(traces)
        return np.where(first < never, first, self.intend_row)

    def _outcomes(self) -> Int:
        touched = (self.invoke_row >= 0) | (self.attempt_row >= 0) | (self.fail_row >= 0) | (self.info_row >= 0)
        failed = (self.fail_row >= 0) & (self.info_row < 0)
        outcome = np.where(failed, FAIL, np.where(touched, INFO, NEVER_INVOKED))
        return np.where(self.ok_row >= 0, OK, outcome)

    @property
    def open(self) -> Bool:
        """Invoked, and never a word on it."""
        return np.asarray((self.outcome == INFO) & (self.info_row < 0) & (self.fail_row < 0))


def judge(case: Case) -> Part:
    """``aborted_delivery``, ``conflicting_ack``, ``phantom``, ``corrupt``, ``misdelivery``; the number of sends by outcome."""
    findings = (_conflicting(case), _aborted(case), _phantom(case), _corrupt(case), _misdelivered(case))
    return Part(findings, {"sends": _numbers(case)})


def _numbers(case: Case) -> dict[str, Any]:
    sends = case.sends
    outcome = sends.outcome[sends.scheduled]
    return {
        "intended": int(sends.scheduled.sum()),
        "invoked": int((sends.invoke_row >= 0).sum()),
        "ok": int((outcome == OK).sum()),
        "fail": int((outcome == FAIL).sum()),
        "info": int((outcome == INFO).sum()) - int(sends.open.sum()),
        "open": int(sends.open.sum()),
    }


def _conflicting(case: Case) -> Finding:
    """Oks of one send that differ from its first one, and oks after a fail."""
    history, sends = case.history, case.sends
    rows = history.rows_of(Kind.OK)
    rows = rows[history.message[rows] >= 0]
    message = history.message[rows]
    fail = sends.fail_row[message]
    after_fail = (fail >= 0) & (fail < rows)
    clash = np.where(after_fail, fail, NONE)
    for differs in (_other_id, _other_position):
        earlier = differs(case, rows)
        clash = np.where(clash >= 0, clash, earlier)
    bad = np.flatnonzero(clash >= 0)
    bad = bad[first_by(message[bad])]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, other = int(rows[bad[i]]), int(clash[bad[i]])
        said = "refused" if history.kind[other] == Kind.FAIL else f"ok with id {history.value[other]} at {case.say.place(other)}"
        return (
            f"{case.say.message(int(history.message[row]))} was {said} at {case.say.at(other)}, then ok with id "
            f"{history.value[row]} at {case.say.place(row)} at {case.say.at(row)}"
        ), (other, row)

    return Finding("conflicting_ack", rows[bad], message[bad], whole(history.device[rows[bad]]), tell)


def _in_epoch(case: Case, rows: Int) -> Int:
    """One number per (message, epoch) of oks; where an ok names no epoch, that of the message."""
    history, message = case.history, case.history.message[rows]
    epoch = np.where(history.epoch[rows] > 0, history.epoch[rows], case.epoch[message] if len(message) else 0)
    return whole(message * (int(history.epoch.max(initial=0)) + 1) + epoch)


def _other_id(case: Case, rows: Int) -> Int:
    """For each ok an earlier one of the same send with another message_id in the same epoch, -1 for none."""
    return _other(rows, _in_epoch(case, rows), case.history.value[rows], case.history.value[rows] != 0)


def _other_position(case: Case, rows: Int) -> Int:
    """For each ok an earlier one of the same send with another position of the same epoch, -1 for none."""
    return _other(rows, _in_epoch(case, rows), case.history.seq[rows], case.history.seq[rows] > 0)


def _other(rows: Int, key: Int, value: Int, known: Bool) -> Int:
    result = np.full(len(rows), NONE, np.int64)
    at = np.flatnonzero(known)
    if len(at):
        _, first, back = np.unique(key[at], return_index=True, return_inverse=True)
        origin = at[first][back]
        result[at] = np.where(value[at] != value[origin], rows[origin], NONE)
    return result


def _first_per_device(case: Case, rows: Int) -> Int:
    """Of rows that tell the same of a message at a device, the first."""
    return rows[first_by(case.deliveries.pair_of(rows))]


def _seen_finding(case: Case, kind: str, rows: Int, because: str) -> Finding:
    rows = _first_per_device(case, rows)
    history, say = case.history, case.say

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(rows[i])
        message = int(history.message[row])
        known = [int(case.sends.begun_row[message]), int(case.sends.fail_row[message]) if kind == "aborted_delivery" else NONE]
        verb = "read back" if history.kind[row] == Kind.READ_BACK else "received"
        where = f"in {say.conversation(int(history.conversation[row]))} at {say.place(row)}"
        text = f"{say.device(int(history.device[row]))} {verb} {say.message(message)} {where} at {say.at(row)}: {because}"
        return text, (*(r for r in known if r >= 0), row)

    return Finding(kind, rows, history.message[rows], whole(history.device[rows]), tell)


def _aborted(case: Case) -> Finding:
    history, sends = case.history, case.sends
    rows = case.deliveries.seen[history.via[case.deliveries.seen] != Via.OWN]
    failed = (sends.outcome == FAIL) & sends.scheduled
    return _seen_finding(case, "aborted_delivery", rows[failed[history.message[rows]]], "its sender was told that it failed")


def _phantom(case: Case) -> Finding:
    rows = case.deliveries.seen
    known = case.sends.scheduled | case.sends.of_the_system
    return _seen_finding(case, "phantom", rows[~known[case.history.message[rows]]], "nobody sent it")


def _corrupt(case: Case) -> Finding:
    """Sightings of content that was neither sent nor put in its place."""
    rows = case.deliveries.seen
    bad = rows[case.revisions.altered(rows)]
    return _seen_finding(case, "corrupt", bad[case.revisions.version(bad) == ORIGINAL], "its content is not what was sent")


def _misdelivered(case: Case) -> Finding:
    """Sightings by who may not see a message, of the system's too, and in another conversation than its own."""
    history, deliveries, sends = case.history, case.deliveries, case.sends
    rows = deliveries.seen[(sends.scheduled | sends.of_the_system)[history.message[deliveries.seen]]]
    message = history.message[rows]
    never = case.members.never(
        sends.conversation[message], deliveries.device[rows], sends.said_us[message], sends.told_us[message]
    )
    never &= history.via[rows] != Via.OWN
    strayed = np.isin(rows, deliveries.strayed)
    return _seen_finding(case, "misdelivery", rows[never | strayed], "it is not for this device")


def resolved_row(sends: Sends) -> Int:
    """The row at which a send's sender first heard something of it, -1 for never."""
    never = len(sends.history)
    heard = [np.where(rows >= 0, rows, never) for rows in (sends.ok_row, sends.fail_row, sends.info_row)]
    first = np.minimum.reduce(heard)
    return np.where(first < never, first, NONE)
