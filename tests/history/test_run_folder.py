"""A run folder holds what a run gave, also of a run that died, and nothing in it is ever lost to another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from model.history import at_rest
from model.history.columns import History, from_rows
from model.history.machine import Machine, this_machine
from model.history.recorder import Recorder
from model.history.run_folder import Manifest, RunFolder, RunFolderError, finished_runs, latest, runs_root
from model.history.schema import Header, HistoryError, Kind

NOON = datetime(2025, 3, 9, 12, 0, 7, tzinfo=UTC)
MANIFEST = Manifest(
    scenario="access_restart",
    scenario_digest="abc",
    seed=7,
    world="live",
    preset="cursor",
    started="2025-03-09T12:00:07Z",
    commit="0123abc+",
    generator={"cpu_max": 0.5},
)


def create(root: Path, scenario: str = "access_restart", now: datetime = NOON, seed: int = 7) -> RunFolder:
    return RunFolder.create(root, scenario, "live", "cursor", seed, now)


def finished(root: Path, scenario: str = "access_restart", now: datetime = NOON) -> Path:
    return create(root, scenario, now).finish(MANIFEST)


# names -------------------------------------------------------------------------------------------------------------------


def test_a_run_is_partial_until_finished(tmp_path: Path) -> None:
    folder = create(tmp_path / "new" / "root")
    partial = tmp_path / "new/root/access_restart/20250309T120007Z-live-cursor-7.partial"
    assert folder.path == partial
    assert not folder.finished
    assert sorted(path.name for path in partial.iterdir()) == ["logs", "plots", "recordings"]
    path = folder.finish(MANIFEST)
    assert path == folder.path == partial.with_name("20250309T120007Z-live-cursor-7")
    assert folder.finished
    assert not partial.exists()
    assert folder.finish() == path


def test_the_name_is_in_utc_wherever_the_run_is_started(tmp_path: Path) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=8)))
    assert create(tmp_path, now=east).path.name == "20250309T120007Z-live-cursor-7.partial"


def test_runs_of_the_same_second_get_numbers_and_never_share_a_folder(tmp_path: Path) -> None:
    one, two = create(tmp_path), create(tmp_path)
    first = one.finish(MANIFEST)
    three = create(tmp_path)
    names = [path.name for path in (first, three.finish(MANIFEST), two.finish(MANIFEST))]
    stem = "20250309T120007Z-live-cursor-7"
    assert names == [stem, f"{stem}-3", f"{stem}-2"]


def test_a_name_that_was_taken_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    folder = create(tmp_path)
    taken = folder.path.with_name("20250309T120007Z-live-cursor-7")
    taken.mkdir()
    assert folder.finish(MANIFEST).name == "20250309T120007Z-live-cursor-7-2"
    assert list(taken.iterdir()) == []


@pytest.mark.parametrize("scenario", ["../escape", "", "a/b", ".hidden", "a b"])
def test_a_name_that_would_leave_its_place_is_refused(tmp_path: Path, scenario: str) -> None:
    with pytest.raises(RunFolderError, match="cannot name a run folder"):
        create(tmp_path, scenario)
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        RunFolderError, match=r"file/access_restart: Not a directory: cannot be written; choose another folder"
    ) as raised:
        create(tmp_path / "file")
    assert "\n" not in str(raised.value)


# JSON --------------------------------------------------------------------------------------------------------------------


def test_json_is_written_whole_and_read_back(tmp_path: Path) -> None:
    folder = create(tmp_path)
    folder.write_json("metrics.json", {"old": True})
    folder.write_json("metrics.json", {"p99_us": np.float64(1.5), "n": np.int64(3), "curve": np.arange(3), "worst": float("inf")})
    assert folder.read_json("metrics.json") == {"p99_us": 1.5, "n": 3, "curve": [0, 1, 2], "worst": None}
    assert not list(folder.path.glob("*.partial"))


def test_the_manifest_comes_back_with_its_machine(tmp_path: Path) -> None:
    folder = create(tmp_path)
    manifest = msgspec.structs.replace(MANIFEST, machine=this_machine())
    folder.write_manifest(manifest)
    assert folder.manifest() == manifest
    assert not manifest.complete
    done = msgspec.structs.replace(manifest, complete=True, finished="2025-03-09T12:01:00Z")
    assert RunFolder.open(folder.finish(done)).manifest() == done


def test_this_machine_says_what_matters_for_a_number() -> None:
    machine = this_machine()
    assert machine.python == ".".join(map(str, sys.version_info[:3]))
    assert machine.packages["numpy"] == np.__version__
    assert machine.cores >= 1
    assert machine.cpu
    assert machine.kernel


def test_a_run_without_a_manifest_is_not_finished(tmp_path: Path) -> None:
    folder = create(tmp_path)
    with pytest.raises(RunFolderError, match=r"has no manifest\.json"):
        folder.finish()
    assert folder.path.is_dir()


def test_a_full_disk_keeps_the_file_that_was_there(
    tmp_path: Path, disk_full_at: Callable[[int], AbstractContextManager[None]]
) -> None:
    folder = create(tmp_path)
    folder.write_json("verdict.json", {"verdict": "valid"})
    with disk_full_at(100), pytest.raises(RunFolderError, match=r"verdict\.json: File too large: cannot be written; free space"):
        folder.write_json("verdict.json", {"verdict": "x" * 1000})
    assert folder.read_json("verdict.json") == {"verdict": "valid"}
    assert not list(folder.path.glob("*.partial"))


def test_a_missing_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    folder = create(tmp_path)
    with pytest.raises(RunFolderError, match=r"manifest\.json: No such file or directory: cannot be read"):
        folder.manifest()
    (folder.path / "manifest.json").write_text('{"scenario": "a')
    with pytest.raises(RunFolderError, match=r"manifest\.json: is damaged \(Input data was truncated\)"):
        folder.manifest()


# histories ---------------------------------------------------------------------------------------------------------------


def test_recordings_become_the_history_and_are_then_deleted(
    tmp_path: Path, record_sample: Callable[[Recorder], None], header: Header, sample: History
) -> None:
    folder = create(tmp_path)
    folder.write_header(header)
    with folder.recorder("load-1") as recorder:
        record_sample(recorder)
    folder.write_history(from_rows(header, folder.rows()))
    assert not (folder.path / "recordings").exists()
    assert RunFolder.open(folder.finish(MANIFEST)).history().equals(sample)


def test_recordings_of_several_processes_are_merged_by_time(tmp_path: Path) -> None:
    folder = create(tmp_path)
    for name, times in (("b", (1, 3)), ("a", (3, 4))):
        with folder.recorder(name) as recorder:
            for t_us in times:
                recorder.record(Kind.READY, t_us, device=ord(name))
    rows = folder.rows()
    assert list(zip(rows["t_us"].tolist(), map(chr, rows["device"].tolist()), strict=True)) == [
        (1, "b"),
        (3, "a"),
        (3, "b"),
        (4, "a"),
    ]


def test_recordings_stay_when_the_history_cannot_be_written(
    tmp_path: Path,
    record_sample: Callable[[Recorder], None],
    sample: History,
    disk_full_at: Callable[[int], AbstractContextManager[None]],
) -> None:
    folder = create(tmp_path)
    with folder.recorder("load-1") as recorder:
        record_sample(recorder)
    with disk_full_at(2000), pytest.raises(HistoryError, match=r"history\.parquet: cannot be written"):
        folder.write_history(sample)
    assert len(folder.rows()) == len(sample)


RECORD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from model.history.run_folder import RunFolder
recorder = RunFolder.open(Path(sys.argv[1])).recorder("load-1")
for t_us in range(5):
    recorder.record(31, t_us, device=7)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_whose_load_process_was_killed_is_salvaged_and_marked_truncated(tmp_path: Path, header: Header) -> None:
    folder = create(tmp_path)
    folder.write_header(header)
    with folder.recorder("conductor") as recorder:
        recorder.record(Kind.PHASE, 2, code=1)
    died = subprocess.run([sys.executable, "-c", RECORD_AND_DIE, str(folder.path)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    history = RunFolder.open(folder.path).history()
    assert history.header == msgspec.structs.replace(header, truncated=True)
    assert history.t_us.tolist() == [0, 1, 2, 2, 3, 4]
    assert history.kind.tolist() == [31, 31, 50, 31, 31, 31]
    assert len(list((folder.path / "recordings").iterdir())) == 2


def test_the_written_history_counts_even_where_recordings_were_not_yet_deleted(
    tmp_path: Path, header: Header, sample: History
) -> None:
    folder = create(tmp_path)
    folder.write_header(header)
    folder.recorder("load-1").record(Kind.READY, 1)
    at_rest.write(sample, folder.path / "history.parquet")
    assert folder.history().equals(sample)


def test_a_run_that_recorded_nothing_says_so(tmp_path: Path, header: Header) -> None:
    folder = create(tmp_path)
    with pytest.raises(RunFolderError, match=r"holds neither history\.parquet nor recordings; run the scenario again"):
        folder.history()
    folder.write_header(header)
    with pytest.raises(RunFolderError, match="holds neither"):
        folder.history()


def test_a_header_or_a_recording_that_cannot_be_meant_is_named(tmp_path: Path, header: Header) -> None:
    folder = create(tmp_path)
    folder.recorder("load-1").record(99, 1)
    folder.write_header(header)
    with pytest.raises(RunFolderError, match=r"recordings: row 0 \(t_us 1\): kind 99 is not one of"):
        folder.history()
    folder.write_json("header.json", {"world": "live", "version": 3})
    with pytest.raises(RunFolderError, match=r"header\.json: its version is 3, this imbench reads up to 2"):
        folder.history()


# finding -----------------------------------------------------------------------------------------------------------------


def test_open_takes_run_folders_only(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="there is no such folder"):
        RunFolder.open(tmp_path / "none")
    with pytest.raises(RunFolderError, match=r"is no run folder \(no manifest\.json in it\)"):
        RunFolder.open(tmp_path)


def test_latest_is_the_newest_finished_run(tmp_path: Path) -> None:
    later = NOON + timedelta(seconds=1)
    new, old = finished(tmp_path, now=later), finished(tmp_path, now=NOON)
    other = finished(tmp_path, "ladder", now=later + timedelta(seconds=1))
    create(tmp_path, now=later + timedelta(hours=1)).write_manifest(MANIFEST)
    assert [folder.path for folder in finished_runs(tmp_path)] == [old, new, other]
    assert latest(tmp_path).path == other
    assert latest(tmp_path, "access_restart").path == new


def test_of_runs_of_the_same_second_the_one_written_last_is_the_newest(tmp_path: Path) -> None:
    one, two = finished(tmp_path), finished(tmp_path)
    os.utime(two, (1000, 1000))
    os.utime(one, (2000, 2000))
    assert latest(tmp_path).path == one


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no finished run of ladder is there; make one with `imbench run ladder`"):
        latest(tmp_path / "none", "ladder")


def test_runs_go_where_they_are_told_to(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "reports").mkdir(parents=True)
    elsewhere = {"IMBENCH_RUNS": "/runs"}
    assert runs_root(Path("/out"), elsewhere, checkout) == Path("/out")
    assert runs_root(None, elsewhere, checkout) == Path("/runs")
    with pytest.raises(RunFolderError, match="is no checkout of imbench"):
        runs_root(None, {}, checkout)
    (checkout / "pyproject.toml").touch()
    assert runs_root(None, {"IMBENCH_RUNS": ""}, checkout) == checkout / "reports" / "runs"


def test_the_fingerprint_of_a_machine_is_of_what_times_depend_on() -> None:
    machine = Machine("a CPU", 2, "Linux 6.1", "3.11.7", {"numpy": "2.0"})
    assert machine.fingerprint == "379d6e2a57e3"
    alike: tuple[dict[str, Any], ...] = ({"kernel": "Linux 6.2"}, {"python": "3.11.9"}, {"packages": {}})
    for same in alike:
        assert msgspec.structs.replace(machine, **same).fingerprint == machine.fingerprint
    for other in ({"cpu": "another"}, {"cores": 22}, {"python": "3.12.7"}):
        assert msgspec.structs.replace(machine, **other).fingerprint != machine.fingerprint
