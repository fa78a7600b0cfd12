"""How many processes make the load, and what does not fit is told before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from model.scenario import Delay, Kill, Scenario
from model.scenario.job import Part
from model.workload.population import PopulationPlan
from scenarios.running.exits import CannotRun
from scenarios.running.generators import PORTS_MAX, Fleet, bind, fleet, is_load, parts, room, shared, source, together

ROOM = 1000


def crowd(users: int, gateways: int = 100) -> Scenario:
    return Scenario("crowd", "?", gateways=gateways, population=PopulationPlan(users=users))


def test_users_beyond_the_room_of_one_process_are_shared_out_unasked() -> None:
    assert parts(crowd(ROOM), Fleet(), ROOM) == [Part(0, 1)]
    assert parts(crowd(ROOM + 1), Fleet(), ROOM) == [Part(0, 2), Part(1, 2)]
    assert len(parts(crowd(ROOM), Fleet(generators=3), ROOM)) == 3
    assert [part.name for part in parts(crowd(2), Fleet(generators=2), ROOM)] == ["load-1", "load-2"]
    assert Part().name == "load"
    assert [is_load(name) for name in ("load", "load-2", "business")] == [True, True, False]
    assert room() > 100


def test_no_process_has_more_connections_than_its_address_has_ports() -> None:
    """Many systems let a process have half a million descriptors; the ports towards one gateway are no more for that."""
    plenty = 500_000
    assert parts(crowd(PORTS_MAX), Fleet(), plenty) == [Part(0, 1)]
    several = parts(crowd(PORTS_MAX + 1), Fleet(), plenty)
    assert len({source(crowd(PORTS_MAX + 1), part) for part in several}) == len(several) == 2
    with pytest.raises(CannotRun, match=f"a proxy.*give at most {PORTS_MAX} users"):
        parts(msgspec.structs.replace(crowd(PORTS_MAX + 1), faults=(Delay("gateway-1", 1, 2),)), Fleet(), plenty)


@pytest.mark.parametrize(
    ("scenario", "asked", "complaint"),
    [
        (crowd(2001), Fleet(generators=2), "--generators 2: 2001 users are too many.*give at least 3"),
        (crowd(2001), Fleet(workers=2), "--workers 2: 2001 users are too many"),
        (crowd(10), Fleet(generators=11), "--generators 11: give at most 10"),
        (crowd(9999), Fleet(generators=65), "--generators 65: give at most 64"),
        (crowd(2001, 2), Fleet(), "2001 users do not fit on 2 gateways: .*--set gateways=3"),
        (
            msgspec.structs.replace(crowd(2000, 2), faults=(Kill("gateway-1", 1, 2),)),
            Fleet(),
            "2000 users do not fit on 2 gateways while one is away: .*--set gateways=3",
        ),
        (msgspec.structs.replace(crowd(501), faults=(Delay("gateway-1", 1, 2),)), Fleet(), "a proxy.*give at most 500 users"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_that_says_what_would(scenario: Scenario, asked: Fleet, complaint: str) -> None:
    with pytest.raises(CannotRun, match=complaint):
        parts(scenario, asked, ROOM)


@pytest.mark.parametrize(
    ("driver", "generators", "workers", "listen", "complaint"),
    [
        ("locust", -1, 0, "127.0.0.1", "--generators -1"),
        ("locust", 2, 2, "127.0.0.1", "exclude each other"),
        ("asyncio", 0, 2, "127.0.0.1", "--workers are Locust's"),
        ("locust", 0, 2, "127.0.0.1:x", "--listen 127.0.0.1:x"),
        ("locust", 0, 2, "", "--listen"),
        ("locust", 0, 2, "[::1:5557", "in brackets"),
        ("locust", 0, 2, "1:2:3", "in brackets"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    driver: str, generators: int, workers: int, listen: str, complaint: str
) -> None:
    with pytest.raises(CannotRun, match=complaint):
        fleet(driver, generators, workers, listen)


def test_where_to_listen_may_name_a_port() -> None:
    assert fleet("locust", 0, 2, "192.0.2.1:5557") == Fleet(0, 2, "192.0.2.1", 5557)
    assert fleet("locust", 0, 2, "::1") == fleet("locust", 0, 2, "[::1]") == Fleet(0, 2, "::1", 0)
    assert fleet("locust", 0, 2, "[::1]:5557") == Fleet(0, 2, "::1", 5557)
    assert fleet("locust", 0, 2, "localhost:5557") == Fleet(0, 2, "localhost", 5557)


def test_processes_come_from_addresses_of_their_own_where_the_ports_of_one_do_not_suffice() -> None:
    assert [source(crowd(28_000), Part(k, 2)) for k in range(2)] == ["", ""]
    assert [source(crowd(28_001), Part(k, 2)) for k in range(2)] == ["127.0.0.2", "127.0.0.3"]


def test_load_processes_have_a_core_each_up_to_half_of_them() -> None:
    assert shared([0, 1], 1) == ([0], [1])
    assert shared([0, 1], 2) == ([0], [1, 1])
    assert shared([0, 1, 2, 3], 2) == ([0, 1], [2, 3])
    assert shared([0, 1, 2, 3], 3) == ([0, 1], [2, 3, 2])


def test_the_health_of_several_is_that_of_the_busiest_core_and_the_sum_of_what_they_did() -> None:
    one, other = {"cpu_max": 0.4, "frames_in": 10.0}, {"cpu_max": 0.5, "frames_in": 20.0}
    assert together([one, other], [2, 3]) == {"cpu_max": 0.5, "frames_in": 30.0, "processes": 2.0}
    assert together([one, other], [1, 1])["cpu_max"] == 0.9
    assert together([one], [1]) == one
    assert together([one, {}], [1, 1]) == {}


THREADED = """
import threading, sys
threading.Thread(target=sys.stdin.read).start()
print("ready", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_a_process_is_bound_with_the_threads_that_it_has() -> None:
    core = max(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", THREADED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        bind([process.pid], [core])
        threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
        bound = [os.sched_getaffinity(thread) for thread in threads]
        process.communicate()
    assert len(bound) == 2
    assert bound == [{core}, {core}]
