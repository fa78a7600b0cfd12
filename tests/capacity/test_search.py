"""Which rates a search plays, when it stops, and what it says of it: against servers that are a rule."""

from __future__ import annotations

import math
from itertools import product

import pytest

from model.analysis.queues import mm1
from scenarios.capacity import search
from scenarios.capacity.capacity import Play, points, searched
from scenarios.capacity.search import Answer, Plan, decide, knee, next_rate, outcome
from scenarios.running.exits import Interrupted
from tests.capacity.servers import chance, counting, firm, noisy, trial

PLAN = Plan(100, 20_000)


def decided(plan: Plan, play: Play) -> dict[float, Answer]:
    """What a search decides, rate by rate."""
    trials, _ = searched(plan, play, lambda point: None)
    return {point.rate_per_s: point.answer for point in points(trials, plan.runs)}


# the rates -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("limit", [100, 101, 777, 1599, 1600, 12_801, 19_999])
def test_a_firm_limit_is_closed_in_on_to_the_tolerance(limit: float, tolerance: float) -> None:
    plan = Plan(100, 20_000, tolerance)
    found = decided(plan, firm(limit))
    last, first = search.last_pass(found), search.first_failure(found)
    assert last is not None
    assert first is not None
    assert last <= limit < first
    assert first / last <= 1 + tolerance
    assert outcome(plan, found) == "found"
    assert len(found) <= plan.rates_max


def test_the_way_up_is_geometric_and_the_gap_is_halved_on_a_logarithmic_scale() -> None:
    played: list[tuple[float, int]] = []
    searched(Plan(100, 20_000, 0.1, runs=1), counting(firm(1_000), played), lambda point: None)
    assert [rate for rate, _ in played] == [100, 200, 400, 800, 1600, 1130, 951, 1040]


def test_no_more_runs_are_played_than_a_majority_needs_and_their_seeds_differ() -> None:
    played: list[tuple[float, int]] = []
    searched(Plan(100, 400, runs=5), counting(firm(10_000), played), lambda point: None)
    assert played == [(rate, seed) for rate in (100, 200, 400) for seed in (1, 2, 3)]


def test_the_highest_rate_asked_for_is_played_and_none_above_it() -> None:
    found = decided(Plan(100, 300), firm(1_000))
    assert list(found) == [100, 200, 300]
    assert outcome(Plan(100, 300), found) == "at_least"


def test_where_the_lowest_rate_breaks_the_promise_nothing_else_is_played() -> None:
    found = decided(PLAN, firm(50))
    assert found == {100: "broken"}
    assert outcome(PLAN, found) == "below"


def test_above_what_can_be_measured_nothing_is_concluded() -> None:
    found = decided(PLAN, firm(900, beyond="harness"))
    assert search.first_failure(found) is None
    assert search.last_pass(found) == 872  # sqrt(800 x 951)
    assert search.unmeasured(found) == 951
    assert outcome(PLAN, found) == "harness"


def test_a_failure_below_what_can_be_measured_is_found() -> None:
    def play(rate: float, seed: int) -> search.Answer:
        return "harness" if rate > 1_500 else "broken" if rate > 900 else "kept"

    found = decided(PLAN, lambda rate, seed: trial(rate, seed, play(rate, seed)))
    assert outcome(PLAN, found) == "found"
    assert search.unmeasured(found) == 1600
    assert (search.last_pass(found), search.first_failure(found)) == (872, 951)


def test_a_rate_that_nobody_can_judge_ends_the_search() -> None:
    found = decided(PLAN, firm(300, beyond="open"))
    assert found == {100: "kept", 200: "kept", 400: "open"}
    assert outcome(PLAN, found) == "unknown"


def test_a_signal_leaves_what_was_decided() -> None:
    def play(rate: float, seed: int) -> search.Answer:
        if rate > 300 and seed == 2:
            raise Interrupted(15)
        return "kept"

    trials, number = searched(PLAN, lambda rate, seed: trial(rate, seed, play(rate, seed)), lambda point: None)
    assert number == 15
    assert len(trials) == 5
    left = {point.rate_per_s: point.answer for point in points(trials, PLAN.runs)}
    assert left == {100: "kept", 200: "kept"}
    assert outcome(PLAN, left) == "unfinished"


def test_every_decision_is_told_as_it_falls() -> None:
    told: list[tuple[float, str, int, int]] = []
    searched(Plan(100, 200), firm(150), lambda p: told.append((p.rate_per_s, p.answer, p.kept, p.runs)))
    assert told[:3] == [(100, "kept", 2, 2), (200, "broken", 0, 2), (141, "kept", 2, 2)]


# a rate ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "runs", "answer"),
    [
        ((), 3, None),
        (("kept",), 1, "kept"),
        (("kept",), 3, None),
        (("kept", "kept"), 3, "kept"),
        (("kept", "broken"), 3, None),
        (("kept", "broken", "broken"), 3, "broken"),
        (("broken", "kept", "broken", "kept"), 5, None),
        (("broken", "harness"), 3, "harness"),
        (("harness", "open"), 3, "open"),
    ],
)
def test_a_rate_is_what_most_of_its_runs_are(answers: tuple[Answer, ...], runs: int, answer: Answer | None) -> None:
    assert decide(answers, runs) == answer


@pytest.mark.parametrize("runs", [1, 3, 5, 7])
def test_the_error_that_is_told_is_that_of_the_rule_with_its_early_end(runs: int) -> None:
    """Every order in which runs can come out, each with its chance, decided as a search decides it."""
    wrong = 0.0
    outcomes: tuple[Answer, ...] = ("kept", "broken")
    for luck in product(outcomes, repeat=runs):
        so_far: list[Answer] = []
        while (answer := decide(so_far, runs)) is None:
            so_far.append(luck[len(so_far)])
        weight = math.prod(0.9 if one == "kept" else 0.1 for one in luck)
        wrong += weight if answer == "broken" else 0
    assert search.error(runs) == pytest.approx(wrong)
    assert search.error(3) == pytest.approx(0.028)


# noise -----------------------------------------------------------------------------------------------------------------------------


def test_a_server_that_passes_at_random_near_its_limit_is_found_near_it_in_a_bounded_number_of_runs() -> None:
    """Of 300 searches few end outside the rates that neither nearly all nor nearly no runs keep; a single run at each rate does worse."""
    limit, width = 1_000.0, 0.1
    missed = {1: 0, 3: 0, 7: 0}
    for runs in missed:
        plan = Plan(100, 20_000, 0.05, runs)
        for luck in range(300):
            played: list[tuple[float, int]] = []
            found = decided(plan, counting(noisy(limit, width, luck), played))
            last, first = search.last_pass(found), search.first_failure(found)
            assert last is not None
            assert first is not None
            assert first / last <= 1.05
            assert len(found) <= plan.rates_max
            assert len(played) <= plan.rates_max * runs
            missed[runs] += chance(last, limit, width) < 0.1 or chance(first, limit, width) > 0.9
    assert missed[1] > missed[3] > missed[7]
    assert missed[3] <= 300 * 2 * search.error(3)
    assert missed[7] <= 300 * 2 * search.error(7) + 1


def test_the_search_is_a_function_of_what_was_decided() -> None:
    found: dict[float, Answer] = {400: "broken", 100: "kept", 200: "kept"}
    assert next_rate(PLAN, found) == next_rate(PLAN, dict(sorted(found.items()))) == 283


# the knee --------------------------------------------------------------------------------------------------------------------------


def test_the_knee_of_mm1_is_half_of_its_capacity() -> None:
    """For the mean as for a quantile, which is a multiple of it: the response is exponential."""
    rates = [10 * 1.1**k for k in range(48)]
    for multiple in (1.0, math.log(100)):
        found = knee({rate: multiple * mm1(rate, 1 / 1_000).response for rate in rates})
        assert found == pytest.approx(500, rel=0.02)  # 10 of 1,000 is not quite without load


def test_the_knee_is_measured_from_the_least_value_and_not_from_the_first() -> None:
    assert knee({100: 10.0, 200: 2.0, 400: 4.0, 800: 8.0}) == pytest.approx(400)
    assert knee({100: 10.0, 200: 6.0, 400: 11.0}) is None


def test_a_knee_lies_between_its_neighbours_or_where_nothing_comes_any_more() -> None:
    assert knee({100: 1.0, 400: 4.0}) == pytest.approx(200)
    assert knee({100: 1.0, 200: 1.5, 400: math.inf}) == 400
    assert knee({100: None, 200: 1.0, 400: None, 800: 4.0}) == pytest.approx(400)
    assert knee({100: 1.0}) is None
