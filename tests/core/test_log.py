"""The conversation log: dense, deduplicated, in sender order, and the same after a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.core import limits
from model.core.codes import Code
from model.core.commands import Append, Appended
from model.core.frames import Deliver
from model.core.log import Conversation, ConversationLog, Row


def log() -> ConversationLog:
    return ConversationLog([Conversation(1, "direct", (1, 2)), Conversation(2, "group", (1, 2, 3))], epoch=1)


def append(
    counter: int, conversation: int = 1, user: int = 1, payload: bytes = b"x", dedupe: bool = True, skipped: int = 0
) -> Append:
    return Append(7, conversation, user, user, counter, payload, dedupe, skipped)


def test_positions_are_dense_from_one_in_each_conversation() -> None:
    one = log()
    positions = [(one.append(append(k, c))[0].conversation_seq, c) for k in (1, 2, 3) for c in (1, 2)]
    assert positions == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]


def test_a_repeated_send_gets_the_first_answer_and_is_kept_once() -> None:
    one = log()
    first, row = one.append(append(1))
    again, nothing = one.append(append(1))
    assert row is not None
    assert nothing is None
    assert (again.duplicate, again.conversation_seq, again.message_id) == (True, first.conversation_seq, first.message_id)


def test_a_send_that_overtakes_an_earlier_one_must_wait() -> None:
    one = log()
    one.append(append(1))
    assert one.append(append(3))[0].code == Code.OUT_OF_SEQUENCE
    assert one.append(append(2))[0].code == Code.OK
    assert one.append(append(3))[0].code == Code.OK


def test_a_send_may_leave_out_counters_its_device_gave_up() -> None:
    one = log()
    one.append(append(1))
    assert one.append(append(5, skipped=3))[0].code == Code.OK
    assert one.append(append(3))[0].code == Code.RESULT_FORGOTTEN
    assert one.append(append(7))[0].code == Code.OUT_OF_SEQUENCE


def test_a_definite_rejection_consumes_its_counter_and_is_remembered() -> None:
    one = log()
    refused, row = one.append(append(1, payload=b"x" * (limits.PAYLOAD_BYTES_MAX + 1)))
    assert refused.code == Code.PAYLOAD_TOO_LARGE
    assert row is not None
    assert one.append(append(1, payload=b"x" * (limits.PAYLOAD_BYTES_MAX + 1)))[0].code == Code.PAYLOAD_TOO_LARGE
    assert one.append(append(2))[0].conversation_seq == 1


def test_a_repeated_counter_with_other_content_or_another_sender_is_no_repetition() -> None:
    one = log()
    assert one.append(append(1, payload=b"first"))[0].code == Code.OK
    assert one.append(append(1, payload=b"other")) == (Appended(7, Code.COUNTER_REUSED), None)
    assert one.append(append(1, payload=b"first"))[0].duplicate


def test_a_stranger_leaves_nothing_behind() -> None:
    one = log()
    for counter in range(1, 100):
        assert one.append(append(counter, user=3)) == (Appended(7, Code.NOT_A_MEMBER), None)
    assert one._states == {}


def test_strangers_and_unknown_conversations_are_refused() -> None:
    one = log()
    assert one.append(append(1, user=3))[0].code == Code.NOT_A_MEMBER
    assert one.append(append(1, conversation=9))[0].code == Code.UNKNOWN_CONVERSATION


def test_results_older_than_the_window_are_forgotten_not_invented() -> None:
    one = log()
    for counter in range(1, limits.RESULTS_MAX + 2):
        one.append(append(counter))
    assert one.append(append(1))[0].code == Code.RESULT_FORGOTTEN
    assert one.append(append(2))[0].conversation_seq == 2


def test_without_dedupe_every_copy_is_kept() -> None:
    one = log()
    seqs = [one.append(append(1, dedupe=False))[0].conversation_seq for _ in range(3)]
    assert seqs == [1, 2, 3]


SENDS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 6)), max_size=60)


@given(SENDS, st.integers(0, 60))
def test_a_restored_log_answers_as_the_one_that_crashed_would_have(sends: list[tuple[int, int, int]], crash_at: int) -> None:
    one, rows = log(), list[Row]()
    for i, (user, conversation, counter) in enumerate(sends):
        if i == crash_at:
            one = log()
            one.restore(rows)
        result, row = one.append(append(counter, conversation, user))
        if row is not None:
            rows.append(row)
        assert result.code in (Code.OK, Code.OUT_OF_SEQUENCE, Code.NOT_A_MEMBER)
    kept = [r for r in rows if isinstance(r, Deliver)]
    for conversation in (1, 2):
        assert [r.conversation_seq for r in kept if r.conversation == conversation] == list(
            range(1, 1 + sum(r.conversation == conversation for r in kept))
        )
    assert len({(r.sender_device, r.conversation, r.send_counter) for r in kept}) == len(kept)
    for user in (1, 2, 3):
        counters = [r.send_counter for r in kept if r.sender_device == user and r.conversation == 2]
        assert counters == sorted(counters)
