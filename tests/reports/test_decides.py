"""The notebook on how the judge decides runs, and its plausible checkers find nothing where the judge does."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "10_how_the_judge_decides.py"
KINDS = ("lost x 1", "dup_app x 1", "disagreement x", "latency x 1", "causal_live x 1")


def test_plausible_checkers_are_fine_where_the_judge_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # it finds its histories from wherever it is run
    runpy.run_path(str(BOOK))
    told = capsys.readouterr().out
    checkers = [line for line in told.splitlines() if line.startswith("a checker")]
    assert [line.rpartition(" ")[2] for line in checkers] == ["fine", "fine", "WRONG", "fine", "fine", "fine", "WRONG"]
    assert "missing w at b, w at c: WRONG\nthe judge: valid" in told  # the one that is wrong where the judge is not
    assert told.count("the judge: invalid") == 6
    for kind in KINDS:
        assert kind in told


def test_a_checker_finds_what_it_looks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    book = runpy.run_path(str(BOOK))
    assert book["quarrels"](book["read"]("17_two_recipients_two_orders"))
    assert book["lacking"](book["read"]("03_lost_for_one_of_five"), ["y"]) == ["y at f"]
    assert set(book["table"](book["answered"])["via"]) == {"-", "live"}
    assert "-" in set(book["table"](book["answered"])["position"])


@pytest.mark.slow
def test_it_is_a_notebook_with_diagrams() -> None:
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(BOOK)
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(BOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) == 5
