"""The array algorithms against plain loops, on random small inputs; and the order judges against all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from model.checkers import causes, disagreement, judge
from model.checkers.case import Case
from model.checkers.disagreement import judge_disagreement, shortest_cycle
from model.checkers.grouped import (
    Filed,
    Int,
    Rows,
    dense,
    dominated,
    earliest,
    first_by,
    first_reaching,
    halves,
    highest_before,
    matches,
    numbered,
    outranked,
    outranked_from_elsewhere,
    place_of,
    whole,
)
from model.checkers.sessions import FOREVER_US, Intervals
from model.history.schema import SendClass
from tests.checkers.planting import Planting
from tests.corpus import files

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
    found = zip(query, at, filed.before(query, at), filed.after(query, at), filed.count(query, at), strict=True)
    for k, r, before, after, count in found:
        assert count == sum(key == k and x < r for x, key in zip(rows, keys, strict=True))
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


@pytest.mark.parametrize("seed", range(150))
def test_disagreement_is_implied_exactly_if_it_rests_on_pairs_that_positions_contradict(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names, devices = "uvwxy", "bcd"
    places = {name: (int(rng.integers(1, 3)), int(rng.integers(0, 5))) for name in names}
    p = Planting("a b c d")
    for name, (epoch, pos) in places.items():
        p.send(name, "a", at=1, ok=1.1, pos=pos, epoch=epoch)
    orders = [[names[i] for i in rng.permutation(5)[: rng.integers(2, 6)]] for _ in devices]
    for device, order in zip(devices, orders, strict=True):
        for place, name in enumerate(order):
            p.shown(name, device, at=2 + place)
    (finding,), _ = judge_disagreement(case := Case(p.history()))
    pairs = {pair for order in orders for pair in combinations(order, 2)}
    parts = _knots(pairs)
    kept = {(x, y) for x, y in pairs if not (places[x][0] == places[y][0] and places[x][1] > places[y][1] > 0)}
    tied = {name for part in _knots(kept) for name in part}
    for message, implied in zip(finding.messages.tolist(), finding.causes["session_nonmonotonic"].tolist(), strict=True):
        (part,) = (part for part in parts if case.history.names.client_message_ids[message] in part)
        assert implied == (not part & tied)


def _knots(pairs: set[tuple[str, str]]) -> list[set[str]]:
    """The sets of names that lead to one another."""
    closed = set(pairs)
    for middle in {name for pair in pairs for name in pair}:
        closed |= {(x, y) for x, to in closed if to == middle for of, y in closed if of == middle}
    knots = [{y for of, y in closed if of == x and (y, x) in closed} for x in sorted({x for x, _ in closed})]
    return [knot for at, knot in enumerate(knots) if knot and knot not in knots[:at]]


def test_too_many_deliveries_leave_nothing_implied(monkeypatch: pytest.MonkeyPatch) -> None:
    history = files.named("17a_contradicting_orders_across_epochs_beside_one_of_positions")
    monkeypatch.setattr(disagreement, "REMAINDER_ROWS_MAX", 1)
    (finding,), _ = judge_disagreement(Case(history))
    assert not finding.causes["session_nonmonotonic"].any()


def test_displacement_is_how_many_places_the_worst_came_too_late() -> None:
    p = Planting("a b c")
    p.unordered_read_back()
    for name in "xyz":
        p.send(name, "a", at=1, ok=1.1, kind=SendClass.MAY_BE_SHED)
    for device, order in (("b", "xyz"), ("c", "yzx")):
        for place, name in enumerate(order):
            p.shown(name, device, at=2 + place + (device == "c") * 10)
    (finding,), details = judge_disagreement(Case(p.history()))
    assert [len(finding.rows), details["disagreeing_orders"], details["displacement_max"]] == [1, 1, 2]


def ring(count: int) -> tuple[list[Int], Int]:
    """Orders of two, each message before the next, the last before the first; and by row its message."""
    message = whole([m for first in range(count) for m in (first, (first + 1) % count)])
    return np.split(np.arange(2 * count), count), message


def test_the_cycle_of_a_ring_goes_all_the_way_round() -> None:
    orders, message = ring(7)
    cycle = shortest_cycle(orders, message)
    assert len(cycle) == 7
    assert {(int(message[x]), int(message[y])) for x, y in cycle} == {(m, (m + 1) % 7) for m in range(7)}


def test_a_search_that_takes_long_ends_with_the_first_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    class Watched(disagreement._Search):
        def cycle_from(self, start: int) -> list[disagreement.Step]:
            looked_at.append(start)
            return super().cycle_from(start)

    monkeypatch.setattr(disagreement, "_Search", Watched)
    monkeypatch.setattr(disagreement, "PROOF_STEPS_MAX", 1)
    orders, message = ring(7)
    assert len(shortest_cycle(orders, message)) == 7
    assert len(looked_at) == 1


def test_a_contradiction_is_searched_once_for_all_its_witnesses(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    def watched(orders: list[Int], message: Int) -> list[disagreement.Step]:
        searched.append(len(orders))
        return shortest_cycle(orders, message)

    monkeypatch.setattr(disagreement, "shortest_cycle", watched)
    (finding,), _ = judge_disagreement(Case(files.named("18_three_recipients_in_a_ring")))
    assert {finding.tell(i) for i in [*range(len(finding.rows)), 0]}
    assert len(searched) == 1


@pytest.mark.parametrize("name", [name for name, entry in files.PLANTED.items() if "causal_live" in entry.raises])
def test_causes_are_the_same_in_blocks_of_one_sender(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_ = judge(files.named(name))
    monkeypatch.setattr(causes, "FRONTIERS_MAX", 1)
    assert judge(files.named(name)) == whole_


def test_a_cause_may_be_seen_before_the_first_trace_of_its_send() -> None:
    p = Planting()
    p.intends("question", "a", at=1)
    p.shown("question", "b", at=1.1)
    p.message("answer", "b", at=2)
    p.ok("question", 2.4)
    p.shown("question", "c", at=2.5)
    (finding,) = causes.judge(case := Case(p.history())).findings
    assert [case.say.message(message) for message in finding.messages.tolist()] == ["a/question"]


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


@pytest.mark.parametrize("seed", SEEDS)
def test_first_reaching_is_the_next_that_is_high_enough(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, queries = int(rng.integers(0, 40)), int(rng.integers(0, 20))
    group, at, value = whole(rng.integers(0, 4, size)), whole(rng.permutation(size)), whole(rng.integers(0, 9, size))
    query_group, query_at, query_value = (whole(rng.integers(-1, high, queries)) for high in (5, 42, 11))
    found = first_reaching(group, at, value, query_group, query_at, query_value)
    for i in range(queries):
        later = [
            (at[j], j) for j in range(size) if group[j] == query_group[i] and at[j] > query_at[i] and value[j] >= query_value[i]
        ]
        assert found[i] == (min(later)[1] if later else -1)


@pytest.mark.parametrize("seed", SEEDS)
def test_outranked_by_an_earlier_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(0, 30))
    group, part, high, low = (whole(rng.integers(0, most, size)) for most in (3, 4, 6, 6))
    found, elsewhere = outranked(group, high, low), outranked_from_elsewhere(group, part, high)
    for i in range(size):
        above = [j for j in range(i) if group[j] == group[i] and high[j] > high[i]]
        assert found[i] == any(low[j] <= low[i] for j in above)
        assert elsewhere[i] == any(part[j] != part[i] for j in above)


def test_any_two_places_are_in_different_halves_of_one_block_once() -> None:
    place = whole([5, 0, 3, 2, 9])
    for x, y in combinations(range(5), 2):
        assert sum(block[x] == block[y] and lower[x] != lower[y] for block, lower in halves(place)) == 1
    assert numbered(whole([7, 3, 7, 7, 3])).tolist() == [0, 0, 1, 2, 1]
