"""A history at rest is the same history; a file that is none is refused with one line that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.history.at_rest import COLUMNS, METADATA_KEY, read, write
from model.history.columns import History, from_rows
from model.history.schema import ROW, Basis, Header, HistoryError, Kind, Via
from tests.history.conftest import reading_fails

SMALL = st.integers(0, 3)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "t_us": st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1),
            "kind": st.sampled_from(list(Kind)),
            "via": st.sampled_from(list(Via)),
            "basis": st.sampled_from(list(Basis)),
            "code": st.integers(-2, 7) | st.integers(-(2**31), 2**31 - 1),
            "connection": st.integers(-(2**31), 2**31 - 1),
            "epoch": st.integers(-(2**31), 2**31 - 1),
            "seq": st.integers(-(2**63), 2**63 - 1),
            "content_hash": st.integers(0, 2**64 - 1),
            "value": st.integers(-(2**63), 2**63 - 1),
        }
        | dict.fromkeys(("device", "user", "node", "conversation", "sender", "send_counter"), SMALL)
    ),
    max_size=25,
)


def as_rows(rows: list[dict[str, int]]) -> Any:
    result = np.zeros(len(rows), ROW)
    for at, row in enumerate(rows):
        for name, value in row.items():
            result[name][at] = value
    return result


def rewritten(history: History, path: Path, change: Callable[[Any], Any]) -> Path:
    """The history as a file whose table was changed."""
    write(history, path.with_suffix(".original"))
    pq.write_table(change(pq.read_table(path.with_suffix(".original"))), path)
    return path


def with_column(name: str, column: Any) -> Callable[[Any], Any]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, column)


def with_header(**fields: Any) -> Callable[[Any], Any]:
    def change(table: Any) -> Any:
        header = msgspec.json.decode(table.schema.metadata[METADATA_KEY]) | fields
        return table.replace_schema_metadata({METADATA_KEY: msgspec.json.encode(header)})

    return change


# round trips -------------------------------------------------------------------------------------------------------------


def test_the_sample_comes_back_exactly(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "history.parquet")
    assert read(tmp_path / "history.parquet").equals(sample)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.dictionaries(st.integers(-2, 7), st.sampled_from(["idle", "gone", "", "7", "-1", "kill"]), max_size=4))
def test_any_recording_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, int]], codes: dict[int, str]
) -> None:
    history = from_rows(Header(world="sim", codes=codes), as_rows(rows))
    path = tmp_path_factory.mktemp("trip") / "history.parquet"
    write(history, path)
    assert read(path, sensible=False).equals(history)


def test_a_name_that_another_code_would_be_taken_for_is_not_used(tmp_path: Path) -> None:
    codes = {1: "7", 2: "gone", 3: "gone", 4: "idle"}
    history = from_rows(
        Header(world="sim", codes=codes), as_rows([{"kind": Kind.FAIL, "code": code} for code in (1, 2, 3, 4, 7)])
    )
    write(history, tmp_path / "history.parquet")
    assert pq.read_table(tmp_path / "history.parquet")["code"].to_pylist() == ["1", "2", "3", "idle", "7"]
    assert read(tmp_path / "history.parquet", sensible=False).equals(history)


def test_an_empty_history_comes_back(tmp_path: Path) -> None:
    history = from_rows(Header(world="sim"), np.empty(0, ROW))
    write(history, tmp_path / "history.parquet")
    assert read(tmp_path / "history.parquet").equals(history)


def test_the_file_speaks_in_names_and_nulls(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "history.parquet")
    rows = pq.read_table(tmp_path / "history.parquet").to_pylist()
    by_kind = {row["kind"]: {name: value for name, value in row.items() if value is not None} for row in rows}
    assert by_kind["deliver"] == {
        "t_us": 31,
        "kind": "deliver",
        "via": "live",
        "device": "d5",
        "conversation": "c3",
        "sender": "d17",
        "client_message_id": "c3:1",
        "connection": 2,
        "epoch": 1,
        "seq": 1,
        "content_hash": 2**64 - 59,
        "value": 9,
    }
    assert by_kind["ok"]["basis"] == "committed"
    assert by_kind["phase"] == {"t_us": 0, "kind": "phase", "code": "warm_up", "value": 0}
    codes = {kind: row.get("code") for kind, row in by_kind.items()}
    assert codes["info"] == "gave_up"
    assert codes["disconnected"] == "99"  # not in header.codes
    assert codes["fault_planned"] == "kill"
    assert codes["process_exited"] == "-9"
    assert codes["deliver"] is None


def test_text_is_dictionary_encoded_and_columns_stand_in_their_documented_order(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "history.parquet")
    schema = pq.read_schema(tmp_path / "history.parquet")
    assert tuple(schema.names) == COLUMNS
    assert [name for name in COLUMNS if pa.types.is_dictionary(schema.field(name).type)] == list(COLUMNS[1:11])


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_text_of_any_arrow_form_and_rows_in_any_order_read_the_same(tmp_path: Path, sample: History, text: Any) -> None:
    def change(table: Any) -> Any:
        for name in COLUMNS[1:11]:
            plain = table.column(name).cast(pa.string())
            encoded = plain.dictionary_encode().cast(text) if pa.types.is_dictionary(text) else plain.cast(text)
            table = with_column(name, encoded)(table)
        order = sorted(range(len(table)), key=lambda row: (-table["t_us"][row].as_py(), row))
        return table.take(order)

    assert read(rewritten(sample, tmp_path / "h.parquet", change)).equals(sample)


def test_columns_of_nothing_but_null_read_as_none(tmp_path: Path, sample: History) -> None:
    def change(table: Any) -> Any:
        for name in ("via", "node", "seq"):
            table = with_column(name, pa.nulls(len(table)))(table)
        return table

    history = read(rewritten(sample, tmp_path / "h.parquet", change), sensible=False)
    assert set(history.via.tolist()) == {0}
    assert set(history.node.tolist()) == {-1}
    assert set(history.seq.tolist()) == {0}
    assert history.names.nodes == ()


def test_messages_of_one_id_from_two_senders_are_two(tmp_path: Path, sample: History) -> None:
    def change(table: Any) -> Any:
        ids = pa.array([None] * 5 + ["a"] * 5 + [None] * 4)
        senders = pa.array([None] * 5 + ["d17", "d17", "d5", "d17", "d5"] + [None] * 4)
        return with_column("sender", senders)(with_column("client_message_id", ids)(table))

    history = read(rewritten(sample, tmp_path / "h.parquet", change), sensible=False)
    assert history.message.tolist() == [-1, -1, -1, -1, -1, 0, 0, 1, 0, 1, -1, -1, -1, -1]
    assert history.names.client_message_ids == ("a", "a")
    assert [history.names.devices[at] for at in history.message_sender] == ["d17", "d5"]


def test_several_row_groups_with_their_own_dictionaries_read_as_one(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "a")
    pq.write_table(pq.read_table(tmp_path / "a"), tmp_path / "b", row_group_size=2)
    assert pq.ParquetFile(tmp_path / "b").num_row_groups == 7
    assert read(tmp_path / "b").equals(sample)


# what is refused ---------------------------------------------------------------------------------------------------------


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert reading_fails(tmp_path / "none.parquet").startswith("there is no such file; give")
    assert reading_fails(tmp_path).startswith("there is no such file; give")


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    for text in (b"", b"PAR1", b"t_us,kind\n0,device\n" * 100):
        (tmp_path / "h.parquet").write_bytes(text)
        assert reading_fails(tmp_path / "h.parquet").startswith("is no whole Parquet file")


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert reading_fails(tmp_path / "cut").startswith("is no whole Parquet file")


def test_a_damaged_page_is_refused(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "whole")
    column = pq.ParquetFile(tmp_path / "whole").metadata.row_group(0).column(COLUMNS.index("content_hash"))
    whole = bytearray((tmp_path / "whole").read_bytes())
    end = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size
    for place in range(end - 16, end):
        whole[place] ^= 1
        (tmp_path / "damaged").write_bytes(whole)
        assert reading_fails(tmp_path / "damaged").startswith("is no whole Parquet file")
        whole[place] ^= 1


def test_a_parquet_file_without_a_header_is_refused(tmp_path: Path, sample: History) -> None:
    path = rewritten(sample, tmp_path / "h.parquet", lambda table: table.replace_schema_metadata({}))
    assert reading_fails(path).startswith("has no header under the metadata key 'imbench'; write one")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "other-history"}, "its schema is 'other-history', not 'imbench-history'; convert it"),
        ({"version": 3, "new_field": 1}, "its version is 3, this imbench reads up to 2; use a newer imbench"),
        ({"version": 0}, "its version is 0, this imbench reads up to 2"),
        ({"version": "1"}, "its header is wrong (Expected `int`, got `str` - at `$.version`)"),
        ({"sede": 1}, "its header is wrong (Object contains unknown field `sede`)"),
        ({"contract": {"promise_us": "soon"}}, "its header is wrong (Expected `int`, got `str` - at `$.contract.promise_us`)"),
    ],
)
def test_a_header_that_this_version_cannot_read_is_refused(
    tmp_path: Path, sample: History, change: dict[str, Any], said: str
) -> None:
    assert reading_fails(rewritten(sample, tmp_path / "h.parquet", with_header(**change))).startswith(said)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_is_needed(tmp_path: Path, sample: History, name: str) -> None:
    path = rewritten(sample, tmp_path / "h.parquet", lambda table: table.drop_columns([name]))
    assert reading_fails(path) == f"lacks the column {name}; docs/history.md lists all of them"


def test_a_column_that_is_none_of_ours_is_refused(tmp_path: Path, sample: History) -> None:
    path = rewritten(sample, tmp_path / "h.parquet", lambda table: table.append_column("remark", pa.array(["x"] * len(table))))
    assert reading_fails(path) == "has the unknown column remark; docs/history.md lists those there are"


COUNT = 14


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("device", pa.array(range(COUNT)), "its column device is int64, not text; write null"),
        ("seq", pa.array([0.5] * COUNT), "its column seq is double, not int64; write null, not NaN"),
        ("t_us", pa.array(["1"] * COUNT), "its column t_us is string, not int64"),
        ("t_us", pa.array([None] * COUNT, pa.int64()), "row 0 has no t_us; every row needs its time"),
        ("t_us", pa.chunked_array([[0] * 9, [None] * (COUNT - 9)], pa.int64()), "row 9 has no t_us; every row needs its time"),
        ("epoch", pa.array([2**31] * COUNT), "its column epoch does not fit int32 ("),
        ("content_hash", pa.array([-1] * COUNT), "its column content_hash does not fit uint64 ("),
        ("kind", pa.array(["device"] * (COUNT - 1) + ["shown"]), "row 13: 'shown' is no kind; known are device, member, intend,"),
        ("kind", pa.array(["device"] * (COUNT - 1) + [None]), "row 13 has no kind; known are device, member,"),
        ("via", pa.array(["pigeon"] * COUNT), "row 0: 'pigeon' is no via; known are live, sync, backfill, own, push"),
        ("basis", pa.array(["none"] * COUNT), "row 0: 'none' is no basis; known are write, received, committed"),
        ("code", pa.array(["idle"] * COUNT), "row 0: a device row has the code 'idle'; write a whole number"),
        (
            "code",
            pa.array([None] * 9 + ["lost"] + [None] * 4),
            "row 9: an info row has the code 'lost'; name it in the header, as in",
        ),
        (
            "code",
            pa.array([None] * 3 + ["2147483648"] + [None] * 10),
            "row 3: a phase row has the code '2147483648'; known are warm_up,",
        ),
        ("client_message_id", pa.nulls(COUNT, pa.string()), "row 5 has a sender but no client_message_id; give both, or neither"),
    ],
)
def test_a_column_that_cannot_be_meant_is_refused(tmp_path: Path, sample: History, name: str, column: Any, said: str) -> None:
    assert reading_fails(rewritten(sample, tmp_path / "h.parquet", with_column(name, column))).startswith(said)


# writing -----------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, sample: History) -> None:
    (tmp_path / "h.parquet").write_bytes(b"precious")
    with pytest.raises(HistoryError, match=r"h\.parquet: exists already and is not overwritten"):
        write(sample, tmp_path / "h.parquet")
    assert (tmp_path / "h.parquet").read_bytes() == b"precious"


def test_a_full_disk_is_one_error_and_leaves_no_half_file(
    tmp_path: Path, sample: History, disk_full_at: Callable[[int], AbstractContextManager[None]]
) -> None:
    with disk_full_at(2000), pytest.raises(HistoryError, match=r"h\.parquet: cannot be written \(File too large\); free space"):
        write(sample, tmp_path / "h.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path, sample: History) -> None:
    with pytest.raises(HistoryError, match=r"cannot be written \(No such file or directory\)"):
        write(sample, tmp_path / "none" / "h.parquet")


def test_a_history_that_says_what_no_schema_knows_is_not_written(tmp_path: Path, sample: History) -> None:
    wrong = from_rows(sample.header, as_rows([{"kind": Kind.OK}]))
    wrong.basis[0] = 9
    with pytest.raises(HistoryError, match="row 0: 9 is no Basis"):
        write(wrong, tmp_path / "h.parquet")
    assert list(tmp_path.iterdir()) == []
