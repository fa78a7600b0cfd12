"""The notebook runs from its first cell to its last: on runs that are there, and on a simulated one where there is none."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from model.core.policies import PRESETS
from reports import words
from scenarios.targets import registry
from tests.reports.conftest import MakeRun

TOUR = Path(__file__).resolve().parents[2] / "notebooks" / "00_tour.py"


def test_it_reads_the_runs_that_are_there(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [make_run(preset=preset, world=world) for preset in ("naive", "cursor") for world in ("sim", "live")]
    monkeypatch.setenv("IMBENCH_RUNS", str(folders[0].parent.parent))
    found = runpy.run_path(str(TOUR))
    told = capsys.readouterr().out
    assert set(found["folders"]) == set(folders)
    assert [run.manifest.world for run in found["beside"]] == ["sim", "live"]
    assert "cursor lost nothing of 240 messages" in told
    assert "plots/latency_over_time.svg" in told
    assert (found["run"].path / "plots" / "latency_over_time.csv").is_file()


@pytest.mark.slow
def test_it_is_a_notebook_that_needs_no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jupytext
    from nbclient import NotebookClient

    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = jupytext.read(TOUR)
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(TOUR.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.get("text", "") for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert len({output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})}) >= 5
    assert "naive" in text
    assert "cursor lost nothing" in text


def test_every_preset_is_described() -> None:
    assert words.PRESETS.keys() == {*PRESETS, *registry.presets()}
