"""Drains under load: nothing is lost or shown twice, nobody knocks at a closed door, and each policy costs what it says."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from model.checkers import judge
from model.core.codes import Code
from model.core.drain import drain_us
from model.core.policies import DrainPolicy
from model.history.columns import from_rows
from model.history.schema import Kind
from model.scenario import Blackhole, Drain, Fault, Kill, Network, RollingRestart
from model.sim import SimResult, run
from model.sim.service_times import load
from tests.sim.test_faults import BASE, GATEWAY_1, at, ends, homes

AT_S, EVERY_S = 2.0, 2.0
DOWN_S = 0.1
"""Between a gateway's being asked to go and its successor's start; both are over before the first client leaves."""
GENTLE: tuple[DrainPolicy, ...] = ("spread", "redirect")


def rolling(gateways: int = 2, how: str = "drain", down_s: float = DOWN_S) -> RollingRestart:
    return RollingRestart(tuple(f"gateway-{k}" for k in range(1, gateways + 1)), AT_S, down_s, EVERY_S, how)  # type: ignore[arg-type]


def play(drain: str, *faults: Fault, gateways: int = 2, seed: int = 1) -> SimResult:
    scenario = msgspec.structs.replace(BASE, gateways=gateways, policies={"drain": drain}, faults=faults)
    return run(scenario, "cursor", seed)


def failing(result: SimResult) -> set[str]:
    return {anomaly.kind for anomaly in judge(from_rows(result.header, result.rows)).anomalies if anomaly.fails}


def reconnects(result: SimResult) -> Counter[int]:
    """How many devices tried to connect again how often."""
    rows = result.rows
    tries = Counter(rows["device"][rows["kind"] == Kind.CONNECTING].tolist())
    return Counter(count - 1 for count in tries.values())


def away_us(result: SimResult) -> int:
    """How long all devices together were without a session, after their first."""
    rows = result.rows[np.isin(result.rows["kind"], [Kind.READY, Kind.DISCONNECTED])]
    total, since = 0, dict[int, int]()
    for device, kind, t_us in zip(rows["device"].tolist(), rows["kind"].tolist(), rows["t_us"].tolist(), strict=True):
        if kind == Kind.DISCONNECTED:
            since.setdefault(device, t_us)
        elif device in since:
            total += t_us - since.pop(device)
    return total


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rolling_restart_of_all_gateways_costs_each_client_one_reconnect_and_nothing_else(seed: int) -> None:
    result = play("spread", rolling(), seed=seed)
    assert failing(result) == set()
    assert reconnects(result) == {1: 40}
    assert ends(result) == {Code.SHUTTING_DOWN: 40}  # nobody was refused, timed out or cut off
    exits = result.rows[result.rows["kind"] == Kind.PROCESS_EXITED]
    assert exits["code"].tolist() == [0, 0]


def test_its_cost_against_a_kill_and_against_closing_at_once() -> None:
    """A kill is found out and its door tried in vain: more reconnects, and a hundred times as long without a session."""
    spread = play("spread", rolling())
    for result in (play("at_once", rolling(how="kill")), play("at_once", rolling())):
        assert failing(result) == set()  # slow, but the rules lose nothing however a gateway goes
        assert min(reconnects(result)) >= 2
        assert away_us(result) > 100 * away_us(spread)


@pytest.mark.parametrize("gateways", [2, 3])
def test_under_redirect_clients_move_once_for_each_drain_of_a_gateway_they_are_on(gateways: int) -> None:
    """And never knock where nobody is; with several others, both are taken."""
    result = play("redirect", rolling(gateways), gateways=gateways)
    assert failing(result) == set()
    assert set(ends(result)) == {Code.SHUTTING_DOWN}
    assert 1 < max(reconnects(result)) <= gateways
    first = homes(result, GATEWAY_1)
    ready = result.rows[(result.rows["kind"] == Kind.READY) & np.isin(result.rows["device"], list(first))]
    refuges = {int(rows["node"][1]) for device in first if len(rows := ready[ready["device"] == device]) > 1}
    assert refuges == set(range(GATEWAY_1 + 1, GATEWAY_1 + gateways))


@pytest.mark.parametrize("drain", GENTLE)
def test_clients_leave_one_by_one(drain: str) -> None:
    result = play(drain, Drain("gateway-1", AT_S, AT_S + DOWN_S))
    left = np.array(at(result, Kind.DISCONNECTED))
    timers = BASE.timers
    lead_s = timers.drain_lead_us / 1e6 if drain == "spread" else 0.0
    place_s = timers.drain_window_us / 1e6 / len(left)
    assert len(left) == 20
    assert left.min() >= AT_S + lead_s
    assert np.allclose(np.diff(left), place_s, atol=place_s / 4)


@pytest.mark.parametrize("drain", GENTLE)
def test_the_process_goes_when_it_is_empty_and_its_successor_serves_before_or_after(drain: str) -> None:
    result = play(drain, Drain("gateway-1", AT_S, AT_S + DOWN_S))
    (gone,), started = at(result, Kind.PROCESS_EXITED), at(result, Kind.PROCESS_STARTED)
    assert at(result, Kind.FAULT_BEGUN) == [AT_S]
    assert gone < AT_S + drain_us(drain, BASE.timers) / 1e6  # type: ignore[arg-type]
    start_s = load().gateway_start_us / 1e6
    expected_s = AT_S + DOWN_S + start_s if drain == "spread" else gone + start_s
    assert started[-1] == pytest.approx(expected_s, abs=1.5e-3)  # the deed looks once a millisecond
    assert (started[-1] < gone) == (drain == "spread")
    assert at(result, Kind.FAULT_HEALED) == [max(gone, started[-1])]
    processes = result.rows[np.isin(result.rows["kind"], [Kind.PROCESS_STARTED, Kind.PROCESS_EXITED])]
    assert processes["value"][processes["node"] == GATEWAY_1].tolist() == ([1, 2, 1] if drain == "spread" else [1, 1, 2])


def test_clients_of_the_only_gateway_come_back_to_its_successor() -> None:
    result = play("spread", rolling(1), gateways=1)
    assert (failing(result), reconnects(result)) == (set(), {1: 40})


@pytest.mark.parametrize("drain", GENTLE)
def test_clients_of_the_only_gateway_wait_for_it_where_no_successor_serves_in_time(drain: str) -> None:
    result = play(drain, Drain("gateway-1", AT_S, AT_S + 2), gateways=1)
    assert failing(result) == set()
    assert ends(result)[0] > 0  # refused, as by any gateway that is away
    assert at(result, Kind.PROCESS_EXITED)[0] < AT_S + 2 < at(result, Kind.PROCESS_STARTED)[-1]


@pytest.mark.parametrize("drain", GENTLE)
def test_clients_that_hear_nothing_do_not_keep_it(drain: str) -> None:
    """They are closed at the end of the drain, which is sooner than they are found silent."""
    hole = Blackhole("gateway-1", AT_S, AT_S + 2.5)
    result = play(drain, hole, Drain("gateway-1", AT_S + 0.01, AT_S + 3))
    (gone,), end_s = at(result, Kind.PROCESS_EXITED), AT_S + 0.01 + drain_us(drain, BASE.timers) / 1e6  # type: ignore[arg-type]
    assert end_s <= gone <= end_s + 0.01
    assert failing(result) == set()


def test_a_request_that_arrives_when_the_successor_serves_is_taken_up_by_it_though_it_set_out_before() -> None:
    """Here it comes late, when some have left already: those are refused whose request got there before it served."""
    delay_s = 0.05
    scenario = msgspec.structs.replace(
        BASE,
        network=Network(delay_us=delay_s * 1e6, jitter_us=0),
        gateways=1,
        policies={"drain": "spread"},
        faults=(Drain("gateway-1", AT_S, AT_S + 0.6),),
    )
    result = run(scenario, "cursor", 1)
    tries = result.rows[(result.rows["kind"] == Kind.CONNECTING) & (result.rows["connection"] == 2)]
    serves_us = round(at(result, Kind.PROCESS_STARTED)[-1] * 1e6) + BASE.load_begin_us
    before = set(tries["device"][tries["t_us"] + delay_s * 1e6 < serves_us].tolist())
    assert len(before) > 5
    assert set(tries["device"][tries["t_us"] < serves_us].tolist()) > before
    refused = result.rows[(result.rows["kind"] == Kind.DISCONNECTED) & (result.rows["connection"] == 2)]
    assert set(refused["device"].tolist()) == before


def test_what_a_gateway_cost_before_its_successor_is_not_forgotten() -> None:
    """Each process of a gateway counts, in the whole run and in what was measured of it."""
    calm, drained = (play("spread", *faults).counters["gateway-1"] for faults in ((), (Drain("gateway-1", AT_S, AT_S + DOWN_S),)))
    for name in ("cpu_us", "measured_cpu_us", "turns", "sent"):
        assert drained[name] > 0.8 * calm[name], name


def test_a_fault_after_a_restart_strikes_the_successor() -> None:
    result = play("spread", Drain("gateway-1", AT_S, AT_S + DOWN_S), Kill("gateway-1", AT_S + 2, AT_S + 2.2))
    exits = result.rows[result.rows["kind"] == Kind.PROCESS_EXITED]
    assert list(zip(exits["value"].tolist(), exits["code"].tolist(), strict=True)) == [(1, 0), (2, -9)]
    assert failing(result) == set()


def test_a_business_node_that_restarts_meanwhile_is_found_by_both_processes_of_a_gateway() -> None:
    """Those that are still served by the old one are announced again, and their sends answered."""
    result = play("spread", Drain("gateway-1", AT_S, AT_S + DOWN_S), Kill("business", AT_S + 0.5, AT_S + 0.6))
    assert failing(result) == set()
    assert reconnects(result) == {0: 20, 1: 20}
    late = result.rows[(result.rows["kind"] == Kind.DISCONNECTED) & (result.rows["t_us"] > BASE.at_us(AT_S + 0.9))]
    oks = result.rows[(result.rows["kind"] == Kind.OK) & np.isin(result.rows["device"], late["device"])]
    assert ((oks["t_us"] > BASE.at_us(AT_S + 0.8)) & (oks["t_us"] < BASE.at_us(AT_S + 0.9))).any()


def test_one_that_is_killed_while_it_drains_is_as_one_that_is_killed() -> None:
    result = play("spread", Drain("gateway-1", AT_S, AT_S + 1.0), Kill("gateway-1", AT_S + 0.6, AT_S + 1.0))
    assert failing(result) == set()
    assert len(at(result, Kind.FAULT_BEGUN)) == len(at(result, Kind.FAULT_HEALED)) == 2
    exits = result.rows[result.rows["kind"] == Kind.PROCESS_EXITED]
    assert exits["code"].tolist() == [-9]


def test_one_that_drains_cannot_be_drained_again() -> None:
    result = play("redirect", Drain("gateway-1", AT_S, AT_S + 0.1), Drain("gateway-1", AT_S + 0.2, AT_S + 0.3))
    assert len(at(result, Kind.FAULT_BEGUN)) == 1


@pytest.mark.parametrize("drain", GENTLE)
def test_one_seed_gives_one_trace(drain: str) -> None:
    assert play(drain, rolling(), seed=3).trace_digest == play(drain, rolling(), seed=3).trace_digest
