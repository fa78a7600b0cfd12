"""The live gateway lets in as the scenario says: its rules are those of the simulated one."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.core.codes import Code
from model.history.run_folder import RunFolder
from model.history.schema import Kind
from model.scenario import World
from scenarios.running import catalog, settings
from scenarios.running.progress import Silent
from scenarios.running.run import run_to_an_answer

NARROW = (
    "policies.admission=token_bucket",
    "policies.admission_hint=spread",
    "timers.login_burst=2",
    "timers.login_interval_us=8000",
    "population.users=60",
    "workload.rate_per_s=50",
)


@pytest.mark.nightly
@pytest.mark.live
@pytest.mark.parametrize("world", ["sim", "live"])
def test_those_who_come_back_at_once_are_turned_away_and_get_in_later(world: World, tmp_path: Path) -> None:
    scenario = settings.apply(catalog.short("access_restart"), NARROW)
    result = run_to_an_answer(scenario, world, "cursor", 1, tmp_path, Silent(), "asyncio")
    assert result.folder is not None
    history = RunFolder.open(result.folder).history()
    assert history.header.policies["admission"] == "token_bucket"
    ended = history.rows_of(Kind.DISCONNECTED)
    refused = int((history.code[ended] == Code.OVERLOADED).sum())
    assert refused >= 5
    assert result.measures["owed"]["lost_pairs"] == 0
    last = {int(history.device[row]): int(history.kind[row]) for row in history.rows_of(Kind.READY, Kind.DISCONNECTED)}
    assert list(last.values()).count(Kind.READY) == 60
