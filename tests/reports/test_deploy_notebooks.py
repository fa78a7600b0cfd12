"""The notebooks on zombies and on deploys run as notebooks and show what they conclude."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reports.test_theory_notebooks import executed

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_other_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))


def test_windows_are_as_known_and_the_search_ends_below_what_the_nat_bears() -> None:
    told, pictures = executed("26_zombie_window")
    assert pictures == 4
    means = re.findall(r"mean (\d\.\d+) s, known (\d\.\d+); longest (\d\.\d+), known (\d\.\d+)", told)
    assert len(means) == 4
    for mean, known, longest, bound in means:
        assert float(mean) == pytest.approx(float(known), rel=0.1)
        assert float(longest) <= float(bound)
    assert "forgets after 3: 2 connections lost, then pings every 2.67" in told


def test_all_gateways_restart_and_nobody_is_moved_twice() -> None:
    told, pictures = executed("27_access_deploy")
    assert pictures == 3
    assert re.search(r"spread +known \[1\.0, 1\.0\], simulated \[1\.0, 1\.0\]", told)
    for way in ("kill", "spread"):
        assert re.search(rf"cursor +{way} +0 of", told)
        assert not re.search(rf"naive +{way} +0 of", told)
    assert "spread   later than 200 ms: 0.00 %" in told


def test_one_process_saves_cpu_where_it_is_busy_and_answers_later() -> None:
    told, pictures = executed("28_split_or_merged")
    assert pictures == 2
    cpu, time = re.findall(r"8000 sends a second: merged takes ([+-]\d+) % CPU and ([+-]\d+) % time", told)[0]
    assert int(cpu) < 0 < int(time)
    assert re.search(r"split: killed +0, below \S+ +0 ", told)
