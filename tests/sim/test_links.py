"""Rough links: what bandwidth, bursts of loss, NATs, outages and changes of address do to what is sent, and whom they tell."""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

import msgspec
import numpy as np
import pytest

from model.analysis import estimates
from model.core import frames as f
from model.scenario import NETWORKS, HalfOpen, Network, Scenario
from model.sim.kernel import Kernel
from model.sim.network import TABLE, Lane, Link, Luck, retransmission_timeout_us
from model.sim.paths import Paths
from model.sim.rough import COMMITTED_US, DOWN, SOCKET_BYTES_MAX, UP, Air, Door, Outages, RoughLane, RoughLink, Weather
from model.sim.sizes import link_bytes

QUIET = Network(delay_us=1000, jitter_us=0)
S = 1_000_000


class Ends:
    """Both ends of links under test, and what they were told, with the time."""

    number = 2

    def __init__(self, plan: Network, seed: int = 1, outages: Outages | None = None) -> None:
        self.kernel, self.door = Kernel(), Door()
        self.air = Air(plan, Luck(plan, seed), outages)
        self.told: list[tuple[int, str]] = []
        self.arrived: list[tuple[int, Any]] = []

    def link(self, device: int = 1) -> RoughLink:
        gateway: Any = self
        return RoughLink(self.kernel, self.air, self.door, self, device, 1, gateway)

    def receive(self, link: Link, frame: Any) -> None:
        """Not used: a test carries to ``arrive``."""

    def hung_up(self, link: Link) -> None:
        self._tell("device")

    def ended(self, link: Link) -> None:
        self._tell("gateway")

    def congested(self, link: Link) -> None:
        self._tell("congested")

    def drained(self, link: Link) -> None:
        self._tell("drained")

    def _tell(self, who: str) -> None:
        self.told.append((self.kernel.now, who))

    def arrive(self, frame: Any) -> None:
        self.arrived.append((self.kernel.now, frame))

    def send(self, lane: Any, at_us: int, *frames: Any) -> None:
        for frame in frames:
            self.kernel.at(at_us, lane.carry, 0, self.arrive, frame)

    def play(self) -> list[int]:
        """When what was sent arrived."""
        self.kernel.play()
        return [t for t, _ in self.arrived]


def delays(plan: Network, sends: int = TABLE, every_us: int = S) -> np.ndarray:
    ends = Ends(plan)
    link = ends.link()
    for k in range(sends):
        ends.send(link.down, k * every_us, k)
    times = np.array(ends.play())
    assert [k for _, k in ends.arrived] == list(range(sends))  # FIFO, and nothing is missing
    return times - np.arange(sends) * every_us


# delay ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lan", "wifi_good", "wifi_bad", "5g", "4g", "3g", "satellite_leo", "satellite_geo", "hostile"])
def test_the_delays_of_a_preset_are_those_of_its_distribution(name: str) -> None:
    """Without its losses: the least, the median within the 99 % interval of a sample's, and the mean within its own."""
    plan = msgspec.structs.replace(
        NETWORKS[name], loss=0, outage_every_us=0, outage_us=0, up_bit_s=0, down_bit_s=0, nat_idle_us=0
    )
    sample = delays(plan, every_us=100 * S)
    rate, median = plan.jitter_us, plan.jitter_us * (np.log(2) if plan.tail == "exponential" else 1)
    mean = rate if plan.tail == "exponential" else plan.jitter_us * exp(plan.sigma**2 / 2)
    assert sample.min() >= plan.delay_us - 1
    low, high = np.sort(sample)[[round(TABLE / 2 + z * sqrt(TABLE) / 2) for z in (-2.576, 2.576)]]
    assert low - 1 <= plan.delay_us + median <= high + 1
    batches = estimates.mean([float(part.mean()) for part in np.array_split(sample, 64)], 0.99)
    assert plan.delay_us + mean in batches or plan.sigma > 1.4  # a sample of so heavy a tail seldom has its mean


def test_frames_stay_in_order_however_the_delays_fall() -> None:
    delays(Network(delay_us=10, jitter_us=5_000), every_us=50)
    delays(msgspec.structs.replace(NETWORKS["hostile"], outage_us=0, outage_every_us=0), sends=2000, every_us=20_000)


# bandwidth --------------------------------------------------------------------------------------------------------------------------


def test_a_frame_takes_its_bytes_on_the_wire_after_those_before_it() -> None:
    plan = msgspec.structs.replace(QUIET, down_bit_s=80_000, up_bit_s=8_000)  # 10 and 1 bytes a millisecond
    ends, frame = Ends(plan), f.Send(1, 1, b"x" * 200)
    link, size = ends.link(), link_bytes(frame)
    ends.send(link.down, 0, frame, frame, frame)
    assert ends.play() == [1000 + k * size * 100 for k in (1, 2, 3)]
    ends.arrived.clear()
    ends.send(link.up, S, frame)
    assert ends.play() == [S + 1000 + size * 1000]


def test_a_change_of_bandwidth_is_felt_by_what_waits() -> None:
    ends = Ends(msgspec.structs.replace(QUIET, down_bit_s=8_000))
    link, frame = ends.link(), f.Send(1, 1, b"x" * 1000)
    ends.send(link.down, 0, *[frame] * 20)

    def widen() -> None:
        ends.air.plan = QUIET
        link.rerate()

    ends.kernel.at(S, widen)
    assert max(ends.play()) == S + 1000


def test_a_reader_that_is_slow_fills_the_socket_and_the_gateway_is_told_so_and_when_there_is_room() -> None:
    ends = Ends(QUIET)
    ends.air.read_bit_s = 800_000  # 100 bytes a millisecond
    link, frame = ends.link(), f.Send(1, 1, b"x" * 1000)
    count = SOCKET_BYTES_MAX // link_bytes(frame)
    ends.send(link.down, 0, *[frame] * count)
    ends.kernel.at(1, lambda: ends.told.append((1, "all but full")))
    ends.send(link.down, 2, frame, frame)
    ends.play()
    assert [who for _, who in ends.told] == ["all but full", "congested", "drained"]
    half_read_us = ((count + 2) * link_bytes(frame) - SOCKET_BYTES_MAX / 2) / 100 * 1000
    assert ends.told[2][0] == pytest.approx(half_read_us, abs=2 * 1000 * link_bytes(frame) / 100)


# loss -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "burst_us"), [(0.02, 100_000), (0.2, 20_000)])
def test_bursts_lose_their_share_of_the_time_and_last_their_mean(loss: float, burst_us: int) -> None:
    """Ten probes a burst for two thousand bursts: the share is within its 99 % interval by batches, the length within a tenth."""
    plan = msgspec.structs.replace(QUIET, loss=loss, burst_us=burst_us)
    weather, every_us = Weather(plan, key=1), burst_us // 10
    probes = round(2000 * burst_us / loss / every_us)
    bad = np.array([weather.loses(k * every_us) for k in range(probes)])
    assert loss in estimates.mean([float(part.mean()) for part in np.array_split(bad, 40)], 0.99)
    bursts = int((np.diff(bad.astype(int)) == 1).sum())
    assert bad.sum() * every_us / bursts == pytest.approx(burst_us * 1.05, rel=0.1)  # a burst between two probes is not seen


def test_what_is_lost_comes_a_time_out_later_and_holds_up_what_follows() -> None:
    ends = Ends(QUIET)
    link, timeout_us = ends.link(), ends.air.luck.timeout_us
    assert timeout_us == 2000 + 200_000  # SRTT, and Linux's least variance term
    ends.door.blocked_until_us = [0, timeout_us // 2]
    ends.send(link.down, 0, "lost")
    ends.send(link.down, timeout_us - 10, "behind it")
    ends.send(link.up, 0, "the other way")
    ends.kernel.play()
    assert ends.arrived == [(1000, "the other way"), (timeout_us + 1000, "lost"), (timeout_us + 1000, "behind it")]


def test_a_time_out_grows_with_the_deviation_of_round_trips() -> None:
    """Half of them take 1 s and half nothing: SRTT and RTTVAR are both 0.5 s, and the time-out is SRTT + 4 RTTVAR (RFC 6298, 2.3)."""
    one_way = np.zeros(TABLE)
    one_way[: TABLE // 4] = S
    assert retransmission_timeout_us(QUIET, one_way) == S // 2 + 4 * S // 2


def test_time_outs_double_so_a_hole_is_felt_up_to_twice_its_length() -> None:
    ends = Ends(QUIET)
    link, timeout_us = ends.link(), ends.air.luck.timeout_us
    ends.door.blocked_until_us = [0, 12 * timeout_us]
    ends.send(link.down, 0, "x")
    assert ends.play() == [15 * timeout_us + 1000]  # 1, 3, 7, 15 time-outs


def test_a_sender_gives_up_after_its_budget_and_the_other_end_is_told_nothing() -> None:
    for lane, who in (("up", "device"), ("down", "gateway")):
        ends = Ends(msgspec.structs.replace(QUIET, give_up_us=5 * S))
        link = ends.link()
        ends.door.blocked_until_us = [100 * S, 100 * S]
        ends.send(getattr(link, lane), 0, "x")
        ends.send(getattr(link, lane), 2 * S, "y")
        assert ends.play() == []
        assert ends.told == [(5 * S, who)]
        assert link.gone


def test_the_luck_of_one_lane_is_its_own() -> None:
    """Bursts and delays of a link are the same whatever happens on another link or the other way."""
    plan = NETWORKS["hostile"]
    alone, crowded = (Ends(plan, outages=Outages(plan, 1, 1, 10**12)) for _ in range(2))
    for ends in (alone, crowded):
        ends.send(ends.link(device=7).down, S, *range(50))
    for k in range(50):
        crowded.kernel.at(S - 1, crowded.link(device=8).up.carry, 0, lambda _: None, k)
    assert alone.play() == crowded.play()


# NATs, outages, addresses -----------------------------------------------------------------------------------------------------------


def test_a_nat_forgets_what_is_silent_both_ways_and_tells_nobody() -> None:
    ends = Ends(msgspec.structs.replace(QUIET, nat_idle_us=10 * S))
    link = ends.link()
    for at_us in (9 * S, 18 * S, 29 * S):
        ends.send(link.up if at_us == 9 * S else link.down, at_us, at_us)
    assert ends.play() == [9 * S + 1000, 18 * S + 1000]
    assert ends.told == []


def test_a_nat_before_a_gateway_says_what_it_forgot_to_the_fault_alone() -> None:
    ends, forgotten = Ends(QUIET), list[int]()
    ends.door.nat_idle_us, ends.door.forgotten = 5 * S, lambda: forgotten.append(ends.kernel.now)
    link = ends.link()
    ends.send(link.up, 6 * S, "x", "y")
    assert ends.play() == []
    assert (forgotten, ends.told) == ([6 * S], [])


def test_outages_take_their_share_of_the_time_and_end_with_the_load() -> None:
    plan = msgspec.structs.replace(QUIET, outage_every_us=9 * S, outage_us=S)
    shares = []
    for cell in range(40):
        outages = Outages(plan, 1, cell, until_us=2000 * S)
        shares.append(float(np.mean([outages.blocks(t * S // 5) for t in range(10_000)])))
        assert not any(outages.blocks(t * S) for t in range(2100, 3000))
    assert 0.1 in estimates.mean(shares, 0.99)


def test_outages_are_there_whoever_asks_and_when_and_the_weather_of_a_link_is_drawn_as_it_is_asked_for() -> None:
    """So two runs share outages whatever they send, and bursts of loss on a link until one of them sends more there."""
    plan = msgspec.structs.replace(QUIET, outage_every_us=9 * S, outage_us=S, loss=0.2, burst_us=100_000)
    seldom, often = (Outages(plan, 1, 1, until_us=2000 * S) for _ in range(2))
    assert [seldom.blocks(t * S) for t in range(1000)] == [often.blocks(t * S // 5) for t in range(5000)][::5]
    rarely, more = (Weather(plan, key=1) for _ in range(2))
    asked = [[weather.loses(t * S) for t in range(100)] for weather in (rarely, more)]
    assert asked[0] == asked[1]
    more.loses(100 * S - 1)
    assert [rarely.loses(t * S) for t in range(100, 200)] != [more.loses(t * S) for t in range(100, 200)]


def test_devices_of_a_cell_are_out_together_and_others_are_not() -> None:
    scenario = Scenario("s", "?", network=msgspec.structs.replace(QUIET, outage_every_us=9 * S, outage_us=S, cell=3))
    paths = Paths(Kernel(), scenario, 1)
    when = {}
    for device in range(1, 10):
        outages = paths.air(device).outages
        assert outages is not None
        when[device] = tuple(outages.blocks(t * S // 5) for t in range(100))
    assert len({when[device] for device in (1, 2, 3)}) == 1
    assert len(set(when.values())) == 3


def test_a_change_of_address_tells_the_device_and_not_the_gateway() -> None:
    ends = Ends(QUIET)
    link = ends.link()
    ends.send(link.down, 0, "on its way")
    ends.kernel.at(500, link.lost_by_device)
    ends.send(link.down, 600, "too late")
    assert ends.play() == [1000]
    assert ends.told == [(500, "device")]


def test_changes_of_address_come_at_their_rate_until_the_load_is_over() -> None:
    scenario = Scenario("s", "?", network=msgspec.structs.replace(QUIET, handover_every_us=10 * S), duration_s=1000)
    paths = Paths(Kernel(), scenario, 1)
    counts = [len(list(paths.handovers(device))) for device in range(1, 101)]
    assert 100.3 in estimates.mean(counts, 0.99)  # the ramp of 3 s is before the load
    assert max(list(paths.handovers(1))) < paths.calm_us


# which link ------------------------------------------------------------------------------------------------------------------------


def link_of(scenario: Scenario, device: int = 1) -> Link:
    ends: Any = Ends(QUIET)
    return Paths(Kernel(), scenario, 1).link(ends, device, 1, ends)


def test_links_are_rough_only_where_the_plan_or_a_fault_needs_it() -> None:
    for network in (Network(), Network(loss=0.01), Network(tail="lognormal"), "loopback", Network(loss=0.01).scaled(0.1)):
        assert type(link_of(Scenario("s", "?", network=network))) is Link
    for network in ("lan", "4g", Network(loss=0.01, burst_us=1000), Network(nat_idle_us=1), Network(loss=0.1, give_up_us=1e6)):
        assert type(link_of(Scenario("s", "?", network=network))) is RoughLink
    assert type(link_of(Scenario("s", "?", faults=(HalfOpen("gateway-1", 1),)))) is RoughLink


def test_a_rough_link_has_the_luck_of_the_plain_one() -> None:
    plain, rough = (link_of(Scenario("s", "?", faults=faults)) for faults in ((), (HalfOpen("gateway-1", 1),)))
    times: list[list[int]] = []
    for link in (plain, rough):
        assert isinstance(link.down, Lane | RoughLane)
        kernel, seen = link.down._kernel, list[int]()
        for k in range(100):
            kernel.at(k * 1000, link.down.carry, 0, lambda k, kernel=kernel, seen=seen: seen.append(kernel.now), k)
        kernel.play()
        times.append(seen)
    assert times[0] == times[1]


def test_a_mix_gives_its_shares_and_a_device_keeps_its_network() -> None:
    scenario = Scenario("s", "?", network=(("3g", 0.3), ("wifi_good", 0.7)))
    paths = Paths(Kernel(), scenario, 1)
    slow = [device for device in range(1, 2001) if paths.air(device).plan == NETWORKS["3g"]]
    assert 0.3 in estimates.share(len(slow), 2000, 0.99)
    again = Paths(Kernel(), scenario, 1)
    assert [device for device in range(1, 2001) if again.air(device).plan == NETWORKS["3g"]] == slow
    assert {UP, DOWN} == {0, 1}


@pytest.mark.parametrize("bit_s", [0.0, 1e9])
def test_what_is_written_later_leaves_later_however_much_later(bit_s: float) -> None:
    """A gateway that writes to thousands takes longer than what a lane commits to the wire ahead of time."""
    ends = Ends(Network(delay_us=0, jitter_us=0, down_bit_s=bit_s, nat_idle_us=1e9))
    lags = (9_000, COMMITTED_US - 1, COMMITTED_US + 500, 50_000)
    for device, lag in enumerate(lags, 1):
        ends.link(device).down.carry(lag, ends.arrive, device)
    assert ends.play() == pytest.approx(lags, abs=5)
    assert [device for _, device in ends.arrived] == [1, 2, 3, 4]
