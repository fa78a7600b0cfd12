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
from model.sim.receiving import HEADER_BYTES, Got, Receiver, Sizes, Way
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


ONE_WAY_US = 20_000
NOTHING = Sizes(0, 0, 0)
TAIL_US = 700_000


def received(way: Way, between_us: float, messages: int) -> list[tuple[Got, int]]:
    """What a device got in each replication, and until when it was watched."""
    runs = []
    for seed in range(REPLICATIONS):
        luck, kernel = np.random.default_rng((seed, 21)), Kernel()
        arrivals = np.cumsum(luck.exponential(between_us, messages)).astype(np.int64).tolist()
        phase_us = int(luck.integers(way.interval_us or way.heartbeat_us or 1))
        device = Receiver(kernel, way, NOTHING, lambda: ONE_WAY_US, arrivals, phase_us)
        kernel.at(arrivals[-1], kernel.stop)
        kernel.play()
        runs.append((device.got, arrivals[-1]))
    return runs


def comes_to(runs: list[tuple[Got, int]], known: clients.Polling) -> None:
    holds([float(np.mean(got.delays_us)) for got, _ in runs], known.delay)
    if known.requests:
        holds([got.questions / until_us for got, until_us in runs], known.requests)


def test_short_polling_waits_half_an_interval() -> None:
    runs = received(Way(interval_us=1_000_000), 300_000, 4_000)
    comes_to(runs, clients.short_polling(1e6, ONE_WAY_US))
    awake = clients.awake(TAIL_US, every=1e6, exchange=2 * ONE_WAY_US)
    assert [got.awake_share(until_us, TAIL_US) for got, until_us in runs] == pytest.approx([awake] * REPLICATIONS, rel=0.002)


@pytest.mark.parametrize("between_us", [30_000, 300_000, 20_000_000])
def test_long_polling_waits_only_for_the_question_to_come_back(between_us: float) -> None:
    runs = received(Way(hold_us=10_000_000), between_us, 6_000)
    comes_to(runs, clients.long_polling(ONE_WAY_US, 1 / between_us, 10e6))


@pytest.mark.parametrize("between_us", [3_000_000, 20_000_000])
def test_a_radio_sleeps_between_the_answers_of_long_polling(between_us: float) -> None:
    runs = received(Way(hold_us=10_000_000), between_us, 4_000)
    awake = clients.awake_long_polling(TAIL_US, ONE_WAY_US, 1 / between_us, 10e6)
    holds([got.awake_share(until_us, TAIL_US) for got, until_us in runs], awake)


def test_what_is_pushed_is_as_late_as_the_way_and_wakes_the_radio() -> None:
    runs = received(Way(heartbeat_us=5_000_000), 3_000_000, 4_000)
    assert {delay for got, _ in runs for delay in got.delays_us} == {ONE_WAY_US}
    holds([got.questions / until_us for got, until_us in runs], clients.push(ONE_WAY_US, 5e6).requests)
    awake = clients.awake(TAIL_US, every=5e6, exchange=2 * ONE_WAY_US, messages=1 / 3e6)
    holds([got.awake_share(until_us, TAIL_US) for got, until_us in runs], awake)


def test_bytes_and_wake_ups_are_those_of_what_was_said() -> None:
    """One message at 1 s, polled every 10 s from 0 s on, until 15 s: two questions, two answers, one message."""
    kernel = Kernel()
    device = Receiver(kernel, Way(interval_us=10_000_000), Sizes(100, 50, 7), lambda: ONE_WAY_US, [1_000_000])
    kernel.at(15_000_000, kernel.stop)
    kernel.play()
    assert device.got.bytes == 2 * (100 + 50) + 7 + 4 * 2 * HEADER_BYTES
    assert device.got.wake_ups(TAIL_US) == 2
    assert device.got.delays_us == [10_000_000 + 2 * ONE_WAY_US - 1_000_000]
    assert device.got.awake_share(15_000_000, TAIL_US) == pytest.approx(2 * (TAIL_US + 2 * ONE_WAY_US) / 15e6)


def test_the_peak_of_a_jittered_reconnect() -> None:
    """Everyone lost the connection at once, and waits as full jitter says: the fullest second of ten."""
    timers, peaks = Timers(backoff_base_us=10_000_000, backoff_max_us=10_000_000), []
    for seed in range(200):
        share = draws.draws(seed, 1)
        waits = [wait_us("full_jitter", timers, 0, share(draws.BACKOFF, k)) for k in range(3_000)]
        peaks.append(float(np.bincount(np.array(waits) // 1_000_000).max()))
    holds(peaks, clients.reconnect_peak(3_000, 10.0, 1.0))
