"""What the process of a gateway does with its shell: make it, listen, go. Its own process does so, and one that it shares with business."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from model.core import tokens
from model.core.drain import drain_us
from model.core.gateway import Gateway
from model.scenario.tally import Tally
from reference_server.access import stages
from reference_server.access.shell import LINGER_S, AccessShell
from reference_server.config import ServerConfig
from reference_server.process import bind

BACKLOG = 4096
"""Connections the kernel holds until they are accepted: a reconnect storm arrives within milliseconds."""


def make_shell(name: str, config: ServerConfig, tally: Tally) -> AccessShell:
    """A gateway on the running loop, linked to nobody yet."""
    machine = Gateway(config.policies, config.timers, partial(tokens.check, config.secret))
    shell = AccessShell(name, machine, asyncio.get_running_loop(), tally)
    stages.add(shell)
    return shell


async def listen(shell: AccessShell, host: str, port: int) -> tuple[asyncio.Server, int]:
    """Accept clients; the port too, where any would do. Raises :class:`reference_server.process.Unusable`."""
    server = await asyncio.get_running_loop().create_server(shell.new_client, sock=bind(host, port), backlog=BACKLOG)
    return server, server.sockets[0].getsockname()[1]


async def leave(shell: AccessShell, server: asyncio.Server, config: ServerConfig) -> None:
    """Accept nobody more, drain, and wait until nobody is left, within ``leave_s``."""
    server.close()
    await asyncio.sleep(0)  # who was accepted in this turn is told as well
    shell.shut_down()
    with suppress(TimeoutError):
        await asyncio.wait_for(shell.nobody_left.wait(), leave_s(config))


def leave_s(config: ServerConfig) -> float:
    """Seconds within which nobody is left of a gateway that is asked to go."""
    return drain_us(config.policies.drain, config.timers) / 1e6 + 2 * LINGER_S
