"""Rows with names, intervals of time, and what became of one message, read off a history the slow way.

Names are text, "" where a row has none; instants are microseconds. A message is called ``sending device/client_message_id``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from model.history.columns import History
from model.history.schema import Kind, SendClass, Via

FOREVER = math.inf
Place = tuple[int, int]
"""(epoch, conversation_seq)"""
SIGHTINGS = (Kind.DELIVER, Kind.WIRE, Kind.READ_BACK)


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
        traces = [r for r in (self.attempt, self.ok, self.fail, self.info) if r]
        self.begun = self.invoke or min(traces, key=lambda r: r.at, default=self.intend) or self.system
        code = self.intend.code if self.intend else 0
        self.may_be_shed, self.to_be_rejected = code == SendClass.MAY_BE_SHED, code == SendClass.TO_BE_REJECTED
        hashes = [r.content for r in (self.intend, self.invoke, self.system) if r and r.content]
        self.content = hashes[0] if hashes else 0
        self._seen()
        self.outcome = self._outcome()
        self.committed = self.scheduled and (self.outcome == "ok" or (self.outcome != "fail" and self.sighted is not None))
        self.known = self.ok or self.system or self.sighted

    def _seen(self) -> None:
        """Where it was seen: at home, each row at the message's one position where it gives none, and elsewhere."""
        seen = [r for r in self.rows if r.kind in SIGHTINGS and r.device]
        self.elsewhere = [r for r in seen if r.room != self.home]
        at_home = [r for r in seen if r.room == self.home]
        oks = [r for r in self.rows if r.kind == Kind.OK and r.seq > 0]
        told = next(iter([*oks, *(r for r in at_home if r.seq > 0)]), None)
        self.place: Place | None = (told.epoch, told.seq) if told else None
        self.telling = [*oks, *(r for r in at_home if r.seq > 0 and not (r.kind == Kind.DELIVER and r.via == Via.PUSH))]
        """The rows that give it a position."""
        self.seen = [self._placed(r) for r in at_home]
        self.deliveries = [r for r in self.seen if r.kind == Kind.DELIVER and r.via != Via.PUSH]
        for row in self.deliveries:
            self.shown.setdefault(row.device, row)
        sightings = sorted([*self.seen, *self.elsewhere], key=lambda r: r.at)
        self.sighted = next((r for r in sightings if r.via != Via.OWN), None)

    def _placed(self, row: Row) -> Row:
        """A row at the message's one position, as far as it gives none itself."""
        if not self.place or (row.seq and row.epoch):
            return row
        return replace(row, epoch=self.place[0], seq=row.seq or self.place[1])

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

    def revisions(self, row: Row) -> list[Row]:
        """Recalls and edits before a row."""
        return [r for r in self.rows if r.kind in (Kind.RECALL, Kind.EDIT) and r.at < row.at]

    def revision(self, row: Row) -> int:
        """Which content a sighting shows: 0 for the original's, -1 for a tombstone of any content."""
        if any(r.content == row.content != 0 for r in self.revisions(row)):
            return row.content
        free = any(r.content == 0 for r in self.revisions(row))
        return -1 if free and (self.altered(row) or row.content == 0) else 0

    def altered(self, row: Row) -> bool:
        """Whether a sighting's content is not the one that was sent."""
        return bool(row.content and self.content and row.content != self.content)

    def recalled_by(self, at: int) -> bool:
        """Whether someone had asked for its recall before a row."""
        return self.recall is not None and self.recall.at < at
