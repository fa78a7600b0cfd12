"""What a crowd of idle, connected users costs the simulated world: memory a user, and time to log one in.

    python -m tests.benchmarks.bench_crowd [--users 20000] [--parts]

Each user has one device and one conversation, is connected, has logged in with the real rules and pings once a minute; nobody says
anything. Service times are set to nothing, so that the clock of the run does not wait. The resident memory is that of a process of its
own, before the world and after everybody is ready; the recorded history (five rows a user) is part of it. ``--parts`` says by
``tracemalloc``, in a run of its own, which modules hold how much.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import resource
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import msgspec

from model.core.policies import Timers
from model.scenario import Scenario
from model.sim.kernel import seldom_collecting
from model.sim.service_times import ServiceTimes, load
from model.sim.world import World
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

MINUTE_US = 60_000_000
USERS_A_GATEWAY = 15_000
LOGINS_PER_S = 2_000
ROLES = {
    "client, timer, link, gateway": (
        "core/client",
        "observe/client",
        "core/draws",
        "core/gateway",
        "core/tokens",
        "hmac",
        "sim/",
    ),
    "business, log, population": ("core/business", "core/log", "workload/"),
    "history": ("history/",),
}


def crowd(users: int) -> Scenario:
    """Everybody connects, and that is all."""
    return Scenario(
        name="crowd",
        question="What does an idle user cost?",
        gateways=max(2, -(-users // USERS_A_GATEWAY)),
        population=PopulationPlan(users=users, groups_per_user=0),
        workload=WorkloadPlan(rate_per_s=1e-6),
        ramp_s=max(10.0, users / LOGINS_PER_S),
        timers=Timers(heartbeat_us=MINUTE_US),
    )


def free(times: ServiceTimes) -> ServiceTimes:
    """Service times of nothing."""
    costs = {name: 0 for name in times.__struct_fields__ if isinstance(getattr(times, name), int | float)}
    return msgspec.structs.replace(times, **costs, storage_sync_us=((0.0,),))


def connect(users: int) -> World:
    """A world in which all of them are ready, half a minute after the last log-in, when connect time-outs have passed."""
    scenario = crowd(users)
    world = World(scenario, "cursor", 1, free(load()))
    world.kernel.at(scenario.at_us(30), world.kernel.stop)
    with seldom_collecting():
        world.run()
    ready = sum(device.session.settled for device in world.devices.devices.values())
    assert ready == users, f"only {ready} of {users} are connected"
    return world


def resident_bytes() -> int:
    """Of this process, now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(users: int) -> None:
    """Memory and time of one crowd, in this process."""
    before, began = resident_bytes(), time.process_time()
    world = connect(users)
    took, grown = time.process_time() - began, resident_bytes() - before
    print(
        f"{users:,} users: {grown / users:,.0f} B each in a process of {resident_bytes() / 2**30:.2f} GiB, "
        f"{took / users * 1e6:.0f} us of CPU each; {len(world.kernel.pending):,} pending; Python {platform.python_version()}"
    )


def parts(users: int) -> None:
    """Which modules hold the memory."""
    tracemalloc.start()
    world = connect(users)
    held: Counter[str] = Counter()
    for statistic in tracemalloc.take_snapshot().statistics("filename"):
        name = statistic.traceback[0].filename
        held[next((role for role, files in ROLES.items() if any(file in name for file in files)), "other")] += statistic.size
    for role, size in held.most_common():
        print(f"  {size / users:8,.0f} B  {role}")
    assert len(world.devices.devices) == users


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20_000, help="users, even (20,000)")
    parser.add_argument("--parts", action="store_true", help="also say which modules hold the memory")
    options = parser.parse_args()
    for step in (measure, parts) if options.parts else (measure,):
        process = multiprocessing.get_context("spawn").Process(target=step, args=(options.users,))
        process.start()
        process.join()
        if process.exitcode:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
