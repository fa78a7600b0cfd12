"""What each fault does at its doors: a beginning, and for one that lasts an end.

A deed says what it has struck; one that has nothing to strike says nothing, and the judges call the fault unproven. Counts are
connections, frames or, where bytes wait in a hole, bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from model.core.codes import Code
from model.core.frames import FRAME_TYPES, SEND_ACK, SESSION_KINDS, SendAck
from model.scenario import faults as f
from model.wire import FrameDecoder, decode
from scenarios.breaking.doors import DOWN, UP, Door
from scenarios.breaking.pipes import Pipe, Strike

DIRECTIONS = {"up": (UP,), "down": (DOWN,), "both": (UP, DOWN)}
KIND_AT = 5
"""Where a frame's header has its kind (docs/protocol.md)."""
SERVER_KINDS = frozenset(frame.kind for frame in FRAME_TYPES)

Told = Callable[[str, int, int], None]
"""Whom to tell: "begun" or "healed", the fault's number, how much was struck so far."""


class Case:
    """One fault as it goes on."""

    def __init__(self, number: int, fault: Any, clients: list[Door], links: list[Door], told: Told) -> None:
        self.number, self.fault = number, fault
        self.clients, self.links = clients, links
        self._told = told
        self._has_begun = self._has_healed = False
        self.count = 0
        self.undo: Callable[[], Awaitable[None]] | None = None

    @property
    def door(self) -> Door:
        """The one between clients and the gateway that is struck."""
        return self.clients[0]

    def begun(self, count: int = 0) -> None:
        """It has struck so many; the first time is its beginning."""
        self.count += count
        if not self._has_begun:
            self._has_begun = True
            self._told("begun", self.number, self.count)

    def healed(self) -> None:
        """It is over, if it had begun."""
        if self._has_begun and not self._has_healed:
            self._has_healed = True
            self._told("healed", self.number, self.count)


# connections ------------------------------------------------------------------------------------------------------------------------


async def _cut(case: Case) -> None:
    _each(case, case.door.pipes, Pipe.reset)


async def _half_open(case: Case) -> None:
    _each(case, case.door.struck(case.number, case.fault.share), Pipe.lost_by_server)


async def _roam(case: Case) -> None:
    _each(case, case.door.struck(case.number, case.fault.share), Pipe.lost_by_client)


def _each(case: Case, pipes: list[Pipe], lose: Callable[[Pipe], None]) -> None:
    for pipe in pipes:
        lose(pipe)
    if pipes:
        case.begun(len(pipes))
        case.healed()


async def _ack_lost(case: Case) -> None:
    """The ack of what is stored does not pass: its connection breaks off instead."""

    def look(pipe: Pipe, unit: bytes) -> Strike | None:
        if unit[KIND_AT] != SEND_ACK or not _is_ok(unit):
            return None
        return _counted(case, pipe.break_off)

    _watch(case, DOWN, look)


async def _torn_frame(case: Case) -> None:
    (direction,) = DIRECTIONS[case.fault.direction]

    def look(pipe: Pipe, unit: bytes) -> Strike | None:
        if unit[KIND_AT] in SESSION_KINDS:
            return None
        return _counted(case, lambda: pipe.tear(direction, unit))

    _watch(case, direction, look)


def _counted(case: Case, strike: Strike) -> Strike | None:
    """A strike, if there are any left."""
    if case.count >= case.fault.count:
        return None
    case.begun(1)
    if case.count == case.fault.count:
        case.healed()
    return strike


def _watch(case: Case, direction: int, look: Callable[[Pipe, bytes], Strike | None]) -> None:
    looks = case.door.looks[direction]
    looks.append(look)

    async def undo() -> None:
        looks.remove(look)
        case.healed()

    case.undo = undo


def _is_ok(unit: bytes) -> bool:
    (opaque,) = FrameDecoder(SERVER_KINDS).feed(unit)
    frame = decode(opaque)
    return isinstance(frame, SendAck) and frame.code == Code.OK


# networks ---------------------------------------------------------------------------------------------------------------------------


async def _blackhole(case: Case) -> None:
    _block(case, [case.door], DIRECTIONS[case.fault.direction])


def _block(case: Case, doors: list[Door], directions: tuple[int, ...]) -> None:
    """Nothing passes until it is healed; then all that waited does."""
    before = sum(door.held_bytes for door in doors)
    if not any(door.pipes for door in doors):
        return
    for door in doors:
        for direction in directions:
            door.blocked[direction] += 1

    async def undo() -> None:
        case.count = sum(door.held_bytes for door in doors) - before
        for door in doors:
            for direction in directions:
                door.blocked[direction] -= 1
            door.rerate()
        case.healed()

    case.undo = undo
    case.begun()


async def _refuse(case: Case) -> None:
    door = case.door
    if door.refuses:
        return
    await door.refuse(True)
    case.begun(1)

    async def undo() -> None:
        await door.refuse(False)
        case.healed()

    case.undo = undo


async def _delay(case: Case) -> None:
    door = case.door
    if door.is_late or not door.pipes:
        return
    door.delay_s, door.jitter_s = case.fault.delay_s, case.fault.jitter_s
    case.begun(len(door.pipes))

    async def undo() -> None:
        door.delay_s = door.jitter_s = 0.0
        case.healed()

    case.undo = undo


async def _throttle(case: Case) -> None:
    door = case.door
    if door.bit_s or not door.pipes:
        return
    door.bit_s = case.fault.bit_s
    door.rerate()
    case.begun(len(door.pipes))

    async def undo() -> None:
        door.bit_s = 0.0
        door.rerate()
        case.healed()

    case.undo = undo


async def _slow_consumer(case: Case) -> None:
    door = case.door
    struck = door.struck(case.number, case.fault.share)
    if door.slow or not struck:
        return
    door.slow, door.slow_bit_s = frozenset(pipe.device for pipe in struck), case.fault.bit_s
    door.rerate()
    case.begun(len(struck))

    async def undo() -> None:
        door.slow = frozenset()
        door.rerate()
        case.healed()

    case.undo = undo


async def _nat_drop(case: Case) -> None:
    door = case.door
    if door.nat_idle_s:
        return
    door.nat_idle_s, door.forgotten = case.fault.idle_s, lambda: case.begun(1)

    async def undo() -> None:
        door.remember()
        case.healed()

    case.undo = undo


# between gateway and business -------------------------------------------------------------------------------------------------------


async def _partition(case: Case) -> None:
    if not case.fault.noticed:
        _block(case, case.links, DIRECTIONS["both"])
        return
    links = [pipe for door in case.links for pipe in door.pipes]
    if not links:
        return
    for door in case.links:
        await door.refuse(True)
    for pipe in links:
        pipe.reset()
    case.begun(len(links))

    async def undo() -> None:
        for door in case.links:
            door.arrived = case.healed  # when the gateway has linked again
            await door.refuse(False)

    case.undo = undo


async def _cold_routes(case: Case) -> None:
    """Business sees the end of a gateway's link and a new one, on which no session is announced; the gateway sees nothing."""
    links = [(door, pipe) for door in case.links for pipe in door.pipes]
    if not links:
        return
    for door, pipe in links:
        door.turn_away(pipe)
    case.begun(len(links))

    async def undo() -> None:
        for door, pipe in links:
            door.arrived = case.healed
            pipe.reset()

    case.undo = undo


Deed = Callable[[Case], Awaitable[None]]
DEEDS: dict[type, Deed] = {
    f.Cut: _cut,
    f.HalfOpen: _half_open,
    f.Roam: _roam,
    f.AckLost: _ack_lost,
    f.TornFrame: _torn_frame,
    f.Blackhole: _blackhole,
    f.Refuse: _refuse,
    f.Delay: _delay,
    f.Throttle: _throttle,
    f.SlowConsumer: _slow_consumer,
    f.NatDrop: _nat_drop,
    f.Partition: _partition,
    f.ColdRoutes: _cold_routes,
}
"""What the proxy does; what it has no deed for is done to a process or to the disk."""
BEFORE_GATEWAYS = (
    f.Cut,
    f.HalfOpen,
    f.Roam,
    f.AckLost,
    f.TornFrame,
    f.Blackhole,
    f.Refuse,
    f.Delay,
    f.Throttle,
    f.SlowConsumer,
    f.NatDrop,
    f.Deaf,
)
"""Faults that need a door between clients and gateways."""
BEFORE_BUSINESS = (f.Partition, f.ColdRoutes)
"""Faults that need a door between gateways and business."""
IN_UNITS = (f.AckLost, f.TornFrame, f.ColdRoutes)
"""Faults that need their doors to know frames or batches."""
