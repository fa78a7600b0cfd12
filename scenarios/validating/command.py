"""``imbench validate`` between its options and its output: where results go, and which calibration is validated."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from scenarios.running.command import runs_root
from scenarios.running.progress import shown
from scenarios.running.signals import interruptible
from scenarios.running.times import chosen, read_and_warn
from scenarios.validating import holdout
from scenarios.validating.validate import Results, validate

FOLDER = "validation"


def validated(calibration: Path | None, quick: bool, out: Path | None) -> tuple[Path, Results]:
    """Validate a calibration. Returns the folder with its results. Raises :class:`CannotRun` and ``HistoryError``."""
    folder = out.absolute() if out else runs_root(None) / FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with interruptible(), shown() as progress:
        times = read_and_warn(chosen(calibration), progress, always=True)
        return folder, validate(holdout.quick() if quick else holdout.full(), times, folder, progress)
