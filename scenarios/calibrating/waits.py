"""The way between two processes, measured by a process of its own; and how processes are asked to measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scenarios.running.exits import UNAVAILABLE, CannotRun

BOUND_S = 60.0


def cores() -> tuple[list[int], list[int]]:
    """(the server's cores, the load process's), as a live run binds them. Raises :class:`CannotRun` where there is one core only."""
    found = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(found) < 2:
        raise CannotRun("two cores at least are needed, one of them for the load process; this machine gives fewer", UNAVAILABLE)
    return found[:-1], found[-1:]


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
    found = next(iter(lines("scenarios.calibrating.delays", *(word for option in options.items() for word in option))))
    return found["least_us"], found["jitter_us"]


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def lines(module: str, *arguments: str) -> list[Mapping[str, Any]]:
    """What a measuring process prints, a JSON object a line. Raises :class:`CannotRun`."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, cwd=Path(__file__).resolve().parents[2])
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{module} did not end within {BOUND_S:.0f} s; try again when the machine is idle", UNAVAILABLE) from None
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise CannotRun(f"{module} failed: {words[-1] if words else 'it left no message'}", UNAVAILABLE)
    return [json.loads(line) for line in done.stdout.splitlines()]
