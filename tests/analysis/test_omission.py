"""The correction for an expected interval puts back what a standstill kept a closed loop from sending, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from model.analysis.omission import filled_in


def test_a_wait_of_three_and_a_half_intervals_left_three_sends_out() -> None:
    assert filled_in(np.array([35.0]), 10).tolist() == [5, 15, 25, 35]


def test_who_waits_no_longer_than_an_interval_left_nothing_out() -> None:
    assert filled_in(np.array([3.0, 10.0, 0.0]), 10).tolist() == [0, 3, 10]


def test_every_wait_is_filled_in_by_itself() -> None:
    assert filled_in(np.array([21.0, 1.0, 35.0]), 10).tolist() == [1, 1, 5, 11, 15, 21, 25, 35]
    assert filled_in(np.zeros(0), 10).size == 0


def test_a_standstill_asked_by_a_closed_loop_becomes_that_of_an_open_load() -> None:
    """One user, a send each 10 ms that takes nothing, a standstill of a second: 1 wait of a second in place of 100 of up to one."""
    closed = np.concatenate([np.zeros(1_100), [1000.0]])
    opened = np.concatenate([np.zeros(1_100), np.arange(10, 1010, 10)])
    assert np.quantile(closed, 0.99) == 0
    assert np.array_equal(np.sort(opened), filled_in(closed, 10))


def test_without_an_interval_there_is_nothing_to_go_by() -> None:
    with pytest.raises(ValueError, match="an interval of 0"):
        filled_in(np.array([1.0]), 0)
