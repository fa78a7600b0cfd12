"""Judging what is there already: a run folder, or a history file from anywhere.

Nothing is written: a verdict found again does not replace the one a run was given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from model.checkers.kinds import KINDS, Blame, header_problem
from model.history import at_rest
from model.history.columns import History
from model.history.run_folder import RunFolder, is_run
from model.history.schema import Header, HistoryError
from model.scenario.sweep import RECORD
from scenarios.running.command import near, visible
from scenarios.running.exits import MISSING, CannotRun
from scenarios.running.run import Judged, judge_safely

WITNESSES_MAX: Final = 3
"""Witnesses of one kind that are told."""
_MARKS: Final[dict[Blame, str]] = {"product": "FAILS", "harness": "HARNESS", "unknown": "OPEN"}
"""What a kind that keeps a history from being valid says: the product failed, the harness did, or nobody knows."""


def check(path: Path) -> tuple[Header, Judged]:
    """Whose history it is, and the judges' answer. Raises :class:`CannotRun` and :class:`model.history.schema.HistoryError`."""
    found = history(path)
    return found.header, judge_safely(found)


def history(path: Path) -> History:
    """The history of a run folder or a file. Raises :class:`CannotRun` and :class:`model.history.schema.HistoryError`."""
    found = RunFolder.open(path).history() if there(path).is_dir() else at_rest.read(path)
    if wrong := header_problem(found.header):
        raise HistoryError(f"{path}: its header is wrong: {wrong}")
    return found


def there(path: Path) -> Path:
    """The same path, if a run folder or a file is there. Raises :class:`CannotRun`."""
    if not path.exists():
        raise CannotRun(f"{path}: there is no such file or folder; give a run folder or a history file", MISSING)
    if path.is_dir() and not is_run(path):
        below = [folder for folder in sorted(path.glob("**/")) if is_run(folder)]
        files = [file for file in sorted(path.iterdir()) if file.suffix in (".jsonl", ".parquet")]
        found = f"there are {len(below)} below it, such as {near(below[-1])}" if below else "give one that imbench run has made"
        if files and not below:
            found = f"there are {len(files)} history files in it, such as {near(files[0])}"
        if (path / RECORD).exists():
            found = "a sweep compares and is not judged, its tables and pictures lie in its folder"
        raise CannotRun(f"{path}: is no run folder; {found}", MISSING)
    return path


def contract(path: Path, judged: Judged) -> dict[str, Any]:
    """The object that ``imbench check --json`` prints."""
    return {
        "path": str(path),
        "verdict": judged.verdict,
        "reasons": list(judged.notes),
        "anomalies": judged.anomalies,
        "not_computed": judged.measures.get("not_computed", {}),
    }


def told(path: Path, header: Header, judged: Judged) -> str:
    """The answer for people: what was judged, the verdict, why, and what was found, what fails first."""
    world = f"world {header.world}"
    run = " ".join(filter(None, [header.scenario, header.preset, world, f"seed {header.seed}" if header.seed else ""]))
    lines = [f"{near(path)}: {run}", f"verdict: {judged.verdict}", *(f"  {reason}" for reason in judged.notes)]
    for anomaly in sorted(judged.anomalies, key=lambda a: (not a["fails"], -a["count"])):
        cause = f", implied by {anomaly['implied_by']}" if anomaly.get("implied_by") else ""
        mark = _MARKS[KINDS[anomaly["kind"]].blame] if anomaly["fails"] else "counted"
        shown = anomaly["witnesses"][:WITNESSES_MAX]
        lines.append(f"{mark:7} {anomaly['kind']} x {anomaly['count']}{cause}")
        lines += [f"    {witness['text']}" for witness in shown]
        lines += [f"    … and {anomaly['count'] - len(shown):,} more"] * (anomaly["count"] > len(shown))
    gaps = judged.measures.get("not_computed", {})
    lines += ["not computed, since the history does not tell:"] * bool(gaps)
    lines += [f"    {', '.join(what)}: {why}" for why, what in gaps.items()]
    return "\n".join(map(visible, lines))
