"""Locust's statistics, fed in batches: to fire an event for each request costs 2.3 us of CPU, twice a message; to count it here, 0.9.

Latencies are counted in our histograms; several times a second what is new is added to Locust's entries as what comes from a worker is, by
``StatsEntry.extend``. So its page, its summary and its master see what they would, but ``events.request`` is not fired, save for failures.
"""

from __future__ import annotations

from typing import Any

from loadgen.histograms import Histogram

METHOD = "IM"
"""What Locust's tables call the type of a request."""


def feed(stats: Any, name: str, new: Histogram, now: float) -> None:
    """Add samples to Locust's ``RequestStats``; ``now`` is ``time.time()``."""
    if not new.total:
        return
    for entry in (stats.get(name, METHOD), stats.total):
        entry.extend(_as_entry(type(entry)(stats, name, METHOD), new, now))


def _as_entry(entry: Any, new: Histogram, now: float) -> Any:
    entry.num_requests = new.total
    entry.num_reqs_per_sec[int(now)] = new.total
    entry.last_request_timestamp = now
    entry.total_response_time = new.sum_us / 1000
    entry.min_response_time, entry.max_response_time = new.least / 1000, new.largest / 1000
    entry.total_content_length = new.payload_bytes
    for value_us, count in new.counts.items():
        entry.response_times[rounded(value_us / 1000)] += count
    return entry


def rounded(milliseconds: float) -> int:
    """As Locust keeps response times: two significant digits from 100 on."""
    digits = 0 if milliseconds < 100 else -1 if milliseconds < 1000 else -2 if milliseconds < 10_000 else -3
    return int(round(milliseconds, digits))
