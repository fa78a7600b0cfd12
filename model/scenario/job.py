"""The job of a load process: a file that says what to play against which server, and how it reports back.

The runner writes the file and starts the process with ``IMBENCH_JOB=<path>``. The process plans the schedule, prints the line
``imbench-load ready`` on stdout, and waits for the file ``start_path``, which holds an instant of CLOCK_MONOTONIC in nanoseconds: time 0
of the run, common to all processes of the host. It plays the script, records to ``recording_path`` and ends with exit code 0 after END.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from model.scenario import Scenario


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a gateway listens; ``node`` is its number in the history."""

    host: str
    port: int
    node: int


class LoadJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one load process plays."""

    scenario: Scenario
    preset: str
    seed: int
    gateways: tuple[Endpoint, ...]
    secret_hex: str
    recording_path: str
    start_path: str
    health_path: str
    """Where the process leaves its own health at the end (JSON: ``cpu_max``, share of its core in the worst second)."""
    until_stdin_ends: bool = False
    """End as on SIGTERM when standard input does: whoever holds the other end is gone, and nobody is left to stop the load."""


READY_LINE = "imbench-load ready"
JOB_VARIABLE = "IMBENCH_JOB"


def read_job(path: Path) -> LoadJob:
    """The job in a file. Raises ``msgspec.ValidationError`` with the field that is wrong, OSError where it cannot be read."""
    return msgspec.json.decode(path.read_bytes(), type=LoadJob)
