"""Measures over time, for plots: one value per bin, bins of the contract's window step or, in a long run, of a multiple of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from model.checkers.findings import Part
from model.checkers.grouped import Int, whole
from model.checkers.latency import Samples, nearest_rank, printed
from model.checkers.outcome import FAIL, INFO, OK

if TYPE_CHECKING:
    from model.checkers.case import Case

BINS_MAX = 2_000


def judge(case: Case) -> Part:
    """No judgement: the series ``measures["series"]``."""
    return Part((), {"series": _series(case)})


def _series(case: Case) -> dict[str, Any]:
    zero_us = case.history.header.load_begin_us
    step_us = case.contract.window_step_us
    step_us *= max(1, -(-case.phases.end_us // (step_us * BINS_MAX)))
    begin_us = zero_us - -(-zero_us // step_us) * step_us
    count = max(1, -(-(case.phases.end_us + 1 - begin_us) // step_us))

    def bins(t_us: Int) -> Int:
        return np.clip((t_us - begin_us) // step_us, 0, count - 1)

    sent = case.operations.streams("all")[0]
    outcome = case.sends.outcome[sent.message]
    at = bins(sent.t_us)
    intended = np.bincount(at, minlength=count)
    good = np.bincount(at, sent.good, minlength=count)
    shown_us = case.history.t_us[case.deliveries.first]
    samples = case.latencies
    return {
        "t_s": [round((begin_us + i * step_us - zero_us) / 1e6, 6) for i in range(count)],
        "bin_s": step_us / 1e6,
        "send_availability": [float(g / n) if n else None for g, n in zip(good, intended, strict=True)],
        "delivered_per_s": (np.bincount(bins(shown_us), minlength=count) * 1e6 / step_us).tolist(),
        "connected_devices": _connected(case, bins, count),
        **{
            name: np.bincount(at[outcome == code], minlength=count).tolist()
            for name, code in (("ok", OK), ("fail", FAIL), ("info", INFO))
        },
        "ack_p50_us": _by_bin(bins(samples.ack_t_us), samples.ack, 0.5, count),
        "ack_p99_us": _by_bin(bins(samples.ack_t_us), samples.ack, 0.99, count),
        "end_to_end_live_p50_us": _by_bin(bins(samples.live_t_us), samples.live, 0.5, count),
        "end_to_end_live_p99_us": _by_bin(bins(samples.live_t_us), samples.live, 0.99, count),
    }


def _connected(case: Case, bins: Callable[[Int], Int], count: int) -> list[int]:
    """Devices ready at the end of each bin."""
    ready = case.sessions.ready
    ended = ready.end_us[ready.end_us <= case.phases.end_us]
    change = np.bincount(bins(ready.begin_us), minlength=count) - np.bincount(bins(ended), minlength=count)
    return [int(n) for n in np.cumsum(change)]


def _by_bin(at: Int, samples: Samples, quantile: float, count: int) -> list[float | str | None]:
    """The plain nearest rank in each bin, whatever its number of samples: a picture, no measure."""
    order = np.argsort(at, kind="stable")
    edges = whole(np.searchsorted(at[order], np.arange(count + 1)))
    parts = (samples[order[low:high]] for low, high in pairwise(edges.tolist()))
    return [printed(nearest_rank(part, quantile)) if len(part) else None for part in parts]
