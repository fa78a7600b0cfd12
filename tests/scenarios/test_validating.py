"""A validation, with predictions and measurements that were planted: what is kept, what is broken, and how it says so."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.core.policies import PRESETS
from model.history.columns import from_rows
from model.history.machine import Machine
from model.history.recorder import MemoryRecorder
from model.history.schema import Kind, Phase
from model.sim import run
from model.sim.service_times import Standard, load
from reports import validation
from scenarios.calibrating import simulated
from scenarios.running import exits, settings
from scenarios.running.exits import CannotRun
from scenarios.running.progress import Silent
from scenarios.validating import holdout, measures, predict, promises, validate
from scenarios.validating.holdout import Point
from scenarios.validating.predict import Prediction
from scenarios.validating.promises import PROMISED, Comparison, Row
from scenarios.validating.validate import Measured, Results
from tests.sim.test_world import BUSINESS_KILLED, KILLED

HERE = Machine("a CPU", 2, "a kernel", "3.11.7")
TRUE = {"throughput_per_s": 1_000.0, "mean_us": 2_000.0, "p50_us": 1_800.0, "p95_us": 4_000.0, "p99_us": 6_000.0}
NOTHING = {"lost": 0.0, "twice": 0.0, "out_of_order": 0.0}
LINE = {name: value * 1.5 for name, value in TRUE.items()}
Runs = Sequence[Mapping[str, float]]


def around(values: Mapping[str, float], factor: float = 1.0, spread: float = 0.01) -> list[dict[str, float]]:
    """Three replications whose mean is ``factor`` times the values."""
    return [{name: value * factor * (1 + shift) for name, value in values.items()} for shift in (-spread, 0, spread)]


def answers(found: Sequence[Row]) -> dict[str, str]:
    return {row.measure: row.answer for row in found}


def rows(predicted: Runs, measured: Runs, load: float = 0.5, preset: str = "cursor") -> list[Row]:
    return list(promises.rows("a point", preset, load, predicted, measured, LINE))


# promises ----------------------------------------------------------------------------------------------------------------------------


def test_the_promises_are_those_that_were_made() -> None:
    assert PROMISED == {
        "throughput_per_s": 0.05,
        "mean_us": 0.10,
        "p50_us": 0.10,
        "p95_us": 0.15,
        "p99_us": 0.25,
        "reconnect_peak": 0.15,
        "reconnect_95_us": 0.15,
        "attempts": 0.15,
    }
    assert promises.DOUBLED_ABOVE == 0.8


@pytest.mark.parametrize("measure", list(TRUE))
@pytest.mark.parametrize("side", [-1, 1])
def test_a_promise_is_kept_up_to_its_bound_and_broken_beyond(measure: str, side: int) -> None:
    for beyond, answer in ((0.99, "kept"), (1.01, "broken")):
        wrong = TRUE | {measure: TRUE[measure] * (1 + side * PROMISED[measure] * beyond)}
        found = rows(around(wrong), around(TRUE))
        assert answers(found)[measure] == answer
        assert set(answers(found).values()) == ({"kept"} if answer == "kept" else {"kept", "broken"})


@pytest.mark.parametrize(("load", "answer"), [(0.8, "broken"), (0.81, "kept"), (0.9, "kept")])
def test_above_four_fifths_of_the_load_a_promise_is_doubled(load: float, answer: str) -> None:
    wrong = TRUE | {"mean_us": TRUE["mean_us"] * 1.15}
    (row,) = [row for row in rows(around(wrong), around(TRUE), load) if row.measure == "mean_us"]
    assert row.answer == answer
    assert row.allowed == (0.2 if load > 0.8 else 0.1)


def test_the_interval_is_that_of_the_measurements_and_the_error_of_the_means() -> None:
    (row,) = [row for row in rows(around(TRUE, 1.05), around(TRUE, spread=0.1)) if row.measure == "mean_us"]
    assert row.error == pytest.approx(0.05)
    assert row.half_width == pytest.approx(4.303 * 200 / math.sqrt(3), rel=1e-3)  # Student, two degrees of freedom


def test_what_was_measured_once_or_never_stays_open() -> None:
    for measured in ([], around(TRUE | NOTHING)[:1]):
        found = rows(around(TRUE | NOTHING), measured)
        assert set(answers(found).values()) == {"open"}
        assert {row.measured for row in found} == {None}


def test_of_cursor_a_single_loss_in_either_world_breaks_the_promise() -> None:
    one = [NOTHING, NOTHING, NOTHING | {"lost": 1e-6}]
    assert answers(rows([NOTHING] * 3, [NOTHING] * 3)) == {"lost": "kept", "twice": "kept", "out_of_order": "kept"}
    assert answers(rows([NOTHING] * 3, one))["lost"] == "broken"
    assert answers(rows(one, [NOTHING] * 3))["lost"] == "broken"


def test_what_a_run_could_not_measure_is_left_out_and_a_row_of_less_than_two_is_open() -> None:
    whole, without = around(TRUE | NOTHING), {name: value for name, value in TRUE.items() if name != "p95_us"}
    assert set(answers(rows(whole, [*whole[:2], without])).values()) == {"kept"}
    assert set(answers(rows([*whole[:2], without], whole)).values()) == {"kept"}
    for found in (rows(whole, [whole[0], without]), rows([whole[0], without], whole)):
        assert answers(found) == dict.fromkeys(TRUE, "kept") | dict.fromkeys(NOTHING, "open") | {"p95_us": "open"}


def test_of_other_presets_rates_are_held_to_whether_their_intervals_meet() -> None:
    lossy = NOTHING | {"lost": 0.1}
    assert answers(rows(around(lossy, 1.05, 0.03), around(lossy, 1.0, 0.03), preset="naive"))["lost"] == "kept"
    assert answers(rows(around(lossy, 1.50, 0.03), around(lossy, 1.0, 0.03), preset="naive"))["lost"] == "broken"
    half = 4.303 * 0.03 / math.sqrt(3)  # of each interval, relative: Student, two degrees of freedom
    for apart, answer in ((1.9, "kept"), (2.1, "broken")):
        for predicted, measured in ((1 + apart * half, 1.0), (1.0, 1 + apart * half)):
            found = rows(around(lossy, predicted, 0.03 / predicted), around(lossy, measured, 0.03 / measured), preset="naive")
            assert answers(found)["lost"] == answer


def test_a_prediction_of_something_that_is_not_there_is_infinitely_wrong() -> None:
    assert promises.relative(0.0, 0.0) == 0
    assert promises.relative(1.0, 0.0) == math.inf


def test_ours_is_compared_with_a_line_on_the_latencies_of_both() -> None:
    found = rows(around(TRUE, 1.1), around(TRUE))
    comparison = promises.compare(found)
    assert comparison.ours == pytest.approx(0.1)
    assert comparison.line == pytest.approx(0.5)
    assert comparison.beaten is True
    assert promises.compare(rows(around(TRUE, 1.7), around(TRUE))).beaten is False
    assert promises.compare([]).beaten is None


def test_a_line_that_is_unstable_is_wholly_wrong_and_not_more() -> None:
    (row,) = [
        r for r in promises.rows("p", "cursor", 0.9, around(TRUE), around(TRUE), {"mean_us": math.inf}) if r.measure == "mean_us"
    ]
    assert promises.compare([row]).line == 1


# results -----------------------------------------------------------------------------------------------------------------------------


def prediction(values: Mapping[str, float], name: str = "standard, 45%", load: float = 0.45) -> Prediction:
    scenario = holdout.loads()[0].scenario
    return Prediction(Point(name, load, scenario), 1, load, {"cursor": tuple(around(values))}, LINE)


def measured(values: Mapping[str, float], name: str = "standard, 45%", verdict: str = "valid") -> list[Measured]:
    return [Measured(name, "cursor", seed, verdict, 0.5, dict(found)) for seed, found in enumerate(around(values))]


def concluded(predicted: Mapping[str, float], found: list[Measured]) -> Results:
    return validate.concluded([prediction(predicted)], found, HERE, "a machine")


def test_where_all_is_kept_the_answer_is_valid() -> None:
    results = concluded(TRUE | NOTHING, measured(TRUE | NOTHING))
    assert results.exit_code == exits.VALID
    assert results.conclusion.startswith("8 of 8 promises are kept; M/M/c is beaten: mean error of latencies 0% against 50%")
    assert results.busy == {"standard, 45%": (0.45, 0.5)}


def test_a_broken_promise_is_told_first_and_decides() -> None:
    results = concluded((TRUE | NOTHING) | {"p95_us": 5_000.0}, measured(TRUE | NOTHING))
    assert results.exit_code == exits.INVALID
    assert results.conclusion.startswith(
        "1 of 8 promises are BROKEN, first p95_us of 'standard, 45%' cursor (+25%, promised 15%); 7 of 8"
    )


def test_not_to_beat_a_line_is_a_broken_promise() -> None:
    results = concluded(TRUE, measured({name: value * 1.01 for name, value in TRUE.items()}))
    assert results.exit_code == exits.VALID
    results = msgspec.structs.replace(results, comparison=Comparison(0.02, 0.01))
    assert results.exit_code == exits.INVALID
    assert validate.conclusion(results.rows, results.comparison).startswith("M/M/c is NOT beaten")


def test_what_the_harness_failed_at_is_open_and_no_failure_of_the_prediction() -> None:
    failed = [msgspec.structs.replace(run, verdict="harness_invalid", values={}) for run in measured(TRUE | NOTHING)]
    results = concluded(TRUE | NOTHING, failed)
    assert results.exit_code == exits.HARNESS_INVALID
    assert "8 could not be measured" in results.conclusion
    assert validate.concluded([], [], HERE, "a machine").exit_code == exits.UNKNOWN


@pytest.mark.parametrize(("meant", "came_to", "allowed"), [(0.9, 0.92, 0.2), (0.9, 0.55, 0.1), (0.8, 0.82, 0.1)])
def test_a_promise_is_doubled_where_the_load_was_meant_to_be_high_and_is_predicted_to_be(
    meant: float, came_to: float, allowed: float
) -> None:
    """A rate that ends below its load has no claim to the excuse of a high one, nor has one that comes out above."""
    asked = prediction(TRUE, load=meant)
    results = validate.concluded([msgspec.structs.replace(asked, busy=came_to)], measured(TRUE), HERE, "a machine")
    assert {row.allowed for row in results.rows if row.measure == "mean_us"} == {allowed}


def test_a_report_reads_results_and_leaves_table_and_picture(tmp_path: Path) -> None:
    results = concluded((TRUE | NOTHING) | {"p95_us": 5_000.0}, measured(TRUE | NOTHING))
    infinite = msgspec.structs.replace(results.rows[1], line=math.inf, line_error=math.inf)
    results = msgspec.structs.replace(results, rows=(results.rows[0], infinite, *results.rows[2:]))
    (tmp_path / "results.json").write_bytes(msgspec.json.encode(results))
    paths = validation.write(tmp_path)
    assert [path.name for path in paths] == ["table.txt", "table.csv", "errors.svg", "errors.png"]
    lines = paths[0].read_text().splitlines()
    assert lines[0] == results.conclusion
    (p95,) = [line for line in lines if " p95 " in line]
    assert p95.split() == ["p95", "5.00", "ms", "4.00", "ms", "0.10", "ms", "+25%", "15%", "BROKEN", "6.00", "ms", "+50%"]
    (mean,) = [line for line in lines if " mean " in line and line != lines[0] and "end to end" not in line]
    assert mean.endswith("∞       ∞")
    table = validation.frame(validation.load(tmp_path))
    assert list(table["answer"]).count("broken") == 1
    again = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in validation.write(tmp_path)] == again


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    from model.history.run_folder import RunFolderError

    with pytest.raises(RunFolderError, match="imbench validate"):
        validation.load(tmp_path)
    (tmp_path / "results.json").write_text('{"rows": []}')
    with pytest.raises(RunFolderError, match="is no result of a validation"):
        validation.load(tmp_path)


def test_a_validation_is_not_mixed_with_another(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("")
    times = msgspec.structs.replace(load(), standard=(STANDARD, STANDARD))
    with pytest.raises(CannotRun, match="is not empty; choose another with --out"):
        validate.validate([], times, tmp_path, Silent())
    with pytest.raises(CannotRun, match="standard mix at two loads"):
        validate.validate([], msgspec.structs.replace(times, standard=()), tmp_path / "new", Silent())
    assert not (tmp_path / "new").exists()


# the hold-out ------------------------------------------------------------------------------------------------------------------------

STANDARD = Standard(1_000.0, 2_500.0, 0.3, 1_500.0, 1_400.0, 2_000.0, 2_500.0)


def test_the_hold_out_reaches_to_nine_tenths_and_is_none_of_what_was_calibrated() -> None:
    points = holdout.full()
    assert len({point.name for point in points}) == len(points)
    assert max(point.load for point in points) == 0.9
    assert {0.3, 0.6}.isdisjoint({point.load for point in points})
    assert {preset for point in points for preset in point.presets if point.scenario.faults} == set(PRESETS)
    for point in (*points, *holdout.quick()):
        settings.apply(point.scenario, [])
        assert 1 not in point.seeds  # a calibration's
        assert len(point.seeds) >= promises.REPLICATIONS_MIN


def test_a_rate_is_found_at_which_the_cores_are_as_busy_as_wanted() -> None:
    times = load()
    scenario = holdout.loads(2.0)[0].scenario
    rate = predict.rate_for(0.4, scenario, times, 1)
    trial = msgspec.structs.replace(scenario, warm_up_s=0.2, duration_s=1.2)
    assert simulated.busy(predict.at_rate(trial, rate), times, 1) == pytest.approx(0.4, rel=0.05)


def test_a_prediction_is_the_same_in_any_process(tmp_path: Path) -> None:
    """Determinism: predicted by a pool of processes and by this one."""
    times = msgspec.structs.replace(load(), standard=(STANDARD, STANDARD))
    point = msgspec.structs.replace(holdout.quick()[0], scenario=holdout.loads(1.0)[0].scenario, load=0.1)
    (found,) = predict.predict([point], times, 1, workers=2)
    assert found.runs["cursor"][0] == predict._one(found.point.scenario, "cursor", point.seeds[0], times, 1)
    assert set(found.runs["cursor"][0]) == {*TRUE, *NOTHING}
    assert set(found.line) == set(TRUE)


def test_the_line_is_given_what_a_planner_would_give_it() -> None:
    """A delivery at 60 % costs 0.6 / 6,000 s = 100 us. At 30 % the line answers in 100 / 0.7 us; what was measured has 857 us more."""
    low = msgspec.structs.replace(STANDARD, deliveries_per_s=3_000.0, mean_us=1_000.0)
    high = msgspec.structs.replace(STANDARD, deliveries_per_s=6_000.0, busy=0.6)
    times = msgspec.structs.replace(load(), standard=(low, high))
    scenario = predict.at_rate(holdout.loads()[0].scenario, 3_000.0 / 2.5)
    found = predict.by_line(scenario, times, 1)
    assert found["throughput_per_s"] == pytest.approx(3_000)
    assert found["mean_us"] == pytest.approx(1_000)
    assert found["p99_us"] == pytest.approx(1_000 - 100 / 0.7 + 100 / 0.7 * math.log(100))
    unstable = predict.by_line(predict.at_rate(scenario, 5_000.0), times, 1)
    assert unstable["throughput_per_s"] == pytest.approx(10_000)
    assert unstable["mean_us"] == math.inf


def test_infinity_is_null_in_the_files() -> None:
    assert json.loads(msgspec.json.encode({"line": math.inf})) == {"line": None}


# measures ----------------------------------------------------------------------------------------------------------------------------


def test_measures_of_a_run_with_a_fault_are_returns_and_rates() -> None:
    found = measures.of(simulated.played(KILLED, "cursor", 1, load(), 1), KILLED)
    assert set(found) == {"reconnect_peak", "reconnect_95_us", "attempts", *NOTHING}
    assert found["lost"] == found["twice"] == found["out_of_order"] == 0
    assert found["reconnect_peak"] >= 1
    assert measures.of(simulated.played(KILLED, "naive", 1, load(), 1), KILLED)["lost"] > 0


def test_what_never_came_is_as_late_as_it_was_at_the_end_of_the_run() -> None:
    """From business's end on, at 1.5 s of the load, nobody is shown anything under ``naive``: a seventh of what is owed."""
    history = simulated.played(BUSINESS_KILLED, "naive", 1, load(), 1)
    end_us, killed_us = int(history.t_us.max()), BUSINESS_KILLED.at_us(1.5)
    assert 0.9 * (end_us - killed_us) < simulated.latencies(history, BUSINESS_KILLED)["p99_us"] <= end_us - killed_us


def test_of_a_drain_that_did_not_end_no_losses_are_told() -> None:
    result = run(simulated.as_live(KILLED, load(), 1), "naive", 1)
    cut_off = from_rows(msgspec.structs.replace(result.header, truncated=True), result.rows)
    found = measures.of(cut_off, KILLED)
    assert set(found) == {"reconnect_peak", "reconnect_95_us", "attempts", "twice", "out_of_order"}


def came_back(*devices: tuple[list[int], list[int], list[int]], audit_us: int | None = None) -> dict[str, float]:
    """The measures of returns, by (instants at which a connection was lost, attempts, instants of readiness) of each device."""
    recorder = MemoryRecorder()
    for device, (lost, attempts, back) in enumerate(devices, 1):
        recorder.record(Kind.DEVICE, 0, device=device, user=device)
        recorder.record(Kind.CONNECTING, 10, device=device, connection=1)
        recorder.record(Kind.READY, 20, device=device, connection=1)
        for kind, instants in ((Kind.DISCONNECTED, lost), (Kind.CONNECTING, attempts), (Kind.READY, back)):
            for n, t_us in enumerate(instants, 1):
                recorder.record(kind, t_us, device=device, connection=n)
    if audit_us is not None:
        recorder.record(Kind.PHASE, audit_us, code=Phase.AUDIT)
    result = simulated.played(KILLED, "cursor", 1, load(), 1)
    rows = np.sort(recorder.rows(), order="t_us", kind="stable")
    return measures.returns(from_rows(msgspec.structs.replace(result.header, load_begin_us=0), rows))


def test_returns_are_counted_from_the_first_loss_of_each_device() -> None:
    found = came_back(([100], [200, 300], [400]), ([150], [500], [600_000]))
    assert found == {"reconnect_peak": 1.0, "reconnect_95_us": 600_000.0 - 150, "attempts": 1.5}
    again = came_back(([100, 900], [200, 300, 1_000], [400, 1_100]))
    assert again == {"reconnect_peak": 1.0, "reconnect_95_us": 300.0, "attempts": 2.0}


def test_who_never_came_back_is_in_no_peak_and_waits_to_the_end() -> None:
    gone: tuple[list[int], list[int], list[int]] = ([150], [500, 900_000], [])
    assert came_back(([100], [200], [400]), gone, gone, gone) == {
        "reconnect_peak": 1.0,
        "reconnect_95_us": 900_000.0 - 150,
        "attempts": 1.75,
    }
    assert came_back(gone)["reconnect_peak"] == 0


def test_what_happens_in_the_audit_is_no_return() -> None:
    assert came_back(([100], [200], [400]), ([500_001], [500_100], [500_200]), audit_us=500_000) == came_back(
        ([100], [200], [400])
    )
    late = came_back(([100], [200], [400]), ([100], [200, 500_100], [500_200]), audit_us=500_000)
    assert late == {"reconnect_peak": 1.0, "reconnect_95_us": 500_000.0 - 100, "attempts": 1.0}


def test_a_peak_is_the_most_in_any_window() -> None:
    instants = np.array([0, 10, 50, 109, 110, 111, 400])
    assert measures.peak(instants, 100) == 4  # from 50 on; 150 would be the next window's
    assert measures.peak(instants[:0], 100) == 0
