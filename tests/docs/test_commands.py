"""What the README and the pages of docs/ tell a reader to type works, line by line, as it stands there.

A line of a ``sh`` block is a command. It is run in a folder that looks like a checkout, after those before it on its page; it may answer
with a verdict (exit codes below 64), not with an error. Servers are left running until the page is done, then end on SIGTERM. Blocks that
take long are fenced ``sh nightly`` and typed by the nightly target. Pages whose commands only simulate are typed side by side with others.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh( nightly)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIVE = re.compile(r"--world (live|both)|^imbench (serve|soak|calibrate|validate|demo|compare)|^locust|tests\.benchmarks")
"""What starts real servers, or measures: nothing else may run beside it."""
SERVERS = ("imbench serve ", "locust ")
ANSWERS_BELOW = 64
PATIENCE_S = 60.0
LINE_S, NIGHTLY_LINE_S = 300.0, 5400.0
"""Longest time for a line. The longest soak of the pages takes three quarters of an hour on two quiet cores."""
README_PORT = 7001


def commands(page: Path, *, nightly: bool = False) -> list[str]:
    """Every line of every ``sh`` block, or of every ``sh nightly`` block."""
    blocks = [block for slow, block in BLOCK.findall(page.read_text()) if bool(slow) == nightly]
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def pages(*, nightly: bool = False) -> list[Any]:
    """The pages that have such lines, each with its mark."""
    found = [(page, commands(page, nightly=nightly)) for page in PAGES]
    return [
        pytest.param(
            page, marks=pytest.mark.live if any(map(LIVE.search, lines)) else pytest.mark.slow, id=str(page.relative_to(ROOT))
        )
        for page, lines in found
        if lines
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the checkout's files, in which what a command writes is nobody's loss."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv"):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@contextmanager
def server(command: str, cwd: Path, environment: dict[str, str]) -> Iterator[None]:
    """A command that serves: there once the port it speaks of answers; it ends well on SIGTERM."""
    port = int(environment["LOCUST_WEB_PORT"] if command.startswith("locust") else re.findall(r"--port (\d+)", command)[0])
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=cwd, env=environment) as process:
        try:
            until = time.monotonic() + PATIENCE_S
            while not answers(port):
                assert process.poll() is None, f"{command}: ended with {process.returncode}"
                assert time.monotonic() < until, f"{command}: nothing answers at port {port}"
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
    assert process.returncode == 0, command


def answers(port: int) -> bool:
    """Whether someone listens there."""
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


def type_in(lines: list[str], cwd: Path, environment: dict[str, str], bound_s: float = LINE_S) -> None:
    """Type the lines one after the other."""
    for number, line in enumerate(lines):
        if line.startswith(SERVERS):
            with server(line, cwd, environment):
                type_in(lines[number + 1 :], cwd, environment, bound_s)
            return
        done = subprocess.run(["bash", "-c", line], cwd=cwd, env=environment, capture_output=True, text=True, timeout=bound_s)
        assert done.returncode < ANSWERS_BELOW, f"{line}\n{done.stdout}{done.stderr}"


@pytest.fixture
def environment() -> dict[str, str]:
    """As of a shell in which the page's first lines were typed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "LOCUST_WEB_PORT": str(free_port())}
    environment.pop("IMBENCH_RUNS", None)
    return environment


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages())
def test_every_line_can_be_typed(page: Path, checkout: Path, environment: dict[str, str]) -> None:
    port = free_port()
    lines = [line.replace(str(README_PORT + 1), str(port + 1)).replace(str(README_PORT), str(port)) for line in commands(page)]
    type_in(lines, checkout, environment)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("page", pages(nightly=True))
def test_every_line_that_takes_long_can_be_typed(page: Path, checkout: Path, environment: dict[str, str]) -> None:
    type_in(commands(page, nightly=True), checkout, environment, NIGHTLY_LINE_S)


def test_every_target_of_make_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    mentioned = {target for page in PAGES for target in re.findall(r"\bmake ([a-z]+)\b", "\n".join(code(page.read_text())))}
    assert mentioned
    assert mentioned <= targets


def test_make_help_tells_of_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(targets.split()) - {"help"} == set(re.findall(r'@echo "make ([a-z]+)', makefile))


def test_every_file_that_is_linked_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links {target}"


def code(text: str) -> list[str]:
    """Inline code and blocks of a page."""
    return [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
