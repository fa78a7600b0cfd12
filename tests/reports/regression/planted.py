"""Comparisons whose findings are known: what the forms of a report are tested with."""

from __future__ import annotations

from typing import Any

from model.history.machine import Machine
from model.scenario.comparison import Case, CaseResult, Comparison, Difference, Parting
from model.scenario.paired_comparison import Discarded, Measured, PairedComparison, PlayedCase, Side, Violated

MIX, RESTART = "standard_mix cursor", "access_restart cursor"
MACHINE = Machine("Example CPU @ 2.5 GHz", 2, "Linux 6.1", "3.11.9", {"numpy": "2.0"})
WOBBLE = (0.97, 1.02, 0.99, 1.03, 0.98, 1.01, 1.0, 1.04)
"""How far pairs are from their median, whatever they measure."""


def measured(measure: str, answer: Any, ratio: float | None = 1.0, **more: Any) -> Measured:
    """A measure of eight pairs whose ratio is ``ratio``."""
    title, unit, typical = {
        "cpu_gateway_us": ("CPU of gateways per delivered message", "us", 42.7),
        "p50_us": ("p50 end to end", "us", 2_140.0),
        "p99_us": ("p99 end to end", "us", 18_400.0),
        "goodput_per_s": ("goodput", "1/s", 412.0),
        "rss_b": ("memory of gateways", "B", 61.2e6),
    }[measure]
    turned = 1 / (ratio or 1.0) if unit == "1/s" else ratio or 1.0
    base = tuple(typical * (1 + 0.01 * number) for number in range(8))
    figures = {
        "base": base,
        "candidate": tuple(value * turned * wobble for value, wobble in zip(base, WOBBLE, strict=True)),
        "low": None if ratio is None else ratio * 0.97,
        "high": None if ratio is None else ratio * 1.04,
        "matters": 1.05,
        "floor": 1.03,
        "detectable": 1.09,
    }
    return Measured(more.pop("case", MIX), measure, more.pop("title", title), unit, answer, ratio=ratio, **{**figures, **more})


REGRESSED = measured("cpu_gateway_us", "REGRESSED", 1.31, low=1.27, high=1.36, again=1.30)
SLOWER = measured("p99_us", "REGRESSED", 1.18, again=1.16, matters=1.1, floor=1.06)
LOWER = measured("goodput_per_s", "REGRESSED", 1.25, low=1.2, high=1.3, again=1.24)
OPEN = measured("p99_us", "INCONCLUSIVE", 1.04, low=0.9, high=1.3, matters=1.25, floor=1.1, detectable=1.4, pairs_needed=41)
UNKNOWN = measured("p99_us", "INCONCLUSIVE", None, reason="fewer than 100 deliveries in a run", detectable=None)
IMPROVED = measured("rss_b", "IMPROVED", 0.8, low=0.78, high=0.83)
SAME = measured("p50_us", "EQUIVALENT", 1.01, low=0.98, high=1.03)
LOST = Violated(RESTART, "lost", 4, 1, 3, "device d12 never got c26/1")
REGISTERED_TWICE = Violated(RESTART, "seq_conflict", 2, 3, 5, "c3 has two messages at 7")
LAGGED = Discarded(MIX, "candidate", 3, "the load generator was late by 1.2 s", False)
REPLACED = Discarded(MIX, "base", 2, "a fault did not fire", True)


def paired(*found: Measured | Violated | Discarded, **more: Any) -> PairedComparison:
    """A comparison with these findings."""
    cases = (
        PlayedCase("standard_mix", "cursor", ("population.users=40",), 8, 6),
        PlayedCase("access_restart", "cursor", (), 4),
    )
    compared = {one.case for one in found if isinstance(one, Measured)}
    parts: dict[str, Any] = {
        "base": Side("main", "revision", "1a2b3c4 The log is the truth", "1a2b3c4d5e6f" + "0" * 28),
        "candidate": Side("HEAD", "revision", "9f8e7d6 A busy loop", "9f8e7d6c5b4a" + "0" * 28),
        "cases": tuple(case for case in cases if case.name in compared or not compared),
        "measures": tuple(one for one in found if isinstance(one, Measured)),
        "violated": tuple(one for one in found if isinstance(one, Violated)),
        "discarded": tuple(one for one in found if isinstance(one, Discarded)),
        "machine": MACHINE,
        "noise": "12 pairs of one build, measured here on 2026-01-02",
        "began": "2026-01-03T04:05:06+00:00",
        "took_s": 512.3,
    }
    return PairedComparison(**{**parts, **more})


EVERYTHING = paired(REGRESSED, SAME, OPEN, IMPROVED, LOST, LAGGED, REPLACED)


def changed(*measures: Difference) -> CaseResult:
    """A case of the exact gate with such differences."""
    case = Case("access_restart", "cursor", settings=("network=wifi_bad",))
    return CaseResult(case, "changed", (), measures, 284, Parting(256, 3_098_158, "3.098158 s ack", "3.098210 s ack"), True)


EXACT = Comparison(
    (
        CaseResult(Case("reconnect_storm"), "same", compared=190),
        changed(
            Difference("roles.links.frames_down", 3565, 4780),
            Difference("latency.end_to_end_live.p99_us", 2181.0, 1990.5),
            Difference("verdict", "valid", "invalid"),
            *(Difference(f"roles.gateway.counter_{number:02}", 10, 10 + number) for number in range(1, 20)),
        ),
        CaseResult(Case("standard_mix"), "no_baseline", reason="it has never been accepted"),
    ),
    "reports/baselines",
    "9f8e7d6c5b4a" + "0" * 28 + "+",
)
