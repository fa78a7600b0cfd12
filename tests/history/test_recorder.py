"""What was recorded is there, in order, whole, whatever becomes of the process that recorded it."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.history.recorder import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    ROW_BYTES,
    FileRecorder,
    MemoryRecorder,
    Recorder,
    Rows,
    merge,
    read_rows,
)
from model.history.schema import ROW, ROW_FORMAT, HistoryError, Kind

FIELDS = ("device", "conversation", "sender", "send_counter", "connection", "epoch", "seq", "content_hash", "value")
SIGNATURE = (*FIELDS, "via", "basis", "code", "user", "node")


def timed(*times: int, device: int = 1) -> Rows:
    """Rows at these times, numbered by their place in ``connection``."""
    recorder = MemoryRecorder(chunk_rows=4)
    for place, t_us in enumerate(times):
        recorder.record(Kind.READY, t_us, device=device, connection=place)
    return recorder.rows()


def test_the_struct_format_and_the_dtype_describe_the_same_bytes() -> None:
    assert struct.calcsize(ROW_FORMAT) == ROW_BYTES == 72
    values = struct.pack(ROW_FORMAT, *range(1, 17))
    assert [int(value) for name, value in zip(ROW.names or (), np.frombuffer(values, ROW)[0], strict=True) if name != "pad"] == [
        *range(1, 17)
    ]


def test_every_argument_lands_in_the_field_of_its_name() -> None:
    recorder = MemoryRecorder()
    recorder.record(20, -5, *range(1, len(SIGNATURE) + 1))
    row = recorder.rows()[0]
    assert (row["kind"], row["t_us"]) == (20, -5)
    assert {name: int(row[name]) for name in SIGNATURE} == {name: place for place, name in enumerate(SIGNATURE, 1)}


@given(
    st.lists(st.tuples(st.integers(1, 255), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)), max_size=40),
    st.integers(1, 9),
)
def test_rows_come_back_in_the_order_of_recording_across_chunks(rows: list[tuple[int, int, int]], chunk_rows: int) -> None:
    recorder = MemoryRecorder(chunk_rows)
    for kind, t_us, content_hash in rows:
        recorder.record(kind, t_us, content_hash=content_hash)
    found = recorder.rows()
    assert list(zip(found["kind"].tolist(), found["t_us"].tolist(), found["content_hash"].tolist(), strict=True)) == rows


def test_a_file_and_memory_hold_the_same_rows(tmp_path: Path, record_sample: Callable[[Recorder], None]) -> None:
    memory, file = MemoryRecorder(), FileRecorder(tmp_path / "a.rows")
    record_sample(memory)
    record_sample(file)
    assert np.array_equal(file.rows(), memory.rows())
    file.close()
    assert np.array_equal(read_rows(tmp_path / "a.rows"), memory.rows())
    assert (tmp_path / "a.rows").stat().st_size == len(memory.rows()) * ROW_BYTES


def test_a_file_grows_beyond_its_first_chunk(tmp_path: Path) -> None:
    with FileRecorder(tmp_path / "a.rows") as recorder:
        for t_us in range(CHUNK_ROWS + 3):
            recorder.record(Kind.READY, t_us)
        alive = recorder.rows()
    assert np.array_equal(alive["t_us"], np.arange(CHUNK_ROWS + 3))
    assert np.array_equal(read_rows(tmp_path / "a.rows"), alive)


def test_a_recording_that_holds_nothing_is_empty(tmp_path: Path) -> None:
    with FileRecorder(tmp_path / "a.rows") as recorder:
        assert len(recorder.rows()) == 0
    assert len(read_rows(tmp_path / "a.rows")) == len(MemoryRecorder().rows()) == 0


def test_rows_are_a_copy() -> None:
    recorder = MemoryRecorder()
    recorder.record(Kind.READY, 1)
    recorder.rows()["t_us"] = 9
    assert recorder.rows()["t_us"].tolist() == [1]


# death -------------------------------------------------------------------------------------------------------------------

RECORD_AND_DIE = """
import os, signal, sys
from model.history.recorder import FileRecorder
recorder = FileRecorder(sys.argv[1])
for t_us in range(int(sys.argv[2])):
    recorder.record(31, t_us, device=7, content_hash=t_us)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("count", [1, 1000, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_rows_survive_kill_9_of_their_process(tmp_path: Path, count: int) -> None:
    path = tmp_path / "killed.rows"
    died = subprocess.run([sys.executable, "-c", RECORD_AND_DIE, str(path), str(count)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    rows = read_rows(path)
    assert rows["t_us"].tolist() == rows["content_hash"].tolist() == list(range(count))
    assert set(rows["device"].tolist()) == {7}


def test_a_row_whose_writer_died_before_its_kind_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "torn.rows"
    with FileRecorder(path) as recorder:
        recorder.record(Kind.READY, 1)
        recorder.record(Kind.READY, 2)
    torn = struct.pack(ROW_FORMAT, 3, 0, *range(1, 15))
    path.write_bytes(path.read_bytes() + torn + bytes(ROW_BYTES))
    assert read_rows(path)["t_us"].tolist() == [1, 2]


def test_a_row_that_was_packed_in_part_is_not_in_the_file(tmp_path: Path) -> None:
    """As if the writer had died there: the fields before the one that does not fit are in the file already."""
    recorder = FileRecorder(tmp_path / "a.rows")
    recorder.record(Kind.READY, 1)
    with pytest.raises(HistoryError, match="cannot be recorded"):
        recorder.record(Kind.READY, 2, device=3, value=2**63)
    assert (3).to_bytes(4, "little") in (tmp_path / "a.rows").read_bytes()[ROW_BYTES : 2 * ROW_BYTES]
    assert read_rows(tmp_path / "a.rows")["t_us"].tolist() == [1]
    recorder.record(Kind.READY, 4)
    assert read_rows(tmp_path / "a.rows")["device"].tolist() == [0, 0]


@pytest.mark.parametrize("cut", [1, ROW_BYTES - 1, ROW_BYTES])
def test_a_file_cut_off_within_a_row_loses_that_row_only(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.rows"
    with FileRecorder(path) as recorder:
        recorder.record(Kind.READY, 1)
        recorder.record(Kind.READY, 2)
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_rows(path)["t_us"].tolist() == [1]


@given(st.lists(st.booleans(), max_size=30))
def test_reading_stops_at_the_first_hole(tmp_path_factory: pytest.TempPathFactory, written: list[bool]) -> None:
    """A machine that lost power may leave holes anywhere; a row behind one is not trusted."""
    rows = np.zeros(len(written), ROW)
    rows["kind"] = written
    path = tmp_path_factory.mktemp("holes") / "a.rows"
    path.write_bytes(rows.tobytes())
    assert len(read_rows(path)) == [*written, False].index(False)


# what is refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"), [("device", 2**31), ("content_hash", -1), ("via", 256), ("seq", 2**63), ("device", 1.5), ("kind", 256)]
)
def test_a_value_that_does_not_fit_is_refused_and_leaves_no_row(field: str, value: int) -> None:
    recorder = MemoryRecorder()
    recorder.record(Kind.READY, 1)
    with pytest.raises(HistoryError, match="cannot be recorded"):
        recorder.record(**{"kind": Kind.READY, "t_us": 2, field: value})
    assert recorder.rows()["t_us"].tolist() == [1]
    recorder.record(Kind.READY, 3)
    assert recorder.rows()["t_us"].tolist() == [1, 3]
    assert recorder.rows()["device"].tolist() == [0, 0]


def test_kind_0_would_end_the_recording_and_is_refused() -> None:
    recorder = MemoryRecorder()
    with pytest.raises(HistoryError, match="kind 0"):
        recorder.record(0, 1)
    assert len(recorder.rows()) == 0


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.rows"
    path.write_bytes(b"precious")
    with pytest.raises(HistoryError, match=r"a\.rows: exists already"):
        FileRecorder(path)
    assert path.read_bytes() == b"precious"


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"nowhere/a\.rows: cannot be made \(No such file or directory\)"):
        FileRecorder(tmp_path / "nowhere" / "a.rows")
    with pytest.raises(HistoryError, match=r"b\.rows: cannot be read \(No such file or directory\)"):
        read_rows(tmp_path / "b.rows")


def test_a_closed_recording_takes_no_more(tmp_path: Path) -> None:
    recorder = FileRecorder(tmp_path / "a.rows")
    recorder.record(Kind.READY, 1)
    recorder.close()
    recorder.close()
    with pytest.raises(HistoryError, match="is closed"):
        recorder.record(Kind.READY, 2)
    assert recorder.rows()["t_us"].tolist() == [1]


def test_a_full_disk_is_an_error_at_the_chunk_that_does_not_fit_and_loses_nothing(
    tmp_path: Path, disk_full_at: Callable[[int], AbstractContextManager[None]]
) -> None:
    recorder = FileRecorder(tmp_path / "a.rows")
    with disk_full_at(CHUNK_BYTES + 4096):
        for t_us in range(CHUNK_ROWS):
            recorder.record(Kind.READY, t_us)
        for _ in range(2):
            with pytest.raises(HistoryError, match=r"a\.rows: no room for more rows \(File too large\); free space"):
                recorder.record(Kind.READY, CHUNK_ROWS)
        assert len(recorder.rows()) == CHUNK_ROWS
    recorder.record(Kind.READY, CHUNK_ROWS)
    recorder.close()
    assert read_rows(tmp_path / "a.rows")["t_us"].tolist() == list(range(CHUNK_ROWS + 1))


# merging -----------------------------------------------------------------------------------------------------------------


def test_rows_of_equal_time_keep_the_order_of_their_recordings() -> None:
    merged = merge([timed(2, 2, 5, device=1), timed(1, 2, 5, device=2)])
    found = list(zip(merged["t_us"].tolist(), merged["device"].tolist(), merged["connection"].tolist(), strict=True))
    assert found == [(1, 2, 0), (2, 1, 0), (2, 1, 1), (2, 2, 1), (5, 1, 2), (5, 2, 2)]


@given(st.lists(st.lists(st.integers(-3, 3), max_size=12), max_size=4))
def test_a_merge_is_a_stable_sort_by_time(recordings: list[list[int]]) -> None:
    merged = merge([timed(*times, device=number) for number, times in enumerate(recordings)])
    rows = [(t_us, number, place) for number, times in enumerate(recordings) for place, t_us in enumerate(times)]
    found = list(zip(merged["t_us"].tolist(), merged["device"].tolist(), merged["connection"].tolist(), strict=True))
    assert found == sorted(rows, key=lambda row: row[0])
