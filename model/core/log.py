"""The conversation log: a dense sequence, durable identity of sends, membership.

Rules of the file:

- ``append`` decides everything at once: membership, dedupe, sequence. It is run *inside* the transaction that keeps its rows; a shell
  that cannot commit what was appended must end, since the log in memory is then ahead of the log on disk.
- A position is allocated only for a message that is kept, so the committed log has no holes.
- Each (device, conversation) has a dense send counter. Its last value and the results of the last ``RESULTS_MAX`` sends are kept, so
  a retransmission gets the answer of the first time, a definite rejection included, and a send that overtakes an earlier one is asked
  to wait. That is the idempotent producer of Apache Kafka (KIP-98), per conversation instead of per partition.
- A repetition is known by its content, too: a device that lost its state and counts from 1 again is told so, never "ok" for what
  another message got.
- A stranger leaves nothing behind: whoever is no member has no send counter here.

``restore`` rebuilds the same state from what was committed; both worlds use it after a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from zlib import crc32

import msgspec

from model.core import limits
from model.core.codes import OK, Code
from model.core.commands import Append, Appended
from model.core.frames import Deliver


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """A definite rejection, kept like a message since it consumes its send counter."""

    conversation: int
    sender_device: int
    send_counter: int
    code: int
    digest: int
    """Of who sent it and what, as :func:`_digest` makes it."""


class Conversation(msgspec.Struct, frozen=True):
    """A conversation as it is provisioned: its kind and its members (users)."""

    conversation: int
    kind: str
    members: tuple[int, ...]


FEW = 8
"""Members among whom a tuple is searched as quickly as a set, in a third of its memory."""


def membership(conversation: Conversation) -> Collection[int]:
    """The members, to ask who is one, and to go through in their order."""
    members = conversation.members
    return members if len(members) <= FEW else dict.fromkeys(members)


Row = Deliver | Rejection
"""What an append asks its transaction to keep."""


def _digest(user: int, payload: bytes) -> int:
    """What tells a repetition from another message under the same counter."""
    return crc32(payload, user & 0xFFFFFFFF)


class _Sends:
    """What the log remembers of one device's sends in one conversation."""

    __slots__ = ("last", "results")

    def __init__(self) -> None:
        self.last = 0
        self.results: dict[int, tuple[int, int, int, int]] = {}  # send_counter -> (code, conversation_seq, message_id, digest)

    def remember(self, counter: int, code: int, seq: int, message_id: int, digest: int) -> None:
        self.last = max(self.last, counter)
        self.results[counter] = (code, seq, message_id, digest)
        if len(self.results) > limits.RESULTS_MAX:
            del self.results[next(iter(self.results))]


class _State:
    """One conversation: its head and the sends per device."""

    __slots__ = ("head_seq", "sends")

    def __init__(self) -> None:
        self.head_seq = 0
        self.sends: dict[int, _Sends] = {}


class ConversationLog:
    """All conversations of one store.

    ``epoch`` identifies the sequences; a store that is made anew gets a new one. ``appended`` gives (result, row to keep or None).
    """

    __slots__ = ("_members", "_message_id", "_states", "epoch")

    def __init__(self, conversations: Iterable[Conversation], epoch: int) -> None:
        self.epoch = epoch
        self._message_id = 0
        self._members = {c.conversation: membership(c) for c in conversations}
        self._states: dict[int, _State] = {}  # of conversations that something was ever sent into

    def restore(self, rows: Iterable[Row]) -> None:
        """Bring the log to the state after ``rows``, which come in the order in which they were committed."""
        for row in rows:
            state = self._state(row.conversation)
            sends = state.sends.setdefault(row.sender_device, _Sends())
            if isinstance(row, Deliver):
                state.head_seq = max(state.head_seq, row.conversation_seq)
                self._message_id = max(self._message_id, row.message_id)
                digest = _digest(row.sender_user, row.payload)
                sends.remember(row.send_counter, OK, row.conversation_seq, row.message_id, digest)
            else:
                sends.remember(row.send_counter, row.code, 0, 0, row.digest)

    def append(self, command: Append) -> tuple[Appended, Row | None]:
        """Decide one send. Returns the result to give after the commit, and the row the transaction must keep (None: nothing new)."""
        members = self._members.get(command.conversation)
        if members is None:
            return Appended(command.token, Code.UNKNOWN_CONVERSATION), None
        if command.sender_user not in members:
            return Appended(command.token, Code.NOT_A_MEMBER), None
        state = self._state(command.conversation)
        sends = state.sends.get(command.sender_device)
        if sends is None:
            sends = state.sends[command.sender_device] = _Sends()
        if command.dedupe and not sends.last - command.skipped < command.send_counter - command.skipped <= sends.last + 1:
            return self._out_of_order(command, sends), None
        if len(command.payload) > limits.PAYLOAD_BYTES_MAX:
            return self._reject(command, sends, Code.PAYLOAD_TOO_LARGE)
        return self._accept(command, state, sends)

    def head_seq(self, conversation: int) -> int:
        """Highest position appended to a conversation; 0 for none."""
        state = self._states.get(conversation)
        return state.head_seq if state is not None else 0

    def _state(self, conversation: int) -> _State:
        state = self._states.get(conversation)
        if state is None:
            state = self._states[conversation] = _State()
        return state

    def _out_of_order(self, command: Append, sends: _Sends) -> Appended:
        if command.send_counter > sends.last:
            return Appended(command.token, Code.OUT_OF_SEQUENCE)
        result = sends.results.get(command.send_counter)
        if result is None:
            return Appended(command.token, Code.RESULT_FORGOTTEN)
        code, seq, message_id, digest = result
        if digest != _digest(command.sender_user, command.payload):
            return Appended(command.token, Code.COUNTER_REUSED)
        return Appended(command.token, code, True, self.epoch, seq, message_id)

    def _reject(self, command: Append, sends: _Sends, code: int) -> tuple[Appended, Row]:
        digest = _digest(command.sender_user, command.payload)
        sends.remember(command.send_counter, code, 0, 0, digest)
        row = Rejection(command.conversation, command.sender_device, command.send_counter, code, digest)
        return Appended(command.token, code), row

    def _accept(self, command: Append, state: _State, sends: _Sends) -> tuple[Appended, Row]:
        state.head_seq = seq = state.head_seq + 1
        self._message_id = message_id = self._message_id + 1
        sends.remember(command.send_counter, OK, seq, message_id, _digest(command.sender_user, command.payload))
        row = Deliver(
            command.conversation,
            self.epoch,
            seq,
            message_id,
            command.sender_user,
            command.sender_device,
            command.send_counter,
            command.payload,
        )
        return Appended(command.token, OK, False, self.epoch, seq, message_id, row), row
