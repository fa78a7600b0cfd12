"""A history of the demo in which one row is removed, repeated or swapped with another: exactly that is found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import model.sim
from model.history import at_rest
from model.history.columns import from_rows
from scenarios.running import catalog
from tests.cli.conftest import Command

Row = dict[str, Any]
Lines = list[Row]
WHAT = ("kind", "via", "sender", "client_message_id", "epoch", "seq", "content_hash", "value")
"""What a delivery shows; when and where it stands are the rest of its row."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The demo's scenario, played once in the simulated world by the design that loses nothing."""
    played = model.sim.run(catalog.load("access_restart").short(), "cursor", 1)
    path = tmp_path_factory.mktemp("demo") / "demo.jsonl"
    at_rest.write(from_rows(played.header, played.rows), path)
    return [json.loads(line) for line in path.read_text().splitlines()]


def delivered(lines: Lines, via: str = "live") -> list[int]:
    """The lines in which somebody else's message is shown."""
    return [at for at, row in enumerate(lines) if row.get("kind") == "deliver" and row.get("via") == via]


def last_of_a_conversation(lines: Lines) -> int:
    """A delivery after which nobody says anything in its conversation, so that nothing can follow from it."""
    for at in reversed(delivered(lines)):
        later = [row for row in lines[at:] if row.get("kind") == "invoke" and row["conversation"] == lines[at]["conversation"]]
        if not later and lines[at]["seq"] == max(
            row["seq"] for row in lines if row.get("conversation") == lines[at]["conversation"] and row.get("kind") == "deliver"
        ):
            return at
    raise AssertionError("there is none")


def neighbours(lines: Lines, wanted: Callable[[Row, Row], bool], via: str = "live") -> tuple[int, int]:
    """Two deliveries that follow one another at one device in one conversation."""
    last: dict[tuple[str, str], int] = {}
    for at in delivered(lines, via):
        key = lines[at]["device"], lines[at]["conversation"]
        if key in last and wanted(lines[last[key]], lines[at]):
            return last[key], at
        last[key] = at
    raise AssertionError("there are none")


def swapped(lines: Lines, one: int, other: int) -> Lines:
    """Two deliveries show each what the other showed."""
    result = [dict(row) for row in lines]
    for name in WHAT:
        for to, of in ((one, other), (other, one)):
            result[to].pop(name, None)
            if name in lines[of]:
                result[to][name] = lines[of][name]
    return result


def time_of(lines: Lines, kind: str, message: Row) -> int:
    """When a message's first row of a kind was."""
    same = (
        row for row in lines if row.get("kind") == kind and all(row[n] == message[n] for n in ("sender", "client_message_id"))
    )
    return int(next(same)["t_us"])


def found(imbench: Command, folder: Path, lines: Lines) -> set[str]:
    """The kinds that fail the history."""
    path = folder / "edited.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    judged = json.loads(imbench("check", path, "--json").out)
    return {anomaly["kind"] for anomaly in judged["anomalies"] if anomaly["fails"]}


def test_as_it_is_nothing_is_wrong(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    assert found(imbench, tmp_path, demo) == set()


def test_a_delivery_removed_is_a_loss(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    at = last_of_a_conversation(demo)
    assert found(imbench, tmp_path, [*demo[:at], *demo[at + 1 :]]) == {"lost"}


def test_a_message_removed_from_every_read_back_is_lost_in_storage(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    gone = demo[last_of_a_conversation(demo)]
    kept = [
        row for row in demo if row.get("kind") != "read_back" or any(row[n] != gone[n] for n in ("sender", "client_message_id"))
    ]
    assert found(imbench, tmp_path, kept) == {"lost_stored"}


def test_a_message_removed_from_one_read_back_has_vanished_there(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    at = max(at for at, row in enumerate(demo) if row.get("kind") == "read_back")
    assert found(imbench, tmp_path, [*demo[:at], *demo[at + 1 :]]) == {"history_shrank"}


def test_a_delivery_repeated_is_shown_twice(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    at = delivered(demo)[200]
    assert found(imbench, tmp_path, [*demo[: at + 1], *demo[at:]]) == {"dup_app"}


def test_a_frame_repeated_is_sent_down_again(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    at = [at for at, row in enumerate(demo) if row.get("kind") == "wire" and row.get("via") == "live"][200]
    assert found(imbench, tmp_path, [*demo[: at + 1], *demo[at:]]) == {"redelivery"}


def test_two_deliveries_of_two_senders_swapped_are_out_of_order(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    def concurrent(x: Row, y: Row) -> bool:
        return bool(x["sender"] != y["sender"] and time_of(demo, "invoke", y) < time_of(demo, "ok", x))

    assert found(imbench, tmp_path, swapped(demo, *neighbours(demo, concurrent))) == {"session_nonmonotonic"}


def test_two_deliveries_of_one_sender_swapped_break_its_order_too(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    def in_turn(x: Row, y: Row) -> bool:
        return bool(x["sender"] == y["sender"] and time_of(demo, "ok", x) < time_of(demo, "invoke", y))

    edited = swapped(demo, *neighbours(demo, in_turn, via="sync"))
    assert found(imbench, tmp_path, edited) == {"session_nonmonotonic", "fifo_live"}


def test_an_answer_removed_from_the_wire_of_its_sender_changes_nothing(imbench: Command, tmp_path: Path, demo: Lines) -> None:
    at = next(at for at, row in enumerate(demo) if row.get("kind") == "ok")
    assert found(imbench, tmp_path, [*demo[:at], *demo[at + 1 :]]) == set()
