"""What a closed loop left out, put back by arithmetic: a guess, for those who have only such a recording.

Whoever waits does not send. If a user who sends every ``interval`` on average waited for w, then sends were left out that would have been
intended ``interval``, twice that, ... after the one that waited, and would have waited for w less as much. They are added as if they had
been seen: the correction for an expected interval of HdrHistogram (Gil Tene, ``recordValueWithExpectedInterval``). It supposes that
every long wait is a standstill and that users would have kept their pace; a system that was slow for a while, without standing still,
was asked less in ways that no recording has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def filled_in(waits: Floats, interval: float) -> Floats:
    """Waits, with those added that were left out; in the unit of both, sorted. ValueError for an interval that is not above 0.

    Args:
        waits: shape (n,), finite.
        interval: between two sends of one user, as they were meant.
    """
    if not interval > 0:
        raise ValueError(f"an interval of {interval}: it must be above 0")
    left_out = np.maximum(np.ceil(waits / interval).astype(np.int64) - 1, 0)
    again = np.repeat(waits, left_out)
    step = np.arange(len(again)) - np.repeat(np.cumsum(left_out) - left_out, left_out) + 1
    return np.sort(np.concatenate([waits, again - step * interval]))
