"""What a process says is told of that process; two small programs play the parts of a role's old and new one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reference_server.supervisor import BUSINESS, Child, Supervisor

PROGRAM = """
import pathlib, sys, time
first = pathlib.Path(sys.argv[1])
if first.exists():
    time.sleep(60)  # the successor, which does not serve yet
first.touch()
print("ready", flush=True)
sys.stdin.readline()
time.sleep(0.2)
print("stepped", flush=True)
sys.stdin.read()
"""


def test_what_a_leaving_process_says_is_not_taken_for_the_readiness_of_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "first")]
    child = Child(BUSINESS, command, None, tmp_path)
    supervisor = Supervisor([child], "127.0.0.1", "", control=True)
    told: list[tuple[str, object]] = []
    monkeypatch.setattr(supervisor, "_emit", lambda event, **fields: told.append((event, fields["pid"])))
    supervisor._start(child)
    supervisor._pump(lambda: child.serves, 20.0)
    old = child.process
    assert old is not None
    try:
        child.tell("step 1")
        supervisor._succeed(child)
        supervisor._pump(lambda: told or child.serves, 20.0)
    finally:
        for process in (old, child.process):
            assert process is not None
            process.kill()
            process.wait()
    assert told == [("stepped", old.pid)]
    assert not child.serves
