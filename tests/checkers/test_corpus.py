"""Every history of the corpus raises exactly the kinds that are planted in it, and gets the verdict that follows."""

from __future__ import annotations

import msgspec
import pytest

from model.checkers import KINDS, judge
from model.history import at_rest
from tests.corpus import files
from tests.corpus.entries import Entry
from tests.corpus.files import PLANTED


@pytest.mark.parametrize("name", files.ENTRIES)
def test_raises_exactly_what_is_planted(name: str) -> None:
    judgement = judge(at_rest.read(files.FOLDER / f"{name}.jsonl"))
    failing = [anomaly for anomaly in judgement.anomalies if anomaly.fails]
    planted = files.ENTRIES[name]
    assert {anomaly.kind for anomaly in failing} == planted.raises, "\n".join(w.text for a in failing for w in a.witnesses)
    assert judgement.verdict == planted.verdict
    assert not [note for note in judgement.notes if "crashed" in note or "could not be told" in note]


@pytest.mark.parametrize("name", files.ENTRIES)
def test_a_file_is_what_its_function_plants(name: str) -> None:
    advice = "run python -m tests.corpus.files"
    assert at_rest.read(files.FOLDER / f"{name}.jsonl").equals(files.named(name)), advice


def test_files_and_expectations_are_those_of_the_functions() -> None:
    advice = "run python -m tests.corpus.files"
    assert {path.stem for path in files.FOLDER.iterdir()} == {*files.ENTRIES, files.EXPECTED.stem}, advice
    assert msgspec.json.Decoder(files.Expected).decode_lines(files.EXPECTED.read_bytes()) == files.expected(), advice


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_witnesses_are_told_and_point_at_rows(planted: Entry) -> None:
    history = planted.plant().history()
    for anomaly in judge(history).anomalies:
        assert 1 <= len(anomaly.witnesses) <= min(5, anomaly.count)
        for witness in anomaly.witnesses:
            assert witness.text
            assert "\n" not in witness.text
            assert all(0 <= row < len(history) for row in witness.rows)


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_judgement_is_json(planted: Entry) -> None:
    judgement = judge(planted.plant().history())
    assert msgspec.json.decode(msgspec.json.encode(judgement))["verdict"] == planted.verdict


def test_every_kind_that_can_fail_a_run_is_planted() -> None:
    raised = {kind for planted in PLANTED.values() for kind in planted.raises}
    only_counted = {"late", "gap_filled", "trimmed"}
    assert set(KINDS) - only_counted == raised
