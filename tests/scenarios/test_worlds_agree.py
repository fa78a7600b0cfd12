"""Both worlds play the same script by the same rules, so what users see must not depend on the world."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from model.history.columns import History
from model.history.schema import Kind
from scenarios.running import catalog, settings
from scenarios.running.progress import Silent
from scenarios.running.run import run
from tests.scenarios.conftest import Runner, history_of

SPACED = ("faults=[]", "workload.spacing_us=250000", "workload.rate_per_s=100", "population.users=100", "duration_s=5")

Place = tuple[str, str]
"""A device and a conversation."""
Shown = tuple[str, str, int]
"""Sender's device, client message id, position."""


def shown(history: History) -> dict[Place, list[Shown]]:
    """What each device was shown in each conversation, in the order in which it first was: (device, conversation) -> messages."""
    names, seen = history.names, dict[Place, dict[Shown, None]]()
    for row in history.rows_of(Kind.DELIVER):
        place = names.devices[history.device[row]], names.conversations[history.conversation[row]]
        message = history.message[row]
        sender = names.devices[history.message_sender[message]]
        seen.setdefault(place, {})[sender, names.client_message_ids[message], int(history.seq[row])] = None
    return {place: list(messages) for place, messages in seen.items()}


def without_positions(messages: Iterable[Shown]) -> list[tuple[str, str]]:
    return [(sender, message) for sender, message, _ in messages]


def by_sender(messages: Iterable[Shown]) -> dict[str, list[str]]:
    """The messages of each sender, in order."""
    streams: dict[str, list[str]] = {}
    for sender, message in without_positions(messages):
        streams.setdefault(sender, []).append(message)
    return streams


@pytest.mark.live
def test_with_sends_far_apart_and_no_faults_order_and_positions_are_the_same(tmp_path: Path) -> None:
    scenario = settings.apply(catalog.load("access_restart").short(), SPACED)
    sim, live = (shown(history_of(run(scenario, world, "cursor", 1, tmp_path, Silent()))) for world in ("sim", "live"))
    assert sum(map(len, sim.values())) > 1000
    assert live == sim


@pytest.mark.live
def test_with_the_usual_schedule_sets_and_the_order_of_each_sender_are_the_same(short_run: Runner) -> None:
    sim, live = (shown(history_of(short_run(world, "cursor"))) for world in ("sim", "live"))
    assert sum(map(len, sim.values())) > 1000
    assert {place: set(without_positions(m)) for place, m in live.items()} == {
        place: set(without_positions(m)) for place, m in sim.items()
    }
    assert {place: by_sender(m) for place, m in live.items()} == {place: by_sender(m) for place, m in sim.items()}
