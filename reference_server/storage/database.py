"""The database of a business node: rows of the conversation log in SQLite, durable when ``run`` returns.

Rules of the file:

- The rules of the log are :class:`model.core.log.ConversationLog`; this file keeps its rows and brings it back from them. ``run`` takes
  a group of commands, lets the log decide every append inside one transaction, and returns the results after COMMIT. If ``run`` raises,
  the log in memory may be ahead of the log on disk: the caller must end the process.
- WAL with ``synchronous=FULL``: COMMIT returns when the disk has the group. Readers of other processes see committed rows only, as
  does ``run`` itself, which answers reads after the group's commit.
- One business node per folder: an flock on ``lock`` is held as long as the process lives, and no longer, so ``kill -9`` leaves nothing
  to clean up.
- The conversations are provisioned at the first start. A later start whose configuration says otherwise is refused, since members
  decide who is owed what.
- ``incarnation`` rises with every start; ``epoch`` belongs to the folder's sequences and is new with a new folder.

Rejections consume a send counter (see ``log.py``), so they are rows too. ``after_message_id`` places a rejection among the messages:
sorted by it, messages and rejections come back in the order in which they were committed.

What it does not do: trim, so the first position kept is always 1; change members.
"""

from __future__ import annotations

import fcntl
import heapq
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import IO

from model.core import limits
from model.core.commands import Append, Page, ReadAfter, StorageCommand, StorageResult
from model.core.frames import Deliver, Head
from model.core.log import Conversation, ConversationLog, Rejection, Row
from reference_server.process import CANTCREAT, DATAERR, IOERR, NOINPUT, UNAVAILABLE, Unusable

SCHEMA_VERSION = 2
DATABASE_NAME = "messages.sqlite3"
LOCK_NAME = "lock"
CHECKPOINT_PAGES = 1000
"""In the write-ahead log: SQLite's own default. With more, the commit that copies them is slower; with fewer, more commits are slow."""
LOCK_WAIT_S = 86_400.0
"""Wait for whoever else holds the database's lock: a stalled disk is waited for as well, and a commit that fails ends the node."""

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE conversations (conversation INTEGER PRIMARY KEY, kind TEXT NOT NULL);
CREATE TABLE members (conversation INTEGER, user INTEGER, PRIMARY KEY (conversation, user)) WITHOUT ROWID;
CREATE TABLE messages (
    conversation INTEGER, conversation_seq INTEGER, message_id INTEGER NOT NULL, sender_user INTEGER NOT NULL,
    sender_device INTEGER NOT NULL, send_counter INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (conversation, conversation_seq)
) WITHOUT ROWID;
CREATE TABLE rejections (
    conversation INTEGER NOT NULL, sender_device INTEGER NOT NULL, send_counter INTEGER NOT NULL, code INTEGER NOT NULL,
    digest INTEGER NOT NULL, after_message_id INTEGER NOT NULL
);
"""
_KEEP_MESSAGE = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP_REJECTION = "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, ?)"
_READ_AFTER = """
SELECT conversation_seq, message_id, sender_user, sender_device, send_counter, payload
FROM messages WHERE conversation = ? AND conversation_seq > ? ORDER BY conversation_seq LIMIT ?
"""
_RESTORE_MESSAGES = """
SELECT conversation, conversation_seq, message_id, sender_user, sender_device, send_counter, payload FROM messages ORDER BY message_id
"""
_RESTORE_REJECTIONS = (
    "SELECT after_message_id, conversation, sender_device, send_counter, code, digest FROM rejections ORDER BY rowid"
)

_Columns = tuple[object, ...]


class Database:
    """The log of one folder. ``log`` is as committed between two calls of ``run``. Opened on one thread, may be used on another."""

    __slots__ = ("_connection", "_last_message_id", "_lock", "conversations", "epoch", "incarnation", "log")

    def __init__(self, folder: Path, conversations: Sequence[Conversation], checkpoint_pages: int = CHECKPOINT_PAGES) -> None:
        """Open, make or restore the database in ``folder``; a commit that brings the write-ahead log to ``checkpoint_pages`` also copies
        them into the database, none does for 0. Raises :class:`reference_server.process.Unusable`."""
        self.conversations = tuple(conversations)
        _make_folder(folder)
        self._lock = _lock(folder)
        path = folder / DATABASE_NAME
        with ExitStack() as on_failure:
            on_failure.callback(self._lock.close)
            try:
                self._connection = _connect(path, checkpoint_pages)
                on_failure.callback(self._connection.close)
                self._restore(path)
            except sqlite3.Error as error:
                text = f"cannot use the database {path}: {error}; check the disk, or name another folder with --data"
                raise Unusable(text, IOERR if isinstance(error, sqlite3.OperationalError) else DATAERR) from None
            on_failure.pop_all()

    def heads(self) -> list[Head]:
        """How far each conversation reaches, those without a message left out."""
        heads = [(c.conversation, self.log.head_seq(c.conversation)) for c in self.conversations]
        return [head for head in heads if head[1]]

    def run(self, commands: Sequence[StorageCommand]) -> list[StorageResult]:
        """Carry out a group of commands in one transaction; results in the order of the commands, after COMMIT.

        Raises ``sqlite3.Error`` where the group could not be committed; the process must then end."""
        appended = self._append(commands)
        return [self._read_after(command) if type(command) is ReadAfter else next(appended) for command in commands]

    def checkpoint(self) -> None:
        """Copy the pages of the write-ahead log into the database, as a commit does."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close and unlock. Everything committed is durable already. Closing again does nothing."""
        self._connection.close()
        self._lock.close()

    def _restore(self, path: Path) -> None:
        self.epoch, self.incarnation = _begin_incarnation(self._connection, path, self.conversations)
        self.log = ConversationLog(self.conversations, self.epoch)
        self.log.restore(_committed(self._connection, self.epoch))
        self._last_message_id: int = self._connection.execute("SELECT ifnull(max(message_id), 0) FROM messages").fetchone()[0]

    def _append(self, commands: Sequence[StorageCommand]) -> Iterator[StorageResult]:
        appends = [command for command in commands if type(command) is Append]
        if not appends:
            return iter(())
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        results, messages, rejections = self._decide(appends)
        if messages:
            self._connection.executemany(_KEEP_MESSAGE, messages)
        if rejections:
            self._connection.executemany(_KEEP_REJECTION, rejections)
        execute("COMMIT")
        return iter(results)

    def _decide(self, appends: Sequence[Append]) -> tuple[list[StorageResult], list[_Columns], list[_Columns]]:
        results: list[StorageResult] = []
        messages: list[_Columns] = []
        rejections: list[_Columns] = []
        append = self.log.append
        for command in appends:
            result, row = append(command)
            results.append(result)
            if type(row) is Deliver:
                self._last_message_id = row.message_id
                messages.append(_columns(row))
            elif type(row) is Rejection:
                rejections.append((*_rejected(row), self._last_message_id))
        return results, messages, rejections

    def _read_after(self, command: ReadAfter) -> Page:
        """A page of committed messages: at most ``command.limit``, and at least one if there is any, within the bound of bytes."""
        conversation, epoch = command.conversation, self.epoch
        messages: list[Deliver] = []
        room = limits.SYNC_PAGE_BYTES_MAX
        count = min(command.limit, limits.SYNC_PAGE_MAX)
        rows = self._connection.execute(_READ_AFTER, (conversation, command.after_seq, count))
        for row in rows:
            room -= len(row[-1])
            if room < 0 and messages:
                break
            messages.append(Deliver(conversation, epoch, *row))
        rows.close()
        return Page(command.token, tuple(messages), self.log.head_seq(conversation), 1)


def _columns(row: Deliver) -> _Columns:
    return (
        row.conversation,
        row.conversation_seq,
        row.message_id,
        row.sender_user,
        row.sender_device,
        row.send_counter,
        row.payload,
    )


def _rejected(row: Rejection) -> _Columns:
    return row.conversation, row.sender_device, row.send_counter, row.code, row.digest


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        text = f"no folder {folder.parent} to make {folder.name} in; make it first, or name another with --data"
        raise Unusable(text, NOINPUT) from None
    except (FileExistsError, NotADirectoryError):
        raise Unusable(f"{folder} is not a folder; name one with --data", NOINPUT) from None
    except OSError as error:
        raise Unusable(f"cannot make the folder {folder}: {error.strerror}; name another with --data", CANTCREAT) from None


def _lock(folder: Path) -> IO[bytes]:
    """Hold the folder for this process. Returns the open file that holds it."""
    try:
        held = (folder / LOCK_NAME).open("ab")
    except OSError as error:
        raise Unusable(f"cannot write in {folder}: {error.strerror}; name another folder with --data", CANTCREAT) from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        text = f"another business node uses the folder {folder}; stop it, or name another folder with --data"
        raise Unusable(text, UNAVAILABLE) from None
    return held


def _connect(path: Path, checkpoint_pages: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
    return connection


def _begin_incarnation(connection: sqlite3.Connection, path: Path, conversations: Sequence[Conversation]) -> tuple[int, int]:
    """Make the schema or check it, and count this start. Returns (epoch, incarnation)."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        _provision(connection, conversations)
    _check_version(connection, path)
    _check_conversations(connection, path, conversations)
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'incarnation'")
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    connection.execute("COMMIT")
    return meta["epoch"], meta["incarnation"]


def _provision(connection: sqlite3.Connection, conversations: Sequence[Conversation]) -> None:
    for statement in _SCHEMA.split(";"):  # not executescript, which would commit what has begun
        connection.execute(statement)
    epoch = time.time_ns() // 1_000_000_000  # seconds: histories keep an epoch in 32 bits
    meta = [("schema_version", SCHEMA_VERSION), ("epoch", epoch), ("incarnation", 0)]
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta)
    connection.executemany("INSERT INTO conversations VALUES (?, ?)", ((c.conversation, c.kind) for c in conversations))
    members = ((c.conversation, user) for c in conversations for user in c.members)
    connection.executemany("INSERT INTO members VALUES (?, ?)", members)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'meta'").fetchone()
    version = found and connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    if not version or version[0] != SCHEMA_VERSION:
        text = f"{path} has schema version {version[0] if version else 'unknown'}, this program writes {SCHEMA_VERSION}"
        raise Unusable(f"{text}; name another folder with --data", DATAERR)


def _check_conversations(connection: sqlite3.Connection, path: Path, conversations: Sequence[Conversation]) -> None:
    kinds = dict(connection.execute("SELECT conversation, kind FROM conversations"))
    members = set(connection.execute("SELECT conversation, user FROM members"))
    wanted = {(c.conversation, user) for c in conversations for user in c.members}
    if kinds != {c.conversation: c.kind for c in conversations} or members != wanted:
        text = f"{path} was made for other conversations than the configuration lists"
        raise Unusable(f"{text}; name another folder with --data", DATAERR)


def _committed(connection: sqlite3.Connection, epoch: int) -> Iterator[Row]:
    """Every row of the log in the order of its commit."""
    merged = heapq.merge(_kept_messages(connection, epoch), _kept_rejections(connection), key=itemgetter(0))
    return (row for _, row in merged)


def _kept_messages(connection: sqlite3.Connection, epoch: int) -> Iterator[tuple[int, Row]]:
    for conversation, seq, message_id, user, device, counter, payload in connection.execute(_RESTORE_MESSAGES):
        yield message_id, Deliver(conversation, epoch, seq, message_id, user, device, counter, payload)


def _kept_rejections(connection: sqlite3.Connection) -> Iterator[tuple[int, Row]]:
    for after_message_id, *rejection in connection.execute(_RESTORE_REJECTIONS):
        yield after_message_id, Rejection(*rejection)
