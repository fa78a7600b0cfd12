"""Clocks of devices that are wrong: a rate, an offset, and steps.

A session reads one clock, the ``now`` it is given, and names its deadline on it. :class:`Clocked` stands before a session
whose clock is wrong: it translates ``now`` in and the deadline out, and nothing else knows; what is observed is written on
the run's own clock. A device with a perfect clock has no :class:`Clocked`.

With ``local(t) = offset + rate * t + sum of the steps up to t``, all times in microseconds; a deadline comes at the first
instant at which the clock shows it, so a step forward makes it come at once and a step back makes it wait."""

from __future__ import annotations

from math import ceil, inf
from statistics import NormalDist
from typing import Any

from model.core import draws, limits
from model.scenario import Clocks, Scenario

_AHEAD_US = 1_000_000_000_000
"""Clocks begin above 0 whatever their offset: a session's times are above 0."""


class Clock:
    """One device's clock: affine between ``steps``, pairs of an instant of the run and by how much the clock jumps there."""

    __slots__ = ("_pieces", "_rate")

    def __init__(self, rate: float, offset_us: float, steps: list[tuple[int, int]]) -> None:
        self._rate = rate
        self._pieces: list[tuple[float, float]] = [(-inf, offset_us)]  # (from when on, offset)
        for at_us, by_us in sorted(steps):
            self._pieces.append((at_us, self._pieces[-1][1] + by_us))

    def local(self, run_us: int) -> int:
        """What it shows at an instant of the run."""
        offset = next(offset for since, offset in reversed(self._pieces) if since <= run_us)
        return round(offset + self._rate * run_us)

    def run(self, local_us: int, from_us: int) -> int:
        """The first instant of the run, from ``from_us`` on, at which it shows ``local_us`` or more."""
        for i, (since, offset) in enumerate(self._pieces):
            until = self._pieces[i + 1][0] if i + 1 < len(self._pieces) else inf
            instant = max((local_us - offset) / self._rate, since, from_us)
            if instant < until:
                break
        found = ceil(instant)
        return found if self.local(found) >= local_us else found + 1


class Clocked:
    """A session behind a clock that is wrong; to a driver it is the session."""

    __slots__ = ("_clock", "_now", "_session")

    def __init__(self, session: Any, clock: Clock) -> None:
        self._session, self._clock = session, clock
        self._now = 0  # when it was last told the time, on the clock of the run

    def __getattr__(self, name: str) -> Any:
        """What has nothing to do with time."""
        return getattr(self._session, name)

    def _local(self, now: int) -> int:
        self._now = now
        return self._clock.local(now)

    @property
    def deadline(self) -> int:
        """On the clock of the run."""
        due: int = self._session.deadline
        return due if due >= limits.NEVER_US else self._clock.run(due, self._now)

    def start(self, now: int, out: list[Any]) -> None:
        self._session.start(self._local(now), out)

    def stop(self, now: int, out: list[Any]) -> None:
        self._session.stop(self._local(now), out)

    def opened(self, connection: int, now: int, out: list[Any]) -> None:
        self._session.opened(connection, self._local(now), out)

    def closed(self, connection: int, now: int, out: list[Any]) -> None:
        self._session.closed(connection, self._local(now), out)

    def receive(self, connection: int, frame: Any, now: int, out: list[Any]) -> None:
        self._session.receive(connection, frame, self._local(now), out)

    def submit(self, command: Any, now: int, out: list[Any]) -> None:
        self._session.submit(command, self._local(now), out)

    def on_deadline(self, now: int, out: list[Any]) -> None:
        self._session.on_deadline(self._local(now), out)


def clock_of(plan: Clocks, scenario: Scenario, seed: int, device: int) -> Clock:
    """A device's clock, drawn by key."""
    draw, normal = draws.draws(seed, device), NormalDist()
    rate = 1 + plan.rate_ppm * 1e-6 * normal.inv_cdf(draw(draws.CLOCK, 0) or 0.5)
    offset = _AHEAD_US + plan.offset_us * normal.inv_cdf(draw(draws.CLOCK, 1) or 0.5)
    hit = [step for i, step in enumerate(plan.steps) if draw(draws.CLOCK, 2 + i) < step.share]
    return Clock(rate, offset, [(scenario.at_us(step.at_s), round(step.by_s * 1e6)) for step in hit])
