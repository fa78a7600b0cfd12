"""Revisions with a planted change: commits of this repository that no branch has, and that nothing in the checkout is touched for.

python -m tests.comparing.revisions slow_gateway        prints the commit; compare it with: imbench compare HEAD COMMIT
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SHELL: Final = "reference_server/access/shell.py"


@dataclass(frozen=True, slots=True)
class Plant:
    """A change that a reviewer overlooked."""

    subject: str
    path: str
    before: str
    after: str


PLANTS: Final = {
    "nothing": Plant(
        "A comment", SHELL, "                tally[frame.kind] += 1\n", "                tally[frame.kind] += 1  # a frame\n"
    ),
    "slow_gateway": Plant(
        "A busy loop for each frame that comes in at a gateway",
        SHELL,
        "                tally[frame.kind] += 1\n",
        "                tally[frame.kind] += 1\n                sum(range(4_000))\n",
    ),
    "leaking_gateway": Plant(
        "Four kilobytes for each frame that goes out of a gateway are never given back",
        SHELL,
        "                    client.pieces.append(encode(effect.frame))\n",
        "                    client.pieces.append(encode(effect.frame))\n"
        "                    vars(asyncio).setdefault('leak', []).append(bytearray(b'x' * 4_096))\n",
    ),
}


def planted(plant: Plant, base: str = "HEAD") -> str:
    """The commit of a plant on top of a revision."""
    text = _git("show", f"{base}:{plant.path}", strip=False)
    assert text.count(plant.before) == 1, f"{plant.path} has changed; mend the plant '{plant.subject}'"
    blob = _git("hash-object", "-w", "--stdin", given=text.replace(plant.before, plant.after))
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git("read-tree", base, environment=index)
        _git("update-index", "--cacheinfo", f"100644,{blob},{plant.path}", environment=index)
        tree = _git("write-tree", environment=index)
    return _git("commit-tree", tree, "-p", base, "-m", plant.subject, environment=_WHO)


_WHO: Final = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "A. Tester"), ("EMAIL", "tester@example.invalid"), ("DATE", "2026-01-01T00:00:00Z"))
}


def _git(*arguments: str, given: str | None = None, environment: dict[str, str] | None = None, strip: bool = True) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments],
        input=given,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip() if strip else done.stdout


if __name__ == "__main__":
    print(planted(PLANTS[sys.argv[1]]))
