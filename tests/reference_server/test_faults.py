"""Real faults: nodes killed with -9 and started again, a disk that is full. What was acked is there afterwards, and once."""

from __future__ import annotations

import resource
import signal
import socket
from collections.abc import Callable

import psutil
import pytest

from model.core import limits
from model.core.codes import Code
from model.core.frames import Deliver, Frame, Heads, Notice, Send, SendAck, Welcome
from reference_server.process import IOERR
from tests.reference_server.client import Client, positions
from tests.reference_server.conftest import Serve, Server

pytestmark = pytest.mark.live

COUNT = 600
"""Sends of a test: a second or so of traffic, so that a kill lands among them."""


class Sender:
    """A device that keeps a window of sends open and repeats what is open, from the oldest on."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.acked: dict[int, int] = {}  # send_counter -> conversation_seq
        self.next = 1

    @property
    def open(self) -> list[int]:
        return [counter for counter in range(1, self.next) if counter not in self.acked]

    def fill(self) -> None:
        """Write new sends as far as the window allows."""
        room = min(limits.OUTSTANDING_MAX - len(self.open), COUNT + 1 - self.next)
        self.client.write(*(Send(1, self.next + i, b"%d" % (self.next + i)) for i in range(room)))
        self.next += room

    def repeat(self) -> None:
        self.client.write(*(Send(1, counter, b"%d" % counter) for counter in self.open))

    def take_acks(self) -> None:
        """The acks that have come, every one of them committed, a repetition's like the first."""
        others: list[Frame] = []
        for frame in self.client.inbox:
            if isinstance(frame, SendAck):
                assert (frame.code, frame.committed) == (Code.OK, True)
                assert self.acked.setdefault(frame.send_counter, frame.conversation_seq) == frame.conversation_seq
            else:
                others.append(frame)
        self.client.inbox = others

    def run(self, until: Callable[[], bool]) -> None:
        """Send and take acks until a condition holds or the connection ends."""
        while not until():
            self.fill()
            if not self.client.read():
                return
            self.take_acks()

    def finish(self) -> None:
        """Repeat what is open, then send the rest."""
        self.repeat()
        self.run(lambda: len(self.acked) == COUNT)


def check_log(messages: list[Deliver], acked: dict[int, int]) -> None:
    """Everything acked is in the log where its ack said, every send once, in the sender's order, without a hole."""
    assert positions(messages) == [(n, n) for n in range(1, COUNT + 1)]
    assert [m.payload for m in messages] == [b"%d" % n for n in range(1, COUNT + 1)]
    assert acked == dict(positions(messages))


class TestGatewayKilled:
    def test_it_loses_connections_and_nothing_else(self, serve: Serve) -> None:
        server = serve("--control")
        with server.client(1, gateway=1) as alice, server.client(2, gateway=2) as bob:
            alice.login(1)
            bob.login(1)
            sender = Sender(alice)
            sender.run(lambda: len(sender.acked) >= COUNT // 3)
            exited = server.ask("kill gateway-1")
            sender.run(lambda: False)  # to the end of the connection
            assert exited["status"] == -signal.SIGKILL
            started = server.ask("start gateway-1")
            assert started["port"] == server.ports[0]
            assert started["t_ns"] > exited["t_ns"]
            with server.client(1, gateway=1) as sender.client:
                sender.client.login(2)
                sender.finish()
            check_log(bob.sync(), sender.acked)
            live = [frame for frame in bob.inbox if isinstance(frame, Deliver)]
            assert positions(live) == [(n, n) for n in range(1, COUNT + 1)]  # bob's gateway lived: once each, in order

    def test_a_client_is_refused_while_it_is_away(self, serve: Serve) -> None:
        server = serve("--control")
        server.ask("kill gateway-1")
        with pytest.raises(ConnectionRefusedError):
            server.client(1, gateway=1)

    def test_its_port_is_held_while_it_is_away(self, serve: Serve) -> None:
        """Or a connecting client might be given it, and the gateway could not come back."""
        server = serve("--control")
        server.ask("kill gateway-1")
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", server.ports[0]))


class TestBusinessKilled:
    def test_connections_stay_and_what_was_open_is_repeated(self, serve: Serve) -> None:
        server = serve("--control")
        with server.client(1, gateway=1) as alice, server.client(2, gateway=2) as bob:
            generation = alice.login(1).generation
            bob.login(1)
            sender = Sender(alice)
            sender.run(lambda: len(sender.acked) >= COUNT // 3)
            sender.fill()
            exited = server.ask("kill business")
            assert exited["status"] == -signal.SIGKILL
            alice.write(Send(1, sender.next, b"%d" % sender.next))
            sender.next += 1
            assert alice.expect(Notice).code == Code.BUSINESS_UNAVAILABLE
            assert alice.ping().counter == 1  # the gateway lives
            server.ask("start business")
            alice.expect(Heads)
            sender.take_acks()
            sender.finish()
            check_log(bob.sync(), sender.acked)
            with server.client(1, gateway=2) as moved:
                assert moved.login(2).generation > generation  # though minted by another incarnation

    def test_a_login_waits_for_it(self, serve: Serve) -> None:
        server = serve("--control")
        server.ask("kill business")
        with server.client(1) as alice:
            alice.write_connect()
            server.ask("start business")
            alice.expect(Welcome)
            assert alice.send(1).code == Code.OK

    def test_an_accepted_send_is_a_duplicate_afterwards(self, serve: Serve) -> None:
        server = serve("--control", "--gateways", "1")
        with server.client(1) as alice:
            alice.login()
            first = alice.send(1, b"once")
            server.ask("kill business")
            server.ask("start business")
            alice.expect(Heads)
            assert alice.send(1, b"once") == first
            assert positions(alice.sync()) == [(1, 1)]


class TestFullDisk:
    def test_business_ends_and_what_was_acked_is_kept(self, serve: Serve) -> None:
        """The limit of file sizes stands in for the disk: a write beyond it fails."""
        server = serve("--control", "--gateways", "1")
        with server.client(1) as alice:
            alice.login()
            acked = [alice.send(counter, b"x" * 1000) for counter in range(1, 11)]
            self.fill_disk(server)
            alice.write(*(Send(1, counter, b"x" * limits.PAYLOAD_BYTES_MAX) for counter in range(11, 31)))
            assert server.event()["status"] == IOERR
            server.ask("start business")
            alice.expect(Heads)
            acked += [frame for frame in alice.inbox if isinstance(frame, SendAck)]
            kept = positions(alice.sync())
            assert [(ack.send_counter, ack.conversation_seq) for ack in acked] == kept[: len(acked)]
            assert kept == [(n, n) for n in range(1, len(kept) + 1)]
        server.tell("stop")
        server.end()
        lines = [line for line in server.stderr().splitlines() if line.startswith("business: ")]
        assert len(lines) == 1
        assert "cannot commit" in lines[0]

    def fill_disk(self, server: Server) -> None:
        business = psutil.Process(server.ready["business"]["pid"])
        business.rlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


class TestStop:
    def test_clients_are_told_and_nothing_is_left(self, serve: Serve) -> None:
        server = serve()
        pids = server.pids()
        with server.client(1) as alice:
            alice.login()
            assert alice.send(1).code == Code.OK
            server.process.terminate()
            assert alice.refusal().code == Code.SHUTTING_DOWN
        assert server.end() == 0
        assert server.stderr() == ""
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []
