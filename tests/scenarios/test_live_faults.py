"""Faults in the live world: each takes effect, says on how much, heals, and costs users what it costs them in the simulated world."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from model.checkers import judge
from model.history.columns import History, from_rows
from model.history.schema import Kind
from model.scenario import (
    AckLost,
    Blackhole,
    ClockStep,
    ColdRoutes,
    Cut,
    Deaf,
    Delay,
    DiskFull,
    Drain,
    Fault,
    HalfOpen,
    Kill,
    NatDrop,
    Partition,
    Pause,
    Refuse,
    Roam,
    Scenario,
    SlowConsumer,
    StorageStall,
    Throttle,
    TornFrame,
    faults,
)
from model.sim import run as simulate
from scenarios.running.progress import Silent
from scenarios.running.run import RunResult, run
from tests.scenarios.conftest import history_of
from tests.sim.test_faults import BASE, FAULTS

pytestmark = pytest.mark.live

A, B = "gateway-1", "gateway-2"
ONE_AFTER_ANOTHER: tuple[Fault, ...] = (
    Cut(A, 2.0),
    Roam(B, 3.0, 0.5),
    HalfOpen(A, 4.0, 0.5),
    Pause(B, 5.0, 5.3),
    AckLost(A, 6.0, 6.9, 3),
    TornFrame(B, 7.0, 7.9, 3),
    TornFrame(A, 8.0, 8.9, 3, "up"),
    Blackhole(B, 9.0, 10.0),
    Throttle(A, 10.5, 11.5, 4_000),
    SlowConsumer(B, 12.0, 13.0, 0.5, 4_000),
    NatDrop(A, 13.5, 14.5, 0.1),
    Delay(B, 15.0, 16.0, 0.05, 0.05),
    Refuse(A, 16.5, 17.0),
    Partition(B, 17.5, 18.0),
    Partition(A, 18.5, 19.0, noticed=True),
    ColdRoutes("business", 19.5, 20.0),
    StorageStall("business", 20.5, 20.9),
    ClockStep(A, 21.5, 60.0),
    ClockStep("business", 22.0, -60.0),
    Kill(A, 23.0, 23.4),
    Drain(B, 25.0, 25.4),
    Deaf(A, 27.0, 28.0),
    Kill("business", 30.0, 30.3),
    DiskFull("business", 32.0, 32.5),
)
"""Every kind of fault, with time to recover after each."""
OF_HARNESS = {"generator_lag"}
OF_TIME = {"late", "outage", "missed_live", "not_recovered"}
"""What a busy machine adds to, and no design forbids."""
MANY = 5
"""So many of a kind are no accident."""


def proofs(history: History, kind: Kind) -> dict[int, tuple[int, int]]:
    """By the number of a fault: when it began or was healed, and how many it struck by then."""
    rows = history.rows_of(kind)
    return {int(history.value[row]): (int(history.t_us[row]), int(history.seq[row])) for row in rows}


def kinds(found: Counter[str]) -> set[str]:
    return set(found) - OF_HARNESS - OF_TIME


def found_live(result: RunResult) -> Counter[str]:
    counts: Counter[str] = Counter()
    for anomaly in result.anomalies:
        counts[anomaly["kind"]] += anomaly["count"]
    return counts


def found_in_sim(scenario: Scenario, preset: str, seed: int) -> Counter[str]:
    played = simulate(scenario, preset, seed)
    counts: Counter[str] = Counter()
    for anomaly in judge(from_rows(played.header, played.rows)).anomalies:
        counts[anomaly.kind] += anomaly.count
    return counts


def test_every_kind_of_fault_is_in_the_list() -> None:
    assert {type(fault) for fault in ONE_AFTER_ANOTHER} == set(faults.SINGLE)


def test_every_fault_is_proven_with_its_count_and_cursor_stands_them_all(tmp_path: Path) -> None:
    scenario = msgspec.structs.replace(BASE, faults=ONE_AFTER_ANOTHER, duration_s=35.0)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    history = history_of(result)
    begun, healed = proofs(history, Kind.FAULT_BEGUN), proofs(history, Kind.FAULT_HEALED)
    numbers = set(range(1, len(ONE_AFTER_ANOTHER) + 1))
    assert numbers == begun.keys() == healed.keys()
    for number, fault in enumerate(ONE_AFTER_ANOTHER, 1):
        assert begun[number][0] <= healed[number][0], fault
        assert healed[number][1] >= 1, fault
    assert kinds(found_live(result)) == set()
    assert not result.reasons or result.verdict == "harness_invalid"


@pytest.mark.nightly
@pytest.mark.parametrize("preset", ["naive", "timer", "cursor"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_users_the_same_in_both_worlds(name: str, preset: str, tmp_path: Path) -> None:
    scenario = msgspec.structs.replace(BASE, faults=(FAULTS[name],))
    result = run(scenario, "live", preset, 1, tmp_path, Silent(), "asyncio")
    live = found_live(result)
    simulated = [found_in_sim(scenario, preset, seed) for seed in (1, 2, 3)]
    planned = history_of(result).rows_of(Kind.FAULT_PLANNED)
    assert len(planned) == len(proofs(history_of(result), Kind.FAULT_BEGUN))
    if preset == "cursor":
        assert kinds(live) == set()
        return
    ever = set[str]().union(*map(kinds, simulated))
    always_many = {kind for kind in ever if all(counts[kind] >= MANY for counts in simulated)}
    assert {kind for kind in kinds(live) if live[kind] >= MANY} <= ever
    assert always_many <= kinds(live)
