"""The supervisor: what it refuses, with which code and in one line; that it restarts what dies, and that nobody outlives it."""

from __future__ import annotations

import json
import selectors
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from model.core.codes import Code
from reference_server.process import CONFIG, NOINPUT, UNAVAILABLE, USAGE
from reference_server.supervisor import Supervisor
from tests.reference_server.client import WAIT_S, Client
from tests.reference_server.conftest import Serve, Server, serve_command

pytestmark = pytest.mark.live


def refused(command: list[str]) -> tuple[int, str]:
    """(exit code, the one line on stderr) of a server that cannot begin."""
    result = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.returncode, result.stderr


class TestRefusal:
    def test_a_port_in_use(self, config: Path, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            status, line = refused(serve_command(config, tmp_path / "store", "--port", str(port), "--gateways", "1"))
        assert status == UNAVAILABLE
        assert f"port {port}" in line
        assert not (tmp_path / "store").exists()

    def test_a_data_folder_in_use(self, serve: Serve, config: Path, tmp_path: Path) -> None:
        server = serve()
        status, line = refused(serve_command(config, tmp_path / "store"))
        assert status == UNAVAILABLE
        assert "another business node uses" in line
        with server.client(1) as alice:  # and the first goes on
            alice.login()
            assert alice.send(1).code == Code.OK

    def test_a_data_folder_in_a_missing_folder(self, config: Path, tmp_path: Path) -> None:
        status, line = refused(serve_command(config, tmp_path / "missing" / "store"))
        assert status == NOINPUT
        assert "make it first" in line

    def test_a_refusal_is_repeated_where_a_log_file_took_it(self, config: Path, tmp_path: Path) -> None:
        logs = tmp_path / "logs"
        status, line = refused(serve_command(config, tmp_path / "missing" / "store", "--logs", str(logs)))
        assert status == NOINPUT
        assert "business did not start" in line
        assert "make it first" in line

    def test_a_configuration_that_is_missing(self, tmp_path: Path) -> None:
        status, line = refused(serve_command(tmp_path / "none.json", tmp_path / "store"))
        assert status == NOINPUT
        assert "none.json" in line

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"secret_hex": "%s", "polices": {}}' % ("00" * 16), "polices"),
            ('{"secret_hex": "abc"}', "secret_hex"),
            ('{"secret_hex": "%s", "policies": {"send": "twice"}}' % ("00" * 16), "twice"),
            ("not JSON", "not usable"),
        ],
    )
    def test_a_configuration_that_is_wrong(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "server.json"
        path.write_text(text)
        status, line = refused(serve_command(path, tmp_path / "store"))
        assert status == CONFIG
        assert said in line

    @pytest.mark.parametrize("option", [("--gateways", "0"), ("--port", "x"), ("--port", "65535"), ("--what",)])
    def test_a_wrong_option(self, config: Path, tmp_path: Path, option: tuple[str, ...]) -> None:
        status, _ = refused(serve_command(config, tmp_path / "store", *option))
        assert status == USAGE

    def test_commands_that_cannot_arrive(self, config: Path, tmp_path: Path) -> None:
        status, line = refused(serve_command(config, tmp_path / "store", "--control"))
        assert status == USAGE
        assert "pipe" in line


class TestSupervision:
    def test_what_dies_unasked_is_started_again_where_it_was(self, serve: Serve) -> None:
        server = serve("--gateways", "1")
        gateway = psutil.Process(server.ready["gateways"][0]["pid"])
        gateway.kill()
        psutil.wait_procs([gateway], WAIT_S)
        with patient_client(server, 1) as alice:
            alice.login()
            assert alice.send(1).code == Code.OK
        server.process.terminate()
        assert server.end() == 0
        assert "gateway-1 (pid" in server.stderr()

    def test_killed_itself_it_leaves_nobody_behind(self, serve: Serve) -> None:
        server = serve()
        children = [psutil.Process(pid) for pid in server.pids()]
        server.process.kill()
        server.end()
        assert len(children) == 3
        assert gone(children)

    def test_the_end_of_its_commands_stops_it(self, serve: Serve) -> None:
        server = serve("--control")
        children = [psutil.Process(pid) for pid in server.pids()]
        assert server.process.stdin is not None
        server.process.stdin.close()
        exits = [json.loads(server.line()) for _ in children]
        assert [event["status"] for event in exits] == [0, 0, 0]
        assert exits[-1]["role"] == "business"
        assert server.end() == 0
        assert gone(children)

    @pytest.mark.parametrize("command", ["kill gateway-9", "start gateway-1", "dance"])
    def test_a_command_it_cannot_obey_is_refused(self, server: Server, command: str) -> None:
        event = server.ask(command)
        assert (event["event"], event["command"]) == ("refused", command)

    def test_a_second_signal_kills_what_does_not_stop(self, serve: Serve) -> None:
        server = serve("--control")
        frozen = psutil.Process(server.ready["gateways"][0]["pid"])
        frozen.suspend()
        server.process.terminate()
        assert server.event()["role"] == "gateway-2"  # the other one has stopped
        server.process.terminate()
        assert (server.event()["status"], server.event()["role"]) == (-signal.SIGKILL, "business")
        assert server.end() == 0

    def test_ctrl_c_stops_it_cleanly(self, serve: Serve) -> None:
        server = serve()
        server.process.send_signal(signal.SIGINT)
        assert server.end() == 0
        assert server.stderr() == ""


def patient_client(server: Server, user: int) -> Client:
    """A client of a gateway that is about to come back; bounded."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            return server.client(user)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def gone(children: list[psutil.Process]) -> bool:
    """Whether all of them end; an orphan that nobody reaps has ended too."""
    end = time.monotonic() + WAIT_S
    while any(alive(child) for child in children):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def alive(child: psutil.Process) -> bool:
    try:
        return bool(child.is_running() and child.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_what_was_closed_in_the_same_turn_is_not_read() -> None:
    """Two children that die together: their exits are noticed first, then nobody listens to their pipes any more."""
    supervisor = Supervisor([], "127.0.0.1", "business.sock", control=False)
    selector, calls = supervisor._selector, list[str]()
    (first, to_first), (second, to_second) = socket.socketpair(), socket.socketpair()
    with first, to_first, second, to_second:

        def exits_noticed() -> None:
            calls.append("exits")
            selector.unregister(first)
            selector.unregister(second)

        selector.register(first, selectors.EVENT_READ, exits_noticed)
        selector.register(second, selectors.EVENT_READ, lambda: calls.append("pipe"))
        to_first.send(b"x")
        to_second.send(b"x")
        supervisor._pump(lambda: calls, WAIT_S)
    assert calls == ["exits"]
