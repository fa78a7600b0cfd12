"""Service times that stay as they are, for tests that are about something else than what this machine was measured to cost."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from model.sim.service_times import ServiceTimes, load

PINNED: Final[ServiceTimes] = load(Path(__file__).with_name("service_times.json"))
"""Round numbers, no rests."""
