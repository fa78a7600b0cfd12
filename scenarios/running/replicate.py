"""One replication of a sweep: a run of either world, and the figures taken from it.

A scenario file says what is taken from a finished run in a function ``figures(run)``, which serves both worlds; else :func:`figures` here
is taken. One whose question is no run of a scenario at all has ``replication(scenario, preset, seed, place)`` instead, which simulates
what it likes, and names the fields that it looks at, ``READS``. A figure is a number, infinite for "never", or None where the samples do
not allow it or the judges withhold it. From a run that says nothing of the product none are taken (:func:`left_out`, :class:`NotCounted`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import model.sim
from model.checkers.kinds import KINDS
from model.history.columns import History, from_rows
from model.history.run_folder import METRICS, RunFolder
from model.scenario import Scenario, World
from scenarios.running import metrics
from scenarios.running.exits import Interrupted
from scenarios.running.progress import Progress
from scenarios.running.run import Judged, judge_safely, run_to_an_answer
from scenarios.running.times import asked_for

LOSSES = ("lost", "lost_stored")
"""Kinds of anomalies that are losses; those of devices that never got in are counted there, and not as lost."""
SAYS_NOTHING = ("truncated", "fault_unproven")
"""Kinds of anomalies of runs that were not played as their scenario says, so that their figures are of something else. What else makes a
verdict ``unknown`` (a drain that ran into its bound, a recovery that cannot be judged) withholds what rests on it, and nothing more."""
JUDGE_CRASHED = "judge_crashed"
Figures = dict[str, float | None]
Place = Mapping[str, str]
"""Where on the grid: labels of choices, by axis."""
Replication = Callable[[Scenario, str, int, Place], Figures]


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that came to its end, and what the judges say of it."""

    scenario: Scenario
    world: World
    preset: str
    history: History
    judged: Judged
    counters: dict[str, dict[str, float]]
    """What each node has counted; in both worlds ``measured_cpu_us``, its CPU from the end of the warm-up to the end of the load.
    ``cpu_us``: of a simulated one its CPU in the whole run, of a live one that in the time of the load."""
    end_us: int
    """When the run ended."""


Measuring = Callable[[Finished], Figures]


@dataclass(frozen=True, slots=True)
class NotCounted:
    """A live run that says nothing of the product: the harness failed, again and again, or the world cannot play it."""

    verdict: str
    reason: str


def simulated(scenario: Scenario, preset: str, seed: int) -> Finished:
    """Play in simulated time, and judge."""
    result = model.sim.run(scenario, preset, seed, times=asked_for())
    history = from_rows(result.header, result.rows)
    end_us = int(result.rows["t_us"].max(initial=0))
    return Finished(scenario, "sim", preset, history, judge_safely(history), dict(result.counters), end_us)


def played_live(
    scenario: Scenario, preset: str, seed: int, root: Path, progress: Progress
) -> tuple[Finished | NotCounted, Path | None]:
    """Play on a real server, again where the harness fails, and judge; and the run's folder, below ``root``, where it has one.

    Raises :class:`Interrupted` for a run that a signal ended.
    """
    result = run_to_an_answer(scenario, "live", preset, seed, root, progress)
    if result.interrupted:
        raise Interrupted(result.interrupted)
    if result.folder is None or result.verdict == "harness_invalid":
        return NotCounted(result.verdict, "; ".join(list(_of_harness(result.anomalies)) or result.reasons)), result.folder
    folder = RunFolder.open(result.folder)
    history = folder.history()
    judged = Judged(result.verdict, result.anomalies, result.measures, result.reasons, result.crashed)
    counters = counted(folder.read_json(METRICS), scenario)
    return Finished(scenario, "live", preset, history, judged, counters, int(history.t_us.max(initial=0))), result.folder


def _of_harness(anomalies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What of the harness failed, each with its first witness."""
    for anomaly in anomalies:
        if anomaly["fails"] and KINDS[anomaly["kind"]].blame == "harness":
            yield ": ".join([anomaly["kind"], *(witness["text"] for witness in anomaly["witnesses"][:1])])


def counted(found: Mapping[str, Any], scenario: Scenario) -> dict[str, dict[str, float]]:
    """What the processes of a live run have used, from its metrics; see :class:`Finished`."""
    samples = msgspec.convert(found["samples"], list[metrics.Sample])
    whole_us, measured_us = (
        metrics.cpu_by_name(samples, scenario.at_us(since_s), scenario.at_us(scenario.duration_s))
        for since_s in (0.0, scenario.warm_up_s)
    )
    return {name: {"cpu_us": used_us, "measured_cpu_us": measured_us[name]} for name, used_us in whole_us.items()}


def left_out(judged: Judged) -> str:
    """Why nothing is concluded from a run, in a word; empty where something is. A simulated harness fails only where a scenario asks what
    then becomes of the figures, so that is no reason; a live one's is (:class:`NotCounted`)."""
    found = {anomaly["kind"] for anomaly in judged.anomalies if anomaly["fails"]}
    return JUDGE_CRASHED if judged.crashed else next((kind for kind in SAYS_NOTHING if kind in found), "")


def figures(run: Finished) -> Figures:
    """The figures of any scenario: what users lost, saw twice and how late they were, and what it cost."""
    return common(run.judged) | cpu(run)


def common(judged: Judged) -> Figures:
    """What the judges measure, those that every scenario has. ``in_flight``, the sends on their way when a fault struck, is what losses
    under faults are told of; ``owed``, deliveries, those of a calm run."""
    measures = judged.measures
    return {
        "failing": float(sum(anomaly["count"] for anomaly in judged.anomalies if anomaly["fails"])),
        "sends": float(_at(measures, "sends", "intended") or 0),
        "ok": float(_at(measures, "sends", "ok") or 0),
        "owed": float(_at(measures, "owed", "pairs") or 0),
        "lost": _lost(judged),
        "in_flight": _sum(_at(measures, "sends", "in_flight_at_fault")),
        "shown_twice": _at(measures, "duplicates", "shown_twice_pairs"),
        "out_of_order": _at(measures, "order", "out_of_order"),
        "end_to_end_p50_ms": _ms(measures, "latency", "end_to_end_live", "p50_us"),
        "end_to_end_p99_ms": _ms(measures, "latency", "end_to_end_live", "p99_us"),
        "reconnect_p90_ms": _ms(measures, "reconnect", "p90_us"),
        "attempts_per_client": _at(measures, "reconnect", "attempts_per_client_mean"),
    }


def _lost(judged: Judged) -> float | None:
    """Messages that a device never got, or the store lost; None where that cannot be said, as before a drain has come to its end."""
    if _at(judged.measures, "owed", "lost_pairs") is None:
        return None
    return float(sum(a["count"] for a in judged.anomalies if a["kind"] in LOSSES and not a["implied_by"]))


def cpu(run: Finished) -> Figures:
    """Seconds of CPU that roles used from the end of the warm-up to the end of the load, the busiest gateway's among them."""
    by_node = {name: counts["measured_cpu_us"] / 1e6 for name, counts in run.counters.items() if "measured_cpu_us" in counts}
    gateways = [seconds for name, seconds in by_node.items() if name.startswith("gateway")]
    return {
        "business_cpu_s": by_node.get("business", 0.0),
        "gateways_cpu_s": sum(gateways),
        "gateway_cpu_s_max": max(gateways, default=0.0),
    }


def _at(measures: Any, *path: str) -> Any:
    for name in path:
        measures = measures.get(name) if isinstance(measures, dict) else None
    return float("inf") if measures == ">run" else measures


def _sum(by_outcome: Mapping[str, int] | None) -> float | None:
    return None if by_outcome is None else float(sum(by_outcome.values()))


def _ms(measures: Any, *path: str) -> float | None:
    found = _at(measures, *path)
    return None if found is None else found / 1e3
