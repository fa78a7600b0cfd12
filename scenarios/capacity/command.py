"""``imbench capacity`` between its options and its output: what they ask for, checked before anything runs, and where results go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from model.scenario import Scenario, World
from model.workload.arrivals import Closed, Replay
from scenarios.capacity import capacity, promises, trial
from scenarios.capacity.capacity import Result, Task
from scenarios.capacity.search import Plan
from scenarios.running import catalog, settings
from scenarios.running.command import check_presets, fresh, runs_root
from scenarios.running.exits import CannotRun
from scenarios.running.live import Driver
from scenarios.running.progress import shown
from scenarios.running.signals import interruptible
from scenarios.running.times import chosen, read_and_warn

FOLDER: Final = "capacity"
_OURS: Final = {
    "workload.rate_per_s": "the search varies that; give --from and --to",
    "duration_s": "that is the length of a run; give --seconds",
    "contract.latency": "that is what is promised; give --promise",
    "faults": "a capacity is measured without faults; leave it out",
}


def task(
    name: str,
    world: World,
    preset: str,
    driver: Driver,
    promised: Sequence[str],
    changed: Sequence[str],
    plan: Plan,
    seconds: float,
) -> Task:
    """What the options ask for. Raises :class:`CannotRun`, one line."""
    _check(plan, seconds)
    check_presets([preset])
    loaded = catalog.load(name)
    for setting in changed:
        field = setting.partition("=")[0]
        for ours, why in _OURS.items():
            if f"{field}.".startswith(f"{ours}.") or f"{ours}.".startswith(f"{field}."):
                raise CannotRun(f"--set {setting}: {why}")
    applied = settings.apply(msgspec.structs.replace(loaded, faults=()), changed)
    settings.check_mix(applied, preset)
    if isinstance(applied.workload.arrivals, Replay):
        raise CannotRun(
            f"{name} replays a recorded trace, whose rate is what it is; give other arrivals with --set workload.arrivals"
        )
    if isinstance(applied.workload.arrivals, Closed):
        raise CannotRun(
            f"{name} is a closed loop, which never offers more than is answered; give other arrivals with --set workload.arrivals"
        )
    wanted = promises.parsed(promised) or applied.contract.latency or promises.parsed([promises.DEFAULT])
    prepared = trial.prepared(applied, wanted, seconds)
    _check_plays(prepared, plan)
    return Task(prepared, world, preset, driver, plan)


def _check(plan: Plan, seconds: float) -> None:
    for option, value in (("from", plan.from_per_s), ("to", plan.to_per_s), ("tolerance", plan.tolerance), ("seconds", seconds)):
        if not math.isfinite(value):
            raise CannotRun(f"--{option} {value}: is no number to go by; give another")
    if plan.from_per_s > plan.to_per_s:
        raise CannotRun(f"--from {plan.from_per_s:g} is above --to {plan.to_per_s:g}; give a lower one")
    if plan.runs % 2 == 0:
        raise CannotRun(f"--runs {plan.runs}: is even, so a rate might have no majority; give {plan.runs + 1}")


def _check_plays(scenario: Scenario, plan: Plan) -> None:
    for rate in (plan.from_per_s, plan.to_per_s):
        settings.apply(trial.at_rate(scenario, rate), [])


def measured(asked: Task, out: Path | None, service_times: Path | None) -> tuple[Path, Result]:
    """Search. Returns the folder with the result. Raises :class:`CannotRun` and ``HistoryError``."""
    folder = fresh(out.absolute() if out else runs_root(None) / FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with interruptible(f"runs that were made are in {folder}"), shown() as progress:
        times = read_and_warn(chosen(service_times), progress, always=True) if asked.world == "sim" else None
        return folder, capacity.measure(asked, folder, progress, times)
