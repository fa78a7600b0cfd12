"""What a load process does around the player for a job: read it, plan it, say ready, wait for the start, leave its health.

The protocol is that of :mod:`model.scenario.job`. Both shells use these pieces; a shell adds sockets, sleeping and signals. A process
that waits for a start which never comes gives up after ``START_WAIT_MAX_S``, so that a dead runner leaves no orphans.
"""

from __future__ import annotations

import gc
import ipaddress
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from loadgen.ensemble import Board, Ensemble, FolderBoard
from loadgen.health import Counts, Health
from loadgen.player import Identity, Play, Player, Watcher
from model.history.recorder import FileRecorder, Recorder, Rows
from model.history.schema import ROW, HistoryError
from model.scenario.descriptors import raise_limit
from model.scenario.job import JOB_VARIABLE, READY_LINE, LoadJob, read_job
from model.workload.schedule import Schedule

EXIT_DONE = 0
EXIT_USAGE = 64
EXIT_BUG = 70
EXIT_RECORDING = 74
"""The recording cannot be made or continued: no room, no folder, a value that does not fit."""
EXIT_SIGNAL = 143
"""Ended before END, by a signal or by whoever closed the process."""

START_WAIT_MAX_S = 120.0
"""Longest wait for the start file: servers start in seconds."""
START_POLL_S = 0.01
ALLOW_VARIABLE = "IMBENCH_ALLOW_HOSTS"
"""Environment variable: hosts beside the loopback that load may be sent to, separated by commas."""


class JobError(Exception):
    """A job or an option that cannot be played. Its text is one line: what is wrong, what to do."""


class RunClock:
    """The clock of a run: microseconds since its start, from CLOCK_MONOTONIC, which all processes of a host share."""

    __slots__ = ("_start_us",)

    def __init__(self) -> None:
        self._start_us = time.monotonic_ns() // 1000

    def start(self, start_ns: int) -> None:
        """Time 0 of the run is this instant of CLOCK_MONOTONIC, in nanoseconds."""
        self._start_us = start_ns // 1000

    def __call__(self) -> int:
        return time.monotonic_ns() // 1000 - self._start_us


class Playable(Counts, Protocol):
    """What plays a job: called at ``deadline`` or later, until it has ``finished``; early calls do nothing."""

    @property
    def finished(self) -> bool: ...
    @property
    def deadline(self) -> int: ...
    def turn(self) -> None: ...
    def stop(self) -> None: ...


class Silence:
    """A recorder that keeps nothing, for plays by hand."""

    def record(self, kind: int, t_us: int, *fields: int, **named: int) -> None:
        """Forget this row."""

    def rows(self) -> Rows:
        """None."""
        return np.empty(0, ROW)

    def close(self) -> None:
        """Nothing is kept."""


class Prepared:
    """A job made ready to play: whoever plays it, its recording, its clock and its health."""

    __slots__ = ("clock", "gateways", "health", "job", "player", "recorder")
    player: Playable
    recorder: FileRecorder | Silence

    def __init__(self, job: LoadJob, make: Callable[[Recorder, RunClock], Playable]) -> None:
        """Open the recording. Raises :class:`JobError`, and :class:`model.history.schema.HistoryError` for the recording."""
        check_targets((endpoint.host for endpoint in job.gateways), allowed_by_environment())
        raise_limit()  # Locust asks for 10,000 descriptors, asyncio for none
        self.job = job
        self.clock = RunClock()
        self.gateways = [(endpoint.host, endpoint.port) for endpoint in job.gateways]
        self.recorder = FileRecorder(job.recording_path) if job.recording_path else Silence()
        self.player = make(self.recorder, self.clock)
        self.health = Health(self.player)

    def announce(self) -> None:
        """Say that the process is ready. What was planned stays for the whole run: the collector need not look at it again."""
        gc.collect()
        gc.freeze()
        print(READY_LINE, flush=True)

    def started(self) -> bool:
        """Whether the start file is there; sets the clock and begins to count CPU if it is. Raises :class:`JobError`."""
        start_ns = read_start(Path(self.job.start_path))
        if start_ns is None:
            return False
        self.clock.start(start_ns)
        self.health.begin()
        return True

    def close(self, goodbye: bool = True) -> int:
        """Leave health and recording behind; returns the exit code. Before END, and with ``goodbye``, every user closes the app."""
        if goodbye and not self.player.finished:
            self.player.stop()
        self.recorder.close()
        self.health.write(Path(self.job.health_path))
        return EXIT_DONE if self.player.finished else EXIT_SIGNAL


class Production(Prepared):
    """A job made ready to be played by the clients of the rules."""

    __slots__ = ()
    player: Player

    def __init__(self, job: LoadJob, watch: Callable[[Schedule], Watcher] | None = None, board: Board | None = None) -> None:
        """Plan and open the recording. ``watch`` makes a watcher; ``board`` is another than that of the job's folder. Raises as
        :class:`Prepared` does."""
        identity = Identity(_checked(job), job.device_offset)
        nodes = {index: endpoint.node for index, endpoint in enumerate(job.gateways)}
        play = Play.of(job.scenario, job.preset, job.seed, job.population_seed)
        watcher = None if watch is None else watch(play.schedule)
        if board is None and job.part.of > 1:
            board = FolderBoard(Path(job.board_path), job.part.of)

        def player(recorder: Recorder, clock: RunClock) -> Player:
            ensemble = None if board is None else Ensemble(job.part, board, clock)
            return Player(play, identity, nodes, recorder, clock, watcher, ensemble)

        super().__init__(job, player)


def job_of_environment() -> LoadJob | None:
    """The job that ``IMBENCH_JOB`` names, None where it names none. Raises :class:`JobError`."""
    path = os.environ.get(JOB_VARIABLE)
    if not path:
        return None
    try:
        return read_job(Path(path))
    except OSError as error:
        raise JobError(f"{path}: the job cannot be read ({error.strerror}); {JOB_VARIABLE} must name a file") from error
    except msgspec.ValidationError as error:
        raise JobError(f"{path}: the job is wrong: {error}") from error
    except msgspec.DecodeError as error:
        raise JobError(f"{path}: the job is no JSON: {error}") from error


def read_start(path: Path) -> int | None:
    """The instant in a start file, nanoseconds of CLOCK_MONOTONIC; None while there is no file or nothing in it."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobError(f"{path}: the start file cannot be read ({error.strerror})") from error
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise JobError(f"{path}: {text[:40]!r} is no instant; the file holds nanoseconds of CLOCK_MONOTONIC") from error


def check_targets(hosts: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse to load a host that is neither loopback nor named on purpose. Raises :class:`JobError`."""
    named = set(allowed)
    for host in hosts:
        if not _is_loopback(host) and host not in named:
            raise JobError(
                f"{host} is not loopback, and load unasked for is an attack; name it with --im-allow-host (for a job: {ALLOW_VARIABLE})"
            )


def allowed_by_environment() -> list[str]:
    """Hosts named in ``IMBENCH_ALLOW_HOSTS``."""
    return [host for host in os.environ.get(ALLOW_VARIABLE, "").split(",") if host]


def explain(error: BaseException) -> int:
    """Say what went wrong: in one line where a user can put it right, with a traceback where it is a bug. Returns the exit code."""
    if isinstance(error, JobError | HistoryError):
        print(f"imbench-load: {error}", file=sys.stderr, flush=True)
        return EXIT_USAGE if isinstance(error, JobError) else EXIT_RECORDING
    traceback.print_exception(error)
    return EXIT_BUG


def _is_loopback(host: str) -> bool:
    """A name other than ``localhost`` may resolve to anything, so it is not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked(job: LoadJob) -> bytes:
    """The secret of a job that can be played."""
    if len(job.gateways) != job.scenario.gateways:
        raise JobError(
            f"the scenario has {job.scenario.gateways} gateways, the job names {len(job.gateways)}; make them the same"
        )
    if not 0 <= job.part.index < job.part.of:
        raise JobError(f"part {job.part.index} of {job.part.of}: parts are counted from 0")
    try:
        job.scenario.preset(job.preset)
        return bytes.fromhex(job.secret_hex)
    except KeyError as error:
        raise JobError(f"there is no preset {job.preset!r}") from error
    except ValueError as error:
        raise JobError("secret_hex is no hexadecimal number of whole bytes") from error
