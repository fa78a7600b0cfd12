"""Signals: the first Ctrl-C, SIGTERM or SIGHUP asks for a partial result, the second ends everything at once.

The first one raises :class:`Interrupted` in the main thread, wherever that is; a run then stops its processes, keeps what was recorded,
judges it and says that it is partial. The second one kills the processes that were started, says what is lost, and ends with the code of
the signal; it does so until the program ends, for the partial result is still being told when the block is over.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from scenarios.running.exits import Interrupted
from scenarios.running.processes import kill_all

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to stop, and a terminal that was closed."""


RECORDED = "what was recorded is in the run folder that ends in .partial"
SIMULATED = "nothing is kept of a simulated run that is not over; its seed plays it again"


@contextmanager
def interruptible(left: str = RECORDED) -> Iterator[None]:
    """Within the block signals act as described above; afterwards as before, unless one came. ``left`` says what they leave. Main thread
    only."""
    count = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            kill_all()
            for worker in multiprocessing.active_children():
                worker.kill()
            os.write(2, f"imbench: ended at once; {left}\n".encode())
            os._exit(128 + number)
        raise Interrupted(number, left)

    before = {number: signal.signal(number, handle) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items() if not count else ():
            signal.signal(number, handler)
