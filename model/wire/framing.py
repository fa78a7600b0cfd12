"""Framing: a stream of bytes is cut into frames by a 16-byte header, without a look at the bodies.

    0       4       5      6          8                16
    +-------+-------+------+----------+----------------+------
    | length| version| kind | reserved | conversation   | body
    +-------+-------+------+----------+----------------+------

Big-endian; ``length`` counts what follows it, so it is 12 for an empty body. The header carries all that a gateway needs to route:
the kind and the conversation.

Rules of the file: a decoder takes chunks cut anywhere and returns whole frames; at the first bad header it keeps the error, returns
what was whole before it, and takes nothing more, since nothing after a bad length can be trusted. Prior art: length-prefixed framing
as in HTTP/2 (RFC 9113, section 4.1), whose fixed header is likewise read before the payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from model.core import limits
from model.core.codes import TEXT, Code
from model.core.frames import Opaque

VERSION = 1
HEADER = struct.Struct(">IBBHQ")
HEADER_BYTES = HEADER.size
LENGTH_BYTES = 4
LENGTH_MIN = HEADER_BYTES - LENGTH_BYTES
ID_MAX = (1 << 63) - 1

_unpack_header = HEADER.unpack_from


class WireError(Exception):
    """Input that cannot be taken: ``code`` for the peer, the message for the log."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{TEXT[code]}{': ' + detail if detail else ''}")
        self.code = code


class FrameDecoder:
    """Cuts one connection's stream. ``kinds``: the kinds the peer may send; any other is refused."""

    __slots__ = ("_chunks", "_have", "_kinds", "_need", "error")

    def __init__(self, kinds: Iterable[int]) -> None:
        self._kinds = frozenset(kinds)
        self._chunks: list[bytes] = []  # of a frame that is not whole yet, joined only when it is: many small ones cost no more
        self._have = 0
        self._need = HEADER_BYTES
        self.error: WireError | None = None
        """Set once the stream is bad; then ``feed`` returns nothing more."""

    def feed(self, data: bytes) -> list[Opaque]:
        """The frames that ``data`` completes, in order."""
        frames: list[Opaque] = []
        if self.error is not None:
            return frames
        if self._chunks or len(data) < self._need:
            self._chunks.append(data)
            self._have += len(data)
            if self._have < self._need:
                return frames
            data = b"".join(self._chunks)
            self._chunks.clear()
        self._keep(data, self._cut(data, frames))
        return frames

    def _cut(self, buffer: bytes, frames: list[Opaque]) -> int:
        """Take the whole frames; returns where the first that is not begins."""
        offset, end, self._need = 0, len(buffer), HEADER_BYTES
        while end - offset >= HEADER_BYTES:
            length, version, kind, reserved, conversation = _unpack_header(buffer, offset)
            if (
                length > limits.FRAME_BYTES_MAX
                or length < LENGTH_MIN
                or version != VERSION
                or kind not in self._kinds
                or reserved
                or conversation > ID_MAX
            ):
                self.error = self._refusal(length, version, kind)
                break
            stop = offset + LENGTH_BYTES + length
            if stop > end:
                self._need = stop - offset
                break
            frames.append(Opaque(kind, conversation, buffer[offset:stop]))
            offset = stop
        return offset

    def _keep(self, buffer: bytes, offset: int) -> None:
        if self.error is None and offset < len(buffer):
            self._chunks.append(buffer[offset:])
        self._have = len(buffer) - offset

    def _refusal(self, length: int, version: int, kind: int) -> WireError:
        """Which of its fields makes a header bad; the version first, since another version may mean the rest differently."""
        if version != VERSION:
            return WireError(Code.UNSUPPORTED_VERSION, f"{version}, not {VERSION}")
        if length > limits.FRAME_BYTES_MAX:
            return WireError(Code.FRAME_TOO_LARGE, f"{length} bytes, at most {limits.FRAME_BYTES_MAX}")
        if length < LENGTH_MIN:
            return WireError(Code.MALFORMED_FRAME, f"a length of {length} is less than the rest of a header")
        if kind not in self._kinds:
            return WireError(Code.UNKNOWN_KIND, str(kind))
        return WireError(Code.MALFORMED_FRAME, "reserved bits of the header are set")
