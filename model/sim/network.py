"""Links between devices and gateways, and the local link between a gateway and business.

The physics, and where it comes from:

- One-way delay: a least delay plus an exponential tail, drawn per segment (a frame is a segment here).
- FIFO per connection and direction, as TCP gives it: a frame never arrives before one sent earlier on the same connection.
- Loss is delay: a lost segment is retransmitted after Linux's least retransmission time-out, doubled per further loss (RFC 6298), and
  holds up what follows it. Bytes are lost for good only where a connection dies under them.
- A connection is there for the client after a round trip, for the gateway after half of it. A dead gateway's host refuses (RST).
- A killed process: what it had handed to its kernel still arrives, then the connection's end; what was on its way to it is gone.

Draws are keyed by (seed, link, direction): a link's luck does not depend on what happens on others. They come from tables made once,
read at a place given by the link's key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from model.core import draws
from model.scenario import Network as NetworkPlan
from model.sim.kernel import Kernel

TABLE = 1 << 14
LOCAL_DELAY_US = 25
"""Hand-over between two processes of a host by a Unix socket: a system call on either side and a wake-up."""


class Luck:
    """The delays of all links, in microseconds: a table of ``TABLE`` draws. A link begins at a place of its own and counts on."""

    __slots__ = ("_seed", "delays")

    def __init__(self, plan: NetworkPlan, seed: int) -> None:
        rng = np.random.default_rng(draws.key(seed, draws.LINK_DELAY))
        delays = plan.delay_us + rng.exponential(plan.jitter_us, TABLE)
        if plan.loss:
            delays += _retransmissions(np.random.default_rng(draws.key(seed, draws.LINK_LOSS)), plan)
        self.delays: list[int] = np.rint(delays).astype(np.int64).tolist()
        self._seed = seed

    def place(self, link: int, direction: int) -> int:
        """Where the draws of a link in a direction begin."""
        return draws.key(self._seed, link, direction) % TABLE


def _retransmissions(rng: np.random.Generator, plan: NetworkPlan) -> np.ndarray:
    """Delay added by losses: k losses in a row cost (2^k - 1) time-outs."""
    losses = np.minimum(rng.geometric(1 - plan.loss, TABLE) - 1, 10)
    return (2.0**losses - 1) * plan.retransmit_us


class LinkEnd(Protocol):
    """The device's end of a link."""

    def receive(self, link: Any, frame: Any) -> None:
        """A frame arrives."""

    def hung_up(self, link: Any) -> None:
        """The connection ended, or was refused."""


class Lane:
    """One direction of one connection: what goes in comes out in order, later."""

    __slots__ = ("_delays", "_free_at", "_kernel", "_place")

    def __init__(self, kernel: Kernel, luck: Luck, place: int) -> None:
        self._kernel, self._delays, self._place = kernel, luck.delays, place
        self._free_at = 0

    def carry(self, callback: Callable[..., None], *args: object) -> None:
        """Call ``callback(*args)`` when a segment sent now arrives."""
        self._place = place = self._place + 1
        arrival = self._kernel.now + self._delays[place % TABLE]
        if arrival < self._free_at:
            arrival = self._free_at
        else:
            self._free_at = arrival
        self._kernel.at(arrival, callback, *args)


class Link:
    """One connection of a device with a gateway. ``up`` and ``down`` are its lanes; ``number`` is the gateway's name for it."""

    __slots__ = ("connection", "down", "end", "number", "up")

    def __init__(self, kernel: Kernel, luck: Luck, end: LinkEnd, device: int, connection: int) -> None:
        self.end, self.connection = end, connection
        key = draws.key(device, connection)
        self.up = Lane(kernel, luck, luck.place(key, 0))
        self.down = Lane(kernel, luck, luck.place(key, 1))
        self.number = 0
