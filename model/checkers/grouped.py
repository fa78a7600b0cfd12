"""Array algorithms by group: what the judges ask of columns, without a Python loop over rows.

Every function takes parallel arrays of whole numbers, sorts once and answers for all queries together; costs are O(n log n).
Keys are any numbers; they are made dense before they are combined with something else, so products cannot overflow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
NONE = -1
"""An index that points nowhere."""


def whole(values: object) -> Int:
    """As int64."""
    return np.asarray(values, np.int64)


def dense(*columns: NDArray[np.generic]) -> Int:
    """Number the distinct tuples of parallel columns from 0, in rising order; shape (n,)."""
    key, span = _from_zero(columns[0])
    for column in columns[1:]:
        part, width = _from_zero(column)
        if span * width > _KEY_MAX:
            key = _ranks(key, span)
            span = int(key.max(initial=0)) + 1
        key, span = key * width + part, span * width
    return _ranks(key, span)


_KEY_MAX = 1 << 62
_TABLE = 4
"""A table of up to this many entries for each value is quicker than sorting them."""


def _from_zero(column: NDArray[np.generic]) -> tuple[Int, int]:
    """Numbers from 0 in the order of the values, and how many there may be."""
    if not len(column):
        return whole(column), 1
    low, high = int(column.min()), int(column.max())
    if high - low < 1 << 31 and high < 1 << 63:
        return whole(column) - low, high - low + 1
    ranks = whole(np.unique(column, return_inverse=True)[1])
    return ranks, int(ranks.max()) + 1


def _ranks(key: Int, span: int) -> Int:
    """Numbers below ``span`` renumbered without gaps."""
    if span > _TABLE * len(key):
        return whole(np.unique(key, return_inverse=True)[1])
    seen = np.zeros(span, np.bool_)
    seen[key] = True
    return whole((np.cumsum(seen) - 1)[key])


def first_by(keys: NDArray[np.generic]) -> Int:
    """The places at which a key appears for the first time, rising; shape (distinct keys,)."""
    key, span = _from_zero(keys)
    if span > _TABLE * len(key):
        return np.sort(whole(np.unique(key, return_index=True)[1]))
    first = earliest(key, np.arange(len(key)), span)
    return np.sort(first[first != NONE])


def earliest(index: Int, rows: Int, size: int) -> Int:
    """For each of ``size`` things the first of ``rows`` (rising) that speaks of it, -1 for none; ``index`` names it per row."""
    result = np.full(size, NONE, np.int64)
    result[index[::-1]] = rows[::-1]  # of repeated places the last assignment stays
    return result


def place_of(sorted_keys: Int, queries: Int) -> Int:
    """Where each query stands in ``sorted_keys`` (distinct), -1 where it does not."""
    if not len(sorted_keys):
        return np.full(len(queries), NONE, np.int64)
    at = np.minimum(np.searchsorted(sorted_keys, queries), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == queries, at, NONE)


def matches(sorted_keys: Int, queries: Int) -> tuple[Int, Int]:
    """All pairs (place in ``queries``, place in ``sorted_keys``) with equal keys."""
    return spans(np.searchsorted(sorted_keys, queries, "left"), np.searchsorted(sorted_keys, queries, "right"))


def spans(begin: NDArray[np.integer], end: NDArray[np.integer]) -> tuple[Int, Int]:
    """All pairs (i, j) with begin[i] <= j < end[i]."""
    counts = np.maximum(end - begin, 0)
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return whole(which), whole(within + begin[which])


def halves(place: Int) -> Iterator[tuple[Int, Bool]]:
    """Divide and conquer, level by level: for each element the number of its block, and whether it is in the block's lower half.

    Two elements of different places are in different halves of one block at exactly one level.
    """
    for level in range(int(place.max(initial=0)).bit_length()):
        yield place >> (level + 1), (place >> level) & 1 == 0


def numbered(key: Int) -> Int:
    """Of each element its place, from 0, among those of its key, in their order."""
    order = np.argsort(key, kind="stable")
    filed = key[order]
    result = np.empty(len(key), np.int64)
    result[order] = np.arange(len(key)) - np.searchsorted(filed, filed)
    return result


PAIRS_MAX = 1 << 22
"""Pairs that are looked at together where all of them have to be: memory stays bounded, however many there are."""


def blocks(sorted_keys: Int, queries: Int) -> Iterator[tuple[Int, Int]]:
    """The pairs of :func:`matches`, some at a time."""
    low, high = np.searchsorted(sorted_keys, queries, "left"), np.searchsorted(sorted_keys, queries, "right")
    upto = np.cumsum(high - low)
    begin = 0
    while begin < len(queries):
        before = int(upto[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(upto, before + PAIRS_MAX, "right")))
        which, at = spans(low[begin:end], high[begin:end])
        yield which + begin, at
        begin = end


class Rows:
    """Rows filed under keys: the nearest one before or after a given row, and how many before it."""

    __slots__ = ("_codes", "_keys", "_span")

    def __init__(self, keys: Int, rows: Int) -> None:
        self._span = int(rows.max(initial=0)) + 2
        self._keys = np.unique(keys)
        self._codes = np.sort(np.searchsorted(self._keys, keys) * self._span + rows)

    def before(self, keys: Int, rows: Int) -> Int:
        """The last row under each key that is below the given one, -1 for none."""
        group, codes = self._queries(keys, rows)
        at = np.searchsorted(self._codes, codes, "left") - 1
        return self._pick(group, at)

    def after(self, keys: Int, rows: Int) -> Int:
        """The first row under each key that is above the given one, -1 for none."""
        group, codes = self._queries(keys, rows)
        at = np.searchsorted(self._codes, codes, "right")
        return self._pick(group, at)

    def count(self, keys: Int, rows: Int) -> Int:
        """How many rows under each key are below the given one."""
        group, codes = self._queries(keys, rows)
        low = np.searchsorted(self._codes, group * self._span)
        return np.where(group >= 0, np.searchsorted(self._codes, codes, "left") - low, 0)

    def _queries(self, keys: Int, rows: Int) -> tuple[Int, Int]:
        group = place_of(self._keys, keys)
        return group, group * self._span + np.clip(rows, NONE, self._span - 1)

    def _pick(self, group: Int, at: NDArray[np.integer]) -> Int:
        if not len(self._codes):
            return np.full(len(group), NONE, np.int64)
        inside = (group >= 0) & (at >= 0) & (at < len(self._codes))
        code = self._codes[np.where(inside, at, 0)]
        return np.where(inside & (code // self._span == group), code % self._span, NONE)


class Filed:
    """Items under keys, in their order, to be had key by key."""

    __slots__ = ("items", "keys")

    def __init__(self, keys: Int, items: Int) -> None:
        order = np.argsort(keys, kind="stable")
        self.keys, self.items = keys[order], items[order]

    @property
    def places(self) -> Int:
        """Of each item, its place under its key."""
        return whole(np.arange(len(self.keys)) - np.searchsorted(self.keys, self.keys))

    def of(self, key: int) -> Int:
        """The items under a key."""
        low, high = np.searchsorted(self.keys, (key, key + 1))
        return self.items[low:high]


def dominated(group: Int, x: Int, y: Int, query_group: Int, query_x: Int, query_y: Int) -> Int:
    """For each query, how many events of its group have ``x`` and ``y`` below its own; O((n + q) log n).

    A wavelet matrix (Claude, Navarro 2012): events by (group, x), their y bit by bit from the highest; a query narrows its range of places.
    """
    order = np.lexsort((x, group))
    filed, at = group[order], x[order]
    ranks = np.unique(y)
    values, bound = np.searchsorted(ranks, y[order]), np.searchsorted(ranks, query_y)
    low = np.searchsorted(filed, query_group)
    known = place_of(np.unique(group), query_group) >= 0
    codes = dense(np.concatenate([filed, query_group]), np.concatenate([at, query_x])) if len(order) + len(bound) else at
    high = np.where(known, np.searchsorted(codes[: len(order)], codes[len(order) :]), low)
    count = np.zeros(len(bound), np.int64)
    for bit in range(len(ranks).bit_length() - 1, -1, -1):
        ones = (values >> bit) & 1
        zeros = np.concatenate([[0], np.cumsum(1 - ones)])
        taken = (bound >> bit) & 1 == 1
        low_zero, high_zero = zeros[low], zeros[high]
        count += np.where(taken, high_zero - low_zero, 0)
        low = np.where(taken, zeros[-1] + low - low_zero, low_zero)
        high = np.where(taken, zeros[-1] + high - high_zero, high_zero)
        values = np.concatenate([values[ones == 0], values[ones == 1]])
    return count


def highest_earlier(group: Int, value: Int) -> Int:
    """For each element the place of the highest value among the earlier elements of its group, -1 for none."""
    order = np.arange(len(group))
    return highest_before(group, order, value, group, order)


def highest_before(group: Int, at: Int, value: Int, query_group: Int, query_at: Int) -> Int:
    """For each query the event of its group with the highest value among those with ``at`` below ``query_at``; -1 for none.

    Events are sorted together with the queries, and one running maximum goes over all of them: codes of a later group are all higher
    than those of an earlier one, so nothing leaks between groups.
    """
    count = len(value)
    by_rank = np.argsort(value, kind="stable")
    rank = np.empty(count, np.int64)
    rank[by_rank] = np.arange(count)
    groups = dense(np.concatenate([group, query_group]))
    is_event = np.concatenate([np.ones(count, np.int8), np.zeros(len(query_group), np.int8)])
    order = np.lexsort((is_event, np.concatenate([at, query_at]), groups))
    codes = groups * (count + 1)
    codes[:count] += rank + 1
    highest = np.empty(len(codes), np.int64)
    highest[order] = np.maximum.accumulate(codes[order]) % (count + 1) - 1
    found = highest[count:]
    return np.where(found >= 0, by_rank[found] if count else NONE, NONE)


def first_reaching(group: Int, at: Int, value: Int, query_group: Int, query_at: Int, query_value: Int) -> Int:
    """For each query the first event of its group with ``at`` above its own and a value no lower; -1 for none. O((n + q) log n).

    A tree of maxima over the events by (group, at): up from the query's place until a block has such a value, then down to it.
    """
    count = len(group)
    order = np.lexsort((at, group))
    codes = dense(np.concatenate([group, query_group]), np.concatenate([at, query_at])) if count + len(query_at) else at
    begin, end = np.searchsorted(codes[order], codes[count:], "right"), np.searchsorted(group[order], query_group, "right")
    levels = [value[order]]
    while len(levels[-1]) > 1:
        below = levels[-1] if len(levels[-1]) % 2 == 0 else np.append(levels[-1], levels[-1][-1])
        levels.append(np.maximum(below[::2], below[1::2]))
    place, found = whole(begin), np.full(len(query_at), NONE, np.int64)
    for level, highest in enumerate(levels):
        inside = (found == NONE) & (place < end)
        alone = inside & ((place >> level) % 2 == 1) if level + 1 < len(levels) else inside
        has = np.zeros(len(place), np.bool_)
        has[alone] = highest[place[alone] >> level] >= query_value[alone]
        found[has] = level
        place = np.where(alone & ~has, place + (1 << level), place)
    for level in range(len(levels) - 1, 0, -1):
        here = np.flatnonzero(found == level)
        lower = levels[level - 1][place[here] >> (level - 1)] >= query_value[here]
        place[here] += np.where(lower, 0, 1 << (level - 1))
        found[here] = level - 1
    reached = (found >= 0) & (place < end)
    return np.where(reached, order[np.where(reached, place, 0)], NONE) if count else found


def outranked(group: Int, high: Int, low: Int) -> Bool:
    """Whether an earlier element of each one's group has a higher ``high``, yet no higher ``low``; O(n log² n)."""
    result = np.zeros(len(group), np.bool_)
    for block, early in halves(numbered(group)):
        key, late = dense(group, block), np.flatnonzero(~early)
        above = highest_before(key[early], 2 * low[early], high[early], key[late], 2 * low[late] + 1)
        result[late] |= (above >= 0) & (high[early][above] > high[late]) if early.any() else False
    return result


def outranked_from_elsewhere(group: Int, part: Int, high: Int) -> Bool:
    """Whether an earlier element of each one's group, in another part of it, has a higher ``high``; O(n log n log parts)."""
    result, order = np.zeros(len(group), np.bool_), np.arange(len(group))
    for block, lower in halves(dense(part) if len(part) else part):
        key = dense(group, block)
        for mine in (np.flatnonzero(lower), np.flatnonzero(~lower)):
            other = np.setdiff1d(order, mine, assume_unique=True)
            above = highest_before(key[other], order[other], high[other], key[mine], mine)
            result[mine] |= (above >= 0) & (high[other][above] > high[mine]) if len(other) else False
    return result
