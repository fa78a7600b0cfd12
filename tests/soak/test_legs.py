"""The plan of a leg: kills and drains at random, of nodes that are there, within the load."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from model.scenario import Drain, Kill
from scenarios.running import settings
from scenarios.soaking import legs

GATEWAYS, LOAD_S, PER_MINUTE = 2, 60.0, 20.0
SEEDS = [legs.leg_seed(1, number) for number in range(1, 101)]
PLANS = {seed: list(legs.faults(seed, GATEWAYS, LOAD_S, PER_MINUTE)) for seed in SEEDS}


def test_a_plan_comes_from_its_seed_alone() -> None:
    assert all(list(legs.faults(seed, GATEWAYS, LOAD_S, PER_MINUTE)) == PLANS[seed] for seed in SEEDS)
    assert len({tuple(plan) for plan in PLANS.values()}) == len(SEEDS)


def test_every_fault_begins_and_is_over_within_the_load() -> None:
    for plan in PLANS.values():
        assert all(legs.FIRST_S <= fault.at_s < fault.back_s <= LOAD_S for fault in plan)
        assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)


def test_no_node_is_struck_before_it_is_back_and_has_rested() -> None:
    for plan in PLANS.values():
        for node in {fault.node for fault in plan}:
            mine = [fault for fault in plan if fault.node == node]
            assert all(later.at_s >= earlier.back_s + legs.REST_S for earlier, later in pairwise(mine))


def test_two_nodes_may_be_down_at_once() -> None:
    pairs = [(a, b) for plan in PLANS.values() for a, b in pairwise(plan)]
    assert any(b.at_s < a.back_s for a, b in pairs)


def test_kills_strike_everyone_and_drains_gateways_alone() -> None:
    struck = Counter((type(fault), fault.node) for plan in PLANS.values() for fault in plan)
    assert set(struck) == {
        (Kill, "business"),
        *((kind, node) for kind in (Kill, Drain) for node in ("gateway-1", "gateway-2")),
    }
    drains = sum(many for (kind, node), many in struck.items() if kind is Drain)
    gateways = sum(many for (_, node), many in struck.items() if node != "business")
    assert drains / gateways == pytest.approx(legs.DRAIN_SHARE, abs=0.05)


def test_there_are_as_many_as_asked_for_where_nodes_are_many_enough() -> None:
    plans = [list(legs.faults(seed, 30, LOAD_S, PER_MINUTE)) for seed in SEEDS]
    mean = sum(map(len, plans)) / len(plans)
    assert mean == pytest.approx(PER_MINUTE * (LOAD_S - legs.FIRST_S - legs.DOWN_S[1]) / 60, rel=0.1)


def test_none_are_asked_for_and_none_come() -> None:
    assert list(legs.faults(1, GATEWAYS, LOAD_S, 0)) == []


def test_legs_of_soaks_whose_seeds_follow_each_other_are_not_the_same() -> None:
    assert not {legs.leg_seed(1, number) for number in range(1, 100)} & {legs.leg_seed(2, number) for number in range(1, 100)}


def test_a_leg_keeps_people_and_load_of_its_scenario_and_can_be_played() -> None:
    leg = legs.leg(legs.DEFAULT, SEEDS[0], PER_MINUTE, LOAD_S)
    assert (leg.population, leg.workload, leg.contract) == (legs.DEFAULT.population, legs.DEFAULT.workload, legs.DEFAULT.contract)
    assert leg.faults == tuple(PLANS[SEEDS[0]])
    assert settings.apply(leg, []) == leg


def test_the_quiet_time_is_three_heartbeats_and_the_longest_resend_timer_at_least() -> None:
    timers = legs.DEFAULT.timers
    least = max(3 * timers.heartbeat_us, timers.ack_timeout_max_us, timers.resend_timer_us)
    assert legs.DEFAULT.contract.quiet_us >= least
