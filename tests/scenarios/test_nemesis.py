"""What the nemesis takes for the work of a fault, and what for an accident; the server's and the proxy's part is played by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.history.recorder import MemoryRecorder
from model.history.schema import Kind
from model.observe import RunObserver
from model.scenario import Deaf, DiskFull, Drain, Fault, Kill, Pause, Scenario
from scenarios.breaking import nemesis
from scenarios.breaking.nemesis import Nemesis

A = "gateway-1"
KILLED, IO_ERROR, BUG, TAKEN = -signal.SIGKILL, 74, 70, 69


class Stage:
    """A nemesis, what it has said to the server and the proxy, and the kinds of rows it has recorded."""

    def __init__(self, *faults: Fault, hands_over: bool = False) -> None:
        self.recorder = MemoryRecorder(chunk_rows=64)
        self.said: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.now = 0
        scenario = Scenario("any", "?", faults=faults)
        nodes = {"business": 1, A: 2, "gateway-2": 3}
        observer = RunObserver(self.recorder)
        say, tell = self.said.append, self.told.append
        self.pid = 0
        clock, pid = lambda: self.now, lambda _: self.pid
        self.nemesis = Nemesis(scenario, observer, nodes.__getitem__, clock, say, tell, Path(), pid, hands_over=hands_over)
        self.orders = self.nemesis.plan()

    def act(self) -> None:
        """The next order."""
        self.now, order = self.orders.pop(0)
        order()

    def exited(self, role: str, status: int) -> bool:
        self.now += 1000
        return self.nemesis.exited(role, status, self.now)

    @property
    def recorded(self) -> list[Kind]:
        return [Kind(kind) for kind in self.recorder.rows()["kind"].tolist() if kind != Kind.FAULT_PLANNED]


@pytest.mark.parametrize(
    ("fault", "order", "status"),
    [
        (Kill(A, 1.0, 2.0), f"kill {A}", KILLED),
        (Drain(A, 1.0, 2.0), f"drain {A}", 0),
        (Deaf(A, 1.0, 2.0), f"kill {A}", KILLED),
        (DiskFull("business", 1.0, 2.0), "", IO_ERROR),
    ],
)
def test_a_process_that_ends_as_its_fault_ends_it_is_the_proof_and_its_successor_the_heal(
    fault: Kill | Drain | Deaf | DiskFull, order: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nemesis.Nemesis, "_fill", lambda *_: None)
    stage = Stage(fault)
    stage.act()
    assert stage.said == [order] * bool(order)
    assert stage.exited(fault.node, status)
    stage.act()
    assert stage.said[-1] == f"start {fault.node}"
    stage.nemesis.started(fault.node, stage.now)
    assert stage.recorded == [Kind.FAULT_BEGUN, Kind.FAULT_HEALED]


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Drain(A, 1.0, 2.0), BUG), (Drain(A, 1.0, 2.0), KILLED), (Kill(A, 1.0, 2.0), BUG), (Kill(A, 1.0, 2.0, "read"), KILLED)],
)
def test_a_process_that_ends_otherwise_is_an_accident_and_no_proof(fault: Kill | Drain, status: int) -> None:
    """A gateway that crashes while it is asked to go is the server's doing; that no drain was proven would say the harness's."""
    stage = Stage(fault)
    stage.act()
    assert not stage.exited(A, status)
    assert stage.recorded == []


def test_a_successor_that_ends_before_it_serves_is_an_accident_and_is_not_started_for_ever() -> None:
    stage = Stage(Kill(A, 1.0, 2.0))
    stage.act()
    assert stage.exited(A, KILLED)
    stage.act()
    assert not stage.exited(A, TAKEN)
    assert stage.said == [f"kill {A}", f"start {A}"]


def test_a_successor_that_serves_before_the_old_one_has_gone_is_no_accident() -> None:
    stage = Stage(Drain(A, 1.0, 2.0), hands_over=True)
    stage.act()
    stage.act()
    assert stage.said == [f"drain {A}", f"start {A}"]
    stage.nemesis.started(A, stage.now)
    assert stage.exited(A, 0)
    assert stage.recorded == [Kind.FAULT_BEGUN, Kind.FAULT_HEALED]


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_disk_that_is_full_until_the_last_moment_has_its_effect(is_reaped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Business has ended, and nobody has told us when the disk has room again."""
    monkeypatch.setattr(nemesis.Nemesis, "_fill", lambda *_: None)
    stage = Stage(DiskFull("business", 1.0, 2.0))
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        stage.pid = dead.pid
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        if is_reaped:
            dead.wait()
        stage.act()
        stage.act()
    assert stage.exited("business", IO_ERROR)
    assert stage.said == ["start business"]
    assert stage.recorded == [Kind.FAULT_BEGUN]


@pytest.mark.parametrize("stood", [True, False])
def test_a_pause_is_over_when_the_process_is_gone(stood: bool) -> None:
    """Else a run with both would never have drained. A pause that nobody has seen begin has nothing to be over."""
    stage = Stage(Pause(A, 1.0, 3.0), Kill(A, 2.0, 4.0))
    stage.act()
    if stood:
        stage.nemesis.paused(A, stage.now)
    stage.act()
    assert stage.exited(A, KILLED)
    assert stage.recorded == [Kind.FAULT_BEGUN, Kind.FAULT_HEALED] * stood + [Kind.FAULT_BEGUN]


def test_a_successor_is_started_once_also_where_the_old_one_goes_before_it_serves() -> None:
    stage = Stage(Drain(A, 1.0, 2.0), hands_over=True)
    stage.act()
    stage.act()
    assert stage.exited(A, 0)
    stage.nemesis.started(A, stage.now)
    assert stage.said == [f"drain {A}", f"start {A}"]
    assert stage.recorded == [Kind.FAULT_BEGUN, Kind.FAULT_HEALED]


def test_who_ends_unasked_is_an_accident() -> None:
    stage = Stage(Pause(A, 1.0, 2.0))
    stage.act()
    assert not stage.exited(A, KILLED)
