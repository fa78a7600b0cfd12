"""The kernel: a SimPy ``Environment`` that also runs plain callbacks, without a process or an event object for each of them.

Simulated time is integer microseconds. A callback is a tuple in a heap of our own, beside SimPy's queue of events; ``step`` takes whichever
is earlier, SimPy's at equal times, so processes and callbacks share one clock and may call each other. Callbacks of equal time run in
the order in which they were asked for.

Why not ``Environment.timeout``: an event with its callback list costs several times as much as a tuple. Prior art: SimPy's event loop
(simpy/core.py), whose ``step`` this extends.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import simpy

Callback = Callable[..., object]


class Kernel(simpy.Environment):  # type: ignore[misc]  # SimPy's types are not looked at
    """The clock and the pending callbacks of one world."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)
        self.stopped = False
        self._pending: list[tuple[int, int, Callback, tuple[Any, ...]]] = []
        self._asked = 0

    def at(self, time_us: int, callback: Callback, *args: Any) -> None:
        """Call ``callback(*args)`` at ``time_us``, or now if that is past."""
        self._asked += 1
        heappush(self._pending, (time_us if time_us > self._now else self._now, self._asked, callback, args))

    def peek(self) -> float:
        """The time of the next event or callback; infinity for none."""
        event: float = super().peek()
        return min(event, self._pending[0][0]) if self._pending else event

    def step(self) -> None:
        """Process the next event or callback."""
        if self._pending and self._pending[0][0] < super().peek():
            self._now, _, callback, args = heappop(self._pending)
            callback(*args)
        else:
            super().step()

    def play(self) -> None:
        """Run until ``stop`` is called or nothing is pending."""
        pending, queue = self._pending, self._queue
        while not self.stopped:
            if pending and (not queue or pending[0][0] < queue[0][0]):
                self._now, _, callback, args = heappop(pending)  # ``step``, without its two calls
                callback(*args)
            elif queue:
                super().step()
            else:
                return

    def stop(self) -> None:
        """Run nothing more."""
        self.stopped = True
