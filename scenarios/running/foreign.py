"""Live runs on a server that is not ours: the runner of :mod:`live`, another server, another load process.

Schedule, faults, proof, metrics, recording and judges are the same; what is another is in the target's own modules
(:mod:`scenarios.targets`). What a target cannot be asked is found before anything is started, and the run is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from model.history.run_folder import RunFolder
from model.history.schema import Header
from model.observe import RunObserver
from model.scenario import Kill, Scenario, World
from model.scenario.faults import tag
from model.workload.arrivals import Closed
from scenarios.running import live, metrics
from scenarios.running.played import Played
from scenarios.running.progress import Progress
from scenarios.targets.registry import Target


def missing(target: Target, scenario: Scenario, world: World) -> str | None:
    """Why a scenario cannot be played on a target, in words; None if it can."""
    return next(_obstacles(target, scenario, world), None)


def _obstacles(target: Target, scenario: Scenario, world: World) -> Iterator[str]:
    if world != "live":
        yield f"the {world} world has no {target.NAME}"
    if scenario.gateways != 1:
        yield f"{target.NAME} is one process, and the scenario has {scenario.gateways} gateways; try --set gateways=1"
    kinds = sorted({tag(fault) for fault in scenario.faults if not isinstance(fault, Kill)})
    if kinds:
        yield f"on {target.NAME} there is no fault of kind {', '.join(kinds)}"
    if any(isinstance(fault, Kill) and fault.node != "gateway-1" for fault in scenario.faults):
        yield f"{target.NAME} is one process, gateway-1, and the scenario kills another"
    if any(isinstance(fault, Kill) and fault.stage for fault in scenario.faults):
        yield f"nobody knows where {target.NAME} stands with a message, and the scenario kills it at a stage"
    if scenario.workload.personas:
        yield f"the scenario's people close their apps, and clients of {target.NAME} stay"
    if isinstance(scenario.workload.arrivals, Closed):
        yield f"clients of {target.NAME} play a schedule, and a closed loop has none; leave workload.arrivals out"
    if scenario.policies:
        yield f"the scenario changes policies, and {target.NAME} has its own"
    if lacking := target.missing():
        yield lacking


def play(target: Target, scenario: Scenario, preset: str, seed: int, folder: RunFolder, progress: Progress) -> Played:
    """Play a scenario on a target. Raises as :func:`scenarios.running.live.play` does."""

    def stage(shop: Path, links: Path, observer: RunObserver) -> _Stage:
        return _Stage(target, scenario, preset, seed, folder, shop, links, observer, progress)

    return live.staged(_header(target, scenario, preset, seed), folder, stage)


def _header(target: Target, scenario: Scenario, preset: str, seed: int) -> Header:
    timers = scenario.timers
    used = ("heartbeat_us", "connect_timeout_us", "backoff_base_us", "backoff_max_us")
    return Header(
        world="live",
        scenario=scenario.name,
        scenario_digest=scenario.digest(),
        preset=preset,
        seed=seed,
        contract=scenario.contract,
        policies=dict(target.policies(preset)),
        timers_us={name: getattr(timers, name) for name in used},
        nodes=live.nodes(scenario),
        load_begin_us=scenario.load_begin_us,
    )


class _Stage(live.Stage):
    """One live run on a target while it goes on."""

    def __init__(
        self,
        target: Target,
        scenario: Scenario,
        preset: str,
        seed: int,
        folder: RunFolder,
        shop: Path,
        links: Path,
        observer: RunObserver,
        progress: Progress,
    ) -> None:
        super().__init__(scenario, preset, seed, "asyncio", folder, shop, links, observer, progress, metrics.Meter())
        self._target = target

    def _server_command(self) -> list[str]:
        data, logs = self.shop / "data", self.folder.path / "logs"
        return [sys.executable, "-m", self._target.SERVER, "--preset", self.preset, "--folder", str(data), "--logs", str(logs)]

    def _hands_over(self) -> bool:
        return False

    def _load_module(self, users: int) -> list[str]:
        return [self._target.LOAD]
