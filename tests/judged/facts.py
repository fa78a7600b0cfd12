"""What the definitions speak of, read off a history the slow way: lists of rows, loops in loops, nothing shared with the judges.

Names are text, "" where a row has none; instants are microseconds. A message is called ``sending device/client_message_id``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from model.history.columns import History
from model.history.schema import Kind, Phase, SendClass, Via

FOREVER = math.inf
Place = tuple[int, int]
"""(epoch, conversation_seq)"""


@dataclass(frozen=True)
class Row:
    """A row, with names."""

    at: int
    t: int
    kind: Kind
    via: Via
    code: int
    device: str
    user: str
    node: str
    room: str
    sender: str
    message: str
    connection: int
    epoch: int
    seq: int
    content: int
    value: int


def rows_of(history: History) -> list[Row]:
    """All rows, in order."""
    names = history.names

    def named(table: tuple[str, ...], number: int) -> str:
        return table[number] if number >= 0 else ""

    result = []
    for at in range(len(history)):
        m = int(history.message[at])
        sender = named(names.devices, int(history.message_sender[m])) if m >= 0 else ""
        result.append(
            Row(
                at=at,
                t=int(history.t_us[at]),
                kind=Kind(int(history.kind[at])),
                via=Via(int(history.via[at])),
                code=int(history.code[at]),
                device=named(names.devices, int(history.device[at])),
                user=named(names.users, int(history.user[at])),
                node=named(names.nodes, int(history.node[at])),
                room=named(names.conversations, int(history.conversation[at])),
                sender=sender,
                message=f"{sender}/{names.client_message_ids[m]}" if m >= 0 else "",
                connection=int(history.connection[at]),
                epoch=int(history.epoch[at]),
                seq=int(history.seq[at]),
                content=int(history.content_hash[at]),
                value=int(history.value[at]),
            )
        )
    return result


@dataclass(frozen=True)
class Stay:
    """An interval of time, begun at a row; it does not hold its end."""

    at: int
    begin: float
    end: float

    def meets(self, begin: float, end: float) -> bool:
        """Whether it shares an instant with [begin, end]."""
        return self.begin <= end and self.end > begin


def stays(rows: Iterable[Row], begins: tuple[Kind, ...], ends: tuple[Kind, ...]) -> list[Stay]:
    """From each first begin to the next end."""
    result: list[Stay] = []
    begun: Row | None = None
    for row in rows:
        if row.kind in begins and begun is None:
            begun = row
        elif row.kind in ends and begun is not None:
            result.append(Stay(begun.at, begun.t, row.t))
            begun = None
    return [*result, Stay(begun.at, begun.t, FOREVER)] if begun is not None else result


def joined(found: list[Stay]) -> list[Stay]:
    """Intervals without those that touch."""
    result: list[Stay] = []
    for stay in sorted(found, key=lambda s: (s.begin, s.at)):
        if result and stay.begin <= result[-1].end:
            result[-1] = Stay(result[-1].at, result[-1].begin, max(result[-1].end, stay.end))
        else:
            result.append(stay)
    return result


@dataclass
class Life:
    """What became of one message."""

    name: str
    rows: list[Row]
    home: str = ""
    shown: dict[str, Row] = field(default_factory=dict)
    """By device, its first delivery."""

    def first(self, *kinds: Kind) -> Row | None:
        """Its first row of these kinds."""
        return next((r for r in self.rows if r.kind in kinds), None)

    def __post_init__(self) -> None:
        self.sender = self.rows[0].sender
        self.intend, self.invoke, self.attempt = self.first(Kind.INTEND), self.first(Kind.INVOKE), self.first(Kind.ATTEMPT)
        self.ok, self.fail, self.info = self.first(Kind.OK), self.first(Kind.FAIL), self.first(Kind.INFO)
        self.system, self.recall = self.first(Kind.SYSTEM), self.first(Kind.RECALL)
        self.source = self.intend or self.invoke
        self.scheduled = self.source is not None
        self.home = (self.source or self.system or self.rows[0]).room
        self.seen = [r for r in self.rows if r.kind in (Kind.DELIVER, Kind.WIRE, Kind.READ_BACK) and r.device]
        self.proper = [r for r in self.seen if r.room == self.home]
        self.deliveries = [r for r in self.proper if r.kind == Kind.DELIVER and r.via != Via.PUSH]
        self.read = [r for r in self.proper if r.kind == Kind.READ_BACK]
        for row in self.deliveries:
            self.shown.setdefault(row.device, row)
        self.sighted = next((r for r in self.seen if r.via != Via.OWN), None)
        self.outcome = self._outcome()
        self.committed = self.scheduled and (self.outcome == "ok" or (self.outcome != "fail" and self.sighted is not None))
        self.known = self.ok or self.sighted
        traces = [r for r in (self.attempt, self.ok, self.fail, self.info) if r]
        self.begun = self.invoke or min(traces, key=lambda r: r.at, default=self.intend)
        oks = [r for r in self.rows if r.kind == Kind.OK and r.seq > 0]
        told = next(iter([*oks, *(r for r in self.proper if r.seq > 0)]), None)
        self.place: Place | None = (told.epoch, told.seq) if told else None
        code = self.intend.code if self.intend else 0
        self.may_be_shed, self.to_be_rejected = code == SendClass.MAY_BE_SHED, code == SendClass.TO_BE_REJECTED

    def _outcome(self) -> str:
        if self.ok:
            return "ok"
        if self.fail and not self.info:
            return "fail"
        return "info" if self.invoke or self.attempt or self.info else "never invoked"

    @property
    def t_int(self) -> int:
        """Its intended instant."""
        return self.source.t if self.source else -1

    @property
    def t_inv(self) -> int:
        """When it was handed over."""
        return self.begun.t if self.begun else -1

    def revision(self, row: Row) -> int:
        """Which content a sighting shows: 0 for the original's, -1 for a tombstone of any content."""
        before = [r for r in self.rows if r.kind in (Kind.RECALL, Kind.EDIT) and r.at < row.at]
        if any(r.content == row.content != 0 for r in before):
            return row.content
        free = any(r.content == 0 for r in before)
        return -1 if free and (self.altered(row) or row.content == 0) else 0

    def altered(self, row: Row) -> bool:
        """Whether a sighting's content is not the one that was sent."""
        return bool(self.source and row.content and self.source.content and row.content != self.source.content)


class Facts:
    """One history, as the definitions see it."""

    def __init__(self, history: History) -> None:
        self.contract = history.header.contract
        self.cpu = history.header.generator_cpu_max
        self.rows = rows_of(history)
        self.devices, self.rooms = list(history.names.devices), list(history.names.conversations)
        by_name: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.message:
                by_name.setdefault(row.message, []).append(row)
        self.lives = [Life(name, rows) for name, rows in by_name.items()]
        self.life = {life.name: life for life in self.lives}
        self.sends = [life for life in self.lives if life.scheduled]
        self.registration: dict[str, Row] = {}
        for row in self.of(Kind.DEVICE):
            self.registration.setdefault(row.device, row)
        self._phases(history.header.truncated)
        self._sessions()
        self._members()
        self._reads()
        self.orders = {d: self._order(d) for d in self.devices}
        """By device, its first deliveries in order, backfill left out."""
        self.must = {life.name: [d for d in self.devices if self._owes(life, d)] for life in self.sends}

    def of(self, *kinds: Kind, device: str = "", room: str = "") -> list[Row]:
        """Rows of these kinds, in order."""
        return [r for r in self.rows if r.kind in kinds and (not device or r.device == device) and (not room or r.room == room)]

    def user(self, device: str) -> str:
        """Whose it is, "" where nothing says so."""
        return self.registration[device].user if device in self.registration else ""

    # the run -----------------------------------------------------------------------------------------------------------------

    def _phases(self, cut: bool) -> None:
        phases = {phase: [r for r in self.of(Kind.PHASE) if r.code == phase] for phase in Phase}
        self.truncated = cut or not phases[Phase.END]
        self.bound = bool(phases[Phase.DRAIN_BOUND])
        self.quiet = phases[Phase.QUIET][-1] if phases[Phase.QUIET] else None
        self.audit = phases[Phase.AUDIT][-1] if phases[Phase.AUDIT] else None
        self.measure = phases[Phase.MEASURE][0].t if phases[Phase.MEASURE] else None
        intended = [r.t for r in self.of(Kind.INTEND, Kind.INVOKE)]
        self.drain = phases[Phase.DRAIN][0].t if phases[Phase.DRAIN] else max([0, *intended])
        self.settled = not self.truncated and not self.bound and self.quiet is not None
        observed = [r.t for r in self.rows if r.kind not in (Kind.INTEND, Kind.FAULT_PLANNED)]
        self.end = max([0, *observed])
        self.asked = self.audit.t if self.audit else self.end

    # devices -----------------------------------------------------------------------------------------------------------------

    def _sessions(self) -> None:
        self.ready: dict[str, list[Stay]] = {}
        self.off: dict[str, list[Stay]] = {}
        self.watched: dict[str, bool] = {}
        for d in self.devices:
            self.watched[d] = bool(self.of(Kind.CONNECTING, Kind.READY, Kind.DISCONNECTED, device=d))
            self.ready[d] = joined([Stay(r.at, r.t, self._lost(r)) for r in self.of(Kind.READY, device=d)])
            switches = self.of(Kind.OFFLINE, Kind.ONLINE, device=d)
            self.off[d] = joined(
                [
                    Stay(r.at, r.t, next((s.t for s in switches if s.at > r.at), FOREVER))
                    for r in switches
                    if r.kind == Kind.OFFLINE
                ]
            )

    def _lost(self, ready: Row) -> float:
        for row in self.rows[ready.at + 1 :]:
            if row.device == ready.device and (
                row.kind in (Kind.READY, Kind.OFFLINE) or (row.kind == Kind.DISCONNECTED and row.connection == ready.connection)
            ):
                return row.t
        return FOREVER

    def ready_until(self, device: str, t: float) -> float:
        """Until when a device that is ready at an instant stays so; -1 where it is not."""
        if not self.watched[device]:
            return FOREVER
        return next((s.end for s in self.ready[device] if s.begin <= t < s.end), -1)

    def ready_next(self, device: str, t: float) -> float:
        """When a device is ready again after an instant; -1 for never."""
        return min((s.begin for s in self.ready[device] if s.begin > t), default=-1)

    def is_off(self, device: str, begin: float, end: float) -> bool:
        """Whether the schedule has a device switched off at some instant between."""
        return any(s.meets(begin, end) for s in self.off[device])

    def off_at_the_end(self, device: str) -> bool:
        """Whether it stays switched off from before the audit."""
        return any(s.begin <= self.asked and s.end == FOREVER for s in self.off[device])

    # members -----------------------------------------------------------------------------------------------------------------

    def _members(self) -> None:
        kinds = (Kind.JOINING, Kind.MEMBER, Kind.LEAVING, Kind.LEFT)
        self.governed = {r.room for r in self.of(*kinds)}
        self.certain: dict[tuple[str, str], list[Stay]] = {}
        self.possible: dict[tuple[str, str], list[Stay]] = {}
        for key in {(r.room, r.user) for r in self.of(*kinds)}:
            rows = [r for r in self.of(*kinds) if (r.room, r.user) == key]
            self.certain[key] = stays(rows, (Kind.MEMBER,), (Kind.LEAVING, Kind.LEFT))
            self.possible[key] = stays(rows, (Kind.MEMBER, Kind.JOINING), (Kind.LEFT,))

    def certainly(self, room: str, device: str, t: float) -> bool:
        """Whether a device's user is certainly a member, as far as anything is known."""
        user = self.user(device)
        return not user or room not in self.governed or any(s.meets(t, t) for s in self.certain.get((room, user), []))

    def never(self, life: Life, device: str) -> bool:
        """Never(m): the user's possible membership ended before, never was, or began too late where history is hidden."""
        user, latest = self.user(device), FOREVER
        if not user or life.home not in self.governed:
            return False
        if self.contract.history_hidden and life.known:
            latest = life.known.t + self.contract.promise_us
        return not any(s.begin <= latest and s.end >= life.t_inv for s in self.possible.get((life.home, user), []))

    def _owes(self, life: Life, device: str) -> bool:
        """Whether a device is in Must(m)."""
        registered, begun = self.registration.get(device), life.begun
        if life.may_be_shed or device == life.sender or not registered or not begun or registered.at >= begun.at:
            return False
        mine = self.certain.get((life.home, registered.user), [])
        return any(s.at < begun.at and begun.t < s.end >= self._needed(life, begun, device, s) for s in mine)

    def _needed(self, life: Life, begun: Row, device: str, stay: Stay) -> float:
        """Until when a membership has to last for a message to be owed."""
        if stay.end == FOREVER:
            return FOREVER
        known = life.known or begun
        promised = known.t + self.contract.promise_us
        if self.ready_until(device, life.t_inv) > promised:
            return promised
        done = self.of(Kind.SYNC_DONE, device=device, room=life.home)
        return max(promised, next((r.t for r in done if r.at > known.at), FOREVER))

    # what is owed ------------------------------------------------------------------------------------------------------------

    def promised(self, life: Life, t: float) -> bool:
        """Whether the contract promises that a message is kept at an instant."""
        age, number = self.contract.retention_us, self.contract.retention_messages
        if age is None and number is None:
            return False
        head = max(other.place[1] if other.place else 0 for other in self.lives if other.home == life.home)
        behind = head - life.place[1] if life.place else 0
        young = age is None or t - (life.known.t if life.known else -1) <= age
        return young and (number is None or behind < number)

    def kept(self, life: Life) -> bool:
        """Whether read-backs have to have a message."""
        if self.contract.retention_us is not None or self.contract.retention_messages is not None:
            return self.promised(life, self.asked)
        return life.place is None or all(r.seq <= life.place[1] for r in self.of(Kind.TRIMMED, room=life.home))

    def trimmed_away(self, life: Life, device: str) -> bool:
        """Whether sync told a device that a message is gone, and it may be."""
        return life.place is not None and any(
            r.value < life.place[1] < r.seq and r.epoch in (0, life.place[0]) and not self.promised(life, r.t)
            for r in self.of(Kind.TRIMMED, device=device, room=life.home)
        )

    def trimmed(self, life: Life, device: str) -> bool:
        """Owed, but for that."""
        return device not in life.shown and self.trimmed_away(life, device)

    def owed(self, life: Life, device: str) -> bool:
        """Owed: Must, committed, not trimmed, not switched off to the end."""
        return (
            device in self.must.get(life.name, [])
            and life.committed
            and not self.trimmed(life, device)
            and not self.off_at_the_end(device)
        )

    # D and R -----------------------------------------------------------------------------------------------------------------

    def _order(self, device: str) -> list[Row]:
        first = [life.shown[device] for life in self.lives if device in life.shown]
        return sorted((r for r in first if r.via != Via.BACKFILL), key=lambda r: r.at)

    def _reads(self) -> None:
        """R of every (device, conversation) that was read back to the end, what earlier read-backs had, and where R was complete."""
        self.final: dict[tuple[str, str], list[Row]] = {}
        self.earlier: dict[tuple[str, str], list[Row]] = {}
        self.done: dict[tuple[str, str], Row] = {}
        for row in self.of(Kind.READ_BACK_DONE):
            self.done[row.device, row.room] = row
        for key, done in self.done.items():
            before = [r.at for r in self.of(Kind.READ_BACK_DONE, device=key[0], room=key[1]) if r.at < done.at]
            read = [r for life in self.lives for r in life.read if (r.device, r.room) == key and r.at < done.at]
            read.sort(key=lambda r: r.at)
            self.final[key] = [r for r in read if r.at > max(before, default=-1)]
            self.earlier[key] = [r for r in read if r.at < max(before, default=-1)]
