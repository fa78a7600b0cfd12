"""The demo: the first scenario in its short form, for every preset, in both worlds.

Simulated runs come first and live ones after, strictly one at a time, so that nothing else uses the cores on which a live run is timed.
A run whose harness failed is made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from model.core.policies import PRESETS
from model.scenario import WORLDS, Scenario
from scenarios.running import catalog, command
from scenarios.running.run import RunResult

SCENARIO: Final = "access_restart"
SEED: Final = 1


def scenario() -> Scenario:
    """What the demo runs."""
    return catalog.load(SCENARIO).short()


def results(out: Path | None) -> Iterator[RunResult]:
    """Every run of the demo as it ends."""
    yield from command.runs(scenario(), WORLDS, tuple(PRESETS), SEED, out, again=True)


def planned() -> int:
    """How many runs a whole demo has."""
    return len(WORLDS) * len(PRESETS)
