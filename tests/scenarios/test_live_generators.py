"""Several load processes play one run, and it is the run that one would play."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from model.history.columns import History
from model.history.run_folder import METRICS, RunFolder
from model.history.schema import Kind, Phase
from model.workload.population import PopulationPlan
from scenarios.running import catalog
from scenarios.running.generators import Fleet
from scenarios.running.progress import Silent
from scenarios.running.run import run
from tests.loadgen.test_processes import WITH_KILL

pytestmark = pytest.mark.live


@pytest.mark.parametrize("driver", ["asyncio", "locust"])
def test_two_processes_play_what_one_would_through_a_killed_gateway(driver: str, tmp_path: Path) -> None:
    result = run(WITH_KILL, "live", "cursor", 1, tmp_path, Silent(), driver, fleet=Fleet(generators=2))  # type: ignore[arg-type]
    assert result.verdict in ("valid", "harness_invalid"), result.reasons  # a busy machine is late, whoever plays
    assert result.folder is not None
    folder = RunFolder.open(result.folder)
    assert folder.manifest().generator["processes"] == 2
    assert {"load-1", "load-2"} <= folder.read_json(METRICS)["busy"].keys()
    history = folder.history()
    phases = [Phase(code) for code in history.code[history.rows_of(Kind.PHASE)].tolist()]
    assert phases.count(Phase.END) == 1
    assert phases[0] is Phase.WARM_UP
    assert sorted(sends(history, Kind.INTEND)) == sorted(sends(history, Kind.INVOKE))
    assert sorted(sends(history, Kind.OK)) == sorted(sends(history, Kind.INTEND))
    assert len(history.rows_of(Kind.DEVICE)) == WITH_KILL.population.users


def sends(history: History, kind: Kind) -> list[int]:
    """The messages in rows of a kind."""
    found: list[int] = history.message[history.rows_of(kind)].tolist()
    return found


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_ten_thousand_users_are_connected_by_one_locust_process(tmp_path: Path) -> None:
    mix = catalog.load("standard_mix")
    scenario = msgspec.structs.replace(mix, population=PopulationPlan(users=10_000), ramp_s=20.0, duration_s=5.0)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), fleet=Fleet(generators=1))
    assert {anomaly["kind"] for anomaly in result.anomalies if anomaly["fails"]} <= {"generator_lag", "latency"}
    assert result.folder is not None
    folder = RunFolder.open(result.folder)
    assert folder.read_json(METRICS)["descriptors_max"]["load"] >= 10_000
    history = folder.history()
    assert len(history.rows_of(Kind.READY)) >= 10_000
