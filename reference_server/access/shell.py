"""The shell of a gateway: sockets around ``model.core.gateway.Gateway``.

Rules of the file:

- Input is fed as it comes, effects are gathered, and a turn of the loop ends in one flush: at most one write a connection, and one
  batch to business. A frame that is only routed passes as it stood on the wire.
- A connection's number is never used again in the life of the process, so a late answer can meet nobody else.
- What cannot be decoded ends its own connection, with the code of the ``WireError``; other connections never notice.
- A closed connection is closed gracefully: what was written is flushed, the writing side is shut, and what still arrives is discarded
  until the client closes too. Closing at once would make the kernel send a reset if unread bytes were left, and the reset may overtake
  the Error frame that says why. A client that does not close is cut off after ``LINGER_S``.
- While the link to business takes no more, nothing more is read from clients who have something to say (backpressure); and none is read
  from a client while the machine says ``Pause``.
- A batch of business that cannot be decoded ends the link, which is made anew.

What it does not do: decide anything. Idle time-outs, bounded queues and who is told what are the machine's.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from itertools import count
from typing import cast

from model.core.effects import Close, GatewayEffect, Pause, Resume, TellBusiness, Write
from model.core.envelopes import ToBusiness, ToGateway
from model.core.frames import CLIENT_KINDS, GATEWAY_KINDS
from model.core.gateway import Gateway
from model.scenario.tally import (
    CLIENT_BYTES,
    ENVELOPES_IN,
    ENVELOPES_OUT,
    FRAMES_OUT,
    LINK_BYTES,
    OPENED,
    RESTED,
    TURNS,
    WRITES,
    Tally,
    rest_class,
)
from model.wire import BatchDecoder, FrameDecoder, Hello, WireError, decode, encode, encode_batches
from model.wire.batches import Envelope
from reference_server.process import Alarm, clock_us

LINGER_S = 1.0
"""How long a closed connection may take to be closed by its client as well."""
RELINK_S = 0.05
"""Wait between two attempts to reach business: short beside a restart of it, long beside a connect."""
LINK_BYTES_MAX = 4 * 1024 * 1024
"""Bytes to business that wait in this process before clients are no longer read: some ten thousand messages."""


class AccessShell:
    """One gateway's machine, its client connections and its link. ``new_client`` is the factory of their protocols."""

    __slots__ = (
        "_alarm",
        "_clients",
        "_held",
        "_loop",
        "_machine",
        "_numbers",
        "_out",
        "_rests_since",
        "dirty",
        "end_turn",
        "flush_planned",
        "link",
        "name",
        "nobody_left",
        "tally",
        "up",
    )

    def __init__(self, name: str, machine: Gateway, loop: asyncio.AbstractEventLoop, tally: Tally) -> None:
        self.name = name
        self.tally = tally
        self._machine = machine
        self._loop = loop
        self._alarm = Alarm(loop, self._on_deadline)
        self._numbers = count(1)
        self._clients: dict[int, ClientConnection] = {}
        self.link: BusinessLink | None = None
        self._out: list[GatewayEffect] = []
        self.up: list[ToBusiness] = []
        self.dirty: list[ClientConnection] = []
        self._held: list[ClientConnection] = []  # not read until business takes more
        self.flush_planned = False
        self.end_turn: Callable[[], None] = self.flush
        """What ends a turn; another where the process is told to end with one (:mod:`reference_server.access.stages`)."""
        self._rests_since = clock_us()
        self.nobody_left = asyncio.Event()
        self.nobody_left.set()

    def new_client(self) -> ClientConnection:
        """The protocol of a connection that was just accepted."""
        return ClientConnection(self, next(self._numbers))

    def new_link(self) -> BusinessLink:
        """The protocol of a link to business."""
        return BusinessLink(self)

    def shut_down(self) -> None:
        """Drain. ``nobody_left`` is set when all clients are gone, at most ``LINGER_S`` after the end of the drain."""
        self._machine.shut_down(clock_us(), self._out)
        self._carry_out()

    # inputs ------------------------------------------------------------------------------------------------------------------------

    def opened(self, client: ClientConnection) -> None:
        self._clients[client.number] = client
        self.tally[OPENED] += 1
        self.nobody_left.clear()
        self._machine.opened(client.number, clock_us(), self._out)
        self._carry_out()

    def received(self, client: ClientConnection, chunk: bytes) -> None:
        self._take(client, chunk)
        self._carry_out()
        if self.link is not None and self.link.full and not client.closing:
            client.held = True
            client.heed()
            self._held.append(client)

    def _take(self, client: ClientConnection, chunk: bytes) -> None:
        """Hand the frames of a chunk to the machine; those that it only routes pass undecoded."""
        machine, out, number, now, tally = self._machine, self._out, client.number, clock_us(), self.tally
        tally[CLIENT_BYTES] += len(chunk)
        error = None
        try:
            for frame in client.decoder.feed(chunk):
                tally[frame.kind] += 1
                machine.receive(number, decode(frame) if frame.kind in GATEWAY_KINDS else frame, now, out)
            error = client.decoder.error
        except WireError as refusal:
            error = refusal
        if error is not None:
            machine.refuse(number, error.code, now, out)

    def closed(self, client: ClientConnection) -> None:
        del self._clients[client.number]
        if not self._clients:
            self.nobody_left.set()
        self._machine.closed(client.number, clock_us(), self._out)
        self._carry_out()

    def congested(self, client: ClientConnection) -> None:
        self._machine.congested(client.number)

    def drained(self, client: ClientConnection) -> None:
        self._machine.drained(client.number, clock_us(), self._out)
        self._carry_out()

    def linked(self, link: BusinessLink) -> None:
        self.link = link
        self._machine.business_up(clock_us(), self._out)
        self._carry_out()

    def told(self, envelopes: list[Envelope]) -> None:
        machine, out, now = self._machine, self._out, clock_us()
        self.tally[ENVELOPES_IN] += len(envelopes)
        for envelope in envelopes:
            machine.receive_business(cast(ToGateway, envelope), now, out)
        self._carry_out()

    def unlinked(self) -> None:
        self.link = None
        self.up.clear()  # of a link that is gone; sessions are announced anew on the next
        self.release()
        self._machine.business_down(clock_us(), self._out)
        self._carry_out()

    def release(self) -> None:
        """Business takes more: read again from those who were held."""
        held, self._held = self._held, []
        for client in held:
            client.held = False
            client.heed()

    def _on_deadline(self) -> None:
        self._machine.on_deadline(clock_us(), self._out)
        self._carry_out()

    # effects -----------------------------------------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        """Sort the effects by where they go; they leave together at the end of the turn."""
        for effect in self._out:
            if type(effect) is Write:
                client = self._client(effect.connection)
                if client is not None:
                    client.pieces.append(encode(effect.frame))
            elif type(effect) is TellBusiness:
                self.up.append(effect.envelope)
            elif type(effect) is Close:
                client = self._client(effect.connection)
                if client is not None:
                    client.closing = True
            elif type(effect) is Pause or type(effect) is Resume:
                client = self._clients.get(effect.connection)
                if client is not None:
                    client.paused = type(effect) is Pause
                    client.heed()
        self._out.clear()
        self._alarm.set(self._machine.deadline)
        if not self.flush_planned:
            self._begin_turn()

    def _client(self, number: int) -> ClientConnection | None:
        """The connection an effect concerns, noted for the flush."""
        client = self._clients.get(number)
        if client is not None and not client.dirty:
            client.dirty = True
            self.dirty.append(client)
        return client

    def _begin_turn(self) -> None:
        """Plan its end, and count it, by how long the loop has rested before."""
        self.flush_planned = True
        self._loop.call_soon(self.end_turn)
        rest = rest_class(clock_us() - self._rests_since)
        if rest >= 0:
            self.tally[RESTED + rest] += 1

    def flush(self) -> None:
        """The end of a turn: everything it has gathered leaves."""
        self.flush_planned = False
        self.tally[TURNS] += 1
        dirty, self.dirty = self.dirty, []
        for client in dirty:
            client.flush(self._loop)
        if self.up and self.link is not None:
            batch, self.up = self.up, []
            data = encode_batches(batch)
            self.link.transport.write(data)
            self.tally[ENVELOPES_OUT] += len(batch)
            self.tally[LINK_BYTES] += len(data)
        self._rests_since = clock_us()


class ClientConnection(asyncio.Protocol):
    """One client's connection. ``pieces``: frames of this turn; ``closing``: the machine has let go of it; ``held``, ``paused``: not
    read until business takes more, or until the machine says so."""

    __slots__ = ("_linger", "_shell", "closing", "decoder", "dirty", "held", "number", "paused", "pieces", "transport")

    transport: asyncio.Transport

    def __init__(self, shell: AccessShell, number: int) -> None:
        self._shell = shell
        self.number = number
        self.decoder = FrameDecoder(CLIENT_KINDS)
        self.pieces: list[bytes] = []
        self.dirty = False
        self.closing = self.held = self.paused = False
        self._linger: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shell.opened(self)

    def data_received(self, data: bytes) -> None:
        if not self.closing:
            self._shell.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self.closing = True
        self._shell.closed(self)

    def pause_writing(self) -> None:
        self._shell.congested(self)

    def resume_writing(self) -> None:
        self._shell.drained(self)

    def heed(self) -> None:
        """Read, or do not."""
        if self.closing or self.transport.is_closing():
            return
        if self.held or self.paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what the turn has gathered, in one piece; then close, if that is asked."""
        self.dirty = False
        if self.transport.is_closing():
            return
        if self.pieces:
            data, tally = b"".join(self.pieces), self._shell.tally
            self.transport.write(data)
            tally[WRITES] += 1
            tally[FRAMES_OUT] += len(self.pieces)
            tally[CLIENT_BYTES] += len(data)
            self.pieces.clear()
        if self.closing and self._linger is None:
            self._linger = loop.call_later(LINGER_S, self.transport.abort)
            self.transport.resume_reading()  # to see the client close
            self.transport.write_eof()


class BusinessLink(asyncio.Protocol):
    """The link to business. ``full``: it takes no more for now; ``lost`` is set when it has ended."""

    __slots__ = ("_decoder", "_shell", "full", "lost", "transport")

    transport: asyncio.Transport

    def __init__(self, shell: AccessShell) -> None:
        self._shell = shell
        self._decoder = BatchDecoder()
        self.full = False
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self.transport.set_write_buffer_limits(high=LINK_BYTES_MAX)
        self.transport.write(encode_batches([Hello(self._shell.name)]))
        self._shell.linked(self)

    def data_received(self, data: bytes) -> None:
        try:
            envelopes = self._decoder.feed(data)
        except WireError as error:
            print(f"{self._shell.name}: the link to business is made anew: {error}", file=sys.stderr, flush=True)
            self.transport.abort()
        else:
            self._shell.tally[LINK_BYTES] += len(data)
            self._shell.told(envelopes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shell.unlinked()
        self.lost.set()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._shell.release()


async def keep_link(shell: AccessShell, path: str) -> None:
    """Hold a link to the business node at ``path``; while it is away, try again, for as long as it takes."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            _, link = await loop.create_unix_connection(shell.new_link, path)
        except OSError:
            await asyncio.sleep(RELINK_S)
        else:
            await link.lost.wait()
