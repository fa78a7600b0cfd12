"""What the scenario expects, in the simulated world by every seed that is tried, in the live one where the machine lets it be measured."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from scenarios import honest_measurement
from scenarios.honest_measurement import PROMISE_MS, SCENARIO, SWEEP, conclusion
from scenarios.running import catalog, settings, sweep
from scenarios.running.progress import Silent
from scenarios.running.replicate import simulated
from scenarios.running.run import run
from tests.sim.times import PINNED


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The short sweep, with the first two seeds, in rows by load, trouble and seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenarios.running.replicate.asked_for", lambda: PINNED)
        plan, root = SWEEP.short(), tmp_path_factory.mktemp("sweep")
        table = sweep.run(catalog.short(SCENARIO.name), plan, root, 1, Silent()).table
    return table.set_index(["load", "trouble", "seed"]).sort_index()


def test_a_standstill_is_in_the_p99_of_an_open_load_and_hidden_by_a_closed_loop(runs: pd.DataFrame) -> None:
    """Half a second in six: of 600 messages 50 wait, and the sixth longest wait is 0.44 s."""
    stalled = runs.xs("stall", level="trouble")
    for seed in (1, 2):
        assert stalled.loc["open", seed]["end_to_end_p99_ms"] == pytest.approx(440, rel=0.1)
        assert stalled.loc["closed", seed]["end_to_end_p99_ms"] < 50
        assert stalled.loc["closed", seed]["end_to_end_max_ms"] > 300
    assert (stalled.loc["open"]["valid"] == 0).all()
    assert (stalled.loc["closed"]["valid"] == 1).all()


def test_the_correction_finds_the_standstill_again_and_not_the_overload(runs: pd.DataFrame) -> None:
    for seed in (1, 2):
        assert runs.loc["closed", "stall", seed]["put_right_p99_ms"] == pytest.approx(440, rel=0.15)
        assert runs.loc["closed", "overload", seed]["put_right_p99_ms"] < PROMISE_MS
    opened = runs.loc["open"]
    assert (opened["put_right_p99_ms"] == opened["end_to_end_p99_ms"]).all()


def test_under_overload_an_open_load_grows_late_and_a_closed_one_sends_less(runs: pd.DataFrame) -> None:
    overload = runs.xs("overload", level="trouble")
    calm = runs.xs("none", level="trouble")
    assert (overload.loc["open"]["end_to_end_p99_ms"] > 3 * PROMISE_MS).all()
    assert (overload.loc["closed"]["end_to_end_p99_ms"] < PROMISE_MS).all()
    assert (overload.loc["open"]["sends"] == calm.loc["open"]["sends"]).all()
    assert (overload.loc["closed"]["sends"] < 0.85 * calm.loc["closed"]["sends"]).all()


def test_a_starved_generator_is_found_out_under_either_load(runs: pd.DataFrame) -> None:
    starved = runs.xs("starved", level="trouble")
    assert (starved["harness_invalid"] == 1).all()
    assert (starved["send_lag_p99_ms"] > 50).all()
    assert (runs.drop("starved", level="trouble")["harness_invalid"] == 0).all()


def test_the_uncorrected_number_hides_the_lag_of_the_generator_and_not_that_of_the_server(runs: pd.DataFrame) -> None:
    starved, stalled = (runs.loc["open"].xs(trouble, level="trouble") for trouble in ("starved", "stall"))
    assert (starved["uncorrected_p99_ms"] < 0.5 * starved["end_to_end_p99_ms"]).all()
    assert (stalled["uncorrected_p99_ms"] > 0.9 * stalled["end_to_end_p99_ms"]).all()


def test_its_conclusion_says_what_either_load_says(runs: pd.DataFrame) -> None:
    told = conclusion(runs.reset_index()).splitlines()
    assert len(told) == 5
    stall = next(line for line in told if line.startswith("  stall:"))
    assert re.search(r"open 4\d\d ms, invalid, \d+ messages", stall)
    assert re.search(r"closed [\d.]+ ms, valid, \d+ messages", stall)
    starved = next(line for line in told if line.startswith("  starved:"))
    assert starved.count("harness_invalid") == 2


def test_a_live_point_that_is_not_counted_is_told_as_such() -> None:
    table = pd.DataFrame([{"load": "open", "trouble": "starved", "seed": 1, "verdict": "harness_invalid", "runs": None}])
    assert "open not counted: the harness failed" in conclusion(table)


def test_the_promise_is_what_the_verdicts_rest_on() -> None:
    """Without it, nothing is wrong with a server that stands still for a second."""
    alike = msgspec.structs.replace(SCENARIO.contract, latency=())
    calm = msgspec.structs.replace(SCENARIO, contract=alike)
    assert simulated(calm, "cursor", 1).judged.verdict == "valid"
    assert simulated(SCENARIO, "cursor", 1).judged.verdict == SCENARIO.expected["cursor"]


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.parametrize("load", [choice.label for choice in honest_measurement.LOADS.choices])
@pytest.mark.parametrize("trouble", [choice.label for choice in honest_measurement.troubles().choices])
def test_the_live_world_says_the_same_where_the_machine_is_quiet_enough_to_say_anything(
    load: str, trouble: str, tmp_path: Path
) -> None:
    point = next(p for p in SWEEP.points() if (p["load"].label, p["trouble"].label) == (load, trouble))
    scenario = settings.apply(SCENARIO, [setting for choice in point.values() for setting in choice.settings])
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    if trouble == "starved":
        assert result.verdict == "harness_invalid"
    else:
        seen = load == "open" and trouble != "none"
        assert result.verdict in ("harness_invalid", "invalid" if seen else "valid")
