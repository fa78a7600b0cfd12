"""``imbench soak``, as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.running.exits import CANNOT_CREATE
from scenarios.soaking import legs
from tests.cli.conftest import Command, imbench
from tests.soak import simulated
from tests.soak.simulated import planting, replace_world
from tests.soak.test_conduct import LEG_MESSAGES, interrupted, no_server, then

__all__ = ["imbench"]

SMALL = ("soak", "--messages", LEG_MESSAGES, "--leg", 8, "--kills-per-minute", 60)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario of a soak that names none, in small, in the simulated world."""
    monkeypatch.setattr(legs, "DEFAULT", simulated.SMALL)
    replace_world(monkeypatch)


def test_nothing_found_is_told_with_its_bounds(imbench: Command, tmp_path: Path) -> None:
    answer = imbench(*SMALL, "--out", tmp_path)
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("small cursor seed 1: nothing found in ")
    bounds = [line for line in lines if "up to" in line]
    assert len(bounds) == 6
    assert any(line.startswith("lost, of sends in flight at a kill") for line in bounds)
    assert any("kills and" in line and "each proven" in line for line in lines)
    assert str(tmp_path) in lines[-1]


def test_a_soak_whose_kills_found_nothing_to_strike_says_so(imbench: Command, tmp_path: Path) -> None:
    lines = imbench("soak", "--messages", 1, "--leg", 5, "--kills-per-minute", 0.001, "--out", tmp_path).out.splitlines()
    assert "0 kills and 0 drains" in lines
    assert any(line.startswith("nothing was struck") for line in lines)
    calm = imbench("soak", "--messages", 1, "--leg", 5, "--kills-per-minute", 0, "--out", tmp_path / "calm").out
    assert "nothing was struck" not in calm


def test_the_object_for_machines_is_the_file(imbench: Command, tmp_path: Path) -> None:
    told = json.loads(imbench(*SMALL, "--json", "--out", tmp_path).out)
    assert told == json.loads((Path(told["folder"]) / "soak.json").read_text())
    assert told["counts"]["ok"] >= LEG_MESSAGES
    assert [rate["found"] for rate in told["rates"]] == [0] * 6


def test_what_is_found_is_told_with_the_command_that_shows_it(
    imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_world(monkeypatch, planting(simulated.without_one_delivery, {1}))
    answer = imbench(*SMALL, "--out", tmp_path)
    assert answer.status == 1
    (look,) = [line for line in answer.out.splitlines() if "--anomaly lost" in line]
    command = look.partition("imbench ")[2].split()
    shown = imbench(*command, "--json")
    assert shown.status == 0
    assert json.loads(shown.out)


def test_a_signal_leaves_the_result_so_far(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, then(2, interrupted))
    answer = imbench("soak", "--leg", 8, "--out", tmp_path)
    assert answer.status == 143
    assert "[stopped by a signal]" in answer.out.splitlines()[0]
    assert "legs that count: 1, of 8 s" in answer.out
    assert "legs set aside: 1" in answer.out


def test_a_harness_that_fails_is_no_acquittal(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, no_server)
    answer = imbench(*SMALL, "--out", tmp_path)
    assert answer.status == 3
    assert "[given up" in answer.out
    assert "up to" not in answer.out


def test_people_and_load_of_a_scenario_are_soaked_under_the_faults_of_the_soak(imbench: Command, tmp_path: Path) -> None:
    options = ("--messages", 100, "--leg", 8, "--rate", 30, "--kills-per-minute", 60)
    told = json.loads(imbench("soak", "access_restart", *options, "--json", "--out", tmp_path).out)
    assert (told["scenario"], told["rate_per_s"], told["found"]) == ("access_restart", 30, {})
    assert told["counts"]["kills"] + told["counts"]["drains"] > 1  # its own kill lies beyond the leg


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "curser"), ("no preset is called 'curser'", "did you mean 'cursor'")),
        (("no_such",), ("no scenario is called 'no_such'",)),
        (("--messages", "0"), ("0 is not in the range",)),
        (("--hours", "nan"), ("--hours nan is no amount",)),
        (("--hours", "0"), ("0.0 is not in the range",)),
        (("--rate", "nan"), ("--rate nan is no amount",)),
        (("--leg", "1"), ("1.0 is not in the range",)),
        (("--kills-per-minute", "-1"), ("-1.0 is not in the range",)),
        (("reconnect_storm",), ("cannot be soaked", "choose another")),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    imbench: Command, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    answer = imbench("soak", *arguments, "--out", tmp_path / "soaks")
    assert answer.status == 64
    assert (answer.out, answer.err.count("\n")) == ("", 1)
    assert all(word in answer.err for word in words)
    assert not (tmp_path / "soaks").exists()


def test_a_folder_that_cannot_be_made_is_one_line(imbench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = imbench(*SMALL, "--out", tmp_path / "file" / "soaks")
    assert answer.status == CANNOT_CREATE
    assert "--out" in answer.err
