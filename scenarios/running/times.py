"""Which service times a run is simulated with: ``--service-times``, else ``IMBENCH_SERVICE_TIMES``, else the committed ones.

A file of another format is refused. One from another machine is used, with a line that says so; for the committed ones that line comes
only where a prediction of this machine is asked for, since every other run is about the design and not about a machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from model.history.machine import this_machine
from model.sim.service_times import PATH, CalibrationError, ServiceTimes, load, warning
from scenarios.running.exits import DAMAGED, MISSING, CannotRun
from scenarios.running.progress import Progress

VARIABLE = "IMBENCH_SERVICE_TIMES"
OPTION = "--service-times"
_option: ContextVar[Path | None] = ContextVar("option", default=None)


def chosen(option: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The file that is asked for."""
    if option is not None:
        return option
    return Path(environ[VARIABLE]) if environ.get(VARIABLE) else PATH


def read(path: Path) -> ServiceTimes:
    """The service times of a file. Raises :class:`CannotRun`."""
    try:
        return load(path)
    except CalibrationError as error:
        raise CannotRun(str(error), DAMAGED if path.exists() else MISSING) from None


@cache
def _kept(path: Path) -> ServiceTimes:
    return read(path)


@contextmanager
def asking(option: Path | None) -> Iterator[None]:
    """Within the block :func:`asked_for` gives the times of this file, if it is one."""
    token = _option.set(option)
    try:
        yield
    finally:
        _option.reset(token)


def option() -> Path | None:
    """What the command line asks for: to be handed on to a process that runs a part of it."""
    return _option.get()


def asked_for() -> ServiceTimes:
    """Those that a sweep is asked for, whose replications have no command line; read once. Raises :class:`CannotRun`."""
    return _kept(chosen(option()))


def read_and_warn(path: Path, progress: Progress, *, always: bool = False) -> ServiceTimes:
    """The same, after a line on stderr where they were measured on another machine."""
    times = read(path)
    if (always or path != PATH) and (text := warning(times, this_machine(), str(path))):
        progress.say(f"warning: {text}")
    return times
