"""What the tests of this folder share: a recording with one of every family of rows, and a disk that is full."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from model.history.at_rest import read
from model.history.columns import History, from_rows
from model.history.recorder import MemoryRecorder, Recorder
from model.history.schema import Basis, Contract, FaultKind, Header, HistoryError, Kind, LatencyPromise, Phase, Via

HASH = 2**64 - 59
_HEADER = Header(
    world="live",
    scenario="access_restart",
    scenario_digest="abc",
    preset="cursor",
    seed=7,
    contract=Contract(fails={"late": True}, latency=(LatencyPromise("ack", 0.99, 200_000),)),
    policies={"send": "once"},
    timers_us={"heartbeat_us": 3_000_000},
    nodes={1: "gateway-1", 2: "business"},
    codes={1: "not_a_member", 23: "gave_up", 44: "idle"},
    generator_cpu_max=0.4375,
)


def _record_sample(recorder: Recorder) -> None:
    """One of every family of rows: two devices, one message delivered, one given up, a fault, a phase."""
    record = recorder.record
    record(Kind.DEVICE, 0, device=17, user=17, node=1)
    record(Kind.DEVICE, 0, device=5, user=6, node=2)
    record(Kind.MEMBER, 0, user=17, conversation=3)
    record(Kind.PHASE, 0, code=Phase.WARM_UP)
    record(Kind.FAULT_PLANNED, 5, node=1, value=1, code=FaultKind.KILL)
    record(Kind.INTEND, 10, device=17, conversation=3, sender=17, send_counter=1, content_hash=HASH)
    record(Kind.INVOKE, 11, device=17, conversation=3, sender=17, send_counter=1, content_hash=HASH)
    record(Kind.OK, 30, device=17, conversation=3, sender=17, send_counter=1, basis=Basis.COMMITTED, epoch=1, seq=1, value=9)
    record(
        Kind.DELIVER,
        31,
        device=5,
        conversation=3,
        sender=17,
        send_counter=1,
        connection=2,
        via=Via.LIVE,
        epoch=1,
        seq=1,
        content_hash=HASH,
        value=9,
    )
    record(Kind.INFO, 40, device=17, conversation=3, sender=17, send_counter=2, code=23)
    record(Kind.DISCONNECTED, 41, device=5, connection=2, node=1, code=99)
    record(Kind.PROCESS_EXITED, 42, node=1, value=4711, code=-9)
    record(Kind.RECEIVE_CONFIRMED, 43, device=5, conversation=3, connection=2, seq=1, value=1)
    record(Kind.READY, 44, device=5, connection=2, node=1, value=3)


@pytest.fixture(scope="session")
def header() -> Header:
    """A header with no field at its default, as far as that can be."""
    return _HEADER


@pytest.fixture(scope="session")
def record_sample() -> Callable[[Recorder], None]:
    """Records the sample."""
    return _record_sample


@pytest.fixture(scope="session")
def sample() -> History:
    """The sample as columns."""
    recorder = MemoryRecorder(chunk_rows=64)
    _record_sample(recorder)
    return from_rows(_HEADER, recorder.rows())


@contextmanager
def _disk_full_at(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: the kernel refuses, as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="session")
def disk_full_at() -> Callable[[int], AbstractContextManager[None]]:
    """Makes the disk full beyond so many bytes of a file."""
    return _disk_full_at


def reading_fails(path: Path) -> str:
    """The one line that reading a file gives, without the file's name."""
    with pytest.raises(HistoryError) as raised:
        read(path)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")
