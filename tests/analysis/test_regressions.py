"""Four answers, each as often as it says: false alarms and false peace stay below their level, and large slowdowns are called."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.analysis import regressions
from model.analysis.regressions import Gated

CPU = Gated(matters=math.log(1.05))
TEN, THIRTY = math.log(1.1), math.log(1.3)


def comparison(luck: np.random.Generator, shift: float, noise: float, n: int = 8, measures: int = 6) -> dict[str, list[float]]:
    """Pairs of several measures, the first of which is worse by ``shift``."""
    return {f"m{k}": (luck.normal(0, noise, n) + (shift if k == 0 else 0.0)).tolist() for k in range(measures)}


def answers(luck: np.random.Generator, shift: float, noise: float, gate: Gated = CPU) -> dict[str, str]:
    """The whole of it, with a second set of pairs where something is suspected."""
    first, second = comparison(luck, shift, noise), comparison(luck, shift, noise)
    gates = dict.fromkeys(first, gate)
    return {name: decision.answer for name, decision in regressions.decide(first, gates, second).items()}


class TestChances:
    @pytest.mark.parametrize("noise", [0.01, 0.05, 0.3])
    def test_of_builds_that_are_alike_hardly_any_report_has_an_alarm(self, noise: float) -> None:
        luck = np.random.default_rng(11)
        alarms = sum("REGRESSED" in answers(luck, 0.0, noise).values() for _ in range(200))
        assert alarms <= 10

    @pytest.mark.parametrize("noise", [0.01, 0.05, 0.3])
    def test_a_slowdown_of_ten_per_cent_is_never_called_equivalent(self, noise: float) -> None:
        luck = np.random.default_rng(13)
        assert "EQUIVALENT" not in [answers(luck, TEN, noise)["m0"] for _ in range(200)]

    def test_a_slowdown_of_thirty_per_cent_is_called_in_the_noise_of_a_shared_machine(self) -> None:
        luck = np.random.default_rng(17)
        assert sum(answers(luck, THIRTY, 0.05)["m0"] == "REGRESSED" for _ in range(100)) >= 95

    def test_a_slowdown_of_just_what_matters_is_seldom_called_equivalent(self) -> None:
        luck = np.random.default_rng(19)
        found = [answers(luck, CPU.matters, 0.02)["m0"] for _ in range(400)]
        assert found.count("EQUIVALENT") / 400 <= regressions.ALPHA + 3 * math.sqrt(0.05 * 0.95 / 400)

    def test_builds_that_are_alike_are_called_so_where_it_is_quiet(self) -> None:
        luck = np.random.default_rng(23)
        assert sum(answers(luck, 0.0, 0.01)["m0"] == "EQUIVALENT" for _ in range(100)) >= 95


class TestDecide:
    WORSE = (0.26, 0.28, 0.27, 0.25, 0.29, 0.26, 0.27, 0.28)

    def one(self, pairs: tuple[float, ...], gate: Gated = CPU, again: tuple[float, ...] | None = None) -> regressions.Decision:
        return regressions.decide({"cpu": pairs}, {"cpu": gate}, None if again is None else {"cpu": again})["cpu"]

    def test_what_is_worse_once_is_not_called_before_it_is_so_again(self) -> None:
        calm = tuple(value - 0.27 for value in self.WORSE)
        assert regressions.suspected({"cpu": self.WORSE}, {"cpu": CPU}) == ["cpu"]
        assert self.one(self.WORSE).answer == "INCONCLUSIVE"
        assert self.one(self.WORSE, again=calm).answer == "INCONCLUSIVE"
        assert self.one(self.WORSE, again=self.WORSE).answer == "REGRESSED"

    def test_what_two_runs_of_one_build_differ_by_alarms_nobody(self) -> None:
        assert self.one(self.WORSE, Gated(CPU.matters, floor=0.3), self.WORSE).answer == "INCONCLUSIVE"

    def test_a_floor_above_what_matters_makes_nothing_equivalent(self) -> None:
        assert self.one((0.1, -0.1, 0.08, -0.09, 0.11, -0.12, 0.1, -0.08), Gated(CPU.matters, floor=0.3)).answer == "INCONCLUSIVE"

    def test_better_is_called_too(self) -> None:
        assert self.one(tuple(-value for value in self.WORSE)).answer == "IMPROVED"

    def test_few_pairs_say_nothing_and_no_change_is_called_detectable(self) -> None:
        found = self.one((0.5, 0.5, 0.5))
        assert (found.answer, found.detectable, found.pairs) == ("INCONCLUSIVE", None, None)

    def test_an_open_answer_says_what_would_have_been_seen_and_how_many_pairs_it_takes(self) -> None:
        found = self.one((0.1, -0.1, 0.08, -0.09, 0.11, -0.12, 0.1, -0.08))
        assert found.answer == "INCONCLUSIVE"
        assert found.detectable == pytest.approx(CPU.matters + found.effect.median - found.effect.low)
        assert found.pairs is not None
        assert found.pairs > 8

    @pytest.mark.parametrize("measures", [1, 4, 12])
    def test_what_is_said_to_have_been_seen_is_just_what_is_suspected_among_all_measures(self, measures: int) -> None:
        luck = np.random.default_rng(29)
        suspected = 0
        for _ in range(200):
            first = comparison(luck, TEN, 0.05, measures=measures)
            seen = regressions.decide(first, dict.fromkeys(first, CPU))["m0"]
            assert seen.detectable is not None
            alone = {"m0": first["m0"]} | {name: [0.0] * 8 for name in list(first)[1:]}
            called = "m0" in regressions.suspected(alone, dict.fromkeys(alone, CPU))
            assert called == (seen.effect.median > seen.detectable)
            suspected += called
        assert 0 < suspected < 200

    def test_a_second_set_is_asked_for_only_what_is_suspected(self) -> None:
        first = {"cpu": self.WORSE, "p99": tuple(value - 0.27 for value in self.WORSE)}
        found = regressions.decide(first, dict.fromkeys(first, CPU), {"cpu": self.WORSE})
        assert {name: one.answer for name, one in found.items()} == {"cpu": "REGRESSED", "p99": "EQUIVALENT"}
        assert found["p99"].again is None
