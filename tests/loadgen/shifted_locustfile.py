"""The locustfile on a host whose monotonic clock is elsewhere, as that of any other host is."""

from __future__ import annotations

import time

SHIFT_NS = 100_000_000_000

if __name__ != "tests.loadgen.shifted_locustfile":  # Locust loads it by its path, and as no part of a package
    _monotonic_ns = time.monotonic_ns
    time.monotonic_ns = lambda: _monotonic_ns() + SHIFT_NS
    from loadgen.locustfile import *  # noqa: F403
    from loadgen.locustfile import ImUser  # noqa: F401
