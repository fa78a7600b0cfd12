"""The promises: how far a prediction may be from what is measured. They were written down before anything was measured.

A prediction and a measurement are means over replications with the same seeds. Its error is relative to the measurement. Up to a load of
0.8 the promise holds as it stands; above, where a small error of a cost is a large one of a wait, it is doubled. Rates of losses,
duplicates and inversions are rare events: they are held to whether their 95 % intervals meet. ``cursor`` promises none at all.

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
    """Share that was predicted to be busy of the server's cores or of the load process's one, whichever is more."""
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
    """Every promise at one point, by the replications of both worlds."""
    for measure, allowed in PROMISED.items():
        if all(measure in run for run in predicted):
            yield _promised(point, preset, load, measure, allowed, predicted, measured, line)
    for measure in RATES:
        if all(measure in run for run in predicted):
            yield _rate(point, preset, load, measure, predicted, measured)


def allowed_at(load: float, allowed: float) -> float:
    """What a promise comes to at a load."""
    return 2 * allowed if load > DOUBLED_ABOVE else allowed


def _promised(
    point: str,
    preset: str,
    load: float,
    measure: str,
    allowed: float,
    predicted: Sequence[Values],
    measured: Sequence[Values],
    line: Values,
) -> Row:
    allowed = allowed_at(load, allowed)
    says = mean_of(predicted, measure)
    of_line = line.get(measure)
    if len(measured) < REPLICATIONS_MIN:
        return Row(point, preset, load, measure, says, None, None, None, allowed, "open", of_line)
    found = estimates.mean([run[measure] for run in measured], CONFIDENCE)
    error = relative(says, found.mean)
    line_error = None if of_line is None else relative(of_line, found.mean)
    answer: Answer = "kept" if abs(error) <= allowed else "broken"
    return Row(point, preset, load, measure, says, found.mean, found.half_width, error, allowed, answer, of_line, line_error)


def _rate(point: str, preset: str, load: float, measure: str, predicted: Sequence[Values], measured: Sequence[Values]) -> Row:
    says = mean_of(predicted, measure)
    if len(measured) < REPLICATIONS_MIN or len(predicted) < REPLICATIONS_MIN:
        return Row(point, preset, load, measure, says, None, None, None, 0.0, "open")
    ours, theirs = (estimates.mean([run[measure] for run in runs], CONFIDENCE) for runs in (predicted, measured))
    difference = ours.mean - theirs.mean
    if preset == NOTHING:
        kept = all(run[measure] == 0 for run in (*predicted, *measured))
        return Row(
            point, preset, load, measure, says, theirs.mean, theirs.half_width, difference, 0.0, "kept" if kept else "broken"
        )
    allowed = ours.half_width + theirs.half_width
    answer: Answer = "kept" if abs(difference) <= allowed else "broken"
    return Row(point, preset, load, measure, says, theirs.mean, theirs.half_width, difference, allowed, answer)


def mean_of(runs: Sequence[Values], measure: str) -> float:
    """Over replications."""
    return math.fsum(run[measure] for run in runs) / len(runs)


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
