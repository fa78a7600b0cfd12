"""What a live run says of where it stands."""

from __future__ import annotations

import pytest

from model.scenario import Kill, Scenario
from scenarios.running.live import _moment


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (-0.5, "connecting"),
        (4, "second 4 of the load"),
        (10.5, "waiting for a fault that ends at second 60"),
        (60.5, "draining"),
    ],
)
def test_a_run_that_waits_for_a_fault_to_end_says_so(second: float, told: str) -> None:
    scenario = Scenario("small", "?", duration_s=10, faults=(Kill("gateway-1", at_s=1, back_s=60),))
    assert _moment(scenario, scenario.at_us(second)) == told


def test_without_faults_the_end_of_the_load_is_the_beginning_of_the_drain() -> None:
    scenario = Scenario("small", "?", duration_s=10)
    assert _moment(scenario, scenario.at_us(10.5)) == "draining"
