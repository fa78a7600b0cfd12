"""What one device's session records: every operation of its user, every message it received or showed, every session event."""

from __future__ import annotations

from collections.abc import Callable

from model.core.effects import (
    ClientEffect,
    Delivered,
    ReadBackCompleted,
    ReadBackMessage,
    ReadBackRequested,
    ReceiveAckConfirmed,
    SendFailed,
    SendOk,
    SendUnknown,
    SessionChanged,
    SyncCompleted,
    TrimmedTo,
    Write,
)
from model.core.frames import DELIVER, SEND, SYNC_REPLY, SYNC_REQUEST, Deliver, Send, ServerFrame, SyncReply, SyncRequest
from model.history.recorder import Recorder
from model.history.schema import Basis, Kind, Via
from model.observe.run import content_hash

_VIA = {"live": Via.LIVE, "sync": Via.SYNC, "own": Via.OWN}
_BASIS = {"write": Basis.WRITE, "received": Basis.RECEIVED, "committed": Basis.COMMITTED}
_SESSION = {"connecting": Kind.CONNECTING, "ready": Kind.READY, "disconnected": Kind.DISCONNECTED}

# Members by themselves: to look one up in its enum takes ten times as long on CPython 3.11.
_INVOKE, _ATTEMPT, _OK, _DELIVER, _WIRE = Kind.INVOKE, Kind.ATTEMPT, Kind.OK, Kind.DELIVER, Kind.WIRE
_RECEIVE_CONFIRMED, _READ_BACK = Kind.RECEIVE_CONFIRMED, Kind.READ_BACK
_LIVE, _SYNC = Via.LIVE, Via.SYNC
_NO_AUDITS: frozenset[int] = frozenset()


class ClientObserver:
    """Records for one device. ``gateway_nodes[index]`` is the node number of a gateway."""

    __slots__ = ("_audits", "_connection", "_counters", "_device", "_gateway_nodes", "_off", "_recorder")

    def __init__(self, recorder: Recorder, device: int, gateway_nodes: dict[int, int]) -> None:
        self._recorder = recorder
        self._device = device
        self._gateway_nodes = gateway_nodes
        self._connection = 0
        self._counters: dict[int, int] | None = None
        self._audits = _NO_AUDITS
        self._off = False

    # what goes in ----------------------------------------------------------------------------------------------------------------

    def started(self, now: int) -> None:
        """The schedule has the user open the app; a device that was never switched off is not switched on."""
        if self._off:
            self._off = False
            self._recorder.record(Kind.ONLINE, now, self._device)

    def stopped(self, now: int) -> None:
        """The schedule has the user close the app; before what the session makes of it, which is then no loss of a connection."""
        self._off = True
        self._recorder.record(Kind.OFFLINE, now, self._device)

    def submitted(self, conversation: int, payload: bytes, now: int, unplanned_us: int | None = None) -> None:
        """The user's send is handed to the session, which counts sends per conversation just as is done here. One that no schedule has is
        recorded as intended as well, for ``unplanned_us``."""
        if self._counters is None:
            self._counters = {}
        counter = self._counters[conversation] = self._counters.get(conversation, 0) + 1
        digest = content_hash(payload)
        if unplanned_us is not None:
            self._recorder.record(
                Kind.INTEND, unplanned_us, self._device, conversation, self._device, counter, content_hash=digest
            )
        self._recorder.record(_INVOKE, now, self._device, conversation, self._device, counter, content_hash=digest)

    def received(self, frame: ServerFrame, now: int) -> None:
        """A frame of the server is about to be handed to the session."""
        if frame.kind == DELIVER:
            assert type(frame) is Deliver
            self._message(_WIRE, frame, _LIVE, now)
        elif frame.kind == SYNC_REPLY:
            assert type(frame) is SyncReply
            if frame.request in self._audits:
                self._audits -= {frame.request}
                return
            for message in frame.messages:
                self._message(_WIRE, message, _SYNC, now)

    # what comes out --------------------------------------------------------------------------------------------------------------

    def effects(self, effects: list[ClientEffect], now: int) -> None:
        """What the session wants done or noted."""
        for effect in effects:
            handler = _HANDLERS.get(type(effect))
            if handler is not None:
                handler(self, effect, now)

    def _written(self, effect: Write, now: int) -> None:
        frame = effect.frame
        if frame.kind == SEND:
            assert type(frame) is Send
            self._recorder.record(
                _ATTEMPT, now, self._device, frame.conversation, self._device, frame.send_counter, effect.connection
            )
        elif frame.kind == SYNC_REQUEST:
            assert type(frame) is SyncRequest
            if frame.request in self._audits:
                return
            self._recorder.record(
                Kind.SYNC_REQUEST, now, self._device, frame.conversation, connection=effect.connection, seq=frame.after_seq
            )

    def _ok(self, effect: SendOk, now: int) -> None:
        self._recorder.record(
            _OK,
            now,
            self._device,
            effect.conversation,
            self._device,
            effect.send_counter,
            self._connection,
            effect.epoch,
            effect.conversation_seq,
            value=effect.message_id,
            basis=_BASIS[effect.basis],
        )

    def _failed(self, effect: SendFailed, now: int) -> None:
        self._outcome(Kind.FAIL, effect, now)

    def _unknown(self, effect: SendUnknown, now: int) -> None:
        self._outcome(Kind.INFO, effect, now)

    def _outcome(self, kind: Kind, effect: SendFailed | SendUnknown, now: int) -> None:
        self._recorder.record(kind, now, self._device, effect.conversation, self._device, effect.send_counter, code=effect.code)

    def _delivered(self, effect: Delivered, now: int) -> None:
        self._message(_DELIVER, effect.message, _VIA[effect.via], now)

    def _read_back(self, effect: ReadBackMessage, now: int) -> None:
        self._message(_READ_BACK, effect.message, _SYNC, now)

    def _read_back_requested(self, effect: ReadBackRequested, now: int) -> None:
        """Pages of an audit are neither deliveries nor catch-up, which may be under way in the same conversation."""
        self._audits |= {effect.request}

    def _read_back_done(self, effect: ReadBackCompleted, now: int) -> None:
        self._recorder.record(Kind.READ_BACK_DONE, now, self._device, effect.conversation, seq=effect.head_seq)

    def _session_changed(self, effect: SessionChanged, now: int) -> None:
        self._connection = effect.connection
        self._recorder.record(
            _SESSION[effect.state],
            now,
            self._device,
            connection=effect.connection,
            node=self._gateway_nodes[effect.gateway],
            value=effect.generation,
            code=effect.code,
        )

    def _sync_completed(self, effect: SyncCompleted, now: int) -> None:
        self._recorder.record(
            Kind.SYNC_DONE,
            now,
            self._device,
            effect.conversation,
            connection=self._connection,
            seq=effect.upto_seq,
            value=effect.after_seq,
        )

    def _trimmed(self, effect: TrimmedTo, now: int) -> None:
        self._recorder.record(Kind.TRIMMED, now, self._device, effect.conversation, seq=effect.start_seq, value=effect.after_seq)

    def _receive_confirmed(self, effect: ReceiveAckConfirmed, now: int) -> None:
        self._recorder.record(
            _RECEIVE_CONFIRMED,
            now,
            self._device,
            effect.conversation,
            connection=self._connection,
            seq=effect.conversation_seq,
            value=int(effect.upto),
        )

    def _message(self, kind: Kind, message: Deliver, via: Via, now: int) -> None:
        self._recorder.record(
            kind,
            now,
            self._device,
            message.conversation,
            message.sender_device,
            message.send_counter,
            self._connection,
            message.epoch,
            message.conversation_seq,
            content_hash(message.payload),
            message.message_id,
            via,
        )


_HANDLERS: dict[type, Callable[..., None]] = {
    Write: ClientObserver._written,
    SendOk: ClientObserver._ok,
    SendFailed: ClientObserver._failed,
    SendUnknown: ClientObserver._unknown,
    Delivered: ClientObserver._delivered,
    ReadBackMessage: ClientObserver._read_back,
    ReadBackCompleted: ClientObserver._read_back_done,
    ReadBackRequested: ClientObserver._read_back_requested,
    SessionChanged: ClientObserver._session_changed,
    SyncCompleted: ClientObserver._sync_completed,
    TrimmedTo: ClientObserver._trimmed,
    ReceiveAckConfirmed: ClientObserver._receive_confirmed,
}
