"""The life of one message: every row that speaks of it, where it went, whom it was owed to, and what the judges say of it.

What a history does not record is not made up: a send is known to have reached a gateway, or the storage, only where a row proves it.
Whoever had no connection when the message was sent lost it before, and that row is told too. Where an anomaly is about two messages, a
wrong order say, the rows of the other one that prove it are told beside its own.

An anomaly that is about no message has no life to tell: of it, the :class:`Proof` is what it says and the rows it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.checkers.case import Case
from model.checkers.findings import Finding
from model.checkers.grouped import NONE, Bool, Int, whole
from model.checkers.outcome import FAIL, INFO, OK
from model.checkers.sessions import Fault
from model.checkers.verdict import JUDGES
from model.history.columns import History
from model.history.schema import Basis, FaultKind, Kind, Phase, Via

WORLDS = ("sim", "live")
"""The worlds of our own systems."""
OTHERS_MAX = 3
"""Kinds of anomaly of whose first instance the other message's rows are told."""
_OUTCOMES = {OK: "ok", FAIL: "failed", INFO: "unknown to its sender"}
_WORDS = {
    Kind.INTEND: "intended",
    Kind.SYSTEM: "made by the system itself",
    Kind.INVOKE: "handed to the client",
    Kind.FAIL: 'told "failed"',
    Kind.INFO: "gave up without knowing",
    Kind.RECALL: "recalled it",
    Kind.EDIT: "edited it",
    Kind.READ_BACK: "read it back from its history",
    Kind.DISCONNECTED: "lost its connection",
    Kind.READY: "was connected",
    Kind.OFFLINE: "was switched off",
    Kind.ONLINE: "was switched on",
    Kind.SYNC_REQUEST: "asked for what it lacked",
    Kind.SYNC_DONE: "had caught up",
    Kind.RECEIVE_CONFIRMED: "had its receipt confirmed",
    Kind.FAULT_BEGUN: "was hit by a fault",
    Kind.FAULT_HEALED: "was back",
    Kind.CONNECTING: "tried to connect",
    Kind.MARK: "read",
    Kind.MARKED: "had its read mark confirmed",
    Kind.WATERMARK: "was told the read mark",
    Kind.UNREAD_ASKED: "asked how many are unread",
    Kind.READ_BACK_DONE: "had read back all of its history",
}
_UPTO = frozenset({Kind.SYNC_DONE, Kind.RECEIVE_CONFIRMED, Kind.MARK, Kind.MARKED, Kind.WATERMARK})
"""Rows that say something of all positions up to theirs."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row, told. ``device`` or ``node`` is "" where the row has none; ``node`` is the gateway of the row's connection."""

    row: int
    t_us: int
    kind: Kind
    device: str
    node: str
    text: str
    via: Via = Via.NONE
    basis: Basis = Basis.NONE
    """What an ok rests on."""
    own: bool = True
    """Whether the row speaks of the message itself; else of what went on around it."""
    other: str = ""
    """The other message that the row speaks of, where an anomaly is about two."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A device that the message was owed to."""

    device: str
    row: int
    """Its first delivery, -1 for none."""
    missing: bool


@dataclass(frozen=True, slots=True)
class Life:
    """What became of a message."""

    message: str
    """``sending device/client_message_id``."""
    sender: str
    conversation: str
    outcome: str
    place: str
    committed: bool
    zero_us: int
    """The instant from which times are counted: intended, else its first trace."""
    load_begin_us: int
    events: tuple[Event, ...]
    owed: tuple[Owed, ...]
    findings: tuple[tuple[str, str], ...]
    """(kind, what it says), for every anomaly that names the message."""
    imbench: bool
    """Whether the system is one of ours, whose layers are known: business and storage behind the gateways."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The first instance of an anomaly that is about no message."""

    kind: str
    text: str
    """What it says."""
    instances: int
    """How many there are of this kind."""
    load_begin_us: int
    events: tuple[Event, ...]
    """The rows that prove it; none where it rests on what is not there, or on the run as a whole."""


class Explainer:
    """One history, to be asked about its messages. Messages are indexes into ``history.names.client_message_ids``."""

    def __init__(self, history: History) -> None:
        self._case = Case(history)

    def find(self, name: str) -> list[int]:
        """The messages called so: ``sending device/client_message_id``, or by the client_message_id alone."""
        every = range(self._case.sends.count)
        exact = [m for m in every if self._case.say.message(m) == name]
        return exact or [m for m in every if self._case.history.names.client_message_ids[m] == name]

    def names(self) -> list[str]:
        """Of every message, as ``sending device/client_message_id``."""
        return [self._case.say.message(m) for m in range(self._case.sends.count)]

    def first_witness(self, kind: str) -> int | None:
        """The message that the first instance of a kind is about, instances with another cause last; None for none."""
        found = [one for one in self._instances(kind) if one[2] >= 0]
        return min(found)[2] if found else None

    def proof(self, kind: str) -> Proof | None:
        """What proves the first instance of a kind, instances with another cause last; None where there is none."""
        found = list(self._instances(kind))
        if not found:
            return None
        *_, number, i = min(found)
        text, rows = self._findings[number].tell(i)
        events = tuple(_event(self._case, row, _said(self._case, row), own=False) for row in sorted(set(rows)))
        return Proof(kind, text, len(found), self._case.history.header.load_begin_us, events)

    def _instances(self, kind: str) -> Iterator[tuple[bool, int, int, int, int]]:
        """(whether it has another cause, row, message, which finding, which instance of it)."""
        for number, finding in enumerate(self._findings):
            if finding.kind == kind:
                explained = np.any([finding.rows < 0, *finding.causes.values()], axis=0)
                every = zip(explained.tolist(), finding.rows.tolist(), finding.messages.tolist(), strict=True)
                yield from ((*one, number, i) for i, one in enumerate(every))

    @cached_property
    def _findings(self) -> list[Finding]:
        """Of those judges that do not crash; that one did, the verdict says."""
        found: list[Finding] = []
        for judge in JUDGES.values():
            with suppress(Exception):
                found += judge(self._case).findings
        return found

    def life(self, message: int, kind: str | None = None) -> Life:
        """Everything about one message; of other messages what the first anomaly of ``kind``, or of each kind, says."""
        case = self._case
        history, sends, say = case.history, case.sends, case.say
        sender, begin = int(sends.sender[message]), int(sends.t_int_us[message])
        outcome = _OUTCOMES.get(int(sends.outcome[message]), "never handed over")
        events = sorted([*_events(case, message), *self._others(message, kind)], key=lambda event: event.row)
        return Life(
            message=say.message(message),
            sender=say.device(sender) if sender >= 0 else "",
            conversation=say.conversation(int(sends.conversation[message])),
            outcome=outcome if sends.scheduled[message] else "in no schedule",
            place=say.position(int(case.epoch[message]), int(case.seq[message])),
            committed=bool(sends.committed[message]),
            zero_us=begin if begin >= 0 else events[0].t_us,
            load_begin_us=history.header.load_begin_us,
            events=tuple(events),
            owed=_owed(case, message),
            findings=tuple((finding.kind, finding.tell(i)[0]) for finding, i in self._about(message)),
            imbench=history.header.world in WORLDS,
        )

    def _about(self, message: int) -> Iterator[tuple[Finding, int]]:
        """The instances that name a message."""
        for finding in self._findings:
            for i in np.flatnonzero(finding.messages == message).tolist():
                yield finding, i

    def _others(self, message: int, kind: str | None) -> Iterator[Event]:
        """What the first instance of each kind, or of one, says of other messages."""
        case, rows = self._case, dict[str, tuple[int, ...]]()
        for finding, i in self._about(message):
            if kind in (None, finding.kind):
                rows.setdefault(finding.kind, finding.tell(i)[1])
        told = [row for witness in list(rows.values())[:OTHERS_MAX] for row in witness]
        for row in dict.fromkeys(told):
            other = int(case.history.message[row])
            if other not in (message, NONE):
                name = case.say.message(other)
                yield _event(case, row, f"{name}: {_told(case, row, other)}", own=False, other=name)


# events ---------------------------------------------------------------------------------------------------------------------


def _events(case: Case, message: int) -> Iterator[Event]:
    history = case.history
    rows = np.flatnonzero(history.message == message).tolist()
    for row in rows:
        yield _event(case, row, _told(case, row, message), own=True)
    yield from _around(case, message, rows)


def _event(case: Case, row: int, text: str, *, own: bool, other: str = "") -> Event:
    history, say = case.history, case.say
    device = int(history.device[row])
    return Event(
        row=row,
        t_us=int(history.t_us[row]),
        kind=Kind(int(history.kind[row])),
        device=say.device(device) if device >= 0 else "",
        node=_node(case, row),
        text=text,
        via=Via(int(history.via[row])),
        basis=Basis(int(history.basis[row])),
        own=own,
        other=other,
    )


def _node(case: Case, row: int) -> str:
    """The gateway at the other end of a row's connection; of a row about a node, that node."""
    history = case.history
    if history.node[row] >= 0:
        return case.say.node(int(history.node[row]))
    if history.connection[row] <= 0:
        return ""
    opened = history.rows_of(Kind.CONNECTING, Kind.READY)
    same = (history.device[opened] == history.device[row]) & (history.connection[opened] == history.connection[row])
    nodes = history.node[opened[same]]
    nodes = nodes[nodes >= 0]
    return case.say.node(int(nodes[0])) if len(nodes) else ""


def _told(case: Case, row: int, message: int) -> str:
    history, say = case.history, case.say
    kind, place = Kind(int(history.kind[row])), say.place(row)
    through = f" through {node}" if (node := _node(case, row)) else ""
    via = Via(int(history.via[row])).name.lower()
    if kind is Kind.ATTEMPT:
        tries = history.rows_of(Kind.ATTEMPT)
        number = int((tries[history.message[tries] == message] <= row).sum())
        return f"written to the transport{through}, attempt {number}"
    if kind is Kind.OK:
        basis = Basis(int(history.basis[row])).name.lower()
        return f'told "sent" ({basis}), {place}' if basis != "none" else f'told "sent", {place}'
    if kind in (Kind.DELIVER, Kind.WIRE):
        verb = "showed it" if kind is Kind.DELIVER else "received it"
        how = {"own": "in its own conversation", "push": "as a push notification"}.get(via, f"{via}{through}")
        strayed = int(history.conversation[row]) != int(case.sends.conversation[message])
        where = f" in {say.conversation(int(history.conversation[row]))}" if strayed else ""
        return f"{verb}{where}, {how}, {place}"
    return _WORDS.get(kind, kind.name.lower())


def _around(case: Case, message: int, rows: list[int]) -> Iterator[Event]:
    """What happened to the devices and nodes that had to do with it, while it was under way."""
    history, sends = case.history, case.sends
    pairs = case.obligations
    devices = {int(sends.sender[message]), *pairs.device[pairs.message == message].tolist(), *history.device[rows].tolist()}
    seen = [row for row in rows if history.kind[row] in (Kind.DELIVER, Kind.WIRE, Kind.OK, Kind.INFO, Kind.FAIL)]
    begin, end = rows[0], max([*seen, rows[0]])
    if (pairs.missing & (pairs.message == message)).any():
        end = case.phases.audit_row if case.phases.audit_row >= 0 else len(history)
    before = [fault.row for fault in case.faults if _lasts(case, fault, begin)]
    before += [row for device in sorted(devices) if (row := _lost_before(case, device, begin)) >= 0]
    yield from (_event(case, row, _context(case, row), own=False) for row in before)
    about = history.rows_of(Kind.READY, Kind.DISCONNECTED, Kind.OFFLINE, Kind.ONLINE, Kind.FAULT_BEGUN, Kind.FAULT_HEALED)
    room = history.rows_of(Kind.SYNC_REQUEST, Kind.SYNC_DONE, Kind.RECEIVE_CONFIRMED)
    room = room[(history.conversation[room] == sends.conversation[message]) & _covers(case, room, message)]
    for row in whole([row for row in (*about, *room) if begin <= row <= end]).tolist():
        if history.device[row] < 0 or int(history.device[row]) in devices:
            yield _event(case, row, _context(case, row), own=False)


def _lasts(case: Case, fault: Fault, row: int) -> bool:
    """Whether a fault was begun before a row, and not healed."""
    return fault.row < row and (fault.healed_us < 0 or fault.healed_us >= case.history.t_us[row])


def _lost_before(case: Case, device: int, row: int) -> int:
    """The row at which a device that had no connection at ``row`` lost it, or was switched off; -1 if it had one, or never had any."""
    history = case.history
    rows = history.rows_of(Kind.READY, Kind.DISCONNECTED, Kind.OFFLINE)
    rows = rows[(history.device[rows] == device) & (rows < row)]
    ready = np.flatnonzero(history.kind[rows] == Kind.READY)
    since = rows[ready[-1] + 1 :] if len(ready) else rows
    return int(since[0]) if len(since) else NONE


def _covers(case: Case, rows: Int, message: int) -> Bool:
    """Which of these say something of the message's position."""
    history, seq = case.history, int(case.seq[message])
    kind, at = history.kind[rows], history.seq[rows]
    asked = (kind == Kind.SYNC_REQUEST) & (at < seq)
    done = (kind == Kind.SYNC_DONE) & (at >= seq) & (history.value[rows] < seq)
    confirmed = (kind == Kind.RECEIVE_CONFIRMED) & np.where(history.value[rows] == 1, at >= seq, at == seq)
    return np.asarray((seq > 0) & (asked | done | confirmed))


def _said(case: Case, row: int) -> str:
    """Any row, told on its own."""
    message, conversation = int(case.history.message[row]), int(case.history.conversation[row])
    if message != NONE:
        return f"{case.say.message(message)}: {_told(case, row, message)}"
    return _context(case, row) + (f" in {case.say.conversation(conversation)}" if conversation != NONE else "")


def _context(case: Case, row: int) -> str:
    history, kind = case.history, Kind(int(case.history.kind[row]))
    node = _node(case, row)
    if kind in (Kind.FAULT_PLANNED, Kind.FAULT_BEGUN, Kind.FAULT_HEALED):
        fault = _fault(case, row)
        return {Kind.FAULT_PLANNED: f"a {fault} is planned", Kind.FAULT_BEGUN: f"a {fault} took effect"}.get(
            kind, f"back after the {fault}"
        )
    if kind is Kind.PHASE:
        return f"the phase {Phase(int(history.code[row])).name.lower()} begins"
    if kind in (Kind.READY, Kind.CONNECTING) and node:
        return f"connected to {node}" if kind is Kind.READY else f"{_WORDS[kind]} to {node}"
    if kind is Kind.DISCONNECTED and not _was_ready(case, row):
        return "did not get a connection"
    if kind is Kind.SYNC_REQUEST:
        return f"{_WORDS[kind]}, above position {history.seq[row]}"
    if kind is Kind.UNREAD:
        return f"was told that {history.value[row]} are unread"
    words = _WORDS.get(kind, kind.name.lower())
    return f"{words}, up to position {history.seq[row]}" if kind in _UPTO else words


def _fault(case: Case, row: int) -> str:
    """What a fault's row is about, in a word: as it began, for its end may not say so again."""
    number, code = case.history.value[row], case.history.code[row]
    begun = [fault.kind for fault in case.faults if fault.number == number]
    return [*begun, *(kind.name.lower() for kind in FaultKind if kind == code), "fault"][0]


def _was_ready(case: Case, row: int) -> bool:
    """Whether the connection that ended had been one."""
    history = case.history
    ready = history.rows_of(Kind.READY)
    return bool(((history.device[ready] == history.device[row]) & (history.connection[ready] == history.connection[row])).any())


# who should have it, and what is wrong ------------------------------------------------------------------------------------------


def _owed(case: Case, message: int) -> tuple[Owed, ...]:
    pairs = case.obligations
    mine = np.flatnonzero((pairs.message == message) & pairs.owed)
    mine = mine[np.lexsort((pairs.device[mine], np.where(pairs.row[mine] >= 0, pairs.row[mine], len(case.history))))]
    return tuple(Owed(case.say.device(int(pairs.device[i])), int(pairs.row[i]), bool(pairs.missing[i])) for i in mine)
