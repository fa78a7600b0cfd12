"""A live run as the simulated world plays it, and what both worlds are compared by under load.

The simulation gets the loopback's delay, as many cores for the server's roles as a live run binds them to, and a load process with a CPU
and a timer of its own. It is deterministic: service times, scenario, preset and seed give the result.
"""

from __future__ import annotations

import msgspec
import numpy as np

from model.checkers.case import Case
from model.checkers.latency import nearest_rank
from model.history.columns import History, from_rows
from model.history.schema import Kind, Via
from model.scenario import Network, Scenario
from model.sim import run
from model.sim.service_times import ServiceTimes
from model.sim.world import World


def as_live(scenario: Scenario, times: ServiceTimes, cores: int) -> Scenario:
    """The scenario on the links and cores of a live run on the machine that was calibrated."""
    network = Network(delay_us=times.loopback_us, jitter_us=times.loopback_jitter_us)
    return msgspec.structs.replace(scenario, network=network, cores=cores)


def played(scenario: Scenario, preset: str, seed: int, times: ServiceTimes, cores: int) -> History:
    """What a live run of it would record, by the simulation."""
    result = run(as_live(scenario, times, cores), preset, seed, times=times, generator=True)
    return from_rows(result.header, result.rows)


def busy(scenario: Scenario, times: ServiceTimes, cores: int, preset: str = "cursor", seed: int = 1) -> float:
    """The load after the warm-up: the share that is busy of the server's cores or of the load process's one, whichever is more."""
    world = World(as_live(scenario, times, cores), preset, seed, times, generator=True)
    spent: list[tuple[float, float]] = []

    def look() -> None:
        nodes = (world.business, *world.devices.gateways)
        assert world.devices.generator is not None
        server_us = sum(node.cpu_us for node in nodes) + world.business.storage.cpu_us
        spent.append((server_us / cores, world.devices.generator.cpu_us))
        if len(spent) == 2:
            world.kernel.stop()  # what follows is not asked for

    begin_us, end_us = scenario.at_us(scenario.warm_up_s), scenario.at_us(scenario.duration_s)
    world.kernel.at(begin_us, look)
    world.kernel.at(end_us, look)
    world.run()
    (server_0, load_0), (server_1, load_1) = spent
    return max(server_1 - server_0, load_1 - load_0) / (end_us - begin_us)


def latencies(history: History, scenario: Scenario) -> dict[str, float]:
    """Throughput and latency under load.

    Latency is end to end, in microseconds: from the intended send to the first showing at a connected receiver, of what was meant to be
    sent after the warm-up; what never came is as late as it was at the run's end. Throughput counts showings to others in that time.
    """
    begin_us, end_us = scenario.at_us(scenario.warm_up_s), scenario.at_us(scenario.duration_s)
    found = Case(history).latencies
    within = (found.live_t_us >= begin_us) & (found.live_t_us < end_us)
    samples = np.minimum(found.live, history.t_us.max(initial=0) - found.live_t_us)[within]
    rows = history.rows_of(Kind.DELIVER)
    rows = rows[(history.via[rows] != Via.OWN) & (history.t_us[rows] >= begin_us) & (history.t_us[rows] < end_us)]
    measured = {"throughput_per_s": len(rows) / (end_us - begin_us) * 1e6}
    if len(samples):
        measured["mean_us"] = float(samples.mean())
        measured |= {f"p{share}_us": nearest_rank(samples, share / 100) for share in (50, 95, 99)}
    return measured
