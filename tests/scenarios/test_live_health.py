"""What is measured is what happened: a stall of the server is seen by everyone who wanted to send, and a stall of the load is no fault
of the server's."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import pytest

from model.history.run_folder import METRICS, RunFolder
from model.history.schema import LatencyPromise
from model.scenario import Pause
from model.workload.schedule import WorkloadPlan
from scenarios.running import processes
from scenarios.running.progress import Silent
from scenarios.running.run import run
from tests.sim.test_faults import BASE

pytestmark = pytest.mark.live
PROMISE = LatencyPromise("end_to_end", 0.5, 5_000_000)
"""Generous; but with it how late things are is judged at all."""
PROMISING = msgspec.structs.replace(BASE, contract=msgspec.structs.replace(BASE.contract, latency=(PROMISE,)))
STALL = (Pause("gateway-1", 3.0, 4.0), Pause("gateway-2", 3.0, 4.0))


def stop_the_load_for(seconds: float, times: int) -> None:
    """Now and then, from when it plays on."""
    deadline = time.monotonic() + 60
    while not (found := [started for started in processes._ALIVE.values() if started.name == "load"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(6.0)  # it has started, and connected everybody
    for _ in range(times):
        os.kill(found[0].pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(found[0].pid, signal.SIGCONT)
        time.sleep(seconds)


def test_a_starved_generator_makes_the_harness_invalid_and_blames_nobody(tmp_path: Path) -> None:
    starving = threading.Thread(target=stop_the_load_for, args=(0.1, 10))
    starving.start()
    result = run(PROMISING, "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    starving.join()
    assert result.verdict == "harness_invalid"
    assert {anomaly["kind"] for anomaly in result.anomalies if anomaly["fails"]} == {"generator_lag"}


def test_a_server_that_stands_still_for_a_second_costs_everyone_who_wanted_to_send_up_to_one(tmp_path: Path) -> None:
    scenario = msgspec.structs.replace(BASE, workload=WorkloadPlan(rate_per_s=100), faults=STALL)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    end_to_end = result.measures["latency"]["end_to_end_live"]
    assert end_to_end["p99_us"] > 700_000
    assert end_to_end["p50_us"] < 200_000


def test_the_state_of_the_machine_is_in_the_run_folder(tmp_path: Path) -> None:
    result = run(msgspec.structs.replace(BASE, duration_s=3.0), "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    assert result.folder is not None
    metrics = RunFolder.open(result.folder).read_json(METRICS)
    roles = {"load", "supervisor", "business", "gateway-1", "gateway-2"}
    assert (
        roles == metrics["descriptors_max"].keys() == metrics["resident_bytes_max"].keys() == metrics["waited_share_max"].keys()
    )
    assert 0 <= metrics["steal_max"] <= 1
    assert len(metrics["host"]) >= 3
