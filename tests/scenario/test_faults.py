"""The words for faults: written, scaled and refused alike, and every world says which of them it knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from model.history.schema import FaultKind, Phase, Stage
from model.scenario import (
    NETWORKS,
    AckLost,
    Cut,
    Drain,
    Fault,
    Kill,
    Network,
    Pause,
    RollingRestart,
    Scenario,
    Throttle,
    faults,
)
from model.scenario.script import BeginPhase, Progress, Script
from model.workload.population import populate
from model.workload.schedule import plan

LEAST: dict[str, Any] = {"back_s": 20.0, "heal_s": 20.0, "idle_s": 2.0, "nodes": ("gateway-1",), "down_s": 1.0, "every_s": 2.0}


def least(kind: Any) -> Fault:
    """A fault of a kind, with only what has no default."""
    given = {"node": "gateway-1", "at_s": 10.0, **LEAST}
    fault: Fault = kind(**{name: given[name] for name in kind.__struct_fields__ if name in given})
    return fault


ALL = [least(kind) for kind in faults.FAULTS]


@pytest.mark.parametrize("fault", ALL, ids=faults.tag)
def test_a_fault_survives_json_in_a_scenario(fault: Fault) -> None:
    scenario = Scenario("s", "?", faults=(fault,))
    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario


@pytest.mark.parametrize("fault", ALL, ids=faults.tag)
def test_its_times_are_scaled_and_nothing_else(fault: Fault) -> None:
    short = faults.scaled(fault, 0.1)
    for name in fault.__struct_fields__:
        before, after = getattr(fault, name), getattr(short, name)
        times = ("at_s", "back_s", "heal_s", "idle_s", "down_s", "every_s")
        assert after == (pytest.approx(before * 0.1) if name in times else before), name
    assert short.healed_s == pytest.approx(fault.healed_s * 0.1)


@pytest.mark.parametrize("fault", ALL, ids=faults.tag)
def test_the_drain_waits_for_it_to_heal(fault: Fault) -> None:
    scenario = Scenario("s", "?", faults=(fault,), duration_s=10.5)
    people = populate(scenario.population, 2, 1)
    sends = plan(people, scenario.workload, scenario.load_begin_us, scenario.at_us(10.5), 1)
    script, out = Script(scenario, people, sends, lambda: Progress(0, 0, 0, 0)), list[Any]()
    while script.phase is not Phase.DRAIN:
        now = script.deadline
        script.on_deadline(now, out)
    lasting = {"heal_s", "back_s"} & set(fault.__struct_fields__)
    assert now == scenario.at_us(20 if lasting else 11 if isinstance(fault, RollingRestart) else 10.5)
    assert isinstance(out[-1], BeginPhase)


def test_every_kind_of_the_history_has_its_word_and_every_word_its_kind() -> None:
    kinds = [fault.kind for fault in faults.steps(ALL)]
    assert set(kinds) == set(FaultKind)
    for fault in ALL:
        if not isinstance(fault, RollingRestart):
            assert faults.tag(fault) == fault.kind.name.lower()


def test_stages_have_one_name_each_in_scenarios_and_histories() -> None:
    assert {name.upper() for name in (*faults.GATEWAY_STAGES, *faults.BUSINESS_STAGES)} == set(Stage.__members__)
    assert set(get_args(faults.KillStage)) == {"", *faults.GATEWAY_STAGES, *faults.BUSINESS_STAGES}
    assert faults.stage(Kill("business", 1, 2, "queued")) == Stage.QUEUED
    assert faults.stage(Kill("business", 1, 2)) == faults.stage(Cut("gateway-1", 1)) == 0


def test_a_kill_without_a_stage_is_written_and_counted_as_it_always_was() -> None:
    """So digests of scenarios that do not name one stay."""
    assert msgspec.json.encode(Kill("gateway-1", 1.0, 2.0)) == b'{"fault":"kill","node":"gateway-1","at_s":1.0,"back_s":2.0}'
    plain, staged = (Scenario("s", "?", faults=(Kill("business", 1, 2, stage),)).digest() for stage in ("", "queued"))
    assert plain != staged


def test_a_rolling_restart_is_its_steps() -> None:
    rolling = RollingRestart(("gateway-2", "gateway-1"), 10, 2, 5, "kill")
    assert faults.steps([Cut("gateway-1", 1), rolling]) == (
        Cut("gateway-1", 1),
        Kill("gateway-2", 10, 12),
        Kill("gateway-1", 15, 17),
    )
    assert rolling.healed_s == 17
    assert RollingRestart(("gateway-1",), 10, 2, 5).steps == (Drain("gateway-1", 10, 12),)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Kill("gateway-1", 10, 9), "back_s is 9; give a time after at_s"),
        (Pause("gateway-1", 10, float("nan")), "heal_s is nan"),
        (AckLost("gateway-1", 10, 12, 0), "count is 0"),
        (Throttle("gateway-1", 10, 12, 0), "bit_s is 0"),
        (RollingRestart((), 10, 2, 5), "nodes is empty"),
        (RollingRestart(("gateway-1",), 10, 0, 5), "down_s is 0"),
        (faults.Roam("gateway-1", 10, 1.5), "share is 1.5"),
        (faults.NatDrop("gateway-1", 10, 12, 0), "idle_s is 0"),
        (Kill("gateway-1", 10, 12, "queued"), "stage is queued, where gateway-1 never stands; give one of read, forwarded"),
        (Kill("business", 10, 12, "read"), "stage is read, where business never stands; give one of received, queued"),
    ],
)
def test_what_cannot_be_is_told(fault: Fault, words: str) -> None:
    assert words in next(faults.problems(fault))


def test_what_can_be_is_not() -> None:
    assert [text for fault in ALL for text in faults.problems(fault)] == []
    assert faults.struck(ALL[0], 2) == ["gateway-1", "gateway-2", "business"]
    assert faults.struck(Cut("gateway-1", 1), 1) == ["gateway-1"]
    assert faults.struck(faults.StorageStall("business", 1, 2), 2) == ["business"]


def test_the_page_on_the_model_tells_of_every_fault_and_every_network() -> None:
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
    section = page[page.index("## Faults") :]
    assert {faults.tag(fault) for fault in ALL} == set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
    told = page[page.index("## Networks") : page.index("## Faults")]
    assert set(NETWORKS) | set(Network.__struct_fields__) <= set(re.findall(r"`([a-z0-9_]+)`", told)) | {"2"}
