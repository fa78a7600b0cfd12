"""Intervals hold what they say as often as they say, and bounds on what was never seen are the known ones."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    "asked", [lambda: estimates.mean([1.0]), lambda: estimates.difference([1.0, 2.0], [1.0]), lambda: estimates.share(3, 2)]
)
def test_what_proves_nothing_is_refused(asked: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"replication|share"):
        asked()
