"""From leg to leg: when it ends, what is found, what is kept, and what there is after a signal."""

from __future__ import annotations

import signal
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from model.history.run_folder import RunFolder
from scenarios.running import check
from scenarios.running.exits import CannotRun, Interrupted
from scenarios.running.played import Played
from scenarios.running.progress import Silent
from scenarios.soaking import conduct
from scenarios.soaking.conduct import Soak, soak_folder
from tests.soak import simulated
from tests.soak.simulated import ORDER, plain, planting, play, replace_world, with_messages

LEG_MESSAGES = 250
"""Fewer than a leg of ``ORDER`` has."""


def soaked(root: Path, messages: int | None = LEG_MESSAGES) -> Soak:
    """A soak until so many messages are ok."""
    order = with_messages(ORDER, messages)
    soak = Soak(order, soak_folder(root, order))
    soak.conduct(Silent())
    return soak


def legs_on_disk(soak: Soak) -> list[Path]:
    return sorted(path for path in soak.folder.path.glob("*/*") if path.is_dir())


def test_legs_are_played_until_enough_messages_are_ok_and_nothing_of_them_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_world(monkeypatch)
    soak = soaked(tmp_path, 3 * LEG_MESSAGES)
    total = soak.total
    assert total.legs == 3
    assert 3 * LEG_MESSAGES <= total.counts.ok < 3 * 2 * LEG_MESSAGES
    assert total.counts.kills > 0
    assert (total.found, total.set_aside, legs_on_disk(soak)) == ({}, (), [])


def test_the_sum_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch)
    soak = soaked(tmp_path)
    assert soak.folder.read_json("soak.json") == plain(soak.contract())
    assert soak.contract()["counts"]["ok"] == soak.total.counts.ok


@pytest.mark.parametrize(("seconds", "is_over"), [(1.0, True), (1e9, False), (None, False)])
def test_no_leg_begins_when_time_is_over(seconds: float | None, is_over: bool, tmp_path: Path) -> None:
    order = conduct.Order(simulated.SMALL, "cursor", 1, 60.0, 8.0, seconds=seconds)
    soak = Soak(order, soak_folder(tmp_path, order), began_s=time.monotonic() - 2)
    assert soak.is_enough() == is_over


@pytest.mark.parametrize(
    ("plant", "kind", "figure"),
    [(simulated.without_one_delivery, "lost", "lost"), (simulated.with_one_delivery_twice, "dup_app", "shown_twice")],
)
def test_what_is_planted_in_a_leg_is_found_and_its_folder_is_kept(
    plant: simulated.Plant, kind: str, figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_world(monkeypatch, planting(plant, {2}))
    soak = soaked(tmp_path, 3 * LEG_MESSAGES)
    (leg,) = soak.total.kept
    assert leg.number == 2
    assert leg.found[kind] == soak.total.found[kind] == 1
    assert getattr(soak.total.counts, figure) == 1
    assert [leg.folder] == legs_on_disk(soak)
    assert leg.folder is not None
    assert kind in {anomaly["kind"] for anomaly in check.check(leg.folder)[1].anomalies}
    assert RunFolder.open(leg.folder).manifest().seed == leg.seed


def test_no_more_folders_are_kept_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, planting(simulated.without_one_delivery, {1, 2, 3}))
    monkeypatch.setattr(conduct, "KEPT_MAX", 2)
    soak = soaked(tmp_path, 3 * LEG_MESSAGES)
    assert soak.total.found["lost"] == 3
    assert len(legs_on_disk(soak)) == len(soak.total.kept) == 2


# signals -----------------------------------------------------------------------------------------------------------------------


def interrupted(*arguments: Any) -> Played:
    """The live world after a signal: the first half of a history, and the signal's number."""
    played = play(*arguments)
    half = played.rows[: len(played.rows) // 2]
    return Played(played.header, half, {}, interrupted=signal.SIGTERM, notes=("the run was interrupted by a signal",))


def then(number: int, other: Any) -> Any:
    """Legs as they should be, but for leg ``number``."""
    legs = count(1)
    return lambda *arguments: (other if next(legs) == number else play)(*arguments)


def test_a_signal_ends_it_with_the_legs_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, then(3, interrupted))
    soak = soaked(tmp_path, None)
    assert soak.interrupted == signal.SIGTERM
    assert soak.total.legs == 2
    assert [leg.number for leg in soak.total.set_aside] == [3]
    assert "interrupted by a signal" in soak.total.set_aside[0].set_aside[0]
    assert soak.folder.read_json("soak.json")["interrupted"] == signal.SIGTERM
    assert legs_on_disk(soak) == []


def raising(*arguments: Any) -> Played:
    raise Interrupted(signal.SIGINT)


def test_a_signal_outside_of_play_ends_it_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, then(2, raising))
    soak = soaked(tmp_path, None)
    assert (soak.interrupted, soak.total.legs, legs_on_disk(soak)) == (signal.SIGINT, 1, [])


def test_what_was_found_before_a_signal_broke_the_leg_off_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off_with_a_find(*arguments: Any) -> Played:
        played = play(*arguments)
        rows = simulated.with_one_delivery_twice(played.rows)
        return Played(played.header, rows[: len(rows) * 3 // 4], {}, interrupted=signal.SIGTERM)

    replace_world(monkeypatch, then(1, broken_off_with_a_find))
    soak = soaked(tmp_path, None)
    assert soak.total.found["dup_app"] == 1
    assert soak.total.legs == 0
    assert len(legs_on_disk(soak)) == 1


def test_a_signal_while_a_find_is_filed_does_not_lose_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, planting(simulated.without_one_delivery, {1}))
    monkeypatch.setattr(conduct, "concluded", raising)
    soak = soaked(tmp_path, None)
    assert soak.interrupted == signal.SIGINT
    assert soak.total.found["lost"] == 1
    assert len(legs_on_disk(soak)) == 1


# a harness that fails -----------------------------------------------------------------------------------------------------------


def no_server(*arguments: Any) -> Played:
    raise CannotRun("the server did not start")


def test_a_leg_that_cannot_be_played_is_set_aside_and_the_next_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_world(monkeypatch, then(1, no_server))
    soak = soaked(tmp_path)
    assert soak.total.legs == 1
    assert soak.total.set_aside[0].set_aside == ("the server did not start",)


def truncated(*arguments: Any) -> Played:
    played = play(*arguments)
    return Played(played.header, played.rows[: len(played.rows) // 2], {}, notes=("the load process ended",))


def test_a_leg_that_is_set_aside_keeps_its_folder_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, then(1, truncated))
    soak = soaked(tmp_path)
    (leg,) = soak.total.set_aside
    assert leg.set_aside[0] == "the load process ended"
    assert [leg.folder] == legs_on_disk(soak)
    assert soak.total.legs == 1


def test_a_harness_that_fails_leg_after_leg_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_world(monkeypatch, no_server)
    soak = soaked(tmp_path, None)
    assert soak.gave_up
    assert len(soak.total.set_aside) == conduct.IN_A_ROW_MAX


def test_two_soaks_of_one_second_have_two_folders(tmp_path: Path) -> None:
    assert soak_folder(tmp_path, ORDER).path != soak_folder(tmp_path, ORDER).path
