"""Mixes of policies that are no preset: a design that could be built can be played, and comes to rest."""

from __future__ import annotations

import msgspec
import pytest

from model.core import limits
from model.core.policies import PRESETS, Policies, problem
from tests.core.chain import Chain

PULLS = {"catch_up": "cursor", "delivery": "log", "send": "until_definite", "ack_basis": "committed", "server_dedupe": "durable"}
STEPS_MAX = 1_000


class Bounded(Chain):
    """A chain that fails where it would go on for ever."""

    def run(self) -> None:
        for _ in range(STEPS_MAX):
            if not self.queue:
                return
            self.step()
        raise AssertionError(f"{STEPS_MAX} steps and no end")


def mixed(preset: str, **changes: str) -> Policies:
    return msgspec.structs.replace(PRESETS[preset], **changes)


def connected(policies: Policies) -> Bounded:
    chain = Bounded(2, 1, policies)
    chain.connect_all()
    return chain


def after_a_gap(policies: Policies) -> Bounded:
    """Device 2 said something, was then away for one message of device 1, and is back."""
    chain = connected(policies)
    chain.send(2, b"own")
    chain.run()
    chain.cut(2)
    chain.send(1, b"missed")
    chain.run()
    chain.wait(2)
    return chain


@pytest.mark.parametrize("order", ["arrival", "sequence"])
@pytest.mark.parametrize("dedupe", ["none", "connection", "sequence"])
@pytest.mark.parametrize("basis", ["committed", "received"])
def test_a_pull_from_a_cursor_ends_whatever_the_device_does_beside_it(dedupe: str, order: str, basis: str) -> None:
    changes = PULLS | {"device_dedupe": dedupe, "device_order": order, "ack_basis": basis}
    chain = after_a_gap(mixed("naive", **changes))
    assert chain.shown(2) == [b"own", b"missed"]
    assert chain.clients[2].inbox.cursor(1) == 2
    assert chain.clients[2].settled


@pytest.mark.parametrize("order", ["arrival", "sequence"])
@pytest.mark.parametrize("dedupe", ["none", "sequence"])
def test_a_message_that_was_only_written_is_not_shown_again_when_it_comes_back_by_sync(dedupe: str, order: str) -> None:
    """Nobody told the device its position."""
    chain = after_a_gap(mixed("naive", catch_up="cursor", device_dedupe=dedupe, device_order=order))
    assert chain.shown(2) == [b"own", b"missed"]
    assert chain.clients[2].settled


@pytest.mark.parametrize(("dedupe", "shown"), [("none", [b"a", b"c", b"b", b"c"]), ("sequence", [b"a", b"c", b"b"])])
def test_without_dedupe_what_came_live_ahead_of_a_hole_comes_again_by_sync(dedupe: str, shown: list[bytes]) -> None:
    chain = connected(mixed("naive", **PULLS | {"device_dedupe": dedupe}))
    chain.send(1, b"a")
    chain.run()
    chain.send(1, b"b")
    chain.send(1, b"c")
    while not (live := [item for item in chain.queue if item[:2] == ("to_client", 2)]):
        chain.step()
    chain.queue.remove(live[0])
    chain.run()
    assert chain.shown(2) == shown


@pytest.mark.parametrize("dedupe", ["none", "connection", "sequence"])
def test_a_full_gap_buffer_delays_no_pull_for_ever(dedupe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GAP_BUFFER_MAX", 0)
    chain = after_a_gap(mixed("cursor", device_order="arrival", device_dedupe=dedupe))
    chain.send(1, b"next")
    chain.wait(4)
    assert set(chain.shown(2)) == {b"own", b"missed", b"next"}
    assert chain.clients[2].settled


def test_what_waits_for_an_answer_that_never_comes_is_no_mix() -> None:
    said = problem(mixed("cursor", ack_basis="none"))
    assert said is not None
    assert "ack_basis" in said
    assert [problem(policies) for policies in PRESETS.values()] == [None] * len(PRESETS)
    assert problem(mixed("timer", ack_basis="none")) is None  # three tries, and that is that
