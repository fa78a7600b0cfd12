"""The outbox of a device: what its user has sent and the server has not yet answered.

Rules of the file:

- A send gets its counter when the user submits it, dense per conversation; (device, conversation, counter) is its identity for good.
- At most ``OUTSTANDING_MAX`` sends of a conversation are under way, no further apart than the log remembers results; the others wait
  their turn, at most ``OUTBOX_MAX`` in all.
- ``until_definite`` goes back to the oldest unanswered send of a conversation and repeats all from there, so sender order survives;
  the log answers what it has already. ``bounded`` repeats single sends, ``send_tries_max`` tries in all. ``once`` never repeats.
- How long ``until_definite`` waits for an answer it learns as TCP does (RFC 6298 and Karn's rule): doubled by every wait in vain, and three
  times what the latest answer to a send took that was written once (2.2 there, for a first sample). A wait that forgot this with the
  next send would be over before a slow server's answer, each time, and the repetitions would keep it slow.
- No timer per message: ``due`` is a lower bound on the next thing to do; looking too early is harmless.
"""

from __future__ import annotations

from collections import deque

import msgspec

from model.core import draws, limits
from model.core.codes import DEFINITE, OK, Code
from model.core.effects import Basis, ClientEffect, SendFailed, SendOk, SendUnknown, Write
from model.core.frames import Deliver, Send, SendAck
from model.core.policies import Policies, Timers


class _Outstanding:
    """One send that awaits its answer."""

    __slots__ = ("due", "frame", "tries", "written")

    def __init__(self, frame: Send) -> None:
        self.frame = frame
        self.tries = 0
        self.written = 0
        self.due = limits.NEVER_US


class _Stream:
    """The sends of this device in one conversation."""

    __slots__ = ("in_vain", "last_counter", "outstanding", "skipped", "stalled_until", "took", "unknown", "waiting")

    def __init__(self) -> None:
        self.last_counter = 0
        self.skipped = 0
        self.outstanding: dict[int, _Outstanding] = {}  # by counter, in order
        self.waiting: deque[Send] = deque()
        self.unknown: dict[int, Send] = {}  # given up, outcome open
        self.stalled_until = 0  # nothing is written before: the server asked for patience
        self.took = 0  # what the latest answer to a send took that was written once
        self.in_vain = 0  # waits since

    @property
    def has_room(self) -> bool:
        """Whether the next send may be written. Later ones may be answered and the oldest not: the log must still know its result."""
        outstanding = self.outstanding
        if not outstanding:
            return True
        oldest = next(iter(outstanding))
        return len(outstanding) < limits.OUTSTANDING_MAX and self.waiting[0].send_counter - oldest < limits.RESULTS_MAX


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A send that is ok: what the device shows as its own message."""

    frame: Send
    epoch: int
    conversation_seq: int
    message_id: int


class Outbox:
    """The sends of one device. ``connection`` is 0 while the session is not ready; then nothing is written."""

    __slots__ = (
        "_draw",
        "_draws",
        "_held",
        "_patient_until",
        "_policies",
        "_rounds",
        "_streams",
        "_timers",
        "connection",
        "device",
        "due",
    )

    def __init__(self, device: int, policies: Policies, timers: Timers, draw: draws.Draw) -> None:
        self.device = device
        self.connection = 0
        self.due = limits.NEVER_US
        self._policies = policies
        self._timers = timers
        self._draw = draw
        self._draws = 0
        self._held = 0
        self._rounds = 0  # in vain since the server last accepted
        self._patient_until = 0
        self._streams: dict[int, _Stream] = {}

    @property
    def empty(self) -> bool:
        """Whether every send has been answered or given up."""
        return self._held == 0

    def submit(self, conversation: int, payload: bytes, now: int, out: list[ClientEffect]) -> Answered | None:
        """A new send. Returns what is to be shown at once (policy ``once``, when written)."""
        stream = self._streams.get(conversation)
        if stream is None:
            stream = self._streams[conversation] = _Stream()
        stream.last_counter = counter = stream.last_counter + 1
        if refusal := self._refusal(payload):
            stream.skipped += 1
            out.append(SendFailed(conversation, counter, refusal))
            return None
        self._held += 1
        stream.waiting.append(Send(conversation, counter, payload, stream.skipped))
        stream.skipped = 0
        written = self._write_waiting(stream, now, out)
        return written[0] if written else None

    def _refusal(self, payload: bytes) -> int:
        """Why a send is not taken, 0 if it is. A frame too large to be read would end every connection it is written to."""
        if len(payload) > limits.PAYLOAD_BYTES_MAX:
            return Code.PAYLOAD_TOO_LARGE
        return Code.OUTBOX_FULL if self._held >= limits.OUTBOX_MAX else OK

    def attached(self, connection: int, now: int, out: list[ClientEffect]) -> list[Answered]:
        """The session is ready (again): repeat what the policy repeats, write what waited."""
        self.connection = connection
        self._rounds = self._patient_until = 0
        shown: list[Answered] = []
        for stream in self._streams.values():
            stream.stalled_until = 0
            if stream.outstanding:
                self.due = min(self.due, now)  # what fell due without a connection is looked at again
            if self._policies.send == "until_definite":
                self._repeat(stream, now, out)
            shown += self._write_waiting(stream, now, out)
        return shown

    def detached(self) -> None:
        """The connection is gone: nothing falls due until there is another."""
        self.connection = 0
        self.due = limits.NEVER_US

    def notice(self, retry_after_us: int, now: int) -> None:
        """The server cannot tell what became of what is in flight: repeat after the hint, and later with every round in vain."""
        if self._policies.send != "until_definite":
            return
        self._begin_round(retry_after_us, now)
        for stream in self._streams.values():
            if stream.outstanding:
                self._stall(stream, self._patient_until)

    def acked(self, ack: SendAck, now: int, out: list[ClientEffect]) -> list[Answered]:
        """The server answers a send. Returns what is to be shown as the device's own message."""
        stream = self._streams.get(ack.conversation)
        if stream is None or ack.send_counter not in stream.outstanding:
            return self._late(stream, ack, out) if stream else []
        if ack.code == OK:
            self._rounds = 0
            self._learn(stream, stream.outstanding[ack.send_counter], now)
            frame = self._answered(stream, ack.send_counter)
            shown = [self._ok(frame, ack, out)]
        elif ack.code in DEFINITE:
            self._answered(stream, ack.send_counter)
            out.append(SendFailed(ack.conversation, ack.send_counter, ack.code))
            shown = []
        elif ack.code == Code.RESULT_FORGOTTEN:
            self._give_up(stream, ack.send_counter, ack.code, out)
            shown = []
        else:
            if self._policies.send == "until_definite":
                self._begin_round(self._timers.retry_after_us, now)
                self._stall(stream, self._patient_until)
            return []
        return shown + self._write_waiting(stream, now, out)

    def sighted(self, message: Deliver, now: int, out: list[ClientEffect]) -> bool:
        """An own message came back by sync. True if this is how the device learns that it was accepted, and so must show it."""
        stream = self._streams.get(message.conversation)
        counter = message.send_counter
        if stream is None or not (counter in stream.outstanding or counter in stream.unknown):
            return False
        if stream.unknown.pop(counter, None) is None:
            self._answered(stream, counter)
            self._write_waiting(stream, now, out)
        position = (message.epoch, message.conversation_seq, message.message_id)
        out.append(SendOk(message.conversation, counter, "committed", *position))
        return True

    def on_deadline(self, now: int, out: list[ClientEffect]) -> None:
        """Repeat or give up what is due, and find the next deadline."""
        self.due = limits.NEVER_US
        for stream in self._streams.values():
            if stream.outstanding or stream.waiting:
                self._expire(stream, now, out)

    # steps -----------------------------------------------------------------------------------------------------------------------

    def _write_waiting(self, stream: _Stream, now: int, out: list[ClientEffect]) -> list[Answered]:
        """Write what waits, as far as the window allows. Under ``once``, written is answered."""
        shown: list[Answered] = []
        if not self.connection:
            return shown
        if now < stream.stalled_until:
            if stream.waiting:  # no answer may be outstanding that would bring us back here
                self.due = min(self.due, stream.stalled_until)
            return shown
        while stream.waiting and stream.has_room:
            frame = stream.waiting.popleft()
            if self._policies.send == "once":
                out.append(Write(self.connection, frame))
                out.append(SendOk(frame.conversation, frame.send_counter, "write", 0, 0, 0))
                self._held -= 1
                shown.append(Answered(frame, 0, 0, 0))
            else:
                outstanding = stream.outstanding[frame.send_counter] = _Outstanding(frame)
                self._write(stream, outstanding, now, out)
        return shown

    def _write(self, stream: _Stream, outstanding: _Outstanding, now: int, out: list[ClientEffect]) -> None:
        outstanding.tries += 1
        outstanding.written = now
        outstanding.due = now + self._ack_timeout(stream, outstanding.tries)
        self.due = min(self.due, outstanding.due)
        out.append(Write(self.connection, outstanding.frame))

    def _learn(self, stream: _Stream, answered: _Outstanding, now: int) -> None:
        """Which of several writings an answer belongs to, nobody knows; so only one that was written once tells how long answers take."""
        if answered.tries == 1:
            stream.took, stream.in_vain = now - answered.written, 0

    def _ack_timeout(self, stream: _Stream, tries: int) -> int:
        timers = self._timers
        if self._policies.send == "bounded":
            return timers.ack_timeout_us
        least = min(timers.ack_timeout_max_us, max(timers.ack_timeout_us, 3 * stream.took))
        doublings = max(stream.in_vain, int(tries > 1))
        if not doublings:
            return least
        timeout = min(timers.ack_timeout_max_us, least << min(doublings, 20))
        least = max(least, timeout // 2)  # never shorter than an answer takes
        self._draws += 1  # spread repetitions, so that a crowd does not repeat in step
        return least + int(self._draw(draws.ACK_TIMEOUT, self._draws) * (timeout - least))

    def _begin_round(self, hint_us: int, now: int) -> None:
        """What was written was in vain: all of it is written again, once, however many answers say so."""
        if now >= self._patient_until:
            self._rounds += 1
            self._patient_until = now + self._patience(hint_us)

    def _patience(self, hint_us: int) -> int:
        """The hint at first; then up to twice as long with every round, spread, and at most the longest ack time-out."""
        longest = max(hint_us, min(self._timers.ack_timeout_max_us, hint_us << min(self._rounds - 1, 20)))
        self._draws += 1
        return hint_us + int(self._draw(draws.ACK_TIMEOUT, self._draws) * (longest - hint_us))

    def _repeat(self, stream: _Stream, now: int, out: list[ClientEffect]) -> None:
        for outstanding in stream.outstanding.values():
            self._write(stream, outstanding, now, out)

    def _stall(self, stream: _Stream, until: int) -> None:
        stream.stalled_until = until
        for outstanding in stream.outstanding.values():
            outstanding.due = until
        self.due = min(self.due, until)

    def _expire(self, stream: _Stream, now: int, out: list[ClientEffect]) -> None:
        due = [o for o in stream.outstanding.values() if o.due <= now]
        if due and self._policies.send == "bounded":
            for outstanding in due:
                self._try_again(stream, outstanding, now, out)
        elif due and self.connection:
            stream.in_vain += due[0].due != stream.stalled_until  # else it is not the wait that was in vain
            self._repeat(stream, now, out)
        self._write_waiting(stream, now, out)
        if self.connection:
            self.due = min([self.due, *(o.due for o in stream.outstanding.values())])

    def _try_again(self, stream: _Stream, outstanding: _Outstanding, now: int, out: list[ClientEffect]) -> None:
        if outstanding.tries >= self._timers.send_tries_max:
            self._give_up(stream, outstanding.frame.send_counter, Code.GAVE_UP, out)
        elif self.connection:
            self._write(stream, outstanding, now, out)

    def _give_up(self, stream: _Stream, counter: int, code: int, out: list[ClientEffect]) -> None:
        frame = stream.unknown[counter] = self._answered(stream, counter)
        if len(stream.unknown) > limits.RESULTS_MAX:
            del stream.unknown[next(iter(stream.unknown))]
        out.append(SendUnknown(frame.conversation, counter, code))

    def _answered(self, stream: _Stream, counter: int) -> Send:
        self._held -= 1
        return stream.outstanding.pop(counter).frame

    def _ok(self, frame: Send, ack: SendAck, out: list[ClientEffect]) -> Answered:
        basis: Basis = "committed" if ack.committed else "received"
        position = (ack.epoch, ack.conversation_seq, ack.message_id)
        out.append(SendOk(frame.conversation, frame.send_counter, basis, *position))
        return Answered(frame, *position)

    def _late(self, stream: _Stream, ack: SendAck, out: list[ClientEffect]) -> list[Answered]:
        """An ack of what was answered before (a repetition's), or given up: a later ok turns unknown into ok."""
        if ack.code != OK or ack.send_counter not in stream.unknown:
            return []
        return [self._ok(stream.unknown.pop(ack.send_counter), ack, out)]
