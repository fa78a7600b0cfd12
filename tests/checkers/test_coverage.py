"""What a history does not tell is said, and what it tells is not."""

from __future__ import annotations

import numpy as np
import pytest

from model.checkers import judge
from model.history.columns import History
from model.history.schema import Kind, Via
from tests.checkers.planting import Planting, only


def everything() -> Planting:
    """A history that has rows of all sorts."""
    p = Planting()
    p.device("b2", user="b")
    p.connects("a b b2 c", at=0)
    for place, name in enumerate("xyz", start=1):
        p.message(name, "a", at=place, pos=place)
    p.confirmed("b", upto=3, at=4)
    p.sync("b", after=2, upto=3, at=5, done=5.2)
    p.wired("z", "b", at=5.1, via=Via.SYNC)
    p.marks("b", 3, at=6, confirmed=6.1)
    p.counts("b", 0, asked=7, at=7.1)
    p.generator_cpu(0.1)
    return p


def without(history: History, *kinds: Kind) -> dict[str, list[str]]:
    """What cannot be computed where rows of these kinds are left out."""
    return gaps(only(history, np.flatnonzero(~np.isin(history.kind, kinds))))


def gaps(history: History) -> dict[str, list[str]]:
    """The measure, as it stands in a verdict."""
    found: dict[str, list[str]] = judge(history).measures["not_computed"]
    return found


def test_nothing_is_missing_where_everything_is_told() -> None:
    assert gaps(everything().history()) == {}


@pytest.mark.parametrize(
    ("kinds", "why", "what"),
    [
        ((Kind.INTEND,), "sends without an intend row", "send_lag"),
        ((Kind.INTEND, Kind.INVOKE), "no intend or invoke rows", "lost"),
        ((Kind.OK,), "no ok rows", "ack latency"),
        ((Kind.MEMBER,), "no rows of membership for 1 of 1 conversations", "lost"),
        ((Kind.CONNECTING, Kind.READY), "devices without connecting", "unreachable"),
        ((Kind.WIRE,), "no wire rows", "redelivery"),
        ((Kind.RECEIVE_CONFIRMED,), "no receive_confirmed rows", "redelivery after a confirmed ack"),
        ((Kind.SYNC_DONE,), "no sync_done rows", "own_write_missing"),
        ((Kind.PHASE,), "no completed drain", "lost"),
        ((Kind.READ_BACK_DONE,), "no history was read back", "lost_stored"),
        ((Kind.MARKED,), "no marked or watermark rows", "watermark_regressed of what was read"),
        ((Kind.MARKED, Kind.RECEIVE_CONFIRMED), "no marked, watermark or receive_confirmed rows", "watermark_regressed"),
        ((Kind.UNREAD,), "no unread rows", "unread_wrong"),
    ],
)
def test_rows_that_are_missing_are_named(kinds: tuple[Kind, ...], why: str, what: str) -> None:
    found = without(everything().history(), *kinds)
    assert [names for reason, names in found.items() if reason.startswith(why) and what in names], found


def test_columns_that_are_empty_are_named() -> None:
    history = everything().history()
    history.seq[:] = 0
    history.content_hash[:] = 0
    found = gaps(history)
    assert "corrupt" in found["no content hashes of what was sent and seen"]
    assert "session_nonmonotonic" in found["no positions (epoch, seq)"]


def test_second_devices_that_nobody_has_are_named() -> None:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    found = gaps(p.history())
    assert found["no user with two devices"] == ["divergence_final"]
