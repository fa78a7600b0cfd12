"""One run played by Locust's workers on several machines: the master gives out parts and collects what came of them.

What is said goes through Locust's own connection, as messages of the kind ``imbench`` (:data:`MESSAGE`); ``is`` names each:

| from | is | |
|---|---|---|
| master | ``ask`` | what is your clock? answered with ``clock`` |
| master | ``job`` | the job with the worker's part; answered with ``ready`` when all is planned and its users are there, or ``failed`` |
| master | ``start`` | time 0 of the run, on the worker's clock |
| both | ``report`` | how far a part is (:mod:`loadgen.ensemble`); the master passes it on to all |
| worker | ``rows`` | a piece of its recording, when it has played |
| worker | ``done`` | that was all; with its health |

Rules of the file:

- Parts are numbered in the order in which workers came. A worker that goes before the end ends the run.
- Rows are on the clock of the run when they are recorded, since the start was told on the worker's clock; nobody shifts them afterwards.
- A worker does what it is told by whoever is its master. Locust's connection is neither encrypted nor authenticated, and a job has the
  secret of its server: that is for a network of one's own.

What this does not do: start workers, play (a worker's :class:`Stage` does), or know Locust but by the callables it is given.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from gevent.queue import Empty, Queue

from loadgen.clocks import Comparison, Offset, Round, compare, concluded
from loadgen.driver import START_POLL_S, START_WAIT_MAX_S, JobError, read_start
from loadgen.ensemble import Report
from model.scenario.job import LoadJob, Part

MESSAGE = "imbench"
ANSWER_MAX_S = 10.0
"""Longest wait for a worker's clock."""
READY_MAX_S = 90.0
"""Longest wait for a worker to plan its part."""
COLLECT_MAX_S = 300.0
"""Longest wait for recordings when the first worker is done: a gigabyte at 100 Mbit/s takes 80 s."""
LOOK_S = 0.5
"""Between two looks at whether all workers are still there."""
PIECE_BYTES = 1 << 20
CLOCKS = "clocks.json"

Says = dict[str, Any]


class WireBoard:
    """A worker's :class:`loadgen.ensemble.Board`: its reports go to the master, which passes on those of all."""

    def __init__(self, tell: Callable[[Says], None]) -> None:
        self._tell = tell
        self._latest: dict[int, Report] = {}

    def post(self, report: Report) -> None:
        """See :class:`loadgen.ensemble.Board`."""
        self._latest[report.part] = report
        self._tell({"is": "report", "report": msgspec.json.encode(report)})

    def heard(self, text: bytes) -> None:
        """Another's report."""
        report = msgspec.json.decode(text, type=Report)
        self._latest[report.part] = report

    def read(self) -> Iterable[Report]:
        """See :class:`loadgen.ensemble.Board`."""
        return self._latest.values()


class _Worker:
    """One worker, as the master sees it."""

    def __init__(self, client: str, index: int) -> None:
        self.client, self.index = client, index
        self.answers: Queue = Queue()
        self.ready, self.done = Event(), Event()
        self.host = client.rpartition("_")[0]
        self.before: Offset | None = None
        self.health = b""


class Conductor:
    """The master's part in one run: :meth:`prepare`, :meth:`play` and :meth:`conclude` in turn, in a greenlet of its own.

    ``tell`` sends to one worker, by Locust's name for it; ``present`` are the names of those that Locust has not lost. Without
    ``job.recording_path`` nothing is kept.
    """

    def __init__(self, job: LoadJob, tell: Callable[[str, Says], None], present: Callable[[], Collection[str]]) -> None:
        self._job, self._tell, self._present = job, tell, present
        self._workers: dict[str, _Worker] = {}
        self._complete, self._failure = Event(), ""

    def joined(self, client: str) -> None:
        """A worker is there; Locust says so again when it did not hear back."""
        if client not in self._workers and len(self._workers) < self._job.workers:
            self._workers[client] = _Worker(client, len(self._workers))
        if len(self._workers) == self._job.workers:
            self._complete.set()

    def fail(self, why: str) -> None:
        """Somebody cannot play, or the play is broken off: there will be no whole."""
        self._failure = self._failure or why

    def heard(self, client: str, says: Says) -> None:
        """What a worker says."""
        worker = self._workers.get(client)
        if worker is not None:
            _HEARD[says["is"]](self, worker, says)

    # the run -------------------------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Wait for all workers, compare their clocks, and have them plan. Raises :class:`JobError`."""
        self._complete.wait()
        for worker in self._workers.values():
            worker.before = compare(lambda worker=worker: self._exchange(worker))  # type: ignore[misc]
        for worker in self._workers.values():
            job = msgspec.structs.replace(self._job, part=Part(worker.index, self._job.workers))
            self._tell(worker.client, {"is": "job", "job": msgspec.json.encode(job)})
        self._await([worker.ready for worker in self._workers.values()], READY_MAX_S, "has not planned its part")

    def await_start(self) -> int:
        """Time 0 of the run, on this host's clock. Raises :class:`JobError` where nobody tells."""
        deadline = time.monotonic() + START_WAIT_MAX_S
        while (start_ns := read_start(Path(self._job.start_path))) is None:
            if time.monotonic() > deadline:
                raise JobError(f"{self._job.start_path}: no start for {START_WAIT_MAX_S:g} s; the runner must write it")
            gevent.sleep(START_POLL_S)
        return start_ns

    def play(self, start_ns: int) -> None:
        """Have all begin, and wait for them to be done. Raises :class:`JobError`."""
        for worker in self._workers.values():
            assert worker.before is not None
            self._tell(worker.client, {"is": "start", "at_ns": start_ns + worker.before.offset_ns})
        events = [worker.done for worker in self._workers.values()]
        while not any(event.is_set() for event in events):
            gevent.wait(events, timeout=LOOK_S, count=1)
            self._check()
        self._await(events, COLLECT_MAX_S, "has not handed over what it recorded")

    def conclude(self) -> list[Comparison]:
        """Compare clocks again, and leave what is known of workers and clocks."""
        compared = []
        for worker in self._workers.values():
            assert worker.before is not None
            after = compare(lambda worker=worker: self._exchange(worker))  # type: ignore[misc]
            compared.append(concluded(worker.index, worker.host, worker.before, after))
        if self._job.health_path:
            folder = Path(self._job.health_path)
            for worker in self._workers.values():
                (folder / f"{Part(worker.index, self._job.workers).name}-health.json").write_bytes(worker.health)
            (folder / CLOCKS).write_bytes(msgspec.json.encode(compared))
        return compared

    def _exchange(self, worker: _Worker) -> Round:
        t0 = time.monotonic_ns()
        self._tell(worker.client, {"is": "ask"})
        try:
            t: int = worker.answers.get(timeout=ANSWER_MAX_S)
        except Empty:
            raise JobError(f"worker {worker.index + 1} ({worker.host}) does not tell its clock; start it again") from None
        return t0, t, time.monotonic_ns()

    def _await(self, events: list[Event], bound_s: float, what: str) -> None:
        deadline = time.monotonic() + bound_s
        while not all(event.is_set() for event in events) and time.monotonic() < deadline:
            gevent.wait(events, timeout=LOOK_S)
            self._check()
        for worker, event in zip(self._workers.values(), events, strict=True):
            if not event.is_set():
                raise JobError(f"worker {worker.index + 1} ({worker.host}) {what} within {bound_s:.0f} s; see its own output")

    def _check(self) -> None:
        """Raise :class:`JobError` where somebody is gone, or cannot play."""
        present = self._present()
        for worker in self._workers.values():
            if worker.client not in present:
                raise JobError(f"worker {worker.index + 1} ({worker.host}) is gone; see its own output")
        if self._failure:
            raise JobError(self._failure)

    # what workers say ----------------------------------------------------------------------------------------------------------------

    def _clock(self, worker: _Worker, says: Says) -> None:
        worker.answers.put(says["at_ns"])

    def _ready(self, worker: _Worker, says: Says) -> None:
        worker.ready.set()

    def _failed(self, worker: _Worker, says: Says) -> None:
        self.fail(f"worker {worker.index + 1} ({worker.host}): {says['why']}")

    def _report(self, worker: _Worker, says: Says) -> None:
        for other in self._workers.values():
            if other is not worker:
                self._tell(other.client, says)

    def _rows(self, worker: _Worker, says: Says) -> None:
        if self._job.recording_path:
            name = Part(worker.index, self._job.workers).name
            with (Path(self._job.recording_path) / f"{name}.rows").open("ab") as file:
                file.write(says["rows"])

    def _done(self, worker: _Worker, says: Says) -> None:
        worker.health = says["health"]
        worker.done.set()


_HEARD: dict[str, Callable[[Conductor, _Worker, Says], None]] = {
    "clock": Conductor._clock,
    "ready": Conductor._ready,
    "failed": Conductor._failed,
    "report": Conductor._report,
    "rows": Conductor._rows,
    "done": Conductor._done,
}


def here(job: LoadJob, folder: Path) -> LoadJob:
    """A job as it is played on this machine, with its files in a folder of its own."""
    recording = str(folder / "load.rows") if job.recording_path else ""
    paths = {"recording_path": recording, "start_path": str(folder / "start"), "health_path": str(folder / "health.json")}
    return msgspec.structs.replace(job, **paths, board_path="", workers=0, until_stdin_ends=False)


def pieces(path: str) -> Iterable[Says]:
    """A recording in messages; none where nothing was recorded."""
    if not path:
        return
    with Path(path).open("rb") as file:
        while rows := file.read(PIECE_BYTES):
            yield {"is": "rows", "rows": rows}


def clock() -> Says:
    """The answer to ``ask``."""
    return {"is": "clock", "at_ns": time.monotonic_ns(), "host": platform.node()}
