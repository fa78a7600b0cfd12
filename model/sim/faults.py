"""What goes wrong in the simulated world: every fault of :mod:`model.scenario.faults`, as a SimPy process.

Rules of the file:

- A deed is a generator: it does what the fault does, says ``begun`` when that took effect, waits, undoes it, says
  ``healed``. What had nothing to strike (a cut without connections, a kill of what is dead, a stall of a disk that is
  stalled) says nothing, and the judges call it unproven.
- A deed calls small methods of nodes, links and the disk; those know nothing of faults.
- Who is struck of a share is drawn by key of (seed, fault, device), so a larger share strikes the same devices and more.

What each fault does to bytes and to either end: ``docs/model.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from model.core import draws, limits
from model.core.codes import Code
from model.core.effects import Write
from model.core.frames import SEND_ACK
from model.scenario import faults as f
from model.sim import stages
from model.sim.access import SimGateway
from model.sim.business import SimBusiness
from model.sim.node import Node
from model.sim.rough import DOWN, UP, RoughLink, Tears
from model.sim.storage import SimStorage

if TYPE_CHECKING:
    from model.sim.world import World

KILLED = -9
LEFT = 0
FAILED = 74
"""EX_IOERR of sysexits(3): what business ends with when it cannot commit."""
DRAIN_POLL_US = 1_000
"""Between two looks at whether a gateway that was asked to go is empty."""
DIRECTIONS = {"up": (UP,), "down": (DOWN,), "both": (UP, DOWN)}

Deed = Generator[Any, Any, None]


class Nemesis:
    """The faults of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kernel, self._scenario, self._observer = world.kernel, world.scenario, world.observer

    def plan(self) -> None:
        """Record what is planned, and let it come."""
        for number, fault in enumerate(f.steps(self._scenario.faults), 1):
            node = self._world.node(fault.node)
            at_us, stage = self._scenario.at_us(fault.at_s), f.stage(fault)
            self._observer.fault_planned(number, fault.kind, node.number, at_us, stage)
            self._kernel.process(self._come(Case(self, number, fault, node)))

    def _come(self, case: Case) -> Deed:
        yield from case.until(case.fault.at_s)
        case.node = self._world.node(case.fault.node)  # a successor may have taken its place meanwhile
        yield from DEEDS[type(case.fault)](case)


class Case:
    """One fault as it goes on: what it needs of the world, and what it has to say."""

    def __init__(self, nemesis: Nemesis, number: int, fault: Any, node: Node) -> None:
        self.number, self.fault, self.node = number, fault, node
        self.world = nemesis._world
        self._scenario, self._observer, self._kernel = nemesis._scenario, nemesis._observer, nemesis._kernel
        self.has_begun = self.has_healed = False
        self.count = 0
        """How many it has struck: processes, connections, frames."""

    @property
    def now(self) -> int:
        now: int = self._kernel.now
        return now

    @property
    def gateway(self) -> SimGateway:
        """The node of a fault that strikes gateways."""
        assert isinstance(self.node, SimGateway)
        return self.node

    @property
    def gateways(self) -> list[SimGateway]:
        """All of them where the node is business."""
        return [self.node] if isinstance(self.node, SimGateway) else list(self.world.devices.gateways)

    @property
    def storage(self) -> SimStorage:
        """Business's disk."""
        return self.world.business.storage

    @property
    def back_us(self) -> int:
        """When the node's process is started again."""
        return self._scenario.at_us(self.fault.back_s)

    @property
    def start_us(self) -> int:
        """How long that takes; of a merged process, what takes the longer of its two, since most of it is what any process begins with."""
        times, nodes = self.world.times, self.world.process_of(self.node)
        return round(max(times.business_start_us if isinstance(node, SimBusiness) else times.gateway_start_us for node in nodes))

    def until(self, second: float) -> Deed:
        """Wait until an instant of the scenario."""
        yield from self.till(self._scenario.at_us(second))

    def till(self, instant_us: int) -> Deed:
        """Wait until an instant of the run."""
        wait_us = instant_us - self._kernel.now
        if wait_us > 0:
            yield self._kernel.timeout(wait_us)

    def call_in(self, wait_us: int, call: Callable[[], None]) -> None:
        """Have something happen in so many microseconds."""
        self._kernel.at(self._kernel.now + wait_us, call)

    def begun(self, count: int = 1) -> None:
        """It took effect on so many, or so many more; said once."""
        self.count += count
        if not self.has_begun:
            self.has_begun = True
            stage = f.stage(self.fault)
            self._observer.fault_begun(self.number, self.fault.kind, self.node.number, self._kernel.now, self.count, stage)

    def healed(self) -> None:
        """It is over, if it had begun; said once."""
        if self.has_begun and not self.has_healed:
            self.has_healed = True
            self._observer.fault_healed(self.number, self.fault.kind, self.node.number, self._kernel.now, self.count)

    def struck_once(self, left: int) -> None:
        """One of several strikes; ``left`` of them are to come."""
        self.begun()
        if not left:
            self.healed()

    def exited(self, node: Node, status: int) -> None:
        """A node's process has ended."""
        self._observer.process_exited(node.number, node.starts, status, self._kernel.now)

    def struck(self) -> list[RoughLink]:
        """The connections of the gateway whose devices are struck."""
        draw = draws.draws(self.world.seed, self.number)
        return [link for link in self.links() if draw(draws.STRUCK, link.device) < getattr(self.fault, "share", 1.0)]

    def links(self) -> list[RoughLink]:
        """The connections that the gateway has, without those that only it believes in."""
        return [link for link in self.world.paths.of_gateway(self.gateway) if not link.gone]


# processes --------------------------------------------------------------------------------------------------------------------------


def _gone(case: Case, status: int) -> None:
    for node in case.world.process_of(case.node):
        node.kill()
        case.exited(node, status)
    case.begun()


def _back(case: Case, ahead: bool = False) -> Deed:
    """Started again at its time, and not before it has gone, unless that was begun ``ahead`` of its end; healed when it serves."""
    begin_us = case.back_us if ahead else max(case.back_us, case.now)
    yield from case.till(begin_us + case.start_us)
    for node in case.world.process_of(case.node):
        if not node.alive:
            case.world.start(node)
    case.healed()


def _kill(case: Case) -> Deed:
    if not case.node.alive:
        return
    if case.fault.stage:
        give_up = stages.arm(case, lambda: _gone(case, KILLED))
        yield from case.until(case.fault.back_s)
        give_up()
    else:
        _gone(case, KILLED)
    if case.has_begun:
        yield from _back(case)


def _deaf(case: Case) -> Deed:
    if case.node.alive:
        _gone(case, KILLED)
        case.gateway.deaf = True
        yield from _back(case)


def _drain(case: Case) -> Deed:
    """Its clients are told in one turn, and the process ends when nobody is left; where all are closed at once, at ``back_s`` at the
    latest. Under ``spread`` its successor is started at ``back_s``, whether or not it has ended."""
    gateway, policy = case.gateway, case.world.policies.drain
    if not gateway.accepts:  # dead, or asked before
        return
    life = gateway.life
    gateway.shut_down()
    if policy != "at_once":
        case.begun()
    if policy == "spread" and not case.world.scenario.merged:  # which has its database to itself
        yield from _emptied(case, life, case.back_us + case.start_us)
        if gateway.life == life and not _is_empty(gateway):
            case.world.succeed(gateway)
    yield from _emptied(case, life, case.back_us if policy == "at_once" else limits.NEVER_US)
    if gateway.life == life:
        _gone(case, LEFT)
        if gateway is case.world.node(case.fault.node):
            yield from _back(case, ahead=policy == "spread" and not case.world.scenario.merged)
    case.healed()


def _is_empty(gateway: SimGateway) -> bool:
    return not gateway.links and not gateway.is_busy


def _emptied(case: Case, life: int, patience_us: int) -> Deed:
    """Wait until a gateway that goes is empty, or dead, or patience is at its end."""
    gateway = case.gateway
    while gateway.life == life and not _is_empty(gateway) and case.now < patience_us:
        yield case._kernel.timeout(DRAIN_POLL_US)


def _pause(case: Case) -> Deed:
    if not case.node.alive or case.node.is_paused:
        return
    paused = [(node, node.life) for node in case.world.process_of(case.node)]
    for node, _ in paused:
        node.pause()
    case.begun()
    yield from case.until(case.fault.heal_s)
    for node, life in paused:
        if node.life == life:
            node.resume()
    case.healed()


def _disk_full(case: Case) -> Deed:
    """Business ends at the next commit; nothing of that is kept."""
    business = case.world.business
    if not business.alive or business.storage.instead is not None:
        return

    def end() -> bool:
        _gone(case, FAILED)
        return True

    business.storage.instead = end
    yield from case.until(case.fault.back_s)
    business.storage.instead = None
    if case.has_begun:
        yield from _back(case)


def _clock_step(case: Case) -> Deed:
    if case.node.alive:
        case.node.step_clock(round(case.fault.by_s * 1e6))
        case.begun()
        case.healed()
    yield from ()


def _storage_stall(case: Case) -> Deed:
    storage = case.storage
    if storage.is_stalled:
        return
    storage.stall()
    case.begun()
    yield from case.until(case.fault.heal_s)
    storage.go_on()
    case.healed()


# connections ------------------------------------------------------------------------------------------------------------------------


def _cut(case: Case) -> Deed:
    if struck := case.gateway.cut():
        case.begun(struck)
        case.healed()
    yield from ()


def _half_open(case: Case) -> Deed:
    yield from _each(case, RoughLink.lost_by_gateway)


def _roam(case: Case) -> Deed:
    yield from _each(case, RoughLink.lost_by_device)


def _each(case: Case, lose: Callable[[RoughLink], None]) -> Deed:
    if struck := case.struck():
        case.begun(len(struck))
    for link in struck:
        lose(link)
    case.healed()
    yield from ()


def _ack_lost(case: Case) -> Deed:
    """Of the effects of a turn, an ack of what is stored is not written: its connection is reset instead."""
    gateway, left = case.gateway, case.fault.count

    def trap(out: list[Any]) -> list[Any]:
        nonlocal left
        kept: list[Any] = []
        for effect in out:
            link = gateway.connection(effect.connection) if type(effect) is Write else None
            if left and link is not None and effect.frame.kind == SEND_ACK and effect.frame.code == Code.OK:
                left -= 1
                case.struck_once(left)
                gateway.cut_off(link)
            else:
                kept.append(effect)
        return kept

    gateway.traps.append(trap)
    yield from case.until(case.fault.heal_s)
    gateway.traps.remove(trap)
    case.healed()


def _torn_frame(case: Case) -> Deed:
    (direction,) = DIRECTIONS[case.fault.direction]
    tears = case.world.paths.door(case.gateway).tears
    tears[direction] = armed = Tears(case.fault.count, case.struck_once)
    yield from case.until(case.fault.heal_s)
    if tears[direction] is armed:
        tears[direction] = None
    case.healed()


# networks ---------------------------------------------------------------------------------------------------------------------------


def _blackhole(case: Case) -> Deed:
    blocked = case.world.paths.door(case.gateway).blocked_until_us
    heal_us = case.world.scenario.at_us(case.fault.heal_s)
    for direction in DIRECTIONS[case.fault.direction]:
        blocked[direction] = max(blocked[direction], heal_us)
    yield from _while_there(case, case.links())


def _refuse(case: Case) -> Deed:
    gateway = case.gateway
    if not gateway.accepts:
        return
    life = gateway.life
    gateway.accepts = False
    case.begun()
    yield from case.until(case.fault.heal_s)
    if gateway.life == life:
        gateway.accepts = True
    case.healed()


def _delay(case: Case) -> Deed:
    door = case.world.paths.door(case.gateway)
    if door.delay_us or door.jitter_us:
        return
    door.delay_us, door.jitter_us = round(case.fault.delay_s * 1e6), round(case.fault.jitter_s * 1e6)
    yield from _while_there(case, case.links())
    door.delay_us = door.jitter_us = 0


def _throttle(case: Case) -> Deed:
    door = case.world.paths.door(case.gateway)
    if door.bit_s:
        return
    door.bit_s = case.fault.bit_s
    _rerate(case.links())
    yield from _while_there(case, case.links())
    door.bit_s = 0.0
    _rerate(case.links())


def _slow_consumer(case: Case) -> Deed:
    struck = [link for link in case.struck() if not link.air.read_bit_s]
    for link in struck:
        link.air.read_bit_s = case.fault.bit_s
    _rerate(struck)
    yield from _while_there(case, struck)
    for link in struck:
        link.air.read_bit_s = 0.0
        if link.air.link is not None:
            link.air.link.rerate()


def _while_there(case: Case, struck: list[RoughLink]) -> Deed:
    """A fault of the network has begun where there is a connection to feel it."""
    if struck:
        case.begun(len(struck))
    yield from case.until(case.fault.heal_s)
    case.healed()


def _rerate(links: list[RoughLink]) -> None:
    for link in links:
        link.rerate()


def _nat_drop(case: Case) -> Deed:
    door = case.world.paths.door(case.gateway)
    if door.nat_idle_us:
        return
    door.nat_idle_us, door.forgotten = round(case.fault.idle_s * 1e6), case.begun
    yield from case.until(case.fault.heal_s)
    for link in case.links():
        link.silent(case.now)  # what it has forgotten by now does not come back with it
    door.nat_idle_us = 0
    case.healed()


# between gateway and business -------------------------------------------------------------------------------------------------------


class Severed:
    """Stands at the far end of a link through which nothing passes: keeps what is said to it, and says it when the link is mended.

    What set out towards it before that gets there after it, and passes.
    """

    def __init__(self, peer: SimGateway | SimBusiness) -> None:
        self.peer = peer
        self._kept: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = []

    def told(self, link: int, envelopes: list[Any]) -> None:
        self._say(self.peer.told, link, envelopes)

    def unlinked(self, link: int) -> None:
        self._say(self.peer.unlinked, link)

    def mend(self) -> None:
        kept, self._kept = self._kept or [], None
        for say, args in kept:
            say(*args)

    def _say(self, say: Callable[..., None], *args: Any) -> None:
        if self._kept is None:
            say(*args)
        else:
            self._kept.append((say, args))


def _partition(case: Case) -> Deed:
    gateway, business = case.gateway, case.world.business
    if gateway.severed or not gateway.is_linked or not business.alive:  # of one that died just now the end is on its way
        return
    gateway.severed = True
    if case.fault.noticed:
        business.unlink(gateway)
        case.begun()
        yield from case.until(case.fault.heal_s)
    else:
        above, below = gateway.sever(Severed), business.sever(gateway, Severed)
        case.begun()
        yield from case.until(case.fault.heal_s)
        above.mend()
        below.mend()
        gateway.mend(business)
        business.mend(gateway, below)
    gateway.severed = False
    yield case._kernel.timeout(round(case.world.times.local_us))
    case.world.link(gateway, gateway.life)
    case.healed()


def _cold_routes(case: Case) -> Deed:
    business = case.world.business
    known = [gateway for gateway in case.gateways if business.alive and gateway.is_linked and not gateway.severed]
    if not any(gateway.links for gateway in known):
        return
    for gateway in known:
        business.forget(gateway)
    case.begun()
    yield from case.until(case.fault.heal_s)
    for gateway in known:
        gateway.announce()
    case.healed()


DEEDS: dict[type, Callable[[Case], Deed]] = {
    f.Kill: _kill,
    f.Drain: _drain,
    f.Deaf: _deaf,
    f.Pause: _pause,
    f.StorageStall: _storage_stall,
    f.DiskFull: _disk_full,
    f.ClockStep: _clock_step,
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
