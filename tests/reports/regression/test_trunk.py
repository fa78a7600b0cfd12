"""The history of a trunk: small files in a plain folder, and curves over commits that never mix machines or versions."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.history.machine import Machine
from model.history.schema import HistoryError
from model.scenario.paired_comparison import PairedComparison
from reports.regression import trunk
from reports.regression.effects import medians
from scenarios.running.exits import CANNOT_CREATE, DAMAGED, MISSING, VALID
from tests.cli.conftest import Command, imbench
from tests.reports.regression.planted import MACHINE, MIX, REGRESSED, SAME, paired
from tests.reports.regression.test_forms import outside

__all__ = ["imbench"]


def at(day: int, commit: str, machine: Machine = MACHINE, version: int = 1) -> PairedComparison:
    """What a commit of a day came to."""
    found = paired(REGRESSED, SAME, began=f"2026-01-{day:02}T04:05:06+00:00", machine=machine, version=version)
    return msgspec.structs.replace(found, candidate=msgspec.structs.replace(found.candidate, commit=commit * 40))


def test_a_result_lies_by_machine_version_instant_and_commit(tmp_path: Path) -> None:
    path = trunk.append(tmp_path / "trunk", at(3, "a"))
    assert path == tmp_path / "trunk" / MACHINE.fingerprint / "1" / "20260103T040506Z-aaaaaaaaaaaa.json"
    kept = msgspec.json.decode(path.read_bytes(), type=trunk.Entry)
    assert kept.outcome == "REGRESSED"
    assert [(point.case, point.measure, point.unit, point.answer) for point in kept.points] == [
        (MIX, "cpu_gateway_us", "us", "REGRESSED"),
        (MIX, "p50_us", "us", "EQUIVALENT"),
    ]
    figures = sorted(figure for figure in REGRESSED.candidate if figure is not None)
    assert figures[3] < kept.points[0].value < figures[4]


def test_what_never_came_has_no_point_and_does_not_damage_the_history(tmp_path: Path) -> None:
    never = msgspec.structs.replace(REGRESSED, candidate=(None,) * 5 + REGRESSED.candidate[5:])
    trunk.append(tmp_path, msgspec.structs.replace(at(3, "a"), measures=(never, SAME)))
    (kept,) = trunk.read(tmp_path)
    assert [point.measure for point in kept.points] == ["p50_us"]
    assert medians(never)[1] == "never"


def test_a_checkout_with_changes_is_kept_apart_from_its_commit(tmp_path: Path) -> None:
    changed = at(3, "a")
    changed = msgspec.structs.replace(changed, candidate=msgspec.structs.replace(changed.candidate, commit="a" * 40 + "+"))
    assert trunk.append(tmp_path, changed).name == "20260103T040506Z-aaaaaaaaaaaa+.json"


def test_results_are_read_in_the_order_of_their_instants(tmp_path: Path) -> None:
    for day, commit in ((3, "c"), (1, "a"), (2, "b")):
        trunk.append(tmp_path, at(day, commit))
    assert [kept.commit[0] for kept in trunk.read(tmp_path)] == ["a", "b", "c"]


def test_a_candidate_that_is_no_commit_is_refused(tmp_path: Path) -> None:
    found = paired(SAME)
    nowhere = msgspec.structs.replace(found, candidate=msgspec.structs.replace(found.candidate, commit="", given="host:7001"))
    with pytest.raises(HistoryError, match="host:7001: is no commit"):
        trunk.append(tmp_path, nowhere)
    assert not list(tmp_path.iterdir())


def test_machines_and_versions_have_curves_of_their_own(tmp_path: Path) -> None:
    other = msgspec.structs.replace(MACHINE, cpu="Another CPU <b>")
    for day, machine, version in ((1, MACHINE, 1), (2, MACHINE, 1), (3, MACHINE, 2), (4, other, 1)):
        trunk.append(tmp_path, at(day, "abcd"[day - 1], machine, version))
    told = trunk.told(trunk.read(tmp_path))
    assert told.count("<section>") == 3
    assert told.count("<svg ") == 3 * 2  # a panel a measure
    assert "<h1>The newest of 4 results, dddddddddddd of 2026-01-04, is REGRESSED; 4 of them REGRESSED</h1>" in told
    assert "Another CPU &lt;b&gt;" in told
    assert outside(told).found == []


def test_a_curve_goes_through_every_commit_and_marks_what_regressed() -> None:
    entries = [trunk.entry(at(day, "abc"[day - 1])) for day in (1, 2, 3)]
    curve, crosses = drawn(entries, "cpu_gateway_us")
    assert curve == [(place, kept.points[0].value) for place, kept in enumerate(entries)]
    assert crosses == curve
    assert drawn(entries, "p50_us")[1] == []


def drawn(entries: list[trunk.Entry], measure: str) -> list[list[tuple[float, float]]]:
    """The points of every line of a panel."""
    [axes] = trunk.curves(entries, measure).axes
    return [[(float(x), float(y)) for x, y in np.asarray(line.get_xydata())] for line in axes.get_lines()]


class TestCommand:
    def test_it_leaves_a_page(self, imbench: Command, tmp_path: Path) -> None:
        trunk.append(tmp_path / "trunk", at(3, "a"))
        answer = imbench("trunk", tmp_path / "trunk", "--out", tmp_path / "trunk.html")
        assert (answer.status, answer.out) == (VALID, f"{tmp_path / 'trunk.html'}\n")
        assert (tmp_path / "trunk.html").read_text().startswith("<!doctype html>")

    @pytest.mark.parametrize("text", ["{", "{}", '{"at": "yesterday"}', "\xff"])
    def test_a_file_that_is_none_is_named_in_a_line(self, imbench: Command, tmp_path: Path, text: str) -> None:
        good = trunk.append(tmp_path / "trunk", at(3, "a"))
        bad = good.with_name("bad.json")
        bad.write_text(text)
        answer = imbench("trunk", tmp_path / "trunk", "--out", tmp_path / "trunk.html")
        assert answer.status == DAMAGED
        assert answer.err.startswith(f"imbench: {bad}: is no result of a trunk (")
        assert answer.err.count("\n") == 1
        assert not (tmp_path / "trunk.html").exists()

    def test_an_instant_that_is_none_is_a_bad_file(self, imbench: Command, tmp_path: Path) -> None:
        good = trunk.append(tmp_path, at(3, "a"))
        good.write_text(good.read_text().replace("2026-01-03T04:05:06+00:00", "yesterday"))
        assert imbench("trunk", tmp_path, "--out", tmp_path / "trunk.html").status == DAMAGED

    def test_an_empty_folder_and_a_place_that_cannot_be_are_told(self, imbench: Command, tmp_path: Path) -> None:
        assert imbench("trunk", tmp_path, "--out", tmp_path / "trunk.html").status == MISSING
        assert imbench("trunk", tmp_path, "--out", tmp_path / "no" / "trunk.html").status == CANNOT_CREATE
