"""How far the monotonic clock of another host is from ours, and within what bound that is known.

Processes of one host share CLOCK_MONOTONIC, and nothing needs to be measured. Between hosts these clocks have nothing in common, so they
are compared as NTP does it (RFC 5905, section 8): we note when we ask (t0) and when the answer is there (t1), the other notes when it
answered (t). If both ways took equally long, the other's clock was at t at the middle of t0 and t1; however unequal they were, the
error is at most half the round trip. Of many rounds the one with the shortest trip has the smallest bound, and is taken.

Clocks also go at different rates (tens of microseconds a second are usual). So they are compared again when the run is over, and what the
offset has moved by counts into the bound of everything in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

ROUNDS = 100
"""Of one comparison: some among them find both ends idle."""

Round = tuple[int, int, int]
"""(t0, t, t1): asked and answered on our clock, in between on the other's; nanoseconds."""


class Offset(msgspec.Struct, frozen=True):
    """``offset_ns`` is the other's clock minus ours, wrong by ``bound_ns`` at most."""

    offset_ns: int
    bound_ns: int


class Comparison(msgspec.Struct, frozen=True):
    """What is known of one worker's clock after a run. ``bound_us`` holds for every instant of the run, rounded up."""

    part: int
    host: str
    offset_us: int
    moved_us: int
    bound_us: int


def compare(exchange: Callable[[], Round], rounds: int = ROUNDS) -> Offset:
    """The offset by so many exchanges."""
    return offset(exchange() for _ in range(rounds))


def offset(rounds: Iterable[Round]) -> Offset:
    """By the shortest of some rounds. Raises ValueError for none."""
    t0, t, t1 = min(rounds, key=lambda one: one[2] - one[0])
    return Offset(t - (t0 + t1) // 2, -(-(t1 - t0) // 2))


def concluded(part: int, host: str, before: Offset, after: Offset) -> Comparison:
    """The clock of a run that was played by the offset ``before``, and compared again ``after``."""
    moved_ns = after.offset_ns - before.offset_ns
    bound_ns = max(before.bound_ns, abs(moved_ns) + after.bound_ns)
    return Comparison(part, host, before.offset_ns // 1000, round(moved_ns / 1000), -(-bound_ns // 1000))
