"""What devices and read-backs say against each other: ``order_changed``, ``divergence_final``, ``own_write_missing``, ``history_shrank``.

R is compared as sets and by positions. A read-back without positions says nothing of order. What is in nobody's read-back is
``lost_stored`` alone; what a device was told is trimmed is missed by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.disagreement import placed
from model.checkers.findings import Finding, Part
from model.checkers.grouped import (
    NONE,
    Bool,
    Int,
    Rows,
    dense,
    first_by,
    highest_earlier,
    matches,
    outranked,
    outranked_from_elsewhere,
    place_of,
    spans,
    whole,
)
from model.checkers.obligations import trimmed_away
from model.history.schema import Kind, Via

if TYPE_CHECKING:
    from model.checkers.case import Case


def judge(case: Case) -> Part:
    """All kinds of disagreement with the history."""
    return Part((_order_changed(case), _divergence(case), _own_write(case), _shrank(case)))


def _order_changed(case: Case) -> Finding:
    """First deliveries after one that R(d) puts behind them."""
    history, deliveries, say = case.history, case.deliveries, case.say
    read = deliveries.final_read[history.seq[deliveries.final_read] > 0]
    keys, first = np.unique(deliveries.pair_of(read), return_index=True)
    at = place_of(whole(keys), deliveries.pair_of(deliveries.ordered))
    both = np.flatnonzero(at >= 0)
    rows, source = deliveries.ordered[both], read[first][at[both]]
    group = dense(history.device[rows], history.conversation[rows], history.epoch[source])
    before = highest_earlier(group, history.seq[source])
    late = np.flatnonzero((before >= 0) & (history.seq[source[before]] > history.seq[source])) if len(rows) else both
    overtaken = deliveries.overtaken_by[both] != NONE
    causes: dict[str, Bool] = {"session_nonmonotonic": _only_as_shown(case, rows, group, history.seq[source], overtaken)[late]}

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        y, x = int(late[i]), int(before[late[i]])
        shown, past = int(rows[y]), int(rows[x])
        text = (
            f"{say.device(int(history.device[shown]))} showed {say.message(int(history.message[past]))} at {say.at(past)} before "
        )
        text += (
            f"{say.message(int(history.message[shown]))} at {say.at(shown)}; its history has them at {say.place(int(source[x]))}"
        )
        return f"{text} and {say.place(int(source[y]))}", (past, shown, int(source[x]), int(source[y]))

    return Finding("order_changed", rows[late], history.message[rows[late]], whole(history.device[rows[late]]), tell, causes)


def _only_as_shown(case: Case, rows: Int, group: Int, read: Int, overtaken: Bool) -> Bool:
    """Of first deliveries that ``session_nonmonotonic`` names: whether it names them against all that their group's read-back puts behind.

    Args:
        group: by device, conversation and epoch of the read-back.
        read: the position in the read-back.
    """
    epoch, seq = placed(case, rows)
    if not overtaken.any():
        return overtaken
    differs = (seq != read) | (epoch != epoch[np.unique(group, return_index=True)[1]][group])  # else D inverts all that R inverts
    some = np.flatnonzero(np.isin(group, group[differs]))
    group, read, seq = group[some], read[some], seq[some]
    part = np.where(seq > 0, epoch[some], NONE)
    apart = outranked(dense(group, part), read, seq) | outranked_from_elsewhere(group, part, read) if len(some) else some > 0
    result = overtaken.copy()
    result[some] &= ~apart
    return result


def _divergence(case: Case) -> Finding:
    """What one device of a user has in R and another one, read back too, has not; or has elsewhere, or in another version."""
    history, deliveries, say = case.history, case.deliveries, case.say
    rooms, done = deliveries.last_done
    source, lacking = _differences(case, rooms)
    order = np.lexsort((lacking, source))
    source, lacking = source[order], lacking[order]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, device = int(source[i]), int(lacking[i])
        text = f"{say.device(int(history.device[row]))} reads back {say.message(int(history.message[row]))} at {say.place(row)}"
        room = device * (len(history.names.conversations) + 1) + int(history.conversation[row])
        return f"{text}, {say.device(device)} of the same user does not", (row, int(done[place_of(rooms, whole([room]))[0]]))

    return Finding("divergence_final", source, history.message[source], lacking, tell)


def _differences(case: Case, rooms: Int) -> tuple[Int, Int]:
    """(row that one read-back has, device that lacks it), between the read-backs of one user in one conversation, over what is kept."""
    history, deliveries = case.history, case.deliveries
    width = len(history.names.conversations) + 1
    device, conversation = rooms // width, rooms % width
    user = case.members.user[device]
    told = (user >= 0) & case.members.entitled(conversation, device, history.t_us[deliveries.last_done[1]])
    place = dense(user, conversation) if len(user) else user
    told &= np.bincount(place[told], minlength=len(place))[place] > 1  # whoever reads alone differs from nobody
    if not told.any():
        return whole([]), whole([])
    place = np.where(told, place, NONE)
    rows = deliveries.final_read
    reader = place_of(rooms, deliveries.room(rows))
    rows, reader = rows[place[reader] >= 0], reader[place[reader] >= 0]
    entry = dense(place[reader], history.message[rows], history.epoch[rows], history.seq[rows], case.revisions.version(rows))
    held = np.unique(entry * len(rooms) + reader)
    first = np.unique(entry, return_index=True)[1]
    holders = np.bincount(held // len(rooms), minlength=len(first))
    readers = np.bincount(place[told])
    short = np.flatnonzero(holders < readers[place[reader[first]]])
    some = first[short]
    by_place = np.argsort(place, kind="stable")
    which, at = matches(place[by_place], place[reader[some]])
    absent = ~np.isin(short[which] * len(rooms) + by_place[at], held)
    source, lacking = rows[some[which[absent]]], device[by_place[at[absent]]]
    message = history.message[source]
    gone = trimmed_away(case, message, lacking) | ~case.retention.kept[message] | case.sends.may_be_shed[message]
    return source[~gone], lacking[~gone]


def _shrank(case: Case) -> Finding:
    """What D(d), or an earlier read-back, had and R(d) has not, although somebody's has it, and d may see it."""
    history, deliveries, say = case.history, case.deliveries, case.say
    had = np.sort(np.concatenate([deliveries.first, deliveries.earlier_read]))
    done = deliveries.done_row(deliveries.room(had))
    asked = case.phases.audit_row if case.phases.audit_row >= 0 else len(history)
    had = had[(done >= 0) & (had < np.minimum(done, asked)) | np.isin(had, deliveries.earlier_read)]
    has = np.isin(deliveries.pair_of(had), deliveries.pair_of(deliveries.final_read))
    had = had[~has & deliveries.in_some_read[history.message[had]]]
    had = had[first_by(deliveries.pair_of(had))]
    had = had[_still_due(case, history.message[had], deliveries.device[had], deliveries.done_row(deliveries.room(had)))]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(had[i])
        done_row = int(deliveries.done_row(deliveries.room(had[i : i + 1]))[0])
        text = f"{say.device(int(history.device[row]))} had {say.message(int(history.message[row]))} ({say.place(row)}) at {say.at(row)}"
        return f"{text}, its history read back by {say.at(done_row)} has not", (row, done_row)

    return Finding("history_shrank", had, history.message[had], whole(history.device[had]), tell)


def _still_due(case: Case, message: Int, device: Int, done: Int) -> Bool:
    """Whether what a device read, or synced, until a row has to have each message that was there before."""
    sends = case.sends
    due = case.members.entitled(sends.conversation[message], device, sends.times(done))
    due &= ~case.members.never(sends.conversation[message], device, sends.t_inv_us[message], sends.known_us[message])
    due &= ~sends.may_be_shed[message] & ~case.revisions.recalled[message] & ~trimmed_away(case, message, device)
    return np.asarray(due)


def _own_write(case: Case) -> Finding:
    """Ok messages that a later sync of their own user covers and does not bring."""
    sends, say = case.sends, case.say
    message, begin, done = _covered(case)
    later = sends.ok_row[message] < begin
    message, begin, done = message[later], begin[later], done[later]
    device = case.deliveries.device[done]
    missing = ~_brought(case, message, device, begin, done)
    message, device, done = message[missing], device[missing], done[missing]
    due = _still_due(case, message, device, done)
    message, device, done = message[due], device[due], done[due]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m, row = int(message[i]), int(done[i])
        span = f"({case.history.value[row]}, {case.history.seq[row]}]"
        text = (
            f"{say.message(m)} was ok at {say.at(int(sends.ok_row[m]))} at {say.position(int(case.epoch[m]), int(case.seq[m]))}"
        )
        return f"{text}, but is not in the sync of {span} that {say.device(int(device[i]))} completed at {say.at(row)}", (
            int(sends.ok_row[m]),
            row,
        )

    return Finding("own_write_missing", done, message, device, tell)


def _covered(case: Case) -> tuple[Int, Int, Int]:
    """Parallel: ok messages, and for each completed sync of their user that covers their position its first request and its end."""
    history, sends, members = case.history, case.sends, case.members
    done = history.rows_of(Kind.SYNC_DONE)
    own = np.flatnonzero(sends.scheduled & (sends.ok_row >= 0) & (case.seq > 0) & (sends.sender >= 0))
    seqs = np.unique(case.seq[own])
    width, ranks = len(history.names.conversations) + 1, len(seqs) + 1
    place = members.user[sends.sender[own]] * width + sends.conversation[own]
    codes = place * ranks + np.searchsorted(seqs, case.seq[own])
    order = np.argsort(codes, kind="stable")
    room = members.user[history.device[done]] * width + history.conversation[done]
    bounds = [
        np.searchsorted(codes[order], room * ranks + np.searchsorted(seqs, limit[done], "right"), "left")
        for limit in (history.value, history.seq)
    ]
    which, at = spans(*bounds)
    message = own[order][at]
    same_epoch = (history.epoch[done[which]] == 0) | (history.epoch[done[which]] == case.epoch[message])
    known = same_epoch & (members.user[history.device[done[which]]] >= 0)
    return message[known], _requested(case, done)[which][known], done[which][known]


def _requested(case: Case, done: Int) -> Int:
    """For each completed sync its first request: the first after the previous completion there; itself where none is recorded."""
    asked = case.history.rows_of(Kind.SYNC_REQUEST)
    room = case.deliveries.room
    previous = Rows(room(done), done).before(room(done), done)
    first = Rows(room(asked), asked).after(room(done), np.maximum(previous, 0))
    return np.where((first >= 0) & (first < done), first, done)


def _brought(case: Case, message: Int, device: Int, begin: Int, done: Int) -> Bool:
    """Whether a sync brought a message: on the wire between request and completion; at a device without a wire, shown before its end."""
    history, deliveries = case.history, case.deliveries
    wired = deliveries.wired[history.via[deliveries.wired] == Via.SYNC]
    last = Rows(deliveries.pair_of(wired), wired).before(deliveries.pair(message, device), done)
    first = deliveries.first_row(message, device)
    taps = np.zeros(len(history.names.devices) + 1, np.bool_)
    taps[history.device[deliveries.wired]] = True
    arrived = (last >= 0) & ((last > begin) | (begin == done))
    return np.asarray(np.where(taps[device], arrived, (first != NONE) & (first < done)))
