"""What the README's first lines promise holds in a fresh clone, with an empty home, on a machine that has only make and Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("uv", [True, False], ids=["uv", "venv"])
def test_make_demo_sets_everything_up_and_holds(tmp_path: Path, uv: bool) -> None:
    if uv and shutil.which("uv") is None:
        pytest.skip("this machine has no uv")
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "IMBENCH_RUNS")}
    folders = [f for f in kept["PATH"].split(os.pathsep) if not f.startswith(str(ROOT)) and (uv or not (Path(f) / "uv").exists())]
    environment = kept | {"HOME": str(home), "PATH": os.pathsep.join(folders)}
    done = subprocess.run(["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" yes ") == 6, done.stdout
    assert (clone / "reports" / "runs" / "demo.html").is_file()
