"""What makes a storm of log-ins physical: they cost CPU, a kernel holds only so many, and what one turn of a loop does leaves soon."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import model.sim
from model.checkers import judge
from model.core import limits
from model.core.policies import Timers
from model.history.columns import from_rows
from model.history.schema import Kind
from model.scenario import LoginCost, Scenario
from model.sim import access
from model.sim.devices import SYN_TIMEOUT_US
from model.sim.kernel import Kernel
from model.sim.node import TURN_US_MAX, Node
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from tests.sim.times import PINNED


def scenario(users: int = 20, **fields: Any) -> Scenario:
    """A calm one, in which nobody says much."""
    calm: dict[str, Any] = {
        "gateways": 1,
        "population": PopulationPlan(users=users, groups_per_user=0),
        "workload": WorkloadPlan(rate_per_s=5.0, direct_share=1.0),
        "duration_s": 5.0,
    }
    return Scenario(name="log_ins", question="What does a log-in cost?", **(calm | fields))


def times_of(result: model.sim.SimResult, kind: Kind) -> NDArray[np.int64]:
    return np.sort(result.rows["t_us"][result.rows["kind"] == kind])


def test_a_log_in_costs_gateway_and_business_what_the_scenario_says() -> None:
    cheap = model.sim.run(scenario(), "cursor", 1, times=PINNED)
    dear = model.sim.run(scenario(login=LoginCost(handshake_us=2_000.0, account_us=3_000.0)), "cursor", 1, times=PINNED)
    more = {node: dear.counters[node]["cpu_us"] - cheap.counters[node]["cpu_us"] for node in ("gateway-1", "business")}
    assert more["gateway-1"] == pytest.approx(20 * 2_000, rel=0.02)
    assert more["business"] == pytest.approx(20 * 3_000, rel=0.02)


class Heavy(Node):
    """A node whose items take as long as they say."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, 1, 100.0)
        self.left: list[tuple[int, int]] = []
        """When a turn's effects left, and how many."""

    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        out.append(item)
        return float(item[0])

    def cost(self, out: list[Any]) -> float:
        return 0.0

    def release(self, out: list[Any]) -> None:
        self.left.append((self.kernel.now, len(out)))

    def deadline(self) -> int:
        return limits.NEVER_US


def turns(*work_us: int) -> list[tuple[int, int]]:
    """What became of items that arrived while the first one, of 10 us, was under way."""
    kernel = Kernel()
    node = Heavy(kernel)
    node.start()
    kernel.at(0, node.arrive, 10)
    for item in work_us:
        kernel.at(105, node.arrive, item)
    kernel.play()
    return node.left[1:]


def test_light_items_share_a_turn_and_heavy_ones_leave_soon() -> None:
    assert turns(10, 10, 10) == [(110 + 100 + 30, 3)]
    heavy = TURN_US_MAX
    assert turns(heavy, heavy) == [(110 + 100 + heavy, 1), (110 + 2 * (100 + heavy), 1)]


def test_what_finds_the_accept_queue_full_is_asked_again_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices at once, a queue of one, and a gateway that is busy for as long as a handshake takes."""
    monkeypatch.setattr(access, "ACCEPT_BACKLOG", 1)
    slow = scenario(8, login=LoginCost(handshake_us=300_000.0), ramp_s=0.2, duration_s=8.0)
    ready = times_of(model.sim.run(slow, "cursor", 1), Kind.READY)
    monkeypatch.setattr(access, "ACCEPT_BACKLOG", 4096)
    unbounded = times_of(model.sim.run(slow, "cursor", 1), Kind.READY)
    assert len(ready) == len(unbounded) == 8
    assert unbounded.max() < 4_000_000
    assert ready.max() > unbounded.max()
    assert ready[3] > SYN_TIMEOUT_US


def test_the_wait_for_an_answer_that_does_not_come_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again after 1 s, 2 s and 4 s more, who finds the queue full until 4 s later comes in after 7 s (RFC 6298, 2.1 and 5.5)."""

    def room_from(us: int) -> int:
        monkeypatch.setattr(access.SimGateway, "crowded", property(lambda gateway: gateway.kernel.now < us))
        one = scenario(2, gateways=1, ramp_s=0.2, duration_s=12.0, timers=Timers(connect_timeout_us=20_000_000))
        return int(times_of(model.sim.run(one, "cursor", 1), Kind.READY)[0])

    at_once = room_from(0)
    for full_us, later_us in ((500_000, 1_000_000), (2_000_000, 3_000_000), (4_000_000, 7_000_000)):
        assert room_from(full_us) - at_once == pytest.approx(later_us, abs=5_000)


class TestConnectionsThatEndByThemselves:
    def run(self, seed: int = 1, **fields: Any) -> model.sim.SimResult:
        return model.sim.run(scenario(40, connection_life_s=2.0, gateways=2, duration_s=10.0, **fields), "cursor", seed)

    def test_they_last_as_long_as_they_say_on_average(self) -> None:
        ends = np.mean([len(times_of(self.run(seed), Kind.DISCONNECTED)) for seed in range(4)])
        connected_s = 10 + 3 * 0.75  # the load, and the ramp from when a device comes in
        away_s = 0.25  # the first backoff under full jitter, on average
        assert ends == pytest.approx(40 * connected_s / (2.0 + away_s), rel=0.1)

    def test_none_ends_after_the_load_and_nothing_is_lost(self) -> None:
        result = self.run()
        assert times_of(result, Kind.DISCONNECTED).max() < 13_000_000 + 1_000_000
        judgement = judge(from_rows(result.header, result.rows))
        assert {anomaly.kind for anomaly in judgement.anomalies if anomaly.fails} <= {"outage"}
        assert judgement.measures["owed"]["lost_pairs"] == 0

    def test_a_policy_does_not_change_when_the_first_one_ends(self) -> None:
        first = [times_of(self.run(policies={"backoff": backoff}), Kind.DISCONNECTED)[0] for backoff in ("fixed", "full_jitter")]
        assert first[0] == first[1]
