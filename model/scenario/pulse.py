"""The pulse of an event loop: how late it comes to what is due, noted by the process itself, read by whoever started it.

Where ``IMBENCH_PULSES`` names a folder, a process maps ``<folder>/<pid>.pulse`` and has its loop call :meth:`Pulse.beat` every ``BEAT_S``.
A beat that comes late shows what anything that was due then would have waited for: a long turn, a collection of garbage, a core that others
had, a SIGSTOP. The reader maps or reads the file at any instant; nobody is asked, and nothing is written by a system call.

The file is 64-bit integers in the machine's byte order: how many beats there were, then a ring of the last ``RING`` latenesses in
microseconds. A beat is written before it is counted, so that a reader sees whole ones; a killed process leaves its last.

Beats are due at fixed steps, and one that was missed is noted as late as it was when the loop came back to it. A second's standstill is
twenty late beats, not one: else a share of beats would say next to nothing of a share of time (coordinated omission, as in a closed
loop).

Prior art: event-loop lag as monitors of Node.js have it (``perf_hooks.monitorEventLoopDelay``), with a timer that is due at fixed steps.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

PULSE_VARIABLE = "IMBENCH_PULSES"
BEAT_S = 0.05
BEAT_NS = round(BEAT_S * 1e9)
"""Twenty beats a second: a stall of a tenth of a second is never missed, and a beat of some ten microseconds costs 0.02 % of a core."""
RING = 256
"""Beats that are kept: more than ten seconds of them, so that one look a second misses none."""


CallLater = Callable[[float, Callable[[], None]], object]
"""(seconds, what to call then): a loop's own, such as ``asyncio``'s ``loop.call_later`` or ``gevent.spawn_later``."""


class Pulse:
    """One loop's beats, from ``begin`` on."""

    __slots__ = ("_call_later", "_clock_ns", "_due_ns", "_ring")

    def __init__(self, path: Path, call_later: CallLater, clock_ns: Callable[[], int]) -> None:
        """Raises OSError where the file cannot be made."""
        path.write_bytes(bytes(8 * (1 + RING)))
        with path.open("r+b") as file:
            self._ring = memoryview(mmap.mmap(file.fileno(), 8 * (1 + RING))).cast("q")
        self._call_later, self._clock_ns = call_later, clock_ns
        self._due_ns = 0

    def begin(self) -> None:
        """Have the loop beat from now on, until it ends."""
        self._due_ns = self._clock_ns() + BEAT_NS
        self._call_later(BEAT_S, self.beat)

    def beat(self) -> None:
        """Note how late it is, and how late those are that were due meanwhile, as many as are kept; and beat again."""
        now_ns = self._clock_ns()
        self._due_ns = max(self._due_ns, now_ns - (RING - 1) * BEAT_NS)
        self._note(now_ns)
        while self._due_ns <= now_ns:
            self._note(now_ns)
        self._call_later((self._due_ns - now_ns) / 1e9, self.beat)

    def _note(self, now_ns: int) -> None:
        """The beat that is due, a timer that came early being in time; the next is due a step later."""
        ring = self._ring
        ring[1 + ring[0] % RING] = max(0, now_ns - self._due_ns) // 1000
        ring[0] += 1
        self._due_ns += BEAT_NS


def keep_pulse(call_later: CallLater, clock_ns: Callable[[], int]) -> None:
    """Have this process's loop note how late it is, if anyone wants to know. ``clock_ns`` is CLOCK_MONOTONIC."""
    folder = os.environ.get(PULSE_VARIABLE)
    if folder:
        Pulse(pulse_path(Path(folder), os.getpid()), call_later, clock_ns).begin()


def pulse_path(folder: Path, pid: int) -> Path:
    """Where the process with this id notes its beats."""
    return folder / f"{pid}.pulse"


def beats_since(path: Path, count: int) -> tuple[int, list[int]]:
    """How many beats there are by now, and how late those after the first ``count`` were, in microseconds, as far as they are kept."""
    try:
        ring = memoryview(path.read_bytes()).cast("q")
    except (OSError, TypeError):
        return count, []
    if len(ring) != 1 + RING:
        return count, []
    first = max(count, ring[0] - RING)
    return ring[0], [ring[1 + i % RING] for i in range(first, ring[0])]
