"""How long a message of two processes is under way: a round trip of a few bytes, halved.

    python -m scenarios.calibrating.delays --family tcp --here 1 --there 0 [--trips 500]

``--family``: tcp (the loopback) or unix; ``--here`` and ``--there``: cores of the two processes, as ``0,1``. They sleep between trips, so
what is measured contains waking a process that waits. On one core a trip is CPU and nothing else, one process after the other; what it
takes more between two cores is the way. Prints one line of JSON: ``{"least_us":31.0,"jitter_us":9.5}``. ``least`` is the tenth percentile,
``jitter`` the mean of what is above it, the slowest hundredth left out, which is other people's.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from statistics import fmean

TRIPS = 500
PAUSE_S = 0.002
"""Between two trips: long enough for both ends to sleep."""


def _pair(family: str) -> tuple[socket.socket, socket.socket]:
    if family == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
    for end in (here, there):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return here, there


def _echo(end: socket.socket, trips: int) -> None:
    for _ in range(trips):
        end.sendall(end.recv(8))


def _travel(end: socket.socket, trips: int) -> list[float]:
    """Round trips in microseconds."""
    took = []
    for _ in range(trips):
        time.sleep(PAUSE_S)
        began_ns = time.perf_counter_ns()
        end.sendall(b"8 bytes!")
        end.recv(8)
        took.append((time.perf_counter_ns() - began_ns) / 1000)
    return took


def one_way(trips_us: Sequence[float]) -> tuple[float, float]:
    """(least, mean of what is above it) of half a trip."""
    ways = sorted(trip / 2 for trip in trips_us)
    ways = ways[: max(1, len(ways) - len(ways) // 100)]
    least = ways[len(ways) // 10]
    return least, max(0.0, fmean(ways) - least)


def _stay_on(cores: str) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the delay between two processes.")
    parser.add_argument("--family", choices=["tcp", "unix"], default="tcp")
    parser.add_argument("--here", default="", help="cores of this process (any)")
    parser.add_argument("--there", default="", help="cores of the other one (any)")
    parser.add_argument("--trips", type=int, default=TRIPS)
    options = parser.parse_args()
    here, there = _pair(options.family)
    child = os.fork()  # nothing runs in this process but this
    if child == 0:
        _stay_on(options.there)
        _echo(there, options.trips)
        os._exit(0)
    there.close()
    _stay_on(options.here)
    least, jitter = one_way(_travel(here, options.trips))
    os.waitpid(child, 0)
    print(json.dumps({"least_us": round(least, 1), "jitter_us": round(jitter, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
