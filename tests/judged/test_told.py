"""What is told beside the anomalies: of a message no more than was around it and whom it was owed to; in plots, what a line is called."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from model.checkers import judge
from model.checkers.findings import Speech
from model.checkers.life import Explainer, Life
from tests.checkers.planting import Planting


def life_of(p: Planting, name: str) -> Life:
    explainer = Explainer(p.history())
    (message,) = explainer.find(name)
    return explainer.life(message)


def test_a_fault_that_was_over_is_not_around() -> None:
    p = Planting()
    p.connects("a b c", at=0)
    p.fault(5, healed=8)
    p.message("x", "a", at=20, pos=1)
    assert not [event.text for event in life_of(p, "a/x").events if "fault" in event.text or "took effect" in event.text]


def test_a_device_that_is_switched_off_to_the_end_is_owed_nothing() -> None:
    p = Planting()
    p.connects("a b c", at=0)
    p.off("c", at=5)
    p.send("x", "a", at=20, ok=20.02, pos=1)
    p.shown("x", "b", at=20.03)
    assert [owed.device for owed in life_of(p, "a/x").owed] == ["b"]


def test_a_plot_of_the_p99_shows_the_slowest_of_a_bin() -> None:
    p = Planting()
    for number in range(9):
        p.message(f"m{number}", "a", at=20 + number / 1000, pos=number + 1, took=0.5 if number == 4 else 0.02)
    series = judge(p.history()).measures["series"]
    slowest = [value for value in series["ack_p99_us"] if value is not None]
    assert slowest == [500_000]
    assert [value for value in series["ack_p50_us"] if value is not None] == [20_000]


def test_seconds_are_told_from_the_begin_of_the_load() -> None:
    history = Planting().history()
    header = msgspec.structs.replace(history.header, load_begin_us=2_000_000)
    assert Speech(replace(history, header=header)).seconds(5_000_000) == "3.000 s"
