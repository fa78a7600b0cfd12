"""How many processes make the load of a live run, and whether everyone finds room: a connection takes a descriptor.

Rules of the file:

- Of its descriptors (the hard limit, which every process here raises itself to) a process keeps a twentieth, and at least a hundred, for
  itself: of 20,000 there are 19,000 connections.
- Users beyond one process's room are shared out to more processes unasked; which device does what is the schedule's in any case.
- Gateways must have room for everyone too, also while a fault keeps one of them away: else the run would blame the server for a limit
  of this machine.
- Towards one listener an address has 28,232 ports on Linux as it comes, and all users may come to be on one gateway. So however many
  descriptors there are, no process has more connections than that; with more users, each process comes from an address of its own,
  127.0.0.2 and on. A proxy has one address.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from model.scenario import Scenario
from model.scenario.descriptors import most
from model.scenario.job import Part
from scenarios.breaking.nemesis import door_plans
from scenarios.running.exits import CannotRun

GENERATORS_MAX: Final = 64
"""Processes: more than the cores of a host this is run on; each plans the whole run."""
ALLOW_VARIABLE: Final = "IMBENCH_ALLOW_HOSTS"
"""Where load processes look for hosts beside the loopback that may be loaded (:mod:`loadgen.driver`)."""
_LISTEN: Final = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^:\[\]]+|[0-9a-fA-F:.]*::[0-9a-fA-F:.]*))(?::(?P<port>[0-9]{1,5}))?"
)
PORTS_MAX: Final = 28_000
"""Connections from one address to one listener."""


class Fleet(msgspec.Struct, frozen=True):
    """Who makes the load: ``generators`` processes of this host (0: as many as the users need), or, of Locust, ``workers`` anywhere, for
    whom the server and Locust's master listen at ``listen`` (the master at ``port``; 0: any)."""

    generators: int = 0
    workers: int = 0
    listen: str = "127.0.0.1"
    port: int = 0


def fleet(driver: str, generators: int, workers: int, listen: str) -> Fleet:
    """What the options of a command ask for. Raises :class:`CannotRun` for what cannot be."""
    if generators < 0:
        raise CannotRun(f"--generators {generators}: give at least 1, or leave it out for as many as the users need")
    if generators and workers:
        raise CannotRun("--generators and --workers exclude each other; give one of them")
    if workers and driver != "locust":
        raise CannotRun(f"--workers are Locust's, and --driver is {driver}; leave one of them out")
    found = _LISTEN.fullmatch(listen)
    if found is None or int(found["port"] or 0) > 65535:
        raise CannotRun(f"--listen {listen}: give a host, or host:port, an address of IPv6 in brackets")
    return Fleet(generators, workers, found["v6"] or found["host"], int(found["port"] or 0))


def room() -> int:
    """Connections that one process may hold."""
    limit = most()
    return limit - max(100, limit // 20)


def parts(scenario: Scenario, fleet: Fleet, room: int) -> list[Part]:
    """The parts of a run's load, a process each. Raises :class:`CannotRun` where somebody would find no room."""
    users = scenario.population.users
    _check_server(scenario, users, room)
    held = min(room, PORTS_MAX)
    needed, told = -(-users // held), fleet.workers or fleet.generators
    option = "--workers" if fleet.workers else "--generators"
    if told > min(users, GENERATORS_MAX):
        raise CannotRun(f"{option} {told}: give at most {min(users, GENERATORS_MAX)}")
    if told and told < needed:
        raise CannotRun(
            f"{option} {told}: {users} users are too many, a process may hold {held} connections here; give at least {needed}"
        )
    return [Part(index, told or needed) for index in range(told or needed)]


def _check_server(scenario: Scenario, users: int, room: int) -> None:
    gateways = scenario.gateways - (1 if scenario.faults and scenario.gateways > 1 else 0)
    if users > gateways * room:
        away = " while one is away" if gateways < scenario.gateways else ""
        raise CannotRun(
            f"{users} users do not fit on {scenario.gateways} gateways{away}: a process may hold {room} connections here; "
            f"--set gateways={-(-users // room) + scenario.gateways - gateways}, or fewer users"
        )
    doors = door_plans(scenario, [{"name": "gateway", "host": "", "port": 0}], "", Path())
    most = min(room // 2, PORTS_MAX)
    if users > most and any(door.side == "clients" for door in doors):
        raise CannotRun(
            f"{users} users are too many for the faults of this scenario, which need a proxy: it holds two connections a user, and a "
            f"process may hold {room} here, {PORTS_MAX} of them to one gateway; give at most {most} users"
        )


def source(scenario: Scenario, part: Part) -> str:
    """Where the connections of a part come from; empty: from wherever the system has them come."""
    return f"127.0.0.{2 + part.index}" if scenario.population.users > PORTS_MAX else ""


def is_load(name: str) -> bool:
    """Whether a process is called so."""
    return name == "load" or name.startswith("load-")


# what they cost ---------------------------------------------------------------------------------------------------------------------


def shared(cores: Sequence[int], processes: int) -> tuple[list[int], list[int]]:
    """Cores for the server, and one for each load process, which share where there are too few: half of the cores at most."""
    kept = min(processes, max(1, len(cores) // 2))
    mine = list(cores[-kept:])
    return list(cores[:-kept]), [mine[k % kept] for k in range(processes)]


def bind(pids: Sequence[int], cores: Sequence[int]) -> None:
    """Each process to its core. Raises psutil.Error, OSError."""
    for pid, core in zip(pids, cores, strict=True):
        bind_threads(pid, [core])


def bind_threads(pid: int, cores: Sequence[int]) -> None:
    """A process with all its threads to some cores; what it starts later inherits them. Raises psutil.Error, OSError.

    The kernel binds threads: to bind a process by its id is to bind its first thread alone (sched_setaffinity(2)), and the thread that
    writes to storage would go on using the core of the generator.
    """
    for thread in psutil.Process(pid).threads():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread.id, cores)


def together(reports: Sequence[dict[str, float]], cores: Sequence[int]) -> dict[str, Any]:
    """The health of several load processes as one: what is counted is added; ``cpu_max`` is that of the busiest core, at most: the sum over
    the processes that shared it. Nothing where one has left no report: what is not known of it might be the worst."""
    if not all(reports) or not reports:
        return {}
    if len(reports) == 1:
        return dict(reports[0])
    at = list(cores) or list(range(len(reports)))
    whole = {of: _joined(of, [report[of] for report in reports]) for of in reports[0]}
    by_core = [sum(r["cpu_max"] for r, core in zip(reports, at, strict=True) if core == one) for one in sorted(set(at))]
    return whole | {"cpu_max": round(max(by_core), 4), "processes": float(len(reports))}


def _joined(of: str, values: list[float]) -> float:
    return max(values) if "max" in of else sum(values)


# several machines -------------------------------------------------------------------------------------------------------------------


class Clock(msgspec.Struct, frozen=True):
    """A worker's clock: how far from ours it was, by how much that moved in the run, and within what bound it is known."""

    part: int
    host: str
    offset_us: int
    moved_us: int
    bound_us: int


def free_port(host: str) -> int:
    """A port that nobody has just now. Raises :class:`CannotRun` for an address that is not this machine's."""
    try:
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise CannotRun(f"--listen {host}: cannot be listened at ({error.strerror}); give an address of this machine") from None


def allowed(host: str) -> dict[str, str]:
    """The environment of a load process whose gateways are at an address that was named on purpose."""
    return {} if is_loopback(host) else {ALLOW_VARIABLE: host}


def how_to_come(host: str, port: str) -> str:
    """The command that makes a worker, to be typed in a checkout on its machine."""
    named = "" if is_loopback(host) else f"{ALLOW_VARIABLE}={host} "
    return f"{named}python -m locust -f loadgen/locustfile.py --worker --master-host {host} --master-port {port}"


def is_loopback(host: str) -> bool:
    """Whether a host is this one alone. A name other than ``localhost`` may resolve to anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def clocks(folder: Path) -> list[Clock]:
    """What the master has left of its workers' clocks; nothing where it did not come to its end."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / "clocks.json").read_bytes(), type=list[Clock])
    return []


def clock_bound(clocks: Sequence[Clock]) -> dict[str, float]:
    """The worst bound, as a measure of the generator's health."""
    return {"clock_bound_us": float(max(clock.bound_us for clock in clocks))} if clocks else {}


def clocks_told(clocks: Sequence[Clock]) -> str:
    """In a line: between two workers bounds add up."""
    bounds = sorted((clock.bound_us for clock in clocks), reverse=True)
    each = ", ".join(f"{clock.host} {clock.bound_us} us" for clock in clocks)
    return f"clocks of workers are known within: {each}; delays between two workers are right to {sum(bounds[:2])} us"
