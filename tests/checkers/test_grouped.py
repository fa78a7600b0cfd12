"""The array algorithms against plain loops, on random small inputs; and the order judges against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from model.checkers.case import Case
from model.checkers.disagreement import judge_disagreement
from model.checkers.grouped import Filed, Rows, dense, dominated, earliest, first_by, highest_before, matches, place_of, whole
from model.checkers.sessions import FOREVER_US, Intervals
from tests.checkers.planting import Planting

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_highest_before_is_the_maximum_of_what_came_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, at, value = (whole(rng.integers(0, 5, 30)) for _ in range(3))
    query_group, query_at = (whole(rng.integers(0, 6, 20)) for _ in range(2))
    found = highest_before(group, at, value, query_group, query_at)
    for i in range(20):
        before = [value[j] for j in range(30) if group[j] == query_group[i] and at[j] < query_at[i]]
        assert (value[found[i]] if found[i] >= 0 else None) == max(before, default=None)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_before_and_after(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys, rows = whole(rng.integers(0, 4, 15)), whole(np.sort(rng.choice(50, 15, replace=False)))
    query, at = whole(rng.integers(0, 5, 20)), whole(rng.integers(0, 50, 20))
    filed = Rows(keys, rows)
    for k, r, before, after in zip(query, at, filed.before(query, at), filed.after(query, at), strict=True):
        assert before == max((x for x, key in zip(rows, keys, strict=True) if key == k and x < r), default=-1)
        assert after == min((x for x, key in zip(rows, keys, strict=True) if key == k and x > r), default=-1)


def test_nothing_is_found_in_nothing() -> None:
    empty, some = whole([]), whole([1, 2])
    assert Rows(empty, empty).before(some, some).tolist() == [-1, -1]
    assert place_of(empty, some).tolist() == [-1, -1]
    assert highest_before(empty, empty, empty, some, some).tolist() == [-1, -1]
    assert [pair.tolist() for pair in matches(empty, some)] == [[], []]


def test_dense_first_and_earliest() -> None:
    left, right = whole([7, 7, 3, 7]), whole([1, 2, 1, 1])
    assert dense(left, right).tolist() == [1, 2, 0, 1]
    assert first_by(dense(left, right)).tolist() == [0, 1, 2]
    assert earliest(whole([2, 0, 2]), whole([10, 11, 12]), 3).tolist() == [11, -1, 10]


@pytest.mark.parametrize("seed", SEEDS)
def test_dense_numbers_tuples_of_any_numbers_in_rising_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some = [
        rng.integers(0, 3, 40).astype(np.bool_),
        rng.integers(-5, 5, 40).astype(np.int32),
        rng.integers(0, 1 << 64, 40, np.uint64, endpoint=False)[rng.integers(0, 6, 40)],
        rng.integers(-(1 << 62), 1 << 62, 40)[rng.integers(0, 9, 40)],
    ]
    columns = [some[i] for i in rng.permutation(4)[: rng.integers(1, 5)]]
    tuples = list(zip(*(column.tolist() for column in columns), strict=True))
    order = sorted(set(tuples))
    assert dense(*columns).tolist() == [order.index(one) for one in tuples]
    assert first_by(columns[0]).tolist() == [
        at for at, value in enumerate(columns[0].tolist()) if value not in columns[0].tolist()[:at]
    ]


def test_matches_are_all_pairs_of_equal_keys() -> None:
    which, at = matches(whole([1, 1, 4]), whole([4, 1, 9]))
    assert list(zip(which.tolist(), at.tolist(), strict=True)) == [(0, 2), (1, 0), (1, 1)]


def test_intervals_are_half_open() -> None:
    ready = Intervals(whole([1, 1, 2]), whole([10, 30, 5]), whole([20, FOREVER_US, 6]))
    device, at = whole([1, 1, 1, 1, 2, 3]), whole([9, 10, 20, 31, 5, 5])
    assert ready.until_us(device, at).tolist() == [-1, 20, -1, FOREVER_US, 6, -1]
    assert ready.next_begin_us(device, at).tolist() == [10, 30, 30, -1, -1, -1]
    assert ready.meets(whole([1, 1, 2]), whole([20, 15, 6]), whole([29, 16, 9])).tolist() == [False, True, False]


@pytest.mark.parametrize("seed", range(60))
def test_disagreement_is_found_exactly_if_no_one_order_fits_all(seed: int) -> None:
    """Against a search for a message that can come first, then the next, and so on."""
    rng = np.random.default_rng(seed)
    names, devices = "uvwxy", ("b", "c", "d")
    p = Planting("a b c d", {})
    for name in names:
        p.send(name, "a", at=1, ok=1.1)
    orders = []
    for device in devices:
        some = [names[i] for i in rng.permutation(5)[: rng.integers(2, 4)]]
        orders.append(some)
        for place, name in enumerate(some):
            p.shown(name, device, at=2 + place)
    (finding,), _ = judge_disagreement(Case(p.history()))
    assert bool(len(finding.rows)) == (not _mergeable(orders))
    for i in range(len(finding.rows)):
        text, rows = finding.tell(i)
        assert len(rows) == 2 * text.count(" before ") >= 4


def _mergeable(orders: list[list[str]]) -> bool:
    left = [list(order) for order in orders if order]
    while left:
        free = [order[0] for order in left if not any(order[0] in other[1:] for other in left)]
        if not free:
            return False
        left = [rest for order in left if (rest := [name for name in order if name != free[0]])]
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_dominated_counts_what_is_below_in_both(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, queries = int(rng.integers(0, 30)), int(rng.integers(0, 20))
    group, x, y = (whole(rng.integers(0, 5, size)) for _ in range(3))
    query_group, query_x, query_y = (whole(rng.integers(-1, 7, queries)) for _ in range(3))
    found = dominated(group, x, y, query_group, query_x, query_y)
    events = list(zip(group.tolist(), x.tolist(), y.tolist(), strict=True))
    wanted = [
        sum(g == group_ and a < x_ and b < y_ for g, a, b in events)
        for group_, x_, y_ in zip(query_group.tolist(), query_x.tolist(), query_y.tolist(), strict=True)
    ]
    assert found.tolist() == wanted


def test_filed_keeps_the_order_of_items() -> None:
    filed = Filed(whole([3, 1, 3]), whole([7, 8, 9]))
    assert [filed.of(key).tolist() for key in (1, 2, 3)] == [[8], [], [7, 9]]
    assert dict(zip(filed.items.tolist(), filed.places.tolist(), strict=True)) == {7: 0, 8: 0, 9: 1}
