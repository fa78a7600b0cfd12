"""``disagreement``: whether the orders in which devices showed a conversation are parts of one order; if not, a shortest proof.

The graph has the conversation's messages as nodes and, for each device, an edge from every first delivery to the next. A strongly
connected component of more than one message is a contradiction. The proof is a cycle in the orders themselves: with as few devices as
possible, of which two nearly always suffice ("p shows x before y, q shows y before x").
"""

from __future__ import annotations

from collections import deque
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.checkers.findings import Finding, distinct
from model.checkers.grouped import NONE, Bool, Int, dense, highest_earlier, whole

if TYPE_CHECKING:
    from model.checkers.case import Case

PROOF_DEVICES_MAX = 40
"""Devices compared pairwise in search of a proof by two."""
PROOF_STARTS_MAX = 50
"""Messages from which a longer cycle is searched."""


def judge_disagreement(case: Case) -> tuple[tuple[Finding, ...], dict[str, Any]]:
    """Findings, and how far devices are off.

    Where the messages that devices showed after a higher position (``session_nonmonotonic``) are left out and no contradiction
    remains, it was implied by them.
    """
    rows = case.deliveries.ordered
    label = _components(case, rows)
    calm = _components(case, rows[case.deliveries.overtaken_by == NONE])
    cyclic = label >= 0
    own = set(np.unique(label[(calm >= 0) & cyclic]).tolist())
    late, displaced = _displaced(case, rows[cyclic[case.history.message[rows]]])
    component = label[case.history.message[late]]
    implied = np.array([number not in own for number in component.tolist()], np.bool_)
    finding = _finding(case, rows, label, late, implied)
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

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        part = label[history.message[late[i]]]
        mine = rows[label[history.message[rows]] == part]
        cycle = shortest_cycle([mine[history.device[mine] == d] for d in np.unique(history.device[mine])], history.message)
        steps = [
            f"{say.device(int(history.device[x]))} shows {say.message(int(history.message[x]))} ({say.at(x)}) before "
            f"{say.message(int(history.message[y]))} ({say.at(y)})"
            for x, y in cycle
        ]
        count, said = distinct(history.message[mine]), distinct(history.message[whole(sum(cycle, ()))])
        of = f"{said} of {count} messages" if count > said else f"{count} messages"
        return f"{of} in contradicting orders: {', '.join(steps)}", tuple(sum(cycle, ()))

    causes = {"session_nonmonotonic": implied}
    return Finding("disagreement", late, history.message[late], whole(history.device[late]), tell, causes)


# proofs ---------------------------------------------------------------------------------------------------------------------

Step = tuple[int, int]
"""Two rows of one device: it showed the first before the second."""


def shortest_cycle(orders: list[Int], message: Int) -> list[Step]:
    """Steps, each within one device's order, that lead from a message back to itself; as few as possible.

    Args:
        orders: per device the rows of its deliveries, in order.
        message: by row, the message.
    """
    for first, second in combinations(orders[:PROOF_DEVICES_MAX], 2):
        if steps := _by_two(first, second, message):
            return steps
    places = [{int(message[row]): at for at, row in enumerate(order.tolist())} for order in orders]
    starts = list(dict.fromkeys(m for place in places for m in place))[:PROOF_STARTS_MAX]
    cycles = [cycle for start in starts if (cycle := _cycle_from(start, orders, places, message))]
    return min(cycles, key=len, default=[])


def _by_two(first: Int, second: Int, message: Int) -> list[Step]:
    """Two messages that two devices show in opposite orders."""
    common, at_first, at_second = np.intersect1d(message[first], message[second], return_indices=True)
    order = np.argsort(at_first)
    descents = np.flatnonzero(np.diff(at_second[order]) < 0)
    if not len(common) or not len(descents):
        return []
    x, y = order[descents[0]], order[descents[0] + 1]
    return [(int(first[at_first[x]]), int(first[at_first[y]])), (int(second[at_second[y]]), int(second[at_second[x]]))]


def _cycle_from(start: int, orders: list[Int], places: list[dict[int, int]], message: Int) -> list[Step]:
    """Breadth first over "shown later by some device"; each device's order is swept once, from its end to the earliest place reached."""
    swept = [len(order) for order in orders]
    reached: dict[int, tuple[int, Step]] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for number, order in enumerate(orders):
            at = places[number].get(here)
            if at is None:
                continue
            for later in range(at + 1, swept[number]):
                found = int(message[order[later]])
                step = (int(order[at]), int(order[later]))
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
