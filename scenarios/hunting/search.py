"""Many trials, in several processes: which seeds fail, and how.

A worker takes a few seeds at a time and returns what it found; nothing is shared, so any number of jobs finds the same. Where a worker is
killed from outside, as by a system that is out of memory, the hunt ends with what came before.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

import msgspec

from model.checkers import Judgement
from model.history.columns import History
from scenarios.hunting import generator, probes
from scenarios.hunting.trial import Outcome, Trial, play

SEEDS_AT_A_TIME = 20
PROBED_EVERY = 20
"""One seed in so many is also traced for what it came to: tracing takes several times as long."""


class Failure(msgspec.Struct, frozen=True):
    """A seed that fails."""

    seed: int
    kinds: tuple[str, ...]
    details: tuple[str, ...]
    digest: str


class Tally(msgspec.Struct):
    """What came of some seeds."""

    seeds: int = 0
    messages: int = 0
    failures: list[Failure] = []
    probed: int = 0
    reached: set[str] = set()
    worker_died: bool = False
    """Whether a worker process ended before its time, and the hunt with it."""

    def add(self, other: Tally) -> None:
        """Put another one's to this."""
        self.seeds += other.seeds
        self.messages += other.messages
        self.failures = sorted(self.failures + other.failures, key=lambda failure: failure.seed)
        self.probed += other.probed
        self.reached |= other.reached


def hunt_seeds(seeds: Iterable[int], preset: str) -> Tally:
    """Play the trials of some seeds, here and now."""
    tally = Tally(failures=[], reached=set())
    for seed in seeds:
        trial = generator.trial(seed, preset)
        outcome = _probed(trial, tally) if seed % PROBED_EVERY == 0 else play(trial)
        tally.seeds += 1
        tally.messages += outcome.messages
        if outcome.kinds:
            tally.failures.append(Failure(seed, outcome.kinds, outcome.details, outcome.digest))
    return tally


def _probed(trial: Trial, tally: Tally) -> Outcome:
    def look(history: History, judgement: Judgement) -> None:
        tally.reached |= probes.shown(history)

    outcome, reached = probes.traced(lambda: play(trial, look))
    tally.reached |= reached
    tally.probed += 1
    return outcome


def hunt(
    seeds: Iterable[int],
    preset: str,
    jobs: int,
    seconds: float | None = None,
    tell: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Play the trials of ``seeds``, until they or the ``seconds`` are over. ``tell`` hears of the tally as it grows."""
    until = None if seconds is None else time.monotonic() + seconds
    tally = Tally(failures=[], reached=set())
    try:
        for part in _parts(iter(seeds), preset, jobs, until):
            tally.add(part)
            tell(tally)
    except BrokenProcessPool:
        tally.worker_died = True
        tell(tally)
    return tally


def _parts(seeds: Iterator[int], preset: str, jobs: int, until: float | None) -> Iterator[Tally]:
    def chunk() -> list[int]:
        over = until is not None and time.monotonic() >= until
        return [] if over else list(islice(seeds, SEEDS_AT_A_TIME))

    if jobs == 1:
        while part := chunk():
            yield hunt_seeds(part, preset)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("forkserver"), initializer=_deaf_to_ctrl_c)
    waiting: set[Future[Tally]] = set()
    try:
        while True:
            while len(waiting) < 2 * jobs and (part := chunk()):
                waiting.add(pool.submit(hunt_seeds, part, preset))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in sorted(done, key=_failed))
    finally:
        pool.shutdown(cancel_futures=True)


def _failed(future: Future[Tally]) -> bool:
    """Comes last, so that what others found at the same time is not lost."""
    return future.exception() is not None


def _deaf_to_ctrl_c() -> None:
    """A Ctrl-C reaches the whole group of processes; what becomes of it is the parent's to decide."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def plain(tally: Tally) -> dict[str, Any]:
    """The tally in plain values."""
    return {
        "seeds": tally.seeds,
        "messages": tally.messages,
        "failures": [msgspec.to_builtins(failure) for failure in tally.failures],
        "worker_died": tally.worker_died,
        "probed": tally.probed,
        "never_reached": probes.never(tally.reached) if tally.probed else None,
    }
