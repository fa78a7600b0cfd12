"""Where a role kills itself, with SIGKILL, because it was told to: between two steps of what it does with a message.

Rules of the file:

- A role that is told ``arm STAGE`` puts something of its own in the place of the one call at which it will stand there, and ``disarm`` puts
  the call back. A role that is not armed has nothing to look at: no message costs more for it.
- Before it goes it says on stdout where it stands and since when, for the supervisor to hear: a pipe keeps what was written to it.
- What has left before a stage has left: the kernel has taken all of it, or the process does not go yet. Whoever takes nothing for
  ``TAKEN_MAX_S`` is not waited for: a device that does not read would keep the process from its end, and everyone else from theirs.

What stands in the place of what: ``access/stages.py`` and ``business/stages.py``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

TAKEN_MAX_S = 0.5
"""Seconds; between two processes of a host that read, the kernel takes what is written in microseconds."""
Disarm = Callable[[], bool]
"""Puts back what was there before; False where it is too late."""
Arm = Callable[[], Disarm]
STAGES: dict[str, Arm] = {}
"""What this process can be told to wait for, by name. Roles that have stages put them here as they are made."""
_ARMED: list[Disarm] = []


def arm(stage: str) -> bool:
    """End at a stage, the first time from now on; False where this process has no such stage, or waits for one already."""
    if stage not in STAGES or _ARMED:
        return False
    _ARMED.append(STAGES[stage]())
    return True


def disarm() -> bool:
    """Live on; False where this process waits for nothing, or stands there."""
    return bool(_ARMED) and _ARMED.pop()()


def end_at(stage: str) -> None:
    """Here and now."""
    os.write(sys.stdout.fileno(), b"stood %s %d\n" % (stage.encode(), time.monotonic_ns()))
    os.kill(os.getpid(), signal.SIGKILL)


def end_when_written(stage: str, transports: Iterable[asyncio.WriteTransport], by_s: float | None = None) -> None:
    """As soon as the kernel has all that was written, or at ``by_s`` on the loop's clock. It takes it between two turns, if it has room."""
    loop = asyncio.get_running_loop()
    by_s = loop.time() + TAKEN_MAX_S if by_s is None else by_s
    waiting = [transport for transport in transports if transport.get_write_buffer_size()]
    if waiting and loop.time() < by_s:
        loop.call_soon(end_when_written, stage, waiting, by_s)
    else:
        end_at(stage)
