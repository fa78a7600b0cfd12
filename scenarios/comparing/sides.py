"""What can be compared: a git revision or run folders. The address of a server that runs already is known, to be refused in words.

What is given is looked up in this order: a path that is there holds run folders, ``HOST:PORT`` is an address, and anything else is
a revision of this checkout. A revision is what was committed: one that is checked out with changes beside it is refused, for the reader
would take the result for that of the changes.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from model.scenario.paired_comparison import Side
from scenarios.running.exits import MISSING, UNAVAILABLE, USAGE, CannotRun
from scenarios.running.run import ROOT

ADDRESS: Final = re.compile(r"[^\s/,]+:\d{1,5}(,[^\s/,]+:\d{1,5})*")
WORKING_TREE: Final = "HEAD"


def side(given: str) -> Side:
    """What was given. Raises :class:`CannotRun`, one line."""
    if given and Path(given).is_dir():
        return Side(given, "folders", given)
    if ADDRESS.fullmatch(given):
        return Side(given, "address", given)
    return revision(given)


def revision(given: str) -> Side:
    """A revision of this checkout."""
    commit = _git(given, "rev-parse", "--verify", "--quiet", f"{given}^{{commit}}")
    if not commit:
        raise CannotRun(
            f"'{given}' is no run folder, no HOST:PORT and no revision of this checkout; `git log --oneline` has some", MISSING
        )
    if commit == _git(given, "rev-parse", WORKING_TREE) and _git(given, "status", "--porcelain", "--untracked-files=no"):
        raise CannotRun(
            f"'{given}' is checked out with changes that no commit has, and only what is committed is built; commit them first",
            USAGE,
        )
    return Side(given, "revision", _git(given, "log", "-1", "--format=%h %s", commit), commit)


def _git(given: str, *arguments: str) -> str:
    """What git says, empty where it says no. Raises :class:`CannotRun` where there is no git or no checkout."""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"'{given}': git cannot be asked for it ({error}); give run folders instead", UNAVAILABLE) from None
    if found.returncode and "not a git repository" in found.stderr:
        raise CannotRun(f"'{given}': imbench was not started from a git checkout; give run folders instead", UNAVAILABLE)
    return found.stdout.strip() if not found.returncode else ""
