"""``disagreement``: whether the orders in which devices showed a conversation are parts of one order; if not, a shortest proof.

The graph has the conversation's messages as nodes and, for each device, an edge from every first delivery to the next. A strongly
connected component of more than one message is a contradiction. The proof is a cycle in the orders themselves: with as few devices as
possible, of which two nearly always suffice ("p shows x before y, q shows y before x").

A contradiction is implied by ``session_nonmonotonic`` where none remains without the pairs that it names: x before y at one device, of one
epoch, x at the higher position. What remains at a device is no total order, so consecutive pairs do not stand for it any more; nodes that
stand for "shown by then" and "of a position up to this", at each level of a division of the order into halves, do so in O(n log n). Where
every message of a contradiction has one position of one epoch and no two have the same, nothing can remain, and nothing is built.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.checkers.findings import Finding, distinct
from model.checkers.grouped import NONE, Bool, Filed, Int, dense, first_by, halves, highest_earlier, numbered, whole

if TYPE_CHECKING:
    from model.checkers.case import Case

PROOF_DEVICES_MAX = 40
"""Devices compared pairwise in search of a proof by two."""
PROOF_STARTS_MAX = 50
"""Messages from which a longer cycle is searched."""
PROOF_STEPS_MAX = 1_000_000
"""Deliveries looked at in that search, about a second; the search from one message is always finished."""
REMAINDER_ROWS_MAX = 300_000
"""Deliveries at devices with pairs left out, for which what remains is worked out: 1 GiB, four seconds. Of more, nothing is implied."""


def judge_disagreement(case: Case) -> tuple[tuple[Finding, ...], dict[str, Any]]:
    """Findings, and how far devices are off."""
    rows = case.deliveries.ordered
    label = _components(case, rows)
    cyclic = label >= 0
    inside = cyclic[case.history.message[rows]]
    own = _remaining(case, rows[inside], case.deliveries.overtaken_by[inside] != NONE, label)
    late, displaced = _displaced(case, rows[inside])
    component = label[case.history.message[late]]
    finding = _finding(case, rows, label, late, ~np.isin(component, own))
    details = {"disagreeing_orders": len(np.unique(component)), "displacement_max": int(displaced.max(initial=0))}
    return (finding,), details


def _edges(case: Case, rows: Int) -> tuple[Int, Int]:
    """Consecutive first deliveries of one conversation at one device, as messages."""
    history = case.history
    group = dense(history.device[rows], history.conversation[rows])
    order = np.argsort(group, kind="stable")
    message = history.message[rows][order]
    same = group[order][1:] == group[order][:-1]
    return message[:-1][same], message[1:][same]


def _components(case: Case, rows: Int) -> Int:
    """By message, the number of the contradiction it is part of, -1 for none."""
    count = case.sends.count
    if not len(rows):
        return np.full(count, NONE, np.int64)
    tail, head = _edges(case, rows)
    graph = coo_array((np.ones(len(tail), np.int8), (tail, head)), shape=(count, count)).tocsr()
    _, label = connected_components(graph, directed=True, connection="strong")
    return np.where(np.bincount(label)[label] > 1, whole(label), NONE)


# what remains without the pairs that positions contradict -------------------------------------------------------------------------


def _remaining(case: Case, rows: Int, late: Bool, label: Int) -> Int:
    """The contradictions that remain without the pairs that ``session_nonmonotonic`` names.

    Args:
        rows: first deliveries of contradicting messages.
        late: which of them it names.
        label: by message, its contradiction.
    """
    epoch, seq = case.deliveries.placed(rows)
    message = whole(case.history.message[rows])
    part = label[message]
    open_ = ~_settled_by_positions(part, message, epoch, seq)[part] if len(rows) else late
    late = late[open_]
    rows, epoch, seq, part, message = (column[open_] for column in (rows, epoch, seq, part, message))
    if not len(rows):
        return rows
    line = dense(case.history.device[rows], part)
    bent = (np.bincount(line[late], minlength=int(line.max()) + 1) > 0)[line]
    if int(bent.sum()) > REMAINDER_ROWS_MAX:
        return np.unique(part)
    tails, heads = zip(_consecutive(line, message, ~bent), *_kept(line, message, epoch, seq, bent, case.sends.count), strict=True)
    tail, head = np.concatenate(tails), np.concatenate(heads)
    count = int(max(tail.max(initial=0), head.max(initial=0), case.sends.count)) + 1
    graph = coo_array((np.ones(len(tail), np.int8), (tail, head)), shape=(count, count)).tocsr()
    found = whole(connected_components(graph, directed=True, connection="strong")[1])
    return np.unique(part[np.bincount(found)[found[message]] > 1])


def _settled_by_positions(part: Int, message: Int, epoch: Int, seq: Int) -> Bool:
    """By contradiction, whether each of its messages has one position, all are of one epoch and no two are the same: then none remains."""
    at = dense(part, epoch, seq)
    pairs = first_by(dense(message, at))
    size = int(part.max()) + 1
    once = np.ones(size, np.bool_)
    once[part[(seq == 0) | (epoch != epoch[np.unique(part, return_index=True)[1]][dense(part)])]] = False
    for key in (message, at):
        once[part[pairs][np.bincount(key[pairs])[key[pairs]] > 1]] = False
    return once


def _consecutive(line: Int, message: Int, some: Bool) -> tuple[Int, Int]:
    """Edges from every element of a line to the next."""
    at = np.flatnonzero(some)
    order = at[np.argsort(line[at], kind="stable")]
    same = line[order][1:] == line[order][:-1]
    return message[order[:-1][same]], message[order[1:][same]]


def _kept(line: Int, message: Int, epoch: Int, seq: Int, bent: Bool, fresh: int) -> Iterator[tuple[Int, Int]]:
    """Edges, over nodes numbered from ``fresh``, that connect x to a later y of its line unless x has the higher position of one epoch."""
    at = np.flatnonzero(bent)
    line, message, seq, part = line[at], message[at], seq[at], dense(np.where(seq[at] > 0, epoch[at], NONE)) if len(at) else at
    place = numbered(line)
    yield _consecutive(line, message, seq == 0)
    chains = []
    for block, early in halves(place):
        chains.append((np.where(seq > 0, dense(line, part, block), NONE), 2 * seq + ~early, early, ~early))
    for block, lower in halves(part):
        chains += [(dense(line, block), place, lower, ~lower), (dense(line, block), place, ~lower, lower)]
    for key, rank, enters, leaves in chains:
        order = np.lexsort((rank, key))
        order = order[key[order] >= 0]
        node = np.full(len(at), NONE, np.int64)
        node[order] = fresh + np.arange(len(order))
        same = key[order][1:] == key[order][:-1]
        enters, leaves = enters & (node >= 0), leaves & (node >= 0)
        yield node[order[:-1][same]], node[order[1:][same]]
        yield message[enters], node[enters]
        yield node[leaves], message[leaves]
        fresh += len(order)


# how far devices are off ----------------------------------------------------------------------------------------------------------


def _displaced(case: Case, rows: Int) -> tuple[Int, Int]:
    """Deliveries that came after one that follows them in the reference order, and by how many places the worst did.

    The reference is the log where a message has a position, and the order of first sightings where it has none.
    """
    history = case.history
    message = history.message[rows]
    reference = np.lexsort((case.sends.seen_row[message], case.seq[message], case.epoch[message]))
    _, first_place = np.unique(message[reference], return_index=True)
    rank = whole(first_place)[np.searchsorted(np.unique(message), message)] if len(message) else message
    group = dense(history.device[rows], history.conversation[rows])
    before = highest_earlier(group, rank)
    late = np.flatnonzero((before >= 0) & (rank[before] > rank)) if len(rows) else whole([])
    return rows[late], _places(group, rank, late)


def _places(group: Int, rank: Int, late: Int) -> Int:
    """How many places each late delivery is behind where its device's own deliveries, sorted, would have it."""
    if not len(group):
        return late
    shown = np.argsort(group, kind="stable")
    proper = np.lexsort((rank, group))
    place = np.empty(len(group), np.int64)
    place[shown] = np.arange(len(group))
    due = np.empty(len(group), np.int64)
    due[proper] = np.arange(len(group))
    return (place - due)[late]


def _finding(case: Case, rows: Int, label: Int, late: Int, implied: Bool) -> Finding:
    history, say = case.history, case.say
    proofs = _Proofs(rows, history.message, whole(history.device), label)

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        count, cycle = proofs.of(int(label[history.message[late[i]]]))
        steps = [
            f"{say.device(int(history.device[x]))} shows {say.message(int(history.message[x]))} ({say.at(x)}) before "
            f"{say.message(int(history.message[y]))} ({say.at(y)})"
            for x, y in cycle
        ]
        proof = tuple(row for step in cycle for row in step)
        said = distinct(history.message[whole(proof)])
        of = f"{said} of {count} messages" if count > said else f"{count} messages"
        return f"{of} in contradicting orders: {', '.join(steps)}", proof

    causes = {"session_nonmonotonic": implied}
    return Finding("disagreement", late, history.message[late], whole(history.device[late]), tell, causes)


# proofs ---------------------------------------------------------------------------------------------------------------------

Step = tuple[int, int]
"""Two rows of one device: it showed the first before the second."""


class _Proofs:
    """A cycle for each contradiction that is told, searched once."""

    def __init__(self, rows: Int, message: Int, device: Int, label: Int) -> None:
        self._message, self._device = message, device
        part = label[message[rows]]
        self._rows = Filed(part[part >= 0], rows[part >= 0])
        self._known: dict[int, tuple[int, list[Step]]] = {}

    def of(self, part: int) -> tuple[int, list[Step]]:
        """How many messages a contradiction has, and the steps of its proof."""
        if part not in self._known:
            mine = self._rows.of(part)
            mine = mine[np.argsort(self._device[mine], kind="stable")]
            orders = np.split(mine, np.flatnonzero(np.diff(self._device[mine])) + 1)
            self._known[part] = distinct(self._message[mine]), shortest_cycle(orders, self._message)
        return self._known[part]


def shortest_cycle(orders: list[Int], message: Int) -> list[Step]:
    """Steps, each within one device's order, that lead from a message back to itself; as few as possible.

    Two devices are tried first, each pair of the first ``PROOF_DEVICES_MAX``; then longer cycles, breadth first, from some messages.

    Args:
        orders: per device the rows of its deliveries, in order.
        message: by row, the message.
    """
    names, local = np.unique(message[np.concatenate(orders)], return_inverse=True)
    shown = np.split(whole(local), np.cumsum([len(order) for order in orders])[:-1])
    if steps := _by_two(orders[:PROOF_DEVICES_MAX], shown, len(names)):
        return steps
    search = _Search(orders, shown)
    best: list[Step] = []
    for start in list(dict.fromkeys(m for line in shown for m in line[: PROOF_STARTS_MAX + 1].tolist()))[:PROOF_STARTS_MAX]:
        if search.steps > PROOF_STEPS_MAX and best:
            break
        cycle = search.cycle_from(start)
        best = min((best, cycle), key=len) if best and cycle else best or cycle
    return best


def _by_two(orders: list[Int], shown: list[Int], count: int) -> list[Step]:
    """Two messages that two devices show in opposite orders."""
    for second in range(len(orders)):
        place = np.full(count, NONE, np.int64)
        place[shown[second]] = np.arange(len(shown[second]))
        for first in range(second):
            common = np.flatnonzero(place[shown[first]] >= 0)
            there = place[shown[first][common]]
            descents = np.flatnonzero(np.diff(there) < 0)
            if len(descents):
                x, y = common[descents[0]], common[descents[0] + 1]
                back = (int(orders[second][place[shown[first][y]]]), int(orders[second][place[shown[first][x]]]))
                return [(int(orders[first][x]), int(orders[first][y])), back]
    return []


class _Search:
    """Breadth first over "shown later by some device"; each device's order is swept once, from its end to the earliest place reached."""

    def __init__(self, orders: list[Int], shown: list[Int]) -> None:
        self._rows, self._shown = [order.tolist() for order in orders], [line.tolist() for line in shown]
        self._places: dict[int, list[Step]] = {}
        for number, line in enumerate(self._shown):
            for at, found in enumerate(line):
                self._places.setdefault(found, []).append((number, at))
        self.steps = 0

    def cycle_from(self, start: int) -> list[Step]:
        """A cycle of fewest steps through a message; none if it is on none."""
        swept = [len(line) for line in self._shown]
        reached: dict[int, tuple[int, Step]] = {}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for number, at in self._places[here]:
                line, rows = self._shown[number], self._rows[number]
                self.steps += 1 + max(0, swept[number] - at - 1)
                for later in range(at + 1, swept[number]):
                    found, step = line[later], (rows[at], rows[later])
                    if found == start:
                        return [*_path(here, start, reached), step]
                    if found not in reached:
                        reached[found] = (here, step)
                        queue.append(found)
                swept[number] = min(swept[number], at + 1)
        return []


def _path(end: int, start: int, reached: dict[int, tuple[int, Step]]) -> list[Step]:
    steps: list[Step] = []
    while end != start:
        end, step = reached[end]
        steps.append(step)
    return steps[::-1]
