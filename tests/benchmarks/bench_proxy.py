"""What the fault proxy costs: CPU of its process for each message delivered, before the gateways and between them and business.

Each point is one live run of calm traffic whose only fault comes at its very end and makes the runner put a proxy in. Run it on an idle
machine.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import msgspec

from model.history.run_folder import METRICS, RunFolder
from model.scenario import Fault, Partition, Refuse
from scenarios.running import catalog
from scenarios.running.progress import Silent
from scenarios.running.run import run

SIDES: dict[str, type] = {"clients": Refuse, "business": Partition}


def measure(side: str, rate_per_s: float, duration_s: float, root: Path) -> tuple[int, int]:
    """Messages delivered under load, and microseconds of the proxy's CPU meanwhile."""
    base = catalog.load("access_restart")
    last: Fault = SIDES[side]("gateway-1", duration_s, duration_s + 0.1)
    workload = msgspec.structs.replace(base.workload, rate_per_s=rate_per_s)
    scenario = msgspec.structs.replace(base, faults=(last,), workload=workload, duration_s=duration_s, warm_up_s=1.0)
    result = run(scenario, "live", "cursor", 1, root, Silent(), "asyncio")
    assert result.folder is not None
    metrics = RunFolder.open(result.folder).read_json(METRICS)
    return metrics["deliveries"], round(metrics["cost"]["proxy"]["cpu_us"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0, help="messages sent a second (1000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load (10)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (3)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        for side in SIDES:
            for _ in range(given.repeats):
                deliveries, cpu_us = measure(side, given.rate, given.seconds, Path(root))
                print(f"proxy before {side:8} {deliveries:7,} delivered, {cpu_us / deliveries:6.1f} us of CPU each", flush=True)


if __name__ == "__main__":
    main()
