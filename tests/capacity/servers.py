"""Servers that are a rule: at which rates, and with which seeds, a run keeps the promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenarios.capacity.capacity import Play
from scenarios.capacity.search import Answer
from scenarios.capacity.trial import Trial


def trial(rate: float, seed: int = 1, answer: Answer = "kept", late_ms: float | None = 1.0, **more: object) -> Trial:
    """A run that says little but what its answer was."""
    late = None if late_ms is None else late_ms * 1e3
    values = {
        "reason": "" if answer == "kept" else f"it is {answer}",
        "busy": {"business": 0.5},
        "late_us": {"end_to_end.p99": late},
    }
    return Trial(rate_per_s=rate, seed=seed, answer=answer, folder="", sent_per_s=rate, **(values | more))  # type: ignore[arg-type]


def firm(limit: float, beyond: Answer = "broken") -> Play:
    """It keeps the promise up to ``limit`` and never above."""
    return lambda rate, seed: trial(rate, seed, "kept" if rate <= limit else beyond)


def chance(rate: float, limit: float, width: float) -> float:
    """How likely a noisy server keeps the promise: one half at its limit, 0.9 at ``1 - width`` of it or so, 0.1 as far above."""
    return float(1 / (1 + (rate / limit) ** (2.2 / width)))


def noisy(limit: float, width: float, luck: int) -> Play:
    """It passes at random near its limit. A run's luck is keyed by rate and seed: the same run comes to the same."""

    def play(rate: float, seed: int) -> Trial:
        drawn = np.random.default_rng((luck, round(rate * 10), seed)).random()
        return trial(rate, seed, "kept" if drawn < chance(rate, limit, width) else "broken")

    return play


def counting(play: Play, runs: list[tuple[float, int]]) -> Callable[[float, int], Trial]:
    """The same, and every run is noted."""

    def counted(rate: float, seed: int) -> Trial:
        runs.append((rate, seed))
        return play(rate, seed)

    return counted
