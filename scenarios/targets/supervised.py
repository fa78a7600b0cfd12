"""A server of one program, run as the runner wants it: started, killed and started again on command, always ended.

Speaks as ``python -m reference_server.serve --control`` does, so that a live run need not know whose server it is: a ``ready`` line that
names the one place where clients connect, then commands on stdin (``kill gateway-1``, ``start gateway-1``, ``stop``) and one JSON event a
line on stdout, with the instant ``t_ns`` of CLOCK_MONOTONIC.

Rules of the file:

- The server is ``gateway-1``: clients connect to it. That it also stores is its own matter.
- The proof of an exit is waitpid. The proof of a start is that its port takes a connection: a program that is not ours says nothing.
- The port is held by a socket that is bound and never listens, so it is nobody else's while the server is down, and whoever knocks then
  is refused. The server must set SO_REUSEADDR, as nearly all do.
- The end of stdin, SIGTERM and ``stop`` end it: the server gets SIGTERM, and SIGKILL after ``STOP_BOUND_S``. Only a ``kill -9`` of this
  process itself leaves the server behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.scenario.descriptors import raise_limit

HOST: Final = "127.0.0.1"
ROLE: Final = "gateway-1"
START_BOUND_S: Final = 30.0
"""Within this its port takes a connection; a broker takes milliseconds, a server on a virtual machine of its own seconds."""
STOP_BOUND_S: Final = 5.0
"""Between SIGTERM and SIGKILL; the runner waits longer."""
KNOCK_S: Final = 0.01
"""Between two looks at whether it serves."""
OK, UNAVAILABLE = 0, 69


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the runner wants: the preset, a folder for what the server keeps, deleted after the run, and one for logs."""

    preset: str
    folder: Path
    logs: Path


Command = Callable[[Wanted, int], Sequence[str]]
"""Prepares the folder and returns the command line of the server, which is to listen on 127.0.0.1 and that port, and runs in the folder."""


def main(command: Command, arguments: Sequence[str] | None = None) -> int:
    """Run the server of a target to its end; returns the exit code."""
    parser = argparse.ArgumentParser(description="One server under control: commands on stdin, events on stdout.")
    parser.add_argument("--preset", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    wanted = Wanted(**vars(parser.parse_args(arguments)))
    wanted.folder.mkdir(parents=True, exist_ok=True)
    raise_limit()  # which the server inherits
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        port = holder.getsockname()[1]
        return asyncio.run(_Supervised(list(command(wanted, port)), wanted, port).run())


class _Supervised:
    """The one program while it is supervised."""

    def __init__(self, command: list[str], wanted: Wanted, port: int) -> None:
        self._command, self._wanted, self._port = command, wanted, port
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._commands: asyncio.Queue[str] = asyncio.Queue()
        self._announced = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._commands.put_nowait, "stop")
        try:
            if not await self._start():
                return UNAVAILABLE
            self._announce()
            listening = loop.create_task(self._listen())
            while (command := await self._commands.get()) != "stop":
                await self._obey(command)
            listening.cancel()
            return OK
        finally:
            await self._stop()

    def _announce(self) -> None:
        assert self._process is not None
        place = {"name": ROLE, "host": HOST, "port": self._port, "pid": self._process.pid}
        print(f"ready {json.dumps({'gateways': [place]})}", flush=True)
        self._announced = True

    async def _listen(self) -> None:
        """Queue the lines of stdin; its end is the last command."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async for line in reader:
            self._commands.put_nowait(line.decode(errors="replace").strip())
        self._commands.put_nowait("stop")

    async def _obey(self, command: str) -> None:
        runs = self._process is not None
        if command == f"kill {ROLE}" and self._process is not None:
            self._process.kill()
        elif command == f"start {ROLE}" and not runs:
            if await self._start() and self._process is not None:
                self._emit("started", role=ROLE, pid=self._process.pid, port=self._port)
        elif command in (f"kill {ROLE}", f"start {ROLE}"):
            self._emit("refused", command=command, text=f"{ROLE} is {'running' if runs else 'not running'}")
        else:
            self._emit("refused", command=command, text=f"expected kill {ROLE}, start {ROLE} or stop")

    # the program -------------------------------------------------------------------------------------------------------------------------

    async def _start(self) -> bool:
        """Start it, and wait until it serves; False if it ended instead, or took too long."""
        with (self._wanted.logs / f"{ROLE}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._wanted.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watching = asyncio.get_running_loop().create_task(self._watch(self._process))
        end_s = time.monotonic() + START_BOUND_S
        while time.monotonic() < end_s and self._process is not None:
            if await self._serves():
                return True
            await asyncio.sleep(KNOCK_S)
        print(f"{self._command[0]} did not serve on port {self._port}; see {ROLE}.log", file=sys.stderr, flush=True)
        return False

    async def _serves(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        self._process = None
        self._emit("exited", role=ROLE, pid=process.pid, status=status)

    async def _stop(self) -> None:
        if self._process is None or self._watching is None:
            return
        for end in (self._process.terminate, self._process.kill):
            with suppress(ProcessLookupError):
                end()
            done, _ = await asyncio.wait([self._watching], timeout=STOP_BOUND_S)
            if done:
                return

    def _emit(self, event: str, **fields: object) -> None:
        if self._announced:
            with suppress(BrokenPipeError):
                print(json.dumps({"event": event, **fields, "t_ns": time.monotonic_ns()}), flush=True)
