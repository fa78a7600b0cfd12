"""Soaks of the real server: short ones, for it is the count of messages that makes a soak long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]


def soaking(out: Path, *options: object) -> subprocess.Popen[str]:
    """The command, as a process of its own."""
    command = [sys.executable, "-m", "imbench", "soak", "--json", "--out", out, *options]
    return subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(program: subprocess.Popen[str], bound_s: float) -> dict[str, Any]:
    """What it prints at last."""
    out, _ = program.communicate(timeout=bound_s)
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.mark.nightly
def test_two_legs_of_the_real_server_lose_nothing(tmp_path: Path) -> None:
    program = soaking(tmp_path, "--messages", 4_500, "--leg", 8, "--rate", 500, "--kills-per-minute", 60, "--seed", 3)
    told = ended(program, 110)
    assert program.returncode == 0, told
    assert told["legs"] + len(told["set_aside"]) == 2
    assert told["counts"]["kills"] >= 2
    assert told["counts"]["ok"] >= 4_500
    assert [rate["found"] for rate in told["rates"]] == [0] * len(told["rates"])


@pytest.mark.nightly
def test_a_signal_breaks_the_leg_off_and_the_legs_before_are_told(tmp_path: Path) -> None:
    program = soaking(tmp_path, "--leg", 5, "--rate", 200, "--kills-per-minute", 30)
    until = time.monotonic() + 90
    while len(list(tmp_path.glob("soak/*/soak.json"))) < 1:
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(3)  # into the second leg
    children = psutil.Process(program.pid).children(recursive=True)
    os.kill(program.pid, signal.SIGTERM)
    told = ended(program, 60)
    assert program.returncode == 128 + signal.SIGTERM
    assert told["legs"] == 1
    assert told["interrupted"] == signal.SIGTERM
    assert told["found"] == {}
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert [path.name for path in Path(told["folder"]).rglob("*") if path.is_file()] == ["soak.json"]


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_half_a_million_messages_lose_nothing(tmp_path: Path) -> None:
    program = soaking(tmp_path, "--messages", 500_000, "--hours", 0.4)
    told = ended(program, 1700)
    assert program.returncode == 0, told
    assert told["found"] == {}
    assert told["counts"]["kills"] > 20
