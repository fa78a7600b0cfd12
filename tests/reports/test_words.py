"""Sentences say what the data says, and leave out what did not happen."""

from __future__ import annotations

import re
from pathlib import Path

from model.history.schema import Basis
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
        "cursor lost nothing of 240 messages and showed nothing twice in both worlds",
        "naive lost 31 (sim) and 1,044 (live) of 240 messages and showed nothing twice in both worlds",
    ]


def test_many_seeds_are_a_range(make_run: MakeRun) -> None:
    folders = [
        make_run(seed=seed, measures=measures(owed={"lost_messages": 10 + seed}, duplicates={"shown_twice": 2}))
        for seed in (1, 2, 3)
    ]
    [text] = words.headline(load_all(folders))
    assert text == "cursor lost 11 to 13 of 240 messages and showed 2 twice in sim"


def test_a_run_in_doubt_is_named_in_the_headline(make_run: MakeRun) -> None:
    [text] = words.headline(load_all([make_run(verdict="unknown")]))
    assert "in doubt in sim" in text
    [text] = words.headline(load_all([make_run(judged=False)]))
    assert text == "cursor could not be judged for losses"


def test_a_clean_run_is_explained_by_what_kept_it_clean(make_run: MakeRun) -> None:
    text = explain(make_run())
    assert re.match(
        r"Everything owed arrived \(420 deliveries\); nothing was shown twice; \d+ messages came by catching up\.$", text
    )


def test_losses_are_explained_by_where_the_message_ended(make_run: MakeRun) -> None:
    written = explain(make_run(never_stored=frozenset({8, 16}), basis=Basis.WRITE))
    assert written.startswith("2 deliveries of 2 messages never came: 2 reported as sent when written")
    received = explain(make_run(never_stored=frozenset({8}), basis=Basis.RECEIVED))
    assert "1 acknowledged on receipt, then lost before they were committed" in received
    shown = explain(make_run(never_shown=frozenset({8})))
    assert "1 sent down a connection that died, never asked for again" in shown


def test_a_second_showing_is_explained_by_its_connection(make_run: MakeRun) -> None:
    text = explain(make_run(shown_twice=frozenset({0})))
    assert "1 delivery was shown more than once: 1 sent down again on another connection" in text


def test_disorder_is_explained_by_how_the_late_one_came(make_run: MakeRun) -> None:
    text = explain(make_run(held_up=frozenset({8})))
    assert "1 delivery was shown below newer ones: 1 sent down, or sent down again, behind newer ones" in text
    assert "below newer ones" not in explain(make_run())
