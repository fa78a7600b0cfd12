"""The load process of the live world, simulated: one core that does everything devices do in order, and one timer of whole milliseconds.

A live run's latencies contain what its generator adds, so a prediction of them must, too. Left out where the question is about users,
whose devices have a CPU each. What is modelled:

- An iteration of its loop takes the frames that have come, one after another, then what is due, and what either wrote leaves together
  when all of it is done, as uvloop writes. What comes meanwhile waits for the next iteration. A process that slept takes a wake-up more.
- One timer serves the schedule and all devices (:mod:`loadgen.asyncio_driver`), and libuv counts whole milliseconds: it is due at the
  clock's millisecond plus the wait, rounded up, and looked at after frames that came, or when the process has slept as many whole
  milliseconds as were missing when it went to sleep (``uv_timer_start``, ``uv__next_timeout``, ``uv__io_poll``). So what is due is done up
  to two milliseconds late, much of it together.
- After a frame the process also looks at what the schedule has due (:meth:`loadgen.player.Player.received`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

from model.core import limits
from model.core.frames import CONNECT, SEND, SYNC_REPLY
from model.sim.kernel import Kernel
from model.sim.service_times import ServiceTimes
from model.sim.sizes import KIB, payload_bytes

TICK_US = 1000
"""libuv's clock and timers count milliseconds."""

Call = tuple[Callable[..., None], tuple[Any, ...]]


class LoadProcess:
    """The CPU of the load process."""

    __slots__ = (
        "_alarm",
        "_batch",
        "_busy",
        "_due",
        "_inbox",
        "_kernel",
        "_order",
        "_planned",
        "_stopped_us",
        "_target",
        "_times",
        "_work",
        "_written",
        "cpu_us",
        "wakes",
    )

    def __init__(self, kernel: Kernel, times: ServiceTimes) -> None:
        self._kernel, self._times = kernel, times
        self._busy = False
        self._inbox: list[tuple[float, object, Call]] = []
        """What has come: its cost, on which link, and what to call when the process gets to it."""
        self._batch: deque[tuple[float, Call]] = deque()
        """What this iteration still has to take."""
        self._work = 0.0
        """What the step under way takes."""
        self._stopped_us = 0
        """For how long the process is not to go on after that step."""
        self._written: list[Call] = []
        self._planned: list[tuple[int, int, Call]] = []
        self._order = count()
        self._due = limits.NEVER_US
        """What the timer was set for,"""
        self._target = 0
        """the clock's millisecond at which it is due, in microseconds,"""
        self._alarm = 0
        """and when the sleeping process wakes up for it if no frame comes."""
        self.cpu_us = 0.0
        self.wakes = 0

    # what comes and goes -----------------------------------------------------------------------------------------------------------

    def receive(self, link: object, frame: Any, callback: Callable[..., None], *args: Any) -> None:
        """A frame arrives on a link (None: the link's end): ``callback(*args)`` when the process gets to it."""
        times, cost_us = self._times, self._times.generator_frame_us
        if frame is not None:
            cost_us += times.generator_kib_us / KIB * payload_bytes(frame)
            cost_us += times.generator_page_row_us * len(frame.messages) if frame.kind == SYNC_REPLY else 0.0
        self._inbox.append((cost_us, link, (callback, args)))
        if not self._busy:
            self._wake_up()

    def write(self, frame: Any, callback: Callable[..., None], *args: Any) -> None:
        """A device writes this frame in what is being done now: ``callback(*args)`` when it leaves."""
        times = self._times
        if frame.kind == SEND:
            self._spend(times.generator_send_us + times.generator_kib_us / KIB * payload_bytes(frame))
        else:
            self._spend(times.generator_connect_us if frame.kind == CONNECT else times.generator_write_us)
        self.leave(callback, *args)

    def leave(self, callback: Callable[..., None], *args: Any) -> None:
        """``callback(*args)`` when what is being done now leaves, after all that was written before."""
        if self._busy:
            self._written.append((callback, args))
        else:
            callback(*args)

    def plan(self, due_us: int, callback: Callable[..., None], *args: Any) -> None:
        """``callback(*args)`` when the timer gets to it, at ``due_us`` or later."""
        heappush(self._planned, (due_us, next(self._order), (callback, args)))
        if due_us < self._due:
            self._set_timer()

    def stop(self, for_us: int) -> None:
        """The process stands still from here, at the latest from the end of the step it is in, and uses no CPU meanwhile."""
        self._stopped_us += for_us
        if not self._busy:
            self._busy = True
            self._then(self._iterate)

    # the timer ---------------------------------------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        """For the first of what is planned."""
        now, self._due = self._kernel.now, self._planned[0][0]
        self._target = (now // TICK_US + max(0, -(-(self._due - now) // TICK_US))) * TICK_US
        if not self._busy:
            self._sleep()

    def _sleep(self) -> None:
        """Whole milliseconds, as many as are missing now."""
        now = self._kernel.now
        self._alarm = now + max(0, self._target - now // TICK_US * TICK_US)
        self._kernel.at(self._alarm, self._ring, self._alarm)

    def _ring(self, alarm: int) -> None:
        if alarm == self._alarm and not self._busy:  # else it was woken up or set anew since
            self._wake_up()

    # an iteration ------------------------------------------------------------------------------------------------------------------

    def _wake_up(self) -> None:
        self._busy = True
        self.wakes += 1
        self._work = 0.0
        self._spend(self._times.generator_turn_us)
        self._then(self._iterate)

    def _iterate(self) -> None:
        """Whatever has come on one link is read at once."""
        came, self._inbox = self._inbox, []
        seen = set[object]()
        for cost_us, link, call in came:
            self._batch.append((cost_us if link in seen else cost_us + self._times.generator_read_us, call))
            seen.add(link)
        self._take()

    def _take(self) -> None:
        """The next frame; after the last, what is due."""
        if self._batch:
            cost_us, (callback, args) = self._batch.popleft()
            self._spend(cost_us)
            callback(*args)
            self._then(self._take)
        else:
            self._flush()
            if self._planned and self._target <= self._kernel.now:
                self._do_due()
                self._then(self._end)
            else:
                self._end()

    def _do_due(self) -> None:
        planned, now = self._planned, self._kernel.now
        self._due = 0  # so that nothing sets the timer meanwhile
        while planned and planned[0][0] <= now:
            callback, args = heappop(planned)[2]
            callback(*args)
        self._due = limits.NEVER_US
        if planned:
            self._set_timer()

    def _end(self) -> None:
        self._flush()
        if self._stopped_us:
            self._then(self._end)
            return
        if self._inbox or (self._planned and self._target <= self._kernel.now):
            self._iterate()
            return
        self._busy = False
        if self._planned:
            self._sleep()

    def _flush(self) -> None:
        written, self._written = self._written, []
        for callback, args in written:
            callback(*args)

    def _spend(self, cost_us: float) -> None:
        self.cpu_us += cost_us
        self._work += cost_us

    def _then(self, step: Callable[[], None]) -> None:
        """Call when the work of this step is done."""
        work_us, self._work, self._stopped_us = self._work + self._stopped_us, 0.0, 0
        self._kernel.at(self._kernel.now + round(work_us), step)
