"""The inbox of a device: what it has of each conversation, in which order it shows it, what it acknowledges and asks for.

Rules of the file:

- The cursor of a conversation, ``received_upto``, covers only what is contiguous. What arrives ahead of a gap is parked in the gap
  buffer, neither shown nor acknowledged, and the gap is pulled by sync (policies ``sequence`` and ``cursor``).
- Under ``arrival`` a message is shown as it comes; ``newest`` is then the highest position seen, holes or not. What was shown ahead of a
  gap is remembered by whoever dedupes by sequence or pulls from a cursor: a cursor moves over what was received, whether or not what
  comes again is shown again. So every pull ends nearer to the head, under any mix of policies.
- An own message is shown at its ok. Where that ok told no position, the device learns it from a sync, and the cursor passes over it.
- A device is never behind for long: moved heads (at attachment, in pongs) make it pull; one sync a conversation is in flight at a time,
  and ``CATCH_UPS_MAX`` in all. None is repeated on a living connection: its answer comes, or a notice, or the connection's end.
- Positions belong to an epoch. A message of a newer one means that the conversation began anew, and so does what the device has of it.
- Receptions are acknowledged together, after ``receive_ack_delay_us`` or when a frame is full. What was not confirmed before a
  connection ended is acknowledged again on the next.
- An audit (``ReadBack``) reads a conversation from its beginning and shows nothing.
"""

from __future__ import annotations

from itertools import islice

from model.core import limits
from model.core.effects import (
    ClientEffect,
    Delivered,
    ReadBackCompleted,
    ReadBackMessage,
    ReadBackRequested,
    ReceiveAckConfirmed,
    SyncCompleted,
    TrimmedTo,
    Via,
    Write,
)
from model.core.frames import Deliver, Head, ReceiveAck, SyncReply, SyncRequest
from model.core.policies import Policies, Timers


class _Conversation:
    """What this device has of one conversation."""

    __slots__ = ("ahead", "epoch", "head_seq", "newest", "received_upto", "sync_after")

    def __init__(self) -> None:
        self.epoch = 0
        self.received_upto = 0
        self.newest = 0
        self.head_seq = 0  # the furthest position heard of
        self.ahead: dict[int, tuple[Deliver, Via] | None] = {}  # the gap buffer, by position; None: shown already
        self.sync_after = 0


class _Audit:
    """A read-back under way."""

    __slots__ = ("request", "upto")

    def __init__(self) -> None:
        self.request = 0
        self.upto = 0


class Inbox:
    """What one device has received. ``connection`` is 0 while the session is not ready."""

    __slots__ = (
        "_ack_counter",
        "_acks",
        "_audits",
        "_conversations",
        "_dirty",
        "_policies",
        "_received",
        "_request",
        "_seen",
        "_syncing",
        "_timers",
        "_wanting",
        "connection",
        "due",
    )

    def __init__(self, policies: Policies, timers: Timers) -> None:
        self.connection = 0
        self.due = limits.NEVER_US
        self._policies = policies
        self._timers = timers
        self._conversations: dict[int, _Conversation] = {}
        self._seen: dict[Head, None] = {}  # shown on this connection (policy ``connection``)
        self._dirty: dict[int, None] = {}  # conversations whose watermark moved
        self._received: list[Head] = []  # single messages to acknowledge
        self._acks: dict[int, ReceiveAck] = {}  # sent, not confirmed
        self._audits: dict[int, _Audit] = {}
        self._ack_counter = 0
        self._request = 0
        self._syncing: dict[int, int] = {}  # conversation -> request in flight
        self._wanting: dict[int, int] = {}  # conversation -> position above which to sync when there is room

    @property
    def settled(self) -> bool:
        """Whether nothing is being fetched, missing by what was heard, or waiting to be acknowledged."""
        if self._dirty or self._received or self._audits:
            return False
        behind = self._policies.catch_up == "cursor"
        return not self._syncing and not any(behind and c.received_upto < c.head_seq for c in self._conversations.values())

    def cursor(self, conversation: int) -> int:
        """``received_upto`` of a conversation."""
        return self._of(conversation).received_upto

    # inputs ----------------------------------------------------------------------------------------------------------------------

    def attached(self, connection: int, heads: tuple[Head, ...], now: int, out: list[ClientEffect]) -> None:
        """The session is ready on a new connection."""
        self.connection = connection
        self._seen.clear()
        self._acks.clear()
        self._forget_syncs()
        self.announced(heads, now, out)

    def announced(self, heads: tuple[Head, ...], now: int, out: list[ClientEffect]) -> None:
        """Business knows this session (again): pull where behind, acknowledge again what was not confirmed, go on auditing."""
        if self._policies.catch_up == "newest":
            for number, head in heads:
                if head > self._of(number).newest:
                    self._sync(number, self._of(number).newest, out)
        else:
            self.moved(heads, now, out)
        if self._policies.delivery == "log":
            self._dirty.update((n, None) for n, c in self._conversations.items() if c.received_upto)
            self._schedule_ack(now)
        for number, audit in self._audits.items():
            self._request_audit(number, audit, out)

    def detached(self) -> None:
        """The connection is gone, and with it what was in flight on it."""
        self.connection = 0
        self._received.clear()
        self.due = limits.NEVER_US

    def notice(self) -> None:
        """Syncs in flight were lost; they are asked for again when business announces heads."""
        self._forget_syncs()

    def _forget_syncs(self) -> None:
        self._syncing.clear()
        self._wanting.clear()

    def moved(self, heads: tuple[Head, ...], now: int, out: list[ClientEffect]) -> None:
        """Conversations reach this far: pull where behind (the tail rule)."""
        if self._policies.catch_up != "cursor":
            return
        for number, head in heads:
            conversation = self._of(number)
            conversation.head_seq = max(conversation.head_seq, head)
            self._pull(number, conversation, out)

    def deliver(self, message: Deliver, via: Via, now: int, out: list[ClientEffect]) -> None:
        """A message arrived, live or as the device's own (``own``)."""
        self._accept(message, via, now, out)
        if self._policies.catch_up == "cursor":
            self._pull(message.conversation, self._of(message.conversation), out)

    def is_audit(self, reply: SyncReply) -> bool:
        """Whether this page answers an audit rather than a catch-up."""
        audit = self._audits.get(reply.conversation)
        return audit is not None and audit.request == reply.request

    def synced(self, reply: SyncReply, answered: frozenset[int], now: int, out: list[ClientEffect]) -> None:
        """A page of a catch-up arrived; positions in ``answered`` are own messages whose oks came before."""
        if self._syncing.get(reply.conversation) != reply.request:
            return
        del self._syncing[reply.conversation]
        self._trim(self._of(reply.conversation), reply, out)
        for message in reply.messages:
            self._accept(message, "sync", now, out, message.conversation_seq in answered)
        conversation = self._of(reply.conversation)
        upto = reply.messages[-1].conversation_seq if reply.messages else reply.head_seq
        have = max(upto, conversation.received_upto)  # parked messages may have joined the page's
        if reply.messages and have < reply.head_seq:
            self._sync(reply.conversation, have, out)
            return
        out.append(SyncCompleted(reply.conversation, conversation.sync_after, upto))
        if reply.messages and self._policies.catch_up == "cursor":  # a server that has less than it said is not asked in a circle
            self._pull(reply.conversation, conversation, out)
        self._sync_next(out)

    def confirmed(self, ack_counter: int, out: list[ClientEffect]) -> None:
        """The server has taken over a receive ack."""
        ack = self._acks.pop(ack_counter, None)
        if ack is not None:
            out.extend(ReceiveAckConfirmed(c, seq, True) for c, seq in ack.received_upto)
            out.extend(ReceiveAckConfirmed(c, seq, False) for c, seq in ack.received)

    def read_back(self, conversation: int, out: list[ClientEffect]) -> None:
        """Audit a conversation from its beginning."""
        audit = self._audits[conversation] = _Audit()
        if self.connection:
            self._request_audit(conversation, audit, out)

    def on_deadline(self, now: int, out: list[ClientEffect]) -> None:
        """Acknowledge what was received."""
        self.due = limits.NEVER_US
        if self.connection and (self._dirty or self._received):
            self._acknowledge(out)
        if self._dirty or self._received:
            self._schedule_ack(now)

    # receiving ---------------------------------------------------------------------------------------------------------------------

    def _of(self, number: int) -> _Conversation:
        conversation = self._conversations.get(number)
        if conversation is None:
            conversation = self._conversations[number] = _Conversation()
        return conversation

    def _accept(self, message: Deliver, via: Via, now: int, out: list[ClientEffect], answered: bool = False) -> None:
        """``answered``: an own message, here again, whose ok came before."""
        seq = message.conversation_seq
        if via != "own" and not answered:
            self._note_reception(message, now)
        if seq == 0:  # an own message whose place is not known
            out.append(Delivered(message, via))
            return
        conversation = self._of(message.conversation)
        if message.epoch != conversation.epoch:
            if message.epoch < conversation.epoch:
                return  # of a log that is no more
            conversation = self._begin_anew(message)
        if seq > conversation.newest:
            conversation.newest = seq
        if seq > conversation.head_seq:
            conversation.head_seq = seq
        if self._policies.device_dedupe == "sequence" and self._is_duplicate(conversation, message):
            return
        if self._was_shown(conversation, message, answered):
            self._advance_shown(conversation, seq, out)
        elif self._policies.device_order == "arrival":
            self._show(message, via, out)
            self._advance_shown(conversation, seq, out)
        else:
            self._place(conversation, message, via, out)
        if conversation.received_upto >= seq and self._policies.delivery == "log":
            self._dirty[message.conversation] = None
            self._schedule_ack(now)

    def _begin_anew(self, message: Deliver) -> _Conversation:
        """The first message of an epoch: what was known of an earlier one says nothing of this."""
        known = self._of(message.conversation)
        if known.epoch:
            known = self._conversations[message.conversation] = _Conversation()
            self._syncing.pop(message.conversation, None)
        known.epoch = message.epoch
        return known

    def _is_duplicate(self, conversation: _Conversation, message: Deliver) -> bool:
        return message.conversation_seq <= conversation.received_upto or message.conversation_seq in conversation.ahead

    def _was_shown(self, conversation: _Conversation, message: Deliver, answered: bool) -> bool:
        """Whether this is known without the sequence: as seen on this connection, or as an own message, shown at its ok. Not then, and
        perhaps not yet, was that shown whose ok told a position at which it had to wait, in a gap buffer that may have been full."""
        policies = self._policies
        if answered:
            told = policies.send != "once" and policies.ack_basis == "committed"
            return message.conversation_seq <= conversation.received_upto or not (told and policies.device_order == "sequence")
        return policies.device_dedupe == "connection" and (message.conversation, message.conversation_seq) in self._seen

    def _show(self, message: Deliver, via: Via, out: list[ClientEffect]) -> None:
        out.append(Delivered(message, via))
        if self._policies.device_dedupe == "connection":
            self._seen[(message.conversation, message.conversation_seq)] = None
            if len(self._seen) > limits.SEEN_MAX:
                del self._seen[next(iter(self._seen))]

    def _place(self, conversation: _Conversation, message: Deliver, via: Via, out: list[ClientEffect]) -> None:
        """Show in sequence: now if it is the next one, with what it was holding up; else park it."""
        if message.conversation_seq > conversation.received_upto + 1:
            if len(conversation.ahead) < limits.GAP_BUFFER_MAX:
                conversation.ahead[message.conversation_seq] = (message, via)
            return
        if message.conversation_seq > conversation.received_upto:
            conversation.received_upto = message.conversation_seq
        self._show(message, via, out)
        if conversation.ahead:
            self._join(conversation, out)

    def _advance_shown(self, conversation: _Conversation, seq: int, out: list[ClientEffect]) -> None:
        """Shown as it came: remember it where it matters, and move the cursor over what is now contiguous."""
        policies = self._policies
        remembers = policies.device_order == "sequence" or policies.device_dedupe == "sequence" or policies.catch_up == "cursor"
        if remembers and seq == conversation.received_upto + 1:
            conversation.received_upto = seq
            self._join(conversation, out)
        elif remembers and seq > conversation.received_upto and len(conversation.ahead) < limits.GAP_BUFFER_MAX:
            conversation.ahead[seq] = None

    def _join(self, conversation: _Conversation, out: list[ClientEffect]) -> None:
        """Move the cursor over what is contiguous now, and show of it what waited."""
        while conversation.received_upto + 1 in conversation.ahead:
            conversation.received_upto += 1
            following = conversation.ahead.pop(conversation.received_upto)
            if following is not None:
                self._show(*following, out)

    # acknowledging -----------------------------------------------------------------------------------------------------------------

    def _note_reception(self, message: Deliver, now: int) -> None:
        """A duplicate is acknowledged too: its sender repeats it for want of an ack."""
        if self._policies.delivery == "pending":
            self._received.append((message.conversation, message.conversation_seq))
            self._schedule_ack(now)

    def _schedule_ack(self, now: int) -> None:
        full = len(self._dirty) + len(self._received) >= limits.ACK_ENTRIES_MAX
        due = now if full else now + self._timers.receive_ack_delay_us
        if due < self.due:
            self.due = due

    def _acknowledge(self, out: list[ClientEffect]) -> None:
        conversations, dirty = self._conversations, self._dirty
        upto = tuple([(n, conversations[n].received_upto) for n in islice(dirty, limits.ACK_ENTRIES_MAX)])
        for number, _ in upto:
            del dirty[number]
        received = tuple(self._received[: limits.ACK_ENTRIES_MAX - len(upto)])
        del self._received[: len(received)]
        self._ack_counter += 1
        ack = ReceiveAck(self._ack_counter, upto, received)
        self._acks[self._ack_counter] = ack
        if len(self._acks) > limits.ACK_ENTRIES_MAX:
            del self._acks[next(iter(self._acks))]
        out.append(Write(self.connection, ack))

    # fetching ----------------------------------------------------------------------------------------------------------------------

    def _pull(self, number: int, conversation: _Conversation, out: list[ClientEffect]) -> None:
        if self.connection and conversation.received_upto < conversation.head_seq and number not in self._syncing:
            self._sync(number, conversation.received_upto, out)

    def _sync(self, number: int, after: int, out: list[ClientEffect]) -> None:
        """Ask for what is above a position, now or when there is room."""
        if len(self._syncing) >= limits.CATCH_UPS_MAX:
            self._wanting[number] = after
            return
        self._request += 1
        self._syncing[number] = self._request
        self._of(number).sync_after = after
        out.append(Write(self.connection, SyncRequest(number, self._request, after, limits.SYNC_PAGE_MAX)))

    def _sync_next(self, out: list[ClientEffect]) -> None:
        """There is room: the conversation that waits longest, from where the device has it by now."""
        if self._wanting and len(self._syncing) < limits.CATCH_UPS_MAX:
            number = next(iter(self._wanting))
            after = self._wanting.pop(number)
            self._sync(number, max(after, self._of(number).received_upto), out)

    def _trim(self, conversation: _Conversation, reply: SyncReply, out: list[ClientEffect]) -> None:
        """What is below the start of the retained log will never come: say so, and go on above it."""
        if reply.start_seq > conversation.sync_after + 1:
            out.append(TrimmedTo(reply.conversation, conversation.sync_after, reply.start_seq))
            for seq in sorted(seq for seq in conversation.ahead if seq < reply.start_seq):
                parked = conversation.ahead.pop(seq)
                if parked is not None:
                    self._show(*parked, out)
            conversation.received_upto = max(conversation.received_upto, reply.start_seq - 1)
            self._join(conversation, out)

    def _request_audit(self, number: int, audit: _Audit, out: list[ClientEffect]) -> None:
        self._request += 1
        audit.request = self._request
        out.append(ReadBackRequested(self._request))
        out.append(Write(self.connection, SyncRequest(number, audit.request, audit.upto, limits.SYNC_PAGE_MAX)))

    def audited(self, reply: SyncReply, out: list[ClientEffect]) -> None:
        """A page of an audit arrived."""
        audit = self._audits[reply.conversation]
        out.extend(ReadBackMessage(m) for m in reply.messages)
        if reply.messages:
            audit.upto = reply.messages[-1].conversation_seq
        if reply.messages and audit.upto < reply.head_seq:
            self._request_audit(reply.conversation, audit, out)
            return
        del self._audits[reply.conversation]
        out.append(ReadBackCompleted(reply.conversation, reply.head_seq))
