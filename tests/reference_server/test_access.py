"""A gateway on real sockets: what a client gets for what it says, and that no other client notices bad manners."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import psutil
import pytest

from model.core import limits
from model.core.codes import TEXT, Code
from model.core.frames import Connect, Deliver, Error, Ping, Pong, ReceiveConfirmed, Send, SendAck, SyncRequest, Welcome
from model.core.policies import PRESETS, Timers
from model.wire import encode
from model.wire.framing import HEADER
from reference_server.config import write_config
from tests.reference_server.client import Client
from tests.reference_server.conftest import CONFIG, Server, stop

pytestmark = pytest.mark.live

CONNECTS = count(1)  # the server outlives a test, and knows how often each device connected


@pytest.fixture
def alice(server: Server) -> Iterator[Client]:
    with server.client(1) as client:
        client.login(next(CONNECTS))
        yield client


@pytest.fixture
def bob(server: Server) -> Iterator[Client]:
    with server.client(2) as client:
        client.login(next(CONNECTS))
        yield client


def next_counter(client: Client, conversation: int = 1) -> int:
    """The send counter that follows what the log has of this device."""
    return 1 + max([m.send_counter for m in client.sync(conversation) if m.sender_device == client.user], default=0)


class TestMessage:
    def test_it_is_acked_delivered_and_its_receipt_confirmed(self, alice: Client, bob: Client) -> None:
        counter = next_counter(alice)
        ack = alice.send(counter, b"hello")
        message = bob.expect(Deliver)
        assert (ack.code, ack.committed) == (Code.OK, True)
        assert message == Deliver(1, ack.epoch, ack.conversation_seq, ack.message_id, 1, 1, counter, b"hello")
        assert bob.acknowledge(7, (1, message.conversation_seq)) == ReceiveConfirmed(7)

    def test_the_sending_device_gets_no_copy(self, alice: Client) -> None:
        alice.send(next_counter(alice))
        alice.ping()
        assert alice.inbox == []

    def test_a_pong_carries_the_head_that_moved_once(self, alice: Client, bob: Client) -> None:
        ack = alice.send(next_counter(alice))
        bob.expect(Deliver)
        assert bob.ping(1).heads == ((1, ack.conversation_seq),)
        assert bob.ping(2).heads == ()

    def test_many_frames_in_one_chunk_are_answered_in_order(self, alice: Client) -> None:
        first = next_counter(alice)
        counters = list(range(first, first + 40))
        alice.write(*(Send(1, counter, b"%d" % counter) for counter in counters))
        assert [alice.expect(SendAck).send_counter for _ in counters] == counters

    def test_frames_that_come_byte_by_byte(self, server: Server) -> None:
        with server.client(3) as client:
            client.write_connect(next(CONNECTS))
            for byte in encode(Ping(5)):
                client.write_bytes(bytes([byte]))
            client.expect(Welcome)
            assert client.expect(Pong).counter == 5

    def test_a_message_of_a_stranger_is_rejected_for_certain(self, server: Server) -> None:
        with server.client(3) as client:
            client.login(next(CONNECTS))
            assert client.send(1, conversation=1).code == Code.NOT_A_MEMBER


def frame_bytes(kind: int, body: bytes = b"", version: int = 1, conversation: int = 0, length: int | None = None) -> bytes:
    return HEADER.pack(12 + len(body) if length is None else length, version, kind, 0, conversation) + body


TOO_LONG = limits.FRAME_BYTES_MAX + 1
NO_PROTOBUF = b"\xff\xff\xff"
BAD_INPUT = {
    "garbage": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100, Code.UNSUPPORTED_VERSION),
    "another version": (frame_bytes(Ping.kind, version=9), Code.UNSUPPORTED_VERSION),
    "an oversize frame": (frame_bytes(Send.kind, length=TOO_LONG, conversation=1) + b"x" * TOO_LONG, Code.FRAME_TOO_LARGE),
    "an unknown kind": (frame_bytes(99), Code.UNKNOWN_KIND),
    "a frame only servers send": (frame_bytes(Deliver.kind, conversation=1), Code.UNKNOWN_KIND),
    "a body the gateway cannot read": (frame_bytes(Ping.kind, NO_PROTOBUF), Code.MALFORMED_FRAME),
    "a body business cannot read": (frame_bytes(Send.kind, NO_PROTOBUF, conversation=1), Code.MALFORMED_FRAME),
    "a second login": (encode(Connect(2, 2, 1, b"")), Code.MALFORMED_FRAME),
}


class TestBadInput:
    @pytest.mark.parametrize(("said", "code"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
    def test_it_ends_its_own_connection_with_a_code_and_no_other(
        self, server: Server, alice: Client, said: bytes, code: Code
    ) -> None:
        with server.client(2) as bad:
            bad.login(next(CONNECTS))
            bad.write_bytes(said)
            assert bad.refusal() == Error(code, TEXT[code])
        assert alice.send(next_counter(alice)).code == Code.OK
        assert server.pids() == [server.ready["business"]["pid"], server.ready["gateways"][0]["pid"]]

    def test_what_came_before_it_counts(self, alice: Client, server: Server) -> None:
        counter = next_counter(alice)
        alice.write_bytes(encode(Send(1, counter, b"before")) + frame_bytes(99))
        assert alice.refusal().code == Code.UNKNOWN_KIND
        with server.client(2) as bob:
            bob.login(next(CONNECTS))
            assert bob.sync()[-1].payload == b"before"

    def test_a_wrong_token(self, server: Server, alice: Client) -> None:
        with server.client(2) as stranger:
            stranger.write_connect(token=b"x" * 32)
            assert stranger.refusal().code == Code.BAD_TOKEN
        assert alice.ping().counter == 1

    def test_a_message_before_the_login(self, server: Server) -> None:
        with server.client(2) as client:
            client.write(Send(1, 1, b""))
            assert client.refusal().code == Code.NOT_ATTACHED


class TestSession:
    def test_a_newer_connection_takes_the_session_over(self, server: Server, alice: Client) -> None:
        with server.client(1) as newer:
            newer.login(next(CONNECTS))
            assert alice.refusal().code == Code.TAKEN_OVER
            assert newer.send(next_counter(newer)).code == Code.OK

    def test_an_older_attempt_does_not(self, server: Server, alice: Client) -> None:
        with server.client(1) as late:
            late.write_connect(connect_counter=1)
            assert late.refusal().code == Code.STALE_CONNECT
        assert alice.send(next_counter(alice)).code == Code.OK

    def test_a_client_that_does_not_read_is_cut_off_and_syncs_what_it_missed(self, server: Server, alice: Client) -> None:
        """More than the sockets and the gateway's queue hold; the others get every message at once."""
        payload = b"x" * limits.PAYLOAD_BYTES_MAX
        with server.client(2) as deaf, server.client(3) as other:
            deaf.login(next(CONNECTS))
            other.login(next(CONNECTS))
            first = next_counter(alice, 2)
            counters = range(first, first + limits.SEND_QUEUE_MAX + 600)
            for begin in range(0, len(counters), 50):
                some = list(counters[begin : begin + 50])
                alice.write(*(Send(2, counter, payload) for counter in some))
                assert [alice.expect(SendAck).code for _ in some] == [Code.OK] * len(some)
                assert [other.expect(Deliver).send_counter for _ in some] == some
            got = [frame.send_counter for frame in deaf.read_to_end() if isinstance(frame, Deliver)]
        assert got == list(counters)[: len(got)]
        assert len(got) < len(counters)
        with server.client(2) as back:
            back.login(next(CONNECTS))
            assert [m.send_counter for m in back.sync(2)][-len(counters) :] == list(counters)


class TestHostileClient:
    def test_one_that_asks_for_much_and_reads_nothing_harms_nobody(self, server: Server, alice: Client) -> None:
        """Thousands of the largest pages are asked for: they are not read at once, and another client is answered meanwhile."""
        first = next_counter(alice)
        for counter in range(first, first + 12):
            alice.send(counter, bytes(limits.PAYLOAD_BYTES_MAX))
        business = psutil.Process(server.ready["business"]["pid"])
        before = business.memory_info().rss
        with server.client(2) as glutton:
            glutton.login(next(CONNECTS))
            glutton.write_bytes(b"".join(encode(SyncRequest(1, request, 0, limits.SYNC_PAGE_MAX)) for request in range(1, 4001)))
            assert alice.send(first + 12, b"and I?").code == Code.OK
            assert alice.ping()
        assert business.is_running()
        assert business.memory_info().rss - before < 200 * 2**20


class TestTimers:
    """The machines' deadlines are kept: one timer a machine, in real processes."""

    def test_an_unacknowledged_delivery_is_resent_and_a_silent_client_is_cut_off(self, tmp_path: Path) -> None:
        timers = Timers(resend_timer_us=50_000, heartbeat_us=500_000)
        config = tmp_path / "server.json"
        write_config(config, msgspec.structs.replace(CONFIG, policies=PRESETS["timer"], timers=timers))
        server = Server(config, tmp_path / "store", "--gateways", "1")
        with server.client(1) as alice, server.client(2) as bob:
            alice.login()
            bob.login()
            alice.send(1, b"hello")
            copies = [bob.expect(Deliver) for _ in range(1 + timers.resends_max)]
            assert copies[1:] == copies[:-1]
            assert bob.refusal().code == Code.IDLE
        stop(server)
