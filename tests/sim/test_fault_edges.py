"""Faults that meet: at one instant, on one door, on one link. Each still does what it says, and no more than it says."""

from __future__ import annotations

import msgspec
import pytest

from model.history.schema import Kind
from model.scenario import (
    Fault,
    Kill,
    Partition,
    Scenario,
)
from model.sim import SimResult, run
from model.sim.faults import Severed
from model.sim.kernel import Kernel
from model.sim.network import LOCAL_DELAY_US
from tests.sim.test_faults import BASE

AT_S = 3.0


def play(*faults: Fault, scenario: Scenario = BASE) -> SimResult:
    return run(msgspec.structs.replace(scenario, faults=faults), "cursor", 1)


def of_faults(result: SimResult, kind: Kind) -> list[tuple[int, float]]:
    """(the node, second of the load) of every row of a kind."""
    rows = result.rows[result.rows["kind"] == kind]
    return [(int(row["node"]), (int(row["t_us"]) - BASE.load_begin_us) / 1e6) for row in rows]


@pytest.mark.parametrize("noticed", [False, True])
def test_a_partition_from_a_business_node_that_dies_at_that_instant(noticed: bool) -> None:
    """The gateway believes for a moment in a link whose other end is gone."""
    result = play(Kill("business", AT_S, 3.5), Partition("gateway-1", AT_S, 4.0, noticed))
    assert len(of_faults(result, Kind.FAULT_BEGUN)) == len(of_faults(result, Kind.FAULT_HEALED)) == 1


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
    kernel.at(LOCAL_DELAY_US, between.told, 1, ["on its way"])
    kernel.at(LOCAL_DELAY_US, between.unlinked, 1)
    between.mend()
    kernel.play()
    assert heard == ["before", "on its way", "end"]
