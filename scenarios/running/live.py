"""The live world: one real server, its load, real faults, on the loopback of this host.

How a run goes: write the server's configuration; start the server, the proxy if a fault needs one and, once they are ready, the load
process, or several (:mod:`generators`); once these are ready, write the instant at which the run begins, a second ahead, on
CLOCK_MONOTONIC, which all processes share. From then on this process only waits: it lets the nemesis act when the scenario says so, passes
on what server and proxy have proven, and samples what all processes cost. The run is over when the load processes end.

Rules of the file:

- However the run ends (as it should, a process dies, a signal, an exception), every process is ended and what was recorded is kept.
  A load process that dies leaves a history that is salvaged and marked ``truncated``.
- Where there are two cores or more, the load process has the last one to itself and the server shares the others, so that a gateway
  that is started again does not delay the sends of everyone else. Several load processes have up to half of the cores. A proxy, which
  stands for the network, may run on any.
- The secret and the database lie in a folder of the run that is deleted at its end. It is on the disk of the run folder, so that a
  durable commit costs what it costs there.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
import psutil

from model.core.policies import Policies
from model.history.recorder import FileRecorder
from model.history.run_folder import RECORDINGS, RunFolder
from model.history.schema import Header, Kind, Phase
from model.observe import RunObserver, header
from model.scenario import Scenario
from model.scenario.job import JOB_VARIABLE, READY_LINE, Endpoint, LoadJob, Part
from model.scenario.pulse import PULSE_VARIABLE
from model.scenario.script import AUDIT_BOUND_US
from model.scenario.tally import TALLY_VARIABLE
from model.workload.arrivals import Closed
from model.workload.population import populate
from scenarios.breaking.nemesis import Nemesis, Order, door_plans, needs_links
from scenarios.breaking.proxy import ProxyJob
from scenarios.running import generators, metrics
from scenarios.running.exits import IO_ERROR, UNAVAILABLE, CannotRun, Interrupted
from scenarios.running.generators import Fleet
from scenarios.running.played import Played
from scenarios.running.processes import Started
from scenarios.running.progress import Progress

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LOCUSTFILE: Final = str(ROOT / "loadgen" / "locustfile.py")
SERVER_READY_S: Final = 45.0
"""Longest wait for the server to serve; it gives itself up before."""
PROXY_READY_S: Final = 30.0
"""Longest wait for the proxy to listen."""
LOAD_READY_S: Final = 90.0
"""Longest wait for the load process: it imports Locust and plans the schedule."""
WORKERS_READY_S: Final = 600.0
"""Longest wait for workers: a person starts them, on other machines."""
Driver = Literal["locust", "asyncio"]
"""Who makes the load. Both play the same job by the same client session; Locust has statistics, asyncio costs less at high rates."""
DRIVERS: Final[tuple[Driver, ...]] = get_args(Driver)
ONE_HOST: Final = Fleet()
"""As many load processes as the users need."""
START_AHEAD_NS: Final = 1_000_000_000
"""From writing the start file to the instant in it: time for everyone to have read it."""
TURN_S: Final = 0.05
"""Longest wait for one event of the server."""
AUDIT_OF_USER_US: Final = 5_000
"""What it may take to read one user's conversations back, in a crowd and on a busy machine."""
SLACK_US: Final = 30_000_000
"""On top of all bounds of a run: past it the load process hangs."""


def play(
    scenario: Scenario,
    preset: str,
    seed: int,
    folder: RunFolder,
    progress: Progress,
    driver: Driver = "locust",
    meter: metrics.Meter | None = None,
    fleet: Fleet = ONE_HOST,
) -> Played:
    """Play a scenario on a real server, under the load of ``driver``, made by ``fleet``. The folder gets logs and recordings.

    ``meter``: another than the usual one; where it reads tallies, the server's roles count in its folder, else in one of the run's own.

    Raises :class:`CannotRun` where server or load process cannot be started, and
    :class:`model.history.schema.HistoryError` where the disk does not take what is recorded.
    """

    parts = generators.parts(scenario, fleet, generators.room())

    def stage(shop: Path, links: Path, observer: RunObserver) -> Stage:
        watch = meter or metrics.Meter()
        return Stage(scenario, preset, seed, driver, folder, shop, links, observer, progress, watch, parts, fleet)

    return staged(head(scenario, preset, seed), folder, stage)


def staged(head: Header, folder: RunFolder, make: Callable[[Path, Path, RunObserver], Stage]) -> Played:
    """Play on the stage that ``make`` builds in a folder of its own, and hand back what came of it. Raises as :func:`play` does."""
    folder.write_header(head)
    with _workshop(folder) as shop, _links() as links, folder.recorder("runner") as recorder:
        stage = make(shop, links, RunObserver(recorder))
        try:
            stage.play()
        except Interrupted as interruption:
            stage.interrupted = interruption.number
            stage.notes.append("the run was interrupted by a signal")
        finally:
            stage.stop()
        return stage.played(head, recorder)


def head(scenario: Scenario, preset: str, seed: int) -> Header:
    """The header of a live run on the reference server."""
    return header(
        world="live",
        scenario=scenario.name,
        scenario_digest=scenario.digest(),
        preset=preset,
        seed=seed,
        contract=scenario.contract,
        policies=scenario.preset(preset),
        timers=scenario.timers,
        nodes=nodes(scenario),
        load_begin_us=scenario.load_begin_us,
        closed_loop=isinstance(scenario.workload.arrivals, Closed),
    )


def nodes(scenario: Scenario) -> dict[int, str]:
    """Names of the nodes by their numbers in the history, as the simulated world has them: business is 1, then the gateways."""
    return {1: "business"} | {1 + k: f"gateway-{k}" for k in range(1, scenario.gateways + 1)}


@contextmanager
def _workshop(folder: RunFolder) -> Iterator[Path]:
    """A folder for what only the run itself needs: database, configuration, job."""
    shop = folder.path / "server"
    shop.mkdir(mode=0o700)
    try:
        yield shop
    finally:
        shutil.rmtree(shop, ignore_errors=True)


@contextmanager
def _links() -> Iterator[Path]:
    """A folder for sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory(prefix="imbench-") as folder:
        yield Path(folder)


class _ServerConfig(msgspec.Struct, frozen=True):
    """The server's configuration file, in its words (``reference_server.config``)."""

    secret_hex: str
    conversations: tuple[Any, ...]
    policies: Policies
    timers: Any


@dataclass
class Stage:
    """One live run of the reference server while it goes on. On another server: :mod:`scenarios.running.foreign`; on one that runs
    already: :mod:`scenarios.running.standing`."""

    scenario: Scenario
    preset: str
    seed: int
    driver: Driver
    folder: RunFolder
    shop: Path
    links: Path
    observer: RunObserver
    progress: Progress
    meter: metrics.Meter
    parts: list[Part] = field(default_factory=lambda: [Part()])
    fleet: Fleet = ONE_HOST
    secret_hex: str = field(default_factory=lambda: secrets.token_hex(32))
    notes: list[str] = field(default_factory=list)
    interrupted: int = 0
    server: Started | None = None
    proxy: Started | None = None
    loads: list[Started] = field(default_factory=list)
    nemesis: Nemesis | None = None
    start_ns: int = 0
    pids: dict[str, int] = field(default_factory=dict)
    """The server's processes, by role."""
    broken: bool = False
    """A process of the server has ended unasked."""
    cores: dict[str, list[int]] = field(default_factory=dict)
    """Which cores server and generators were bound to, the latter a core each; empty: to none in particular."""

    # phases ------------------------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """From nothing to the end of the load processes."""
        self.meter.pulses = self.shop / "pulses"
        self.meter.pulses.mkdir()
        self._tallies().mkdir(exist_ok=True)
        ready = self._start_server()
        self._start_proxy(ready)
        self.progress.at(None, "starting the load")
        self._start_load(ready)
        self._pin()
        self.start_ns = time.monotonic_ns() + START_AHEAD_NS
        partial = self.shop / "start.partial"
        partial.write_text(str(self.start_ns))
        partial.replace(self.shop / "start")
        self._record_beginning(ready)
        self._conduct()

    def stop(self) -> None:
        """End every process; the load first, so that nobody knocks at a closed door for long."""
        if self.nemesis is not None:
            self.nemesis.close()
        for process in (*self.loads, self.server, self.proxy):
            if process is not None:
                process.stop()

    def played(self, head: Header, recorder: FileRecorder) -> Played:
        """What came of it, once everything has stopped."""
        recorder.close()
        rows = self.folder.rows()
        ended = bool(((rows["kind"] == Kind.PHASE) & (rows["code"] == Phase.END)).any())
        health = self._health()
        steal = metrics.steal_max(self.meter.host)
        begin_us, end_us = self.scenario.load_begin_us, self.scenario.at_us(self.scenario.duration_s)
        between = [load.name for load in self.loads] + ["proxy"]  # of users and server: late ones make the server look late
        lag_us = self.meter.lag_p99_us(between, begin_us, end_us)
        head = msgspec.structs.replace(
            head,
            generator_cpu_max=health.get("cpu_max"),
            steal_max=steal,
            harness_lag_p99_us=lag_us,
            truncated=not ended,
        )
        costs = metrics.of_live(self.meter.samples, self.meter.host, rows, begin_us, end_us)
        clocks = generators.clocks(self.shop) if self.fleet.workers else []
        health |= generators.clock_bound(clocks)
        self.notes += [generators.clocks_told(clocks)] if clocks else []
        costs["done"] = metrics.done(self.meter.samples, self._tallies())
        costs["driver"], costs["generator"], costs["cores"], costs["clocks"] = self.driver, health, self.cores, clocks
        return Played(head, rows, costs, generator=health, notes=tuple(self.notes), interrupted=self.interrupted)

    def _pin(self) -> None:
        """Bind server and load to different cores; children of the supervisor, also later ones, inherit its own."""
        assert self.server is not None
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(cores) < 2:
            return
        server = psutil.Process(self.server.pid)
        of_server, of_loads = generators.shared(cores, len(self.loads))
        with suppress(psutil.Error, OSError):
            for process in (server, *server.children(recursive=True)):
                generators.bind_threads(process.pid, of_server)
            generators.bind([load.pid for load in self.loads], of_loads)
            self.cores = {"server": of_server, "generator": of_loads}

    # starting ----------------------------------------------------------------------------------------------------------------------

    def _start_server(self) -> dict[str, Any]:
        self.progress.at(None, "starting the server")
        command, log = self._server_command(), self.folder.path / "logs" / "server.log"
        self.server = Started("server", command, log, cwd=self.shop, env=self._server_environment())
        line = _await(self.server, "ready ", SERVER_READY_S)
        ready: dict[str, Any] = msgspec.json.decode(line.removeprefix("ready "))
        return ready

    def _server_command(self) -> list[str]:
        """How to start a server that says when it is ready and obeys: see :mod:`reference_server.serve`."""
        population = populate(self.scenario.population, self.scenario.gateways, self.seed)
        config = _ServerConfig(self.secret_hex, population.conversations, self.scenario.preset(self.preset), self.scenario.timers)
        path = self.shop / "config.json"
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(config))
        data = self.shop / "data"
        data.mkdir()
        command = [sys.executable, "-m", "reference_server.serve", "--gateways", str(self.scenario.gateways), "--data", str(data)]
        command += ["--config", str(path), "--logs", str(self.folder.path / "logs"), "--control"]
        command += ["--host", self.fleet.listen]
        command += ["--links", str(self.links)] if needs_links(self.scenario) else []
        return command + (["--merged"] if self.scenario.merged else [])

    def _hands_over(self) -> bool:
        """Whether a gateway that drains has its successor before it has gone."""
        return self.scenario.preset(self.preset).drain == "spread" and not self.scenario.merged

    def _load_module(self, users: int) -> list[str]:
        """The module that makes the load of so many users. Locust's all come at once; when each connects is the schedule's."""
        if self.driver == "asyncio":
            return ["loadgen.asyncio_driver"]
        return ["locust", "-f", LOCUSTFILE, "--headless", "--only-summary", "-u", str(users), "-r", str(users)]

    def _server_environment(self) -> dict[str, str]:
        return self._environment() | {TALLY_VARIABLE: str(self._tallies())}

    def _tallies(self) -> Path:
        """Where the server's roles count what they do."""
        return self.meter.tallies or self.shop / "tallies"

    def _environment(self) -> dict[str, str]:
        """Of every process of the run."""
        return _environment() | {PULSE_VARIABLE: str(self.meter.pulses)}

    def _start_proxy(self, ready: dict[str, Any]) -> None:
        """Put a proxy before the gateways that ``ready`` names, or behind them, if a fault needs one."""
        business = ready.get("business", {}).get("socket", "")
        plans = door_plans(self.scenario, ready["gateways"], business, self.links)
        if not plans:
            return
        path = self.shop / "proxy.json"
        path.write_bytes(msgspec.json.encode(ProxyJob(self.scenario, self.seed, plans)))
        command = [sys.executable, "-m", "scenarios.breaking.proxy", str(path)]
        log = self.folder.path / "logs" / "proxy.log"
        self.proxy = Started("proxy", command, log, cwd=self.shop, env=self._environment())
        addresses = msgspec.json.decode(_await(self.proxy, "ready ", PROXY_READY_S).removeprefix("ready "))
        ports = {plan.gateway: address[1] for plan, address in zip(plans, addresses, strict=True) if plan.side == "clients"}
        for gateway in ready["gateways"]:
            gateway["port"] = ports.get(gateway["name"], gateway["port"])

    def _job(self, ready: dict[str, Any]) -> LoadJob:
        """What is to be played on the gateways that ``ready`` names, but for where each load process records."""
        endpoints = tuple(Endpoint(g["host"], g["port"], self._node(g["name"])) for g in ready["gateways"])
        return LoadJob(
            scenario=self.scenario,
            preset=self.preset,
            seed=self.seed,
            gateways=endpoints,
            secret_hex=self.secret_hex,
            recording_path="",
            start_path=str(self.shop / "start"),
            health_path="",
            until_stdin_ends=True,
            board_path=str(self.shop),
        )

    def _start_load(self, ready: dict[str, Any]) -> None:
        job = self._job(ready)
        population = populate(self.scenario.population, self.scenario.gateways, self.seed)
        if self.fleet.workers:
            self.loads = [self._master(job)]
        else:
            self.loads = [self._load(job, part, len(part.users(population))) for part in self.parts]
        for load in self.loads:
            _await(load, READY_LINE, WORKERS_READY_S if self.fleet.workers else LOAD_READY_S)

    def _load(self, job: LoadJob, part: Part, users: int) -> Started:
        """The process that plays a part."""
        recording, source = str(self.folder.recording_path(part.name)), generators.source(self.scenario, part)
        paths = {"recording_path": recording, "health_path": str(self._health_path(part))}
        return self._with_job(
            part.name, msgspec.structs.replace(job, part=part, source=source, **paths), self._load_module(users)
        )

    def _master(self, job: LoadJob) -> Started:
        """The process that has workers play, who are told how to come."""
        fleet, users = self.fleet, str(self.scenario.population.users)
        port = str(fleet.port or generators.free_port(fleet.listen))
        command = ["locust", "-f", LOCUSTFILE, "--headless", "--only-summary", "-u", users, "-r", users]
        command += ["--master", "--master-bind-host", fleet.listen, "--master-bind-port", port]
        command += ["--expect-workers", str(fleet.workers)]
        paths = {"recording_path": str(self.folder.path / RECORDINGS), "health_path": str(self.shop)}
        master = self._with_job("load", msgspec.structs.replace(job, workers=fleet.workers, **paths), command)
        self.progress.say(f"waiting for {fleet.workers} workers; start each with: {generators.how_to_come(fleet.listen, port)}")
        return master

    def _with_job(self, name: str, job: LoadJob, command: list[str]) -> Started:
        path, log = self.shop / f"{name}.json", self.folder.path / "logs" / f"{name}.log"
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(job))
        environment = self._environment() | {JOB_VARIABLE: str(path)} | generators.allowed(self.fleet.listen)
        return Started(name, [sys.executable, "-m", *command], log, cwd=self.shop, env=environment)

    def _health_path(self, part: Part) -> Path:
        return self.shop / f"{part.name}-health.json"

    def _record_beginning(self, ready: dict[str, Any]) -> None:
        """Who serves, what is planned."""
        assert self.server is not None
        self.meter.watch("supervisor", "supervisor", self.server.pid)
        self._watch_loads()
        if self.proxy is not None:
            self.meter.watch("proxy", "proxy", self.proxy.pid)
        business = [("business", ready["business"]["pid"])] if "business" in ready else []
        for role, pid in [(g["name"], g["pid"]) for g in ready["gateways"]] + business:
            self._serves(role, pid, 0)

    def _watch_loads(self) -> None:
        for load in self.loads:
            self.meter.watch("master" if self.fleet.workers else "generator", load.name, load.pid)

    def _serves(self, role: str, pid: int, now: int) -> None:
        self.observer.process_started(self._node(role), pid, now)
        self.pids[role] = pid
        self.meter.watch("gateway" if role.startswith("gateway") else role, role, pid)

    def _node(self, role: str) -> int:
        return next(number for number, name in nodes(self.scenario).items() if name == role)

    # while it goes on --------------------------------------------------------------------------------------------------------------

    def _conduct(self) -> None:
        """Wait for the load processes to end, and meanwhile do what is due."""
        orders, sample_us = self._planned(), 0
        bound_us = self._bound_us()
        while self._playing():
            now = self._now()
            if now >= sample_us or (orders and now >= orders[0][0]):
                self.meter.sample(now)
                sample_us = (now // self.meter.interval_us + 1) * self.meter.interval_us
                self._show(now)
            while orders and now >= orders[0][0]:
                orders.pop(0)[1]()
            if now > bound_us:
                self.notes.append("the load did not end within the bounds of the run; it was stopped")
                return
            if not self._hear(min(sample_us, orders[0][0] if orders else sample_us) - now):
                return
        for load in filter(lambda load: load.status, self.loads):
            self._note_death(load)

    def _playing(self) -> bool:
        """Whether the load goes on: somebody plays, and nobody has failed, without whom nobody settles."""
        return any(load.status is None for load in self.loads) and not any(load.status for load in self.loads)

    def _now(self) -> int:
        return (time.monotonic_ns() - self.start_ns) // 1000

    def _bound_us(self) -> int:
        contract = self.scenario.contract
        audit_us = AUDIT_BOUND_US + self.scenario.population.users * AUDIT_OF_USER_US
        return self.scenario.at_us(_over_s(self.scenario)) + contract.drain_bound_us + contract.quiet_us + audit_us + SLACK_US

    def _show(self, now: int) -> None:
        planned = self.scenario.at_us(_over_s(self.scenario)) + self.scenario.contract.quiet_us
        self.progress.at(max(0.0, min(now / planned, 0.99)), _moment(self.scenario, now))

    def _planned(self) -> list[Order]:
        """What the nemesis is to do, and when."""
        assert self.server is not None
        proxy = self.proxy
        tell = None if proxy is None else lambda command: proxy.say(msgspec.json.encode(command).decode())
        observer, store = self.observer, self.shop / "data"
        hands_over = self._hands_over()
        self.nemesis = Nemesis(
            self.scenario, observer, self._node, self._now, self.server.say, tell, store, self.pids.__getitem__, hands_over
        )
        return sorted([*self.nemesis.plan(), *self._stops()], key=lambda order: order[0])

    def _stops(self) -> Iterator[Order]:
        """Where the load is to be short of CPU: when its processes are stopped, and when they go on."""
        starved = self.scenario.starved
        for begin_s, load in product(starved.begins_s() if starved else (), self.loads):
            assert starved is not None
            yield self.scenario.at_us(begin_s), partial(load.signal, signal.SIGSTOP)
            yield self.scenario.at_us(begin_s + starved.stop_s), partial(load.signal, signal.SIGCONT)

    def _hear(self, wait_us: int) -> bool:
        """Note what the server and the proxy say next, if anything; False when one of them is gone."""
        assert self.server is not None
        line = self.server.line(min(max(wait_us, 0) / 1e6, TURN_S))
        if line is not None and line.startswith("{"):
            self._note(msgspec.json.decode(line))
        if self.proxy is not None:
            self._hear_proxy(self.proxy)
        for process in filter(None, (self.server, self.proxy)):
            if process.status is not None:
                self._note_death(process)
                return False
        return not self.broken

    def _hear_proxy(self, proxy: Started) -> None:
        assert self.nemesis is not None
        while line := proxy.line(0.0):
            event = msgspec.json.decode(line)
            self.nemesis.proven(event, self._on_clock(event))

    def _note_death(self, process: Started) -> None:
        end = _ended(process.status or 0)
        self.notes.append(f"the {process.name} process ended {end}, before the run did: {process.last_words()}")

    def _on_clock(self, event: dict[str, Any]) -> int:
        """When it happened, on the clock of the run."""
        t_us: int = (event["t_ns"] - self.start_ns) // 1000
        return t_us

    def _note(self, event: dict[str, Any]) -> None:
        assert self.nemesis is not None
        if event["event"] == "refused":
            self.notes.append(f"the server refused '{event.get('command')}': {event.get('text')}")
            return
        role, now = event["role"], self._on_clock(event)
        match event["event"]:
            case "exited":
                self._note_end(role, event["pid"], event["status"], now)
            case "started":
                self._serves(role, event["pid"], now)
                self.nemesis.started(role, now)
            case "stepped":
                self.nemesis.stepped(role, now)
            case "stood":
                self.nemesis.stood(role, event["stage"], (event["since_ns"] - self.start_ns) // 1000)
            case "disarmed":
                self.nemesis.disarmed(role)
            case "paused":
                self.nemesis.paused(role, now)
            case "resumed":
                self.nemesis.resumed(role, now)

    def _note_end(self, role: str, pid: int, status: int, now: int) -> None:
        assert self.nemesis is not None
        self.observer.process_exited(self._node(role), pid, status, now)
        if self.nemesis.exited(role, status, now):
            return
        self.broken = True  # nobody starts it again: what would follow says nothing of the scenario
        end = f"{role} (pid {pid}) ended unasked, {_ended(status)}, at {(now - self.scenario.load_begin_us) / 1e6:.1f} s"
        self.notes.append(f"{end}; the run was broken off (log: {self.folder.path / 'logs' / (role + '.log')})")

    def _health(self) -> dict[str, float]:
        """What the load processes say of themselves; nothing where one died."""
        cores = [] if self.fleet.workers else self.cores.get("generator", [])
        return generators.together([_read_health(self._health_path(part)) for part in self.parts], cores)


def _read_health(path: Path) -> dict[str, float]:
    with suppress(OSError, msgspec.DecodeError):
        return dict(msgspec.json.decode(path.read_bytes(), type=dict[str, float]))
    return {}


def _ended(status: int) -> str:
    """How a process ended, from its exit status."""
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with exit code {status}{' (it could not write: is the disk full?)' if status == IO_ERROR else ''}"


def _over_s(scenario: Scenario) -> float:
    """When load and faults are over."""
    return max(scenario.duration_s, *(fault.healed_s for fault in scenario.faults), 0.0)


def _moment(scenario: Scenario, now: int) -> str:
    """Where a run stands, in words."""
    second = (now - scenario.load_begin_us) / 1e6
    if second < 0:
        return "connecting"
    if second < scenario.duration_s:
        return f"second {second:.0f} of the load"
    over_s = _over_s(scenario)
    return "draining" if second >= over_s else f"waiting for a fault that ends at second {over_s:g}"


def _environment() -> dict[str, str]:
    """This process's environment, without what would configure Locust behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def _await(process: Started, beginning: str, bound_s: float) -> str:
    """The first line of a process that begins so. Raises :class:`CannotRun`."""
    until = time.monotonic() + bound_s
    while time.monotonic() < until:
        line = process.line(TURN_S)
        if line is not None and line.startswith(beginning):
            return line
        if process.status is not None:
            status = IO_ERROR if process.status == IO_ERROR else UNAVAILABLE
            raise CannotRun(f"the {process.name} did not start: {process.last_words()} (log: {process.log})", status)
    raise CannotRun(
        f"the {process.name} was not ready within {bound_s:.0f} s; see {process.log}, try again when idle", UNAVAILABLE
    )
