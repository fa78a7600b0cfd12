"""Where connections come from: one source address has so many ephemeral ports (28,232 on Linux as it comes) towards one listener.

Beyond that many connections to one gateway, processes come from addresses of their own: every 127.x.y.z is this host, and can be bound.
"""

from __future__ import annotations

import socket
from typing import Any

BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
"""Linux, ip(7): choose the port at connect, when the destination is known; else a port taken towards one gateway is taken towards all."""


def bind_source(sock: Any, source: str) -> None:
    """Have a socket, of any kind that has a socket's methods, connect from this address; empty: from any. Raises OSError."""
    if not source:
        return
    if ":" not in source:
        sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))
