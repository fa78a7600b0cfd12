"""``imbench explain`` and ``imbench convert``: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.history import at_rest
from scenarios.running.exits import DAMAGED, IO_ERROR, MISSING, USAGE, VALID
from tests.cli.conftest import Command
from tests.cli.test_bad_input import assert_one_line
from tests.corpus.files import FOLDER

LOST = FOLDER / "03_lost_for_one_of_five.jsonl"


def test_explain_tells_and_draws(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = imbench("explain", LOST, "a/y")
    assert answer.status == VALID
    assert answer.out.splitlines()[:4] == [
        "a/y in g: ok, position 2",
        "owed to 5 devices: shown to b after 30.0 ms, c after 30.0 ms, d after 30.0 ms, e after 30.0 ms",
        "never shown to f",
        "lost: f never showed a/y, ok at 2.020 s, sent at 2.000 s",
    ]
    assert answer.out.endswith("diagram: explain-a-y.svg\n")
    assert (tmp_path / "explain-a-y.svg").read_text().startswith("<svg")


def test_explain_takes_the_first_witness_of_a_kind(imbench: Command, tmp_path: Path) -> None:
    answer = imbench("explain", LOST, "--anomaly", "lost", "--out", tmp_path / "life.svg")
    assert answer.out.startswith("a/y in g: ok")
    assert (tmp_path / "life.svg").exists()


def test_explain_as_json_has_every_event_by_name(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    life = json.loads(imbench("explain", LOST, "a/y", "--json").out)
    assert [event["kind"] for event in life["events"]][:4] == ["intend", "invoke", "attempt", "ok"]
    assert life["findings"] == [{"kind": "lost", "text": "f never showed a/y, ok at 2.020 s, sent at 2.000 s"}]
    assert [one["device"] for one in life["owed"] if one["missing"]] == ["f"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a/nothing",), ("no message is called 'a/nothing'", "imbench check")),
        (("--anomaly", "dup_app"), ("nothing in it has the anomaly 'dup_app'",)),
        (("--anomaly", "dup_ap"), ("no kind of anomaly 'dup_ap'", "did you mean 'dup_app'")),
        ((), ("give a MESSAGE", "--anomaly KIND")),
        (("a/y", "--anomaly", "lost"), ("explain one thing",)),
    ],
)
def test_explain_says_what_it_cannot_find(imbench: Command, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line(imbench("explain", LOST, *arguments), USAGE, *words)


def test_explain_needs_a_history(imbench: Command, tmp_path: Path) -> None:
    assert_one_line(imbench("explain", tmp_path / "none", "a/y"), MISSING, "no such file or folder")
    (tmp_path / "bad.jsonl").write_text('{"world":"x"}\n{"t_us":1,"kind":"frobnicate"}\n')
    assert_one_line(imbench("explain", tmp_path / "bad.jsonl", "a/y"), DAMAGED, "bad.jsonl", "frobnicate")


def test_convert_there_and_back_changes_nothing(imbench: Command, tmp_path: Path) -> None:
    parquet, lines = tmp_path / "history.parquet", tmp_path / "history.jsonl"
    assert imbench("convert", LOST, parquet).status == VALID
    assert imbench("convert", parquet, lines).status == VALID
    assert at_rest.read(lines).equals(at_rest.read(LOST))
    assert lines.read_text() == LOST.read_text()


def test_convert_overwrites_nothing(imbench: Command, tmp_path: Path) -> None:
    target = tmp_path / "there.jsonl"
    target.write_text("mine")
    answer = imbench("convert", LOST, target)
    assert answer.status in (USAGE, IO_ERROR)
    assert "exists already" in answer.err
    assert target.read_text() == "mine"
