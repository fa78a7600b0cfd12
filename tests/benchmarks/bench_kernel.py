"""How many events a second the kernel runs, by how many are pending and by which pending set holds them.

    python -m tests.benchmarks.bench_kernel [--repeats 5] [--events 1000000] [--pending 1000 10000 100000 1000000]

The hold model (Jones 1986): a callback that takes place asks for one more, after an exponential time, so the number pending stays the
same. The waits come from a table made before, and are as long as a user's pauses: the mean is 10 s of simulated time. SimPy's own
processes, each of which waits for a time-out again and again, do the same beside it. Medians with the least and the largest over
repeats, with the garbage collector as a run of the simulated world sets it (``seldom_collecting``), and as Python comes. Run it on an
idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from model.sim.kernel import Kernel, seldom_collecting
from model.sim.pending import Buckets, Heap

MEAN_US = 10_000_000
TABLE = 1 << 16


class Hold:
    """A callback that asks for itself again until enough were counted."""

    def __init__(self, kernel: Kernel, waits: list[int], events: int) -> None:
        self._kernel, self._waits, self._left = kernel, waits, events

    def __call__(self) -> None:
        left = self._left = self._left - 1
        if not left:
            self._kernel.stop()
        kernel = self._kernel
        kernel.at(kernel.now + self._waits[left & (TABLE - 1)], self)


def callbacks(kernel: Kernel, waits: list[int], pending: int, events: int) -> float:
    """Events a second of a kernel with so many callbacks pending."""
    hold = Hold(kernel, waits, events)
    for k in range(pending):
        kernel.at(waits[k & (TABLE - 1)] + k % 1000, hold)
    began = time.perf_counter()
    kernel.play()
    return events / (time.perf_counter() - began)


def processes(waits: list[int], pending: int, events: int) -> float:
    """Events a second of plain SimPy, with as many processes."""
    env, left = simpy.Environment(), events
    done = env.event()

    def process(k: int) -> Generator[Any, Any, None]:
        nonlocal left
        while True:
            yield env.timeout(waits[k & (TABLE - 1)])
            k += 7919
            left -= 1
            if not left:
                done.succeed()

    for k in range(pending):
        env.process(process(k))
    began = time.perf_counter()
    env.run(until=done)
    return events / (time.perf_counter() - began)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--events", type=int, default=1_000_000, help="events a run (1,000,000)")
    parser.add_argument(
        "--pending", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000], help="how many are pending"
    )
    options = parser.parse_args()
    waits: list[int] = np.random.default_rng(1).exponential(MEAN_US, TABLE).astype(np.int64).tolist()
    print(f"Python {platform.python_version()}, {options.events:,} events a run, median of {options.repeats} [least, largest]")
    contenders: dict[str, Callable[[int], float]] = {
        "heap": lambda n: callbacks(Kernel(pending=Heap()), waits, n, options.events),
        "buckets": lambda n: callbacks(Kernel(pending=Buckets()), waits, n, options.events),
        "simpy processes": lambda n: processes(waits, n, options.events),
    }
    for pending in options.pending:
        for name, run in contenders.items():
            for policy, collecting in (("seldom", seldom_collecting), ("as it comes", contextlib.nullcontext)):
                rates = []
                for _ in range(options.repeats):
                    with collecting():
                        rates.append(run(pending))
                print(
                    f"{pending:9,} pending  {name:15}  gc {policy:11}  {statistics.median(rates):9,.0f} events/s "
                    f"[{min(rates):,.0f}, {max(rates):,.0f}]",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
