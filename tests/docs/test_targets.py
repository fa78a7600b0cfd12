"""docs/targets.md: the server, the target and the clients of the page play a scenario as they stand there."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from model.history.schema import Kind
from scenarios.running import catalog, settings
from scenarios.running.progress import Silent
from scenarios.running.run import run
from scenarios.targets import registry
from tests.scenarios.conftest import history_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "targets.md").read_text()
PLACES = ("relay.py", "scenarios/targets/relay.py", "loadgen/targets/relay.py")
SMALL = ("population.users=20", "workload.rate_per_s=60")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout to which the page's files have been added, from which all processes of the run import."""
    for package in ("model", "scenarios", "loadgen"):
        for source in (ROOT / package).rglob("*"):
            if source.is_file() and "__pycache__" not in source.parts:
                target = tmp_path / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for place, block in zip(PLACES, blocks, strict=True):
        (tmp_path / place).write_text(block)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("scenarios.running.live.ROOT", tmp_path)
    monkeypatch.setattr(
        "scenarios.targets.__path__", [str(tmp_path / "scenarios" / "targets"), *sys.modules["scenarios.targets"].__path__]
    )
    return tmp_path


@pytest.mark.live
@pytest.mark.parametrize("fault", [pytest.param(False, marks=pytest.mark.nightly), True], ids=["calm", "killed"])
def test_the_server_of_the_page_is_played_and_judged(checkout: Path, fault: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "TARGETS", (import_module("scenarios.targets.relay"),))
    scenario = settings.apply(catalog.load("mosquitto_restart").short(), SMALL if fault else (*SMALL, "faults=[]"))
    result = run(scenario, "live", "relay", 1, checkout / "runs", Silent())
    history = history_of(result)
    found = {anomaly["kind"] for anomaly in result.anomalies if anomaly["fails"]}
    assert {"clock_fault", "phantom", "corrupt", "misdelivery", "vacuous", "truncated"}.isdisjoint(found), result.reasons
    assert history.header.policies == {"server": "relay", "storage": "none"}
    assert len(history.rows_of(Kind.FAULT_BEGUN)) == len(history.rows_of(Kind.FAULT_HEALED)) == int(fault)
    assert ("lost" in found) == fault
    assert os.path.dirname(str(result.folder)).startswith(str(checkout))
