"""The order of messages: ``fifo_log``, ``fifo_live``, ``realtime_inversion``, ``session_nonmonotonic``, ``disagreement``.

Rules of the file:

- A pair is out of order only against *all* that came before, not only the previous message; running maxima do that in O(n log n).
- Positions of different epochs are never compared; what has no position is judged only by the orders in which it was shown.
- ``disagreement`` asks whether the orders in which devices showed a conversation can be parts of one order. The union of total orders has
  a cycle exactly if the graph of their consecutive pairs has one, so strongly connected components of that near-linear graph decide.
- A count is of messages that came too late, each once (per device where devices show it), not of the pairs, which are quadratic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.disagreement import judge_disagreement
from model.checkers.findings import Finding, Part, distinct
from model.checkers.grouped import NONE, Int, dense, highest_before, whole

if TYPE_CHECKING:
    from model.checkers.case import Case


def judge(case: Case) -> Part:
    """All kinds of wrong order."""
    agreed, details = judge_disagreement(case)
    findings = (_fifo_log(case), _fifo_live(case), _realtime(case), _nonmonotonic(case), *agreed)
    late = np.concatenate([f.messages for f in findings if f.kind != "realtime_inversion"])
    numbers = {kind: _messages(findings, kind) for kind in ("fifo_log", "fifo_live", "session_nonmonotonic", "disagreement")}
    return Part(findings, {"order": {**numbers, **details, "out_of_order": distinct(late)}})


def _messages(findings: tuple[Finding, ...], kind: str) -> int:
    return distinct(np.concatenate([f.messages for f in findings if f.kind == kind]))


def _sure_us(case: Case, message: Int) -> Int:
    """From when on a message precedes its sender's further ones: t_ok, or t_inv where sends are pipelined."""
    sends = case.sends
    if case.contract.pipelined:
        return np.where(sends.committed[message], sends.t_inv_us[message], NONE)
    return sends.t_ok_us[message]


def _sure_row(case: Case, message: int) -> int:
    return int((case.sends.begun_row if case.contract.pipelined else case.sends.ok_row)[message])


def _sure_word(case: Case) -> str:
    return "sent" if case.contract.pipelined else "ok"


def _inversions(group: Int, sure_us: Int, place: Int, begun_us: Int) -> tuple[Int, Int]:
    """Elements placed before one of their group that was sure before they began; and that one, the furthest. Places in the arrays."""
    known = np.flatnonzero(sure_us >= 0)
    earlier = highest_before(group[known], sure_us[known], place[known], group, begun_us)
    if not len(known):
        return whole([]), whole([])
    before = known[earlier]
    late = np.flatnonzero((earlier >= 0) & (place[before] > place))
    return late, before[late]


def _stored_inversions(case: Case, kind: str, placed: Int, group: Int, sure_us: Int) -> Finding:
    late, before = _inversions(group, sure_us, case.seq[placed], case.sends.t_inv_us[placed])
    second, first = placed[late], placed[before]
    sends, say = case.sends, case.say

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        y, x = int(second[i]), int(first[i])
        places = [say.position(int(case.epoch[m]), int(case.seq[m])) for m in (x, y)]
        sure, begun = _sure_row(case, x), int(sends.begun_row[y])
        text = f"{say.message(x)} was {_sure_word(case)} at {say.at(sure)} ({places[0]}), yet {say.message(y)}, sent at {say.at(begun)},"
        return f"{text} has {places[1]}", (sure, begun)

    return Finding(kind, sends.begun_row[second], second, sends.sender[second], tell)


def _placed(case: Case) -> Int:
    return whole(np.flatnonzero((case.seq > 0) & case.sends.scheduled & (case.sends.begun_row >= 0)))


def _fifo_log(case: Case) -> Finding:
    placed = _placed(case)
    sends = case.sends
    group = dense(sends.sender[placed], sends.conversation[placed], case.epoch[placed])
    return _stored_inversions(case, "fifo_log", placed, group, _sure_us(case, placed))


def _realtime(case: Case) -> Finding:
    placed = _placed(case)
    group = dense(case.sends.conversation[placed], case.epoch[placed])
    return _stored_inversions(case, "realtime_inversion", placed, group, case.sends.t_ok_us[placed])


def _fifo_live(case: Case) -> Finding:
    """First deliveries at a device of one sender's messages, against the order in which they were sent."""
    history, sends, say = case.history, case.sends, case.say
    rows = case.deliveries.ordered
    rows = rows[sends.scheduled[history.message[rows]]]
    message = history.message[rows]
    group = dense(history.device[rows], sends.sender[message], sends.conversation[message])
    first, second = _shown_too_late(rows, group, _sure_us(case, message), sends.t_inv_us[message])

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        y, x = int(second[i]), int(first[i])
        m = int(history.message[x])
        text = f"{say.device(int(history.device[x]))} showed {say.message(int(history.message[y]))} at {say.at(y)} before "
        return (
            f"{text}{say.message(m)} at {say.at(x)}, which was {_sure_word(case)} at {say.at(_sure_row(case, m))}, before the other's send",
            (y, x),
        )

    return Finding("fifo_live", first, history.message[first], whole(history.device[first]), tell)


def _shown_too_late(rows: Int, group: Int, sure_us: Int, begun_us: Int) -> tuple[Int, Int]:
    """Rows that come after one of their group that began when they were sure; and that one, the earliest."""
    known = np.flatnonzero(sure_us >= 0)
    if not len(known):
        return known, known
    at = highest_before(group, -begun_us, -rows, group[known], -sure_us[known])
    late = np.flatnonzero((at >= 0) & (rows[at] < rows[known]))
    return rows[known[late]], rows[at[late]]


def _nonmonotonic(case: Case) -> Finding:
    history, say = case.history, case.say
    at = np.flatnonzero(case.deliveries.overtaken_by >= 0)
    rows, before = case.deliveries.ordered[at], case.deliveries.overtaken_by[at]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, past = int(rows[i]), int(before[i])
        text = f"{say.device(int(history.device[row]))} showed {say.message(int(history.message[row]))} ({case.place(row)}) at "
        return f"{text}{say.at(row)}, after {say.message(int(history.message[past]))} ({case.place(past)}) at {say.at(past)}", (
            past,
            row,
        )

    return Finding("session_nonmonotonic", rows, history.message[rows], whole(history.device[rows]), tell)
