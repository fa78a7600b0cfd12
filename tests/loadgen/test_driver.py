"""The pieces around the player: targets, jobs, options by hand, health, and a gevent line under pressure. No server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from loadgen import by_hand, health
from loadgen.driver import JobError, RunClock, check_targets, explain, job_of_environment, read_start
from loadgen.player import Player
from model.history.schema import HistoryError
from model.scenario.job import JOB_VARIABLE
from tests.loadgen.live import ROOT

OPTIONS = by_hand.Options("127.0.0.1:7001,[::1]:7002", "cursor", 1, 100.0, 5.0, "")


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret.hex"
    path.write_text("00ff" * 8 + "\n")
    return path


# targets ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_may_be_loaded(host: str) -> None:
    check_targets([host], [])


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "example.org", "localhost.example.org", "127.0.0.1.example.org"])
def test_anything_else_must_be_named(host: str) -> None:
    with pytest.raises(JobError, match="--im-allow-host"):
        check_targets(["127.0.0.1", host], ["another"])
    check_targets([host], [host])


# jobs ------------------------------------------------------------------------------------------------------------------------------


def test_no_job_is_none_and_a_broken_one_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(JOB_VARIABLE, raising=False)
    assert job_of_environment() is None
    path = tmp_path / "job.json"
    monkeypatch.setenv(JOB_VARIABLE, str(path))
    for content, complaint in ((None, "cannot be read"), ("{", "no JSON"), ('{"seed": "x"}', "is wrong")):
        if content is not None:
            path.write_text(content)
        with pytest.raises(JobError, match=complaint):
            job_of_environment()


def test_the_start_is_awaited_until_the_file_says_when(tmp_path: Path) -> None:
    path = tmp_path / "start"
    assert read_start(path) is None
    path.touch()
    assert read_start(path) is None
    path.write_text("123456789\n")
    assert read_start(path) == 123456789
    path.write_text("soon")
    with pytest.raises(JobError, match="CLOCK_MONOTONIC"):
        read_start(path)


def test_the_clock_counts_from_the_start_and_is_negative_before() -> None:
    clock = RunClock()
    clock.start(10**18)
    assert clock() < 0
    clock.start(0)
    assert clock() > 0


def test_errors_have_their_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert [explain(error) for error in (JobError("a"), HistoryError("b"), ValueError("c"))] == [64, 74, 70]
    said = capsys.readouterr().err
    assert said.startswith("imbench-load: a\nimbench-load: b\n")
    assert "ValueError: c" in said


# by hand ---------------------------------------------------------------------------------------------------------------------------


def test_a_play_by_hand_has_new_devices_of_the_scenarios_users(secret_file: Path) -> None:
    hand = by_hand.prepare(msgspec.structs.replace(OPTIONS, secret_file=str(secret_file)), users=20)
    assert hand.gateways == [("127.0.0.1", 7001), ("::1", 7002)]
    assert hand.identity.secret == bytes.fromhex("00ff" * 8)
    assert hand.identity.device_offset >= by_hand.USERS_MAX
    assert len(hand.play.population.users) == 20
    assert 300 < len(hand.play.schedule) < 700


def test_the_secret_may_stand_in_a_servers_configuration(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    path.write_text('{"secret_hex": "abcd", "conversations": []}')
    assert by_hand.read_secret(str(path)) == b"\xab\xcd"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"gateways": ""}, "--im-gateways"),
        ({"gateways": "127.0.0.1"}, "host:port"),
        ({"gateways": "127.0.0.1:70000"}, "host:port"),
        ({"gateways": "192.0.2.1:7001"}, "not loopback"),
        ({"preset": "cursory"}, "known are"),
        ({"rate": 0.0}, "--im-rate"),
        ({"rate": 1e9}, "--im-rate"),
        ({"duration_s": 1e9}, "--im-duration"),
        ({"secret_file": ""}, "--im-secret-file"),
        ({"secret_file": "/nowhere/secret"}, "cannot be read"),
    ],
)
def test_wrong_options_say_what_to_do(secret_file: Path, changes: dict[str, Any], complaint: str) -> None:
    options = msgspec.structs.replace(OPTIONS, **{"secret_file": str(secret_file), **changes})
    with pytest.raises(JobError, match=complaint):
        by_hand.prepare(options, users=20)


def test_by_hand_nobody_is_let_play_who_would_find_no_descriptor(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that lets a process have few; workers say so on theirs."""
    monkeypatch.setattr(by_hand, "most", lambda: 1_024)
    options = msgspec.structs.replace(OPTIONS, secret_file=str(secret_file))
    assert len(by_hand.prepare(options, 924).play.population.users) == 924
    with pytest.raises(JobError, match=r"925 users; .* one process can play 924"):
        by_hand.prepare(options, 925)
    assert by_hand.job(options, 925, workers=2).workers == 2


@pytest.mark.parametrize("users", [1, by_hand.USERS_MAX + 1])
def test_a_number_of_users_that_one_process_cannot_play_is_refused(secret_file: Path, users: int) -> None:
    with pytest.raises(JobError, match="one process"):
        by_hand.prepare(msgspec.structs.replace(OPTIONS, secret_file=str(secret_file)), users)


# health ----------------------------------------------------------------------------------------------------------------------------


def test_health_finds_the_worst_second_under_load_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle at 10 % of a core, but 50 % between seconds 2 and 3; 90 % before and after the load."""
    times = {"wall": 0, "cpu": 0}
    monkeypatch.setattr("loadgen.health.time.monotonic_ns", lambda: times["wall"])
    monkeypatch.setattr("loadgen.health.time.process_time_ns", lambda: times["cpu"])
    player = SimpleNamespace(loaded=False, frames_in=1, frames_out=2, bytes_in=3, bytes_out=4)
    watched = health.Health(cast(Player, player))
    for step in range(40):
        share = 0.9 if not 5 <= step < 30 else 0.5 if 10 <= step < 15 else 0.1
        times["wall"] += 200_000_000
        times["cpu"] += round(share * 200_000_000)
        player.loaded = 5 <= step < 30
        watched.sample()
    report = watched.report()
    assert report.cpu_max == pytest.approx(0.5)
    assert report.cpu_us_total == times["cpu"] // 1000
    assert report.cpu_us_loaded == pytest.approx(24 * 20_000 + 5 * 80_000)
    assert (report.frames_in, report.frames_out, report.bytes_in, report.bytes_out) == (1, 2, 3, 4)


# a gevent line ---------------------------------------------------------------------------------------------------------------------

STUCK = """
import gevent, sys
from types import SimpleNamespace
from gevent import socket
from loadgen.gevent_lines import GeventLine

server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
seen = []
shell = SimpleNamespace(source="", gateways=[server.getsockname()], crashed=lambda error: sys.exit(str(error)))
shell.opened = lambda device, connection: seen.append(("opened", connection))
shell.received = lambda device, connection, data: seen.append(("received", data))
shell.lost = lambda device, connection: seen.append(("lost", connection))
line = GeventLine(shell, None)
gevent.spawn(line.serve)
line.open(1, 0)
peer, _ = server.accept()
gevent.sleep(0.05)
blocks = [bytes([i]) * (1 << 20) for i in range(16)]
for block in blocks[:8]:
    line.write(block)       # far more than any socket buffer: must neither block nor be lost
got = bytearray(peer.recv(1 << 20))
for block in blocks[8:]:
    line.write(block)       # there is room again, but it is not their turn
line.close()                # after what was written
assert seen == [("opened", 1)], seen
while chunk := peer.recv(1 << 20):
    got += chunk
assert bytes(got) == b"".join(blocks), len(got)
gevent.sleep(0.05)
assert seen[-1] == ("lost", 1), seen
line.open(2, 0)
peer, _ = server.accept()
peer.sendall(b"hello")
gevent.sleep(0.05)
assert seen[-2:] == [("opened", 2), ("received", b"hello")], seen
peer.close()
gevent.sleep(0.05)
assert seen[-1] == ("lost", 2), seen
server.close()
line.open(3, 0)
gevent.sleep(0.05)
assert seen[-1] == ("lost", 3), seen
"""


def test_a_gevent_line_under_pressure_blocks_nobody_and_closes_after_what_was_written() -> None:
    """In a process of its own: gevent's hub stays out of the tests' interpreter."""
    done = subprocess.run([sys.executable, "-c", STUCK], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_but_the_locustfile_imports_locust() -> None:
    """Importing it patches the interpreter."""
    modules = "loadgen.asyncio_driver, loadgen.by_hand, loadgen.gevent_lines, loadgen.latencies"
    code = f"import sys, {modules}; sys.exit('locust' in sys.modules or 'gevent.monkey' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30, check=False).returncode == 0
