"""What the definitions speak of, read off a history the slow way: lists of rows, loops in loops, nothing shared with the judges."""

from __future__ import annotations

from dataclasses import dataclass

from model.history.columns import History
from model.history.schema import FaultKind, Kind, Phase, Via
from tests.judged.lives import FOREVER, Life, Row, Stay, joined, rows_of, stays


@dataclass(frozen=True)
class ReadBack:
    """One complete read-back of a device's conversation."""

    begun: int
    """The row before which it had not begun: in an audit that of the phase, or the end of the one before."""
    done: Row
    rows: list[Row]

    @property
    def has(self) -> set[str]:
        """The messages in it."""
        return {r.message for r in self.rows}


class Facts:
    """One history, as the definitions see it."""

    def __init__(self, history: History) -> None:
        self.contract = history.header.contract
        self.cpu = history.header.generator_cpu_max
        self.steal = history.header.steal_max
        self.loop_lag = history.header.harness_lag_p99_us
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
        self._drain()

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
        self.drain_row = phases[Phase.DRAIN][-1] if phases[Phase.DRAIN] else None
        observed = [r.t for r in self.rows if r.kind not in (Kind.INTEND, Kind.FAULT_PLANNED)]
        self.end = max([0, *observed])
        self.asked = self.audit.t if self.audit else self.end

    def _drain(self) -> None:
        """Whether the drain is complete, so that what never came never will."""
        begun = [r for r in self.of(Kind.FAULT_BEGUN) if r.code != FaultKind.CUT]  # a cut is healed at once
        healed = self.of(Kind.FAULT_HEALED)
        self.unhealed = [f for f in begun if not any(h.at > f.at and _same(h, f) for h in healed)]
        self.away = [d for d in self.devices if self._is_away(d)]
        self.unreachable = [d for d in self.away if self._is_unreachable(d)]
        quiet = self.quiet is not None and (self.drain_row is None or self.quiet.at > self.drain_row.at)
        there = len(self.away) == len(self.unreachable)
        half_read = self.audit is not None and self.unread(*self.rooms)
        self.drained = quiet and there and not (self.bound or self.truncated or self.unhealed or half_read)

    def _is_away(self, device: str) -> bool:
        """Whether a device is not there when R is read, and not switched off."""
        here = not self.watched[device] or self.ready_until(device, self.asked) != -1
        return not here and not self.is_off(device, self.asked, self.asked)

    def _is_unreachable(self, device: str) -> bool:
        """Whether it kept trying."""
        tries = self.of(Kind.CONNECTING, device=device)
        if not self.audit or self.truncated or self.unhealed or not tries or self.ready_next(device, self.asked) != -1:
            return False
        healed = max((r.t for r in self.of(Kind.FAULT_HEALED)), default=0)
        lost = max((s.end for s in self.ready[device] if s.end <= self.end), default=0)
        return tries[-1].t >= max(healed, lost)

    def unread(self, *rooms: str) -> bool:
        """Whether a member's device that was there did not finish reading one of these conversations, if it was used."""
        used = {life.home for life in self.lives if life.committed} & set(rooms)
        there = [d for d in self.registration if d not in self.away and not self.off_at_the_end(d)]
        members = {(d, room): self.certain.get((room, self.user(d)), []) for d in there for room in used}
        return any(key not in self.final for key, found in members.items() if any(s.end > self.asked for s in found))

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

    def may_see(self, life: Life, device: str, t: float) -> bool:
        """Whether a device may see a message at an instant."""
        return self.certainly(life.home, device, t) and not self.never(life, device)

    def _owes(self, life: Life, device: str) -> bool:
        """Whether a device is in Must(m)."""
        registered, begun = self.registration.get(device), life.begun
        if device == life.sender or not registered or not begun or registered.at >= begun.at:
            return False
        return self.for_user(life, device)

    def for_user(self, life: Life, device: str) -> bool:
        """Whether a message is owed to a device's user, as far as membership goes."""
        begun, mine = life.begun, self.certain.get((life.home, self.user(device)), [])
        if life.may_be_shed or not life.scheduled or not begun:
            return False
        return any(s.at < begun.at and begun.t < s.end >= self._needed(life, begun, device, s) for s in mine)

    def _needed(self, life: Life, begun: Row, device: str, stay: Stay) -> float:
        """Until when a membership has to last for a message to be owed."""
        if stay.end == FOREVER:
            return FOREVER
        known = life.known or begun
        promised = known.t + self.contract.promise_us
        ready = self.ready_until(device, life.t_inv)
        if ready > promised:
            return promised
        absent = max(ready, life.t_inv)
        done = self.of(Kind.SYNC_DONE, device=device, room=life.home)
        return max(promised, next((r.t for r in done if r.at > known.at and r.t >= absent), FOREVER))

    # what is owed ------------------------------------------------------------------------------------------------------------

    def promised(self, life: Life, row: Row) -> bool:
        """Whether the contract promises that a message is kept at a row."""
        age, number = self.contract.retention_us, self.contract.retention_messages
        if age is None and number is None:
            return False
        young = age is None or life.known is None or row.t - life.known.t <= age
        return young and (number is None or self._behind(life, row) < number)

    def _behind(self, life: Life, row: Row) -> int:
        """How many messages, no phantoms, that had been sent by a row stand after one; where some have no position, were known after it."""
        others = [o for o in self.lives if o.home == life.home and (o.committed or o.system)]
        sent = [o for o in others if o.begun and o.begun.at < row.at]
        if any(o.place is None for o in others):
            return sum(o.known.at > life.known.at for o in sent if o.known and life.known)
        return sum(o.place > life.place for o in sent if o.place and life.place)

    def kept(self, life: Life, row: Row) -> bool:
        """Whether a read-back that was done at a row has to have a message."""
        if self.contract.retention_us is not None or self.contract.retention_messages is not None:
            return self.promised(life, row)
        return not any(r.at < row.at and _covers(r, life) for r in self.of(Kind.TRIMMED, room=life.home))

    def trimmed_away(self, life: Life, device: str, by: int | None = None) -> bool:
        """Whether sync told a device, before a row, that a message is gone, and it may be."""
        told = self.of(Kind.TRIMMED, device=device, room=life.home)
        return any((by is None or r.at < by) and _covers(r, life) and not self.promised(life, r) for r in told)

    def trimmed(self, life: Life, device: str) -> bool:
        """Owed, but for that."""
        return device not in life.shown and self.trimmed_away(life, device)

    def owed(self, life: Life, device: str) -> bool:
        """Owed: Must, committed, not trimmed, and not switched off to the end without having got it."""
        due = device in self.must.get(life.name, []) and life.committed and not self.trimmed(life, device)
        return due and (device in life.shown or not self.off_at_the_end(device))

    # D and R -----------------------------------------------------------------------------------------------------------------

    def _order(self, device: str) -> list[Row]:
        first = [life.shown[device] for life in self.lives if device in life.shown]
        return sorted((r for r in first if r.via != Via.BACKFILL), key=lambda r: r.at)

    def _reads(self) -> None:
        """The complete read-backs of every (device, conversation), R, and what was in any read-back after the drain."""
        self.complete: dict[tuple[str, str], list[ReadBack]] = {}
        read = sorted((r for life in self.lives for r in life.seen if r.kind == Kind.READ_BACK), key=lambda r: r.at)
        invoked = max((r.at for r in self.of(Kind.INVOKE)), default=-1)
        for done in self.of(Kind.READ_BACK_DONE):
            found = self.complete.setdefault((done.device, done.room), [])
            audit = self.audit.at if self.audit and self.audit.at < done.at else -1
            since = max(found[-1].done.at if found else -1, audit)
            rows = [r for r in read if (r.device, r.room) == (done.device, done.room) and since < r.at < done.at]
            begun = since if audit >= 0 else rows[0].at if rows else done.at
            found.append(ReadBack(begun, done, rows))
        self.final: dict[tuple[str, str], ReadBack] = {}
        """R."""
        for key, found in self.complete.items():
            last = found[-1]
            if last.done.at > self.audit.at if self.audit else last.begun > invoked:
                self.final[key] = last
        after = self.audit.at if self.audit else invoked
        in_final = {r.message for back in self.final.values() for r in back.rows}
        self.in_some_read = in_final | {r.message for r in read if r.at > after}
        """Messages that a read-back after the drain has, complete or not."""
        self.half_read = {r.room for r in read if r.at > after and (r.device, r.room) not in self.final}
        """Conversations that some device began to read back after the drain, and not to the end."""


def _same(one: Row, other: Row) -> bool:
    """Whether two rows are about one fault."""
    return (one.value, one.node, one.code) == (other.value, other.node, other.code)


def _covers(trimmed: Row, life: Life) -> bool:
    """Whether a word on a span that is gone, told after a message was sent, is about it."""
    place, begun = life.place, life.begun
    inside = place is not None and trimmed.value < place[1] < trimmed.seq and trimmed.epoch in (0, place[0])
    return inside and (begun is None or begun.at < trimmed.at)
