"""A play's own numbers, on a server that remembers earlier plays: frames translated on their way in and out.

A store keeps for good what a device has sent and where a conversation has got to. So each play brings new devices, as if every user had
bought a new phone onto which everything said so far was copied: a device's number is ``offset`` away from its user's, and a conversation
begins where it stood when the first of its members was welcomed. Rules, history and judges see neither. To them devices have their
users' numbers and positions begin at 1, as on a server that was started for them; and what a play costs does not grow with what was
said before it.

Where a conversation stood is known from the first Welcome that names it: nobody has sent into it by then, for whoever would has been
welcomed before, and what a Welcome does not name stands at 0. That holds for all devices of one process; of several, each would have to
be welcomed before any sends. A message of a device that is not of this play keeps a number that no user has, so judges see a phantom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from model.core.frames import (
    Connect,
    Deliver,
    Frame,
    Head,
    Heads,
    Opaque,
    Pong,
    ReceiveAck,
    Send,
    SendAck,
    SyncReply,
    SyncRequest,
    Welcome,
)
from model.wire import decode, encode

STRANGER: Final = 2**31 - 1
"""The device of whoever is not of this play; the largest number that a history holds."""


class Numbering:
    """Between the devices of a play, in their own numbers, and a server."""

    __slots__ = ("_begins", "_offset", "_users")

    def __init__(self, offset: int, users: int) -> None:
        self._offset, self._users = offset, users
        self._begins: dict[int, int] = {}  # conversation -> its position when the play came

    def encode(self, frame: Frame) -> bytes:
        """A frame of a device as bytes for the server."""
        outward = _OUTWARD.get(type(frame))
        return encode(frame if outward is None else outward(self, frame))

    def decode(self, opaque: Opaque) -> Frame:
        """A frame of the server, for a device. Raises :class:`model.wire.WireError`."""
        frame = decode(opaque)
        inward = _INWARD.get(type(frame))
        return frame if inward is None else inward(self, frame)

    def _begin(self, conversation: int) -> int:
        """Where it stood; at 0 where no Welcome has named it by the time at which something is said of it."""
        return self._begins.setdefault(conversation, 0)

    # outward -------------------------------------------------------------------------------------------------------------------------

    def _connect(self, frame: Connect) -> Connect:
        return Connect(frame.user, frame.device + self._offset, frame.connect_counter, frame.token)

    def _send(self, frame: Send) -> Send:
        self._begin(frame.conversation)
        return frame

    def _sync_request(self, frame: SyncRequest) -> SyncRequest:
        after = frame.after_seq + self._begin(frame.conversation)
        return SyncRequest(frame.conversation, frame.request, after, frame.limit)

    def _receive_ack(self, frame: ReceiveAck) -> ReceiveAck:
        return ReceiveAck(frame.ack_counter, self._theirs(frame.received_upto), self._theirs(frame.received))

    def _theirs(self, heads: tuple[Head, ...]) -> tuple[Head, ...]:
        return tuple((conversation, seq + self._begin(conversation)) for conversation, seq in heads)

    # inward --------------------------------------------------------------------------------------------------------------------------

    def _welcome(self, frame: Welcome) -> Welcome:
        for conversation, head in frame.heads:
            self._begins.setdefault(conversation, head)
        return Welcome(frame.generation, self._ours(frame.heads))

    def _pong(self, frame: Pong) -> Pong:
        return Pong(frame.counter, self._ours(frame.heads)) if frame.heads else frame

    def _heads(self, frame: Heads) -> Heads:
        return Heads(self._ours(frame.heads))

    def _ours(self, heads: tuple[Head, ...]) -> tuple[Head, ...]:
        """Those that reach beyond where the play began."""
        beyond = ((conversation, head - self._begin(conversation)) for conversation, head in heads)
        return tuple((conversation, head) for conversation, head in beyond if head > 0)

    def _send_ack(self, frame: SendAck) -> SendAck:
        seq = frame.conversation_seq and frame.conversation_seq - self._begin(frame.conversation)  # 0: unknown
        return SendAck(frame.conversation, frame.send_counter, frame.code, frame.committed, frame.epoch, seq, frame.message_id)

    def _deliver(self, frame: Deliver) -> Deliver:
        device = frame.sender_device - self._offset
        return Deliver(
            frame.conversation,
            frame.epoch,
            frame.conversation_seq - self._begin(frame.conversation),
            frame.message_id,
            frame.sender_user,
            device if 0 < device <= self._users else STRANGER,
            frame.send_counter,
            frame.payload,
        )

    def _sync_reply(self, frame: SyncReply) -> SyncReply:
        begin = self._begin(frame.conversation)
        head, start = max(0, frame.head_seq - begin), max(1, frame.start_seq - begin)
        return SyncReply(frame.conversation, frame.request, head, start, tuple(map(self._deliver, frame.messages)))


_OUTWARD: dict[type, Callable[[Numbering, Any], Frame]] = {
    Connect: Numbering._connect,
    Send: Numbering._send,
    SyncRequest: Numbering._sync_request,
    ReceiveAck: Numbering._receive_ack,
}
_INWARD: dict[type, Callable[[Numbering, Any], Frame]] = {
    Welcome: Numbering._welcome,
    SendAck: Numbering._send_ack,
    Deliver: Numbering._deliver,
    SyncReply: Numbering._sync_reply,
    Pong: Numbering._pong,
    Heads: Numbering._heads,
}
