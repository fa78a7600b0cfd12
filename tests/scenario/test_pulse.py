"""An event loop says how late it is, and whoever started it can read that at any time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model.scenario.pulse import BEAT_S, PULSE_VARIABLE, RING, Pulse, beats_since, keep_pulse, pulse_path


class Hand:
    """A loop that is turned by hand: what is due, and a clock."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.due: tuple[float, Callable[[], None]] = (0.0, lambda: None)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due = (self.now_ns / 1e9 + seconds, call)

    def turn(self, late_s: float) -> None:
        at_s, call = self.due
        self.now_ns = round((at_s + late_s) * 1e9)
        call()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return pulse_path(tmp_path, 17)


def beating(path: Path) -> Hand:
    hand = Hand()
    Pulse(path, hand.call_later, lambda: hand.now_ns).begin()
    return hand


def test_each_beat_says_how_late_it_came_and_they_are_due_at_fixed_steps(path: Path) -> None:
    hand = beating(path)
    for late_s in (0.0, 0.025, 0.001, -0.0004):
        hand.turn(late_s)
    assert beats_since(path, 0) == (4, [0, 25_000, 1_000, 0])
    assert hand.due[0] == pytest.approx(5 * BEAT_S)


def test_beats_that_were_missed_are_as_late_as_the_loop_is_when_it_comes_back(path: Path) -> None:
    """A standstill counts for as long as it lasted: a fifth of the time is a fifth of the beats."""
    hand = beating(path)
    hand.turn(0.22)
    assert beats_since(path, 0) == (5, [220_000, 170_000, 120_000, 70_000, 20_000])
    assert hand.due[0] == pytest.approx(6 * BEAT_S)


def test_a_standstill_longer_than_what_is_kept_ends_at_once(path: Path) -> None:
    hand = beating(path)
    hand.turn(86_400.0)
    count, found = beats_since(path, 0)
    assert count == len(found) == RING
    assert found[-1] == 0
    assert found[0] == round((RING - 1) * BEAT_S * 1e6)


def test_a_reader_gets_what_is_new_to_it(path: Path) -> None:
    hand = beating(path)
    hand.turn(0.1)
    count, _ = beats_since(path, 0)
    assert beats_since(path, count) == (count, [])
    hand.turn(0.02)
    assert beats_since(path, count) == (count + 1, [20_000])


def test_of_many_beats_the_last_are_kept_in_order(path: Path) -> None:
    hand = beating(path)
    for beat in range(RING + 10):
        hand.turn(beat / 10_000)
    count, found = beats_since(path, 3)
    assert count == RING + 10
    assert found == [100 * beat for beat in range(10, RING + 10)]


def test_where_there_is_no_pulse_there_is_nothing_to_read(path: Path) -> None:
    assert beats_since(path, 5) == (5, [])
    path.write_bytes(b"half")
    assert beats_since(path, 5) == (5, [])


def test_a_loop_that_is_held_up_is_found_out_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PULSE_VARIABLE, str(tmp_path))

    async def held_up() -> None:
        keep_pulse(asyncio.get_running_loop().call_later, time.monotonic_ns)
        await asyncio.sleep(2 * BEAT_S)
        time.sleep(0.2)  # what no coroutine should do
        await asyncio.sleep(2 * BEAT_S)

    asyncio.run(held_up())
    count, found = beats_since(pulse_path(tmp_path, os.getpid()), 0)
    assert count >= 2
    assert max(found) >= 1e6 * (0.2 - BEAT_S)


def test_nobody_beats_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PULSE_VARIABLE, raising=False)
    keep_pulse(Hand().call_later, time.monotonic_ns)
    assert not list(tmp_path.iterdir())
