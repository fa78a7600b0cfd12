"""Making a failing trial small: delta debugging over its value.

Each way to make a trial smaller is a function that yields smaller ones; the first that still fails in the same way is taken, and all
ways are tried anew, until none helps or ``tries_max`` trials were played or became too long. Since another scenario has another luck,
each is played with a few seeds.

"The same way" is the same first kind of finding: an anomaly that comes with it may go. Of a crash it is the same exception at the same
place; what it says may name values, which a smaller trial has others of. A trial that no command would play is not tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from model.core.policies import Timers
from model.scenario import Clocks, Disk, Network, Scenario
from model.workload import amounts
from scenarios.hunting import faults
from scenarios.hunting.trial import CRASH, Outcome, Trial, play
from scenarios.running.settings import problems

TRIES_MAX = 400
"""Trials played for one failing seed: about ten seconds."""
TIMES = ("at_s", "back_s", "heal_s")
"""Fields of faults that are told with fewer digits where that fails, too."""
ROWS_MAX = 3_000_000
"""Rows of all their histories together: a trial that goes on and on is not played hundreds of times (half a minute)."""
PLAIN = {
    "network": Network(),
    "policies": {},
    "cores": None,
    "merged": False,
    "connection_life_s": 0.0,
    "clocks": Clocks(),
    "disk": Disk(),
}
"""Fields of a scenario as they are without a feature."""
LUCKS = 3
"""Seeds that each smaller scenario is played with."""


def shrink(trial: Trial, outcome: Outcome, tries_max: int = TRIES_MAX) -> tuple[Trial, Outcome, int]:
    """The smallest trial found that fails in the first of the outcome's ways, its outcome, and how many trials were played."""
    way, tries, rows = _ways(outcome)[0], 0, 0
    shrunk = True
    while shrunk:
        shrunk = False
        for smaller in _candidates(trial):
            if tries >= tries_max or rows >= ROWS_MAX:
                return trial, outcome, tries
            tries += 1
            found = play(smaller)
            rows += found.rows
            if way in _ways(found):
                trial, outcome, shrunk = smaller, found, True
                break
    return trial, outcome, tries


def _ways(outcome: Outcome) -> list[tuple[str, ...]]:
    """How it fails: its kinds, a crash with its exception and place."""
    found = zip(outcome.kinds, outcome.details, strict=True)
    return [(kind, text.partition(":")[0], text.rpartition(" in ")[2]) if kind == CRASH else (kind,) for kind, text in found]


def size(trial: Trial) -> tuple[int, ...]:
    """How much there is to read: faults, people, gateways, sends, and fields that are not as by default."""
    scenario = trial.scenario
    sends = round(scenario.workload.rate_per_s * scenario.duration_s)
    unlike = (
        (trial.ties is not None)
        + len(trial.times)
        + len(trial.limits)
        + len(scenario.policies)
        + _unlike(scenario.network, Network())
        + (scenario.cores is not None)
        + scenario.merged
        + (scenario.connection_life_s > 0)
    )
    return len(scenario.faults), scenario.population.users, scenario.gateways, sends, unlike + _unlike(scenario.timers, Timers())


def _unlike(value: Any, other: msgspec.Struct) -> int:
    """How many fields of two values of one type differ. A trial's network is a full value."""
    return sum(getattr(value, name) != getattr(other, name) for name in other.__struct_fields__)


def _candidates(trial: Trial) -> Iterator[Trial]:
    for way in (_fewer_faults, _fewer_people, _fewer_sends, _simpler, _plainer_numbers):
        for smaller in way(trial):
            if next(problems(smaller.scenario), None) is not None:
                continue
            for luck in range(LUCKS):
                yield msgspec.structs.replace(smaller, seed=trial.seed + luck)


def _with(trial: Trial, **fields: Any) -> Trial:
    return msgspec.structs.replace(trial, scenario=msgspec.structs.replace(trial.scenario, **fields))


def _fewer_faults(trial: Trial) -> Iterator[Trial]:
    """Halves first, then one by one."""
    found = trial.scenario.faults
    if len(found) > 2:
        middle = len(found) // 2
        yield from (_with(trial, faults=half) for half in (found[:middle], found[middle:]))
    if found:
        yield from (_with(trial, faults=found[:i] + found[i + 1 :]) for i in range(len(found)))


def _fewer_people(trial: Trial) -> Iterator[Trial]:
    scenario, plan = trial.scenario, trial.scenario.population
    if plan.groups_per_user:
        direct = msgspec.structs.replace(scenario.workload, direct_share=1.0)
        alone = msgspec.structs.replace(plan, groups_per_user=0, group_size=2)
        yield _with(trial, population=alone, workload=direct)
    for users in sorted({2, plan.users // 2, plan.users - 1}):
        if 2 <= users < plan.users:
            yield _with(
                trial,
                population=msgspec.structs.replace(
                    plan, users=users, group_size=min(round(amounts.mean(plan.group_size)), users)
                ),
            )
    if scenario.gateways > 1:
        left = f"gateway-{scenario.gateways}"
        yield _with(trial, gateways=scenario.gateways - 1, faults=faults.without(scenario.faults, left))


def _fewer_sends(trial: Trial) -> Iterator[Trial]:
    scenario, load = trial.scenario, trial.scenario.workload
    last_s = max((fault.healed_s for fault in scenario.faults), default=0.0)
    for share in (0.25, 0.5, 0.75):
        if load.rate_per_s * scenario.duration_s * share >= 1:
            yield _with(trial, workload=msgspec.structs.replace(load, rate_per_s=round(load.rate_per_s * share, 1)))
        if scenario.duration_s * share > last_s:
            yield _with(trial, duration_s=round(scenario.duration_s * share, 3))


def _simpler(trial: Trial) -> Iterator[Trial]:
    """One feature less."""
    scenario = trial.scenario
    if trial.ties is not None:
        yield msgspec.structs.replace(trial, ties=None)
    yield from (msgspec.structs.replace(trial, times={k: v for k, v in trial.times.items() if k != name}) for name in trial.times)
    yield from (
        msgspec.structs.replace(trial, limits={k: v for k, v in trial.limits.items() if k != name}) for name in trial.limits
    )
    for name, plain in PLAIN.items():
        if getattr(scenario, name) != plain:
            yield _with(trial, **{name: plain})
    usual = _usual(scenario)
    for name in usual.__struct_fields__:
        if getattr(scenario.timers, name) != getattr(usual, name):
            yield _with(trial, timers=msgspec.structs.replace(scenario.timers, **{name: getattr(usual, name)}))
    if amounts.mean(scenario.workload.payload_bytes) > 60:
        yield _with(trial, workload=msgspec.structs.replace(scenario.workload, payload_bytes=60))


def _usual(scenario: Scenario) -> Timers:
    """All timers shortened as the heartbeat is."""
    return Timers().scaled(scenario.timers.heartbeat_us / Timers().heartbeat_us)


def _plainer_numbers(trial: Trial) -> Iterator[Trial]:
    """Fewer digits."""
    scenario = trial.scenario
    for digits in (1, 2, 3):
        rounded = tuple(
            msgspec.structs.replace(fault, **{n: round(getattr(fault, n), digits) for n in fault.__struct_fields__ if n in TIMES})
            for fault in scenario.faults
        )
        if rounded != scenario.faults:
            yield _with(trial, faults=rounded)
        if 0 < round(scenario.duration_s, digits) != scenario.duration_s:
            yield _with(trial, duration_s=round(scenario.duration_s, digits))
