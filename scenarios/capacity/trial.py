"""One run of a search: played, judged, and what it was like: kept or broken, how late, how busy.

How busy follows the USE method (Gregg, "Thinking methodically about performance", 2013): every resource is asked for its utilisation, and
one that is nearly always busy is what limits. Resources are the processes of the server, each of which has one thread that does most of
its work and so cannot use much more than one core; the cores that they share, where they do; storage, in the simulated world, where it
is known for how long it was at work; and the load process, whose own saturation says nothing of the server. Of the live world it is
noted, too, for how long a process wanted a core and had none (*waited*).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from model.checkers.amounts import number
from model.checkers.harness import CPU_MAX
from model.history.run_folder import METRICS, RunFolder
from model.history.schema import LatencyPromise
from model.scenario import Scenario
from scenarios.capacity.search import Answer
from scenarios.running.exits import CannotRun
from scenarios.running.generators import is_load
from scenarios.running.run import RunResult

MEASURES: Final = {"end_to_end": "end_to_end_live", "ack": "ack"}
"""Names of latencies in promises and in verdicts."""
GENERATOR: Final = "generator"
"""The name of the load process in the simulated world, and of all of them here."""
SERVER: Final = "server cores"
"""The name of the cores that the processes of the server share."""


class Trial(msgspec.Struct, frozen=True):
    """What one run at one rate was like."""

    rate_per_s: float
    seed: int
    answer: Answer
    reason: str
    """Why it was not kept; empty where it was."""
    folder: str
    sent_per_s: float
    """Intended sends over the time of the load: what was really offered."""
    late_us: dict[str, float | None] = {}
    """Quantiles by ``of.pNN``; infinite for what never came, None where too few samples lie beyond it."""
    busy: dict[str, float] = {}
    """Utilisation by resource, 0 to about 1."""
    waited: dict[str, float] = {}
    """Largest share of a second for which a process of the server wanted a core and had none."""
    generator_cpu_max: float | None = None
    """Largest share of its core that the load process used in any second."""

    @property
    def is_generator_saturated(self) -> bool:
        """Whether the load process had as much to do as it can do on time."""
        return self.generator_cpu_max is not None and self.generator_cpu_max > CPU_MAX


def prepared(scenario: Scenario, promises: Sequence[LatencyPromise], seconds: float) -> Scenario:
    """The scenario as it is played: without faults, as long as asked for, under these promises beside its contract."""
    contract = msgspec.structs.replace(scenario.contract, latency=tuple(promises))
    warm_up_s = min(scenario.warm_up_s, seconds / 5)
    return msgspec.structs.replace(scenario, faults=(), duration_s=seconds, warm_up_s=warm_up_s, contract=contract, expected={})


def at_rate(scenario: Scenario, rate_per_s: float) -> Scenario:
    """The same with this many sends a second."""
    return msgspec.structs.replace(scenario, workload=msgspec.structs.replace(scenario.workload, rate_per_s=rate_per_s))


def of(result: RunResult, scenario: Scenario) -> Trial:
    """What a run was like. Raises :class:`CannotRun` for one that its world cannot play."""
    if result.folder is None:
        raise CannotRun(f"{result.reasons[0]}; change it with --set, or take --world sim")
    metrics, measures = RunFolder.open(result.folder).read_json(METRICS), result.measures
    answer, reason = judged(result)
    return Trial(
        rate_per_s=scenario.workload.rate_per_s,
        seed=result.seed,
        answer=answer,
        reason=reason,
        folder=str(result.folder),
        sent_per_s=round(measures["sends"]["intended"] / scenario.duration_s, 1) if measures else 0.0,
        late_us=dict(_late(measures["latency"])) if measures else {},
        busy=busy(metrics),
        waited={
            name: share for name, share in metrics.get("waited_share_max", {}).items() if not is_load(name) and name != GENERATOR
        },
        generator_cpu_max=metrics.get("generator", {}).get("cpu_max"),
    )


def judged(result: RunResult) -> tuple[Answer, str]:
    """The verdict as an answer, and why. A server that did not catch up within the bound of the drain has broken any promise."""
    failing = [anomaly for anomaly in result.anomalies if anomaly["fails"]]
    reasons = [*(_told(anomaly) for anomaly in failing), *result.reasons]
    if result.verdict == "valid":
        return "kept", ""
    if result.verdict == "invalid" or (result.verdict == "unknown" and [a["kind"] for a in failing] == ["drain_incomplete"]):
        return "broken", reasons[0]
    return ("harness" if result.verdict == "harness_invalid" else "open"), reasons[0] if reasons else result.verdict


def _told(anomaly: Mapping[str, Any]) -> str:
    """The text of an anomaly of the whole run says all; of messages their number does."""
    if anomaly["messages"] or not anomaly["witnesses"]:
        return f"{anomaly['count']} {anomaly['kind']}"
    return str(anomaly["witnesses"][0]["text"])


def _late(latency: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for of, name in MEASURES.items():
        curve = dict(latency[name]["curve"])
        for share in (0.5, 0.9, 0.95, 0.99, 0.999):
            yield f"{of}.p{share * 100:g}", number(curve.get(share))


def busy(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Utilisation by resource; the generator under one name in both worlds, of several load processes the busiest."""
    shares = metrics.get("busy", {})
    found = {name: share for name, share in shares.items() if not is_load(name)}
    if loads := [share for name, share in shares.items() if is_load(name)]:
        found[GENERATOR] = max(loads)
    cores = metrics.get("cores", {}).get("server", [])
    if cores:
        found[SERVER] = round(metrics["server_busy"] / len(cores), 4)
    return found
