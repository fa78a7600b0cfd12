"""The player over asyncio on uvloop: for high rates and for tests. ``python -m loadgen.asyncio_driver`` plays the job of IMBENCH_JOB.

One protocol object a connection, one timer for all devices, one task a connection attempt and none a message. A write that would
block waits in its transport's buffer and holds up nobody else.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from typing import Any, cast

import uvloop

from loadgen.driver import (
    START_POLL_S,
    START_WAIT_MAX_S,
    JobError,
    Playable,
    Prepared,
    Production,
    explain,
    job_of_environment,
)
from loadgen.health import INTERVAL_S
from loadgen.player import Device
from loadgen.sources import bind_source
from model.core import limits
from model.scenario.job import JOB_VARIABLE
from model.scenario.pulse import keep_pulse


class AsyncioLine:
    """One device's connections."""

    __slots__ = ("_attempt", "_current", "_shell", "device")

    def __init__(self, shell: Shell, device: Device) -> None:
        self._shell = shell
        self.device = device
        self._attempt: asyncio.Task[None] | None = None
        self._current: _Connection | None = None

    def open(self, connection: int, gateway: int) -> None:
        """See :class:`loadgen.player.Line`."""
        self.close()
        self._attempt = asyncio.get_running_loop().create_task(self._connect(connection, gateway))

    def write(self, data: bytes) -> None:
        """See :class:`loadgen.player.Line`."""
        if self._current is not None and self._current.transport is not None:
            self._current.transport.write(data)

    def close(self) -> None:
        """See :class:`loadgen.player.Line`."""
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        if self._current is not None and self._current.transport is not None:
            self._current.transport.close()
        self._current = None

    async def _connect(self, connection: int, gateway: int) -> None:
        host, port = self._shell.production.gateways[gateway]
        loop = asyncio.get_running_loop()
        try:
            source = self._shell.production.job.source
            where = {"sock": await _connected(host, port, source)} if source else {"host": host, "port": port}
            _, protocol = await loop.create_connection(lambda: _Connection(self._shell, self.device, connection), **where)
        except OSError:
            self._attempt = None
            self._shell.lost(self.device, connection)
            return
        self._attempt, self._current = None, protocol
        self._shell.opened(self.device, connection)


async def _connected(host: str, port: int, source: str) -> socket.socket:
    """A socket that comes from an address of our choice. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        bind_source(sock, source)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return sock


class _Connection(asyncio.Protocol):
    """One transport connection of a device."""

    __slots__ = ("_device", "_number", "_shell", "transport")

    def __init__(self, shell: Shell, device: Device, number: int) -> None:
        self._shell, self._device, self._number = shell, device, number
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class

    def data_received(self, data: bytes) -> None:
        self._shell.received(self._device, self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shell.lost(self._device, self._number)


class Turns:
    """Calls whoever plays when something is due. ``ended`` is done when it plays no further."""

    __slots__ = ("_due", "_loop", "_playable", "_timer", "ended", "prepared")

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self._playable: Playable = prepared.player
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._due = limits.NEVER_US

    async def play(self) -> None:
        """Play to END, or until ``end``. Raises what went wrong in the rules."""
        self._arm()
        keep_pulse(self._loop.call_later, time.monotonic_ns)
        sampler = self._loop.create_task(self._sample())
        try:
            await self.ended
        finally:
            sampler.cancel()
            if self._timer is not None:
                self._timer.cancel()

    def end(self, error: BaseException | None = None) -> None:
        """Play no further."""
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    def _turn(self) -> None:
        self._timer, self._due = None, limits.NEVER_US
        self._playable.turn()
        if self._playable.finished:
            self.end()
        self._arm()

    def _arm(self) -> None:
        """One timer for everyone; libuv counts whole milliseconds, so round up rather than wake in vain."""
        due = self._playable.deadline
        if due >= self._due or due == limits.NEVER_US:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait_us = max(0, due - self.prepared.clock())
        self._due = due
        self._timer = self._loop.call_later(-(-wait_us // 1000) / 1000, self._turn)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.prepared.health.sample()


class Shell(Turns):
    """Feeds the player what its lines receive."""

    __slots__ = ("_player", "production")

    def __init__(self, production: Production) -> None:
        super().__init__(production)
        self.production = production
        self._player = production.player
        for device in self._player.devices.values():
            device.line = AsyncioLine(self, device)

    def opened(self, device: Device, connection: int) -> None:
        """A connection of a device is there."""
        self._player.opened(device, connection)
        self._arm()

    def received(self, device: Device, connection: int, data: bytes) -> None:
        """Bytes arrived on it."""
        self._player.received(device, connection, data)
        self._arm()

    def lost(self, device: Device, connection: int) -> None:
        """It is gone, or could not be made."""
        self._player.lost(device, connection)
        self._arm()


async def play(shell: Turns) -> int:
    """Play what is prepared from the ready line to END or a signal; returns the exit code.

    Raises :class:`JobError` where no start comes, and whatever went wrong in the rules; the recording is intact then too.
    """
    prepared = shell.prepared
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: shell.end(_error_of(context)))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, shell.end)
    if prepared.job.until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), _end_with_stdin, loop, shell)
    prepared.announce()
    try:
        if await _started(shell):
            await shell.play()
    except BaseException:
        prepared.close(goodbye=False)
        raise
    code = prepared.close()
    await asyncio.sleep(START_POLL_S)  # the goodbyes leave
    return code


def _end_with_stdin(loop: asyncio.AbstractEventLoop, shell: Turns) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        shell.end()


async def _started(shell: Turns) -> bool:
    """Wait for the start; False if a signal came first."""
    deadline = time.monotonic() + START_WAIT_MAX_S
    while not shell.prepared.started():
        if shell.ended.done():
            return False
        if time.monotonic() > deadline:
            raise JobError(f"{shell.prepared.job.start_path}: no start for {START_WAIT_MAX_S:g} s; the runner must write it")
        await asyncio.sleep(START_POLL_S)
    return True


def _error_of(context: dict[str, Any]) -> BaseException:
    error = context.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError(context.get("message", "an error in the event loop"))


async def _played(production: Production) -> int:
    return await play(Shell(production))


def main() -> int:
    """Play the job of the environment; returns the exit code."""
    try:
        job = job_of_environment()
        if job is None:
            raise JobError(f"no job; set {JOB_VARIABLE} to the path of one")
        production = Production(job)
        code: int = uvloop.run(_played(production))
        return code
    except Exception as error:
        return explain(error)


if __name__ == "__main__":
    sys.exit(main())
