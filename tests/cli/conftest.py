"""Calls of the command, in this process: what it prints, what it complains about, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from imbench import cli
from scenarios.running.command import conclude


@dataclass(frozen=True)
class Answer:
    """What a call left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def imbench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``imbench("run", "access_restart")`` as a shell would see it."""
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        words = [str(argument) for argument in arguments]
        status = conclude(lambda: cli.main(words, prog_name="imbench", standalone_mode=False))
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return call
