"""Small random histories: a history for every seed, the same on every machine.

Two of five are nearly healthy (``healthy_history.py``); in the others much goes wrong. Times fall on a coarse grid, so that ties are
common; promises, deadlines and budgets are a few of its steps. What is recorded at all varies: some histories have no positions, no
wire, no sessions, no read-backs. All are histories that a file may hold: none has a row that a reader would refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from model.history.columns import PLAIN, History, Labels, assemble
from model.history.recorder import MemoryRecorder, Rows, in_order_of_time
from model.history.schema import Basis, Contract, FaultKind, Header, Kind, LatencyPromise, Phase, SendClass, Via
from model.history.sense import impossible
from tests.judged.healthy_history import AUDIT, END, LOAD_ENDS, QUIET, STEP_US, Healthy

HEALTHY, OF = 2, 5
"""So many seeds are nearly healthy, of so many."""


@dataclass
class _Message:
    sender: int
    room: int
    counter: int
    content: int
    at: int
    epoch: int = 0
    seq: int = 0
    stored: bool = False


def history(seed: int) -> History:
    """The history of a seed."""
    random = Random(seed)
    while True:
        if seed % OF < HEALTHY:
            rows, healthy = Healthy(random).rows(), True
        else:
            rows, healthy = _Writer(random).rows(), False
        found = named(_header(random, healthy), rows)
        if impossible(found) is None:
            return found


def named(header: Header, rows: Rows) -> History:
    """Rows with names: a message is its sender's and its counter's, wherever it is shown."""
    rows = in_order_of_time(rows)

    def labels(column: str, prefix: str) -> Labels:
        ids = rows[column].astype(np.int64)
        return Labels(np.where(ids == 0, -1, ids), lambda number: f"{prefix}{number}")

    def texts(firsts: NDArray[np.int64]) -> list[str]:
        return [f"m{number}" for number in rows["send_counter"][firsts].tolist()]

    return assemble(
        header,
        {name: rows[name] for name in PLAIN},
        device=labels("device", "d"),
        sender=labels("sender", "d"),
        user=labels("user", "u"),
        node=labels("node", "gateway-"),
        conversation=labels("conversation", "c"),
        message=labels("send_counter", "m"),
        message_text=texts,
    )


def _header(random: Random, healthy: bool) -> Header:
    measured = random.random() < 0.2
    return Header(
        world="random",
        contract=_contract(random, healthy),
        truncated=random.random() < 0.03,
        generator_cpu_max=random.choice((0.5, 0.7, 0.8)) if measured and not healthy else None,
        harness_lag_p99_us=random.choice((5e3, 20e3, 21e3)) if measured and not healthy else None,
        load_begin_us=random.choice((0, 0, STEP_US)),
    )


def _contract(random: Random, healthy: bool) -> Contract:
    """What was promised, in steps of the grid."""

    def chance(probability: float) -> bool:
        return random.random() < probability

    promises = tuple(
        LatencyPromise(random.choice(("ack", "end_to_end")), random.choice((0.5, 0.9, 0.99, 1)), random.choice((2, 5)) * STEP_US)
        for _ in range(random.choice((0, 0, 0, 1, 2)))
    )
    overruled = random.choices(OVERRULED, k=random.choice((0, 0, 0, 0, 1, 2, 3)))
    return Contract(
        promise_us=random.choice((1, 3, 6)) * STEP_US,
        deadline_us=random.choice((2, 5, 9)) * STEP_US,
        outage_budget_us=random.choice((0, 2, 5, 20)) * STEP_US,
        window_us=random.choice((3, 5)) * STEP_US,
        window_step_us=STEP_US,
        resends_allowed=random.randint(0, 1),
        pipelined=chance(0.3),
        history_hidden=chance(0.3),
        causal_across=chance(0.3),
        live_promised=chance(0.3),
        realtime_promised=chance(0.3),
        retention_us=random.choice((10, 30, 60)) * STEP_US if chance(0.2) else None,
        retention_messages=random.randint(1, 4) if chance(0.05 if healthy else 0.2) else None,
        latency=promises,
        fails={kind: chance(0.4) for kind in overruled},
    )


OVERRULED = (
    "lost",
    "gap",
    "lost_stored",
    "dup_app",
    "late",
    "session_nonmonotonic",
    "unreachable",
    "missed_live",
    "trimmed",
    "outage",
)


class _Writer:
    """Writes one history."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.recorder = MemoryRecorder()
        self.owner: dict[int, int] = {}
        """Device -> user."""
        self.rooms = list(range(1, random.choice((1, 1, 1, 2, 2, 3)) + 1))
        self.messages: list[_Message] = []
        self.spoken: list[_Message] = []
        """Those of the system's own."""
        self.members: set[tuple[int, int]] = set()
        """(user, conversation) that were members at some time."""
        self.placed, self.wire, self.sessions = self.chance(0.85), self.chance(0.85), self.chance(0.5)
        self.reads = self.chance(0.85)
        self.calm = self.chance(0.4)
        """Less goes wrong."""
        self.opened: dict[int, list[int]] = {}
        """Device -> when each of its connections was opened."""

    def chance(self, probability: float) -> bool:
        """True this often."""
        return self.random.random() < probability

    def wrong(self, probability: float) -> bool:
        """True this often, and seldom in a calm history."""
        return self.chance(probability / 6 if self.calm else probability)

    def row(self, kind: Kind, at: int, **fields: int) -> None:
        """One row, at a step."""
        self.recorder.record(kind, at * STEP_US, **fields)

    def rows(self) -> Rows:
        """All of it."""
        self.people()
        if self.sessions:
            self.connections()
        for _ in range(self.random.randint(1, 7)):
            self.send()
        self.positions()
        for message in self.messages:
            if message not in self.spoken:
                self.answer(message)
            self.deliver(message)
            for _ in range(2 if self.chance(0.2) else 1):
                self.revise(message)
        self.confirmations()
        if self.chance(0.4):
            self.marks()
        if self.reads:
            self.audit()
        self.phases()
        if self.chance(0.3):
            self.faults()
        return self.recorder.rows()

    # who there is --------------------------------------------------------------------------------------------------------------

    def people(self) -> None:
        """Users with their devices, and who is in which conversation when."""
        users = range(1, self.random.randint(2, 4) + 1)
        for user in users:
            for _ in range(2 if self.chance(0.3) else 1):
                device = len(self.owner) + 1
                self.owner[device] = user
                at = self.random.randint(1, 20) if self.chance(0.1) else 0
                self.row(Kind.DEVICE, at, device=device, user=user, node=self.random.randint(1, 2) if self.chance(0.8) else 0)
        for room in self.rooms:
            if self.chance(0.95):
                for user in users:
                    self.stays(user, room)

    def stays(self, user: int, room: int) -> None:
        """Joins and leaves, some unanswered."""
        at = 0 if self.chance(0.8) else self.random.randint(1, 25)
        inside = self.chance(0.9)
        while at < LOAD_ENDS:
            if inside:
                if self.chance(0.4):
                    self.row(Kind.JOINING, at, user=user, conversation=room)
                if self.chance(0.92):
                    self.members.add((user, room))
                    self.row(Kind.MEMBER, at + self.random.randint(0, 2), user=user, conversation=room)
            at += self.random.randint(1, 30) + (0 if self.wrong(0.5) else LOAD_ENDS)
            if at < LOAD_ENDS and inside:
                if self.chance(0.5):
                    self.row(Kind.LEAVING, at, user=user, conversation=room)
                if self.chance(0.8):
                    self.row(Kind.LEFT, at + self.random.randint(0, 2), user=user, conversation=room)
            inside = not inside
            at += 3

    def connections(self) -> None:
        """Attempts, readiness and its ends; some devices are switched off."""
        for device in self.owner:
            at, connection = self.random.randint(0, 2), 1
            while at < END:
                self.opened.setdefault(device, []).append(at)
                node = self.random.choice((1, 1, 2))
                self.row(Kind.CONNECTING, at, device=device, connection=connection, node=node)
                if self.chance(0.85):
                    self.row(Kind.READY, at, device=device, connection=connection, node=node)
                at += self.random.randint(2, 30) if self.wrong(0.5) else END
                if at < END:
                    self.row(Kind.DISCONNECTED, at, device=device, connection=connection, node=node)
                at += self.random.randint(0, 4)
                connection += 1
            for _ in range(self.random.randint(1, 2) if self.wrong(0.2) else 0):
                begin = self.random.randint(1, END - 5)
                self.row(Kind.OFFLINE, begin, device=device)
                if self.chance(0.7):
                    self.row(Kind.ONLINE, begin + self.random.randint(0, 15), device=device)

    def connection(self, device: int, at: int) -> int:
        """The device's connection at a step, where there are any; seldom another one."""
        opened = self.opened.get(device, [])
        if not opened:
            return 0
        return self.random.randint(1, len(opened)) if self.wrong(0.1) else max(1, sum(when <= at for when in opened))

    # sends ---------------------------------------------------------------------------------------------------------------------

    def send(self) -> None:
        """One message, in the schedule or the system's own."""
        sender, room = self.random.choice(list(self.owner)), self.random.choice(self.rooms)
        counter = 1 + len(self.messages)
        late = self.wrong(0.04)
        m = _Message(sender, room, counter, 100 + counter, self.random.randint(1, END - 8 if late else LOAD_ENDS - 5))
        self.messages.append(m)
        if self.chance(0.05):
            self.of(Kind.SYSTEM, m, m.at, content_hash=m.content)
            self.spoken.append(m)
            m.stored = True
            return
        if self.wrong(0.04):
            return
        code = self.random.choice((SendClass.MAY_BE_SHED, SendClass.TO_BE_REJECTED)) if self.chance(0.12) else 0
        if self.chance(0.97):
            self.of(Kind.INTEND, m, m.at, device=sender, content_hash=m.content, code=code)
        invoked = m.at + self.random.choice((0, 0, 0, 1)) - (2 if self.wrong(0.02) else 0)
        if not self.wrong(0.05):
            self.of(Kind.INVOKE, m, invoked, device=sender, content_hash=m.content)
        if self.chance(0.9):
            self.of(
                Kind.ATTEMPT,
                m,
                invoked + self.random.choice((0, 0, 1)),
                device=sender,
                connection=self.connection(sender, invoked),
            )

    def of(self, kind: Kind, m: _Message, at: int, **fields: int) -> None:
        """A row of a message."""
        self.row(
            kind, max(at, 0), sender=m.sender, conversation=fields.pop("conversation", m.room), send_counter=m.counter, **fields
        )

    def positions(self) -> None:
        """Where messages stand: mostly in the order in which they were sent."""
        for room in self.rooms:
            mine = sorted((m for m in self.messages if m.room == room), key=lambda m: m.at)
            if mine and self.wrong(0.3):
                one, other = self.random.choice(mine), self.random.choice(mine)
                at, to = mine.index(one), mine.index(other)
                mine[at], mine[to] = other, one
            for seq, m in enumerate(mine, start=1):
                m.epoch = 2 if self.chance(0.04) else 1
                m.seq = (seq - 1 if self.wrong(0.05) else seq) if self.placed else 0

    def answer(self, m: _Message) -> None:
        """What the sender hears."""
        at = m.at + self.random.randint(0 if self.wrong(0.2) else 2, 5)
        word = self.random.choices((Kind.OK, Kind.INFO, Kind.FAIL, None), (75, 12, 8, 5))[0]
        if word is Kind.OK:
            self.ok(m, at, m.seq if self.chance(0.9) else 0)
            m.stored = True
        elif word is not None:
            self.of(word, m, at, device=m.sender, code=1)
            if self.wrong(0.15):
                self.of(Kind.FAIL if word is Kind.INFO else Kind.INFO, m, at + self.random.randint(0, 2), device=m.sender, code=1)
            m.stored = self.chance(0.5)
            if self.wrong(0.2):
                self.ok(m, at + 1, m.seq)
        if self.wrong(0.08):
            self.ok(m, at + 2, m.seq + (1 if self.chance(0.5) else 0))

    def ok(self, m: _Message, at: int, seq: int) -> None:
        """An ok; seldom with an id of its own."""
        value = 7 if self.wrong(0.05) else m.content
        epoch = m.epoch if seq else 0
        self.of(Kind.OK, m, at, device=m.sender, basis=Basis.COMMITTED, epoch=epoch, seq=seq, value=value)

    # what devices saw ------------------------------------------------------------------------------------------------------------

    def deliver(self, m: _Message) -> None:
        """Who gets it, when, how, and how often."""
        for device, _ in self.owner.items():
            if device == m.sender:
                if self.chance(0.5):
                    self.saw(Kind.DELIVER, m, device, m.at + self.random.randint(0, 4), Via.OWN)
                if not self.wrong(0.1):
                    continue
            outside = bool(self.members) and (self.owner[device], m.room) not in self.members
            if self.wrong(0.15) or (outside and not self.wrong(0.2)):
                continue
            via = self.random.choices((Via.LIVE, Via.SYNC, Via.BACKFILL, Via.PUSH), (75, 15, 5, 5))[0]
            at = m.at + self.random.randint(0 if self.wrong(0.2) else 2, 7) - (2 if self.wrong(0.02) else 0)
            if self.wire:
                self.saw(Kind.WIRE, m, device, at, via)
                for _ in range(self.random.randint(1, 2) if self.wrong(0.15) else 0):
                    self.saw(Kind.WIRE, m, device, at + self.random.randint(0, 20), self.random.choice((Via.LIVE, Via.SYNC)))
            self.saw(Kind.DELIVER, m, device, at, via)
            if self.wrong(0.08):
                self.saw(Kind.DELIVER, m, device, at + self.random.randint(0, 20), via)

    def saw(self, kind: Kind, m: _Message, device: int, at: int, via: Via) -> None:
        """A sighting; seldom with something wrong in it."""
        seq = m.seq + 1 if self.placed and self.wrong(0.03) else m.seq
        content = self.random.choice((0, 99, 100 + m.counter + 50)) if self.wrong(0.05) else m.content
        room = self.random.choice((1, 2)) if self.wrong(0.02) else m.room
        epoch = self.random.choice((0, 1, 2)) if self.wrong(0.03) else m.epoch
        self.of(
            kind, m, at, device=device, conversation=room, via=via, epoch=epoch if seq else 0, seq=seq,
            content_hash=content, value=m.content, connection=self.connection(device, at) if via != Via.OWN else 0,
        )  # fmt: skip

    def revise(self, m: _Message) -> None:
        """A recall, or an edit, and some who see it."""
        if not self.chance(0.15):
            return
        at = m.at + self.random.randint(1, 15)
        kind = self.random.choice((Kind.RECALL, Kind.EDIT))
        content = m.content + 50 if kind is Kind.EDIT or self.chance(0.4) else 0
        by = self.random.choice(list(self.owner)) if self.chance(0.2) else m.sender
        self.of(kind, m, at, device=by, content_hash=content)
        for device in self.owner:
            if self.chance(0.5):
                before, m.content = m.content, content or 99
                self.saw(Kind.DELIVER, m, device, at + self.random.randint(-1, 5), Via.LIVE)
                m.content = before

    def confirmations(self) -> None:
        """Receive acks, catch-ups, and spans that are gone."""
        for device in self.owner:
            for room in self.rooms:
                at = self.random.randint(1, 30)
                for _ in range(self.random.randint(0, 2)):
                    seq, whole = self.random.randint(1, 7), int(self.chance(0.7))
                    epoch, connection = self.random.choice((0, 1, 1, 2)), self.connection(device, at) * self.random.randint(0, 1)
                    where = {"device": device, "conversation": room, "connection": connection}
                    self.row(Kind.RECEIVE_CONFIRMED, at, epoch=epoch, seq=seq, value=whole, **where)
                    at += self.random.randint(0, 8)
                if self.chance(0.35):
                    self.catch_up(device, room)
                if self.wrong(0.25):
                    kept, at = self.random.randint(1, 6), self.random.randint(5, 50)
                    after = self.random.randint(0, kept)
                    epoch = self.epoch()
                    self.row(Kind.TRIMMED, at, device=device, conversation=room, epoch=epoch, seq=kept, value=after)

    def epoch(self) -> int:
        """Mostly the first; seldom another one, or none."""
        return self.random.choices((1, 0, 2), (80, 10, 10))[0]

    def catch_up(self, device: int, room: int) -> None:
        """A sync, and what it brings."""
        at, after = self.random.randint(1, 45), self.random.randint(0, 3)
        mine = [m for m in self.messages if m.room == room and self.owner[m.sender] == self.owner[device]]
        if mine and self.chance(0.5):  # about a message of its user's own, while it is sent or soon after
            m = self.random.choice(mine)
            at, after = m.at + self.random.randint(0, 6), max(m.seq - self.random.randint(1, 2), 0)
        connection = self.connection(device, at) if self.chance(0.9) else 0
        if self.chance(0.9):
            self.row(Kind.SYNC_REQUEST, at, device=device, conversation=room, connection=connection, seq=after)
        upto = after + self.random.randint(0, 5)
        for m in self.messages:
            if m.room == room and after < m.seq <= upto and not self.wrong(0.3) and self.wire:
                self.saw(Kind.WIRE, m, device, at + 1, Via.SYNC)
        if self.chance(0.9):
            done = at + self.random.randint(1, 4)
            self.row(
                Kind.SYNC_DONE,
                done,
                device=device,
                conversation=room,
                connection=connection,
                epoch=self.epoch(),
                seq=upto,
                value=after,
            )

    def marks(self) -> None:
        """What was read, and counts of what was not."""
        for device in self.owner:
            for room in self.rooms:
                at = self.random.randint(5, 40)
                for _ in range(self.random.randint(0, 3)):
                    seq = self.random.randint(1, 6)
                    kind = self.random.choice((Kind.MARK, Kind.MARKED, Kind.MARKED, Kind.WATERMARK))
                    self.row(kind, at, device=device, conversation=room, epoch=self.epoch(), seq=seq)
                    at += self.random.randint(0, 9)
                for _ in range(self.random.randint(0, 2)):
                    at = self.random.randint(2, 58)
                    if self.chance(0.7):
                        self.row(Kind.UNREAD_ASKED, at, device=device, conversation=room)
                    self.row(
                        Kind.UNREAD,
                        at + self.random.randint(0, 5),
                        device=device,
                        conversation=room,
                        value=self.random.randint(0, 4),
                    )

    # the end ---------------------------------------------------------------------------------------------------------------------

    def audit(self) -> None:
        """What is read back, once or several times, completely or not."""
        for device in self.owner:
            for room in self.rooms:
                times = [] if self.wrong(0.05) else [AUDIT + 1]
                times += [self.random.randint(15, AUDIT) for _ in range(self.random.randint(1, 2) if self.chance(0.15) else 0)]
                times += [AUDIT + 5] if self.chance(0.1) else []
                for at in sorted(times):
                    via = self.random.choice((Via.SYNC, Via.SYNC, Via.NONE, Via.BACKFILL))
                    self.read_back(device, room, at, via)

    def read_back(self, device: int, room: int, at: int, via: Via) -> None:
        """One read-back, of what was stored by then."""
        stored = [m for m in self.messages if m.room == room and m.stored and m.at < at]
        for m in sorted(stored, key=lambda m: (m.epoch, m.seq)):
            if not self.wrong(0.12):
                self.saw(Kind.READ_BACK, m, device, at, via)
            if self.wrong(0.02):
                self.saw(Kind.READ_BACK, m, device, at, via)
        if not self.wrong(0.08):
            self.row(Kind.READ_BACK_DONE, at + self.random.randint(0, 1), device=device, conversation=room)

    def phases(self) -> None:
        """How the run went, as a whole."""
        settled = Phase.DRAIN_BOUND if self.chance(0.04) else Phase.QUIET
        every = [
            (0, Phase.WARM_UP),
            (1, Phase.MEASURE),
            (LOAD_ENDS, Phase.DRAIN),
            (QUIET, settled),
            (AUDIT, Phase.AUDIT),
            (END, Phase.END),
        ]
        if self.chance(0.06):
            every.insert(4, (QUIET + 5, Phase.DRAIN))
            every.insert(5, (QUIET + 8, Phase.QUIET))
        for at, phase in every:
            if self.chance(0.98):
                self.row(Kind.PHASE, at, code=phase)
                if self.chance(0.01):
                    self.row(Kind.PHASE, at + 2, code=phase)

    def faults(self) -> None:
        """A kill or a cut, or two, proven and healed or not; seldom in another order, or under another name."""
        at = self.random.randint(8, 25)
        for number in range(1, self.random.randint(1, 2) + 1):
            fault = {"node": self.random.choice((1, 1, 2)), "value": number}
            fault["code"] = self.random.choice((FaultKind.KILL, FaultKind.CUT))
            self.row(Kind.FAULT_PLANNED, at, **fault)
            if self.chance(0.75):
                begun = fault if self.chance(0.9) else {**fault, "node": 3 - fault["node"]}
                self.row(Kind.FAULT_BEGUN, at, **begun)
                if self.chance(0.85):
                    self.row(Kind.FAULT_HEALED, at + self.random.randint(0, 6), **begun)
            at += self.random.randint(0, 8)
