"""Whole runs on each network, with clocks and a disk that are not perfect: deterministic, slower by what the links cost, and valid."""

from __future__ import annotations

from math import exp

import msgspec
import numpy as np
import pytest

from model.analysis import estimates
from model.checkers import judge
from model.core.commands import Append
from model.core.log import Conversation
from model.history.columns import from_rows
from model.history.schema import Contract, Kind
from model.scenario import NETWORKS, Clocks, Disk, Links, Network, Scenario, Step
from model.sim import SimResult, run
from model.sim.kernel import Kernel
from model.sim.service_times import load
from model.sim.storage import SimStorage, varied
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

S = 1_000_000
BASE = Scenario(
    "base",
    "?",
    population=PopulationPlan(users=40),
    workload=WorkloadPlan(rate_per_s=50),
    duration_s=15,
    warm_up_s=3,
    contract=Contract(fails={"outage": False}, quiet_us=3_000_000, drain_bound_us=120_000_000),
)
"""The timers at their full length: a network's delays are not scaled."""
MIX: Links = (("4g", 0.5), ("wifi_bad", 0.3), (Network(delay_us=500), 0.2))


def on(network: Links, seed: int = 1) -> SimResult:
    return run(msgspec.structs.replace(BASE, network=network), "cursor", seed)


def failing(result: SimResult) -> set[str]:
    judgement = judge(from_rows(result.header, result.rows))
    return {anomaly.kind for anomaly in judgement.anomalies if anomaly.fails}


@pytest.mark.parametrize("network", [*NETWORKS, MIX], ids=lambda x: x if isinstance(x, str) else "mix")
def test_cursor_is_valid_on_it_and_one_seed_gives_one_trace(network: Links) -> None:
    result = on(network)
    assert failing(result) == set()
    assert on(network).trace_digest == result.trace_digest


@pytest.mark.parametrize("name", ["lan", "5g", "satellite_leo", "satellite_geo"])
def test_an_ack_takes_a_round_trip_of_the_link_and_what_the_server_takes(name: str) -> None:
    """The median over sends, against the median of the sum of two delays (by draws) on top of the loopback's."""

    def median_us(result: SimResult) -> float:
        rows = result.rows
        said = {(r["device"], r["conversation"], r["send_counter"]): r["t_us"] for r in rows[rows["kind"] == Kind.INVOKE]}
        acked = rows[rows["kind"] == Kind.OK]
        return float(np.median([r["t_us"] - said[r["device"], r["conversation"], r["send_counter"]] for r in acked]))

    plan, rng, both_ways = NETWORKS[name], np.random.default_rng(1), (2, 99_999)
    lognormal = plan.tail == "lognormal"
    tails = plan.jitter_us * (np.exp(plan.sigma * rng.standard_normal(both_ways)) if lognormal else rng.exponential(1, both_ways))
    expected = 2 * plan.delay_us + float(np.median(tails.sum(axis=0))) - 2 * 100 + median_us(on("loopback"))
    assert median_us(on(name)) == pytest.approx(expected, rel=0.15 if name == "lan" else 0.06)


def test_a_network_that_drops_silent_connections_sooner_than_heartbeats_come_is_found_out_by_them() -> None:
    """Every connection that falls silent is lost with nobody told; the next ping's pong is missing. It never ends: no drain settles."""
    result = on(Network(nat_idle_us=1_000_000))
    lost = result.rows[result.rows["kind"] == Kind.DISCONNECTED]
    assert len(lost) > 40
    assert failing(result) == {"drain_incomplete"}
    assert Kind.DISCONNECTED not in on(Network(nat_idle_us=4_000_000)).rows["kind"]


def test_a_device_that_changes_its_address_is_back_at_once_and_the_others_notice_nothing() -> None:
    result = on(Network(handover_every_us=20_000_000))
    lost = result.rows[result.rows["kind"] == Kind.DISCONNECTED]
    assert 15 < len(lost) < 60
    assert failing(result) == set()


def test_wrong_clocks_and_a_slow_disk_cost_time_and_nothing_else() -> None:
    wrong = msgspec.structs.replace(
        BASE,
        clocks=Clocks(rate_ppm=200, offset_us=5e6, steps=(Step(4, 2, 0.5), Step(8, -3, 0.5))),
        disk=Disk(sigma=1.0, stall_share=0.01, stall_us=100_000),
    )
    result = run(wrong, "cursor", 1)
    assert failing(result) == set()
    assert run(wrong, "cursor", 1).trace_digest == result.trace_digest


# the disk ---------------------------------------------------------------------------------------------------------------------------


def test_a_stalled_disk_finishes_nothing_and_a_commit_under_way_ends_with_the_stall() -> None:
    kernel, done = Kernel(), list[tuple[int, int]]()
    disk = SimStorage(
        kernel, load(), [Conversation(1, "direct", (1, 2))], lambda results: done.append((kernel.now, len(results)))
    )
    disk.open()
    kernel.at(0, disk.submit, [Append(1, 1, 1, 1, 1, b"x", True)])
    kernel.at(1, disk.stall)
    kernel.at(500_000, disk.submit, [Append(2, 1, 1, 1, 2, b"x", True)])
    kernel.at(S, disk.go_on)
    kernel.play()
    assert done[0] == (S, 1)
    assert done[1][0] > S
    assert len(done) == 2


def test_a_disk_varies_about_what_was_measured_and_stalls_for_its_share() -> None:
    spread = np.array([varied(Disk(sigma=0.8), 1)(n, 1000.0) for n in range(20_000)])
    assert 1000 in estimates.mean([float(part.mean()) for part in np.array_split(spread, 40)], 0.99)
    assert np.std(np.log(spread)) == pytest.approx(0.8, rel=0.02)
    assert np.median(spread) == pytest.approx(1000 * exp(-0.32), rel=0.03)
    stalls = np.array([varied(Disk(stall_share=0.02, stall_us=50_000), 1)(n, 1000.0) for n in range(20_000)])
    assert 0.02 in estimates.share(int((stalls > 1000).sum()), 20_000, 0.99)
    assert 51_000 in estimates.mean([float(part.mean()) for part in np.array_split(stalls[stalls > 1000], 20)], 0.99)
