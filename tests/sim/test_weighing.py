"""What links carry is counted as it is sent, and counting changes nothing."""

from __future__ import annotations

import msgspec
import pytest

from model.core import frames as f
from model.history.schema import Kind
from model.scenario import Scenario, Throttle
from model.sim import SimResult, run
from model.sim.kernel import Kernel
from model.sim.sizes import SEGMENT_HEADER_BYTES, link_bytes
from model.sim.weighing import TAIL_US, Weighed, Weight
from scenarios.running import catalog, settings

QUIET = settings.apply(
    catalog.load("access_restart").short(),
    [
        "population.users=4",
        "population.group_size=3",
        "gateways=1",
        "faults=[]",
        "workload.rate_per_s=1",
        "workload.direct_share=1",
        "duration_s=4",
    ],
)


def played(scenario: Scenario, *, weighed: bool) -> SimResult:
    return run(scenario, "cursor", 1, weighed=weighed)


@pytest.mark.parametrize("faults", [(), (Throttle("gateway-1", at_s=1, heal_s=3, bit_s=50_000),)])
def test_a_run_that_is_weighed_is_the_same_run(faults: tuple[Throttle, ...]) -> None:
    scenario = msgspec.structs.replace(QUIET, faults=faults)
    plain, weighed = (played(scenario, weighed=weighed) for weighed in (False, True))
    assert plain.trace_digest == weighed.trace_digest
    assert "links" not in plain.counters
    assert weighed.counters["links"]["frames_up"] > 0


def test_a_byte_more_in_every_message_is_a_byte_more_on_every_link_that_it_takes() -> None:
    """Up with its send; down with its delivery, and with what sender and receiver read back at the end."""
    small, large = (played(settings.apply(QUIET, [f"workload.payload_bytes={size}"]), weighed=True) for size in (100, 101))
    sends = int((small.rows["kind"] == Kind.INVOKE).sum())
    assert sends > 0
    one, other = small.counters["links"], large.counters["links"]
    assert (one["frames_up"], one["frames_down"]) == (other["frames_up"], other["frames_down"])
    assert other["bytes_up"] - one["bytes_up"] == sends
    assert other["bytes_down"] - one["bytes_down"] == 3 * sends


class TestWeighed:
    class Lane:
        def __init__(self) -> None:
            self.carried: list[tuple[object, ...]] = []
            self.rate = 7

        def carry(self, *args: object) -> None:
            self.carried.append(args)

    def test_it_is_the_lane_behind_a_count(self) -> None:
        lane, weight = self.Lane(), Weight()
        weighed = Weighed(lane, weight, Kernel(1), 3, up=True)
        send = f.Ping(1)
        weighed.carry(5, print, "to", send)
        weighed.carry(0, print, "a handshake")
        assert lane.carried == [(5, print, "to", send), (0, print, "a handshake")]
        assert weighed.rate == 7
        assert weight.counters() == {
            "frames_up": 1,
            "bytes_up": link_bytes(send) + SEGMENT_HEADER_BYTES,
            "frames_down": 0,
            "bytes_down": 0,
            "wake_ups": 1,
        }

    def test_a_radio_is_woken_after_its_tail_by_either_direction(self) -> None:
        weight = Weight()
        for device, now in ((1, 0), (2, 0), (1, TAIL_US), (1, 2 * TAIL_US), (1, 3 * TAIL_US + 1), (2, TAIL_US + 1)):
            weight.stir(device, now)
        assert weight.wake_ups == 4
