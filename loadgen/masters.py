"""Where Locust's master stands: it has users of others play a job, or by hand what its options and its web page say.

A job is conducted once, from when its workers are there, and ends Locust. By hand each start is a play of its own, by the workers that
are there then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import gevent

from loadgen import by_hand
from loadgen.driver import EXIT_DONE, EXIT_SIGNAL, JobError, explain
from loadgen.machines import MESSAGE, Conductor, Says
from loadgen.stage import end_with_stdin
from model.scenario.job import READY_LINE, LoadJob

AHEAD_NS = 500_000_000
"""From telling workers of a start by hand to the start."""
MISSING = "missing"
"""Locust's word for the state of a worker that it has lost."""


class Podium:
    """One master's. ``environment`` is Locust's; ``job`` is None for plays by hand."""

    def __init__(self, environment: Any, job: LoadJob | None) -> None:
        self._environment, self._job = environment, job
        self._conductor: Conductor | None = None
        if job is not None:
            if not job.workers:
                raise JobError("the job is for one process; start Locust without --master, or name the number of workers in it")
            environment.process_exit_code = EXIT_SIGNAL
            self._conductor = self._conduct(job)
            gevent.spawn(self._ended, lambda conductor: self._play_job(conductor, job), self._conductor)
            if job.until_stdin_ends:
                gevent.spawn(end_with_stdin)

    def joined(self, client: str) -> None:
        """A worker is there."""
        if self._conductor is not None and self._job is not None:
            self._conductor.joined(client)

    def heard(self, client: str, says: Says) -> None:
        """What a worker says."""
        if self._conductor is not None:
            self._conductor.heard(client, says)

    def wanted(self) -> None:
        """A play begins: by hand, now."""
        if self._job is not None:
            return
        runner = self._environment.runner
        workers = sorted(self._present())
        try:
            job = by_hand.job(by_hand.options_of(self._environment), runner.target_user_count, len(workers))
        except JobError as error:
            self._leave(explain(error))
            return
        conductor = self._conductor = self._conduct(job)
        for client in workers:
            conductor.joined(client)
        gevent.spawn(self._ended, self._play_by_hand, conductor)

    def cleared(self) -> None:
        """Locust's test is over, or was stopped on the web page."""
        if self._job is None and self._conductor is not None:
            self._conductor.fail("the play was stopped")
            self._conductor = None

    def _conduct(self, job: LoadJob) -> Conductor:
        runner = self._environment.runner
        return Conductor(job, lambda client, says: runner.send_message(MESSAGE, says, client), self._present)

    def _present(self) -> set[str]:
        clients = self._environment.runner.clients
        return {client for client in clients if clients[client].state != MISSING}

    def _ended(self, play: Callable[[Conductor], None], conductor: Conductor) -> None:
        """Play, and end Locust with what came of it; a play by hand that was stopped ends nothing."""
        try:
            play(conductor)
        except JobError as error:
            if conductor is self._conductor:
                self._leave(explain(error))
        except Exception as error:
            self._leave(explain(error))

    def _play_job(self, conductor: Conductor, job: LoadJob) -> None:
        conductor.prepare()
        print(READY_LINE, flush=True)
        conductor.play(conductor.await_start())
        for one in conductor.conclude():
            print(f"imbench-load: the clock of worker {one.part + 1} ({one.host}): {told(one.bound_us)}", file=sys.stderr)
        self._leave(EXIT_DONE)

    def _play_by_hand(self, conductor: Conductor) -> None:
        conductor.prepare()
        conductor.play(time.monotonic_ns() + AHEAD_NS)
        if conductor is self._conductor and self._environment.web_ui is not None:
            self._environment.runner.stop()
        elif conductor is self._conductor:
            self._leave(None)

    def _leave(self, code: int | None) -> None:
        """End Locust, and with it the workers."""
        if code is not None:
            self._environment.process_exit_code = code
        gevent.spawn(self._environment.runner.quit)
        if self._environment.web_ui is not None and code is not None:
            gevent.spawn(self._environment.web_ui.stop)


def told(bound_us: int) -> str:
    """How well a clock is known."""
    return f"known to {bound_us} us"
