"""The notebook on validations runs from its first cell to its last: on a validation that is there, and where there is none."""

from __future__ import annotations

import runpy
from pathlib import Path

import msgspec
import pytest

from model.history.machine import Machine
from tests.scenarios.test_validating import NOTHING, TRUE, concluded, measured

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "22_sim_against_live.py"


def test_it_reads_the_newest_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, wrong in (("20260101T000000Z", 3_000.0), ("20260102T000000Z", 5_000.0)):
        folder = tmp_path / "validation" / name
        folder.mkdir(parents=True)
        results = concluded((TRUE | NOTHING) | {"p95_us": wrong}, measured(TRUE | NOTHING))
        (folder / "results.json").write_bytes(msgspec.json.encode(results))
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    found = runpy.run_path(str(NOTEBOOK))
    told = capsys.readouterr().out
    assert "1 of 8 promises are BROKEN, first p95_us of 'standard, 45%' cursor (+25%" in told
    assert list(found["broken"]["measure"]) == ["p95_us"]
    assert found["errors"] is not None
    assert found["busy"].loc["standard, 45%"].tolist() == [0.45, 0.5]
    assert isinstance(found["provenance"].machine, Machine)


@pytest.mark.slow
def test_it_is_a_notebook_that_needs_no_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jupytext
    from nbclient import NotebookClient

    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    notebook = jupytext.read(NOTEBOOK)
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.get("text", "") for output in outputs)
    assert "no validation is there" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
