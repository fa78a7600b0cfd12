"""What has to be kept: the contract's retention, by age and by number, and what a sync said is gone.

Where the contract names neither age nor number, the server's word is taken: a span that a sync said is trimmed may be gone. Where it names
one, that is a promise, and what lies within it is missed whatever a sync said. By number, what counts is how many messages that stand
after a message in its conversation had been sent by then: positions of different epochs have no distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.grouped import Bool, Int, dense, dominated, spans, whole
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

PAIRS_MAX = 1 << 22
"""Pairs of a message and a sync's word that are looked at together: memory stays bounded, however often something is said."""


class Retention:
    """Which messages a server may have forgotten, when."""

    def __init__(self, case: Case) -> None:
        contract = case.contract
        self._case = case
        self._age_us, self._number = contract.retention_us, contract.retention_messages
        self._unlimited = self._age_us is None and self._number is None
        self._told = case.history.rows_of(Kind.TRIMMED)

    def kept(self, message: Int, row: Int) -> Bool:
        """Whether whoever reads a conversation back, up to each row, has to find each message there."""
        if not self._unlimited:
            return self.promised(message, self._case.sends.times(row))
        conversation = whole(self._case.history.conversation[self._told])
        return ~self._said(conversation, self._case.sends.conversation[message], message, row)

    def kept_after_the_drain(self, message: Int) -> Bool:
        """The same for R."""
        phases, end = self._case.phases, len(self._case.history)
        if self._unlimited:
            return self.kept(message, np.full(len(message), end))
        read_us = phases.audit_us if phases.audit_us >= 0 else phases.end_us
        return self.promised(message, np.full(len(message), read_us))

    def trimmed(self, message: Int, device: Int, row: Int) -> Bool:
        """Whether a sync told each device, before each row, that the span with each message is gone, and the contract lets it be."""
        rooms = self._case.deliveries.room(self._told)
        mine = device * (len(self._case.history.names.conversations) + 1) + self._case.sends.conversation[message]
        return self._said(rooms, mine, message, row)

    def promised(self, message: Int, t_us: Int) -> Bool:
        """Whether the contract promises that each message is still there at each instant."""
        if self._unlimited:
            return np.zeros(len(message), np.bool_)
        result = np.ones(len(message), np.bool_)
        if self._age_us is not None:
            result &= t_us - self._case.sends.known_us[message] <= self._age_us
        if self._number is not None:
            result &= self._behind(message, t_us) < self._number
        return result

    def _said(self, told_key: Int, key: Int, message: Int, until: Int) -> Bool:
        """Whether a TRIMMED row under the key of each message covers it; told after it was sent, before ``until``, and allowed."""
        case, history = self._case, self._case.history
        order = np.argsort(told_key, kind="stable")
        seq, epoch, begun = case.seq[message], case.epoch[message], case.sends.begun_row[message]
        result = np.zeros(len(message), np.bool_)
        for which, at in _pairs(told_key[order], key):
            row = self._told[order][at]
            covered = (
                (history.value[row] < seq[which]) & (seq[which] < history.seq[row]) & (begun[which] < row) & (row < until[which])
            )
            covered &= (history.epoch[row] == 0) | (history.epoch[row] == epoch[which])
            which, row = which[covered], row[covered]
            result[which[~self.promised(message[which], history.t_us[row])]] = True
        return result

    @cached_property
    def _rank(self) -> Int:
        """By message, its place in its conversation: by position where all have one, else by when it was known."""
        case, sends = self._case, self._case.sends
        lacking = np.zeros(len(case.history.names.conversations) + 1, np.bool_)
        lacking[sends.conversation[sends.committed & (case.seq == 0)]] = True
        position = dense(case.epoch, case.seq) if sends.count else case.seq
        return whole(np.where(lacking[sends.conversation], sends.known_row, position))

    def _behind(self, message: Int, t_us: Int) -> Int:
        """How many messages that stand after each one had been sent at each instant."""
        sends = self._case.sends
        there = np.flatnonzero(sends.committed)
        events = sends.conversation[there], -self._rank[there], sends.t_inv_us[there]
        return dominated(*events, sends.conversation[message], -self._rank[message], t_us + 1)


def _pairs(sorted_keys: Int, queries: Int) -> Iterator[tuple[Int, Int]]:
    """All (place in ``queries``, place in ``sorted_keys``) with equal keys, some at a time."""
    low, high = np.searchsorted(sorted_keys, queries, "left"), np.searchsorted(sorted_keys, queries, "right")
    upto = np.cumsum(high - low)
    begin = 0
    while begin < len(queries):
        before = int(upto[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(upto, before + PAIRS_MAX, "right")))
        which, at = spans(low[begin:end], high[begin:end])
        yield which + begin, at
        begin = end
