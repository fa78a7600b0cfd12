"""What is elapsed and no CPU: the disk at a commit, and the way between two processes. Each is measured by a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from model.scenario.tally import RESTS, rest_class
from scenarios.calibrating.fit import Point
from scenarios.running.exits import UNAVAILABLE, CannotRun

SYNC_VALUES = 100
"""Equally likely waits that a calibration keeps: the rarest is one in a hundred commits."""
SMALL = 5
"""Messages in the groups whose waits are kept: what commits hold under load. Twenty wait a quarter longer."""
BOUND_S = 60.0
PAYLOAD_BYTES = 120


class Commits(msgspec.Struct, frozen=True):
    """Group commits of one size, after rests of one length."""

    rest_us: float
    rows: int
    conversations: int
    elapsed_us: tuple[float, ...]
    cpu_us: tuple[float, ...]


def cores() -> tuple[list[int], list[int]]:
    """(the server's cores, the load process's), as a live run binds them. Raises :class:`CannotRun` where there is one core only."""
    found = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(found) < 2:
        raise CannotRun("two cores at least are needed, one of them for the load process; this machine gives fewer", UNAVAILABLE)
    return found[:-1], found[-1:]


def commits(folder: Path, count: int) -> list[Commits]:
    """Group commits on the disk of ``folder``, by rest and size."""
    found: dict[tuple[float, int, int], list[tuple[float, float]]] = defaultdict(list)
    for line in _lines("reference_server.storage.measure", *_options(folder / "commits", count)):
        found[line["rest_us"], line["rows"], line["conversations"]].append((line["elapsed_us"], line["cpu_us"]))
    return [Commits(*kind, *map(tuple, zip(*times, strict=True))) for kind, times in sorted(found.items())]


def _options(data: Path, count: int) -> tuple[str, ...]:
    return "--data", str(data), "--commits", str(count), "--payload", str(PAYLOAD_BYTES)


def points(measured: Sequence[Commits]) -> list[Point]:
    """The same as points of storage's fit: under load, commits and rows are hard to tell apart."""
    return [
        Point(
            f"commits of {size.rows} after {size.rest_us:.0f} us",
            {
                "commit": len(size.cpu_us),
                **({f"rest_{RESTS[rest]}": len(size.cpu_us)} if (rest := rest_class(round(size.rest_us))) >= 0 else {}),
                "row": size.rows * len(size.cpu_us),
                "conversation": size.conversations * len(size.cpu_us),
                "kib": size.rows * len(size.cpu_us) * PAYLOAD_BYTES / 1024,
            },
            sum(size.cpu_us),
        )
        for size in measured
    ]


def sync_us(measured: Sequence[Commits]) -> tuple[tuple[float, ...], ...]:
    """The waits for the disk without a rest and after one of each length, of small groups: each as ``SYNC_VALUES`` equally likely ones, the
    middles of as many equal parts."""
    middles = (np.arange(SYNC_VALUES) + 0.5) / SYNC_VALUES
    found: dict[int, list[float]] = defaultdict(list)
    for kind in (kind for kind in measured if kind.rows <= SMALL):
        waited = [max(0.0, e - c) for e, c in zip(kind.elapsed_us, kind.cpu_us, strict=True)]
        found[rest_class(round(kind.rest_us))] += waited
    return tuple(tuple(round(float(wait), 1) for wait in np.quantile(found[rest], middles)) for rest in sorted(found))


def delay(family: str, here: Sequence[int], there: Sequence[int]) -> tuple[float, float]:
    """(least, mean above it) of the way between two processes on these cores, in microseconds; none where they share one core.

    On one core a message takes the CPU of both ends and nothing else; what it takes more between two is the way.
    """
    if len({*here, *there}) == 1:
        return 0.0, 0.0
    least, jitter = _half_trip(family, here[:1], there[-1:])
    cpu, _ = _half_trip(family, there[-1:], there[-1:])
    return round(max(0.0, least - cpu), 1), jitter


def _half_trip(family: str, here: Sequence[int], there: Sequence[int]) -> tuple[float, float]:
    options = {"--family": family, "--here": _listed(here), "--there": _listed(there)}
    found = next(iter(_lines("scenarios.calibrating.delays", *(word for option in options.items() for word in option))))
    return found["least_us"], found["jitter_us"]


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _lines(module: str, *arguments: str) -> list[Mapping[str, Any]]:
    """What a process prints, a JSON object a line. Raises :class:`CannotRun`."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, cwd=Path(__file__).resolve().parents[2])
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{module} did not end within {BOUND_S:.0f} s; try again when the machine is idle", UNAVAILABLE) from None
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise CannotRun(f"{module} failed: {words[-1] if words else 'it left no message'}", UNAVAILABLE)
    return [json.loads(line) for line in done.stdout.splitlines()]
