"""Ports for servers that are started later, by a command that wants to be told one."""

from __future__ import annotations

import socket
from itertools import count
from os import getpid

FIRST, LAST = 20_000, 30_000
"""Below what Linux hands out to connecting sockets by default (from 32,768), so that no connection of any test takes one in between."""

_tries = count(getpid() * 20)


def free_port() -> int:
    """A port of this host that is free now, as is the one after it; another one at each call."""
    while True:
        port = FIRST + 2 * next(_tries) % (LAST - FIRST)
        try:
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port
