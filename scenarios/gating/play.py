"""One case played: its measures by name, its history and its digest.

A measure is a number, a text or None under a dotted name. What the judges measure is taken whole, but for series and curves, which would
name one change a hundred times.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

import model.sim
from model.history.columns import History, from_rows
from model.scenario import Scenario
from model.scenario.comparison import Case, Figure
from model.sim.service_times import ServiceTimes
from scenarios.running import catalog, settings
from scenarios.running.run import Judged, judge_safely

LEFT_OUT: Final = ("series", "curve", "not_computed", "devices_worst")
"""Of the judges' measures: what says the same again in many numbers, or in words."""

LISTED_MAX: Final = 16
"""Elements of a list; a longer one is a table, and stands there by its digest."""


@dataclass(frozen=True, slots=True)
class PlayedCase:
    """What a case comes to."""

    inputs: dict[str, Figure]
    measures: dict[str, Figure]
    trace_digest: str
    history: History


def scenario_of(case: Case) -> Scenario:
    """The scenario of a case. Raises :class:`scenarios.running.exits.CannotRun`."""
    return settings.apply(catalog.short(case.scenario), case.settings)


def play(case: Case, times: ServiceTimes) -> PlayedCase:
    """Simulate and judge."""
    scenario = scenario_of(case)
    result = model.sim.run(scenario, case.preset, case.seed, times=times, weighed=True)
    history = from_rows(result.header, result.rows)
    judged = judge_safely(history)
    found: dict[str, Any] = {
        "verdict": judged.verdict,
        "anomalies": _counts(judged, fails=True),
        "counted": _counts(judged, fails=False),
        **judged.measures,
        "roles": dict(result.counters),
        "rows": len(history),
    }
    plain_times = {name: value for name, value in msgspec.to_builtins(times).items() if name != "provenance"}
    inputs = {"scenario": msgspec.to_builtins(scenario), "service_times": plain_times}
    return PlayedCase(flat(inputs), flat(found), result.trace_digest, history)


def _counts(judged: Judged, *, fails: bool) -> dict[str, int]:
    """Anomalies by kind: those that keep the run from being valid, or those that are only counted."""
    counts: Counter[str] = Counter()
    for anomaly in judged.anomalies:
        if anomaly["fails"] == fails:
            counts[anomaly["kind"]] += anomaly["count"]
    return dict(counts)


def flat(value: Mapping[str, Any]) -> dict[str, Figure]:
    """Everything in nested values by its dotted name, sorted by it."""
    return dict(sorted(_leaves("", value)))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Figure]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in LEFT_OUT:
                yield from _leaves(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list | tuple) and len(value) > LISTED_MAX:
        yield name, hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(f"{name}.{number}", inner)
    else:
        yield name, value
