"""Intervals hold what they say as often as they say, and bounds on what was never seen are the known ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from model.analysis import estimates


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    luck = np.random.default_rng(1)
    held = sum(5.0 in estimates.mean(luck.normal(5.0, 2.0, 8).tolist(), 0.9) for _ in range(2000))
    assert held / 2000 == pytest.approx(0.9, abs=0.02)


def test_pairs_of_one_seed_tell_a_small_difference_from_a_large_noise() -> None:
    luck = np.random.default_rng(1)
    noise = luck.normal(100.0, 30.0, 20)
    one, other = noise, noise + 1 + luck.normal(0, 0.1, 20)
    paired = estimates.difference(one.tolist(), other.tolist())
    assert 0.0 not in paired
    assert paired.mean == pytest.approx(1.0, abs=0.1)
    assert paired.half_width < 0.1


@pytest.mark.parametrize("n", [10, 100, 10_000])
def test_none_of_n_is_bounded_by_three_over_n(n: int) -> None:
    none = estimates.share(0, n)
    assert none.low == none.mean == 0.0
    assert 0.85 * 3 / n < none.high <= 3 / n
    assert estimates.share(n, n).low == pytest.approx(1 - none.high)


def test_a_share_between_holds_the_truth_at_least_as_often_as_it_says() -> None:
    luck = np.random.default_rng(2)
    held = sum(0.3 in estimates.share(int(luck.binomial(40, 0.3)), 40) for _ in range(1000))
    assert held >= 950


@pytest.mark.parametrize("n", [5, 10, 40])
def test_a_share_holds_the_truth_in_92_and_a_half_of_100_cases_wherever_the_truth_is(n: int) -> None:
    """Exactly, by the binomial distribution: one-sided ends at none and all, two-sided ones between."""
    truths = np.linspace(0.0005, 0.9995, 2_000)
    intervals = [estimates.share(k, n) for k in range(n + 1)]
    chance = np.array([math.comb(n, k) * truths**k * (1 - truths) ** (n - k) for k in range(n + 1)])
    holds = np.array([(truths >= one.low) & (truths <= one.high) for one in intervals])
    least = (chance * holds).sum(axis=0).min()
    assert 0.925 <= least < 0.95


@pytest.mark.parametrize(
    "asked", [lambda: estimates.mean([1.0]), lambda: estimates.difference([1.0, 2.0], [1.0]), lambda: estimates.share(3, 2)]
)
def test_what_proves_nothing_is_refused(asked: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"replication|share"):
        asked()


@pytest.mark.parametrize(
    ("luck", "truth"),
    [
        (lambda rng: rng.normal(3.0, 1.0, 6), 3.0),
        (lambda rng: rng.exponential(2.0, 40), 2.0),
        (lambda rng: rng.uniform(0.0, 1.0, 10), 0.5),
    ],
    ids=["normal", "exponential", "uniform"],
)
def test_how_often_an_interval_holds_the_mean_is_itself_within_its_binomial_interval(
    luck: Callable[[np.random.Generator], np.ndarray], truth: float
) -> None:
    """Of 2,000 intervals of 95 %. Student's is exact for the normal one; of forty exponential ones it holds a little less often."""
    rng, trials = np.random.default_rng(3), 2_000
    held = sum(truth in estimates.mean(luck(rng).tolist()) for _ in range(trials))
    assert estimates.share(held, trials, 0.99).high >= 0.95 - (0.02 if truth == 2.0 else 0.0)
    assert estimates.share(held, trials, 0.99).low <= 0.95


class TestQuantile:
    def test_it_is_the_nearest_rank(self) -> None:
        assert estimates.quantile([float(n) for n in range(100, 0, -1)], 0.5) == 50.0

    def test_it_is_withheld_with_fewer_than_ten_samples_beyond_it(self) -> None:
        samples = [float(n) for n in range(1_000)]
        assert estimates.quantile(samples, 0.99) == 989.0
        assert estimates.quantile(samples[:-1], 0.99) is None
        assert estimates.quantile([], 0.5) is None


class TestWarmUp:
    def series(self, seed: int, *, begin: float, length: int = 2_000) -> list[float]:
        """A first-order autoregression about 10, begun far from it."""
        rng, value, values = np.random.default_rng(seed), begin, []
        for _ in range(length):
            value = 10 + 0.95 * (value - 10) + rng.normal()
            values.append(value)
        return values

    def test_it_covers_what_the_beginning_left_behind(self) -> None:
        cuts = [estimates.warm_up(self.series(seed, begin=200.0)) for seed in range(20)]
        assert all(40 <= cut <= 500 for cut in cuts)  # 190 * 0.95^60 is 9; noise has a deviation of 3

    def test_means_without_it_hold_the_steady_state_and_with_it_do_not(self) -> None:
        runs = [self.series(seed, begin=200.0) for seed in range(20)]
        assert 10.0 in estimates.mean([estimates.steady(run) for run in runs])
        assert 10.0 not in estimates.mean([float(np.mean(run)) for run in runs])

    def test_a_series_that_never_settles_is_refused(self) -> None:
        with pytest.raises(ValueError, match="still changing"):
            estimates.warm_up([float(n) for n in range(1_000)])

    def test_a_few_values_have_none(self) -> None:
        with pytest.raises(ValueError, match="20 at least"):
            estimates.warm_up([1.0] * 19)
