"""A sweep is its grid, run with the same seeds everywhere; its tables say what repeated runs prove and nothing more."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from model.analysis import estimates
from model.checkers import Judgement, verdict
from model.history.columns import History
from model.history.run_folder import RunFolder
from model.scenario import Scenario
from model.scenario.networks import sole
from model.scenario.sweep import PRESET, RECORD, REPLICATIONS, SUMMARY, Axis, Choice, Measure, Sweep, SweepRecord, axis
from reports import sweeps
from scenarios.running import catalog, replicate, sweep
from scenarios.running.exits import CannotRun, Interrupted
from scenarios.running.progress import Progress, Silent
from scenarios.running.run import RunResult
from scenarios.running.settings import apply

SMALL = ("population.users=10", "workload.rate_per_s=20", "duration_s=2", "warm_up_s=0.5", "faults=[]")
GRID = Sweep(axes=(axis("gateways", 1, 2), axis("network.loss", 0, 0.05)), replications=3)


def swept(root: Path, jobs: int = 1, plan: Sweep = GRID) -> sweep.SweepResult:
    return sweep.run(apply(catalog.load("access_restart").short(), SMALL), plan, root, jobs, Silent())


def table(figures: dict[tuple[str, str], list[float]], name: str = "delay") -> pd.DataFrame:
    """A table of replications: figures by the labels of two axes."""
    rows = [
        {"a": a, "b": b, "seed": seed, name: value} for (a, b), values in figures.items() for seed, value in enumerate(values, 1)
    ]
    return pd.DataFrame(rows)


def two_axes(*measures: Measure) -> Sweep:
    choices = (Choice("x"), Choice("y"))
    return Sweep(axes=(Axis("a", choices), Axis("b", choices)), measures=measures or (Measure("delay", "delay", "s"),))


class TestGrid:
    def test_every_combination_has_every_seed_and_the_last_axis_varies_fastest(self) -> None:
        planned = sweep.tasks(catalog.load("access_restart"), GRID)
        assert [task.seed for task in planned] == [1, 2, 3] * 4
        assert [tuple(task.place.values()) for task in planned[::3]] == [("1", "0"), ("1", "0.05"), ("2", "0"), ("2", "0.05")]
        assert [(task.scenario.gateways, sole(task.scenario.network).loss) for task in planned[::3]][2:] == [(2, 0), (2, 0.05)]

    def test_a_choice_may_set_several_fields(self) -> None:
        both = Sweep(axes=(Axis("size", (Choice("big", ("gateways=3", "population.users=300")),)),), replications=1)
        (task,) = sweep.tasks(catalog.load("access_restart"), both)
        assert (task.scenario.gateways, task.scenario.population.users) == (3, 300)

    def test_axes_of_the_command_line_replace_those_of_the_same_name_and_come_behind_the_others(self) -> None:
        plan = GRID.over((sweep.parsed("workload.rate_per_s=5,10"), sweep.parsed("gateways=4")))
        assert [(axis.name, [choice.label for choice in axis.choices]) for axis in plan.axes] == [
            ("gateways", ["4"]),
            ("network.loss", ["0", "0.05"]),
            ("workload.rate_per_s", ["5", "10"]),
        ]

    def test_values_may_hold_commas_of_their_own(self) -> None:
        found = sweep.parsed('faults=[],[{"fault":"cut","node":"gateway-1","at_s":1}]')
        assert [choice.label for choice in found.choices] == ["[]", '[{"fault":"cut","node":"gateway-1","at_s":1}]']

    def test_labels_of_a_declared_axis_stand_for_its_choices(self) -> None:
        declared = Sweep(axes=(Axis("door", (Choice("open", ("policies.admission=open",)), Choice("shut"))),))
        assert sweep.named(declared, sweep.parsed("door=open")).choices[0].settings == ("policies.admission=open",)
        with pytest.raises(CannotRun, match="no choice 'opne'; did you mean 'open'"):
            sweep.named(declared, sweep.parsed("door=opne"))


class TestPresets:
    def test_an_axis_of_presets_plays_each_point_with_its_own(self) -> None:
        planned = sweep.tasks(catalog.load("access_restart"), Sweep(axes=(axis(PRESET, "naive", "cursor"),), replications=1))
        assert [(task.preset, task.place) for task in planned] == [
            ("naive", {"preset": "naive"}),
            ("cursor", {"preset": "cursor"}),
        ]

    def test_a_choice_may_set_a_preset_and_fields(self) -> None:
        patient = Axis("design", (Choice("patient timer", ("preset=timer", "timers.resends_max=9")),))
        (task,) = sweep.tasks(catalog.load("access_restart"), Sweep(axes=(patient,), replications=1))
        assert (task.preset, task.scenario.timers.resends_max) == ("timer", 9)

    @pytest.mark.parametrize(
        ("preset", "axes", "text"),
        [
            ("naive", "preset=naive,timer", "an axis of this sweep chooses presets"),
            (None, "preset=naive,tmier", "did you mean 'timer'"),
        ],
    )
    def test_what_contradicts_or_is_unknown_is_refused(self, tmp_path: Path, preset: str | None, axes: str, text: str) -> None:
        with pytest.raises(CannotRun, match=text):
            sweep.swept("access_restart", [axes], 1, preset, [], short=True, jobs=1, root=tmp_path)
        assert not list(tmp_path.iterdir())


class TestLive:
    """What a sweep of the live world does with runs; that servers are started is for the tests of live runs."""

    @pytest.mark.parametrize(
        ("name", "jobs", "times", "text"),
        [
            ("polling_or_push", None, None, "its sweep is of the simulated world only"),
            ("access_restart", 2, None, "played one after the other"),
            ("access_restart", None, Path("times.json"), "leave it out"),
            ("reconnect_storm", None, None, "no point of this sweep can be played: the live world has no log-ins"),
        ],
    )
    def test_what_it_cannot_do_is_refused(
        self, tmp_path: Path, name: str, jobs: int | None, times: Path | None, text: str
    ) -> None:
        axes = ["gateways=1,2"] if name == "access_restart" else []
        with pytest.raises(CannotRun, match=text):
            sweep.swept(name, axes, 1, None, [], short=True, jobs=jobs, root=tmp_path, service_times=times, world="live")
        assert not list(tmp_path.iterdir())

    def test_a_run_whose_harness_failed_is_told_and_counts_nowhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def play(scenario: Scenario, preset: str, seed: int, root: Path, progress: Progress) -> tuple[Any, Path | None]:
            if seed == 2:
                return replicate.NotCounted("harness_invalid", "the generator was late"), root / "two"
            run = replicate.simulated(scenario, preset, seed)
            return run, root / str(seed)

        monkeypatch.setattr(replicate, "played_live", play)
        scenario = apply(catalog.load("access_restart").short(), SMALL)
        result = sweep.run(scenario, Sweep(axes=(axis("gateways", 1),), replications=3), tmp_path, 1, Silent(), "live")
        assert result.folder.name.endswith("-sweep-live-cursor")
        assert sweeps.latest(tmp_path, "access_restart", "live") == result.folder
        assert sweeps.latest(tmp_path, "access_restart") is None
        assert result.table["verdict"].tolist() == ["valid", "harness_invalid", "valid"]
        assert result.table["run"].tolist() == ["runs/1", "runs/two", "runs/3"]
        assert sweep.contract(result)["not_counted"] == {"harness_invalid": 1}
        assert {row["n"] for row in sweep.summary(result.table, result.sweep)} == {2}
        assert sweeps.told(result.folder).endswith("; not counted: 1 harness_invalid")

    def test_it_is_told_with_what_of_the_harness_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        late = {"kind": "generator_lag", "fails": True, "witnesses": [{"text": "p99 of send lag is 9 ms"}]}
        mine = {"kind": "lost", "fails": False, "witnesses": [{"text": "a loss that is only counted"}]}
        ended = RunResult(
            "s", "live", "cursor", 1, "harness_invalid", None, "", None, tmp_path, {}, [mine, late], ("a note of the judges",)
        )
        monkeypatch.setattr(replicate, "run_to_an_answer", lambda *_: ended)
        run, path = replicate.played_live(catalog.load("access_restart"), "cursor", 1, tmp_path, Silent())
        assert isinstance(run, replicate.NotCounted)
        assert (run.reason, path) == ("generator_lag: p99 of send lag is 9 ms", tmp_path)

    def test_a_signal_ends_it_with_the_runs_before(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def play(scenario: Scenario, preset: str, seed: int, root: Path, progress: Progress) -> tuple[Any, Path | None]:
            if seed == 2:
                raise Interrupted(2)
            return replicate.simulated(scenario, preset, seed), None

        monkeypatch.setattr(replicate, "played_live", play)
        scenario = apply(catalog.load("access_restart").short(), SMALL)
        result = sweep.run(scenario, Sweep(axes=(axis("gateways", 1),), replications=3), tmp_path, 1, Silent(), "live")
        assert (result.interrupted, len(result.table)) == (2, 1)

    @pytest.mark.parametrize("verdict", ["skipped", "harness_invalid"])
    def test_nothing_is_concluded_from_points_that_cannot_be_played(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str
    ) -> None:
        monkeypatch.setattr(replicate, "played_live", lambda *_: (replicate.NotCounted(verdict, "it has no clocks"), None))
        scenario = apply(catalog.load("access_restart").short(), SMALL)
        result = sweep.run(scenario, Sweep(axes=(axis("gateways", 1, 2),), replications=2), tmp_path, 1, Silent(), "live")
        assert sweep.contract(result)["not_counted"] == {verdict: 4}
        assert sweep.contract(result)["summary"] == []
        assert not list(sweep.differences(result.table, result.sweep))
        assert sweeps.told(result.folder) == f"none of 4 runs counts: 4 {verdict}"

    @pytest.mark.live
    def test_points_are_played_on_real_servers(self, tmp_path: Path) -> None:
        scenario = apply(catalog.load("access_restart").short(), (*SMALL, "duration_s=1", "ramp_s=1", "workload.rate_per_s=300"))
        result = sweep.run(scenario, Sweep(axes=(axis(PRESET, "cursor"),), replications=1), tmp_path, 1, Silent(), "live")
        (row,) = result.table.to_dict("records")
        assert RunFolder.open(result.folder / row["run"]).manifest().world == "live"
        if not sweep.not_counted(result.table):
            assert (row["verdict"], row["lost"], row["shown_twice"]) == ("valid", 0, 0)
            assert row["sends"] == row["ok"] > 0
            assert row["gateways_cpu_s"] > 0


class TestOwnReplications:
    """A file that simulates what it likes looks at some fields of its scenario; the others cannot be set."""

    @pytest.mark.parametrize(
        ("preset", "axes", "settings"),
        [
            (None, [], ['network=[["4g",0.6],["wifi_good",0.4]]']),
            (None, [], ["network.loss=0.1"]),
            (None, [], ["gateways=2"]),
            (None, ["network.loss=0,0.1"], []),
            (None, ["preset=naive,cursor"], []),
            ("naive", [], []),
        ],
    )
    def test_what_it_would_ignore_is_refused(
        self, tmp_path: Path, preset: str | None, axes: list[str], settings: list[str]
    ) -> None:
        with pytest.raises(CannotRun, match=r"does not look at that \(fields: workload.rate_per_s, .*network.delay_us"):
            sweep.swept("polling_or_push", axes, 1, preset, settings, short=True, jobs=1, root=tmp_path)
        assert not list(tmp_path.iterdir())

    def test_what_it_looks_at_can_be_set(self, tmp_path: Path) -> None:
        axes, settings = (
            ["workload.rate_per_s=0.01", "way=poll every 60 s"],
            ["network.delay_us=1000", "workload.payload_bytes=9"],
        )
        assert len(sweep.swept("polling_or_push", axes, 1, None, settings, short=True, jobs=1, root=tmp_path).table) == 1


class TestRun:
    def test_tables_do_not_depend_on_the_number_of_processes(self, tmp_path: Path) -> None:
        alone, together = (swept(tmp_path / str(jobs), jobs).folder for jobs in (1, 2))
        for name in (REPLICATIONS, SUMMARY, "differences.csv"):
            assert (alone / name).read_bytes() == (together / name).read_bytes()
        assert (alone / REPLICATIONS).read_text().count("\n") == 1 + 12

    def test_its_folder_says_what_was_run_and_is_no_run_folder(self, tmp_path: Path) -> None:
        result = swept(tmp_path)
        record = msgspec.json.decode((result.folder / RECORD).read_bytes(), type=SweepRecord)
        assert (record.runs, record.planned, record.interrupted, record.sweep) == (12, 12, False, GRID)
        assert record.finished
        assert not (result.folder / "manifest.json").exists()
        assert not list(tmp_path.rglob("*.partial"))

    def test_a_signal_leaves_what_was_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = iter([{"gateways": "1", "network.loss": "0", "seed": seed, "late": 1.0} for seed in (1, 2)])

        def one(task: sweep.Task) -> dict[str, Any]:
            row = next(rows, None)
            if row is None:
                raise Interrupted(15)
            return row

        monkeypatch.setattr(sweep, "_row", one)
        result = swept(tmp_path)
        assert result.interrupted == 15
        assert result.folder.name.endswith(".partial")
        assert len(pd.read_csv(result.folder / REPLICATIONS)) == 2
        assert json.loads((result.folder / RECORD).read_text())["runs"] == 2

    def test_an_error_leaves_what_was_run_and_is_not_hidden(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = iter([{"gateways": "1", "network.loss": "0", "seed": seed, "late": 1.0} for seed in (1, 2)])

        def one(task: sweep.Task) -> dict[str, Any]:
            row = next(rows, None)
            if row is None:
                raise OSError("no space left")
            return row

        monkeypatch.setattr(sweep, "_row", one)
        with pytest.raises(OSError, match="no space left"):
            swept(tmp_path)
        (folder,) = (tmp_path / "access_restart").iterdir()
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=SweepRecord)
        assert folder.name.endswith(".partial")
        assert (record.runs, record.interrupted, len(pd.read_csv(folder / SUMMARY))) == (2, True, 1)

    def test_a_run_on_which_the_judge_crashed_is_told_and_counts_nowhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = iter([False, True, False])

        def judge(history: History) -> Judgement:
            assert not next(asked)
            return verdict.judge(history)

        monkeypatch.setattr("scenarios.running.run.judge", judge)
        result = swept(tmp_path, plan=Sweep(axes=(axis("gateways", 1),), replications=3))
        assert result.table["verdict"].tolist() == ["valid", "unknown", "valid"]
        assert result.table["not_counted"].tolist() == ["", "judge_crashed", ""]
        assert {row["n"] for row in sweep.summary(result.table, result.sweep)} == {2}
        assert sweeps.told(result.folder).endswith("; not counted: 1 judge_crashed")

    def test_a_conclusion_is_drawn_from_what_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        runs = table({("x", "x"): [1.0, 2.0]}).assign(not_counted=["", "truncated"])
        monkeypatch.setattr(catalog, "conclusion", lambda _: lambda given: str(given["delay"].tolist()))
        assert sweep.conclusion("any", sweep.SweepResult(tmp_path, two_axes(), runs)) == ["[1.0]", ""]

    def test_a_killed_worker_leaves_what_was_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def rows(*arguments: object) -> Iterator[dict[str, Any]]:
            yield {"gateways": "1", "network.loss": "0", "seed": 1, "late": 1.0}
            raise BrokenProcessPool

        monkeypatch.setattr(sweep, "_rows", rows)
        result = swept(tmp_path)
        assert (result.worker_died, sweep.is_part(result), result.interrupted) == (True, True, 0)
        assert result.folder.name.endswith(".partial")
        assert len(pd.read_csv(result.folder / REPLICATIONS)) == 1

    def test_two_sweeps_of_one_second_have_folders_of_their_own(self, tmp_path: Path) -> None:
        small = Sweep(axes=(axis("gateways", 1),), replications=1)
        assert swept(tmp_path, plan=small).folder != swept(tmp_path, plan=small).folder


class TestSummary:
    def test_every_mean_has_the_interval_of_its_replications(self) -> None:
        values = [1.0, 2.0, 4.0]
        (row,) = sweep.summary(table({("x", "x"): values}), two_axes())
        known = estimates.mean(values)
        assert (row["mean"], row["low"], row["high"], row["n"]) == (known.mean, known.low, known.high, 3)

    def test_one_replication_has_no_interval(self) -> None:
        (row,) = sweep.summary(table({("x", "x"): [2.0]}), two_axes())
        assert row["mean"] == 2.0
        assert math.isnan(row["low"])

    def test_what_was_never_is_counted_and_not_averaged(self) -> None:
        (row,) = sweep.summary(table({("x", "x"): [1.0, math.inf, math.inf]}), two_axes())
        assert (row["mean"], row["never"], row["n"]) == (math.inf, 2, 3)
        (withheld,) = sweep.summary(table({("x", "x"): [math.nan, math.inf]}), two_axes())
        assert math.isnan(withheld["mean"])

    def test_a_figure_that_is_withheld_in_one_replication_is_withheld(self) -> None:
        (row,) = sweep.summary(table({("x", "x"): [1.0, math.nan]}), two_axes())
        assert math.isnan(row["mean"])

    def test_what_was_never_counted_is_bounded_by_three_over_n(self) -> None:
        runs = table({("x", "x"): [0.0, 0.0]}).assign(owed=[400.0, 600.0])
        (row,) = sweep.summary(runs, two_axes(Measure("delay", "lost", of="owed")))
        assert row["mean"] == 0
        assert 0.99 * 3 / 1_000 < row["high"] <= 3 / 1_000

    def test_a_share_is_withheld_where_one_of_its_counts_is(self) -> None:
        for counts, owed in (([0.0, math.nan], [400.0, 600.0]), ([3.0, 2.0], [400.0, math.nan])):
            runs = table({("x", "x"): counts}).assign(owed=owed)
            (row,) = sweep.summary(runs, two_axes(Measure("delay", "lost", of="owed")))
            assert math.isnan(row["mean"])

    def test_a_share_is_of_the_replications_that_had_something_to_count(self) -> None:
        runs = table({("x", "x"): [0.0, 3.0, 5.0]}).assign(owed=[0.0, 100.0, 100.0])
        (row,) = sweep.summary(runs, two_axes(Measure("delay", "lost", of="owed")))
        known = estimates.mean([0.03, 0.05])
        assert (row["mean"], row["low"], row["high"]) == (known.mean, known.low, known.high)

    def test_losses_of_one_run_come_together_so_their_interval_is_that_of_the_replications(self) -> None:
        runs = table({("x", "x"): [0.0, 0.0, 90.0]}).assign(owed=1000.0)
        (row,) = sweep.summary(runs, two_axes(Measure("delay", "lost", of="owed")))
        known = estimates.mean([0.0, 0.0, 0.09])
        assert (row["mean"], row["low"], row["high"]) == (known.mean, known.low, known.high)

    def test_trials_that_are_replications_have_an_exact_interval(self) -> None:
        runs = table({("x", "x"): [1.0, 0.0, 1.0, 1.0]}).assign(trials=1.0)
        (row,) = sweep.summary(runs, two_axes(Measure("delay", "back", of="trials")))
        known = estimates.share(3, 4)
        assert (row["mean"], row["low"], row["high"]) == (0.75, known.low, known.high)


class TestDifferences:
    def test_pairs_of_one_seed_see_through_the_luck_that_points_share(self) -> None:
        luck = [10.0, 50.0, 90.0, 20.0]
        figures = {("x", "x"): luck, ("x", "y"): [value + 1 + 0.01 * i for i, value in enumerate(luck)]}
        (row,) = sweep.differences(table(figures).sort_values(["b", "delay"]), two_axes())  # in no order of seeds
        assert (row["axis"], row["base"], row["choice"], row["a"], row["n"]) == ("b", "x", "y", "x", 4)
        assert row["mean"] == pytest.approx(1.015)
        assert row["high"] - row["low"] < 0.1

    def test_what_was_never_has_no_difference(self) -> None:
        figures = {("x", "x"): [1.0, 2.0, 3.0], ("x", "y"): [1.0, 2.0, math.inf]}
        assert not list(sweep.differences(table(figures), two_axes()))

    def test_a_run_that_does_not_count_takes_its_own_pair_away_and_no_other(self) -> None:
        figures = {("x", "x"): [1.0, 2.0, 4.0], ("x", "y"): [2.0, 3.0, 99.0]}
        runs = table(figures).assign(not_counted=["", "", "", "", "", "truncated"])
        (row,) = sweep.differences(runs, two_axes())
        assert (row["mean"], row["n"]) == (1.0, 2)
