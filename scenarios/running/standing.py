"""Live runs on a server that runs already: the runner of :mod:`live`, without a server of its own.

Schedule, load processes, recording and judges are the same. The server is somebody else's, so it is not struck, not bound to cores and not
ended; and it is not asked how it is. What a gateway costs is measured where the process that listens at its port is one of this host.

Rules of the file:

- The server must be what ``imbench serve`` starts, or serve the same: its conversations are of the default population, drawn with
  :data:`serving.SEED`, whatever the seed of the run, which varies the schedule alone.
- It remembers earlier plays; every play has devices of its own and counts positions from where it began (:mod:`loadgen.numbering`).
- Before anything is recorded somebody knocks (:mod:`scenarios.running.knocking`).
- Load that nobody has asked for is an attack: a host beside the loopback has to be named twice.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from model.history.recorder import FileRecorder
from model.history.run_folder import RunFolder
from model.history.schema import Header
from model.observe import RunObserver
from model.scenario import Scenario
from model.scenario.job import LoadJob, new_devices, parse_gateways
from model.workload.population import PopulationPlan
from scenarios.breaking.nemesis import Order
from scenarios.running import generators, live, metrics
from scenarios.running.exits import CannotRun
from scenarios.running.generators import ALLOW_VARIABLE, Fleet
from scenarios.running.knocking import knock
from scenarios.running.played import Played
from scenarios.running.progress import Progress
from scenarios.running.serving import SECRET_VARIABLE, secret
from scenarios.running.serving import SEED as POPULATION_SEED

_ANYWHERE: Final = ("0.0.0.0", "::")


class Address(msgspec.Struct, frozen=True):
    """Where a server is, and what its tokens are made with."""

    given: str
    gateways: tuple[tuple[str, int], ...]
    """In the order of the scenario's: gateway-1 first."""
    secret_hex: str


def address(given: str, secret_file: Path | None, allowed: Collection[str]) -> Address:
    """The server at ``HOST:PORT[,HOST:PORT]``; ``allowed``: hosts beside the loopback, and those that the environment names, that may be
    loaded. Raises :class:`CannotRun`."""
    try:
        gateways = parse_gateways(given)
    except ValueError as error:
        raise CannotRun(f"{given}: {error}") from None
    if not gateways:
        raise CannotRun("no address was given; HOST:PORT of each gateway stands in the server's ready line")
    named = {*allowed, *os.environ.get(ALLOW_VARIABLE, "").split(",")}
    for host, _ in gateways:
        if not generators.is_loopback(host) and host not in named:
            raise CannotRun(
                f"{given}: {host} is not loopback, and load unasked for is an attack; name it with --allow-host {host}"
            )
    key = secret(secret_file)
    if not key:
        raise CannotRun(
            f"{given}: there is no secret to make tokens with; name the server's with --secret-file or {SECRET_VARIABLE}"
        )
    return Address(given, gateways, key)


# what can be played there -----------------------------------------------------------------------------------------------------------


def check(scenario: Scenario, preset: str, at: Address, fleet: Fleet = live.ONE_HOST) -> None:
    """Raise :class:`CannotRun` where the scenario cannot be played at an address, or nobody there plays along."""
    check_fit(scenario, at, fleet)
    knock(at.gateways, bytes.fromhex(at.secret_hex), scenario, preset)


def check_fit(scenario: Scenario, at: Address, fleet: Fleet = live.ONE_HOST) -> None:
    """Raise :class:`CannotRun` where the scenario cannot be played at an address, whoever is there."""
    obstacle = next(_obstacles(scenario, at, fleet), None)
    if obstacle:
        raise CannotRun(f"{scenario.name} cannot be played on a server that runs already: {obstacle}")


def _obstacles(scenario: Scenario, at: Address, fleet: Fleet) -> Iterator[str]:
    if scenario.faults:
        yield "nobody here may strike it, and the scenario has faults; leave them out with --set faults=[], or another scenario"
    if scenario.gateways != len(at.gateways):
        yield f"{at.given} names {len(at.gateways)} gateways, the scenario has {scenario.gateways}; try --set gateways={len(at.gateways)}"
    if scenario.population != PopulationPlan(users=scenario.population.users):
        yield "it was provisioned with pairs and groups of five, and the scenario's population is another; leave it as it comes"
    if scenario.policies:
        yield "it has its own policies, and the scenario changes some; leave them out"
    if fleet.workers or len(generators.parts(scenario, fleet, generators.room())) > 1:
        yield "its load is one process of this host; leave --generators and --workers out, or take fewer users"


# playing ----------------------------------------------------------------------------------------------------------------------------


def play(
    scenario: Scenario,
    preset: str,
    seed: int,
    folder: RunFolder,
    progress: Progress,
    driver: live.Driver,
    at: Address,
) -> Played:
    """Play a scenario at an address. Raises as :func:`scenarios.running.live.play` does."""

    def stage(shop: Path, links: Path, observer: RunObserver) -> _Stage:
        return _Stage(at, scenario, preset, seed, driver, folder, shop, links, observer, progress)

    return live.staged(live.head(scenario, preset, seed), folder, stage)


class _Stage(live.Stage):
    """One live run at an address while it goes on."""

    def __init__(
        self,
        at: Address,
        scenario: Scenario,
        preset: str,
        seed: int,
        driver: live.Driver,
        folder: RunFolder,
        shop: Path,
        links: Path,
        observer: RunObserver,
        progress: Progress,
    ) -> None:
        super().__init__(scenario, preset, seed, driver, folder, shop, links, observer, progress, metrics.Meter())
        self._at, self.secret_hex = at, at.secret_hex

    def played(self, head: Header, recorder: FileRecorder) -> Played:
        """As of any live run, and where it was."""
        played = super().played(head, recorder)
        played.metrics["server"] = self._at.given
        return played

    def _start_server(self) -> dict[str, Any]:
        """Nothing is started; who is there is known."""
        names = [name for name in live.nodes(self.scenario).values() if name.startswith("gateway")]
        where = zip(names, self._at.gateways, strict=True)
        return {"gateways": [{"name": name, "host": host, "port": port} for name, (host, port) in where]}

    def _job(self, ready: dict[str, Any]) -> LoadJob:
        return msgspec.structs.replace(
            super()._job(ready), device_offset=new_devices(time.time()), population_seed=POPULATION_SEED
        )

    def _environment(self) -> dict[str, str]:
        """The hosts were named by whoever gave the address."""
        return super()._environment() | {ALLOW_VARIABLE: ",".join(host for host, _ in self._at.gateways)}

    def _pin(self) -> None:
        """Where the server runs is its owner's to say."""

    def _record_beginning(self, ready: dict[str, Any]) -> None:
        self._watch_loads()
        for gateway in ready["gateways"]:
            pid = listener(gateway["host"], gateway["port"])
            if pid is not None:
                self._serves(gateway["name"], pid, 0)

    def _planned(self) -> list[Order]:
        return sorted(self._stops(), key=lambda order: order[0])

    def _hear(self, wait_us: int) -> bool:
        """A server that was not started here says nothing here."""
        time.sleep(min(max(wait_us, 0) / 1e6, live.TURN_S))
        return True


def listener(host: str, port: int) -> int | None:
    """The process of this host that listens at an address; None where it is another host's, or this one does not tell."""
    try:
        ips = {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.laddr.port == port]
    except (OSError, psutil.Error):
        return None
    of_this_host = ips & _own() or any(ipaddress.ip_address(ip).is_loopback for ip in ips)
    wanted = ips | set(_ANYWHERE if of_this_host else ())
    return next((one.pid for one in listening if one.laddr.ip in wanted and one.pid), None)


def _own() -> set[str]:
    return {found.address for several in psutil.net_if_addrs().values() for found in several}
