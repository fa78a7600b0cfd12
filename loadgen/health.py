"""The load process's own health: a generator short of CPU measures itself, so it says how much it used.

CPU is ``time.process_time_ns``: user and system time of all threads. The shell calls ``sample`` several times a second; the worst second is
looked for in a window that slides from sample to sample. A sample that comes late makes a longer interval with the same meaning, since a
share is CPU time over the time that passed.
"""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import Protocol

import msgspec

INTERVAL_S = 0.2
"""Between two samples."""
WINDOW_NS = 1_000_000_000
"""What is called a second."""


class Counts(Protocol):
    """Whoever plays, as far as its health is concerned: what went over its lines, and whether the run is where load is offered."""

    @property
    def frames_in(self) -> int: ...
    @property
    def frames_out(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def loaded(self) -> bool: ...


class Report(msgspec.Struct, frozen=True):
    """What the health file holds. ``cpu_*_us`` are microseconds of CPU; frames and bytes are those of all lines of this process."""

    cpu_max: float
    """Largest share of a core in any second under load."""
    cpu_us_total: int
    """From the first connection to END."""
    cpu_us_loaded: int
    """From the end of the ramp to the drain, in whole samples."""
    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int


class Health:
    """Samples the CPU of this process while a player plays."""

    __slots__ = ("_began_cpu", "_loaded", "_loaded_cpu", "_max", "_player")

    def __init__(self, player: Counts) -> None:
        self._player = player
        self._began_cpu = time.process_time_ns()
        self._max = 0.0
        self._loaded_cpu = 0
        self._loaded: deque[tuple[int, int]] = deque()  # samples under load of the last second: (wall, CPU)

    def begin(self) -> None:
        """Count from here."""
        self._began_cpu = time.process_time_ns()

    def sample(self) -> None:
        """Note the CPU used so far."""
        wall, cpu, loaded = time.monotonic_ns(), time.process_time_ns(), self._loaded
        if not self._player.loaded:
            loaded.clear()
            return
        if loaded:
            self._loaded_cpu += cpu - loaded[-1][1]
        loaded.append((wall, cpu))
        while len(loaded) > 2 and wall - loaded[1][0] >= WINDOW_NS:
            loaded.popleft()
        passed = wall - loaded[0][0]
        if passed > 0.8 * WINDOW_NS:
            self._max = max(self._max, (cpu - loaded[0][1]) / passed)

    def report(self) -> Report:
        """All that is known now."""
        player = self._player
        total = time.process_time_ns() - self._began_cpu
        traffic = (player.frames_in, player.frames_out, player.bytes_in, player.bytes_out)
        return Report(round(self._max, 4), total // 1000, self._loaded_cpu // 1000, *traffic)

    def write(self, path: Path) -> None:
        """Leave the report as JSON, whole or not at all. Raises OSError."""
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(msgspec.json.encode(self.report()) + b"\n")
        os.replace(partial, path)
