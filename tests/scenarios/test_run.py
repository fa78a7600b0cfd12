"""One run from its folder to its verdict, in a world that is played by a few lines here."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest

from model.history.columns import History
from model.history.run_folder import RunFolder
from model.history.schema import Kind, Phase
from model.observe import RunObserver, header
from model.scenario import Scenario, World
from scenarios.running import check, command, run
from scenarios.running.exits import IO_ERROR, Interrupted, worst
from scenarios.running.played import Played
from scenarios.running.progress import Progress, Silent
from scenarios.running.signals import STOPPING
from scenarios.running.told import told

SCENARIO = Scenario(name="quiet", question="Does nothing happen?", expected={"cursor": "unknown"})


def played(scenario: Scenario, preset: str, seed: int, folder: RunFolder, progress: Progress, **changes: Any) -> Played:
    """A world in which a few things happen, recorded as a live one records them."""
    head = header(
        world="live",
        scenario=scenario.name,
        scenario_digest=scenario.digest(),
        preset=preset,
        seed=seed,
        contract=scenario.contract,
        policies=scenario.preset(preset),
        timers=scenario.timers,
        nodes={1: "gateway-1"},
        load_begin_us=0,
    )
    folder.write_header(head)
    with folder.recorder("load") as recorder:
        recorder.record(Kind.DEVICE, 0, device=1, user=1, node=1)
        recorder.record(Kind.INTEND, 10, 1, 1, 1, 1, content_hash=7)
        observer = RunObserver(recorder)
        for at, phase in enumerate((Phase.WARM_UP, Phase.MEASURE, Phase.DRAIN, Phase.QUIET, Phase.AUDIT, Phase.END)):
            observer.phase(phase, at * 100)
    return Played(head, folder.rows(), {"cost": {}}, **changes)


Replace = Callable[[Callable[..., Played]], None]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Replace:
    """Replaces the live world by a function of the same form."""

    def replace(play: Callable[..., Played]) -> None:
        monkeypatch.setattr(
            "scenarios.running.run.live.play", lambda *arguments, **_: play(*arguments[:-1])
        )  # all but the driver

    replace(played)
    return replace


def run_it(tmp_path: Path, scenario: Scenario = SCENARIO) -> run.RunResult:
    return run.run(scenario, "live", "cursor", 1, tmp_path, Silent())


def folder_of(result: run.RunResult) -> RunFolder:
    assert result.folder is not None
    return RunFolder.open(result.folder)


def test_a_run_without_any_operation_is_judged_and_filed(world: Replace, tmp_path: Path) -> None:
    result = run_it(tmp_path)
    folder = folder_of(result)
    assert (result.verdict, result.as_expected) == ("unknown", True)
    assert folder.finished
    assert folder.manifest().complete
    assert folder.read_json("scenario.json")["name"] == "quiet"
    assert folder.read_json("metrics.json") == {"cost": {}}
    assert check.check(folder.path)[1].verdict == "unknown"


def test_what_stood_in_the_way_is_told_first(world: Replace, tmp_path: Path) -> None:
    world(lambda *arguments: played(*arguments, notes=("the load process ended with status -9",)))
    result = run_it(tmp_path)
    assert result.reasons[0] == "the load process ended with status -9"
    assert folder_of(result).read_json("verdict.json")["reasons"][0] == result.reasons[0]


def test_an_interrupted_run_is_filed_as_partial_and_ends_with_its_signal(world: Replace, tmp_path: Path) -> None:
    world(lambda *arguments: played(*arguments, interrupted=signal.SIGTERM))
    result = run_it(tmp_path)
    assert folder_of(result).manifest().interrupted
    assert command.exit_code([result]) == 143
    assert "[partial: interrupted]" in told(result)


def test_what_the_world_lacks_is_not_played(world: Replace, tmp_path: Path) -> None:
    result = run_it(tmp_path, Scenario(name="satellite", question="?", network="satellite_geo"))
    assert (result.verdict, result.folder) == ("skipped", None)
    assert list(tmp_path.iterdir()) == []


def test_a_crashed_judge_acquits_nobody(world: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(history: History) -> Never:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(run, "judge", crash)
    result = run_it(tmp_path)
    assert result.verdict == "unknown"
    assert "the judge crashed (ZeroDivisionError: by zero)" in result.reasons[0]
    assert "crash" in (folder_of(result).path / "logs" / "judge.log").read_text()


def test_a_disk_that_fills_up_takes_nothing_already_recorded(
    world: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object, **keywords: object) -> Never:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("model.history.at_rest.pq.write_table", full)
        assert command.conclude(lambda: run_it(tmp_path)) == IO_ERROR
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "No space left on device" in complaint
    (partial,) = (tmp_path / "quiet").iterdir()
    assert len(RunFolder.open(partial).history()) == 8
    assert check.check(partial)[1].verdict == "unknown"


def test_a_signal_before_there_is_a_result_leaves_the_partial_folder(world: Replace, tmp_path: Path) -> None:
    def interrupted(*arguments: object) -> Never:
        raise Interrupted(signal.SIGINT)

    world(interrupted)
    assert command.conclude(lambda: run_it(tmp_path)) == 130
    (partial,) = (tmp_path / "quiet").iterdir()
    assert partial.name.endswith(".partial")


def test_a_signal_in_a_simulated_run_leaves_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> Never:
        raise Interrupted(signal.SIGINT, "what was recorded is elsewhere")

    monkeypatch.setattr("scenarios.running.run.sim.play", interrupted)
    assert command.conclude(lambda: list(command.runs(SCENARIO, ["sim"], ["cursor"], 1, tmp_path))) == 130
    assert list((tmp_path / "quiet").iterdir()) == []
    assert capsys.readouterr().err.endswith(
        "interrupted; nothing is kept of a simulated run that is not over; its seed plays it again\n"
    )


@pytest.mark.parametrize(("worlds", "left"), [(["sim"], "nothing is kept"), (["sim", "live"], "in the run folder")])
def test_a_signal_says_what_is_left_of_the_world_that_was_asked_for(
    worlds: list[World], left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(*arguments: object) -> Never:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal was not heeded")

    monkeypatch.setattr(run, "run", struck)
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        with pytest.raises(Interrupted) as stop:
            list(command.runs(SCENARIO, worlds, ["cursor"], 1, tmp_path))
    finally:
        for number, handler in before.items():  # a program ends after a signal; these tests go on
            signal.signal(number, handler)
    assert left in stop.value.left


class TestAgain:
    def answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdicts: list[str]) -> tuple[str, int, int]:
        left, told, lines = list(verdicts), Silent(), list[str]()
        monkeypatch.setattr(told, "say", lambda text: lines.append(text), raising=False)
        monkeypatch.setattr(run, "judge_safely", lambda history, folder: run.Judged(left.pop(0), [], {}, ()))
        result = run.run_to_an_answer(SCENARIO, "live", "cursor", 1, tmp_path, told)
        return result.verdict, len(lines), len(list((tmp_path / "quiet").iterdir()))

    def test_a_run_whose_harness_failed_is_made_again_and_every_run_is_kept(
        self, world: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.answer(tmp_path, monkeypatch, ["harness_invalid", "valid", "invalid"]) == ("valid", 1, 2)

    def test_but_not_for_ever(self, world: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.answer(tmp_path, monkeypatch, ["harness_invalid"] * 9) == ("harness_invalid", 2, 3)

    @pytest.mark.parametrize("verdict", ["valid", "invalid", "unknown"])
    def test_an_answer_stands(self, world: Replace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str) -> None:
        assert self.answer(tmp_path, monkeypatch, [verdict, "valid"]) == (verdict, 0, 1)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], 2),
        (["valid", "valid"], 0),
        (["valid", "unknown"], 2),
        (["skipped", "valid"], 2),
        (["unknown", "harness_invalid"], 3),
        (["harness_invalid", "invalid", "valid"], 1),
    ],
)
def test_the_worst_of_several_verdicts_decides(verdicts: list[str], status: int) -> None:
    assert worst(verdicts) == status
