"""Admission: whether a gateway lets a device log in now, and what it tells one that it turns away.

A log-in costs far more than a heartbeat, so after an outage the log-ins of everyone at once can keep a system down that is otherwise
well: it works on attempts whose clients have given up meanwhile. Turning some away early, for the price of one frame, keeps the rest
within their time-out. A gateway asks its policy once for every Connect with a good token:

| policy | lets in |
|---|---|
| ``open`` | everyone |
| ``token_bucket`` | one log-in every ``login_interval_us``, and ``login_burst`` at once after a pause |
| ``bounded_queue`` | as many as leave no more than ``logins_max`` under way, that is let in and not yet answered by business |

What the refused are told, beside ``OVERLOADED``: nothing (``none``), the same wait for all (``fixed``), or each one a place in a line
that moves on every ``login_interval_us`` (``spread``). A hint is an offer, not a reservation: whoever comes back is asked for like anyone.

The bucket is kept as one instant, by the generic cell rate algorithm (ITU-T I.371, 1993): when it would be full again. All times are
integer microseconds; nothing grows with the number of clients.
"""

from __future__ import annotations

from typing import Protocol

from model.core.limits import LOGIN_HINT_MAX_US
from model.core.policies import AdmissionHint, Policies, Timers

ADMITTED = -1
"""The answer to one who may come in; any other is the hint for one who may not, in microseconds, 0 for none."""


class Admission(Protocol):
    """What a gateway asks."""

    def ask(self, now: int) -> int:
        """A device wants to log in: ``ADMITTED``, or the hint."""
        ...

    def over(self) -> None:
        """A log-in that was let in is over: answered, or its connection is gone."""
        ...


class Hints:
    """What the refused are told."""

    __slots__ = ("_fixed_us", "_interval_us", "_kind", "_promised_us")

    def __init__(self, kind: AdmissionHint, timers: Timers) -> None:
        self._kind, self._fixed_us, self._interval_us = kind, timers.login_hint_us, timers.login_interval_us
        self._promised_us = 0
        """The latest instant that somebody was told to come back at."""

    def next_us(self, now: int) -> int:
        """The hint for one more, 0 for none."""
        if self._kind == "none":
            return 0
        if self._kind == "fixed":
            return self._fixed_us
        self._promised_us = min(max(self._promised_us, now) + self._interval_us, now + LOGIN_HINT_MAX_US)
        return self._promised_us - now


class TokenBucket:
    """So many log-ins a second."""

    __slots__ = ("_full_us", "_hints", "_interval_us", "_slack_us")

    def __init__(self, timers: Timers, hints: Hints) -> None:
        self._hints, self._interval_us = hints, timers.login_interval_us
        self._slack_us = (timers.login_burst - 1) * timers.login_interval_us
        self._full_us = 0

    def ask(self, now: int) -> int:
        full_us = max(self._full_us, now)
        if full_us - now > self._slack_us:
            return self._hints.next_us(now)
        self._full_us = full_us + self._interval_us
        return ADMITTED

    def over(self) -> None:
        """Time alone fills the bucket."""


class BoundedQueue:
    """So many log-ins under way."""

    __slots__ = ("_hints", "_max", "_under_way")

    def __init__(self, timers: Timers, hints: Hints) -> None:
        self._hints, self._max, self._under_way = hints, timers.logins_max, 0

    def ask(self, now: int) -> int:
        if self._under_way >= self._max:
            return self._hints.next_us(now)
        self._under_way += 1
        return ADMITTED

    def over(self) -> None:
        self._under_way -= 1


def admission(policies: Policies, timers: Timers) -> Admission | None:
    """The policy of a gateway; None for ``open``, which asks nobody."""
    hints = Hints(policies.admission_hint, timers)
    if policies.admission == "token_bucket":
        return TokenBucket(timers, hints)
    return BoundedQueue(timers, hints) if policies.admission == "bounded_queue" else None
