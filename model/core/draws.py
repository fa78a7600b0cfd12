"""Keyed draws: randomness that is an argument, not a stream.

A draw is a pure function of (seed, machine, purpose, counter), so switching one policy does not shift every other draw, and two
runs that differ in one rule share all luck whose counters they share (common random numbers). The mixing function is the finaliser of
SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

from collections.abc import Callable

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15

Draw = Callable[[int, int], float]
"""(purpose, counter) -> a number in [0, 1)."""

# purposes: what a draw decides; numbers are stable, since they are part of the key
BACKOFF, ACK_TIMEOUT, HEARTBEAT_PHASE, LINK_DELAY, LINK_LOSS, ARRIVAL, PAYLOAD, SERVICE_TIME, TOPOLOGY, REFUGE = range(1, 11)
LINK_CLASS, OUTAGE, HANDOVER, CLOCK, STRUCK, DISK, CONNECTION_LIFE = range(20, 27)  # of the simulated world's physics and faults
THINK, KIND, ROOM = range(30, 33)  # of users in a closed loop


def mix(value: int) -> int:
    """SplitMix64's finaliser: a bijection on 64-bit integers that spreads every input bit over the output."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def key(*parts: int) -> int:
    """One 64-bit key from several integers; order matters."""
    result = 0
    for part in parts:
        result = mix((result + part * _GOLDEN + _GOLDEN) & _MASK)
    return result


class _Draws:
    """A draw as an object of its own: a third of a closure's memory, and there is one for each of a million devices."""

    __slots__ = ("_base",)

    def __init__(self, base: int) -> None:
        self._base = base

    def __call__(self, purpose: int, counter: int) -> float:
        return key(self._base, purpose, counter) / 2**64


def draws(seed: int, machine: int) -> Draw:
    """The draws of one machine: a function of purpose and counter."""
    return _Draws(key(seed, machine))
