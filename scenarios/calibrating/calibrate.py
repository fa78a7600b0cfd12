"""A calibration, in order: waits, points of load, a restart; then costs, and what they leave unexplained.

Everything that is played is a live run: the real roles, the real load process (the asyncio driver), bound to cores as in any live run.
Nothing is kept of those runs but counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import log
from pathlib import Path
from typing import Any

import msgspec

from model.history.columns import from_rows
from model.history.machine import this_machine
from model.history.recorder import Rows
from model.history.run_folder import RunFolder
from model.history.schema import Header, Kind
from model.scenario import Kill, Scenario
from model.sim.service_times import FORMAT, Provenance, ServiceTimes, Standard
from scenarios.calibrating import disk, loads, simulated, waits
from scenarios.calibrating.disk import Disk
from scenarios.calibrating.fit import Fit, Point, fit
from scenarios.calibrating.loads import Load
from scenarios.calibrating.windows import TERMS, UNSOLD, Window, cut
from scenarios.running import doctor, live, metrics
from scenarios.running.exits import UNAVAILABLE, CannotRun, Interrupted
from scenarios.running.progress import Progress

SEED = 1
SAMPLE_S = 0.25
SPREAD_MAX, SPREAD_TRIALS = 1.2, 8
"""The largest spread of turns that is tried, and how many are: each takes some seconds."""
POINTS = 12
"""Points that are played, for the progress that is shown."""
NOTHING = "no calibration was written"
"""What an interrupted one leaves."""
COMMITS = 60
"""Commits of each kind that are timed."""


class Played(msgspec.Struct, frozen=True):
    """One point that was played."""

    load: Load
    windows: tuple[Window, ...]
    header: Header
    rows: Rows

    @property
    def under_load(self) -> Window:
        """The window of the load. Raises :class:`CannotRun` where nothing was counted."""
        found = next((window for window in self.windows if window.name.endswith(": load")), None)
        if found is None or not found.server_us():
            raise CannotRun(
                f"the load '{self.load.name}' was too short to be looked at twice; give more --seconds, on an idle machine",
                UNAVAILABLE,
            )
        return found

    def busy(self, cores: int) -> float:
        """The load: see :meth:`Window.busy`."""
        return self.under_load.busy(cores)

    def rate_and_load(self, cores: int) -> tuple[float, float]:
        """Sends a second, and the load they came to."""
        return self.load.scenario.workload.rate_per_s, self.busy(cores)

    def cost_us(self, cores: int) -> float:
        """What one send takes of the busier side, whatever follows from it, so that 1e6 / this many a second would be all it can do."""
        return self.busy(cores) * 1e6 / self.load.scenario.workload.rate_per_s


class Calibration(msgspec.Struct, frozen=True):
    """What was measured: the service times, and the evidence for them."""

    times: ServiceTimes
    fits: dict[str, Fit]
    disk: Disk
    busy: dict[str, float]
    """By point: the load that it came to."""
    checks: tuple[dict[str, tuple[float, float]], ...] = ()
    """The standard mix at 30 % and at 60 %: measure -> (simulated with these times, measured)."""


def calibrate(seconds: float, commit: str, command: str, progress: Progress) -> Calibration:
    """Measure this machine. ``seconds``: of each point of load. Raises :class:`CannotRun` and ``HistoryError``."""
    server, generator = waits.cores()
    if not doctor.tells_threads():
        raise CannotRun("the kernel does not tell CPU by thread (/proc/<pid>/task/*/schedstat); calibrate on Linux", UNAVAILABLE)
    with tempfile.TemporaryDirectory(prefix="imbench-calibrate-", dir=Path.cwd()) as name:  # on the disk that runs are kept on
        folder = Path(name)
        progress.begin("calibrating")
        progress.at(0.0, "disk and delays")
        found = disk.measure(folder, max(5, round(COMMITS * min(1.0, seconds / 3))))
        delays = waits.delay("tcp", generator, server), waits.delay("unix", server, server)
        played = list(_play_all(folder, seconds, len(server), progress))
    return _concluded(played, found, delays, len(server), commit, command)


def _play_all(folder: Path, seconds: float, cores: int, progress: Progress) -> Iterator[Played]:
    """Every point; rates of later ones follow from what the earlier ones cost."""
    done: list[Played] = []

    def play(load: Load) -> Played:
        progress.at(0.1 + 0.9 * len(done) / POINTS, load.name)
        done.append(play_one(load, folder, progress))
        return done[-1]

    probe = play(loads.probe(seconds))
    low = play(loads.low(seconds, probe.rate_and_load(cores)))
    high = play(loads.high(seconds, low.rate_and_load(cores)))
    for load in loads.others(seconds, high.cost_us(cores)):
        play(load)
    play(loads.restart(seconds, low.load.scenario.workload.rate_per_s))
    yield from done


def play_one(load: Load, folder: Path, progress: Progress) -> Played:
    """Play a point live, for ``cursor``, and count."""
    tallies = folder / f"tallies-{load.name}"
    tallies.mkdir()
    run = RunFolder.create(folder, load.scenario.name, "live", "cursor", SEED, datetime.now(UTC))
    meter = metrics.Meter(SAMPLE_S, tallies)
    played = live.play(load.scenario, "cursor", SEED, run, progress, "asyncio", meter)
    if played.interrupted:
        raise Interrupted(played.interrupted, NOTHING)
    if played.notes:
        raise CannotRun(f"the load '{load.name}' could not be played: {played.notes[0]}", UNAVAILABLE)
    return Played(load, tuple(cut(load.name, load.scenario, meter.samples, played.rows)), played.header, played.rows)


# what comes of it --------------------------------------------------------------------------------------------------------------------


def _concluded(
    played: Sequence[Played],
    measured: Disk,
    delays: tuple[tuple[float, float], tuple[float, float]],
    cores: int,
    commit: str,
    command: str,
) -> Calibration:
    points = points_by_role(played)
    shares = measured.checkpoints_of()
    points["storage"] = [disk.with_checkpoints(point, shares) for point in points["storage"]] + measured.points()
    fits = {role: fit(points[role], TERMS[role]) for role in TERMS}
    (loopback, jitter), (local, _) = delays
    wait_us, kib_wait_us = measured.checkpoint_wait_us()
    starts = {role: start_us(played[-1], role) for role in ("gateway-1", "business")}
    costs = {
        f"{role}_{term}_us": round(cost, 2)
        for role, found in fits.items()
        for term, cost in found.costs.items()
        if term not in UNSOLD
    }
    provenance = Provenance(
        machine=this_machine(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        commit=commit,
        load="; ".join(f"{p.load.name}: {p.load.scenario.workload.rate_per_s:.0f} sends/s" for p in played),
        residuals={role: round(found.worst, 4) for role, found in fits.items()},
    )
    found: dict[str, Any] = {
        **costs,
        "format": FORMAT,
        **{f"storage_{name}_checkpoints": round(share, 6) for name, share in shares.items()},
        "storage_checkpoint_wait_us": round(wait_us, 1),
        "storage_checkpoint_kib_wait_us": round(kib_wait_us, 2),
        "storage_sync_us": measured.sync_us(),
        "gateway_start_us": starts["gateway-1"],
        "business_start_us": starts["business"],
        "loopback_us": loopback,
        "loopback_jitter_us": jitter,
        "local_us": local,
        "provenance": provenance,
    }
    low_and_high = (played[1], played[2])
    times = ServiceTimes(**found, standard=tuple(_standard(one, cores) for one in low_and_high))
    times = settled(uneven(times, [one.load.scenario for one in low_and_high], cores), played[1].load.scenario, cores)
    checks = tuple(_check(times, one, standard, cores) for one, standard in zip(low_and_high, times.standard, strict=True))
    return Calibration(times, fits, measured, {p.load.name: round(p.busy(cores), 4) for p in played}, checks)


def _standard(played: Played, cores: int) -> Standard:
    found = simulated.latencies(from_rows(played.header, played.rows), played.load.scenario)
    if "mean_us" not in found:
        raise CannotRun(
            f"nothing was delivered under the load '{played.load.name}'; try again when the machine is idle", UNAVAILABLE
        )
    throughput = found.pop("throughput_per_s")
    rate = played.load.scenario.workload.rate_per_s
    return Standard(
        round(rate, 1), round(throughput, 1), round(played.busy(cores), 4), **{k: round(v, 1) for k, v in found.items()}
    )


def uneven(times: ServiceTimes, scenarios: Sequence[Scenario], cores: int) -> ServiceTimes:
    """The same with the spread of turns with which the latencies at 30 % and 60 % come closest to the measured ones."""
    from scipy.optimize import minimize_scalar

    def missed(spread: float) -> float:
        varied = msgspec.structs.replace(times, spread=spread)
        return sum(_missed(varied, *point, cores) for point in zip(scenarios, times.standard, strict=True))

    found = minimize_scalar(missed, bounds=(0.0, SPREAD_MAX), method="bounded", options={"maxiter": SPREAD_TRIALS})
    return msgspec.structs.replace(times, spread=round(float(found.x), 3))


def _missed(times: ServiceTimes, scenario: Scenario, standard: Standard, cores: int) -> float:
    found = simulated.latencies(simulated.played(scenario, "cursor", SEED, times, cores), scenario)
    return sum(log(found[name] / getattr(standard, name)) ** 2 for name in ("mean_us", "p50_us", "p95_us", "p99_us"))


def settled(times: ServiceTimes, scenario: Scenario, cores: int) -> ServiceTimes:
    """The same with what latency has at 30 % beyond all that was measured apart, as a delay of the loopback's two ways.

    What a wake-up takes while other processes work, or an interrupt, is seen nowhere else. A simulation that is slower than the live run
    is left as it is: no way takes less than nothing.
    """
    missing = (
        times.standard[0].mean_us
        - simulated.latencies(simulated.played(scenario, "cursor", SEED, times, cores), scenario)["mean_us"]
    )
    return msgspec.structs.replace(
        times, loopback_us=round(max(0.0, times.loopback_us + missing / 2), 1), unexplained_us=round(missing, 1)
    )


def _check(times: ServiceTimes, played: Played, standard: Standard, cores: int) -> dict[str, tuple[float, float]]:
    scenario = played.load.scenario
    found = simulated.latencies(simulated.played(scenario, "cursor", SEED, times, cores), scenario)
    found["busy"] = simulated.busy(scenario, times, cores)
    of_live = {**msgspec.to_builtins(standard), "throughput_per_s": standard.deliveries_per_s}
    return {name: (round(value, 4), of_live[name]) for name, value in found.items()}


def points_by_role(played: Sequence[Played]) -> dict[str, list[Point]]:
    """All windows of all points, as points of each role; those in which a role did nothing are left out."""
    found: dict[str, list[Point]] = {role: [] for role in TERMS}
    for window in (window for one in played for window in one.windows):
        for role, point in window.points().items():
            if point.cpu_us > 0 and any(point.counts[term] for term in TERMS[role] if term not in UNSOLD):
                found[role].append(point)
    return found


def start_us(played: Played, role: str) -> float:
    """From the order to start a role that was killed to its readiness, as the run has proven it. Raises :class:`CannotRun`."""
    scenario = played.load.scenario
    node = next(number for number, name in live.nodes(scenario).items() if name == role)
    healed = played.rows["t_us"][(played.rows["kind"] == Kind.FAULT_HEALED) & (played.rows["node"] == node)]
    if not len(healed):
        raise CannotRun(f"{role} did not come back after it was killed; try again when the machine is idle", UNAVAILABLE)
    return float(int(healed[0]) - scenario.at_us(_back_s(scenario, role)))


def _back_s(scenario: Scenario, role: str) -> float:
    return next(fault.back_s for fault in scenario.faults if isinstance(fault, Kill) and fault.node == role)


def plain(calibration: Calibration) -> dict[str, Any]:
    """What ``imbench calibrate --json`` prints."""
    value: dict[str, Any] = msgspec.to_builtins(calibration)
    return value
