"""What has to be kept: the contract's retention, by age and by number, and what a sync said is gone.

Where the contract names neither age nor number, the server's word is taken: a span that a sync said is trimmed may be gone. Where it names
one, that is a promise, and what lies within it is missed whatever a sync said. By number, what counts is how many messages that stand
after a message in its conversation had been sent by then: positions of different epochs have no distance.
"""

from __future__ import annotations

from functools import cached_property
from heapq import heappush, heappushpop
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.grouped import NONE, Bool, Int, blocks, dense, whole
from model.checkers.sessions import FOREVER_US
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case


class Retention:
    """Which messages a server may have forgotten, when."""

    def __init__(self, case: Case) -> None:
        contract = case.contract
        self._history, self._sends, self._deliveries = case.history, case.sends, case.deliveries  # not the case, which holds this
        self._age_us, self._number = contract.retention_us, contract.retention_messages
        self._unlimited = self._age_us is None and self._number is None
        self._told = case.history.rows_of(Kind.TRIMMED)
        sends = case.sends
        self._begun_row = np.where(sends.of_the_system, sends.system_row, sends.begun_row)

    @cached_property
    def gone_row(self) -> Int:
        """By message, the row from which on whoever reads its conversation back need not find it."""
        history, count = self._history, self._sends.count
        if not self._unlimited:
            return whole(np.searchsorted(history.t_us, self._lapse_us, "left"))
        every, never = np.arange(count), len(history) + 1
        conversation = whole(history.conversation[self._told])
        return self._first_said(conversation, self._sends.conversation, every, np.full(count, never)) + 1

    def kept(self, message: Int, row: Int) -> Bool:
        """Whether whoever reads a conversation back, up to each row, has to find each message there."""
        return np.asarray(row < self.gone_row[message])

    def trimmed(self, message: Int, device: Int, row: Int) -> Bool:
        """Whether a sync told each device, before each row, that the span with each message is gone, and the contract lets it be."""
        rooms = self._deliveries.room(self._told)
        mine = device * (len(self._history.names.conversations) + 1) + self._sends.conversation[message]
        return self._first_said(rooms, mine, message, row) < row

    def _first_said(self, told_key: Int, key: Int, message: Int, until: Int) -> Int:
        """The first TRIMMED row under the key of each message that covers it, told after it was sent, and allowed; else ``until``."""
        history, (epochs, seqs) = self._history, self._deliveries.position
        order = np.argsort(told_key, kind="stable")
        seq, epoch, begun = seqs[message], epochs[message], self._begun_row[message]
        result = until.copy()
        for which, at in blocks(told_key[order], key):
            row = self._told[order][at]
            covered = (history.value[row] < seq[which]) & (seq[which] < history.seq[row]) & (begun[which] < row)
            covered &= (history.epoch[row] == 0) | (history.epoch[row] == epoch[which])
            which, row = which[covered], row[covered]
            if not self._unlimited:
                lapsed = history.t_us[row] >= self._lapse_us[message[which]]
                which, row = which[lapsed], row[lapsed]
            np.minimum.at(result, which, row)
        return result

    @cached_property
    def _lapse_us(self) -> Int:
        """By message, the instant from which the contract no longer promises it."""
        sends = self._sends
        result = np.full(sends.count, FOREVER_US)
        if self._age_us is not None:
            result = np.minimum(result, sends.told_us + self._age_us + 1)
        return result if self._number is None else np.minimum(result, self._crowded_out_us(self._number))

    def _crowded_out_us(self, number: int) -> Int:
        """By message, the instant at which ``number`` messages that stand after it in its conversation had been sent."""
        sends = self._sends
        order = np.lexsort((self._rank, sends.conversation))[::-1]
        sent_us = np.where(sends.committed | sends.of_the_system, sends.times(self._begun_row), NONE)
        result = np.full(sends.count, FOREVER_US)
        later: list[int] = []  # of the messages behind, the ``number`` that were sent first, negated: the last of them is on top
        conversation = None
        columns = sends.conversation[order], self._rank[order], order, sent_us[order]
        every = zip(*(column.tolist() for column in columns), strict=True)
        for (g, _), together in groupby(every, itemgetter(0, 1)):  # what stands at one place stands behind none of it
            if g != conversation:
                conversation, later = g, []
            here = list(together)
            if len(later) == number:
                result[[m for _, _, m, _ in here]] = -later[0]
            for t_us in (t_us for _, _, _, t_us in here if t_us != NONE):
                (heappushpop if len(later) == number else heappush)(later, -t_us)
        return result

    @cached_property
    def _rank(self) -> Int:
        """By message, its place in its conversation: by position where all have one, else by when it was known."""
        sends, (epoch, seq) = self._sends, self._deliveries.position
        lacking = np.zeros(len(self._history.names.conversations) + 1, np.bool_)
        lacking[sends.conversation[(sends.committed | sends.of_the_system) & (seq == 0)]] = True
        position = dense(epoch, seq) if sends.count else seq
        known = np.where(sends.of_the_system, sends.system_row, sends.known_row)
        return whole(np.where(lacking[sends.conversation], known, position))
