"""Doors: the proxy before one gateway, or between it and business, with what faults have set for all connections through it.

Rules of the file:

- A door that is *shut* refuses connections, as does a port without a process: the runner shuts it when the node behind it dies and opens
  it when the node serves again. Its port stays bound meanwhile, so that nobody else is given it.
- A door that is *deaf* takes connections and does nothing more: who came in while it was is never served.
- Who has a connection is known from its first frame, so shares of devices are drawn by the same keys as in the simulated world.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from model.core import draws
from model.core.frames import CLIENT_KINDS, Connect
from model.wire import FrameDecoder, Hello, WireError, decode, encode_batches
from scenarios.breaking.pipes import DOWN, UP, End, Lane, Look, Pipe

BACKLOG = 4096
"""As a gateway's own: a reconnect storm arrives within milliseconds."""

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


class DoorPlan(msgspec.Struct, frozen=True):
    """Where a door stands. ``side``: which of the gateway's two it is before."""

    gateway: str
    side: Literal["clients", "business"]
    listens: Address
    """Port 0: any."""
    leads_to: Address
    in_units: bool
    """Whether a fault of the scenario looks at frames here, or turns away between two of them."""


class Door:
    """All connections through one place. By direction: ``blocked`` (by how many faults; nothing passes), ``looks`` (of faults at what
    passes)."""

    def __init__(self, plan: DoorPlan, seed: int, loop: asyncio.AbstractEventLoop) -> None:
        self.plan, self.loop, self.in_units = plan, loop, plan.in_units
        self._seed = seed
        self._bound = _bind(plan.listens)
        self._server: asyncio.AbstractServer | None = None
        self._pipes: dict[Pipe, None] = {}  # in the order in which they came
        self._opening: set[asyncio.Task[None]] = set()
        self.blocked = [0, 0]
        self.looks: tuple[list[Look], list[Look]] = ([], [])
        self.bit_s = self.slow_bit_s = 0.0
        self.slow: frozenset[int] = frozenset()
        """The devices that read at ``slow_bit_s``."""
        self.delay_s = self.jitter_s = 0.0
        self.nat_idle_s = 0.0
        self.forgotten: Callable[[], None] = _nobody
        """Told of every connection that the NAT before this door has forgotten."""
        self.arrived: Callable[[], None] = _nobody
        """Told of every connection that has both its ends."""
        self.deaf = self.refuses = False
        self._shut = False
        self.held_bytes = 0
        """What faults have held or swallowed so far."""
        self._drawn = 0

    @property
    def address(self) -> Address:
        """Where it listens."""
        if isinstance(self.plan.listens, str):
            return self.plan.listens
        host, port = self._bound.getsockname()[:2]
        return host, port

    # open and shut -------------------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Listen."""
        await self._heed()

    async def shut(self, shut: bool) -> None:
        """Whether there is nobody behind it."""
        self._shut = shut
        await self._heed()

    async def refuse(self, refuses: bool) -> None:
        """Whether a fault has it refuse connections; those it has stay."""
        self.refuses = refuses
        await self._heed()

    async def _heed(self) -> None:
        wanted = self.deaf or not (self._shut or self.refuses)
        if wanted and self._server is None:
            await self._listen()
        elif not wanted and self._server is not None:
            self._server.close()
            self._server = None

    async def _listen(self) -> None:
        """On a socket of its own: one that has listened goes on doing so until it is closed, and the bound one is to stay silent."""
        make = partial(_near_of, self)
        if isinstance(self.plan.listens, str):
            with suppress(FileNotFoundError):
                Path(self.plan.listens).unlink()
            self._server = await self.loop.create_unix_server(make, self.plan.listens, backlog=BACKLOG)
        else:
            self._server = await self.loop.create_server(make, sock=_bind(self._bound.getsockname()[:2]), backlog=BACKLOG)

    # connections ---------------------------------------------------------------------------------------------------------------------

    @property
    def pipes(self) -> list[Pipe]:
        """Those that both ends believe in, in the order in which they came."""
        return [pipe for pipe in self._pipes if pipe.is_alive]

    def struck(self, fault: int, share: float) -> list[Pipe]:
        """Those of the devices that a fault's share strikes."""
        draw = draws.draws(self._seed, fault)
        return [pipe for pipe in self.pipes if pipe.device and draw(draws.STRUCK, pipe.device) < share]

    def came(self, pipe: Pipe) -> None:
        """Somebody has connected."""
        self._pipes[pipe] = None
        if not self.deaf:
            self._spawn(self._join(pipe, pipe.far))

    def joined(self, pipe: Pipe) -> None:
        """A pipe has both its ends."""
        self.arrived()

    def left(self, pipe: Pipe) -> None:
        """Both its ends are gone."""
        self._pipes.pop(pipe, None)

    def turn_away(self, pipe: Pipe) -> None:
        """Who serves loses a connection, and gets another from the same gateway, which does not learn of it."""
        far = End(pipe)
        pipe.turn_to(far)
        self._spawn(self._join(pipe, far))

    def _spawn(self, connecting: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(connecting)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _join(self, pipe: Pipe, far: End) -> None:
        try:
            if isinstance(self.plan.leads_to, str):
                await self.loop.create_unix_connection(lambda: far, self.plan.leads_to)
            else:
                await self.loop.create_connection(lambda: far, *self.plan.leads_to)
        except OSError:
            pipe.reset()
            return
        if not pipe.near.is_open:
            far.reset()

    def hello(self) -> bytes:
        """A gateway's first word on a link, for one that it does not make itself."""
        return encode_batches([Hello(self.plan.gateway)])

    def device_of(self, unit: bytes) -> int:
        """Whose connection begins with this frame; 0 where it does not say."""
        if self.plan.side == "business":
            return 0
        with suppress(WireError):
            for opaque in FrameDecoder(CLIENT_KINDS).feed(unit):
                frame = decode(opaque)
                if isinstance(frame, Connect):
                    return frame.device
        return 0

    # the way through -----------------------------------------------------------------------------------------------------------------

    @property
    def is_late(self) -> bool:
        """Whether what passes is delayed."""
        return bool(self.delay_s or self.jitter_s)

    def due_s(self, before_s: float) -> float:
        """When what comes now has been delayed for long enough, and not before ``before_s``, so that nothing overtakes."""
        now = self.loop.time()
        if not self.is_late:
            return max(now, before_s)
        self._drawn += 1
        luck = draws.draws(self._seed, 0)(draws.LINK_DELAY, self._drawn)
        return max(now + self.delay_s + luck * self.jitter_s, before_s)

    def rerate(self) -> None:
        """A bandwidth has changed, or what was in the way no longer is."""
        for lane in self._lanes():
            lane.rerate()

    def _lanes(self) -> list[Lane]:
        return [lane for pipe in list(self._pipes) for lane in (pipe.up, pipe.down)]

    def remember(self) -> None:
        """The NAT is gone; what it has forgotten by now does not come back with it."""
        for pipe in self.pipes:
            pipe.silent()
        self.nat_idle_s = 0.0


def _nobody() -> None:
    """Whom to tell where no fault wants to know."""


def _near_of(door: Door) -> End:
    return Pipe(door).near


def _bind(address: Address) -> socket.socket:
    """A socket that keeps an address; of a path, one that keeps nothing."""
    if isinstance(address, str):
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    return bound


__all__ = ["DOWN", "UP", "Address", "Door", "DoorPlan"]
