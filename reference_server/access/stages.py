"""The stages at which a gateway may be told to end: all of them at the end of a turn of its loop, where its effects leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from model.core.envelopes import Up
from model.core.frames import DELIVER, SEND, SEND_ACK
from reference_server.access.shell import AccessShell
from reference_server.stages import STAGES, Disarm, end_at, end_when_written

KIND_AT = 5
"""Offset of the kind in a frame's header (docs/protocol.md)."""


def add(shell: AccessShell) -> None:
    """The stages of this gateway are the process's."""
    for stage in STANDS:
        STAGES[stage] = partial(_arm, shell, stage)


def _forwards(shell: AccessShell) -> bool:
    return shell.link is not None and any(type(envelope) is Up and envelope.frame.kind == SEND for envelope in shell.up)


def _writes(kind: int, shell: AccessShell) -> bool:
    open_ones = (client for client in shell.dirty if not client.transport.is_closing())
    return any(piece[KIND_AT] == kind for client in open_ones for piece in client.pieces)


STANDS: dict[str, Callable[[AccessShell], bool]] = {
    "read": _forwards,
    "forwarded": _forwards,
    "ack_unwritten": partial(_writes, SEND_ACK),
    "delivery_unwritten": partial(_writes, DELIVER),
}
"""Whether the turn that ends has what a stage is about. Where it is ``forwarded`` the turn ends first, else it does not."""


def _arm(shell: AccessShell, stage: str) -> Disarm:
    loop, stands, armed, stood = asyncio.get_running_loop(), STANDS[stage], True, False

    def end_turn() -> None:
        nonlocal stood
        if not armed or not stands(shell):  # a turn may have planned its end before it was disarmed
            shell.flush()
        elif stage == "forwarded":
            stood = True
            transports = [client.transport for client in shell.dirty] + [shell.link.transport for _ in "1" if shell.link]
            shell.flush()
            shell.flush_planned = True  # nothing follows
            loop.call_soon(end_when_written, stage, transports)
        else:
            end_at(stage)

    def disarm() -> bool:
        nonlocal armed
        armed, shell.end_turn = False, shell.flush
        return not stood

    shell.end_turn = end_turn
    return disarm
