"""A history in memory: columns of small integers beside tables of names; what the judges compute on.

Every identity becomes an index: a device, user, node or conversation into its table of names, a logical message, that is (sending
device, client_message_id), into ``messages``. -1 stands for "none". Rows are in order of time, rows of equal time in the order in
which they were recorded.

Rules of the file: the tables hold what the rows mention, in order of first mention (``device`` before ``sender`` within a row),
so a history has one form whichever way it came here, recorded or at rest. :func:`assemble` is the only place that numbers
anything, by whole columns: ten million rows are a matter of seconds, names apart no Python object exists per row. Columns are
not meant to be written to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.history.recorder import Rows, in_order_of_time
from model.history.schema import Basis, Header, HistoryError, Kind, Via

Int = NDArray[np.int64]
Rename = Mapping[int, str]
"""Given names of ids; an id that is not in it gets its prefix and number."""

PLAIN: Final[Mapping[str, Any]] = {
    "kind": np.uint8,
    "t_us": np.int64,
    "via": np.uint8,
    "basis": np.uint8,
    "code": np.int32,
    "connection": np.int64,
    "epoch": np.int32,
    "seq": np.int64,
    "content_hash": np.uint64,
    "value": np.int64,
}
"""The columns that are what they say, and their types; all others are indexes."""


@dataclass(frozen=True, slots=True)
class Names:
    """What indexes stand for."""

    devices: tuple[str, ...]
    users: tuple[str, ...]
    nodes: tuple[str, ...]
    conversations: tuple[str, ...]
    client_message_ids: tuple[str, ...]
    """By message index; with ``History.message_sender`` the identity of a message."""


@dataclass(frozen=True, slots=True)
class History:
    """Columns of one history, each of shape (rows,) but for the ``message_*`` ones, of shape (messages,)."""

    header: Header
    names: Names
    kind: NDArray[np.uint8]
    t_us: Int
    via: NDArray[np.uint8]
    basis: NDArray[np.uint8]
    code: NDArray[np.int32]
    device: NDArray[np.int32]
    user: NDArray[np.int32]
    node: NDArray[np.int32]
    conversation: NDArray[np.int32]
    message: NDArray[np.int64]
    connection: NDArray[np.int64]
    epoch: NDArray[np.int32]
    seq: Int
    """conversation_seq, 0 where there is none."""
    content_hash: NDArray[np.uint64]
    """0 where there is none."""
    value: Int
    message_sender: NDArray[np.int32]
    """The sending device of each message."""

    def __len__(self) -> int:
        """Rows."""
        return len(self.kind)

    def rows_of(self, *kinds: Kind) -> NDArray[np.int64]:
        """Indices of the rows of any of ``kinds``, in order of time; shape (their number,)."""
        chosen = np.zeros(256, np.bool_)
        chosen[list(kinds)] = True
        return np.flatnonzero(chosen[self.kind]).astype(np.int64, copy=False)

    def equals(self, other: History) -> bool:
        """Whether both have the same header, names and rows, index by index. (``==`` is of no use between arrays.)"""
        return all(_same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))


def _same(left: object, right: object) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    return left == right


# from the fixed-width record ------------------------------------------------------------------------------------------


def from_rows(
    header: Header,
    rows: Rows,
    *,
    devices: Rename | None = None,
    users: Rename | None = None,
    conversations: Rename | None = None,
) -> History:
    """Recorded rows as columns.

    Names are ``d17``, ``u17``, ``c3`` (a prefix and the id), ``header.nodes`` for nodes (else ``n2``), unless given. A
    client_message_id is its conversation's name and its send counter, ``c3:12``. Rows need not be in order of time. A row
    speaks of a message if its ``sender`` or its ``send_counter`` is not 0, so what a faulty server makes up is still a message.

    Raises :class:`HistoryError` where a row has an unknown kind, via or basis or a negative id, or two ids have one name.
    """
    rows = in_order_of_time(rows)
    _check(rows)
    conversation_name = _namer("c", conversations)
    conversation, counter = rows["conversation"].astype(np.int64), rows["send_counter"].astype(np.int64)
    within = conversation * (int(counter.max(initial=0)) + 1) + counter

    def message_text(firsts: Int) -> list[str]:
        pairs = zip(conversation[firsts].tolist(), counter[firsts].tolist(), strict=True)
        return [f"{conversation_name(c) if c else ''}:{n}" for c, n in pairs]

    device_name = _namer("d", devices)
    return assemble(
        header,
        {name: rows[name] for name in PLAIN},
        device=Labels(_ids(rows["device"]), device_name),
        sender=Labels(_ids(rows["sender"]), device_name),
        user=Labels(_ids(rows["user"]), _namer("u", users)),
        node=Labels(_ids(rows["node"]), _namer("n", header.nodes)),
        conversation=Labels(_ids(rows["conversation"]), conversation_name),
        message=Labels(np.where((rows["sender"] > 0) | (counter > 0), within, -1), str),
        message_text=message_text,
    )


def _ids(column: NDArray[np.int32]) -> Int:
    """Ids, with -1 in place of 0."""
    return np.where(column == 0, -1, column).astype(np.int64)


def _namer(prefix: str, given: Rename | None) -> Callable[[int], str]:
    names = given or {}
    return lambda number: names.get(number, f"{prefix}{number}")


def _check(rows: Rows) -> None:
    for name, members in (("kind", Kind), ("via", Via), ("basis", Basis)):
        known = np.zeros(256, np.bool_)
        known[[int(member) for member in members]] = True
        _refuse(rows, name, ~known[rows[name]], "is not one of this schema's version")
    for name in ("device", "user", "node", "conversation", "sender", "send_counter"):
        _refuse(rows, name, rows[name] < 0, "is negative")


def _refuse(rows: Rows, name: str, wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        row = rows[at]
        raise HistoryError(f"row {at} (t_us {row['t_us']}): {name} {row[name]} {why}; record with this version of imbench")


# numbering ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labels:
    """A column that names something, before it is numbered."""

    numbers: NDArray[np.integer]
    """Shape (rows,): equal where the same thing is meant, -1 for none."""
    name: Callable[[int], str]
    """The name that belongs to a number."""


def assemble(
    header: Header,
    plain: Mapping[str, ArrayLike],
    *,
    device: Labels,
    sender: Labels,
    user: Labels,
    node: Labels,
    conversation: Labels,
    message: Labels,
    message_text: Callable[[Int], Sequence[str]],
) -> History:
    """Number what columns name, and make a history of them.

    Args:
        plain: the columns of :data:`PLAIN`, shape (rows,), in order of time.
        device: and ``sender``: one name function, since they share a table.
        message: numbers that tell the messages of one sender apart; of any sender, equal numbers may mean different messages.
        message_text: the client_message_ids, given the row of each message's first mention.
    """
    both = np.stack([device.numbers, sender.numbers], axis=1).ravel()
    both_at, both_first = in_order_seen(both)
    senders = both_at[1::2]
    messages, message_first = in_order_seen(_message_keys(senders, message.numbers))
    user_at, users = _number(user, "users")
    node_at, nodes = _number(node, "nodes")
    conversation_at, conversations = _number(conversation, "conversations")
    return History(
        header=header,
        names=Names(
            devices=_names(device.name, both[both_first], "devices"),
            users=users,
            nodes=nodes,
            conversations=conversations,
            client_message_ids=tuple(message_text(message_first)),
        ),
        device=both_at[0::2].copy(),
        user=user_at,
        node=node_at,
        conversation=conversation_at,
        message=messages.astype(np.int64),
        message_sender=senders[message_first].astype(np.int32),
        **{name: np.asarray(plain[name]).astype(dtype, copy=False) for name, dtype in PLAIN.items()},
    )


def _message_keys(senders: NDArray[np.int32], within: NDArray[np.integer]) -> Int:
    """A number for each (sender, number within the sender), -1 for none; densified first, so that it cannot overflow."""
    dense, _ = in_order_seen(within)
    width = int(dense.max(initial=0)) + 1
    return np.where(dense >= 0, (senders.astype(np.int64) + 1) * width + dense, -1)


def _number(labels: Labels, what: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    index, first = in_order_seen(labels.numbers)
    return index, _names(labels.name, labels.numbers[first], what)


def _names(name: Callable[[int], str], numbers: NDArray[np.integer], what: str) -> tuple[str, ...]:
    names = tuple(map(name, numbers.tolist()))
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise HistoryError(f"two of the {what} are called {twice!r}; give each id a name of its own")
    return names


def in_order_seen(numbers: NDArray[np.integer]) -> tuple[NDArray[np.int32], Int]:
    """Number distinct values from 0 in order of first appearance.

    Args:
        numbers: shape (n,), each at least -1; -1 stays -1.

    Returns:
        The index of each value, shape (n,), and the place of each first appearance, shape (distinct values,), rising.
    """
    span = int(numbers.max(initial=-1)) + 1
    if span > 8 * numbers.size + (1 << 16):  # too sparse for a table
        distinct, dense = np.unique(numbers, return_inverse=True)
        return in_order_seen(dense - int(distinct[0] < 0))
    first_seen = np.full(span + 1, -1, np.int64)  # the last entry is that of -1
    first_seen[numbers[::-1]] = np.arange(numbers.size - 1, -1, -1)  # of repeated places the last assignment stays
    first = np.sort(first_seen[:span][first_seen[:span] >= 0])
    index = np.full(span + 1, -1, np.int32)
    index[numbers[first]] = np.arange(first.size, dtype=np.int32)
    return index[numbers], first
