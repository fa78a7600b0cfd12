"""A small repository, in place of the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scenarios.comparing import builds, sides


class Repository:
    """A checkout with a program ``imbench.py``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "trunk")
        self.commit("first", {"imbench.py": "print('imbench of the first')\n", "pyproject.toml": "[project]\n"})

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=A. Tester", "-c", "user.email=tester@example.invalid")
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, subject: str, files: dict[str, str]) -> str:
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path / "checkout")
    monkeypatch.setattr(sides, "ROOT", made.folder)
    monkeypatch.setattr(builds, "ROOT", made.folder)
    return made
