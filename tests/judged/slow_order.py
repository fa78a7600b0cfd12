"""The brute-force judge on order: in the log, at a device, between devices, and of cause and effect."""

from __future__ import annotations

from itertools import pairwise, product

from model.history.schema import Via
from tests.judged.facts import Facts
from tests.judged.instances import Found, each_once
from tests.judged.lives import Life, Place, Row
from tests.judged.slow_outcome import overtaken


def _precedes(facts: Facts, one: Life, other: Life) -> bool:
    """Whether a send was over, or under the contract ``pipelined`` only begun, before another was begun."""
    if facts.contract.pipelined:
        return one.committed and one.t_inv < other.t_inv
    return one.ok is not None and one.ok.t < other.t_inv


@each_once
def orders(facts: Facts) -> Found:
    """Order in the log, at a device, and against real time."""
    begun = [life for life in facts.sends if life.begun]
    for x, y in product(begun, begun):
        if x.home != y.home:
            continue
        mine = x.sender == y.sender and _precedes(facts, x, y)
        if x.place and y.place and x.place[0] == y.place[0] and y.place[1] < x.place[1]:
            if mine:
                yield "fifo_log", y.name, y.sender
            if x.ok and x.ok.t < y.t_inv:
                yield "realtime_inversion", y.name, y.sender
        if mine:
            for d in facts.devices:
                first, second = x.shown.get(d), y.shown.get(d)
                if first in facts.orders[d] and second in facts.orders[d] and first and second and second.at < first.at:
                    yield "fifo_live", x.name, d
    for d in facts.devices:
        for row in facts.orders[d]:
            if overtaken(facts, row):
                yield "session_nonmonotonic", row.message, d


@each_once
def disagreements(facts: Facts) -> Found:
    """Contradicting orders: what is on a cycle of "shown before", at devices that show it behind what follows it in the log."""
    before: dict[str, set[str]] = {life.name: set() for life in facts.lives}
    for d, room in product(facts.devices, facts.rooms):
        shown = [r.message for r in facts.orders[d] if r.room == room]
        for x, y in pairwise(shown):
            before[y].add(x)
    past = {name: reached(name, before) for name in before}
    cyclic = {name for name in past if name in past[name]}

    def rank(row: Row) -> tuple[int, int, int]:
        life = facts.life[row.message]
        return (*(life.place or (0, 0)), life.sighted.at if life.sighted else -1)

    for d, room in product(facts.devices, facts.rooms):
        shown_rows = [r for r in facts.orders[d] if r.room == room and r.message in cyclic]
        for at, row in enumerate(shown_rows):
            if any(rank(r) > rank(row) for r in shown_rows[:at]):
                yield "disagreement", row.message, d


def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Everything reachable by at least one edge."""
    result: set[str] = set()
    open_ = [start]
    while open_:
        for name in edges[open_.pop()] - result:
            result.add(name)
            open_.append(name)
    return result


@each_once
def causes(facts: Facts) -> Found:
    """``causal_live``, by the closure of all pairs."""
    begun = [(life, life.begun) for life in facts.sends if life.begun]
    direct: dict[str, set[str]] = {life.name: set() for life, _ in begun}
    for (x, sent), (y, later) in product(begun, begun):
        heard = x.shown.get(y.sender)
        own = x.sender == y.sender and sent.at < later.at
        if (x.home == y.home or facts.contract.causal_across) and x is not y and (own or (heard and heard.at < later.at)):
            direct[y.name].add(x.name)
    for y, _ in begun:
        for x in (facts.life[name] for name in reached(y.name, direct)):
            if x.sender != y.sender and (x.committed if facts.contract.pipelined else x.ok):
                yield from _behind(facts, x, y)


def _behind(facts: Facts, cause: Life, effect: Life) -> Found:
    for d in facts.devices:
        row, shown = effect.shown.get(d), cause.shown.get(d)
        if not row or row.via == Via.BACKFILL or not (facts.owed(cause, d) and facts.owed(effect, d)):
            continue
        if facts.drained if shown is None else shown.via != Via.BACKFILL and shown.at > row.at:
            yield "causal_live", cause.name, d


@each_once
def order_changed(facts: Facts) -> Found:
    """D(d) against the positions in R(d)."""
    for d in facts.devices:
        places: dict[str, Place] = {}
        for (reader, _), back in facts.final.items():
            for row in back.rows:
                if reader == d and row.seq > 0:
                    places.setdefault(row.message, (row.epoch, row.seq))
        for row in facts.orders[d]:
            here = places.get(row.message)
            earlier = [r for r in facts.orders[d] if r.at < row.at and r.room == row.room and r.message in places]
            if here and any(places[r.message][0] == here[0] and places[r.message][1] > here[1] for r in earlier):
                yield "order_changed", row.message, d
