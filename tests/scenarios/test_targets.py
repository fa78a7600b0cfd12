"""Servers that are not ours: what can be asked of them is found beforehand, and they are started, killed and ended as told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from model.core.policies import PRESETS
from model.history.schema import Kind
from model.scenario import Kill
from scenarios.running import catalog, command, foreign, settings
from scenarios.running.progress import Silent
from scenarios.running.run import run
from scenarios.targets import mosquitto, registry, supervised
from tests.scenarios.conftest import history_of

LACKING = mosquitto.missing()
SCENARIO = catalog.load("mosquitto_restart")


def test_a_preset_is_one_servers_alone() -> None:
    every = [*PRESETS, *registry.presets()]
    assert len(every) == len(set(every))
    assert registry.target_of("qos1") is mosquitto
    assert registry.target_of("cursor") is None


@pytest.mark.parametrize(
    ("settings_", "world", "said"),
    [
        ((), "sim", "the sim world has no mosquitto"),
        (("gateways=2",), "live", "one process, and the scenario has 2 gateways; try --set gateways=1"),
        (('faults=[{"fault":"cut","node":"gateway-1","at_s":1}]',), "live", "no fault of kind cut"),
        (("faults.0.node=business",), "live", "the scenario kills another"),
        (("faults.0.stage=read",), "live", "the scenario kills it at a stage"),
        (("policies.delivery=once",), "live", "the scenario changes policies"),
        (('workload.arrivals={"shape":"closed"}',), "live", "play a schedule, and a closed loop has none"),
    ],
)
def test_what_a_target_cannot_be_asked_is_skipped_and_said(
    settings_: tuple[str, ...], world: Any, said: str, tmp_path: Path
) -> None:
    result = run(settings.apply(SCENARIO, settings_), world, "qos1", 1, tmp_path, Silent())
    assert (result.verdict, result.folder) == ("skipped", None)
    assert said in result.reasons[0]
    assert list(tmp_path.iterdir()) == []


def test_what_the_live_world_cannot_do_it_cannot_do_on_a_target_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run on the loopback is no answer to a question about a lossy network."""
    monkeypatch.setattr(mosquitto, "missing", lambda: None)
    result = run(settings.apply(SCENARIO, ("network.loss=0.02",)), "live", "qos1", 1, tmp_path, Silent())
    assert (result.verdict, result.folder) == ("skipped", None)
    assert "no network but the loopback" in result.reasons[0]


def test_where_mosquitto_is_not_installed_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(mosquitto, "program", lambda: None)
    options = ["mosquitto_restart", "--world", "live", "--preset", "qos1", "--out", str(tmp_path)]
    assert command.conclude(lambda: command.run.main(options, standalone_mode=False)) == 2
    assert capsys.readouterr().out.splitlines() == [
        "mosquitto_restart qos1 live seed 1: skipped",
        "  skipped: no mosquitto is installed here; on Debian `apt-get install mosquitto`",
    ]


def test_the_configuration_says_what_the_history_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.targets.mosquitto.os.geteuid", lambda: 1000)
    wanted = supervised.Wanted("qos1_saved", tmp_path, tmp_path)
    line = mosquitto.command(wanted, 4711)
    lines = (wanted.folder / "mosquitto.conf").read_text().splitlines()
    assert line[1:] == ["-c", "mosquitto.conf"]
    assert "listener 4711 127.0.0.1" in lines
    assert not [line for line in lines if line.startswith("user ")]
    told = mosquitto.policies("qos1_saved")
    assert {f"{name} {told[name]}" for name in mosquitto.settings("qos1_saved")} <= set(lines)
    assert (told["qos"], told["autosave_interval"]) == ("1", "1")


# supervised --------------------------------------------------------------------------------------------------------------------------

TARGET = """
import sys
from scenarios.targets.supervised import main

def command(wanted, port):
    return [sys.executable, "-c", {program!r}, str(port)]

sys.exit(main(command))
"""
SERVES = """
import socket, sys
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
door.bind(("127.0.0.1", int(sys.argv[1])))
door.listen()
while True:
    door.accept()[0].close()
"""
DEAF_TO_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SERVES


@contextmanager
def target(program: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program under control, as a process of its own."""
    arguments = ["--preset", "any", "--folder", str(folder / "data"), "--logs", str(folder)]
    line = [sys.executable, "-c", TARGET.format(program=program), *arguments]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline().removeprefix("ready "))
    return found


def say(process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return told(process)


@pytest.mark.live
def test_a_program_is_killed_and_started_on_its_port_with_proof(tmp_path: Path) -> None:
    with target(SERVES, tmp_path) as process:
        (place,) = told(process)["gateways"]
        assert (place["name"], place["host"]) == ("gateway-1", "127.0.0.1")
        assert say(process, "start gateway-1")["text"] == "gateway-1 is running"
        gone = say(process, "kill gateway-1")
        assert (gone["event"], gone["pid"], gone["status"]) == ("exited", place["pid"], -9)
        assert not psutil.pid_exists(place["pid"])
        assert say(process, "kill gateway-1")["text"] == "gateway-1 is not running"
        back = say(process, "start gateway-1")
        assert (back["event"], back["port"]) == ("started", place["port"])
        assert back["t_ns"] > gone["t_ns"]
        assert say(process, "kill business")["text"] == "expected kill gateway-1, start gateway-1 or stop"


@pytest.mark.live
@pytest.mark.parametrize("program", [SERVES, DEAF_TO_SIGTERM], ids=["obedient", "deaf"])
def test_the_end_of_stdin_ends_the_program_too(program: str, tmp_path: Path) -> None:
    with target(program, tmp_path) as process:
        server = psutil.Process(told(process)["gateways"][0]["pid"])
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
        assert psutil.wait_procs([server], timeout=5)[1] == []


@pytest.mark.live
def test_a_program_that_ends_instead_of_serving_is_named(tmp_path: Path) -> None:
    with target("print('no such option'); raise SystemExit(3)", tmp_path) as process:
        assert process.wait(30) == 69
        assert process.stderr is not None
        assert "did not serve on port" in process.stderr.read()
    assert (tmp_path / "gateway-1.log").read_text() == "no such option\n"


# mosquitto ---------------------------------------------------------------------------------------------------------------------------


def test_mosquitto_restart_is_the_scenario_it_claims_to_be() -> None:
    assert (SCENARIO.gateways, SCENARIO.faults) == (1, (Kill("gateway-1", 10, 12),))
    assert SCENARIO.workload == catalog.load("access_restart").workload
    assert foreign.missing(mosquitto, SCENARIO, "live") == LACKING


@pytest.mark.live
@pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
@pytest.mark.parametrize(
    ("preset", "resumed"),
    [
        ("qos1_saved", True),
        pytest.param("qos1", False, marks=pytest.mark.nightly),
        pytest.param("qos0", False, marks=pytest.mark.nightly),
        pytest.param("qos2", False, marks=pytest.mark.nightly),
        pytest.param("qos2_saved", True, marks=pytest.mark.nightly),
    ],
)
def test_a_broker_is_killed_under_load_with_proof_and_judged(preset: str, resumed: bool, tmp_path: Path) -> None:
    result = run(SCENARIO.short(), "live", preset, 1, tmp_path, Silent())
    history = history_of(result)
    found = {anomaly["kind"] for anomaly in result.anomalies}
    assert {"fault_unproven", "clock_fault", "phantom", "corrupt", "misdelivery", "drain_incomplete", "truncated"}.isdisjoint(
        found
    )
    assert len(history.rows_of(Kind.FAULT_BEGUN)) == len(history.rows_of(Kind.FAULT_HEALED)) == 1
    assert result.measures["sends"]["open"] == result.measures["sends"]["fail"] == 0
    assert "lost" in found or resumed  # where sessions are resumed, what was in flight at the kill may be lost too
    generations = history.value[history.rows_of(Kind.READY)]
    assert len(generations) == 2 * SCENARIO.population.users  # nobody was lost but by the kill
    assert (generations.max() == 1) == resumed
    assert history.header.policies["server"] == "mosquitto"
