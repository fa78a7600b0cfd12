"""A node: a process with one CPU, whose work waits in line and is taken in turns of a loop.

Work that arrives while the CPU is busy is taken together in the next turn, up to ``TURN_US_MAX`` of it, as an event loop takes what its
sockets hold: a turn has a fixed cost and a cost per item in and out, so a busy node works in larger batches and more cheaply. The fixed
cost comes first: who has to wake up takes what has arrived by the time it is awake. The machine decides then and its effects leave at the
end of the turn, or one after another in the part of it that is spent on writing; a node that is killed before leaves nothing behind but
what had left before. One that is killed or paused while it writes, some hundred microseconds, still writes it all.

Waking up does not always take the same time, live: caches, other processes, the interpreter. ``factors`` say how much longer or shorter
than on average it takes each time.

A node has a core of its own, or shares those of a host with other nodes. There it waits for a core when work arrives, takes what has
arrived when it gets one, and keeps it to the end of the turn, or of further ones while there is work and its slice lasts; a turn cut short
by a kill is worked off to its end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from model.core import draws, limits
from model.scenario.tally import RESTS_US
from model.sim.kernel import Kernel
from model.sim.stations import Cores

Trap = Callable[[list[Any]], list[Any]]
"""What a fault makes of the effects of a turn before they leave."""
FACTORS = 1 << 12
"""How many turns have a factor of their own before they come round again."""
EVEN = (1.0,) * FACTORS
SLICE_US = 1_400
"""For how long a process with work to do keeps a core that others wait for; see :class:`model.sim.stations.Cores`."""
TURN_US_MAX = 5_000
"""Work after which a turn ends though more waits: what heavy items do leaves soon after them, and light ones never get there."""


def uneven(spread: float, seed: int, number: int) -> tuple[float, ...]:
    """Factors for a node: lognormal of mean 1, with ``spread`` as standard deviation of the logarithm."""
    if not spread:
        return EVEN
    rng = np.random.default_rng(draws.key(seed, number, draws.SERVICE_TIME))
    return tuple(np.exp(spread * rng.standard_normal(FACTORS) - spread**2 / 2).tolist())


class Node(ABC):
    """The CPU of a role, which says in ``take`` what an item does to its machine, in ``cost`` what effects cost, and in ``release``
    where they go. ``rests_us``: what a turn takes more after a rest, by its length."""

    def __init__(
        self,
        kernel: Kernel,
        number: int,
        turn_us: float,
        host: Cores | None = None,
        rests_us: tuple[float, ...] = (0.0,) * len(RESTS_US),
    ) -> None:
        self.kernel = kernel
        self._host = host
        self.number = number
        """The node's number in the history."""
        self.alive = False
        self.life = 0
        """Changes with every start and end: what was asked of a former life is not done in a later one."""
        self.starts = 0
        self.cpu_us = 0.0
        self.turns = 0
        self.sent = 0
        """Frames to clients and envelopes to gateways."""
        self.trace = 0
        """A running hash of everything the node took, with its time."""
        self._turns_us = (turn_us, *(turn_us + rest_us for rest_us in rests_us))
        """What a turn takes without a rest before it, and after one of each length."""
        self._rests_since = 0
        self.factors = EVEN
        """What waking up takes, as a factor of what it costs."""
        self.writing_us = 0
        """The part of a turn's cost for which it writes, if to several; ``release`` may let its effects leave in the course of it."""
        self.traps: list[Trap] = []
        self._inbox: deque[tuple[Any, ...]] = deque()
        self._busy = self._keeps_core = False
        self._slice_end = 0
        """When others may have the core that it has been given."""
        self.is_paused = self._is_stuck = False
        self._held: list[Any] | None = None
        self._armed = limits.NEVER_US
        self._ahead_us = 0
        """By how much the clock that the process reads is ahead."""

    # what a role defines -----------------------------------------------------------------------------------------------------------

    @abstractmethod
    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        """Feed one item to the machine; returns what it costs."""

    @abstractmethod
    def cost(self, out: list[Any]) -> float:
        """What a turn's effects cost."""

    @abstractmethod
    def release(self, out: list[Any]) -> None:
        """Carry out a turn's effects."""

    @abstractmethod
    def deadline(self) -> int:
        """The machine's deadline."""

    # life --------------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The process serves from now on."""
        self.alive = True
        self.life += 1
        self.starts += 1
        self._ahead_us = 0

    def kill(self) -> int:
        """The process is gone, with everything it had not released. Returns how many connections or links it held."""
        self.alive = self._busy = self.is_paused = self._is_stuck = False
        self._held = None
        self.life += 1
        self._inbox.clear()
        self._armed = limits.NEVER_US
        return 0

    def pause(self) -> None:
        """The process stands still: what comes waits, and a turn under way is not finished."""
        self.is_paused = True
        if not self._busy:
            self._busy = self._is_stuck = True  # so that nothing begins a turn

    def resume(self) -> None:
        """It goes on."""
        self.is_paused = False
        if self._held is not None:
            out, self._held = self._held, None
            self._finish(self.life, out)
        elif self._is_stuck:
            self._busy = self._is_stuck = False
            if self._inbox:
                self._busy = True
                self._ask()

    def step_clock(self, by_us: int) -> None:
        """The clock that the process reads jumps; its loop looks again at what is due."""
        self._ahead_us += by_us
        self.arrive("deadline")

    @property
    def is_busy(self) -> bool:
        """Whether there is work that has not left yet."""
        return self._busy

    # turns -------------------------------------------------------------------------------------------------------------------------

    def arrive(self, *item: Any) -> None:
        """Work for the node; a dead one does not notice."""
        if self.alive:
            self._inbox.append(item)
            if not self._busy:
                self._busy = True
                self._ask()

    def _ask(self) -> None:
        """For a core: its own at once, one of the host's when it is this node's turn."""
        if self._host is None:
            self._wake_up()
        else:
            self._host.ask(self._granted, self.life)

    def _granted(self, life: int) -> None:
        if life == self.life and not self.is_paused:
            self._slice_end = self.kernel.now + SLICE_US
            self._wake_up()
        else:
            self._give_back(life)

    def _give_back(self, life: int) -> None:
        """The core: a killed process needs none, and a paused one asks again when it goes on."""
        if life == self.life:
            self._is_stuck = True
        if self._host is not None:
            self._host.leave()

    def _wake_up(self) -> None:
        """What a turn costs whatever it holds, by how long the node has rested."""
        now = self.kernel.now
        cost = round(self._turns_us[bisect_right(RESTS_US, now - self._rests_since)] * self.factors[self.turns % FACTORS])
        self.cpu_us += cost
        if cost:
            self.kernel.at(now + cost, self._turn, self.life)
        else:
            self._turn(self.life)

    def _turn(self, life: int) -> None:
        if life != self.life or self.is_paused:
            self._give_back(life)
            return
        inbox, now = self._inbox, self.kernel.now
        out: list[Any] = []
        work = 0.0
        shown = now + self._ahead_us
        while inbox and work < TURN_US_MAX:
            work += self.take(inbox.popleft(), shown, out)
        cost = work + self.cost(out)
        self.cpu_us += cost
        self.turns += 1
        end = now + round(cost)
        if self.writing_us:
            self.kernel.at(end - self.writing_us, self._write, self.life, out, self.writing_us)
        else:
            self.kernel.at(end, self._finish if self._host is None else self._leave, self.life, out)

    def _write(self, life: int, out: list[Any], writing_us: int) -> None:
        """Of several effects, each leaves in its turn."""
        if life == self.life and not self.is_paused:
            self._let_go(out)
            out = []
        self.kernel.at(self.kernel.now + writing_us, self._finish if self._host is None else self._leave, life, out)

    def _let_go(self, out: list[Any]) -> None:
        if self.traps:
            for trap in tuple(self.traps):
                out = trap(out)
        self.release(out)

    def _leave(self, life: int, out: list[Any]) -> None:
        """The end of a turn on a core of the host, which a node that has more to do keeps for as long as its slice lasts."""
        assert self._host is not None
        self._keeps_core = life == self.life and not self.is_paused and self.kernel.now < self._slice_end
        if not self._keeps_core:
            self._host.leave()
        self._finish(life, out)
        if self._keeps_core:
            self._keeps_core = False
            self._host.leave()

    def _finish(self, life: int, out: list[Any]) -> None:
        if life != self.life:
            return
        if self.is_paused:
            self._held = out
            return
        self._rests_since = self.kernel.now
        self._let_go(out)
        if life != self.life:  # killed as it did so
            return
        if self.deadline() < self._armed or self._ahead_us:
            self._rearm()
        if not self._inbox:
            self._busy = False
        elif self._keeps_core:
            self._keeps_core = False
            self._wake_up()
        else:
            self._ask()

    def _rearm(self) -> None:
        due = self._due_us()
        if due < self._armed:
            self._armed = due
            self.kernel.at(due, self._wake, self.life, due)

    def _due_us(self) -> int:
        """The machine's deadline, which it names on the clock that it reads."""
        due = self.deadline()
        return max(due - self._ahead_us, self.kernel.now) if self._ahead_us and due < limits.NEVER_US else due

    def _wake(self, life: int, armed: int) -> None:
        if life == self.life and armed == self._armed:
            self._armed = limits.NEVER_US
            if self._due_us() <= self.kernel.now:
                self.arrive("deadline")
            else:
                self._rearm()
