"""The shells' shape on the hot path: a turn of the loop ends in one write a connection, one batch a link, one list to storage.

Transports are stand-ins that note what is written; the machines and the wire are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast
from unittest.mock import patch

from model.core import limits
from model.core.business import BusinessNode
from model.core.codes import Code
from model.core.commands import Append, Appended, StorageCommand
from model.core.envelopes import Attach, Attached, Detach, Down, Up
from model.core.frames import Connect, Deliver, Error, Frame, Opaque, Ping, Pong, Send, SendAck
from model.core.gateway import Gateway
from model.core.log import Conversation
from model.core.policies import PRESETS, Policies, Timers
from model.scenario.tally import open_tally
from model.wire import BatchDecoder, FrameDecoder, Hello, decode, encode, encode_batches
from model.wire.batches import Envelope
from reference_server.access.shell import AccessShell, BusinessLink, ClientConnection
from reference_server.business.shell import BusinessShell, GatewayLink
from reference_server.storage.writer import Writer
from tests.reference_server.client import SERVER_KINDS

TIMERS = Timers()


class Transport(asyncio.Transport):
    """Notes every write; as full as the test says."""

    def __init__(self) -> None:
        super().__init__({"socket": self})
        self.writes: list[bytes] = []
        self.reading = True
        self.ended = self.aborted = False

    def setsockopt(self, *option: int) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True

    def frames(self) -> list[Frame]:
        """The frames written so far, and forget them."""
        decoder = FrameDecoder(SERVER_KINDS)
        chunks, self.writes = self.writes, []
        return [decode(frame) for chunk in chunks for frame in decoder.feed(chunk)]

    def envelopes(self) -> list[list[Envelope]]:
        """The envelopes written so far, one list a write, and forget them."""
        chunks, self.writes = self.writes, []
        return [BatchDecoder().feed(chunk) for chunk in chunks]


async def turn() -> None:
    """Let the loop come to the end of its turn."""
    await asyncio.sleep(0)


def on_loop(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Run a test on an event loop of its own."""

    def run(self: Any) -> None:
        asyncio.run(test(self))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def gateway_shell() -> AccessShell:
    return AccessShell(
        "gateway-1", Gateway(PRESETS["cursor"], TIMERS, lambda *_: True), asyncio.get_running_loop(), open_tally(0)
    )


def opened(shell: AccessShell, *frames: Frame) -> tuple[ClientConnection, Transport]:
    client, transport = shell.new_client(), Transport()
    client.connection_made(transport)
    client.data_received(b"".join(map(encode, frames)))
    return client, transport


def linked(shell: AccessShell) -> tuple[BusinessLink, Transport]:
    link, transport = shell.new_link(), Transport()
    link.connection_made(transport)
    return link, transport


class TestAccess:
    @on_loop
    async def test_a_turn_ends_in_one_write(self) -> None:
        shell = gateway_shell()
        client, transport = opened(shell, Connect(1, 1, 1, b""))
        for counter in (1, 2, 3):
            client.data_received(encode(Ping(counter)))
        assert transport.writes == []
        await turn()
        assert len(transport.writes) == 1
        assert transport.frames() == [Pong(counter, ()) for counter in (1, 2, 3)]

    @on_loop
    async def test_all_clients_of_a_turn_share_one_batch(self) -> None:
        shell = gateway_shell()
        link, up = linked(shell)
        await turn()
        assert up.envelopes() == [[Hello("gateway-1")]]
        clients = [opened(shell, Connect(user, user, 1, b""))[0] for user in (1, 2)]
        await turn()
        assert up.envelopes() == [[Attach(1, 1, 1, 1), Attach(2, 2, 2, 1)]]
        link.data_received(encode_batches([Attached(1, 1, ()), Attached(2, 2, ())]))
        for client in clients:
            client.data_received(encode(Send(1, 1, b"hello")) + encode(Send(1, 2, b"again")))
        await turn()
        (batch,) = up.envelopes()
        assert [(e.connection, e.frame.data) for e in batch if isinstance(e, Up) and isinstance(e.frame, Opaque)] == [
            (number, encode(Send(1, counter, payload)))
            for number in (1, 2)
            for counter, payload in ((1, b"hello"), (2, b"again"))
        ]

    @on_loop
    async def test_sessions_are_announced_on_every_new_link(self) -> None:
        shell = gateway_shell()
        link, _ = linked(shell)
        client, down = opened(shell, Connect(1, 1, 1, b""))
        link.data_received(encode_batches([Attached(1, 1, ())]))
        client.data_received(encode(Send(1, 1, b"lost")))
        link.connection_lost(None)  # before the end of the turn: what was gathered goes nowhere
        _, up = linked(shell)
        await turn()
        assert up.envelopes() == [[Hello("gateway-1")], [Attach(1, 1, 1, 1, announced=True)]]
        assert [type(frame).__name__ for frame in down.frames()] == ["Welcome", "Notice"]

    @on_loop
    async def test_while_business_takes_no_more_talkers_are_not_read(self) -> None:
        shell = gateway_shell()
        link, _ = linked(shell)
        talker, talks = opened(shell, Connect(1, 1, 1, b""))
        _, silent = opened(shell)
        link.pause_writing()
        talker.data_received(encode(Ping(1)))
        assert (talks.reading, silent.reading) == (False, True)
        link.resume_writing()
        assert talks.reading

    @on_loop
    async def test_a_client_that_asks_much_is_not_read_until_it_has_answers_whatever_business_takes(self) -> None:
        shell = gateway_shell()
        link, _ = linked(shell)
        client, transport = opened(shell, Connect(1, 1, 1, b""))
        link.data_received(encode_batches([Attached(1, 1, ())]))
        client.data_received(b"".join(encode(Send(1, n, b"x")) for n in range(1, limits.ASKED_MAX + 2)))
        assert not transport.reading
        link.pause_writing()
        link.resume_writing()
        assert not transport.reading
        link.data_received(encode_batches([Down((1,), 0, SendAck(1, 1, 0))]))
        assert transport.reading

    @on_loop
    async def test_a_batch_that_cannot_be_read_ends_the_link_and_nothing_else(self) -> None:
        shell = gateway_shell()
        link, up = linked(shell)
        client, _ = opened(shell, Connect(1, 1, 1, b""))
        link.data_received(b"\xff" * 8)
        assert up.aborted
        link.connection_lost(None)
        _, again = linked(shell)
        await turn()
        assert again.envelopes()[-1] == [Attach(1, 1, 1, 1, announced=False)]
        assert not client.closing

    @on_loop
    async def test_a_refused_connection_says_why_then_ends_and_hears_nothing_more(self) -> None:
        shell = gateway_shell()
        _, up = linked(shell)
        client, transport = opened(shell, Connect(1, 1, 1, b""))
        client.data_received(b"\xff" * 100)
        client.data_received(encode(Ping(1)))
        await turn()
        (error,) = transport.frames()
        assert isinstance(error, Error)
        assert error.code == Code.UNSUPPORTED_VERSION
        assert transport.ended
        assert transport.reading  # to see the client close
        assert [type(e) for e in up.envelopes()[-1]] == [Attach, Detach]


class Storage:
    """Notes what it is asked, a list a turn."""

    def __init__(self) -> None:
        self.turns: list[list[StorageCommand]] = []

    def submit(self, commands: list[StorageCommand]) -> None:
        self.turns.append(commands)


def business_shell(storage: Storage) -> BusinessShell:
    group = Conversation(1, "group", (1, 2, 3))
    shell = BusinessShell(BusinessNode(Policies(), TIMERS, [group], [], 1), asyncio.get_running_loop(), open_tally(0))
    shell.writer = cast(Writer, storage)
    return shell


def gateway_link(shell: BusinessShell, *envelopes: Envelope) -> tuple[GatewayLink, Transport]:
    link, transport = shell.new_link(), Transport()
    link.connection_made(transport)
    link.data_received(encode_batches(envelopes))
    return link, transport


def stored(seq: int) -> Appended:
    message = Deliver(1, 5, seq, seq, 1, 1, seq, b"m%d" % seq)
    return Appended(seq, Code.OK, False, 5, seq, seq, message)


class TestBusiness:
    @on_loop
    async def test_a_turn_ends_in_one_list_to_storage(self) -> None:
        storage = Storage()
        shell = business_shell(storage)
        link, _ = gateway_link(shell, Attach(1, 1, 1, 1), Up(1, Send(1, 1, b"a")), Up(1, Send(1, 2, b"b")))
        link.data_received(encode_batches([Up(1, Send(1, 3, b"c"))]))
        await turn()
        assert [[c.payload for c in commands if isinstance(c, Append)] for commands in storage.turns] == [[b"a", b"b", b"c"]]

    @on_loop
    async def test_a_batch_that_cannot_be_read_ends_its_link_and_no_other(self) -> None:
        shell = business_shell(Storage())
        bad, bad_transport = gateway_link(shell, Attach(1, 1, 1, 1))
        _, good_transport = gateway_link(shell, Attach(1, 2, 2, 1))
        bad.data_received(b"\xff" * 8)
        assert (bad_transport.aborted, good_transport.aborted) == (True, False)

    @on_loop
    async def test_what_was_asked_before_the_end_is_with_the_writer_when_reading_stops(self) -> None:
        storage = Storage()
        shell = business_shell(storage)
        gateway_link(shell, Attach(1, 1, 1, 1), Up(1, Send(1, 1, b"a")))
        shell.stop_reading()
        assert [len(commands) for commands in storage.turns] == [1]

    @on_loop
    async def test_results_of_a_group_reach_each_gateway_in_one_batch(self) -> None:
        shell = business_shell(Storage())
        _, one = gateway_link(shell, Attach(1, 1, 1, 1), Up(1, Send(1, 1, b"m1")), Up(1, Send(1, 2, b"m2")))
        _, other = gateway_link(shell, Attach(1, 2, 2, 1), Attach(2, 3, 3, 1))
        await turn()
        one.writes, other.writes = [], []
        shell.stored([stored(1), stored(2)])
        await turn()
        (acks,), (deliveries,) = one.envelopes(), other.envelopes()
        assert [frames_of(e) for e in acks] == [((1,), SendAck(1, n, 0, True, 5, n, n)) for n in (1, 2)]
        assert [frames_of(e) for e in deliveries] == [((1, 2), stored(n).message) for n in (1, 2)]

    @on_loop
    async def test_a_message_for_several_gateways_is_encoded_once(self) -> None:
        shell = business_shell(Storage())
        gateway_link(shell, Attach(1, 1, 1, 1), Up(1, Send(1, 1, b"m1")))
        transports = [gateway_link(shell, Attach(1, user, user, 1))[1] for user in (2, 3)]
        await turn()
        with patch("reference_server.business.shell.encode", wraps=encode) as encoder:
            shell.stored([stored(1)])
            await turn()
        encoded = [type(call.args[0]) for call in encoder.call_args_list]
        assert encoded == [SendAck, Deliver]
        assert [frames_of(t.envelopes()[-1][0]) for t in transports] == [((1,), stored(1).message)] * 2

    @on_loop
    async def test_what_a_slow_gateway_asks_is_not_read(self) -> None:
        shell = business_shell(Storage())
        link, transport = gateway_link(shell)
        link.pause_writing()
        assert not transport.reading
        link.resume_writing()
        assert transport.reading


def frames_of(envelope: Envelope) -> tuple[tuple[int, ...], Frame]:
    """(connections, frame) of an envelope that carries a frame."""
    assert isinstance(envelope, Down)
    assert isinstance(envelope.frame, Opaque)
    return envelope.connections, decode(envelope.frame)
