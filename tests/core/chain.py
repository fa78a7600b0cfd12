"""The whole chain in memory, without time or wires: machines joined by queues, every hop in the test's hands.

Frames and envelopes wait in queues until ``run`` moves them; a test may drop or hold what it likes between two moves. Storage commits
when ``run`` reaches it, unless ``hold_storage`` is set.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

from model.core import draws, tokens
from model.core.business import BusinessNode
from model.core.client import ClientSession
from model.core.commands import Append, Page, ReadAfter, SendMessage, StorageCommand
from model.core.effects import Close, Delivered, Open, SendFailed, SendOk, SendUnknown, Store, TellBusiness, TellGateway, Write
from model.core.frames import Deliver
from model.core.gateway import Gateway
from model.core.log import Conversation, ConversationLog, Row
from model.core.policies import PRESETS, Policies, Timers

SECRET = b"a secret of the tests"
TIMERS = Timers()


class Chain:
    """Users 1..n, one device each, all in conversation 1, on ``gateways`` gateways; device d calls home gateway (d - 1) % gateways."""

    def __init__(self, users: int = 2, gateways: int = 1, policies: Policies = PRESETS["cursor"]) -> None:
        self.now = 0
        self.policies = policies
        self.conversations = [Conversation(1, "group", tuple(range(1, users + 1)))]
        self.rows: list[Row] = []
        self.incarnation = 0
        self.link = 0
        self.links: dict[int, int] = {}  # link number -> gateway
        self.connection_numbers = 0
        self.sockets: dict[tuple[int, int], int] = {}  # (gateway, connection number) -> device
        self.numbers: dict[int, tuple[int, int]] = {}  # device -> (gateway, connection number)
        self.queue: deque[tuple[Any, ...]] = deque()
        self.hold_storage = False
        self.drop: set[int] = set()  # kinds of frames that vanish on their way up
        self.received: dict[int, list[Any]] = {d: [] for d in range(1, users + 1)}
        self.held: list[StorageCommand] = []
        self.effects: dict[int, list[Any]] = {d: [] for d in range(1, users + 1)}
        self.gateways = [self._gateway() for _ in range(gateways)]
        self.business: BusinessNode | None = None
        self.start_business()
        self.clients = {
            d: ClientSession(d, d, tokens.mint(SECRET, d, d), gateways, (d - 1) % gateways, policies, TIMERS, draws.draws(1, d))
            for d in range(1, users + 1)
        }

    def _gateway(self) -> Gateway:
        return Gateway(self.policies, TIMERS, lambda user, device, token: tokens.check(SECRET, user, device, token))

    # what a test does --------------------------------------------------------------------------------------------------------------

    def connect_all(self) -> None:
        for device, client in self.clients.items():
            self._client(device, client.start)
        self.run()

    def send(self, device: int, payload: bytes = b"hello", conversation: int = 1) -> None:
        command = SendMessage(conversation, payload)
        self._client(device, lambda now, out: self.clients[device].submit(command, now, out))

    def run(self) -> None:
        """Move everything that waits, until nothing does."""
        while self.queue:
            self.step()

    def step(self) -> None:
        """Move one thing."""
        where, *what = self.queue.popleft()
        getattr(self, f"_{where}")(*what)

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of 10 ms, calling what is due."""
        end = self.now + round(seconds * 1e6)
        while self.now < end:
            self.now += 10_000
            for device, client in self.clients.items():
                if client.deadline <= self.now:
                    self._client(device, client.on_deadline)
            if self.business and self.business.deadline <= self.now:
                self._business(self.business.on_deadline)
            for index, gateway in enumerate(self.gateways):
                if gateway.deadline <= self.now:
                    self._at_gateway(index, gateway.on_deadline)
            self.run()

    def cut(self, device: int) -> None:
        """The device's connection breaks; both ends learn of it, in-flight frames are lost."""
        index, number = self.numbers.pop(device)
        self.queue = deque(item for item in self.queue if item[:2] != ("to_client", device) and item[1:3] != (index, number))
        self._at_gateway(index, lambda now, out: self.gateways[index].closed(number, now, out))
        connection = self.clients[device].connection
        self._client(device, lambda now, out: self.clients[device].closed(connection, now, out))

    def kill_gateway(self, index: int) -> None:
        """The process dies: links, queues and connections with it."""
        for device in [d for d, (gateway, _) in self.numbers.items() if gateway == index]:
            self.numbers.pop(device)
            self.queue.append(("closed", device, self.clients[device].connection))
        self.queue = deque(item for item in self.queue if not (item[0] in ("to_gateway", "down") and item[1] == index))
        link = next(k for k, g in self.links.items() if g == index)
        del self.links[link]
        assert self.business is not None
        self._business(partial(self.business.gateway_lost, link))
        self.gateways[index] = self._gateway()
        self._link(index)

    def kill_business(self) -> None:
        """The business process dies; gateways notice."""
        self.business = None
        self.held.clear()
        self.links.clear()
        self.queue = deque(item for item in self.queue if item[0] not in ("up", "down"))
        for index, gateway in enumerate(self.gateways):
            self._at_gateway(index, gateway.business_down)

    def start_business(self) -> None:
        """A new business node, from what was committed."""
        self.incarnation += 1
        self.log = ConversationLog(self.conversations, 1)
        self.log.restore(self.rows)
        heads = [(c.conversation, self.log.head_seq(c.conversation)) for c in self.conversations]
        self.business = BusinessNode(self.policies, TIMERS, self.conversations, heads, self.incarnation)
        for index in range(len(self.gateways)):
            self._link(index)

    def _link(self, index: int) -> None:
        if self.business is not None:
            self.link += 1
            self.links[self.link] = index
            self._at_gateway(index, self.gateways[index].business_up)

    # what a test sees --------------------------------------------------------------------------------------------------------------

    def seen(self, device: int, *kinds: type) -> list[Any]:
        return [e for e in self.effects[device] if isinstance(e, kinds)]

    def shown(self, device: int) -> list[bytes]:
        return [e.message.payload for e in self.seen(device, Delivered)]

    def outcomes(self, device: int) -> list[type]:
        return [type(e) for e in self.seen(device, SendOk, SendFailed, SendUnknown)]

    def stored(self) -> list[bytes]:
        return [row.payload for row in self.rows if isinstance(row, Deliver)]

    # hops --------------------------------------------------------------------------------------------------------------------------

    def _client(self, device: int, call: Any) -> None:
        out: list[Any] = []
        call(self.now, out)
        self.effects[device] += out
        for effect in out:
            if isinstance(effect, Open):
                self.queue.append(("open", device, effect.connection, effect.gateway))
            elif isinstance(effect, Write) and device in self.numbers:
                self.queue.append(("to_gateway", *self.numbers[device], effect.frame))
            elif isinstance(effect, Close) and device in self.numbers:
                index, number = self.numbers.pop(device)
                self.queue.append(("gone", index, number))

    def _open(self, device: int, connection: int, gateway: int) -> None:
        self.connection_numbers += 1
        number = self.connection_numbers
        self.numbers[device] = (gateway, number)
        self.sockets[(gateway, number)] = device
        self._at_gateway(gateway, lambda now, out: self.gateways[gateway].opened(number, now, out))
        self._client(device, lambda now, out: self.clients[device].opened(connection, now, out))

    def _gone(self, index: int, number: int) -> None:
        self._at_gateway(index, lambda now, out: self.gateways[index].closed(number, now, out))

    def _closed(self, device: int, connection: int) -> None:
        self._client(device, lambda now, out: self.clients[device].closed(connection, now, out))

    def _to_gateway(self, index: int, number: int, frame: Any) -> None:
        if frame.kind not in self.drop:
            self._at_gateway(index, lambda now, out: self.gateways[index].receive(number, frame, now, out))

    def _at_gateway(self, index: int, call: Any) -> None:
        out: list[Any] = []
        call(self.now, out)
        for effect in out:
            if isinstance(effect, TellBusiness):
                self.queue.append(("up", index, effect.envelope))
            elif self.sockets.get((index, effect.connection)) is not None:
                device = self.sockets[(index, effect.connection)]
                if self.numbers.get(device) != (index, effect.connection):
                    continue
                if isinstance(effect, Write):
                    self.queue.append(("to_client", device, self.clients[device].connection, effect.frame))
                elif isinstance(effect, Close):
                    self.numbers.pop(device)
                    self.queue.append(("closed", device, self.clients[device].connection))

    def _to_client(self, device: int, connection: int, frame: Any) -> None:
        self.received[device].append(frame)
        self._client(device, lambda now, out: self.clients[device].receive(connection, frame, now, out))

    def _up(self, index: int, envelope: Any) -> None:
        link = next((k for k, g in self.links.items() if g == index), None)
        if self.business is not None and link is not None:
            business = self.business
            self._business(lambda now, out: business.receive(link, envelope, now, out))

    def _business(self, call: Any) -> None:
        out: list[Any] = []
        call(self.now, out)
        for effect in out:
            if isinstance(effect, TellGateway) and effect.gateway in self.links:
                self.queue.append(("down", self.links[effect.gateway], effect.envelope))
            elif isinstance(effect, Store):
                self.queue.append(("store", effect.command)) if not self.hold_storage else self.held.append(effect.command)
        commands = [effect.command for effect in out if isinstance(effect, Store)]
        if commands and self.business is not None:
            business = self.business
            self._business(lambda now, out: business.queued(commands, out))

    def _down(self, index: int, envelope: Any) -> None:
        self._at_gateway(index, lambda now, out: self.gateways[index].receive_business(envelope, now, out))

    def _store(self, command: StorageCommand) -> None:
        business = self.business
        if business is None:
            return
        if isinstance(command, Append):
            result, row = self.log.append(command)
            if row is not None:
                self.rows.append(row)
            self._business(lambda now, out: business.stored(result, now, out))
        elif isinstance(command, ReadAfter):
            page = self._page(command)
            self._business(lambda now, out: business.stored(page, now, out))

    def _page(self, command: ReadAfter) -> Page:
        messages = [r for r in self.rows if isinstance(r, Deliver) and r.conversation == command.conversation]
        above = tuple(m for m in messages if m.conversation_seq > command.after_seq)[: command.limit]
        return Page(command.token, above, len(messages), 1)
