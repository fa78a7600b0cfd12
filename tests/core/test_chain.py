"""What the three presets promise and break, through the whole chain of machines."""

from __future__ import annotations

import msgspec
import pytest

from model.core import limits
from model.core.codes import Code
from model.core.commands import Page, ReadBack
from model.core.effects import (
    BusinessEffect,
    Delivered,
    ReadBackCompleted,
    ReadBackMessage,
    SendFailed,
    SendOk,
    SendUnknown,
    SessionChanged,
    Store,
)
from model.core.envelopes import Detach, Up
from model.core.frames import RECEIVE_ACK, Deliver, ReceiveAck, SendAck, SyncRequest
from model.core.log import Conversation
from model.core.policies import PRESETS
from tests.core.chain import Chain

ALL = sorted(PRESETS)


def connected(preset: str = "cursor", users: int = 2, gateways: int = 1) -> Chain:
    chain = Chain(users, gateways, PRESETS[preset])
    chain.connect_all()
    return chain


@pytest.mark.parametrize("preset", ALL)
def test_a_message_reaches_every_member_once_and_its_sender_too(preset: str) -> None:
    chain = connected(preset, users=3, gateways=2)
    chain.send(1, b"one")
    chain.run()
    assert {d: chain.shown(d) for d in (1, 2, 3)} == {1: [b"one"], 2: [b"one"], 3: [b"one"]}
    assert chain.outcomes(1) == [SendOk]


@pytest.mark.parametrize(("preset", "basis"), [("naive", "write"), ("timer", "received"), ("cursor", "committed")])
def test_sent_rests_on_what_the_preset_waits_for(preset: str, basis: str) -> None:
    chain = connected(preset)
    chain.send(1)
    chain.run()
    assert [e.basis for e in chain.seen(1, SendOk)] == [basis]


def test_naive_loses_what_was_in_flight_when_a_connection_died() -> None:
    chain = connected("naive")
    chain.send(1, b"gone")
    chain.cut(1)
    chain.run()
    chain.wait(5)
    assert (chain.outcomes(1), chain.stored()) == ([SendOk], [])


@pytest.mark.parametrize("preset", ["timer", "cursor"])
def test_a_send_that_died_with_its_connection_is_repeated(preset: str) -> None:
    chain = connected(preset)
    chain.send(1, b"again")
    chain.cut(1)
    chain.wait(5)
    assert (chain.outcomes(1), chain.stored(), chain.shown(2)) == ([SendOk], [b"again"], [b"again"])


def test_repetitions_that_business_remembers_are_answered_too() -> None:
    """Else the gateway waits for their answers, and after enough of them reads no more of a connection that lives."""
    chain = Chain(2, 1, msgspec.structs.replace(PRESETS["cursor"], server_dedupe="recent"))
    chain.connect_all()
    chain.hold_storage = True
    for _ in range(limits.ASKED_MAX):
        chain.send(1)
    chain.wait(20)  # all are repeated, more than once
    chain.hold_storage = False
    chain.queue.extend(("store", command) for command in chain.held)
    chain.wait(20)
    chain.send(1, b"last")
    chain.wait(5)
    assert chain.outcomes(1) == [SendOk] * (limits.ASKED_MAX + 1)
    assert chain.shown(2)[-1] == b"last"
    assert len(chain.stored()) == limits.ASKED_MAX + 1


@pytest.mark.parametrize(("preset", "copies"), [("timer", 1), ("cursor", 1)])
def test_a_lost_ack_does_not_store_twice(preset: str, copies: int) -> None:
    chain = connected(preset)
    chain.send(1, b"once")
    while not any(item[0] == "to_client" and isinstance(item[3], SendAck) for item in chain.queue):
        chain.step()
    chain.cut(1)
    chain.wait(5)
    assert chain.stored() == [b"once"] * copies
    assert chain.outcomes(1) == [SendOk]


def test_timer_acks_what_it_then_loses_when_business_dies_before_the_commit() -> None:
    chain = connected("timer")
    chain.hold_storage = True
    chain.send(1, b"acked")
    chain.run()
    assert chain.outcomes(1) == [SendOk]
    chain.kill_business()
    chain.start_business()
    chain.hold_storage = False
    chain.wait(20)
    assert chain.stored() == []


def test_cursor_acks_nothing_before_the_commit_and_repeats_it_after_a_business_restart() -> None:
    chain = connected("cursor")
    chain.hold_storage = True
    chain.send(1, b"kept")
    chain.run()
    assert chain.outcomes(1) == []
    chain.kill_business()
    chain.run()
    chain.hold_storage = False
    chain.start_business()
    chain.wait(5)
    assert (chain.outcomes(1), chain.stored(), chain.shown(2)) == ([SendOk], [b"kept"], [b"kept"])
    assert len(chain.seen(1, SessionChanged)) == 2  # connecting, ready: its connection lived through the restart


def test_cursor_keeps_sender_order_when_business_dies_under_a_stream() -> None:
    chain = connected("cursor")
    for i in range(40):
        chain.send(1, b"%d" % i)
        if i == 15:
            while len(chain.rows) < 8:
                chain.step()
            chain.kill_business()
            chain.run()
        if i == 25:
            chain.start_business()
    chain.wait(10)
    assert chain.stored() == [b"%d" % i for i in range(40)]
    assert chain.shown(2) == chain.stored()


def test_cursor_pulls_what_it_missed_while_it_was_away_and_shows_it_in_order() -> None:
    chain = connected("cursor", users=2)
    chain.send(1, b"a")
    chain.run()
    chain.cut(2)
    for text in (b"b", b"c"):
        chain.send(1, text)
    chain.run()
    chain.wait(5)
    chain.send(1, b"d")
    chain.run()
    assert chain.shown(2) == [b"a", b"b", b"c", b"d"]
    assert [e.via for e in chain.seen(2, Delivered)] == ["live", "sync", "sync", "live"]


def test_naive_never_learns_what_it_missed() -> None:
    chain = connected("naive")
    chain.cut(2)
    chain.send(1, b"missed")
    chain.run()
    chain.wait(5)
    chain.send(1, b"later")
    chain.run()
    assert chain.shown(2) == [b"later"]


def test_a_gap_is_filled_before_what_came_after_it_is_shown() -> None:
    chain = connected("cursor")
    chain.send(1, b"a")
    chain.send(1, b"b")
    while not any(item[0] == "to_client" and item[1] == 2 and isinstance(item[3], Deliver) for item in chain.queue):
        chain.step()
    chain.queue.remove(next(i for i in chain.queue if i[0] == "to_client" and i[1] == 2 and isinstance(i[3], Deliver)))
    chain.run()
    assert chain.shown(2) == [b"a", b"b"]


def test_a_lost_last_delivery_is_found_by_the_heads_in_a_pong() -> None:
    chain = connected("cursor")
    chain.send(1, b"tail")
    while not any(item[0] == "to_client" and item[1] == 2 and isinstance(item[3], Deliver) for item in chain.queue):
        chain.step()
    chain.queue.remove(next(i for i in chain.queue if i[0] == "to_client" and i[1] == 2 and isinstance(i[3], Deliver)))
    chain.run()
    assert chain.shown(2) == []
    chain.wait(4)
    assert chain.shown(2) == [b"tail"]


def test_timer_shows_a_resend_twice_when_its_ack_died_with_the_connection() -> None:
    chain = connected("timer")
    chain.send(1, b"twice")
    chain.run()
    assert chain.shown(2) == [b"twice"]
    chain.cut(2)  # before the delayed receive ack went out
    chain.wait(8)
    assert chain.shown(2).count(b"twice") == 2


def test_a_pending_delivery_is_resent_twice_and_then_given_up() -> None:
    chain = connected("timer")
    chain.drop = {RECEIVE_ACK}
    chain.send(1, b"unacked")
    chain.run()
    chain.wait(30)
    assert len([e for e in chain.received[2] if isinstance(e, Deliver)]) == 3
    assert chain.shown(2) == [b"unacked"]  # all on one connection


def test_a_gateway_that_dies_and_comes_back_costs_connections_only() -> None:
    chain = connected("cursor", users=4, gateways=2)
    for i in range(10):
        chain.send(1 + i % 4, b"%d" % i)
    chain.step()
    chain.kill_gateway(0)
    chain.wait(10)
    assert sorted(chain.stored()) == sorted(b"%d" % i for i in range(10))
    assert all(chain.shown(d) == chain.stored() for d in chain.clients)
    assert all(client.settled for client in chain.clients.values())


def test_a_newer_connection_takes_the_session_over_and_the_older_goodbye_does_not_undo_it() -> None:
    chain = connected("cursor")
    index, number = chain.numbers[2]
    chain.numbers.pop(2)  # the client's side is gone, the gateway has not noticed
    connection = chain.clients[2].connection
    chain._client(2, lambda now, out: chain.clients[2].closed(connection, now, out))
    chain.wait(3)
    chain._gone(index, number)
    chain.run()
    chain.send(1, b"found")
    chain.run()
    assert chain.shown(2) == [b"found"]


def test_the_unfenced_goodbye_of_an_old_connection_makes_a_device_deaf() -> None:
    chain = connected("naive", users=2, gateways=2)
    first = chain.clients[2].connection
    business, link = chain.business, 2
    chain.cut(2)
    chain.wait(3)
    assert chain.clients[2].connection > first
    chain._business(lambda now, out: business.receive(link, Detach(99, 2, 2, 1), now, out))  # type: ignore[union-attr]
    chain.send(1, b"unheard")
    chain.run()
    assert chain.shown(2) == []


def test_a_stranger_is_refused_for_certain_and_the_refusal_is_repeated() -> None:
    chain = connected("cursor", users=3)
    chain.conversations[0] = type(chain.conversations[0])(1, "group", (1, 2))
    chain.kill_business()
    chain.start_business()
    chain.run()
    chain.send(3, b"let me in")
    chain.send(3, b"please")
    chain.run()
    assert [e.code for e in chain.seen(3, SendFailed)] == [Code.NOT_A_MEMBER, Code.NOT_A_MEMBER]
    assert chain.stored() == []


def test_timer_gives_up_after_three_tries_and_says_unknown() -> None:
    chain = connected("timer")
    chain.kill_business()
    chain.send(1, b"nobody answers")
    chain.run()
    chain.wait(10)
    assert chain.outcomes(1) == [SendUnknown]


def test_cursor_waits_for_business_however_long_it_takes() -> None:
    chain = connected("cursor")
    chain.kill_business()
    chain.send(1, b"patience")
    chain.run()
    chain.wait(60)
    assert chain.outcomes(1) == []
    chain.start_business()
    chain.wait(10)
    assert chain.outcomes(1) == [SendOk]
    assert chain.shown(2) == [b"patience"]


def test_an_own_send_whose_ack_was_lost_is_learnt_from_sync() -> None:
    chain = connected("cursor")
    chain.send(1, b"mine")
    while not chain.rows:
        chain.step()
    chain.cut(1)
    chain.run()
    chain.wait(5)
    assert chain.outcomes(1) == [SendOk]
    assert chain.shown(1) == [b"mine"]


def test_a_read_back_shows_nothing_and_reads_everything() -> None:
    chain = connected("naive")
    for i in range(250):
        chain.send(1, b"%d" % i)
    chain.run()
    before = len(chain.shown(2))
    chain._client(2, lambda now, out: chain.clients[2].submit(ReadBack(1), now, out))
    chain.run()
    assert len(chain.seen(2, ReadBackMessage)) == 250
    assert len(chain.seen(2, ReadBackCompleted)) == 1
    assert len(chain.shown(2)) == before


def test_a_device_without_pong_leaves_its_connection_and_comes_back() -> None:
    chain = connected("cursor")
    index, number = chain.numbers[2]
    chain.sockets[(index, number)] = None  # type: ignore[assignment]  # half open: nothing comes back
    chain.wait(20)
    states = [e.state for e in chain.seen(2, SessionChanged)]
    assert states[-3:] == ["disconnected", "connecting", "ready"]


def test_sync_goes_page_by_page() -> None:
    chain = connected("cursor")
    chain.cut(2)
    for i in range(230):
        chain.send(1, b"%d" % i)
        chain.run()
    chain.wait(5)
    assert chain.shown(2) == [b"%d" % i for i in range(230)]
    requests = [e.frame.after_seq for e in chain.effects[2] if isinstance(getattr(e, "frame", None), SyncRequest)]
    assert requests == [0, 100, 200]


def test_a_device_that_lost_its_state_is_told_so_and_never_that_another_message_was_sent() -> None:
    chain = connected("cursor")
    chain.send(1, b"old")
    chain.run()
    chain.cut(1)
    chain.clients[1] = fresh = Chain(1).clients[1]  # the app was installed again, under the same number
    chain._client(1, fresh.start)
    chain.run()
    chain.effects[1].clear()
    chain.send(1, b"new")
    chain.run()
    assert [(e.send_counter, e.code) for e in chain.seen(1, SendFailed)] == [(1, Code.COUNTER_REUSED)]
    assert chain.seen(1, SendOk) == []
    assert chain.stored() == [b"old"]


def test_a_device_behind_in_more_conversations_than_one_list_holds_catches_up_with_all() -> None:
    chain = Chain(2)
    chain.kill_business()
    count = limits.HEADS_MAX + 500
    chain.conversations = [Conversation(c, "direct", (1, 2)) for c in range(1, count + 1)]
    chain.start_business()
    chain._client(1, chain.clients[1].start)
    chain.run()
    for conversation in range(1, count + 1):
        chain.send(1, b"%d" % conversation, conversation)
    chain.run()
    assert len(chain.seen(1, SendOk)) == count
    chain._client(2, chain.clients[2].start)
    chain.run()
    assert len(chain.shown(2)) == count
    chain.wait(1)
    assert chain.clients[2].settled


def test_acks_for_what_a_device_has_no_part_in_or_what_is_not_there_are_not_kept() -> None:
    chain = connected("cursor")
    chain.send(1, b"one")
    chain.run()
    node = chain.business
    assert node is not None
    link = next(iter(chain.links))
    number = chain.numbers[2][1]
    ack = ReceiveAck(99, ((1, 1 << 40), *((c, 5) for c in range(2, 200))))
    node.receive(link, Up(number, ack), 0, [])
    assert node._received_upto == {(2, 1): 1}


def test_syncs_beyond_the_bound_wait_and_all_are_answered() -> None:
    chain = connected("cursor")
    node = chain.business
    assert node is not None
    link, number = next(iter(chain.links)), chain.numbers[2][1]
    out: list[BusinessEffect] = []
    for request in range(1, 3 * limits.SYNCS_MAX + 1):
        node.receive(link, Up(number, SyncRequest(1, request, 0, 100)), 0, out)
    commands = [e.command for e in out if isinstance(e, Store)]
    assert len(commands) == limits.SYNCS_MAX
    answered = 0
    while commands:
        out = []
        node.stored(Page(commands.pop(0).token, (), 0, 1), 0, out)
        answered += 1
        commands += [e.command for e in out if isinstance(e, Store)]
        assert len(commands) <= limits.SYNCS_MAX
    assert answered == 3 * limits.SYNCS_MAX
