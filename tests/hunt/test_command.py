"""``imbench hunt``, as a shell sees it."""

from __future__ import annotations

import json
import os
import signal
from itertools import count
from pathlib import Path

import pytest

import model.sim
from model.sim import run as simulate
from scenarios.hunting import command, kept, search
from scenarios.running.exits import Interrupted
from tests.cli.conftest import Command, imbench

__all__ = ["imbench"]

LAST_PLAYED = 4 * search.SEEDS_AT_A_TIME
"""What two jobs have in hand at once: a seed after it is played only when something has come back."""


def test_a_hunt_that_finds_nothing_says_how_much_that_means(imbench: Command) -> None:
    answer = imbench("hunt", "--seeds", 20)
    assert answer.status == 0
    assert "cursor: 20 seeds" in answer.out
    assert "0 fail; at 95 % fewer than 0.15 of them do" in answer.out
    assert "traced" in answer.out


def test_the_object_for_machines(imbench: Command) -> None:
    answer = imbench("hunt", "--first", 40, "--last", 45, "--json")
    told = json.loads(answer.out)
    assert (told["preset"], told["first"], told["seeds"], told["failures"], told["probed"]) == ("cursor", 40, 6, [], 1)
    assert told["never_reached"]


def test_designs_that_lose_are_found_and_kept(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("")
    monkeypatch.setattr(kept.keep, "__defaults__", (path,))
    monkeypatch.setattr(command, "SHRUNK_MAX", 1)
    answer = imbench("hunt", "--preset", "naive", "--seeds", 3, "--keep", "--json")
    assert answer.status == 1
    told = json.loads(answer.out)
    (entry,) = kept.read(path)
    assert entry.seed == told["failures"][0]["seed"]
    assert list(entry.kinds) == told["shrunk"][0]["outcome"]["kinds"]


def test_a_signal_ends_a_hunt_with_what_it_has_found_and_is_no_finding_itself(
    imbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    sims = count(1)

    def interrupted(*arguments: object, **more: object) -> object:
        if next(sims) > search.SEEDS_AT_A_TIME:
            raise Interrupted(15)
        return simulate(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(model.sim, "run", interrupted)
    answer = imbench("hunt", "--seeds", 40)
    assert answer.status == 143
    assert "cursor: 20 seeds" in answer.out
    assert "0 fail" in answer.out
    assert "imbench: interrupted" in answer.err


def played_or_killed(seeds: list[int], preset: str) -> search.Tally:
    """What a worker does whom the system kills at some seed."""
    if seeds[0] > LAST_PLAYED:
        os.kill(os.getpid(), signal.SIGKILL)
    return search.Tally(seeds=len(seeds), failures=[search.Failure(9, ("lost",), ("m1",), "")] if preset == "naive" else [])


@pytest.mark.parametrize(("preset", "status"), [("cursor", 3), ("naive", 1)])
def test_a_killed_worker_is_one_line_and_ends_a_hunt_with_what_it_has_found(
    imbench: Command, monkeypatch: pytest.MonkeyPatch, preset: str, status: int
) -> None:
    monkeypatch.setattr(search, "hunt_seeds", played_or_killed)
    monkeypatch.setattr(command, "SHRUNK_MAX", 0)
    answer = imbench("hunt", "--preset", preset, "--seeds", 200, "--jobs", 2, "--json")
    told = json.loads(answer.out)
    assert answer.status == status
    assert told["worker_died"]
    assert search.SEEDS_AT_A_TIME <= told["seeds"] <= LAST_PLAYED
    assert bool(told["failures"]) == (preset == "naive")
    assert answer.err.splitlines()[-1].startswith("imbench: a worker process was killed; what was found before is told")
    assert "Traceback" not in answer.err


def test_a_seed_is_replayed_to_the_same_trace(imbench: Command) -> None:
    first, second = (imbench("hunt", "--replay", 7) for _ in range(2))
    assert first.status == 0
    assert first == second
    assert "played twice, one trace: " in first.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "curser"), ("no preset is called 'curser'", "did you mean 'cursor'")),
        (("--seeds", "0"), ("0 is not in the range",)),
        (("--seeds", "many"), ("'many' is not a whole number",)),
        (("--jobs", "0"), ("0 is not in the range",)),
        (("--seconds", "nan"), ("--seconds nan is no time",)),
        (("--seconds", "0"), ("0.0 is not in the range",)),
        (("--first", "9", "--last", "3"), ("--last 3 is before --first 9",)),
        (("--last", "3", "--seeds", "3"), ("--last and --seeds", "leave out one")),
        (("--replay", "-1"), ("-1 is not in the range",)),
        (("--replay", "7", "--keep", "--seeds", "5"), ("no use for --seeds, --keep",)),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(imbench: Command, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    answer = imbench("hunt", *arguments)
    assert answer.status == 64
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert all(word in answer.err for word in words)
