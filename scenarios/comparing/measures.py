"""What is compared of a run: a number above zero, from what its judges measured and from what its processes cost.

A measure says from which change on anybody would act (``matters``), before any data are seen, and which way is worse. What a run does not
have, such as a recovery without a fault, is None. CPU and memory are those of the server's processes alone, so the load generator's cost is
in none but the latencies; bytes are those of the clients' connections, both ways, in the whole run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.analysis.regressions import Gated

Tree = Mapping[str, Any]
AT_ONCE_US: Final = 20_000.0
"""Recovery is looked for in steps, of so much in short forms: what is over within the first one took so long, and not nothing, which would
have no ratio and leave the measure out."""
Figures = dict[str, float]
"""By the key of a measure; without what the run does not have."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a run. ``take`` has the judges' measures and the run's metrics."""

    key: str
    title: str
    unit: str
    matters: float
    """The smallest change that anybody would act on, as a share."""
    take: Callable[[Tree, Tree], float | None]
    higher_is_better: bool = False

    def gated(self, floor: float = 0.0) -> Gated:
        """Its bounds, with the machine's floor (a logarithm of a ratio)."""
        return Gated(math.log1p(self.matters), floor)

    @property
    def sign(self) -> int:
        """What turns a logarithm of candidate over base so that more is worse."""
        return -1 if self.higher_is_better else 1


def _judged(*path: str) -> Callable[[Tree, Tree], float | None]:
    return lambda judged, metrics: _at(judged, *path)


def _recovery(judged: Tree, metrics: Tree) -> float | None:
    time_us = _at(judged, "recovery", "time_us")
    return None if time_us is None else max(time_us, AT_ONCE_US)


def _goodput(judged: Tree, metrics: Tree) -> float | None:
    """Deliveries a second of the load: less than was asked for where messages were late beyond its end, failed or were lost."""
    if "load_us" not in metrics:
        return None
    begin_us, end_us = metrics["load_us"]
    return 1e6 * float(metrics["deliveries"]) / float(end_us - begin_us)


def _cpu(role: str) -> Callable[[Tree, Tree], float | None]:
    return lambda judged, metrics: _at(metrics, "cost", role, "cpu_us_per_delivery")


def _memory(role: str) -> Callable[[Tree, Tree], float | None]:
    """The most that processes of a role had, each at its own time."""

    def take(judged: Tree, metrics: Tree) -> float | None:
        return sum(most for name, most in metrics.get("resident_bytes_max", {}).items() if name.partition("-")[0] == role) or None

    return take


def _done(role: str, name: str) -> Callable[[Tree, Tree], float | None]:
    def take(judged: Tree, metrics: Tree) -> float | None:
        done, deliveries = _at(metrics, "done", role, name), metrics.get("deliveries_whole_run")
        return done / deliveries if done and deliveries else None

    return take


MEASURES: Final = (
    Measure("end_to_end_p50_us", "p50 of end-to-end latency", "us", 0.10, _judged("latency", "end_to_end_live", "p50_us")),
    Measure("end_to_end_p99_us", "p99 of end-to-end latency", "us", 0.25, _judged("latency", "end_to_end_live", "p99_us")),
    Measure("goodput_per_s", "goodput", "1/s", 0.02, _goodput, higher_is_better=True),
    Measure("cpu_gateway_us", "CPU of gateways per delivered message", "us", 0.05, _cpu("gateway")),
    Measure("cpu_business_us", "CPU of business per delivered message", "us", 0.05, _cpu("business")),
    Measure("client_bytes", "bytes on clients' links per delivered message", "B", 0.02, _done("gateway", "client_bytes")),
    Measure("frames_out", "frames to clients per delivered message", "frames", 0.02, _done("gateway", "frames_out")),
    Measure("rows", "rows stored per delivered message", "rows", 0.02, _done("business", "rows")),
    Measure("memory_gateway_bytes", "memory of gateways", "B", 0.10, _memory("gateway")),
    Measure("memory_business_bytes", "memory of business", "B", 0.10, _memory("business")),
    Measure("recovery_us", "recovery time", "us", 0.25, _recovery),
    Measure("without_session_p90_us", "p90 of the time without a session", "us", 0.25, _judged("reconnect", "p90_us")),
)
BY_KEY: Final = {measure.key: measure for measure in MEASURES}


def figures(judged: Tree, metrics: Tree) -> Figures:
    """All that a run has, from the judges' measures and from the run's metrics. Infinite: it never came."""
    found: Figures = {}
    for measure in MEASURES:
        value = measure.take(judged, metrics)
        if value is not None and value > 0:
            found[measure.key] = float(value)
    return found


def _at(tree: Any, *path: str) -> float | None:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return math.inf if tree == ">run" else None if tree is None else float(tree)
