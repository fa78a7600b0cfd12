"""What a group commit takes on this disk, and what a checkpoint: elapsed time, and CPU.

    python -m reference_server.storage.measure --data DIR [--commits 60]

A database is made in DIR, which must not exist; groups of each size are committed in turn after rests of each length, some with large
payloads, and checkpoints are made by hand when a commit would have made one. One line of JSON for each commit and each checkpoint:
``{"rest_us":200.0,"rows":20,"conversations":20,"payload":120,"pages":37.0,"elapsed_us":512.3,"cpu_us":251.9}``, where pages are those
that it wrote to the log; ``{"checkpoint_kib":120.5,"elapsed_us":1830.1,"cpu_us":1102.2}``, by the payloads since the last one. What is
elapsed and no CPU is the wait for the disk.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

from model.core.commands import Append
from model.core.log import Conversation
from reference_server.process import OK, Arguments, Unusable, whole
from reference_server.storage.database import CHECKPOINT_PAGES, DATABASE_NAME, Database

RESTS_S = (0.0, 0.0002, 0.001, 0.004, 0.01)
"""Between two commits: none, and one of each length (:data:`model.scenario.tally.RESTS_US`). Disks and cores are slower after one."""
CONVERSATIONS = 70
"""Those of a hundred users in pairs and groups of five: each keeps its messages on pages of its own, and a commit writes whole pages."""
SIZES = (1, 2, 5, 20, 100)
"""Messages in a group: from a quiet server to one at its limit."""
PAYLOAD, LARGE = 120, 1024
"""Bytes of a message; large ones in groups of up to ``SMALL``."""
SMALL = 5
FRAMES_AT = 16
"""Where the log's index has the number of frames, a page each: 32 bits of the machine (sqlite.org/walformat.html, 2.1, mxFrame)."""

Line = dict[str, float]


def measured(folder: Path, count: int) -> Iterator[Line]:
    """``count`` commits of each kind, and the checkpoints between them."""
    database = Database(folder, [Conversation(n, "direct", (1, 2)) for n in range(1, CONVERSATIONS + 1)], checkpoint_pages=0)
    index = folder / f"{DATABASE_NAME}-shm"
    small = [(rest_s, size, PAYLOAD) for rest_s, size in product(RESTS_S, SIZES)]
    large = [(RESTS_S[1], size, LARGE) for size in SIZES if size <= SMALL] * 2
    sent, pages, kib = 0, 0, 0.0
    try:
        for rest_s, size, payload in small * count + large * count:
            first, group = (_group(sent + k * size, size, b"x" * payload) for k in (0, 1))
            sent += 2 * size
            database.run(first)  # which the rest is from; without one, the next follows at once
            before = _frames(index)
            if rest_s:
                time.sleep(rest_s)
            took = _timed(partial(database.run, group))
            pages, kib = _frames(index), kib + 2 * size * payload / 1024
            kind = {"rest_us": rest_s * 1e6, "rows": size, "conversations": min(size, CONVERSATIONS), "payload": payload}
            yield {**kind, "pages": pages - before, **took}
            if pages >= CHECKPOINT_PAGES:
                yield {"checkpoint_kib": kib} | _timed(database.checkpoint)
                pages, kib = 0, 0.0  # the next commit begins the log anew
    finally:
        database.close()


def _frames(index: Path) -> int:
    with index.open("rb") as file:
        return int.from_bytes(file.read(FRAMES_AT + 4)[FRAMES_AT:], sys.byteorder)


def _group(sent: int, size: int, payload: bytes) -> list[Append]:
    return [Append(n, n % CONVERSATIONS + 1, 1, 1, n // CONVERSATIONS + 1, payload, True) for n in range(sent, sent + size)]


def _timed(work: Callable[[], object]) -> Line:
    wall_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
    work()
    return {"elapsed_us": (time.perf_counter_ns() - wall_ns) / 1000, "cpu_us": (time.thread_time_ns() - cpu_ns) / 1000}


def main() -> int:
    """The command line of ``python -m reference_server.storage.measure``."""
    parser = Arguments("reference_server.storage.measure", description="Time group commits and checkpoints of a new database.")
    parser.add_argument("--data", type=Path, required=True, help="folder to make")
    parser.add_argument("--commits", type=whole(1, 10_000), default=60, help="commits of each kind (60)")
    options = parser.parse_args()
    try:
        for line in measured(options.data, options.commits):
            print(json.dumps({name: round(value, 1) for name, value in line.items()}))
    except Unusable as error:
        print(f"measure: {error}", file=sys.stderr)
        return error.status
    return OK


if __name__ == "__main__":
    sys.exit(main())
