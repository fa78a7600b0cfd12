"""The notebook on how the judge decides runs, and its plausible checkers find nothing where the judge does."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "10_how_the_judge_decides.py"
KINDS = ("lost x 1", "dup_app x 1", "disagreement x", "latency x 1", "causal_live x 1")


def test_plausible_checkers_are_fine_where_the_judge_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(BOOK.parent)
    runpy.run_path(str(BOOK))
    told = capsys.readouterr().out
    checkers = [line for line in told.splitlines() if line.startswith("a checker")]
    assert len(checkers) == 5
    assert all(line.endswith(": fine") for line in checkers)
    assert told.count("the judge: invalid") == 5
    assert told.count("the judge: valid") == 1
    for kind in KINDS:
        assert kind in told


@pytest.mark.slow
def test_it_is_a_notebook_with_diagrams() -> None:
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(BOOK)
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(BOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) == 4
