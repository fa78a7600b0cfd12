"""What a gateway's restart does to each design: the same claims in both worlds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model.history.schema import Kind, Phase
from model.scenario import World
from scenarios.running.run import RunResult
from tests.scenarios.conftest import Runner, history_of

WORLDS = ["sim", pytest.param("live", marks=pytest.mark.live)]


def failing(result: RunResult) -> dict[str, Any]:
    return {anomaly["kind"]: anomaly for anomaly in result.anomalies if anomaly["fails"]}


@pytest.mark.parametrize("world", WORLDS)
def test_cursor_raises_nothing_that_fails_and_is_valid(short_run: Runner, world: World) -> None:
    result = short_run(world, "cursor")
    assert failing(result) == {}
    assert result.verdict == "valid", result.reasons


@pytest.mark.parametrize("world", WORLDS)
def test_naive_loses_and_the_losses_are_witnessed(short_run: Runner, world: World) -> None:
    result = short_run(world, "naive")
    assert result.verdict == "invalid"
    losses = [anomaly for kind, anomaly in failing(result).items() if kind in ("lost", "lost_stored")]
    assert losses
    assert all(anomaly["witnesses"] for anomaly in losses)


@pytest.mark.parametrize("world", WORLDS)
def test_timer_does_as_the_scenario_expects(short_run: Runner, world: World) -> None:
    result = short_run(world, "timer")
    assert result.verdict == "invalid"
    assert failing(result)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("preset", ["naive", "timer", "cursor"])
def test_every_run_comes_to_its_end_with_its_fault_proven(short_run: Runner, world: World, preset: str) -> None:
    history = history_of(short_run(world, preset))
    phases = history.code[history.rows_of(Kind.PHASE)].tolist()
    assert phases[:3] == [Phase.WARM_UP, Phase.MEASURE, Phase.DRAIN]
    assert phases[-2:] == [Phase.AUDIT, Phase.END]
    (begun,), (healed,) = history.rows_of(Kind.FAULT_BEGUN), history.rows_of(Kind.FAULT_HEALED)
    assert history.names.nodes[history.node[begun]] == "gateway-1"
    planned = history.t_us[history.rows_of(Kind.FAULT_PLANNED)][0]
    assert planned <= history.t_us[begun] < history.t_us[healed]


def test_a_seed_gives_one_trace_and_another_seed_another(short_run: Runner, tmp_path: Path) -> None:
    from scenarios.running import catalog
    from scenarios.running.progress import Silent
    from scenarios.running.run import run

    first = short_run("sim", "cursor")
    scenario = catalog.load("access_restart").short()
    again, other = (run(scenario, "sim", "cursor", seed, tmp_path, Silent()) for seed in (1, 2))
    assert again.trace_digest == first.trace_digest
    assert other.trace_digest != first.trace_digest
