"""The simulated world, as a run sees it: one call, and the result in the form both worlds share."""

from __future__ import annotations

import time
from typing import Any

import model.sim
from model.history.recorder import Rows
from model.history.run_folder import RunFolder
from model.history.schema import Kind, Via
from model.scenario import Scenario
from model.sim.service_times import ServiceTimes, load
from scenarios.running.played import Played
from scenarios.running.progress import Progress


def play(
    scenario: Scenario, preset: str, seed: int, folder: RunFolder, progress: Progress, times: ServiceTimes | None = None
) -> Played:
    """Play a scenario in simulated time, with the committed service times or with others.

    A signal ends it without a result, for rows are only handed over at the end.
    """
    progress.at(None, "simulating")
    began = time.perf_counter()
    times = times or load()
    result = model.sim.run(scenario, preset, seed, times=times)
    wall_s = time.perf_counter() - began
    folder.write_header(result.header)
    metrics = _metrics(result.rows, dict(result.counters), wall_s)
    metrics["service_times"] = times.provenance
    return Played(result.header, result.rows, metrics, result.trace_digest)


def _metrics(rows: Rows, counters: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """What was counted, and how fast: messages shown to others than their sender, in a second of wall time."""
    deliveries = int(((rows["kind"] == Kind.DELIVER) & (rows["via"] != Via.OWN)).sum())
    simulated_s = float(rows["t_us"].max(initial=0)) / 1e6
    return {
        "counters": counters,
        "wall_s": round(wall_s, 3),
        "simulated_s": round(simulated_s, 3),
        "deliveries": deliveries,
        "deliveries_per_wall_s": round(deliveries / wall_s) if wall_s else None,
    }
