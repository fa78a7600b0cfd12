"""The shell of a business node: links to gateways and a writer thread around ``model.core.business.BusinessNode``.

Rules of the file:

- A link gets a rising number when it is accepted; to the machine that number *is* the gateway, so a gateway that comes back is another.
- Envelopes and storage commands are gathered, and a turn of the loop ends in one flush: one batch a gateway, one list to storage.
- A frame that goes to several gateways is encoded once.
- A client's frame that cannot be decoded evicts its connection with the code of the ``WireError``. A batch that cannot be decoded ends
  its link; the gateway links again and announces its sessions.
- A gateway that does not read fast enough is not read from, so that it gets no more answers than it asked for before (backpressure;
  a gateway always reads, so the two cannot wait for each other). What others' messages still add is bounded by ``LINK_BYTES_MAX``;
  beyond it the link is cut, and the gateway links again and announces its sessions.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import count
from typing import cast

from model.core.business import BusinessNode
from model.core.commands import StorageCommand, StorageResult
from model.core.effects import BusinessEffect, Store, TellGateway
from model.core.envelopes import Down, Evict, ToBusiness, ToGateway, Up
from model.core.frames import Opaque, Routable
from model.scenario.tally import ENVELOPES, ENVELOPES_OUT, LINK_BYTES, RESTED, RESULTS, TARGETS, TURNS, Tally, rest_class
from model.wire import BatchDecoder, Hello, WireError, decode, encode, encode_batches
from model.wire.batches import Envelope
from reference_server.process import Alarm, clock_us
from reference_server.storage.writer import Writer

LINK_BYTES_HIGH = 1024 * 1024
"""Bytes that wait for one gateway before nothing more is read from it: thousands of messages, milliseconds of a local socket."""
LINK_BYTES_MAX = 256 * 1024 * 1024
"""Bytes that may wait for one gateway at all: many seconds of the highest rate, and memory that a node can spare."""

_NOTHING = Opaque(0, 0, b"")


class BusinessShell:
    """One node's machine, its links and its storage. ``new_link`` is the factory of the links' protocols; set ``writer`` first."""

    __slots__ = (
        "_alarm",
        "_loop",
        "_machine",
        "_numbers",
        "_out",
        "_rests_since",
        "commands",
        "dirty",
        "end_turn",
        "flush_planned",
        "links",
        "nobody_left",
        "tally",
        "writer",
    )

    writer: Writer

    def __init__(self, machine: BusinessNode, loop: asyncio.AbstractEventLoop, tally: Tally) -> None:
        self.tally = tally
        self._machine = machine
        self._loop = loop
        self._alarm = Alarm(loop, self._on_deadline)
        self._numbers = count(1)
        self.links: dict[int, GatewayLink] = {}
        self.dirty: list[GatewayLink] = []
        self._out: list[BusinessEffect] = []
        self.commands: list[StorageCommand] = []
        self.flush_planned = False
        self.end_turn: Callable[[], None] = self.flush
        """What ends a turn; another where the process is told to end with one (:mod:`reference_server.business.stages`)."""
        self._rests_since = clock_us()
        self.nobody_left = asyncio.Event()
        self.nobody_left.set()

    def new_link(self) -> GatewayLink:
        """The protocol of a link that was just accepted."""
        return GatewayLink(self, next(self._numbers))

    def stop_reading(self) -> None:
        """Take nothing more from gateways; what they have asked is with the writer when this returns."""
        for link in self.links.values():
            link.transport.pause_reading()
        self.flush()

    def close_links(self) -> None:
        """Flush and close every link. ``nobody_left`` is set when all of them are gone."""
        self.flush()
        for link in self.links.values():
            link.transport.close()

    # inputs ------------------------------------------------------------------------------------------------------------------------

    def linked(self, link: GatewayLink) -> None:
        self.links[link.number] = link
        self.nobody_left.clear()

    def told(self, link: GatewayLink, envelopes: list[Envelope]) -> None:
        machine, out, gateway, now, tally = self._machine, self._out, link.number, clock_us(), self.tally
        for envelope in envelopes:
            if type(envelope) is Up:
                tally[envelope.frame.kind & 63] += 1  # whatever a gateway lets through
                try:
                    machine.receive(gateway, Up(envelope.connection, decode(cast(Opaque, envelope.frame))), now, out)
                except WireError as error:
                    out.append(TellGateway(gateway, Evict(envelope.connection, error.code)))
            elif type(envelope) is not Hello:
                asked = cast(ToBusiness, envelope)
                tally[ENVELOPES + asked.kind] += 1
                machine.receive(gateway, asked, now, out)
        self._carry_out()

    def unlinked(self, link: GatewayLink) -> None:
        del self.links[link.number]
        if not self.links:
            self.nobody_left.set()
        self._machine.gateway_lost(link.number, clock_us(), self._out)
        self._carry_out()

    def stored(self, results: list[StorageResult]) -> None:
        machine, out, now = self._machine, self._out, clock_us()
        self.tally[RESULTS] += len(results)
        for result in results:
            machine.stored(result, now, out)
        self._carry_out()

    def _on_deadline(self) -> None:
        self._machine.on_deadline(clock_us(), self._out)
        self._carry_out()

    # effects -----------------------------------------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        """Sort the effects by where they go; they leave together at the end of the turn."""
        frame: Routable | None = None
        shared = _NOTHING
        for effect in self._out:
            if type(effect) is Store:
                self.commands.append(effect.command)
            elif type(effect) is TellGateway:
                envelope = effect.envelope
                if type(envelope) is Down:
                    self.tally[TARGETS] += len(envelope.connections)
                    if envelope.frame is not frame:
                        frame = envelope.frame
                        shared = Opaque(frame.kind, frame.conversation, encode(frame))
                    envelope = Down(envelope.connections, envelope.head_seq, shared)
                self._tell(effect.gateway, envelope)
        self._out.clear()
        self._alarm.set(self._machine.deadline)
        if not self.flush_planned:
            self._begin_turn()

    def _tell(self, gateway: int, envelope: ToGateway) -> None:
        link = self.links.get(gateway)
        if link is None:
            return  # it is gone, and its connections with it
        if not link.dirty:
            link.dirty = True
            self.dirty.append(link)
        link.add(envelope)

    def _begin_turn(self) -> None:
        """Plan its end, and count it, by how long the loop has rested before."""
        self.flush_planned = True
        self._loop.call_soon(self.end_turn)
        rest = rest_class(clock_us() - self._rests_since)
        if rest >= 0:
            self.tally[RESTED + rest] += 1

    def flush(self) -> None:
        """The end of a turn: gateways are told what it has gathered, and then its commands are queued."""
        self.flush_planned = False
        self.tally[TURNS] += 1
        self.tell_gateways()
        commands, self.commands = self.commands, []
        if commands:
            self.writer.submit(commands)
        self._rests_since = clock_us()
        if commands:  # which the writer's thread only adds to, when it finds more
            self._machine.queued(commands, self._out)
            if self._out:
                self._carry_out()

    def tell_gateways(self) -> None:
        """Write what the turn has to say."""
        dirty, self.dirty = self.dirty, []
        for link in dirty:
            link.flush(self.tally)


class GatewayLink(asyncio.Protocol):
    """One gateway's link, and what this turn has to tell it."""

    __slots__ = ("_decoder", "_shell", "dirty", "envelopes", "number", "transport")

    transport: asyncio.Transport

    def __init__(self, shell: BusinessShell, number: int) -> None:
        self._shell = shell
        self.number = number
        self._decoder = BatchDecoder()
        self.envelopes: list[ToGateway] = []
        self.dirty = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self.transport.set_write_buffer_limits(high=LINK_BYTES_HIGH)
        self._shell.linked(self)

    def data_received(self, data: bytes) -> None:
        try:
            envelopes = self._decoder.feed(data)
        except WireError as error:
            print(f"business: link {self.number} is cut: {error}", file=sys.stderr, flush=True)
            self.transport.abort()
        else:
            self._shell.tally[LINK_BYTES] += len(data)
            self._shell.told(self, envelopes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shell.unlinked(self)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def add(self, envelope: ToGateway) -> None:
        """Say this at the end of the turn."""
        self.envelopes.append(envelope)

    def flush(self, tally: Tally) -> None:
        """Write what the turn has gathered, in one piece."""
        self.dirty = False
        envelopes, self.envelopes = self.envelopes, []
        if not self.transport.is_closing():
            data = encode_batches(envelopes)
            self.transport.write(data)
            tally[ENVELOPES_OUT] += len(envelopes)
            tally[LINK_BYTES] += len(data)
            if self.transport.get_write_buffer_size() > LINK_BYTES_MAX:
                self.transport.abort()
