"""Columns say what the rows said, with indexes in place of ids."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.history.columns import History, from_rows, in_order_seen
from model.history.recorder import MemoryRecorder, Rows
from model.history.schema import ROW, Header, HistoryError, Kind

IDS = st.integers(0, 2**31 - 1) | st.integers(0, 3)


def rows_of(*rows: dict[str, int]) -> Rows:
    recorder = MemoryRecorder(chunk_rows=16)
    for row in rows:
        recorder.record(**{"kind": Kind.DELIVER, "t_us": 0, **row})
    return recorder.rows()


def named(names: tuple[str, ...], index: int) -> str | None:
    return names[index] if index >= 0 else None


def test_the_sample_reads_as_it_was_recorded(sample: History) -> None:
    names = sample.names
    assert names.devices == ("d17", "d5")
    assert names.users == ("u17", "u6")
    assert names.nodes == ("gateway-1", "business")
    assert names.conversations == ("c3",)
    assert names.client_message_ids == ("c3:1", "c3:2")
    assert sample.message_sender.tolist() == [0, 0]
    deliver = int(sample.rows_of(Kind.DELIVER)[0])
    assert sample.t_us[deliver] == 31
    assert named(names.devices, sample.device[deliver]) == "d5"
    assert (sample.message[deliver], sample.conversation[deliver], sample.user[deliver], sample.node[deliver]) == (0, 0, -1, -1)
    assert (sample.seq[deliver], sample.epoch[deliver], sample.connection[deliver], sample.value[deliver]) == (1, 1, 2, 9)
    assert sample.content_hash[deliver] == 2**64 - 59


def test_rows_of_finds_any_of_several_kinds_in_order_of_time(sample: History) -> None:
    assert sample.kind[sample.rows_of(Kind.INFO, Kind.OK, Kind.MEMBER)].tolist() == [Kind.MEMBER, Kind.OK, Kind.INFO]
    assert sample.rows_of(Kind.TRIMMED).tolist() == sample.rows_of().tolist() == []
    assert len(sample) == 14


@given(
    st.lists(st.fixed_dictionaries({"t_us": st.integers(0, 4)} | dict.fromkeys(("device", "user", "node", "conversation"), IDS)))
)
def test_every_index_leads_back_to_its_id(rows: list[dict[str, int]]) -> None:
    history = from_rows(Header(world="sim"), rows_of(*rows))
    for at, row in enumerate(sorted(rows, key=lambda row: row["t_us"])):
        assert history.t_us[at] == row["t_us"]
        for field, prefix in (("device", "d"), ("user", "u"), ("node", "n"), ("conversation", "c")):
            expected = f"{prefix}{row[field]}" if row[field] else None
            assert named(getattr(history.names, field + "s"), getattr(history, field)[at]) == expected


@given(st.lists(st.tuples(IDS, IDS, IDS), max_size=30))
def test_messages_are_one_for_each_sender_conversation_and_counter(identities: list[tuple[int, int, int]]) -> None:
    rows = [{"sender": s, "conversation": c, "send_counter": n} for s, c, n in identities]
    history = from_rows(Header(world="sim"), rows_of(*rows))
    found: list[tuple[int, int, int] | None] = [None] * len(history.names.client_message_ids)
    for at, (sender, conversation, counter) in enumerate(identities):
        message = int(history.message[at])
        if sender == counter == 0:
            assert message == -1
            continue
        assert found[message] in (None, (sender, conversation, counter))
        found[message] = (sender, conversation, counter)
        assert named(history.names.devices, history.message_sender[message]) == (f"d{sender}" if sender else None)
        assert history.names.client_message_ids[message] == f"{f'c{conversation}' if conversation else ''}:{counter}"
    assert None not in found
    assert len(set(found)) == len(found)


def test_names_may_be_given_and_the_rest_keep_their_numbers() -> None:
    rows = rows_of({"device": 1, "user": 4, "conversation": 9, "sender": 2, "send_counter": 6}, {"device": 3, "node": 2})
    header = Header(world="live", nodes={1: "gateway-1"})
    history = from_rows(header, rows, devices={1: "anna's phone"}, users={4: "anna"}, conversations={9: "lunch"})
    assert history.names.devices == ("anna's phone", "d2", "d3")
    assert history.names.users == ("anna",)
    assert history.names.conversations == ("lunch",)
    assert history.names.nodes == ("n2",)
    assert history.names.client_message_ids == ("lunch:6",)


def test_names_stand_in_order_of_first_mention_device_before_sender() -> None:
    rows = rows_of({"device": 9, "sender": 3, "send_counter": 1}, {"device": 3}, {"device": 1}, {"device": 9})
    assert from_rows(Header(world="sim"), rows).names.devices == ("d9", "d3", "d1")


def test_rows_are_put_in_order_of_time_and_equal_times_stay_as_recorded() -> None:
    rows = rows_of({"t_us": 5, "value": 1}, {"t_us": 2, "value": 2}, {"t_us": 5, "value": 3}, {"t_us": 2, "value": 4})
    assert from_rows(Header(world="sim"), rows).value.tolist() == [2, 4, 1, 3]


def test_no_rows_make_an_empty_history() -> None:
    history = from_rows(Header(world="sim"), np.empty(0, ROW))
    assert len(history) == len(history.names.devices) == len(history.message_sender) == 0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kind", 77, "kind 77 is not one of"),
        ("via", 6, "via 6 is not one of"),
        ("basis", 4, "basis 4 is not one of"),
        ("device", -3, "device -3 is negative"),
        ("send_counter", -1, "send_counter -1 is negative"),
    ],
)
def test_a_row_that_means_nothing_is_named(field: str, value: int, said: str) -> None:
    with pytest.raises(HistoryError, match=rf"^row 1 \(t_us 8\): {said}"):
        from_rows(Header(world="sim"), rows_of({"t_us": 7}, {"t_us": 8, field: value}))


def test_two_ids_of_one_name_are_refused() -> None:
    with pytest.raises(HistoryError, match="two of the devices are called 'd2'"):
        from_rows(Header(world="sim"), rows_of({"device": 1}, {"device": 2}), devices={1: "d2"})


def test_histories_are_equal_when_all_of_header_names_and_rows_are(sample: History) -> None:
    recorded = rows_of({"t_us": 1, "device": 1})
    one = from_rows(Header(world="sim"), recorded)
    assert one.equals(from_rows(Header(world="sim"), recorded.copy()))
    assert not one.equals(sample)
    assert not one.equals(from_rows(Header(world="sim", seed=1), recorded))
    assert not one.equals(from_rows(Header(world="sim"), recorded, devices={1: "x"}))
    for name in ("t_us", "epoch", "content_hash", "value"):
        changed = recorded.copy()
        changed[name] += 1
        assert not one.equals(from_rows(Header(world="sim"), changed))


def test_the_header_survives_json(header: Header) -> None:
    assert msgspec.json.decode(msgspec.json.encode(header), type=Header) == header


@given(st.lists(st.integers(-1, 5) | st.integers(-1, 2**62)))
def test_in_order_seen_numbers_values_as_they_appear(numbers: list[int]) -> None:
    index, first = in_order_seen(np.array(numbers, np.int64))
    distinct = [number for number in dict.fromkeys(numbers) if number >= 0]
    assert index.tolist() == [distinct.index(number) if number >= 0 else -1 for number in numbers]
    assert first.tolist() == [numbers.index(number) for number in distinct]
