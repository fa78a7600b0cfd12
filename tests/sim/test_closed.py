"""A closed loop in the simulated world: it can be judged, it says what it is, and it flatters exactly as is said of it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from model.checkers import judge
from model.checkers.harness import CLOSED_NOTE
from model.checkers.verdict import Judgement
from model.core.frames import Send
from model.core.policies import PRESETS
from model.history.columns import History, from_rows
from model.history.schema import Contract, Kind, LatencyPromise
from model.scenario import Kill, Pause, Scenario, Starved
from model.sim import run
from model.sim.generator import LoadProcess
from model.sim.kernel import Kernel
from model.workload.arrivals import Closed
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from tests.sim.times import PINNED

OPEN = Scenario(
    "closed",
    "?",
    gateways=1,
    population=PopulationPlan(users=4, groups_per_user=0),
    workload=WorkloadPlan(rate_per_s=100, direct_share=1.0),
    ramp_s=1,
    warm_up_s=1,
    duration_s=12,
    contract=Contract(fails={"not_recovered": False}, quiet_us=2_000_000, latency=(LatencyPromise("end_to_end", 0.99, 200_000),)),
)
STALL = (Pause("gateway-1", 5, 6),)


def closed(scenario: Scenario = OPEN, **fields: Any) -> Scenario:
    return msgspec.structs.replace(scenario, workload=msgspec.structs.replace(OPEN.workload, arrivals=Closed()), **fields)


def stalled(scenario: Scenario) -> Scenario:
    return msgspec.structs.replace(scenario, faults=STALL)


def played(scenario: Scenario, preset: str = "cursor", seed: int = 1) -> tuple[History, Judgement]:
    result = run(scenario, preset, seed, times=PINNED)
    history = from_rows(result.header, result.rows)
    return history, judge(history)


def p99_us(judgement: Judgement, name: str = "end_to_end_live") -> float:
    value = judgement.measures["latency"][name]["p99_us"]
    assert isinstance(value, float)
    return value


def test_a_server_stopped_for_a_second_is_a_second_of_p99_in_an_open_load_and_nothing_in_a_closed_one() -> None:
    """Of 1,200 messages 100 are held up, for up to a second: the twelfth longest wait is 0.88 s. Of four users four."""
    _, in_open = played(stalled(OPEN))
    assert p99_us(in_open) == pytest.approx(880_000, rel=0.05)
    assert in_open.verdict == "invalid"
    history, in_closed = played(stalled(closed()))
    assert p99_us(in_closed) < 50_000
    assert in_closed.verdict == "valid"
    held_up = history.t_us[history.rows_of(Kind.INTEND)] - OPEN.at_us(5)
    assert ((held_up >= 0) & (held_up < 1_000_000)).sum() == 4


def test_what_a_stalled_server_kept_from_being_sent_is_missing() -> None:
    calm, stall = (played(closed(faults=faults))[0] for faults in ((), STALL))
    missing = len(calm.rows_of(Kind.INVOKE)) - len(stall.rows_of(Kind.INVOKE))
    assert missing == pytest.approx(96, abs=25)


def test_a_closed_loop_says_so_wherever_its_numbers_are() -> None:
    history, judgement = played(closed())
    assert history.header.closed_loop
    assert judgement.measures["generator"]["closed_loop"]
    assert CLOSED_NOTE in judgement.notes
    history, judgement = played(OPEN)
    assert not history.header.closed_loop
    assert CLOSED_NOTE not in judgement.notes


def test_a_send_is_intended_when_its_user_has_thought_enough() -> None:
    history, _ = played(closed())
    intended, invoked = (history.rows_of(kind) for kind in (Kind.INTEND, Kind.INVOKE))
    assert len(intended) == len(invoked) > 900
    assert np.array_equal(np.sort(history.message[intended]), np.sort(history.message[invoked]))
    assert np.array_equal(history.t_us[intended], history.t_us[invoked])


@pytest.mark.parametrize("preset", PRESETS)
def test_users_go_on_after_a_gateway_was_killed(preset: str) -> None:
    """Whatever ends a wait goes on with the loop: an ok, a refusal, or that the client gave up."""
    history, _ = played(closed(faults=(Kill("gateway-1", 3, 5),)), preset)
    late = history.rows_of(Kind.INVOKE)
    late = late[history.t_us[late] > OPEN.at_us(9)]
    assert len(np.unique(history.device[late])) == 4


def test_it_is_deterministic() -> None:
    one, two = (run(stalled(closed()), "cursor", 1, times=PINNED).trace_digest for _ in range(2))
    assert one == two


@pytest.mark.parametrize("scenario", [OPEN, closed()], ids=["open", "closed"])
def test_a_starved_generator_makes_the_harness_invalid_in_either_load(scenario: Scenario) -> None:
    _, judgement = played(msgspec.structs.replace(scenario, starved=Starved(2, 10)))
    assert judgement.verdict == "harness_invalid"
    assert {a.kind for a in judgement.anomalies if a.fails} == {"generator_lag"}
    lag = judgement.measures["latency"]["send_lag"]
    assert 90_000 < lag["max_us"] < 110_000


def test_a_process_that_is_stopped_in_its_last_step_stands_still_from_then_on() -> None:
    """What comes meanwhile is done when the stop is over, neither during it nor as much later."""
    kernel, done = Kernel(), list[int]()
    process = LoadProcess(kernel, PINNED)
    process.plan(10_000, lambda: process.write(Send(1, 1, b"x" * 120), lambda: kernel.at(kernel.now, lambda: None)))
    kernel.at(10_001 + round(PINNED.generator_turn_us), process.stop, 100_000)
    kernel.at(60_000, process.receive, None, None, lambda: done.append(kernel.now))
    kernel.at(300_000, kernel.stop)
    kernel.play()
    assert 110_000 <= done[0] < 115_000


def test_a_starved_generator_blames_the_server_for_its_own_lag_and_the_uncorrected_number_hides_it() -> None:
    _, judgement = played(msgspec.structs.replace(OPEN, starved=Starved(2, 10)))
    assert p99_us(judgement, "ack") > 40_000
    assert p99_us(judgement, "service") < 20_000


def test_a_digest_is_what_it_was_where_no_generator_starves() -> None:
    assert msgspec.structs.replace(OPEN, starved=Starved(2, 10)).digest() != OPEN.digest()
    assert "starved" in msgspec.to_builtins(OPEN)
