"""docs/foreign.md: its program turns its log into a history, of which the judges say what stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.running import check

PAGE = (Path(__file__).parents[2] / "docs" / "foreign.md").read_text()


def block(language: str) -> str:
    """The one block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def judged(folder: Path, program: str) -> str:
    """What is said of the log, converted by a program."""
    (folder / "chat.log").write_text(block("jsonl"))
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    path = Path("chat.jsonl")
    return check.told(path, *check.check(path))


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_log_is_judged_as_the_page_says(tmp_path: Path) -> None:
    assert judged(tmp_path, block("python")) == block("text").rstrip("\n")


def test_without_members_nothing_is_owed(tmp_path: Path) -> None:
    told = judged(tmp_path, re.sub(r"MEMBERS = .*", "MEMBERS = {}", block("python")))
    assert "verdict: invalid" in told
    assert "FAILS   lost" not in told
    assert re.search(r"^    lost, .*: no rows of membership", told, re.MULTILINE)


def test_without_an_end_nothing_is_claimed_to_be_lost(tmp_path: Path) -> None:
    told = judged(tmp_path, block("python").replace("WAITED = True", "WAITED = False"))
    assert "FAILS   lost" not in told
    assert "OPEN    truncated" in told
    assert re.search(r"^    lost, .*: no completed drain", told, re.MULTILINE)
