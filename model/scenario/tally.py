"""The tally of a server's role: what it has done so far, as counters that whoever started it may read while it works.

Where ``IMBENCH_TALLIES`` names a folder, a role maps ``<folder>/<pid>.tally`` and counts in it; a reader maps or reads the same file at
any instant, and the difference of two readings is what was done between them. Nobody is asked and nothing is written by a system call,
so a role that is counted behaves as one that is not. A killed role leaves its last counts.

The file is 64-bit integers in the machine's byte order: first what came in by kind of frame (:mod:`model.core.frames`), then by kind of
envelope (:mod:`model.core.envelopes`), then the counters of ``NAMES``. A role leaves those that are not its own at 0.
"""

from __future__ import annotations

import mmap
import os
from array import array
from bisect import bisect_right
from pathlib import Path

TALLY_VARIABLE = "IMBENCH_TALLIES"

FRAMES, ENVELOPES, OTHERS = 0, 64, 128
"""Where the three parts begin."""
NAMES = (
    "turns",  # of the loop in which anything came in
    "opened",  # connections accepted
    "envelopes_in",
    "envelopes_out",
    "writes",  # connections written to, each turn anew
    "frames_out",  # to clients
    "client_bytes",  # read from clients and written to them
    "link_bytes",  # read from and written to links between gateway and business
    "results",  # of storage
    "targets",  # connections that frames were addressed to
    "commits",
    "rows",  # that commits wrote
    "conversations",  # that each commit wrote to
    "bytes_kept",  # payloads in them
    "reads",  # pages read from storage
    "page_rows",  # messages in them
    "page_bytes",  # payloads in those
    "commit_elapsed_us",
    "rests_brief",  # turns of the loop that began after a rest, by its length as RESTS_US has them; each counted once
    "rests_short",
    "rests_middle",
    "rests_long",
    "commit_rests_brief",  # the same of commits and the thread that makes them
    "commit_rests_short",
    "commit_rests_middle",
    "commit_rests_long",
)
TURNS, OPENED, ENVELOPES_IN, ENVELOPES_OUT, WRITES, FRAMES_OUT, CLIENT_BYTES, LINK_BYTES, RESULTS, TARGETS = range(
    OTHERS, OTHERS + 10
)
COMMITS, ROWS, CONVERSATIONS, BYTES_KEPT, READS, PAGE_ROWS, PAGE_BYTES, COMMIT_US = range(OTHERS + 10, OTHERS + 18)
RESTED, COMMIT_RESTED = OTHERS + 18, OTHERS + 22

RESTS = ("brief", "short", "middle", "long")
RESTS_US = (100, 500, 2_000, 8_000)
"""Names of rests, and the lengths they begin at. Who has rested has to be woken up, finds its caches cold and its core asleep, and takes
longer."""
SIZE = OTHERS + len(NAMES)

Tally = memoryview
"""``SIZE`` 64-bit integers, to be counted up in place."""


def rest_class(rested_us: int) -> int:
    """The place of a rest in ``RESTS_US``; below 0 for none."""
    return bisect_right(RESTS_US, rested_us) - 1


def open_tally(pid: int) -> memoryview:
    """The tally of this process: in a file if one is asked for, else in memory. Raises OSError where the file cannot be made."""
    folder = os.environ.get(TALLY_VARIABLE)
    if not folder:
        return memoryview(array("q", bytes(8 * SIZE)))
    path = tally_path(Path(folder), pid)
    path.write_bytes(bytes(8 * SIZE))
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 8 * SIZE)).cast("q")


def tally_path(folder: Path, pid: int) -> Path:
    """Where the process with this id counts."""
    return folder / f"{pid}.tally"


def read_tally(path: Path) -> tuple[int, ...]:
    """All counters as they stand; empty where there is no such file, or it is not whole yet."""
    try:
        found = path.read_bytes()
    except OSError:
        return ()
    return tuple(memoryview(found).cast("q")) if len(found) == 8 * SIZE else ()
