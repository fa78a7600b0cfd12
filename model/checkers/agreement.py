"""What devices and read-backs say against each other: ``order_changed``, ``divergence_final``, ``own_write_missing``, ``history_shrank``.

R is compared as sets and by positions. A read-back without positions says nothing of order. What is in nobody's read-back is
``lost_stored`` alone; what a device was told is trimmed is missed by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part
from model.checkers.grouped import NONE, Bool, Int, Rows, dense, first_by, highest_earlier, place_of, spans, whole
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
    causes: dict[str, Bool] = {"session_nonmonotonic": deliveries.overtaken_by[both[late]] >= 0}

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


def _divergence(case: Case) -> Finding:
    """What one device of a user has in R and another one, read back too, has not; or has elsewhere."""
    history, deliveries, members, say = case.history, case.deliveries, case.members, case.say
    rows = deliveries.final_read
    rooms, done = deliveries.last_done
    width = len(history.names.conversations) + 1
    user = members.user[rooms // width]
    place = dense(user, rooms % width) if len(rooms) else rooms
    order = np.argsort(place, kind="stable")
    readers = np.bincount(place, minlength=1)[place]
    twin = np.flatnonzero((readers > 1) & (user >= 0))
    missing: list[tuple[int, int]] = []
    for number in np.unique(place[twin]).tolist():
        mine = order[np.searchsorted(place[order], number) : np.searchsorted(place[order], number, "right")]
        missing.extend(_differences(case, rows, rooms[mine]))
    missing.sort()
    source, lacking = whole([row for row, _ in missing]), whole([device for _, device in missing])

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, device = int(source[i]), int(lacking[i])
        text = f"{say.device(int(history.device[row]))} reads back {say.message(int(history.message[row]))} at {say.place(row)}"
        return f"{text}, {say.device(device)} of the same user does not", (
            row,
            int(done[place_of(rooms, _room(case, row, device))[0]]),
        )

    return Finding("divergence_final", source, history.message[source], lacking, tell)


def _room(case: Case, row: int, device: int) -> Int:
    return whole([device * (len(case.history.names.conversations) + 1) + int(case.history.conversation[row])])


def _differences(case: Case, rows: Int, rooms: Int) -> list[tuple[int, int]]:
    """(row that one has, device that lacks it) between the read-backs of one user in one conversation, over what all retain."""
    history, deliveries = case.history, case.deliveries
    width = len(history.names.conversations) + 1
    by_room = {room: rows[deliveries.room(rows) == room] for room in rooms.tolist()}
    union = np.concatenate(list(by_room.values()))
    entry = _entries(case, union)
    union = union[first_by(entry)]
    found: list[tuple[int, int]] = []
    for room, mine in by_room.items():
        device = room // width
        absent = union[~np.isin(_entries(case, union), _entries(case, mine))]
        gone = trimmed_away(case, history.message[absent], np.full(len(absent), device))
        found.extend((int(row), device) for row in absent[~gone])
    return found


def _entries(case: Case, rows: Int) -> Int:
    """One number per (message, epoch, position), comparable between calls."""
    history = case.history
    epochs, seqs = int(history.epoch.max(initial=0)) + 1, int(history.seq.max(initial=0)) + 1
    return (history.message[rows] * epochs + history.epoch[rows]) * seqs + history.seq[rows]


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
    had = had[~case.members.never(history.message[had], deliveries.device[had], case.sends)]
    had = had[~trimmed_away(case, history.message[had], whole(history.device[had]))]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(had[i])
        done_row = int(deliveries.done_row(deliveries.room(had[i : i + 1]))[0])
        text = f"{say.device(int(history.device[row]))} had {say.message(int(history.message[row]))} ({say.place(row)}) at {say.at(row)}"
        return f"{text}, its history read back by {say.at(done_row)} has not", (row, done_row)

    return Finding("history_shrank", had, history.message[had], whole(history.device[had]), tell)


def _own_write(case: Case) -> Finding:
    """Ok messages that a later sync of their own user covers and does not bring."""
    sends, say = case.sends, case.say
    message, begin, done = _covered(case)
    later = sends.ok_row[message] < begin
    message, begin, done = message[later], begin[later], done[later]
    device = case.deliveries.device[done]
    missing = ~_brought(case, message, device, begin, done)
    message, device, done = message[missing], device[missing], done[missing]
    gone = trimmed_away(case, message, device)
    message, device, done = message[~gone], device[~gone], done[~gone]

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
    own = np.flatnonzero((sends.ok_row >= 0) & (case.seq > 0) & (sends.sender >= 0))
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
    """Whether a sync brought a message: on the wire between request and completion; where no wire was recorded, shown before its end."""
    history, deliveries = case.history, case.deliveries
    wired = deliveries.wired[history.via[deliveries.wired] == Via.SYNC]
    if len(deliveries.wired):
        last = Rows(deliveries.pair_of(wired), wired).before(deliveries.pair(message, device), done)
        return np.asarray((last >= 0) & ((last > begin) | (begin == done)))
    first = deliveries.first_row(message, device)
    return np.asarray((first != NONE) & (first < done))
