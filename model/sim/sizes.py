"""How many bytes a frame is on a link, without encoding it, and how many of them are payload.

The arithmetic of the wire format (:mod:`model.wire`): a header of 16 bytes, then Protobuf fields, of which a number takes a
byte for its tag and one for every seven bits, and nothing where it is 0. ``tests/sim/test_sizes.py`` holds it against real
encodings. On a link come the headers of IP and TCP, once for every segment. What a frame costs a CPU goes by its kind
and its payload, since headers are the same for every frame of a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.core import frames as f
from model.wire.framing import HEADER_BYTES

KIB = 1024
SEGMENT_BYTES = 1448
"""Of a TCP segment in an Ethernet frame of 1500 bytes, with timestamps."""
SEGMENT_HEADER_BYTES = 52
"""IPv4 20, TCP 20, its timestamps 12 (RFC 791, 9293, 7323)."""


def link_bytes(item: Any) -> int:
    """Bytes on a link for what a lane carries: a frame, or a segment without content (of a handshake, or an end)."""
    size_of = _SIZES.get(type(item))
    if size_of is None:
        return SEGMENT_HEADER_BYTES
    size = size_of(item)
    return size + SEGMENT_HEADER_BYTES * -(-size // SEGMENT_BYTES)


def is_frame(item: Any) -> bool:
    """Whether what a lane carries is a frame."""
    return type(item) in _SIZES


def wire_bytes(frame: f.Frame) -> int:
    """Bytes of a frame as it stands on the wire. KeyError for what is none."""
    return _SIZES[type(frame)](frame)


def payload_bytes(frame: Any) -> int:
    """Of a frame's payload, or of those of the messages in it; 0 where it carries none."""
    kind = frame.kind
    if kind in (f.DELIVER, f.SEND):
        return len(frame.payload)
    return sum([len(message.payload) for message in frame.messages]) if kind == f.SYNC_REPLY else 0


_FIELD = (0, *(1 + (bits + 6) // 7 for bits in range(1, 65)))
"""Bytes of a field that holds a number, by the bits of the number."""


def _number(value: int) -> int:
    return _FIELD[value.bit_length()]


def _text(length: int) -> int:
    """A field of bytes, text or a message inside another."""
    return _number(length) + length if length else 0


def _numbers(*values: int) -> int:
    return sum([_FIELD[value.bit_length()] for value in values])


def _heads(heads: tuple[f.Head, ...]) -> int:
    return sum(2 + _numbers(*head) for head in heads)


def _deliver(x: f.Deliver) -> int:
    ids = _numbers(x.epoch, x.conversation_seq, x.message_id, x.sender_user, x.sender_device, x.send_counter)
    return ids + _text(len(x.payload))


def _page(x: f.SyncReply) -> int:
    messages = sum(_text(_deliver(m)) for m in x.messages)
    return _numbers(x.request, x.head_seq, x.start_seq) + messages


_BODIES: dict[type, Callable[[Any], int]] = {
    f.Connect: lambda x: _numbers(x.user, x.device, x.connect_counter) + _text(len(x.token)),
    f.Send: lambda x: _numbers(x.send_counter, x.skipped) + _text(len(x.payload)),
    f.ReceiveAck: lambda x: _number(x.ack_counter) + _heads(x.received_upto) + _heads(x.received),
    f.SyncRequest: lambda x: _numbers(x.request, x.after_seq, x.limit),
    f.Ping: lambda x: _number(x.counter),
    f.Goodbye: lambda x: 0,
    f.Welcome: lambda x: _number(x.generation) + _heads(x.heads),
    f.SendAck: lambda x: _numbers(x.send_counter, x.code, x.committed, x.epoch, x.conversation_seq, x.message_id),
    f.Deliver: _deliver,
    f.ReceiveConfirmed: lambda x: _number(x.ack_counter),
    f.SyncReply: _page,
    f.Pong: lambda x: _number(x.counter) + _heads(x.heads),
    f.Heads: lambda x: _heads(x.heads),
    f.Notice: lambda x: _numbers(x.code, x.retry_after_us),
    f.Error: lambda x: _numbers(x.code, x.retry_after_us) + _text(len(x.text.encode())),
    f.GoAway: lambda x: _numbers(x.leave_after_us, x.elsewhere),
}


def _with_header(body: Callable[[Any], int]) -> Callable[[Any], int]:
    return lambda frame: HEADER_BYTES + body(frame)


_SIZES: dict[type, Callable[[Any], int]] = {type_: _with_header(body) for type_, body in _BODIES.items()}
