"""The space-time diagram: lanes, marks where rows put them, and no line that no row proves."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from model.checkers.life import Explainer
from model.history.columns import History
from model.history.schema import Kind
from reports.life import told
from reports.spacetime import DEVICES_MAX, svg
from tests.checkers.planting import Planting, only
from tests.checkers.test_life import killed, life_of
from tests.corpus import files
from tests.judged import random_history


def texts(picture: str) -> list[str]:
    """Every text of a picture."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_there_is_a_lane_for_each_server_and_device() -> None:
    found = texts(svg(life_of(killed(), "a/y")))
    lanes = ["storage", "business", "gateway-1", "gateway-2", "a (sender)", "b", "c"]
    assert [text for text in found if text in lanes] == lanes


def test_each_device_ends_with_what_it_has() -> None:
    found = texts(svg(life_of(killed(), "a/y")))
    assert "shown +1.20 s, in its history" in found
    assert "never shown, in its history" in found


def test_a_send_that_nobody_saw_is_drawn_to_its_gateway_only() -> None:
    p = Planting()
    p.connects("a b c", at=0)
    p.send("w", "a", at=4, info=9)
    picture = svg(life_of(p, "a/w"))
    storage = re.search(r'<text x="[\d.]+" y="([\d.]+)"[^>]*>storage<', picture)
    assert storage is not None
    top = float(storage[1]) - 4
    lines = re.findall(r'<polyline points="([^"]+)"[^>]*dasharray', picture)
    assert lines
    assert all(float(point.split(",")[1]) > top for line in lines for point in line.split())


def test_of_many_devices_those_with_trouble_are_drawn() -> None:
    names = " ".join(f"r{n}" for n in range(30))
    p = Planting(f"a {names}")
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", names.replace("r17 ", ""), at=1.1)
    p.shown("x", "r29", at=1.3)
    found = texts(svg(life_of(p, "a/x")))
    assert {"r17", "r29"} <= set(found)
    assert len([text for text in found if re.fullmatch(r"r\d+", text)]) == DEVICES_MAX
    assert any("22 more devices are left out" in text for text in found)


def draw_all(history: History) -> None:
    """Draw and tell every life of a history."""
    explainer = Explainer(history)
    for message in range(len(history.names.client_message_ids)):
        life = explainer.life(message)
        picture = svg(life)
        ElementTree.fromstring(picture)
        assert "nan" not in picture
        assert life.message in told(life)


@pytest.mark.parametrize("name", files.ENTRIES)
def test_every_message_of_the_corpus_can_be_drawn(name: str) -> None:
    draw_all(files.named(name))


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_every_message_of_random_histories_can_be_drawn(first: int) -> None:
    for seed in range(first, first + 10):
        draw_all(random_history.history(seed))


def test_what_was_read_back_only_has_no_times_and_is_drawn() -> None:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.shown("x", "b c", at=1.1)
    history = p.history()
    ghost = only(history, np.flatnonzero((history.message != 0) | (history.kind == Kind.READ_BACK)))
    life = Explainer(ghost).life(0)
    assert {event.kind for event in life.events} == {Kind.READ_BACK}
    assert "not owed, in its history" in texts(svg(life))


def test_names_that_xml_cannot_hold_are_made_visible() -> None:
    name = "\x01\x1b[31m\ufffe]]>"
    p = Planting("a b", {name: "a b"})
    p.message("x", "a", at=1, pos=1, group=name)
    life = life_of(p, "a/x")
    assert "a/x in ␁␛[31m\ufffd]]>: ok, position 1" in texts(svg(life))
    assert not set("\x01\x1b") & set(told(life))


def test_names_are_escaped() -> None:
    p = Planting("a b", {"<g>&": "a b"})
    p.message("x", "a", at=1, pos=1, group="<g>&")
    assert "a/x in <g>&: ok, position 1" in texts(svg(life_of(p, "a/x")))
