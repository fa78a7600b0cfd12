"""Runs of ``access_restart`` in its short form, made once and looked at by several tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from model.history.columns import History
from model.history.run_folder import RunFolder
from model.scenario import World
from scenarios.running import catalog
from scenarios.running.progress import Silent
from scenarios.running.run import RunResult, run_to_an_answer

Runner = Callable[[World, str], RunResult]


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """``short_run("live", "cursor")``: that run with seed 1, as the demo makes it."""
    root, made = tmp_path_factory.mktemp("runs"), dict[tuple[World, str], RunResult]()
    scenario = catalog.load("access_restart").short()

    def once(world: World, preset: str) -> RunResult:
        if (world, preset) not in made:
            made[world, preset] = run_to_an_answer(scenario, world, preset, 1, root, Silent())
        return made[world, preset]

    return once


def history_of(result: RunResult) -> History:
    """The history in a run's folder."""
    assert result.folder is not None
    return RunFolder.open(result.folder).history()
