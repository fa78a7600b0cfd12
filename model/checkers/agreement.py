"""What devices and read-backs say against each other: ``order_changed``, ``divergence_final``, ``own_write_missing``, ``history_shrank``.

R is compared as sets, by positions and by content, each where it is known. What is in nobody's read-back is ``lost_stored`` alone; what was
recalled, or a device was told is trimmed, before it read is missed by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
from model.history.schema import Kind, Via

if TYPE_CHECKING:
    from model.checkers.case import Case


def judge(case: Case) -> Part:
    """All kinds of disagreement with the history."""
    return Part((_order_changed(case), _divergence(case), _own_write(case), _shrank(case)))


def _order_changed(case: Case) -> Finding:
    """First deliveries after one that R(d) puts behind them."""
    history, deliveries, say = case.history, case.deliveries, case.say
    read = deliveries.final_read[deliveries.placed(deliveries.final_read)[1] > 0]
    keys, first = np.unique(deliveries.pair_of(read), return_index=True)
    at = place_of(whole(keys), deliveries.pair_of(deliveries.ordered))
    both = np.flatnonzero(at >= 0)
    rows, source = deliveries.ordered[both], read[first][at[both]]
    epoch, seq = deliveries.placed(source)
    group = dense(history.device[rows], history.conversation[rows], epoch)
    before = highest_earlier(group, seq)
    late = np.flatnonzero((before >= 0) & (seq[before] > seq)) if len(rows) else both
    overtaken = deliveries.overtaken_by[both] != NONE
    causes: dict[str, Bool] = {"session_nonmonotonic": _only_as_shown(case, rows, group, seq, overtaken)[late]}

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        y, x = int(late[i]), int(before[late[i]])
        shown, past = int(rows[y]), int(rows[x])
        text = (
            f"{say.device(int(history.device[shown]))} showed {say.message(int(history.message[past]))} at {say.at(past)} before "
        )
        text += (
            f"{say.message(int(history.message[shown]))} at {say.at(shown)}; its history has them at {case.place(int(source[x]))}"
        )
        return f"{text} and {case.place(int(source[y]))}", (past, shown, int(source[x]), int(source[y]))

    return Finding("order_changed", rows[late], history.message[rows[late]], whole(history.device[rows[late]]), tell, causes)


def _only_as_shown(case: Case, rows: Int, group: Int, read: Int, overtaken: Bool) -> Bool:
    """Of first deliveries that ``session_nonmonotonic`` names: whether it names them against all that their group's read-back puts behind.

    Args:
        group: by device, conversation and epoch of the read-back.
        read: the position in the read-back.
    """
    epoch, seq = case.deliveries.placed(rows)
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
    """What one device of a user has in R and another one, read back too, has not; or has at another position, or with other content."""
    history, deliveries, say = case.history, case.deliveries, case.say
    rows, device, words = _differences(case)
    rooms, done = deliveries.last_done
    order = np.lexsort((device, rows))
    rows, device, words = rows[order], device[order], words[order]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, other = int(rows[i]), int(device[i])
        text = f"{say.device(int(history.device[row]))} reads back {say.message(int(history.message[row]))} at {case.place(row)}"
        room = other * (len(history.names.conversations) + 1) + int(history.conversation[row])
        end = int(done[place_of(rooms, whole([room]))[0]])
        return f"{text}, {say.device(other)} of the same user {_DIFFERENCES[int(words[i])]}", (row, end)

    return Finding("divergence_final", rows, history.message[rows], device, tell)


_DIFFERENCES = ("does not", "has it elsewhere", "has other content")


def _differences(case: Case) -> tuple[Int, Int, Int]:
    """(row that one read-back has, device that differs, how), between the read-backs of one user in one conversation, over what is kept."""
    history, deliveries = case.history, case.deliveries
    rooms, done = deliveries.last_done
    device, place = rooms // (len(history.names.conversations) + 1), _company(case, rooms, done)
    reader = place_of(rooms, deliveries.room(deliveries.final_read))
    rows, reader = deliveries.final_read[place[reader] >= 0], reader[place[reader] >= 0]
    if not len(rows):
        return whole([]), whole([]), whole([])
    entry = dense(place[reader], history.message[rows])
    source, lacking = _lacking(case, rows, entry, reader, place, device)
    found = [(source, lacking, np.zeros(len(source), np.int64))]
    epoch, seq = deliveries.placed(rows)
    spot, content = dense(epoch, seq), history.content_hash[rows]
    for how, value, told in ((1, spot, seq > 0), (2, content, content != 0)):
        known = np.flatnonzero(told)
        first, other = _unlike(entry[known], value[known], reader[known])
        found.append((rows[known[first]], device[other], np.full(len(other), how)))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    ours = ~case.sends.may_be_shed[history.message[columns[0]]]
    return columns[0][ours], columns[1][ours], columns[2][ours]


def _company(case: Case, rooms: Int, done: Int) -> Int:
    """For each R the number of its (user, conversation), -1 where no other device of a member reads it."""
    width = len(case.history.names.conversations) + 1
    device, conversation = rooms // width, rooms % width
    user = case.members.user[device]
    told = (user >= 0) & case.members.entitled(conversation, device, case.sends.times(done))
    place = dense(user, conversation) if len(user) else user
    told &= np.bincount(place[told], minlength=len(place))[place] > 1
    return np.where(told, place, NONE)


def _lacking(case: Case, rows: Int, entry: Int, reader: Int, place: Int, device: Int) -> tuple[Int, Int]:
    """(row that one reader has, device of another one that has no such message)."""
    deliveries = case.deliveries
    held = np.unique(entry * len(place) + reader)
    first = np.unique(entry, return_index=True)[1]
    holders = np.bincount(held // len(place), minlength=len(first))
    short = np.flatnonzero(holders < np.bincount(place[place >= 0])[place[reader[first]]])
    by_place = np.argsort(place, kind="stable")
    which, at = matches(place[by_place], place[reader[first[short]]])
    absent = ~np.isin(short[which] * len(place) + by_place[at], held)
    source, lacking = rows[first[short[which[absent]]]], device[by_place[at[absent]]]
    message = deliveries.message[source]
    done = deliveries.done_row(lacking * (len(case.history.names.conversations) + 1) + case.sends.conversation[message])
    due = case.retention.kept(message, done) & ~case.retention.trimmed(message, lacking, done)
    return source[due], lacking[due]


def _unlike(entry: Int, value: NDArray[np.generic], reader: Int) -> tuple[Int, Int]:
    """(element, another reader that knows a value of its entry, but not this one), each value of an entry once."""
    if not len(entry):
        return whole([]), whole([])
    readers, said = int(reader.max()) + 1, dense(entry, value)
    held = np.unique(said * readers + reader)
    knows = np.unique(entry * readers + reader)
    first = first_by(said)
    which, at = matches(knows // readers, entry[first])
    other = knows[at] % readers
    absent = ~np.isin(said[first[which]] * readers + other, held)
    return first[which[absent]], other[absent]


def _shrank(case: Case) -> Finding:
    """What D(d), or a complete read-back, had and a later complete one has not, although it may see it."""
    history, deliveries, say = case.history, case.deliveries, case.say
    complete = deliveries.read[deliveries.read_whole >= 0]
    had = np.sort(np.concatenate([deliveries.first, complete]))
    had = had[first_by(deliveries.pair_of(had))]
    kept = case.sends.committed | (deliveries.in_some_read & (case.sends.scheduled | case.sends.of_the_system))
    had = had[kept[history.message[had]] & ~np.isin(history.message[had], case.stored_losses)]
    had, done = _without(case, had)
    due = _still_due(case, history.message[had], deliveries.device[had], done) & case.retention.kept(history.message[had], done)
    had, done = had[due], done[due]
    once = first_by(deliveries.pair_of(had))
    had, done = had[once], done[once]

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row, end = int(had[i]), int(done[i])
        text = f"{say.device(int(history.device[row]))} had {say.message(int(history.message[row]))} ({case.place(row)}) at {say.at(row)}"
        return f"{text}, its history read back by {say.at(end)} has not", (row, end)

    return Finding("history_shrank", had, history.message[had], whole(history.device[had]), tell)


def _without(case: Case, had: Int) -> tuple[Int, Int]:
    """(first sighting at a device, end of a complete read-back there that began after it and lacks it), in the order of both."""
    deliveries = case.deliveries
    done, begun = deliveries.read_done, deliveries.read_begun
    by_room = np.argsort(deliveries.room(done), kind="stable")
    which, at = matches(deliveries.room(done)[by_room], deliveries.room(had))
    read = by_room[at]
    later = begun[read] > had[which]
    which, read = which[later], read[later]
    part = deliveries.read_whole >= 0
    has = deliveries.read_whole[part] * np.int64(len(deliveries.position[0]) + 1) + deliveries.message[deliveries.read[part]]
    lacks = ~np.isin(read * np.int64(len(deliveries.position[0]) + 1) + deliveries.message[had[which]], has)
    which, end = which[lacks], done[read[lacks]]
    order = np.lexsort((end, which))
    return had[which[order]], end[order]


def _still_due(case: Case, message: Int, device: Int, done: Int) -> Bool:
    """Whether what a device read, or synced, until a row has to have each message that was there before."""
    sends, recalled = case.sends, case.revisions.recalled_row[message]
    due = case.members.entitled(sends.conversation[message], device, sends.times(done))
    due &= ~case.members.never(sends.conversation[message], device, sends.said_us[message], sends.told_us[message])
    due &= ~sends.may_be_shed[message] & ~((recalled >= 0) & (recalled < done)) & ~case.retention.trimmed(message, device, done)
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
    """For each completed sync its first request: the first after the previous completion there; itself where none is recorded.

    A request that its connection did not outlive is answered by no completion on another one.
    """
    history, asked = case.history, case.history.rows_of(Kind.SYNC_REQUEST)
    result = done.copy()
    connections = int(history.connection.max(initial=0)) + 1
    for named in (True, False):
        mine = done[(history.connection[done] > 0) == named]
        room = [case.deliveries.room(rows) * connections + history.connection[rows] * named for rows in (mine, asked)]
        previous = Rows(room[0], mine).before(room[0], mine)
        first = Rows(room[1], asked).after(room[0], np.maximum(previous, 0))
        result[(history.connection[done] > 0) == named] = np.where((first >= 0) & (first < mine), first, mine)
    return result


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
