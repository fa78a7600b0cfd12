"""A play on a server that remembers earlier ones is, to rules and judges, a play on a new one."""

from __future__ import annotations

import msgspec
import pytest

from loadgen.numbering import STRANGER, Numbering
from model.checkers.verdict import judge
from model.core.frames import CLIENT_KINDS, Connect, Deliver, Pong, ReceiveAck, Send, SendAck, SyncReply, SyncRequest, Welcome
from model.history.columns import from_rows
from model.history.schema import Kind
from model.observe import header
from model.wire import FrameDecoder, decode, encode
from tests.loadgen.fakes import World
from tests.loadgen.test_player import SCENARIO, messages, of_kind, owed, seen

NODES = {1: "gateway-1", 2: "gateway-2"}
OFFSET = 10**11


@pytest.fixture(scope="module", params=["naive", "timer", "cursor"])
def second(request: pytest.FixtureRequest) -> World:
    """The second play, with another seed, on the server of the first; a gateway is killed on the way."""
    first = World(SCENARIO, request.param)
    first.play()
    world = World(SCENARIO, request.param, seed=2, after=first)
    world.play(until_us=700_000)
    if request.param == "cursor":  # the others lose by it
        world.gateways[0].kill()
        world.play(until_us=800_000)
        world.gateways[0].start()
    world.play()
    return world


def test_only_what_it_has_sent_is_shown_and_read_back(second: World) -> None:
    rows = second.recorder.rows()
    assert len(of_kind(rows, Kind.INTEND)) > 50
    assert sorted(messages(of_kind(rows, Kind.OK))) == sorted(messages(of_kind(rows, Kind.INTEND)))
    assert seen(rows, Kind.DELIVER) == owed(second)
    assert seen(rows, Kind.READ_BACK) == owed(second)


def test_positions_begin_at_1(second: World) -> None:
    rows = of_kind(second.recorder.rows(), Kind.READ_BACK)
    for conversation in set(rows["conversation"].tolist()):
        positions = set(rows["seq"][rows["conversation"] == conversation].tolist())
        assert positions == set(range(1, len(positions) + 1))
        assert len(second.kept[conversation]) > len(positions)


def test_judges_find_what_they_find_on_a_new_server(second: World) -> None:
    play = second.player.play
    scenario = play.scenario
    head = header(
        world="live",
        scenario=scenario.name,
        scenario_digest=scenario.digest(),
        preset=play.preset,
        seed=play.seed,
        contract=scenario.contract,
        policies=scenario.preset(play.preset),
        timers=scenario.timers,
        nodes=NODES,
        load_begin_us=scenario.load_begin_us,
    )
    judgement = judge(from_rows(head, second.recorder.rows()))
    own_ways = set() if play.preset == "cursor" else {"session_nonmonotonic"}  # shown as it arrives
    assert {found.kind for found in judgement.anomalies if found.fails} <= own_ways


class TestFrames:
    def outward(self, numbering: Numbering, frame: object) -> object:
        decoder = FrameDecoder(CLIENT_KINDS)
        (opaque,) = decoder.feed(numbering.encode(frame))  # type: ignore[arg-type]
        return decode(opaque)

    def inward(self, numbering: Numbering, frame: object) -> object:
        kinds = frozenset({frame.kind})  # type: ignore[attr-defined]
        (opaque,) = FrameDecoder(kinds).feed(encode(frame))  # type: ignore[arg-type]
        return numbering.decode(opaque)

    @pytest.fixture
    def numbering(self) -> Numbering:
        """Conversation 7 stood at 40, 8 at 0, when the play came."""
        numbering = Numbering(OFFSET, users=10)
        assert self.inward(numbering, Welcome(3, ((7, 40),))) == Welcome(3, ())
        return numbering

    def test_a_device_has_a_number_of_its_own(self, numbering: Numbering) -> None:
        assert self.outward(numbering, Connect(5, 5, 2, b"token")) == Connect(5, 5 + OFFSET, 2, b"token")

    def test_positions_are_counted_from_where_the_play_began(self, numbering: Numbering) -> None:
        assert self.outward(numbering, SyncRequest(7, 1, 2, 100)) == SyncRequest(7, 1, 42, 100)
        assert self.outward(numbering, ReceiveAck(1, ((7, 3), (8, 3)))) == ReceiveAck(1, ((7, 43), (8, 3)))
        assert self.inward(numbering, Pong(1, ((7, 40), (7, 41), (8, 1)))) == Pong(1, ((7, 1), (8, 1)))
        assert self.inward(numbering, SendAck(7, 1, 0, True, 1, 41, 9)) == SendAck(7, 1, 0, True, 1, 1, 9)

    def test_a_position_that_is_not_known_stays_so(self, numbering: Numbering) -> None:
        assert self.inward(numbering, SendAck(7, 1, 0)) == SendAck(7, 1, 0)

    def test_where_a_conversation_stood_is_said_once(self, numbering: Numbering) -> None:
        assert self.outward(numbering, Send(8, 1, b"hi")) == Send(8, 1, b"hi")
        assert self.inward(numbering, Welcome(4, ((7, 43), (8, 2)))) == Welcome(4, ((7, 3), (8, 2)))

    def test_a_log_that_is_trimmed_below_the_play_is_whole_to_it(self, numbering: Numbering) -> None:
        theirs = Deliver(7, 1, 41, 99, 5, 5 + OFFSET, 1, b"hi")
        ours = msgspec.structs.replace(theirs, conversation_seq=1, sender_device=5)
        assert self.inward(numbering, SyncReply(7, 1, 41, 30, (theirs,))) == SyncReply(7, 1, 1, 1, (ours,))
        assert self.inward(numbering, SyncReply(7, 1, 60, 45, ())) == SyncReply(7, 1, 20, 5, ())

    @pytest.mark.parametrize("device", [5, 5 + OFFSET - 100_000, 11 + OFFSET, OFFSET])
    def test_a_device_that_is_not_of_the_play_is_a_stranger(self, numbering: Numbering, device: int) -> None:
        frame = self.inward(numbering, Deliver(7, 1, 41, 99, 5, device, 1, b"hi"))
        assert isinstance(frame, Deliver)
        assert frame.sender_device == STRANGER
