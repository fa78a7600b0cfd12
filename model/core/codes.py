"""The one registry of outcome codes: what went wrong, and whether that is certain.

A code is *definite* when the operation it answers has certainly not taken effect and never will; the client may then tell its user
"failed". A code that is not definite says "it may have happened, or may still happen": the client keeps the outcome open. The
distinction is that of Jepsen's error registry; numbers are stable, since histories and frames carry them.
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Outcome of an operation or the reason for which a connection is closed."""

    OK = 0
    # the operation was rejected before it had any effect
    NOT_A_MEMBER = 1
    UNKNOWN_CONVERSATION = 2
    PAYLOAD_TOO_LARGE = 3
    OUTBOX_FULL = 4
    COUNTER_REUSED = 5
    # the outcome is open: retry
    OUT_OF_SEQUENCE = 20
    OVERLOADED = 21
    BUSINESS_UNAVAILABLE = 22
    GAVE_UP = 23
    RESULT_FORGOTTEN = 24
    # why a connection ends
    BAD_TOKEN = 40
    STALE_CONNECT = 41
    TAKEN_OVER = 42
    SLOW_CONSUMER = 43
    IDLE = 44
    NOT_ATTACHED = 45
    SHUTTING_DOWN = 46
    # what the decoder refuses
    MALFORMED_FRAME = 60
    FRAME_TOO_LARGE = 61
    UNKNOWN_KIND = 62
    UNSUPPORTED_VERSION = 63


OK = Code.OK
"""By itself for the hot paths: to look a member up in its enum takes ten times as long on CPython 3.11."""

DEFINITE = frozenset(
    {Code.NOT_A_MEMBER, Code.UNKNOWN_CONVERSATION, Code.PAYLOAD_TOO_LARGE, Code.OUTBOX_FULL, Code.COUNTER_REUSED}
)

TEXT = {
    Code.OK: "accepted",
    Code.NOT_A_MEMBER: "the sender is not a member of this conversation",
    Code.UNKNOWN_CONVERSATION: "there is no such conversation",
    Code.PAYLOAD_TOO_LARGE: "the payload is larger than a message may be",
    Code.OUTBOX_FULL: "the device's outbox is full; nothing was sent",
    Code.COUNTER_REUSED: "this device sent another message under this counter before; a device that lost its state needs a new number",
    Code.OUT_OF_SEQUENCE: "an earlier message of this device is missing; send from there again",
    Code.OVERLOADED: "too many requests in flight; retry later",
    Code.BUSINESS_UNAVAILABLE: "the business node is away; the outcome is unknown, retry",
    Code.GAVE_UP: "no ack after the last try; the outcome is unknown",
    Code.RESULT_FORGOTTEN: "accepted so long ago that its result is no longer kept",
    Code.BAD_TOKEN: "the token does not prove this user and device; log in again",
    Code.STALE_CONNECT: "a newer connection of this device exists",
    Code.TAKEN_OVER: "a newer connection of this device took the session over",
    Code.SLOW_CONSUMER: "this connection did not read fast enough; reconnect and sync",
    Code.IDLE: "nothing was heard on this connection for too long",
    Code.NOT_ATTACHED: "the first frame on a connection must be Connect",
    Code.SHUTTING_DOWN: "this gateway is shutting down; connect elsewhere",
    Code.MALFORMED_FRAME: "the frame cannot be decoded",
    Code.FRAME_TOO_LARGE: "the frame is larger than the limit",
    Code.UNKNOWN_KIND: "there is no frame of this kind",
    Code.UNSUPPORTED_VERSION: "this protocol version is not spoken here",
}
