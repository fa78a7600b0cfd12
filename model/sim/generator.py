"""The load process of the live world, simulated: one core that does everything devices do in order, and a timer of whole milliseconds.

A live run's latencies contain what its generator adds, so a prediction of them must, too. Left out where the question is about users,
whose devices have a CPU each. What is modelled:

- Frames that arrive while the process is busy wait, and are recorded when it gets to them. A process that slept takes a wake-up more.
- The schedule's timer is libuv's: it counts whole milliseconds, so a send leaves up to one late, unless a frame that comes in between has
  the process look at what is due (:mod:`loadgen.asyncio_driver`, :meth:`loadgen.player.Player.received`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.core.frames import CONNECT, SEND, SYNC_REPLY
from model.sim.kernel import Kernel
from model.sim.service_times import ServiceTimes
from model.sim.sizes import KIB, payload_bytes

TICK_US = 1000
"""libuv's timers (uv_timer_start) take milliseconds."""


class LoadProcess:
    """The CPU of the load process."""

    __slots__ = ("_free_at", "_kernel", "_times", "cpu_us", "wakes")

    def __init__(self, kernel: Kernel, times: ServiceTimes) -> None:
        self._kernel, self._times = kernel, times
        self._free_at = 0.0
        self.cpu_us = 0.0
        self.wakes = 0

    def receive(self, frame: Any, callback: Callable[..., None], *args: Any) -> None:
        """A frame arrives (None: the end of a connection): ``callback(*args)`` when the process gets to it."""
        times, cost_us = self._times, self._times.generator_frame_us
        if frame is not None:
            cost_us += times.generator_kib_us / KIB * payload_bytes(frame)
            cost_us += times.generator_page_row_us * len(frame.messages) if frame.kind == SYNC_REPLY else 0.0
        self._kernel.at(round(self._begin(cost_us)), callback, *args)

    def wrote(self, frame: Any) -> int:
        """A device wrote this frame in what is being done now; returns when it leaves."""
        times = self._times
        if frame.kind == SEND:
            cost_us = times.generator_send_us + times.generator_kib_us / KIB * payload_bytes(frame)
        else:
            cost_us = times.generator_connect_us if frame.kind == CONNECT else times.generator_write_us
        self._free_at = max(self._free_at, float(self._kernel.now)) + cost_us
        self.cpu_us += cost_us
        return round(self._free_at)

    @property
    def free_us(self) -> int:
        """When everything it was given so far is done."""
        return max(round(self._free_at), self._kernel.now)

    def plan(self, due_us: int, callback: Callable[..., None], *args: Any) -> None:
        """Something of the schedule is due then: ``callback(*args)`` at the tick after it."""
        self._kernel.at(-(-due_us // TICK_US) * TICK_US, self._tick, callback, args)

    def _tick(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._kernel.at(round(self._begin(0.0)), callback, *args)

    def _begin(self, cost_us: float) -> float:
        """Work arrives; returns when it begins."""
        now = self._kernel.now
        if self._free_at <= now:
            self.wakes += 1
            begin = float(now)
            cost_us += self._times.generator_turn_us
        else:
            begin = self._free_at
        self._free_at = begin + cost_us
        self.cpu_us += cost_us
        return begin
