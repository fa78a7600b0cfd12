"""Plain links between devices and gateways.

The physics, and where it comes from:

- One-way delay: a least delay plus a tail, exponential or lognormal, drawn per segment (a frame is a segment here).
- FIFO per connection and direction, as TCP gives it: a frame never arrives before one sent earlier on the same connection.
- Loss is delay: a lost segment is retransmitted after a time-out, doubled per further loss (RFC 6298), and holds up what
  follows it. Bytes are lost for good only where a connection dies under them.
- A connection is there for the client after a round trip, for the gateway after half of it. A dead gateway's host refuses (RST).
- A killed process: what it had handed to its kernel still arrives, then the connection's end; what was on its way to it is gone.

Draws are keyed by (seed, link, direction): a link's luck does not depend on what happens on others. They come from tables
made once, read at a place given by the link's key. What costs more than a look into a table (bandwidth, bursts of loss,
NATs, outages, faults of links) is :mod:`model.sim.rough`'s; :mod:`model.sim.paths` chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.core import draws
from model.scenario import Network as NetworkPlan
from model.sim.kernel import Kernel

if TYPE_CHECKING:
    from model.sim.access import SimGateway

TABLE = 1 << 14
RTO_MAX_US = 120_000_000
"""Linux's TCP_RTO_MAX: retransmissions are no further apart."""
DOUBLINGS_MAX = 10
"""Losses in a row that a table of delays holds; more are rarer than one in a table where less than half of the segments is lost."""


class Luck:
    """The delays of all links of one network, in microseconds: a table of ``TABLE`` draws. A link begins at a place of its own and counts
    on."""

    __slots__ = ("delays", "seed", "timeout_us")

    def __init__(self, plan: NetworkPlan, seed: int) -> None:
        rng = np.random.default_rng(draws.key(seed, draws.LINK_DELAY))
        delays = plan.delay_us + _tail(rng, plan)
        self.timeout_us = retransmission_timeout_us(plan, delays)
        if plan.loss and not plan.burst_us:
            delays += _retransmissions(np.random.default_rng(draws.key(seed, draws.LINK_LOSS)), plan.loss, self.timeout_us)
        self.delays: list[int] = np.rint(delays).astype(np.int64).tolist()
        self.seed = seed

    def place(self, link: int, direction: int) -> int:
        """Where the draws of a link in a direction begin."""
        return draws.key(self.seed, link, direction) % TABLE


def _tail(rng: np.random.Generator, plan: NetworkPlan) -> NDArray[np.float64]:
    if plan.tail == "lognormal":
        return plan.jitter_us * np.exp(plan.sigma * rng.standard_normal(TABLE))
    return rng.exponential(plan.jitter_us, TABLE)


def retransmission_timeout_us(plan: NetworkPlan, delays: NDArray[np.float64]) -> int:
    """The time-out that a sender settles on: SRTT + max(least variance term, 4 RTTVAR) (RFC 6298, 2; Linux's floor is on
    that term).

    ``delays`` are one-way delays without loss; two of them, half the table apart, are a round trip. RTTVAR is a mean deviation.
    """
    round_trips = delays + np.roll(delays, TABLE // 2)
    mean = float(round_trips.mean())
    deviation = float(np.abs(round_trips - mean).mean())
    return round(min(mean + max(plan.retransmit_us, 4 * deviation), RTO_MAX_US))


def _retransmissions(rng: np.random.Generator, loss: float, timeout_us: int) -> NDArray[np.float64]:
    """Delay added by losses: k losses in a row cost (2^k - 1) time-outs."""
    losses = np.minimum(rng.geometric(1 - loss, TABLE) - 1, DOUBLINGS_MAX)
    return np.asarray((2.0**losses - 1) * timeout_us)


class LinkEnd(Protocol):
    """The device's end of a link."""

    def receive(self, link: Any, frame: Any) -> None:
        """A frame arrives."""

    def hung_up(self, link: Any) -> None:
        """The connection ended, or was refused."""


class Carrying(Protocol):
    """One direction of a connection."""

    def carry(self, lag_us: int, callback: Callable[..., None], *args: object) -> None:
        """Call ``callback(*args)`` when a segment arrives that is sent in ``lag_us``, after what was sent before."""


class Lane:
    """One direction of one connection: what goes in comes out in order, later."""

    __slots__ = ("_delays", "_free_at", "_kernel", "_place")

    def __init__(self, kernel: Kernel, luck: Luck, place: int) -> None:
        self._kernel, self._delays, self._place = kernel, luck.delays, place
        self._free_at = 0

    def carry(self, lag_us: int, callback: Callable[..., None], *args: object) -> None:
        """As :class:`Carrying` has it."""
        self._place = place = self._place + 1
        arrival = self._kernel.now + lag_us + self._delays[place % TABLE]
        if arrival < self._free_at:
            arrival = self._free_at
        else:
            self._free_at = arrival
        self._kernel.at(arrival, callback, *args)


class Link:
    """One connection of a device with a gateway. ``up`` and ``down`` are its lanes; ``number`` is the gateway's name for it. ``gateway`` is
    the process that has it: where one takes another's place, their address is no name for it."""

    __slots__ = ("connection", "down", "end", "gateway", "number", "up")

    gateway: SimGateway
    up: Carrying
    down: Carrying

    def __init__(self, kernel: Kernel, luck: Luck, end: LinkEnd, device: int, connection: int) -> None:
        self.end, self.connection = end, connection
        key = draws.key(device, connection)
        self.up = Lane(kernel, luck, luck.place(key, 0))
        self.down = Lane(kernel, luck, luck.place(key, 1))
        self.number = 0
