"""The writer thread: group commit beside the event loop.

Rules of the file:

- The loop hands over one list of commands per turn; the thread takes every list that has gathered while it was busy, up to
  ``GROUP_MAX`` commands, and commits them as one group. A slow disk makes larger groups, not a longer queue.
- Results go back with one call into the loop a group. Nothing is told before its commit.
- A group that cannot be committed (disk full, I/O error) is told through ``failed``, on this thread; then the thread ends. The log
  in memory may be ahead of the log on disk, so ``failed`` is expected to end the process.

The queue is bounded by its user: a business node keeps at most ``limits.IN_FLIGHT_MAX`` commands under way.
"""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from queue import Empty, SimpleQueue

from model.core.commands import Append, Page, StorageCommand, StorageResult
from model.scenario.tally import (
    BYTES_KEPT,
    COMMIT_RESTED,
    COMMIT_US,
    COMMITS,
    CONVERSATIONS,
    PAGE_BYTES,
    PAGE_ROWS,
    READS,
    ROWS,
    Tally,
    rest_class,
)
from reference_server.process import clock_us
from reference_server.storage.database import Database

GROUP_MAX = 2_000
"""Commands after which a group is closed (a turn's list is never split): 30 ms of work or so, and a result must not wait longer."""

Results = Callable[[list[StorageResult]], None]
Failed = Callable[[BaseException], None]


class Writer:
    """The thread of one database. ``results`` is called on the loop, ``failed`` on the thread."""

    __slots__ = ("_database", "_failed", "_loop", "_queue", "_rests_since", "_results", "_tally", "_thread", "run")

    def __init__(self, database: Database, loop: AbstractEventLoop, results: Results, failed: Failed, tally: Tally) -> None:
        self._tally = tally
        self._rests_since = clock_us()
        self._database = database
        self.run: Callable[[list[StorageCommand]], list[StorageResult]] = database.run
        """What carries a group out; another where the process is told to end with one (:mod:`reference_server.business.stages`)."""
        self._loop = loop
        self._results = results
        self._failed = failed
        self._queue: SimpleQueue[list[StorageCommand] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="storage", daemon=True)

    def start(self) -> None:
        """Begin to take commands."""
        self._thread.start()

    def submit(self, commands: list[StorageCommand]) -> None:
        """Hand over what one turn of the loop asks of storage. The list is the writer's from here on."""
        self._queue.put(commands)

    def close(self) -> None:
        """Carry out what was submitted, then end the thread and close the database. Its results are queued on the loop."""
        self._queue.put(None)
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        try:
            while group := self._next_group():
                began_us = clock_us()
                results = self.run(group)
                self._count(group, results, began_us)
                self._loop.call_soon_threadsafe(self._results, results)
        except BaseException as error:
            self._failed(error)

    def _count(self, group: list[StorageCommand], results: list[StorageResult], began_us: int) -> None:
        tally, now = self._tally, clock_us()
        appends = [command for command in group if type(command) is Append]
        if len(appends) < len(group):
            tally[READS] += len(group) - len(appends)
            read = [message for result in results if type(result) is Page for message in result.messages]
            tally[PAGE_ROWS] += len(read)
            tally[PAGE_BYTES] += sum(len(message.payload) for message in read)
        if appends:
            tally[COMMITS] += 1
            tally[ROWS] += len(appends)
            tally[CONVERSATIONS] += len({command.conversation for command in appends})
            tally[BYTES_KEPT] += sum([len(command.payload) for command in appends])
            tally[COMMIT_US] += now - began_us
            rest = rest_class(began_us - self._rests_since)
            if rest >= 0:
                tally[COMMIT_RESTED + rest] += 1
        self._rests_since = now

    def _next_group(self) -> list[StorageCommand]:
        """What has gathered, waiting for the first of it; empty when the writer is to end."""
        group = self._queue.get()
        if group is None:
            return []
        try:
            while len(group) < GROUP_MAX:
                more = self._queue.get_nowait()
                if more is None:
                    self._queue.put(None)  # end after this group
                    break
                group += more
        except Empty:
            pass
        return group
