"""The business node: who is attached where, what a send becomes, who is told.

Rules of the file:

- Business does not know transports. It sees gateways by number and sessions by (gateway, connection).
- A message is answered and fanned out from the *result* of its one storage command; only the policies ``ack_basis=received`` and
  ``queued`` answer before, and lose what a crash takes in between. ``received`` answers as soon as a send is parsed, whatever becomes of
  it; ``queued`` when the shell has handed its append to the storage writer, which gathers appends for one commit.
- Every send and sync has one answer, a repetition too: the gateway counts them, and reads no more of whom it waits for.
- Gateways are numbered by their *links*: one that comes back has a new number, so an answer to a connection of its former life
  never reaches a connection of its new one.
- A route (where a device is attached) is fenced by a rising generation and by the device's connect counter: a slow old attempt never
  evicts a newer one, a late goodbye never removes a newer route. ``goodbye=unfenced`` removes that protection on purpose.
- Everything here but the log is soft state. After a restart it is rebuilt from announcements of gateways and from the store.
- Watermarks of receive acks only spare heads at attachment; the device's own cursor is the truth.

``incarnation`` is a number that rises with every start of a business node (kept by the store), the high half of generations.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from model.core import limits
from model.core.codes import OK, Code
from model.core.commands import Append, Appended, Page, ReadAfter, StorageCommand, StorageResult
from model.core.effects import BusinessEffect, Store, TellGateway
from model.core.envelopes import Attach, Attached, Detach, Down, Evict, ToBusiness, Up
from model.core.frames import Deliver, Frame, Head, ReceiveAck, ReceiveConfirmed, Send, SendAck, SyncReply, SyncRequest
from model.core.log import Conversation, membership
from model.core.policies import Policies, Timers

GENERATION_SHIFT = 32


class Route:
    """Where one device is attached."""

    __slots__ = ("connect_counter", "connection", "device", "gateway", "generation", "user")

    def __init__(self, gateway: int, attach: Attach, generation: int) -> None:
        self.gateway = gateway
        self.connection = attach.connection
        self.user = attach.user
        self.device = attach.device
        self.connect_counter = attach.connect_counter
        self.generation = generation


class _Pending:
    """A delivery kept in memory until the device acknowledges it (policy ``pending``)."""

    __slots__ = ("device", "frame", "resends", "user")

    def __init__(self, user: int, device: int, frame: Deliver) -> None:
        self.user = user
        self.device = device
        self.frame = frame
        self.resends = 0


class BusinessNode:
    """The rules of one business node. Inputs: ``receive``, ``gateway_lost``, ``queued``, ``stored``, ``on_deadline``."""

    __slots__ = (
        "_by_connection",
        "_conversations_of",
        "_frame_handlers",
        "_generation",
        "_heads",
        "_in_flight",
        "_members",
        "_pending",
        "_pending_due",
        "_received_upto",
        "_recent",
        "_routes",
        "_syncs",
        "_syncs_waiting",
        "_token",
        "deadline",
        "policies",
        "timers",
    )

    def __init__(
        self,
        policies: Policies,
        timers: Timers,
        conversations: Iterable[Conversation],
        heads: Iterable[Head],
        incarnation: int,
    ) -> None:
        self.policies = policies
        self.timers = timers
        self.deadline = limits.NEVER_US
        self._generation = incarnation << GENERATION_SHIFT
        self._token = 0
        self._members = {c.conversation: membership(c) for c in conversations}
        self._conversations_of: dict[int, tuple[int, ...]] = {}
        for conversation, members in self._members.items():
            for user in members:
                self._conversations_of[user] = (*self._conversations_of.get(user, ()), conversation)
        self._heads = dict(heads)
        self._routes: dict[int, tuple[Route, ...]] = {}  # of a user, one for each device that is attached
        self._by_connection: dict[int, dict[int, Route]] = {}  # gateway -> connection -> route
        self._received_upto: dict[tuple[int, int], int] = {}  # (device, conversation) -> conversation_seq
        self._in_flight: dict[
            int, tuple[int, int, int, Send | SyncRequest]
        ] = {}  # token -> (gateway, connection, device, request)
        self._syncs = 0  # of those in flight
        self._syncs_waiting: deque[tuple[int, int, int, SyncRequest]] = deque()
        self._recent: OrderedDict[tuple[int, int, int], SendAck | None] = (
            OrderedDict()
        )  # identity of a send -> its answer, if known
        self._pending: dict[tuple[int, int, int], _Pending] = {}  # (device, conversation, conversation_seq)
        self._pending_due: deque[tuple[int, tuple[int, int, int]]] = deque()
        self._frame_handlers: dict[type, Callable[..., None]] = {
            Send: self._send,
            SyncRequest: self._sync,
            ReceiveAck: self._receive_ack,
        }

    # inputs ----------------------------------------------------------------------------------------------------------------------

    def receive(self, gateway: int, envelope: ToBusiness, now: int, out: list[BusinessEffect]) -> None:
        """One envelope of a gateway; frames inside are decoded."""
        if type(envelope) is Up:
            routes = self._by_connection.get(gateway)
            route = routes.get(envelope.connection) if routes is not None else None
            if route is None:
                out.append(TellGateway(gateway, Evict(envelope.connection, Code.NOT_ATTACHED)))
            else:
                handler = self._frame_handlers[type(envelope.frame)]
                handler(route, envelope.frame, now, out)
        elif type(envelope) is Attach:
            self._attach(gateway, envelope, out)
        elif type(envelope) is Detach:
            self._detach(gateway, envelope)

    def gateway_lost(self, gateway: int, now: int, out: list[BusinessEffect]) -> None:
        """The link to a gateway ended; its connections are gone or will be announced again."""
        for route in self._by_connection.pop(gateway, {}).values():
            self._forget(route)

    def queued(self, commands: Iterable[StorageCommand], out: list[BusinessEffect]) -> None:
        """Storage's writer has taken commands over and has not carried them out yet: the policy ``ack_basis=queued`` answers here."""
        if self.policies.ack_basis != "queued":
            return
        for command in commands:
            if type(command) is Append:
                gateway, connection, device, _ = self._in_flight[command.token]
                ack = SendAck(command.conversation, command.send_counter, OK)
                self._remember((device, command.conversation, command.send_counter), ack)
                self._answer(gateway, connection, ack, out)

    def stored(self, result: StorageResult, now: int, out: list[BusinessEffect]) -> None:
        """Storage answers a command: what it says is committed."""
        gateway, connection, device, request = self._in_flight.pop(result.token)
        if type(result) is Appended:
            assert type(request) is Send
            self._appended(gateway, connection, device, request, result, now, out)
        elif type(result) is Page:
            assert type(request) is SyncRequest
            reply = SyncReply(request.conversation, request.request, result.head_seq, result.start_seq, result.messages)
            out.append(TellGateway(gateway, Down((connection,), 0, reply)))
            self._syncs -= 1
            if self._syncs_waiting:
                self._read(*self._syncs_waiting.popleft(), out)

    def on_deadline(self, now: int, out: list[BusinessEffect]) -> None:
        """Resend pending deliveries that are due (policy ``pending``)."""
        while self._pending_due and self._pending_due[0][0] <= now:
            _, key = self._pending_due.popleft()
            pending = self._pending.get(key)
            if pending is not None:
                self._resend(key, pending, now, out)
        self.deadline = self._pending_due[0][0] if self._pending_due else limits.NEVER_US

    # sessions --------------------------------------------------------------------------------------------------------------------

    def _attach(self, gateway: int, attach: Attach, out: list[BusinessEffect]) -> None:
        routes = self._routes.get(attach.user, ())
        old = self._route(attach.user, attach.device)
        if old is not None and self.policies.goodbye == "fenced" and attach.connect_counter < old.connect_counter:
            out.append(TellGateway(gateway, Evict(attach.connection, Code.STALE_CONNECT)))
            return
        if old is not None and (old.gateway, old.connection) != (gateway, attach.connection):
            self._by_connection.get(old.gateway, {}).pop(old.connection, None)
            out.append(TellGateway(old.gateway, Evict(old.connection, Code.TAKEN_OVER)))
        self._generation += 1
        route = Route(gateway, attach, self._generation)
        self._routes[attach.user] = (*(r for r in routes if r is not old), route)
        self._by_connection.setdefault(gateway, {})[attach.connection] = route
        heads = self._moved_heads(route)
        for begin in range(0, max(1, len(heads)), limits.HEADS_MAX):
            part = tuple(heads[begin : begin + limits.HEADS_MAX])
            out.append(TellGateway(gateway, Attached(attach.connection, route.generation, part)))

    def _moved_heads(self, route: Route) -> list[Head]:
        """Conversations of the user that reach beyond what this device has acknowledged."""
        heads, received, device = self._heads, self._received_upto, route.device
        return [
            (c, heads[c])
            for c in self._conversations_of.get(route.user, ())
            if c in heads and heads[c] > received.get((device, c), 0)
        ]

    def _detach(self, gateway: int, detach: Detach) -> None:
        gone = self._by_connection.get(gateway, {}).get(detach.connection)
        if gone is not None:
            self._forget(gone)
        elif self.policies.goodbye == "unfenced":
            current = self._route(detach.user, detach.device)
            if current is not None:
                self._forget(current)

    def _forget(self, route: Route) -> None:
        self._by_connection.get(route.gateway, {}).pop(route.connection, None)
        others = tuple(r for r in self._routes.get(route.user, ()) if r is not route)
        if others:
            self._routes[route.user] = others
        else:
            self._routes.pop(route.user, None)

    def _route(self, user: int, device: int) -> Route | None:
        return next((route for route in self._routes.get(user, ()) if route.device == device), None)

    # sends -----------------------------------------------------------------------------------------------------------------------

    def _send(self, route: Route, frame: Send, now: int, out: list[BusinessEffect]) -> None:
        if len(self._in_flight) >= limits.IN_FLIGHT_MAX:
            self._answer(route.gateway, route.connection, SendAck(frame.conversation, frame.send_counter, Code.OVERLOADED), out)
            return
        if self.policies.ack_basis == "received":
            ack = SendAck(frame.conversation, frame.send_counter, OK)
            self._answer(route.gateway, route.connection, ack, out)
        if self.policies.server_dedupe == "recent" and self._is_recent(route, frame, out):
            return
        self._token = token = self._token + 1
        self._in_flight[token] = (route.gateway, route.connection, route.device, frame)
        dedupe = self.policies.server_dedupe == "durable"
        out.append(
            Store(
                Append(
                    token, frame.conversation, route.user, route.device, frame.send_counter, frame.payload, dedupe, frame.skipped
                )
            )
        )

    def _is_recent(self, route: Route, frame: Send, out: list[BusinessEffect]) -> bool:
        """Whether it came before; it is then answered as it was, or "later" while the answer is not known."""
        identity = (route.device, frame.conversation, frame.send_counter)
        if identity in self._recent:
            if self.policies.ack_basis in ("queued", "committed"):
                ack = self._recent[identity] or SendAck(frame.conversation, frame.send_counter, Code.OVERLOADED)
                self._answer(route.gateway, route.connection, ack, out)
            return True
        self._recent[identity] = None
        if len(self._recent) > limits.RECENT_IDS_MAX:
            self._recent.popitem(last=False)
        return False

    def _remember(self, identity: tuple[int, int, int], ack: SendAck) -> None:
        if identity in self._recent:  # else it was long ago
            self._recent[identity] = ack

    def _appended(
        self, gateway: int, connection: int, device: int, send: Send, result: Appended, now: int, out: list[BusinessEffect]
    ) -> None:
        if self.policies.ack_basis == "committed":
            ack = SendAck(
                send.conversation,
                send.send_counter,
                result.code,
                result.code == OK,
                result.epoch,
                result.conversation_seq,
                result.message_id,
            )
            if self.policies.server_dedupe == "recent":
                self._remember((device, send.conversation, send.send_counter), ack)
            self._answer(gateway, connection, ack, out)
        if result.message is not None:
            self._fan_out(result.message, now, out)

    def _answer(self, gateway: int, connection: int, frame: Frame, out: list[BusinessEffect]) -> None:
        out.append(TellGateway(gateway, Down((connection,), 0, frame)))

    def _fan_out(self, message: Deliver, now: int, out: list[BusinessEffect]) -> None:
        """One envelope a gateway, however many of the members are there; the sending device knows its message."""
        conversation = message.conversation
        self._heads[conversation] = max(self._heads.get(conversation, 0), message.conversation_seq)
        targets: dict[int, list[int]] = {}
        for user in self._members[conversation]:
            for route in self._routes.get(user, ()):
                if route.device != message.sender_device:
                    targets.setdefault(route.gateway, []).append(route.connection)
                    if self.policies.delivery == "pending":
                        self._await_receipt(route, message, now)
        for gateway, connections in targets.items():
            out.append(TellGateway(gateway, Down(tuple(connections), message.conversation_seq, message)))

    # receipts and resends --------------------------------------------------------------------------------------------------------

    def _await_receipt(self, route: Route, message: Deliver, now: int) -> None:
        key = (route.device, message.conversation, message.conversation_seq)
        self._pending[key] = _Pending(route.user, route.device, message)
        self._due(key, now)

    def _due(self, key: tuple[int, int, int], now: int) -> None:
        due = now + self.timers.resend_timer_us
        self._pending_due.append((due, key))
        self.deadline = min(self.deadline, due)

    def _resend(self, key: tuple[int, int, int], pending: _Pending, now: int, out: list[BusinessEffect]) -> None:
        if pending.resends >= self.timers.resends_max:
            del self._pending[key]
            return
        pending.resends += 1
        route = self._route(pending.user, pending.device)
        if route is not None:
            out.append(TellGateway(route.gateway, Down((route.connection,), pending.frame.conversation_seq, pending.frame)))
        self._due(key, now)

    def _receive_ack(self, route: Route, frame: ReceiveAck, now: int, out: list[BusinessEffect]) -> None:
        for conversation, seq in frame.received_upto:
            if route.user in self._members.get(conversation, ()):  # what a client claims beyond that is not kept
                key = (route.device, conversation)
                self._received_upto[key] = max(self._received_upto.get(key, 0), min(seq, self._heads.get(conversation, 0)))
        for conversation, seq in frame.received:
            self._pending.pop((route.device, conversation, seq), None)
        self._answer(route.gateway, route.connection, ReceiveConfirmed(frame.ack_counter), out)

    # sync ------------------------------------------------------------------------------------------------------------------------

    def _sync(self, route: Route, frame: SyncRequest, now: int, out: list[BusinessEffect]) -> None:
        if route.user not in self._members.get(frame.conversation, ()):
            reply = SyncReply(frame.conversation, frame.request, 0, 1, ())
            self._answer(route.gateway, route.connection, reply, out)
        elif self._syncs < limits.SYNCS_MAX:
            self._read(route.gateway, route.connection, route.device, frame, out)
        else:
            self._syncs_waiting.append((route.gateway, route.connection, route.device, frame))

    def _read(self, gateway: int, connection: int, device: int, frame: SyncRequest, out: list[BusinessEffect]) -> None:
        self._syncs += 1
        self._token = token = self._token + 1
        self._in_flight[token] = (gateway, connection, device, frame)
        limit = min(frame.limit, limits.SYNC_PAGE_MAX)
        out.append(Store(ReadAfter(token, frame.conversation, frame.after_seq, limit)))
