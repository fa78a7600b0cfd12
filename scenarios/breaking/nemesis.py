"""The nemesis of a live run: does what the scenario plans, to processes, connections and the disk, and records what is proven.

Rules of the file:

- A fault has begun when whoever carried it out says that it took effect: the supervisor by waitpid and by what the kernel says of a
  process, the proxy by the connections it has struck, the disk by the lock that is held. Nothing else begins a fault. A kill or drain is
  dated to its order, once it is proven: its clients may notice before waitpid does. A kill that waits for a stage is dated by the process,
  which says where it stands before it kills itself.
- What has nothing to strike (a role that is down already, a disk that is stalled already) begins nothing, as in the simulated world.
- A role that ends without a fault that wanted it to, or otherwise than that fault ends it, is an accident: the caller is told. So is the
  end of a successor that has not served yet: it is not started again and again.
- While a node is down the proxy's door to it is shut, so that clients are refused as they would be without a proxy.
"""

from __future__ import annotations

import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil

from model.history.schema import Stage
from model.observe import RunObserver
from model.scenario import Scenario
from model.scenario import faults as f
from scenarios.breaking.deeds import BEFORE_BUSINESS, BEFORE_GATEWAYS, DEEDS, IN_UNITS
from scenarios.breaking.doors import DoorPlan

LOCK_WAIT_S: Final = 2.0
"""Longest wait for the lock that stalls storage; a commit takes milliseconds."""
ROOM_BYTES: Final = 64 * 1024
"""How long files may get on a full disk: less than the write-ahead log soon is, more than a log for people."""
IO_ERROR: Final = 74
_ENDS: Final[dict[type, int]] = {f.Kill: -signal.SIGKILL, f.Deaf: -signal.SIGKILL, f.Drain: 0, f.DiskFull: IO_ERROR}
"""How a process ends that a fault has ended."""

Order = tuple[int, Callable[[], None]]
"""When on the run's clock, and what then."""


def door_plans(scenario: Scenario, gateways: list[dict[str, Any]], business: str, links: Path) -> tuple[DoorPlan, ...]:
    """The doors that a scenario's faults need: before gateways (as the server's ready line names them), and between them and business,
    which listens at ``business``; the sockets of those are to lie in ``links``."""
    single = f.steps(scenario.faults)
    plans: list[DoorPlan] = []
    if any(isinstance(fault, BEFORE_GATEWAYS) for fault in single):
        units = any(isinstance(fault, IN_UNITS) for fault in single)
        plans += [DoorPlan(g["name"], "clients", (g["host"], 0), (g["host"], g["port"]), units) for g in gateways]
    if needs_links(scenario):
        plans += [DoorPlan(g["name"], "business", str(link_path(links, g["name"])), business, True) for g in gateways]
    return tuple(plans)


def needs_links(scenario: Scenario) -> bool:
    """Whether a fault strikes between gateways and business."""
    return any(isinstance(fault, BEFORE_BUSINESS) for fault in f.steps(scenario.faults))


def link_path(links: Path, gateway: str) -> Path:
    """Where a gateway finds business if not at its own socket."""
    return links / f"{gateway}.sock"


class Nemesis:
    """The faults of one run. ``server`` takes the supervisor's commands, ``proxy`` those of the proxy, if there is one; ``node`` and
    ``pid`` are the number and the process of a role, ``store`` is the folder of the database;
    ``hands_over``: whether a gateway that drains has its successor before it has gone."""

    def __init__(
        self,
        scenario: Scenario,
        observer: RunObserver,
        node: Callable[[str], int],
        clock: Callable[[], int],
        server: Callable[[str], None],
        proxy: Callable[[dict[str, Any]], None] | None,
        store: Path,
        pid: Callable[[str], int],
        hands_over: bool,
    ) -> None:
        self._scenario, self._observer, self._node, self._clock = scenario, observer, node, clock
        self._server, self._proxy, self._store, self._pid = server, proxy, store, pid
        self._hands_over = hands_over
        self._faults = dict(enumerate(f.steps(scenario.faults), 1))
        self._down: dict[str, _Restart] = {}
        self._paused: dict[str, int] = {}
        """Roles that stand still, or are about to, and by which fault."""
        self._standing: set[int] = set()
        """Pauses that have begun and are not over."""
        self._stepped: set[int] = set()
        self._lock: sqlite3.Connection | None = None

    def plan(self) -> list[Order]:
        """Record what is planned. Returns what to call when, in order of time."""
        for number, fault in self._faults.items():
            at_us = self._scenario.at_us(fault.at_s)
            self._observer.fault_planned(number, fault.kind, self._node(fault.node), at_us, f.stage(fault))
        return sorted(self._orders(), key=lambda order: order[0])

    def _orders(self) -> Iterator[Order]:
        for number, fault in self._faults.items():
            begin, heal = self._acts(number, fault)
            yield self._scenario.at_us(fault.at_s), begin
            if heal is not None:
                yield self._scenario.at_us(fault.healed_s), heal

    def _acts(self, number: int, fault: f.Single) -> tuple[Callable[[], None], Callable[[], None] | None]:
        if type(fault) in _ENDS:
            return partial(self._end, number, fault), partial(self._bring_back, number, fault.node)
        if isinstance(fault, f.ClockStep):
            return partial(self._server, f"step {fault.node} {round(fault.by_s * 1e6)}"), None
        if isinstance(fault, f.Pause):
            return partial(self._pause, number, fault.node), partial(self._resume, number, fault.node)
        if isinstance(fault, f.StorageStall):
            return partial(self._stall, number), partial(self._unstall, number)
        assert type(fault) in DEEDS, fault
        begin, heal = ({"do": do, "fault": number} for do in ("begin", "heal"))
        return partial(self._say, begin), partial(self._say, heal) if fault.healed_s > fault.at_s else None

    def close(self) -> None:
        """Let go of what is held."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # processes -----------------------------------------------------------------------------------------------------------------------

    def _end(self, number: int, fault: f.Single) -> None:
        if fault.node in self._down:
            return
        self._down[fault.node] = _Restart(number, self._clock(), isinstance(fault, f.Deaf))
        if isinstance(fault, f.DiskFull):
            self._fill(fault.node)
            return
        if isinstance(fault, f.Deaf):
            self._say({"do": "deaf", "node": fault.node})
        if isinstance(fault, f.Kill) and fault.stage:
            self._server(f"arm {fault.node} {fault.stage}")
        else:
            self._server(f"{'drain' if isinstance(fault, f.Drain) else 'kill'} {fault.node}")

    def _bring_back(self, number: int, role: str) -> None:
        restart = self._down.get(role)
        if restart is not None and restart.fault == number:
            if self._hands_over and isinstance(self._faults[number], f.Drain) and not restart.is_gone:
                self._server(f"start {role}")  # once: the end of the old one starts no other
                return
            restart.is_due = True
            self._start_if_due(role, restart)
            if not restart.is_gone and isinstance(self._faults[number], f.DiskFull):
                if self._free(role):
                    self._down.pop(role)  # nothing was written meanwhile
            elif not restart.is_gone and f.stage(self._faults[number]):
                self._server(f"disarm {role}")  # it has not stood there, or its end is on its way to us

    def stood(self, role: str, stage: str, since_us: int) -> None:
        """A process stands where it was to end, and is gone."""
        restart = self._down.get(role)
        if restart is not None and f.stage(self._faults[restart.fault]) == Stage[stage.upper()]:
            restart.ordered_us, restart.has_stood = since_us, True

    def disarmed(self, role: str) -> None:
        """It has not stood there in time, and lives on."""
        self._down.pop(role, None)

    def _start_if_due(self, role: str, restart: _Restart) -> None:
        if restart.is_due and restart.is_gone:
            self._server(f"start {role}")

    def exited(self, role: str, status: int, now: int) -> bool:
        """A process has ended; False where no fault had wanted it to."""
        self.resumed(role, now)  # who has gone stands still no more
        restart = self._down.get(role)
        if restart is None or restart.is_gone:
            return False
        restart.is_gone = True
        if not restart.is_deaf and not restart.is_back:
            self._say({"do": "shut", "node": role})
        fault = self._faults[restart.fault]
        if status != _ENDS[type(fault)] or (f.stage(fault) and not restart.has_stood):
            return False
        was_ordered = not isinstance(fault, f.DiskFull)
        self._begun(restart.fault, restart.ordered_us if was_ordered else now, 1)
        if restart.is_back:
            self._over(role, restart, now)
        else:
            self._start_if_due(role, restart)
        return True

    def started(self, role: str, now: int) -> None:
        """A process serves again."""
        self._say({"do": "open", "node": role})
        restart = self._down.get(role)
        if restart is None:
            return
        restart.is_back = True
        if restart.is_gone:
            self._over(role, restart, now)

    def _over(self, role: str, restart: _Restart, now: int) -> None:
        """The old process has gone and the new one serves, in whatever order."""
        del self._down[role]
        self._healed(restart.fault, now, 1)

    def stepped(self, role: str, now: int) -> None:
        """A process reads another time. The oldest jump of it that is not proven yet is meant."""
        for number, fault in self._faults.items():
            if isinstance(fault, f.ClockStep) and fault.node == role and number not in self._stepped:
                self._stepped.add(number)
                self._begun(number, now, 1)
                self._healed(number, now, 1)
                return

    def _pause(self, number: int, role: str) -> None:
        if role not in self._down and role not in self._paused:
            self._paused[role] = number
            self._server(f"pause {role}")

    def _resume(self, number: int, role: str) -> None:
        if self._paused.get(role) == number:
            self._server(f"resume {role}")

    def paused(self, role: str, now: int) -> None:
        """A process stands still."""
        if role in self._paused:
            self._standing.add(self._paused[role])
            self._begun(self._paused[role], now, 1)

    def resumed(self, role: str, now: int) -> None:
        """It goes on."""
        number = self._paused.pop(role, None)
        if number in self._standing:
            self._standing.discard(number)
            self._healed(number, now, 1)

    # the disk ------------------------------------------------------------------------------------------------------------------------

    def _stall(self, number: int) -> None:
        """Hold the database's write lock, for which every commit waits, and every read that is asked for after one."""
        if self._lock is not None:
            return
        (path,) = self._store.glob("*.sqlite3")
        lock = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            lock.close()  # it could not be had: the fault stays unproven
            return
        self._lock = lock
        self._begun(number, self._clock(), 1)

    def _fill(self, role: str) -> None:
        """Let no file of a process grow: a write that would is refused by the kernel."""
        psutil.Process(self._pid(role)).rlimit(psutil.RLIMIT_FSIZE, (ROOM_BYTES, resource.RLIM_INFINITY))

    def _free(self, role: str) -> bool:
        """Let them grow again; False where the process has ended of it, which is on its way to us."""
        try:
            process = psutil.Process(self._pid(role))
            process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def _unstall(self, number: int) -> None:
        if self._lock is not None:
            self.close()
            self._healed(number, self._clock(), 1)

    # the proxy -----------------------------------------------------------------------------------------------------------------------

    def _say(self, command: dict[str, Any]) -> None:
        if self._proxy is not None:
            self._proxy(command)

    def proven(self, event: dict[str, Any], now: int) -> None:
        """The proxy says that a fault has struck, or is over."""
        tell = self._begun if event["event"] == "begun" else self._healed
        tell(event["fault"], now, event["count"])

    # what is recorded ----------------------------------------------------------------------------------------------------------------

    def _begun(self, number: int, now: int, count: int) -> None:
        fault = self._faults[number]
        self._observer.fault_begun(number, fault.kind, self._node(fault.node), now, count, f.stage(fault))

    def _healed(self, number: int, now: int, count: int) -> None:
        fault = self._faults[number]
        self._observer.fault_healed(number, fault.kind, self._node(fault.node), now, count)


class _Restart:
    """A role that a fault has taken down, from the order to its return."""

    __slots__ = ("fault", "has_stood", "is_back", "is_deaf", "is_due", "is_gone", "ordered_us")

    def __init__(self, fault: int, ordered_us: int, is_deaf: bool) -> None:
        self.fault, self.ordered_us, self.is_deaf = fault, ordered_us, is_deaf
        self.is_due = self.is_gone = self.is_back = False
        self.has_stood = False
        """At the stage that a kill waits for."""
