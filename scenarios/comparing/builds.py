"""A revision, built: its files in a folder of their own, and an interpreter that has what they need.

Files come out of git whole (``git archive``), so neither the checkout nor its worktrees are touched. Where the revision asks for the same
packages as this imbench, it runs under this interpreter; otherwise it is set up as its own README says, with ``make setup``. A build that
is whole is kept and found again; it is held to work when its ``imbench list`` does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.scenario.paired_comparison import Side
from scenarios.running.exits import CANNOT_CREATE, UNAVAILABLE, CannotRun
from scenarios.running.progress import Progress
from scenarios.running.run import ROOT

REQUIREMENTS: Final = ("pyproject.toml", "constraints.txt")
"""Where a revision says which packages it needs."""
SETUP_S: Final = 900.0
"""Longest time for ``make setup``: packages may have to be fetched."""
CHECK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Build:
    """Where the files of a revision are, and what runs them."""

    folder: Path
    python: str

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``imbench`` of this build."""
        return [self.python, str(self.folder / "imbench.py"), *arguments]

    def environment(self) -> dict[str, str]:
        """In which it imports its own files, and nothing configures it behind our back."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("IMBENCH_", "PYTHON"))}
        return kept | {"PYTHONPATH": str(self.folder)}


def built(side: Side, root: Path, progress: Progress) -> Build:
    """The build of a revision, below ``root``. Raises :class:`CannotRun`, one line."""
    folder = root / side.commit
    if not folder.is_dir():
        progress.say(f"building {side.title}")
        _unpack(side, folder)
    build = Build(folder, _python(side, folder, progress))
    _check(side, build)
    return build


def _unpack(side: Side, folder: Path) -> None:
    """Its files, whole or not at all; somebody else may do the same meanwhile."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as partial:
            command = ["git", "-C", str(ROOT), "archive", "--format=tar", side.commit]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as archive:
                assert archive.stdout is not None
                with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
                    # as tarfile says it: Python 3.11.3 and older know no filter
                    files.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
                    files.extractall(Path(partial, "files"))
            if archive.returncode:  # what came before it failed reads as a shorter archive
                raise OSError(f"git archive ended with {archive.returncode}")
            try:
                Path(partial, "files").rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    except (OSError, tarfile.TarError) as error:
        raise CannotRun(f"{folder}: the files of {side.given} cannot be written there ({error})", CANNOT_CREATE) from None


def _python(side: Side, folder: Path, progress: Progress) -> str:
    """This interpreter where the revision needs the same packages, else its own, made if need be."""
    if all(_text(folder / name) == _text(ROOT / name) for name in REQUIREMENTS):
        return sys.executable
    python = folder / ".venv" / "bin" / "python"
    progress.say(f"setting up the packages of {side.title}, which are others than here")
    try:
        done = subprocess.run(["make", "setup"], cwd=folder, capture_output=True, text=True, timeout=SETUP_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"'{side.given}' cannot be built: make setup: {error}", UNAVAILABLE) from None
    if done.returncode or not python.exists():
        raise _unbuildable(side, "make setup", done)
    return str(python)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _check(side: Side, build: Build) -> None:
    try:
        done = subprocess.run(
            build.command("list"), cwd=build.folder, env=build.environment(), capture_output=True, text=True, timeout=CHECK_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"'{side.given}' cannot be built: imbench list: {error}", UNAVAILABLE) from None
    if done.returncode:
        raise _unbuildable(side, "imbench list", done)


def _unbuildable(side: Side, what: str, done: subprocess.CompletedProcess[str]) -> CannotRun:
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    why = [line for line in said if not line.startswith("make")] or said  # whose last word is that something failed
    return CannotRun(
        f"'{side.given}' ({side.title}) cannot be built: {what}: {(why or [f'ended with exit code {done.returncode}'])[-1]}",
        UNAVAILABLE,
    )
