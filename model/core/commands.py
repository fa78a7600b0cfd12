"""Commands: what a user asks of a client session, and what business asks of storage; and what storage answers.

Any decision that depends on storage is one storage command, so no two of them can come between a look and a change.
"""

from __future__ import annotations

import msgspec

from model.core.frames import Deliver


class SendMessage(msgspec.Struct, frozen=True, gc=False):
    """The user sends ``payload`` into a conversation."""

    conversation: int
    payload: bytes


class ReadBack(msgspec.Struct, frozen=True, gc=False):
    """Audit: read the whole conversation back, without delivering it."""

    conversation: int


Command = SendMessage | ReadBack


class Append(msgspec.Struct, frozen=True, gc=False):
    """Accept one message: check membership and dedupe (if ``dedupe``), allocate its position, keep it; all in one transaction."""

    token: int
    conversation: int
    sender_user: int
    sender_device: int
    send_counter: int
    payload: bytes
    dedupe: bool
    skipped: int = 0


class ReadAfter(msgspec.Struct, frozen=True, gc=False):
    """The messages of a conversation above a position, at most ``limit``, in order, only committed ones."""

    token: int
    conversation: int
    after_seq: int
    limit: int


StorageCommand = Append | ReadAfter


class Appended(msgspec.Struct, frozen=True):
    """Result of an append, after its commit. ``message`` is what was stored now; None for a rejection, and for a duplicate, whose
    position and id are those of the first time."""

    token: int
    code: int
    duplicate: bool = False
    epoch: int = 0
    conversation_seq: int = 0
    message_id: int = 0
    message: Deliver | None = None


class Page(msgspec.Struct, frozen=True):
    """Result of a read: messages in order, the committed head, and the first position still kept."""

    token: int
    messages: tuple[Deliver, ...]
    head_seq: int
    start_seq: int


StorageResult = Appended | Page
