"""Real comparisons on this machine: a build with itself, and with changes that a reviewer overlooked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.running.exits import INCONCLUSIVE, REGRESSED, VALID
from tests.comparing.revisions import PLANTS, ROOT, planted

OPTIONS = ("--scenario", "standard_mix", "--set", "workload.rate_per_s=600", "--set", "duration_s=3", "--pairs", "8")
NAMED = {
    "slow_gateway": "REGRESSED: standard_mix cursor: CPU of gateways per delivered message",
    "leaking_gateway": "REGRESSED: standard_mix cursor: memory of gateways",
}


def compare(base: str, candidate: str, place: Path) -> tuple[int, str]:
    """The exit code, and what is told."""
    command = [sys.executable, str(ROOT / "imbench.py"), "compare", base, candidate, *OPTIONS, "--noise", str(place / "noise")]
    done = subprocess.run([*command, "--out", str(place / candidate)], capture_output=True, text=True, timeout=1500)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.live
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="revisions are those of a git checkout")
def test_a_build_is_as_fast_as_itself_and_planted_changes_are_named(tmp_path: Path) -> None:
    base = planted(PLANTS["nothing"])
    status, told = compare(base, base, tmp_path)
    assert status in (VALID, INCONCLUSIVE), told
    for name, line in NAMED.items():
        status, told = compare(base, planted(PLANTS[name]), tmp_path)
        assert status == REGRESSED, told
        assert told.startswith(line), told
