"""Every fault of the vocabulary: it takes effect, users notice what it breaks and nothing else, it heals, and ``cursor`` loses nothing."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from model.checkers import judge
from model.core.codes import Code
from model.core.policies import Policies, Timers
from model.history.columns import from_rows
from model.history.schema import Contract, FaultKind, Kind, Via
from model.scenario import (
    AckLost,
    Blackhole,
    ClockStep,
    ColdRoutes,
    Cut,
    Deaf,
    Delay,
    DiskFull,
    Drain,
    Fault,
    HalfOpen,
    Kill,
    NatDrop,
    Partition,
    Pause,
    Refuse,
    Roam,
    RollingRestart,
    Scenario,
    SlowConsumer,
    StorageStall,
    Throttle,
    TornFrame,
    faults,
)
from model.sim import SimResult, run
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.service_times import load
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

BASE = Scenario(
    "base",
    "?",
    population=PopulationPlan(users=40),
    workload=WorkloadPlan(rate_per_s=100),
    duration_s=40,
    warm_up_s=5,
    contract=Contract(fails={"outage": False, "not_recovered": False}),  # how long one is cut off is another question
).short()
AT_S = 3.0
FAULTS: dict[str, Fault] = {
    "kill": Kill("gateway-1", AT_S, 3.5),
    "business restart": Kill("business", AT_S, 3.5),
    "drain": Drain("gateway-1", AT_S, 3.5),
    "rolling drains": RollingRestart(("gateway-1", "gateway-2"), AT_S, 0.4, 0.8),
    "rolling kills": RollingRestart(("gateway-1", "gateway-2"), AT_S, 0.4, 0.8, "kill"),
    "deaf": Deaf("gateway-1", AT_S, 4.5),
    "pause": Pause("gateway-1", AT_S, 3.4),
    "long pause": Pause("gateway-1", AT_S, 5.5),
    "pause of business": Pause("business", AT_S, 3.6),
    "storage stall": StorageStall("business", AT_S, 3.6),
    "cut": Cut("gateway-1", AT_S),
    "half open": HalfOpen("gateway-1", AT_S, 0.7),
    "roam": Roam("gateway-1", AT_S, 0.5),
    "ack lost": AckLost("gateway-1", AT_S, 4.0, 5),
    "torn frame down": TornFrame("gateway-1", AT_S, 4.0, 5),
    "torn frame up": TornFrame("gateway-1", AT_S, 4.0, 5, "up"),
    "blackhole": Blackhole("gateway-1", AT_S, 5.0),
    "blackhole up": Blackhole("gateway-1", AT_S, 5.5, "up"),
    "blackhole down": Blackhole("gateway-1", AT_S, 5.0, "down"),
    "throttle": Throttle("gateway-1", AT_S, 5.0, 2000),
    "slow consumer": SlowConsumer("gateway-1", AT_S, 6.0, 0.3, 1000),
    "nat drop": NatDrop("gateway-1", AT_S, 5.0, 0.2),
    "partition": Partition("gateway-1", AT_S, 3.8),
    "noticed partition": Partition("gateway-1", AT_S, 3.8, noticed=True),
    "refuse": Refuse("gateway-1", AT_S, 4.5),
    "delay": Delay("gateway-1", AT_S, 5.0, 0.1, 0.1),
    "disk full": DiskFull("business", AT_S, 3.5),
    "clock of a gateway ahead": ClockStep("gateway-1", AT_S, 60),
    "clock of a gateway back": ClockStep("gateway-1", AT_S, -60),
    "clock of business ahead": ClockStep("business", AT_S, 60),
    "clock of business back": ClockStep("business", AT_S, -60),
    "cold routes": ColdRoutes("business", AT_S, 3.5),
    "cold routes of one gateway": ColdRoutes("gateway-1", AT_S, 3.5),
}
FORGIVEN = {"outage", "not_recovered"}


def play(name: str, preset: str = "cursor", seed: int = 1, scenario: Scenario = BASE) -> SimResult:
    return run(msgspec.structs.replace(scenario, faults=(FAULTS[name],)), preset, seed)


def at(result: SimResult, kind: Kind) -> list[float]:
    """Seconds of the load at which there are rows of a kind."""
    times = result.rows["t_us"][result.rows["kind"] == kind]
    return [float(t - BASE.load_begin_us) / 1e6 for t in times]


def ends(result: SimResult) -> Counter[int]:
    """Why connections ended, by code; 0 where nobody said."""
    return Counter(result.rows["code"][result.rows["kind"] == Kind.DISCONNECTED].tolist())


def hit(result: SimResult) -> set[int]:
    """The devices whose connections ended."""
    return set(result.rows["device"][result.rows["kind"] == Kind.DISCONNECTED].tolist())


def homes(result: SimResult, node: int) -> set[int]:
    devices = result.rows[result.rows["kind"] == Kind.DEVICE]
    return set(devices["device"][devices["node"] == node].tolist())


GATEWAY_1 = 2


@pytest.fixture(scope="module")
def plain() -> SimResult:
    return run(BASE, "cursor", 1)


@pytest.mark.parametrize("name", FAULTS)
def test_it_takes_effect_heals_and_cursor_loses_nothing(name: str, plain: SimResult) -> None:
    result = play(name)
    steps = faults.steps([FAULTS[name]])
    begun, healed = at(result, Kind.FAULT_BEGUN), at(result, Kind.FAULT_HEALED)
    assert len(begun) == len(healed) == len(steps) == len(at(result, Kind.FAULT_PLANNED))
    for step, begin, heal in zip(steps, begun, healed, strict=True):
        assert step.at_s <= begin <= step.at_s + 0.5
        assert begin <= heal <= step.healed_s + 0.2 or step.healed_s == step.at_s == begin == heal
    codes = result.rows["code"][np.isin(result.rows["kind"], [Kind.FAULT_BEGUN, Kind.FAULT_HEALED])]
    assert {FaultKind(code) for code in codes.tolist()} == {step.kind for step in steps}
    judgement = judge(from_rows(result.header, result.rows))
    assert judgement.verdict == "valid", [a for a in judgement.anomalies if a.fails]
    assert result.trace_digest != plain.trace_digest
    before = [r.rows[r.rows["t_us"] < BASE.at_us(AT_S)] for r in (plain, result)]
    kinds = [rows[(rows["kind"] != Kind.FAULT_PLANNED) & (rows["kind"] != Kind.INTEND)] for rows in before]
    assert kinds[0].tobytes() == kinds[1].tobytes()  # and nothing before it is changed


@pytest.mark.parametrize("name", ["torn frame up", "blackhole up", "slow consumer", "partition", "roam", "rolling drains"])
def test_one_seed_gives_one_trace(name: str) -> None:
    assert play(name, seed=3).trace_digest == play(name, seed=3).trace_digest


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.slow
def test_cursor_loses_nothing_on_other_seeds_and_rougher_links(name: str, seed: int) -> None:
    for network in ("wifi_good", "5g"):
        result = play(name, seed=seed, scenario=msgspec.structs.replace(BASE, network=network))
        judgement = judge(from_rows(result.header, result.rows))
        failing = {a.kind for a in judgement.anomalies if a.fails} - {"fault_unproven"}
        assert not failing


# what each is known by ----------------------------------------------------------------------------------------------------------------


def test_a_drained_gateway_says_that_it_goes_and_its_process_ends_by_itself() -> None:
    result = play("drain")
    exits = result.rows[result.rows["kind"] == Kind.PROCESS_EXITED]
    assert exits["code"].tolist() == [0]
    assert ends(result)[Code.SHUTTING_DOWN] == 20
    assert ends(play("kill"))[Code.SHUTTING_DOWN] == 0


def test_a_rolling_restart_takes_the_gateways_in_turn() -> None:
    for name, status in (("rolling drains", 0), ("rolling kills", -9)):
        exits = play(name).rows
        exits = exits[exits["kind"] == Kind.PROCESS_EXITED]
        assert exits["node"].tolist() == [GATEWAY_1, GATEWAY_1 + 1]
        assert exits["code"].tolist() == [status, status]


def test_a_deaf_gateway_costs_a_time_out_where_a_dead_one_refuses() -> None:
    """Who tries it waits for the connect time-out; a host without a listener answers at once."""
    waits = {}
    for name in ("kill", "deaf"):
        rows = play(name).rows
        tries = rows[np.isin(rows["kind"], [Kind.CONNECTING, Kind.DISCONNECTED]) & (rows["t_us"] >= BASE.at_us(AT_S))]
        begun = {(r["device"], r["connection"]): r["t_us"] for r in tries[tries["kind"] == Kind.CONNECTING]}
        over = tries[tries["kind"] == Kind.DISCONNECTED]
        waits[name] = [
            int(r["t_us"] - begun[r["device"], r["connection"]]) for r in over if (r["device"], r["connection"]) in begun
        ]
    assert max(waits["kill"]) < 10_000
    assert min(waits["deaf"]) >= BASE.timers.connect_timeout_us


def test_a_pause_shorter_than_the_heartbeats_costs_no_connection_and_a_longer_one_does() -> None:
    assert hit(play("pause")) == set()
    assert hit(play("long pause")) == homes(play("long pause"), GATEWAY_1)


@pytest.mark.parametrize("name", ["pause of business", "storage stall", "partition", "noticed partition", "business restart"])
def test_what_strikes_behind_the_gateways_costs_no_connection_but_the_acks_wait(name: str) -> None:
    result = play(name)
    assert hit(result) == set()
    heal_s = FAULTS[name].healed_s
    oks = result.rows[result.rows["kind"] == Kind.OK]
    if "partition" in name:
        oks = oks[np.isin(oks["device"], list(homes(result, GATEWAY_1)))]
    during = (oks["t_us"] > BASE.at_us(AT_S) + 20_000) & (oks["t_us"] < BASE.at_us(heal_s))
    assert during.sum() == 0


def test_what_was_said_across_a_partition_arrives_when_it_is_healed_without_being_asked_for() -> None:
    """Both ways: sends are acked and messages delivered, live, at the heal; no sync needed to bring them."""
    result, heal_us = play("partition"), BASE.at_us(3.8)
    ours = np.isin(result.rows["device"], list(homes(result, GATEWAY_1)))
    rows = result.rows[ours & (result.rows["t_us"] >= heal_us) & (result.rows["t_us"] < heal_us + 50_000)]
    assert (rows["kind"] == Kind.OK).sum() > 10
    shown = rows[(rows["kind"] == Kind.DELIVER) & (rows["via"] != Via.OWN)]
    assert (shown["via"] == Via.LIVE).sum() > 10
    assert (shown["via"] == Via.SYNC).sum() == 0


def test_a_gateway_that_shuts_down_accepts_nobody_until_it_is_started_again() -> None:
    kernel = Kernel()
    gateway = SimGateway(kernel, 2, load(), Policies(), Timers(), lambda *_: True)
    gateway.start()
    assert gateway.accepts
    gateway.shut_down()
    assert not gateway.accepts
    gateway.kill()
    gateway.deaf = True
    gateway.start()
    assert (gateway.accepts, gateway.deaf) == (True, False)


def test_half_open_connections_are_found_dead_by_the_heartbeat_alone() -> None:
    """Their devices hear nothing: within a ping's interval and a pong's time-out they know."""
    result = play("half open")
    lost = np.array(at(result, Kind.DISCONNECTED))
    bound_s = (BASE.timers.heartbeat_us + BASE.timers.pong_timeout_us) / 1e6
    assert len(lost) > 5
    assert lost.min() > AT_S
    assert lost.max() <= AT_S + bound_s + 0.01
    assert hit(result) <= homes(result, GATEWAY_1)


def test_a_device_that_roams_takes_its_session_over_and_the_old_connection_s_goodbye_comes_late() -> None:
    """It is back at once with a higher generation, though the gateway still holds the old connection."""
    result = play("roam")
    ready = result.rows[(result.rows["kind"] == Kind.READY) & (result.rows["t_us"] > BASE.at_us(AT_S))]
    assert set(ready["device"].tolist()) == hit(result) != set()
    assert set(at(result, Kind.DISCONNECTED)) == {AT_S}


@pytest.mark.parametrize("name", ["ack lost", "torn frame down", "torn frame up"])
def test_a_strike_costs_one_connection_and_there_are_as_many_as_asked_for(name: str) -> None:
    assert sum(ends(play(name)).values()) == 5


def test_a_lost_ack_leaves_a_message_that_is_stored_and_sent_again() -> None:
    """Dedupe in the message's transaction recognises it; without, it is stored twice."""
    rows = play("ack lost").rows
    tries = rows[rows["kind"] == Kind.ATTEMPT]
    again = Counter(zip(*(tries[n].tolist() for n in ("device", "conversation", "send_counter")), strict=True))
    assert sum(count > 1 for count in again.values()) >= 3  # of five; others were seen in a sync before they were sent again
    bad = judge(from_rows(play("ack lost", "timer").header, play("ack lost", "timer").rows))
    assert bad.verdict == "invalid"


def test_a_hole_one_way_is_another_fault_each_way() -> None:
    """Up: the gateway hears nothing, and cuts off; a device that still receives believes in its connection longer."""
    up, down = play("blackhole up"), play("blackhole down")
    assert ends(up)[Code.IDLE] > 0
    assert ends(down)[Code.IDLE] == 0
    first = [min(at(result, Kind.DISCONNECTED)) for result in (up, down)]
    assert first[0] > AT_S + BASE.timers.pong_timeout_us / 1e6 / 2
    assert hit(up) | hit(down) <= homes(up, GATEWAY_1) | homes(up, GATEWAY_1 + 1)


@pytest.mark.parametrize("name", ["throttle", "slow consumer"])
def test_little_bandwidth_makes_deliveries_late(name: str, plain: SimResult) -> None:
    def worst(result: SimResult, since_s: float) -> int:
        """The longest from a message's invocation to its display on a device of the gateway, of those said from then on."""
        rows = result.rows
        said = {(r["device"], r["conversation"], r["send_counter"]): r["t_us"] for r in rows[rows["kind"] == Kind.INVOKE]}
        shown = rows[(rows["kind"] == Kind.DELIVER) & np.isin(rows["device"], list(homes(result, GATEWAY_1)))]
        begun = [(r["t_us"], said[r["sender"], r["conversation"], r["send_counter"]]) for r in shown]
        return max(int(t - begin) for t, begin in begun if begin >= BASE.at_us(since_s))

    assert worst(play(name), AT_S) > 20 * worst(plain, AT_S)
    assert worst(play(name), FAULTS[name].healed_s + 0.5) < 10 * worst(plain, AT_S)


def test_a_consumer_that_is_too_slow_for_its_queue_is_cut_off_with_the_reason() -> None:
    """Enough large messages that the socket, and then the gateway's queue, are full."""
    heavy = msgspec.structs.replace(
        BASE,
        population=PopulationPlan(users=4, group_size=4),
        workload=WorkloadPlan(rate_per_s=900, payload_bytes=3000, direct_share=0.0),
        faults=(SlowConsumer("gateway-1", AT_S, 5.5, 1.0, 400_000),),
    )
    result = run(heavy, "cursor", 1)
    assert ends(result)[Code.SLOW_CONSUMER] > 0
    judgement = judge(from_rows(result.header, result.rows))
    assert judgement.verdict == "valid", [a for a in judgement.anomalies if a.fails]


def test_a_nat_drops_those_alone_who_were_silent_for_longer_than_it_remembers() -> None:
    busy = msgspec.structs.replace(BASE, workload=WorkloadPlan(rate_per_s=2000))
    assert len(hit(play("nat drop"))) > 5
    assert hit(play("nat drop", scenario=busy)) == set()


def test_sessions_whose_routes_are_cold_get_nothing_until_they_speak_or_are_announced() -> None:
    result = play("cold routes")
    assert ends(result)[Code.NOT_ATTACHED] > 10
    assert max(at(result, Kind.DISCONNECTED)) < 3.5 + 0.01  # who has not spoken by then is known again
    assert hit(play("cold routes of one gateway")) <= homes(result, GATEWAY_1)
    live = result.rows[(result.rows["kind"] == Kind.DELIVER) & (result.rows["via"] == Via.LIVE)]
    calm = set(homes(result, GATEWAY_1) | homes(result, GATEWAY_1 + 1)) - hit(result)
    during = (live["t_us"] > BASE.at_us(AT_S) + 5_000) & (live["t_us"] < BASE.at_us(3.5))
    assert not set(live["device"][during].tolist()) & calm


def test_a_larger_share_strikes_the_same_devices_and_more() -> None:
    struck = []
    for share in (0.3, 0.6):
        roaming = msgspec.structs.replace(BASE, faults=(Roam("gateway-1", AT_S, share),))
        struck.append(hit(run(roaming, "cursor", 1)))
    assert struck[0] < struck[1]


def test_what_has_nothing_to_strike_is_not_proven() -> None:
    """A gateway that is dead can neither be killed again, nor drained, nor cut."""
    dead = Kill("gateway-1", 2.0, 5.0)
    for late in (Kill("gateway-1", 3.0, 3.5), Drain("gateway-1", 3.0, 3.5), Cut("gateway-1", 3.0), Pause("gateway-1", 3.0, 4.0)):
        result = run(msgspec.structs.replace(BASE, faults=(dead, late)), "cursor", 1)
        assert at(result, Kind.FAULT_BEGUN) == [2.0]
        assert at(result, Kind.FAULT_HEALED)[0] > 5.0
