"""``imbench calibrate`` between its options and its output: the file that is written, and the residuals that are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from scenarios.calibrating.calibrate import NOTHING, Calibration, calibrate, plain
from scenarios.calibrating.fit import Fit
from scenarios.calibrating.windows import UNSOLD
from scenarios.running.command import near, target
from scenarios.running.progress import shown
from scenarios.running.run import commit
from scenarios.running.signals import interruptible


def calibrated(out: Path, seconds: float, as_json: bool) -> str:
    """Measure, write, and say what was found. Raises :class:`CannotRun` and ``HistoryError``."""
    target(out, ".json")
    command = " ".join(["imbench", *sys.argv[1:]])
    with interruptible(NOTHING), shown() as progress:
        calibration = calibrate(seconds, commit(), command, progress)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(calibration.times), indent=2) + b"\n")
    return json.dumps({"file": str(out), **plain(calibration)}) if as_json else told(calibration, out)


def told(calibration: Calibration, out: Path) -> str:
    """Costs and residuals, for people."""
    lines = [line for role, fit in calibration.fits.items() for line in _fit(role, fit)]
    return "\n".join(
        [*lines, *_commits(calibration), *_delays(calibration), *_checks(calibration), "", f"calibration: {near(out.absolute())}"]
    )


def _fit(role: str, fit: Fit) -> Iterator[str]:
    yield f"{role}: CPU, in microseconds"
    yield "  " + ", ".join(f"{term} {cost:.1f}" for term, cost in fit.costs.items())
    if absorbed := [term for term in fit.absorbed if term not in UNSOLD]:
        yield f"  not told apart, and so within the costs of others: {', '.join(absorbed)}"
    yield f"  {'point of load':34} {'predicted':>10} {'measured':>10} {'error':>7}"
    for point in fit.residuals:
        yield f"  {point.name:34.34} {point.predicted_us:10,.0f} {point.measured_us:10,.0f} {point.error:+7.1%}"
    yield ""


def _commits(calibration: Calibration) -> Iterator[str]:
    yield "group commits: median microseconds"
    yield f"  {'rest':>8} {'messages':>8} {'bytes':>8} {'elapsed':>10} {'CPU':>8}"
    for size in calibration.disk.commits:
        yield f"  {size.rest_us:8,.0f} {size.rows:8} {size.payload:8} {median(size.elapsed_us):10,.0f} {median(size.cpu_us):8,.0f}"
    yield ""


def _delays(calibration: Calibration) -> Iterator[str]:
    times = calibration.times
    yield "delays and starts"
    yield f"  loopback {times.loopback_us:.1f} us and a tail of {times.loopback_jitter_us:.1f} us; between roles {times.local_us:.1f} us"
    yield f"  gateway serves after {times.gateway_start_us / 1000:.0f} ms, business after {times.business_start_us / 1000:.0f} ms"
    yield f"  unexplained latency at 30 %, given to the loopback if above 0: {times.unexplained_us:.0f} us"
    yield ""


def _checks(calibration: Calibration) -> Iterator[str]:
    yield "the standard mix, simulated with these times"
    yield f"  {'load':10} {'measure':18} {'simulated':>12} {'measured':>12} {'error':>7}"
    for name, check in zip(("30 %", "60 %"), calibration.checks, strict=False):
        for measure, (ours, theirs) in check.items():
            yield f"  {name:10} {measure:18} {ours:12,.2f} {theirs:12,.2f} {ours / theirs - 1 if theirs else 0.0:+7.1%}"
