"""A slow wire is as slow as it says. The loop is turned by hand, and counts whole milliseconds as the real one does."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from model.scenario import Blackhole
from model.sim.sizes import SEGMENT_HEADER_BYTES
from scenarios.breaking.deeds import DEEDS, Case
from scenarios.breaking.doors import Door, DoorPlan
from scenarios.breaking.pipes import Pipe

BYTES = 120
BITS = 8 * (BYTES + SEGMENT_HEADER_BYTES)


class Loop:
    """Milliseconds, and what is due at them."""

    def __init__(self) -> None:
        self.now_ms, self._numbers = 1_000, count()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()

    def time(self) -> float:
        return self.now_ms / 1000

    def call_later(self, delay_s: float, call: Callable[[], None]) -> SimpleNamespace:
        at_ms, number = self.now_ms + max(1, round(delay_s * 1000)), next(self._numbers)
        heapq.heappush(self._due, (at_ms, number, lambda: None if number in self._cancelled else call()))
        return SimpleNamespace(cancel=lambda: self._cancelled.add(number))

    def run(self, until_s: float) -> None:
        while self._due and self._due[0][0] <= until_s * 1000:
            self.now_ms, _, call = heapq.heappop(self._due)
            call()
        self.now_ms = round(until_s * 1000)


class Socket:
    """One end's: what was written to it, and when."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.written: list[tuple[float, int]] = []

    def write(self, data: bytes) -> None:
        self.written.append((self._loop.time(), len(data)))

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """What waits is more than a buffer takes."""

    resume_reading = pause_reading


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    loop = Loop()
    plan = DoorPlan("gateway-1", "clients", "/nowhere", "/nowhere", False)
    made = Pipe(Door(plan, 1, cast(asyncio.AbstractEventLoop, loop)))
    made.near.transport, made.far.transport = cast(Any, Socket(loop)), cast(Any, Socket(loop))
    yield made
    made.door._bound.close()


def sockets(pipe: Pipe) -> tuple[Loop, Socket]:
    return cast(Any, pipe.door.loop), cast(Any, pipe.near.transport)


@pytest.mark.parametrize("bit_s", [20_000.0, 300_000.0, 1_000_000.0, 5_000_000.0])
def test_what_stands_in_line_passes_as_fast_as_the_wire_takes_it(pipe: Pipe, bit_s: float) -> None:
    loop, socket = sockets(pipe)
    pipe.door.bit_s = bit_s
    for _ in range(500):
        pipe.down.feed(bytes(BYTES))
    loop.run(1_000.0)
    assert len(socket.written) == 500
    late_s = [at_s - (1.0 + (k + 1) * BITS / bit_s) for k, (at_s, _) in enumerate(socket.written)]
    assert min(late_s) >= -1e-6
    assert max(late_s) <= 0.001 + 1e-6


def test_an_idle_wire_saves_nothing_up(pipe: Pipe) -> None:
    loop, socket = sockets(pipe)
    pipe.door.bit_s = BITS / 0.01
    pipe.down.feed(bytes(BYTES))
    loop.run(5.0)
    pipe.down.feed(bytes(BYTES))
    pipe.down.feed(bytes(BYTES))
    loop.run(6.0)
    assert [at_s for at_s, _ in socket.written] == pytest.approx([1.01, 5.01, 5.02], abs=0.001)


def test_what_waited_in_a_hole_is_put_on_the_wire_when_that_is_over(pipe: Pipe) -> None:
    loop, socket = sockets(pipe)
    pipe.door.bit_s = BITS / 0.01
    pipe.door.blocked[1] = 1
    for _ in range(3):
        pipe.down.feed(bytes(BYTES))
    loop.run(4.0)
    pipe.door.blocked[1] = 0
    pipe.door._pipes[pipe] = None
    pipe.door.rerate()
    loop.run(6.0)
    assert [at_s for at_s, _ in socket.written] == pytest.approx([4.01, 4.02, 4.03], abs=0.001)


def carried_out(deed: Awaitable[None]) -> None:
    """To its end, which is in no loop's hands."""

    async def alone() -> None:
        await deed

    asyncio.run(alone())


def test_of_two_holes_the_longer_one_counts(pipe: Pipe) -> None:
    """As in the simulated world: what begins within another hole does not end it."""
    _, socket = sockets(pipe)
    door = pipe.door
    door._pipes[pipe] = None
    told: list[tuple[str, int]] = []
    holes = [
        Case(k, hole, [door], [], lambda event, fault, _: told.append((event, fault)))
        for k, hole in enumerate((Blackhole("gateway-1", 1.0, 2.0), Blackhole("gateway-1", 1.5, 2.5, "down")))
    ]
    for hole in holes:
        carried_out(DEEDS[Blackhole](hole))
    pipe.down.feed(bytes(BYTES))
    for hole, passed in zip(holes, (0, 1), strict=True):
        assert hole.undo is not None
        carried_out(hole.undo())
        assert len(socket.written) == passed
    assert told == [("begun", 0), ("begun", 1), ("healed", 0), ("healed", 1)]
