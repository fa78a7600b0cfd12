"""How long the simulated world takes for a storm of reconnects, and how many attempts it comes to.

    python -m tests.benchmarks.bench_storm [--size 20k] [--backoff full_jitter] [--admission "bucket + own hints"]

The storm of the scenario ``reconnect_storm``, without connections that end by themselves and without its messages: everybody logs in,
gateways die (at 1M: every connection is cut), and the clock stops when business has 95 % of those who were cut off again. Told apart are
the log-ins before the storm and the storm itself, in CPU seconds of this process; attempts are connections opened from the cut on, by
each of those who were cut off. A storm that has no end within ten minutes of simulated time is given up.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import time

import msgspec

from model.scenario import Kill, Scenario
from model.sim.kernel import seldom_collecting
from model.sim.service_times import load
from model.sim.world import World
from scenarios.reconnect_storm import BACK, DOORS, SCENARIO, SIZES
from scenarios.running.settings import apply

CUT_S = 5.0
LOOK_US = 10_000
GIVEN_UP_S = 600.0


def storm(size: str, backoff: str, admission: str) -> Scenario:
    """The scenario, but for what is no storm."""
    sizes, doors = ({choice.label: choice for choice in (*axis.choices, *axis.more)} for axis in (SIZES, DOORS))
    scenario = apply(SCENARIO, [*sizes[size].settings, *doors[admission].settings, f"policies.backoff={backoff}"])
    workload = msgspec.structs.replace(scenario.workload, rate_per_s=1e-6)
    return msgspec.structs.replace(scenario, connection_life_s=0.0, workload=workload, duration_s=GIVEN_UP_S)


class Watch:
    """Looks at a world until those who were cut off are back."""

    def __init__(self, world: World) -> None:
        self.world, self.users = world, world.scenario.population.users
        self.cut = self.opened = 0
        self.cut_cpu_s = 0.0
        begin_us = world.scenario.at_us(CUT_S)
        world.kernel.at(begin_us - 1, self._before)
        world.kernel.at(begin_us + 500_000, self._after)

    @property
    def attached(self) -> int:
        """Users that business has."""
        machine = self.world.business._machine
        return 0 if machine is None else len(machine._routes)

    def _before(self) -> None:
        assert self.attached == self.users, "not everybody was there before the storm"
        self.opened, self.cut_cpu_s = self.world.devices.links, time.process_time()
        self.cut = self.users
        if not self._is_cut_everywhere:
            dead = {fault.node for fault in self.world.scenario.faults if isinstance(fault, Kill)}
            self.cut = sum(
                len(gateway.links) for gateway in self.world.devices.gateways if f"gateway-{gateway.number - 1}" in dead
            )

    @property
    def _is_cut_everywhere(self) -> bool:
        return len(self.world.scenario.faults) == self.world.scenario.gateways

    def _after(self) -> None:
        if self.attached >= self.users - (1 - BACK) * self.cut:
            self.world.kernel.stop()
        else:
            self.world.kernel.at(self.world.kernel.now + LOOK_US, self._after)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=[c.label for c in (*SIZES.choices, *SIZES.more)], default="20k", help="users (20k)")
    parser.add_argument("--backoff", default="full_jitter", help="policy of the clients (full_jitter)")
    parser.add_argument(
        "--admission", choices=[c.label for c in DOORS.choices], default="bucket + own hints", help="of the gateways"
    )
    options = parser.parse_args()
    began = time.process_time()
    world = World(storm(options.size, options.backoff, options.admission), "cursor", 1, load())
    watch = Watch(world)
    with seldom_collecting():
        world.run()
    ended, after_s = time.process_time(), (world.kernel.now - world.scenario.at_us(CUT_S)) / 1e6
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{watch.users:,} users, {watch.cut:,} cut off, {options.backoff}, {options.admission}: {BACK:.0%} back after {after_s:.1f} s at "
        f"{(world.devices.links - watch.opened) / watch.cut:.2f} attempts each; {watch.cut_cpu_s - began:.1f} s of CPU for the log-ins "
        f"before, {ended - watch.cut_cpu_s:.1f} s for the storm; {peak_gib:.2f} GiB; Python {platform.python_version()}, garbage collected "
        "seldom"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
