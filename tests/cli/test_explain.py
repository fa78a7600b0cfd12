"""``imbench explain`` and ``imbench convert``: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.history import at_rest
from scenarios.running.exits import CANNOT_CREATE, DAMAGED, IO_ERROR, MISSING, USAGE, VALID
from tests.checkers.planting import Planting
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
        (("a/yy",), ("no message is called 'a/yy'", "did you mean 'a/y'?")),
        (("a/y", "--out", "life.png"), ("life.png", "ends in .svg")),
        (("--anomaly", "dup_app"), ("nothing in it has the anomaly 'dup_app'",)),
        (("--anomaly", "dup_ap"), ("no kind of anomaly 'dup_ap'", "did you mean 'dup_app'")),
        ((), ("give a MESSAGE", "--anomaly KIND")),
        (("a/y", "--anomaly", "lost"), ("explain one thing",)),
    ],
)
def test_explain_says_what_it_cannot_find(imbench: Command, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_line(imbench("explain", LOST, *arguments), USAGE, *words)


def test_explain_says_if_run_and_message_are_swapped(imbench: Command) -> None:
    assert_one_line(imbench("explain", "a/y", LOST), USAGE, "stands first", f"imbench explain {LOST} a/y")


def test_explain_makes_no_folder(imbench: Command, tmp_path: Path) -> None:
    out = tmp_path / "new" / "life.svg"
    assert_one_line(imbench("explain", LOST, "a/y", "--out", out), CANNOT_CREATE, str(out.parent), "no such folder")
    assert not out.parent.exists()


def test_what_is_about_no_message_is_told_by_its_rows(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = FOLDER / "22_read_watermark_back_on_the_second_device.jsonl"
    answer = imbench("explain", path, "--anomaly", "watermark_regressed", "--out", "life.svg")
    assert (answer.status, answer.err) == (VALID, "")
    assert answer.out.splitlines() == [
        "watermark_regressed: b2 was told a read watermark of 3 at 5.200 s and of 1 at 8.000 s, in g",
        "",
        "   5.200000 s  b2  was told the read mark, up to position 3 in g",
        "   8.000000 s  b2  was told the read mark, up to position 1 in g",
        "",
        "it is about no single message; no diagram",
    ]
    assert not list(tmp_path.iterdir())
    proof = json.loads(imbench("explain", path, "--anomaly", "watermark_regressed", "--json").out)
    assert list(proof) == ["kind", "text", "instances", "load_begin_us", "events"]
    assert [event["kind"] for event in proof["events"]] == ["watermark", "watermark"]


def test_what_rests_on_no_row_says_so(imbench: Command) -> None:
    answer = imbench("explain", FOLDER / "34_no_send_succeeds.jsonl", "--anomaly", "vacuous")
    assert answer.status == VALID
    assert answer.out.startswith("vacuous: not a single send succeeded\nthe first of 2; imbench check tells more of them\n")
    assert "no single row proves it" in answer.out


def test_long_lists_are_cut_and_say_by_how_much(imbench: Command, tmp_path: Path) -> None:
    names = [f"r{n:02}" for n in range(30)]
    p = Planting(f"a {' '.join(names)}")
    p.connects("a", at=0)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", " ".join(names[:12]), at=1.1)
    p.disconnects("a", at=1.05)
    p.connects("a", at=2, connection=2)
    at_rest.write(p.history(), tmp_path / "long.jsonl")
    told = imbench("explain", tmp_path / "long.jsonl", "a/x", "--out", tmp_path / "x.svg").out.splitlines()
    assert told[1] == f"owed to 30 devices: shown to {', '.join(f'{name} after 100 ms' for name in names[:8])} and 4 more"
    assert told[2] == f"never shown to {', '.join(names[12:20])} and 10 more"
    assert [line for line in told if line.startswith("lost: ")] == told[3:8]
    assert told[8] == "... and 13 more of that kind"
    assert any(line.endswith("· a    lost its connection") for line in told)
    assert "· what went on around it" in told


def test_a_history_without_a_contract_that_can_be_judged_is_refused_by_report_too(imbench: Command, tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text('{"world":"mine","contract":{"fails":{"lots":true}}}\n')
    answer = imbench("report", tmp_path / "h.jsonl", "--out", tmp_path / "r.html")
    assert_one_line(answer, DAMAGED, "h.jsonl", "contract.fails names 'lots'")


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


def test_convert_writes_what_its_target_is_called(imbench: Command, tmp_path: Path) -> None:
    for name in ("history.json", "history", "history.svg"):
        assert_one_line(imbench("convert", LOST, tmp_path / name), USAGE, name, ".jsonl or .parquet")
    assert not list(tmp_path.iterdir())


def test_convert_overwrites_nothing(imbench: Command, tmp_path: Path) -> None:
    target = tmp_path / "there.jsonl"
    target.write_text("mine")
    answer = imbench("convert", LOST, target)
    assert answer.status in (USAGE, IO_ERROR)
    assert "exists already" in answer.err
    assert target.read_text() == "mine"
