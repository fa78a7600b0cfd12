"""The simulated storage: one disk with group commit, and the conversation log in its transactions.

Everything that waits when the disk is free goes into one commit, as the writer thread of the live role takes its queue;
results leave after it. Rows not committed when business dies are gone, and the log is brought back from the others. A
commit is CPU, and then a wait for the disk: one of those that were measured, or one that varies about it (:func:`varied`).
A disk that is stalled finishes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import exp, log
from statistics import NormalDist
from typing import Any

from model.core import draws, limits
from model.core.commands import Append, Page, ReadAfter, StorageCommand, StorageResult
from model.core.frames import Deliver, Head
from model.core.log import Conversation, ConversationLog, Row
from model.scenario import Disk
from model.scenario.tally import rest_class
from model.sim.kernel import Kernel
from model.sim.node import EVEN, FACTORS
from model.sim.service_times import ServiceTimes
from model.sim.sizes import KIB
from model.sim.stations import Cores

EPOCH = 1
MACHINE = 1
"""Whose draws decide how long a commit waits: the business node's, whose number in the history this is."""


STATEMENT_US = 25
"""CPU of a statement, about. SQLite carries it out without the interpreter's lock and the writer asks for it again afterwards, so a loop
that has something to do meanwhile goes first."""


def _as_measured(number: int, waited_us: float) -> float:
    return waited_us


def varied(disk: Disk, seed: int) -> Callable[[int, float], float]:
    """How long commits wait for such a disk: what was measured times a lognormal factor of mean 1, now and then an exponential stall."""
    draw, normal = draws.draws(seed, 0), NormalDist(-(disk.sigma**2) / 2, disk.sigma) if disk.sigma else None

    def waits(number: int, waited_us: float) -> float:
        if normal is not None:
            waited_us *= exp(normal.inv_cdf(draw(draws.DISK, 3 * number) or 0.5))
        if draw(draws.DISK, 3 * number + 1) < disk.stall_share:
            waited_us -= disk.stall_us * log(1 - draw(draws.DISK, 3 * number + 2))
        return waited_us

    return waits


class SimStorage:
    """The disk of a business node. ``done(results)`` takes what a commit answers."""

    def __init__(
        self,
        kernel: Kernel,
        times: ServiceTimes,
        conversations: Iterable[Conversation],
        done: Callable[[list[StorageResult]], None],
        host: Cores | None = None,
        seed: int = 0,
    ) -> None:
        self._host, self._draw = host, draws.draws(seed, MACHINE)
        self._kernel, self._times, self._done = kernel, times, done
        self._conversations = tuple(conversations)
        self._committed: list[Row] = []
        self._messages: dict[int, list[Deliver]] = {}
        self._log = ConversationLog(self._conversations, EPOCH)
        self._queue: list[StorageCommand] = []
        self._busy = False
        self.is_stalled = False
        """Whether it finishes nothing."""
        self.instead: Callable[[], bool] | None = None
        """Whether something else happens in place of a commit with something to keep; None: it is made."""
        self.unheard: Callable[[], bool] | None = None
        """Whether something else happens after one in place of telling anyone; None: its results are told."""
        self._held: tuple[Any, ...] | None = None
        self._life = 0
        self.vary: Callable[[int, float], float] = _as_measured
        """(number of the commit, how long one was measured to wait for the disk) -> how long it waits."""
        self.incarnation = 0
        self.commits = 0
        self.rows = 0
        self.cpu_us = 0.0
        self._waits = 0
        self._log_filled = 0.0
        """How full the log is, of which a commit makes a checkpoint,"""
        self._log_kib = 0.0
        """and how much payload is in it."""
        self.factors = EVEN
        """What a commit takes whatever is in it, as a factor of what it costs."""
        self._syncs_us = times.storage_sync_us
        self._rests_us = (0.0, *times.rests_us("storage"))
        self._rests_since = 0
        self._worked_us, self._works_since = 0, 0

    def at_work_us(self) -> int:
        """For how long it has been at work, on the CPU or waiting for the disk, since the run began."""
        return self._worked_us + (self._kernel.now - self._works_since if self._busy else 0)

    def open(self) -> None:
        """A business node starts: the log is what was committed."""
        self._life += 1
        self.incarnation += 1
        self._queue, self._busy = [], False
        self._log = ConversationLog(self._conversations, EPOCH)
        self._log.restore(self._committed)

    def close(self) -> None:
        """The business node died with what it had not committed."""
        self._life += 1
        self._queue, self._busy, self._held = [], False, None

    def stall(self) -> None:
        """The disk answers nothing more: what is under way and what comes waits."""
        self.is_stalled = True

    def go_on(self) -> None:
        """It answers again."""
        self.is_stalled = False
        held, self._held = self._held, None
        if held is not None:
            self._finish(*held)
        elif self._queue and not self._busy:
            self._commit()

    def heads(self) -> list[Head]:
        """The committed head of every conversation that has one."""
        return [(number, messages[-1].conversation_seq) for number, messages in self._messages.items() if messages]

    def submit(self, commands: list[StorageCommand]) -> None:
        """Commands for the next commit."""
        self._queue += commands
        if self._queue and not self._busy and not self.is_stalled:
            self._commit()

    def _commit(self) -> None:
        commands, self._queue = self._queue, []
        self._busy, self._works_since = True, self._kernel.now
        appends = [c for c in commands if isinstance(c, Append)]
        decided = [self._log.append(command) for command in appends]
        rows = [row for _, row in decided if row is not None]
        reads = [c for c in commands if isinstance(c, ReadAfter)]
        results: list[StorageResult] = [result for result, _ in decided]
        self._work(appends, reads, self._finish, self._life, rows, results, reads)

    def _work(self, appends: list[Append], reads: list[ReadAfter], done: Callable[..., None], *args: object) -> None:
        """The writer thread's CPU, on the host's cores if it shares them, then the wait for the disk; a wait for the read pages is none."""
        times, sync_us = self._times, 0.0
        read = [message for command in reads for message in self._page(command).messages]
        cpu_us = (
            times.storage_read_us * len(reads) + times.storage_page_row_us * len(read) + times.storage_page_kib_us * _kib(read)
        )
        if appends:
            kib, conversations = _kib(appends), len({command.conversation for command in appends})
            cpu_us += (
                times.storage_row_us * len(appends) + times.storage_kib_us * kib + times.storage_conversation_us * conversations
            )
            rest = rest_class(self._kernel.now - self._rests_since) + 1
            cpu_us += (times.storage_commit_us + self._rests_us[rest]) * self.factors[self._waits % FACTORS]
            self._waits += 1
            waits = self._syncs_us[min(rest, len(self._syncs_us) - 1)]
            sync_us = self.vary(self._waits, waits[int(self._draw(draws.SERVICE_TIME, self._waits) * len(waits))])
            if self._is_log_full(kib, conversations):
                cpu_us += times.storage_checkpoint_us + times.storage_checkpoint_kib_us * self._log_kib
                sync_us += times.storage_checkpoint_wait_us + times.storage_checkpoint_kib_wait_us * self._log_kib
                self._log_kib = 0.0
        self.cpu_us += cpu_us
        if self._host is None:
            self._wait(round(cpu_us) + round(sync_us), done, args)
        else:
            self._work_on(self._host, round(cpu_us), round(sync_us), done, args)

    def _is_log_full(self, kib: float, conversations: int) -> bool:
        """After a commit of so much."""
        times = self._times
        self._log_kib += kib
        self._log_filled += times.storage_commit_checkpoints + times.storage_conversation_checkpoints * conversations
        self._log_filled += times.storage_kib_checkpoints * kib
        if self._log_filled < 1:
            return False
        self._log_filled = 0.0
        return True

    def _work_on(self, host: Cores, cpu_us: int, sync_us: int, done: Callable[..., None], args: tuple[object, ...]) -> None:
        """Statement by statement, each of which lets others have the core; not of a process that has died."""
        if args[0] != self._life:
            return
        if cpu_us > STATEMENT_US:
            host.work(STATEMENT_US, self._work_on, host, cpu_us - STATEMENT_US, sync_us, done, args)
        else:
            host.work(cpu_us, self._wait, sync_us, done, args)

    def _wait(self, wait_us: int, done: Callable[..., None], args: tuple[object, ...]) -> None:
        """For the disk, and then for a core again: results are told by a thread that runs."""
        if self._host is None:
            self._kernel.at(self._kernel.now + wait_us, done, *args)
        elif args[0] == self._life:
            self._kernel.at(self._kernel.now + wait_us, self._host.work, 0, done, *args)

    def _finish(self, life: int, rows: list[Row], results: list[StorageResult], reads: list[ReadAfter]) -> None:
        if life != self._life:
            return
        if self.is_stalled:
            self._held = (life, rows, results, reads)
            return
        if rows and self.instead is not None and self.instead():
            return
        self._rests_since = self._kernel.now
        self._worked_us += self._kernel.now - self._works_since
        self.commits += bool(rows)
        self.rows += len(rows)
        self._committed += rows
        for row in rows:
            if isinstance(row, Deliver):
                self._messages.setdefault(row.conversation, []).append(row)
        if rows and self.unheard is not None and self.unheard():
            return
        self._busy = False
        self._done(results + [self._page(read) for read in reads])
        if self._queue and not self._busy:
            self._commit()

    def _page(self, command: ReadAfter) -> Page:
        """The log is dense from 1, so a position is an index."""
        messages = self._messages.get(command.conversation, [])
        page: list[Deliver] = []
        size = 0
        for message in messages[command.after_seq : command.after_seq + min(command.limit, limits.SYNC_PAGE_MAX)]:
            size += len(message.payload)
            if page and size > limits.SYNC_PAGE_BYTES_MAX:
                break
            page.append(message)
        return Page(command.token, tuple(page), len(messages), 1)


def _kib(messages: Sequence[Append] | Sequence[Deliver]) -> float:
    return sum([len(message.payload) for message in messages]) / KIB
