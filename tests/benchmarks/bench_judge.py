"""How fast the judges are: seconds to read and to judge a history, the most memory it took, and how that grows with its rows.

    python -m tests.benchmarks.bench_judge [--sizes 1e4 1e5 1e6 1e7] [--preset cursor] [--repeats 3]

Each history is played by the simulated world (``access_restart`` with its fault, at up to 1,000 messages a second and one user for each),
written as Parquet; then it is read and judged by processes of their own, each held to one core. Medians with the least
and the largest over repeats. Run it on an idle machine; 1e7 rows take five minutes to play.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

import model.sim
from model.checkers import judge
from model.history import at_rest
from model.history.columns import from_rows
from scenarios.running import catalog

ROWS_PER_MESSAGE = 16.7
RATE_MAX = 1_000.0
LOAD_S = 30.0


def play(rows: int, preset: str, path: Path) -> None:
    """Write a history of about so many rows."""
    messages = rows / ROWS_PER_MESSAGE
    rate = min(RATE_MAX, max(messages / LOAD_S, 10.0))
    scenario = catalog.load("access_restart")
    scenario = msgspec.structs.replace(
        scenario,
        duration_s=max(LOAD_S, messages / rate),
        population=msgspec.structs.replace(scenario.population, users=int(max(rate, 50))),
        workload=msgspec.structs.replace(scenario.workload, rate_per_s=rate),
    )
    result = model.sim.run(scenario, preset, 1)
    at_rest.write(from_rows(result.header, result.rows), path)


def measure(path: Path) -> dict[str, float]:
    """Read and judge one history, in this process."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    began = time.perf_counter()
    history = at_rest.read(path)
    read = time.perf_counter()
    verdict = judge(history).verdict
    done = time.perf_counter()
    assert verdict in ("valid", "invalid"), verdict
    return {"rows": len(history), "read": read - began, "judge": done - read, "peak": peak_gib()}


def peak_gib() -> float:
    """The most memory this process held; getrusage would count what its parent held when it was started."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / (1 << 20)


def told(name: str, values: list[float], digits: int) -> str:
    """Median, least and largest."""
    return f"{name} {statistics.median(values):.{digits}f} s [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e4, 1e5, 1e6, 1e7], help="rows (1e4 1e5 1e6 1e7)")
    parser.add_argument("--preset", default="cursor", help="policies to play with (cursor)")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each size (3)")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            path = Path(folder) / f"{size:.0f}.parquet"
            play(int(size), options.preset, path)
            command = [sys.executable, "-m", "tests.benchmarks.bench_judge", "--one", str(path)]
            found = [json.loads(subprocess.check_output(command, text=True)) for _ in range(options.repeats)]
            rows, total = found[0]["rows"], [one["read"] + one["judge"] for one in found]
            parts = [told("read", [one["read"] for one in found], 2), told("judged", [one["judge"] for one in found], 2)]
            each = statistics.median(total) / rows * 1e6
            print(
                f"{rows:11,.0f} rows: {', '.join(parts)}, {each:.2f} us a row, at most {max(one['peak'] for one in found):.2f} GiB",
                flush=True,
            )
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
