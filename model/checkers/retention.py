"""What has to be kept: the contract's retention, by age and by number.

Where the contract names neither, the server's word is taken: what a sync said is trimmed may be gone. Where it names one, that is a
promise, and what lies within it is missed whatever a sync said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.checkers.grouped import Bool, Int
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case


class Retention:
    """Which messages a server may have forgotten."""

    def __init__(self, case: Case) -> None:
        contract = case.contract
        self._age_us, self._number = contract.retention_us, contract.retention_messages
        self._unlimited = self._age_us is None and self._number is None
        self._known_us = case.sends.known_us
        heads = np.zeros(len(case.history.names.conversations) + 1, np.int64)
        np.maximum.at(heads, case.sends.conversation, case.seq)
        self._behind = np.where(case.seq > 0, heads[case.sends.conversation] - case.seq, 0)
        read_us = case.phases.audit_us if case.phases.audit_us >= 0 else case.phases.end_us
        told = _told_gone(case)
        every = np.arange(case.sends.count)
        self.kept: Bool = ~told if self._unlimited else self.promised(every, np.full(len(every), read_us))
        """By message, whether read-backs have to have it."""

    def promised(self, message: Int, t_us: Int) -> Bool:
        """Whether the contract promises that each message is still there at each instant."""
        if self._unlimited:
            return np.zeros(len(message), np.bool_)
        result = np.ones(len(message), np.bool_)
        if self._age_us is not None:
            result &= t_us - self._known_us[message] <= self._age_us
        if self._number is not None:
            result &= self._behind[message] < self._number
        return result


def _told_gone(case: Case) -> Bool:
    """By message, whether any device was told that its position is no longer kept."""
    history = case.history
    rows = history.rows_of(Kind.TRIMMED)
    kept = np.zeros(len(history.names.conversations) + 1, np.int64)
    np.maximum.at(kept, history.conversation[rows], history.seq[rows])
    return (case.seq > 0) & (case.seq < kept[case.sends.conversation])
