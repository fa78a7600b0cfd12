"""What no run can have recorded: rows that lack what their kind needs, or that contradict what a client can know of itself.

A server may do anything, and judging that is what the judges are for. These rows are about the recorder: a delivery on a connection that
the device never opened, an answer to a send of somebody else. A history with one of them was put together wrongly and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.history.columns import History
from model.history.schema import Kind, Phase, Via

Rows = NDArray[np.int64]

_SAW: Final = (Kind.DELIVER, Kind.WIRE, Kind.READ_BACK)
_SENDS: Final = (Kind.INTEND, Kind.INVOKE, Kind.ATTEMPT, Kind.OK, Kind.FAIL, Kind.INFO)
_REVISIONS: Final = (Kind.RECALL, Kind.EDIT)
_READS: Final = (Kind.MARK, Kind.MARKED, Kind.WATERMARK, Kind.UNREAD_ASKED, Kind.UNREAD)
_IN_ROOMS: Final = (Kind.READ_BACK_DONE, Kind.RECEIVE_CONFIRMED, Kind.SYNC_REQUEST, Kind.SYNC_DONE, Kind.TRIMMED, *_READS)
_MEMBERSHIP: Final = (Kind.MEMBER, Kind.JOINING, Kind.LEAVING, Kind.LEFT)
_SESSIONS: Final = (Kind.CONNECTING, Kind.READY, Kind.DISCONNECTED)
_FAULTS: Final = (Kind.FAULT_PLANNED, Kind.FAULT_BEGUN, Kind.FAULT_HEALED)
_WORDS: Final = (Kind.ATTEMPT, Kind.OK, Kind.FAIL, Kind.INFO)
T_MAX_US: Final = 1 << 53
"""Whole numbers up to here are exact in every language: 285 years, or an instant since 1970."""

NEEDS: Final[dict[str, tuple[Kind, ...]]] = {
    "device": (Kind.DEVICE, *_SENDS, *_REVISIONS, *_SAW, *_IN_ROOMS, *_SESSIONS, Kind.OFFLINE, Kind.ONLINE),
    "user": (Kind.DEVICE, *_MEMBERSHIP),
    "conversation": (*_MEMBERSHIP, Kind.SYSTEM, *_SENDS, *_REVISIONS, *_SAW, *_IN_ROOMS),
    "message": (Kind.SYSTEM, *_SENDS, *_REVISIONS, *_SAW),
    "connection": _SESSIONS,
    "code": (Kind.PHASE, *_FAULTS),
    "value": _FAULTS,
    "node": _FAULTS,
    "via": (Kind.DELIVER, Kind.WIRE),
}
"""Column -> the kinds of rows that must have it."""

_ABSENT: Final = {
    "device": -1,
    "user": -1,
    "conversation": -1,
    "message": -1,
    "node": -1,
    "connection": 0,
    "code": 0,
    "value": 0,
    "via": Via.NONE,
}
_NAMES: Final = {"message": "message (sender and client_message_id)"}

Finding = tuple[int, str]


def impossible(history: History) -> Finding | None:
    """The first row that makes no sense, and why; None if all do."""
    return min((found for check in _CHECKS for found in check(history)), key=lambda found: found[0], default=None)


def _first(rows: Rows, wrong: NDArray[np.bool_], text: Callable[[int], str]) -> Iterator[Finding]:
    if wrong.any():
        row = int(rows[np.argmax(wrong)])
        yield row, text(row)


def a_row(kind: Kind) -> str:
    """A row of this kind, in words."""
    name = kind.name.lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name} row"


def _kind(history: History, row: int) -> Kind:
    return Kind(int(history.kind[row]))


def _lacking(history: History) -> Iterator[Finding]:
    for column, kinds in NEEDS.items():
        rows = history.rows_of(*kinds)
        absent = getattr(history, column)[rows] == _ABSENT[column]
        yield from _first(rows, absent, partial(_needs, history, _NAMES.get(column, column)))


def _needs(history: History, name: str, row: int) -> str:
    return f"{a_row(_kind(history, row))} needs a {name}"


def _negative(history: History) -> Iterator[Finding]:
    every = np.arange(len(history))
    for column in ("connection", "epoch", "seq"):
        values = getattr(history, column)
        yield from _first(every, values < 0, partial(_is_negative, column, values))
    counts = history.rows_of(Kind.UNREAD)
    yield from _first(counts, history.value[counts] < 0, partial(_is_negative, "value", history.value))


def _is_negative(column: str, values: NDArray[np.integer], row: int) -> str:
    return f"{column} {values[row]} is negative"


def _strangers(history: History) -> Iterator[Finding]:
    """Rows of a device that is registered nowhere."""
    known = np.zeros(len(history.names.devices) + 1, np.bool_)
    known[history.device[history.rows_of(Kind.DEVICE)]] = True
    known[-1] = True  # no device
    every = np.arange(len(history))
    yield from _first(
        every, ~known[history.device], lambda row: f"no device row registers {history.names.devices[history.device[row]]!r}"
    )


def _unopened(history: History) -> Iterator[Finding]:
    """Rows on a connection for which there is no attempt, anywhere in the history: clocks are judged elsewhere."""
    width = int(history.connection.max(initial=0)) + 1
    code = history.device.astype(np.int64) * width + history.connection
    opened = np.unique(code[history.rows_of(Kind.CONNECTING, Kind.READY)])
    rows = np.flatnonzero(history.connection > 0)
    yield from _first(
        rows,
        ~np.isin(code[rows], opened),
        lambda row: f"{history.names.devices[history.device[row]]!r} never opened connection {history.connection[row]}",
    )


def _foreign(history: History) -> Iterator[Finding]:
    """A word on a send, or an own placement, at another device than the sender's; a placement that is read back."""
    read = history.rows_of(Kind.READ_BACK)
    yield from _first(
        read,
        history.via[read] == Via.OWN,
        lambda row: "a read_back row is via own; what a device placed itself is read back like everything else, leave via out",
    )
    rows = history.rows_of(*_SENDS, Kind.DELIVER)
    rows = rows[(history.message[rows] >= 0) & ((history.kind[rows] != Kind.DELIVER) | (history.via[rows] == Via.OWN))]
    yield from _first(
        rows,
        history.message_sender[history.message[rows]] != history.device[rows],
        lambda row: f"{a_row(_kind(history, row))} of a message stands at the device that sent it, not at another",
    )


def _repeated(history: History) -> Iterator[Finding]:
    """A message that is in the schedule, or handed over, twice."""
    for kind in (Kind.INTEND, Kind.INVOKE):
        rows = history.rows_of(kind)
        again = np.ones(len(rows), np.bool_)
        again[np.unique(history.message[rows], return_index=True)[1]] = False
        yield from _first(
            rows,
            again,
            lambda row: f"a second {_kind(history, row).name.lower()} row of one message; attempts have rows of their own",
        )


def _out_of_time(history: History) -> Iterator[Finding]:
    every = np.arange(len(history))
    yield from _first(
        every,
        (history.t_us < 0) | (history.t_us > T_MAX_US),
        lambda row: f"t_us {history.t_us[row]}; times are whole microseconds, 0 to {T_MAX_US}, counted from any one instant",
    )


def _unnamed(history: History) -> Iterator[Finding]:
    """Names without a letter: null says that there is none."""
    names = history.names
    columns = {
        "device": (history.device, names.devices),
        "sender": (np.append(history.message_sender, -1)[history.message], names.devices),
        "user": (history.user, names.users),
        "node": (history.node, names.nodes),
        "conversation": (history.conversation, names.conversations),
        "client_message_id": (history.message, names.client_message_ids),
    }
    every = np.arange(len(history))
    for column, (index, table) in columns.items():
        if "" in table:
            empty = np.array([*(name == "" for name in table), False], np.bool_)
            yield from _first(every, empty[index], partial(_is_unnamed, column))


def _is_unnamed(column: str, row: int) -> str:
    return f'{column} is ""; give a name, or leave it out where there is none'


def _two_users(history: History) -> Iterator[Finding]:
    """A device that is registered for two users."""
    rows = history.rows_of(Kind.DEVICE)
    first = np.full(len(history.names.devices) + 1, -1, np.int64)
    first[history.device[rows[::-1]]] = history.user[rows[::-1]]  # of repeated places the last assignment stays
    yield from _first(
        rows,
        history.user[rows] != first[history.device[rows]],
        lambda row: (
            f"{history.names.devices[history.device[row]]!r} is a device of {history.names.users[first[history.device[row]]]!r} "
            f"already; a device has one user"
        ),
    )


def _moved(history: History) -> Iterator[Finding]:
    """A word on a send in another conversation than the one it was handed over for."""
    home = np.full(len(history.message_sender) + 1, -1, np.int64)
    for kind in (Kind.INVOKE, Kind.INTEND):
        rows = history.rows_of(kind)
        home[history.message[rows]] = history.conversation[rows]
    home[-1] = -1  # rows without a message
    rows = history.rows_of(Kind.INVOKE, *_WORDS)
    meant = home[history.message[rows]]
    yield from _first(
        rows,
        (meant >= 0) & (meant != history.conversation[rows]),
        lambda row: (
            f"{a_row(_kind(history, row))} is in {history.names.conversations[history.conversation[row]]!r}, "
            f"but its message was meant for {history.names.conversations[home[history.message[row]]]!r}"
        ),
    )


_ORDER: Final = {
    Phase.WARM_UP: 0,
    Phase.MEASURE: 1,
    Phase.DRAIN: 2,
    Phase.QUIET: 3,
    Phase.DRAIN_BOUND: 3,
    Phase.AUDIT: 4,
    Phase.END: 5,
}


def _backwards(history: History) -> Iterator[Finding]:
    """Phases that run backwards. One that begins anew is none, nor a drain that begins anew because something still moved."""
    rows = history.rows_of(Kind.PHASE)
    known = [(row, Phase(int(history.code[row]))) for row in rows.tolist() if int(history.code[row]) in set(_ORDER)]
    for (_, before), (row, phase) in pairwise(known):
        if _ORDER[phase] < _ORDER[before] and (before, phase) != (Phase.QUIET, Phase.DRAIN):
            yield (
                row,
                f"the phase {phase.name.lower()} begins after {before.name.lower()}, but no phase runs backwards",
            )
            return


_CHECKS: Final = (
    _out_of_time,
    _lacking,
    _unnamed,
    _negative,
    _strangers,
    _two_users,
    _unopened,
    _foreign,
    _moved,
    _repeated,
    _backwards,
)
