"""Kills that wait for a stage, in a simulated run: what is proven, when, and what becomes of those that never stand there."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from model.checkers import judge
from model.history.columns import from_rows
from model.history.schema import Kind, Stage
from model.scenario import Cut, DiskFull, Fault, Kill, Scenario, StorageStall, faults
from model.sim import SimResult, run
from model.workload.schedule import WorkloadPlan
from tests.sim.test_faults import AT_S, BASE, at

BACK_S = 3.5


def role(stage: str) -> str:
    return "business" if stage in faults.BUSINESS_STAGES else "gateway-1"


def play(*planned: Fault, scenario: Scenario = BASE, basis: str = "committed") -> SimResult:
    return run(msgspec.structs.replace(scenario, faults=planned, policies={"ack_basis": basis}), "cursor", 1)


def kinds(result: SimResult) -> set[str]:
    return {anomaly.kind for anomaly in judge(from_rows(result.header, result.rows)).anomalies}


@pytest.mark.parametrize("stage", [*faults.GATEWAY_STAGES, *faults.BUSINESS_STAGES])
@pytest.mark.parametrize("merged", [False, True])
def test_it_is_proven_with_its_stage_and_cursor_loses_nothing(stage: faults.KillStage, merged: bool) -> None:
    scenario = msgspec.structs.replace(BASE, merged=merged, gateways=1 if merged else 2)
    result = play(Kill(role(stage), AT_S, BACK_S, stage), scenario=scenario)
    (begun,), (healed,) = at(result, Kind.FAULT_BEGUN), at(result, Kind.FAULT_HEALED)
    assert AT_S <= begun < AT_S + 0.2
    assert BACK_S < healed < BACK_S + 0.2
    of_faults = result.rows[np.isin(result.rows["kind"], [Kind.FAULT_PLANNED, Kind.FAULT_BEGUN])]
    assert set(of_faults["epoch"].tolist()) == {Stage[stage.upper()]}
    ended = result.rows[result.rows["kind"] == Kind.PROCESS_EXITED]
    assert ended["code"].tolist() == [-9, -9] if merged else [-9]
    assert judge(from_rows(result.header, result.rows)).verdict == "valid"


@pytest.mark.parametrize("stage", [*faults.GATEWAY_STAGES, *faults.BUSINESS_STAGES])
def test_who_never_stands_there_lives_on_unproven(stage: faults.KillStage) -> None:
    silent = msgspec.structs.replace(BASE, workload=WorkloadPlan(rate_per_s=0.1))
    result = play(Kill(role(stage), AT_S, BACK_S, stage), scenario=silent)
    assert at(result, Kind.FAULT_BEGUN) == at(result, Kind.PROCESS_EXITED) == []
    assert "fault_unproven" in kinds(result)


@pytest.mark.parametrize("stage", ["queued", "committed", "acked", "fanned_out"])
def test_it_is_not_for_the_process_that_takes_its_place(stage: faults.KillStage) -> None:
    """While the disk stalls nobody stands there, and meanwhile another kill takes the process that this one was planned for."""
    slow = msgspec.structs.replace(BASE, workload=WorkloadPlan(rate_per_s=400))
    result = play(
        StorageStall("business", 2.9, 3.3), Kill("business", AT_S, 5.0, stage), Kill("business", 3.1, 3.2), scenario=slow
    )
    assert at(result, Kind.PROCESS_EXITED) == [pytest.approx(3.1)]
    assert len([t for t in at(result, Kind.OK) if t > 3.6]) > 1000
    assert not kinds(result) & {"lost", "dup_app"}


def test_two_cannot_stand_in_one_commit() -> None:
    result = play(DiskFull("business", AT_S, 5.0), Kill("business", AT_S, 5.0, "queued"))
    assert len(at(result, Kind.FAULT_BEGUN)) == 1
    assert "fault_unproven" in kinds(result)


def test_a_commit_is_made_as_ever_when_nobody_waits_for_it_any_more() -> None:
    """The disk goes on after a kill in a commit that came, and after one that never did."""
    for stage in ("queued", "committed"):
        result = play(Kill("business", AT_S, BACK_S, stage), Cut("gateway-2", 4.0))
        assert judge(from_rows(result.header, result.rows)).verdict == "valid"
        later = result.rows[(result.rows["kind"] == Kind.OK) & (result.rows["t_us"] > BASE.at_us(5.0))]
        assert len(later) > 100
