"""Load processes against the real reference server: invariants only, never times."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.core.policies import Timers
from model.history.recorder import ROW_BYTES
from model.history.schema import Contract, Kind, Phase
from model.scenario import Kill, Scenario
from model.scenario.job import Endpoint
from model.workload.population import PopulationPlan, populate
from model.workload.schedule import WorkloadPlan
from tests.loadgen.live import ROOT, SEED, WAIT_S, Load, end, serving
from tests.loadgen.test_player import messages, of_kind, seen
from tests.ports import free_port

pytestmark = pytest.mark.live

SCENARIO = Scenario(
    "small_live",
    "Does a load process play its job?",
    population=PopulationPlan(users=20),
    workload=WorkloadPlan(rate_per_s=200),
    timers=Timers().scaled(0.1),
    ramp_s=0.4,
    warm_up_s=0.3,
    duration_s=1.6,
    contract=Contract(quiet_us=400_000, drain_bound_us=8_000_000),
)
WITH_KILL = msgspec.structs.replace(SCENARIO, faults=(Kill("gateway-1", 0.6, 1.0),))
NOWHERE = (Endpoint("127.0.0.1", 9, 1), Endpoint("127.0.0.1", 9, 2))


def owed(load: Load, scenario: Scenario) -> set[tuple[int, tuple[int, int, int]]]:
    """Every ok message at every member."""
    members = {c.conversation: c.members for c in populate(scenario.population, scenario.gateways, SEED).conversations}
    return {(user, m) for m in messages(of_kind(load.rows(), Kind.OK)) for user in members[m[1]]}


@pytest.mark.parametrize("driver", ["asyncio", "locust"])
def test_a_job_is_played_to_its_end_through_a_killed_gateway_and_nothing_is_lost(driver: str, tmp_path: Path) -> None:
    with serving(WITH_KILL, tmp_path) as server, Load(driver, WITH_KILL, server.gateways, tmp_path) as load:
        load.start()
        load.until(Kind.OK, 50)
        server.tell("kill gateway-1", "exited")
        server.tell("start gateway-1", "started")
        assert load.wait() == 0, load.errors.read_text()
    rows = load.rows()
    assert of_kind(rows, Kind.PHASE)["code"].tolist()[-1] == Phase.END
    assert len(of_kind(rows, Kind.DISCONNECTED)) >= 10
    assert sorted(messages(of_kind(rows, Kind.INTEND))) == sorted(messages(of_kind(rows, Kind.INVOKE)))
    assert sorted(messages(of_kind(rows, Kind.INTEND))) == sorted(messages(of_kind(rows, Kind.OK)))
    assert set(seen(rows, Kind.READ_BACK)) == owed(load, WITH_KILL)
    assert seen(rows, Kind.DELIVER) == dict.fromkeys(owed(load, WITH_KILL), 1)
    report = load.report()
    assert report["frames_out"] >= len(of_kind(rows, Kind.INTEND))
    assert report["frames_in"] > 0 < report["bytes_in"]
    assert 0 < report["cpu_max"] < 2
    assert report["cpu_us_total"] > 0


def test_a_load_process_killed_midway_leaves_what_it_recorded(tmp_path: Path) -> None:
    with serving(SCENARIO, tmp_path) as server, Load("asyncio", SCENARIO, server.gateways, tmp_path) as load:
        load.start()
        load.until(Kind.OK, 30)
        load.process.kill()
        assert load.wait() == -signal.SIGKILL
    rows = load.rows()
    intended, invoked = messages(of_kind(rows, Kind.INTEND)), messages(of_kind(rows, Kind.INVOKE))
    assert len(intended) > len(invoked) >= 30
    assert set(messages(of_kind(rows, Kind.OK))) <= set(invoked) <= set(intended)
    assert Phase.END not in of_kind(rows, Kind.PHASE)["code"]


@pytest.mark.parametrize("driver", ["asyncio", "locust"])
def test_sigterm_ends_a_load_process_cleanly_but_not_as_done(driver: str, tmp_path: Path) -> None:
    with serving(SCENARIO, tmp_path) as server, Load(driver, SCENARIO, server.gateways, tmp_path) as load:
        load.start()
        load.until(Kind.OK, 10)
        load.process.send_signal(signal.SIGTERM)
        assert load.wait() == 143
    rows = load.rows()
    assert load.recording.stat().st_size == len(rows) * ROW_BYTES
    assert len(of_kind(rows, Kind.DISCONNECTED)) == SCENARIO.population.users
    assert load.report()["frames_out"] > 0


@pytest.mark.parametrize("driver", ["asyncio", "locust"])
def test_connections_come_from_the_address_that_the_job_names(driver: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        gateway.settimeout(WAIT_S)
        endpoint = Endpoint("127.0.0.1", gateway.getsockname()[1], 1)
        with Load(driver, SCENARIO, (endpoint, endpoint), tmp_path, source="127.0.0.9") as load:
            load.start()
            assert gateway.accept()[1][0] == "127.0.0.9"


@pytest.mark.parametrize(
    ("driver", "host", "users", "complaint"),
    [
        ("asyncio", "192.0.2.1", None, "not loopback"),
        ("locust", "192.0.2.1", None, "not loopback"),
        ("locust", "127.0.0.1", 3, "-u 20 -r 20"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(
    driver: str, host: str, users: int | None, complaint: str, tmp_path: Path
) -> None:
    gateways = (Endpoint(host, 9, 1), Endpoint("127.0.0.1", 9, 2))
    with Load(driver, SCENARIO, gateways, tmp_path, users) as load:
        assert load.wait() == 64
    lines = [line for line in load.errors.read_text().splitlines() if line.startswith("imbench-load: ")]
    assert len(lines) == 1
    assert complaint in lines[0]


# by hand ------------------------------------------------------------------------------------------------------------------------


@contextmanager
def by_hand(*options: str) -> Iterator[str]:
    """Locust as a person starts it; the address of its web page, as it says itself."""
    command = [sys.executable, "-m", "locust", "-f", "loadgen/locustfile.py", "--im-seed", str(SEED), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield next(found.group() for line in process.stderr if (found := re.search(r"http://[0-9.:]+", line)))
    finally:
        end(process)


def ask(address: str, **form: str) -> dict[str, Any]:
    """The answer of the web page; it comes up shortly after it has said where."""
    data = urllib.parse.urlencode(form).encode() if form else None
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, data, timeout=10) as answer:
                found: dict[str, Any] = msgspec.json.decode(answer.read())
                return found
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"nobody answers at {address}")


def percentiles(address: str) -> dict[str, dict[str, str]]:
    """Our table on the page, by the name of what was measured."""
    (table,) = ask(f"{address}/stats/requests")["extended_stats"]
    return {row["name"]: {name: cell.replace(",", "") for name, cell in row.items()} for row in table["data"]}


def table(address: str, samples: int = 50) -> dict[str, dict[str, str]]:
    """The same, once there are so many samples of each, and Locust's own statistics, which come later, have them too."""
    deadline, names = time.monotonic() + WAIT_S, ("send (ack)", "deliver (end to end)")
    while True:
        rows, theirs = percentiles(address), shown(address)
        if all(name in rows and int(rows[name]["samples"]) >= samples and theirs.get(name, 0) >= samples for name in names):
            return rows
        assert time.monotonic() < deadline, (rows, theirs)
        time.sleep(0.1)


def shown(address: str) -> dict[str, int]:
    """How many requests of each name the page shows without failures."""
    stats = ask(f"{address}/stats/requests")["stats"]
    return {entry["name"]: entry["num_requests"] - entry["num_failures"] for entry in stats}


def test_by_hand_the_web_page_binds_loopback_and_each_start_is_a_new_play(tmp_path: Path) -> None:
    with serving(SCENARIO, tmp_path) as server:
        targets = ",".join(f"{g.host}:{g.port}" for g in server.gateways)
        options = ["--im-gateways", targets, "--im-secret-file", str(server.config), "--web-port", str(free_port())]
        with by_hand(*options) as address:
            assert address.startswith("http://127.0.0.1:")
            for _ in range(2):
                assert ask(f"{address}/swarm", user_count="20", spawn_rate="20")["success"]
                rows = table(address)
                for name in ("send (ack)", "deliver (end to end)"):
                    assert 0 < float(rows[name]["p50"]) <= float(rows[name]["largest"])
                assert ask(f"{address}/stop", at="once")["success"]


def test_by_hand_what_is_wrong_on_the_web_page_is_told_there_and_the_next_start_plays(tmp_path: Path) -> None:
    with serving(SCENARIO, tmp_path) as server:
        targets = ",".join(f"{g.host}:{g.port}" for g in server.gateways)
        options = ["--im-gateways", targets, "--im-secret-file", str(server.config), "--web-port", str(free_port())]
        with by_hand(*options) as address:
            for rate, host, complaint in (("-3", targets, "--im-rate: -3"), ("200", "junk", "'junk' is not host:port")):
                assert ask(f"{address}/swarm", user_count="20", spawn_rate="20", im_rate=rate, host=host)["success"]
                deadline = time.monotonic() + WAIT_S
                while not (told := ask(f"{address}/exceptions")["exceptions"]) or complaint not in told[0]["msg"]:
                    assert time.monotonic() < deadline, told
                    time.sleep(0.1)
                while ask(f"{address}/stats/requests")["state"] != "stopped":
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            assert ask(f"{address}/swarm", user_count="20", spawn_rate="20", host=targets)["success"]
            table(address)


def test_by_hand_a_secret_that_cannot_be_read_is_told_before_there_is_a_page(tmp_path: Path) -> None:
    options = ["--im-gateways", "127.0.0.1:1", "--im-secret-file", str(tmp_path / "missing"), "--web-port", str(free_port())]
    command = [sys.executable, "-m", "locust", "-f", "loadgen/locustfile.py", *options]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 64
    assert "cannot be read (No such file or directory)" in done.stderr


@pytest.mark.nightly
def test_by_hand_a_master_has_its_workers_play_and_shows_what_all_of_them_saw(tmp_path: Path) -> None:
    with serving(SCENARIO, tmp_path) as server, ExitStack() as stack:
        targets, port = ",".join(f"{g.host}:{g.port}" for g in server.gateways), str(free_port())
        options = ["--im-gateways", targets, "--im-secret-file", str(server.config), "--web-port", str(free_port())]
        address = stack.enter_context(by_hand("--master", "--master-bind-port", port, "--expect-workers", "2", *options))
        for _ in range(2):
            command = [sys.executable, "-m", "locust", "-f", "loadgen/locustfile.py", "--worker", "--master-port", port]
            worker = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
            stack.callback(end, worker)
        deadline = time.monotonic() + WAIT_S
        while ask(f"{address}/stats/requests")["worker_count"] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for _ in range(2):
            assert ask(f"{address}/swarm", user_count="20", spawn_rate="20")["success"]
            assert int(table(address, 300)["connect"]["samples"]) >= 20
            assert ask(f"{address}/stop", at="once")["success"]
            time.sleep(2.0)
