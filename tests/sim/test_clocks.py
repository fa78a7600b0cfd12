"""Clocks that are wrong: sessions go by them, histories do not."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from model.analysis import estimates
from model.core import limits
from model.history.schema import Kind
from model.scenario import Clocks, Scenario, Step
from model.sim import run
from model.sim.clocks import Clock, Clocked, clock_of
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

S = 1_000_000
STEPPED = Clock(1.0, 0, [(10 * S, 5 * S), (20 * S, -8 * S)])


def test_a_clock_runs_at_its_rate_from_its_offset_and_jumps() -> None:
    assert Clock(1.001, 7, []).local(10 * S) == 10 * S + 10_000 + 7
    assert [STEPPED.local(t * S) // S for t in (9, 10, 19, 20, 30)] == [9, 15, 24, 17, 27]


@pytest.mark.parametrize(
    ("shows", "now", "instant"),
    [(9, 0, 9), (12, 0, 10), (16, 0, 11), (24, 0, 19), (25, 0, 28), (18, 20, 21), (18, 0, 13)],
    ids=["before", "jumped over", "after it", "before the step back", "after it again", "shown twice", "the first time"],
)
def test_a_deadline_comes_at_the_first_instant_from_now_on_at_which_the_clock_shows_it(
    shows: int, now: int, instant: int
) -> None:
    assert STEPPED.run(shows * S, now * S) == instant * S


def test_what_a_deadline_comes_to_is_never_before_it_on_the_clock() -> None:
    for ppm in (-300.0, 0.0, 41.7):
        clock = Clock(1 + ppm * 1e-6, 123_456, [(3 * S, -1), (5 * S, 777)])
        for due in range(123_456, 10 * S, 77_777):
            instant = clock.run(due, 0)
            assert clock.local(instant) >= due
            assert instant <= 0 or clock.local(instant - 2) < due  # a microsecond late at most, by rounding


class Session:
    """Notes the times that it is told."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.deadline = limits.NEVER_US
        self.device = 9

    def on_deadline(self, now: int, out: list[Any]) -> None:
        self.seen.append(now)


def test_a_session_behind_a_clock_is_told_that_clock_s_time_and_its_deadline_is_translated_back() -> None:
    session = Session()
    clocked = Clocked(session, STEPPED)
    clocked.on_deadline(15 * S, [])
    assert session.seen == [20 * S]
    assert clocked.deadline == limits.NEVER_US
    session.deadline = 24 * S
    assert clocked.deadline == 19 * S
    clocked.on_deadline(20 * S, [])
    assert clocked.deadline == 27 * S
    assert clocked.device == 9


def test_rates_and_offsets_have_their_spread_and_steps_their_share() -> None:
    plan = Clocks(rate_ppm=50, offset_us=100_000, steps=(Step(1, 2, share=0.25),))
    scenario = Scenario("s", "?", clocks=plan)
    clocks = [clock_of(plan, scenario, 1, device) for device in range(1, 1001)]
    rates = np.array([clock.local(S) - clock.local(0) - S for clock in clocks]) / S * 1e6
    offsets = np.array([clock.local(0) for clock in clocks])
    assert abs(rates.std() / 50 - 1) < 2.576 / np.sqrt(2000)
    assert abs(offsets.std() / 100_000 - 1) < 2.576 / np.sqrt(2000)
    jumped = sum(clock.local(10 * S) - clock.local(0) > 11 * S for clock in clocks)
    assert 0.25 in estimates.share(jumped, 1000, 0.99)


def test_wrong_clocks_move_the_timers_and_not_the_rows() -> None:
    """Clocks that all run 1 % fast: heartbeats come earlier, the schedule does not; and the run is valid in what it delivers."""
    base = Scenario("s", "?", population=PopulationPlan(users=20), workload=WorkloadPlan(rate_per_s=50), duration_s=20).short()
    wrong = msgspec.structs.replace(base, clocks=Clocks(offset_us=3e6, steps=(Step(1, 0.5), Step(2, -0.7, 0.5))))
    results = [run(scenario, "cursor", 1) for scenario in (base, wrong)]
    for kind in (Kind.INTEND, Kind.INVOKE):
        one, other = (result.rows[result.rows["kind"] == kind]["t_us"].tolist() for result in results)
        assert one == other
    assert results[0].messages_delivered == results[1].messages_delivered
    assert results[0].trace_digest != results[1].trace_digest
    assert results[1].rows["t_us"].max() < 60 * S
