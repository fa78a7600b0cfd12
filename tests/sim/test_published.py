"""Published results, reproduced on our kernel with our rules.

- The comparison of backoff policies of Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): clients contend for one row
  under optimistic concurrency control; each reads, writes what it read, and if somebody was quicker waits and does it again. The figures
  below are those of the simulator published with the article (aws-samples/aws-arch-backoff-simulator), run by us with seed 1, 100 runs
  of 100 clients, 200 of fewer: means and their standard errors of the time until everyone is through, and of the writes it took.
- The retry storm of Bronson, Aghayev, Charapko, Zhu, "Metastable Failures in Distributed Systems" (HotOS 2021): a database that does
  300 queries a second, asked 280, with a time-out of 1 s and one retry; overloaded, it takes 10 s. After an outage of 10 s it stays down,
  though nothing is wrong with it any more, until the load falls below 150: half of what it can do, since every query comes twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from model.analysis import estimates
from model.core.backoff import wait_us
from model.core.policies import Backoff, Timers
from model.sim.kernel import Kernel
from model.sim.retries import Database

MS = 1_000
TIMERS = Timers(backoff_base_us=5 * MS, backoff_max_us=2_000 * MS)
RUNS = 40


class Published(NamedTuple):
    """Mean and standard error, of the time in milliseconds and of the number of writes."""

    time: tuple[float, float]
    calls: tuple[float, float]


AWS: dict[tuple[Backoff, int], Published] = {
    ("exponential", 20): Published((14389.0, 195.0), (149.9, 0.98)),
    ("decorrelated", 20): Published((817.1, 15.2), (101.3, 0.33)),
    ("equal_jitter", 20): Published((1698.4, 36.6), (108.3, 0.29)),
    ("full_jitter", 20): Published((989.9, 18.5), (100.1, 0.25)),
    ("exponential", 50): Published((36320.4, 218.0), (622.0, 2.06)),
    ("decorrelated", 50): Published((2249.4, 37.5), (376.1, 0.83)),
    ("equal_jitter", 50): Published((4329.7, 40.8), (347.2, 0.45)),
    ("full_jitter", 50): Published((2898.1, 42.6), (333.0, 0.36)),
    ("exponential", 100): Published((63516.1, 362.3), (1865.4, 5.94)),
    ("decorrelated", 100): Published((4704.6, 77.8), (1000.2, 2.99)),
    ("equal_jitter", 100): Published((6612.8, 63.9), (813.5, 0.70)),
    ("full_jitter", 100): Published((4920.9, 51.0), (795.9, 0.69)),
}


class Contest:
    """Clients that each want to write one row once."""

    def __init__(self, policy: Backoff, clients: int, seed: int) -> None:
        self.kernel, self.calls = Kernel(), 0
        self._policy, self._luck, self._version = policy, np.random.default_rng((seed, clients)), 0
        for _ in range(clients):
            self._after_the_network(self._read, 0, 0)
        self.kernel.play()

    def _after_the_network(self, step: Callable[..., None], *args: int, later_us: int = 0) -> None:
        delay_us = abs(self._luck.normal(10 * MS, 2 * MS))
        self.kernel.at(self.kernel.now + round(delay_us) + later_us, step, *args)

    def _read(self, attempts: int, waited_us: int) -> None:
        version = self._version
        self._after_the_network(lambda: self._after_the_network(self._write, version, attempts, waited_us))

    def _write(self, version: int, attempts: int, waited_us: int) -> None:
        self.calls += 1
        won = version == self._version
        self._version += won
        self._after_the_network(self._answered, won, attempts, waited_us)

    def _answered(self, won: int, attempts: int, waited_us: int) -> None:
        if not won:
            wait = wait_us(self._policy, TIMERS, attempts + 1, self._luck.random(), waited_us)
            self._after_the_network(self._read, attempts + 1, wait, later_us=wait)


@pytest.mark.parametrize(("policy", "clients"), AWS)
def test_backoff_policies_compare_as_published(policy: Backoff, clients: int) -> None:
    """Within what the two samples allow (99.9 %), and within a few per cent."""
    contests = [Contest(policy, clients, seed) for seed in range(RUNS)]
    published = AWS[policy, clients]
    for values, (mean, error), within in (
        ([contest.kernel.now / MS for contest in contests], published.time, 0.15),
        ([contest.calls for contest in contests], published.calls, 0.03),
    ):
        ours = estimates.mean(values, 0.999)
        assert abs(ours.mean - mean) <= np.hypot(ours.half_width, 3.3 * error), (ours, mean)
        assert ours.mean == pytest.approx(mean, rel=within)


def test_jitter_does_less_than_half_the_work() -> None:
    """What the article is known for: of 100 contenders, full jitter needs fewer than half the calls of plain exponential backoff."""
    assert Contest("full_jitter", 100, 1).calls < Contest("exponential", 100, 1).calls / 2


# a retry storm ------------------------------------------------------------------------------------------------------------------


def after_an_outage(load: float, lowered_to: float) -> float:
    """Goodput at the end: a minute of load, 10 s of outage, a minute more, then five minutes with the load lowered."""
    database = Database(seed=1)
    database.load = load
    database.outage(60_000_000, 10_000_000)
    database.run(130_000_000)
    database.load = lowered_to
    database.run(430_000_000)
    return database.goodput(20)


def test_without_an_outage_it_carries_280_of_300() -> None:
    database = Database(seed=1)
    database.load = 280
    database.run(120_000_000)
    assert database.goodput(60) > 0.99


def test_an_outage_of_ten_seconds_is_never_recovered_from() -> None:
    assert after_an_outage(280, lowered_to=280) < 0.05


@pytest.mark.parametrize(("lowered_to", "recovers"), [(200, False), (170, False), (140, True), (100, True)])
def test_it_stays_down_until_the_load_falls_below_half_of_what_it_can_do(lowered_to: float, recovers: bool) -> None:
    """Hysteresis: loads between 150 and 280 are carried or not, by what was before."""
    goodput = after_an_outage(280, lowered_to)
    assert goodput > 0.99 if recovers else goodput < 0.05
