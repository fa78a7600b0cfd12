"""What a commit and a checkpoint take apart from everything else, measured by a process of its own.

A commit writes pages to a log; the commit that brings it to a thousand of them copies them into the database, a checkpoint, and takes
milliseconds. So how often that happens follows from what commits write, and what it takes from how much there is to copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from model.scenario.tally import RESTS, rest_class
from scenarios.calibrating.fit import Point, fit
from scenarios.calibrating.waits import lines

SYNC_VALUES: Final = 100
"""Equally likely waits that a calibration keeps: the rarest is one in a hundred commits."""
SMALL: Final = 5
"""Messages in the groups whose waits are kept: what commits hold under load. Twenty wait a quarter longer."""
LARGE: Final = 1024
"""Bytes of messages whose commits only tell what pages they write."""
PAGES: Final = 1000
"""In the log at a checkpoint: ``reference_server.storage.database.CHECKPOINT_PAGES``."""
WRITES: Final = ("commit", "conversation", "kib")
"""What pages are written for."""


class Commits(msgspec.Struct, frozen=True):
    """Group commits of one size and payload, after rests of one length."""

    rest_us: float
    rows: int
    conversations: int
    payload: int
    elapsed_us: tuple[float, ...]
    cpu_us: tuple[float, ...]
    pages: tuple[float, ...]

    @property
    def counts(self) -> dict[str, float]:
        """What all of them did."""
        n, rest = len(self.cpu_us), rest_class(round(self.rest_us))
        done = {
            "commit": n,
            "row": n * self.rows,
            "conversation": n * self.conversations,
            "kib": n * self.rows * self.payload / 1024,
        }
        return done | ({f"rest_{RESTS[rest]}": n} if rest >= 0 else {})


class Disk(msgspec.Struct, frozen=True):
    """What was measured."""

    commits: tuple[Commits, ...]
    checkpoints: tuple[tuple[float, float, float], ...]
    """(KiB of payload since the last one, elapsed, CPU in microseconds)."""

    def sync_us(self) -> tuple[tuple[float, ...], ...]:
        """Waits of small groups of small messages without a rest and after one of each length: each as ``SYNC_VALUES`` equally likely
        ones, the middles of as many equal parts."""
        middles = (np.arange(SYNC_VALUES) + 0.5) / SYNC_VALUES
        found: dict[int, list[float]] = defaultdict(list)
        for kind in (kind for kind in self.commits if kind.rows <= SMALL and kind.payload < LARGE):
            waited = [max(0.0, e - c) for e, c in zip(kind.elapsed_us, kind.cpu_us, strict=True)]
            found[rest_class(round(kind.rest_us))] += waited
        return tuple(tuple(round(float(wait), 1) for wait in np.quantile(found[rest], middles)) for rest in sorted(found))

    def checkpoints_of(self) -> dict[str, float]:
        """The part of a checkpoint that each of ``WRITES`` brings about."""
        points = [Point("pages", kind.counts, sum(kind.pages)) for kind in self.commits]
        return {name: pages / PAGES for name, pages in fit(points, WRITES, floor=1.0).costs.items()}

    def checkpoint_wait_us(self) -> tuple[float, float]:
        """How long one waits for the disk: whatever is in it, and for each KiB."""
        if not self.checkpoints:
            return 0.0, 0.0
        points = [Point("wait", {"checkpoint": 1, "kib": kib}, max(0.0, e - c)) for kib, e, c in self.checkpoints]
        costs = fit(points, ("checkpoint", "kib"), floor=100.0).costs
        return costs["checkpoint"], costs["kib"]

    def points(self) -> list[Point]:
        """CPU, as points of storage's fit: under load, commits and rows are hard to tell apart."""
        found = [
            Point(f"commits of {k.rows}, {k.payload} B, after {k.rest_us:.0f} us", k.counts, sum(k.cpu_us)) for k in self.commits
        ]
        kib, _, cpu_us = map(sum, zip(*self.checkpoints, strict=True)) if self.checkpoints else (0.0, 0.0, 0.0)
        return [*found, Point("checkpoints", {"checkpoint": len(self.checkpoints), "checkpoint_kib": kib}, cpu_us)]


def with_checkpoints(point: Point, shares: Mapping[str, float]) -> Point:
    """A point of storage in which checkpoints were not counted, with as many as what was written brings about."""
    made = sum(share * point.counts[name] for name, share in shares.items())
    return msgspec.structs.replace(point, counts={**point.counts, "checkpoint": made, "checkpoint_kib": point.counts["kib"]})


def measure(folder: Path, count: int) -> Disk:
    """Measure the disk of ``folder``, with ``count`` commits of each kind. Raises :class:`CannotRun`."""
    commits: dict[tuple[float, int, int, int], list[tuple[float, float, float]]] = defaultdict(list)
    checkpoints = []
    for line in lines("reference_server.storage.measure", "--data", str(folder / "commits"), "--commits", str(count)):
        if "checkpoint_kib" in line:
            checkpoints.append((line["checkpoint_kib"], line["elapsed_us"], line["cpu_us"]))
        else:
            kind = line["rest_us"], line["rows"], line["conversations"], line["payload"]
            commits[kind].append((line["elapsed_us"], line["cpu_us"], line["pages"]))
    return Disk(tuple(_commits(kind, found) for kind, found in sorted(commits.items())), tuple(checkpoints))


def _commits(kind: tuple[float, int, int, int], found: Sequence[tuple[float, float, float]]) -> Commits:
    elapsed_us, cpu_us, pages = map(tuple, zip(*found, strict=True))
    return Commits(*kind, elapsed_us, cpu_us, pages)
