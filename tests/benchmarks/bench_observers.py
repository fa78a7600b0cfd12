"""What it costs to observe a run: CPU of load process and server, with an observer and without, in live runs that take turns.

    python -m tests.benchmarks.bench_observers [--rounds 10] [--rate 500] [--seconds 5] [--users 100]

A round plays every arm once, in an order of its own, each on a fresh server and by a fresh load process (asyncio; one schedule for all):

- ``plain``        nobody looks: no history, no samples, no pulses, no proxy
- ``history``      the load process records every row, as all runs do
- ``statistics``   it keeps the latencies that Locust shows, and adds each to Locust's statistics
- ``pulses``       every process notes twenty times a second how late its event loop is
- ``samples``      the runner looks at every process once a second
- ``proxy``        history, and every connection passes a fault proxy that does nothing

Told are ratios to ``plain`` (``proxy``: to ``history``) of the same round, their geometric mean and its 95 % interval (Student's t, over
the logarithms): CPU of the generator under load; of the server from the first connection to the last audit; of all processes together,
proxy and runner among them; and the median time from a send to its ack, where there is a history to take it from. Taking turns and
dividing within a round is what makes ratios mean something on a machine whose speed drifts; run it on an idle one all the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import psutil
import uvloop

from loadgen.asyncio_driver import Shell, play
from loadgen.driver import Prepared, Production, Silence
from loadgen.histograms import Histograms
from loadgen.latencies import Latencies
from loadgen.player import Identity, Play, Player
from model.analysis import estimates
from model.history.recorder import read_rows
from model.history.schema import Contract, Kind
from model.scenario import Refuse, Scenario
from model.scenario.job import READY_LINE, Endpoint, LoadJob, read_job
from model.scenario.pulse import PULSE_VARIABLE
from model.workload.population import PopulationPlan
from model.workload.schedule import Schedule, WorkloadPlan
from scenarios.breaking.nemesis import door_plans
from scenarios.breaking.proxy import ProxyJob
from scenarios.running.metrics import INTERVAL_S, Meter
from tests.loadgen.live import ROOT, SECRET_HEX, SEED, serving

ARMS: Final = ("plain", "history", "statistics", "pulses", "samples", "proxy")
RECORDED: Final = ("history", "proxy")
BASE: Final = {"proxy": "history"}
"""What an arm is compared with, where it is not ``plain``."""
FIGURES: Final = ("generator", "server", "all", "ack p50")
AHEAD_NS: Final = 200_000_000


class Costs(NamedTuple):
    """One run: CPU in microseconds, and the median from send to ack; NaN where nothing was recorded."""

    generator: float
    server: float
    all: float
    ack_p50_us: float


# the load process -------------------------------------------------------------------------------------------------------------------


class Observed(Production):
    """A job that is played with the observers of an arm."""

    __slots__ = ()

    def __init__(self, job: LoadJob, arm: str) -> None:
        nodes = {index: endpoint.node for index, endpoint in enumerate(job.gateways)}
        planned, identity = Play.of(job.scenario, job.preset, job.seed), Identity(bytes.fromhex(job.secret_hex))
        watcher = _statistics(planned.schedule) if arm == "statistics" else None
        Prepared.__init__(
            self,
            job,
            lambda recorder, clock: Player(planned, identity, nodes, recorder if arm in RECORDED else Silence(), clock, watcher),
        )


def _statistics(schedule: Schedule) -> Latencies:
    """What stands behind Locust's web page: a sample for each answer and each showing."""
    histograms = Histograms()
    return Latencies(lambda name, latency_us, length, _: histograms.of(name).add(latency_us, length), schedule)


def played(arm: str, path: Path) -> int:
    """Be the load process."""

    async def body() -> int:
        return await play(Shell(Observed(read_job(path), arm)))

    code: int = uvloop.run(body())
    return code


# one run ------------------------------------------------------------------------------------------------------------------------------


def measure(arm: str, scenario: Scenario, folder: Path) -> Costs:
    """Play one arm and tell what it cost."""
    with ExitStack() as stack:
        if arm == "pulses":
            stack.enter_context(_pulses(folder))
        server = stack.enter_context(serving(scenario, folder))
        gateways, others = server.gateways, [psutil.Process(server.process.pid)]
        of_server = [*others, *others[0].children(recursive=True)]
        proxies: list[psutil.Process] = []
        if arm == "proxy":
            gateways, proxy = stack.enter_context(_proxied(scenario, gateways, folder))
            proxies = [proxy]
        before = _cpu_us(of_server), _cpu_us(proxies)
        meter = stack.enter_context(_looking([*of_server, *proxies])) if arm == "samples" else [0.0]
        health = _load(arm, scenario, gateways, folder)
        of_server_us, of_proxy_us = _cpu_us(of_server) - before[0], _cpu_us(proxies) - before[1]
    generator_us = float(health["cpu_us_loaded"])
    whole = generator_us + of_server_us + of_proxy_us + meter[0]
    return Costs(generator_us, of_server_us, whole, _ack_p50_us(folder / "load.rows") if arm in RECORDED else math.nan)


def _cpu_us(processes: list[psutil.Process]) -> float:
    return sum(1e6 * float(times.user + times.system) for times in (process.cpu_times() for process in processes))


def _load(arm: str, scenario: Scenario, gateways: tuple[Endpoint, ...], folder: Path) -> dict[str, float]:
    """Run the load process to its end; what it says of its health."""
    paths = (str(folder / "load.rows"), str(folder / "start"), str(folder / "health.json"))
    job = folder / "job.json"
    job.write_bytes(msgspec.json.encode(LoadJob(scenario, "cursor", SEED, gateways, SECRET_HEX, *paths)))
    command = [sys.executable, "-m", "tests.benchmarks.bench_observers", "--play", arm, str(job)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == READY_LINE
            partial = folder / "start.partial"
            partial.write_text(str(time.monotonic_ns() + AHEAD_NS))
            partial.replace(folder / "start")
            assert process.wait(60 + 10 * scenario.duration_s) == 0
        finally:
            process.kill()
    found: dict[str, float] = json.loads((folder / "health.json").read_text())
    return found


def _ack_p50_us(path: Path) -> float:
    """From the hand-over of a send to its ok."""
    rows = read_rows(path)
    sides = []
    for kind in (Kind.INVOKE, Kind.OK):
        found = rows[rows["kind"] == kind]
        sides.append(found[np.lexsort((found["send_counter"], found["conversation"], found["device"]))]["t_us"])
    assert len(sides[0]) == len(sides[1])
    return float(np.median(sides[1] - sides[0]))


@contextmanager
def _pulses(folder: Path) -> Iterator[None]:
    """All processes that are started meanwhile note how late their loops are."""
    (folder / "pulses").mkdir()
    os.environ[PULSE_VARIABLE] = str(folder / "pulses")
    try:
        yield
    finally:
        del os.environ[PULSE_VARIABLE]


@contextmanager
def _proxied(
    scenario: Scenario, gateways: tuple[Endpoint, ...], folder: Path
) -> Iterator[tuple[tuple[Endpoint, ...], psutil.Process]]:
    """A proxy before each gateway, for a fault that never comes."""
    never = msgspec.structs.replace(scenario, faults=(Refuse("gateway-1", 1e5, 1e5 + 1),))
    listed = [{"name": f"gateway-{i}", "host": g.host, "port": g.port} for i, g in enumerate(gateways, 1)]
    path = folder / "proxy.json"
    path.write_bytes(msgspec.json.encode(ProxyJob(never, SEED, door_plans(never, listed, "", folder))))
    command = [sys.executable, "-m", "scenarios.breaking.proxy", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            addresses = json.loads(process.stdout.readline().removeprefix("ready "))
            doors = tuple(Endpoint(g.host, port, g.node) for g, (_, port) in zip(gateways, addresses, strict=True))
            yield doors, psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def _looking(processes: list[psutil.Process]) -> Iterator[list[float]]:
    """Look at processes once a second, as a runner does; what it has cost, in microseconds, as it stands."""
    meter, spent, over = Meter(), [0.0], threading.Event()
    for process in processes:
        meter.watch("server", str(process.pid), process.pid)

    def look() -> None:
        began = time.thread_time()
        while not over.wait(INTERVAL_S):
            meter.sample(time.monotonic_ns() // 1000)
            spent[0] = 1e6 * (time.thread_time() - began)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield spent
    finally:
        over.set()
        thread.join()


# rounds -------------------------------------------------------------------------------------------------------------------------------


def ratios(rounds: list[dict[str, Costs]], arm: str, figure: int) -> str:
    """An arm against its base, over all rounds."""
    base = BASE.get(arm, "plain")
    found = [math.log(costs[arm][figure] / costs[base][figure]) for costs in rounds]
    if any(math.isnan(value) for value in found):
        return "-"
    if len(found) < 2:
        return f"{math.exp(found[0]):.3f}"
    estimate = estimates.mean(found)
    return f"{math.exp(estimate.mean):.3f} [{math.exp(estimate.low):.3f}, {math.exp(estimate.high):.3f}]"


def table(rounds: list[dict[str, Costs]]) -> Iterator[str]:
    """What is told after each round."""
    yield f"{len(rounds)} rounds: ratio of CPU to that of the base [95 % interval]"
    yield f"{'arm':12} {'base':8}" + "".join(f"{figure:>24}" for figure in FIGURES)
    for arm in ARMS[1:]:
        yield f"{arm:12} {BASE.get(arm, 'plain'):8}" + "".join(f"{ratios(rounds, arm, i):>24}" for i in range(len(FIGURES)))


def observed(options: argparse.Namespace) -> Scenario:
    """Calm traffic, all of it direct."""
    return Scenario(
        "observers",
        "What does it cost to observe?",
        population=PopulationPlan(users=options.users, groups_per_user=0),
        workload=WorkloadPlan(rate_per_s=options.rate, direct_share=1.0),
        ramp_s=1.0,
        warm_up_s=0.5,
        duration_s=options.seconds,
        contract=Contract(quiet_us=500_000),
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="runs of each arm (10)")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second (500)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load, each time (5)")
    parser.add_argument("--users", type=int, default=100, help="connections (100)")
    parser.add_argument("--play", nargs=2, metavar=("ARM", "JOB"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        return played(options.play[0], Path(options.play[1]))
    rounds: list[dict[str, Costs]] = []
    luck = random.Random(SEED)
    for _ in range(options.rounds):
        costs: dict[str, Costs] = {}
        for arm in luck.sample(ARMS, len(ARMS)):
            with tempfile.TemporaryDirectory() as folder:
                costs[arm] = measure(arm, observed(options), Path(folder))
        rounds.append(costs)
        print(*table(rounds), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
