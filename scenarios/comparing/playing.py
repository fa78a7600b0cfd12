"""One run of a side, and what is taken from it.

A revision plays by its own ``imbench run``, in processes and with a store of its own each time: its server, its clients, its load. What it
recorded is judged here, by one and the same judge for both sides. A run whose harness failed, or whose faults are not proven, says nothing
of the product.
"""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.checkers.kinds import KINDS
from model.history.run_folder import METRICS, RunFolder
from scenarios.comparing.builds import Build
from scenarios.comparing.measures import Figures, figures
from scenarios.running.exits import HARNESS_INVALID, SOFTWARE, UNAVAILABLE, USAGE, CannotRun
from scenarios.running.processes import Started
from scenarios.running.run import judge_safely

RUN_S: Final = 900.0
"""Longest time for one run."""
_LISTEN_S: Final = 1.0
IN_VAIN_MAX: Final = 3
"""A side whose first so many runs leave nothing is not tried any further."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is played: a scenario with some settings, and a preset."""

    scenario: str
    preset: str = "cursor"
    settings: tuple[str, ...] = ()
    short: bool = True

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.scenario} {self.preset}"

    def arguments(self, seed: int, out: Path) -> list[str]:
        """Of ``imbench``, to play it."""
        given = ["run", self.scenario, "--world", "live", "--driver", "asyncio", "--preset", self.preset]
        given += [part for setting in self.settings for part in ("--set", setting)]
        return [*given, *(["--short"] if self.short else []), "--seed", str(seed), "--out", str(out), "--json"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run came to. ``failing``: what the product did wrong, by kind: how often, and a witness. ``nothing``: why the run says
    nothing of the product; empty where it does. ``unclear``: whether that may be the product's own doing: it ended unasked, nothing
    worked, it never came to rest."""

    figures: Figures
    failing: dict[str, tuple[int, str]]
    nothing: str = ""
    unclear: bool = False


@dataclass(slots=True)
class Player:
    """Plays one side. ``logs`` takes what it says; run folders go below ``runs``; ``where`` are further options, that say where to play."""

    build: Build
    runs: Path
    logs: Path
    where: tuple[str, ...] = ()
    left: int = 0
    """Runs that left a folder."""
    in_vain: int = 0
    """Runs that left nothing."""

    def play(self, case: Case, seed: int) -> Path | None:
        """The folder of a new run; None where it left none, which is the harness's failure. Raises :class:`CannotRun` for what another run
        would not change, and for a side of which none of the first few left anything."""
        path = self._play(case, seed)
        self.left, self.in_vain = self.left + (path is not None), self.in_vain + (path is None)
        if self.in_vain >= IN_VAIN_MAX and not self.left:
            raise CannotRun(
                f"the {self.runs.name} does not play {case.name}: {self.last_words() or 'it left nothing'} (log: {self.logs})",
                UNAVAILABLE,
            )
        return path

    def _play(self, case: Case, seed: int) -> Path | None:
        started = Started(
            "run",
            self.build.command(*case.arguments(seed, self.runs), *self.where),
            self.logs,
            cwd=self.build.folder,
            env=self.build.environment(),
        )
        try:
            line = _last_line(started)
        finally:
            started.stop()
        with suppress(ValueError, TypeError, KeyError):
            folder = json.loads(line)["folder"]
            return Path(folder) if folder else None
        if (status := started.status or 0) in (UNAVAILABLE, HARNESS_INVALID, -signal.SIGKILL, 128 + signal.SIGTERM):
            return None  # no server, no answer, no memory, no end in time
        raise CannotRun(
            f"the {self.runs.name} cannot play {case.name}: {started.last_words()} (log: {self.logs})",
            status if status >= USAGE else SOFTWARE,
        )

    def last_words(self) -> str:
        """What its newest run ended with, by its log; empty where that says nothing."""
        with suppress(OSError):
            lines = [line for line in self.logs.read_text(errors="replace").splitlines() if line.strip()]
            return lines[-1].removeprefix("imbench: ").split(" (log: ")[0] if lines else ""
        return ""


def _last_line(started: Started) -> str:
    """The JSON object that it prints, once it has ended; empty where there was none in time."""
    found, until = "", time.monotonic() + RUN_S
    while time.monotonic() < until:
        line = started.line(_LISTEN_S)
        if line is None and started.status is not None:
            break
        found = line if line and line.startswith("{") else found
    return found


def taken(path: Path) -> Taken:
    """What came of a run. What is proven against the product comes before the harness, as in a verdict: such a run has no figures, but it
    counts. Raises :class:`model.history.schema.HistoryError`."""
    folder = RunFolder.open(path)
    judged = judge_safely(folder.history())
    failing: dict[str, tuple[int, str]] = {}
    nothing, unclear = [judged.notes[0]] if judged.crashed else [], False
    for anomaly in judged.anomalies:
        if not anomaly["fails"]:
            continue
        kind, witness = anomaly["kind"], _witness(anomaly)
        if KINDS[kind].blame == "product":
            failing[kind] = (failing.get(kind, (0, ""))[0] + anomaly["count"], witness)
        else:
            nothing.append(f"{kind}: {witness}")
            unclear |= KINDS[kind].blame == "unknown"
    if nothing:
        return Taken({}, failing, "" if failing else "; ".join(nothing), unclear and not failing)
    return Taken(figures(judged.measures, folder.read_json(METRICS)), failing)


def _witness(anomaly: dict[str, Any]) -> str:
    return next((witness["text"] for witness in anomaly["witnesses"]), "")
