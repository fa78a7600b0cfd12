"""The contract of storage: nothing is told before it is durable, what was committed comes back, and doubt ends the node."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from model.core import limits
from model.core.codes import Code
from model.core.commands import Append, Appended, Page, ReadAfter, StorageCommand, StorageResult
from model.core.log import Conversation
from model.scenario.tally import open_tally
from reference_server.process import DATAERR, NOINPUT, UNAVAILABLE, Unusable
from reference_server.storage.database import DATABASE_NAME, LOCK_NAME, Database
from reference_server.storage.writer import Results, Writer

PAIR = Conversation(1, "direct", (1, 2))
GROUP = Conversation(2, "group", (1, 2, 3))
CONVERSATIONS = (PAIR, GROUP)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "business"


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    opened = Database(folder, CONVERSATIONS)
    yield opened
    opened.close()


def append(counter: int, payload: bytes = b"hello", conversation: int = 1, user: int = 1, token: int = 0) -> Append:
    return Append(token or counter, conversation, user, user * 10, counter, payload, dedupe=True)


def committed(folder: Path) -> int:
    """Messages another process would find in the database at this moment."""
    connection = sqlite3.connect(f"file:{folder / DATABASE_NAME}?mode=ro", uri=True)
    try:
        count: int = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
        return count
    finally:
        connection.close()


def reopened(database: Database, folder: Path) -> Database:
    database.close()
    return Database(folder, CONVERSATIONS)


def page(database: Database, after_seq: int = 0, limit: int = 100, conversation: int = 1) -> Page:
    (result,) = database.run([ReadAfter(9, conversation, after_seq, limit)])
    assert isinstance(result, Page)
    return result


class TestRun:
    def test_results_come_in_the_order_of_the_commands_each_with_its_token(self, database: Database) -> None:
        commands: list[StorageCommand] = [append(1, token=11), ReadAfter(12, 1, 0, 10), append(2, token=13)]
        results = database.run(commands)
        assert [(type(r), r.token) for r in results] == [(Appended, 11), (Page, 12), (Appended, 13)]

    def test_a_result_is_given_after_its_commit(self, database: Database, folder: Path) -> None:
        (result,) = database.run([append(1)])
        assert isinstance(result, Appended)
        assert result.code == Code.OK
        assert committed(folder) == 1

    def test_a_commit_is_on_the_disk(self, database: Database) -> None:
        """What SQLite promises for these settings; only a power cut could show more."""
        pragma = [database._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert pragma == ["wal", 2]

    def test_a_page_holds_committed_messages_and_the_head(self, database: Database) -> None:
        database.run([append(counter, b"m%d" % counter) for counter in (1, 2, 3)])
        result = page(database, after_seq=1)
        assert [(m.conversation_seq, m.payload) for m in result.messages] == [(2, b"m2"), (3, b"m3")]
        assert (result.head_seq, result.start_seq) == (3, 1)
        assert {m.epoch for m in result.messages} == {database.epoch}

    def test_a_page_is_bounded_by_its_limit(self, database: Database) -> None:
        database.run([append(counter) for counter in range(1, 121)])
        assert len(page(database, limit=7).messages) == 7
        assert len(page(database, limit=1_000).messages) == limits.SYNC_PAGE_MAX

    def test_a_page_is_bounded_by_its_bytes_and_never_empty_for_that(self, database: Database) -> None:
        large = b"x" * limits.PAYLOAD_BYTES_MAX
        database.run([append(counter, large) for counter in range(1, 31)])
        messages = page(database).messages
        assert len(messages) == limits.SYNC_PAGE_BYTES_MAX // limits.PAYLOAD_BYTES_MAX
        assert page(database, after_seq=29).messages[0].conversation_seq == 30

    def test_a_retransmission_is_answered_as_the_first_time_and_kept_once(self, database: Database, folder: Path) -> None:
        first, again = database.run([append(1), append(1)])
        assert isinstance(first, Appended)
        assert isinstance(again, Appended)
        assert again.duplicate
        assert (again.conversation_seq, again.message_id) == (first.conversation_seq, first.message_id)
        assert committed(folder) == 1


class TestRestore:
    def test_the_sequence_and_the_ids_go_on(self, database: Database, folder: Path) -> None:
        database.run([append(1), append(1, conversation=2), append(2)])
        restored = reopened(database, folder)
        (result,) = restored.run([append(3)])
        assert isinstance(result, Appended)
        assert (result.conversation_seq, result.message_id) == (3, 4)
        assert restored.heads() == [(1, 3), (2, 1)]
        restored.close()

    def test_a_retransmission_over_a_restart_is_a_duplicate(self, database: Database, folder: Path) -> None:
        (first,) = database.run([append(1)])
        assert isinstance(first, Appended)
        restored = reopened(database, folder)
        (again,) = restored.run([append(1)])
        expected = Appended(1, Code.OK, True, first.epoch, first.conversation_seq, first.message_id)
        assert again == expected
        restored.close()

    def test_a_rejection_is_remembered_in_its_place_among_the_messages(self, database: Database, folder: Path) -> None:
        too_large = b"x" * (limits.PAYLOAD_BYTES_MAX + 1)
        commands = [append(1), append(2, too_large), append(3), append(1, user=9)]
        before = [result.code for result in database.run(commands) if isinstance(result, Appended)]
        restored = reopened(database, folder)
        again = restored.run([*commands, append(4)])
        assert before == [Code.OK, Code.PAYLOAD_TOO_LARGE, Code.OK, Code.NOT_A_MEMBER]
        assert [r.code for r in again if isinstance(r, Appended)] == [*before, Code.OK]
        assert [r.duplicate for r in again if isinstance(r, Appended)] == [True] * 3 + [False] * 2  # a stranger is not remembered
        restored.close()

    def test_results_forgotten_before_are_forgotten_after(self, database: Database, folder: Path) -> None:
        """The window of remembered results is the same: rows come back in the order of their commit."""
        too_large = b"x" * (limits.PAYLOAD_BYTES_MAX + 1)
        count = limits.RESULTS_MAX + 2
        database.run([append(c, too_large if c % 3 == 0 else b"") for c in range(1, count + 1)])
        probe = [append(c, too_large if c % 3 == 0 else b"") for c in range(1, 6)]
        before = [r.code for r in database.run(probe) if isinstance(r, Appended)]
        restored = reopened(database, folder)
        assert [r.code for r in restored.run(probe) if isinstance(r, Appended)] == before
        assert before[:3] == [Code.RESULT_FORGOTTEN, Code.RESULT_FORGOTTEN, Code.PAYLOAD_TOO_LARGE]
        restored.close()

    def test_the_epoch_stays_and_the_incarnation_rises(self, database: Database, folder: Path) -> None:
        epoch, incarnation = database.epoch, database.incarnation
        restored = reopened(database, folder)
        assert (restored.epoch, restored.incarnation) == (epoch, incarnation + 1)
        restored.close()


class TestRefusal:
    def test_a_second_node_on_the_folder(self, database: Database, folder: Path) -> None:
        with pytest.raises(Unusable, match="another business node") as refusal:
            Database(folder, CONVERSATIONS)
        assert refusal.value.status == UNAVAILABLE

    def test_other_conversations_than_provisioned(self, database: Database, folder: Path) -> None:
        database.close()
        for others in ((PAIR,), (PAIR, Conversation(2, "group", (1, 2, 4))), (*CONVERSATIONS, Conversation(3, "group", (1,)))):
            self.refused(folder, DATAERR, "other conversations", others)
        Database(folder, CONVERSATIONS).close()

    def test_another_schema_version(self, database: Database, folder: Path) -> None:
        database.close()
        with sqlite3.connect(folder / DATABASE_NAME) as connection:
            connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema_version'")
        connection.close()
        self.refused(folder, DATAERR, "schema version 99")

    def test_a_file_that_is_no_database(self, folder: Path) -> None:
        folder.mkdir()
        (folder / DATABASE_NAME).write_bytes(b"not a database, but long enough to be read as one" * 50)
        self.refused(folder, DATAERR, "cannot use the database")

    def test_a_folder_in_a_folder_that_is_missing(self, folder: Path) -> None:
        self.refused(folder / "deeper", NOINPUT, "make it first")

    def refused(self, folder: Path, status: int, text: str, conversations: Sequence[Conversation] = CONVERSATIONS) -> None:
        with pytest.raises(Unusable, match=text) as refusal:
            Database(folder, conversations)
        assert refusal.value.status == status
        assert "\n" not in str(refusal.value)
        assert not self.locked(folder)

    def locked(self, folder: Path) -> bool:
        """Whether a refused start still holds the folder."""
        if not folder.exists():
            return False
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False


class TestWriter:
    """The thread, on a loop of its own."""

    def test_every_command_is_answered_after_its_commit(self, folder: Path) -> None:
        told: list[StorageResult] = []
        seen: list[tuple[int, int]] = []

        def results(group: list[StorageResult]) -> None:
            told.extend(group)
            seen.append((len(told), committed(folder)))

        asyncio.run(self.write(folder, [[append(c)] for c in range(1, 51)], results))
        assert [result.token for result in told] == list(range(1, 51))
        assert all(told_now <= committed_now for told_now, committed_now in seen)

    def test_what_gathers_is_one_group(self, folder: Path) -> None:
        groups: list[int] = []
        asyncio.run(self.write(folder, [[append(c)] for c in range(1, 51)], lambda group: groups.append(len(group))))
        assert groups == [50]  # everything was submitted before the thread began

    def test_a_group_that_cannot_be_committed_is_told_and_nothing_after_it(self, folder: Path) -> None:
        results: list[StorageResult] = []
        failures = asyncio.run(self.write(folder, [[append(1)], [append(2)]], results.extend, full=True))
        assert [type(failure) for failure in failures] == [sqlite3.OperationalError]
        assert results == []
        assert committed(folder) == 0

    async def write(
        self, folder: Path, turns: list[list[StorageCommand]], results: Results, full: bool = False
    ) -> list[BaseException]:
        """Submit the commands of several turns, then run the thread to its end. ``full``: the disk takes nothing more."""
        database = Database(folder, CONVERSATIONS)
        if full:
            pages = database._connection.execute("PRAGMA page_count").fetchone()[0]
            database._connection.execute(f"PRAGMA max_page_count = {pages}")
            turns = [[append(c, b"x" * limits.PAYLOAD_BYTES_MAX, token=c) for c in range(1, 3)], *turns]
        failures: list[BaseException] = []
        writer = Writer(database, asyncio.get_running_loop(), results, failures.append, open_tally(0))
        for turn in turns:
            writer.submit(turn)
        writer.start()
        await asyncio.to_thread(writer.close)
        await asyncio.sleep(0)
        return failures
