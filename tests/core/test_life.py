"""The tables of states: complete, and each state by each input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from model.core import client, draws, gateway, limits
from model.core.backoff import wait_us
from model.core.client import ClientSession
from model.core.codes import DEFINITE, TEXT, Code
from model.core.commands import SendMessage
from model.core.effects import Close, Delivered, Open, Pause, Resume, SendFailed, TellBusiness, TrimmedTo, Write
from model.core.envelopes import Attach, Attached, Detach, Down, Evict, Up
from model.core.frames import (
    SEND,
    SEND_ACK,
    SYNC_REPLY,
    Connect,
    Deliver,
    Error,
    Goodbye,
    Heads,
    Notice,
    Opaque,
    Ping,
    Pong,
    Send,
    SendAck,
    SyncReply,
    SyncRequest,
    Welcome,
)
from model.core.gateway import Gateway
from model.core.outbox import Outbox
from model.core.policies import PRESETS, Backoff, Timers

TIMERS = Timers()


def test_the_tables_are_complete() -> None:
    assert all(set(client.LIFE[state]) == set(client.Event) for state in client.State)
    assert all(set(gateway.LIFE[state]) == set(gateway.Event) for state in gateway.State)
    assert set(TEXT) == set(Code)
    assert Code.OK not in DEFINITE


# gateway -------------------------------------------------------------------------------------------------------------------------------


def in_state(state: gateway.State) -> Gateway:
    machine = Gateway(PRESETS["cursor"], TIMERS, lambda user, device, token: token == b"good")
    out: list[Any] = []
    machine.business_up(0, out)
    machine.opened(1, 0, out)
    if state is not gateway.State.NEW:
        machine.receive(1, Connect(5, 6, 1, b"good"), 0, out)
    if state is gateway.State.ATTACHED:
        machine.receive_business(Attached(1, 77, ()), 0, out)
    return machine


FRAME = Opaque(SEND, 1, b"")
STATES = gateway.State
CASES = [
    (STATES.NEW, Connect(5, 6, 1, b"good"), [TellBusiness(Attach(1, 5, 6, 1))]),
    (STATES.NEW, Connect(5, 6, 1, b"bad"), [Write(1, Error(Code.BAD_TOKEN, TEXT[Code.BAD_TOKEN])), Close(1, Code.BAD_TOKEN)]),
    (STATES.NEW, Ping(1), [Write(1, Error(Code.NOT_ATTACHED, TEXT[Code.NOT_ATTACHED])), Close(1, Code.NOT_ATTACHED)]),
    (STATES.NEW, Goodbye(), [Close(1, 0)]),
    (STATES.NEW, FRAME, [Write(1, Error(Code.NOT_ATTACHED, TEXT[Code.NOT_ATTACHED])), Close(1, Code.NOT_ATTACHED)]),
    (STATES.ATTACHING, Ping(1), [Write(1, Pong(1, ()))]),
    (STATES.ATTACHING, Goodbye(), [Close(1, 0), TellBusiness(Detach(1, 5, 6, 0))]),
    (STATES.ATTACHED, Ping(1), [Write(1, Pong(1, ()))]),
    (STATES.ATTACHED, Goodbye(), [Close(1, 0), TellBusiness(Detach(1, 5, 6, 77))]),
    (STATES.ATTACHED, FRAME, [TellBusiness(Up(1, FRAME))]),
]


@pytest.mark.parametrize(("state", "frame", "effects"), CASES)
def test_a_gateway_answers_a_frame_by_the_state_of_its_connection(state: gateway.State, frame: Any, effects: list[Any]) -> None:
    out: list[Any] = []
    in_state(state).receive(1, frame, 0, out)
    assert out == effects


@pytest.mark.parametrize("state", [STATES.ATTACHING, STATES.ATTACHED])
def test_a_second_connect_ends_the_connection(state: gateway.State) -> None:
    out: list[Any] = []
    in_state(state).receive(1, Connect(5, 6, 1, b"good"), 0, out)
    assert out[1] == Close(1, Code.MALFORMED_FRAME)


@pytest.mark.parametrize("state", list(STATES))
def test_an_eviction_ends_the_connection_in_every_state(state: gateway.State) -> None:
    out: list[Any] = []
    in_state(state).receive_business(Evict(1, Code.TAKEN_OVER), 0, out)
    assert out[:2] == [Write(1, Error(Code.TAKEN_OVER, TEXT[Code.TAKEN_OVER])), Close(1, Code.TAKEN_OVER)]


def test_without_business_a_send_is_answered_unknown_and_the_connection_stays() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.receive(1, FRAME, 0, [])
    machine.business_down(0, out)
    machine.receive(1, FRAME, 0, out)
    assert out == [Write(1, Notice(Code.BUSINESS_UNAVAILABLE, TIMERS.retry_after_us))] * 2
    out.clear()
    machine.business_up(0, out)
    assert out == [TellBusiness(Attach(1, 5, 6, 1, True))]


def test_a_pong_tells_once_which_heads_moved() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    deliver = Deliver(3, 1, 9, 1, 1, 1, 1, b"")
    machine.receive_business(Down((1, 99), 9, deliver), 0, out)
    machine.receive(1, Ping(1), 0, out)
    machine.receive(1, Ping(2), 0, out)
    assert out == [Write(1, deliver), Write(1, Pong(1, ((3, 9),))), Write(1, Pong(2, ()))]


def test_a_silent_connection_is_cut_off_and_a_lively_one_is_not() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.opened(2, 0, out)
    idle = TIMERS.heartbeat_us * TIMERS.idle_heartbeats
    machine.receive(1, Ping(1), idle - 1, [])
    machine.on_deadline(idle, out)
    assert [e for e in out if isinstance(e, Close)] == [Close(2, Code.IDLE)]
    machine.on_deadline(machine.deadline, out)
    assert [e for e in out if isinstance(e, Close)] == [Close(2, Code.IDLE), Close(1, Code.IDLE)]
    assert machine.deadline == limits.NEVER_US


def test_a_connection_that_does_not_read_has_a_bounded_queue_and_then_is_cut_off() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.congested(1)
    for seq in range(1, limits.SEND_QUEUE_MAX + 1):
        machine.receive_business(Down((1,), seq, Deliver(3, 1, seq, seq, 1, 1, seq, b"")), 0, out)
    assert out == []
    machine.receive_business(Down((1,), 5000, Deliver(3, 1, 5000, 1, 1, 1, 1, b"")), 0, out)
    assert Close(1, Code.SLOW_CONSUMER) in out


def test_a_queue_is_bounded_in_bytes_too() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.congested(1)
    page = Opaque(SYNC_REPLY, 3, bytes(limits.FRAME_BYTES_MAX))
    for _ in range(limits.SEND_QUEUE_BYTES_MAX // limits.FRAME_BYTES_MAX):
        machine.receive_business(Down((1,), 0, page), 0, out)
    assert out == []
    machine.receive_business(Down((1,), 0, page), 0, out)
    assert Close(1, Code.SLOW_CONSUMER) in out


def test_a_notice_that_is_one_frame_too_many_for_a_slow_consumer_does_not_disturb_the_others() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.opened(2, 0, out)
    machine.receive(2, Connect(7, 8, 1, b"good"), 0, out)
    machine.receive_business(Attached(2, 78, ()), 0, out)
    for number in (1, 2):
        machine.receive(number, FRAME, 0, out)
    machine.congested(1)
    for seq in range(1, limits.SEND_QUEUE_MAX + 1):
        machine.receive_business(Down((1,), seq, Deliver(3, 1, seq, seq, 1, 1, seq, b"")), 0, out)
    out.clear()
    machine.business_down(0, out)
    assert Close(1, Code.SLOW_CONSUMER) in out
    assert Write(2, Notice(Code.BUSINESS_UNAVAILABLE, TIMERS.retry_after_us)) in out


def asked_much(machine: Gateway, more: int) -> list[Any]:
    out: list[Any] = []
    for _ in range(limits.ASKED_MAX + more):
        machine.receive(1, FRAME, 0, out)
    return out


def test_a_connection_that_asks_much_is_not_read_on_until_it_has_answers() -> None:
    machine = in_state(STATES.ATTACHED)
    assert asked_much(machine, more=2) == [TellBusiness(Up(1, FRAME))] * limits.ASKED_MAX + [Pause(1)]
    out: list[Any] = []
    ack = Opaque(SEND_ACK, 1, b"")
    machine.receive_business(Down((1,), 0, ack), 0, out)
    assert out == [TellBusiness(Up(1, FRAME)), Write(1, ack)]
    out.clear()
    machine.receive_business(Down((1,), 0, ack), 0, out)
    assert out == [TellBusiness(Up(1, FRAME)), Resume(1), Write(1, ack)]


def test_what_waits_when_business_goes_is_as_unknown_as_what_is_under_way() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    asked_much(machine, more=2)
    machine.business_down(0, out)
    assert out == [Resume(1), Write(1, Notice(Code.BUSINESS_UNAVAILABLE, TIMERS.retry_after_us))]
    out.clear()
    machine.business_up(0, out)
    assert out == [TellBusiness(Attach(1, 5, 6, 1, True))]


def test_where_sends_are_not_answered_they_are_not_waited_for() -> None:
    machine = Gateway(PRESETS["naive"], TIMERS, lambda *_: True)
    machine.business_up(0, [])
    machine.opened(1, 0, [])
    machine.receive(1, Connect(5, 6, 1, b""), 0, [])
    machine.receive_business(Attached(1, 77, ()), 0, [])
    assert Pause(1) not in asked_much(machine, more=2)


def test_heads_beyond_one_pong_come_with_the_next() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    for conversation in range(1, limits.HEADS_MAX + 3):
        machine.receive_business(Down((1,), 9, Deliver(conversation, 1, 9, 1, 1, 1, 1, b"")), 0, [])
    for counter in (1, 2):
        machine.receive(1, Ping(counter), 0, out)
    assert [len(e.frame.heads) for e in out] == [limits.HEADS_MAX, 2]


def test_silence_is_noticed_in_time_however_deadlines_were_moved() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    idle = TIMERS.heartbeat_us * TIMERS.idle_heartbeats
    machine.receive(1, Ping(1), 1, [])
    machine.opened(2, idle - 1, [])
    while machine.deadline <= idle + 1:
        machine.on_deadline(machine.deadline, out)
    assert Close(1, Code.IDLE) in out


def test_a_connection_that_reads_again_gets_what_was_kept_for_it_in_order() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.congested(1)
    frames = [Deliver(3, 1, seq, seq, 1, 1, seq, b"") for seq in (1, 2, 3)]
    for frame in frames:
        machine.receive_business(Down((1,), frame.conversation_seq, frame), 0, out)
    machine.drained(1, 0, out)
    assert out == [Write(1, frame) for frame in frames]


def test_late_events_about_a_closed_connection_are_harmless() -> None:
    machine, out = in_state(STATES.ATTACHED), list[Any]()
    machine.closed(1, 0, [])
    machine.receive(1, FRAME, 0, out)
    machine.closed(1, 0, out)
    machine.drained(1, 0, out)
    machine.congested(1)
    machine.refuse(1, Code.MALFORMED_FRAME, 0, out)
    machine.receive_business(Attached(1, 1, ()), 0, out)
    assert out == []


# client --------------------------------------------------------------------------------------------------------------------------------


def session(preset: str = "cursor", gateways: int = 2) -> ClientSession:
    return ClientSession(5, 6, b"good", gateways, 0, PRESETS[preset], TIMERS, draws.draws(1, 6))


def ready(preset: str = "cursor") -> ClientSession:
    machine = session(preset)
    out: list[Any] = []
    machine.start(0, out)
    machine.opened(1, 0, out)
    machine.receive(1, Welcome(1, ()), 0, out)
    assert machine.state is client.State.READY
    return machine


@pytest.mark.parametrize("event", ["start", "stop", "on_deadline"])
@pytest.mark.parametrize("state", list(client.State))
def test_no_input_is_an_error_in_any_state(event: str, state: client.State) -> None:
    machine = session()
    out: list[Any] = []
    steps: list[Callable[[], None]] = [
        lambda: machine.start(0, out),
        lambda: machine.opened(1, 0, out),
        lambda: machine.receive(1, Welcome(1, ()), 0, out),
        lambda: machine.closed(1, 0, out),
    ]
    for step in steps:
        if machine.state is state:
            break
        step()
    assert machine.state is state
    getattr(machine, event)(machine.deadline if event == "on_deadline" else 0, out)
    machine.closed(99, 0, out)
    machine.opened(99, 0, out)


def test_the_first_retry_goes_home_and_further_ones_around() -> None:
    machine, out = ready(), list[Any]()
    machine.closed(1, 0, out)
    for _ in range(3):
        machine.on_deadline(machine.deadline, out)
        machine.closed(machine.connection, machine.deadline, out)
    assert [(e.connection, e.gateway) for e in out if isinstance(e, Open)] == [(2, 0), (3, 1), (4, 0)]


@pytest.mark.parametrize(
    ("preset", "waits"),
    [("naive", [1_000_000] * 4), ("timer", [500_000, 1_000_000, 2_000_000, 4_000_000])],
)
def test_fixed_and_exponential_backoff_wait_as_they_say(preset: str, waits: list[int]) -> None:
    machine, now, seen = ready(preset), 0, []
    for _ in waits:
        machine.closed(machine.connection, now, [])
        seen.append(machine.deadline - now)
        now = machine.deadline
        machine.on_deadline(now, [])
    assert seen == waits


def test_full_jitter_stays_under_the_exponential_ceiling_and_above_the_servers_hint() -> None:
    machine, now = ready(), 0
    for attempt in range(12):
        machine.closed(machine.connection, now, [])
        wait = machine.deadline - now
        assert 0 <= wait <= min(TIMERS.backoff_max_us, TIMERS.backoff_base_us << attempt)
        now = machine.deadline
        machine.on_deadline(now, [])
    machine.opened(machine.connection, now, [])
    machine.receive(machine.connection, Error(Code.OVERLOADED, "", 7_000_000), now, [])
    machine.closed(machine.connection, now, [])
    assert machine.deadline - now >= 7_000_000


@pytest.mark.parametrize("policy", ["equal_jitter", "full_jitter", "decorrelated"])
def test_jittered_waits_lie_where_their_policy_says_and_never_below_a_hint(policy: Backoff) -> None:
    top, base, before = TIMERS.backoff_max_us, TIMERS.backoff_base_us, 0
    for attempts in range(40):
        ceiling = min(top, base << attempts)
        least, most = wait_us(policy, TIMERS, attempts, 0.0, before), wait_us(policy, TIMERS, attempts, 1 - 2**-53, before)
        floor = {"equal_jitter": ceiling // 2, "full_jitter": 0, "decorrelated": base}[policy]
        roof = min(top, 3 * max(before, base)) if policy == "decorrelated" else ceiling
        assert least == floor
        assert roof - 2 <= most <= roof
        assert wait_us(policy, TIMERS, attempts, 0.0, before, hint_us=7_000_000) >= 7_000_000
        before = most


def test_a_backoff_starts_anew_only_after_the_session_was_ready() -> None:
    machine, now = ready("timer"), 0
    for _ in range(4):  # the socket opens each time, the session never gets ready
        machine.closed(machine.connection, now, [])
        now = machine.deadline
        machine.on_deadline(now, [])
        machine.opened(machine.connection, now, [])
    machine.closed(machine.connection, now, [])
    assert machine.deadline - now == 8_000_000
    now = machine.deadline
    machine.on_deadline(now, [])
    machine.opened(machine.connection, now, [])
    machine.receive(machine.connection, Welcome(2, ()), now, [])
    machine.closed(machine.connection, now, [])
    assert machine.deadline - now == 500_000


def test_whatever_arrives_is_a_sign_of_life() -> None:
    machine, out = ready(), list[Any]()
    for now in range(0, 10 * TIMERS.pong_timeout_us, TIMERS.pong_timeout_us // 4):
        seq = 1 + now
        machine.receive(1, Deliver(1, 1, seq, seq, 2, 2, seq, b""), now, out)
        machine.on_deadline(now, out)
    assert machine.state is client.State.READY
    machine.on_deadline(now + 3 * TIMERS.pong_timeout_us, out)  # a ping
    machine.on_deadline(now + 9 * TIMERS.pong_timeout_us, out)
    assert machine.state is not client.State.READY


def test_nothing_is_written_on_a_connection_that_is_not_attached_yet_whatever_the_server_says() -> None:
    out: list[Any] = []
    device = session()
    device.submit(SendMessage(1, b"early"), 0, out)
    device.start(0, out)
    device.opened(1, 0, out)
    out.clear()
    device.receive(1, Heads(((1, 5),)), 0, out)
    assert out == []
    device.receive(1, Welcome(1, ((1, 5),)), 0, out)
    assert [e.frame.kind for e in out if isinstance(e, Write)] == [SyncRequest.kind, Send.kind]


def test_deadlines_may_come_early_and_often() -> None:
    machine, out = ready(), list[Any]()
    machine.submit(SendMessage(1, b"x"), 0, out)
    out.clear()
    for now in range(0, 400_000, 1000):
        machine.on_deadline(now, out)
    assert out == []


# outbox --------------------------------------------------------------------------------------------------------------------------------


def sends(out: list[Any]) -> list[int]:
    return [e.frame.send_counter for e in out if isinstance(e, Write) and isinstance(e.frame, Send)]


def test_the_window_holds_sends_back_and_acks_let_them_go() -> None:
    machine, out = ready(), list[Any]()
    for _ in range(limits.OUTSTANDING_MAX + 2):
        machine.submit(SendMessage(1, b"x"), 0, out)
    assert sends(out) == list(range(1, limits.OUTSTANDING_MAX + 1))
    out.clear()
    machine.receive(1, SendAck(1, 1, Code.OK, True, 1, 1, 1), 0, out)
    assert sends(out) == [limits.OUTSTANDING_MAX + 1]


def test_until_definite_goes_back_to_the_oldest_unanswered() -> None:
    machine, out = ready(), list[Any]()
    for _ in range(3):
        machine.submit(SendMessage(1, b"x"), 0, out)
    machine.receive(1, SendAck(1, 1, Code.OK, True, 1, 1, 1), 0, out)
    out.clear()
    machine.outbox.on_deadline(TIMERS.ack_timeout_us, out)
    assert sends(out) == [2, 3]


def test_out_of_sequence_stalls_the_conversation_and_repeats_it_in_order() -> None:
    machine, out = ready(), list[Any]()
    for _ in range(2):
        machine.submit(SendMessage(1, b"x"), 0, out)
    machine.receive(1, SendAck(1, 2, Code.OUT_OF_SEQUENCE), 0, out)
    out.clear()
    machine.submit(SendMessage(1, b"x"), 0, out)
    assert sends(out) == []  # must not overtake
    machine.on_deadline(TIMERS.retry_after_us, out)
    assert sends(out) == [1, 2, 3]


def test_a_send_that_meets_a_stalled_conversation_is_written_even_if_all_before_it_were_answered() -> None:
    machine, out = ready(), list[Any]()
    machine.submit(SendMessage(1, b"x"), 0, out)
    machine.receive(1, Notice(Code.BUSINESS_UNAVAILABLE, TIMERS.retry_after_us), 0, out)
    machine.receive(1, SendAck(1, 1, Code.OK, True, 1, 1, 1), 1, out)
    out.clear()
    machine.submit(SendMessage(1, b"y"), 2, out)
    assert sends(out) == []
    assert machine.deadline <= TIMERS.retry_after_us
    machine.on_deadline(TIMERS.retry_after_us, out)
    assert sends(out) == [2]


def test_notices_in_a_row_make_a_device_more_patient_and_an_answer_ends_that() -> None:
    machine, out, now = ready(), list[Any](), 0
    machine.submit(SendMessage(1, b"x"), 0, out)
    waits = []
    for _ in range(12):
        for _ in range(3):  # one round: a notice for every frame that was in flight
            machine.receive(1, Notice(Code.BUSINESS_UNAVAILABLE, TIMERS.retry_after_us), now, out)
        asked = now
        out.clear()
        while not sends(out):  # it may look earlier, and finds nothing to do
            now = machine.outbox.due
            machine.outbox.on_deadline(now, out)
        waits.append(now - asked)
    assert waits[0] == TIMERS.retry_after_us
    assert all(TIMERS.retry_after_us <= wait <= TIMERS.ack_timeout_max_us for wait in waits)
    assert max(waits) > 8 * TIMERS.retry_after_us
    machine.receive(1, SendAck(1, 1, Code.OK, True, 1, 1, 1), now, out)
    machine.submit(SendMessage(1, b"y"), now, out)
    machine.receive(1, Notice(Code.BUSINESS_UNAVAILABLE, TIMERS.retry_after_us), machine.outbox.due, out)
    assert machine.outbox.due <= now + TIMERS.ack_timeout_us + TIMERS.retry_after_us


def test_a_payload_that_no_server_takes_fails_for_certain_and_harms_nothing_else() -> None:
    machine, out = ready(), list[Any]()
    machine.submit(SendMessage(1, bytes(limits.PAYLOAD_BYTES_MAX + 1)), 0, out)
    machine.submit(SendMessage(1, b"x"), 0, out)
    assert [(e.send_counter, e.code) for e in out if isinstance(e, SendFailed)] == [(1, Code.PAYLOAD_TOO_LARGE)]
    (written,) = (e.frame for e in out if isinstance(e, Write))
    assert written == Send(1, 2, b"x", skipped=1)


def test_a_full_outbox_fails_for_certain_and_the_next_send_tells_the_log_to_skip() -> None:
    outbox, out = Outbox(6, PRESETS["cursor"], TIMERS, draws.draws(1, 6)), list[Any]()
    for _ in range(limits.OUTBOX_MAX + 2):
        outbox.submit(1, b"x", 0, out)
    assert [(e.send_counter, e.code) for e in out if isinstance(e, SendFailed)] == [
        (limits.OUTBOX_MAX + 1, Code.OUTBOX_FULL),
        (limits.OUTBOX_MAX + 2, Code.OUTBOX_FULL),
    ]
    outbox.attached(1, 0, out)
    for counter in range(1, limits.OUTBOX_MAX + 1):
        outbox.acked(SendAck(1, counter, Code.OK, True, 1, counter, counter), 0, out)
    out.clear()
    outbox.submit(1, b"x", 0, out)
    assert [(e.frame.send_counter, e.frame.skipped) for e in out] == [(limits.OUTBOX_MAX + 3, 2)]


# inbox ---------------------------------------------------------------------------------------------------------------------------------


def message(seq: int, epoch: int = 1, conversation: int = 1) -> Deliver:
    return Deliver(conversation, epoch, seq, seq, 2, 2, seq, b"%d" % seq)


def syncs(out: list[Any]) -> list[SyncRequest]:
    return [e.frame for e in out if isinstance(e, Write) and isinstance(e.frame, SyncRequest)]


def shown(out: list[Any]) -> list[int]:
    return [e.message.conversation_seq for e in out if isinstance(e, Delivered)]


def test_a_slow_answer_to_a_sync_is_waited_for_and_taken() -> None:
    machine, out = ready(), list[Any]()
    machine.receive(1, message(5), 0, out)
    (request,) = syncs(out)
    for k in range(60):  # a minute of further messages
        machine.receive(1, message(6 + k), k * 1_000_000, out)
    assert syncs(out) == [request]
    machine.receive(1, SyncReply(1, request.request, 65, 1, tuple(map(message, range(1, 5)))), 60_000_000, out)
    assert shown(out) == list(range(1, 66))
    assert syncs(out) == [request]


def test_a_device_syncs_few_conversations_at_a_time_and_in_the_end_all() -> None:
    machine, out = session(), list[Any]()
    machine.start(0, out)
    machine.opened(1, 0, out)
    machine.receive(1, Welcome(1, tuple((c, 1) for c in range(1, 101))), 0, out)
    open_ = syncs(out)
    assert len(open_) == limits.CATCH_UPS_MAX
    while open_:
        out.clear()
        asked = open_.pop(0)
        machine.receive(1, SyncReply(asked.conversation, asked.request, 1, 1, (message(1, 1, asked.conversation),)), 0, out)
        open_ += syncs(out)
        assert len(open_) <= limits.CATCH_UPS_MAX
    assert [machine.inbox.cursor(c) for c in range(1, 101)] == [1] * 100


def test_a_server_that_has_less_than_it_said_is_not_asked_in_a_circle() -> None:
    machine, out = session(), list[Any]()
    machine.start(0, out)
    machine.opened(1, 0, out)
    machine.receive(1, Welcome(1, ((1, 50),)), 0, out)
    machine.receive(1, SyncReply(1, syncs(out)[0].request, 3, 1, ()), 0, out)
    assert len(syncs(out)) == 1


def test_a_new_epoch_begins_the_conversation_anew_and_the_old_one_says_nothing_any_more() -> None:
    machine, out = ready(), list[Any]()
    for seq in (1, 2, 3):
        machine.receive(1, message(seq), 0, out)
    out.clear()
    machine.receive(1, message(2, epoch=2), 0, out)
    (request,) = syncs(out)
    assert request.after_seq == 0
    machine.receive(1, SyncReply(1, request.request, 2, 1, (message(1, 2), message(2, 2))), 0, out)
    machine.receive(1, message(4, epoch=1), 0, out)
    assert [(e.message.epoch, e.message.conversation_seq) for e in out if isinstance(e, Delivered)] == [(2, 1), (2, 2)]


def test_what_was_parked_below_a_trimmed_span_is_shown_in_its_place() -> None:
    machine, out = ready(), list[Any]()
    machine.receive(1, message(8), 0, out)
    (request,) = syncs(out)
    machine.receive(1, SyncReply(1, request.request, 11, 10, (message(10), message(11))), 0, out)
    assert shown(out) == [8, 10, 11]
    assert [(e.after_seq, e.start_seq) for e in out if isinstance(e, TrimmedTo)] == [(0, 10)]
