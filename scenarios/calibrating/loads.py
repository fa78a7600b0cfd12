"""The points of load that a calibration plays: designed so that costs can be told apart.

One point says only what everything together costs. The costs of a turn, a frame and a target differ in what they grow with, so the points
differ in that: the rate (turns are shared at a high one), the payload, the fan-out, how much is heartbeats, and how many come at once.
``load`` is the share that is busy of the server's cores or of the load process's one, whichever is more. The standard mix is played at
30 % and at 60 %, and once with a restart; what is predicted for any other load is a prediction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from model.core.policies import Timers
from model.history.schema import Contract
from model.scenario import Kill, Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

USERS: Final = 100
RAMP_S: Final = 1.0
PROBE_PER_S: Final = 200.0
"""Sends a second of the first point, which any machine can take."""
LOW, HIGH, OTHER = 0.30, 0.60, 0.45
"""Loads: of the standard mix twice, of every other mix."""
GROWTH: Final = 0.65
"""Load grows about as this power of the rate, since turns are shared: measured from 200 to 5,000 sends a second."""
RATE_MAX: Final = 20_000.0
"""Sends a second beyond which the load process, not the server, would be measured."""


class Load(msgspec.Struct, frozen=True):
    """One point: a scenario that is played live for ``cursor``."""

    name: str
    scenario: Scenario


STANDARD: Final = WorkloadPlan(payload_bytes=120, direct_share=0.5)
"""Half into direct conversations, half into groups of five: 2.5 deliveries a send."""
_CONTRACT: Final = Contract(quiet_us=300_000, drain_bound_us=20_000_000)


def of(
    name: str, seconds: float, rate_per_s: float, workload: WorkloadPlan = STANDARD, people: PopulationPlan | None = None
) -> Load:
    """A point of this length and rate; ``warm_up_s`` is a fifth of it."""
    scenario = Scenario(
        name="calibrate",
        question=f"What does the server spend under this load: {name}?",
        population=people or PopulationPlan(users=USERS),
        workload=msgspec.structs.replace(workload, rate_per_s=min(rate_per_s, RATE_MAX)),
        ramp_s=RAMP_S,
        warm_up_s=seconds / 5,
        duration_s=seconds,
        contract=_CONTRACT,
    )
    return Load(name, scenario)


def probe(seconds: float) -> Load:
    """The first point, at a rate that leaves every input a turn of its own."""
    return of("standard, quiet", seconds, PROBE_PER_S)


def low(seconds: float, played: tuple[float, float]) -> Load:
    """The standard mix at about ``LOW``, from the (rate, load) of another point."""
    return of("standard, 30 %", seconds, _rate(LOW, *played))


def high(seconds: float, played: tuple[float, float]) -> Load:
    """The same at about ``HIGH``."""
    return of("standard, 60 %", seconds, _rate(HIGH, *played))


def _rate(wanted: float, rate: float, load: float) -> float:
    return float(rate * (wanted / max(load, 1e-9)) ** (1 / GROWTH))


def others(seconds: float, cost_us: float) -> Iterator[Load]:
    """All other mixes, at about ``OTHER`` if a send with 2.5 deliveries costs ``cost_us`` at 60 %."""

    def rate(deliveries: float, size: float = 1.0) -> float:
        return OTHER * 1e6 / (cost_us * size * (3 + 2 * deliveries) / (3 + 2 * 2.5))

    yield of("direct", seconds, rate(1), WorkloadPlan(direct_share=1.0))
    yield of("direct, 8 KiB", seconds, rate(1, 1.5), WorkloadPlan(direct_share=1.0, payload_bytes=8192))
    yield of("groups of 25", seconds, rate(24, 0.5), WorkloadPlan(direct_share=0.0), PopulationPlan(users=USERS, group_size=25))
    yield of(
        "groups of 25, 4 KiB",
        seconds,
        rate(24),
        WorkloadPlan(direct_share=0.0, payload_bytes=4096),
        PopulationPlan(users=USERS, group_size=25),
    )
    yield of("bursts of 20", seconds, rate(2.5, 0.7), msgspec.structs.replace(STANDARD, burst=20))
    yield of("bursts of 100", seconds, rate(2.5, 0.3), msgspec.structs.replace(STANDARD, burst=100))
    yield _heartbeats(of("heartbeats", seconds, 50.0, people=PopulationPlan(users=200)), 100_000)
    yield of("many users", seconds, 50.0, people=PopulationPlan(users=800))


def _heartbeats(load: Load, every_us: int) -> Load:
    """The same with a ping of each device that often."""
    timers = Timers(heartbeat_us=every_us)
    return Load(load.name, msgspec.structs.replace(load.scenario, timers=timers))


def restart(seconds: float, rate_per_s: float) -> Load:
    """The standard mix with a gateway and, once it is back, the business node killed and started again."""
    load = of("restart", max(seconds, 4.0), rate_per_s)
    at = load.scenario.duration_s / 4
    faults = (Kill("gateway-1", at, at + 0.2), Kill("business", 3 * at, 3 * at + 0.2))
    return Load(load.name, msgspec.structs.replace(load.scenario, faults=faults))
