"""When devices were ready or switched off, the phases of the run, and its faults.

A device is ready from a READY row to the end of that connection: its DISCONNECTED row, the next READY of the device, or OFFLINE. A device
without a single session row is taken for ready throughout: its history does not say when it was connected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.checkers.grouped import NONE, Bool, Int, Rows, dense, earliest, whole
from model.history.columns import History
from model.history.schema import FaultKind, Kind, Phase

FOREVER_US = 1 << 61
_OBSERVED_KINDS = tuple(kind for kind in Kind if kind not in (Kind.INTEND, Kind.FAULT_PLANNED))


class Intervals:
    """Disjoint intervals [begin, end) by device. Queries are arrays of devices and instants."""

    __slots__ = ("_begins_us", "_codes", "begin_us", "device", "end_us")

    def __init__(self, device: Int, begin_us: Int, end_us: Int) -> None:
        order = np.lexsort((begin_us, device))
        self.device, self.begin_us, self.end_us = device[order], begin_us[order], end_us[order]
        self._begins_us = np.unique(begin_us)
        self._codes = self._code(self.device, self.begin_us)

    def until_us(self, device: Int, t_us: Int) -> Int:
        """The end of the interval that holds each instant, -1 where none does."""
        at = self.last_begun(device, t_us)
        end = self.end_us[at] if len(self.end_us) else at
        return np.where((at >= 0) & (end > t_us), end, NONE)

    def next_begin_us(self, device: Int, t_us: Int) -> Int:
        """The first begin after each instant, -1 for none."""
        at = np.searchsorted(self._codes, self._code(device, t_us), "right")
        inside = at < len(self._codes)
        safe = np.where(inside, at, 0)
        if not len(self._codes):
            return np.full(len(device), NONE, np.int64)
        return np.where(inside & (self.device[safe] == device), self.begin_us[safe], NONE)

    def meets(self, device: Int, begin_us: Int, end_us: Int) -> Bool:
        """Whether an interval of the device shares an instant with [begin, end]."""
        at = self.last_begun(device, end_us)
        end = self.end_us[at] if len(self.end_us) else at
        return np.asarray((at >= 0) & (end > begin_us))

    def _code(self, device: Int, t_us: Int) -> Int:
        """Of ranks instead of instants: microseconds since 1970 times a number of devices do not fit."""
        return whole(device * (len(self._begins_us) + 1) + np.searchsorted(self._begins_us, t_us, "right"))

    def last_begun(self, device: Int, t_us: Int) -> Int:
        """The place of the device's interval that began last by each instant, -1 for none."""
        at = np.searchsorted(self._codes, self._code(device, t_us), "right") - 1
        if not len(self._codes):
            return np.full(len(device), NONE, np.int64)
        return np.where((at >= 0) & (self.device[at] == device), at, NONE)


class Sessions:
    """Readiness and switches of all devices."""

    __slots__ = ("_attached", "off", "ready", "watched")

    def __init__(self, history: History) -> None:
        rows = history.rows_of(Kind.CONNECTING, Kind.READY, Kind.DISCONNECTED)
        self.watched: Bool = np.zeros(len(history.names.devices), np.bool_)
        self.watched[history.device[rows]] = True
        self.ready = _ready(history)
        self.off = _off(history)
        rows = history.rows_of(Kind.READY)
        rows = rows[history.node[rows] >= 0]
        self._attached = Intervals(whole(history.device[rows]), history.t_us[rows], whole(history.node[rows]))  # ends are nodes

    def node(self, device: Int, t_us: Int, otherwise: Int) -> Int:
        """The gateway at which each device was last ready, by each instant; what is given where it had not been."""
        at = self._attached.last_begun(device, t_us)
        return np.where(at >= 0, self._attached.end_us[at], otherwise) if len(self._attached.end_us) else otherwise

    def ready_until_us(self, device: Int, t_us: Int) -> Int:
        """Until when a device that is ready at an instant stays ready; -1 where it is not ready."""
        return np.where(self.watched[device], self.ready.until_us(device, t_us), FOREVER_US)

    def ready_at(self, device: Int, t_us: Int) -> Bool:
        """Whether a device is ready."""
        return np.asarray(self.ready_until_us(device, t_us) != NONE)


def _times(history: History, rows: Int) -> Int:
    return np.where(rows >= 0, history.t_us[rows], FOREVER_US)


def _ready(history: History) -> Intervals:
    begin = history.rows_of(Kind.READY)
    ended = history.rows_of(Kind.DISCONNECTED)
    device = whole(history.device)
    width = int(history.connection.max(initial=0)) + 1
    connection = device * width + history.connection
    ends = [
        _times(history, Rows(connection[ended], ended).after(connection[begin], begin)),
        _times(history, Rows(device[begin], begin).after(device[begin], begin)),
        _times(history, _after(history, Kind.OFFLINE, begin)),
    ]
    return _joined(device[begin], history.t_us[begin], np.minimum.reduce(ends))


def _joined(device: Int, begin_us: Int, end_us: Int) -> Intervals:
    """Intervals, with those that follow without a pause made one: a takeover is no absence."""
    order = np.lexsort((begin_us, device))
    device, begin_us, end_us = device[order], begin_us[order], end_us[order]
    if not len(device):
        return Intervals(device, begin_us, end_us)
    starts = np.ones(len(device), np.bool_)
    starts[1:] = (device[1:] != device[:-1]) | (end_us[:-1] < begin_us[1:])
    at = np.flatnonzero(starts)
    return Intervals(device[at], begin_us[at], np.maximum.reduceat(end_us, at))


def _after(history: History, kind: Kind, rows: Int) -> Int:
    """The next row of a kind of the same device."""
    found = history.rows_of(kind)
    return Rows(whole(history.device[found]), found).after(whole(history.device[rows]), rows)


def _off(history: History) -> Intervals:
    rows = history.rows_of(Kind.OFFLINE)
    begin_us = history.t_us[rows]
    repeated = _after(history, Kind.OFFLINE, rows)
    end_us = np.minimum(_times(history, _after(history, Kind.ONLINE, rows)), _times(history, repeated))
    return _joined(whole(history.device[rows]), begin_us, end_us)


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the run stood when. -1 where a phase never began."""

    measure_us: int
    """End of warm-up."""
    drain_us: int
    """End of the load; where no phase says so, the last intended instant."""
    quiet_row: int
    """Where everything had settled, after the drain was begun last."""
    audit_us: int
    audit_row: int
    bound_row: int
    """Where the drain ran into its bound."""
    end_us: int
    """The last instant at which anything was observed."""
    truncated: bool
    settled: bool
    """The harness saw everything come to rest. Whether all were there to see it is :attr:`Case.drained`."""


def phases(history: History) -> Phases:
    """The phases of a run. A drain may be begun again after QUIET, so QUIET and AUDIT are taken where they were last begun."""
    rows = history.rows_of(Kind.PHASE)
    code = history.code[rows]

    def row_of(phase: Phase, last: bool = False) -> int:
        found = rows[code == phase]
        return int(found[-1 if last else 0]) if len(found) else NONE

    def t_us(row: int) -> int:
        return int(history.t_us[row]) if row >= 0 else NONE

    intended = history.t_us[history.rows_of(Kind.INTEND, Kind.INVOKE)]
    quiet = row_of(Phase.QUIET, last=True)
    quiet = quiet if quiet > row_of(Phase.DRAIN, last=True) else NONE
    audit = row_of(Phase.AUDIT, last=True)
    bound = row_of(Phase.DRAIN_BOUND)
    truncated = history.header.truncated or row_of(Phase.END) == NONE
    drain = row_of(Phase.DRAIN)
    return Phases(
        measure_us=t_us(row_of(Phase.MEASURE)),
        drain_us=t_us(drain) if drain >= 0 else int(intended.max(initial=0)),
        quiet_row=quiet,
        audit_us=t_us(audit),
        audit_row=audit,
        bound_row=bound,
        end_us=int(history.t_us[history.rows_of(*_OBSERVED_KINDS)].max(initial=0)),
        truncated=truncated,
        settled=not truncated and bound == NONE and quiet >= 0,
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was proven. ``healed_us`` is -1 where no heal was proven; a cut is over as it begins."""

    number: int
    node: int
    kind: str
    row: int
    begun_us: int
    healed_us: int


def faults(history: History) -> tuple[Fault, ...]:
    """The faults that took effect, in order of time; each healed by the next heal of its number, node and kind."""
    begun, healed = history.rows_of(Kind.FAULT_BEGUN), history.rows_of(Kind.FAULT_HEALED)
    which = same_fault(history, np.concatenate([begun, healed]))
    heals = Rows(which[len(begun) :], healed).after(which[: len(begun)], begun)
    over = np.where(heals >= 0, heals, np.where(history.code[begun] == FaultKind.CUT, begun, NONE))
    return tuple(
        Fault(
            number=int(history.value[row]),
            node=int(history.node[row]),
            kind=_fault_name(int(history.code[row])),
            row=int(row),
            begun_us=int(history.t_us[row]),
            healed_us=int(history.t_us[heal]) if heal >= 0 else NONE,
        )
        for row, heal in zip(begun, over, strict=True)
    )


def same_fault(history: History, rows: Int) -> Int:
    """One number per (id, node, kind) of a fault."""
    return dense(history.value[rows], history.node[rows], history.code[rows]) if len(rows) else rows


def _fault_name(code: int) -> str:
    return FaultKind(code).name.lower() if code in set(FaultKind) else f"fault {code}"


@dataclass(frozen=True, slots=True)
class Absences:
    """Devices that are not there when R is read; each of shape (devices,)."""

    unreachable: Bool
    """Kept trying after the heal and never got in."""
    silent: Bool
    """Neither ready nor switched off by the schedule, and not to be called unreachable: what it would have got is unknown."""
    trying: Bool
    """Tried to connect after the last heal and its own last readiness."""
    off: Bool
    """Switched off by the schedule when the run ended: nothing can be said of what it would have caught up with."""
    last_try: Int
    """The last CONNECTING row, -1 for none."""
    known_until_us: Int
    """Until when something is known of a device: of a silent one until its last own row, of all others for ever."""


def absences(history: History, sessions: Sessions, phases: Phases, faults: tuple[Fault, ...]) -> Absences:
    """Who was missing at the end.

    Without an audit nobody is called unreachable: the harness may have died. Nor where a fault was never healed: it may be why.
    """
    devices = np.arange(len(history.names.devices))
    asked_us = np.full(len(devices), phases.audit_us if phases.audit_us >= 0 else phases.end_us)
    off = sessions.off.until_us(devices, asked_us) == FOREVER_US
    away = sessions.watched & ~sessions.ready_at(devices, asked_us) & ~sessions.off.meets(devices, asked_us, asked_us)
    tries = history.rows_of(Kind.CONNECTING)
    last_try = earliest(whole(history.device[tries[::-1]]), tries[::-1], len(devices))
    healed_us = int(history.t_us[history.rows_of(Kind.FAULT_HEALED)].max(initial=0))
    since_us = np.full(len(devices), healed_us)
    past = sessions.ready.end_us <= phases.end_us
    np.maximum.at(since_us, sessions.ready.device[past], sessions.ready.end_us[past])
    trying = (last_try >= 0) & (history.t_us[last_try] >= since_us) if len(history) else away
    back = sessions.ready.next_begin_us(devices, asked_us) != NONE
    judged = phases.audit_us >= 0 and not phases.truncated and all(fault.healed_us >= 0 for fault in faults)
    unreachable = away & trying & ~back & judged
    silent = away & ~unreachable
    known_until_us = np.full(len(devices), FOREVER_US)
    if silent.any():
        known_until_us[silent] = _last_sign_us(history)[silent]
    return Absences(unreachable, silent, trying, off, last_try, known_until_us)


def _last_sign_us(history: History) -> Int:
    """By device, when its client last did or saw something, 0 for never; what the schedule says of it is no sign of life."""
    rows = np.flatnonzero((history.kind >= Kind.INVOKE) & (history.kind <= Kind.DISCONNECTED) & (history.device >= 0))
    sign_us = np.zeros(len(history.names.devices), np.int64)
    np.maximum.at(sign_us, history.device[rows], history.t_us[rows])
    return sign_us
