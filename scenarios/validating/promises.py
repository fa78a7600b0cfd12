"""The promises: how far a prediction may be from what is measured. They were written down before anything was measured.

A prediction and a measurement are means over replications with the same seeds. Its error is relative to the measurement. Up to a load of
0.8, as it was meant or as it is predicted, the promise holds as it stands; above, where a small error of a cost is a large one of a wait,
it is doubled. Rates of losses, duplicates and inversions are rare events: they are held to whether their 95 % intervals meet. ``cursor``
promises none at all.

Changing a number of this table is changing what the project claims: it goes with a line in docs/calibration.md, never with a failing run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from model.analysis import estimates

PROMISED: Final[Mapping[str, float]] = {
    "throughput_per_s": 0.05,
    "mean_us": 0.10,
    "p50_us": 0.10,
    "p95_us": 0.15,
    "p99_us": 0.25,
    "reconnect_peak": 0.15,
    "reconnect_95_us": 0.15,
    "attempts": 0.15,
}
"""Largest relative error of each measure."""
LATENCIES: Final = ("mean_us", "p50_us", "p95_us", "p99_us")
"""What M/M/c is asked for as well."""
RATES: Final = ("lost", "twice", "out_of_order")
"""Shares of what was owed; whether their intervals meet, and for ``cursor`` nothing at all."""
DOUBLED_ABOVE: Final = 0.8
"""Load from which on a promise counts double."""
CONFIDENCE: Final = 0.95
REPLICATIONS_MIN: Final = 2
"""Below, there is no interval, and a row is open."""
NOTHING: Final = "cursor"
"""The preset that neither loses, nor repeats, nor reorders."""

Values = Mapping[str, float]
"""Of one run: measure -> value. A measure that a scenario does not have is not in it."""
Answer = Literal["kept", "broken", "open"]


class Row(msgspec.Struct, frozen=True):
    """One measure at one point of the hold-out."""

    point: str
    preset: str
    load: float
    """Share that was to be busy of the server's cores or of the load process's one, whichever is more: as it was meant or as it is
    predicted, the lesser of both."""
    measure: str
    predicted: float
    measured: float | None
    """None where too few runs could be measured."""
    half_width: float | None
    """Of the 95 % interval of what was measured."""
    error: float | None
    """Relative; of rates the difference."""
    allowed: float
    answer: Answer
    line: float | None = None
    """What M/M/c predicts; infinite where its line is unstable, None where it was not asked."""
    line_error: float | None = None


def rows(
    point: str, preset: str, load: float, predicted: Sequence[Values], measured: Sequence[Values], line: Values
) -> Iterator[Row]:
    """Every promise at one point, by the replications of both worlds. A replication that lacks a measure counts for the others; a row for
    which less than ``REPLICATIONS_MIN`` are left in either world is open."""
    for measure in (*PROMISED, *RATES):
        ours, theirs = ([run[measure] for run in runs if measure in run] for runs in (predicted, measured))
        if not ours:
            continue
        row = Row(point, preset, load, measure, mean(ours), None, None, None, _allowed(load, measure), "open", line.get(measure))
        if min(len(ours), len(theirs)) < REPLICATIONS_MIN:
            yield row
        elif measure in PROMISED:
            yield _promised(row, theirs)
        else:
            yield _rate(row, ours, theirs)


def _allowed(load: float, measure: str) -> float:
    """What a promise comes to at a load; of rates, what intervals come to is yet to be seen."""
    return PROMISED.get(measure, 0.0) * (2 if load > DOUBLED_ABOVE else 1)


def _promised(row: Row, theirs: Sequence[float]) -> Row:
    found = estimates.mean(theirs, CONFIDENCE)
    error = relative(row.predicted, found.mean)
    return msgspec.structs.replace(
        row,
        measured=found.mean,
        half_width=found.half_width,
        error=error,
        answer="kept" if abs(error) <= row.allowed else "broken",
        line_error=None if row.line is None else relative(row.line, found.mean),
    )


def _rate(row: Row, ours: Sequence[float], theirs: Sequence[float]) -> Row:
    of_ours, of_theirs = estimates.mean(ours, CONFIDENCE), estimates.mean(theirs, CONFIDENCE)
    error, allowed = of_ours.mean - of_theirs.mean, of_ours.half_width + of_theirs.half_width
    kept = abs(error) <= allowed
    if row.preset == NOTHING:
        kept, allowed = not any((*ours, *theirs)), 0.0
    return msgspec.structs.replace(
        row,
        measured=of_theirs.mean,
        half_width=of_theirs.half_width,
        error=error,
        allowed=allowed,
        answer="kept" if kept else "broken",
    )


def mean(values: Sequence[float]) -> float:
    """Over replications."""
    return math.fsum(values) / len(values)


def relative(predicted: float, measured: float) -> float:
    """The error of a prediction, relative to what was measured; infinite where something was predicted and nothing is there."""
    if measured == predicted:
        return 0.0
    return predicted / measured - 1 if measured else math.inf


class Comparison(msgspec.Struct, frozen=True):
    """Mean absolute relative error of the latencies of the hold-out; an error of more than 100 % counts as 100 %."""

    ours: float | None
    line: float | None
    """Of M/M/c."""

    @property
    def beaten(self) -> bool | None:
        """Whether M/M/c is worse; None where neither was measured."""
        return None if self.ours is None or self.line is None else self.ours < self.line


def compare(found: Sequence[Row]) -> Comparison:
    """Ours and M/M/c's error, over every latency that both were asked for."""
    both = [
        (row.error, row.line_error)
        for row in found
        if row.measure in LATENCIES and row.error is not None and row.line_error is not None
    ]
    if not both:
        return Comparison(None, None)
    ours, line = (math.fsum(min(1.0, abs(error)) for error in errors) / len(both) for errors in zip(*both, strict=True))
    return Comparison(ours, line)
