"""``imbench soak``: what its options ask for, done and told. Exit codes: 0 nothing found, 1 something found, 3 no leg counts or the harness
failed leg after leg; 130 or 143 where a signal stopped it, whatever was found until then."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Final

import msgspec

from scenarios.running import catalog, exits, settings
from scenarios.running.command import check_presets, runs_root
from scenarios.running.exits import CannotRun
from scenarios.running.progress import shown
from scenarios.running.run import missing
from scenarios.running.signals import interruptible
from scenarios.soaking import legs
from scenarios.soaking.conduct import Order, Soak, soak_folder
from scenarios.soaking.told import told

HOUR_S: Final = 3600.0


def soak(
    name: str | None,
    preset: str,
    seed: int,
    *,
    hours: float | None,
    messages: int | None,
    rate: float | None,
    faults_per_minute: float,
    leg_s: float,
    out: Path | None,
    as_json: bool,
) -> int:
    """Soak until what is asked for is done, or a signal comes; tell it, and return the exit code."""
    order = ordered(name, preset, seed, hours, messages, rate, faults_per_minute, leg_s)
    going = Soak(order, soak_folder(runs_root(out), order))
    with interruptible(f"the sum of the legs before is in {going.folder.path}"), shown() as progress:
        going.conduct(progress)
    print(json.dumps(going.contract()) if as_json else told(going), flush=True)
    return exit_code(going)


def ordered(
    name: str | None,
    preset: str,
    seed: int,
    hours: float | None,
    messages: int | None,
    rate: float | None,
    faults_per_minute: float,
    leg_s: float,
) -> Order:
    """The order of a command line. Raises :class:`CannotRun` for what cannot be played."""
    check_presets([preset])
    for option, value in (("--hours", hours), ("--rate", rate), ("--kills-per-minute", faults_per_minute), ("--leg", leg_s)):
        if value is not None and not math.isfinite(value):
            raise CannotRun(f"{option} {value:g} is no amount; give a number")
    scenario = legs.DEFAULT if name is None else catalog.load(name)
    lacks = missing(scenario, "live")
    if lacks:
        raise CannotRun(f"{scenario.name} cannot be soaked: {lacks}; choose another scenario")
    if rate is not None:
        scenario = msgspec.structs.replace(scenario, workload=msgspec.structs.replace(scenario.workload, rate_per_s=rate))
    settings.apply(legs.leg(scenario, legs.leg_seed(seed, 1), faults_per_minute, leg_s), [])
    return Order(scenario, preset, seed, faults_per_minute, leg_s, messages, None if hours is None else hours * HOUR_S)


def exit_code(soak: Soak) -> int:
    """What a shell is told."""
    if soak.interrupted:
        return 128 + soak.interrupted
    if soak.total.found or soak.total.crashes:
        return exits.INVALID
    return exits.HARNESS_INVALID if soak.gave_up or not soak.total.legs else exits.VALID
