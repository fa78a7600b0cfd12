"""What a hunt found, in a few lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from model.core.policies import Timers
from model.scenario import Network
from scenarios.hunting import probes
from scenarios.hunting.search import Failure, Tally
from scenarios.hunting.trial import Outcome, Trial, meaning

NEVER_TOLD = 12
"""Things never come to that are listed one by one."""


def failing(failure: Failure, preset: str) -> str:
    """A seed that fails."""
    kinds = "; ".join(f"{kind} ({meaning(kind)}): {detail}" for kind, detail in zip(failure.kinds, failure.details, strict=True))
    return f"seed {failure.seed} fails: {kinds}\n  again: imbench hunt --preset {preset} --replay {failure.seed}"


def minimal(trial: Trial, outcome: Outcome, tries: int) -> str:
    """What was left of a failing trial, and what it fails with."""
    head = f"  smallest of {tries} trials, which fails with {', '.join(outcome.kinds)} (digest {outcome.digest[:16] or 'none'}):"
    return "\n".join([head, *(f"    {line}" for line in _lines(trial))])


def _lines(trial: Trial) -> Iterator[str]:
    scenario = trial.scenario
    people, load = scenario.population, scenario.workload
    groups = f", {people.groups_per_user} x groups of {people.group_size}" if people.groups_per_user else ""
    gateways = "1 gateway" if scenario.gateways == 1 else f"{scenario.gateways} gateways"
    ties = "as asked for" if trial.ties is None else f"shuffled by {trial.ties}"
    yield f"{people.users} users{groups}, {gateways}, all luck from {trial.seed}, events of equal time {ties}"
    yield f"{load.rate_per_s:g} sends a second of {load.payload_bytes} bytes for {scenario.duration_s:g} s"
    yield from (" ".join(_fault(msgspec.to_builtins(fault))) for fault in scenario.faults)
    usual = Timers().scaled(scenario.timers.heartbeat_us / Timers().heartbeat_us)
    differs: dict[str, Any] = {
        "network": _unlike(scenario.network, Network()),
        "timers": _unlike(scenario.timers, usual) | {"heartbeat_us": scenario.timers.heartbeat_us},
        "policies": scenario.policies,
        "service times": trial.times,
        "bounds": trial.limits,
        "cores": {} if scenario.cores is None else {"shared": scenario.cores},
    }
    yield from (
        f"{name}: " + ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in of.items())
        for name, of in differs.items()
        if of
    )


def _fault(fault: dict[str, Any]) -> Iterator[str]:
    yield f"fault: {fault.pop('fault')}"
    yield from (f"{name} {value}" for name, value in fault.items())


def _unlike(value: Any, other: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in other.__struct_fields__ if getattr(value, name) != getattr(other, name)}


def tally(of: Tally, preset: str, seconds: float) -> str:
    """One line for the whole hunt."""
    rate = f", {of.seeds / seconds:.0f} a second" if seconds > 0 else ""
    each = f", {of.messages / of.seeds:.0f} messages each" if of.seeds else ""
    bound = f"; at 95 % fewer than {3 / of.seeds:.2g} of them do" if of.seeds and not of.failures else ""
    return f"{preset}: {of.seeds} seeds{each}{rate}: {len(of.failures)} fail{bound}"


def reach(of: Tally) -> str:
    """What no traced trial came to."""
    names = probes.never(of.reached)
    more = [f"  ... and {len(names) - NEVER_TOLD} more (--json lists them)"] if len(names) > NEVER_TOLD else []
    total = len(probes.never(set()))
    head = f"{of.probed} of them traced: {total - len(names)} of {total} situations and functions of the rules were come to"
    return "\n".join([head + (", never" if names else ""), *(f"  {name}" for name in names[:NEVER_TOLD]), *more])
