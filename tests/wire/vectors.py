"""One example of every frame and envelope, and how it stands on the wire.

The bytes of these frames were checked by hand against the table in docs/protocol.md and Protobuf's encoding rules; they are what other
implementations may be tested with, and may not change within a protocol version.
"""

from __future__ import annotations

from model.core.envelopes import Attach, Attached, Detach, Down, Evict, Up
from model.core.frames import (
    Connect,
    Deliver,
    Error,
    Frame,
    GoAway,
    Goodbye,
    Heads,
    Notice,
    Opaque,
    Ping,
    Pong,
    ReceiveAck,
    ReceiveConfirmed,
    Send,
    SendAck,
    SyncReply,
    SyncRequest,
    Welcome,
)
from model.wire import Hello
from model.wire.batches import Envelope

FRAMES: list[tuple[Frame, str]] = [
    (Connect(5, 6, 2, b"tok"), "00000017 01 01 0000 0000000000000000 0805 1006 1802 2203746f6b"),
    (Send(3, 2, b"hi"), "00000012 01 02 0000 0000000000000003 0802 12026869"),
    (Send(3, 9, b"hi", 4), "00000014 01 02 0000 0000000000000003 0809 12026869 1804"),
    (ReceiveAck(1, ((3, 300),), ((4, 1),)), "0000001b 01 03 0000 0000000000000000 0801 1205080310ac02 1a0408041001"),
    (SyncRequest(3, 7, 0, 100), "00000010 01 04 0000 0000000000000003 0807 1864"),
    (Ping(1), "0000000e 01 05 0000 0000000000000000 0801"),
    (Goodbye(), "0000000c 01 06 0000 0000000000000000"),
    (Welcome(77, ((3, 9),)), "00000014 01 20 0000 0000000000000000 084d 120408031009"),
    (SendAck(3, 2, 0, True, 1, 9, 11), "00000016 01 21 0000 0000000000000003 0802 1801 2001 2809 300b"),
    (SendAck(3, 2, 1), "00000010 01 21 0000 0000000000000003 0802 1001"),
    (Deliver(3, 1, 9, 11, 5, 6, 2, b"hi"), "0000001c 01 22 0000 0000000000000003 0801 1009 180b 2005 2806 3002 3a026869"),
    (ReceiveConfirmed(1), "0000000e 01 23 0000 0000000000000000 0801"),
    (
        SyncReply(3, 7, 9, 1, (Deliver(3, 1, 9, 11, 5, 6, 2, b"hi"),)),
        "00000024 01 24 0000 0000000000000003 0807 1009 1801 2210 0801 1009 180b 2005 2806 3002 3a026869",
    ),
    (Pong(1, ((3, 9),)), "00000014 01 25 0000 0000000000000000 0801 120408031009"),
    (Heads(((3, 9),)), "00000012 01 26 0000 0000000000000000 0a0408031009"),
    (Notice(22, 250_000), "00000012 01 27 0000 0000000000000000 0816 1090a10f"),
    (Error(40, "no", 1), "00000014 01 28 0000 0000000000000000 0828 12026e6f 1801"),
    (GoAway(250_000, True), "00000012 01 29 0000 0000000000000000 0890a10f 1001"),
]

SEND = Opaque(2, 3, bytes.fromhex("00000012010200000000000000000003080212026869"))

BATCHES: list[tuple[Envelope, str]] = [
    (Hello("g1"), "00000005 40 0002 6731"),
    (
        Attach(9, 5, 6, 2, True),
        "00000022 01 0000000000000009 0000000000000005 0000000000000006 0000000000000002 01",
    ),
    (Detach(9, 5, 6, 77), "00000021 02 0000000000000009 0000000000000005 0000000000000006 000000000000004d"),
    (Up(9, SEND), "0000001f 03 0000000000000009 " + SEND.data.hex()),
    (
        Attached(9, 77, ((3, 9),)),
        "00000025 20 0000000000000009 000000000000004d 00000001 0000000000000003 0000000000000009",
    ),
    (Evict(9, 42), "0000000b 21 0000000000000009 002a"),
    (Down((9, 10), 4, SEND), "00000033 22 0000000000000004 00000002 0000000000000009 000000000000000a " + SEND.data.hex()),
]
