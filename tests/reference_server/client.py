"""A blocking client for tests: it speaks frames over a socket and decides nothing, so a test says every word itself."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TypeVar

from model.core import tokens
from model.core.frames import (
    CLIENT_KINDS,
    FRAME_TYPES,
    Connect,
    Deliver,
    Error,
    Frame,
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
from model.wire import FrameDecoder, decode, encode

SECRET = bytes(range(16))
WAIT_S = 10.0
"""Bound of every wait: far above what anything takes, so that only a broken server meets it."""
SERVER_KINDS = frozenset(frame.kind for frame in FRAME_TYPES) - CLIENT_KINDS

F = TypeVar("F", bound=Frame)


class Client:
    """One connection of (user, device); the device has the user's number. Frames not asked for wait in ``inbox``."""

    def __init__(self, port: int, user: int, wait_s: float = WAIT_S) -> None:
        self.user = user
        self._socket = socket.create_connection(("127.0.0.1", port), wait_s)
        self._decoder = FrameDecoder(SERVER_KINDS)
        self._requests = 0
        self.inbox: list[Frame] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # words -------------------------------------------------------------------------------------------------------------------------

    def write(self, *frames: Frame) -> None:
        self.write_bytes(b"".join(map(encode, frames)))

    def write_bytes(self, chunk: bytes) -> None:
        self._socket.sendall(chunk)

    def login(self, connect_counter: int = 1, token: bytes | None = None) -> Welcome:
        """Connect, and wait for the Welcome."""
        self.write_connect(connect_counter, token)
        return self.expect(Welcome)

    def write_connect(self, connect_counter: int = 1, token: bytes | None = None) -> None:
        proof = tokens.mint(SECRET, self.user, self.user) if token is None else token
        self.write(Connect(self.user, self.user, connect_counter, proof))

    def send(self, counter: int, payload: bytes = b"", conversation: int = 1) -> SendAck:
        """Send one message, and wait for its ack."""
        self.write(Send(conversation, counter, payload))
        return self.expect(SendAck)

    def acknowledge(self, ack_counter: int, *received_upto: tuple[int, int]) -> ReceiveConfirmed:
        self.write(ReceiveAck(ack_counter, received_upto))
        return self.expect(ReceiveConfirmed)

    def ping(self, counter: int = 1) -> Pong:
        self.write(Ping(counter))
        return self.expect(Pong)

    def sync(self, conversation: int = 1, after_seq: int = 0) -> list[Deliver]:
        """Every message of the conversation above a position, page by page."""
        messages: list[Deliver] = []
        while True:
            self._requests += 1
            self.write(SyncRequest(conversation, self._requests, after_seq + len(messages), 100))
            page = self.expect(SyncReply)
            messages += page.messages
            if not page.messages or page.messages[-1].conversation_seq == page.head_seq:
                return messages

    # what comes --------------------------------------------------------------------------------------------------------------------

    def expect(self, wanted: type[F]) -> F:
        """The next frame of this type; others wait in ``inbox``. Fails if the connection ends first."""
        while True:
            for at, frame in enumerate(self.inbox):
                if isinstance(frame, wanted):
                    del self.inbox[at]
                    return frame
            assert self.read(), f"the connection ended before a {wanted.__name__}; waiting: {self.inbox}"

    def waiting(self, wanted: type[F]) -> list[F]:
        """The frames of this type in ``inbox``."""
        return [frame for frame in self.inbox if isinstance(frame, wanted)]

    def read(self) -> bool:
        """Wait for a chunk and put its frames in ``inbox``. False: the server has closed, or reset, the connection."""
        try:
            chunk = self._socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.inbox += [decode(frame) for frame in self._decoder.feed(chunk)]
        return bool(chunk)

    def read_to_end(self) -> list[Frame]:
        """Everything until the server closes; fails if it does not."""
        while self.read():
            pass
        frames, self.inbox = self.inbox, []
        return frames

    def refusal(self) -> Error:
        """The Error that is the last frame before the server closes."""
        last = self.read_to_end()[-1]
        assert isinstance(last, Error)
        return last


def positions(messages: Iterable[Deliver]) -> list[tuple[int, int]]:
    """(send_counter, conversation_seq) of messages, in their order."""
    return [(m.send_counter, m.conversation_seq) for m in messages]
