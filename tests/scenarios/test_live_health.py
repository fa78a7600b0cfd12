"""What is measured is what happened: a stall of the server is seen by everyone who wanted to send, and a stall of the load is no fault
of the server's."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from model.history.run_folder import METRICS, RunFolder
from model.history.schema import Kind, LatencyPromise
from model.scenario import Pause, Starved
from model.workload.arrivals import Closed
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.live import Driver
from scenarios.running.progress import Silent
from scenarios.running.run import run
from tests.sim.test_faults import BASE

pytestmark = pytest.mark.live
PROMISE = LatencyPromise("end_to_end", 0.5, 5_000_000)
"""Generous; but with it how late things are is judged at all."""
PROMISING = msgspec.structs.replace(BASE, contract=msgspec.structs.replace(BASE.contract, latency=(PROMISE,)))
EITHER = ["asyncio", pytest.param("locust", marks=pytest.mark.nightly)]
STALL = (Pause("gateway-1", 3.0, 4.0), Pause("gateway-2", 3.0, 4.0))


@pytest.mark.parametrize("driver", EITHER)
def test_a_starved_generator_makes_the_harness_invalid_and_blames_nobody(driver: Driver, tmp_path: Path) -> None:
    starved = msgspec.structs.replace(PROMISING, duration_s=4.0, starved=Starved(1.0, 4.0))
    result = run(starved, "live", "cursor", 1, tmp_path, Silent(), driver)
    assert result.verdict == "harness_invalid"
    assert {anomaly["kind"] for anomaly in result.anomalies if anomaly["fails"]} == {"generator_lag"}
    told = " ".join(witness["text"] for anomaly in result.anomalies for witness in anomaly["witnesses"])
    assert "send lag" in told
    assert "event loops" in told


def test_a_server_that_stands_still_for_a_second_costs_everyone_who_wanted_to_send_up_to_one(tmp_path: Path) -> None:
    scenario = msgspec.structs.replace(BASE, workload=WorkloadPlan(rate_per_s=100), faults=STALL)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    end_to_end = result.measures["latency"]["end_to_end_live"]
    assert end_to_end["p99_us"] > 700_000
    assert end_to_end["p50_us"] < 200_000
    assert result.measures["latency"]["end_to_end_service"]["n"] == end_to_end["n"] - end_to_end["infinite"]


@pytest.mark.nightly
@pytest.mark.parametrize("driver", ["asyncio", "locust"])
def test_in_a_closed_loop_the_same_standstill_is_hardly_seen_and_the_run_says_that_it_is_closed(
    driver: Driver, tmp_path: Path
) -> None:
    """Four users wait, where in an open load a hundred messages do."""
    workload = WorkloadPlan(rate_per_s=100, direct_share=1.0, arrivals=Closed())
    people = PopulationPlan(users=4, groups_per_user=0)
    scenario = msgspec.structs.replace(BASE, duration_s=5.0, workload=workload, population=people, faults=STALL)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), driver)
    assert result.measures["generator"]["closed_loop"]
    assert result.folder is not None
    history = RunFolder.open(result.folder).history()
    assert history.header.closed_loop
    intended = history.t_us[history.rows_of(Kind.INTEND)]
    begun, healed = (history.t_us[history.rows_of(kind)] for kind in (Kind.FAULT_BEGUN, Kind.FAULT_HEALED))
    assert ((intended > begun.max()) & (intended < healed.min())).sum() <= 4
    assert len(intended) > 100


def test_the_state_of_the_machine_is_in_the_run_folder(tmp_path: Path) -> None:
    result = run(msgspec.structs.replace(BASE, duration_s=3.0), "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    assert result.folder is not None
    metrics = RunFolder.open(result.folder).read_json(METRICS)
    roles = {"load", "supervisor", "business", "gateway-1", "gateway-2"}
    assert (
        roles == metrics["descriptors_max"].keys() == metrics["resident_bytes_max"].keys() == metrics["waited_share_max"].keys()
    )
    assert roles == metrics["lag_us_max"].keys()
    assert all(metrics["lag_us_max"][name] > 0 for name in roles - {"supervisor"})  # which has no loop
    assert result.measures["generator"]["lag_p99_us"] > 0
    assert 0 <= metrics["steal_max"] <= 1
    assert len(metrics["host"]) >= 3
