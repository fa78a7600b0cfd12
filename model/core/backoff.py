"""How long a device waits before it tries again, by policy: one pure function, for the client session and for whoever compares policies.

The policies, with ``ceiling = min(backoff_max, backoff_base * 2^attempts)``; ``U(a, b)`` is drawn uniformly:

| policy | wait |
|---|---|
| ``fixed`` | ``backoff_fixed``, always |
| ``exponential`` | ``ceiling``: everyone who failed together tries together again |
| ``equal_jitter`` | ``ceiling / 2 + U(0, ceiling / 2)`` |
| ``full_jitter`` | ``U(0, ceiling)`` |
| ``decorrelated`` | ``min(backoff_max, U(backoff_base, 3 * the wait before))`` |

The jittered ones are those of Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015; ``tests/sim/test_published.py`` holds
them against the simulator published with it. A server's hint is a floor for these, and is spread by up to its own length.
"""

from __future__ import annotations

from model.core.policies import Backoff, Timers

DOUBLINGS_MAX = 20
"""More would only make a number that ``backoff_max_us`` cuts off."""


def wait_us(policy: Backoff, timers: Timers, attempts: int, share: float, previous_us: int = 0, hint_us: int = 0) -> int:
    """The wait in microseconds after ``attempts`` failures in a row (0: the first), with a draw ``share`` in [0, 1).

    ``previous_us`` is the wait before, 0 for none; ``hint_us`` what the server asked for, 0 for nothing.
    """
    if policy == "fixed":
        return timers.backoff_fixed_us
    ceiling = min(timers.backoff_max_us, timers.backoff_base_us << min(attempts, DOUBLINGS_MAX))
    if policy == "exponential":
        return ceiling
    if policy == "decorrelated":
        least = timers.backoff_base_us
        wait = min(timers.backoff_max_us, least + int(share * (3 * max(previous_us, least) - least)))
        return max(wait, hint_us + int(share * hint_us))
    ceiling = max(ceiling, hint_us)
    if policy == "equal_jitter":
        return hint_us + ceiling // 2 + int(share * (ceiling - ceiling // 2))
    return hint_us + int(share * ceiling)
