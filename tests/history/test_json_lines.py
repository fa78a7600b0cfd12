"""Histories as JSON Lines: written by hand, read strictly, and judged as far as they go where they break off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.history.at_rest import read, write
from model.history.columns import History
from model.history.schema import VERSION
from tests.history.conftest import reading_fails

HEADER = '{"world":"by hand"}\n'
TWO_DEVICES = '{"t_us":0,"kind":"device","device":"a","user":"u"}\n{"t_us":0,"kind":"device","device":"b","user":"v"}\n'
SEND = '{"t_us":5,"kind":"intend","device":"a","conversation":"g","sender":"a","client_message_id":"1"}\n'
WHOLE = HEADER + TWO_DEVICES + SEND


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def fails(tmp_path: Path, text: str) -> str:
    """The one line that reading this text gives."""
    return reading_fails(written(tmp_path / "h.jsonl", text))


def test_the_sample_comes_back_exactly(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "h.jsonl")
    assert read(tmp_path / "h.jsonl").equals(sample)


def test_the_same_history_reads_the_same_from_either_form(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "h.jsonl")
    write(read(tmp_path / "h.jsonl"), tmp_path / "h.parquet")
    assert read(tmp_path / "h.parquet").equals(sample)


def test_a_line_says_only_what_it_has_to(tmp_path: Path) -> None:
    history = read(written(tmp_path / "h.jsonl", WHOLE))
    write(history, tmp_path / "again.jsonl")
    header, *rows = (tmp_path / "again.jsonl").read_text().splitlines()
    assert header == f'{{"schema":"imbench-history","version":{VERSION},"world":"by hand"}}'
    assert "\n".join(rows) + "\n" == TWO_DEVICES + SEND


def test_rows_in_any_order_blank_lines_and_nulls_are_fine(tmp_path: Path) -> None:
    shuffled = HEADER + "\n" + SEND.replace("}", ',"seq":null}') + "\n" + TWO_DEVICES
    assert read(written(tmp_path / "a.jsonl", shuffled)).equals(read(written(tmp_path / "b.jsonl", WHOLE)))


@pytest.mark.parametrize("length", range(len(WHOLE) - len(SEND) + 1, len(WHOLE) - 2))
def test_a_last_line_that_breaks_off_is_left_out_and_the_header_says_truncated(tmp_path: Path, length: int) -> None:
    history = read(written(tmp_path / "h.jsonl", WHOLE[:length]))
    assert history.header.truncated
    assert len(history) == 2


def test_a_file_that_ends_without_a_line_feed_is_whole(tmp_path: Path) -> None:
    assert not read(written(tmp_path / "h.jsonl", WHOLE.rstrip())).header.truncated


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO_DEVICES, "line 1: is a row, the header is missing; the first line is the header, such as"),
        ("{\n", "line 1: its header is wrong (Input data was truncated)"),
        (HEADER + '{"t_us":0,"kind":"device"\n' + SEND, "line 2: is no JSON (Input data was truncated); write one object"),
        (HEADER + "\n" + '{"t_us":0,"kind":"phase","colour":1}\n', "line 3: Object contains unknown field `colour`; docs/hist"),
        (HEADER + '{"t_us":"0","kind":"phase"}\n', "line 2: Expected `int`, got `str` - at `$.t_us`; docs/history.md lists"),
        (HEADER + '{"t_us":0.5,"kind":"phase"}\n', "line 2: Expected `int`, got `float` - at `$.t_us`"),
        (HEADER + '{"kind":"phase"}\n', "line 2: Object missing required field `t_us`"),
        (HEADER + '{"t_us":0,"kind":"shown"}\n', "line 2: 'shown' is no kind; known are device,"),
        (
            WHOLE + '{"t_us":0,"kind":"phase","epoch":4294967296}\n',
            "line 5: epoch 4294967296 does not fit int32; write a smaller",
        ),
        (HEADER + '{"t_us":0,"kind":"phase","code":"lunch"}\n', "line 2: a phase row has the code 'lunch'; known are warm_up"),
        (
            HEADER + '{"t_us":0,"kind":"phase","code":"warmup"}\n',
            "line 2: a phase row has the code 'warmup'; did you mean 'warm_up'?",
        ),
        (HEADER + '{"t_us":0,"kind":"Deliver"}\n', "line 2: 'Deliver' is no kind; did you mean 'deliver'?"),
        (WHOLE + '{"t_us":0,"kind":"device","device":"c","user":"u","seq":1,"epoch":0}\n', "line 5: epoch 0; it counts from 1"),
        (WHOLE + '{"t_us":1,"kind":"ok","seq":0}\n', "line 5: seq 0; it counts from 1"),
        (WHOLE + '{"t_us":9,"kind":"ok","sender":"a"}\n', "line 5 has a sender but no client_message_id; give both, or"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_with_its_number(tmp_path: Path, text: str, said: str) -> None:
    assert fails(tmp_path, text).startswith(said)


# rows that make no sense -------------------------------------------------------------------------------------------------

SEEN = '{"t_us":9,"kind":"deliver","via":"live","device":"b","conversation":"g","sender":"a","client_message_id":"1"'
SENT = '{"t_us":9,"kind":"ok","device":"a","conversation":"g","sender":"a","client_message_id":"1"}'
PLAN = '{"t_us":9,"kind":"fault_planned","node":"n","code":"kill","value":1}'


def changed(row: str, **fields: object) -> str:
    """A row with other fields; None takes one away."""
    new = json.loads(row) | fields
    return json.dumps({name: value for name, value in new.items() if value is not None})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"t_us":9,"kind":"ok","conversation":"g","sender":"a","client_message_id":"1"}', "an ok row needs a device"),
        ('{"t_us":9,"kind":"member","user":"u"}', "a member row needs a conversation"),
        ('{"t_us":9,"kind":"ready","device":"a"}', "a ready row needs a connection"),
        ('{"t_us":9,"kind":"deliver","device":"b","conversation":"g"}', "a deliver row needs a message (sender and client_mess"),
        ('{"t_us":9,"kind":"phase"}', "a phase row needs a code"),
        ('{"t_us":9,"kind":"fault_begun","code":"kill"}', "a fault_begun row needs a value"),
        (SEEN + ',"seq":-1}', "seq -1 is negative"),
        (SEEN + ',"connection":7}', "'b' never opened connection 7"),
        (SEEN.replace('"b"', '"c"') + "}", "no device row registers 'c'"),
        (changed(SEEN + "}", via="own"), "a deliver row of a message stands at the device that sent it, not at another"),
        (SEEN.replace("deliver", "ok") + "}", "an ok row of a message stands at the device that sent it, not at another"),
        (SEND.strip(), "a second intend row of one message; attempts have rows of their own"),
        (changed(SEEN + "}", via=None), "a deliver row needs a via"),
        (changed(SEEN + "}", kind="wire", via=None), "a wire row needs a via"),
        (
            changed(SEEN + "}", kind="read_back", via="own"),
            "a read_back row is via own; what a device placed itself is read back",
        ),
        (changed(PLAN, node=None), "a fault_planned row needs a node"),
        (changed(PLAN, kind="fault_healed", node=None), "a fault_healed row needs a node"),
        ('{"t_us":9,"kind":"device","device":"a","user":"v"}', "'a' is a device of 'u' already; a device has one user"),
        (changed(SENT, conversation="h"), "an ok row is in 'h', but its message was meant for 'g'"),
        (changed(SENT, kind="fail", conversation="h"), "a fail row is in 'h', but its message was meant for 'g'"),
        (changed(SENT, kind="info", conversation="h"), "an info row is in 'h', but its message was meant for 'g'"),
        (changed(SENT, kind="attempt", conversation="h"), "an attempt row is in 'h', but its message was meant for 'g'"),
        (changed(SENT, kind="invoke", conversation="h"), "an invoke row is in 'h', but its message was meant for 'g'"),
        (changed(PLAN, t_us=2**53 + 1), "t_us 9007199254740993; times are whole microseconds, 0 to 9007199254740992"),
        ('{"t_us":9,"kind":"device","device":"","user":"v"}', 'device is ""; give a name, or leave it out'),
        ('{"t_us":9,"kind":"device","device":"c","user":""}', 'user is ""; give a name, or leave it out'),
        ('{"t_us":9,"kind":"member","user":"u","conversation":""}', 'conversation is ""; give a name, or leave it out'),
        (changed(SEND, client_message_id=""), 'client_message_id is ""; give a name, or leave it out'),
        (changed(PLAN, node=""), 'node is ""; give a name, or leave it out'),
    ],
)
def test_a_row_that_no_run_can_have_recorded_is_refused(tmp_path: Path, row: str, said: str) -> None:
    assert fails(tmp_path, WHOLE + row + "\n").startswith(f"line 5: {said}")


def test_a_time_before_the_beginning_is_refused_where_it_stands(tmp_path: Path) -> None:
    assert fails(tmp_path, WHOLE + changed(PLAN, t_us=-1)).startswith("line 5: t_us -1; times are whole microseconds, 0 to")


def phases(*codes: str) -> str:
    """A whole history with these phases."""
    rows = [f'{{"t_us":{at},"kind":"phase","code":"{code}"}}' for at, code in enumerate(codes, start=10)]
    return WHOLE + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ("audit drain", "line 6: the phase drain begins after audit, but no phase runs backwards"),
        ("end warm_up drain", "line 6: the phase warm_up begins after end,"),
        ("drain measure", "line 6: the phase measure begins after drain,"),
        ("drain quiet audit quiet", "line 8: the phase quiet begins after audit,"),
    ],
)
def test_phases_that_run_backwards_are_refused(tmp_path: Path, codes: str, said: str) -> None:
    assert fails(tmp_path, phases(*codes.split())).startswith(said)


@pytest.mark.parametrize(
    "codes", ["warm_up measure drain quiet drain quiet quiet audit audit end", "drain drain_bound audit end", "end"]
)
def test_a_drain_may_begin_anew_and_phases_may_be_missing(tmp_path: Path, codes: str) -> None:
    assert len(read(written(tmp_path / "h.jsonl", phases(*codes.split())))) == 3 + len(codes.split())


def test_a_row_that_makes_no_sense_is_found_where_it_stands_in_the_file(tmp_path: Path) -> None:
    text = HEADER + SEEN + ',"connection":7}\n' + TWO_DEVICES + SEND
    assert fails(tmp_path, text).startswith("line 2: 'b' never opened connection 7; docs/history.md says")


def test_a_byte_order_mark_is_no_harm(tmp_path: Path, sample: History) -> None:
    write(sample, tmp_path / "h.jsonl")
    (tmp_path / "mark.jsonl").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "h.jsonl").read_bytes())
    assert read(tmp_path / "mark.jsonl").equals(sample)


@pytest.mark.parametrize("text", ["", "[]", "world"])
def test_lines_without_a_header_are_told_what_is_missing(tmp_path: Path, text: str) -> None:
    assert fails(tmp_path, text).startswith("does not begin with a header")


def test_bytes_that_are_no_text_are_told_by_their_line(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_bytes((HEADER + TWO_DEVICES + SEND).encode().replace(b'"v"', b'"\xff"') + SEND.encode())
    assert reading_fails(tmp_path / "h.jsonl").startswith("line 3: is no JSON ('utf-8' codec can't decode")
