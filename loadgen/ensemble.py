"""Several processes that play one run: how each knows what the others are at.

Up to the drain nobody needs to know: all play one schedule on one clock. From then on each posts, at every look of its script, a
:class:`Report` on a :class:`Board`. The leader (part 0) decides on the sum; the others do what its report says.

Rules of the file:

- Who has not reported for ``STALE_US`` counts as one who is not settled: a process that hangs, or has died, is no silent consent.
- A board is memory for the latest report of each part, no queue: what is overtaken is of no use.
- Times are on the clock of the run, which is common to all parts as well as their clocks could be set (:mod:`loadgen.clocks`).

Prior art: termination detection by a leader that counts messages and idle processes, and asks again after all were idle (Mattern,
"Algorithms for distributed termination detection", Distributed Computing 2, 1987): ``activity`` are those counts, and the quiet time asks
again.
What this does not do: start or end processes, or decide anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from model.history.schema import Phase
from model.scenario.job import Part
from model.scenario.script import POLL_US, Progress

STALE_US = 6 * POLL_US
"""Age of a report that says nothing any more: several looks long, for processes are late on busy cores; shorter than any quiet time."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far one part is."""

    part: int
    at_us: int
    phase: Phase
    progress: Progress


class Board(Protocol):
    """Where parts leave their reports."""

    def post(self, report: Report) -> None:
        """In place of this part's last one."""
        ...

    def read(self) -> Iterable[Report]:
        """The latest of every part that has posted any."""
        ...


class FolderBoard:
    """A board for the processes of one host: a file for each part, replaced whole.

    A post or a look that fails, for want of a descriptor in a storm of reconnects, is as good as none: the next one comes soon.
    """

    def __init__(self, folder: Path, of: int) -> None:
        self._paths = [folder / f"part-{index}.json" for index in range(of)]

    def post(self, report: Report) -> None:
        """See :class:`Board`."""
        path = self._paths[report.part]
        partial = path.with_suffix(".partial")
        with suppress(OSError):
            partial.write_bytes(msgspec.json.encode(report))
            os.replace(partial, path)

    def read(self) -> Iterable[Report]:
        """See :class:`Board`."""
        for path in self._paths:
            with suppress(OSError):
                yield msgspec.json.decode(path.read_bytes(), type=Report)


class Ensemble:
    """One part's view of all. ``clock`` is that of the run."""

    __slots__ = ("_board", "_clock", "part")

    def __init__(self, part: Part, board: Board, clock: Callable[[], int]) -> None:
        self.part, self._board, self._clock = part, board, clock

    def together(self, own: Progress, phase: Phase | None, unasked: int = 0) -> Progress:
        """Post how far this part is, with the read-backs that it has yet to ask for; how far all are, but for these."""
        now = self._clock()
        posted = msgspec.structs.replace(own, auditing=own.auditing + unasked)
        self._board.post(Report(self.part.index, now, Phase.WARM_UP if phase is None else phase, posted))
        told = {report.part: report for report in self._board.read()}
        others = [told.get(index) for index in range(self.part.of) if index != self.part.index]
        return _sum([own, *(_seen(report, now, phase) for report in others)])

    def end(self) -> None:
        """Post that this part is through: nobody looks at its progress any more."""
        self._board.post(Report(self.part.index, self._clock(), Phase.END, Progress(0, 0, 0, 0)))

    def led(self) -> Phase | None:
        """The phase of the leader; None where it has not said any."""
        return next((report.phase for report in self._board.read() if report.part == 0), None)


_UNKNOWN = Progress(unready=0, unsettled=1, auditing=1, activity=0)


def _seen(report: Report | None, now: int, phase: Phase | None) -> Progress:
    """What a report is worth now, to one who is in this phase."""
    if report is None or now - report.at_us > STALE_US:
        return _UNKNOWN
    if phase is Phase.AUDIT and report.phase is not Phase.AUDIT:
        return _UNKNOWN  # it has yet to hear that everything is to be read back
    return report.progress


def _sum(all_of_them: list[Progress]) -> Progress:
    """Of all parts, the own one first."""
    own = all_of_them[0]
    return Progress(
        sum(one.unready for one in all_of_them),
        sum(one.unsettled for one in all_of_them),
        sum(one.auditing for one in all_of_them),
        sum(one.activity for one in all_of_them),
        own.asked,
    )
