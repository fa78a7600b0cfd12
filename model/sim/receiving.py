"""How one device gets its messages: it asks now and then, it asks and waits, or it is told. For comparing ways, without the rules.

- *Short polling*: a question every so often, answered at once with whatever there is.
- *Long polling*: a question that is held until there is something or its hold is over (RFC 6202), and asked again upon the answer.
- *Push*: a connection down which each message comes as it is there, acknowledged, and a ping now and then that keeps it alive.

One device on the kernel, with one-way delays from the caller; the server's own time is left out, since it is the same for all ways.
Bytes are counted with TCP and IP headers: each segment and each pure ack has ``HEADER_BYTES``. Connections stay open in all ways; what
it costs to make them, and TLS, is left out. The radio stays awake for ``TAIL_US`` after its last segment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from model.sim.kernel import Kernel

HEADER_BYTES = 40
"""IPv4 and TCP headers without options (RFC 791, RFC 9293)."""
TAIL_US = 11_576_000
"""The tail of LTE's radio after the last segment: mean of measurements in Huang et al., "A Close Examination of Performance and Power
Characteristics of 4G LTE Networks", MobiSys 2012, table 2."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to get messages. Exactly one of the three durations is above 0, in microseconds."""

    interval_us: int = 0
    """Short polling: between two questions."""
    hold_us: int = 0
    """Long polling: for how long a question is held."""
    heartbeat_us: int = 0
    """Push: between two pings."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of what is said, without TCP's headers. A question is a ping under push, an answer without messages a pong."""

    question: int
    answer: int
    message: int
    """Added to an answer by each message in it, or sent down by itself."""
    ack: int = 0
    """A device's ack of a message and the server's confirmation, under push."""


@dataclass(slots=True)
class Got:
    """What a device saw and spent."""

    delays_us: list[int] = field(default_factory=list)
    """Of each message, from its being there to its being seen."""
    questions: int = 0
    bytes: int = 0
    active_us: list[int] = field(default_factory=list)
    """When the radio carried something, in order of time."""

    def awake_share(self, until_us: int, tail_us: int = TAIL_US) -> float:
        """The share of the time until then in which the radio was awake."""
        awake, end = 0, 0
        for t_us in sorted(self.active_us):
            awake += min(t_us + tail_us, until_us) - min(max(t_us, end), until_us)
            end = max(end, t_us + tail_us)
        return awake / until_us

    def wake_ups(self, tail_us: int = TAIL_US) -> int:
        """How often the radio woke up."""
        times = sorted(self.active_us)
        return bool(times) + sum(later - t_us > tail_us for t_us, later in pairwise(times))


class Receiver:
    """One device. ``arrivals_us`` are the instants at which messages for it are there; ``phase_us`` is when it asks first."""

    def __init__(
        self, kernel: Kernel, way: Way, sizes: Sizes, one_way_us: Callable[[], int], arrivals_us: Sequence[int], phase_us: int = 0
    ) -> None:
        self._kernel, self._way, self._sizes, self._one_way_us = kernel, way, sizes, one_way_us
        self.got = Got()
        self._there: list[int] = []
        self._held = 0
        """Number of the question that is held, 0 for none."""
        for t_us in arrivals_us:
            kernel.at(t_us, self._message)
        kernel.at(phase_us, self._ask)

    # the device --------------------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """A question, or a ping."""
        self.got.questions += 1
        self._carried(self._sizes.question)
        self._kernel.at(self._kernel.now + self._one_way_us(), self._question, self.got.questions)
        again_us = self._way.interval_us or self._way.heartbeat_us
        if again_us:
            self._kernel.at(self._kernel.now + again_us, self._ask)

    def _answered(self, messages: list[int]) -> None:
        self._saw(messages, self._sizes.answer)
        if self._way.hold_us:
            self._ask()

    def _pushed(self, messages: list[int]) -> None:
        self._saw(messages, 0)
        self._carried(self._sizes.ack)

    def _saw(self, messages: list[int], answer: int) -> None:
        self.got.delays_us += [self._kernel.now - t_us for t_us in messages]
        self._carried(answer + len(messages) * self._sizes.message)

    def _carried(self, size: int) -> None:
        """A segment and TCP's ack of it."""
        self.got.bytes += size + 2 * HEADER_BYTES
        self.got.active_us.append(self._kernel.now)

    # the server --------------------------------------------------------------------------------------------------------------------

    def _question(self, number: int) -> None:
        self._held = number
        if self._there or not self._way.hold_us:
            self._answer(number)
        else:
            self._kernel.at(self._kernel.now + self._way.hold_us, self._answer, number)

    def _message(self) -> None:
        if self._way.heartbeat_us:
            self._kernel.at(self._kernel.now + self._one_way_us(), self._pushed, [self._kernel.now])
            return
        self._there.append(self._kernel.now)
        if self._way.hold_us:
            self._answer(self._held)

    def _answer(self, number: int) -> None:
        if number and number == self._held:
            self._held = 0
            messages, self._there = self._there, []
            self._kernel.at(self._kernel.now + self._one_way_us(), self._answered, messages)
