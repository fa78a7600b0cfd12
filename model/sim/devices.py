"""The simulated devices: client sessions, their timers and their ends of connections.

Their CPU is not modelled, but where they all are one load process (:mod:`model.sim.generator`).
"""

from __future__ import annotations

from collections.abc import Callable
from math import log1p
from typing import Any

from model.core import draws, limits
from model.core.client import READY, ClientSession
from model.core.effects import Close, Open, ReadBackCompleted, Write
from model.core.frames import SESSION_KINDS
from model.observe import ClientObserver
from model.scenario import Scenario
from model.sim.access import SimGateway
from model.sim.generator import LoadProcess
from model.sim.kernel import Kernel
from model.sim.network import Link
from model.sim.paths import Paths

SYN_TIMEOUT_US = 1_000_000
"""First wait for the answer to a connection request, doubled with each further one (RFC 6298, 2.1)."""


class SimDevice:
    """One device: feed, drain, arm one timer.

    An event cannot be taken back, so one that a nearer deadline overtakes stays pending: it is kept in mind as the one ``_behind``, and
    serves again once the nearer is over. A heartbeat is thus asked for once, however many acks are due before it.
    """

    __slots__ = ("_armed", "_behind", "_link", "_world", "observer", "session")

    def __init__(self, session: ClientSession, observer: ClientObserver, world: DeviceWorld) -> None:
        self.session, self.observer, self._world = session, observer, world
        self._link: Link | None = None
        self._armed = self._behind = limits.NEVER_US

    def do(self, call: Callable[[int, list[Any]], None]) -> None:
        """An input of the session that takes (now, out)."""
        call(self._world.kernel.now, self._world.out)
        self._drain()

    def receive(self, link: Link, frame: Any) -> None:
        """A frame arrives on one of the device's connections."""
        if link is not self._link:
            return  # of a connection it has given up
        now = self._world.kernel.now
        if frame.kind not in SESSION_KINDS:
            self._world.activity += 1
        self.observer.received(frame, now)
        self.session.receive(link.connection, frame, now, self._world.out)
        self._drain()

    def opened(self, link: Link) -> None:
        """The connection is there."""
        if link is self._link:
            self.session.opened(link.connection, self._world.kernel.now, self._world.out)
            self._drain()

    def hung_up(self, link: Link) -> None:
        """The connection ended, or was refused."""
        if link is self._link:
            self._link = None
            self.session.closed(link.connection, self._world.kernel.now, self._world.out)
            self._drain()

    def wants(self, link: Link) -> bool:
        """Whether this is the connection the device has or waits for."""
        return link is self._link

    def lose(self, link: Link) -> None:
        """The network ends a connection, and both ends learn of it."""
        if link is self._link:
            self._close()
            self.session.closed(link.connection, self._world.kernel.now, self._world.out)
            self._drain()

    def _drain(self) -> None:
        out = self._world.out
        self._world.stirred[self] = None
        if out:
            self.observer.effects(out, self._world.kernel.now)
            if self._world.answered is not None:
                self._world.answered(self.session.device, out)
            for effect in out:
                kind = type(effect)
                if kind is Write:
                    self._write(effect.frame)
                elif kind is Open:
                    self._link = self._world.open(self, effect.connection, effect.gateway)
                elif kind is Close:
                    self._close()
                elif kind is ReadBackCompleted:
                    self._world.audits -= 1
            out.clear()
        due = self.session.deadline
        if due < self._armed:
            self._armed, self._behind = due, self._armed
            self._world.wake_at(due, SimDevice._wake, self, due)

    def _write(self, frame: Any) -> None:
        if self._link is not None:
            if frame.kind not in SESSION_KINDS:
                self._world.activity += 1
            link, generator = self._link, self._world.generator
            if generator is None:
                link.up.carry(0, link.gateway.receive, link, frame)
            else:
                generator.write(frame, link.up.carry, 0, link.gateway.receive, link, frame)

    def _close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            generator = self._world.generator
            if generator is None:
                link.up.carry(0, _ended, link)
            else:  # after what was written
                generator.leave(link.up.carry, 0, _ended, link)

    def _wake(self, armed: int) -> None:
        if armed != self._armed:
            return  # one that was overtaken twice
        now = self._world.kernel.now
        self._armed, self._behind = self._behind, limits.NEVER_US
        if self.session.deadline <= now:
            self.session.on_deadline(now, self._world.out)
        self._drain()


def _ended(link: Link) -> None:
    """The device's end of a connection has been closed; its request may have arrived only meanwhile."""
    link.gateway.ended(link)


class Queued:
    """A device's end of a connection where all devices are one load process: what arrives waits until the process gets to it."""

    __slots__ = ("_device", "_generator", "_world")

    def __init__(self, device: SimDevice, generator: LoadProcess, world: DeviceWorld) -> None:
        self._device, self._generator, self._world = device, generator, world

    def receive(self, link: Link, frame: Any) -> None:
        """A frame arrives."""
        self._generator.receive(link, frame, self._received, link, frame)

    def hung_up(self, link: Link) -> None:
        """The end of the connection arrives, after what was sent before it."""
        self._generator.receive(link, None, self._device.hung_up, link)

    def _received(self, link: Link, frame: Any) -> None:
        self._device.receive(link, frame)
        if self._world.after_frame is not None:
            self._world.after_frame()


class Lives:
    """How long connections last before the network ends them; none ends after the load, so that a run can come to rest."""

    __slots__ = ("_mean_us", "_seed", "_until_us")

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._mean_us, self._seed = scenario.connection_life_s * 1e6, seed
        self._until_us = scenario.at_us(scenario.duration_s)

    def end_us(self, device: int, link: Link, now: int) -> int:
        """When a connection made now is lost; 0 for never. The luck is that of the device and its connect counter."""
        share = draws.draws(self._seed, device)(draws.CONNECTION_LIFE, link.connection)
        end_us = now + round(-self._mean_us * log1p(-share))
        return end_us if end_us < self._until_us else 0


class DeviceWorld:
    """What the devices share: gateways, links, and the counts a script asks for."""

    def __init__(self, kernel: Kernel, paths: Paths, generator: LoadProcess | None = None) -> None:
        self.kernel = kernel
        self.generator = generator
        self.wake_at: Callable[..., None] = kernel.at if generator is None else generator.plan
        """(instant, callback, arguments): a device's timer."""
        self.gateways: list[SimGateway] = []
        self.devices: dict[int, SimDevice] = {}
        self.out: list[Any] = []
        """What the device whose turn it is wants done; empty between turns."""
        self.activity = 0
        self.audits = 0
        self.stirred: dict[SimDevice, None] = {}
        """Devices to look at when somebody asks what is settled: those that something happened to since, and those that were not."""
        self.links = 0
        self.after_frame: Callable[[], None] | None = None
        """What the load process does after each frame; only with a generator."""
        self.answered: Callable[[int, list[Any]], None] | None = None
        """Who is told of what a device's session wants done, for the answers among it; only in a closed loop."""
        self._paths = paths
        self.lives: Lives | None = None

    def restless(self) -> tuple[int, int]:
        """How many devices are not ready, and how many of those that are have something unanswered or under way."""
        self.stirred = {device: None for device in self.stirred if not device.session.settled}
        unready = sum(device.session.state is not READY for device in self.stirred)
        return unready, len(self.stirred) - unready

    def open(self, device: SimDevice, connection: int, gateway: int) -> Link:
        """A connection request goes out; the answer, or the refusal, comes after a round trip."""
        self.links += 1
        asked = self.gateways[gateway]
        end = device if self.generator is None else Queued(device, self.generator, self)
        link = self._paths.link(end, device.session.device, connection, asked)
        link.gateway = asked
        link.up.carry(0, self._request, device, link, gateway)
        return link

    def _request(self, device: SimDevice, link: Link, number: int, tries: int = 0) -> None:
        gateway = self.gateways[number]
        if gateway.accepts and gateway.crowded:
            if device.wants(link):  # the request was dropped, and the device's kernel repeats it
                self.kernel.at(self.kernel.now + (SYN_TIMEOUT_US << tries), self._request, device, link, number, tries + 1)
        elif gateway.accepts:
            gateway.connect(link)
            self._answer(link, device.opened)
            if self.lives is not None and (end_us := self.lives.end_us(device.session.device, link, self.kernel.now)):
                self.kernel.at(end_us, device.lose, link)
        else:
            self._answer(link, device.opened if gateway.deaf else device.hung_up)

    def _answer(self, link: Link, call: Callable[[Link], None]) -> None:
        """A connection request is answered; who has a load process learns of it when that gets to it."""
        if self.generator is None:
            link.down.carry(0, call, link)
        else:
            link.down.carry(0, self.generator.receive, link, None, call, link)
