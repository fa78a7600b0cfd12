"""How fast the judges are: seconds to read and to judge a history, the most memory it took, and how that grows with its rows.

    python -m tests.benchmarks.bench_judge [--sizes 1e4 1e5 1e6 1e7] [--preset cursor] [--repeats 3] [--hostile]

Each history is played by the simulated world (``access_restart`` with its fault, at up to 1,000 messages a second and one user for each),
written as Parquet; then it is read and judged by processes of their own, each held to one core. Medians with the least
and the largest over repeats. Run it on an idle machine; 1e7 rows take five minutes to play.

With ``--hostile`` the histories are made up instead, each of a shape that a careless judge takes quadratic time for: everything delivered
twice and confirmed, one conversation with everything, a long ring of contradicting orders, a group in which everybody sends, hears
everybody and loses something. The last is the one whose cost may grow faster than its rows: see ``model/checkers/causes.py``.
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
import numpy as np
from numpy.typing import NDArray

import model.sim
from model.checkers import judge
from model.history import at_rest
from model.history.columns import from_rows
from model.history.schema import ROW, Basis, Header, Kind, Phase, Via
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


Rows = NDArray[np.void]


def rows_of(kind: Kind, t_us: NDArray[np.int64] | int, **columns: NDArray[np.int64] | int) -> Rows:
    """Rows of one kind; what is one number holds for all."""
    count = max(np.size(values) for values in (t_us, *columns.values()))
    result = np.zeros(count, ROW)
    for name, values in {"kind": int(kind), "t_us": t_us, **columns}.items():
        result[name] = values
    return result


def people(count: int, members: int) -> list[Rows]:
    """So many devices, each of a user of its own, of whom some are members of conversation 1."""
    devices, users = np.arange(1, count + 1), np.arange(1, members + 1)
    return [rows_of(Kind.DEVICE, 0, device=devices, user=devices, node=1), rows_of(Kind.MEMBER, 0, user=users, conversation=1)]


class Sends:
    """Messages of conversation 1, a millisecond apart, in the order of their positions."""

    def __init__(self, senders: NDArray[np.int64], placed: bool = True) -> None:
        self.t_us = 1000 * np.arange(1, len(senders) + 1)
        order = np.argsort(senders, kind="stable")
        counter = np.empty(len(senders), np.int64)
        counter[order] = 1 + np.arange(len(senders)) - np.searchsorted(senders[order], senders[order])
        self._of = {"conversation": np.ones(len(senders), np.int64), "sender": senders, "send_counter": counter}
        self.seq = np.arange(1, len(senders) + 1) if placed else np.zeros(len(senders), np.int64)

    def rows(self) -> list[Rows]:
        """What their senders did and heard."""
        mine = {"device": self._of["sender"], **self._of}
        begun = [rows_of(kind, self.t_us, content_hash=7, **mine) for kind in (Kind.INTEND, Kind.INVOKE, Kind.ATTEMPT)]
        return [
            *begun,
            rows_of(Kind.OK, self.t_us + 1, basis=int(Basis.COMMITTED), epoch=1, seq=self.seq, value=self.seq, **mine),
        ]

    def seen(self, kind: Kind, which: NDArray[np.int64], device: NDArray[np.int64] | int, t_us: NDArray[np.int64]) -> Rows:
        """Some of them, seen at devices."""
        of = {name: column[which] for name, column in self._of.items()}
        return rows_of(kind, t_us, device=device, epoch=1, seq=self.seq[which], content_hash=7, via=int(Via.LIVE), **of)


def twice_confirmed(rows: int) -> list[Rows]:
    """Every message arrives, is confirmed, and arrives again."""
    sends = Sends(np.ones(rows // 8, np.int64))
    every = np.arange(len(sends.t_us))
    arrived = [sends.seen(kind, every, 2, sends.t_us + at) for kind, at in ((Kind.WIRE, 2), (Kind.DELIVER, 3), (Kind.WIRE, 5))]
    said = rows_of(Kind.RECEIVE_CONFIRMED, sends.t_us + 4, device=2, conversation=1, epoch=1, seq=sends.seq, value=1)
    return [*people(2, 2), *sends.rows(), *arrived, said]


def one_conversation(rows: int, members: int = 50, lost: float = 0.0) -> list[Rows]:
    """Everybody sends in turn, and hears everybody within two messages; some of it may be lost."""
    count = max(1, rows // (4 + members))
    sends = Sends(1 + np.arange(count) % members)
    which, device = np.repeat(np.arange(count), members - 1), np.tile(np.arange(1, members), count)
    device = 1 + (which + device) % members
    came = np.random.default_rng(1).random(len(which)) >= lost
    return [
        *people(members, members),
        *sends.rows(),
        sends.seen(Kind.DELIVER, which[came], device[came], sends.t_us[which[came]] + 2000),
    ]


def everybody_sends(rows: int) -> list[Rows]:
    """As many members as messages of each, one in fifty lost."""
    return one_conversation(rows, max(3, round(rows ** (1 / 3))), 0.02)


def long_ring(rows: int) -> list[Rows]:
    """Each device shows a message before the next one, the last device the last before the first."""
    count = max(2, rows // 7)
    sends = Sends(np.full(count, count + 1), placed=False)
    every, after = np.arange(count), 1000 * (count + 2)
    shown = [sends.seen(Kind.DELIVER, (every + at) % count, every + 1, np.full(count, after + at)) for at in (0, 1)]
    return [*people(count + 1, 1), *sends.rows(), *shown]


HOSTILE = {shape.__name__: shape for shape in (twice_confirmed, one_conversation, long_ring, everybody_sends)}


def make_up(shape: str, rows: int, path: Path) -> None:
    """Write a hostile history of about so many rows."""
    parts = HOSTILE[shape](rows)
    end_us = max(int(part["t_us"].max()) for part in parts) + 1
    phases = ((Phase.WARM_UP, 0), (Phase.MEASURE, 0), (Phase.DRAIN, 1), (Phase.QUIET, 2), (Phase.AUDIT, 3), (Phase.END, 4))
    parts += [rows_of(Kind.PHASE, end_us + at if at else 0, code=int(phase)) for phase, at in phases]
    at_rest.write(from_rows(Header(world="made up", scenario=shape), np.concatenate(parts)), path)


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
    parser.add_argument("--hostile", action="store_true", help="histories made up to cost much, in place of played ones")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for shape in HOSTILE if options.hostile else ("",):
            if shape:
                print(shape.replace("_", " "))
            for size in options.sizes:
                path = Path(folder) / f"{size:.0f}.parquet"
                if shape:
                    make_up(shape, int(size), path)
                else:
                    play(int(size), options.preset, path)
                compare(path, options.repeats)
                path.unlink()
    return 0


def compare(path: Path, repeats: int) -> None:
    """Print what one history took, in processes of their own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_judge", "--one", str(path)]
    found = [json.loads(subprocess.check_output(command, text=True)) for _ in range(repeats)]
    rows, total = found[0]["rows"], [one["read"] + one["judge"] for one in found]
    parts = [told("read", [one["read"] for one in found], 2), told("judged", [one["judge"] for one in found], 2)]
    each = statistics.median(total) / rows * 1e6
    peak = max(one["peak"] for one in found)
    print(f"{rows:11,.0f} rows: {', '.join(parts)}, {each:.2f} us a row, at most {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
