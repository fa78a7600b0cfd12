"""Predictions: by the calibrated simulation, and by the textbook line M/M/c that it has to beat.

How the simulation plays a live run: :mod:`scenarios.calibrating.simulated`.

M/M/c is given what a capacity planner would give it: the CPU that a delivery costs at 60 % of load, as many servers as cores, and
everything that is no queueing as a constant that fits at 30 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import msgspec

from model.analysis.queues import TheoryError, mmc, mmc_response_quantile
from model.scenario import Scenario
from model.sim.service_times import ServiceTimes
from model.workload import amounts
from scenarios.calibrating.simulated import busy, played
from scenarios.validating import measures
from scenarios.validating.holdout import Point

TRIAL_S = 1.0
"""Length of the simulations in which a rate is looked for."""
TRIALS = 12
CLOSE = 0.02
"""Relative: how near the load that is wanted must be met. What it came to is written beside what was wanted."""
RATE_FIRST = 200.0
RATE_MAX = 30_000.0
"""Beyond it the load process is busier than the server."""


class Prediction(msgspec.Struct, frozen=True):
    """One point as it is predicted, with the rate that its load comes to."""

    point: Point
    cores: int
    busy: float
    """The load that the rate comes to, for ``cursor`` and without faults."""
    runs: dict[str, tuple[dict[str, float], ...]]
    """By preset: the measures of each replication."""
    line: dict[str, float]
    """What M/M/c says; empty where there are faults."""


def at_rate(scenario: Scenario, rate_per_s: float) -> Scenario:
    """The same with this many sends a second."""
    return msgspec.structs.replace(scenario, workload=msgspec.structs.replace(scenario.workload, rate_per_s=round(rate_per_s, 1)))


def rate_for(load: float, scenario: Scenario, times: ServiceTimes, cores: int) -> float:
    """The rate at which that share of the cores is busy: doubled until it is too high, then sought between too low and too high."""
    trial = msgspec.structs.replace(scenario, faults=(), warm_up_s=0.2, duration_s=0.2 + TRIAL_S)
    low, high = (0.0, 0.0), (RATE_MAX, math.inf)  # (rate, busy)
    rate = RATE_FIRST
    for _ in range(TRIALS):
        found = busy(at_rate(trial, rate), times, cores)
        if abs(found - load) < CLOSE * load:
            break
        low, high = ((rate, found), high) if found < load else (low, (rate, found))
        rate = min(2 * rate, RATE_MAX) if math.isinf(high[1]) else _between(low, high, load)
    return rate


def _between(low: tuple[float, float], high: tuple[float, float], load: float) -> float:
    """On the line through both, but well inside: the last steps of regula falsi are too small where the curve bends."""
    share = (load - low[1]) / (high[1] - low[1])
    return low[0] + (high[0] - low[0]) * min(0.9, max(0.1, share))


def predict(points: Sequence[Point], times: ServiceTimes, cores: int, workers: int) -> Iterator[Prediction]:
    """Every point in turn, its replications in ``workers`` processes."""
    with ProcessPoolExecutor(workers) as pool:
        for point in points:
            rate = pool.submit(rate_for, point.load, point.scenario, times, cores).result()
            scenario = at_rate(point.scenario, rate)
            share = pool.submit(busy, msgspec.structs.replace(scenario, faults=()), times, cores).result()
            asked = [(preset, seed) for preset in point.presets for seed in point.seeds]
            found = list(pool.map(_one, *zip(*((scenario, preset, seed, times, cores) for preset, seed in asked), strict=True)))
            runs = {p: tuple(m for (preset, _), m in zip(asked, found, strict=True) if preset == p) for p in point.presets}
            planned = msgspec.structs.replace(point, scenario=scenario)
            line = {} if scenario.faults else by_line(scenario, times, cores)
            yield Prediction(planned, cores, share, runs, line)


def _one(scenario: Scenario, preset: str, seed: int, times: ServiceTimes, cores: int) -> dict[str, float]:
    """The measures of one replication."""
    return measures.of(played(scenario, preset, seed, times, cores), scenario)


# M/M/c -------------------------------------------------------------------------------------------------------------------------------


def by_line(scenario: Scenario, times: ServiceTimes, cores: int) -> dict[str, float]:
    """What M/M/c predicts, in the same measures; infinite latency where its line is unstable.

    A job is a delivery. Its service is the CPU of one at 60 % of the calibration's load; the constant is what the mean at 30 % has beyond
    the line's response.
    """
    low, high = times.standard
    service = high.busy * cores * 1e6 / high.deliveries_per_s
    try:
        constant = low.mean_us - mmc(low.deliveries_per_s / 1e6, service, cores).response
        arrivals = scenario.workload.rate_per_s * deliveries_per_send(scenario) / 1e6
        mean = mmc(arrivals, service, cores).response
        quantiles = {f"p{share}_us": mmc_response_quantile(arrivals, service, cores, share / 100) for share in (50, 95, 99)}
    except TheoryError:
        capacity = cores / service * 1e6
        return {"throughput_per_s": capacity, "mean_us": math.inf, "p50_us": math.inf, "p95_us": math.inf, "p99_us": math.inf}
    shifted = {name: max(0.0, constant) + value for name, value in {"mean_us": mean, **quantiles}.items()}
    return {"throughput_per_s": arrivals * 1e6, **shifted}


def deliveries_per_send(scenario: Scenario) -> float:
    """On average, by the plan without personas: one in a direct conversation, all others in a group."""
    direct = scenario.workload.direct_share
    return direct + (1 - direct) * (amounts.mean(scenario.population.group_size) - 1)
