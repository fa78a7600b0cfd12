"""Traces: sends that were recorded, to be played again at their instants.

A trace is a CSV file with a header line, a Parquet file, or what a run left: its folder, or its ``history.parquet``. Columns of the first
two, all but ``t_s`` optional; an empty field says nothing, and what is not said is drawn as for any other arrival:

| column | type | meaning |
|---|---|---|
| ``t_s`` | number | seconds from the beginning of the load |
| ``user`` | integer | who sends, 1 to the scenario's ``population.users`` |
| ``conversation`` | integer | into which of the population's conversations; the user must be in it |
| ``peer`` | integer | or to whom: into the direct conversation of the two, which the population must have |
| ``bytes`` | integer | size of the message |

Of a run's history the ``intend`` rows are taken: instants from the beginning of its load, senders and conversations. They fit a scenario
with the same population and the same seed, for it is those that decide who is in which conversation. Sizes are not in a history.

Rows need not be in order. What lies beyond the end of the load is not played, so a shorter scenario plays the beginning. Nothing that
is said is changed or left out: a user or a conversation that the population does not have is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.core import limits
from model.history import at_rest
from model.history.run_folder import RunFolder
from model.history.schema import HistoryError, Kind
from model.workload.arrivals import Replay
from model.workload.population import Population

Int = NDArray[np.int64]

COLUMNS = {"t_s": pa.float64(), "user": pa.int64(), "conversation": pa.int64(), "peer": pa.int64(), "bytes": pa.int64()}
ROWS_MAX = 10_000_000
"""Of a trace: what planning them holds in memory, some 100 bytes each, fits a small machine."""
HISTORY_NAME = "history.parquet"


class TraceError(ValueError):
    """A trace that cannot be played. The text is one line: which file, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows of a trace in order of time; 0 where nothing is said. Arrays of shape (rows,)."""

    path: str
    t_us: Int
    """From the beginning of the load."""
    user: Int
    conversation: Int
    peer: Int
    bytes: Int

    def until(self, length_us: int) -> Trace:
        """The rows before an instant."""
        end = int(np.searchsorted(self.t_us, length_us))
        cut = {name: getattr(self, name)[:end] for name in ("t_us", "user", "conversation", "peer", "bytes")}
        return Trace(self.path, **cut)


def located(replay: Replay) -> Replay:
    """The same with the whole path of its file and a digest of its content, so that any process finds it, and finds it unchanged.

    Raises :class:`TraceError` where there is no such file.
    """
    path = Path(replay.path).absolute()
    return msgspec.structs.replace(replay, path=str(path), sha256=replay.sha256 or _digest(path))


def read(replay: Replay) -> Trace:
    """A trace. Raises :class:`TraceError`."""
    path = Path(replay.path)
    if replay.sha256 and _digest(path) != replay.sha256:
        raise TraceError(f"{path}: is not what it was when the scenario was made; give the path anew")
    history = path.is_dir() or (path.suffix == ".parquet" and "kind" in _parquet_names(path))
    trace = _of_history(path) if history else _of_table(path)
    if len(trace.t_us) > ROWS_MAX:
        raise TraceError(f"{path}: has {len(trace.t_us)} sends; give at most {ROWS_MAX}")
    return trace


def check(replay: Replay, users: int) -> Iterator[str]:
    """What no population of so many users can play. Raises :class:`TraceError` for what cannot be read."""
    return _strangers(read(replay), users)


def _strangers(trace: Trace, users: int) -> Iterator[str]:
    for name, values in (("user", trace.user), ("peer", trace.peer)):
        if len(values) and values.max() > users:
            yield f"{trace.path}: {name} {values.max()} is not in the population; give population.users of at least that"


def fitted(trace: Trace, population: Population) -> Int:
    """The conversation of each row that says where to, 0 for the others. Raises :class:`TraceError` where the population lacks it."""
    for problem in _strangers(trace, len(population.users)):
        raise TraceError(problem)
    members = {c.conversation: c.members for c in population.conversations}
    direct = {c.members: c.conversation for c in population.conversations if c.kind == "direct"}
    found = trace.conversation.copy()
    for i in np.flatnonzero((trace.peer > 0) & (found == 0)).tolist():
        user, peer = int(trace.user[i]), int(trace.peer[i])
        found[i] = direct.get((min(user, peer), max(user, peer)), -1)
        if found[i] < 0:
            raise TraceError(f"{trace.path}: users {user} and {peer} have no direct conversation; {_ELSE}")
    said = np.unique(np.stack([trace.user, found])[:, found > 0], axis=1).T
    for user, conversation in said.tolist():
        if user not in members.get(conversation, ()):
            raise TraceError(f"{trace.path}: user {user} is in no conversation {conversation}; {_ELSE}")
    return found


def none_left_out(trace: Trace, conversation: Int) -> None:
    """Raises :class:`TraceError` where a row found no conversation."""
    lonely = np.flatnonzero(conversation == 0)
    if len(lonely):
        user = int(trace.user[lonely[0]])
        raise TraceError(f"{trace.path}: user {user} is in no conversation; give population.groups_per_user of at least 1")


_ELSE = "give the seed and the population it was recorded with, or leave the column out"


def _digest(path: Path) -> str:
    file = path / HISTORY_NAME if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
    except OSError as error:
        raise TraceError(f"{file}: cannot be read ({error.strerror}); give a trace, or the folder of a finished run") from error


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise TraceError(f"{path}: is no whole Parquet file; give one, or CSV under a name that ends in .csv") from error


def _of_history(path: Path) -> Trace:
    """The intended sends of a run of imbench, which names users and conversations by number."""
    try:
        history = RunFolder.open(path).history() if path.is_dir() else at_rest.read(path)
    except HistoryError as error:
        raise TraceError(str(error)) from error
    rows = history.rows_of(Kind.INTEND)
    try:
        users = np.array([int(name.removeprefix("d")) for name in history.names.devices], np.int64)
        rooms = np.array([int(name.removeprefix("c")) for name in history.names.conversations], np.int64)
    except ValueError as error:
        raise TraceError(f"{path}: names users otherwise than a run of imbench; give a table of t_s, user and bytes") from error
    nothing = np.zeros(len(rows), np.int64)
    t_us = history.t_us[rows] - history.header.load_begin_us
    return Trace(str(path), t_us, users[history.device[rows]], rooms[history.conversation[rows]], nothing, nothing)


def _of_table(path: Path) -> Trace:
    table = _table(path)
    unknown = [name for name in table.column_names if name not in COLUMNS]
    if unknown or "t_s" not in table.column_names:
        wrong = f"has a column '{unknown[0]}'" if unknown else "has no column 't_s'"
        raise TraceError(f"{path}: {wrong}; columns are {', '.join(COLUMNS)}, and only t_s must be there")
    columns = {name: _column(path, table, name) for name in COLUMNS}
    seconds = columns.pop("t_s")
    if not (np.isfinite(seconds) & (seconds >= 0) & (seconds <= 86_400)).all():
        raise TraceError(f"{path}: has a t_s that is empty or no time; give seconds of 0 to 86400 from the beginning of the load")
    whole = {name: values.astype(np.int64) for name, values in columns.items()}
    _sensible(path, whole)
    order = np.argsort(seconds, kind="stable")
    t_us = np.rint(seconds[order] * 1e6).astype(np.int64)
    return Trace(str(path), t_us, **{name: values[order] for name, values in whole.items()})


def _sensible(path: Path, columns: dict[str, Int]) -> None:
    """Refuse what no population can play."""
    for name, values in columns.items():
        if len(values) and values.min() < 0:
            raise TraceError(f"{path}: has a {name} of {values.min()}; they count from 1")
    if len(columns["bytes"]) and columns["bytes"].max() > limits.PAYLOAD_BYTES_MAX:
        raise TraceError(f"{path}: has bytes of {columns['bytes'].max()}; give at most {limits.PAYLOAD_BYTES_MAX}")
    where = (columns["conversation"] > 0) | (columns["peer"] > 0)
    if (where & (columns["user"] == 0)).any():
        raise TraceError(f"{path}: has a row that says where to and not from whom; give its user as well")


def _table(path: Path) -> Any:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        types = pa.csv.ConvertOptions(column_types=COLUMNS)
        return pa.csv.read_csv(path, convert_options=types)
    except (pa.ArrowException, OSError) as error:
        raise TraceError(
            f"{path}: cannot be read as a table ({' '.join(str(error).split())}); docs/workload.md has one"
        ) from error


def _column(path: Path, table: Any, name: str) -> NDArray[Any]:
    """A column as numbers; 0, or NaN for times, where it says nothing."""
    if name not in table.column_names:
        return np.zeros(table.num_rows)
    try:
        column = table[name].combine_chunks().cast(COLUMNS[name])
    except pa.ArrowException as error:
        raise TraceError(f"{path}: column '{name}' holds what is no {COLUMNS[name]}; docs/workload.md has an example") from error
    filled = column.fill_null(float("nan") if name == "t_s" else 0)
    return np.asarray(filled.to_numpy(zero_copy_only=False))
