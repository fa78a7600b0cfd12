"""Legs of a soak in the simulated world, which takes a tenth of a second for each, and what is planted in their histories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

import model.sim
from model.history.recorder import Rows
from model.history.run_folder import RunFolder
from model.history.schema import Kind
from model.scenario import Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.played import Played
from scenarios.running.progress import Progress
from scenarios.soaking.conduct import Order

SMALL = Scenario(
    name="small",
    question="?",
    population=PopulationPlan(users=10, group_size=4),
    workload=WorkloadPlan(rate_per_s=40.0),
)
ORDER = Order(SMALL, "cursor", seed=1, faults_per_minute=60.0, leg_s=8.0)

Plant = Callable[[Rows], Rows]
Play = Callable[..., Played]


def play(
    scenario: Scenario, preset: str, seed: int, folder: RunFolder, progress: Progress, driver: str, **changes: Any
) -> Played:
    """What the live world is replaced by."""
    result = model.sim.run(scenario, preset, seed)
    return Played(result.header, result.rows, {}, **changes)


def planting(plant: Plant, numbers: set[int]) -> Play:
    """As :func:`play`, with something planted in legs of these numbers."""
    legs = iter(range(1, 1000))

    def planted(*arguments: Any) -> Played:
        played = play(*arguments)
        return Played(played.header, plant(played.rows), {}) if next(legs) in numbers else played

    return planted


def replace_world(monkeypatch: pytest.MonkeyPatch, played: Play = play) -> None:
    """Let legs be played by a function here."""
    monkeypatch.setattr("scenarios.soaking.conduct.live.play", played)


def shown(rows: Rows) -> int:
    """The place of a delivery in the middle of a history."""
    places = np.flatnonzero(rows["kind"] == Kind.DELIVER)
    others = places[rows["sender"][places] != rows["device"][places]]
    return int(others[len(others) // 2])


def without_one_delivery(rows: Rows) -> Rows:
    """One message is not shown at one device."""
    row = rows[shown(rows)]
    same = np.ones(len(rows), np.bool_)
    for name in ("device", "sender", "conversation", "send_counter"):
        same &= rows[name] == row[name]
    gone = same & np.isin(rows["kind"], [Kind.DELIVER, Kind.WIRE])
    return rows[~gone]


def with_one_delivery_twice(rows: Rows) -> Rows:
    """One message is shown again where it was shown."""
    again = rows[[shown(rows)]].copy()
    again["t_us"] += 1
    together: Rows = np.concatenate([rows, again])
    return together[np.argsort(together["t_us"], kind="stable")]


def with_messages(order: Order, messages: int | None) -> Order:
    """The same order with another end."""
    return Order(**{name: getattr(order, name) for name in order.__slots__} | {"messages": messages})


def plain(value: object) -> Any:
    """A value as its file has it."""
    return msgspec.json.decode(msgspec.json.encode(value))
