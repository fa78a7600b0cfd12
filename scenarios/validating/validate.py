"""A validation, in order: predict everything, write it down, play everything live, compare.

The folder of a validation::

    promises.json      what was promised, and of which calibration, before anything was predicted
    predictions.json   every prediction, with the rates that the loads come to, before anything was played live
    measurements.json  every replication as it was measured, rewritten after each point
    results.json       the rows of the comparison, and its conclusion (:class:`Results`)
    runs/              the run folders of the live runs

Rules of the file: no prediction is made after a live run has begun; a live run whose harness failed is made again, and left out if it fails
every time; every point is reported, those that could not be measured, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from model.history.machine import Machine, this_machine
from model.history.run_folder import METRICS, RunFolder
from model.sim.service_times import ServiceTimes
from scenarios.calibrating import waits
from scenarios.running import exits
from scenarios.running.command import fresh
from scenarios.running.exits import CannotRun
from scenarios.running.progress import Progress
from scenarios.running.run import RunResult, run_to_an_answer
from scenarios.validating import measures, promises
from scenarios.validating.holdout import Point
from scenarios.validating.predict import Prediction, predict
from scenarios.validating.promises import Comparison, Row

PROMISES, PREDICTIONS, MEASUREMENTS, RESULTS = "promises.json", "predictions.json", "measurements.json", "results.json"
WORKERS: Final = 2
"""Processes that predict: as many as cores of a small machine."""


class Measured(msgspec.Struct, frozen=True):
    """One replication of one point, live."""

    point: str
    preset: str
    seed: int
    verdict: str
    busy: float | None
    """The load that it came to."""
    values: dict[str, float]
    """Empty where the harness failed."""


class Results(msgspec.Struct, frozen=True):
    """What a validation came to."""

    conclusion: str
    """One sentence, the broken promises first."""
    rows: tuple[Row, ...]
    busy: dict[str, tuple[float, float | None]]
    """By point: (predicted, measured) load; nothing is promised of it."""
    comparison: Comparison
    machine: Machine
    calibrated: str
    """Machine and instant of the calibration."""
    measured_at: str
    interrupted: int = 0

    @property
    def exit_code(self) -> int:
        """1 where a promise is broken, else 3 where the harness failed at a point, else 2 where nothing was measured, else 0."""
        answers = {row.answer for row in self.rows}
        if "broken" in answers or self.comparison.beaten is False:
            return exits.INVALID
        if "open" in answers:
            return exits.HARNESS_INVALID
        return exits.VALID if answers else exits.UNKNOWN


def validate(points: Sequence[Point], times: ServiceTimes, folder: Path, progress: Progress) -> Results:
    """Predict ``points``, play them and compare; ``folder`` must be empty or absent. Raises :class:`CannotRun` and ``HistoryError``."""
    if len(times.standard) < 2:
        raise CannotRun("the calibration has not played the standard mix at two loads; write it anew with `imbench calibrate`")
    server, _ = waits.cores()
    store = fresh(folder)
    _write(store, PROMISES, _promised(times))
    predictions = _predicted(points, times, len(server), progress)
    _write(store, PREDICTIONS, predictions)
    measured = list[Measured]()
    interrupted = _play_all(predictions, store, measured, progress)
    results = concluded(predictions, measured, this_machine(), _calibrated(times), interrupted)
    _write(store, RESULTS, results)
    return results


def _write(folder: Path, name: str, value: Any) -> None:
    """As JSON in which infinity is null."""
    (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _calibrated(times: ServiceTimes) -> str:
    return f"{times.provenance.machine.cpu}, {times.provenance.machine.cores} cores, {times.provenance.measured_at}"


def _promised(times: ServiceTimes) -> dict[str, Any]:
    return {
        "promised": promises.PROMISED,
        "doubled_above": promises.DOUBLED_ABOVE,
        "rates": promises.RATES,
        "calibrated": _calibrated(times),
        "calibration_sha256": hashlib.sha256(msgspec.json.encode(times)).hexdigest(),
        "promised_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _predicted(points: Sequence[Point], times: ServiceTimes, cores: int, progress: Progress) -> list[Prediction]:
    progress.begin("predicting")
    found = []
    for prediction in predict(points, times, cores, WORKERS):
        found.append(prediction)
        progress.at(len(found) / len(points), prediction.point.name)
    return found


def _play_all(predictions: Sequence[Prediction], folder: Path, measured: list[Measured], progress: Progress) -> int:
    """Every replication live, in order; returns the signal that ended it early, 0 for none."""
    for prediction in predictions:
        point = prediction.point
        progress.say(f"{point.name}: {point.scenario.workload.rate_per_s:,.0f} sends/s")
        for preset in point.presets:
            for seed in point.seeds:
                result = run_to_an_answer(point.scenario, "live", preset, seed, folder / "runs", progress, "asyncio")
                if result.interrupted:
                    return result.interrupted
                measured.append(_measured(prediction, preset, seed, result))
        _write(folder, MEASUREMENTS, measured)
    return 0


def _measured(prediction: Prediction, preset: str, seed: int, result: RunResult) -> Measured:
    assert result.folder is not None
    folder, point = RunFolder.open(result.folder), prediction.point
    usable = result.verdict in ("valid", "invalid")
    values = measures.of(folder.history(), point.scenario) if usable else {}
    return Measured(point.name, preset, seed, result.verdict, _busy(folder.read_json(METRICS), prediction.cores), values)


def _busy(metrics: Mapping[str, Any], cores: int) -> float | None:
    """The load of a run; of a gateway that was killed what it spent before is in it."""
    begin_us, end_us = metrics["load_us"]
    gateway, business, load = (metrics["cost"].get(role, {}).get("cpu_us", 0) for role in ("gateway", "business", "generator"))
    return round(max((gateway + business) / cores, load) / (end_us - begin_us), 4) if end_us > begin_us else None


# the comparison ----------------------------------------------------------------------------------------------------------------------


def concluded(
    predictions: Sequence[Prediction], measured: Sequence[Measured], machine: Machine, calibrated: str, interrupted: int = 0
) -> Results:
    """The table and its conclusion, from predictions and measurements alone."""
    rows = tuple(row for prediction in predictions for row in _rows(prediction, measured))
    comparison = promises.compare(rows)
    return Results(
        conclusion=conclusion(rows, comparison),
        rows=rows,
        busy={p.point.name: (round(p.busy, 4), _mean(m.busy for m in measured if m.point == p.point.name)) for p in predictions},
        comparison=comparison,
        machine=machine,
        calibrated=calibrated,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        interrupted=interrupted,
    )


def _rows(prediction: Prediction, measured: Sequence[Measured]) -> Iterable[Row]:
    point = prediction.point
    for preset, runs in prediction.runs.items():
        found = [m.values for m in measured if (m.point, m.preset) == (point.name, preset) and m.values]
        yield from promises.rows(point.name, preset, min(point.load, prediction.busy), runs, found, prediction.line)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def conclusion(rows: Sequence[Row], comparison: Comparison) -> str:
    """What is broken comes first; then how many were kept, and whether M/M/c was beaten."""
    broken = [row for row in rows if row.answer == "broken"]
    unmeasured = sum(row.answer == "open" for row in rows)
    kept = len(rows) - len(broken) - unmeasured
    parts = [f"{len(broken)} of {len(rows)} promises are BROKEN, first {_named(broken[0])}"] if broken else []
    parts += [f"M/M/c is NOT beaten: {_errors(comparison)}"] if comparison.beaten is False else []
    parts += [f"{unmeasured} could not be measured"] if unmeasured else []
    parts += [f"{kept} of {len(rows)} promises are kept"] if rows else ["nothing was predicted"]
    parts += [f"M/M/c is beaten: {_errors(comparison)}"] if comparison.beaten else []
    return "; ".join(parts)


def _named(row: Row) -> str:
    error = "" if row.error is None else f" ({row.error:+.0%}, promised {row.allowed:.0%})"
    return f"{row.measure} of '{row.point}' {row.preset}{error if row.measure in promises.PROMISED else ''}"


def _errors(comparison: Comparison) -> str:
    return f"mean error of latencies {comparison.ours or 0:.0%} against {comparison.line or 0:.0%}"
