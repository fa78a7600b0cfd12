"""Envelopes: what a gateway and a business node say to each other.

A gateway names its connections by numbers it never reuses within its life; business names a session by (gateway, connection) and
fences it by a *generation* that it mints at every attachment. Frames of clients travel inside unread.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from model.core.frames import Head, Routable

ATTACH, DETACH, UP = 1, 2, 3
ATTACHED, EVICT, DOWN = 32, 33, 34


class Attach(msgspec.Struct, frozen=True, gc=False):
    """A connection whose token was checked wants the session of (user, device).

    ``announced``: it was attached before business restarted.
    """

    kind: ClassVar[int] = ATTACH
    connection: int
    user: int
    device: int
    connect_counter: int
    announced: bool = False


class Detach(msgspec.Struct, frozen=True, gc=False):
    """A connection is gone. ``generation`` is 0 where its attachment was never answered."""

    kind: ClassVar[int] = DETACH
    connection: int
    user: int
    device: int
    generation: int


class Up(msgspec.Struct, frozen=True):
    """A client's frame for business."""

    kind: ClassVar[int] = UP
    connection: int
    frame: Routable


class Attached(msgspec.Struct, frozen=True):
    """The session is this connection's now."""

    kind: ClassVar[int] = ATTACHED
    connection: int
    generation: int
    heads: tuple[Head, ...]


class Evict(msgspec.Struct, frozen=True, gc=False):
    """Close this connection with this code."""

    kind: ClassVar[int] = EVICT
    connection: int
    code: int


class Down(msgspec.Struct, frozen=True):
    """One frame for several connections of the gateway. ``head_seq`` (0: none) is the position the frame moves its conversation to."""

    kind: ClassVar[int] = DOWN
    connections: tuple[int, ...]
    head_seq: int
    frame: Routable


ToBusiness = Attach | Detach | Up
ToGateway = Attached | Evict | Down
Envelope = ToBusiness | ToGateway
