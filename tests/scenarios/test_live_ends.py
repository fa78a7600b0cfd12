"""However a live run ends, its processes end, what was recorded is judged, and the answer says that it is a part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model.history.recorder import read_rows
from model.history.run_folder import RunFolder
from model.history.schema import HistoryError, Kind
from scenarios.running import catalog, check, processes, settings
from scenarios.running.progress import Silent
from scenarios.running.run import run
from tests.scenarios.conftest import history_of

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parent.parent.parent
CALM = ("faults=[]", "population.users=20", "workload.rate_per_s=50")


def wait_for(condition: Callable[[], object], bound_s: float = 60.0) -> None:
    until = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def sends_recorded(root: Path) -> int:
    """Sends in the recording of the only run below a folder."""
    found = list(root.glob("*/*/recordings/load.rows"))
    try:
        return int((read_rows(found[0])["kind"] == Kind.INVOKE).sum()) if found else 0
    except HistoryError:
        return 0


def test_a_killed_load_process_leaves_a_part_that_is_judged_unknown(tmp_path: Path) -> None:
    def kill() -> None:
        wait_for(lambda: sends_recorded(tmp_path) > 50)
        (load,) = (started for started in processes._ALIVE.values() if started.name == "load")
        os.kill(load.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    scenario = settings.apply(catalog.load("access_restart").short(), CALM)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent())
    killer.join()
    history = history_of(result)
    assert result.verdict == "unknown"
    assert "truncated" in {anomaly["kind"] for anomaly in result.anomalies}
    assert any("the load process ended by SIGKILL" in reason for reason in result.reasons)
    assert history.header.truncated
    assert len(history.rows_of(Kind.INVOKE)) > 50
    assert len(history.rows_of(Kind.DELIVER)) > 50
    assert result.folder is not None
    assert not RunFolder.open(result.folder).manifest().complete
    assert not processes._ALIVE


def test_a_node_that_dies_unasked_breaks_the_run_off_and_is_named(tmp_path: Path) -> None:
    def kill() -> None:
        wait_for(lambda: sends_recorded(tmp_path) > 50)
        (server,) = (started for started in processes._ALIVE.values() if started.name == "server")
        roles = {" ".join(child.cmdline()): child.pid for child in psutil.Process(server.pid).children()}
        os.kill(next(pid for command, pid in roles.items() if "reference_server.business" in command), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    scenario = settings.apply(catalog.load("access_restart").short(), CALM)
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent())
    killer.join()
    assert result.verdict == "unknown"
    assert any("business" in reason and "unasked, by SIGKILL" in reason for reason in result.reasons)
    assert not processes._ALIVE


def test_without_their_runner_the_processes_end_by_themselves(tmp_path: Path) -> None:
    with calm_run(tmp_path) as program:
        wait_for(lambda: sends_recorded(tmp_path) > 50)
        children = psutil.Process(program.pid).children(recursive=True)
        program.kill()
        assert len(children) >= 5
        assert psutil.wait_procs(children, timeout=30)[1] == []
    (partial,) = (tmp_path / "access_restart").iterdir()
    assert check.check(partial)[1].verdict == "unknown"


@contextmanager
def calm_run(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A live run of the command, as a process of its own."""
    command = [
        sys.executable,
        "-m",
        "imbench",
        "run",
        "access_restart",
        "--short",
        "--world",
        "live",
        "--json",
        "--out",
        str(root),
    ]
    for setting in CALM:
        command += ["--set", setting]
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_what_there_is_is_filed(tmp_path: Path, number: int) -> None:
    with calm_run(tmp_path) as program:
        wait_for(lambda: sends_recorded(tmp_path) > 50)
        children = psutil.Process(program.pid).children(recursive=True)
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
    told = json.loads(out)
    assert program.returncode == 128 + number
    assert told["verdict"] == "unknown"
    assert "interrupted by a signal" in err
    assert RunFolder.open(Path(told["folder"])).manifest().interrupted
    assert len(children) >= 5
    assert psutil.wait_procs(children, timeout=5)[1] == []
