"""What a row costs: to record, to turn into columns, to write and to read. Prints microseconds a row; asserts nothing.

``python -m tests.benchmarks.bench_recorder [ROWS] [FOLDER]``; the folder (default: a temporary one) is where files go. Wall time
of one thread, best of three for recording, once for the rest.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from model.history import at_rest
from model.history.columns import from_rows
from model.history.recorder import FileRecorder, MemoryRecorder, Recorder, Rows, read_rows
from model.history.schema import ROW, Header, Kind, Via

BASE_US = 1_000_000


def microseconds_a_row(rows: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e6 / rows


def record(recorder: Recorder, rows: int) -> None:
    """Deliveries, the longest of the common rows, as a load process records them."""
    take, deliver, live = recorder.record, Kind.DELIVER, Via.LIVE
    for number in range(rows):
        take(deliver, BASE_US + number, 5, 6, 7, number, 9, 1, number, 1 << 63, number, live)


def large(rows: int) -> Rows:
    """Rows as of a run with 10,000 devices in 4,000 conversations, each message seen in five rows."""
    draw = np.random.default_rng(1)
    result = np.zeros(rows, ROW)
    message = np.arange(rows) // 5
    result["t_us"], result["kind"] = np.arange(rows), draw.choice([10, 11, 12, 20, 21], rows)
    result["device"] = draw.integers(1, 10_001, rows)
    result["sender"], result["conversation"] = message * 7919 % 10_000 + 1, message * 7919 % 4_000 + 1
    result["send_counter"], result["seq"], result["value"] = message // 10_000 + 1, message // 4_000 + 1, message
    return result


def main(rows: int, folder: Path) -> None:
    print(f"{rows:,} rows, microseconds a row")
    print(f"record to memory   {min(microseconds_a_row(rows, lambda: record(MemoryRecorder(), rows)) for _ in range(3)):.3f}")
    costs = []
    for attempt in range(3):
        with FileRecorder(folder / f"{attempt}.rows") as recorder:
            costs.append(microseconds_a_row(rows, partial(record, recorder, rows)))
    print(f"record to a file   {min(costs):.3f}")
    print(f"read a recording   {microseconds_a_row(rows, lambda: read_rows(folder / '0.rows')):.3f}")
    recorded = large(rows)
    print(f"rows to columns    {microseconds_a_row(rows, lambda: from_rows(Header(world='live'), recorded)):.3f}")
    history, path = from_rows(Header(world="live"), recorded), folder / "history.parquet"
    print(f"write Parquet      {microseconds_a_row(rows, lambda: at_rest.write(history, path)):.3f}")
    print(f"read Parquet       {microseconds_a_row(rows, lambda: at_rest.read(path)):.3f}")
    print(f"bytes a row        {path.stat().st_size / rows:.1f} at rest, {ROW.itemsize} recorded")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as temporary:
        main(count, Path(sys.argv[2] if len(sys.argv) > 2 else temporary))
