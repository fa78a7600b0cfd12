"""One replication of a sweep: a simulated run without a folder, and the figures taken from it.

A scenario file that measures something of its own has a function ``replication(scenario, preset, seed, place)`` that returns figures by
name; else :func:`replication` here is taken. A figure is a number, infinite for "never", or None where the samples do not allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import model.sim
from model.history.columns import History, from_rows
from model.scenario import Scenario
from scenarios.running.run import Judged, judge_safely
from scenarios.running.times import asked_for

LOSSES = ("lost", "lost_stored")
"""Kinds of anomalies that are losses; those of devices that never got in are counted there, and not as lost."""
Figures = dict[str, float | None]
Place = Mapping[str, str]
"""Where on the grid: labels of choices, by axis."""
Replication = Callable[[Scenario, str, int, Place], Figures]


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated run and what the judges say of it."""

    history: History
    judged: Judged
    counters: dict[str, dict[str, float]]
    end_us: int
    """When the run ended."""


def simulated(scenario: Scenario, preset: str, seed: int) -> Simulated:
    """Play and judge."""
    result = model.sim.run(scenario, preset, seed, times=asked_for())
    history = from_rows(result.header, result.rows)
    end_us = int(result.rows["t_us"].max(initial=0))
    return Simulated(history, judge_safely(history), dict(result.counters), end_us)


def replication(scenario: Scenario, preset: str, seed: int, place: Place) -> Figures:
    """The figures of any scenario: what users lost and how late they were, and what it cost."""
    run = simulated(scenario, preset, seed)
    return common(run.judged) | cpu(run)


def common(judged: Judged) -> Figures:
    """What the judges measure, those that every scenario has."""
    measures = judged.measures
    return {
        "failing": float(sum(anomaly["count"] for anomaly in judged.anomalies if anomaly["fails"])),
        "sends": float(_at(measures, "sends", "intended") or 0),
        "ok": float(_at(measures, "sends", "ok") or 0),
        "owed": float(_at(measures, "owed", "pairs") or 0),
        "lost": float(sum(a["count"] for a in judged.anomalies if a["kind"] in LOSSES and not a["implied_by"])),
        "end_to_end_p50_ms": _ms(measures, "latency", "end_to_end_live", "p50_us"),
        "end_to_end_p99_ms": _ms(measures, "latency", "end_to_end_live", "p99_us"),
        "reconnect_p90_ms": _ms(measures, "reconnect", "p90_us"),
        "attempts_per_client": _at(measures, "reconnect", "attempts_per_client_mean"),
    }


def cpu(run: Simulated) -> Figures:
    """Seconds of CPU that roles used, the busiest gateway's among them."""
    by_node = {name: counts["cpu_us"] / 1e6 for name, counts in run.counters.items() if "cpu_us" in counts}
    gateways = [seconds for name, seconds in by_node.items() if name.startswith("gateway")]
    return {"business_cpu_s": by_node.get("business", 0.0), "gateways_cpu_s": sum(gateways), "gateway_cpu_s_max": max(gateways)}


def _at(measures: Any, *path: str) -> float | None:
    for name in path:
        measures = measures.get(name) if isinstance(measures, dict) else None
    return float("inf") if measures == ">run" else measures


def _ms(measures: Any, *path: str) -> float | None:
    found = _at(measures, *path)
    return None if found is None else found / 1e3
