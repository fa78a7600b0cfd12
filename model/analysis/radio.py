"""What heartbeats cost a battery: wake-ups of a radio, its time awake, its energy and the bytes, by device and hour.

A radio that has slept is *promoted* before it can send, and stays awake for its *tail* after the last byte, in case more
comes; both cost far more than a few bytes on the air do. So a heartbeat costs what its wake-up and its tail cost, however
short it is, unless the tail of the one before still lasts: the energy of heartbeats is that of a renewal process, and past
the tail it falls as one over their interval.

The figures are the power model that Huang, Qian, Gerber, Mao, Sen and Spatscheck measured on one phone: "A Close
Examination of Performance and Power Characteristics of 4G LTE Networks", MobiSys 2012, table 4 (promotion, tail; the 3G
tail is that of DCH, then of FACH). Newer radios save power within the tail (DRX) and differ by operator; a :class:`Radio`
of one's own takes other figures. Sending itself is left out: at these sizes it is milliseconds. A promotion is counted
beside the tails, not within them. Screen, CPU and what else a wake-up of an operating system costs is not the radio's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Radio:
    """Power in milliwatts, time in microseconds. A tail has one or several stages, pairs of its power and its length."""

    promotion_mw: float
    promotion_us: int
    tail: tuple[tuple[float, int], ...]

    @property
    def tail_us(self) -> int:
        """How long it stays awake after the last byte."""
        return sum(length for _, length in self.tail)

    def tail_mj(self, awake_us: float) -> float:
        """Millijoules of a tail that is cut off after ``awake_us`` by the next transmission, or lasts to its end."""
        energy, left = 0.0, awake_us
        for power_mw, length in self.tail:
            energy += power_mw * min(left, length) / 1e6
            left = max(0.0, left - length)
        return energy


RADIOS: dict[str, Radio] = {
    "4g": Radio(1210.7, 260_100, ((1060.0, 11_576_000),)),
    "3g": Radio(659.4, 582_100, ((803.9, 8_088_200), (601.3, 824_200))),
    "wifi": Radio(124.4, 79_100, ((119.3, 238_100),)),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one device in an hour."""

    wake_ups: float
    awake_s: float
    joules: float
    bytes: float


def of_heartbeats(radio: Radio, interval_us: int, bytes_each: int, hour_us: int = HOUR_US) -> Cost:
    """A ping and its pong every ``interval_us``, nothing else; ``bytes_each`` is that of both with their headers.
    ``ValueError`` for no interval.

    With an interval longer than the tail every heartbeat wakes the radio; else it never sleeps, and each interval costs its
    length of tail."""
    if interval_us <= 0:
        raise ValueError(f"an interval of {interval_us} us: heartbeats need one above 0")
    beats = hour_us / interval_us
    wakes = beats if interval_us > radio.tail_us else 0.0
    stays_us = min(interval_us, radio.tail_us)
    return _cost(radio, wakes, beats * stays_us, beats * radio.tail_mj(stays_us), beats * bytes_each)


def of_traffic(radio: Radio, sent_us: Sequence[int], bytes_total: int, span_us: int) -> Cost:
    """What was sent or received at these instants (sorted) within ``span_us``, scaled to an hour: for a run, whose messages
    keep a radio awake for its heartbeats, too."""
    gaps = [*(after - before for before, after in pairwise(sent_us)), radio.tail_us] if sent_us else []
    wakes = bool(sent_us) + sum(gap > radio.tail_us for gap in gaps)
    stays = [min(gap, radio.tail_us) for gap in gaps]
    hours = span_us / HOUR_US
    return _cost(radio, wakes / hours, sum(stays) / hours, sum(map(radio.tail_mj, stays)) / hours, bytes_total / hours)


def _cost(radio: Radio, wakes: float, tail_us: float, tail_mj: float, total_bytes: float) -> Cost:
    awake_s = (wakes * radio.promotion_us + tail_us) / 1e6
    return Cost(wakes, awake_s, (wakes * radio.promotion_mw * radio.promotion_us / 1e6 + tail_mj) / 1e3, total_bytes)
