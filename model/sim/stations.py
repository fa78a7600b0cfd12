"""Where work waits: servers that take one after another, and cores that are shared.

A :class:`Line` is what a disk, a link that puts frames on the wire, or an admission desk does: so many servers, the order of arrival, and
maybe a bound on the places. :class:`Cores` are what an operating system does with its cores for a while: whoever got one keeps it to the
end of a turn. A :class:`Host` is what it does in the long run: whoever can run gets an equal share, no more than one core each. All call
back when work is done, and are held against the closed forms of :mod:`model.analysis.queues` by ``tests/sim/test_theory.py``.

Equal sharing is by virtual time, as in fair queueing (Demers, Keshav, Shenker 1989): the work that a job present all along would have got
is one number for all of them, so a job is done when that number has grown by its length, and nothing is touched that does not end or
begin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from model.sim.kernel import Kernel

Done = Callable[..., object]


class Line:
    """``servers`` servers and one line before them, in the order of arrival; of ``places`` in all, those in service among them."""

    __slots__ = ("_kernel", "_places", "_servers", "_waiting", "busy", "lost")

    def __init__(self, kernel: Kernel, servers: int = 1, places: int | None = None) -> None:
        self._kernel, self._servers, self._places = kernel, servers, places
        self._waiting: deque[tuple[float, Done, tuple[Any, ...]]] = deque()
        self.busy = 0
        self.lost = 0
        """Arrivals that found no place."""

    def __len__(self) -> int:
        """How many are here, in service or before it."""
        return self.busy + len(self._waiting)

    def bring(self, work_us: float, done: Done, *args: Any) -> bool:
        """Work of this length arrives; ``done(*args)`` when it has been served. False where there was no place for it."""
        if self._places is not None and len(self) >= self._places:
            self.lost += 1
            return False
        if self.busy < self._servers:
            self._serve(work_us, done, args)
        else:
            self._waiting.append((work_us, done, args))
        return True

    def _serve(self, work_us: float, done: Done, args: tuple[Any, ...]) -> None:
        self.busy += 1
        self._kernel.at(self._kernel.now + round(work_us), self._served, done, args)

    def _served(self, done: Done, args: tuple[Any, ...]) -> None:
        self.busy -= 1
        if self._waiting:
            self._serve(*self._waiting.popleft())
        done(*args)


class Cores:
    """``cores`` cores of a host, given to processes for some time: what the roles of a scenario with ``cores`` share.

    Who wants to work asks, and is called when a core is free, in the order of asking; it keeps the core until it leaves, which a node does
    at the end of a turn that leaves it nothing to do, or is the last of its slice (:mod:`model.sim.node`). So a process that had to wait
    finds what has arrived meanwhile, and works in larger batches.

    Linux (EEVDF, since 6.6) does nearly that with short turns. A process that wakes up does not interrupt one that runs until that has
    had its due or used up its slice (``RUN_TO_PARITY``, on by default: kernel/sched/features.h). A slice is 0.7 ms (0.75 ms at first)
    times 1 + log2 of the CPUs, of eight at most: 1.4 ms on two, 2.8 ms on eight (``sysctl_sched_base_slice`` and
    ``get_update_sysctl_factor``: kernel/sched/fair.c). Left out: among those that wait it chooses the earliest virtual deadline of those
    that are owed time and not the first to ask; and who has had more than its due, or is beyond its slice in a long turn, gives way at the
    next wake-up or tick.
    """

    __slots__ = ("_free", "_kernel", "_waiting")

    def __init__(self, kernel: Kernel, cores: int = 1) -> None:
        self._kernel, self._free = kernel, cores
        self._waiting: deque[tuple[Done, tuple[Any, ...]]] = deque()

    def ask(self, begin: Done, *args: Any) -> None:
        """Call ``begin(*args)`` when there is a core for it; ``leave`` is its thanks."""
        if self._free:
            self._free -= 1
            self._kernel.at(self._kernel.now, begin, *args)
        else:
            self._waiting.append((begin, args))

    def leave(self) -> None:
        """Who had a core is done with it."""
        if self._waiting:
            begin, args = self._waiting.popleft()
            self._kernel.at(self._kernel.now, begin, *args)
        else:
            self._free += 1

    def work(self, work_us: int, done: Done, *args: Any) -> None:
        """Work of this length on a core, when there is one; ``done(*args)`` at its end."""
        self.ask(self._worked, work_us, done, args)

    def _worked(self, work_us: int, done: Done, args: tuple[Any, ...]) -> None:
        self._kernel.at(self._kernel.now + work_us, self._end, done, args)

    def _end(self, done: Done, args: tuple[Any, ...]) -> None:
        self.leave()
        done(*args)


class Host:
    """``cores`` cores, shared equally among the jobs present, each of which can use one core at most.

    The limit of ever shorter slices, with a closed form for any distribution of work. No role runs on one: it stands here to be held
    against theory (``tests/sim/test_theory.py``), and for work that is longer than a slice.
    """

    __slots__ = ("_armed_us", "_asked", "_cores", "_done_work", "_jobs", "_kernel", "_since_us")

    def __init__(self, kernel: Kernel, cores: int = 1) -> None:
        self._kernel, self._cores = kernel, cores
        self._jobs: list[tuple[float, int, Done, tuple[Any, ...]]] = []
        """A heap by the value of ``_done_work`` at which each is done."""
        self._done_work = 0.0
        """Microseconds of work that every job present since the beginning would have got."""
        self._since_us = 0
        self._armed_us = -1
        self._asked = 0

    def __len__(self) -> int:
        """How many jobs are here."""
        return len(self._jobs)

    def run(self, work_us: float, done: Done, *args: Any) -> None:
        """A job of this length begins; ``done(*args)`` when it has got that much of a core."""
        self._advance()
        self._asked += 1
        heappush(self._jobs, (self._done_work + work_us, self._asked, done, args))
        self._arm()

    def _advance(self) -> None:
        """What the jobs present got since it was last looked at."""
        now = self._kernel.now
        if self._jobs:
            self._done_work += (now - self._since_us) * min(1.0, self._cores / len(self._jobs))
        self._since_us = now

    def _arm(self) -> None:
        if not self._jobs:
            self._armed_us = -1
            return
        left = self._jobs[0][0] - self._done_work
        self._armed_us = self._kernel.now + max(0, round(left * max(1.0, len(self._jobs) / self._cores)))
        self._kernel.at(self._armed_us, self._ring, self._armed_us)

    def _ring(self, armed_us: int) -> None:
        if armed_us != self._armed_us:
            return  # somebody came or went since
        self._advance()
        _, _, done, args = heappop(self._jobs)
        self._arm()
        done(*args)
