"""Histories as JSON Lines, for people and for other tools: the header on the first line, then one row on each line.

A row has the columns of ``docs/history.md`` under their names, null or left out where it does not use them. Lines are read strictly: an
unknown field or a wrong type is an error that names its line. A last line that breaks off marks the history as truncated; a line
that breaks off anywhere else is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import msgspec
import pyarrow as pa

from model.history.schema import Header, HistoryError

_CHUNK_ROWS: Final = 100_000


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    t_us: int
    kind: str
    via: str | None = None
    basis: str | None = None
    code: str | None = None
    device: str | None = None
    user: str | None = None
    node: str | None = None
    conversation: str | None = None
    sender: str | None = None
    client_message_id: str | None = None
    connection: int | None = None
    epoch: int | None = None
    seq: int | None = None
    content_hash: int | None = None
    value: int | None = None


_DECODER: Final = msgspec.json.Decoder(_Row)


def place(row: int) -> str:
    """How messages call a row of such a file, counted from 0: by its line."""
    return f"line {row + 2}"


def parse(text: bytes, types: Mapping[str, Any]) -> tuple[bytes, Any, bool]:
    """The header's text, the rows as a table with a column for each of ``types``, and whether the last line broke off.

    Raises :class:`HistoryError`, its text without a file's name.
    """
    header, _, body = text.partition(b"\n")
    rows, cut = _rows(body)
    _zero(rows)
    columns = {name: _column(name, [getattr(row, name) for row in rows], type_) for name, type_ in types.items()}
    return header, pa.table(columns), cut


def _rows(body: bytes) -> tuple[list[_Row], bool]:
    try:
        return _DECODER.decode_lines(body), False
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _line_by_line(body)


def _line_by_line(body: bytes) -> tuple[list[_Row], bool]:
    """The slow way, which knows the line that is wrong."""
    rows = []
    *lines, last = body.split(b"\n")
    for at, line in enumerate([*lines, last]):
        if not line.strip():
            continue
        try:
            rows.append(_DECODER.decode(line))
        except msgspec.ValidationError as error:
            raise HistoryError(f"{place(at)}: {_reason(error)}; docs/history.md lists the fields and their types") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if at == len(lines):
                return rows, True
            raise HistoryError(f"{place(at)}: is no JSON ({_reason(error)}); write one object on each line") from error
    return rows, False


def _reason(error: Exception) -> str:
    return str(error).rstrip(".")


_FROM_ONE: Final = {"connection": frozenset(), "epoch": frozenset(), "seq": frozenset({"ok", "deliver", "wire", "read_back"})}
"""Numbers that begin at 1, and the kinds in which; none named: in all. 0 would be taken for "unknown", and that is not what it says."""


def _zero(rows: list[_Row]) -> None:
    """Refuse what counts from 0."""
    for at, row in enumerate(rows):
        for name, kinds in _FROM_ONE.items():
            if getattr(row, name) == 0 and (not kinds or row.kind in kinds):
                raise HistoryError(
                    f"{place(at)}: {name} 0; it counts from 1: add one to all of them, or leave it out where it is unknown"
                )


def _column(name: str, values: list[Any], type_: Any) -> Any:
    try:
        return pa.array(values, type_)
    except (pa.ArrowInvalid, OverflowError):
        at = next(at for at, value in enumerate(values) if not _fits(value, type_))
        raise HistoryError(f"{place(at)}: {name} {values[at]} does not fit {type_}; write a smaller number") from None


def _fits(value: Any, type_: Any) -> bool:
    try:
        pa.scalar(value, type_)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True


def dump(header: Header, table: Any, file: BinaryIO) -> None:
    """Write a header and its rows, nulls and zeros (which say the same) left out."""
    encoder = msgspec.json.Encoder()
    file.write(encoder.encode(_without_defaults(header)) + b"\n")
    for batch in table.to_batches(_CHUNK_ROWS):
        rows = ({name: value for name, value in row.items() if value or name == "t_us"} for row in batch.to_pylist())
        file.write(encoder.encode_lines(rows))


def _without_defaults(header: Header) -> dict[str, Any]:
    """What a header says beyond the defaults; its schema and version always."""
    said, default = msgspec.to_builtins(header), msgspec.to_builtins(Header(world=""))
    contract = {name: value for name, value in said["contract"].items() if value != default["contract"][name]}
    kept = {
        name: value for name, value in said.items() if value != default[name] and name not in ("schema", "version", "contract")
    }
    return {"schema": said["schema"], "version": said["version"], **kept} | ({"contract": contract} if contract else {})
