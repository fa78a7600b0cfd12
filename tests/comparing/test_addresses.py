"""Two servers that run already: who plays there, and whose noise it is. On a real server: tests/scenarios/test_standing.py."""

from __future__ import annotations

from pathlib import Path

from model.history.machine import Machine
from model.scenario.paired_comparison import Side
from scenarios.comparing.addresses import Access
from scenarios.comparing.command import Asked
from scenarios.comparing.noise import Noise
from scenarios.comparing.playing import Case
from scenarios.comparing.sides import side
from scenarios.running.run import ROOT

BASE, CANDIDATE = side("127.0.0.1:7001,127.0.0.1:7002"), side("127.0.0.1:7003,127.0.0.1:7004")
CASE = Case("standard_mix")
ACCESS = Access(Path("secret"), ("192.0.2.1",))


def asked(base: Side, candidate: Side, access: Access | None = ACCESS) -> Asked:
    return Asked(base, candidate, (CASE,), {CASE.name: "digest"}, 10, Machine(), Noise(Machine()), Path(), access=access)


def test_this_imbench_plays_there_with_the_secret_of_both() -> None:
    player = ACCESS.player(CANDIDATE, Path("runs"), Path("log"))
    assert player.build.folder == ROOT
    secret = str(Path("secret").absolute())
    assert player.where == ("--server", CANDIDATE.given, "--secret-file", secret, "--allow-host", "192.0.2.1")


def test_a_server_and_itself_are_the_same() -> None:
    assert asked(BASE, BASE).same
    assert not asked(BASE, CANDIDATE).same


def test_the_noise_of_a_server_that_runs_already_is_not_that_of_a_new_one() -> None:
    assert asked(BASE, BASE).key(CASE) != asked(BASE, BASE, None).key(CASE)
