"""One run, from its folder to its verdict; the same for both worlds.

A run leaves a run folder, whatever happens after the folder was made: a world that cannot play, a disk that fills up, a signal and a
judge that crashes all leave what was recorded until then, and the result says so. What a machine reads of a run is
:meth:`RunResult.contract`, exactly.

What this does not do: decide what is right or wrong (:mod:`model.checkers`), show anything, or choose an exit code.
"""

from __future__ import annotations

import shutil
import subprocess
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from model.checkers.verdict import judge
from model.history.columns import History, from_rows
from model.history.machine import this_machine
from model.history.run_folder import METRICS, SCENARIO, VERDICT, Manifest, RunFolder
from model.history.schema import Kind, Phase
from model.scenario import Disk, LoginCost, Network, Scenario, World
from model.sim.service_times import ServiceTimes
from model.workload.arrivals import Replay
from model.workload.population import populate
from scenarios.running import foreign, live, sim, standing
from scenarios.running.exits import CannotRun, Interrupted
from scenarios.running.generators import Fleet
from scenarios.running.played import Played
from scenarios.running.progress import Progress
from scenarios.running.serving import SEED as POPULATION_SEED
from scenarios.running.settings import check_mix
from scenarios.running.signals import SIMULATED
from scenarios.targets.registry import target_of

ROOT: Final = Path(__file__).resolve().parent.parent.parent
ATTEMPTS: Final = 3
"""Of a run whose harness fails: a busy machine is seldom busy for longer."""
_NO_ANSWER: Final = ("unknown", "harness_invalid")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run. ``anomalies`` in plain values; ``reasons`` say what went wrong with the run, or why there is no plain verdict."""

    scenario: str
    world: str
    preset: str
    seed: int
    verdict: str
    expected: str | None
    scenario_digest: str
    trace_digest: str | None
    folder: Path | None
    measures: dict[str, Any]
    anomalies: list[dict[str, Any]] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    interrupted: int = 0
    crashed: bool = False
    """Whether a judge crashed."""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the expected one, or none was expected."""
        return self.expected in (None, self.verdict)

    def contract(self) -> dict[str, Any]:
        """The object that ``imbench run --json`` prints: without the series over time, which stay in ``verdict.json``."""
        return {
            "scenario": self.scenario,
            "world": self.world,
            "preset": self.preset,
            "seed": self.seed,
            "verdict": self.verdict,
            "expected": self.expected,
            "scenario_digest": self.scenario_digest,
            "trace_digest": self.trace_digest,
            "folder": None if self.folder is None else str(self.folder),
            "measures": {name: value for name, value in self.measures.items() if name != "series"},
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement in plain values."""

    verdict: str
    anomalies: list[dict[str, Any]]
    measures: dict[str, Any]
    notes: tuple[str, ...]
    """What a reader of the verdict must know, from the judges; where there is no plain answer, why."""
    crashed: bool = False
    """Whether a judge crashed, and so acquitted nobody of what it looks for."""


def run(
    scenario: Scenario,
    world: World,
    preset: str,
    seed: int,
    root: Path,
    progress: Progress,
    driver: live.Driver = "locust",
    times: ServiceTimes | None = None,
    fleet: Fleet = live.ONE_HOST,
    at: standing.Address | None = None,
) -> RunResult:
    """Play, record, judge. ``root`` is where run folders go, ``driver`` makes the load of the live world, in the processes of ``fleet``,
    on a server of its own, or on that which runs ``at`` an address; ``times`` are what the simulated one is calibrated with, if not with
    the committed ones.

    A preset of a target is played on that target, by its load process. What cannot be played, for want of something in that world or on
    this machine, is not: the verdict is ``skipped`` and there is no folder. Raises :class:`scenarios.running.exits.CannotRun` and
    :class:`model.history.schema.HistoryError`, each one line.
    """
    check_mix(scenario, preset)
    target = target_of(preset)
    lacks = (foreign.missing(target, scenario, world) if target else None) or missing(scenario, world)
    if lacks:
        return _skipped(scenario, world, preset, seed, lacks)
    if isinstance(scenario.workload.arrivals, Replay):
        _fits(scenario, scenario.workload.arrivals, seed if at is None else POPULATION_SEED)
    if at is not None:
        standing.check(scenario, preset, at, fleet)
    folder, manifest = opened(scenario, world, preset, seed, root)
    progress.begin(f"{scenario.name} {preset} {world} seed {seed}")
    if target:
        played = foreign.play(target, scenario, preset, seed, folder, progress)
    elif at is not None:
        played = standing.play(scenario, preset, seed, folder, progress, driver, at)
    elif world == "live":
        played = live.play(scenario, preset, seed, folder, progress, driver, fleet=fleet)
    else:
        played = _simulated(scenario, preset, seed, folder, progress, times)
    return concluded(scenario, folder, manifest, played, progress)


def opened(scenario: Scenario, world: World, preset: str, seed: int, root: Path) -> tuple[RunFolder, Manifest]:
    """The folder of a run that begins now, below ``root``, with what is known of it by then."""
    started = datetime.now(UTC)
    folder = RunFolder.create(root, scenario.name, world, preset, seed, started)
    manifest = Manifest(
        scenario.name, scenario.digest(), seed, world, preset, _iso(started), commit=commit(), machine=this_machine()
    )
    folder.write_manifest(manifest)
    folder.write_json(SCENARIO, scenario)
    return folder, manifest


def missing(scenario: Scenario, world: World) -> str | None:
    """What a scenario asks of a world that it cannot do, in words; None if nothing."""
    wishes = [
        ("log-ins of a given cost", scenario.login != LoginCost()),
        ("connections that end by themselves", bool(scenario.connection_life_s)),
        ("network but the loopback", scenario.network not in (Network(), "loopback")),
        ("clocks that are wrong", not scenario.clocks.perfect),
        ("disk that stalls or varies at will", scenario.disk != Disk()),
    ]
    lacks = [name for name, asked in wishes if asked and world == "live"]
    return f"the {world} world has no {', '.join(lacks)}" if lacks else None


def _fits(scenario: Scenario, replay: Replay, seed: int) -> None:
    """Who is in which conversation is the seed's to say, so only now can a trace be held against it."""
    from model.workload.trace import TraceError, fitted, read

    try:
        fitted(read(replay), populate(scenario.population, scenario.gateways, seed))
    except TraceError as error:
        raise CannotRun(f"the trace cannot be played: {error}") from None


def _simulated(
    scenario: Scenario, preset: str, seed: int, folder: RunFolder, progress: Progress, times: ServiceTimes | None
) -> Played:
    """A simulated run has recorded nothing before its end; interrupted, it leaves no folder."""
    try:
        return sim.play(scenario, preset, seed, folder, progress, times)
    except Interrupted as stop:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise Interrupted(stop.number, SIMULATED) from None


def run_to_an_answer(
    scenario: Scenario,
    world: World,
    preset: str,
    seed: int,
    root: Path,
    progress: Progress,
    driver: live.Driver = "locust",
    times: ServiceTimes | None = None,
    fleet: Fleet = live.ONE_HOST,
    at: standing.Address | None = None,
) -> RunResult:
    """As :func:`run`, but again, up to ``ATTEMPTS`` times in all, where the harness failed.

    A run in which the generator was late says nothing of the product, and a busy machine makes such runs. What is proven against the
    product comes before the harness in a verdict, so no failure of the product is repeated away. Nor is one of the harness that the
    scenario has planted. Every run keeps its folder.
    """
    for attempt in range(2, ATTEMPTS + 1):
        result = run(scenario, world, preset, seed, root, progress, driver, times, fleet, at)
        if result.verdict != "harness_invalid" or result.interrupted or scenario.starved is not None:
            return result
        progress.say(f"{scenario.name} {preset} {world}: this machine was too busy to measure; attempt {attempt} of {ATTEMPTS}")
    return run(scenario, world, preset, seed, root, progress, driver, times, fleet, at)


def concluded(scenario: Scenario, folder: RunFolder, manifest: Manifest, played: Played, progress: Progress) -> RunResult:
    """History, verdict and manifest of a run that was played, to its end or not."""
    progress.at(None, "judging")
    history = from_rows(played.header, played.rows)
    folder.write_history(history)
    folder.write_json(METRICS, played.metrics)
    judged = judge_safely(history, folder)
    reasons = (*played.notes, *(judged.notes if judged.verdict in _NO_ANSWER else ()))
    folder.write_json(VERDICT, {"verdict": judged.verdict, "reasons": reasons, **_findings(judged)})
    path = folder.finish(
        msgspec.structs.replace(
            manifest,
            trace_digest=played.trace_digest,
            generator=played.generator,
            finished=_iso(datetime.now(UTC)),
            complete=_complete(history),
            interrupted=bool(played.interrupted),
        )
    )
    return RunResult(
        scenario=scenario.name,
        world=manifest.world,
        preset=manifest.preset,
        seed=manifest.seed,
        verdict=judged.verdict,
        expected=scenario.expected.get(manifest.preset),
        scenario_digest=manifest.scenario_digest,
        trace_digest=played.trace_digest,
        folder=path,
        measures=judged.measures,
        anomalies=judged.anomalies,
        reasons=reasons,
        interrupted=played.interrupted,
        crashed=judged.crashed,
    )


def judge_safely(history: History, folder: RunFolder | None = None) -> Judged:
    """The judges' answer in plain values. A judge that crashes has not acquitted anyone: the verdict is ``unknown``."""
    try:
        judgement = judge(history)
    except Exception as error:
        if folder is not None:
            (folder.path / "logs" / "judge.log").write_text(traceback.format_exc())
        return Judged(
            "unknown", [], {}, (f"the judge crashed ({type(error).__name__}: {error}); this is a bug of imbench",), True
        )
    anomalies = [msgspec.to_builtins(a, enc_hook=_plain) for a in judgement.anomalies]
    measures = msgspec.json.decode(msgspec.json.encode(judgement.measures, enc_hook=_plain))
    return Judged(judgement.verdict, anomalies, measures, tuple(judgement.notes), judgement.crashed)


def _findings(judged: Judged) -> dict[str, Any]:
    return {"anomalies": judged.anomalies, "measures": judged.measures, "notes": judged.notes}


def _plain(value: object) -> Any:
    """NumPy's scalars and arrays as plain values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no plain value")


def _complete(history: History) -> bool:
    phases = history.rows_of(Kind.PHASE)
    return bool((history.code[phases] == Phase.END).any())


def _skipped(scenario: Scenario, world: World, preset: str, seed: int, missing: str) -> RunResult:
    reason = f"skipped: {missing}"
    expected, digest = scenario.expected.get(preset), scenario.digest()
    return RunResult(scenario.name, world, preset, seed, "skipped", expected, digest, None, None, {}, reasons=(reason,))


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def commit() -> str:
    """The commit of the checkout, ``+`` behind it where tracked files were changed; empty where there is no git."""
    try:
        told = [_git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")]
    except (OSError, subprocess.SubprocessError):
        return ""
    return told[0] + ("+" if told[1] else "")


def _git(*arguments: str) -> str:
    command = [
        "git",
        "--no-optional-locks",
        "-C",
        str(ROOT),
        *arguments,
    ]  # it is ended when it takes long, and would leave a lock
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
