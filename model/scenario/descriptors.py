"""Descriptors: a connection takes one, and many systems let a process have 1,024 unless it asks for more.

Every process of a run that holds connections raises its own limit before it opens any: a server that may not take a connection, and a
load process or a proxy that may not make one, look alike to whoever reads the history. How many users find room is the runner's matter
(:mod:`scenarios.running.generators`), which counts with the hard limit.
"""

from __future__ import annotations

import resource
from contextlib import suppress


def most() -> int:
    """Descriptors that this process may have if it asks for them: the hard limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_limit() -> None:
    """Have as many as this process may have; where the system refuses, it keeps what it has."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most(), most()))
