"""Pairs of runs: intervals cover as often as they say, whatever the distribution, and nothing is proven by few."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from model.analysis import paired

PAIRS = [0.31, 0.02, 0.18, -0.05, 0.22, 0.11, 0.27, 0.09]
Draw = Callable[[np.random.Generator, int], np.ndarray]


def by_hand(pairs: list[float], shift: float) -> float:
    """The sign-flip test as a textbook has it."""
    centred = [value - shift for value in pairs]
    flips = [
        sum(sign * value for sign, value in zip(signs, centred, strict=True)) for signs in product((1, -1), repeat=len(pairs))
    ]
    return sum(flip >= sum(centred) - 1e-12 for flip in flips) / len(flips)


class TestPValue:
    @pytest.mark.parametrize("shift", [-0.5, 0.0, 0.05, 0.14, 0.2, 1.0])
    def test_it_is_the_share_of_all_flips_that_are_as_far(self, shift: float) -> None:
        assert paired.p_above(PAIRS, shift) == by_hand(PAIRS, shift)

    def test_few_pairs_prove_nothing_however_far_they_are(self) -> None:
        assert paired.p_above([5.0] * 4, 0.0) == 1 / 16

    def test_it_is_refused_as_often_as_its_level_says(self) -> None:
        luck = np.random.default_rng(3)
        refused = sum(paired.p_above(luck.standard_cauchy(8).tolist(), 0.0) <= 0.05 for _ in range(4000))
        assert refused / 4000 == pytest.approx(12 / 256, abs=0.01)  # of 256 flips, the 12 farthest


class TestEffect:
    def test_an_interval_holds_what_the_test_does_not_refuse(self) -> None:
        found = paired.effect(PAIRS, 0.95)
        tail = math.floor(0.025 * 256) / 256
        for shift in np.linspace(-0.2, 0.5, 701):
            refused = min(by_hand(PAIRS, shift), by_hand([-value for value in PAIRS], -shift)) <= tail
            assert refused == (not found.low <= shift <= found.high), shift

    @pytest.mark.parametrize(
        "draw",
        [
            lambda luck, n: luck.normal(0.2, 0.1, n),
            lambda luck, n: 0.2 + luck.standard_cauchy(n),
            lambda luck, n: 0.2 + luck.choice([-1.0, 1.0], n) * luck.exponential(1.0, n),
        ],
    )
    def test_it_covers_the_shift_as_often_as_it_says_and_no_more_often(self, draw: Draw) -> None:
        luck = np.random.default_rng(5)
        found = [paired.effect(draw(luck, 7).tolist(), 0.9) for _ in range(3000)]
        covered = sum(one.low <= 0.2 <= one.high for one in found) / len(found)
        assert covered == pytest.approx(1 - 2 * 6 / 128, abs=0.015)

    def test_its_middle_is_the_median(self) -> None:
        assert paired.effect(PAIRS, 0.95).median == pytest.approx(0.145)

    def test_with_too_few_pairs_it_has_no_bounds(self) -> None:
        found = paired.effect([0.1, 0.2, 0.3, 0.4, 0.5], 0.95)
        assert (found.low, found.high, found.median) == (-math.inf, math.inf, 0.3)
        assert paired.effect([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.95).low == 0.1

    @pytest.mark.parametrize("n", [0, 21])
    def test_no_pairs_and_too_many_are_refused(self, n: int) -> None:
        with pytest.raises(ValueError, match=f"{n} pairs: give 1 to 20"):
            paired.effect([0.0] * n, 0.95)


class TestHolm:
    def test_the_least_counts_as_often_as_there_are_measures_and_order_is_kept(self) -> None:
        assert paired.holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])

    def test_no_p_value_is_above_one(self) -> None:
        assert paired.holm([0.6, 0.7, 0.8]) == [1.0, 1.0, 1.0]

    def test_of_measures_that_are_all_equal_some_is_called_no_more_often_than_the_level_says(self) -> None:
        luck = np.random.default_rng(7)
        wrong = 0
        for _ in range(1500):
            p_values = [paired.p_above(luck.normal(0, 1, 10).tolist(), 0.0) for _ in range(6)]
            wrong += min(paired.holm(p_values)) <= 0.05
        assert wrong / 1500 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)


class TestRatios:
    def test_a_ratio_and_its_inverse_are_equally_far(self) -> None:
        assert paired.log_ratios([1.0, 2.0], [2.0, 1.0]) == pytest.approx([math.log(2), -math.log(2)])

    @pytest.mark.parametrize(
        ("base", "candidate"), [([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [math.inf]), ([1.0], [math.nan])]
    )
    def test_what_makes_no_ratio_is_refused(self, base: list[float], candidate: list[float]) -> None:
        with pytest.raises(ValueError, match=r"pairs|above zero"):
            paired.log_ratios(base, candidate)


class TestPairsNeeded:
    def test_half_the_width_takes_four_times_the_pairs(self) -> None:
        assert paired.pairs_needed(paired.Effect(0.0, -0.2, 0.2, 8), 0.1) == 32

    def test_nobody_knows_without_an_interval(self) -> None:
        assert paired.pairs_needed(paired.Effect(0.0, -math.inf, math.inf, 3), 0.1) is None


class TestSigns:
    @pytest.mark.parametrize(("more", "less", "p"), [(0, 0, 1.0), (5, 0, 1 / 32), (4, 1, 6 / 32), (0, 5, 1.0), (3, 3, 42 / 64)])
    def test_so_often_or_oftener_would_a_coin_fall(self, more: int, less: int, p: float) -> None:
        assert paired.p_more_often(more, less) == p
