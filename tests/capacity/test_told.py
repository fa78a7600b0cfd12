"""What is said of a search: the answer, what saturated, how sure it is, and what is left on disk."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from model.history.run_folder import RunFolderError
from reports import capacity as report
from scenarios.capacity.capacity import Play, Result, Task, concluded, searched
from scenarios.capacity.search import Answer, Plan
from scenarios.capacity.told import told
from scenarios.capacity.trial import SERVER, Trial, at_rate, busy, judged, prepared
from scenarios.running import catalog, exits
from scenarios.running.run import RunResult
from tests.capacity.servers import firm, trial

STANDARD = catalog.load("standard_mix")
PLAN = Plan(100, 20_000)


def task(plan: Plan = PLAN, seconds: float = 5.0) -> Task:
    return Task(prepared(STANDARD, STANDARD.contract.latency, seconds), "live", "cursor", "asyncio", plan)


def result(play: Play, of: Task | None = None) -> Result:
    of = of or task()
    trials, interrupted = searched(of.plan, play, lambda point: None)
    return concluded(of, trials, None, interrupted)


def loaded(rate: float, seed: int, share: float = 1e-3, **more: object) -> Trial:
    """Of a server whose gateway is busy by ``share`` of a core for each message a second, and breaks its promise above that."""
    answer: Answer = "kept" if rate * share <= 1 else "broken"
    late_ms = 1 / (1 - rate * share) if rate * share < 1 else math.inf
    spent = {"gateway-1": min(1.0, rate * share), "business": 0.3, "generator": 0.4}
    return trial(rate, seed, answer, late_ms, busy=spent, **more)


# words -----------------------------------------------------------------------------------------------------------------------------


def test_a_capacity_is_told_with_its_two_ends_its_knee_and_what_saturated() -> None:
    lines = told(result(loaded)).splitlines()
    assert lines[0] == "standard_mix cursor live: p99 end to end within 200 ms, and the contract of the scenario"
    assert lines[1] == "capacity: 951 messages/s; last pass 951 messages/s, first failure 1,040 messages/s (it is broken)"
    assert lines[2] == "knee: about 480 messages/s, where end to end p99 is 2 times its least value at a lower rate"
    assert lines[3] == "saturated: gateway-1, 100% busy at the first failure, 95% busy at the last pass"
    assert "majority of up to 3 fresh runs of 5 s" in lines[4]
    assert "with chance 2.8%" in lines[4]
    assert lines[-1].split()[:4] == ["1,600", "broken", "0/2", ">"]


def test_where_nothing_is_busy_nothing_is_called_saturated() -> None:
    text = told(result(lambda rate, seed: firm(900)(rate, seed)))
    assert "saturated: nothing, so messages waited for something else than CPU; busiest was business, 50% busy at" in text


@pytest.mark.parametrize(
    ("saturated", "words"),
    [(0.9, "the load generator saturated"), (0.3, "the machine was too busy to measure more")],
)
def test_what_the_harness_cannot_measure_is_a_lower_bound_and_never_a_capacity(saturated: float, words: str) -> None:
    def play(rate: float, seed: int) -> Trial:
        return trial(rate, seed, "kept" if rate <= 900 else "harness", generator_cpu_max=saturated if rate > 900 else 0.2)

    found = result(play)
    assert f"capacity: at least 872 messages/s: {words}, at 951 messages/s (it is harness)" in told(found)
    assert found.exit_code == exits.HARNESS_INVALID == 3
    assert found.is_generator_saturated == (saturated > 0.7)
    assert ("saturated: the load generator; the server might take more" in told(found)) == (saturated > 0.7)
    assert "gateway" not in told(found)
    nothing = result(firm(50, beyond="harness"))
    assert "capacity: unknown: the machine was too busy to measure more, at 100 messages/s" in told(nothing)


@pytest.mark.parametrize(
    ("play", "words", "status"),
    [
        (firm(1e9), "capacity: at least 20,000 messages/s, the highest rate asked for", 0),
        (firm(50), "capacity: below 100 messages/s, the lowest rate asked for (it is broken); give a lower --from", 1),
        (firm(150, beyond="open"), "capacity: unknown (it is open); kept at 100 messages/s so far", 2),
    ],
)
def test_every_other_end_has_its_words_and_its_code(play: Play, words: str, status: int) -> None:
    found = result(play)
    assert words in told(found)
    assert found.exit_code == status


def test_a_search_that_was_interrupted_says_what_it_knows() -> None:
    of = task()
    trials, _ = searched(of.plan, firm(300), lambda point: None)
    found = concluded(of, trials[:5], None, 15)  # two rates and a run of the third
    assert "capacity: the search was not finished; kept at 200 messages/s so far" in told(found)
    assert found.exit_code == 143
    assert "nothing was kept yet" in told(concluded(of, [], None, 2))


def test_runs_that_are_too_short_to_show_an_overload_are_called_so() -> None:
    assert "note:" not in told(result(loaded))
    text = told(result(loaded, task(seconds=1.0)))
    assert "note: runs of 1 s are short for a promise of 0.2 s: a load up to 20% above" in text
    assert "give --seconds 2 or more" in text


def test_one_run_at_each_rate_gives_no_confidence_and_says_so() -> None:
    assert "confidence: one run at each rate, so none" in told(result(loaded, task(Plan(100, 20_000, runs=1))))


# a run -----------------------------------------------------------------------------------------------------------------------------


def anomaly(kind: str, messages: int = 0) -> dict[str, object]:
    return {"kind": kind, "count": 3, "messages": messages, "fails": True, "witnesses": [{"text": f"about {kind}"}]}


@pytest.mark.parametrize(
    ("verdict", "kinds", "answer", "reason"),
    [
        ("valid", [], "kept", ""),
        ("invalid", [anomaly("latency")], "broken", "about latency"),
        ("invalid", [anomaly("lost", 2)], "broken", "3 lost"),
        ("unknown", [anomaly("drain_incomplete")], "broken", "about drain_incomplete"),
        ("unknown", [anomaly("truncated")], "open", "about truncated"),
        ("unknown", [], "open", "too few samples"),
        ("harness_invalid", [anomaly("generator_lag")], "harness", "about generator_lag"),
    ],
)
def test_a_verdict_is_an_answer(verdict: str, kinds: list[dict[str, object]], answer: str, reason: str) -> None:
    run = RunResult("s", "sim", "cursor", 1, verdict, None, "", None, None, {}, kinds, ("too few samples",))
    assert judged(run) == (answer, reason)


def test_a_run_is_played_without_faults_under_the_promises_and_as_long_as_asked_for() -> None:
    restart = catalog.load("access_restart")
    found = at_rate(prepared(restart, STANDARD.contract.latency, 4.0), 321)
    assert (found.faults, found.duration_s, found.workload.rate_per_s) == ((), 4.0, 321)
    assert found.warm_up_s == 0.8
    assert found.contract.latency == STANDARD.contract.latency
    assert found.contract.quiet_us == restart.contract.quiet_us


def test_shared_cores_are_a_resource_of_their_own() -> None:
    metrics = {"busy": {"gateway-1": 0.5, "business": 0.6, "load": 0.2}, "server_busy": 1.2, "cores": {"server": [0, 1]}}
    assert busy(metrics) == {"gateway-1": 0.5, "business": 0.6, "generator": 0.2, SERVER: 0.6}
    assert SERVER not in busy(metrics | {"cores": {}})


# on disk ---------------------------------------------------------------------------------------------------------------------------


def test_a_report_leaves_table_and_picture(tmp_path: Path) -> None:
    (tmp_path / "capacity.json").write_bytes(msgspec.json.encode(result(loaded)))
    paths = report.write(tmp_path)
    assert [path.name for path in paths] == ["capacity.svg", "capacity.png", "capacity.csv"]
    table = report.frame(report.load(tmp_path))
    assert list(table["rate_per_s"]) == [100, 200, 400, 800, 951, 1040, 1130, 1600]
    assert list(table["answer"])[:5] == ["kept"] * 5
    assert table["end_to_end.p99_ms"].isna().tolist() == [False] * 5 + [True] * 3  # infinite is null in JSON
    assert table["end_to_end.p99_ms"][0] == pytest.approx(1 / 0.9)
    svg = paths[0].read_text()
    for words in ("knee", "last pass", "first failure", "promise: end to end p99", "gateway-1", "offered load (messages/s)"):
        assert words in svg
    again = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in report.write(tmp_path)] == again


def test_where_nothing_was_decided_there_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "capacity.json").write_bytes(msgspec.json.encode(concluded(task(), [], None, 2)))
    assert report.write(tmp_path) == []


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="imbench capacity"):
        report.load(tmp_path)
    (tmp_path / "capacity.json").write_text('{"points": []}')
    with pytest.raises(RunFolderError, match="is no result of a search"):
        report.load(tmp_path)
