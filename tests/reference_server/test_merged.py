"""Access and business in one process: the same server to its clients, with one pid and one fate."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from model.core.codes import Code
from model.core.frames import Deliver
from reference_server.process import NOINPUT, USAGE
from tests.reference_server.client import positions
from tests.reference_server.conftest import Serve, Server, serve_command, stop
from tests.reference_server.test_serve import refused

pytestmark = pytest.mark.live


@pytest.fixture
def merged(serve: Serve) -> Server:
    return serve("--merged", "--control")


def test_it_is_one_process_which_serves_as_two_do(merged: Server) -> None:
    with merged.client(1) as alice, merged.client(2) as bob:
        alice.login()
        bob.login()
        ack = alice.send(1, b"hello")
        assert (ack.code, ack.committed) == (Code.OK, True)
        assert bob.expect(Deliver).payload == b"hello"
        assert bob.acknowledge(1, (1, ack.conversation_seq)).ack_counter == 1
        assert positions(alice.sync()) == [(1, 1)]
    assert merged.pids() == [merged.ready["business"]["pid"]] == [merged.ready["gateways"][0]["pid"]]
    assert [gateway["name"] for gateway in merged.ready["gateways"]] == ["gateway-1"]


@pytest.mark.parametrize("name", ["business", "gateway-1"])
def test_to_kill_either_is_to_kill_both_and_what_was_acked_is_there_afterwards(merged: Server, name: str) -> None:
    with merged.client(1) as alice:
        alice.login()
        acked = alice.send(1, b"kept")
        exited = merged.ask(f"kill {name}")
        assert (exited["event"], exited["role"], exited["status"]) == ("exited", name, -signal.SIGKILL)
        assert alice.read_to_end() == []
        assert merged.pids() == []
    started = merged.ask(f"start {name}")
    assert (started["event"], started["role"], started["port"]) == ("started", name, merged.ports[0])
    with merged.client(1) as alice:
        alice.login(2)
        assert alice.send(1, b"kept") == acked


def test_on_sigterm_its_clients_are_told_and_what_they_were_acked_is_kept(merged: Server, config: Path, tmp_path: Path) -> None:
    with merged.client(1) as alice:
        alice.login()
        assert alice.send(1, b"kept").code == Code.OK
        psutil.Process(merged.pids()[0]).terminate()
        assert alice.refusal().code == Code.SHUTTING_DOWN
    assert merged.event()["status"] == 0
    assert not list((tmp_path / "store").glob("*-wal"))  # the database was closed, not left behind
    split = Server(config, tmp_path / "store", "--gateways", "1")  # the database is the same
    try:
        with split.client(1) as alice:
            alice.login(2)
            assert [message.payload for message in alice.sync()] == [b"kept"]
    finally:
        stop(split)


def test_the_whole_server_stops_and_leaves_nobody(merged: Server) -> None:
    pids = merged.pids()
    merged.tell("stop")
    assert merged.end() == 0
    assert merged.stderr() == ""
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_what_it_cannot_be_is_refused_in_one_line(config: Path, tmp_path: Path) -> None:
    status, line = refused(serve_command(config, tmp_path / "store", "--merged", "--gateways", "2"))
    assert status == USAGE
    assert line == "imbench serve: --merged is one process, which has one gateway; with it, --gateways must be 1, not 2\n"
    status, line = refused(serve_command(config, tmp_path / "missing" / "store", "--merged"))
    assert status == NOINPUT
    assert "make it first" in line
