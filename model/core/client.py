"""The client session: one device's login, over any number of connections.

Rules of the file:

- The session's life is the table ``LIFE``, complete over state x event; the outbox and the inbox are plain code beside it and are told
  only "ready" and "not ready".
- A connection is named by the device's rising connect counter; events about any but the current one are late and ignored.
- The first attempt after a lost connection goes to the same gateway, each further one to the next gateway in turn. A backoff begins
  anew only when a session was ready, not when a socket merely opened.
- A reconnect waits as the policy says and never less than the server's hint, which is spread by up to its own length.
- Told to go away, a session stays until its time has come, then leaves with a goodbye and connects to where it was told, without a
  backoff: the gateway has spread its clients already. What was unanswered is answered on the new connection.
- A ping goes out every ``heartbeat_us``, or as often as the network needs it; a missing pong ends the connection. Pongs carry the heads
  that moved.

Inputs: ``start``, ``stop``, ``opened``, ``closed``, ``receive``, ``submit``, ``on_deadline``; effects are those of
:data:`model.core.effects.ClientEffect`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from model.core import backoff, draws, limits
from model.core.codes import Code
from model.core.commands import Command, ReadBack, SendMessage
from model.core.effects import ClientEffect, Close, Open, SessionChanged, Write
from model.core.frames import (
    Connect,
    Deliver,
    Error,
    GoAway,
    Goodbye,
    Heads,
    Notice,
    Ping,
    Pong,
    ReceiveConfirmed,
    SendAck,
    ServerFrame,
    SyncReply,
    Welcome,
)
from model.core.heartbeat import Heartbeat
from model.core.inbox import Inbox
from model.core.outbox import Answered, Outbox
from model.core.policies import Policies, Timers


class State(IntEnum):
    STOPPED = 0  # the app is closed, or the device off
    OPENING = 1  # a transport connection is being made
    ATTACHING = 2  # Connect is written, Welcome awaited
    READY = 3  # attached
    WAITING = 4  # until the next attempt


STOPPED, OPENING, ATTACHING, READY, WAITING = State  # to look a member up in its enum takes ten times as long on CPython 3.11


class Event(IntEnum):
    START = 0
    STOP = 1
    OPENED = 2
    CLOSED = 3
    TIMEOUT = 4  # the state's own deadline came


class ClientSession:
    """The rules of one device. ``draw`` is keyed by the device; ``home`` is the gateway it tries first, of ``gateways``."""

    __slots__ = (
        "_attempts",
        "_draw",
        "_gateways",
        "_heartbeat",
        "_hint_us",
        "_home",
        "_inbox",
        "_last_code",
        "_life_due",
        "_outbox",
        "_ping_counter",
        "_ping_due",
        "_pong_due",
        "_token",
        "_waited_us",
        "_waits",
        "connection",
        "deadline",
        "device",
        "gateway",
        "policies",
        "state",
        "timers",
        "user",
    )

    def __init__(
        self,
        user: int,
        device: int,
        token: bytes,
        gateways: int,
        home: int,
        policies: Policies,
        timers: Timers,
        draw: draws.Draw,
    ) -> None:
        self.user, self.device, self._token = user, device, token
        self.policies, self.timers, self._draw = policies, timers, draw
        self._gateways, self._home = gateways, home
        self.gateway = home
        self.state = STOPPED
        self.connection = 0  # the connect counter of the current attempt
        self._outbox: Outbox | None = None  # made when there is something to put in: most devices are idle most of the time
        self._inbox: Inbox | None = None
        self.deadline = limits.NEVER_US
        self._attempts = 0  # failed since the session was last ready
        self._waits = 0  # backoffs drawn, ever
        self._waited_us = 0  # the last of them, since the session was last ready
        self._hint_us = 0
        self._last_code = 0
        self._life_due = self._ping_due = self._pong_due = limits.NEVER_US
        self._ping_counter = 0
        self._heartbeat = Heartbeat(timers) if policies.heartbeat == "adaptive" else None

    @property
    def settled(self) -> bool:
        """Whether the session is ready and owes nothing: no send unanswered, no catch-up under way."""
        return (
            self.state is READY and (self._outbox is None or self._outbox.empty) and (self._inbox is None or self._inbox.settled)
        )

    @property
    def outbox(self) -> Outbox:
        """What the user has sent."""
        if self._outbox is None:
            self._outbox = Outbox(self.device, self.policies, self.timers, self._draw)
            self._outbox.connection = self.connection if self.state is READY else 0
        return self._outbox

    @property
    def inbox(self) -> Inbox:
        """What the device has received."""
        if self._inbox is None:
            self._inbox = Inbox(self.policies, self.timers)
            self._inbox.connection = self.connection if self.state is READY else 0
        return self._inbox

    # inputs ----------------------------------------------------------------------------------------------------------------------

    def start(self, now: int, out: list[ClientEffect]) -> None:
        """The user opens the app."""
        self._happen(Event.START, now, out)

    def stop(self, now: int, out: list[ClientEffect]) -> None:
        """The user closes the app: a goodbye, and no reconnect."""
        self._happen(Event.STOP, now, out)

    def opened(self, connection: int, now: int, out: list[ClientEffect]) -> None:
        """The transport connection is there."""
        if connection == self.connection:
            self._happen(Event.OPENED, now, out)

    def closed(self, connection: int, now: int, out: list[ClientEffect]) -> None:
        """The transport connection is gone, or could not be made."""
        if connection == self.connection:
            self._happen(Event.CLOSED, now, out)

    def receive(self, connection: int, frame: ServerFrame, now: int, out: list[ClientEffect]) -> None:
        """A frame of the server."""
        if connection == self.connection and (self.state is READY or self.state is ATTACHING):
            self._pong_due = limits.NEVER_US  # whatever it is, the other end lives: behind a full link a pong is late
            if self._heartbeat is not None:
                self._heartbeat.stirred()
            _HANDLERS[type(frame)](self, frame, now, out)
            self._rearm()

    def submit(self, command: Command, now: int, out: list[ClientEffect]) -> None:
        """The user sends a message, or the harness audits a conversation."""
        if type(command) is SendMessage:
            if self._heartbeat is not None:
                self._heartbeat.stirred()
            answered = self.outbox.submit(command.conversation, command.payload, now, out)
            if answered is not None:
                self._show_own(answered, now, out)
        elif type(command) is ReadBack:
            self.inbox.read_back(command.conversation, out)
        self._rearm()

    def on_deadline(self, now: int, out: list[ClientEffect]) -> None:
        """Do what is due; early and repeated calls do nothing."""
        if now >= self._life_due:
            self._happen(Event.TIMEOUT, now, out)
        if now >= self._pong_due:
            self._drop(now, out)
        if now >= self._ping_due:
            self._ping(now, out)
        if self._outbox is not None and now >= self._outbox.due:
            self._outbox.on_deadline(now, out)
        if self._inbox is not None and now >= self._inbox.due:
            self._inbox.on_deadline(now, out)
        self._rearm()

    # life --------------------------------------------------------------------------------------------------------------------------

    def _happen(self, event: Event, now: int, out: list[ClientEffect]) -> None:
        step = LIFE[self.state][event]
        if step is not None:
            step(self, now, out)
            self._rearm()

    def _open(self, now: int, out: list[ClientEffect]) -> None:
        self.state = OPENING
        self.connection += 1
        self.gateway = (self._home + max(0, self._attempts - 1)) % self._gateways if self._gateways else 0
        self._life_due = now + self.timers.connect_timeout_us
        out.append(SessionChanged("connecting", self.connection, self.gateway))
        out.append(Open(self.connection, self.gateway))

    def _introduce(self, now: int, out: list[ClientEffect]) -> None:
        self.state = ATTACHING
        out.append(Write(self.connection, Connect(self.user, self.device, self.connection, self._token)))

    def _lost(self, now: int, out: list[ClientEffect]) -> None:
        """The connection ended, or could not be made: wait, then try again."""
        self._leave(now, out)
        self.state = WAITING
        self._life_due = now + self._backoff()
        self._attempts += 1

    def _timed_out(self, now: int, out: list[ClientEffect]) -> None:
        out.append(Close(self.connection))
        self._lost(now, out)

    def _drop(self, now: int, out: list[ClientEffect]) -> None:
        """No pong: the connection is dead, whatever its socket says."""
        if self.state is READY:
            if self._heartbeat is not None:
                self._heartbeat.unanswered()
            self._timed_out(now, out)

    def _say_goodbye(self, now: int, out: list[ClientEffect]) -> None:
        out.append(Write(self.connection, Goodbye()))
        self._abandon(now, out)

    def _move(self, now: int, out: list[ClientEffect]) -> None:
        """The gateway goes, and this session's time to leave it has come."""
        out.append(Write(self.connection, Goodbye()))
        out.append(Close(self.connection))
        self._last_code = Code.SHUTTING_DOWN
        self._leave(now, out)
        self._open(now, out)

    def _abandon(self, now: int, out: list[ClientEffect]) -> None:
        out.append(Close(self.connection))
        self._leave(now, out)
        self._rest(now, out)

    def _rest(self, now: int, out: list[ClientEffect]) -> None:
        self.state = STOPPED
        self._life_due = limits.NEVER_US
        self._attempts = 0

    def _leave(self, now: int, out: list[ClientEffect]) -> None:
        """This connection is over for outbox, inbox and heartbeat."""
        out.append(SessionChanged("disconnected", self.connection, self.gateway, code=self._last_code))
        self._last_code = 0
        if self._outbox is not None:
            self._outbox.detached()
        if self._inbox is not None:
            self._inbox.detached()
        self._ping_due = self._pong_due = limits.NEVER_US

    def _backoff(self) -> int:
        self._waits += 1
        share = self._draw(draws.BACKOFF, self._waits)
        hint, self._hint_us = self._hint_us, 0
        self._waited_us = backoff.wait_us(self.policies.backoff, self.timers, self._attempts, share, self._waited_us, hint)
        return self._waited_us

    # frames ------------------------------------------------------------------------------------------------------------------------

    def _welcome(self, frame: Welcome, now: int, out: list[ClientEffect]) -> None:
        if self.state is not ATTACHING:
            return
        self.state = READY
        self._home, self._attempts, self._waited_us, self._hint_us = self.gateway, 0, 0, 0
        self._life_due = limits.NEVER_US
        phase = self._draw(draws.HEARTBEAT_PHASE, self.connection)
        self._ping_due = now + int((0.5 + phase / 2) * self._interval_us)
        out.append(SessionChanged("ready", self.connection, self.gateway, frame.generation))
        if frame.heads or self._inbox is not None:
            self.inbox.attached(self.connection, frame.heads, now, out)
        self._attach_outbox(now, out)

    def _attach_outbox(self, now: int, out: list[ClientEffect]) -> None:
        if self._outbox is not None:
            for answered in self._outbox.attached(self.connection, now, out):
                self._show_own(answered, now, out)

    def _send_ack(self, frame: SendAck, now: int, out: list[ClientEffect]) -> None:
        for answered in self.outbox.acked(frame, now, out):
            self._show_own(answered, now, out)

    def _deliver(self, frame: Deliver, now: int, out: list[ClientEffect]) -> None:
        self.inbox.deliver(frame, "live", now, out)

    def _sync_reply(self, frame: SyncReply, now: int, out: list[ClientEffect]) -> None:
        """Own messages in the page were shown at their ok, or are learnt of now."""
        if self.inbox.is_audit(frame):
            self.inbox.audited(frame, out)
        else:
            self.inbox.synced(frame, self._answered_before(frame, now, out), now, out)

    def _heads(self, frame: Heads, now: int, out: list[ClientEffect]) -> None:
        """Business restarted and knows this session again."""
        if self.state is not READY:
            return
        if frame.heads or self._inbox is not None:
            self.inbox.announced(frame.heads, now, out)
        self._attach_outbox(now, out)

    def _pong(self, frame: Pong, now: int, out: list[ClientEffect]) -> None:
        if self._heartbeat is not None:
            self._heartbeat.answered()
        if frame.heads:
            self.inbox.moved(frame.heads, now, out)

    def _receive_confirmed(self, frame: ReceiveConfirmed, now: int, out: list[ClientEffect]) -> None:
        self.inbox.confirmed(frame.ack_counter, out)

    def _notice(self, frame: Notice, now: int, out: list[ClientEffect]) -> None:
        self.outbox.notice(frame.retry_after_us, now)
        self.inbox.notice()

    def _error(self, frame: Error, now: int, out: list[ClientEffect]) -> None:
        """The server is about to close; it says why and when to come back."""
        self._last_code = frame.code
        self._hint_us = frame.retry_after_us

    def _go_away(self, frame: GoAway, now: int, out: list[ClientEffect]) -> None:
        """The gateway goes: leave it when told to. Should it be gone sooner, the first attempt is where it said, too."""
        if self.state is not READY:
            return
        self._life_due = now + frame.leave_after_us
        if frame.elsewhere:  # which is here, where there is one alone
            share = self._draw(draws.REFUGE, self.connection)
            self._home = (self.gateway + 1 + int(share * (self._gateways - 1))) % self._gateways

    # steps -------------------------------------------------------------------------------------------------------------------------

    def _show_own(self, answered: Answered, now: int, out: list[ClientEffect]) -> None:
        """The device places its own message in the conversation."""
        send = answered.frame
        message = Deliver(
            send.conversation,
            answered.epoch,
            answered.conversation_seq,
            answered.message_id,
            self.user,
            self.device,
            send.send_counter,
            send.payload,
        )
        self.inbox.deliver(message, "own", now, out)

    def _answered_before(self, reply: SyncReply, now: int, out: list[ClientEffect]) -> frozenset[int]:
        """Positions of own messages whose oks came before this page; also learns from it which open sends were accepted."""
        own = [m for m in reply.messages if m.sender_device == self.device]
        return frozenset(m.conversation_seq for m in own if not self.outbox.sighted(m, now, out))

    @property
    def _interval_us(self) -> int:
        return self.timers.heartbeat_us if self._heartbeat is None else self._heartbeat.interval_us

    def _ping(self, now: int, out: list[ClientEffect]) -> None:
        self._ping_counter += 1
        self._ping_due = now + self._interval_us
        if self._heartbeat is not None:
            self._heartbeat.pinged()
        if self._pong_due > now + self.timers.pong_timeout_us:
            self._pong_due = now + self.timers.pong_timeout_us
        out.append(Write(self.connection, Ping(self._ping_counter)))

    def _rearm(self) -> None:
        """The least of the deadlines, by comparisons: ``min`` would cost twice as much, after every input."""
        due = self._life_due
        if self._ping_due < due:
            due = self._ping_due
        if self._pong_due < due:
            due = self._pong_due
        if self._outbox is not None and self._outbox.due < due:
            due = self._outbox.due
        if self._inbox is not None and self._inbox.due < due:
            due = self._inbox.due
        self.deadline = due


_HANDLERS: dict[type, Callable[..., None]] = {
    Welcome: ClientSession._welcome,
    SendAck: ClientSession._send_ack,
    Deliver: ClientSession._deliver,
    SyncReply: ClientSession._sync_reply,
    Heads: ClientSession._heads,
    Pong: ClientSession._pong,
    ReceiveConfirmed: ClientSession._receive_confirmed,
    Notice: ClientSession._notice,
    Error: ClientSession._error,
    GoAway: ClientSession._go_away,
}

# What each event does in each state; None: it cannot concern this state any more.
LIFE: dict[State, dict[Event, Callable[[ClientSession, int, list[ClientEffect]], None] | None]] = {
    State.STOPPED: {
        Event.START: ClientSession._open,
        Event.STOP: None,
        Event.OPENED: None,
        Event.CLOSED: None,
        Event.TIMEOUT: None,
    },
    State.OPENING: {
        Event.START: None,
        Event.STOP: ClientSession._abandon,
        Event.OPENED: ClientSession._introduce,
        Event.CLOSED: ClientSession._lost,
        Event.TIMEOUT: ClientSession._timed_out,
    },
    State.ATTACHING: {
        Event.START: None,
        Event.STOP: ClientSession._say_goodbye,
        Event.OPENED: None,
        Event.CLOSED: ClientSession._lost,
        Event.TIMEOUT: ClientSession._timed_out,
    },
    State.READY: {
        Event.START: None,
        Event.STOP: ClientSession._say_goodbye,
        Event.OPENED: None,
        Event.CLOSED: ClientSession._lost,
        Event.TIMEOUT: ClientSession._move,
    },
    State.WAITING: {
        Event.START: None,
        Event.STOP: ClientSession._rest,
        Event.OPENED: None,
        Event.CLOSED: None,
        Event.TIMEOUT: ClientSession._open,
    },
}
