"""Every benchmark still runs and prints what it says; what it measures on a busy machine means nothing and is not looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT = {
    "bench_crowd": ["--users", "200"],
    "bench_kernel": ["--repeats", "1", "--events", "20000", "--pending", "1000"],
    "bench_hunt": ["--seeds", "5"],
    "bench_judge": ["--sizes", "1e4", "--repeats", "1"],
    "bench_observers": ["--rounds", "1", "--rate", "100", "--seconds", "1", "--users", "20"],
    "bench_proxy": ["--rate", "200", "--seconds", "2", "--repeats", "1"],
    "bench_recorder": ["100000"],
    "bench_sim": ["--repeats", "1", "--rate", "50"],
    "bench_storm": ["--size", "4k"],
    "bench_server": ["--rate", "500", "--seconds", "1"],
    "bench_pipeline": ["--rates", "200", "--seconds", "2", "--repeats", "1"],
}


def test_every_benchmark_is_run() -> None:
    files = {path.stem for path in Path(__file__).parent.glob("*.py")}
    assert files - {"__init__", "test_benchmarks"} == set(SHORT)


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SHORT)
def test_it_runs(name: str) -> None:
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *SHORT[name]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert any(character.isdigit() for character in done.stdout), done.stdout
