"""Sentences say what the data says, and leave out what did not happen."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.history.schema import Basis, FaultKind
from model.scenario.faults import TAGS
from reports import series, words
from reports.results import load, load_all
from tests.reports.conftest import MakeRun, measures


def explain(folder: Path) -> str:
    return words.explanation(series.of(load(folder).history))


def test_the_headline_says_what_each_preset_lost_in_both_worlds(make_run: MakeRun) -> None:
    runs = load_all(
        [make_run(world=world) for world in ("sim", "live")]
        + [
            make_run(preset="naive", world=w, measures=measures(owed={"lost_messages": n}))
            for w, n in (("sim", 31), ("live", 1044))
        ]
    )
    assert words.headline(runs) == [
        "cursor lost nothing of 240 messages, showed nothing twice and nothing out of order, in both worlds",
        "naive lost 31 (sim) and 1,044 (live) of 240 messages, showed nothing twice and nothing out of order, in both worlds",
    ]


def test_many_seeds_are_a_range(make_run: MakeRun) -> None:
    folders = [
        make_run(seed=seed, measures=measures(owed={"lost_messages": 10 + seed}, duplicates={"shown_twice": 2}))
        for seed in (1, 2, 3)
    ]
    [text] = words.headline(load_all(folders))
    assert text == "cursor lost 11 to 13 of 240 messages, showed 2 twice and nothing out of order, in sim"


def test_a_run_in_doubt_is_named_in_the_headline(make_run: MakeRun) -> None:
    [text] = words.headline(load_all([make_run(verdict="unknown")]))
    assert "in doubt in sim" in text
    [text] = words.headline(load_all([make_run(judged=False)]))
    assert text == "cursor could not be judged for losses"


def test_a_run_in_which_nothing_was_owed_is_not_praised_for_losing_nothing(make_run: MakeRun) -> None:
    [text] = words.headline(load_all([make_run(measures=measures(owed={"pairs": 0}))]))
    assert text == "cursor could not be judged: none of its 240 messages is known to have been accepted"


def test_disorder_is_in_the_headline(make_run: MakeRun) -> None:
    [text] = words.headline(load_all([make_run(measures=measures(order={"out_of_order": 7}))]))
    assert "showed nothing twice and 7 out of order" in text


def test_a_clean_run_is_explained_by_what_kept_it_clean(make_run: MakeRun) -> None:
    text = explain(make_run())
    assert re.match(
        r"Everything owed arrived \(420 deliveries\); nothing was shown twice; \d+ deliveries came by catching up\.$", text
    )


def test_losses_are_explained_by_where_the_message_ended(make_run: MakeRun) -> None:
    written = explain(make_run(never_stored=frozenset({8, 16}), basis=Basis.WRITE))
    assert written.startswith("2 deliveries of 2 messages never came: reported as sent when written and never stored")
    received = explain(make_run(never_stored=frozenset({8}), basis=Basis.RECEIVED))
    assert "never came: acknowledged on receipt and lost before being committed;" in received


def test_a_loss_is_put_down_to_a_dead_connection_only_where_one_died(make_run: MakeRun) -> None:
    died = explain(make_run(never_shown=frozenset({65})))  # its receiver is cut off 0.1 s later
    assert "1 message never came: sent down a connection that died and never asked for again;" in died
    for number in (8, 1):  # the receiver of one is never cut off, that of the other long after
        stayed = explain(make_run(never_shown=frozenset({number})))
        assert "1 message never came: stored, yet never shown on a device that stayed connected;" in stayed
    away = explain(make_run(never_shown=frozenset({81})))
    assert "1 message never came: stored while the receiver was away and never asked for on its return;" in away


def test_a_receiver_was_away_if_it_was_when_the_message_was_written_not_when_it_was_meant(make_run: MakeRun) -> None:
    run = series.of(load(make_run(never_shown=frozenset({79}))).history)  # its sender returned last of all
    assert run.pairs["away"][np.isinf(run.pairs["latency_ms"])].all()
    assert (
        "4 deliveries of 1 message never came: stored, yet never shown on a device that stayed connected;"
        in words.explanation(run)
    )


def test_of_several_reasons_each_has_its_number(make_run: MakeRun) -> None:
    text = explain(make_run(never_shown=frozenset({65, 81}), never_stored=frozenset({9})))
    assert "3 deliveries of 3 messages never came: 1 acknowledged as committed, yet gone, 1 stored while" in text
    assert ", and 1 sent down a connection that died" in text


def test_a_salvaged_run_does_not_call_lost_what_might_have_come(make_run: MakeRun) -> None:
    text = explain(make_run(never_shown=frozenset({8}), truncated=True))
    assert text.startswith("1 delivery of 1 message had not come when the recording ended;")


def test_a_gateway_that_never_came_back_is_not_said_to_serve_again(make_run: MakeRun) -> None:
    back, gone = (words.fault_sentence(series.of(load(make_run(heals=heals)).history)) for heals in (True, False))
    assert "killed at 1.20 s and served again after 300 ms" in back
    assert "killed at 1.20 s and was not seen to serve again" in gone


@pytest.mark.parametrize(
    ("fault", "title", "timed"),
    [
        (
            {"fault": "kill", "node": "g", "at_s": 1, "back_s": 2},
            "g was killed and started again",
            "g was killed at 1 s and started again at 2 s",
        ),
        ({"fault": "pause", "node": "g", "at_s": 1, "heal_s": 2}, "g stood still", "g stood still from 1 s until 2 s"),
        ({"fault": "cut", "node": "g", "at_s": 1}, "g had every connection reset", "g had every connection reset at 1 s"),
        (
            {"fault": "rolling_restart", "nodes": ["g", "h"], "at_s": 1, "down_s": 1, "every_s": 2},
            "g and h were restarted one after another",
            "g and h were restarted one after another from 1 s on",
        ),
    ],
)
def test_a_fault_is_called_what_it_is(make_run: MakeRun, fault: dict[str, Any], title: str, timed: str) -> None:
    run = dataclasses.replace(load(make_run()), scenario={"gateways": 2, "faults": [fault]})
    assert words.occasion(run) == f"{title} under load"
    assert words.setting(run) == f"2 gateways; {timed}."


def test_every_fault_has_its_words() -> None:
    assert set(words.FAULTS) == set(TAGS)
    assert {kind.name.lower() for kind in FaultKind} <= set(TAGS)


def test_a_second_showing_is_explained_by_its_connection(make_run: MakeRun) -> None:
    text = explain(make_run(shown_twice=frozenset({0})))
    assert "1 delivery was shown more than once: sent down again 3.00 s later on another connection" in text


def test_disorder_is_explained_by_how_the_late_one_came(make_run: MakeRun) -> None:
    text = explain(make_run(held_up=frozenset({8})))
    assert "1 delivery was shown out of order: sent down (again) after newer ones" in text
    assert "out of order" not in explain(make_run())
