"""Effects become rows: one per operation and observation, with the identity, the position and the instant they happened at."""

from __future__ import annotations

from typing import Any

from model.core.effects import (
    Delivered,
    ReadBackCompleted,
    ReadBackMessage,
    ReadBackRequested,
    ReceiveAckConfirmed,
    SendFailed,
    SendOk,
    SendUnknown,
    SessionChanged,
    SyncCompleted,
    TrimmedTo,
    Write,
)
from model.core.frames import Deliver, Ping, Send, SyncReply, SyncRequest
from model.history.recorder import MemoryRecorder
from model.history.schema import Basis, Kind, Via
from model.observe import ClientObserver, content_hash

MESSAGE = Deliver(3, 1, 9, 77, 5, 5, 2, b"text")


def observed(*effects: Any) -> list[dict[str, int]]:
    recorder = MemoryRecorder()
    observer = ClientObserver(recorder, 6, {0: 11, 1: 12})
    observer.effects([SessionChanged("ready", 4, 1, 99), *effects], 1000)
    return [{name: int(row[name]) for name in row.dtype.names if name != "pad" and row[name]} for row in recorder.rows()][1:]


def test_an_ok_says_what_it_rests_on_and_where_the_message_stands() -> None:
    assert observed(SendOk(3, 2, "committed", 1, 9, 77)) == [
        dict(t_us=1000, kind=Kind.OK, basis=Basis.COMMITTED, device=6, conversation=3, sender=6, send_counter=2, connection=4)
        | dict(epoch=1, seq=9, value=77)
    ]


def test_failures_and_unknown_outcomes_carry_their_code() -> None:
    rows = observed(SendFailed(3, 2, 1), SendUnknown(3, 3, 23))
    assert [(r["kind"], r["send_counter"], r["code"]) for r in rows] == [(Kind.FAIL, 2, 1), (Kind.INFO, 3, 23)]


def test_a_delivery_names_its_sender_its_way_and_its_content() -> None:
    (row,) = observed(Delivered(MESSAGE, "sync"))
    assert row == dict(t_us=1000, kind=Kind.DELIVER, via=Via.SYNC, device=6, conversation=3, sender=5, send_counter=2) | dict(
        connection=4, epoch=1, seq=9, content_hash=content_hash(b"text"), value=77
    )


def test_only_sends_and_syncs_are_noted_when_written() -> None:
    rows = observed(Write(4, Send(3, 2, b"x")), Write(4, Ping(1)), Write(4, SyncRequest(3, 1, 8, 100)))
    assert [r["kind"] for r in rows] == [Kind.ATTEMPT, Kind.SYNC_REQUEST]
    assert rows[1]["seq"] == 8


def test_everything_else_a_session_tells_has_its_row() -> None:
    rows = observed(
        SyncCompleted(3, 4, 9),
        TrimmedTo(3, 4, 8),
        ReceiveAckConfirmed(3, 9, True),
        ReadBackMessage(MESSAGE),
        ReadBackCompleted(3, 9),
    )
    kinds = [Kind.SYNC_DONE, Kind.TRIMMED, Kind.RECEIVE_CONFIRMED, Kind.READ_BACK, Kind.READ_BACK_DONE]
    assert [r["kind"] for r in rows] == kinds
    assert [(r.get("seq"), r.get("value")) for r in rows] == [(9, 4), (8, 4), (9, 1), (9, 77), (9, None)]


def test_what_arrives_is_noted_before_dedupe_and_audits_are_not_arrivals() -> None:
    recorder = MemoryRecorder()
    observer = ClientObserver(recorder, 6, {0: 11})
    observer.received(MESSAGE, 1)
    observer.received(SyncReply(3, 1, 9, 1, (MESSAGE, MESSAGE)), 2)
    observer.effects([ReadBackRequested(2), Write(1, SyncRequest(3, 2, 0, 100))], 3)
    observer.received(SyncReply(3, 2, 9, 1, (MESSAGE,)), 3)
    observer.received(SyncReply(3, 3, 9, 1, (MESSAGE,)), 4)  # of a catch-up that was under way in the same conversation
    rows = recorder.rows()
    assert rows["kind"].tolist() == [Kind.WIRE] * 4
    assert rows["via"].tolist() == [Via.LIVE, Via.SYNC, Via.SYNC, Via.SYNC]


def test_submits_are_counted_per_conversation_as_the_session_counts_them() -> None:
    recorder = MemoryRecorder()
    observer = ClientObserver(recorder, 6, {0: 11})
    for conversation in (3, 4, 3):
        observer.submitted(conversation, b"x", 1)
    assert recorder.rows()["send_counter"].tolist() == [1, 1, 2]


def test_no_content_hashes_to_none() -> None:
    assert content_hash(b"") != 0
    assert content_hash(b"a") != content_hash(b"b")
