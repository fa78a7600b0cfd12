"""What judges find, and how it is told: findings by whole arrays, witnesses for the few that are shown.

A judge returns a :class:`Part`. A finding keeps arrays of all its instances and a function that tells one of them in words; words are made
for the first five only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from model.checkers.grouped import NONE, Bool, Int, whole
from model.history.columns import History
from model.history.schema import NO_POSITION

WITNESSES_MAX = 5


class Witness(msgspec.Struct, frozen=True):
    """The rows that prove one instance of an anomaly, and what they say."""

    text: str
    rows: tuple[int, ...]
    """Row indexes into the history."""
    message: str | None
    """``sending device/client_message_id``."""
    device: str | None


class Anomaly(msgspec.Struct, frozen=True):
    """All instances of one kind, apart from those that another kind explains, which stand in an entry of their own."""

    kind: str
    count: int
    messages: int
    """Distinct messages in it."""
    fails: bool
    """Whether it keeps the run from being valid."""
    witnesses: tuple[Witness, ...]
    """At most five: the first in time, of as many messages as there are."""
    implied_by: str | None = None


Tell = Callable[[int], tuple[str, tuple[int, ...]]]
"""Instance -> its text, and its rows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The instances of one kind. Arrays have shape (instances,); -1 where an instance has no message or device."""

    kind: str
    rows: Int
    """The row at which each shows: where it stands in time."""
    messages: Int
    devices: Int
    tell: Tell
    causes: Mapping[str, Bool] = field(default_factory=dict)
    """Of which instances another kind is the cause; the first that fails the run counts."""
    fails: bool | None = None
    """None: as the contract says."""
    proven: Int | None = None
    """The row at which each is proven, where that is later than the row at which it shows."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one judge says."""

    findings: tuple[Finding, ...] = ()
    measures: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    """Reasons why this judge cannot say; each makes a verdict of "valid" an "unknown"."""


def of_the_run(kind: str, text: str, rows: tuple[int, ...] = (), fails: bool | None = None, proven: int | None = None) -> Finding:
    """A finding of one instance that concerns no message and no device."""
    at = whole([rows[0] if rows else 0])
    none = whole([NONE])
    return Finding(kind, at, none, none, lambda _: (text, rows), fails=fails, proven=None if proven is None else whole([proven]))


class Speech:
    """Names and times, for people. Times are seconds since the load began."""

    __slots__ = ("_epochs", "_history", "_sender")

    def __init__(self, history: History) -> None:
        self._history = history
        self._sender = whole(history.message_sender)
        self._epochs = len(np.unique(history.epoch[history.epoch > 0]))

    def message(self, message: int) -> str:
        """``sending device/client_message_id``."""
        sender = int(self._sender[message])
        names = self._history.names
        return f"{names.devices[sender] if sender >= 0 else 'nobody'}/{names.client_message_ids[message]}"

    def device(self, device: int) -> str:
        """The device's name."""
        return self._history.names.devices[device]

    def node(self, node: int) -> str:
        """The node's name."""
        return self._history.names.nodes[node] if node >= 0 else "no node"

    def conversation(self, conversation: int) -> str:
        """The conversation's name."""
        return self._history.names.conversations[conversation] if conversation >= 0 else "no conversation"

    def seconds(self, t_us: float) -> str:
        """An instant of the run, in whole milliseconds where it is one, else in microseconds: what comes close together stays apart."""
        since = t_us - self._history.header.load_begin_us
        return f"{since / 1e6:.3f} s" if since % 1000 == 0 else f"{since / 1e6:.6f} s"

    def at(self, row: int) -> str:
        """When a row was."""
        return self.seconds(float(self._history.t_us[row]))

    def position(self, epoch: int, seq: int) -> str:
        """A position; its epoch only where the history has several."""
        if seq == NO_POSITION:
            return "no position"
        return f"position {seq} of epoch {epoch}" if self._epochs > 1 else f"position {seq}"

    def place(self, row: int) -> str:
        """The position a row gives."""
        return self.position(int(self._history.epoch[row]), int(self._history.seq[row]))


def distinct(values: Int) -> int:
    """How many different indexes there are, "none" apart."""
    return len(np.unique(values[values >= 0]))
