"""Servers that run already, each known by its address: this imbench plays both sides, in turns, with new devices in every run.

What can be measured of such a server is what its clients see, latency and goodput, and, of gateways on this host, CPU and memory. Its
processes and its store are not fresh, so what it gathers from play to play falls on whoever has been played on more: two that are compared
should have begun alike. Nobody strikes it, so cases without faults alone can be played.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from model.scenario import Scenario
from model.scenario.paired_comparison import Side
from scenarios.comparing.builds import Build
from scenarios.comparing.playing import Player
from scenarios.running import standing
from scenarios.running.exits import CannotRun
from scenarios.running.run import ROOT


@dataclass(frozen=True, slots=True)
class Access:
    """What lets load in, the same at both addresses: ``allowed`` are hosts beside the loopback."""

    secret_file: Path
    allowed: tuple[str, ...] = ()

    def check(self, sides: Sequence[Side], scenarios: Collection[Scenario]) -> None:
        """Raise :class:`CannotRun` where a scenario cannot be played on one of them, whoever is there."""
        for at, scenario in product(map(self._at, sides), scenarios):
            standing.check_fit(scenario, at)

    def knock(self, sides: Sequence[Side], scenarios: Collection[Scenario], preset: str) -> None:
        """Raise :class:`CannotRun` where one of them does not play along."""
        for at, scenario in product(map(self._at, sides), scenarios):
            standing.check(scenario, preset, at)

    def player(self, side: Side, runs: Path, logs: Path) -> Player:
        """Plays at an address."""
        named = [word for host in self.allowed for word in ("--allow-host", host)]
        there = ("--server", side.given, "--secret-file", str(self.secret_file.absolute()), *named)
        return Player(Build(ROOT, sys.executable), runs, logs, there)

    def _at(self, side: Side) -> standing.Address:
        return standing.address(side.given, self.secret_file, self.allowed)


def access(kind: str, secret_file: Path | None, allowed: Sequence[str]) -> Access | None:
    """What options give to sides of a kind; None where these need none. Raises :class:`CannotRun`."""
    if kind != "address":
        if secret_file or allowed:
            raise CannotRun("--secret-file and --allow-host are for servers that run already; give two addresses, HOST:PORT")
        return None
    if secret_file is None:
        raise CannotRun(
            "two addresses need the secret that their tokens are made with, one for both; name its file with --secret-file"
        )
    return Access(secret_file, tuple(allowed))
