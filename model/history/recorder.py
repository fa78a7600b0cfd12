"""Recorders: rows are taken down as they happen, fixed-width, and outlive the process that wrote them.

Rules of the file:

- One row is one :data:`model.history.schema.ROW`, packed straight into a buffer. No object is kept, nothing is formatted, no
  lock is taken: ``record`` does not yield, so greenlets of one thread may share a recorder. Threads may not, nor may processes:
  a process that forks makes its recorder after the fork.
- The byte ``kind`` is written last. A row whose writer died half way has kind 0, and 0 marks the end of what was written, so
  what can be read is always a whole prefix. Stores to a shared mapping are in the page cache at once: they survive ``kill -9``
  of the process (not a power cut of the machine).
- A file grows by chunks, each of them allocated on disk before it is mapped. A full disk is therefore an error at a known place
  (:class:`HistoryError`), never a SIGBUS at a store, and leaves what was recorded as it is.

Times are the caller's: ``t_us`` on the one clock of the run. Prior art: the mapped, fallocated log segments of Kafka and Aeron.
What this does not do: order rows (``merge`` does), compress, name anything, or check what a row means.
"""

from __future__ import annotations

import mmap
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from model.history.schema import ROW, ROW_FORMAT, HistoryError

Rows = NDArray[np.void]
"""An array of dtype :data:`model.history.schema.ROW`, shape (rows,)."""

ROW_BYTES: Final = ROW.itemsize
CHUNK_ROWS: Final = 7 << 14
"""Rows in one chunk: 7.9 MiB, and a whole number of pages of every size up to 64 KiB, as a mapping's offset must be."""
CHUNK_BYTES: Final = CHUNK_ROWS * ROW_BYTES

FIRST_CHUNK_ROWS: Final = 1 << 12
"""Rows in the first chunk in memory: 288 KiB."""

_KIND_AT: Final = 8
"""Offset of ``kind`` in a row."""
_pack_into = struct.Struct(ROW_FORMAT).pack_into


class Recorder(Protocol):
    """What a world writes its history to."""

    def record(
        self,
        kind: int,
        t_us: int,
        device: int = 0,
        conversation: int = 0,
        sender: int = 0,
        send_counter: int = 0,
        connection: int = 0,
        epoch: int = 0,
        seq: int = 0,
        content_hash: int = 0,
        value: int = 0,
        via: int = 0,
        basis: int = 0,
        code: int = 0,
        user: int = 0,
        node: int = 0,
    ) -> None:
        """Append one row. Fields as in :data:`model.history.schema.ROW`, 0 for none; ``kind`` is not 0.

        A message is named by all three of ``sender``, ``conversation`` and ``send_counter``, also in rows of its sender.
        Raises :class:`HistoryError` where a field does not fit its width or there is no room left; nothing is recorded then.
        """
        ...

    def rows(self) -> Rows:
        """A copy of what was recorded so far, in the order in which it was recorded."""
        ...


class _ChunkRecorder(ABC):
    """Packs rows into one chunk after the other. ``_chunk`` is the current one, ``_offset`` its first free byte."""

    __slots__ = ("_chunk", "_end", "_offset")

    def __init__(self) -> None:
        self._chunk: bytearray | mmap.mmap = bytearray()
        self._offset = 0
        self._end = 0

    @abstractmethod
    def _next_chunk(self) -> bytearray | mmap.mmap:
        """The next chunk, zeroed, of a whole number of rows; or HistoryError."""

    def record(
        self,
        kind: int,
        t_us: int,
        device: int = 0,
        conversation: int = 0,
        sender: int = 0,
        send_counter: int = 0,
        connection: int = 0,
        epoch: int = 0,
        seq: int = 0,
        content_hash: int = 0,
        value: int = 0,
        via: int = 0,
        basis: int = 0,
        code: int = 0,
        user: int = 0,
        node: int = 0,
    ) -> None:
        """See :meth:`Recorder.record`."""
        offset = self._offset
        if offset == self._end:
            offset = self._grow()
        chunk = self._chunk
        try:
            _pack_into(
                chunk,
                offset,
                t_us,
                0,
                via,
                basis,
                code,
                device,
                user,
                node,
                conversation,
                sender,
                send_counter,
                connection,
                epoch,
                seq,
                content_hash,
                value,
            )
            chunk[offset + _KIND_AT] = kind  # last: only now the row counts
        except (struct.error, ValueError, TypeError) as error:
            raise HistoryError(f"a row of kind {kind} at {t_us} us cannot be recorded: {error}") from error
        if not kind:
            raise HistoryError(f"a row at {t_us} us has kind 0, which marks the end of a recording; give its kind")
        self._offset = offset + ROW_BYTES

    def _grow(self) -> int:
        """Take the next chunk; returns the offset of its first row."""
        chunk = self._next_chunk()
        self._chunk, self._offset, self._end = chunk, 0, len(chunk)
        return 0


class MemoryRecorder(_ChunkRecorder):
    """Records into memory: for the simulated world and for tests.

    Args:
        chunk_rows: rows of the first chunk. Each further one has twice as many, up to ``CHUNK_ROWS``: a run of a few thousand rows
            need not pay for a chunk of a hundred thousand, which takes milliseconds to be zeroed.
    """

    __slots__ = ("_chunk_bytes", "_full")

    def __init__(self, chunk_rows: int = FIRST_CHUNK_ROWS) -> None:
        super().__init__()
        self._chunk_bytes = chunk_rows * ROW_BYTES
        self._full: list[Rows] = []

    def _next_chunk(self) -> bytearray:
        if self._offset:
            self._full.append(self._current())
            self._chunk_bytes = max(self._chunk_bytes, min(2 * self._chunk_bytes, CHUNK_BYTES))
        return bytearray(self._chunk_bytes)

    def _current(self) -> Rows:
        return np.frombuffer(self._chunk, dtype=ROW, count=self._offset // ROW_BYTES)

    def rows(self) -> Rows:
        """A copy of what was recorded so far, in the order in which it was recorded."""
        return np.concatenate([np.empty(0, ROW), *self._full, self._current()])


class FileRecorder(_ChunkRecorder):
    """Records into a new file, mapped chunk by chunk.

    Raises :class:`HistoryError` where the file exists already or cannot be made, where the disk is full (from ``record``; what
    was recorded stays, and a later ``record`` tries again), and where a row is recorded after ``close``.
    """

    __slots__ = ("_fd", "_mapped_bytes", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path: Final = Path(path)
        self._mapped_bytes = 0
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError as error:
            text = f"{self.path}: exists already, and a recording never overwrites; choose another name"
            raise HistoryError(text, "disk") from error
        except OSError as error:
            raise HistoryError(f"{self.path}: cannot be made ({error.strerror}); choose another folder", "disk") from error

    def _next_chunk(self) -> mmap.mmap:
        if self._fd < 0:
            raise HistoryError(f"{self.path}: the recording is closed; record before close", "usage")
        try:
            _reserve(self._fd, self._mapped_bytes, CHUNK_BYTES)
            chunk = mmap.mmap(self._fd, CHUNK_BYTES, offset=self._mapped_bytes)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            text = f"{self.path}: no room for more rows ({reason}); free space and run again; the rows so far stay readable"
            raise HistoryError(text, "disk") from error
        self._unmap()
        self._mapped_bytes += CHUNK_BYTES
        return chunk

    def _unmap(self) -> None:
        if isinstance(self._chunk, mmap.mmap):
            self._chunk.close()

    def rows(self) -> Rows:
        """A copy of what was recorded so far, in the order in which it was recorded."""
        return read_rows(self.path)

    def close(self) -> None:
        """Cut the unused rest of the file off, and end the recording. Once is enough; more is harmless."""
        if self._fd < 0:
            return
        used = self._mapped_bytes - (self._end - self._offset)
        self._unmap()
        self._chunk, self._offset, self._end = bytearray(), 0, 0
        os.ftruncate(self._fd, used)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> FileRecorder:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _reserve(fd: int, offset: int, size: int) -> None:
    """Give a file ``size`` bytes of zeros at its end that are certainly on disk, or raise OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, offset, size)
    else:  # macOS: written zeros are allocated too
        os.pwrite(fd, bytes(size), offset)


def read_rows(path: str | os.PathLike[str]) -> Rows:
    """The rows of a recording whose process is alive, ended, or was killed: all that was written whole, shape (rows,).

    While the process lives this is what stood there at some instant of the call. A torn row at the end is left out. Raises
    :class:`HistoryError` where the file cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            count = _rows_written(file.fileno())
            rows: Rows = np.fromfile(file, dtype=ROW, count=count)
    except OSError as error:
        text = f"{path}: cannot be read ({error.strerror}); give the path of a recording (*.rows)"
        raise HistoryError(text, "missing") from error
    holes = np.flatnonzero(rows["kind"] == 0)  # of a machine that lost power: pages need not reach the disk in order
    return rows[: holes[0]] if holes.size else rows


def _rows_written(fd: int) -> int:
    """Where written rows end, found by bisection; kinds are read before the rows, so a live writer cannot show half a row."""
    written, unwritten = 0, os.fstat(fd).st_size // ROW_BYTES
    while written < unwritten:
        middle = (written + unwritten) // 2
        if os.pread(fd, 1, middle * ROW_BYTES + _KIND_AT) in (b"", b"\0"):
            unwritten = middle
        else:
            written = middle + 1
    return written


def merge(recordings: Sequence[Rows]) -> Rows:
    """The rows of several recordings as one, ordered by ``t_us``.

    Stable: rows of equal time keep the order of ``recordings``, and within one recording that of recording. All of them must have
    been recorded on one clock.
    """
    rows = np.concatenate([np.empty(0, ROW), *recordings])
    return in_order_of_time(rows)


def in_order_of_time(rows: Rows) -> Rows:
    """``rows`` ordered by ``t_us``, stable; the same array where they already are."""
    t_us = rows["t_us"]
    if bool(np.all(t_us[:-1] <= t_us[1:])):
        return rows
    return rows[np.argsort(t_us, kind="stable")]
