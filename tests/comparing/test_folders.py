"""Run folders that are there already, paired; they were simulated, and say that they are live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from model.history.machine import Machine
from model.history.run_folder import METRICS, RunFolder
from model.scenario import Scenario
from scenarios.comparing import command as comparing
from scenarios.comparing import folders, pairs
from scenarios.comparing.command import Asked, asked
from scenarios.comparing.pairs import SIDES, Which
from scenarios.comparing.playing import Taken
from scenarios.comparing.sides import side
from scenarios.running import catalog, settings
from scenarios.running.exits import DAMAGED, MISSING, USAGE, CannotRun
from scenarios.running.progress import Silent
from scenarios.running.run import run
from tests.comparing.test_measures import METRICS as COSTS

SMALL = settings.apply(catalog.short("standard_mix"), ["population.users=10", "duration_s=0.5", "workload.rate_per_s=40"])
HERE = Machine("this CPU", 2, python="3.11.7")
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a folder with runs of these seeds."""

    def made(
        name: str,
        seeds: range = range(1, 21),
        scenario: Scenario = SMALL,
        machine: Machine = HERE,
        commit: str = "",
        world: str = "live",
        cpu: float = 90.0,
    ) -> Path:
        for seed in seeds:
            result = run(scenario, "sim", "cursor", seed, tmp_path / name, Silent())
            assert result.folder is not None
            folder = RunFolder(result.folder)
            manifest = msgspec.structs.replace(folder.manifest(), world=world, machine=machine, commit=commit or name)
            folder.write_manifest(manifest)
            costs = {"gateway": {"cpu_us_per_delivery": cpu * (1 + seed % 3 / 1000)}, "business": {"cpu_us_per_delivery": 110.0}}
            folder.write_json(METRICS, COSTS | {"cost": costs})
        return tmp_path / name

    return made


def wanted(base: Path, candidate: Path) -> Asked:
    return asked(str(base), str(candidate), (), "cursor", (), 10, full=False, noise_folder=base.parent / "noise")


def test_runs_of_one_build_tell_the_noise_and_then_two_can_be_compared(make: Make, tmp_path: Path) -> None:
    base = make("base")
    _, twin = comparing.compared(wanted(base, make("twin", commit="base")), tmp_path / "1", Silent())
    assert twin.same
    assert twin.outcome == "EQUIVALENT"
    _, found = comparing.compared(wanted(base, make("slow", cpu=130.0)), tmp_path / "2", Silent())
    assert found.outcome == "REGRESSED"
    assert {one.measure for one in found.measures if one.answer == "REGRESSED"} == {"cpu_gateway_us"}
    assert found.cases[0].pairs == found.cases[0].again == 10
    kept = msgspec.json.decode((tmp_path / "2" / comparing.RESULT).read_bytes(), type=type(found))
    assert kept == found


def test_without_the_noise_of_their_machine_nothing_is_said(make: Make) -> None:
    with pytest.raises(
        CannotRun, match="noise of this machine is not known for standard_mix cursor; measure it first"
    ) as refused:
        wanted(make("base"), make("other"))
    assert refused.value.status == MISSING


def test_too_few_pairs_are_refused(make: Make) -> None:
    with pytest.raises(CannotRun, match="have runs for 6 pairs of standard_mix cursor, and fewer than 16 prove nothing"):
        wanted(make("base", range(6)), make("other", range(6)))


def test_runs_of_two_machines_are_refused(make: Make) -> None:
    with pytest.raises(CannotRun, match=r"was run on another machine .*that CPU, 2 cores.*this CPU") as refused:
        wanted(make("base", range(2)), make("other", range(2), machine=Machine("that CPU", 2, python="3.11.7")))
    assert refused.value.status == DAMAGED


def test_simulated_runs_and_empty_folders_are_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, why in (
        (make("simulated", range(2), world="sim"), "compared exactly, by imbench gate"),
        (tmp_path / "empty", "no run"),
    ):
        with pytest.raises(CannotRun, match=why) as refused:
            wanted(folder, folder)
        assert refused.value.status == MISSING


def test_what_only_one_side_has_played_is_refused(make: Make) -> None:
    other = settings.apply(SMALL, ["workload.rate_per_s=41"])
    with pytest.raises(CannotRun, match="have no scenario in the same form") as refused:
        wanted(make("base", range(2)), make("other", range(2), scenario=other))
    assert refused.value.status == USAGE


def test_a_case_that_one_side_has_not_played_is_refused(make: Make) -> None:
    other = settings.apply(catalog.short("access_restart"), ["population.users=10", "duration_s=0.5", "faults=[]"])
    make("base", range(2), scenario=other)
    with pytest.raises(CannotRun, match="the candidate has no run of access_restart cursor; run it there, too") as refused:
        wanted(make("base", range(2)), make("other", range(2)))
    assert refused.value.status == USAGE


def test_a_seed_that_one_side_lacks_is_told(make: Make) -> None:
    runs: dict[Which, list[folders.Found]] = {
        "base": folders.found(side(str(make("base", range(4))))),
        "candidate": folders.found(side(str(make("other", range(3))))),
    }
    played = folders.paired(runs, folders.cases(runs))
    assert [(one.side, one.seed, one.replaced) for one in played.discarded] == [("candidate", 3, False)]


def test_what_a_run_without_its_other_half_has_proven_counts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "taken", lambda path: Taken({}, {"lost": (1, "m1 never came")} if "other" in path.parts else {}))
    runs: dict[Which, list[folders.Found]] = {
        "base": folders.found(side(str(make("base", range(1))))),
        "candidate": folders.found(side(str(make("other", range(1, 2))))),
    }
    (found,) = pairs.violations(folders.paired(runs, folders.cases(runs)))
    assert (found.kind, found.seed) == ("lost", 1)


def test_either_set_of_pairs_has_both_orders_of_who_plays_in_turns(make: Make) -> None:
    """Odd seeds play the base first; a set of odd ones alone would take what the machine drifts by for a change."""
    runs: dict[Which, list[folders.Found]] = {
        "base": folders.found(side(str(make("base", range(1, 9))))),
        "candidate": folders.found(side(str(make("other", range(1, 9))))),
    }
    played = folders.paired(runs, folders.cases(runs))
    assert [[pair.seed for pair in of["standard_mix cursor"]] for of in (played.first, played.again)] == [
        [1, 2, 5, 6],
        [3, 4, 7, 8],
    ]


def test_more_pairs_than_can_be_decided_on_are_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PAIRS_MAX", 2)
    with pytest.raises(CannotRun, match="5 pairs of standard_mix cursor are more than 4; give folders with fewer runs"):
        wanted(make("base", range(5)), make("other", range(5)))


class TestOneFolder:
    def test_in_place_of_both_has_runs_of_one_build_that_are_paired_with_each_other(self, make: Make) -> None:
        make("twice", range(16))
        folder = make("twice", range(16), cpu=91.0)
        found = wanted(folder, folder)
        assert found.same
        assert found.runs is not None
        assert all(sorted(run.manifest.seed for run in found.runs[name]) == [*range(16)] for name in SIDES)
        assert not {run.path for run in found.runs["base"]} & {run.path for run in found.runs["candidate"]}

    def test_with_one_run_of_each_seed_is_refused(self, make: Make) -> None:
        folder = make("once", range(2))
        with pytest.raises(CannotRun, match="has one run of each seed; play each twice"):
            wanted(folder, folder)

    def test_no_run_is_compared_with_itself(self, make: Make) -> None:
        folder = make("all", range(2))
        with pytest.raises(CannotRun, match="is in both folders, and a run says nothing of itself"):
            wanted(folder, folder / "standard_mix")


def test_a_commit_says_nothing_of_a_server_that_is_not_ours(make: Make) -> None:
    """It is that of the checkout that played it, the same for every build of theirs."""
    runs = folders.found(side(str(make("base", range(2), commit="ab12"))))
    theirs = [msgspec.structs.replace(run, manifest=msgspec.structs.replace(run.manifest, preset="qos1")) for run in runs]
    assert (folders.commit(runs), folders.commit(theirs)) == ("ab12", "")


def test_several_forms_of_one_scenario_are_refused(make: Make) -> None:
    other = settings.apply(SMALL, ["workload.rate_per_s=41"])
    for name in ("base", "other"):
        make(name, range(2))
        make(name, range(2), scenario=other)
    with pytest.raises(CannotRun, match="standard_mix cursor was run in several forms"):
        wanted(Path(make("base", range(0))), make("other", range(0)))
