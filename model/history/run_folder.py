"""Run folders: the only result of a run, on disk.

::

    <root>/<scenario>/<UTC>-<world>-<preset>-<seed>/      named *.partial until finished
        manifest.json      what ran, where, from which commit, and whether it came to its end (:class:`Manifest`)
        scenario.json      the scenario as it was run
        header.json        the history's header, written before the first row, so that a dead run can be salvaged
        recordings/*.rows  one recording per process; gone once history.parquet is on disk
        history.parquet    the history (:mod:`model.history.at_rest`)
        metrics.json  verdict.json  logs/  plots/

Rules of the file:

- Nothing that is there is overwritten by another run: a folder belongs to the run that made it, and a taken name gets a number.
- A file appears under its name whole (written beside it, synced, renamed). A run that dies at any point leaves a ``.partial``
  folder with all it had recorded, and ``history()`` still answers from that, its header marked ``truncated``.
- The clock and git are not asked here: the time of start and the commit are arguments.
- Failures of the disk are one :class:`RunFolderError`: where, what is wrong, what to do.

What this does not do: decide what goes into metrics or verdict, or delete runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from model.history import at_rest
from model.history.columns import History, from_rows
from model.history.machine import Machine
from model.history.recorder import FileRecorder, Rows, merge, read_rows
from model.history.schema import Header, HistoryError, Reason

PARTIAL: Final = ".partial"
HISTORY: Final = "history.parquet"
HEADER: Final = "header.json"
MANIFEST: Final = "manifest.json"
SCENARIO: Final = "scenario.json"
METRICS: Final = "metrics.json"
VERDICT: Final = "verdict.json"
RECORDINGS: Final = "recordings"
RUNS_VARIABLE: Final = "IMBENCH_RUNS"

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ELSEWHERE: Final = f"choose another folder with --out or {RUNS_VARIABLE}"
_GIVE_ONE: Final = "give a run folder that `imbench run` has made"


class RunFolderError(HistoryError):
    """A run folder cannot be made, written, found or read. Its text is one line: where, what is wrong, what to do."""


class Manifest(msgspec.Struct, frozen=True):
    """What ran, where, and how it ended. Times are UTC, ISO 8601. Fields of a newer version are ignored when read."""

    scenario: str
    scenario_digest: str
    seed: int
    world: str
    preset: str
    started: str
    trace_digest: str | None = None
    """Of the simulated world's trace; None when live."""
    commit: str = ""
    """The commit of the checkout, with ``+`` behind it where files were changed; empty outside a checkout."""
    machine: Machine = Machine()
    generator: dict[str, float] = {}
    """Health of the load generator, by measure (``cpu_max``, ``send_lag_p99_us``, ...); empty in the simulated world."""
    finished: str | None = None
    complete: bool = False
    """Whether the run passed all of its phases."""
    interrupted: bool = False
    """Whether a signal ended it early."""
    version: int = 1


def is_run(path: Path) -> bool:
    """Whether a folder is a run folder, finished or not."""
    return any((path / name).exists() for name in (MANIFEST, HEADER, HISTORY))


class RunFolder:
    """One run's folder. ``path`` is where it is now; ``finish`` moves it."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path, scenario: str, world: str, preset: str, seed: int, now: datetime) -> RunFolder:
        """Make ``<root>/<scenario>/<UTC>-<world>-<preset>-<seed>.partial`` with its sub-folders.

        ``now`` is the time of start, with its zone. Where the name is taken, ``-2`` and so on is appended to it.
        Raises :class:`RunFolderError` where the folder cannot be made.
        """
        for name in (scenario, world, preset):
            if not _PLAIN_NAME.fullmatch(name):
                raise RunFolderError(f"{name!r} cannot name a run folder; use letters, digits, '_', '-' and '.'", "usage")
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        with _clear(root, f"cannot be written; {_ELSEWHERE}"):
            (root / scenario).mkdir(parents=True, exist_ok=True)
            path = _claim(root / scenario, f"{stamp}-{world}-{preset}-{seed}")
            for name in (RECORDINGS, "logs", "plots"):
                (path / name).mkdir()
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder, finished or not. Raises :class:`RunFolderError` where ``path`` is none."""
        if path.is_file():
            raise RunFolderError(f"{path}: is a file, not a run folder; `imbench check` judges a history file")
        if not path.is_dir():
            raise RunFolderError(
                f"{path}: there is no such folder; give the path of a run folder, or of a history file", "missing"
            )
        if not is_run(path):
            raise RunFolderError(f"{path}: is no run folder (no {MANIFEST} in it); {_GIVE_ONE}", "missing")
        return cls(path)

    @property
    def finished(self) -> bool:
        """Whether the run came to the point of renaming its folder."""
        return not self.path.name.endswith(PARTIAL)

    # files of the run ----------------------------------------------------------------------------------------------------

    def write_json(self, name: str, value: Any) -> None:
        """Write a value that msgspec can encode as ``name``, indented, in place of an earlier one of this run.

        JSON has no infinity: non-finite numbers become null. Raises :class:`RunFolderError` where the disk does not take it.
        """
        text = msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2)
        path = self.path / name
        partial = path.with_name(path.name + PARTIAL)
        with _clear(path, f"cannot be written; free space or {_ELSEWHERE}; what the run has recorded is kept"):
            try:
                _write_synced(partial, text + b"\n")
                partial.replace(path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise

    def read_json(self, name: str) -> Any:
        """The value of a JSON file of this folder. Raises :class:`RunFolderError` where it is missing or no JSON."""
        return _decode(self.path / name, Any)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest: at the start of a run, and again as more is known."""
        self.write_json(MANIFEST, manifest)

    def manifest(self) -> Manifest:
        """The manifest as it was last written. Raises :class:`RunFolderError` where it is missing or wrong."""
        found: Manifest = _decode(self.path / MANIFEST, Manifest)
        return found

    # the history ---------------------------------------------------------------------------------------------------------

    def write_header(self, header: Header) -> None:
        """Write the history's header early, so that recordings of a run that dies can be read."""
        self.write_json(HEADER, header)

    def recording_path(self, name: str) -> Path:
        """Where the process called ``name`` records."""
        return self.path / RECORDINGS / f"{name}.rows"

    def recorder(self, name: str) -> FileRecorder:
        """A recorder of this process, called ``name`` among those of the run. Raises :class:`HistoryError`."""
        return FileRecorder(self.recording_path(name))

    def rows(self) -> Rows:
        """The rows of all recordings, ordered by time; of equal time, by name of recording."""
        return merge([read_rows(path) for path in self._recordings()])

    def write_history(self, history: History) -> None:
        """Write history.parquet; then, and only then, the recordings it was made from are deleted."""
        at_rest.write(history, self.path / HISTORY)
        with _clear(self.path / RECORDINGS, "cannot be deleted; delete it by hand, the history is written"):
            for path in self._recordings():
                path.unlink()
            if (self.path / RECORDINGS).is_dir() and not any((self.path / RECORDINGS).iterdir()):
                (self.path / RECORDINGS).rmdir()

    def history(self) -> History:
        """The run's history; where the run died before it was written, what its recordings hold, marked ``truncated``.

        Raises :class:`HistoryError` where neither is there, or it cannot be read.
        """
        if (self.path / HISTORY).exists():
            return at_rest.read(self.path / HISTORY)
        if not (self.path / HEADER).exists() or not self._recordings():
            raise RunFolderError(f"{self.path}: holds neither {HISTORY} nor recordings; run the scenario again", "missing")
        header = msgspec.structs.replace(self.header(), truncated=True)
        try:
            return from_rows(header, self.rows())
        except HistoryError as error:
            raise RunFolderError(f"{self.path / RECORDINGS}: {error}", error.reason) from error

    def header(self) -> Header:
        """The header as it was written early. Raises :class:`HistoryError`."""
        path = self.path / HEADER
        with _clear(path, f"cannot be read; {_GIVE_ONE}", "missing"):
            text = path.read_bytes()
        try:
            return at_rest.parse_header(text)
        except HistoryError as error:
            raise RunFolderError(f"{path}: {error}", error.reason) from error

    def _recordings(self) -> list[Path]:
        return sorted((self.path / RECORDINGS).glob("*.rows"))

    # the end -------------------------------------------------------------------------------------------------------------

    def finish(self, manifest: Manifest | None = None) -> Path:
        """Write the last manifest, if given, and take ``.partial`` off the folder's name. Returns where the folder is now.

        Twice is harmless. Raises :class:`RunFolderError` where no manifest was ever written, or the folder cannot be renamed.
        """
        if manifest is not None:
            self.write_manifest(manifest)
        if self.finished:
            return self.path
        if not (self.path / MANIFEST).exists():
            raise RunFolderError(f"{self.path}: has no {MANIFEST} and cannot be finished; write the manifest first", "usage")
        with _clear(self.path, "cannot be renamed; rename it by hand, everything is in it"):
            names = _candidates(self.path.parent, self.path.name.removesuffix(PARTIAL))
            target = next(path for path in names if not path.exists())
            self.path.rename(target)
        self.path = target
        return target


# finding runs ------------------------------------------------------------------------------------------------------------


def runs_root(out: Path | None, environ: Mapping[str, str], checkout: Path) -> Path:
    """Where runs go: ``out`` (--out), else IMBENCH_RUNS, else ``reports/runs`` of a checkout of the project.

    Raises :class:`RunFolderError` where none is given and ``checkout`` is none.
    """
    if out is not None:
        return out
    if environ.get(RUNS_VARIABLE):
        return Path(environ[RUNS_VARIABLE])
    if (checkout / "pyproject.toml").is_file() and (checkout / "reports").is_dir():
        return checkout / "reports" / "runs"
    raise RunFolderError(f"{checkout}: is no checkout of imbench, so runs have no place to go; {_ELSEWHERE}", "usage")


def finished_runs(root: Path, scenario: str | None = None) -> list[RunFolder]:
    """The finished runs below ``root``, of one scenario or of all, oldest first."""
    manifests = root.glob(f"{scenario or '*'}/*/{MANIFEST}")
    folders = [RunFolder(path.parent) for path in manifests if not path.parent.name.endswith(PARTIAL)]
    return sorted(folders, key=lambda folder: (folder.path.name.partition("-")[0], folder.path.stat().st_mtime_ns))


def latest(root: Path, scenario: str | None = None) -> RunFolder:
    """The newest finished run below ``root``. Raises :class:`RunFolderError` where there is none."""
    runs = finished_runs(root, scenario)
    if not runs:
        what = f"of {scenario} " if scenario else ""
        advice = f"make one with `imbench run {scenario or 'NAME'}`"
        raise RunFolderError(f"{root}: no finished run {what}is there; {advice}", "missing")
    return runs[-1]


# on disk -----------------------------------------------------------------------------------------------------------------


def _candidates(parent: Path, name: str) -> Iterator[Path]:
    yield parent / name
    number = 2
    while True:
        yield parent / f"{name}-{number}"
        number += 1


def _claim(parent: Path, name: str) -> Path:
    """Make the first free ``<name>.partial``. The mkdir decides between processes that ask at once."""
    for path in _candidates(parent, name):
        partial = path.with_name(path.name + PARTIAL)
        if path.exists():
            continue
        try:
            partial.mkdir()
        except FileExistsError:
            continue
        return partial
    raise AssertionError("candidates never end")


def _write_synced(path: Path, text: bytes) -> None:
    with path.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _decode(path: Path, type_: Any) -> Any:
    with _clear(path, f"cannot be read; {_GIVE_ONE}", "missing"):
        text = path.read_bytes()
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.DecodeError as error:
        raise RunFolderError(f"{path}: is damaged ({error}); run the scenario again") from error


def _plain(value: object) -> Any:
    """What msgspec does not know: NumPy's scalars and arrays, and paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON; turn it into plain values")


@contextmanager
def _clear(path: Path, advice: str, reason: Reason = "disk") -> Iterator[None]:
    """An OSError inside becomes one clear line about ``path``."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise RunFolderError(f"{where}: {error.strerror or error}: {advice}", reason) from error
