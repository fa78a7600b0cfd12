"""The figures of a run, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scenarios.comparing.measures import AT_ONCE_US, MEASURES, figures

JUDGED: dict[str, Any] = {
    "latency": {"end_to_end_live": {"p50_us": 600.0, "p99_us": ">run"}},
    "recovery": {"time_us": 1_200_000},
    "reconnect": {"p90_us": 250_000.0},
}
METRICS: dict[str, Any] = {
    "deliveries": 5_000,
    "deliveries_whole_run": 5_200,
    "load_us": [1_000_000, 6_000_000],
    "cost": {"gateway": {"cpu_us_per_delivery": 90.0}, "business": {"cpu_us_per_delivery": 110.0}, "generator": {}},
    "resident_bytes_max": {"gateway-1": 40, "gateway-2": 42, "business": 50, "supervisor": 30, "load": 100},
    "done": {"gateway": {"client_bytes": 1_040_000, "frames_out": 10_400}, "business": {"rows": 2_600}},
}


def test_each_measure_is_taken_from_its_place() -> None:
    assert figures(JUDGED, METRICS) == {
        "end_to_end_p50_us": 600.0,
        "end_to_end_p99_us": math.inf,
        "goodput_per_s": 1_000.0,
        "cpu_gateway_us": 90.0,
        "cpu_business_us": 110.0,
        "client_bytes": 200.0,
        "frames_out": 2.0,
        "rows": 0.5,
        "memory_gateway_bytes": 82.0,
        "memory_business_bytes": 50.0,
        "recovery_us": 1_200_000.0,
        "without_session_p90_us": 250_000.0,
    }


def test_a_recovery_at_once_is_a_figure_that_a_slow_one_can_be_held_against() -> None:
    assert figures({"recovery": {"time_us": 0}}, {}) == {"recovery_us": AT_ONCE_US}


def test_what_a_run_does_not_have_is_not_made_up() -> None:
    assert figures({"recovery": {"time_us": None}}, {}) == {}
    assert figures({}, METRICS | {"deliveries": 0, "deliveries_whole_run": 0}).keys() == {
        "cpu_gateway_us",
        "cpu_business_us",
        "memory_gateway_bytes",
        "memory_business_bytes",
    }


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.key)
def test_every_measure_says_from_which_change_on_anybody_would_act(measure: Any) -> None:
    assert 0 < measure.matters <= 0.25
    assert measure.key.isidentifier()
