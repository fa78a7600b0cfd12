"""The kernel: a SimPy ``Environment`` that also runs plain callbacks, without a process or an event object for each of them.

Simulated time is integer microseconds. A callback is a tuple in a pending set of our own (:mod:`model.sim.pending`), beside SimPy's queue
of events; whichever is earlier comes next, SimPy's at equal times, so processes and callbacks share one clock and may call each other.
Callbacks of equal time run in the order in which they were asked for.

Why not ``Environment.timeout``: an event with its callback list costs several times as much as a tuple. Prior art: SimPy's event loop
(simpy/core.py), whose ``step`` this extends.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import simpy

from model.sim.pending import Buckets, Heap, Pending

Callback = Callable[..., object]

CROWD = 10_000
"""From this many machines on, each with a deadline of its own, ``Buckets`` take less time than a ``Heap`` in whole runs
(``bench_sim``); where callbacks do nothing and leave the caches to the heap, only from some 50,000 on (``bench_kernel``)."""
RUNS_KEPT = 50
"""Runs whose worlds may lie about: the smallest leave two megabytes each, most of it in few large blocks."""
GARBAGE_BEFORE_COLLECTION = 200_000
"""Objects that may come into being before the garbage collector looks at the young ones; frames have no cycles, so it finds nothing."""


class Kernel(simpy.Environment):  # type: ignore[misc]  # SimPy's types are not looked at
    """The clock and the pending callbacks of one world, which is to have about ``machines`` of them at a time."""

    now: int = 0
    """Microseconds; a plain attribute beside SimPy's own clock, since everything asks for it all the time."""

    def __init__(self, machines: int = 0, pending: Pending | None = None) -> None:
        super().__init__(initial_time=0)
        self.stopped = False
        self.pending: Pending = pending if pending is not None else Buckets() if machines >= CROWD else Heap()
        self._push = self.pending.push
        self._asked = 0

    def at(self, time_us: int, callback: Callback, *args: Any) -> None:
        """Call ``callback(*args)`` at ``time_us``, or now if that is past."""
        self._asked = asked = self._asked + 1
        now = self.now
        self._push((time_us if time_us > now else now, asked, callback, args))

    def peek(self) -> float:
        """The time of the next event or callback; infinity for none."""
        event: float = super().peek()
        return min(event, self.pending.first_us())

    def step(self) -> None:
        """Process the next event or callback."""
        if self.pending.first_us() < super().peek():
            self.now, _, callback, args = self.pending.pop()
            self._now = self.now
            callback(*args)
        else:
            self._event()

    def _event(self) -> None:
        """Process SimPy's next event."""
        if self._queue:
            self.now = self._queue[0][0]
        super().step()

    def play(self) -> None:
        """Run until ``stop`` is called or nothing is pending."""
        pop, pending, queue, event = self.pending.pop, self.pending, self._queue, self._event
        while not self.stopped:
            try:
                entry = pop()
            except IndexError:
                if not queue:
                    return
                event()
                continue
            if queue and queue[0][0] <= entry[0]:
                pending.push(entry)
                event()
                continue
            self.now, _, callback, args = entry
            self._now = entry[0]
            callback(*args)

    def stop(self) -> None:
        """Run nothing more."""
        self.stopped = True


class Garbage:
    """What runs leave behind. A world is full of cycles, and what is frozen when the next run begins is never looked at by the collector
    again; so whoever plays many runs in one process has it collected before each that finds the process grown to twice its size, which
    costs little over all of them."""

    def __init__(self) -> None:
        self._kept = sys.getallocatedblocks()
        self._runs = 0

    def collect(self) -> None:
        """Called before a run."""
        self._runs += 1
        if self._runs >= RUNS_KEPT or sys.getallocatedblocks() > 2 * self._kept:
            gc.collect()
            self._kept, self._runs = sys.getallocatedblocks(), 0


GARBAGE = Garbage()


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Garbage collection as a run wants it: what stands already is not looked at, and what comes into being only seldom.

    A run makes millions of tuples that die by reference count; the collector would walk all machines again and again and find nothing.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(GARBAGE_BEFORE_COLLECTION, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
