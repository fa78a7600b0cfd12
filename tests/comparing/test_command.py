"""``imbench compare``: what cannot be compared is refused in one line, before anything is built or run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from model.analysis.regressions import Answer
from model.history.machine import Machine, this_machine
from model.scenario.paired_comparison import Discarded, Measured, Outcome, PairedComparison, PlayedCase, Side, Violated
from scenarios.comparing.command import DEFAULTS, EXIT_CODES, asked, compared, scenario_of
from scenarios.running.exits import CANNOT_CREATE, MISSING, USAGE, CannotRun
from scenarios.running.progress import Silent
from tests.comparing.conftest import Repository
from tests.comparing.revisions import PLANTS, ROOT, Plant

pytestmark = pytest.mark.usefixtures("repository")
HEAD = "HEAD"


def refusal(
    base: str, candidate: str, names: tuple[str, ...] = (), changed: tuple[str, ...] = (), number: int = 10, full: bool = False
) -> CannotRun:
    with pytest.raises(CannotRun) as refused:
        asked(base, candidate, names, "cursor", changed, number, full=full, noise_folder=Path("nowhere"))
    return refused.value


@pytest.mark.parametrize(
    ("sides", "options", "why"),
    [
        (("127.0.0.1:4000", "127.0.0.1:5000"), {}, "two addresses need the secret that their tokens are made with"),
        ((HEAD, "127.0.0.1:4000"), {}, "is a revision and '127.0.0.1:4000' an address; compare two of one kind"),
        ((HEAD, "tests"), {}, "is a revision and 'tests' a folder; compare two of one kind"),
        ((HEAD, HEAD), {"number": 3}, "--pairs 3: fewer than 9 prove nothing of 24 measures"),
        ((HEAD, HEAD), {"number": 50}, "more than 20 take too long; give 9 to 20"),
        ((HEAD, HEAD), {"names": ("standard_mix",), "number": 7}, "--pairs 7: fewer than 8 prove nothing of 12 measures"),
        ((HEAD, HEAD), {"changed": ("duration_s=1",)}, "--set and --full are of a scenario; name it with --scenario"),
        ((HEAD, HEAD), {"full": True}, "--set and --full are of a scenario"),
        ((HEAD, HEAD), {"names": ("standard_mi",)}, "standard_mix"),
        (("tests", "docs"), {"names": ("standard_mix",)}, "are of runs that are to be made"),
    ],
)
def test_what_makes_no_sense_is_refused(sides: tuple[str, str], options: dict[str, object], why: str) -> None:
    refused = refusal(*sides, **options)  # type: ignore[arg-type]
    assert why in str(refused)
    assert "\n" not in str(refused)
    assert refused.status == USAGE


def test_a_revision_that_is_not_there_is_refused() -> None:
    refused = refusal("no-such-branch", HEAD)
    assert str(refused).startswith("'no-such-branch' is no run folder, no HOST:PORT and no revision of this checkout")
    assert refused.status == MISSING


def test_a_file_is_no_run_folder() -> None:
    refused = refusal(str(Path(__file__)), HEAD)
    assert "is no run folder" in str(refused)
    assert refused.status == MISSING


def test_the_noise_of_the_machine_is_asked_for_first(tmp_path: Path, repository: Repository) -> None:
    repository.commit("second", {"imbench.py": "print('second')\n"})
    refused = refusal(HEAD, "HEAD~1")
    assert "the noise of this machine is not known for standard_mix cursor; measure it first" in str(refused)
    assert f"imbench compare {HEAD} {HEAD}" in str(refused)
    assert refused.status == MISSING
    assert asked(HEAD, HEAD, (), "cursor", (), 10, full=False, noise_folder=tmp_path).same


def test_noise_that_is_missing_is_told_with_the_file_it_would_be_in(repository: Repository) -> None:
    repository.commit("second", {"imbench.py": "print('second')\n"})
    assert str(refusal(HEAD, "HEAD~1")).endswith(
        f"what there is of it is looked for in nowhere/{this_machine().fingerprint}.json"
    )


def test_a_folder_that_noise_cannot_be_kept_in_is_told_before_anything_is_played(tmp_path: Path) -> None:
    taken = tmp_path / "a file"
    taken.write_text("x")
    wanted = asked(HEAD, HEAD, (), "cursor", (), 10, full=False, noise_folder=tmp_path / "not yet")
    wanted = dataclasses.replace(wanted, noise=taken / "noise")
    with pytest.raises(CannotRun, match="a file/noise: cannot be made") as refused:
        compared(wanted, tmp_path / "out", Silent())
    assert refused.value.status == CANNOT_CREATE
    assert not (tmp_path / "out").exists()


def test_what_is_played_where_nothing_is_asked_for_can_be_played() -> None:
    assert {bool(scenario_of(case).faults) for case in DEFAULTS} == {False, True}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_every_planted_change_still_fits_the_code(plant: Plant) -> None:
    assert (ROOT / plant.path).read_text().count(plant.before) == 1


# what it comes to -----------------------------------------------------------------------------------------------------------------


def comparison(
    answers: tuple[Answer, ...], violated: bool = False, missing: bool = False, replaced: bool = False, more: str = ""
) -> PairedComparison:
    side = Side("x", "revision", "x", "x")
    return PairedComparison(
        side,
        side,
        (PlayedCase(more, "cursor", (), 10),) if more else (),
        tuple(Measured("c", str(n), "t", "us", answer, (1.0,), (1.0,)) for n, answer in enumerate(answers)),
        (Violated("c", "lost", 1, 1, 1, ""),) if violated else (),
        (Discarded("c", "base", 1, "late", replaced),) if missing or replaced else (),
        Machine(),
        "",
        "",
        1.0,
    )


@pytest.mark.parametrize(
    ("found", "outcome", "code"),
    [
        (comparison(("EQUIVALENT", "EQUIVALENT")), "EQUIVALENT", 0),
        (comparison(("EQUIVALENT", "IMPROVED")), "IMPROVED", 0),
        (comparison(("IMPROVED", "INCONCLUSIVE")), "INCONCLUSIVE", 5),
        (comparison(("EQUIVALENT",), replaced=True), "EQUIVALENT", 0),
        (comparison(("EQUIVALENT",), missing=True), "HARNESS", 3),
        (comparison(()), "HARNESS", 3),
        (comparison(("EQUIVALENT",), more="a case of which nothing was measured"), "HARNESS", 3),
        (comparison(("REGRESSED", "INCONCLUSIVE"), missing=True), "REGRESSED", 4),
        (comparison(("EQUIVALENT",), violated=True), "REGRESSED", 4),
    ],
)
def test_a_proven_regression_comes_first_and_nothing_unknown_is_green(
    found: PairedComparison, outcome: Outcome, code: int
) -> None:
    assert found.outcome == outcome
    assert EXIT_CODES[found.outcome] == code
