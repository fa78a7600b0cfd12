"""The job of a load process: a file that says what to play against which server, and how it reports back.

The runner writes the file and starts the process with ``IMBENCH_JOB=<path>``. The process plans the schedule, prints the line
``imbench-load ready`` on stdout, and waits for the file ``start_path``, which holds an instant of CLOCK_MONOTONIC in nanoseconds: time 0
of the run, common to all processes of the host. It plays the script, records to ``recording_path`` and ends with exit code 0 after END.

Where one process cannot hold all devices, or one core is too little, several play the same job, each its :class:`Part` of the devices.
All of them plan everything from the seed, so which device does what, and when, does not depend on how many they are. Part 0 leads:
it records what is true of the whole run, and decides when it has settled (:class:`model.scenario.script.Follower`). What they tell each
other for that lies in the folder ``board_path``.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from model.scenario import Scenario
from model.workload.population import Population


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a gateway listens; ``node`` is its number in the history."""

    host: str
    port: int
    node: int


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which share of the devices a load process plays: part ``index``, from 0, of ``of``."""

    index: int = 0
    of: int = 1

    @property
    def leads(self) -> bool:
        """Whether this part speaks for the whole run."""
        return self.index == 0

    @property
    def name(self) -> str:
        """What the process that plays it is called, and its recording."""
        return "load" if self.of == 1 else f"load-{self.index + 1}"

    def users(self, population: Population) -> tuple[int, ...]:
        """Its users, in order: of every gateway's as many as of any other's, and no part has more than one user more than another."""
        dealt = sorted(population.users, key=lambda user: (population.homes[user], user))
        return tuple(sorted(dealt[self.index :: self.of]))


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
    part: Part = Part()
    board_path: str = ""
    """Folder in which the parts tell each other how far they are; needed where there are several."""
    source: str = ""
    """Address that connections come from; empty: whichever the system takes."""
    workers: int = 0
    """How many of Locust's workers play this job for a master, which leaves what they recorded in the folder ``recording_path`` and their
    health in the folder ``health_path``, each by the name of its part; 0: whoever is given the job plays it."""
    device_offset: int = 0
    """What is added to a user's number to name its device; see :class:`loadgen.player.Identity`."""
    population_seed: int | None = None
    """Whose conversations they are, where the server has been provisioned already; None: those of ``seed``."""


DEVICES_PER_PLAY = 100_000
"""Distance of the device numbers of two plays a second apart: more than one play has users."""


def new_devices(now_s: float) -> int:
    """A ``device_offset`` that no earlier play had, from the time of day in seconds: above 0, and far below the 2**63 of an id."""
    return int(now_s) * DEVICES_PER_PLAY


def parse_gateways(text: str) -> tuple[tuple[str, int], ...]:
    """Hosts and ports in ``host:port,host:port`` (IPv6 in brackets), none where there is none. Raises ValueError, which names the part."""
    gateways = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = part.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{part!r} is not host:port")
        gateways.append((host.strip("[]"), int(port)))
    return tuple(gateways)


READY_LINE = "imbench-load ready"
JOB_VARIABLE = "IMBENCH_JOB"


def read_job(path: Path) -> LoadJob:
    """The job in a file. Raises ``msgspec.ValidationError`` with the field that is wrong, OSError where it cannot be read."""
    return msgspec.json.decode(path.read_bytes(), type=LoadJob)
