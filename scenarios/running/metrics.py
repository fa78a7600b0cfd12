"""What a live run costs, and how the machine was meanwhile: every process sampled once a second, and the CPU a delivered message takes.

CPU time is what the kernel has counted for the process (user and system). A process that is killed has spent what its last sample says,
at most one interval too little; the runner samples right before it kills. The cost of a role is its CPU time from the beginning of the
load to the drain, so connecting and reading back are not in it, but heartbeats are, and so is the start of a process that was started
again meanwhile. A role is what the process does: ``gateway``, ``business``, ``supervisor``, ``generator``.

How the machine was: for each process its memory, its descriptors, how long it was ready to run and had no core (Linux's
``/proc/<pid>/schedstat``), and how late its event loop came to what was due, as it says itself (:mod:`model.scenario.pulse`); for the
host, how much CPU the hypervisor gave to others (*steal*), and what was left of its memory. Late loops of the harness's own processes
can make a run say nothing (``generator_lag``); those of the server are the server's own doing.

What each role of the server did in the whole run (bytes, frames, rows, commits) is what its processes have counted themselves
(:mod:`model.scenario.tally`). A meter that is given their folder also notes it at each look, and CPU
by thread to the nanosecond where the kernel tells (Linux, /proc/<pid>/task/*/schedstat): what a calibration is fitted to.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
import psutil

from model.history.recorder import Rows
from model.history.schema import Kind, Via
from model.scenario.pulse import BEAT_NS, beats_since, pulse_path
from model.scenario.tally import NAMES, OTHERS, read_tally, tally_path

INTERVAL_S: Final = 1.0
APART_US: Final = 800_000
"""Least distance of two looks of which a share of "a second" is taken: looks come late by milliseconds, and one more before each fault."""
_ENDLESS_US: Final = 2**62


class Sample(msgspec.Struct, frozen=True):
    """One look at one process; ``t_us`` on the clock of the run, ``cpu_us`` since its start, ``resident_bytes`` of memory."""

    t_us: int
    role: str
    name: str
    pid: int
    cpu_us: int
    resident_bytes: int
    descriptors: int = 0
    lag_us: int = 0
    """The latest that its event loop came to something that was due, since the last look."""
    waited_us: float = 0.0
    """Time for which its main thread was ready to run and had no core, since its start; 0 where the kernel does not tell."""
    main_us: float = 0.0
    """CPU of the main thread, which runs the loop; with tallies only, as what follows."""
    others_us: float = 0.0
    """CPU of all other threads."""
    wakes: int = 0
    """How often the main thread went to sleep."""
    tally: tuple[int, ...] = ()


class HostSample(msgspec.Struct, frozen=True):
    """One look at the host: time of all its cores since it was started, and of it what others were given; memory that is left."""

    t_us: int
    cpu_us: int
    steal_us: int
    available_bytes: int


Look = TypeVar("Look", Sample, HostSample)


class Meter:
    """Looks at processes by pid, every ``interval_s``. ``watch`` them when they start; ``sample`` skips those that are gone."""

    def __init__(self, interval_s: float = INTERVAL_S, tallies: Path | None = None) -> None:
        self.interval_us = round(interval_s * 1e6)
        self.tallies = tallies
        self.pulses: Path | None = None
        """The folder in which processes note how late their loops are; None: nobody asked them to."""
        self.beats: list[tuple[int, str, list[int]]] = []
        """What they noted between two looks: (when it was read, name, latenesses in microseconds)."""
        self._beaten: dict[int, int] = {}  # pid -> beats read so far
        self.samples: list[Sample] = []
        self.host: list[HostSample] = []
        self._watched: dict[int, tuple[str, str, psutil.Process]] = {}

    def watch(self, role: str, name: str, pid: int) -> None:
        """Sample this process from now on."""
        try:
            self._watched[pid] = (role, name, psutil.Process(pid))
        except psutil.Error:
            return

    def sample(self, t_us: int) -> None:
        """Look at the host and at every process."""
        self.host.append(_host(t_us))
        for pid, (role, name, process) in list(self._watched.items()):
            try:
                with process.oneshot():
                    times, memory, descriptors = process.cpu_times(), process.memory_info(), process.num_fds()
            except psutil.Error:
                del self._watched[pid]
                continue
            cpu_us = round((times.user + times.system) * 1e6)
            lag_us = self._lag_us(t_us, name, pid)
            closely = () if self.tallies is None else _closely(pid, self.tallies)
            self.samples.append(Sample(t_us, role, name, pid, cpu_us, memory.rss, descriptors, lag_us, _waited_us(pid), *closely))

    def _lag_us(self, t_us: int, name: str, pid: int) -> int:
        if self.pulses is None:
            return 0
        self._beaten[pid], found = beats_since(pulse_path(self.pulses, pid), self._beaten.get(pid, 0))
        if found:
            self.beats.append((t_us, name, found))
        return max(found, default=0)

    def lag_p99_us(self, names: Collection[str], begin_us: int, end_us: int) -> int | None:
        """p99 (nearest rank) of how late these processes' loops were between two instants, the worst of them; None where none says."""
        worst = [
            found[math.ceil(0.99 * len(found)) - 1]
            for name in names
            if (found := sorted(lag for due_us, lag in self._beats_of(name) if begin_us < due_us <= end_us))
        ]
        return max(worst, default=None)

    def _beats_of(self, name: str) -> Iterator[tuple[int, int]]:
        """When each beat of a process was due, to within a step, and how late it came: a look finds those of the second before it."""
        for t_us, of, lags in self.beats:
            if of == name:
                yield from ((t_us - behind * BEAT_NS // 1000, lag) for behind, lag in enumerate(reversed(lags)))


def _host(t_us: int) -> HostSample:
    times = psutil.cpu_times()
    idle_and_busy = sum(times) - times.guest - times.guest_nice  # which Linux counts as user time as well
    return HostSample(t_us, round(idle_and_busy * 1e6), round(times.steal * 1e6), psutil.virtual_memory().available)


def _waited_us(pid: int) -> float:
    """Of the main thread, which runs the loop."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1000
    except (OSError, ValueError, IndexError):
        return 0.0


def _closely(pid: int, tallies: Path) -> tuple[float, float, int, tuple[int, ...]]:
    """CPU of the main thread and of the others, sleeps of the main thread, and the tally, as near to one instant as can be."""
    tally = read_tally(tally_path(tallies, pid))
    threads = {int(task.name): _on_cpu_us(task) for task in Path(f"/proc/{pid}/task").glob("*")}
    main_us = threads.pop(pid, 0.0)
    return main_us, sum(threads.values()), _sleeps(Path(f"/proc/{pid}/task/{pid}/status")), tally


def _on_cpu_us(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1000
    except (OSError, ValueError, IndexError):
        return 0.0


def _sleeps(status: Path) -> int:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:")), 0)


def steal_max(host: list[HostSample]) -> float | None:
    """Largest share of the host's CPU that others were given in about a second; None where there was none."""
    shares = [(b.steal_us - a.steal_us) / (b.cpu_us - a.cpu_us) for a, b in pairwise(_apart(host)) if b.cpu_us > a.cpu_us]
    return round(max(shares), 4) if shares else None


def _apart(looks: Iterable[Look]) -> list[Look]:
    """Of some looks, in order of time, those that are no less than a second apart, or nearly: a share of the few milliseconds between the
    look before a fault and the next one says nothing of any second, and the kernel counts a host's time in hundredths of one."""
    kept: list[Look] = []
    for look in looks:
        if not kept or look.t_us - kept[-1].t_us >= APART_US:
            kept.append(look)
    return kept


def of_live(samples: list[Sample], host: list[HostSample], rows: Rows, begin_us: int, end_us: int) -> dict[str, Any]:
    """The metrics of a live run whose load lay between two instants."""
    deliveries = _deliveries(rows, begin_us, end_us)
    return {
        "deliveries": deliveries,
        "deliveries_whole_run": _deliveries(rows, 0, _ENDLESS_US),
        "load_us": [begin_us, end_us],
        "cost": {role: _cost(cpu_us, deliveries) for role, cpu_us in sorted(_cpu_by_role(samples, begin_us, end_us).items())},
        **_shares(samples, begin_us, end_us),
        "resident_bytes_max": _largest(samples, "resident_bytes"),
        "descriptors_max": _largest(samples, "descriptors"),
        "waited_share_max": _waited(samples),
        "lag_us_max": _largest(samples, "lag_us"),
        "steal_max": steal_max(host),
        "samples": samples,
        "host": host,
    }


def done(samples: list[Sample], tallies: Path) -> dict[str, dict[str, int]]:
    """What each role of the server did in the whole run, by the names of :data:`model.scenario.tally.NAMES`; without a role that never
    counted. All processes of a role together, those that were killed among them."""
    totals: dict[str, dict[str, int]] = {}
    for role, pid in sorted({(sample.role, sample.pid) for sample in samples}):
        for name, count in zip(NAMES, read_tally(tally_path(tallies, pid))[OTHERS:], strict=False):
            of_role = totals.setdefault(role, {})
            of_role[name] = of_role.get(name, 0) + count
    return totals


def _deliveries(rows: Rows, begin_us: int, end_us: int) -> int:
    """Messages shown to others than their sender, in the time of the load."""
    within = (rows["t_us"] >= begin_us) & (rows["t_us"] < end_us)
    return int(((rows["kind"] == Kind.DELIVER) & (rows["via"] != Via.OWN) & within).sum())


def _cost(cpu_us: int, deliveries: int) -> dict[str, float | None]:
    return {"cpu_us": cpu_us, "cpu_us_per_delivery": round(cpu_us / deliveries, 2) if deliveries else None}


def _cpu_by_role(samples: list[Sample], begin_us: int, end_us: int) -> dict[str, int]:
    """CPU of each role between two instants."""
    return {role: round(cpu_us) for role, cpu_us in _cpu_by(lambda sample: sample.role, samples, begin_us, end_us).items()}


def cpu_by_name(samples: list[Sample], begin_us: int, end_us: int) -> dict[str, float]:
    """CPU of each process between two instants, in microseconds; those of one name, one after the other, together."""
    return _cpu_by(lambda sample: sample.name, samples, begin_us, end_us)


def _shares(samples: list[Sample], begin_us: int, end_us: int) -> dict[str, Any]:
    """CPU of each process between two instants as a share of one core, and of all processes of the server together."""
    length_us, of_server = max(1, end_us - begin_us), ("gateway", "business", "supervisor")
    by_name = cpu_by_name(samples, begin_us, end_us)
    by_role = _cpu_by_role(samples, begin_us, end_us)
    return {
        "busy": {name: round(cpu_us / length_us, 4) for name, cpu_us in sorted(by_name.items())},
        "server_busy": round(sum(by_role.get(role, 0) for role in of_server) / length_us, 4),
    }


def _cpu_by(name: Callable[[Sample], str], samples: list[Sample], begin_us: int, end_us: int) -> dict[str, float]:
    """CPU of processes between two instants, in a straight line between the samples around each; one that came later began with 0."""
    by_process: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for sample in samples:
        by_process[name(sample), sample.pid].append(sample)
    total: dict[str, float] = defaultdict(float)
    for (of, _), found in by_process.items():
        total[of] += _cpu_at(found, end_us) - _cpu_at(found, begin_us)
    return total


def _cpu_at(samples: list[Sample], t_us: int) -> float:
    """CPU of one process until then."""
    if samples[0].t_us > t_us:
        return 0.0
    return float(np.interp(t_us, [sample.t_us for sample in samples], [sample.cpu_us for sample in samples]))


def _largest(samples: list[Sample], name: str) -> dict[str, int]:
    largest: dict[str, int] = {}
    for sample in samples:
        largest[sample.name] = max(largest.get(sample.name, 0), getattr(sample, name))
    return largest


def _waited(samples: list[Sample]) -> dict[str, float]:
    """The largest share of about a second for which each process wanted a core and had none."""
    largest: dict[str, float] = {}
    by_process: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for sample in samples:
        by_process[sample.name, sample.pid].append(sample)
    for (name, _), looks in by_process.items():
        for before, after in pairwise(_apart(looks)):
            share = (after.waited_us - before.waited_us) / (after.t_us - before.t_us)
            largest[name] = max(largest.get(name, 0.0), round(share, 4))
    return largest
