"""How large what is carried is: payloads, in KiB. Headers are the same for every frame of a kind, and so in what a frame costs."""

from __future__ import annotations

from typing import Any

from model.core.frames import DELIVER, SEND, SYNC_REPLY

WITH_PAYLOAD = frozenset({SEND, DELIVER, SYNC_REPLY})
"""Kinds of frames that carry payloads."""


def payload_kib(frame: Any) -> float:
    """Of a frame's payload, or of those of the messages in it; 0 where it carries none."""
    kind = frame.kind
    if kind in (DELIVER, SEND):
        return len(frame.payload) / 1024
    return sum(len(message.payload) for message in frame.messages) / 1024 if kind == SYNC_REPLY else 0.0
