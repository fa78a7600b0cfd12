"""Which run folders a report takes, and what it makes of an incomplete one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from model.history.run_folder import MANIFEST, RunFolder, RunFolderError
from reports import results
from tests.reports.conftest import MakeRun


def of_form(folder: Path, digest: str) -> Path:
    """The same run, of another form of its scenario."""
    kept = RunFolder.open(folder)
    kept.write_manifest(msgspec.structs.replace(kept.manifest(), scenario_digest=digest))
    return folder


def test_the_newest_of_each_preset_and_world(make_run: MakeRun) -> None:
    make_run(preset="naive", seed=1)
    newer = make_run(preset="naive", seed=2)
    live = make_run(preset="naive", world="live")
    assert set(results.latest_of_each(newer.parent.parent, "access_restart")) == {newer, live}


def test_forms_of_a_scenario_are_not_mixed(make_run: MakeRun) -> None:
    of_form(make_run(preset="naive"), "full")
    short = of_form(make_run(preset="cursor"), "short")
    assert results.latest_of_each(short.parent.parent, "access_restart") == [short]


def test_no_runs_is_an_empty_list(tmp_path: Path) -> None:
    assert results.latest_of_each(tmp_path, "access_restart") == []


def test_a_folder_without_a_scenario_expects_nothing(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "scenario.json").unlink()
    run = results.load(folder)
    assert run.expected is None
    assert run.scenario == {}


def test_a_measure_that_is_not_there_is_none(make_run: MakeRun) -> None:
    run = results.load(make_run())
    assert run.measure("sends", "ok") == 240
    assert run.measure("sends", "nothing") is None
    assert run.measure("sends", "ok", "deeper") is None


def test_a_damaged_manifest_is_one_clear_line(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / MANIFEST).write_text("{")
    with pytest.raises(RunFolderError, match="is damaged") as error:
        results.load(folder)
    assert "\n" not in str(error.value)
