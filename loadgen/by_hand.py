"""A play by hand: options instead of a job, new devices instead of a fresh store, and no history.

The numbers are those of the scenario ``access_restart`` without its fault: two gateways, 200 users in pairs and groups of five, 200 sends a
second. The server must have been provisioned with the population of the same seed and number of users, or refuses: "not a member".

A store remembers every send of a device for good. A second play by the same devices would begin their counters anew and be answered with
the results of the first; so each play names its devices by its own ``device_offset``, as if every user had bought a new phone
(:mod:`loadgen.numbering`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from loadgen.driver import JobError, check_targets
from loadgen.player import Identity, Play
from model.core.policies import PRESETS
from model.scenario import Scenario
from model.scenario.descriptors import most
from model.scenario.job import DEVICES_PER_PLAY, Endpoint, LoadJob, new_devices, parse_gateways
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

USERS_DEFAULT = 200
USERS_MAX = 19_000
"""Sockets one process may hold, less some for itself."""
DESCRIPTORS_KEPT = 100
"""Of those that a process may have, for itself: files, Locust's page and its connections to workers."""
RATE_MAX = 50_000.0
"""Sends per second; beyond what one process can do, and far from what a typing error can."""
DURATION_MAX_S = 3600.0
RAMP_S = 1.0
"""Connections are made in the first half of it; a person waits for it."""


class Options(msgspec.Struct, frozen=True):
    """What the command line or the web page says."""

    gateways: str
    preset: str
    seed: int
    rate: float
    duration_s: float
    secret_file: str
    allowed: tuple[str, ...] = ()


class Hand(msgspec.Struct, frozen=True):
    """A play by hand, ready to be given to a player."""

    play: Play
    identity: Identity
    gateways: list[tuple[str, int]]


def prepare(options: Options, users: int) -> Hand:
    """Plan a play for so many users. Raises :class:`loadgen.driver.JobError` with what to do."""
    made = job(options, users)
    check_targets((endpoint.host for endpoint in made.gateways), options.allowed)
    identity = Identity(bytes.fromhex(made.secret_hex), made.device_offset)
    gateways = [(endpoint.host, endpoint.port) for endpoint in made.gateways]
    return Hand(Play.of(made.scenario, made.preset, made.seed), identity, gateways)


def job(options: Options, users: int, workers: int = 0) -> LoadJob:
    """The same as a job, which leaves nothing behind; for so many workers. Raises :class:`loadgen.driver.JobError`."""
    gateways = gateways_of(options.gateways)
    _check(options, users, workers)
    scenario = Scenario(
        "by_hand",
        "What does this server do under this load?",
        gateways=len(gateways),
        population=PopulationPlan(users=users),
        workload=WorkloadPlan(rate_per_s=options.rate),
        ramp_s=RAMP_S,
        duration_s=options.duration_s,
    )
    return LoadJob(
        scenario=scenario,
        preset=options.preset,
        seed=options.seed,
        gateways=tuple(Endpoint(host, port, k + 1) for k, (host, port) in enumerate(gateways)),
        secret_hex=read_secret(options.secret_file).hex(),
        recording_path="",
        start_path="",
        health_path="",
        workers=workers,
        device_offset=new_devices(time.time()),
    )


def options_of(environment: Any) -> Options:
    """As Locust's options stand now: the web page may have changed them. Its field "Host" is where the gateways are."""
    parsed = environment.parsed_options
    assert parsed is not None
    return Options(
        environment.host or parsed.im_gateways,
        parsed.im_preset,
        parsed.im_seed,
        parsed.im_rate,
        parsed.im_duration,
        parsed.im_secret_file,
        tuple(parsed.im_allow_host or ()),
    )


def gateways_of(text: str) -> tuple[tuple[str, int], ...]:
    """The gateways that an option names. Raises :class:`loadgen.driver.JobError`."""
    try:
        gateways = parse_gateways(text)
    except ValueError as error:
        raise JobError(f"--im-gateways: {error}") from None
    if not gateways:
        raise JobError("no gateways; name them with --im-gateways host:port,host:port (the server's ready line has them)")
    return gateways


class _ServerConfig(msgspec.Struct):
    """Of a server's configuration, what a client needs."""

    secret_hex: str


def read_secret(path: str) -> bytes:
    """The secret in a file that holds it in hexadecimal, or in a server's configuration. Raises :class:`loadgen.driver.JobError`."""
    if not path:
        raise JobError("no secret to make tokens with; name its file, or the server's configuration, with --im-secret-file")
    try:
        text = Path(path).read_text().strip()
        return bytes.fromhex(msgspec.json.decode(text, type=_ServerConfig).secret_hex if text.startswith("{") else text)
    except OSError as error:
        raise JobError(f"--im-secret-file {path}: cannot be read ({error.strerror})") from error
    except (ValueError, msgspec.DecodeError) as error:
        raise JobError(f"--im-secret-file {path}: holds neither hexadecimal digits nor a server's configuration") from error


def _room() -> int:
    """Users that this process can play."""
    return min(USERS_MAX, most() - DESCRIPTORS_KEPT)


def _check(options: Options, users: int, workers: int) -> None:
    room = workers * USERS_MAX if workers else _room()  # what a worker's machine lets it have is not known here
    if options.preset not in PRESETS:
        raise JobError(f"--im-preset: there is no {options.preset!r}; known are {', '.join(PRESETS)}")
    if not 2 <= users <= min(room, DEVICES_PER_PLAY - 1):
        one = USERS_MAX if workers else room
        raise JobError(f"{users} users; a conversation needs 2, and one process can play {one}, a play {DEVICES_PER_PLAY - 1}")
    if not 0 < options.rate <= RATE_MAX:
        raise JobError(f"--im-rate: {options.rate:g} sends per second; give more than 0 and at most {RATE_MAX:g}")
    if not 0 < options.duration_s <= DURATION_MAX_S:
        raise JobError(f"--im-duration: {options.duration_s:g} s; give more than 0 and at most {DURATION_MAX_S:g}")
