"""A soak from leg to leg, with its sum on disk after each.

::

    <root>/<scenario>/<UTC>-soak-<preset>-<seed>/
        soak.json                       the sum, as ``imbench soak --json`` prints it
        <scenario>/<UTC>-live-...       run folders of legs that are worth a look, in the form of every run

Rules of the file:

- A leg's folder is deleted once it was judged, unless something was found or it was set aside for another reason than a signal; then it is
  filed as any run is, judged by all judges. At most ``KEPT_MAX`` are kept.
- A soak may be stopped at any time. The leg under way is broken off: what its recording proves is found, and nothing of it is counted.
- A harness that fails leg after leg will not mend by itself, so the soak then ends.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from model.history.columns import from_rows
from model.history.run_folder import RunFolder, RunFolderError
from model.scenario import Scenario
from scenarios.running import live
from scenarios.running.exits import CannotRun, Interrupted
from scenarios.running.progress import Progress
from scenarios.running.run import concluded, opened
from scenarios.soaking import legs
from scenarios.soaking.tally import Leg, Sum, judged, rates

RECORD: Final = "soak.json"
KEPT_MAX: Final = 10
"""Run folders of a soak: a design that fails does so in every leg, and each folder is some ten megabytes."""
IN_A_ROW_MAX: Final = 5
"""Legs that are set aside one after another."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. ``messages`` and ``seconds``: how many are to be ok, and how long it may take, None for no bound; what comes
    first ends the soak, with the leg that reaches it."""

    scenario: Scenario
    preset: str
    seed: int
    faults_per_minute: float
    leg_s: float
    messages: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Soak:
    """A soak while it goes on, and what came of it."""

    order: Order
    folder: RunFolder
    total: Sum = field(default_factory=Sum)
    began_s: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    memory_max_bytes: int = 0
    """Most resident memory of this process, which judges: right after a judgement."""
    interrupted: int = 0
    gave_up: bool = False
    """The harness failed leg after leg."""
    in_a_row: int = 0

    def conduct(self, progress: Progress) -> None:
        """Play legs until there are enough, a signal comes, or the harness proves unfit."""
        try:
            for number in count(1):
                if self.is_enough():
                    break
                progress.begin(self._title(number))
                self.add(self._leg(number, progress), progress)
        except Interrupted as interruption:
            self.interrupted = interruption.number
        self.file()

    def is_enough(self) -> bool:
        """Whether no further leg is to be played."""
        order, self.seconds = self.order, time.monotonic() - self.began_s
        enough = order.messages is not None and self.total.counts.ok >= order.messages
        late = order.seconds is not None and self.seconds >= order.seconds
        return enough or late or self.gave_up or bool(self.interrupted)

    def add(self, leg: Leg, progress: Progress) -> None:
        """Count a leg, and leave the sum on disk."""
        self.total = self.total.plus(leg)
        self.in_a_row = self.in_a_row + 1 if leg.set_aside else 0
        self.gave_up = self.in_a_row >= IN_A_ROW_MAX
        if leg.found:
            told = ", ".join(f"{many} {kind}" for kind, many in leg.found.items())
            progress.say(f"leg {leg.number} (seed {leg.seed}): found {told}")
        if leg.set_aside:
            progress.say(f"leg {leg.number} (seed {leg.seed}) is set aside: {leg.set_aside[0]}")
        self.file()

    def file(self) -> None:
        """Leave the sum on disk."""
        self.seconds = time.monotonic() - self.began_s
        self.folder.write_json(RECORD, self.contract())

    def contract(self) -> dict[str, Any]:
        """The object that ``imbench soak --json`` prints."""
        order, total = self.order, self.total
        return {
            "scenario": order.scenario.name,
            "preset": order.preset,
            "seed": order.seed,
            "rate_per_s": order.scenario.workload.rate_per_s,
            "faults_per_minute": order.faults_per_minute,
            "leg_s": order.leg_s,
            "seconds": round(self.seconds, 1),
            "legs": total.legs,
            "late_legs": total.late_legs,
            "set_aside": [_plain(leg) for leg in total.set_aside],
            "counts": msgspec.to_builtins(total.counts),
            "rates": [msgspec.to_builtins(rate) for rate in rates(total.counts)],
            "found": total.found,
            "crashes": total.crashes,
            "kept": [_plain(leg) for leg in total.kept],
            "memory_max_bytes": self.memory_max_bytes,
            "interrupted": self.interrupted,
            "gave_up": self.gave_up,
            "folder": str(self.folder.path),
        }

    def _title(self, number: int) -> str:
        counts = self.total.counts
        found = ", ".join(f"{many} {kind}" for kind, many in self.total.found.items()) or "nothing found"
        return f"soak {self.order.preset}, leg {number}: {counts.ok:,} ok messages and {counts.kills} kills so far, {found}"

    # one leg -------------------------------------------------------------------------------------------------------------------------

    def _leg(self, number: int, progress: Progress) -> Leg:
        """Play and judge one; what is left of it on disk is what is worth a look."""
        order, seed = self.order, legs.leg_seed(self.order.seed, number)
        scenario = legs.leg(order.scenario, seed, order.faults_per_minute, order.leg_s)
        folder, manifest = opened(scenario, "live", order.preset, seed, self.folder.path)
        is_kept = False
        try:
            played = live.play(scenario, order.preset, seed, folder, progress, "asyncio")
            self.interrupted = played.interrupted
            progress.at(None, "judging")
            leg = judged(from_rows(played.header, played.rows), number, seed, played.notes)
            self.memory_max_bytes = max(self.memory_max_bytes, psutil.Process().memory_info().rss)
            is_kept = self._is_worth_a_look(leg)
            if is_kept:
                self._file_leg(partial(concluded, scenario, folder, manifest, played, progress))
                leg = msgspec.structs.replace(leg, folder=folder.path)
        except CannotRun as failure:
            leg = Leg(number, seed, set_aside=(str(failure),))
        finally:
            if not is_kept:
                shutil.rmtree(folder.path, ignore_errors=True)
        return leg

    def _is_worth_a_look(self, leg: Leg) -> bool:
        kept = {one.number for one in (*self.total.kept, *self.total.set_aside) if one.folder is not None}
        return len(kept) < KEPT_MAX and bool(leg.found or (leg.set_aside and not self.interrupted))

    def _file_leg(self, conclude: Callable[[], object]) -> None:
        """File it; where a signal comes meanwhile it stays as it was recorded, for what was found in it is known already."""
        try:
            conclude()
        except Interrupted as interruption:
            self.interrupted = interruption.number


def _plain(leg: Leg) -> dict[str, Any]:
    """A leg that is told by itself."""
    folder = None if leg.folder is None else str(leg.folder)
    return {"leg": leg.number, "seed": leg.seed, "found": leg.found, "set_aside": leg.set_aside, "folder": folder}


def soak_folder(root: Path, order: Order) -> RunFolder:
    """A new folder for a soak. Raises :class:`RunFolderError` where it cannot be made."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-soak-{order.preset}-{order.seed}"
    for number in count(1):
        path = root / order.scenario.name / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            if not path.is_dir():
                raise _not_made(path, error) from error
        except OSError as error:
            raise _not_made(path, error) from error
        else:
            return RunFolder(path)
    raise AssertionError("numbers never end")


def _not_made(path: Path, error: OSError) -> RunFolderError:
    where = error.filename or path
    return RunFolderError(
        f"{where}: {error.strerror}: cannot be written; choose another folder with --out or IMBENCH_RUNS", "disk"
    )
