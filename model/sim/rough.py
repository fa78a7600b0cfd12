"""Rough links: bandwidth, bursts of loss, NATs, outages, changes of address, and what faults do to connections.

What a segment meets, in this order:

1. *Its connection is no more.* One that has vanished takes bytes and gives none: neither end is told.
2. *The NAT.* A connection silent both ways for longer than its NAT remembers has vanished by the time somebody speaks.
3. *The line before the wire.* A segment of n bytes takes 8n / bandwidth to put there, after those before it. The bytes
   between a gateway's write and their arrival are its socket's buffer: above ``SOCKET_BYTES_MAX`` the gateway is told
   "congested", below half "drained".
4. *The air.* While an outage lasts, a burst of loss or a fault's hole, an attempt fails and is made again after the
   retransmission time-out, doubled each time (RFC 6298); what follows waits behind it. A burst is Gilbert's chain in
   continuous time: states last exponentially, and what is sent in the bad one is lost; asked at an instant, the state
   follows from the one known last by the chain's transition probability, so a quiet hour costs one draw. After
   ``give_up_us`` the sender's end is told that the connection is dead; the other end learns nothing.
5. *The delay* of the plain link, from the same table at the same place, and FIFO.

Prior art: Gilbert, "Capacity of a burst-noise channel", 1960; Hasslinger and Hohlfeld, "The Gilbert-Elliott Model for
Packet Loss in Real Time Services on the Internet", 2008. What is left out: congestion control, fast retransmission and tail
loss probes (RFC 8985), which would mend single losses on a busy connection sooner than a time-out does."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from math import exp, log
from typing import Any

from model.core import draws, limits
from model.core.frames import SESSION_KINDS
from model.scenario import Network as NetworkPlan
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.network import RTO_MAX_US, TABLE, Lane, Link, LinkEnd, Luck
from model.sim.sizes import link_bytes

UP, DOWN = 0, 1
SOCKET_BYTES_MAX = 192 * 1024
"""What a connection holds before a writer is told to wait: 64 KiB of the event loop (its high-water mark), 128 KiB of the
receiving kernel (the middle value of Linux's tcp_rmem)."""

COMMITTED_US = 10_000
"""What is on the wire within this time is sent on its way at once; what lies further ahead waits, and feels a change of bandwidth."""

Callback = Callable[..., None]


_GAMMA, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
"""The step of SplitMix64's sequence, whose finaliser is ``draws.mix``."""


class Outages:
    """When a cell lets nothing through: up and down times exponential, from a key; none begins after ``until_us``."""

    __slots__ = ("_begins", "_cell", "_draw", "_drawn", "_ends", "_plan", "_until_us")

    def __init__(self, plan: NetworkPlan, seed: int, cell: int, until_us: int) -> None:
        self._plan, self._cell, self._until_us = plan, cell, until_us
        self._draw = draws.draws(seed, cell)
        self._drawn = 0
        self._begins, self._ends = [0], [0]

    def blocks(self, t_us: int) -> bool:
        """Whether nothing passes at an instant."""
        while self._begins[-1] <= t_us:
            self._one_more()
        return t_us < self._ends[bisect_right(self._begins, t_us) - 1]

    def _one_more(self) -> None:
        begin = self._ends[-1] + self._exponential(self._plan.outage_every_us)
        end = begin + self._exponential(self._plan.outage_us)
        if begin > self._until_us:
            begin = end = limits.NEVER_US
        self._begins.append(begin)
        self._ends.append(end)

    def _exponential(self, mean_us: float) -> int:
        self._drawn += 1
        return 1 + round(-mean_us * log(1 - self._draw(draws.OUTAGE, self._drawn)))


class Weather:
    """Gilbert's chain of one lane: whether what is sent at an instant is lost. Asked in the order of time."""

    __slots__ = ("_bad", "_drawn", "_key", "_loss", "_memory_us", "_t_us")

    def __init__(self, plan: NetworkPlan, key: int) -> None:
        self._loss, self._key, self._drawn = plan.loss, key, 0
        self._memory_us = plan.burst_us * (1 - plan.loss)  # the reciprocal of the sum of both rates
        self._bad = False
        self._t_us = -limits.NEVER_US  # long ago: the first answer is stationary

    def loses(self, t_us: int) -> bool:
        """Whether the chain is in its bad state at ``t_us``."""
        self._drawn += 1
        remembered = exp(-(t_us - self._t_us) / self._memory_us)
        bad = self._loss + (self._bad - self._loss) * remembered
        self._bad, self._t_us = draws.mix(self._key + self._drawn * _GAMMA & _MASK) < bad * 2**64, t_us
        return self._bad


class Tears:
    """A fault that tears frames: how many are left, and whom to tell so at each."""

    __slots__ = ("left", "torn")

    def __init__(self, count: int, torn: Callable[[int], None]) -> None:
        self.left, self.torn = count, torn


class Door:
    """What all connections of one gateway meet: set by faults, all off by default."""

    __slots__ = ("bit_s", "blocked_until_us", "delay_us", "forgotten", "jitter_us", "nat_idle_us", "tears")

    def __init__(self) -> None:
        self.blocked_until_us = [0, 0]
        """By direction: until when nothing passes."""
        self.bit_s = 0.0
        self.delay_us = self.jitter_us = 0
        self.nat_idle_us = 0
        self.forgotten: Callback = _nobody
        """Told of every connection that the NAT before this door has forgotten."""
        self.tears: list[Tears | None] = [None, None]


def _nobody() -> None:
    """Whom to tell where no fault wants to know."""


class Air:
    """What one device has, whatever it is connected to."""

    __slots__ = ("link", "luck", "outages", "plan", "read_bit_s")

    def __init__(self, plan: NetworkPlan, luck: Luck, outages: Outages | None) -> None:
        self.plan, self.luck, self.outages = plan, luck, outages
        self.read_bit_s = 0.0
        """How fast the device reads; 0: as fast as it comes."""
        self.link: RoughLink | None = None
        """The one it opened last."""


class RoughLane(Lane):
    """One direction of a rough link."""

    __slots__ = (
        "_bytes",
        "_dead",
        "_direction",
        "_full",
        "_link",
        "_torn",
        "_tried_at",
        "_turn",
        "_waiting",
        "_weather",
        "_wire_free_at",
    )

    def __init__(self, link: RoughLink, kernel: Kernel, key: int, direction: int) -> None:
        luck = link.air.luck
        super().__init__(kernel, luck, luck.place(key, direction))
        self._link, self._direction = link, direction
        self._waiting: deque[tuple[int, int, Callback, tuple[Any, ...]]] = deque()  # size, when it is written, what then
        self._turn = 0  # which segment is being put on the wire; another number: begun anew
        self._wire_free_at = 0
        self._bytes = 0
        self._full = self._dead = self._torn = False
        self._tried_at = 0
        plan = link.air.plan
        self._weather = (
            Weather(plan, draws.key(luck.seed, draws.LINK_LOSS, key, direction)) if plan.loss and plan.burst_us else None
        )

    def carry(self, lag_us: int, callback: Callback, *args: Any) -> None:
        """Call ``callback(*args)`` when a segment arrives that is sent in ``lag_us``, if it ever does."""
        link = self._link
        if self._dead or self._torn or not link.spoken(self._kernel.now):
            return
        item = args[-1]
        tears = link.door.tears[self._direction]
        if tears is not None and tears.left and getattr(item, "kind", 0) and item.kind not in SESSION_KINDS:
            self._torn = True  # what follows is lost with it
            tears.left -= 1
            tears.torn(tears.left)
            callback, args = link.reset, ()
        size = link_bytes(item)
        self._bytes += size
        if self._direction == DOWN and not self._full and self._bytes > SOCKET_BYTES_MAX:
            self._full = True
            link.gateway.congested(link)
        written_us = self._kernel.now + lag_us
        if self._waiting:
            self._waiting.append((size, written_us, callback, args))
            return
        end = self._on_wire_us(size, written_us)
        if end - written_us <= COMMITTED_US:
            self._wire_free_at = end
            self._launch(end, size, callback, args)
        else:
            self._waiting.append((size, written_us, callback, args))
            self._next()

    def rerate(self) -> None:
        """The bandwidth has changed: what is being put on the wire begins anew."""
        if self._waiting:
            self._next()

    # the wire ----------------------------------------------------------------------------------------------------------------------

    def _on_wire_us(self, size: int, written_us: int) -> int:
        """When so many bytes have been put on the wire that are written then, or when it is free."""
        begin, rate = max(self._kernel.now, written_us, self._wire_free_at), self._link.bit_s(self._direction)
        return begin + round(size * 8e6 / rate) if rate else begin

    def _next(self) -> None:
        self._turn += 1
        self._kernel.at(self._on_wire_us(*self._waiting[0][:2]), self._sent, self._turn)

    def _sent(self, turn: int) -> None:
        if turn == self._turn and self._waiting:
            self._wire_free_at = self._kernel.now
            size, _, callback, args = self._waiting.popleft()
            self._launch(self._kernel.now, size, callback, args)
            if self._waiting:
                self._next()

    # the air -----------------------------------------------------------------------------------------------------------------------

    def _launch(self, sent_us: int, size: int, callback: Callback, args: tuple[Any, ...]) -> None:
        """What has been put on the wire by ``sent_us`` sets out."""
        if self._link.gone:
            return
        begin = max(sent_us, self._tried_at)
        self._place += 1
        delay = self._delays[self._place % TABLE]
        passes = self._passes(begin)
        give_up_us = self._link.air.plan.give_up_us
        if self._dead or passes - begin > give_up_us or delay > give_up_us:
            self._die(begin + round(give_up_us))
            return
        door = self._link.door
        if door.delay_us or door.jitter_us:
            luck = draws.draws(self._link.air.luck.seed, self._place)(draws.LINK_DELAY, self._direction)
            delay += door.delay_us + round(luck * door.jitter_us)
        self._tried_at = passes
        self._free_at = arrival = max(passes + delay, self._free_at)
        self._kernel.at(arrival, self._arrive, size, callback, args)

    def _passes(self, begin: int) -> int:
        """When the first attempt that gets through is made; beyond what the sender would wait for where none does."""
        t, wait = begin, self._link.air.luck.timeout_us
        while t - begin <= self._link.air.plan.give_up_us and self._blocks(t):
            t += wait
            wait = min(2 * wait, RTO_MAX_US)
        return t

    def _blocks(self, t: int) -> bool:
        link = self._link
        if t < link.door.blocked_until_us[self._direction]:
            return True
        if link.air.outages is not None and link.air.outages.blocks(t):
            return True
        return self._weather is not None and self._weather.loses(t)

    def _die(self, t: int) -> None:
        """Nothing more passes in this direction; the sender is told when it has waited for long enough."""
        if not self._dead:
            self._dead = True
            self._kernel.at(t, self._link.given_up, self._direction)

    def _arrive(self, size: int, callback: Callback, args: tuple[Any, ...]) -> None:
        self._bytes -= size
        if self._full and 2 * self._bytes < SOCKET_BYTES_MAX:
            self._full = False
            self._link.gateway.drained(self._link)
        callback(*args)


class RoughLink(Link):
    """One connection."""

    __slots__ = ("_heard_us", "air", "device", "door", "gone")

    def __init__(
        self, kernel: Kernel, air: Air, door: Door, end: LinkEnd, device: int, connection: int, gateway: SimGateway
    ) -> None:
        self.end, self.device, self.connection = end, device, connection
        self.number = 0
        self.air, self.door, self.gateway = air, door, gateway
        self.gone = False
        self._heard_us = kernel.now
        key = draws.key(device, connection)
        self.up: RoughLane = RoughLane(self, kernel, key, UP)
        self.down: RoughLane = RoughLane(self, kernel, key, DOWN)
        air.link = self

    def spoken(self, now: int) -> bool:
        """A segment sets out; whether there is still a connection for it."""
        self.silent(now)
        self._heard_us = now
        return not self.gone

    def silent(self, now: int) -> None:
        """Nothing has set out since the last segment did: a NAT on the way forgets it, if that was too long ago."""
        if self.gone:
            return
        silent_us = now - self._heard_us
        if 0 < self.air.plan.nat_idle_us < silent_us:
            self.gone = True
        elif 0 < self.door.nat_idle_us < silent_us:
            self.gone = True
            self.door.forgotten()

    def bit_s(self, direction: int) -> float:
        """The bandwidth in a direction; 0: no limit."""
        plan = self.air.plan
        rates = (plan.up_bit_s, 0.0) if direction == UP else (plan.down_bit_s, self.air.read_bit_s)
        return min((rate for rate in (*rates, self.door.bit_s) if rate), default=0.0)

    def rerate(self) -> None:
        """The bandwidth has changed."""
        self.up.rerate()
        self.down.rerate()

    # ends that differ ----------------------------------------------------------------------------------------------------------------

    def vanish(self) -> None:
        """The connection is no more, and nobody is told. What was on its way arrives."""
        self.gone = True

    def lost_by_gateway(self) -> None:
        """Its gateway knows nothing of it any more; the device believes in it."""
        self.vanish()
        self.gateway.ended(self)

    def lost_by_device(self) -> None:
        """Its device knows that it is dead; the gateway believes in it."""
        self.vanish()
        self.end.hung_up(self)

    def reset(self) -> None:
        """Both ends learn that it is dead, and what was on its way is lost with it."""
        self.lost_by_gateway()
        self.end.hung_up(self)

    def given_up(self, direction: int) -> None:
        """The sender in this direction has retransmitted for long enough."""
        if not self.gone:
            if direction == UP:
                self.lost_by_device()
            else:
                self.lost_by_gateway()
