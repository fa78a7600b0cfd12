"""One body of assertions for the simulated and the real gateway: what a client sees must not depend on the world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.core.codes import Code
from model.core.frames import (
    Deliver,
    Goodbye,
    Heads,
    Notice,
    Ping,
    Pong,
    ReceiveAck,
    ReceiveConfirmed,
    Send,
    SendAck,
    SyncReply,
    SyncRequest,
)
from tests.conformance.servers import LiveServer, ServerUnderTest, SimServer, connect, logged_in, refusal


@pytest.fixture(params=[pytest.param("sim"), pytest.param("live", marks=pytest.mark.live)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerUnderTest]:
    running: ServerUnderTest = SimServer() if request.param == "sim" else LiveServer(tmp_path)
    yield running
    running.close()


def test_a_conversation_from_login_to_receipt(server: ServerUnderTest) -> None:
    one, welcome = logged_in(server, 1, gateway=1)
    two, _ = logged_in(server, 2, gateway=2)
    assert welcome.heads == ()
    one.write(Send(1, 1, b"hello"))
    ack = one.expect(SendAck)
    assert (ack.code, ack.committed, ack.conversation_seq) == (Code.OK, True, 1)
    delivered = two.expect(Deliver)
    assert delivered == Deliver(1, ack.epoch, 1, ack.message_id, 1, 1, 1, b"hello")
    two.write(ReceiveAck(7, ((1, 1),)))
    assert two.expect(ReceiveConfirmed) == ReceiveConfirmed(7)
    two.write(Ping(3))
    assert two.expect(Pong) == Pong(3, ((1, 1),))
    two.write(Ping(4))
    assert two.expect(Pong) == Pong(4, ())


def test_what_was_acknowledged_is_not_told_again_and_the_rest_is(server: ServerUnderTest) -> None:
    one, _ = logged_in(server, 1)
    two, _ = logged_in(server, 2)
    for conversation in (1, 2):
        one.write(Send(conversation, 1, b"x"))
        two.expect(Deliver)
    two.write(ReceiveAck(1, ((2, 1),)))
    two.expect(ReceiveConfirmed)
    _, welcome = logged_in(server, 2, gateway=2, counter=2)
    assert welcome.heads == ((1, 1),)


def test_sends_are_deduplicated_ordered_and_answered_as_the_first_time(server: ServerUnderTest) -> None:
    one, _ = logged_in(server, 1)
    answers = []
    for send in (Send(1, 1, b"a"), Send(1, 1, b"a"), Send(1, 3, b"c"), Send(1, 2, b"b"), Send(1, 3, b"c")):
        one.write(send)
        answer = one.expect(SendAck)
        answers.append((answer.send_counter, answer.code, answer.conversation_seq))
    assert answers == [(1, 0, 1), (1, 0, 1), (3, Code.OUT_OF_SEQUENCE, 0), (2, 0, 2), (3, 0, 3)]
    one.write(SyncRequest(1, 5, 0, 100))
    page = one.expect(SyncReply)
    assert [m.payload for m in page.messages] == [b"a", b"b", b"c"]
    assert (page.request, page.head_seq, page.start_seq) == (5, 3, 1)


def test_a_page_has_as_many_messages_as_were_asked_for(server: ServerUnderTest) -> None:
    one, _ = logged_in(server, 1)
    for counter in range(1, 6):
        one.write(Send(1, counter, b"%d" % counter))
        one.expect(SendAck)
    one.write(SyncRequest(1, 1, 1, 3))
    page = one.expect(SyncReply)
    assert ([m.conversation_seq for m in page.messages], page.head_seq) == ([2, 3, 4], 5)


def test_strangers_are_told_so_and_read_nothing(server: ServerUnderTest) -> None:
    three, _ = logged_in(server, 3)
    three.write(Send(1, 1, b"let me in"), Send(9, 1, b"anyone?"))
    assert [three.expect(SendAck).code for _ in range(2)] == [Code.NOT_A_MEMBER, Code.UNKNOWN_CONVERSATION]
    three.write(SyncRequest(1, 1, 0, 100))
    assert three.expect(SyncReply) == SyncReply(1, 1, 0, 1, ())


def test_a_wrong_token_and_a_frame_out_of_place_end_the_connection(server: ServerUnderTest) -> None:
    other, _ = logged_in(server, 2)
    stranger = server.open(1)
    connect(stranger, token=b"wrong")
    assert refusal(stranger) == Code.BAD_TOKEN
    early = server.open(1)
    early.write(Ping(1))
    assert refusal(early) == Code.NOT_ATTACHED
    twice, _ = logged_in(server, 1)
    connect(twice, counter=2)
    assert refusal(twice) == Code.MALFORMED_FRAME
    other.write(Ping(9))
    assert other.expect(Pong).counter == 9


def test_a_newer_connection_takes_over_on_any_gateway_and_an_older_one_does_not(server: ServerUnderTest) -> None:
    old, first = logged_in(server, 2, gateway=1, counter=1)
    new, second = logged_in(server, 2, gateway=2, counter=2)
    assert second.generation > first.generation
    assert refusal(old) == Code.TAKEN_OVER
    slow = server.open(2, 1)
    connect(slow, counter=1)
    assert refusal(slow) == Code.STALE_CONNECT
    one, _ = logged_in(server, 1)
    one.write(Send(1, 1, b"found"))
    assert new.expect(Deliver).payload == b"found"


def test_a_goodbye_ends_the_connection_without_a_word(server: ServerUnderTest) -> None:
    one, _ = logged_in(server, 1)
    one.write(Goodbye())
    assert one.read_to_end() == []


def test_a_silent_connection_is_cut_off(server: ServerUnderTest) -> None:
    one, _ = logged_in(server, 1)
    assert refusal(one) == Code.IDLE


def test_a_business_restart_keeps_connections_and_says_what_is_unknown(server: ServerUnderTest) -> None:
    one, _ = logged_in(server, 1)
    one.write(Send(1, 1, b"kept"))
    one.expect(SendAck)
    server.kill("business")
    one.write(Ping(1))
    one.expect(Pong)
    one.write(Send(1, 2, b"while it was away"))
    assert one.expect(Notice).code == Code.BUSINESS_UNAVAILABLE
    server.start("business")
    assert one.expect(Heads).heads == ((1, 1),)
    one.write(Send(1, 2, b"while it was away"))
    assert one.expect(SendAck).conversation_seq == 2


def test_a_gateways_death_ends_connections_and_nothing_else(server: ServerUnderTest) -> None:
    one, first = logged_in(server, 1, gateway=1)
    two, _ = logged_in(server, 2, gateway=2)
    one.write(Send(1, 1, b"before"))
    one.expect(SendAck)
    server.kill("gateway-1")
    one.read_to_end()
    server.start("gateway-1")
    again, second = logged_in(server, 1, gateway=1, counter=2)
    assert second.generation > first.generation
    assert second.heads == ((1, 1),)
    again.write(Send(1, 1, b"before"), Send(1, 2, b"after"))
    assert [again.expect(SendAck).conversation_seq for _ in range(2)] == [1, 2]
    assert [two.expect(Deliver).payload for _ in range(2)] == [b"before", b"after"]
