"""How fast the simulated world is: messages delivered in a second of wall time, and what a run costs beside it.

    python -m tests.benchmarks.bench_sim [--repeats 5] [--rate 200] [--users 200] [--heartbeat 3] [--preset cursor] [--calm]

The scenario is ``access_restart`` with its fault (``--calm``: without), preset by preset; the time is that of ``model.sim.run`` alone,
judging and writing left out. Medians with the least and the largest over repeats of the same run, whose trace digests must be equal. Own
messages, which their device places itself, count as delivered, as they do in histories. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time

import msgspec

import model.sim
from model.core.policies import PRESETS
from scenarios.running import catalog


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each preset (5)")
    parser.add_argument("--rate", type=float, default=200, help="messages per second of simulated time (200)")
    parser.add_argument("--users", type=int, default=200, help="users, one device each (200)")
    parser.add_argument("--heartbeat", type=float, default=3, help="seconds between two pings of a device (3)")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="one preset only")
    parser.add_argument("--calm", action="store_true", help="no fault")
    options = parser.parse_args()
    scenario = catalog.load("access_restart")
    scenario = msgspec.structs.replace(
        scenario,
        population=msgspec.structs.replace(scenario.population, users=options.users),
        workload=msgspec.structs.replace(scenario.workload, rate_per_s=options.rate),
        timers=msgspec.structs.replace(scenario.timers, heartbeat_us=round(options.heartbeat * 1e6)),
        faults=() if options.calm else scenario.faults,
    )
    print(f"{options.users:,} users, {options.rate:g} sends/s, Python {platform.python_version()}, garbage collected seldom")
    for preset in [options.preset] if options.preset else PRESETS:
        rates, digests, delivered = [], set(), 0
        for _ in range(options.repeats):
            began = time.perf_counter()
            result = model.sim.run(scenario, preset, 1)
            rates.append(result.messages_delivered / (time.perf_counter() - began))
            digests.add(result.trace_digest)
            delivered = result.messages_delivered
        assert len(digests) == 1, "one seed gave two traces"
        median, least, most = statistics.median(rates), min(rates), max(rates)
        print(f"{preset:7} {delivered:8,} delivered, {median:8,.0f}/s of wall time [{least:,.0f}, {most:,.0f}]", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
