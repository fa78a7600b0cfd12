"""Frames: what a client and a server say to each other, as values.

A frame has a class-level ``kind`` and a ``conversation`` (0 where it concerns none); these two are all a gateway looks at, so a
frame it only routes may be an :class:`Opaque` that was never decoded. :mod:`model.wire` turns frames into bytes; the simulated
world passes the values themselves. Ids are positive integers below 2**63.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import msgspec

CONNECT, SEND, RECEIVE_ACK, SYNC_REQUEST, PING, GOODBYE = 1, 2, 3, 4, 5, 6
WELCOME, SEND_ACK, DELIVER, RECEIVE_CONFIRMED, SYNC_REPLY, PONG, HEADS, NOTICE, ERROR, GO_AWAY = range(32, 42)

CLIENT_KINDS = frozenset({CONNECT, SEND, RECEIVE_ACK, SYNC_REQUEST, PING, GOODBYE})
GATEWAY_KINDS = frozenset({CONNECT, PING, GOODBYE})
"""Kinds that the gateway itself answers; all others it forwards unread."""
SESSION_KINDS = frozenset({CONNECT, PING, GOODBYE, WELCOME, PONG, ERROR, GO_AWAY})
"""Kinds that concern no message: they flow when all is quiet, too, and where a device tries in vain to get in."""

Head = tuple[int, int]
"""(conversation, conversation_seq): how far a conversation reaches, or how far a device has it."""


class Routable(Protocol):
    """What a gateway may look at: the header of a frame."""

    @property
    def kind(self) -> int: ...
    @property
    def conversation(self) -> int: ...


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """A frame whose body has not been decoded: header fields, and the whole frame as it stands on the wire."""

    kind: int
    conversation: int
    data: bytes


class Connect(msgspec.Struct, frozen=True, gc=False):
    """First frame of a connection. ``connect_counter`` rises with every attempt of the device, so that a slow old one is recognised."""

    kind: ClassVar[int] = CONNECT
    conversation: ClassVar[int] = 0
    user: int
    device: int
    connect_counter: int
    token: bytes


class Send(msgspec.Struct, frozen=True, gc=False):
    """A message on its way in. (device of the session, conversation, send_counter) is its identity; counters are dense from 1.

    ``skipped`` counts the counters right before this one that the device will never send (again): it gave them up.
    """

    kind: ClassVar[int] = SEND
    conversation: int
    send_counter: int
    payload: bytes
    skipped: int = 0


class ReceiveAck(msgspec.Struct, frozen=True):
    """The device has these: watermarks under ``log`` delivery (all up to), single messages under ``pending``."""

    kind: ClassVar[int] = RECEIVE_ACK
    conversation: ClassVar[int] = 0
    ack_counter: int
    received_upto: tuple[Head, ...] = ()
    received: tuple[Head, ...] = ()


class SyncRequest(msgspec.Struct, frozen=True, gc=False):
    """Asks for messages of a conversation above ``after_seq``, at most ``limit`` of them."""

    kind: ClassVar[int] = SYNC_REQUEST
    conversation: int
    request: int
    after_seq: int
    limit: int


class Ping(msgspec.Struct, frozen=True, gc=False):
    kind: ClassVar[int] = PING
    conversation: ClassVar[int] = 0
    counter: int


class Goodbye(msgspec.Struct, frozen=True, gc=False):
    """The device leaves on purpose."""

    kind: ClassVar[int] = GOODBYE
    conversation: ClassVar[int] = 0


class Welcome(msgspec.Struct, frozen=True):
    """The session is attached; ``heads`` lists the conversations that reach beyond what the server knows the device to have."""

    kind: ClassVar[int] = WELCOME
    conversation: ClassVar[int] = 0
    generation: int
    heads: tuple[Head, ...]


class SendAck(msgspec.Struct, frozen=True, gc=False):
    """Answers one send. ``committed`` tells the basis; position and id are 0 where the basis does not know them yet."""

    kind: ClassVar[int] = SEND_ACK
    conversation: int
    send_counter: int
    code: int
    committed: bool = False
    epoch: int = 0
    conversation_seq: int = 0
    message_id: int = 0


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """A stored message on its way out; also the form in which the log keeps it."""

    kind: ClassVar[int] = DELIVER
    conversation: int
    epoch: int
    conversation_seq: int
    message_id: int
    sender_user: int
    sender_device: int
    send_counter: int
    payload: bytes


class ReceiveConfirmed(msgspec.Struct, frozen=True, gc=False):
    """The server has taken over the receive ack with this counter of this connection."""

    kind: ClassVar[int] = RECEIVE_CONFIRMED
    conversation: ClassVar[int] = 0
    ack_counter: int


class SyncReply(msgspec.Struct, frozen=True):
    """A page of a conversation, in sequence order. ``start_seq`` is the first position still kept: below it the log is trimmed."""

    kind: ClassVar[int] = SYNC_REPLY
    conversation: int
    request: int
    head_seq: int
    start_seq: int
    messages: tuple[Deliver, ...]


class Pong(msgspec.Struct, frozen=True):
    """Answers a ping; carries the heads that moved on this connection since the last pong (the tail rule)."""

    kind: ClassVar[int] = PONG
    conversation: ClassVar[int] = 0
    counter: int
    heads: tuple[Head, ...]


class Heads(msgspec.Struct, frozen=True):
    """Heads that moved, unasked: after a business restart the session was announced again."""

    kind: ClassVar[int] = HEADS
    conversation: ClassVar[int] = 0
    heads: tuple[Head, ...]


class Notice(msgspec.Struct, frozen=True, gc=False):
    """What is in flight on this connection has an unknown outcome: send it again after the hint. The connection stays."""

    kind: ClassVar[int] = NOTICE
    conversation: ClassVar[int] = 0
    code: int
    retry_after_us: int


class Error(msgspec.Struct, frozen=True, gc=False):
    """Last frame on a connection that the server closes. ``retry_after_us`` is a hint for the next attempt, 0 for none."""

    kind: ClassVar[int] = ERROR
    conversation: ClassVar[int] = 0
    code: int
    text: str
    retry_after_us: int = 0


class GoAway(msgspec.Struct, frozen=True, gc=False):
    """The gateway is asked to go, and serves this connection on until its client leaves: in ``leave_after_us``, by itself, and then it
    connects to the same address, where a successor serves by then, or ``elsewhere``, to any other gateway."""

    kind: ClassVar[int] = GO_AWAY
    conversation: ClassVar[int] = 0
    leave_after_us: int
    elsewhere: bool = False


ClientFrame = Connect | Send | ReceiveAck | SyncRequest | Ping | Goodbye
ServerFrame = Welcome | SendAck | Deliver | ReceiveConfirmed | SyncReply | Pong | Heads | Notice | Error | GoAway
Frame = ClientFrame | ServerFrame
FRAME_TYPES: tuple[type[Frame], ...] = (
    Connect,
    Send,
    ReceiveAck,
    SyncRequest,
    Ping,
    Goodbye,
    Welcome,
    SendAck,
    Deliver,
    ReceiveConfirmed,
    SyncReply,
    Pong,
    Heads,
    Notice,
    Error,
    GoAway,
)
