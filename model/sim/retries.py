"""A retry storm: one server, clients that ask again when they have waited too long, and a state that outlives its cause.

The example of Bronson, Aghayev, Charapko, Zhu, "Metastable Failures in Distributed Systems" (HotOS 2021): a database does 300 queries a
second; a query that is not answered within a second is asked once more. The server does not know whether anybody still waits, so late
answers are work for nothing; once its line is longer than the time-out, all of it is, and every query comes twice. It falls silent at any
load that is above half of what it can do, and stays so until the load is below. ``tests/sim/test_published.py`` holds it against the paper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from model.sim.kernel import Kernel

SERVICE_US = 1_000_000 // 300
TIME_OUT_US = 1_000_000
WAITING_MAX = 3_000
"""Ten seconds of work; what finds no place is heard of no more."""


class Database:
    """One server in the order of arrival; it does not know whether anybody still waits. Clients ask again once, after the time-out."""

    def __init__(self, seed: int) -> None:
        self.kernel = Kernel()
        self._luck = np.random.default_rng(seed)
        self._waiting: deque[Callable[[int], None]] = deque()
        self._busy = self._down = False
        self.load = 0.0
        """Queries a second that users ask."""
        self.done: list[tuple[int, bool]] = []
        """When each query of a user ended, and whether it succeeded."""
        self.kernel.at(0, self._arrive)

    def outage(self, at_us: int, length_us: int) -> None:
        """Nothing is served meanwhile; what is asked waits."""
        self.kernel.at(at_us, self._switch, True)
        self.kernel.at(at_us + length_us, self._switch, False)

    def _switch(self, down: bool) -> None:
        self._down = down
        self._serve()

    def _arrive(self) -> None:
        if self.load:
            self._ask(retries=1)
        self.kernel.at(self.kernel.now + max(1, round(self._luck.exponential(1e6 / max(self.load, 1.0)))), self._arrive)

    def _ask(self, retries: int) -> None:
        asked_us, open_ = self.kernel.now, [True]

        def answered(now: int) -> None:
            if open_[0] and now - asked_us <= TIME_OUT_US:
                open_[0] = False
                self.done.append((now, True))

        def timed_out() -> None:
            if open_[0]:
                open_[0] = False
                if retries:
                    self._ask(retries - 1)
                else:
                    self.done.append((self.kernel.now, False))

        self.kernel.at(asked_us + TIME_OUT_US, timed_out)
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(answered)
            self._serve()

    def _serve(self) -> None:
        if self._waiting and not self._busy and not self._down:
            self._busy = True
            self.kernel.at(self.kernel.now + SERVICE_US, self._served)

    def _served(self) -> None:
        self._busy = False
        self._waiting.popleft()(self.kernel.now)
        self._serve()

    def run(self, until_us: int) -> None:
        """Go on until then."""
        self.kernel.at(until_us, self.kernel.stop)
        self.kernel.stopped = False
        self.kernel.play()

    def goodput(self, seconds: float) -> float:
        """Share of the queries that ended in the last seconds and succeeded."""
        since = self.kernel.now - seconds * 1e6
        ended = [good for at, good in self.done if at > since]
        return sum(ended) / len(ended) if ended else 0.0
