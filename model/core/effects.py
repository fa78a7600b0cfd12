"""Effects: what a machine wants done or noted. Machines append them to ``out``; shells carry them out in order.

Three groups: transport (``Open``, ``Write``, ``Close``), between roles (``ToBusinessEffect``, ``ToGatewayEffect``, ``Store``), and what
the user of the client sees (the rest), which :mod:`model.observe` turns into rows of the history.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from model.core.commands import StorageCommand
from model.core.envelopes import ToBusiness, ToGateway
from model.core.frames import Deliver, Routable

Via = Literal["live", "sync", "own"]
Basis = Literal["write", "received", "committed"]


# transport -----------------------------------------------------------------------------------------------------------------------


class Open(msgspec.Struct, frozen=True, gc=False):
    """Client: open a transport connection to a gateway (index into the scenario's gateways). ``connection`` is the connect counter."""

    connection: int
    gateway: int


class Write(msgspec.Struct, frozen=True):
    """Client or gateway: put a frame on a connection."""

    connection: int
    frame: Routable


class Close(msgspec.Struct, frozen=True, gc=False):
    """Client or gateway: close a connection after what was written to it. ``code`` says why (0: on purpose)."""

    connection: int
    code: int = 0


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Gateway: read no more of a connection, it has asked for much and waits for answers."""

    connection: int


class Resume(msgspec.Struct, frozen=True, gc=False):
    """Gateway: read a paused connection again."""

    connection: int


# between roles -------------------------------------------------------------------------------------------------------------------


class TellBusiness(msgspec.Struct, frozen=True):
    """Gateway: send an envelope up."""

    envelope: ToBusiness


class TellGateway(msgspec.Struct, frozen=True):
    """Business: send an envelope down to one gateway."""

    gateway: int
    envelope: ToGateway


class Store(msgspec.Struct, frozen=True):
    """Business: one storage command; its result comes back with the command's token."""

    command: StorageCommand


# what the user of a client sees --------------------------------------------------------------------------------------------------


class SendOk(msgspec.Struct, frozen=True, gc=False):
    """The client tells its user "sent". ``basis``: ``write``, ``received`` or ``committed``; position 0 where unknown."""

    conversation: int
    send_counter: int
    basis: Basis
    epoch: int
    conversation_seq: int
    message_id: int


class SendFailed(msgspec.Struct, frozen=True, gc=False):
    """Rejected for certain, before any effect."""

    conversation: int
    send_counter: int
    code: int


class SendUnknown(msgspec.Struct, frozen=True, gc=False):
    """The client gave up: the message may have been sent, or may still be."""

    conversation: int
    send_counter: int
    code: int


class Delivered(msgspec.Struct, frozen=True):
    """A message is shown to the app, after client dedupe and ordering. Position 0 where the device does not know it (``own``)."""

    message: Deliver
    via: Via


class SessionChanged(msgspec.Struct, frozen=True, gc=False):
    """The session's state, for the user: ``connecting``, ``ready`` (with its generation), ``disconnected``."""

    state: Literal["connecting", "ready", "disconnected"]
    connection: int
    gateway: int
    generation: int = 0
    code: int = 0


class SyncCompleted(msgspec.Struct, frozen=True, gc=False):
    """A catch-up of this conversation is complete up to a position, from above ``after_seq``."""

    conversation: int
    after_seq: int
    upto_seq: int


class TrimmedTo(msgspec.Struct, frozen=True, gc=False):
    """Sync said that positions below ``start_seq`` are gone; the device had everything up to ``after_seq``."""

    conversation: int
    after_seq: int
    start_seq: int


class ReceiveAckConfirmed(msgspec.Struct, frozen=True, gc=False):
    """The server has taken over the device's receive ack. ``upto``: a watermark; otherwise this one position."""

    conversation: int
    conversation_seq: int
    upto: bool


class ReadBackRequested(msgspec.Struct, frozen=True, gc=False):
    """The sync request of this number, which is written next, is an audit's; so is the page that answers it."""

    request: int


class ReadBackMessage(msgspec.Struct, frozen=True):
    """One message of an audit read-back; not a delivery."""

    message: Deliver


class ReadBackCompleted(msgspec.Struct, frozen=True, gc=False):
    """An audit read-back of this conversation has reached its end."""

    conversation: int
    head_seq: int


ClientEffect = (
    Open
    | Write
    | Close
    | SendOk
    | SendFailed
    | SendUnknown
    | Delivered
    | SessionChanged
    | SyncCompleted
    | TrimmedTo
    | ReceiveAckConfirmed
    | ReadBackRequested
    | ReadBackMessage
    | ReadBackCompleted
)
GatewayEffect = Write | Close | Pause | Resume | TellBusiness
BusinessEffect = TellGateway | Store
