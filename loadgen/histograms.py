"""Histograms of latencies with three significant digits, which can be added up: what is shown while a run goes on.

A value below 2,048 us has a bucket of its own; above, the eleven leading bits decide, so a bucket is at most a 1,024th of its value wide.
Percentiles of several processes come from the sum of their counts, never from their percentiles. As in HdrHistogram (Gil Tene), but
counts are kept by bucket in a dictionary, for a bucket is few bytes on its way from a worker to its master.

What this does not do: judge (judges read the history), or forget.
"""

from __future__ import annotations

from collections.abc import Mapping

BITS = 11
PERCENTILES = (0.5, 0.95, 0.99, 0.999)
NONE_US = 1 << 62
"""The least of no samples."""
BEYOND_MIN = 10
"""No quantile with fewer samples beyond it."""


class Histogram:
    """Counts of latencies in whole microseconds; ``failed`` are samples that have none."""

    __slots__ = ("counts", "failed", "largest", "least", "payload_bytes", "sum_us", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}  # by the least value of the bucket
        self.total = self.failed = self.largest = self.sum_us = self.payload_bytes = 0
        self.least = NONE_US

    def add(self, value_us: int, payload_bytes: int = 0) -> None:
        """One sample."""
        shift = value_us.bit_length() - BITS
        bucket = value_us if shift <= 0 else value_us >> shift << shift
        counts = self.counts
        counts[bucket] = counts.get(bucket, 0) + 1
        self.total += 1
        self.sum_us += value_us
        self.payload_bytes += payload_bytes
        if value_us > self.largest:
            self.largest = value_us
        if value_us < self.least:
            self.least = value_us

    def quantile(self, q: float) -> int | None:
        """The middle of the bucket of the smallest sample that ``q`` of all are not above; None where fewer than ten lie beyond it."""
        if self.total * (1 - q) < BEYOND_MIN - 1e-9:
            return None
        left = q * self.total - 1e-9
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return bucket + (1 << max(0, bucket.bit_length() - BITS) >> 1)
        raise AssertionError("counts are fewer than their total")

    def plain(self) -> dict[str, object]:
        """For a message; :meth:`absorb` takes it."""
        pairs = [number for pair in self.counts.items() for number in pair]
        return {"counts": pairs, **{name: getattr(self, name) for name in (*_SUMS, "largest", "least")}}

    def absorb(self, plain: Mapping[str, object]) -> None:
        """Add another's samples."""
        pairs: list[int] = plain["counts"]  # type: ignore[assignment]
        for bucket, count in zip(pairs[::2], pairs[1::2], strict=True):
            self.counts[bucket] = self.counts.get(bucket, 0) + count
            self.total += count
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + plain[name])
        self.largest = max(self.largest, plain["largest"])  # type: ignore[call-overload]
        self.least = min(self.least, plain["least"])  # type: ignore[call-overload]


_SUMS = ("failed", "sum_us", "payload_bytes")


class Histograms:
    """Histograms by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Histogram] = {}

    def of(self, name: str) -> Histogram:
        """That of a name, empty at first."""
        found = self.by_name.get(name)
        if found is None:
            found = self.by_name[name] = Histogram()
        return found

    def plain(self) -> dict[str, dict[str, object]]:
        """For a message."""
        return {name: histogram.plain() for name, histogram in self.by_name.items()}

    def absorb(self, plain: Mapping[str, Mapping[str, object]]) -> None:
        """Add those of another process."""
        for name, counts in plain.items():
            self.of(name).absorb(counts)

    def clear(self) -> None:
        """Begin anew."""
        self.by_name.clear()
