"""Which service times a run is simulated with: ``--service-times``, else ``IMBENCH_SERVICE_TIMES``, else the committed ones.

A file of another format is refused. One from another machine is used, with a line that says so; for the committed ones that line comes
only where a prediction of this machine is asked for, since every other run is about the design and not about a machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from model.history.machine import this_machine
from model.sim.service_times import PATH, CalibrationError, ServiceTimes, load, warning
from scenarios.running.exits import DAMAGED, MISSING, CannotRun
from scenarios.running.progress import Progress

VARIABLE = "IMBENCH_SERVICE_TIMES"
OPTION = "--service-times"


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


def asked_for() -> ServiceTimes:
    """Those that the environment asks for, read once: a sweep's, whose replications have no command line. Raises :class:`CannotRun`."""
    return _kept(chosen(None))


def read_and_warn(path: Path, progress: Progress, *, always: bool = False) -> ServiceTimes:
    """The same, after a line on stderr where they were measured on another machine."""
    times = read(path)
    if (always or path != PATH) and (text := warning(times, this_machine(), str(path))):
        progress.say(f"warning: {text}")
    return times
