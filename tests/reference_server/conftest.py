"""Real servers for tests: the supervisor as a process, told what to do over its stdin, its events read with a bound."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from model.core.log import Conversation
from model.core.policies import Timers
from reference_server.config import ServerConfig, write_config
from tests.reference_server.client import SECRET, WAIT_S, Client

CONFIG = ServerConfig(
    secret_hex=SECRET.hex(),
    conversations=(Conversation(1, "direct", (1, 2)), Conversation(2, "group", (1, 2, 3))),
    timers=Timers(heartbeat_us=60_000_000),  # clients here do not ping; on a busy machine they must not seem dead
)


def serve_command(config: Path, folder: Path, *more: str) -> list[str]:
    where = ["--config", str(config), "--data", str(folder)]
    return [sys.executable, "-m", "reference_server.serve", *where, *more]


class Server:
    """A running server, with ``--control`` unless asked otherwise."""

    def __init__(self, config: Path, folder: Path, *more: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(serve_command(config, folder, *more), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        ready = self.line()
        assert ready.startswith("ready "), ready + self.stderr()
        self.ready: dict[str, Any] = json.loads(ready.removeprefix("ready "))
        self.ports = [gateway["port"] for gateway in self.ready["gateways"]]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def line(self) -> str:
        """The next line of stdout; empty at its end."""
        return self._lines.get(timeout=WAIT_S)

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command: str) -> dict[str, Any]:
        """Give a command, and wait for the event it leads to."""
        self.tell(command)
        return self.event()

    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.line())
        return event

    def client(self, user: int, gateway: int = 1) -> Client:
        """A new connection of a user to a gateway, not logged in."""
        return Client(self.ports[gateway - 1], user)

    def pids(self) -> list[int]:
        """The children there are."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def end(self) -> int:
        """The exit code of a server that was told to stop."""
        return self.process.wait(WAIT_S)

    def stderr(self) -> str:
        """What it said to people; only when it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "server.json"
    write_config(path, CONFIG)
    return path


@pytest.fixture
def serve(config: Path, tmp_path: Path) -> Iterator[Serve]:
    """Start a server on this test's folder; it is stopped at the end."""
    servers: list[Server] = []

    def start(*more: str) -> Server:
        servers.append(Server(config, tmp_path / "store", *more))
        return servers[-1]

    yield start
    for server in servers:
        stop(server)


@pytest.fixture(scope="module")
def server(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with a single gateway for the tests of a module that leave it as it is."""
    running = Server(config, tmp_path_factory.mktemp("server") / "store", "--control", "--gateways", "1")
    yield running
    stop(running)


def stop(server: Server) -> None:
    """End a server, if it has not ended, and close what it was spoken to through."""
    server.process.terminate()
    server.process.wait(WAIT_S)
    for pipe in (server.process.stdin, server.process.stdout, server.process.stderr):
        if pipe is not None:
            pipe.close()
