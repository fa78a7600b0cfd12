"""Cause before effect: ``causal_live``, section 4 of the definitions.

Rules of the file:

- One thing happens before another: on one device, a send or a delivery before a later send; a send before each of its deliveries; closed
  transitively, within one conversation (across all of them, where the contract says so).
- A send's frontier is, for each sending device, how many of its sends lie in the author's past. It is joined at each delivery, so it is
  a prefix for every sender and no pairs are closed.
- At d, every message of the frontier that was ok (under ``pipelined`` also: seen) and is owed to d must have been shown before. One that
  never came is claimed only after a completed drain; one that came by backfill says nothing of order.
- Where a conversation's positions agree with its causes and a device shows in the order of positions without a loss, nothing can be
  wrong there. Nor can it with a message that d showed before all that were sent after it. Both are decided for all devices at once, and
  frontiers are worked out for the rest only: of the senders of messages that may be missing, a block of them at a time.
- What remains quadratic is sends x senders of such messages within one scope, and deliveries x such senders at a device that has them.
  Whether one send lies in another's past is reachability, for which nothing better is known; with few senders to a conversation it is
  linear, with one group in which everybody sends and loses something it is not. Memory is bounded by ``FRONTIERS_MAX``.

The joining of frontiers is that of vector clocks (Fidge 1988, Mattern 1989).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.checkers.findings import Finding, Part
from model.checkers.grouped import (
    NONE,
    Bool,
    Filed,
    Int,
    dense,
    earliest,
    highest_before,
    highest_earlier,
    numbered,
    place_of,
    whole,
)
from model.history.schema import Via

if TYPE_CHECKING:
    from model.checkers.case import Case

DEVICES_MIN = 3
"""Two authors and a third that is owed both: with fewer devices nothing can be wrong."""
FRONTIERS_MAX = 1 << 25
"""Numbers held at a time, 128 MiB, and as much again at one device: sends x senders."""


def judge(case: Case) -> Part:
    """Messages that were not there when what they caused was shown."""
    past = _Past(case)
    found = [part for scope, devices in past.suspects() for part in past.violations(scope, devices)]
    nothing = whole([])
    cause, effect, device = (np.concatenate([nothing, *(part[at] for part in found)]) for at in range(3))
    return Part((_finding(case, cause, effect, device),))


def _finding(case: Case, cause: Int, effect: Int, device: Int) -> Finding:
    """Instances at the row that shows the effect; ``cause`` is a message."""
    order = np.lexsort((cause, effect))
    cause, effect, device = cause[order], effect[order], device[order]
    history, say = case.history, case.say
    came = case.deliveries.first_row(cause, device)

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        m, row, later = int(cause[i]), int(effect[i]), int(came[i])
        text = f"{say.device(int(device[i]))} showed {say.message(int(history.message[row]))} at {say.at(row)}, whose author had seen "
        end = f"which it showed only at {say.at(later)}" if later >= 0 else "which it never showed"
        rows = (int(case.sends.begun_row[m]), row, *([later] if later >= 0 else []))
        return f"{text}{say.message(m)}, {end}", rows

    return Finding("causal_live", effect, cause, device, tell)


class _Past:
    """The sends and first deliveries of each scope: a conversation, or all of them where causes reach across."""

    def __init__(self, case: Case) -> None:
        self._case = case
        sends, history, deliveries = case.sends, case.history, case.deliveries
        sent = np.flatnonzero(sends.scheduled & (sends.begun_row >= 0))
        sent = sent[np.argsort(sends.begun_row[sent], kind="stable")]
        shown = deliveries.first[sends.scheduled[history.message[deliveries.first]]]
        self._sent = Filed(self._scope(sent), sent)
        self._shown = Filed(self._scope(history.message[shown]), shown)
        self._place = np.full(sends.count, NONE, np.int64)
        """By message, its place among the sends of its scope."""
        self._place[self._sent.items] = self._sent.places
        pairs = case.obligations
        known = np.flatnonzero(sends.committed[pairs.message] & ~pairs.trimmed & ((pairs.row >= 0) | pairs.missing))
        self._owed_in, self._owed_at = self._scope(pairs.message[known]), pairs.device[known]
        self._owed, self._came, self._missing = pairs.message[known], pairs.row[known], pairs.missing[known]
        self._claims: Bool = sends.committed if case.contract.pipelined else sends.ok_row >= 0

    def _scope(self, messages: Int) -> Int:
        if self._case.contract.causal_across:
            return np.zeros(len(messages), np.int64)
        return self._case.sends.conversation[messages]

    # where something may be wrong --------------------------------------------------------------------------------------------

    def suspects(self) -> Iterator[tuple[int, list[tuple[int, Int, Int]]]]:
        """Scopes, with their suspicious devices, and at each the messages that may lack there and the rows that show what is owed."""
        if not len(self._owed):
            return
        rooms = dense(self._owed_in, self._owed_at)
        _, first = np.unique(rooms, return_index=True)
        scope, device = self._owed_in[first], self._owed_at[first]
        rank = self._ranks()
        wanted = self._crowded(scope, device) & (np.isin(scope, self._against_positions(rank)) | self._unsettled(rank, rooms))
        effects = self._effects()
        maybe = self._maybe_late(rooms, effects)
        wanted &= np.bincount(rooms[maybe], minlength=len(wanted)) > 0
        causes, shown = Filed(rooms[maybe], self._owed[maybe]), Filed(rooms[effects], self._came[effects])
        for at, devices in _runs(scope[wanted], np.flatnonzero(wanted)):
            yield at, [(int(device[room]), causes.of(room), shown.of(room)) for room in devices.tolist()]

    def _effects(self) -> Int:
        """Of what is owed, what was shown and says something of order, in order of time."""
        shown = np.flatnonzero(self._came >= 0)
        shown = shown[self._case.history.via[self._came[shown]] != Via.BACKFILL] if len(shown) else shown
        return shown[np.argsort(self._came[shown], kind="stable")]

    def _maybe_late(self, rooms: Int, effects: Int) -> Int:
        """Of what is owed, what makes a claim and was not shown before all sent after it; what never came, after the drain only."""
        begun, came, born = self._case.sends.begun_row, self._came, self._born()
        counts = np.full(len(came), self._case.drained)
        counts[came >= 0] = self._case.history.via[came[came >= 0]] != Via.BACKFILL
        some = np.flatnonzero(counts & self._claims[self._owed])
        until = np.where(came[some] >= 0, came[some], len(self._case.history))
        latest = highest_before(rooms[effects], came[effects], begun[self._owed[effects]], rooms[some], until)
        if not len(effects):
            return some[:0]
        return whole(some[(latest >= 0) & (begun[self._owed[effects[latest]]] > born[self._owed[some]])])

    def _born(self) -> Int:
        """By message the row before which it is in nobody's past: its send, or a sighting before that, of it or a later one of its sender.

        Only a clock that is wrong, or a recording without some invocations, shows a message before it was sent.
        """
        begun, sent, history = self._case.sends.begun_row, self._sent.items, self._case.history
        seen = earliest(history.message[self._shown.items], self._shown.items, len(begun))
        born = np.where((seen >= 0) & (seen < begun), seen, begun)
        if len(sent) and (born < begun).any():
            group = dense(self._sent.keys, self._case.sends.sender[sent])
            born[sent] = born[sent[highest_before(group, -begun[sent], -born[sent], group, 1 - begun[sent])]]
        return born

    def _crowded(self, scope: Int, device: Int) -> Bool:
        """Of scopes with their owed devices: which have enough devices, authors or owed ones, for anything to be wrong."""
        senders = self._case.sends.sender[self._sent.items]
        scopes, devices = np.concatenate([self._sent.keys, scope]), np.concatenate([senders, device])
        once = np.unique(dense(scopes, devices), return_index=True)[1]
        return np.asarray(np.bincount(scopes[once])[scope] >= DEVICES_MIN)

    def _ranks(self) -> Int:
        """By message, its place among all positions, by epoch and seq; -1 for none."""
        case = self._case
        return np.where(case.seq > 0, dense(case.epoch, case.seq), NONE)

    def _against_positions(self, rank: Int) -> Int:
        """Scopes in which a send stands below something in its author's past, or something has no position."""
        sends, sent, shown = self._case.sends, self._sent.items, self._shown.items
        message = self._case.history.message[shown]
        lacking = [self._sent.keys[(rank[sent] < 0) & sends.committed[sent]], self._shown.keys[rank[message] < 0]]
        scope = np.concatenate([self._shown.keys, self._sent.keys])
        if self._case.contract.causal_across:
            return np.unique(scope)
        group = dense(scope, np.concatenate([self._case.deliveries.device[shown], sends.sender[sent]]))
        at, value = np.concatenate([shown, sends.begun_row[sent]]), np.concatenate([rank[message], rank[sent]])
        past = highest_before(group, at, value, group[len(shown) :], sends.begun_row[sent])
        below = (past >= 0) & (rank[sent] >= 0) & (value[past] >= rank[sent])
        return np.unique(np.concatenate([*lacking, self._sent.keys[below]]))

    def _unsettled(self, rank: Int, rooms: Int) -> Bool:
        """By room of the obligations: whether its device lacks something, or showed something after a higher position."""
        shown = self._shown.items
        message, device = self._case.history.message[shown], self._case.deliveries.device[shown]
        every = dense(np.concatenate([self._owed_in, self._shown.keys]), np.concatenate([self._owed_at, device]))
        known, mine = np.unique(every[: len(rooms)]), every[len(rooms) :]
        result = np.zeros(len(known), np.bool_)
        result[rooms[self._missing]] = True
        if len(mine):
            order = np.argsort(shown, kind="stable")
            before = highest_earlier(mine[order], rank[message[order]])
            behind = order[(before >= 0) & (rank[message[order][before]] > rank[message[order]])]
            at = place_of(whole(known), mine[behind])
            result[at[at >= 0]] = True
        return result

    # what is wrong -----------------------------------------------------------------------------------------------------------

    def violations(self, scope: int, devices: list[tuple[int, Int, Int]]) -> Iterator[tuple[Int, Int, Int]]:
        """(message, row of the delivery that should have come after it, device), parallel arrays for each device and block of senders."""
        sender, message = self._case.sends.sender, self._case.history.message
        sent, shown = self._sent.of(scope), self._shown.of(scope)
        number = numbered(sender[sent]) + 1
        heard = Filed(self._case.deliveries.device[shown], shown)
        wanted = np.unique(sender[np.concatenate([causes for _, causes, _ in devices])])
        width = max(1, FRONTIERS_MAX // len(sent))
        for begin in range(0, len(wanted), width):
            block = wanted[begin : begin + width]
            frontier = self._frontiers(sent, heard, place_of(block, sender[sent]), number, len(block))
            for device, causes, effects in devices:
                at = place_of(block, sender[causes])
                mine, columns = causes[at >= 0], at[at >= 0]
                used = np.unique(columns)
                if len(mine):
                    past = np.maximum.accumulate(frontier[self._place[message[effects]]][:, used], axis=0)
                    first = _first_with(past, np.searchsorted(used, columns), number[self._place[mine]])
                    yield self._late(device, mine, effects, first)

    def _frontiers(self, sent: Int, heard: Filed, column: Int, number: Int, width: int) -> NDArray[np.int32]:
        """For each send the frontier of its past, its own sender's part left out; shape (sends, senders of a block).

        ``column`` is the place of each send's sender in the block, -1 for none.
        """
        sends = self._case.sends
        result = np.zeros((len(sent), width), np.int32)
        counts = number.astype(np.int32)
        begun, senders = sends.begun_row[sent].tolist(), sends.sender[sent].tolist()
        knows = {sender: np.zeros(width, np.int32) for sender in set(senders)}
        news = {sender: heard.of(sender) for sender in knows}
        sources = {sender: self._place[self._case.history.message[rows]] for sender, rows in news.items()}
        until = dict.fromkeys(knows, 0)
        for at, sender in enumerate(senders):
            low = until[sender]
            high = until[sender] = low + int(np.searchsorted(news[sender][low:], begun[at]))
            mine = knows[sender]
            if high > low:
                source = sources[sender][low:high]
                np.maximum(mine, result[source].max(axis=0), out=mine)
                within = source[column[source] >= 0]
                np.maximum.at(mine, column[within], counts[within])
            result[at] = mine
            if column[at] >= 0:
                mine[column[at]] = counts[at]
        own = np.flatnonzero(column >= 0)
        result[own, column[own]] = 0
        return result

    def _late(self, device: int, causes: Int, effects: Int, first: Int) -> tuple[Int, Int, Int]:
        """The causes that were not there at the first delivery that has them in its past."""
        case = self._case
        came = case.deliveries.first_row(causes, np.full(len(causes), device))
        missing = came < 0
        ordered = missing | (case.history.via[came] != Via.BACKFILL)
        effect = effects[np.minimum(first, len(effects) - 1)]
        wrong = (first < len(effects)) & ordered & np.where(missing, case.drained, came > effect)
        return causes[wrong], effect[wrong], np.full(int(wrong.sum()), device, np.int64)


def _first_with(past: NDArray[np.int32], column: Int, number: Int) -> Int:
    """The first row of a rising ``past`` (rows, senders) that has each (sender, number); its length for none. By halving, all at once."""
    low, high = np.zeros(len(column), np.int64), np.full(len(column), len(past))
    while (open_ := low < high).any():
        middle = (low + high) // 2
        has = past[np.where(open_, middle, 0), column] >= number
        low, high = np.where(open_ & ~has, middle + 1, low), np.where(open_ & has, middle, high)
    return low


def _runs(keys: Int, items: Int) -> Iterator[tuple[int, Int]]:
    """The items under each key."""
    filed = Filed(keys, items)
    for key in np.unique(keys).tolist():
        yield key, filed.of(key)
