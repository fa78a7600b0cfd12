"""Planting: a small language for histories in which something is wrong on purpose.

A :class:`Planting` begins with devices ``a``, ``b``, ``c`` (each its own user, of gateway ``gateway-1``), all members of the group ``g``.
Times are seconds; messages and devices have one-word names, and several are given in one string. What nobody mentions is in order:
a settled drain, and at the end every device reads back every stored message at its position.

    p = Planting()
    p.message("x", "a", at=1, pos=5)                # intended, sent, ok, placed by its sender, shown live by all others
    p.send("y", "a", at=2, ok=2.1, pos=6)           # sent and ok, shown by nobody yet
    p.shown("y", "b c", at=2.2)                     # on the wire and in the app
    p.wired("y", "b", at=3)                         # on the wire only: the client recognised it
    p.absent("y", "c")                              # c's read-back lacks it;  p.gone("y"): nobody's read-back has it
    judgement = judge(p.history())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.history.columns import History, from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Basis, Contract, FaultKind, Header, Kind, Phase, SendClass, Via

AUDIT_S, END_S = 200.0, 210.0
EPOCH = 1
_UNKNOWN = -1
"""Content whose hash a row does not tell."""


@dataclass
class _Message:
    sender: str
    group: str
    counter: int
    content: int
    pos: int = 0
    epoch: int = EPOCH
    stored: bool = False
    gone: bool = False
    absent: set[str] = field(default_factory=set)
    read_as: int = 0


class Planting:
    """One history in the making. Every verb returns nothing and adds rows; order of calls breaks ties of time."""

    def __init__(self, devices: str = "a b c", groups: dict[str, str] | None = None, *, load_ends: float = 100.0) -> None:
        self.contract = Contract()
        self.nodes: dict[str, int] = {}
        self._recorder = MemoryRecorder()
        self._ids: dict[str, dict[str, int]] = {"device": {}, "user": {}, "group": {}}
        self._messages: dict[str, _Message] = {}
        self._homes: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._opened: set[tuple[str, int]] = set()
        self._phases = [(0.0, Phase.WARM_UP), (0.5, Phase.MEASURE), (load_ends, Phase.DRAIN), (load_ends + 10, Phase.QUIET)]
        self._phases += [(AUDIT_S, Phase.AUDIT), (END_S, Phase.END)]
        self._reads = True
        self._reads_positions = True
        self._truncated = False
        self._cpu: float | None = None
        for device in devices.split():
            self.device(device)
        for group, members in (groups if groups is not None else {"g": devices}).items():
            self._members[group] = []
            self.joins(group, members)

    # who there is --------------------------------------------------------------------------------------------------------

    def device(self, device: str, *, user: str = "", home: str = "gateway-1", at: float = 0.0) -> None:
        """A device is registered; its user has its name unless given."""
        self._users[device], self._homes[device] = user or device, home
        self._row(Kind.DEVICE, at, device=device, user=self._users[device], node=home)

    def joins(self, group: str, users: str, *, at: float = 0.0, asked: float | None = None) -> None:
        """Users are members from here on; possibly so from when it was asked."""
        self.asks_to_join(group, users, at=at if asked is None else asked, told=asked is not None)
        for user in users.split():
            self._row(Kind.MEMBER, at, user=user, group=group)

    def asks_to_join(self, group: str, users: str, *, at: float, told: bool = True) -> None:
        """A join is asked for, and perhaps never answered."""
        members = self._members.setdefault(group, [])
        for user in users.split():
            if user not in members:
                members.append(user)
            if told:
                self._row(Kind.JOINING, at, user=user, group=group)

    def leaves(self, group: str, users: str, *, at: float, asked: float | None = None) -> None:
        """Users are no members from here on, and read nothing back; not certainly members from when it was asked."""
        for user in users.split():
            self._members[group].remove(user)
            if asked is not None:
                self._row(Kind.LEAVING, asked, user=user, group=group)
            self._row(Kind.LEFT, at, user=user, group=group)

    # sends ---------------------------------------------------------------------------------------------------------------

    def send(
        self,
        name: str,
        sender: str,
        at: float,
        *,
        group: str = "g",
        invoked: float | None = None,
        written: float | None = None,
        ok: float | None = None,
        fail: float | None = None,
        info: float | None = None,
        pos: int = 0,
        scheduled: bool = True,
        stored: bool | None = None,
        epoch: int = EPOCH,
        kind: SendClass = SendClass.MUST,
    ) -> None:
        """An intended send and what its sender heard. It is in the read-backs if it was ok, or if ``stored`` says so."""
        counter = 1 + sum(m.sender == sender and m.group == group for m in self._messages.values())
        message = _Message(sender, group, counter, content=1000 + len(self._messages), pos=pos, epoch=epoch)
        message.stored = (ok is not None) if stored is None else stored
        self._messages[name] = message
        if not scheduled:
            return
        self._of(Kind.INTEND, name, sender, at, content_hash=message.content, code=kind)
        self._of(Kind.INVOKE, name, sender, at if invoked is None else invoked, content_hash=message.content)
        self._of(
            Kind.ATTEMPT,
            name,
            sender,
            (at if invoked is None else invoked) if written is None else written,
            connection=self._on(sender, 1),
        )
        if fail is not None:
            self._of(Kind.FAIL, name, sender, fail, code=1)
        if info is not None:
            self._of(Kind.INFO, name, sender, info, code=2)
        if ok is not None:
            self.ok(name, ok, pos=pos)

    def intends(self, name: str, sender: str, at: float, *, group: str = "g") -> None:
        """In the schedule, and the harness never got round to it."""
        self.send(name, sender, at, group=group, scheduled=False)
        self._of(Kind.INTEND, name, sender, at, content_hash=self._messages[name].content)

    def ok(self, name: str, at: float, *, pos: int = 0, message_id: int = 0) -> None:
        """The sender's client says "sent"."""
        message = self._messages[name]
        number = message_id or message.content
        self._of(Kind.OK, name, message.sender, at, basis=Basis.COMMITTED, epoch=message.epoch, seq=pos, value=number)

    def message(self, name: str, sender: str, at: float, *, pos: int = 0, group: str = "g", took: float = 0.02) -> None:
        """A send as it should be: ok, placed by its sender, and shown live by everyone else."""
        self.send(name, sender, at, group=group, ok=at + took, pos=pos)
        self.shown(name, sender, at + took, via=Via.OWN)
        others = [device for device, user in self._users.items() if user in self._members[group] and device != sender]
        self.shown(name, " ".join(others), at + took + 0.01)

    def moves(self, name: str, *, pos: int, epoch: int) -> None:
        """From here on the message stands elsewhere: in a log that was made anew."""
        self._messages[name].pos, self._messages[name].epoch = pos, epoch

    def says_itself(self, name: str, at: float, *, pos: int = 0, group: str = "g") -> None:
        """The system has something to say of itself, and stores it."""
        self._messages[name] = _Message("", group, 1 + len(self._messages), 1000 + len(self._messages), pos=pos, stored=True)
        self._of(Kind.SYSTEM, name, "", at, content_hash=self._messages[name].content)

    def recalls(self, name: str, device: str, at: float, *, tombstone: int = 0) -> None:
        """A message is recalled, from any device; with the hash its tombstone has, or none."""
        self._of(Kind.RECALL, name, device, at, content_hash=tombstone)

    def edits(self, name: str, device: str, at: float, content: int) -> None:
        """A message gets new content."""
        self._of(Kind.EDIT, name, device, at, content_hash=content)

    def holds(self, name: str, content: int) -> None:
        """Read-backs have this content."""
        self._messages[name].read_as = content

    # what was read -------------------------------------------------------------------------------------------------------

    def marks(
        self, device: str, upto: int, at: float, *, confirmed: float | None = None, group: str = "g", epoch: int = EPOCH
    ) -> None:
        """The person has read up to here; the server confirms it."""
        self._row(Kind.MARK, at, device=device, group=group, seq=upto, epoch=epoch)
        if confirmed is not None:
            self._row(Kind.MARKED, confirmed, device=device, group=group, seq=upto, epoch=epoch)

    def hears_of_mark(self, device: str, upto: int, at: float, *, group: str = "g") -> None:
        """A device is told the user's read watermark."""
        self._row(Kind.WATERMARK, at, device=device, group=group, seq=upto, epoch=EPOCH)

    def counts(self, device: str, unread: int, at: float, *, asked: float | None = None, group: str = "g") -> None:
        """A device is told how many messages its user has not read, when it asked."""
        if asked is not None:
            self._row(Kind.UNREAD_ASKED, asked, device=device, group=group)
        self._row(Kind.UNREAD, at, device=device, group=group, value=unread)

    def counts_asked(self, device: str, at: float, *, group: str = "g") -> None:
        """A device asks how many messages its user has not read."""
        self._row(Kind.UNREAD_ASKED, at, device=device, group=group)

    # what devices saw ----------------------------------------------------------------------------------------------------

    def shown(
        self,
        name: str,
        devices: str,
        at: float,
        *,
        via: Via = Via.LIVE,
        pos: int | None = None,
        content: int = 0,
        connection: int = 1,
        held_back: bool = False,
    ) -> None:
        """In the app of each device; live and sync copies on the wire too, unless they were there before and held back."""
        if via in (Via.LIVE, Via.SYNC) and not held_back:
            self.wired(name, devices, at, via=via, pos=pos, content=content, connection=connection)
        for device in devices.split():
            self._seen(Kind.DELIVER, name, device, at, via, pos, content, connection)

    def wired(
        self,
        name: str,
        devices: str,
        at: float,
        *,
        via: Via = Via.LIVE,
        pos: int | None = None,
        content: int = 0,
        connection: int = 1,
    ) -> None:
        """On the wire of each device."""
        for device in devices.split():
            self._seen(Kind.WIRE, name, device, at, via, pos, content, connection)

    def confirmed(self, device: str, upto: int, at: float, *, group: str = "g", watermark: bool = True) -> None:
        """A receive ack was confirmed to the device."""
        self._row(Kind.RECEIVE_CONFIRMED, at, device=device, group=group, epoch=EPOCH, seq=upto, value=int(watermark))

    def sync(self, device: str, after: int, upto: int, at: float, done: float, *, group: str = "g", connection: int = 1) -> None:
        """A catch-up: its request, and its completion."""
        self.asks(device, after, at, group=group, connection=connection)
        on = self._on(device, connection)
        self._row(Kind.SYNC_DONE, done, device=device, group=group, epoch=EPOCH, seq=upto, value=after, connection=on)

    def asks(self, device: str, after: int, at: float, *, group: str = "g", connection: int = 1) -> None:
        """A sync request, answered or not."""
        self._row(Kind.SYNC_REQUEST, at, device=device, group=group, seq=after, connection=self._on(device, connection))

    def trimmed(self, device: str, after: int, kept: int, at: float, *, group: str = "g", epoch: int = EPOCH) -> None:
        """Sync told the device that nothing between is kept."""
        self._row(Kind.TRIMMED, at, device=device, group=group, epoch=epoch, seq=kept, value=after)

    # read-backs ----------------------------------------------------------------------------------------------------------

    def gone(self, *names: str) -> None:
        """In nobody's read-back."""
        for name in names:
            self._messages[name].gone = True

    def absent(self, name: str, *devices: str) -> None:
        """Not in the read-backs of these devices."""
        self._messages[name].absent.update(devices)

    def no_read_back(self) -> None:
        """Nobody reads anything back."""
        self._reads = False

    def unordered_read_back(self) -> None:
        """Read-backs give no positions."""
        self._reads_positions = False

    def reads(self, device: str, names: str, at: float, *, group: str = "g") -> None:
        """One more complete read-back of a device."""
        for name in names.split():
            self._seen(Kind.READ_BACK, name, device, at, Via.SYNC, None, 0, 1)
        self._row(Kind.READ_BACK_DONE, at, device=device, group=group)

    def reads_as(self, device: str, names: str, at: float, *, other: str, content: int, group: str = "g") -> None:
        """A complete read-back in which one message has this content, or 0: none is given."""
        for name in names.split():
            self._seen(Kind.READ_BACK, name, device, at, Via.SYNC, None, content or _UNKNOWN if name == other else 0, 1)
        self._row(Kind.READ_BACK_DONE, at, device=device, group=group)

    # sessions ------------------------------------------------------------------------------------------------------------

    def connects(self, devices: str, at: float, *, connection: int = 1, node: str = "") -> None:
        """A connection attempt that succeeds."""
        self.tries(devices, at, connection=connection, node=node)
        for device in devices.split():
            self._row(Kind.READY, at, device=device, connection=connection, node=node or self._homes[device])

    def tries(self, devices: str, at: float, *, connection: int = 1, node: str = "") -> None:
        """A connection attempt."""
        for device in devices.split():
            self._opened.add((device, connection))
            self._row(Kind.CONNECTING, at, device=device, connection=connection, node=node or self._homes[device])

    def disconnects(self, devices: str, at: float, *, connection: int = 1) -> None:
        """A connection ends."""
        for device in devices.split():
            self._row(Kind.DISCONNECTED, at, device=device, connection=connection, node=self._homes[device])

    def off(self, devices: str, at: float, until: float | None = None) -> None:
        """The schedule switches devices off, and on again."""
        for device in devices.split():
            self._row(Kind.OFFLINE, at, device=device)
            if until is not None:
                self._row(Kind.ONLINE, until, device=device)

    # the run -------------------------------------------------------------------------------------------------------------

    def fault(
        self,
        at: float,
        healed: float | None = None,
        *,
        node: str = "gateway-1",
        proven: bool = True,
        number: int = 1,
        kind: FaultKind = FaultKind.KILL,
    ) -> None:
        """A planned fault, a kill and proven unless said otherwise."""
        self._row(Kind.FAULT_PLANNED, at, node=node, value=number, code=kind)
        if proven:
            self._row(Kind.FAULT_BEGUN, at, node=node, value=number, code=kind)
        if healed is not None:
            self._row(Kind.FAULT_HEALED, healed, node=node, value=number, code=kind)

    def exits(self, at: float, *, node: str = "gateway-1") -> None:
        """A process of the server ends."""
        self._row(Kind.PROCESS_EXITED, at, node=node, value=100, code=-9)

    def drain_runs_into_its_bound(self) -> None:
        """The drain ends at its bound instead of in quiet."""
        self._phases = [(t, Phase.DRAIN_BOUND if phase is Phase.QUIET else phase) for t, phase in self._phases]

    def recording_ends(self, at: float) -> None:
        """The recording breaks off here: every row from here on is missing."""
        self._phases = [(t, phase) for t, phase in self._phases if t < at]
        self._truncated, self._reads = True, False

    def generator_cpu(self, share: float) -> None:
        """The load generator's worst second."""
        self._cpu = share

    def history(self) -> History:
        """What was planted so far, as a run that ends here."""
        planted, self._recorder = self._recorder, MemoryRecorder()
        for t, phase in self._phases:
            self._row(Kind.PHASE, t, code=phase)
        if self._reads:
            self._read_back()
        rows = np.concatenate([planted.rows(), self._recorder.rows()])
        self._recorder = planted
        header = Header(
            world="sim",
            scenario="planted",
            contract=self.contract,
            nodes={number: name for name, number in self.nodes.items()},
            generator_cpu_max=self._cpu,
            truncated=self._truncated,
        )
        names = {kind: {number: name for name, number in ids.items()} for kind, ids in self._ids.items()}
        history = from_rows(header, rows, devices=names["device"], users=names["user"], conversations=names["group"])
        return replace(history, names=replace(history.names, client_message_ids=self._called(history)))

    def _called(self, history: History) -> tuple[str, ...]:
        """The messages' own names, for those that read the history."""
        called = {(m.sender, f"{m.group}:{m.counter}"): name for name, m in self._messages.items()}
        senders = (*history.names.devices, "")
        return tuple(
            called[senders[sender], text]
            for sender, text in zip(history.message_sender, history.names.client_message_ids, strict=True)
        )

    def promise(self, **changes: object) -> None:
        """Change the contract."""
        self.contract = msgspec.structs.replace(self.contract, **changes)

    # rows ----------------------------------------------------------------------------------------------------------------

    def _read_back(self) -> None:
        for group, users in self._members.items():
            stored = [name for name, m in self._messages.items() if m.group == group and m.stored and not m.gone]
            for device in (d for d, user in self._users.items() if user in users):
                for name in sorted(stored, key=lambda name: self._messages[name].pos):
                    if device not in self._messages[name].absent:
                        pos = None if self._reads_positions else 0
                        self._seen(Kind.READ_BACK, name, device, AUDIT_S + 1, Via.SYNC, pos, self._messages[name].read_as, 1)
                self._row(Kind.READ_BACK_DONE, AUDIT_S + 2, device=device, group=group)

    def _seen(
        self, kind: Kind, name: str, device: str, at: float, via: Via, pos: int | None, content: int, connection: int
    ) -> None:
        m = self._messages[name]
        self._of(
            kind,
            name,
            device,
            at,
            via=via,
            epoch=m.epoch,
            seq=m.pos if pos is None else pos,
            content_hash=0 if content == _UNKNOWN else content or m.content,
            value=m.content,
            connection=self._on(device, connection),
        )

    def _on(self, device: str, connection: int) -> int:
        """The connection a row is on; none for a device whose connections are not told."""
        return connection if (device, connection) in self._opened else 0

    def _of(self, kind: Kind, name: str, device: str, at: float, **fields: int) -> None:
        m = self._messages[name]
        fields |= {"sender": self._id("device", m.sender), "send_counter": m.counter}
        self._row(kind, at, device, group=m.group, fields=fields)

    def _row(
        self,
        kind: Kind,
        at: float,
        device: str = "",
        *,
        user: str = "",
        group: str = "",
        node: str = "",
        fields: dict[str, int] | None = None,
        **numbers: int,
    ) -> None:
        t_us = round(at * 1e6)
        if self._truncated and kind is not Kind.PHASE:
            raise ValueError("the recording has ended")
        self._recorder.record(
            kind,
            t_us,
            device=self._id("device", device),
            user=self._id("user", user),
            conversation=self._id("group", group),
            node=self.nodes.setdefault(node, len(self.nodes) + 1) if node else 0,
            **(fields or {}),
            **numbers,
        )

    def _id(self, table: str, name: str) -> int:
        ids = self._ids[table]
        return ids.setdefault(name, len(ids) + 1) if name else 0


def in_conversation(history: History, row: int, conversation: str) -> History:
    """The same history with one row in another conversation, of a message whose identity stays what it was."""
    moved = history.conversation.copy()
    moved[row] = history.names.conversations.index(conversation)
    return replace(history, conversation=moved)


def only(history: History, rows: Sequence[int] | NDArray[np.int64]) -> History:
    """The same history with these rows, in this order."""
    every = {f.name: getattr(history, f.name) for f in fields(history) if not f.name.startswith("message_")}
    columns: dict[str, Any] = {name: column[rows] for name, column in every.items() if isinstance(column, np.ndarray)}
    return replace(history, **columns)
