"""A server in memory for players: the machines of ``model.core`` wired together under a clock that only the test moves.

Real bytes go over the lines, since the player encodes and decodes; nothing else is real. Every hop takes ``HOP_US``, a commit
``COMMIT_US``; things of one instant happen in the order in which they were asked for, so a run is a function of its seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from loadgen.player import Device, Identity, Play, Player
from model.core import limits
from model.core.business import BusinessNode
from model.core.commands import Append, Page
from model.core.effects import Close, GatewayEffect, TellBusiness, TellGateway, Write
from model.core.frames import CLIENT_KINDS, Deliver
from model.core.gateway import Gateway
from model.core.log import ConversationLog
from model.core.tokens import check
from model.history.recorder import MemoryRecorder, Rows
from model.scenario import Scenario
from model.scenario.job import new_devices
from model.wire import FrameDecoder, decode, encode

SECRET = b"a secret of tests"
POPULATION_SEED = 1
"""Of a server that is played on again: who talks with whom is what it was provisioned with."""
HOP_US = 100
COMMIT_US = 1_000


class FakeLine:
    """A device's line to the fake server; ``writes`` are the calls of ``write``, and ``split`` cuts what is read into such chunks."""

    def __init__(self, world: World, device: Device) -> None:
        self.world, self.device = world, device
        self.gateway: FakeGateway | None = None
        self.connection = self.number = 0
        self.writes: list[bytes] = []
        self.decoder = FrameDecoder(CLIENT_KINDS)
        self.closes = 0

    def open(self, connection: int, gateway: int) -> None:
        self.connection = connection
        self.world.after(HOP_US, lambda: self._accept(connection, gateway))

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        connection = self.connection
        self.world.after(HOP_US, lambda: self._arrive(connection, data))

    def close(self) -> None:
        self.closes += 1
        connection = self.connection
        self.world.after(HOP_US, lambda: self.end(connection))

    def read(self, number: int, data: bytes) -> None:
        """Bytes of the server reach the player."""
        if self.gateway is None or number != self.number:
            return
        size = self.world.split or len(data)
        for start in range(0, len(data), size):
            self.world.player.received(self.device, self.connection, data[start : start + size])

    def end(self, connection: int) -> None:
        """The connection is gone, for the server and for the player."""
        if self.gateway is not None and connection == self.connection:
            gateway, self.gateway = self.gateway, None
            gateway.ended(self.number)
            self.world.player.lost(self.device, connection)

    def _accept(self, connection: int, gateway: int) -> None:
        node = self.world.gateways[gateway]
        if connection != self.connection:
            return
        if node.rules is None:
            self.world.player.lost(self.device, connection)
            return
        self.gateway, self.decoder = node, FrameDecoder(CLIENT_KINDS)
        self.number = node.accepted(self)
        self.world.player.opened(self.device, connection)

    def _arrive(self, connection: int, data: bytes) -> None:
        if self.gateway is not None and connection == self.connection:
            for frame in self.decoder.feed(data):
                if self.gateway is not None:
                    self.gateway.receive(self.number, decode(frame))


class FakeGateway:
    """One gateway; ``rules`` is None while it is dead."""

    def __init__(self, world: World, index: int) -> None:
        self.world, self.link = world, index
        self.rules: Gateway | None = None
        self.lines: dict[int, FakeLine] = {}
        self.numbers = 0

    def start(self) -> None:
        self.link += 100  # a new life, a new link
        play = self.world.player.play
        self.rules = Gateway(play.scenario.preset(play.preset), play.scenario.timers, self.world.admits)
        self.tell(lambda out: self._rules.business_up(self.world.now, out))

    def kill(self) -> None:
        self.rules, lines, self.lines = None, self.lines, {}
        self.world.tell_business(lambda out: self.world.business.gateway_lost(self.link, self.world.now, out))
        for line in lines.values():
            line.end(line.connection)

    @property
    def _rules(self) -> Gateway:
        assert self.rules is not None
        return self.rules

    def accepted(self, line: FakeLine) -> int:
        self.numbers += 1
        self.lines[self.numbers] = line
        self.tell(lambda out: self._rules.opened(self.numbers, self.world.now, out))
        return self.numbers

    def ended(self, number: int) -> None:
        if self.lines.pop(number, None) is not None:
            self.tell(lambda out: self._rules.closed(number, self.world.now, out))

    def receive(self, number: int, frame: Any) -> None:
        self.tell(lambda out: self._rules.receive(number, frame, self.world.now, out))

    def hear(self, envelope: Any) -> None:
        self.tell(lambda out: self._rules.receive_business(envelope, self.world.now, out))

    def tell(self, say: Callable[[list[GatewayEffect]], None]) -> None:
        out: list[GatewayEffect] = []
        say(out)
        for effect in out:
            if isinstance(effect, TellBusiness):
                self.world.to_business(self.link, effect.envelope)
            elif isinstance(effect, Write | Close) and effect.connection in self.lines:
                self._do(effect)

    def _do(self, effect: Write | Close) -> None:
        line, number = self.lines[effect.connection], effect.connection
        if isinstance(effect, Write):
            data = encode(effect.frame)
            self.world.after(HOP_US, lambda: line.read(number, data))
        else:
            connection = line.connection
            self.world.after(HOP_US, lambda: line.end(connection))


class World:
    """A player and its server under one clock. ``after``: the server is that of an earlier play, started again."""

    def __init__(
        self,
        scenario: Scenario,
        preset: str = "cursor",
        seed: int = 1,
        watcher: Any = None,
        split: int = 0,
        after: World | None = None,
    ) -> None:
        self.now, self.split = 0, split
        self.strangers: set[int] = set()
        self.tick_us = 0
        self.recorder = MemoryRecorder(1 << 14)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        play = Play.of(scenario, preset, seed, POPULATION_SEED if after else None)
        identity = Identity(SECRET, new_devices(1_000_000) if after else 0)
        nodes = {index: index + 1 for index in range(scenario.gateways)}
        self.player = Player(play, identity, nodes, self.recorder, self._clock, watcher and watcher(play.schedule))
        self.lines = {number: FakeLine(self, device) for number, device in self.player.devices.items()}
        for number, device in self.player.devices.items():
            device.line = self.lines[number]
        self.log: ConversationLog = after.log if after else ConversationLog(play.population.conversations, 1)
        self.kept: dict[int, list[Deliver]] = after.kept if after else {}
        policies = scenario.preset(preset)
        heads = tuple((conversation, len(kept)) for conversation, kept in self.kept.items())
        self.business = BusinessNode(policies, scenario.timers, play.population.conversations, heads, 1)
        self.gateways = [FakeGateway(self, index) for index in range(scenario.gateways)]
        for gateway in self.gateways:
            gateway.start()

    def _clock(self) -> int:
        """The player's clock; every look at it takes ``tick_us``."""
        self.now += self.tick_us
        return self.now

    def admits(self, user: int, device: int, token: bytes) -> bool:
        """Whether a gateway lets a device in; ``strangers`` are users whom nobody knows."""
        return user not in self.strangers and check(SECRET, user, device, token)

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        """Do this later."""
        self._order += 1
        heapq.heappush(self._queue, (self.now + delay_us, self._order, action))

    def play(self, until_us: int = limits.NEVER_US) -> Rows:
        """Run to END, or up to an instant; what was recorded so far."""
        while not self.player.finished:
            due = min(self._queue[0][0] if self._queue else limits.NEVER_US, self.player.deadline, self.business.deadline)
            if due > until_us:
                break
            self.now = max(self.now, due)
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            self.player.turn()
            self.tell_business(lambda out: self.business.on_deadline(self.now, out))
        return self.recorder.rows()

    # business ------------------------------------------------------------------------------------------------------------------------

    def to_business(self, link: int, envelope: Any) -> None:
        self.tell_business(lambda out: self.business.receive(link, envelope, self.now, out))

    def tell_business(self, say: Callable[[list[Any]], None]) -> None:
        out: list[Any] = []
        say(out)
        for effect in out:
            if isinstance(effect, TellGateway):
                self._to_gateway(effect)
            else:
                self._store(effect.command)

    def _to_gateway(self, effect: TellGateway) -> None:
        for gateway in self.gateways:
            if gateway.link == effect.gateway and gateway.rules is not None:
                gateway.hear(effect.envelope)

    def _store(self, command: Any) -> None:
        if isinstance(command, Append):
            result, row = self.log.append(command)
            if isinstance(row, Deliver):
                self.after(COMMIT_US, lambda: self.kept.setdefault(row.conversation, []).append(row))
            self.after(COMMIT_US, lambda: self.tell_business(lambda out: self.business.stored(result, self.now, out)))
        else:
            self.after(COMMIT_US, lambda: self._read(command))

    def _read(self, command: Any) -> None:
        kept = self.kept.get(command.conversation, [])
        page = Page(command.token, tuple(kept[command.after_seq : command.after_seq + command.limit]), len(kept), 1)
        self.tell_business(lambda out: self.business.stored(page, self.now, out))
