"""Faults that meet: at one instant, on one door, on one link. Each still does what it says, and no more than it says."""

from __future__ import annotations

import msgspec
import pytest

from model.history.schema import Kind
from model.scenario import (
    ColdRoutes,
    Drain,
    Fault,
    HalfOpen,
    Kill,
    NatDrop,
    Partition,
    Pause,
    Roam,
    Scenario,
    SlowConsumer,
    StorageStall,
    Throttle,
    TornFrame,
)
from model.sim import SimResult, run
from model.sim.faults import Severed
from model.sim.kernel import Kernel
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from tests.sim.test_faults import BASE, GATEWAY_1, at, ends, hit, homes

AT_S = 3.0


def play(*faults: Fault, scenario: Scenario = BASE) -> SimResult:
    return run(msgspec.structs.replace(scenario, faults=faults), "cursor", 1)


@pytest.mark.parametrize("noticed", [False, True])
def test_a_partition_from_a_business_node_that_dies_at_that_instant_has_nothing_to_part(noticed: bool) -> None:
    """The gateway believes for a moment in a link whose other end is gone."""
    result = play(Kill("business", AT_S, 3.5), Partition("gateway-1", AT_S, 4.0, noticed))
    assert len(at(result, Kind.FAULT_BEGUN)) == len(at(result, Kind.FAULT_HEALED)) == 1


def test_what_is_on_its_way_into_a_partition_when_it_is_mended_arrives() -> None:
    """Between two processes bytes take their time; those that set out a moment before the end of the partition are as late as others."""
    heard: list[object] = []

    class Peer:
        def told(self, link: int, envelopes: list[object]) -> None:
            heard.extend(envelopes)

        def unlinked(self, link: int) -> None:
            heard.append("end")

    kernel, between = Kernel(), Severed(Peer())  # type: ignore[arg-type]
    between.told(1, ["before"])
    kernel.at(1, between.told, 1, ["on its way"])
    kernel.at(1, between.unlinked, 1)
    between.mend()
    kernel.play()
    assert heard == ["before", "on its way", "end"]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_frames_behind_a_torn_one_are_lost_with_it_and_do_not_count(direction: str) -> None:
    """A burst on one connection: it is reset once, however many frames were in it."""
    busy = msgspec.structs.replace(
        BASE,
        population=PopulationPlan(users=4, group_size=4),
        workload=WorkloadPlan(rate_per_s=2000, direct_share=0.0),
    )
    result = play(TornFrame("gateway-1", AT_S, 5.0, 8, direction), scenario=busy)  # type: ignore[arg-type]
    assert sum(ends(result).values()) == 8


AT_ONCE = [
    (StorageStall("business", AT_S, 3.4), StorageStall("business", 3.2, 4.2)),
    (Throttle("gateway-1", AT_S, 3.4, 64_000), Throttle("gateway-1", 3.2, 4.2, 64_000)),
    (SlowConsumer("gateway-1", AT_S, 3.4, 1.0, 64_000), SlowConsumer("gateway-1", 3.2, 4.2, 1.0, 64_000)),
    (NatDrop("gateway-1", AT_S, 3.4, 0.05), NatDrop("gateway-1", 3.2, 4.2, 0.05)),
]


@pytest.mark.parametrize("faults", AT_ONCE, ids=lambda faults: type(faults[0]).__name__)
def test_one_that_comes_while_its_like_is_there_has_nothing_to_strike(faults: tuple[Fault, Fault]) -> None:
    """The end of the first would end the second, which then says that it lasts."""
    result = play(*faults)
    healed = at(result, Kind.FAULT_HEALED)
    assert healed == [3.4]
    assert len(at(result, Kind.FAULT_BEGUN)) == 1


def test_routes_of_a_gateway_that_business_does_not_know_cannot_be_forgotten() -> None:
    dead = Kill("gateway-1", 2.0, 5.0)
    assert at(play(dead, ColdRoutes("gateway-1", AT_S, 3.5)), Kind.FAULT_BEGUN) == [2.0]
    assert at(play(dead, ColdRoutes("business", AT_S, 3.5)), Kind.FAULT_BEGUN) == [2.0, AT_S]
    parted = Partition("gateway-1", 2.5, 4.0)
    assert at(play(parted, ColdRoutes("gateway-1", AT_S, 3.5)), Kind.FAULT_BEGUN) == [2.5]


@pytest.mark.parametrize("late", [Roam("gateway-1", AT_S), HalfOpen("gateway-1", AT_S), Throttle("gateway-1", AT_S, AT_S)])
def test_a_connection_that_is_dead_already_is_not_struck(late: Fault) -> None:
    """The gateway believes in connections of devices that have left it; what befalls those befalls nobody."""
    assert len(at(play(Roam("gateway-1", AT_S), late), Kind.FAULT_BEGUN)) == 1


def test_a_gateway_that_is_killed_as_it_drains_is_back_when_the_kill_says() -> None:
    """It stands still, so it cannot say that it goes; the drain, of which nothing came, starts nothing again."""
    result = play(Pause("gateway-1", 2.9, 3.9), Drain("gateway-1", AT_S, 3.3), Kill("gateway-1", 3.1, 4.0))
    assert at(result, Kind.FAULT_BEGUN) == [2.9, 3.1]
    assert [t_s for t_s in at(result, Kind.PROCESS_STARTED) if t_s > AT_S] == [pytest.approx(4.1, abs=0.1)]


def test_a_nat_forgets_those_too_who_do_not_speak_before_it_is_mended() -> None:
    """They were silent for longer than it remembered while it was so; that they find out later does not help them."""
    result = play(
        NatDrop("gateway-1", AT_S, 3.25, 0.2), scenario=msgspec.structs.replace(BASE, workload=WorkloadPlan(rate_per_s=0.001))
    )
    longest_s = (BASE.timers.heartbeat_us + BASE.timers.pong_timeout_us) / 1e6
    assert hit(result) == homes(result, GATEWAY_1)  # pings are further apart than it remembers
    assert max(t_s for t_s in at(result, Kind.DISCONNECTED)) <= 3.25 + longest_s + 0.01
    assert len(at(result, Kind.FAULT_BEGUN)) == 1
