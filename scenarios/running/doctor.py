"""What this machine can do: is it able to run scenarios, and how far.

Each check answers with a state (``ok``, ``note``: works with a limit, ``fail``: does not work) and one line. Nothing is changed.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from scenarios.running.generators import PORTS_MAX, room
from scenarios.targets import mosquitto

PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 35, 0)
PACKAGES = (
    "simpy",
    "numpy",
    "pandas",
    "scipy",
    "pyarrow",
    "msgspec",
    "protobuf",
    "locust",
    "gevent",
    "uvloop",
    "psutil",
    "click",
    "rich",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor."""

    state: str
    what: str
    text: str


def examine() -> list[Finding]:
    """All checks, in a sensible order."""
    return [check() for check in _CHECKS]


def _python() -> Finding:
    good = sys.version_info >= PYTHON_MIN
    advice = "" if good else "; imbench needs 3.11 or newer"
    return Finding("ok" if good else "fail", "python", f"{platform.python_version()} at {sys.executable}{advice}")


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("fail", "packages", f"missing: {', '.join(missing)}; install them with `pip install -e .`")
    return Finding("ok", "packages", ", ".join(found))


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        return Finding("note", "cores", "1: live runs share it between server and load, so their latencies say little")
    return Finding("ok", "cores", f"{cores}")


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    state = "ok" if hard >= 1_100 else "note"
    users = f"{min(room(), PORTS_MAX)} live users a load process, {room()} a gateway"
    return Finding(state, "descriptors", f"{soft} a process, at most {hard}: {users}")


def _sqlite() -> Finding:
    good = sqlite3.sqlite_version_info >= SQLITE_MIN
    return Finding("ok" if good else "fail", "sqlite", f"{sqlite3.sqlite_version}{'' if good else '; 3.35 or newer is needed'}")


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=2):
            return Finding("ok", "loopback", "127.0.0.1 can be bound and reached")
    except OSError as error:
        return Finding("fail", "loopback", f"127.0.0.1 cannot be used ({error}); live runs need it")


def _unix_sockets() -> Finding:
    if hasattr(socket, "AF_UNIX"):
        return Finding("ok", "unix sockets", "there are")
    return Finding("fail", "unix sockets", "there are none; live runs need them")


def tells_threads() -> bool:
    """Whether the kernel tells CPU by thread, as :mod:`scenarios.running.metrics` reads it: that of this process, which has had some."""
    try:
        return int(Path(f"/proc/self/task/{os.getpid()}/schedstat").read_text().split()[0]) > 0
    except (OSError, ValueError, IndexError):
        return False


def _cpu_by_thread() -> Finding:
    if tells_threads():
        return Finding("ok", "CPU by thread", "the kernel tells it")
    return Finding("note", "CPU by thread", "the kernel does not tell it (schedstat); only `imbench calibrate` needs it")


def _disk() -> Finding:
    """A durable write, as a group commit does it."""
    with tempfile.NamedTemporaryFile(dir=os.getcwd() if os.access(os.getcwd(), os.W_OK) else None) as file:
        took = []
        for _ in range(20):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return Finding("ok", "disk", f"a durable write takes {sorted(took)[10] * 1e3:.2f} ms here (median of 20)")


def _network() -> Finding:
    said = (
        "in the live world a proxy makes delays, cuts and holes (docs/faults.md); lost packets and networks by name are simulated"
    )
    return Finding("note", "network faults", said)


def _mosquitto() -> Finding:
    if lacking := mosquitto.missing():
        return Finding("note", "mosquitto", f"{lacking}; only what is played on it needs it")
    return Finding("ok", "mosquitto", f"{mosquitto.program()}")


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _python, _packages, _cores, _descriptors, _sqlite, _loopback, _unix_sockets, _cpu_by_thread, _disk, _network, _mosquitto
)  # fmt: skip
