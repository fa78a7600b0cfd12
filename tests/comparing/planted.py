"""Runs that were never made: figures drawn around a build's own, for what decides on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scenarios.comparing.measures import MEASURES
from scenarios.comparing.pairs import Play, Which
from scenarios.comparing.playing import Case, Taken

BUILD = {measure.key: 100.0 + 10 * number for number, measure in enumerate(MEASURES)}
CALM = Case("standard_mix")
KILL = Case("access_restart")


def plays(
    noise: float,
    worse: Mapping[str, float] | None = None,
    failing: Mapping[str, tuple[int, str]] | None = None,
    log: list[tuple[Which, str, int]] | None = None,
    seed: int = 1,
) -> Play:
    """A base and a candidate whose measures are ``worse`` by these factors and which fails so; ``noise``: deviation of a logarithm."""
    luck = np.random.default_rng(seed)

    def run(side: Which, case: Case, number: int) -> Taken:
        if log is not None:
            log.append((side, case.name, number))
        factors = (worse or {}) if side == "candidate" else {}
        figures = {key: value * factors.get(key, 1.0) * float(np.exp(luck.normal(0, noise))) for key, value in BUILD.items()}
        return Taken(figures, dict(failing or {}) if side == "candidate" else {})

    return run
