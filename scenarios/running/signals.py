"""Signals: the first Ctrl-C, SIGTERM or SIGHUP asks for a partial result, the second ends everything at once.

The first one raises :class:`Interrupted` in the main thread, wherever that is; a run then stops its processes, keeps what was recorded,
judges it and says that it is partial. The second one kills the processes that were started and ends with the code of the signal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from scenarios.running.exits import Interrupted
from scenarios.running.processes import kill_all

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to stop, and a terminal that was closed."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block signals act as described above; afterwards as before. Main thread only."""
    count = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            kill_all()
            os.write(2, b"imbench: ended at once; what was recorded is in the run folder that ends in .partial\n")
            os._exit(128 + number)
        raise Interrupted(number)

    before = {number: signal.signal(number, handle) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
