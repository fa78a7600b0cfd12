"""Held against theory: where a closed form is known, the simulated stations and clients come to it.

Every case is some replications of a steady state, each with a seed and a kernel of its own and its first tenth left out as warm-up; the
closed form must lie in their 99 % interval *and* within 2 % of their mean (5 % at a load of 0.9). Little's law holds on every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from model.analysis import clients, estimates, queues
from model.core import draws
from model.core.backoff import wait_us
from model.core.policies import Timers
from model.sim.kernel import Kernel, seldom_collecting
from model.sim.stations import Cores, Host, Line

SERVICE_US = 10_000
REPLICATIONS = 12
WARM_UP = 10
"""One part in so many of a replication."""

Work = Callable[[np.random.Generator, int], NDArray[np.float64]]
Bring = Callable[..., object]


def exponential(luck: np.random.Generator, count: int) -> NDArray[np.float64]:
    return luck.exponential(SERVICE_US, count)


def constant(luck: np.random.Generator, count: int) -> NDArray[np.float64]:
    return np.full(count, float(SERVICE_US))


def two_kinds(luck: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Many short ones and a few that are long: of the same mean, with a squared variation of about 5."""
    return np.where(
        luck.random(count) < 0.9, luck.exponential(SERVICE_US * 0.4, count), luck.exponential(SERVICE_US * 6.4, count)
    )


class Run(NamedTuple):
    """One replication, warm-up left out."""

    response: float
    number: float
    lost: float
    arrivals: float
    """Of those let in, per microsecond."""


class Visits:
    """Feeds a station from a Poisson stream and takes down when each visitor came and went."""

    def __init__(self, seed: int, load: float, count: int, work: Work, servers: int = 1) -> None:
        luck = np.random.default_rng((seed, 20))
        self.kernel = Kernel()
        self.came: list[int] = np.cumsum(luck.exponential(SERVICE_US / (load * servers), count)).astype(np.int64).tolist()
        self._work: list[float] = work(luck, count).tolist()
        self.went = np.full(count, -1, np.int64)
        self._bring: Bring = lambda work, done, i: None

    def through(self, bring: Bring) -> Run:
        """Every visitor through a station, or several one after another."""
        self._bring = bring
        self.kernel.at(self.came[0], self._next, 0)
        self.kernel.play()
        return self._measured()

    def _next(self, i: int) -> None:
        if i + 1 < len(self.came):
            self.kernel.at(self.came[i + 1], self._next, i + 1)
        self._bring(self._work[i], self.leave, i)

    def leave(self, i: int) -> None:
        self.went[i] = self.kernel.now

    def _measured(self) -> Run:
        came = np.asarray(self.came)
        begin, end = came[len(came) // WARM_UP], came[-1]
        inside = (came >= begin) & (self.went >= 0)
        responses = (self.went - came)[inside]
        stay = np.clip(self.went, begin, end) - np.clip(came, begin, end)
        number = float(stay[self.went >= 0].sum() / (end - begin))
        run = Run(
            float(responses.mean()), number, float((self.went[came >= begin] < 0).mean()), float(inside.sum() / (end - begin))
        )
        assert number == pytest.approx(run.arrivals * run.response, rel=0.01), "Little's law"
        return run


def replications(load: float, count: int, work: Work, station: Callable[[Visits], Bring], servers: int = 1) -> list[Run]:
    with seldom_collecting():
        runs = []
        for seed in range(REPLICATIONS):
            visits = Visits(seed, load, count // REPLICATIONS, work, servers)
            runs.append(visits.through(station(visits)))
        return runs


def agrees(runs: list[Run], line: queues.Line, load: float) -> None:
    within = 0.05 if load >= 0.9 else 0.02
    for name, known in (("response", line.response), ("number", line.number)):
        estimate = estimates.mean([getattr(run, name) for run in runs], 0.99)
        assert known in estimate, (name, known, estimate)
        assert estimate.mean == pytest.approx(known, rel=within), name


def visitors(load: float) -> int:
    """Enough for 2 % (5 % at 0.9): the asymptotic variance of a mean wait grows with (1 - load)^-4 (Whitt 1989)."""
    return {0.5: 400_000, 0.7: 1_200_000, 0.8: 2_400_000, 0.9: 4_800_000}[load]


LOADS = [pytest.param(0.5), pytest.param(0.7, marks=pytest.mark.slow), pytest.param(0.9, marks=pytest.mark.nightly)]


@pytest.mark.parametrize("load", LOADS)
def test_one_server(load: float) -> None:
    runs = replications(load, visitors(load), exponential, lambda visits: Line(visits.kernel).bring)
    agrees(runs, queues.mm1(load / SERVICE_US, SERVICE_US), load)


@pytest.mark.parametrize("load", LOADS)
def test_one_server_whose_work_is_always_as_long(load: float) -> None:
    runs = replications(load, visitors(load), constant, lambda visits: Line(visits.kernel).bring)
    agrees(runs, queues.md1(load / SERVICE_US, SERVICE_US), load)


@pytest.mark.parametrize("load", LOADS)
def test_several_servers_with_one_line(load: float) -> None:
    runs = replications(load, visitors(load), exponential, lambda visits: Line(visits.kernel, servers=4).bring, servers=4)
    agrees(runs, queues.mmc(4 * load / SERVICE_US, SERVICE_US, 4), load)


@pytest.mark.parametrize("load", LOADS)
def test_cores_that_are_given_in_turn(load: float) -> None:
    """Who asks for a core keeps it to the end: the same line."""
    runs = replications(load, visitors(load), exponential, lambda visits: _in_whole(Cores(visits.kernel, cores=2)), servers=2)
    agrees(runs, queues.mmc(2 * load / SERVICE_US, SERVICE_US, 2), load)


def _in_whole(cores: Cores) -> Bring:
    return lambda work, done, i: cores.work(round(work), done, i)


@pytest.mark.parametrize("load", [0.5, pytest.param(1.5, marks=pytest.mark.slow)])
def test_a_bounded_line_loses_what_finds_no_place(load: float) -> None:
    """Even where more comes than can be served."""
    runs = replications(load, 800_000, exponential, lambda visits: Line(visits.kernel, places=5).bring)
    line = queues.mm1k(load / SERVICE_US, SERVICE_US, 5)
    agrees(runs, line, load=0.5)
    lost = estimates.mean([run.lost for run in runs], 0.99)
    assert line.lost in lost
    assert lost.mean == pytest.approx(line.lost, rel=0.02)


@pytest.mark.parametrize("work", [exponential, constant, two_kinds])
@pytest.mark.parametrize("load", LOADS)
def test_a_shared_core_does_not_mind_how_work_is_distributed(load: float, work: Work) -> None:
    """The mean response of processor sharing depends on the mean of the work alone."""
    runs = replications(load, visitors(load), work, lambda visits: Host(visits.kernel).run)
    agrees(runs, queues.mm1(load / SERVICE_US, SERVICE_US), load)


@pytest.mark.parametrize("load", LOADS)
def test_shared_cores_serve_as_many_as_servers_would(load: float) -> None:
    """With exponential work the number present behaves as in M/M/c: both serve min(n, c) at a time."""
    runs = replications(load, visitors(load), exponential, lambda visits: Host(visits.kernel, cores=2).run, servers=2)
    agrees(runs, queues.mmc(2 * load / SERVICE_US, SERVICE_US, 2), load)


@pytest.mark.parametrize("load", LOADS)
def test_a_tandem_of_servers(load: float) -> None:
    """Burke: the second one sees what leaves the first one as a Poisson stream."""

    def station(visits: Visits) -> Bring:
        first, second = Line(visits.kernel), Line(visits.kernel)
        again = iter(exponential(np.random.default_rng(visits.came[0]), len(visits.came)).tolist())
        return lambda work, done, i: first.bring(work, lambda: second.bring(next(again), done, i))

    runs = replications(load, visitors(load), exponential, station)
    agrees(runs, queues.tandem(load / SERVICE_US, [SERVICE_US, SERVICE_US]), load)


# clients -----------------------------------------------------------------------------------------------------------------------


def holds(values: list[float], known: float) -> None:
    """In the 99 % interval, and within 2 %."""
    estimate = estimates.mean(values, 0.99)
    assert known in estimate, (known, estimate)
    assert estimate.mean == pytest.approx(known, rel=0.02)


class Poller:
    """Somebody who asks for messages over a line of a fixed one-way delay; held at the server, or answered at once."""

    def __init__(self, seed: int, *, one_way_us: int, hold_us: int, interval_us: int, between_us: float, messages: int) -> None:
        self.kernel, self.asked = Kernel(), 0
        self.delays: list[int] = []
        self._luck = np.random.default_rng((seed, 21))
        self._one_way_us, self._hold_us, self._interval_us = one_way_us, hold_us, interval_us
        self._there: list[int] = []
        self._held = 0
        """Number of the question that is held, 0 for none."""
        at = np.cumsum(self._luck.exponential(between_us, messages)).astype(np.int64)
        for t_us in at.tolist():
            self.kernel.at(t_us, self._message)
        self.rate = 0.0
        self.kernel.at(int(at[-1]), self._count)
        self.kernel.at(int(at[-1]) + 2_000_000, self.kernel.stop)  # every message is seen by then
        self.kernel.at(int(self._luck.integers(interval_us or 1)), self._ask)

    def _count(self) -> None:
        self.rate = self.asked / self.kernel.now

    def _ask(self) -> None:
        self.asked += 1
        self.kernel.at(self.kernel.now + self._one_way_us, self._question, self.asked)
        if self._interval_us:
            self.kernel.at(self.kernel.now + self._interval_us, self._ask)

    def _question(self, number: int) -> None:
        self._held = number
        if self._there or not self._hold_us:
            self._answer(number)
        else:
            self.kernel.at(self.kernel.now + self._hold_us, self._answer, number)

    def _message(self) -> None:
        self._there.append(self.kernel.now)
        if self._hold_us:
            self._answer(self._held)

    def _answer(self, number: int) -> None:
        if number and number == self._held:
            self._held = 0
            seen_us = self.kernel.now + self._one_way_us
            self.delays += [seen_us - t_us for t_us in self._there]
            self._there.clear()
            if not self._interval_us:
                self.kernel.at(seen_us, self._ask)


def polled(**plan: float) -> list[Poller]:
    pollers = [Poller(seed, **plan) for seed in range(REPLICATIONS)]  # type: ignore[arg-type]
    for poller in pollers:
        poller.kernel.play()
    return pollers


def test_short_polling_waits_half_an_interval() -> None:
    pollers = polled(one_way_us=20_000, hold_us=0, interval_us=1_000_000, between_us=300_000, messages=4_000)
    known = clients.short_polling(1e6, 20e3)
    holds([float(np.mean(poller.delays)) for poller in pollers], known.delay)
    holds([poller.rate for poller in pollers], known.requests)


@pytest.mark.parametrize("between_us", [30_000, 300_000, 20_000_000])
def test_long_polling_waits_only_for_the_question_to_come_back(between_us: float) -> None:
    pollers = polled(one_way_us=20_000, hold_us=10_000_000, interval_us=0, between_us=between_us, messages=6_000)
    known = clients.long_polling(20e3, 1 / between_us, 10e6)
    holds([float(np.mean(poller.delays)) for poller in pollers], known.delay)
    holds([poller.rate for poller in pollers], known.requests)


def test_the_peak_of_a_jittered_reconnect() -> None:
    """Everyone lost the connection at once, and waits as full jitter says: the fullest second of ten."""
    timers, peaks = Timers(backoff_base_us=10_000_000, backoff_max_us=10_000_000), []
    for seed in range(200):
        share = draws.draws(seed, 1)
        waits = [wait_us("full_jitter", timers, 0, share(draws.BACKOFF, k)) for k in range(3_000)]
        peaks.append(float(np.bincount(np.array(waits) // 1_000_000).max()))
    holds(peaks, clients.reconnect_peak(3_000, 10.0, 1.0))
