"""What one delivered message costs in the whole live world: CPU microseconds in each role of the server and in the load generator.

    python -m tests.benchmarks.bench_pipeline [--driver locust|asyncio] [--rates 1000 5000] [--seconds 10] [--repeats 3]

Each line is one rate of ``access_restart`` without its fault, all conversations direct (one delivery a message), preset ``cursor``, judged
like any other run. Server and generator are bound to cores of their own, as in every live run. Costs are medians over repeats, with the
least and the largest; ``done`` is the share of what was offered that was delivered in the time of the load: a rate whose ``done`` is
far below 1 was not driven. ``ratio`` is the generator's cost over a yardstick taken right after: the CPU that uvloop alone takes to pass a
frame of that size to and fro, so that machines and busy hours compare. Run it on an idle machine, and not in the checks.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from model.history.run_folder import METRICS
from model.scenario import Scenario
from scenarios.running import catalog
from scenarios.running.live import Driver
from scenarios.running.progress import Silent
from scenarios.running.run import run

FRAME_BYTES = 150
"""About a send of 120 bytes."""
ROLES = ("gateway", "business", "generator")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=("locust", "asyncio"), default="locust", help="who makes the load (locust)")
    parser.add_argument("--rates", type=float, nargs="+", default=[1000, 5000], help="messages per second (1000 5000)")
    parser.add_argument("--seconds", type=float, default=10, help="length of each load (10)")
    parser.add_argument("--repeats", type=int, default=3, help="runs at each rate (3)")
    options = parser.parse_args()
    print(f"{options.driver}: CPU us per delivered message, median [least, largest] of {options.repeats}")
    print(f"{'rate/s':>8} {'done':>6} " + " ".join(f"{role:>24}" for role in ROLES) + "  ratio, generator's core, verdicts")
    for rate in options.rates:
        found = [measure(rate, options.seconds, options.driver) | {"yardstick": yardstick()} for _ in range(options.repeats)]
        print(line(rate, found), flush=True)
    return 0


def loaded(rate: float, seconds: float) -> Scenario:
    """The scenario at a rate, with nothing going wrong."""
    scenario = catalog.load("access_restart").short()
    workload = msgspec.structs.replace(scenario.workload, rate_per_s=rate, direct_share=1.0)
    return msgspec.structs.replace(scenario, workload=workload, faults=(), duration_s=seconds, warm_up_s=1.0)


def measure(rate: float, seconds: float, driver: Driver) -> dict[str, Any]:
    """One run, and what its metrics say."""
    with tempfile.TemporaryDirectory() as folder:
        result = run(loaded(rate, seconds), "live", "cursor", 1, Path(folder), Silent(), driver=driver)
        assert result.folder is not None
        metrics: dict[str, Any] = msgspec.json.decode((result.folder / METRICS).read_bytes())
    return {
        "done": metrics["deliveries"] / max(1, result.measures["sends"]["intended"]),
        "verdict": result.verdict,
        "cpu_max": metrics["generator"].get("cpu_max", float("nan")),
        **{role: metrics["cost"][role]["cpu_us_per_delivery"] for role in ROLES},
    }


def yardstick(rounds: int = 5000) -> float:
    """CPU microseconds for two writes and two reads of a frame's size on a connection of one process, on uvloop."""
    taken: float = uvloop.run(_echoes(rounds))
    return taken / rounds


async def _echoes(rounds: int) -> float:
    """CPU microseconds of so many frames there and back."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    began = time.process_time_ns()
    for _ in range(rounds):
        writer.write(bytes(FRAME_BYTES))
        await reader.readexactly(FRAME_BYTES)
    taken = (time.process_time_ns() - began) / 1000
    writer.close()
    server.close()
    return taken


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(FRAME_BYTES):
        writer.write(data)
    writer.close()


def line(rate: float, found: list[dict[str, Any]]) -> str:
    """One rate, in one line."""
    costs = " ".join(f"{spread([one[role] for one in found]):>24}" for role in ROLES)
    done = statistics.median(one["done"] for one in found)
    busy = max(one["cpu_max"] for one in found)
    ratio = statistics.median(one["generator"] / one["yardstick"] for one in found)
    return f"{rate:8.0f} {done:6.3f} {costs}  {ratio:.1f}, {busy:.0%}, {', '.join(one['verdict'] for one in found)}"


def spread(values: list[float]) -> str:
    """Median, and the range."""
    return f"{statistics.median(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


if __name__ == "__main__":
    sys.exit(main())
