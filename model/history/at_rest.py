"""A history at rest: one Parquet file, readable by any tool that reads Parquet, or JSON Lines, which people can read and write.

Rules of the file:

- One row of the file is one row of the history, in order of time. What has a name is text, dictionary-encoded; null stands for
  "none". docs/history.md is the reference of every column.
- The header is JSON in the Parquet file's key-value metadata under ``imbench``, or the first of the lines, and is read strictly: an unknown
  field is an error. So is a column that is none of ours, and a row that makes no sense (:mod:`model.history.sense`).
- Reading what was written gives the same history, index by index; a file from elsewhere is numbered by the same rules
  (:func:`model.history.columns.assemble`), whatever order or dictionaries its writer chose.
- A file appears under its name only when it is whole and on disk, and is never overwritten. Every page carries a checksum.
- Whatever is wrong with a file is one :class:`HistoryError`: which file, what is wrong, what to do.

What this does not do: judge anything.
"""

from __future__ import annotations

import codecs
import difflib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.history import json_lines
from model.history.columns import History, Int, Labels, assemble, in_order_seen
from model.history.schema import SCHEMA, VERSION, Basis, FaultKind, Header, HistoryError, Kind, Phase, SendClass, Via
from model.history.sense import a_row, impossible

METADATA_KEY: Final = b"imbench"
LINES_SUFFIX: Final = ".jsonl"

TEXT: Final = ("kind", "via", "basis", "code", "device", "user", "node", "conversation", "sender", "client_message_id")
"""Columns of text."""
NUMBERS: Final[Mapping[str, Any]] = {
    "t_us": pa.int64(),
    "connection": pa.int64(),
    "epoch": pa.int32(),
    "seq": pa.int64(),
    "content_hash": pa.uint64(),
    "value": pa.int64(),
}
"""Columns of whole numbers, and their types. Null and 0 are the same, but ``t_us`` has no null."""
COLUMNS: Final = ("t_us", *TEXT, *(name for name in NUMBERS if name != "t_us"))

_ROW_GROUP_ROWS: Final = 1_000_000
_ALWAYS: Final = frozenset({"t_us", "kind", "value"})
"""Columns that are written without nulls."""


# codes mean different things in different rows ---------------------------------------------------------------------------

_PLAIN, _OUTCOME, _PHASE, _FAULT, _CLASS = range(5)
_FAMILY: Final = np.zeros(256, np.int64)
_FAMILY[[Kind.FAIL, Kind.INFO, Kind.DISCONNECTED]] = _OUTCOME
_FAMILY[[Kind.PHASE]] = _PHASE
_FAMILY[[Kind.INTEND]] = _CLASS
_FAMILY[[Kind.FAULT_PLANNED, Kind.FAULT_BEGUN, Kind.FAULT_HEALED]] = _FAULT


def _code_names(header: Header) -> list[dict[int, str]]:
    """By family, the names of codes that can be read back: no two codes of one name, no name that looks like a number."""
    texts = list(header.codes.values())
    outcomes = {code: text for code, text in header.codes.items() if texts.count(text) == 1 and not _is_number(text)}
    return [{}, outcomes, _names_of(Phase), _names_of(FaultKind), _names_of(SendClass)]


def _is_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _names_of(members: type[IntEnum]) -> dict[int, str]:
    """Member values and lower-case names; 0 is "none" and has no name."""
    return {int(member): member.name.lower() for member in members if member}


# writing -----------------------------------------------------------------------------------------------------------------


def write(history: History, path: str | os.PathLike[str]) -> None:
    """Write a history as one file: JSON Lines where it is called ``.jsonl``, else Parquet.

    Raises :class:`HistoryError` where ``path`` exists, cannot be written, or the disk is full; nothing is left behind then.
    """
    path = Path(path)
    if path.exists():
        raise HistoryError(f"{path}: exists already and is not overwritten; choose another name", "usage")
    table = as_table(history)
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            _dump(history.header, table, file, path.suffix == LINES_SUFFIX)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, pa.ArrowException) as error:
        partial.unlink(missing_ok=True)
        advice = "free space or choose another folder"
        raise HistoryError(f"{path}: cannot be written ({_reason(error)}); {advice}", "disk") from error


def _dump(header: Header, table: Any, file: BinaryIO, lines: bool) -> None:
    if lines:
        json_lines.dump(header, table, file)
    else:
        pq.write_table(table, file, row_group_size=_ROW_GROUP_ROWS, compression="zstd", write_page_checksum=True)


def as_table(history: History) -> Any:
    """A history as the Arrow table that is written, with names in place of indexes and null for none."""
    names, message = history.names, history.message
    sender = np.append(history.message_sender, -1)[message].astype(np.int64)
    columns = {
        "kind": _enum_column(history.kind, Kind),
        "via": _enum_column(history.via, Via),
        "basis": _enum_column(history.basis, Basis),
        "code": _code_column(history),
        "device": _text_column(history.device, names.devices),
        "user": _text_column(history.user, names.users),
        "node": _text_column(history.node, names.nodes),
        "conversation": _text_column(history.conversation, names.conversations),
        "sender": _text_column(sender, names.devices),
        "client_message_id": _text_column(message, names.client_message_ids),
    }
    for name, type_ in NUMBERS.items():
        numbers = getattr(history, name)
        columns[name] = pa.array(numbers, type_, mask=None if name in _ALWAYS else numbers == 0)
    metadata = {METADATA_KEY: msgspec.json.encode(history.header)}
    fields = [pa.field(name, columns[name].type, nullable=name not in _ALWAYS) for name in COLUMNS]
    return pa.Table.from_arrays([columns[name] for name in COLUMNS], schema=pa.schema(fields, metadata))


def _text_column(index: NDArray[Any], names: Sequence[str]) -> Any:
    """Dictionary-encoded text, null where the index is -1."""
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32(), mask=index < 0), pa.array(names, pa.string()))


def _enum_column(column: NDArray[np.uint8], members: type[IntEnum]) -> Any:
    names = _names_of(members)
    index = np.full(256, -2, np.int32)
    index[list(names)] = np.arange(len(names))
    if members is not Kind:
        index[0] = -1
    found = index[column]
    if (found == -2).any():
        at = int(np.argmin(found))
        raise HistoryError(f"row {at}: {column[at]} is no {members.__name__}; make the history with this version of imbench")
    return _text_column(found, list(names.values()))


def _code_column(history: History) -> Any:
    families, codes = _FAMILY[history.kind], history.code.astype(np.int64)
    index, first = in_order_seen(families << 32 | codes & 0xFFFFFFFF)
    names = _code_names(history.header)
    pairs = zip(families[first].tolist(), codes[first].tolist(), strict=True)
    texts = [names[family].get(code, str(code) if code else None) for family, code in pairs]
    present = [text for text in dict.fromkeys(texts) if text is not None]
    place = {text: at for at, text in enumerate(present)} | {None: -1}
    return _text_column(np.array([place[text] for text in texts], np.int32)[index], present)


# reading -----------------------------------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str], *, sensible: bool = True) -> History:
    """Read a history file: JSON Lines if it begins with a brace, else Parquet.

    Raises :class:`HistoryError` where it is missing, damaged, no history, of a newer version, lacks a column or has one too many,
    or has a row that this version does not know or that makes no sense. Lines that break off at the end are read as far as they go, and
    the header says ``truncated``; a Parquet file that is cut off cannot be read. With ``sensible=False`` rows may make no sense.
    """
    try:
        header, columns, place = _load(path)
        history, order = _history(header, columns, place)
        pa.default_memory_pool().release_unused()
        if sensible and (found := impossible(history)):
            row, text = found
            at = row if order is None else int(order[row])
            raise HistoryError(f"{place(at)}: {text}; docs/history.md says what each row means")
        return history
    except HistoryError as error:
        raise HistoryError(f"{path}: {error}", error.reason) from error


Place = Callable[[int], str]
"""What messages call a row of the file, counted from 0."""


def _load(path: str | os.PathLike[str]) -> tuple[Header, dict[str, Any], Place]:
    """A file's header, its columns by name, and what its rows are called."""
    if not Path(path).is_file():
        raise HistoryError("there is no such file; give the path of a history.parquet or of a run folder", "missing")
    with open(path, "rb") as file:
        if file.read(len(codecs.BOM_UTF8) + 1).removeprefix(codecs.BOM_UTF8)[:1] == b"{":
            return _load_lines(Path(path))
    if Path(path).suffix == LINES_SUFFIX:
        raise HistoryError('does not begin with a header, a line such as {"world": "my-server"}; write one before the rows')
    header, table = _load_parquet(path)
    return header, _columns(table), "row {}".format


def _columns(table: Any) -> dict[str, Any]:
    """A table's columns, to be used up one by one: two copies of everything would be the most memory that reading takes."""
    return dict(zip(table.column_names, table.columns, strict=True))


def _load_lines(path: Path) -> tuple[Header, dict[str, Any], Place]:
    types = {name: NUMBERS.get(name, pa.string()) for name in COLUMNS}
    text, table, cut = json_lines.parse(path.read_bytes().removeprefix(codecs.BOM_UTF8), types)
    try:
        header = parse_header(text)
    except HistoryError as error:
        what = "is a row, the header is missing" if _is_row(text) else str(error)
        raise HistoryError(f'line 1: {what}; the first line is the header, such as {{"world": "my-server"}}') from error
    return msgspec.structs.replace(header, truncated=header.truncated or cut), _columns(table), json_lines.place


def _is_row(text: bytes) -> bool:
    """Whether a line that should be the header is a row."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return isinstance(found, dict) and {"t_us", "kind"} <= found.keys()


def _load_parquet(path: str | os.PathLike[str]) -> tuple[Header, Any]:
    try:
        schema = pq.read_schema(path)
        header = _header(schema.metadata or {})
        _check_columns(schema)
        with pq.ParquetFile(path, read_dictionary=list(TEXT), page_checksum_verification=True) as file:
            return header, file.read(columns=list(COLUMNS))
    except (OSError, pa.ArrowException) as error:
        raise HistoryError(
            f"is no whole Parquet file ({_reason(error)}); copy it again, or give the run folder it comes from"
        ) from error


def _reason(error: Exception) -> str:
    """The first line of what went wrong."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0].rstrip(".")


class _Claim(msgspec.Struct):
    """What a header says of its own form; whatever else is in it."""

    schema: str = SCHEMA
    version: int = VERSION


def parse_header(text: bytes) -> Header:
    """A header from its JSON, strictly. Raises :class:`HistoryError`, its text without a file's name."""
    try:
        claim = msgspec.json.decode(text, type=_Claim)
        if claim.schema != SCHEMA:
            raise HistoryError(f"its schema is {claim.schema!r}, not {SCHEMA!r}; convert it as docs/history.md describes")
        if not 1 <= claim.version <= VERSION:
            raise HistoryError(f"its version is {claim.version}, this imbench reads up to {VERSION}; use a newer imbench")
        return msgspec.json.decode(text, type=Header)
    except msgspec.DecodeError as error:
        raise HistoryError(f"its header is wrong ({_reason(error)}); see the header in docs/history.md") from error


def _header(metadata: Mapping[bytes, bytes]) -> Header:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise HistoryError("has no header under the metadata key 'imbench'; write one as docs/history.md describes")
    return parse_header(text)


def _check_columns(schema: Any) -> None:
    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        raise HistoryError(f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; docs/history.md lists all of them")
    unknown = [name for name in schema.names if name not in COLUMNS]
    if unknown:
        raise HistoryError(
            f"has the unknown column{'s' * (len(unknown) > 1)} {', '.join(unknown)}; docs/history.md lists those there are"
        )
    for name in COLUMNS:
        found, text = schema.field(name).type, name in TEXT
        if not (_is_text(found) if text else _is_integer(found)):
            wanted = "text" if text else f"{NUMBERS[name]}"
            raise HistoryError(f"its column {name} is {found}, not {wanted}; write null, not NaN or '', where there is none")


def _is_text(found: Any) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_null(found))


def _is_integer(found: Any) -> bool:
    return bool(pa.types.is_integer(found) or pa.types.is_null(found))


def _history(header: Header, columns: dict[str, Any], place: Place) -> tuple[History, Int | None]:
    """The history of a table's columns, which are used up, and where in the table each of its rows stands; None where it stands itself."""
    plain = {name: _number_column(columns.pop(name), name, place) for name in NUMBERS}
    text = {name: _text(columns.pop(name)) for name in TEXT}
    for name, members in (("kind", Kind), ("via", Via), ("basis", Basis)):
        plain[name] = _enum_values(name, *text.pop(name), members, place)
    plain["code"] = _codes(header, plain["kind"], *text.pop("code"), place)
    stray = (text["sender"][0] >= 0) & (text["client_message_id"][0] < 0)
    if stray.any():
        raise HistoryError(f"{place(int(np.argmax(stray)))} has a sender but no client_message_id; give both, or neither")
    order = _order(plain["t_us"])
    if order is not None:
        plain = {name: column[order] for name, column in plain.items()}
        text = {name: (index[order], names) for name, (index, names) in text.items()}
    text["device"], text["sender"] = _share(text["device"], text["sender"])
    labels = {name: Labels(index, names.__getitem__) for name, (index, names) in text.items()}
    message, message_names = text["client_message_id"]
    history = assemble(
        header,
        plain,
        device=labels["device"],
        sender=labels["sender"],
        user=labels["user"],
        node=labels["node"],
        conversation=labels["conversation"],
        message=labels["client_message_id"],
        message_text=lambda first: [message_names[number] for number in message[first].tolist()],
    )
    return history, order


def _order(t_us: Int) -> Int | None:
    """The rows in order of time; None where they are."""
    return None if bool(np.all(t_us[:-1] <= t_us[1:])) else np.argsort(t_us, kind="stable")


def _number_column(column: Any, name: str, place: Place) -> NDArray[Any]:
    if name == "t_us" and column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise HistoryError(f"{place(row)} has no t_us; every row needs its time, in microseconds since the run's start")
    try:
        numbers: NDArray[Any] = column.cast(NUMBERS[name]).fill_null(0).to_numpy()
    except pa.ArrowInvalid as error:
        raise HistoryError(f"its column {name} does not fit {NUMBERS[name]} ({_reason(error)}); write smaller numbers") from error
    return numbers


def _text(column: Any) -> tuple[NDArray[np.int32], list[str]]:
    """A column of text as numbers, -1 for null, and what each number means, all different."""
    if not pa.types.is_dictionary(column.type) or pa.types.is_null(column.type.value_type):
        column = column.cast(pa.string()).dictionary_encode()
    if not column.num_chunks:
        return np.empty(0, np.int32), []
    array = pa.concat_arrays(column.chunks)  # row groups have dictionaries of their own; this makes them one
    names = array.dictionary.to_pylist()
    if None in names or len(set(names)) < len(names):  # allowed in Arrow, of no use here
        array = array.dictionary_decode().dictionary_encode()
        names = array.dictionary.to_pylist()
    return array.indices.fill_null(-1).to_numpy().astype(np.int32), names


def _enum_values(
    column: str, index: NDArray[np.int32], names: list[str], members: type[IntEnum], place: Place
) -> NDArray[np.uint8]:
    values = {name: value for value, name in _names_of(members).items()}
    for at, name in enumerate(names):
        if name not in values:
            row = int(np.argmax(index == at))
            raise HistoryError(f"{place(row)}: {name!r} is no {column}; {_advice(name, values)}")
    if members is Kind and (index < 0).any():
        raise HistoryError(f"{place(int(np.argmin(index)))} has no kind; known are {', '.join(values)}")
    return np.array([*(values[name] for name in names), 0], np.uint8)[index]


def _codes(
    header: Header, kind: NDArray[np.uint8], index: NDArray[np.int32], names: list[str], place: Place
) -> NDArray[np.int32]:
    families = _FAMILY[kind]
    values = [{name: code for code, name in family.items()} for family in _code_names(header)]
    pair, first = in_order_seen(np.where(index < 0, -1, families * max(1, len(names)) + index))
    codes = [0]
    for row, family in zip(first.tolist(), families[first].tolist(), strict=True):
        codes.append(_code(names[index[row]], values[family], Kind(kind[row]), place(row)))
    return np.array(codes, np.int32)[pair + 1]


def _code(text: str, values: Mapping[str, int], kind: Kind, place: str) -> int:
    code = values[text] if text in values else int(text) if _is_number(text) else None
    if code is None or not -(2**31) <= code < 2**31:
        raise HistoryError(f"{place}: {a_row(kind)} has the code {text!r}; {_code_advice(text, values, kind)}")
    return code


def _advice(name: str, valid: Collection[str]) -> str:
    """What to write instead of a name that is not known."""
    close = difflib.get_close_matches(name.lower(), list(valid), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(valid)}"


def _code_advice(text: str, values: Mapping[str, int], kind: Kind) -> str:
    """What to write instead of a code that is not known: names of outcomes are the header's own."""
    if _FAMILY[kind] == _OUTCOME and not difflib.get_close_matches(text, list(values), n=1):
        return f'name it in the header, as in "codes": {{"1": {json.dumps(text)}}}, or write a whole number'
    return _advice(text, values) if values else "write a whole number"


_Text = tuple[NDArray[np.int32], list[str]]


def _share(one: _Text, other: _Text) -> tuple[_Text, _Text]:
    """Renumber two columns of text so that they share one table."""
    place = {name: at for at, name in enumerate(one[1])}
    moved = np.array([*(place.setdefault(name, len(place)) for name in other[1]), -1], np.int32)
    names = list(place)
    return (one[0], names), (moved[other[0]], names)
