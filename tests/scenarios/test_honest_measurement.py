"""What the scenario expects, in the simulated world by every seed that is tried, in the live one where the machine lets it be measured."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from model.checkers.harness import CLOSED_NOTE
from reports import results, table
from reports.words import setting
from scenarios import honest_measurement
from scenarios.honest_measurement import PROMISE_MS, SCENARIO, SWEEP, conclusion
from scenarios.running import catalog, settings, sweep
from scenarios.running.progress import Silent
from scenarios.running.replicate import simulated
from scenarios.running.run import run
from scenarios.running.told import told
from tests.sim.times import PINNED

LOADS, SEEDS = ("open", "closed"), 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The short sweep, with the first two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenarios.running.replicate.asked_for", lambda: PINNED)
        plan, root = SWEEP.short(), tmp_path_factory.mktemp("sweep")
        return sweep.run(catalog.short(SCENARIO.name), plan, root, 1, Silent()).table


def of(runs: pd.DataFrame, load: str, trouble: str, figure: str) -> list[float]:
    """A figure of one point, by seed."""
    found = runs[(runs["load"] == load) & (runs["trouble"] == trouble)][figure].astype(float).tolist()
    assert len(found) == SEEDS
    return found


def test_a_standstill_is_in_the_p99_of_an_open_load_and_hidden_by_a_closed_loop(runs: pd.DataFrame) -> None:
    """Half a second in six: of 600 messages 50 wait, and the sixth longest wait is 0.44 s."""
    assert of(runs, "open", "stall", "end_to_end_p99_ms") == pytest.approx([440] * SEEDS, rel=0.1)
    assert max(of(runs, "closed", "stall", "end_to_end_p99_ms")) < 50
    assert min(of(runs, "closed", "stall", "end_to_end_max_ms")) > 300
    assert [of(runs, load, "stall", "valid") for load in LOADS] == [[0] * SEEDS, [1] * SEEDS]


def test_the_correction_finds_the_standstill_again_and_not_the_overload(runs: pd.DataFrame) -> None:
    assert of(runs, "closed", "stall", "put_right_p99_ms") == pytest.approx([440] * SEEDS, rel=0.15)
    assert max(of(runs, "closed", "overload", "put_right_p99_ms")) < PROMISE_MS
    assert of(runs, "open", "stall", "put_right_p99_ms") == of(runs, "open", "stall", "end_to_end_p99_ms")


def test_under_overload_an_open_load_grows_late_and_a_closed_one_sends_less(runs: pd.DataFrame) -> None:
    assert min(of(runs, "open", "overload", "end_to_end_p99_ms")) > 3 * PROMISE_MS
    assert max(of(runs, "closed", "overload", "end_to_end_p99_ms")) < PROMISE_MS
    assert of(runs, "open", "overload", "sends") == of(runs, "open", "none", "sends")
    pairs = zip(of(runs, "closed", "overload", "sends"), of(runs, "closed", "none", "sends"), strict=True)
    assert all(slow < 0.85 * calm for slow, calm in pairs)


@pytest.mark.parametrize("load", LOADS)
def test_a_starved_generator_is_found_out_under_either_load_and_nobody_else_is(load: str, runs: pd.DataFrame) -> None:
    assert of(runs, load, "starved", "harness_invalid") == [1] * SEEDS
    assert min(of(runs, load, "starved", "send_lag_p99_ms")) > 50
    for trouble in ("none", "stall", "overload"):
        assert of(runs, load, trouble, "harness_invalid") == [0] * SEEDS


def test_the_uncorrected_number_hides_the_lag_of_the_generator_and_not_that_of_the_server(runs: pd.DataFrame) -> None:
    def share(trouble: str) -> list[float]:
        names = ("uncorrected_p99_ms", "end_to_end_p99_ms")
        return [plain / corrected for plain, corrected in zip(*(of(runs, "open", trouble, name) for name in names), strict=True)]

    assert max(share("starved")) < 0.5
    assert min(share("stall")) > 0.9


def test_its_conclusion_says_what_either_load_says(runs: pd.DataFrame) -> None:
    lines = conclusion(runs).splitlines()
    assert len(lines) == 5
    stall = next(line for line in lines if line.startswith("  stall:"))
    assert re.search(r"open 4\d\d ms, invalid, \d+ messages", stall)
    assert re.search(r"closed [\d.]+ ms, valid, \d+ messages", stall)
    starved = next(line for line in lines if line.startswith("  starved:"))
    assert starved.count("harness_invalid") == 2


def test_it_concludes_nothing_from_a_grid_that_varies_more_than_load_and_trouble(runs: pd.DataFrame) -> None:
    assert "see the table" in conclusion(pd.concat([runs, runs]))


def test_a_live_point_that_is_not_counted_is_told_as_such() -> None:
    table = pd.DataFrame([{"load": "open", "trouble": "starved", "seed": 1, "verdict": "harness_invalid", "runs": None}])
    assert "open not counted: the harness failed" in conclusion(table)


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (("unknown", "unknown"), ", unknown, "),
        (("invalid", "unknown"), ", mixed verdicts, "),
        (("invalid", "invalid"), ", invalid, "),
    ],
)
def test_a_run_that_nobody_can_judge_is_not_told_as_invalid(verdicts: tuple[str, str], words: str) -> None:
    same = {"load": "open", "trouble": "overload", "runs": 1.0, "valid": 0.0, "harness_invalid": 0.0}
    figures = {"end_to_end_p99_ms": 5.0, "sends": 600.0}
    table = pd.DataFrame([{**same, **figures, "seed": seed, "verdict": verdict} for seed, verdict in enumerate(verdicts)])
    assert words in conclusion(table)


def test_the_promise_is_what_the_verdicts_rest_on() -> None:
    """Without it, nothing is wrong with a server that stands still for a second."""
    alike = msgspec.structs.replace(SCENARIO.contract, latency=())
    calm = msgspec.structs.replace(SCENARIO, contract=alike)
    assert simulated(calm, "cursor", 1).judged.verdict == "valid"
    assert simulated(SCENARIO, "cursor", 1).judged.verdict == SCENARIO.expected["cursor"]


@pytest.mark.parametrize(
    ("arrivals", "words"),
    [
        ("poisson", r"p99 8\d\d ms \(uncorrected p99 8\d\d ms\)"),
        ("closed", r"\(closed loop: nobody sent while waiting for an answer\)"),
    ],
)
def test_a_run_is_told_with_what_must_be_known_of_its_latencies(arrivals: str, words: str, tmp_path: Path) -> None:
    scenario = settings.apply(SCENARIO, [f'workload.arrivals={{"shape":"{arrivals}"}}'])
    result = run(scenario, "sim", "cursor", 1, tmp_path, Silent())
    assert re.search(words, told(result))
    assert result.folder is not None
    [row] = table.summary([result.folder])
    assert (CLOSED_NOTE in row.notes) == (arrivals == "closed")
    [report] = results.load_all([result.folder])
    rate = "100 messages/s"
    assert (f"up to {rate} in a closed loop" if arrivals == "closed" else f", {rate}") in setting(report)


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
