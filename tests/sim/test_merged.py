"""Access and business as one process: one core, one fate, and the same promises kept."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from model.core.codes import Code
from model.history.schema import Kind
from model.scenario import Drain, Fault, Kill, Pause, Scenario, StorageStall
from model.sim import SimResult, run
from model.workload.schedule import WorkloadPlan
from tests.sim.test_drains import failing
from tests.sim.test_faults import BASE, GATEWAY_1, at, ends, hit, homes

AT_S, BACK_S = 3.0, 3.5
BUSINESS = 1
SPLIT = msgspec.structs.replace(BASE, gateways=1)
MERGED = msgspec.structs.replace(SPLIT, merged=True)


def play(scenario: Scenario, *faults: Fault, **changed: object) -> SimResult:
    return run(msgspec.structs.replace(scenario, faults=faults, **changed), "cursor", 1)


def exits(result: SimResult) -> list[tuple[int, int]]:
    """(node, status) of every process that ended."""
    rows = result.rows[result.rows["kind"] == Kind.PROCESS_EXITED]
    return list(zip(rows["node"].tolist(), rows["code"].tolist(), strict=True))


def typical_wait_us(result: SimResult) -> float:
    """From a send to its ok."""
    rows = result.rows
    said, ok = rows[rows["kind"] == Kind.INVOKE], rows[rows["kind"] == Kind.OK]
    begun = {(r["device"], r["conversation"], r["send_counter"]): r["t_us"] for r in said}
    return float(np.median([r["t_us"] - begun[r["device"], r["conversation"], r["send_counter"]] for r in ok]))


def test_without_faults_it_does_what_two_processes_do() -> None:
    result = play(MERGED)
    assert failing(result) == set()
    assert hit(result) == set()
    assert sum(result.rows["kind"] == Kind.OK) == sum(result.rows["kind"] == Kind.INTEND) > 500


@pytest.mark.parametrize("node", ["business", "gateway-1"])
def test_to_kill_either_is_to_kill_both(node: str) -> None:
    result = play(MERGED, Kill(node, AT_S, BACK_S))
    assert exits(result) == [(BUSINESS, -9), (GATEWAY_1, -9)]
    assert hit(result) == homes(result, GATEWAY_1)
    assert len(at(result, Kind.PROCESS_STARTED)) == 4
    assert BACK_S < at(result, Kind.FAULT_HEALED)[0] < BACK_S + 0.2
    assert failing(result) == set()


def test_a_restart_of_business_costs_every_connection_where_apart_it_costs_none() -> None:
    """The first claim, in one number: business deploys often, and its users notice or do not."""
    assert [len(hit(play(scenario, Kill("business", AT_S, BACK_S)))) for scenario in (MERGED, SPLIT)] == [40, 0]


def test_one_core_carries_less_than_two() -> None:
    """Where both together are busy for more than the time there is, one loop for both is full, and what comes waits."""
    load = WorkloadPlan(rate_per_s=30_000)
    merged, split = (play(scenario, workload=load, duration_s=0.6, warm_up_s=0.1) for scenario in (MERGED, SPLIT))
    busy_us = {node: split.counters[node]["cpu_us"] for node in ("business", "gateway-1")}
    assert max(busy_us.values()) < 0.6e6 < sum(busy_us.values())
    assert typical_wait_us(merged) > 1.5 * typical_wait_us(split)


@pytest.mark.parametrize("node", ["business", "gateway-1"])
def test_a_process_that_stands_still_does_so_as_a_whole(node: str) -> None:
    result = play(MERGED, Pause(node, AT_S, AT_S + 0.3))
    rows = result.rows[(result.rows["t_us"] > BASE.at_us(AT_S) + 5_000) & (result.rows["t_us"] < BASE.at_us(AT_S + 0.3))]
    assert not np.isin(rows["kind"], [Kind.OK, Kind.WIRE]).any()
    assert failing(result) == set()
    assert hit(result) == set()
    long = play(MERGED, Pause(node, AT_S, AT_S + 2.5))
    assert hit(long) == homes(long, GATEWAY_1)  # pings are not answered either
    assert failing(long) == set()


@pytest.mark.parametrize("drain", ["at_once", "spread", "redirect"])
def test_a_drain_takes_business_with_it_and_there_is_no_successor_beside_it(drain: str) -> None:
    """Its database has one process at a time, so under ``spread``, too, the next one begins when this one has ended."""
    result = play(MERGED, Drain("gateway-1", AT_S, AT_S + 0.1), policies={"drain": drain})
    assert exits(result) == [(BUSINESS, 0), (GATEWAY_1, 0)]
    assert max(at(result, Kind.PROCESS_EXITED)) < min(at(result, Kind.PROCESS_STARTED)[2:])
    assert ends(result)[Code.SHUTTING_DOWN] == 40
    assert failing(result) == set()


def test_a_disk_that_stalls_holds_up_what_is_stored_and_nothing_else() -> None:
    """The storage thread is beside the loop: connections are kept."""
    result = play(MERGED, StorageStall("business", AT_S, AT_S + 0.5))
    assert hit(result) == set()
    assert failing(result) == set()


def test_one_seed_gives_one_trace() -> None:
    fault = Kill("business", AT_S, BACK_S)
    assert play(MERGED, fault).trace_digest == play(MERGED, fault).trace_digest
