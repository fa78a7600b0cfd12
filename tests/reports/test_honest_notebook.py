"""The notebook on honest measurement runs as a notebook, starts no server, and shows what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reports.test_theory_notebooks import executed


@pytest.mark.slow
def test_it_shows_the_standstill_and_who_hides_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    told, pictures = executed("29_honest_measurement")
    assert pictures == 4
    assert "live: no sweep found" in told
    opened, closed = map(float, re.findall(r"p99 of (\d+) ms in an open load and of ([\d.]+) ms in a", told)[0])
    assert opened == pytest.approx(880, rel=0.05)
    assert closed < 20
    assert "a closed loop of 8 users does not see the standstill, one of 16 does" in told
    assert "A starved generator is found out: 1 of 1 run open, 1 of 1 closed." in told
