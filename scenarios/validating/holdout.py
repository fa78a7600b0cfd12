"""The hold-out: loads, populations and restarts that a calibration has not seen.

A calibration has played the standard mix (half direct, half groups of five, 100 users) at 30 % and 60 %, some other mixes at rates of its
own, and one restart. Here are other loads of the standard mix, other numbers of users, other sizes of groups and messages, and other
restarts under each preset. ``load`` is the share that is busy of the server's cores or of the load process's one, whichever is more, as
predicted: rates follow from the calibration.
"""

from __future__ import annotations

from typing import Final

import msgspec

from model.core.policies import PRESETS
from model.history.schema import Contract
from model.scenario import Kill, Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

SECONDS: Final = 5.0
RESTART_SECONDS: Final = 8.0
SEEDS: Final = (11, 12, 13, 14)
"""Of the replications: none that a calibration has played."""
QUICK_SEEDS: Final = (11, 12)


class Point(msgspec.Struct, frozen=True):
    """One point of the hold-out: a scenario whose rate is yet to be found, the presets it is played for, and their seeds."""

    name: str
    load: float
    scenario: Scenario
    presets: tuple[str, ...] = ("cursor",)
    seeds: tuple[int, ...] = SEEDS


_CONTRACT: Final = Contract(quiet_us=500_000, drain_bound_us=30_000_000, window_us=500_000, window_step_us=100_000)
"""Windows are short, so that the judges can tell within a short run whether service recovered."""


def _scenario(question: str, seconds: float, people: PopulationPlan, workload: WorkloadPlan) -> Scenario:
    return Scenario(
        name="validate",
        question=question,
        population=people,
        workload=workload,
        ramp_s=1.0,
        warm_up_s=seconds / 5,
        duration_s=seconds,
        contract=_CONTRACT,
    )


def _steady(name: str, load: float, people: PopulationPlan, workload: WorkloadPlan, seconds: float = SECONDS) -> Point:
    return Point(name, load, _scenario(f"How late are messages: {name}, load {load:g}?", seconds, people, workload))


def loads(seconds: float = SECONDS) -> list[Point]:
    """Points without faults."""
    hundred, mixed = PopulationPlan(users=100), WorkloadPlan(direct_share=0.5)
    standard = [_steady(f"standard, {load:.0%}", load, hundred, mixed, seconds) for load in (0.2, 0.45, 0.7, 0.8, 0.9)]
    return [
        *standard,
        _steady("20 users", 0.5, PopulationPlan(users=20), mixed, seconds),
        _steady("400 users", 0.5, PopulationPlan(users=400), mixed, seconds),
        _steady("groups of 10", 0.5, PopulationPlan(users=100, group_size=10), mixed, seconds),
        _steady("groups of 50", 0.5, PopulationPlan(users=100, group_size=50), mixed, seconds),
        _steady("direct, 1 KiB", 0.5, hundred, WorkloadPlan(direct_share=1.0, payload_bytes=1024), seconds),
    ]


def restarts(seconds: float = RESTART_SECONDS) -> list[Point]:
    """Points with faults, under every preset."""
    at, presets = seconds / 4, tuple(PRESETS)
    mixed = WorkloadPlan(direct_share=0.5)
    found = [
        ("a gateway of two, 200 users", 2, PopulationPlan(users=200), (Kill("gateway-1", at, at + 1.0),)),
        ("a gateway of three, 300 users", 3, PopulationPlan(users=300), (Kill("gateway-2", at, at + 0.3),)),
        ("business, 200 users", 2, PopulationPlan(users=200), (Kill("business", at, at + 0.5),)),
    ]
    return [
        Point(
            name,
            0.2,
            msgspec.structs.replace(
                _scenario(f"What does a restart cost: {name}?", seconds, people, mixed), gateways=gateways, faults=faults
            ),
            presets,
        )
        for name, gateways, people, faults in found
    ]


def full() -> list[Point]:
    """The whole hold-out."""
    return [*loads(), *restarts()]


def quick() -> list[Point]:
    """A small part of it, in shorter runs with two replications: whether all works, not whether promises are kept for sure."""
    few = [*loads(3.0)[:3:2], *(msgspec.structs.replace(point, presets=("naive", "cursor")) for point in restarts(5.0)[:1])]
    return [msgspec.structs.replace(point, seeds=QUICK_SEEDS) for point in few]
