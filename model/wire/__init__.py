"""Bytes to frames and back: what travels between clients and gateways, and between gateways and a business node.

``framing`` cuts a stream into frames by their headers and decodes no body; ``codec`` turns bodies into the values of
``model.core.frames`` and back; ``batches`` is the inner link's own format. All refuse bad input with :class:`WireError`.
"""

from model.wire.batches import BatchDecoder, Hello, encode_batches
from model.wire.codec import decode, encode
from model.wire.framing import FrameDecoder, WireError

__all__ = ["BatchDecoder", "FrameDecoder", "Hello", "WireError", "decode", "encode", "encode_batches"]
