"""The proxy's process: doors, opened and struck as its runner says.

    python -m scenarios.breaking.proxy JOB

It prints ``ready [addresses]``, one for each door of the job, then takes commands on stdin and prints events, one JSON object a line:

    {"do":"begin","fault":3}   {"do":"heal","fault":3}   {"do":"shut","node":"gateway-1"}   {"do":"open","node":"gateway-1"}
    {"event":"begun","fault":3,"count":20,"t_ns":...}    {"event":"healed","fault":3,"count":20,"t_ns":...}

``t_ns`` is CLOCK_MONOTONIC, as everywhere in a run. The end of stdin ends it, and so does SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from model.scenario import Scenario, faults
from model.scenario.descriptors import raise_limit
from model.scenario.pulse import keep_pulse
from scenarios.breaking.deeds import DEEDS, Case
from scenarios.breaking.doors import Door, DoorPlan


class ProxyJob(msgspec.Struct, frozen=True):
    """What one proxy stands between."""

    scenario: Scenario
    seed: int
    doors: tuple[DoorPlan, ...]


class Proxy:
    """The doors of one run, and the faults under way."""

    def __init__(self, job: ProxyJob, loop: asyncio.AbstractEventLoop) -> None:
        self.doors = [Door(plan, job.seed, loop) for plan in job.doors]
        self._faults = dict(enumerate(faults.steps(job.scenario.faults), 1))
        self._cases: dict[int, Case] = {}

    async def obey(self, command: dict[str, Any]) -> None:
        """Carry out one command."""
        match command:
            case {"do": "begin", "fault": number}:
                await self._begin(number)
            case {"do": "heal", "fault": number}:
                case_ = self._cases.get(number)
                if case_ is not None and case_.undo is not None:
                    await case_.undo()
            case {"do": "deaf", "node": node}:
                for door in self._before(node):
                    door.deaf = True
                    await door.begin()
            case {"do": "shut" | "open" as verb, "node": node}:
                for door in self._before(node):
                    door.deaf = door.deaf and verb == "shut"
                    await door.shut(verb == "shut")

    async def _begin(self, number: int) -> None:
        fault = self._faults[number]
        case = self._cases[number] = Case(
            number, fault, self._doors(fault.node, "clients"), self._doors(fault.node, "business"), _tell
        )
        await DEEDS[type(fault)](case)

    def _doors(self, node: str, side: str) -> list[Door]:
        return [door for door in self.doors if door.plan.side == side and node in (door.plan.gateway, "business")]

    def _before(self, node: str) -> list[Door]:
        """The doors that lead to a node."""
        if node == "business":
            return [door for door in self.doors if door.plan.side == "business"]
        return [door for door in self.doors if door.plan.side == "clients" and door.plan.gateway == node]


def _tell(event: str, fault: int, count: int) -> None:
    print(json.dumps({"event": event, "fault": fault, "count": count, "t_ns": time.monotonic_ns()}), flush=True)


async def _serve(job: ProxyJob) -> None:
    loop = asyncio.get_running_loop()
    proxy = Proxy(job, loop)
    for door in proxy.doors:
        await door.begin()
    commands: asyncio.Queue[bytes | None] = asyncio.Queue()
    loop.add_reader(sys.stdin.fileno(), _read, commands, bytearray())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, commands.put_nowait, None)
    keep_pulse(loop.call_later, time.monotonic_ns)
    gc.collect()
    gc.freeze()
    print("ready " + json.dumps([door.address for door in proxy.doors]), flush=True)
    while (line := await commands.get()) is not None:
        await proxy.obey(msgspec.json.decode(line))


def _read(commands: asyncio.Queue[bytes | None], rest: bytearray) -> None:
    chunk = os.read(sys.stdin.fileno(), 4096)
    if not chunk:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        commands.put_nowait(None)
        return
    rest += chunk
    *lines, last = bytes(rest).split(b"\n")
    rest[:] = last
    for line in filter(None, lines):
        commands.put_nowait(line)


def main() -> int:
    """The command line of ``python -m scenarios.breaking.proxy``."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=ProxyJob)
    raise_limit()
    uvloop.run(_serve(job))
    return 0


if __name__ == "__main__":
    sys.exit(main())
