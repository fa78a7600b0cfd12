"""What a frame weighs on a link is what it weighs encoded, to the byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

from model.core import frames as f
from model.sim.sizes import SEGMENT_BYTES, SEGMENT_HEADER_BYTES, link_bytes, wire_bytes
from model.wire import encode

DRAW = random.Random(1)


def number() -> int:
    """Ids of every length, 0 among them."""
    return DRAW.choice([0, 1, 127, 128, 300, 2**14, 2**21 - 1, 2**40, 2**63 - 1])


def numbers(count: int) -> list[int]:
    return [number() for _ in range(count)]


def heads() -> tuple[f.Head, ...]:
    return tuple((number(), number()) for _ in range(DRAW.randint(0, 4)))


def text() -> bytes:
    return b"x" * DRAW.choice([0, 1, 120, 127, 128, 5000])


def make(kind: Any, *fields: Any) -> Any:
    return kind(*fields)


def message() -> f.Deliver:
    found: f.Deliver = make(f.Deliver, 7, *numbers(6), text())
    return found


MAKE: dict[type, Any] = {
    f.Connect: lambda: make(f.Connect, *numbers(3), text()),
    f.Send: lambda: f.Send(7, number(), text(), number()),
    f.ReceiveAck: lambda: f.ReceiveAck(number(), heads(), heads()),
    f.SyncRequest: lambda: f.SyncRequest(7, *numbers(3)),
    f.Ping: lambda: f.Ping(number()),
    f.Goodbye: f.Goodbye,
    f.Welcome: lambda: f.Welcome(number(), heads()),
    f.SendAck: lambda: f.SendAck(7, number(), DRAW.randint(0, 63), DRAW.random() < 0.5, *numbers(3)),
    f.Deliver: message,
    f.ReceiveConfirmed: lambda: f.ReceiveConfirmed(number()),
    f.SyncReply: lambda: make(f.SyncReply, 7, *numbers(3), tuple(message() for _ in range(DRAW.randint(0, 3)))),
    f.Pong: lambda: f.Pong(number(), heads()),
    f.Heads: lambda: f.Heads(heads()),
    f.Notice: lambda: f.Notice(DRAW.randint(0, 63), number()),
    f.Error: lambda: f.Error(DRAW.randint(0, 63), DRAW.choice(["", "gone", "forgé" * 40]), number()),
    f.GoAway: lambda: f.GoAway(number(), DRAW.random() < 0.5),
}


@pytest.mark.parametrize("kind", f.FRAME_TYPES, ids=lambda kind: kind.__name__)
def test_the_arithmetic_is_that_of_the_encoder(kind: type) -> None:
    for _ in range(50):
        frame = MAKE[kind]()
        assert wire_bytes(frame) == len(encode(frame)), frame


def test_a_link_adds_the_headers_of_every_segment_and_carries_segments_without_content() -> None:
    small, large = f.Ping(1), f.Send(1, 1, b"x" * 5000)
    assert link_bytes(small) == len(encode(small)) + SEGMENT_HEADER_BYTES
    assert link_bytes(large) == len(encode(large)) + SEGMENT_HEADER_BYTES * (1 + len(encode(large)) // SEGMENT_BYTES)
    assert link_bytes(object()) == SEGMENT_HEADER_BYTES
