"""The link between a gateway and a business node: batches of envelopes, packed tightly.

A batch is what one side has to say after one turn of its loop: ``length`` (u32, of what follows), then envelopes, each a kind (u8) and
its fields, big-endian. Frames of clients travel inside as they stand on the wire, unread, with their own length first. The link is
local and both ends are ours, so this is a plain struct format without a version; a batch that does not add up is :class:`WireError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

import msgspec

from model.core import envelopes as e
from model.core.codes import Code
from model.core.frames import Opaque
from model.wire.codec import encode
from model.wire.framing import HEADER, LENGTH_BYTES, WireError

BATCH_BYTES = 1024 * 1024
"""Bytes after which a batch is closed and the next begun."""
BATCH_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of one batch: ``BATCH_BYTES`` and the largest envelope are far below; a wrong length is recognised."""
HELLO = 64

_LENGTH = struct.Struct(">I")
_ATTACH = struct.Struct(">BQQQQ?")
_DETACH = struct.Struct(">BQQQQ")
_UP = struct.Struct(">BQ")
_ATTACHED = struct.Struct(">BQQI")
_HEAD = struct.Struct(">QQ")
_EVICT = struct.Struct(">BQH")
_DOWN = struct.Struct(">BQI")
_NAME = struct.Struct(">BH")


class Hello(msgspec.Struct, frozen=True):
    """A gateway's first word on a link: who it is."""

    name: str


Envelope = e.Envelope | Hello


def encode_batches(envelopes: Iterable[Envelope]) -> bytes:
    """The envelopes on the wire, as one batch or, where they are many, as several of about ``BATCH_BYTES``."""
    parts: list[bytes] = []
    begin, size, encoders = 0, 0, _ENCODERS
    for envelope in envelopes:
        if not size:
            begin = len(parts)
            parts.append(b"")
        at = len(parts)
        encoders[type(envelope)](envelope, parts)
        size += sum(map(len, parts[at:]))
        if size >= BATCH_BYTES:
            parts[begin] = _LENGTH.pack(size)
            size = 0
    if size:
        parts[begin] = _LENGTH.pack(size)
    return b"".join(parts)


def _put_attach(x: e.Attach, parts: list[bytes]) -> None:
    parts.append(_ATTACH.pack(e.ATTACH, x.connection, x.user, x.device, x.connect_counter, x.announced))


def _put_detach(x: e.Detach, parts: list[bytes]) -> None:
    parts.append(_DETACH.pack(e.DETACH, x.connection, x.user, x.device, x.generation))


def _put_up(x: e.Up, parts: list[bytes]) -> None:
    parts.append(_UP.pack(e.UP, x.connection))
    parts.append(encode(x.frame))


def _put_attached(x: e.Attached, parts: list[bytes]) -> None:
    parts.append(_ATTACHED.pack(e.ATTACHED, x.connection, x.generation, len(x.heads)))
    parts.extend(_HEAD.pack(*head) for head in x.heads)


def _put_evict(x: e.Evict, parts: list[bytes]) -> None:
    parts.append(_EVICT.pack(e.EVICT, x.connection, x.code))


def _put_down(x: e.Down, parts: list[bytes]) -> None:
    count = len(x.connections)
    parts.append(_DOWN.pack(e.DOWN, x.head_seq, count))
    parts.append(struct.pack(f">{count}Q", *x.connections))
    parts.append(encode(x.frame))


def _put_hello(x: Hello, parts: list[bytes]) -> None:
    name = x.name.encode()
    parts.append(_NAME.pack(HELLO, len(name)) + name)


_ENCODERS: dict[type, Callable[..., None]] = {
    e.Attach: _put_attach,
    e.Detach: _put_detach,
    e.Up: _put_up,
    e.Attached: _put_attached,
    e.Evict: _put_evict,
    e.Down: _put_down,
    Hello: _put_hello,
}


class BatchDecoder:
    """Cuts a link's stream into batches and batches into envelopes."""

    __slots__ = ("_chunks", "_have", "_need")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []  # of a batch that is not whole yet, joined only when it is
        self._have = 0
        self._need = LENGTH_BYTES

    def feed(self, data: bytes) -> list[Envelope]:
        """The envelopes of the batches that ``data`` completes. Raises :class:`WireError`; the link is then of no more use."""
        envelopes: list[Envelope] = []
        if self._chunks or len(data) < self._need:
            self._chunks.append(data)
            self._have += len(data)
            if self._have < self._need:
                return envelopes
            data = b"".join(self._chunks)
            self._chunks.clear()
        offset = self._cut(data, envelopes)
        if offset < len(data):
            self._chunks.append(data[offset:])
        self._have = len(data) - offset
        return envelopes

    def _cut(self, buffer: bytes, envelopes: list[Envelope]) -> int:
        """Take the whole batches; returns where the first that is not begins."""
        offset, end, self._need = 0, len(buffer), LENGTH_BYTES
        while end - offset >= LENGTH_BYTES:
            (length,) = _LENGTH.unpack_from(buffer, offset)
            if length > BATCH_BYTES_MAX:
                raise WireError(Code.FRAME_TOO_LARGE, f"a batch of {length} bytes")
            stop = offset + LENGTH_BYTES + length
            if stop > end:
                self._need = stop - offset
                break
            _read_batch(buffer, offset + LENGTH_BYTES, stop, envelopes)
            offset = stop
        return offset


def _read_batch(buffer: bytes, offset: int, stop: int, envelopes: list[Envelope]) -> None:
    try:
        while offset < stop:
            envelope, offset = _DECODERS[buffer[offset]](buffer, offset)
            envelopes.append(envelope)
    except (struct.error, KeyError, IndexError, UnicodeDecodeError) as error:
        raise WireError(Code.MALFORMED_FRAME, f"in a batch: {error!r}") from None
    if offset != stop:
        raise WireError(Code.MALFORMED_FRAME, "an envelope is longer than its batch")


def _get_frame(buffer: bytes, offset: int) -> tuple[Opaque, int]:
    length, _, kind, _, conversation = HEADER.unpack_from(buffer, offset)
    stop = offset + LENGTH_BYTES + length
    return Opaque(kind, conversation, buffer[offset:stop]), stop


def _get_attach(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    return e.Attach(*_ATTACH.unpack_from(buffer, offset)[1:]), offset + _ATTACH.size


def _get_detach(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    return e.Detach(*_DETACH.unpack_from(buffer, offset)[1:]), offset + _DETACH.size


def _get_up(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    _, connection = _UP.unpack_from(buffer, offset)
    frame, offset = _get_frame(buffer, offset + _UP.size)
    return e.Up(connection, frame), offset


def _get_attached(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    _, connection, generation, count = _ATTACHED.unpack_from(buffer, offset)
    offset += _ATTACHED.size
    numbers = struct.unpack_from(f">{2 * count}Q", buffer, offset)
    heads = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    return e.Attached(connection, generation, heads), offset + count * _HEAD.size


def _get_evict(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    return e.Evict(*_EVICT.unpack_from(buffer, offset)[1:]), offset + _EVICT.size


def _get_down(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    _, head_seq, count = _DOWN.unpack_from(buffer, offset)
    offset += _DOWN.size
    connections = struct.unpack_from(f">{count}Q", buffer, offset)
    frame, offset = _get_frame(buffer, offset + 8 * count)
    return e.Down(connections, head_seq, frame), offset


def _get_hello(buffer: bytes, offset: int) -> tuple[Envelope, int]:
    _, length = _NAME.unpack_from(buffer, offset)
    offset += _NAME.size
    name = buffer[offset : offset + length]
    if len(name) < length:
        raise IndexError("name")
    return Hello(name.decode()), offset + length


_DECODERS: dict[int, Callable[[bytes, int], tuple[Envelope, int]]] = {
    e.ATTACH: _get_attach,
    e.DETACH: _get_detach,
    e.UP: _get_up,
    e.ATTACHED: _get_attached,
    e.EVICT: _get_evict,
    e.DOWN: _get_down,
    HELLO: _get_hello,
}
