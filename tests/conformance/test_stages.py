"""Killed at every stage of a message's way, under every basis of an ack: who was told "sent", and what is there then, in both worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.core.codes import Code
from model.core.frames import Deliver, Error, Frame, Heads, Send, SendAck, SyncReply, SyncRequest
from model.core.policies import PRESETS, Policies
from model.scenario import faults
from tests.conformance.servers import LiveServer, ServerUnderTest, SimServer, logged_in

Make = Callable[[Policies], ServerUnderTest]

SENDER, RECEIVER = 1, 2
"""Users of conversation 1, on the gateways of their numbers."""
ROLES = dict.fromkeys(faults.BUSINESS_STAGES, "business") | {
    "forwarded": "gateway-1",
    "read": "gateway-1",
    "ack_unwritten": "gateway-1",
    "delivery_unwritten": "gateway-2",
}
ORDER: tuple[faults.KillStage, ...] = ("forwarded", *(stage for stage in ROLES if stage != "forwarded"))
"""The first one leaves a message behind, so that there are heads to tell of from then on."""
EVERY = {"received", "queued", "committed"}
ACKED = {
    "read": set[str](),
    "forwarded": set[str](),
    "ack_unwritten": set[str](),
    "received": {"received"},
    "queued": {"received", "queued"},
    "committed": {"received", "queued"},
    "acked": EVERY,
    "fanned_out": EVERY,
    "delivery_unwritten": EVERY,
}
"""Under which basis the sender has its ack, by where the process died."""
STORED = {"forwarded", "ack_unwritten", "delivery_unwritten", "committed", "acked", "fanned_out"}
"""Where a message that stood there is in the log afterwards, whatever the basis."""


LIVE = [
    pytest.param("live", "queued", marks=pytest.mark.live),
    pytest.param("live", "received", marks=[pytest.mark.live, pytest.mark.nightly]),
    pytest.param("live", "committed", marks=[pytest.mark.live, pytest.mark.nightly]),
]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """A server with these policies."""
    running: list[ServerUnderTest] = []

    def one(policies: Policies) -> ServerUnderTest:
        running.append(SimServer(policies) if request.param == "sim" else LiveServer(tmp_path, policies))
        return running[-1]

    yield one
    for server in running:
        server.close()


class Talk:
    """One message after another, each sent to a process that dies on the way, with connections of its own."""

    def __init__(self, server: ServerUnderTest) -> None:
        self.server = server
        self.logins, self.stored = 0, 0

    def logged_in(self) -> tuple[Any, Any]:
        self.logins += 1
        one, other = (logged_in(self.server, user, gateway=user, counter=self.logins)[0] for user in (SENDER, RECEIVER))
        return one, other

    def killed_at(self, stage: faults.KillStage) -> tuple[bool, bool, bool]:
        """Whether the sender had its ack, the receiver its delivery, and whether the message is in the log afterwards."""
        role = ROLES[stage]
        sender, receiver = self.logged_in()
        self.server.kill_at(role, stage)
        sender.write(Send(1, self.stored + 1, stage.encode()))
        self.server.await_kill(role, stage)
        acked, shown = self._heard(role, sender, receiver)
        _, reader = self.logged_in()
        reader.write(SyncRequest(1, 1, self.stored, 10))
        found = [message.payload for message in reader.expect(SyncReply).messages]
        assert found in ([], [stage.encode()])
        self.stored += len(found)
        return acked, shown, bool(found)

    def _heard(self, role: str, sender: Any, receiver: Any) -> tuple[bool, bool]:
        """What either had heard when the process had died, which is started again."""
        if role == "gateway-1":
            said: list[Frame] = sender.read_to_end()
            self.server.start(role)
            return any(isinstance(frame, SendAck) for frame in said), False
        if role == "gateway-2":
            said = receiver.read_to_end()
            self.server.start(role)
            sender.expect(SendAck)
            return True, any(isinstance(frame, Deliver) for frame in said)
        self.server.start(role)
        for connection in (sender, receiver):
            connection.expect(Heads)  # all that business had said before comes before that
        return bool(sender.waiting(SendAck)), bool(receiver.waiting(Deliver))


@pytest.mark.parametrize(("make", "basis"), [*(("sim", basis) for basis in sorted(EVERY)), *LIVE], indirect=["make"])
def test_an_ack_outlives_what_it_promised_and_no_more(basis: str, make: Make) -> None:
    talk = Talk(make(msgspec.structs.replace(PRESETS["cursor"], ack_basis=basis)))
    for stage in ORDER:
        acked, shown, stored = talk.killed_at(stage)
        assert acked == (basis in ACKED[stage]), stage
        assert stored == (stage in STORED), stage
        assert not shown or stage == "fanned_out", stage
        assert shown or stage != "fanned_out", stage


def test_the_disk_is_held_until_all_is_said_however_fast_it_is() -> None:
    """A simulated commit that takes no time, and a loop whose turns take long: the ack that leaves a turn after queueing still leaves."""
    instant = dict.fromkeys(("storage_commit_us", "storage_row_us", "storage_conversation_us", "storage_kib_us"), 0.0)
    policies = msgspec.structs.replace(PRESETS["cursor"], ack_basis="queued")
    talk = Talk(SimServer(policies, storage_sync_us=((0.0,),), business_turn_us=5_000.0, **instant))
    assert talk.killed_at("forwarded")[2]
    assert talk.killed_at("queued") == (True, False, False)


def test_a_gateway_that_comes_back_keeps_its_deadlines() -> None:
    server = SimServer()
    talk = Talk(server)
    talk.killed_at("read")
    silent, _ = talk.logged_in()
    last = silent.read_to_end()[-1]
    assert isinstance(last, Error)
    assert last.code == Code.IDLE


def test_every_stage_there_is_is_tried() -> None:
    assert set(ORDER) == set(ACKED) == set(faults.GATEWAY_STAGES) | set(faults.BUSINESS_STAGES)
    lost = {basis: {stage for stage in ORDER if basis in ACKED[stage] and stage not in STORED} for basis in sorted(EVERY)}
    assert lost == {"received": {"received", "queued"}, "queued": {"queued"}, "committed": set()}
