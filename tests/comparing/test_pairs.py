"""Pairs of runs and what is decided on them, on runs that were never made."""

from __future__ import annotations

import math

import msgspec
import pytest

from model.analysis.regressions import ALPHA
from model.scenario.paired_comparison import Discarded, Measured, one_sided
from scenarios.comparing import pairs
from scenarios.comparing.measures import BY_KEY
from scenarios.comparing.pairs import Pair, Pairs, Play, Which
from scenarios.comparing.playing import Case, Taken
from tests.comparing.planted import CALM, KILL, plays


def no_floor(case: Case, measure: str) -> float:
    return 0.0


def nobody(share: float, text: str) -> None:
    pass


def played(run: Play, number: int = 10, cases: tuple[Case, ...] = (CALM, KILL)) -> Pairs:
    return pairs.play(cases, number, run, no_floor, nobody)


def answers(run: Play, floors: pairs.Floors = no_floor) -> dict[tuple[str, str], str]:
    found = pairs.play((CALM, KILL), 10, run, floors, nobody)
    return {(one.case, one.measure): one.answer for one in pairs.decided(found, floors)}


class TestOrder:
    def test_both_sides_take_turns_in_being_first_and_cases_take_turns(self) -> None:
        log: list[tuple[Which, str, int]] = []
        played(plays(0.0, log=log), number=2)
        calm, kill = CALM.name, KILL.name
        assert log == [
            ("base", calm, 1), ("candidate", calm, 1), ("base", kill, 1), ("candidate", kill, 1),
            ("candidate", calm, 2), ("base", calm, 2), ("candidate", kill, 2), ("base", kill, 2),
        ]  # fmt: skip

    def test_what_is_suspected_is_played_again_with_other_seeds_and_nothing_else_is(self) -> None:
        log: list[tuple[Which, str, int]] = []
        worse_after_a_kill = plays(0.01, {"recovery_us": 3.0}, log=log)

        def run(side: Which, case: Case, seed: int) -> Taken:
            taken = worse_after_a_kill(side, case, seed)
            return Taken({k: v for k, v in taken.figures.items() if case is KILL or k != "recovery_us"}, {})

        played(run)
        assert {seed for _, case, seed in log if case == CALM.name} == set(range(1, 11))
        assert {seed for _, case, seed in log if case == KILL.name} == set(range(1, 21))

    def test_what_is_played_again_says_so_and_how_far_it_is(self) -> None:
        told: list[tuple[float, str]] = []
        pairs.play((CALM,), 10, plays(0.003, {"cpu_gateway_us": 1.3}), no_floor, lambda share, text: told.append((share, text)))
        assert told[:2] == [(0.0, f"{CALM.name}, pair 1"), (0.1, f"{CALM.name}, pair 2")]
        assert told[10:12] == [(0.0, f"once more: {CALM.name}, pair 11"), (0.1, f"once more: {CALM.name}, pair 12")]


class TestAnswers:
    def test_builds_that_are_alike_are_equivalent(self) -> None:
        assert set(answers(plays(0.003)).values()) == {"EQUIVALENT"}

    def test_the_measure_that_is_worse_is_named_and_no_other(self) -> None:
        found = answers(plays(0.003, {"cpu_gateway_us": 1.3}))
        assert {key for key, answer in found.items() if answer == "REGRESSED"} == {
            (CALM.name, "cpu_gateway_us"),
            (KILL.name, "cpu_gateway_us"),
        }

    def test_less_goodput_is_worse_and_more_is_better(self) -> None:
        assert answers(plays(0.003, {"goodput_per_s": 0.8}))[CALM.name, "goodput_per_s"] == "REGRESSED"
        assert answers(plays(0.003, {"goodput_per_s": 1.2}))[CALM.name, "goodput_per_s"] == "IMPROVED"

    def test_what_the_machine_differs_by_alarms_nobody(self) -> None:
        def floors(case: Case, measure: str) -> float:
            return math.log(1.5)

        assert answers(plays(0.003, {"cpu_gateway_us": 1.3}), floors)[CALM.name, "cpu_gateway_us"] == "INCONCLUSIVE"

    def test_figures_stand_there_as_they_were_measured(self) -> None:
        found = played(plays(0.0, {"rows": 2.0}))
        rows = next(one for one in pairs.decided(found, no_floor) if one.measure == "rows")
        assert rows.base == (170.0,) * 10
        assert rows.candidate == (340.0,) * 10
        assert (rows.ratio, rows.low, rows.high, rows.again) == pytest.approx((2.0, 2.0, 2.0, 2.0))


class TestMissing:
    def test_a_figure_that_the_candidate_never_has_is_not_green(self) -> None:
        full = plays(0.003)

        def run(side: Which, case: Case, seed: int) -> Taken:
            figures = full(side, case, seed).figures
            return Taken({k: v for k, v in figures.items() if side == "base" or k != "recovery_us"}, {})

        found = {(one.case, one.measure): one for one in pairs.decided(played(run), no_floor)}
        assert found[KILL.name, "recovery_us"].answer == "INCONCLUSIVE"
        assert found[KILL.name, "recovery_us"].reason == "the candidate has no such figure"

    def test_what_never_came_is_worse_than_anything_that_did(self) -> None:
        infinite, one = Taken({"recovery_us": math.inf}, {}), Taken({"recovery_us": 1e6}, {})
        recovery = BY_KEY["recovery_us"]
        assert Pair(1, one, infinite).ratio(recovery) == pairs.CLIP
        assert Pair(1, infinite, one).ratio(recovery) == -pairs.CLIP
        assert Pair(1, infinite, infinite).ratio(recovery) == 0

    def test_figures_at_the_ends_of_what_there_is_have_a_ratio(self) -> None:
        small, large = Taken({"recovery_us": 1e-300}, {}), Taken({"recovery_us": 1e300}, {})
        assert Pair(1, large, small).ratio(BY_KEY["recovery_us"]) == -pairs.CLIP

    def test_a_figure_that_the_candidate_lacks_now_and_then_is_not_green_either(self) -> None:
        full = plays(0.003)

        def run(side: Which, case: Case, seed: int) -> Taken:
            figures = full(side, case, seed).figures
            lacks = side == "candidate" and seed == 3
            return Taken({key: value for key, value in figures.items() if not lacks or key != "recovery_us"}, {})

        found = {(one.case, one.measure): one for one in pairs.decided(played(run), no_floor)}
        assert found[KILL.name, "recovery_us"].answer == "INCONCLUSIVE"
        assert found[KILL.name, "recovery_us"].reason == "1 of 10 runs of the candidate lack it"

    def test_figures_stand_by_pairs_and_what_never_came_is_no_number_of_json(self) -> None:
        of_base: list[float | None] = [1.0, 2.0, None]
        of_candidate = [None, 3.0, math.inf]
        found = [
            Pair(seed, *(Taken({} if one is None else {"recovery_us": one}, {}) for one in both))
            for seed, both in enumerate(zip(of_base, of_candidate, strict=True), 1)
        ]
        found.append(Pair(4, Taken({"recovery_us": 4.0}, {}), Taken({"recovery_us": math.inf}, {})))
        (recovery,) = pairs.decided(Pairs([KILL], {KILL.name: found}), no_floor)
        assert (recovery.base, recovery.candidate) == ((2.0, 4.0), (3.0, None))
        assert msgspec.json.decode(msgspec.json.encode(recovery), type=Measured) == recovery


class TestHarness:
    @pytest.mark.parametrize(("failures", "missing"), [(1, False), (2, False), (3, True)])
    def test_a_pair_that_says_nothing_is_played_again_and_at_last_is_missing(self, failures: int, missing: bool) -> None:
        good, left = plays(0.003), [failures]

        def run(side: Which, case: Case, seed: int) -> Taken:
            if (side, case, seed) == ("candidate", KILL, 3) and left[0]:
                left[0] -= 1
                return Taken({}, {}, "generator_lag: late")
            return good(side, case, seed)

        found = played(run)
        assert len(found.first[KILL.name]) == (9 if missing else 10)
        assert [(one.seed, one.side, one.replaced) for one in found.discarded] == [(3, "candidate", not missing)] * failures

    def test_a_candidate_that_breaks_a_run_is_not_acquitted_by_the_next(self) -> None:
        good, left = plays(0.003), [1]

        def run(side: Which, case: Case, seed: int) -> Taken:
            if (side, case, seed) == ("candidate", KILL, 3) and left[0]:
                left[0] -= 1
                return Taken({}, {}, "truncated: the recording ends at 1.2 s", unclear=True)
            return good(side, case, seed)

        assert one_sided(played(run).discarded)

    @pytest.mark.parametrize(
        ("candidate", "base", "expected"),
        [(4, 0, False), (5, 0, True), (7, 1, True), (5, 5, False), (0, 9, False), (0, 0, False)],
    )
    def test_a_generator_that_is_late_in_the_candidates_runs_alone_is_its_doing(
        self, candidate: int, base: int, expected: bool
    ) -> None:
        runs = [Discarded("c", "candidate", 1, "late", True)] * candidate + [Discarded("c", "base", 1, "late", True)] * base
        assert one_sided(runs) == expected

    def test_what_breaks_runs_of_the_base_too_says_nothing_of_the_candidate(self) -> None:
        sides: list[Which] = ["base", "candidate"]
        assert not one_sided([Discarded("c", side, 1, "truncated", True, unclear=True) for side in sides])


class TestViolations:
    def test_what_a_run_has_proven_counts_though_its_pair_is_played_again(self) -> None:
        good, times = plays(0.003), {"base": 0, "candidate": 0}

        def run(side: Which, case: Case, seed: int) -> Taken:
            figures = good(side, case, seed).figures
            if (case, seed) != (KILL, 2):  # of even seeds the candidate comes first
                return Taken(figures, {})
            times[side] += 1
            if side == "base":
                return Taken({}, {}, "generator_lag: late") if times[side] == 1 else Taken(figures, {})
            return Taken(figures, {"lost": (1, "m1 never came")} if times[side] == 1 else {})

        (found,) = pairs.violations(played(run))
        assert (found.kind, found.seed, found.count) == ("lost", 2, 1)

    def test_a_kind_that_the_base_never_has_is_named_with_its_first_run(self) -> None:
        (found, _) = pairs.violations(played(plays(0.003, failing={"lost": (2, "m1 never came")})))
        assert (found.case, found.kind, found.seed, found.runs, found.count) == (CALM.name, "lost", 1, 10, 20)
        assert found.witness == "m1 never came"

    def test_what_the_base_fails_by_too_is_no_news(self) -> None:
        both = plays(0.003)

        def run(side: Which, case: Case, seed: int) -> Taken:
            return Taken(both(side, case, seed).figures, {"lost": (1, "")})

        assert not pairs.violations(played(run))

    @pytest.mark.parametrize(("runs", "named"), [(1, False), (4, False), (10, True)])
    def test_of_what_is_a_matter_of_speed_one_run_is_chance(self, runs: int, named: bool) -> None:
        both = plays(0.003)

        def run(side: Which, case: Case, seed: int) -> Taken:
            fails = side == "candidate" and case is KILL and seed <= runs
            return Taken(both(side, case, seed).figures, {"not_recovered": (1, "still slow")} if fails else {})

        assert bool(pairs.violations(played(run))) is named

    def test_one_failure_of_the_base_does_not_acquit_a_candidate_that_always_fails(self) -> None:
        both = plays(0.003)

        def run(side: Which, case: Case, seed: int) -> Taken:
            fails = side == "candidate" or seed == 1
            return Taken(both(side, case, seed).figures, {"lost": (3, "m1 never came")} if fails else {})

        (found, _) = pairs.violations(played(run))
        assert (found.kind, found.base, found.runs, found.count) == ("lost", 3, 10, 30)


@pytest.mark.parametrize(("measures", "least"), [(1, 5), (10, 8), (22, 9), (24, 9), (26, 10)])
def test_the_fewest_pairs_that_can_prove_anything(measures: int, least: int) -> None:
    assert pairs.pairs_least(measures, ALPHA) == least
    assert measures * 0.5**least <= ALPHA < measures * 0.5 ** (least - 1)
