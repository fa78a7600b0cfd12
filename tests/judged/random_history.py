"""Small random histories in which much goes wrong: a history for every seed, the same on every machine.

Times fall on a coarse grid, so that ties are common; promises, deadlines and budgets are a few of its steps. What is recorded at all
varies: some histories have no positions, no wire, no sessions, no read-backs.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from model.history.columns import History, from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Basis, Contract, FaultKind, Header, Kind, LatencyPromise, Phase, SendClass, Via

STEP_US = 1000
LOAD_ENDS, QUIET, AUDIT, END = 40, 45, 60, 70
"""In steps."""


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
    return _Writer(Random(seed)).write()


class _Writer:
    """Writes one history."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.recorder = MemoryRecorder()
        self.owner: dict[int, int] = {}
        """Device -> user."""
        self.rooms = [1] if random.random() < 0.6 else [1, 2]
        self.messages: list[_Message] = []
        self.spoken: list[_Message] = []
        """Those of the system's own."""
        self.members: set[tuple[int, int]] = set()
        """(user, conversation) that were members at some time."""
        self.placed, self.wire, self.sessions = self.chance(0.85), self.chance(0.85), self.chance(0.5)
        self.reads = self.chance(0.85)
        self.calm = self.chance(0.4)
        """Less goes wrong."""
        self.nodes = {1: "gateway-1", 2: "gateway-2"}

    def chance(self, probability: float) -> bool:
        """True this often."""
        return self.random.random() < probability

    def wrong(self, probability: float) -> bool:
        """True this often, and seldom in a calm history."""
        return self.chance(probability / 6 if self.calm else probability)

    def row(self, kind: Kind, at: int, **fields: int) -> None:
        """One row, at a step."""
        self.recorder.record(kind, at * STEP_US, **fields)

    def write(self) -> History:
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
            self.revise(message)
        self.confirmations()
        if self.chance(0.4):
            self.marks()
        if self.reads:
            self.audit()
        self.phases()
        if self.chance(0.3):
            self.fault()
        cpu = self.random.choice((0.5, 0.7, 0.8)) if self.chance(0.2) else None
        header = Header(
            world="random", contract=self.contract(), nodes=self.nodes, truncated=self.chance(0.04), generator_cpu_max=cpu
        )
        return from_rows(header, self.recorder.rows())

    def contract(self) -> Contract:
        """What was promised, in steps of the grid."""
        some = self.chance(0.2)
        return Contract(
            promise_us=self.random.choice((1, 3, 6)) * STEP_US,
            deadline_us=self.random.choice((2, 5, 9)) * STEP_US,
            outage_budget_us=self.random.choice((0, 2, 5)) * STEP_US,
            window_us=self.random.choice((3, 5)) * STEP_US,
            window_step_us=STEP_US,
            resends_allowed=self.random.randint(0, 1),
            pipelined=self.chance(0.3),
            history_hidden=self.chance(0.3),
            causal_across=self.chance(0.3),
            retention_us=self.random.choice((10, 30, 60)) * STEP_US if some else None,
            retention_messages=self.random.randint(1, 4) if self.chance(0.2) else None,
            latency=(LatencyPromise(self.random.choice(("ack", "end_to_end")), 0.5, 2 * STEP_US),) if some else (),
        )

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
                self.row(Kind.CONNECTING, at, device=device, connection=connection, node=1)
                if self.chance(0.85):
                    self.row(Kind.READY, at, device=device, connection=connection, node=1)
                at += self.random.randint(2, 30) if self.wrong(0.5) else END
                if at < END:
                    self.row(Kind.DISCONNECTED, at, device=device, connection=connection, node=1)
                at += self.random.randint(0, 4)
                connection += 1
            if self.wrong(0.2):
                begin = self.random.randint(1, END - 5)
                self.row(Kind.OFFLINE, begin, device=device)
                if self.chance(0.7):
                    self.row(Kind.ONLINE, begin + self.random.randint(0, 15), device=device)

    def connection(self) -> int:
        """One of the first connections, where there are any."""
        return self.random.choice((1, 1, 1, 2)) if self.sessions else 0

    # sends ---------------------------------------------------------------------------------------------------------------------

    def send(self) -> None:
        """One message, in the schedule or the system's own."""
        sender, room = self.random.choice(list(self.owner)), self.random.choice(self.rooms)
        counter = 1 + len(self.messages)
        m = _Message(sender, room, counter, 100 + counter, self.random.randint(1, LOAD_ENDS - 5))
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
            self.of(Kind.ATTEMPT, m, invoked + self.random.choice((0, 0, 1)), device=sender, connection=self.connection())

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
        self.of(
            kind, m, at, device=device, conversation=room, via=via, epoch=m.epoch if seq else 0, seq=seq,
            content_hash=content, value=m.content, connection=self.connection() if via != Via.OWN else 0,
        )  # fmt: skip

    def revise(self, m: _Message) -> None:
        """A recall, or an edit, and some who see it."""
        if not self.chance(0.15):
            return
        at = m.at + self.random.randint(1, 15)
        kind = self.random.choice((Kind.RECALL, Kind.EDIT))
        content = m.content + 50 if self.chance(0.7) else 0
        self.of(kind, m, at, device=m.sender, content_hash=content)
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
                    epoch = self.random.choice((0, 1))
                    self.row(Kind.RECEIVE_CONFIRMED, at, device=device, conversation=room, epoch=epoch, seq=seq, value=whole)
                    at += self.random.randint(0, 8)
                if self.chance(0.35):
                    self.catch_up(device, room)
                if self.wrong(0.25):
                    kept, at = self.random.randint(1, 6), self.random.randint(5, 50)
                    after = self.random.randint(0, kept)
                    self.row(Kind.TRIMMED, at, device=device, conversation=room, epoch=1, seq=kept, value=after)

    def catch_up(self, device: int, room: int) -> None:
        """A sync, and what it brings."""
        at, after, connection = self.random.randint(1, 45), self.random.randint(0, 3), self.connection()
        if self.chance(0.9):
            self.row(Kind.SYNC_REQUEST, at, device=device, conversation=room, connection=connection, seq=after)
        upto = after + self.random.randint(0, 5)
        for m in self.messages:
            if m.room == room and after < m.seq <= upto and not self.wrong(0.3) and self.wire:
                self.saw(Kind.WIRE, m, device, at + 1, Via.SYNC)
        if self.chance(0.9):
            done = at + self.random.randint(1, 4)
            self.row(
                Kind.SYNC_DONE, done, device=device, conversation=room, connection=connection, epoch=1, seq=upto, value=after
            )

    def marks(self) -> None:
        """What was read, and counts of what was not."""
        for device in self.owner:
            for room in self.rooms:
                at = self.random.randint(5, 40)
                for _ in range(self.random.randint(0, 3)):
                    seq = self.random.randint(1, 6)
                    kind = self.random.choice((Kind.MARK, Kind.MARKED, Kind.MARKED, Kind.WATERMARK))
                    self.row(kind, at, device=device, conversation=room, epoch=1, seq=seq)
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
        """What is read back, once or twice, completely or not."""
        for device in self.owner:
            for room in self.rooms:
                times = [AUDIT + 1] if self.chance(0.85) else [50, AUDIT + 1]
                for at in times:
                    for m in sorted((m for m in self.messages if m.room == room and m.stored), key=lambda m: m.seq):
                        if not self.wrong(0.12):
                            self.saw(Kind.READ_BACK, m, device, at, Via.SYNC)
                    if not self.wrong(0.08):
                        self.row(Kind.READ_BACK_DONE, at + 1, device=device, conversation=room)

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
        for at, phase in every:
            if self.chance(0.99):
                self.row(Kind.PHASE, at, code=phase)

    def fault(self) -> None:
        """A kill, proven and healed or not."""
        at = self.random.randint(8, 25)
        self.row(Kind.FAULT_PLANNED, at, node=1, value=1, code=FaultKind.KILL)
        if self.chance(0.7):
            self.row(Kind.FAULT_BEGUN, at, node=1, value=1, code=FaultKind.KILL)
            if self.chance(0.8):
                self.row(Kind.FAULT_HEALED, at + 5, node=1, value=1, code=FaultKind.KILL)
