"""Small runs in which nearly nothing goes wrong: a faithful server, and at most a few rows that were dropped, doubled or changed.

What judges say wrongly of histories in order shows here, and which of two things that look alike is an anomaly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from model.history.recorder import MemoryRecorder, Rows
from model.history.schema import Basis, FaultKind, Kind, Phase, Via

STEP_US = 1000
LOAD_BEGINS, LOAD_ENDS, QUIET, AUDIT, END = 2, 40, 45, 60, 70
"""In steps."""
CHANGES: dict[str, tuple[Any, ...]] = {
    "t_us": (-7, -3, -1, 1, 3, 9),
    "seq": (-1, 1, 2),
    "epoch": (-1, 1),
    "value": (-1, 1, 2),
    "content_hash": (1, 50),
}
"""By how much a disturbed row differs; times in steps."""


@dataclass
class _Phone:
    """A device: when it is connected, what it has."""

    number: int
    user: int
    away: tuple[int, int] | None = None
    off: bool = False
    has: dict[int, int] = field(default_factory=dict)
    """Conversation -> the highest position it has."""
    confirmed: dict[int, int] = field(default_factory=dict)

    def there(self, at: int) -> bool:
        """Whether it is connected at a step."""
        return self.away is None or not self.away[0] <= at < self.away[1]

    def connection(self, at: int) -> int:
        """The number of its connection at a step."""
        return 1 if self.away is None or at < self.away[0] else 2


@dataclass
class _Stored:
    """A message in the log."""

    sender: int
    counter: int
    room: int
    seq: int
    at: int


class Healthy:
    """Plays one run, in order of time."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.recorder = MemoryRecorder()
        self.phones: list[_Phone] = []
        self.rooms = range(1, random.choice((1, 1, 2, 3)) + 1)
        self.log: dict[int, list[_Stored]] = {room: [] for room in self.rooms}
        self.wire, self.sessions, self.marks = self.chance(0.8), self.chance(0.7), self.chance(0.6)
        self.epoch = random.choice((0, 1, 1, 3))
        self.read: dict[tuple[int, int], int] = {}
        """(user, conversation) -> read watermark."""
        self.counter = 0

    def chance(self, probability: float) -> bool:
        """True this often."""
        return self.random.random() < probability

    def row(self, kind: Kind, at: int, **fields: int) -> None:
        """One row, at a step."""
        self.recorder.record(kind, at * STEP_US, **fields)

    def rows(self) -> Rows:
        """The run, disturbed a little."""
        self.people()
        planned = sorted(self.random.randint(LOAD_BEGINS, LOAD_ENDS - 6) for _ in range(self.random.randint(2, 8)))
        for at in range(END + 1):
            self.phases(at)
            self.come_and_go(at)
            for _ in range(planned.count(at)):
                self.send(at)
            if self.marks and self.chance(0.1) and LOAD_BEGINS < at < AUDIT:
                self.person(at)
            if at in (30, AUDIT + 1, AUDIT + 4) and (at == AUDIT + 1 or self.chance(0.2)):
                self.read_back(at)
        self.fault()
        return self.disturbed(self.recorder.rows().copy())

    def people(self) -> None:
        """Everyone is a member of everything from the beginning."""
        for user in range(1, self.random.randint(2, 4) + 1):
            for _ in range(2 if self.chance(0.4) else 1):
                phone = _Phone(len(self.phones) + 1, user)
                if self.sessions and self.chance(0.3):
                    begin = self.random.randint(3, 30)
                    phone.away, phone.off = (begin, begin + self.random.randint(1, 12)), self.chance(0.4)
                self.phones.append(phone)
                self.row(Kind.DEVICE, 0, device=phone.number, user=user, node=1 + user % 2)
            for room in self.rooms:
                self.row(Kind.MEMBER, 0, user=user, conversation=room)

    def phases(self, at: int) -> None:
        """The phases of a run that ends well."""
        every = ((0, Phase.WARM_UP), (1, Phase.MEASURE), (LOAD_ENDS, Phase.DRAIN), (QUIET, Phase.QUIET), (AUDIT, Phase.AUDIT))
        for begins, phase in (*every, (END, Phase.END)):
            if begins == at:
                self.row(Kind.PHASE, at, code=phase)

    def come_and_go(self, at: int) -> None:
        """Connections, and what is caught up with after one that ended."""
        for phone in self.phones if self.sessions else ():
            here = {"device": phone.number, "node": 1 + phone.user % 2}
            if phone.away and at == phone.away[0]:
                if phone.off:
                    self.row(Kind.OFFLINE, at, device=phone.number)
                self.row(Kind.DISCONNECTED, at, connection=1, **here)
            if at == 0 or (phone.away and at == phone.away[1]):
                if at and phone.off:
                    self.row(Kind.ONLINE, at, device=phone.number)
                self.row(Kind.CONNECTING, at, connection=phone.connection(at), **here)
                self.row(Kind.READY, at, connection=phone.connection(at), **here)
                for room in self.rooms if at else ():
                    self.catch_up(phone, room, at)

    def catch_up(self, phone: _Phone, room: int, at: int) -> None:
        """One sync, of all that is new."""
        after, upto = phone.has.get(room, 0), len(self.log[room])
        where = {"device": phone.number, "conversation": room, "connection": phone.connection(at)}
        self.row(Kind.SYNC_REQUEST, at, seq=after, **where)
        for m in self.log[room][after:]:
            self.shows(phone, m, at, Via.SYNC)
        self.row(Kind.SYNC_DONE, at, epoch=self.epoch, seq=upto, value=after, **where)

    def send(self, at: int) -> None:
        """A message that is accepted, and goes to all who are there."""
        phone = self.random.choice([p for p in self.phones if p.there(at)] or [self.phones[0]])
        room = self.random.choice(self.rooms)
        self.counter += 1
        m = _Stored(phone.number, self.counter, room, len(self.log[room]) + 1, at)
        outcome = self.random.choices((Kind.OK, Kind.FAIL, Kind.INFO), (90, 4, 6))[0]
        for kind in (Kind.INTEND, Kind.INVOKE):
            self.of(kind, m, at, device=phone.number, content_hash=100 + m.counter)
        self.of(Kind.ATTEMPT, m, at, device=phone.number, connection=self.connection(phone, at))
        if outcome is Kind.OK:
            self.of(Kind.OK, m, at, device=phone.number, basis=Basis.COMMITTED, epoch=self.epoch, seq=m.seq, value=m.counter)
        else:
            self.of(outcome, m, at + self.random.randint(0, 2), device=phone.number)
        if outcome is Kind.OK or (outcome is Kind.INFO and self.chance(0.6)):
            self.log[room].append(m)
            for other in self.phones:
                if other.there(at) and other.has.get(room, 0) == m.seq - 1:
                    self.shows(other, m, at, Via.OWN if other is phone else Via.LIVE)

    def connection(self, phone: _Phone, at: int) -> int:
        """The number of a connection, where there are any."""
        return phone.connection(at) if self.sessions else 0

    def of(self, kind: Kind, m: _Stored, at: int, **fields: int) -> None:
        """A row of a message."""
        self.row(kind, at, sender=m.sender, conversation=m.room, send_counter=m.counter, **fields)

    def shows(self, phone: _Phone, m: _Stored, at: int, via: Via) -> None:
        """A message arrives and is shown; its receipt is confirmed, or not."""
        fields = {"device": phone.number, "epoch": self.epoch, "seq": m.seq, "content_hash": 100 + m.counter}
        fields |= {"value": m.counter, "connection": self.connection(phone, at)}
        if self.wire and via != Via.OWN:
            self.of(Kind.WIRE, m, at, via=via, **fields)
        self.of(Kind.DELIVER, m, at, via=via, **fields)
        phone.has[m.room] = m.seq
        if self.chance(0.3):
            there = {"conversation": m.room, "epoch": self.epoch, "seq": m.seq, "device": phone.number}
            self.row(
                Kind.RECEIVE_CONFIRMED, at, value=1, connection=self.connection(phone, at) * self.random.randint(0, 1), **there
            )

    def person(self, at: int) -> None:
        """Somebody reads, or asks what there is to read."""
        phone, room = self.random.choice(self.phones), self.random.choice(self.rooms)
        mine, key = self.log[room], (phone.user, room)
        where = {"device": phone.number, "conversation": room}
        if phone.has.get(room, 0) > self.read.get(key, 0) and self.chance(0.5):
            self.read[key] = phone.has[room]
            for kind in (Kind.MARK, Kind.MARKED):
                self.row(kind, at, epoch=self.epoch, seq=self.read[key], **where)
        if self.chance(0.4) and self.read.get(key):
            self.row(Kind.WATERMARK, at, epoch=self.epoch, seq=self.read[key], **where)
        users = {p.number: p.user for p in self.phones}
        count = sum(users[m.sender] != phone.user for m in mine[self.read.get(key, 0) :])
        if self.chance(0.7):
            self.row(Kind.UNREAD_ASKED, at, **where)
        self.row(Kind.UNREAD, at, value=count, **where)

    def read_back(self, at: int) -> None:
        """Everyone reads everything back."""
        for phone in self.phones:
            for room in self.rooms:
                if phone.there(at):
                    for m in self.log[room]:
                        fields = {"device": phone.number, "epoch": self.epoch, "seq": m.seq, "content_hash": 100 + m.counter}
                        self.of(Kind.READ_BACK, m, at, via=self.random.choice((Via.NONE, Via.SYNC)), value=m.counter, **fields)
                    self.row(Kind.READ_BACK_DONE, at, device=phone.number, conversation=room, seq=len(self.log[room]))

    def fault(self) -> None:
        """One or two faults that nobody notices."""
        at = 12
        for number in range(1, self.random.choice((0, 0, 1, 2)) + 1):
            at += self.random.randint(0, 6)
            cut = self.chance(0.3)
            code = FaultKind.CUT if cut else FaultKind.KILL
            ends = at if cut else at + 2
            for kind, when in ((Kind.FAULT_PLANNED, at), (Kind.FAULT_BEGUN, at), (Kind.FAULT_HEALED, ends)):
                self.row(kind, when, node=number, value=number, code=code)

    # what goes wrong ---------------------------------------------------------------------------------------------------------

    def disturbed(self, rows: Rows) -> Rows:
        """At most three rows are dropped, doubled or changed."""
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2, 3))):
            at = self.random.randrange(len(rows))
            what = self.random.choice(("drop", "double", "swap", *CHANGES))
            if what == "drop":
                rows = np.delete(rows, at)
            elif what == "double":
                again = rows[at : at + 1].copy()
                again["t_us"] += self.random.choice((0, 1, 5, 20)) * STEP_US
                rows = np.insert(rows, at + 1, again)
            elif what == "swap":
                other = min(at + self.random.randint(1, 6), len(rows) - 1)
                rows["t_us"][at], rows["t_us"][other] = rows["t_us"][other], rows["t_us"][at]
            else:
                self.change(rows, at, what)
        return rows

    def change(self, rows: Rows, at: int, column: str) -> None:
        """One field of one row, where the row has it."""
        by = int(self.random.choice(CHANGES[column])) * (STEP_US if column == "t_us" else 1)
        if column == "t_us" or rows[column][at] > 0:
            rows[column][at] = max(int(rows[column][at]) + by, 0)
