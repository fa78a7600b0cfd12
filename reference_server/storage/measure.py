"""What a group commit takes on this disk, by the number of messages in it: elapsed time, and CPU.

    python -m reference_server.storage.measure --data DIR [--commits 100] [--payload 120]

A database is made in DIR, which must not exist; groups of each size are committed in turn, with a rest between them as on a quiet server.
One line of JSON for each commit:
``{"rows":20,"elapsed_us":512.3,"cpu_us":251.9}``. What is elapsed and no CPU is the wait for the disk.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from model.core.commands import Append
from model.core.log import Conversation
from reference_server.process import OK, Arguments, Unusable, whole
from reference_server.storage.database import Database

RESTS_S = (0.0, 0.0003, 0.001, 0.004, 0.01)
"""Between two commits: none, and one of each length (:data:`model.scenario.tally.RESTS_US`). Disks and cores are slower after one."""
CONVERSATIONS = 70
"""Those of a hundred users in pairs and groups of five: each keeps its messages on pages of its own, and a commit writes whole pages."""
SIZES = (1, 2, 5, 20, 100)
"""Messages in a group: from a quiet server to one at its limit."""


def commits(folder: Path, count: int, payload: bytes) -> Iterator[dict[str, float]]:
    """What ``count`` commits of each size after each rest took: elapsed and CPU microseconds."""
    database = Database(folder, [Conversation(n, "direct", (1, 2)) for n in range(1, CONVERSATIONS + 1)])
    sent = 0
    try:
        for rest_s, size in list(product(RESTS_S, SIZES)) * count:
            numbers = range(sent, sent + size)
            group = [Append(n, n % CONVERSATIONS + 1, 1, 1, n // CONVERSATIONS + 1, payload, True) for n in numbers]
            sent += size
            time.sleep(rest_s)
            wall_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            database.run(group)
            took = {"elapsed_us": (time.perf_counter_ns() - wall_ns) / 1000, "cpu_us": (time.thread_time_ns() - cpu_ns) / 1000}
            yield {"rest_us": rest_s * 1e6, "rows": size, "conversations": min(size, CONVERSATIONS), **took}
    finally:
        database.close()


def main() -> int:
    """The command line of ``python -m reference_server.storage.measure``."""
    parser = Arguments("reference_server.storage.measure", description="Time group commits of a new database.")
    parser.add_argument("--data", type=Path, required=True, help="folder to make")
    parser.add_argument("--commits", type=whole(1, 10_000), default=100, help="commits of each size (100)")
    parser.add_argument("--payload", type=whole(1, 16_384), default=120, help="bytes of a message (120)")
    options = parser.parse_args()
    try:
        for commit in commits(options.data, options.commits, b"x" * options.payload):
            print(json.dumps({name: round(value, 1) for name, value in commit.items()}))
    except Unusable as error:
        print(f"measure: {error}", file=sys.stderr)
        return error.status
    return OK


if __name__ == "__main__":
    sys.exit(main())
