"""The gateway: connections, sessions, routing by header, heartbeats with heads, bounded send queues.

Rules of the file:

- A gateway never looks into a message. It reads ``kind`` and ``conversation``; only Connect, Ping and Goodbye are its own.
- It holds no business rules and nothing durable: what it loses in a crash are connections.
- A life of a connection is the table ``LIFE``: every state by every event. A connection that is not in ``_connections`` is closed,
  and events about it are late and harmless.
- While business is away, connections stay; what is in flight or arrives is answered with a Notice, "unknown, retry". When business is
  back, every session is announced again.
- A connection that does not read gets a bounded queue, then is cut off; the client's sync repairs what it missed.
- A connection that asks much does not take the others' turn: of ``ASKED_MAX`` unanswered asks on, its frames wait here, and the shell
  is told to read no more of it (``Pause``) until there are answers (``Resume``).
- A gateway that is asked to go does as its policy says (:mod:`model.core.drain`): it closes every connection, or tells each client when
  to leave, serves it until then, and closes whoever is left at the end.
- Nothing is O(connections) but a drain, and the loss and return of business. Idle deadlines are re-armed lazily: one queue entry a
  connection.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from model.core import limits
from model.core.admission import ADMITTED, admission
from model.core.codes import TEXT, Code
from model.core.drain import Farewell
from model.core.effects import Close, GatewayEffect, Pause, Resume, TellBusiness, Write
from model.core.envelopes import Attach, Attached, Detach, Down, Evict, ToGateway, Up
from model.core.frames import (
    GATEWAY_KINDS,
    SEND,
    SEND_ACK,
    SYNC_REPLY,
    SYNC_REQUEST,
    Connect,
    Error,
    Goodbye,
    Heads,
    Notice,
    Opaque,
    Ping,
    Pong,
    Routable,
    Welcome,
)
from model.core.heartbeat import longest_us
from model.core.policies import Policies, Timers

CheckToken = Callable[[int, int, bytes], bool]
"""(user, device, token) -> whether the token proves them."""

_ANSWERS = frozenset({SEND_ACK, SYNC_REPLY})


class State(IntEnum):
    NEW = 0  # open, Connect awaited
    ATTACHING = 1  # token good, business asked
    ATTACHED = 2  # business has answered; frames flow


NEW, ATTACHING, ATTACHED = State  # to look a member up in its enum takes ten times as long on CPython 3.11


class Event(IntEnum):
    CONNECT = 0
    PING = 1
    GOODBYE = 2
    FORWARD = 3  # a frame for business
    ATTACHED = 4  # business: the session is yours
    EVICT = 5  # business: close it


class Connection:
    """What a gateway knows of one connection."""

    __slots__ = (
        "asked",
        "congested",
        "connect_counter",
        "device",
        "generation",
        "heads",
        "heard_us",
        "number",
        "queue",
        "queue_bytes",
        "state",
        "user",
        "waiting",
    )

    def __init__(self, number: int, now: int) -> None:
        self.number = number
        self.state = NEW
        self.user = self.device = self.connect_counter = self.generation = 0
        self.heard_us = now
        self.asked = 0  # sends and syncs forwarded and not answered
        self.heads: dict[int, int] | None = None  # moved since the last pong
        self.congested = False
        self.queue: deque[Routable] | None = None
        self.queue_bytes = 0
        self.waiting: deque[Routable] | None = None  # frames to forward when there are answers


class Gateway:
    """The rules of one gateway. Inputs: ``opened``, ``receive``, ``closed``, ``congested``, ``drained``, ``receive_business``,
    ``business_up``, ``business_down``, ``shut_down``, ``on_deadline``."""

    __slots__ = (
        "_admission",
        "_asks",
        "_business",
        "_check_token",
        "_connections",
        "_drain",
        "_farewell",
        "_idle_due",
        "_idle_us",
        "deadline",
        "timers",
    )

    def __init__(self, policies: Policies, timers: Timers, check_token: CheckToken) -> None:
        self.timers = timers
        self._admission = admission(policies, timers)
        self._farewell: Farewell | None = None  # since it was asked to go
        self._drain = policies.drain
        self._asks = frozenset({SYNC_REQUEST} if policies.ack_basis == "none" else {SEND, SYNC_REQUEST})  # what is answered
        self.deadline = limits.NEVER_US
        self._check_token = check_token
        self._connections: dict[int, Connection] = {}
        self._business = False
        self._idle_us = longest_us(policies.heartbeat, timers) * timers.idle_heartbeats
        self._idle_due: list[tuple[int, int]] = []  # a heap

    def __len__(self) -> int:
        """Connections open."""
        return len(self._connections)

    # inputs from clients ---------------------------------------------------------------------------------------------------------

    def opened(self, number: int, now: int, out: list[GatewayEffect]) -> None:
        """A transport connection was accepted; ``number`` is never used again."""
        connection = self._connections[number] = Connection(number, now)
        if len(self._connections) > limits.CONNECTIONS_MAX:
            self._end(connection, Code.OVERLOADED, out)
            return
        if self._farewell is not None and now >= self._farewell.end_us:
            self._end(connection, Code.SHUTTING_DOWN, out)
            return
        due = now + self._idle_us
        heapq.heappush(self._idle_due, (due, number))
        self.deadline = min(self.deadline, due)

    def receive(self, number: int, frame: Routable, now: int, out: list[GatewayEffect]) -> None:
        """A frame of a client: decoded if its kind is the gateway's own, unread otherwise."""
        connection = self._connections.get(number)
        if connection is None:
            return
        connection.heard_us = now
        if frame.kind not in GATEWAY_KINDS and connection.state is ATTACHED:
            self._forward(connection, frame, out)  # the hot path, straight from the table
        else:
            LIFE[connection.state][_EVENTS.get(frame.kind, _FORWARD)](self, connection, frame, out)

    def closed(self, number: int, now: int, out: list[GatewayEffect]) -> None:
        """The transport connection is gone."""
        connection = self._connections.pop(number, None)
        if connection is not None:
            self._detach(connection, out)

    def congested(self, number: int) -> None:
        """The transport's buffer is full: keep frames here from now on."""
        connection = self._connections.get(number)
        if connection is not None:
            connection.congested = True

    def drained(self, number: int, now: int, out: list[GatewayEffect]) -> None:
        """The transport takes frames again."""
        connection = self._connections.get(number)
        if connection is None:
            return
        connection.congested = False
        queue, connection.queue, connection.queue_bytes = connection.queue, None, 0
        out.extend(Write(number, frame) for frame in queue or ())

    # inputs from business --------------------------------------------------------------------------------------------------------

    def receive_business(self, envelope: ToGateway, now: int, out: list[GatewayEffect]) -> None:
        """One envelope of business."""
        if isinstance(envelope, Down):
            self._down(envelope, out)
            return
        connection = self._connections.get(envelope.connection)
        if connection is not None:
            event = Event.ATTACHED if type(envelope) is Attached else Event.EVICT
            LIFE[connection.state][event](self, connection, envelope, out)

    def business_up(self, now: int, out: list[GatewayEffect]) -> None:
        """The link to business is there, for the first time or again: announce every session."""
        self._business = True
        for connection in self._connections.values():
            if connection.state is not NEW:
                self._attach(connection, out)

    def business_down(self, now: int, out: list[GatewayEffect]) -> None:
        """The link to business ended: what was in flight has an unknown outcome."""
        self._business = False
        for connection in list(self._connections.values()):  # a notice may be one frame too many for a slow consumer
            if connection.asked:
                self._notice(connection, out)

    def shut_down(self, now: int, out: list[GatewayEffect]) -> None:
        """This gateway is asked to go: tell its clients. Nobody is left when its deadlines have been kept; said again, it changes
        nothing."""
        if self._farewell is not None:
            return
        attached = [connection for connection in self._connections.values() if connection.state is ATTACHED]
        self._farewell = farewell = Farewell(self._drain, self.timers, now, len(attached))
        if now >= farewell.end_us:
            self._end_all(out)
            return
        for connection in attached:
            self._write(connection, farewell.next(), out)
        self.deadline = min(self.deadline, farewell.end_us)

    def refuse(self, number: int, code: int, now: int, out: list[GatewayEffect]) -> None:
        """The shell could not decode what this connection sent: say so and close it."""
        connection = self._connections.get(number)
        if connection is not None:
            self._end(connection, code, out)

    def on_deadline(self, now: int, out: list[GatewayEffect]) -> None:
        """Cut off connections that were silent for too long; all of them at the end of a drain."""
        if self._farewell is not None and now >= self._farewell.end_us:
            self._end_all(out)
        while self._idle_due and self._idle_due[0][0] <= now:
            _, number = heapq.heappop(self._idle_due)
            connection = self._connections.get(number)
            if connection is None:
                continue
            due = connection.heard_us + self._idle_us
            if due > now:
                heapq.heappush(self._idle_due, (due, number))
            else:
                self._end(connection, Code.IDLE, out)
        self.deadline = self._idle_due[0][0] if self._idle_due else limits.NEVER_US
        if self._farewell is not None and self._connections:
            self.deadline = min(self.deadline, self._farewell.end_us)

    # what the table of states calls ------------------------------------------------------------------------------------------------

    def _connect(self, connection: Connection, frame: Connect, out: list[GatewayEffect]) -> None:
        if not self._check_token(frame.user, frame.device, frame.token):
            self._end(connection, Code.BAD_TOKEN, out)
            return
        if self._admission is not None:
            hint_us = self._admission.ask(connection.heard_us)  # which is now
            if hint_us != ADMITTED:
                self._end(connection, Code.OVERLOADED, out, hint_us)
                return
        connection.state = ATTACHING
        connection.user, connection.device, connection.connect_counter = frame.user, frame.device, frame.connect_counter
        if self._business:
            self._attach(connection, out)

    def _attached(self, connection: Connection, envelope: Attached, out: list[GatewayEffect]) -> None:
        self._logged_in(connection)
        connection.state = ATTACHED
        connection.generation = envelope.generation
        self._write(connection, Welcome(envelope.generation, envelope.heads), out)
        if self._farewell is not None:
            self._write(connection, self._farewell.next(), out)

    def _attached_again(self, connection: Connection, envelope: Attached, out: list[GatewayEffect]) -> None:
        connection.generation = envelope.generation
        self._write(connection, Heads(envelope.heads), out)

    def _forward(self, connection: Connection, frame: Routable, out: list[GatewayEffect]) -> None:
        if not self._business:
            if frame.kind in self._asks:
                self._notice(connection, out)
        elif connection.waiting is not None:
            connection.waiting.append(frame)
        elif connection.asked < limits.ASKED_MAX:
            self._pass_on(connection, frame, out)
        else:
            connection.waiting = deque((frame,))
            out.append(Pause(connection.number))

    def _pass_on(self, connection: Connection, frame: Routable, out: list[GatewayEffect]) -> None:
        if frame.kind in self._asks:
            connection.asked += 1
        out.append(TellBusiness(Up(connection.number, frame)))

    def _answered(self, connection: Connection, out: list[GatewayEffect]) -> None:
        connection.asked -= 1
        if connection.waiting is None:
            return
        while connection.waiting and connection.asked < limits.ASKED_MAX:
            self._pass_on(connection, connection.waiting.popleft(), out)
        if not connection.waiting:
            self._read_on(connection, out)

    def _read_on(self, connection: Connection, out: list[GatewayEffect]) -> None:
        connection.waiting = None
        out.append(Resume(connection.number))

    def _pong(self, connection: Connection, frame: Ping, out: list[GatewayEffect]) -> None:
        moved = list(connection.heads.items()) if connection.heads else []
        heads = tuple(moved[: limits.HEADS_MAX])
        connection.heads = dict(moved[limits.HEADS_MAX :]) or None
        self._write(connection, Pong(frame.counter, heads), out)

    def _goodbye(self, connection: Connection, frame: Goodbye, out: list[GatewayEffect]) -> None:
        self._end(connection, Code.OK, out)

    def _evict(self, connection: Connection, envelope: Evict, out: list[GatewayEffect]) -> None:
        self._end(connection, envelope.code, out)

    def _out_of_place(self, connection: Connection, frame: Routable, out: list[GatewayEffect]) -> None:
        self._end(connection, Code.NOT_ATTACHED if connection.state is NEW else Code.MALFORMED_FRAME, out)

    # steps -----------------------------------------------------------------------------------------------------------------------

    def _attach(self, connection: Connection, out: list[GatewayEffect]) -> None:
        again = connection.state is ATTACHED
        attach = Attach(connection.number, connection.user, connection.device, connection.connect_counter, again)
        out.append(TellBusiness(attach))

    def _logged_in(self, connection: Connection) -> None:
        """The log-in that was under way on this connection, if one was, is so no more."""
        if self._admission is not None and connection.state is ATTACHING:
            self._admission.over()

    def _detach(self, connection: Connection, out: list[GatewayEffect]) -> None:
        self._logged_in(connection)
        if connection.state is not NEW and self._business:
            detach = Detach(connection.number, connection.user, connection.device, connection.generation)
            out.append(TellBusiness(detach))

    def _notice(self, connection: Connection, out: list[GatewayEffect]) -> None:
        connection.asked = 0
        if connection.waiting is not None:  # what waits is as unknown as what is under way
            self._read_on(connection, out)
        self._write(connection, Notice(Code.BUSINESS_UNAVAILABLE, self.timers.retry_after_us), out)

    def _end(self, connection: Connection, code: int, out: list[GatewayEffect], retry_after_us: int = 0) -> None:
        """Say why and when to come back, close, and let business know."""
        del self._connections[connection.number]
        if code:
            out.append(Write(connection.number, Error(code, TEXT[Code(code)], retry_after_us)))
        out.append(Close(connection.number, code))
        self._detach(connection, out)

    def _end_all(self, out: list[GatewayEffect]) -> None:
        for connection in list(self._connections.values()):
            self._end(connection, Code.SHUTTING_DOWN, out)

    def _down(self, envelope: Down, out: list[GatewayEffect]) -> None:
        frame, head_seq = envelope.frame, envelope.head_seq
        for number in envelope.connections:
            connection = self._connections.get(number)
            if connection is None:
                continue
            if head_seq:
                self._move_head(connection, frame.conversation, head_seq)
            elif frame.kind in _ANSWERS and connection.asked:
                self._answered(connection, out)
            self._write(connection, frame, out)

    def _move_head(self, connection: Connection, conversation: int, seq: int) -> None:
        if connection.heads is None:
            connection.heads = {conversation: seq}
        elif seq > connection.heads.get(conversation, 0):
            connection.heads[conversation] = seq

    def _write(self, connection: Connection, frame: Routable, out: list[GatewayEffect]) -> None:
        if not connection.congested:
            out.append(Write(connection.number, frame))
            return
        if connection.queue is None:
            connection.queue = deque()
        connection.queue.append(frame)
        connection.queue_bytes += len(frame.data) if type(frame) is Opaque else 0
        if len(connection.queue) > limits.SEND_QUEUE_MAX or connection.queue_bytes > limits.SEND_QUEUE_BYTES_MAX:
            self._end(connection, Code.SLOW_CONSUMER, out)


_EVENTS: dict[int, Event] = {Connect.kind: Event.CONNECT, Ping.kind: Event.PING, Goodbye.kind: Event.GOODBYE}
_FORWARD = Event.FORWARD


# A handler takes (gateway, connection, the frame or envelope, out); the table pairs each with the frames of its event.
LIFE: dict[State, dict[Event, Callable[..., None]]] = {
    State.NEW: {
        Event.CONNECT: Gateway._connect,
        Event.PING: Gateway._out_of_place,
        Event.GOODBYE: Gateway._goodbye,
        Event.FORWARD: Gateway._out_of_place,
        Event.ATTACHED: Gateway._out_of_place,
        Event.EVICT: Gateway._evict,
    },
    State.ATTACHING: {
        Event.CONNECT: Gateway._out_of_place,
        Event.PING: Gateway._pong,
        Event.GOODBYE: Gateway._goodbye,
        Event.FORWARD: Gateway._out_of_place,
        Event.ATTACHED: Gateway._attached,
        Event.EVICT: Gateway._evict,
    },
    State.ATTACHED: {
        Event.CONNECT: Gateway._out_of_place,
        Event.PING: Gateway._pong,
        Event.GOODBYE: Gateway._goodbye,
        Event.FORWARD: Gateway._forward,
        Event.ATTACHED: Gateway._attached_again,
        Event.EVICT: Gateway._evict,
    },
}
