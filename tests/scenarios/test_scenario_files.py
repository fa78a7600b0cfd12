"""Every scenario file is one question that a reader understands and that both worlds can be asked."""

from __future__ import annotations

from importlib import import_module

import pytest

from model.core.policies import PRESETS
from model.scenario import Kill
from scenarios.running import catalog, settings
from scenarios.running.exits import CannotRun
from scenarios.targets import registry


@pytest.mark.parametrize("name", catalog.names())
def test_its_docstring_says_what_is_asked_and_expected(name: str) -> None:
    text = import_module(f"scenarios.{name}").__doc__ or ""
    headings = ["Question", "Set-up", "Expectation", "What would surprise us"]
    assert [line for line in text.splitlines() if line in headings] == headings


@pytest.mark.parametrize("name", catalog.names())
def test_it_can_be_played_in_full_and_in_short(name: str) -> None:
    scenario = catalog.load(name)
    assert scenario.question.endswith("?")
    assert set(scenario.expected) <= {*PRESETS, *registry.presets()}
    assert settings.apply(scenario, []) == scenario
    assert settings.apply(scenario.short(), []).duration_s <= 10


def test_access_restart_is_the_scenario_it_claims_to_be() -> None:
    scenario = catalog.load("access_restart")
    assert (scenario.gateways, scenario.population.users, scenario.population.group_size) == (2, 200, 5)
    assert (scenario.workload.rate_per_s, scenario.duration_s) == (200, 30)
    assert scenario.faults == (Kill("gateway-1", 10, 12),)
    assert scenario.expected == {"naive": "invalid", "timer": "invalid", "cursor": "valid"}


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(CannotRun, match="did you mean 'access_restart'"):
        catalog.load("acess_restart")


class TestSettings:
    def test_a_path_reaches_any_field_at_any_depth(self) -> None:
        scenario = settings.apply(
            catalog.load("access_restart"),
            ["gateways=3", "workload.rate_per_s=50", "faults.0.at_s=5", "contract.fails.late=true", "expected.naive=unknown"],
        )
        assert scenario.gateways == 3
        assert scenario.workload.rate_per_s == 50
        assert scenario.faults == (Kill("gateway-1", 5, 12),)
        assert scenario.contract.fails == {"late": True}
        assert scenario.expected["naive"] == "unknown"

    def test_later_settings_win_and_lists_are_json(self) -> None:
        scenario = settings.apply(catalog.load("access_restart"), ["gateways=3", "gateways=4", "faults=[]"])
        assert (scenario.gateways, scenario.faults) == (4, ())

    def test_the_scenario_itself_is_left_as_it_was(self) -> None:
        scenario = catalog.load("access_restart")
        settings.apply(scenario, ["expected.naive=unknown"])
        assert catalog.load("access_restart").expected["naive"] == "invalid"
