"""To knock at a server that runs already, before a run: is it the one that was meant?

Somebody of the run's population is let in at every gateway, and sends a message into three of the run's conversations. So a wrong
address, a wrong secret, another population and, as far as acks tell, another preset are each found in a moment and told in one line. What
is sent lies before the run begins: it is none of its messages. A preset whose server never answers a send is asked for less.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from model.core.codes import OK, TEXT, Code
from model.core.frames import CLIENT_KINDS, FRAME_TYPES, Connect, Error, Frame, Goodbye, Send, SendAck, Welcome
from model.core.log import Conversation
from model.core.tokens import mint
from model.scenario import Scenario
from model.scenario.job import new_devices
from model.wire import FrameDecoder, WireError, decode, encode
from model.workload.population import populate
from scenarios.running.exits import UNAVAILABLE, CannotRun
from scenarios.running.serving import SEED

KNOCK_S: Final = 5.0
"""Longest wait for any answer: a server that needs longer for one is not fit to be measured."""
_SERVER_KINDS: Final = frozenset(frame.kind for frame in FRAME_TYPES) - CLIENT_KINDS
_CHUNK_BYTES: Final = 1 << 16

Gateway = tuple[str, int]
F = TypeVar("F", bound=Frame)


def knock(gateways: Sequence[Gateway], secret: bytes, scenario: Scenario, preset: str) -> None:
    """Raise :class:`CannotRun` where a gateway does not let the run's users in, or does not answer them as the preset has it."""
    population = populate(scenario.population, scenario.gateways, SEED)
    visitor = _Visitor(secret, new_devices(time.time()), scenario.population.users, preset, scenario.preset(preset).ack_basis)
    for gateway in gateways:
        visitor.visit(gateway, population.users[0])
    if visitor.ack_basis != "none":
        for place in (0, len(population.conversations) // 2, -1):
            conversation = population.conversations[place]
            visitor.visit(gateways[0], conversation.members[0], conversation)


@dataclass(frozen=True, slots=True)
class _Visitor:
    """Whoever knocks, on a device of their own. ``users``, ``preset``: of the run."""

    secret: bytes
    device: int
    users: int
    preset: str
    ack_basis: str

    def visit(self, gateway: Gateway, user: int, into: Conversation | None = None) -> None:
        """Log in, and send a message into a conversation. Raises :class:`CannotRun`."""
        where = f"{gateway[0]}:{gateway[1]}"
        hello = Connect(user, self.device, time.time_ns(), mint(self.secret, user, self.device))
        try:
            with socket.create_connection(gateway, KNOCK_S) as line:
                line.sendall(encode(hello))
                _expect(line, Welcome, where)
                if into is not None:
                    line.sendall(encode(Send(into.conversation, 1, b"")))
                    self._check(_expect(line, SendAck, where), where)
                line.sendall(encode(Goodbye()))
        except (OSError, WireError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise CannotRun(
                f"{where}: no server answers there as preset {self.preset} does ({why}); the server's ready line has its ports",
                UNAVAILABLE,
            ) from None

    def _check(self, ack: SendAck, where: str) -> None:
        if ack.code in (Code.NOT_A_MEMBER, Code.UNKNOWN_CONVERSATION):
            raise CannotRun(
                f"{where}: has other conversations than the run's {self.users} users; "
                f"--set population.users to what it was started with, or start it with imbench serve --users {self.users}"
            )
        if ack.code != OK or ack.committed != (self.ack_basis == "committed"):
            raise CannotRun(f"{where}: does not answer sends as preset {self.preset} does; give the one that it serves with")


def _expect(line: socket.socket, wanted: type[F], where: str) -> F:
    """The next frame of this type. Raises OSError, WireError, and :class:`CannotRun` where the server says no."""
    decoder, until = FrameDecoder(_SERVER_KINDS), time.monotonic() + KNOCK_S
    while time.monotonic() < until:
        chunk = line.recv(_CHUNK_BYTES)
        if not chunk:
            raise ConnectionError("it closed the connection")
        for opaque in decoder.feed(chunk):
            frame = decode(opaque)
            if isinstance(frame, wanted):
                return frame
            if isinstance(frame, Error):
                why = next((text for code, text in TEXT.items() if code == frame.code), frame.text)
                raise CannotRun(f"{where}: lets nobody in: {why}; is --secret-file the server's?", UNAVAILABLE)
        if decoder.error is not None:
            raise decoder.error
    raise TimeoutError("timed out")
