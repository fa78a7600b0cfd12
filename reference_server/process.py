"""What every role has in common as a process: one event loop, one timer, signals, a way to end.

Rules of the file:

- ``clock_us`` is CLOCK_MONOTONIC, common to all processes of the host; it is the ``now`` of every machine.
- An :class:`Alarm` is the one timer of a machine. It is moved only when the deadline comes *nearer*: a call that is early is harmless
  to the machine, so a deadline that moves away (the usual case, once a message) costs one comparison.
- A role ends by returning its exit code, or by :class:`Unusable` before it has begun to serve: one line on stderr that says what
  to do, and a code of sysexits(3).
- An exception that no handler expected is a bug. The role then ends with a traceback and ``SOFTWARE``, since a machine that was left
  half way is not to be trusted; a supervisor starts it again.
- With ``--until-stdin-ends`` the role ends as on SIGTERM when its standard input does, and reads orders from it. The supervisor holds
  the other end of that pipe, so not even ``kill -9`` of the supervisor leaves a child behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import traceback
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from model.core import limits
from model.scenario.descriptors import raise_limit
from model.scenario.pulse import keep_pulse
from reference_server import stages
from reference_server.config import ConfigError, ServerConfig, read_config

# sysexits(3): what a script that started a role may rely on
OK, USAGE, DATAERR, NOINPUT, UNAVAILABLE, SOFTWARE, CANTCREAT, IOERR, CONFIG = 0, 64, 65, 66, 69, 70, 73, 74, 78


class Unusable(Exception):
    """A role cannot begin to serve. The text is one line that says what to do; ``status`` is the exit code."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class _Clock:
    """What this process takes for the time: how far it is ahead of the host's clock, and who has to know when it jumps."""

    __slots__ = ("ahead_us", "alarms")

    def __init__(self) -> None:
        self.ahead_us = 0
        self.alarms: weakref.WeakSet[Alarm] = weakref.WeakSet()

    def step(self, by_us: int) -> None:
        """Jump; every machine looks again at what is due."""
        self.ahead_us += by_us
        for alarm in list(self.alarms):
            alarm.ring()


_CLOCK = _Clock()


def clock_us() -> int:
    """Microseconds of CLOCK_MONOTONIC, and by how much this process's clock has been made to jump."""
    return time.monotonic_ns() // 1000 + _CLOCK.ahead_us


class Alarm:
    """The one timer of a machine: ``set`` it to the machine's deadline after every input; it calls ``ring`` at or after it."""

    __slots__ = ("__weakref__", "_due", "_handle", "_loop", "_ring")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        _CLOCK.alarms.add(self)
        self._loop = loop
        self._ring = ring
        self._due = limits.NEVER_US
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline_us: int) -> None:
        """See to it that ``ring`` is called at or after ``deadline_us``; possibly earlier, and then again."""
        if deadline_us >= self._due:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._due = deadline_us
        self._handle = self._loop.call_later(max(0, deadline_us - clock_us()) / 1e6, self.ring)

    def ring(self) -> None:
        """It is time, or may be."""
        if self._handle is not None:
            self._handle.cancel()
        self._due = limits.NEVER_US
        self._handle = None
        self._ring()


class Arguments(argparse.ArgumentParser):
    """A command line whose errors end with ``USAGE``, on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argument's type: an integer from ``low`` to ``high``."""

    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return value

    return parse


def load_config(path: Path) -> ServerConfig:
    """:func:`read_config`, with the exit code that belongs to its error."""
    try:
        return read_config(path)
    except ConfigError as error:
        raise Unusable(str(error), NOINPUT if error.missing else CONFIG) from None


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to an address, not listening yet; port 0 lets the system choose. Raises :class:`Unusable`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unusable(f"cannot listen on host {host!r}: {error.strerror}; name another with --host", UNAVAILABLE) from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        text = f"cannot listen on {host} port {port}: {error.strerror}; stop what uses it, or name another with --port (0: any)"
        raise Unusable(text, UNAVAILABLE) from None
    return bound


def say_ready(line: str) -> None:
    """The one line a role prints on stdout, when it serves."""
    with contextlib.suppress(BrokenPipeError):
        print(f"ready {line}", flush=True)


def run(name: str, serve: Callable[[asyncio.Event], Awaitable[int]], *, until_stdin_ends: bool) -> int:
    """Run a role to its end and return its exit code. ``serve`` gets the event that asks it to stop."""
    raise_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_serve(name, serve, until_stdin_ends))
        except Unusable as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            return error.status


async def _serve(name: str, serve: Callable[[asyncio.Event], Awaitable[int]], until_stdin_ends: bool) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.set_exception_handler(lambda _, context: _end_on_bug(name, context))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), _read_orders, loop, stop, bytearray())
    keep_pulse(loop.call_later, time.monotonic_ns)
    return await serve(stop)


def _read_orders(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, rest: bytearray) -> None:
    """A line each: ``step MICROSECONDS`` has the clock jump, ``arm STAGE`` has the process end when it stands there, ``disarm`` has it live
    on. That it has been done is said on stdout. The end is the end."""
    chunk = os.read(sys.stdin.fileno(), 4096)
    if not chunk:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()
        return
    rest += chunk
    *lines, last = bytes(rest).split(b"\n")
    rest[:] = last
    for line in lines:
        verb, _, value = line.decode().partition(" ")
        if verb == "step":
            _CLOCK.step(int(value))
            print("stepped", flush=True)
        elif verb == "arm":
            print(f"{'armed' if stages.arm(value) else 'unarmed'} {value}", flush=True)
        elif verb == "disarm" and stages.disarm():
            print("disarmed", flush=True)


def _end_on_bug(name: str, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, OSError):  # a transport's own trouble; its connection_lost follows
        return
    print(f"{name}: {context['message']}", file=sys.stderr)
    if error is not None:
        traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(SOFTWARE)
