"""A real gateway on SIGTERM: it accepts nobody more, tells its clients, serves them until they leave, and ends by a bound with 0."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from model.core.codes import Code
from model.core.frames import Deliver, GoAway
from model.core.policies import DrainPolicy, Policies, Timers
from model.history.schema import Contract, Kind
from model.scenario import Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from reference_server.access.role import leave_s
from reference_server.access.shell import LINGER_S
from reference_server.config import DRAIN_S_MAX, ConfigError, read_config, write_config
from reference_server.supervisor import STOP_BOUND_S
from tests.loadgen.live import Load, serving
from tests.loadgen.test_player import messages, of_kind, seen
from tests.loadgen.test_processes import owed
from tests.reference_server.client import WAIT_S
from tests.reference_server.conftest import CONFIG, Server, stop

pytestmark = pytest.mark.live

PATIENT = Timers(heartbeat_us=60_000_000, drain_lead_us=1_000_000, drain_window_us=4_000_000, drain_grace_us=2_000_000)
BRIEF = msgspec.structs.replace(PATIENT, drain_window_us=200_000, drain_grace_us=100_000)


@contextmanager
def draining(tmp_path: Path, drain: DrainPolicy, timers: Timers = PATIENT) -> Iterator[Server]:
    """A server with one gateway, which drains so."""
    config = tmp_path / "server.json"
    write_config(config, msgspec.structs.replace(CONFIG, policies=Policies(drain=drain), timers=timers))
    server = Server(config, tmp_path / "store", "--control", "--gateways", "1")
    try:
        yield server
    finally:
        stop(server)


def gateway(supervisor: int, name: str = "gateway-1") -> psutil.Process:
    """The process of a gateway, by its command line."""
    (found,) = [child for child in psutil.Process(supervisor).children() if name in child.cmdline()]
    return found


@contextmanager
def successor(predecessor: psutil.Process) -> Iterator[None]:
    """A second process of the same gateway, which serves; it ends with the block."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(predecessor.cmdline(), cwd=predecessor.cwd(), stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        yield
    finally:
        process.terminate()
        process.wait(WAIT_S)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def test_its_clients_are_told_and_served_on_while_a_successor_takes_its_port(tmp_path: Path) -> None:
    with draining(tmp_path, "spread") as server, server.client(1) as alice, server.client(2) as bob:
        alice.login()
        bob.login()
        predecessor = gateway(server.process.pid)
        predecessor.send_signal(signal.SIGTERM)
        places = [client.expect(GoAway).leave_after_us for client in (alice, bob)]
        assert places == [2_000_000, 4_000_000]
        with pytest.raises(ConnectionRefusedError):
            server.client(3)
        assert alice.send(1, b"before I go").code == Code.OK
        with successor(predecessor), server.client(1) as moved:
            moved.login(2)
            assert moved.send(2, b"from over there").code == Code.OK
            assert [bob.expect(Deliver).payload for _ in range(2)] == [b"before I go", b"from over there"]
            bob.__exit__()
            alice.__exit__()
            exited = server.event()
            assert (exited["pid"], exited["status"]) == (predecessor.pid, 0)
            assert moved.ping().counter == 1


@pytest.mark.parametrize("drain", ["at_once", "spread", "redirect"])
def test_who_does_not_leave_is_closed_with_the_reason_and_the_process_ends(drain: DrainPolicy, tmp_path: Path) -> None:
    with draining(tmp_path, drain, BRIEF) as server, server.client(1) as alice:
        alice.login()
        gateway(server.process.pid).send_signal(signal.SIGTERM)
        frames = alice.read_to_end()
        assert [type(frame).__name__ for frame in frames] == (["Error"] if drain == "at_once" else ["GoAway", "Error"])
        assert getattr(frames[-1], "code", 0) == Code.SHUTTING_DOWN
        assert server.event()["status"] == 0


def test_it_ends_before_its_supervisor_would_kill_it() -> None:
    """The longest drain that a configuration may ask for, the time to close, and something for the process to end."""
    timers = Timers(drain_lead_us=0, drain_window_us=round(DRAIN_S_MAX * 1e6), drain_grace_us=0)
    longest = msgspec.structs.replace(CONFIG, policies=Policies(drain="spread"), timers=timers)
    assert leave_s(longest) == DRAIN_S_MAX + 2 * LINGER_S < STOP_BOUND_S
    assert leave_s(CONFIG) == 2 * LINGER_S
    for drain in ("spread", "redirect"):
        assert leave_s(msgspec.structs.replace(CONFIG, policies=Policies(drain=drain), timers=Timers())) < STOP_BOUND_S


def test_a_drain_that_would_take_longer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    long = msgspec.structs.replace(CONFIG, policies=Policies(drain="spread"), timers=Timers(drain_window_us=60_000_000))
    write_config(path, long)
    with pytest.raises(ConfigError, match=r"a drain would take up to 63 s; shorten timers\.drain_lead_us"):
        read_config(path)
    write_config(path, msgspec.structs.replace(long, policies=Policies()))
    assert read_config(path).policies.drain == "at_once"


ROLLING = Scenario(
    "rolling_live",
    "Does a rolling restart cost each client one reconnect?",
    population=PopulationPlan(users=30),
    workload=WorkloadPlan(rate_per_s=100),
    timers=Timers(heartbeat_us=1_000_000, drain_lead_us=4_000_000, drain_window_us=1_000_000, drain_grace_us=2_000_000),
    policies={"drain": "spread"},
    ramp_s=0.5,
    warm_up_s=0.5,
    duration_s=12.0,
    contract=Contract(quiet_us=3_000_000),
)
"""Its lead is long beside the start of a process, even on a busy machine."""


def test_a_rolling_restart_under_load_costs_each_client_one_reconnect_and_nothing_else(tmp_path: Path) -> None:
    """Each gateway is asked to go, its successor started, and its end awaited, while everybody talks."""
    with serving(ROLLING, tmp_path) as server, Load("asyncio", ROLLING, server.gateways, tmp_path) as load:
        load.start()
        load.until(Kind.OK, 50)
        assert server.process.stdout is not None
        with ExitStack() as successors:
            for name in ("gateway-1", "gateway-2"):
                predecessor = gateway(server.process.pid, name)
                predecessor.send_signal(signal.SIGTERM)
                successors.enter_context(successor(predecessor))
                exited = msgspec.json.decode(server.process.stdout.readline())
                assert (exited["event"], exited["role"], exited["status"]) == ("exited", name, 0)
            assert load.wait() == 0, load.errors.read_text()
    rows = load.rows()
    tries = Counter(of_kind(rows, Kind.CONNECTING)["device"].tolist())
    assert Counter(tries.values()) == {2: 30}
    left = of_kind(rows, Kind.DISCONNECTED)["code"].tolist()
    assert left.count(Code.SHUTTING_DOWN) == 30
    assert sorted(messages(of_kind(rows, Kind.INTEND))) == sorted(messages(of_kind(rows, Kind.OK)))
    assert set(seen(rows, Kind.READ_BACK)) == owed(load, ROLLING)
    assert seen(rows, Kind.DELIVER) == dict.fromkeys(owed(load, ROLLING), 1)
