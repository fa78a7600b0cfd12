"""The hunt finds mistakes in the rules. All of them, with how many seeds each takes: ``python -m tests.hunt.mutants --table``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from model.core.inbox import Inbox
from scenarios.hunting import command
from tests.cli.conftest import Command, imbench
from tests.hunt import mutants
from tests.hunt.mutants import MUTANTS, Mutant

__all__ = ["imbench"]
DOCS = Path(__file__).parents[2] / "docs" / "hunt.md"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_made_and_undone(mutant: Mutant) -> None:
    before = mutant.function.__code__
    with mutant.made():
        assert mutant.function.__code__ != before
    assert mutant.function.__code__ is before


def test_a_mutant_that_the_rules_moved_away_from_is_an_error() -> None:
    with (
        pytest.raises(ValueError, match=r"lost: Inbox\._place has its text 0 times, not once"),
        Mutant("lost", Inbox._place, "no such text", "").made(),
    ):
        pass


def test_names_are_names() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


def test_the_table_in_the_docs_has_every_mutant_and_all_of_them_found() -> None:
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \((\d+) to (\d+)\) \| ([a-z_, ]+) \|$", DOCS.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == [mutant.name for mutant in MUTANTS]
    for name, median, least, most, kinds in rows:
        assert 1 <= int(least) <= int(median) <= int(most) <= mutants.SEEDS_MAX, name
        assert "crash" not in kinds, f"{name} is no plausible mistake: it raises"


QUICK = ("ack before commit", "no dedupe at the server", "sequence reused after a restart", "dedupe at the device off by one")


@pytest.mark.parametrize("name", QUICK)
def test_mistakes_that_are_easy_to_find_are_found(name: str) -> None:
    seeds, kinds = mutants.found_after(next(mutant for mutant in MUTANTS if mutant.name == name), 1, 60)
    assert seeds
    assert kinds


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mistake_is_found(mutant: Mutant) -> None:
    seeds, _ = mutants.found_after(mutant, 1)
    assert seeds


def test_a_mistake_is_found_told_and_replayed_by_the_command(imbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SHRUNK_MAX", 1)
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "the gap buffer drops what waited in it")
    with mutant.made():
        answer = imbench("hunt", "--seeds", 20)
        assert answer.status == 1
        seed = re.findall(r"again: imbench hunt --preset cursor --replay (\d+)", answer.out)[0]
        assert f"seed {seed} fails: lost (owed to a device that never got it)" in answer.out
        assert re.search(r"smallest of \d+ trials, which fails with lost", answer.out)
        again = imbench("hunt", "--replay", seed, "--json")
        assert again.status == 1
        told = json.loads(again.out)
    assert told["seed"] == int(seed)
    assert "lost" in told["outcome"]["kinds"]
    assert told["trial"]["preset"] == "cursor"
    assert imbench("hunt", "--replay", seed).status == 0
