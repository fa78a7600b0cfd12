"""Who is in which conversation, when: certain and possible membership (section 2 of the definitions).

A join is two rows, ``joining`` (asked for) and ``member`` (ok), a leave ``leaving`` and ``left``. Certain membership reaches from ok to
ask, possible membership from ask to ok, so a change whose outcome nobody knows widens only the possible one. Of a pair of which only
the ok was recorded, the ok is both. A conversation without any such row owes nothing to anybody, and forbids nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.checkers.grouped import NONE, Bool, Int, dense, earliest, matches, place_of, whole
from model.checkers.sessions import FOREVER_US, Intervals
from model.history.columns import History
from model.history.schema import Kind


class Stays:
    """Intervals of users in conversations, in parallel arrays sorted by ``conversation``, user and time."""

    def __init__(self, history: History, begins: tuple[Kind, ...], ends: tuple[Kind, ...]) -> None:
        rows = history.rows_of(*begins, *ends)
        conversation, user = whole(history.conversation[rows]), whole(history.user[rows])
        key = dense(conversation, user) if len(rows) else rows
        order = np.argsort(key, kind="stable")
        rows, key = rows[order], key[order]
        on = np.isin(history.kind[rows], begins)
        fresh = np.ones(len(rows), np.bool_)
        fresh[1:] = ~on[:-1] | (key[1:] != key[:-1])
        begin = np.flatnonzero(on & fresh)
        off = np.flatnonzero(~on)
        after = np.searchsorted(off, begin)
        closing = off[np.minimum(after, len(off) - 1)] if len(off) else begin
        closed = (after < len(off)) & (key[closing] == key[begin])
        self.conversation, self.user = conversation[order][begin], user[order][begin]
        self.begin_row = rows[begin]
        self.end_us = np.where(closed, history.t_us[rows[closing]], FOREVER_US)
        """When it ends, ``FOREVER_US`` for never."""


class Members:
    """Devices of members, by conversation."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._width = len(history.names.users) + 1
        registered = history.rows_of(Kind.DEVICE)
        self.registered_row = earliest(whole(history.device[registered]), registered, len(history.names.devices))
        self.user = self._by_registration(history.user)
        self.home = self._by_registration(history.node)
        """By device, its home gateway (a node), -1 for none."""
        certain = Stays(history, (Kind.MEMBER,), (Kind.LEAVING, Kind.LEFT))
        possible = Stays(history, (Kind.MEMBER, Kind.JOINING), (Kind.LEFT,))
        self.governed: Bool = np.zeros(len(history.names.conversations) + 1, np.bool_)
        """By conversation: whether its membership is known."""
        self.governed[history.conversation[history.rows_of(Kind.MEMBER, Kind.JOINING, Kind.LEAVING, Kind.LEFT)]] = True
        self._keys = np.unique(possible.conversation * self._width + possible.user)
        self._certain, self._possible = self._intervals(certain), self._intervals(possible)
        self._devices_by_conversation(certain)

    def _by_registration(self, column: NDArray[np.int32]) -> Int:
        if not len(self._history):
            return self.registered_row
        return np.where(self.registered_row >= 0, column[self.registered_row], NONE).astype(np.int64)

    def _intervals(self, stays: Stays) -> Intervals:
        key = place_of(self._keys, stays.conversation * self._width + stays.user)
        return Intervals(key, self._history.t_us[stays.begin_row], stays.end_us)

    def _key(self, conversation: Int, user: Int) -> Int:
        """The number of a (conversation, user); one that has no intervals where they never were members."""
        key = place_of(self._keys, conversation * self._width + user)
        return np.where((key >= 0) & (user >= 0), key, len(self._keys))

    def _devices_by_conversation(self, stays: Stays) -> None:
        """Every certain membership of a device, sorted by ``conversation``."""
        by_user = np.argsort(self.user, kind="stable")
        stay, at = matches(self.user[by_user], stays.user)
        device = whole(by_user)[at]
        known = self.registered_row[device] >= 0
        stay, device = stay[known], device[known]
        order = np.lexsort((device, stays.conversation[stay]))
        stay = stay[order]
        self.device = device[order]
        self.conversation = stays.conversation[stay]
        self.joined_row = stays.begin_row[stay]
        self.since_row = np.maximum(self.joined_row, self.registered_row[self.device])
        self.until_us = stays.end_us[stay]

    def possibly(self, conversation: Int, user: Int, t_us: Int) -> Bool:
        """Whether each user may be a member at each instant."""
        return self._possible.meets(self._key(conversation, user), t_us, t_us)

    def entitled(self, conversation: Int, device: Int, t_us: Int) -> Bool:
        """Whether each device's user is certainly a member at an instant, as far as membership is known at all."""
        user = self.user[device]
        member = self._certain.meets(self._key(conversation, user), t_us, t_us)
        return member | ~self.governed[conversation] | (user < 0)

    def never(self, conversation: Int, device: Int, t_inv_us: Int, known_us: Int) -> Bool:
        """Whether each device must not see a message that was invoked, and known, at these instants (-1: never known).

        Its user's possible membership ended before, or never was, or, where earlier history is hidden, began after the promise.
        """
        contract, user = self._history.header.contract, self.user[device]
        hides = (known_us >= 0) & contract.history_hidden
        latest_us = np.where(hides, known_us + contract.promise_us, FOREVER_US)
        met = self._possible.meets(self._key(conversation, user), t_inv_us - 1, latest_us)
        return np.asarray(~met & self.governed[conversation] & (user >= 0))
