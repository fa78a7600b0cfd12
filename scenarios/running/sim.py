"""The simulated world, as a run sees it: one call, and the result in the form both worlds share."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    metrics = _metrics(result.rows, dict(result.counters), wall_s) | _load(scenario, result.counters)
    metrics["service_times"] = times.provenance
    return Played(result.header, result.rows, metrics, result.trace_digest)


def _load(scenario: Scenario, counters: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """How busy nodes were between warm-up and drain, as shares of a core, under the names that a live run has them by; of storage it is the
    time for which it was at work, waits for the disk among it. ``cores``: those that server processes share, if they do, and their CPU."""
    measured_us = 1e6 * (scenario.duration_s - scenario.warm_up_s)
    used = {name: of["measured_cpu_us"] for name, of in counters.items() if "measured_cpu_us" in of} if measured_us > 0 else {}
    busy = {name: round(cpu_us / measured_us, 4) for name, cpu_us in used.items() if name != "storage"}
    if used:
        busy["storage"] = round(counters["storage"]["measured_us"] / measured_us, 4)
    cores: dict[str, list[int]] = {} if scenario.cores is None else {"server": list(range(scenario.cores))}
    of_server = sum(cpu_us for name, cpu_us in used.items() if name != "generator")
    return {"busy": busy, "server_busy": round(of_server / measured_us, 4) if used else None, "cores": cores}


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
