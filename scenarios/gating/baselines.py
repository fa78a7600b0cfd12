"""What was accepted: a small JSON file and a history for each case, in ``reports/baselines``.

A baseline is taken over with a reason, which stays in it with all earlier ones. Files are replaced whole or not at all.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from model.history import at_rest
from model.history.columns import History
from model.history.schema import HistoryError
from model.scenario.comparison import VERSION, Accepted, Baseline, Case
from scenarios.gating.play import PlayedCase
from scenarios.running.exits import CANNOT_CREATE, DAMAGED, CannotRun
from scenarios.running.run import ROOT, commit

FOLDER: Final = ROOT / "reports" / "baselines"


Kept = tuple[Baseline, History]
"""A baseline and its history."""


class _Versioned(msgspec.Struct):
    version: int


def read(folder: Path, case: Case) -> Kept | None:
    """The baseline of a case and its history; None where there is none. Raises :class:`CannotRun` for one that cannot be read."""
    path, history = _paths(folder, case)
    try:
        text = path.read_bytes()
        version = msgspec.json.decode(text, type=_Versioned).version
        if version != VERSION:
            raise CannotRun(
                f"{path}: is of version {version}, and this imbench reads {VERSION}; make it anew with --accept", DAMAGED
            )
        return msgspec.json.decode(text, type=Baseline), at_rest.read(history)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, HistoryError) as error:
        raise CannotRun(f"{path}: cannot be read ({error}); restore it, or make it anew with --accept", DAMAGED) from None


def write(folder: Path, case: Case, played: PlayedCase, reason: str, before: Baseline | None) -> None:
    """Take over what a case came to. Raises :class:`CannotRun`."""
    path, history = _paths(folder, case)
    accepted = Accepted(datetime.now(UTC).isoformat(timespec="seconds"), commit(), reason)
    earlier = () if before is None else before.accepted
    baseline = Baseline(case, played.inputs, played.measures, played.trace_digest, (*earlier, accepted))
    new_path, new_history = (one.with_name(f"new-{one.name}") for one in (path, history))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new_history.unlink(missing_ok=True)
        at_rest.write(played.history, new_history)
        new_path.write_bytes(msgspec.json.format(msgspec.json.encode(baseline), indent=1) + b"\n")
        os.replace(new_history, history)
        os.replace(new_path, path)
    except (OSError, HistoryError) as error:
        for one in (new_path, new_history):
            with suppress(OSError):
                one.unlink()
        raise CannotRun(f"{path}: cannot be written ({error}); the baseline is what it was", CANNOT_CREATE) from None


def _paths(folder: Path, case: Case) -> tuple[Path, Path]:
    return folder / f"{case.name}.json", folder / f"{case.name}.parquet"
