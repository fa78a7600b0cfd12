"""Pipes: one connection through the proxy, as two sockets and two lanes, and what faults may do to it.

Rules of the file:

- A plain lane writes what it reads at once. It queues only while something is in the way: a hole, a bandwidth, a delay, an end that is
  not connected yet. The order of bytes is never changed, and the end of a stream queues like its bytes.
- Memory is bounded, as a connection's buffers are: above ``HELD_BYTES_MAX`` a lane no longer reads from its source, nor does it while
  its target's socket takes no more. So whoever writes into a hole sees its own buffers fill.
- A pipe that has *vanished* takes bytes and gives none, and passes no end on: neither end is told anything.
- Where faults look at frames, a lane passes whole units only (frames of clients, batches of roles); both kinds begin with their length.
- On a slow wire a write is a segment, with its headers, as it is in the simulated world.
- Timers are those of the loop, which counts whole milliseconds. A wire does not wait for them: what stands in line is on it as soon as
  what was before it is off, so that bytes come as many a second as they should, each a millisecond late at most.

Prior art: Toxiproxy's toxics; Linux netem. Unlike netem it needs no privileges and knows frames; unlike a network it does not lose
segments, so what waits in a hole passes when it is healed and not at a retransmission after that.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, cast

from model.sim.sizes import SEGMENT_BYTES, SEGMENT_HEADER_BYTES

if TYPE_CHECKING:
    from scenarios.breaking.doors import Door

UP, DOWN = 0, 1
"""From the device to the gateway, or from the gateway to business; and back."""
HELD_BYTES_MAX: Final = 64 * 1024
"""What waits in a lane before its source is no longer read: the buffer of a socket, beside the two of the kernel."""
LEAVE_S: Final = 0.002
"""From a last write to a reset, which would overtake it: the loop writes at the end of a turn."""

_LENGTH = struct.Struct(">I")
_AT_ONCE = struct.pack("ii", 1, 0)
Transport = asyncio.Transport
Strike = Callable[[], None]
Look = Callable[["Pipe", bytes], Strike | None]
"""A fault's look at a unit before it passes. A strike is carried out once what came before the unit has passed; neither it nor what
follows does."""


class Units:
    """Cuts a stream into units that begin with their length."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The units that are whole now."""
        buffer = self._kept + data if self._kept else data
        offset, end = 0, len(buffer)
        while end - offset >= _LENGTH.size:
            stop = offset + _LENGTH.size + _LENGTH.unpack_from(buffer, offset)[0]
            if stop > end:
                break
            yield buffer[offset:stop]
            offset = stop
        self._kept = buffer[offset:]


class End(asyncio.Protocol):
    """One socket of a pipe. ``out`` is the lane that it reads into, ``into`` the one that writes to it."""

    __slots__ = ("closed", "into", "out", "pipe", "transport")

    out: Lane
    into: Lane

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.transport: Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(Transport, transport)  # uvloop's are none by inheritance
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pipe.connected(self)

    def data_received(self, data: bytes) -> None:
        self.out.feed(data)

    def eof_received(self) -> bool:
        self.out.end(broken=False)
        return True  # it may still be written to

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.out.end(broken=exc is not None)
        self.pipe.lost()

    def pause_writing(self) -> None:
        self.into.crowd(True)

    def resume_writing(self) -> None:
        self.into.crowd(False)

    @property
    def is_open(self) -> bool:
        """Whether it is connected and not closed yet."""
        return self.transport is not None and not self.closed and not self.transport.is_closing()

    def reset(self) -> None:
        """Close it so that the peer sees a reset; what is on its way is lost."""
        if self.transport is not None and not self.closed:
            sock = self.transport.get_extra_info("socket")
            if sock is not None and sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()

    def read(self, wanted: bool) -> None:
        """Read from it, or let its peer's buffers fill."""
        if self.is_open:
            assert self.transport is not None
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()


class _Item:
    """What waits in a lane: bytes, or the end of the stream (``data`` None)."""

    __slots__ = ("broken", "data", "due_s")

    def __init__(self, data: bytes | None, due_s: float, broken: bool = False) -> None:
        self.data, self.due_s, self.broken = data, due_s, broken


class Lane:
    """One direction of a pipe."""

    __slots__ = (
        "_crowded",
        "_held",
        "_is_reading",
        "_loop",
        "_on_wire_until_s",
        "_timer",
        "_units",
        "_waiting",
        "_wire_free_s",
        "direction",
        "ended",
        "pipe",
    )

    def __init__(self, pipe: Pipe, direction: int, in_units: bool) -> None:
        self.pipe, self.direction = pipe, direction
        self._loop = pipe.door.loop
        self._units = Units() if in_units else None
        self._waiting: deque[_Item] = deque()
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self._on_wire_until_s = 0.0  # the first that waits; 0: it is not on the wire yet
        self._wire_free_s = 0.0  # since when
        self._crowded, self._is_reading = False, True
        self.ended = False  # the stream's end has come in

    @property
    def source(self) -> End:
        return self.pipe.near if self.direction == UP else self.pipe.far

    @property
    def target(self) -> End:
        return self.pipe.far if self.direction == UP else self.pipe.near

    @property
    def rate_bit_s(self) -> float:
        """Bits per second; 0: as many as come."""
        door, device = self.pipe.door, self.pipe.device
        slow = door.slow_bit_s if self.direction == DOWN and device in door.slow else 0.0
        return min(filter(None, (door.bit_s, slow)), default=0.0)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is in the way."""
        door = self.pipe.door
        return not (self._waiting or door.blocked[self.direction] or door.is_late or self.rate_bit_s) and self.target.is_open

    # in ------------------------------------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the source."""
        if not self.pipe.spoken(len(data)):
            return
        if self._units is None:
            self._take(data)
            return
        passed: list[bytes] = []
        strike: Strike | None = None
        for unit in self._units.feed(data):
            self.pipe.seen(self.direction, unit)
            strike = next(filter(None, (look(self.pipe, unit) for look in self.pipe.door.looks[self.direction])), None)
            if strike is not None:
                break
            passed.append(unit)
        if passed:
            self._take(b"".join(passed))
        if strike is not None:
            strike()

    def _take(self, data: bytes) -> None:
        if self.is_plain:
            assert self.target.transport is not None
            self.target.transport.write(data)
            return
        due_s = self._due_s()
        size = SEGMENT_BYTES if self.rate_bit_s else len(data)
        self._waiting.extend(_Item(data[i : i + size], due_s) for i in range(0, len(data), size))
        self._held += len(data)
        self.pipe.door.held_bytes += len(data)
        self._heed()
        self.pump()

    def _due_s(self) -> float:
        before = self._waiting[-1].due_s if self._waiting else 0.0
        return self.pipe.door.due_s(before)

    def write_now(self, data: bytes) -> None:
        """Past everything that waits: for what a fault itself has to say."""
        if self.target.is_open:
            assert self.target.transport is not None
            self.target.transport.write(data)

    def end(self, broken: bool) -> None:
        """The source has ended its stream, or its connection broke."""
        if self.ended or self.pipe.vanished:
            return
        self.ended = True
        self._waiting.append(_Item(None, self._due_s(), broken))
        self.pump()

    # out -----------------------------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Let pass what may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (
            self._waiting
            and not self.pipe.vanished
            and not self.pipe.door.blocked[self.direction]
            and self.target.transport is not None
        ):
            wait_s = self._wait_s(self._waiting[0]) - self._loop.time()
            if wait_s > 0:
                self._timer = self._loop.call_later(wait_s, self.pump)
                return
            self._wire_free_s = max(self._wire_free_s, self._on_wire_until_s)
            self._on_wire_until_s = 0.0
            self._pass(self._waiting.popleft())

    def rerate(self) -> None:
        """The bandwidth has changed, or nothing passed for a while: what is being put on the wire begins anew."""
        self._on_wire_until_s, self._wire_free_s = 0.0, self._loop.time()
        self.pump()

    def _wait_s(self, item: _Item) -> float:
        """When the first that waits may pass."""
        rate = self.rate_bit_s
        if rate and item.data:
            if not self._on_wire_until_s:
                takes_s = 8 * (len(item.data) + SEGMENT_HEADER_BYTES) / rate
                self._on_wire_until_s = max(self._wire_free_s, item.due_s) + takes_s
            return self._on_wire_until_s
        return item.due_s

    def _pass(self, item: _Item) -> None:
        target = self.target
        if item.data is not None:
            self._held -= len(item.data)
            if target.is_open:
                assert target.transport is not None
                target.transport.write(item.data)
            self._heed()
        elif item.broken:
            self._loop.call_later(LEAVE_S, target.reset)
        elif target.is_open:
            assert target.transport is not None
            target.transport.write_eof()
            self.pipe.eased()

    def crowd(self, crowded: bool) -> None:
        """The target takes no more for now, or takes more again."""
        self._crowded = crowded
        self._heed()

    def _heed(self) -> None:
        wanted = not self._crowded and self._held <= HELD_BYTES_MAX
        if wanted != self._is_reading:
            self._is_reading = wanted
            self.source.read(wanted)

    def forget(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._held = 0
        self._units = None if self._units is None else Units()
        if self._timer is not None:
            self._timer.cancel()


class Pipe:
    """One connection through a door: ``near`` is the end towards who connected, ``far`` the one towards who serves."""

    __slots__ = ("_heard_s", "_turned", "device", "door", "down", "far", "near", "up", "vanished")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.device = 0  # known from its first frame
        self.vanished = False
        self._turned = False
        self._heard_s = door.loop.time()
        self.up, self.down = Lane(self, UP, in_units=True), Lane(self, DOWN, door.in_units)
        self.near, self.far = End(self), End(self)
        self.near.out = self.far.into = self.up
        self.far.out = self.near.into = self.down

    def connected(self, end: End) -> None:
        """One of its ends has a socket."""
        if end is self.near:
            self.door.came(self)
        elif end is self.far:
            if self._turned:
                self.up.write_now(self.door.hello())
            self.door.joined(self)
            self.up.pump()

    @property
    def is_alive(self) -> bool:
        """Whether both ends have it and believe in it."""
        return not self.vanished and self.near.is_open and self.far.is_open

    def seen(self, direction: int, unit: bytes) -> None:
        """A unit is about to pass."""
        if direction == UP and not self.device:
            self.device = self.door.device_of(unit)

    def spoken(self, size: int) -> bool:
        """Somebody speaks; whether anything arrives."""
        self.silent()
        self._heard_s = self.door.loop.time()
        if self.vanished:
            self.door.held_bytes += size
        return not self.vanished

    def silent(self) -> None:
        """Nothing has been said since the last word was: a NAT at the door forgets it, if that was too long ago."""
        door = self.door
        if door.nat_idle_s and self.is_alive and door.loop.time() - self._heard_s > door.nat_idle_s:
            self.vanish()
            door.forgotten()

    # what faults do --------------------------------------------------------------------------------------------------------------------

    def vanish(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self.vanished = True
        self.up.forget()
        self.down.forget()

    def lost_by_server(self) -> None:
        """Who serves knows nothing of it any more; who connected believes in it."""
        self.vanish()
        self.far.reset()

    def lost_by_client(self) -> None:
        """Who connected knows that it is dead; who serves believes in it."""
        self.vanish()
        self.near.reset()

    def reset(self) -> None:
        """Both ends learn that it is dead."""
        self.vanish()
        self.near.reset()
        self.far.reset()

    def break_off(self) -> None:
        """The same, once what has passed so far has left this process."""
        self.vanish()
        self.door.loop.call_later(LEAVE_S, self.reset)

    def tear(self, direction: int, unit: bytes) -> None:
        """Half of a unit passes, and then both ends learn that the connection is dead."""
        lane = self.up if direction == UP else self.down
        lane.write_now(unit[: len(unit) // 2])
        self.break_off()

    def turn_to(self, far: End) -> None:
        """Put another server behind it, with what says who is there first; the old one sees its end."""
        old, self.far, self._turned = self.far, far, True
        self.down.forget()
        far.out, far.into = self.down, self.up
        old.out = old.into = _Nowhere(self, DOWN, in_units=False)
        old.reset()

    # the end -------------------------------------------------------------------------------------------------------------------------

    def eased(self) -> None:
        """An end was passed on: when both were, all has been said."""
        if self.up.ended and self.down.ended:
            for end in (self.near, self.far):
                if end.transport is not None:
                    end.transport.close()

    def lost(self) -> None:
        """A socket is gone."""
        if self.near.closed and (self.far.closed or self.far.transport is None):
            self.door.left(self)


class _Nowhere(Lane):
    """What a socket reads into that a pipe has turned away from."""

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """Nobody listens."""

    def end(self, broken: bool) -> None:
        """Nobody cares."""

    def crowd(self, crowded: bool) -> None:
        """Nobody waits."""
