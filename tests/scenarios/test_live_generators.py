"""Several load processes play one run, and it is the run that one would play."""

from __future__ import annotations

import subprocess
import sys
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
from scenarios.running.run import RunResult, run
from tests.loadgen.live import ROOT
from tests.loadgen.shifted_locustfile import SHIFT_NS
from tests.loadgen.test_processes import WITH_KILL

pytestmark = pytest.mark.live
SHIFTED = ROOT / "tests" / "loadgen" / "shifted_locustfile.py"


@pytest.mark.parametrize("driver", ["asyncio", "locust"])
def test_two_processes_play_what_one_would_through_a_killed_gateway(driver: str, tmp_path: Path) -> None:
    result = run(WITH_KILL, "live", "cursor", 1, tmp_path, Silent(), driver, fleet=Fleet(generators=2))  # type: ignore[arg-type]
    assert failing(result) <= {"generator_lag"}  # a busy machine is late, whoever plays
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


def failing(result: RunResult) -> set[str]:
    """What is wrong with a run. The load of these ends too soon after the kill for recovery to be judged, which is no anomaly."""
    return {anomaly["kind"] for anomaly in result.anomalies if anomaly["fails"]}


def sends(history: History, kind: Kind) -> list[int]:
    """The messages in rows of a kind."""
    found: list[int] = history.message[history.rows_of(kind)].tolist()
    return found


class Workers(Silent):
    """Starts Locust workers, as a person would, when the run says how; the last one's clock is ``SHIFT_NS`` ahead."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.processes: list[subprocess.Popen[bytes]] = []

    def say(self, text: str) -> None:
        if "start each with: python " not in text:
            return
        arguments = text.partition("start each with: python ")[2].split()
        for k in range(self.count):
            shifted = [*arguments[:3], str(SHIFTED), *arguments[4:]]
            command = [sys.executable, *(arguments if k < self.count - 1 else shifted)]
            self.processes.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
            process.wait(20)


def test_workers_of_a_locust_master_play_a_run_whatever_their_clocks_show(tmp_path: Path) -> None:
    with Workers(2) as workers:
        result = run(WITH_KILL, "live", "cursor", 1, tmp_path, workers, fleet=Fleet(workers=2))
        assert [process.wait(20) for process in workers.processes] == [0, 0]
    assert failing(result) <= {"generator_lag"}
    assert not any(anomaly["kind"] == "clock_fault" for anomaly in result.anomalies)
    assert any("clocks of workers are known within" in reason for reason in result.reasons)
    assert result.folder is not None
    folder = RunFolder.open(result.folder)
    own, shifted = sorted(folder.read_json(METRICS)["clocks"], key=lambda clock: clock["offset_us"])
    assert abs(own["offset_us"]) <= own["bound_us"]
    assert abs(shifted["offset_us"] - SHIFT_NS // 1000) <= shifted["bound_us"]
    assert folder.manifest().generator["clock_bound_us"] == max(own["bound_us"], shifted["bound_us"])
    history = folder.history()
    assert sorted(sends(history, Kind.OK)) == sorted(sends(history, Kind.INTEND))
    assert history.t_us.max() < SHIFT_NS // 1000


@pytest.mark.nightly
def test_a_worker_that_dies_ends_the_run_and_is_named(tmp_path: Path) -> None:
    class Mortal(Workers):
        def at(self, share: float | None, text: str) -> None:
            if "of the load" in text and self.processes[0].poll() is None:
                self.processes[0].terminate()

    with Mortal(2) as workers:
        result = run(WITH_KILL, "live", "cursor", 1, tmp_path, workers, fleet=Fleet(workers=2))
    assert result.verdict == "unknown"
    assert any("is gone" in reason for reason in result.reasons), result.reasons


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_ten_thousand_users_are_connected_by_one_locust_process(tmp_path: Path) -> None:
    mix = catalog.load("standard_mix")
    scenario = msgspec.structs.replace(mix, population=PopulationPlan(users=10_000), ramp_s=20.0, duration_s=5.0)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), fleet=Fleet(generators=1))
    assert failing(result) <= {"generator_lag", "latency"}
    assert result.folder is not None
    folder = RunFolder.open(result.folder)
    assert folder.read_json(METRICS)["descriptors_max"]["load"] >= 10_000
    history = folder.history()
    assert len(history.rows_of(Kind.READY)) >= 10_000
