"""The notebook on comparisons runs as a notebook, starts no server, and its gate neither cries wolf nor overlooks what matters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reports.test_theory_notebooks import executed


@pytest.mark.slow
def test_it_seldom_cries_wolf_and_sees_what_matters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    told, pictures = executed("30_is_it_slower")
    assert pictures == 2
    assert "noise: committed" in told
    reports, answers = re.findall(r"of (\d+) reports on builds that are alike: (.*)", told)[0]
    alarms = re.findall(r"REGRESSED (\d+)", answers)
    assert sum(map(int, alarms)) <= 0.05 * int(reports)
    (shares,) = re.findall(
        r"10 % more CPU is called REGRESSED in \d+% of reports and EQUIVALENT in (\d+)%.*30 % more is REGRESSED in (\d+)%", told
    )
    overlooked, called = map(int, shares)
    assert overlooked == 0
    assert called >= 95
