"""A capacity, in order: play a rate until it is decided, ask for the next, and put together what it came to.

The folder of a capacity::

    capacity.json   :class:`Result`; infinity is null in it
    runs/           the folder of every run

Rules of the file: every run is fresh (a server of its own in the live world), and is repeated where the harness failed, as everywhere;
seeds are 1, 2, ... at every rate, so that rates differ in nothing but the load; a signal leaves what was decided until then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Final

import msgspec

from model.history.machine import Machine, this_machine
from model.history.schema import LatencyPromise
from model.scenario import Scenario, World
from model.sim.service_times import ServiceTimes
from scenarios.capacity import search, trial
from scenarios.capacity.search import Answer, Outcome, Plan
from scenarios.capacity.trial import Trial
from scenarios.running import exits
from scenarios.running.exits import Interrupted
from scenarios.running.live import Driver
from scenarios.running.progress import Progress
from scenarios.running.run import commit, run_to_an_answer

RESULT: Final = "capacity.json"
SATURATED: Final = 0.9
"""Utilisation from which a resource is called saturated. In M/M/1 there are nine in the line then, on average, and ten times the delay."""
Play = Callable[[float, int], Trial]
"""(rate, seed) -> what the run was like. Raises :class:`Interrupted` where a signal ended it."""


class Task(msgspec.Struct, frozen=True):
    """What is searched, and where."""

    scenario: Scenario
    """Prepared (:func:`scenarios.capacity.trial.prepared`): its rate is the search's."""
    world: World
    preset: str
    driver: Driver
    plan: Plan

    @property
    def promises(self) -> tuple[LatencyPromise, ...]:
        """Those that are to be kept beside the contract."""
        return self.scenario.contract.latency


class Point(msgspec.Struct, frozen=True):
    """A rate that was decided."""

    rate_per_s: float
    answer: Answer
    runs: int
    kept: int
    reason: str
    """Of the first run that did not keep the promise; empty where all did."""
    sent_per_s: float
    late_us: dict[str, float | None]
    """Medians over the runs."""
    busy: dict[str, float]
    """Means over the runs."""
    waited: dict[str, float]
    """The largest of the runs."""
    is_generator_saturated: bool


class Resource(msgspec.Struct, frozen=True):
    """How busy something was at the two ends of the answer."""

    name: str
    at_last_pass: float | None
    at_first_failure: float | None
    """At the lowest rate that could not be measured, where there is no failure."""


class Result(msgspec.Struct, frozen=True):
    """What a search came to."""

    scenario: str
    world: World
    preset: str
    driver: Driver | None
    """None in the simulated world."""
    seconds: float
    promises: tuple[LatencyPromise, ...]
    plan: Plan
    outcome: Outcome
    last_pass_per_s: float | None
    first_failure_per_s: float | None
    unmeasured_per_s: float | None
    """The lowest rate at which the harness failed."""
    knee_per_s: float | None
    knee_of: str
    """The quantile whose knee it is."""
    is_generator_saturated: bool
    """Whether it was the load generator that ended the search."""
    resources: tuple[Resource, ...]
    """Busiest first."""
    error: float
    """Of each rate's decision (:func:`scenarios.capacity.search.error`)."""
    points: tuple[Point, ...]
    """By rate."""
    runs: int
    notes: tuple[str, ...]
    machine: Machine
    calibrated: str
    """Machine and instant of the calibration; empty for the live world."""
    commit: str
    measured_at: str
    interrupted: int = 0
    """The signal that ended it early; 0: none."""

    @property
    def exit_code(self) -> int:
        """0 with a capacity, or one that is at least as high as was asked for; 1 where the lowest rate breaks the promise; 2 without
        an answer; 3 where the harness failed first; that of the signal."""
        if self.interrupted:
            return 128 + self.interrupted
        return {
            "found": exits.VALID,
            "at_least": exits.VALID,
            "below": exits.INVALID,
            "harness": exits.HARNESS_INVALID,
        }.get(self.outcome, exits.UNKNOWN)


def measure(task: Task, folder: Path, progress: Progress, times: ServiceTimes | None) -> Result:
    """Search, and leave the result in ``folder``, of what was played if something ends it. Raises
    :class:`scenarios.running.exits.CannotRun` and ``HistoryError``."""
    played_so_far = list[Trial]()

    def play(rate_per_s: float, seed: int) -> Trial:
        scenario = trial.at_rate(task.scenario, rate_per_s)
        played = run_to_an_answer(scenario, task.world, task.preset, seed, folder / "runs", progress, task.driver, times)
        if played.interrupted:
            raise Interrupted(played.interrupted)
        played_so_far.append(trial.of(played, scenario))
        return played_so_far[-1]

    try:
        trials, interrupted = searched(task.plan, play, lambda point: progress.say(said(point, task.promises[0])))
    except BaseException:  # whatever it is, hours may have been played before it
        with suppress(OSError):
            _leave(concluded(task, played_so_far, times), folder)
        raise
    result = concluded(task, trials, times, interrupted)
    _leave(result, folder)
    return result


def _leave(result: Result, folder: Path) -> None:
    (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


def searched(plan: Plan, play: Play, tell: Callable[[Point], None]) -> tuple[list[Trial], int]:
    """Every run that was played, and the signal that ended it early, 0 for none. ``tell`` hears of each rate that is decided."""
    trials, decided = list[Trial](), dict[float, Answer]()
    try:
        while (rate := search.next_rate(plan, decided)) is not None:
            mine = list[Trial]()
            while (answer := search.decide([found.answer for found in mine], plan.runs)) is None:
                mine.append(play(rate, len(mine) + 1))
                trials.append(mine[-1])
            decided[rate] = answer
            tell(_point(answer, mine))
    except Interrupted as stop:
        return trials, stop.number
    return trials, 0


def said(point: Point, promise: LatencyPromise) -> str:
    """A rate in a line, while the search goes on."""
    late = point.late_us.get(key(promise))
    text = "" if late is None or math.isinf(late) else f", p{promise.quantile * 100:g} {late / 1000:.3g} ms"
    return f"{point.rate_per_s:g}/s: {point.answer}, kept by {point.kept} of {point.runs}{text}{point.reason and f' ({point.reason})'}"


def key(promise: LatencyPromise) -> str:
    """The name of a promise's quantile in a trial."""
    return f"{promise.of}.p{promise.quantile * 100:g}"


# what it came to -------------------------------------------------------------------------------------------------------------------


def points(trials: Sequence[Trial], runs: int) -> list[Point]:
    """Every rate that was decided, by rate."""
    by_rate: dict[float, list[Trial]] = {}
    for played in trials:
        by_rate.setdefault(played.rate_per_s, []).append(played)
    decided = ((search.decide([t.answer for t in mine], runs), mine) for _, mine in sorted(by_rate.items()))
    return [_point(answer, mine) for answer, mine in decided if answer is not None]


def _point(answer: Answer, trials: Sequence[Trial]) -> Point:
    return Point(
        rate_per_s=trials[0].rate_per_s,
        answer=answer,
        runs=len(trials),
        kept=sum(t.answer == "kept" for t in trials),
        reason=next((t.reason for t in trials if t.answer != "kept"), ""),
        sent_per_s=round(fmean(t.sent_per_s for t in trials), 1),
        late_us=_each([t.late_us for t in trials], median),
        busy={name: round(share, 4) for name, share in _each([t.busy for t in trials], fmean).items() if share is not None},
        waited={name: share for name, share in _each([t.waited for t in trials], max).items() if share is not None},
        is_generator_saturated=any(t.is_generator_saturated for t in trials),
    )


def _each(
    values: Sequence[Mapping[str, float | None]] | Sequence[Mapping[str, float]], of: Callable[[list[float]], float]
) -> dict[str, float | None]:
    """One figure of each name, from what is known of it; None where nothing is."""
    names: Iterable[str] = dict.fromkeys(name for one in values for name in one)
    known = {name: [value for one in values if (value := one.get(name)) is not None] for name in names}
    return {name: of(found) if found else None for name, found in known.items()}


def concluded(task: Task, trials: Sequence[Trial], times: ServiceTimes | None, interrupted: int = 0) -> Result:
    """The result of a search, from its runs alone."""
    found = points(trials, task.plan.runs)
    decided = {point.rate_per_s: point.answer for point in found}
    last, first, unmeasured = (f(decided) for f in (search.last_pass, search.first_failure, search.unmeasured))
    outcome = search.outcome(task.plan, decided)
    watched = task.promises[0]
    end = next((p for p in found if p.rate_per_s == (unmeasured if outcome == "harness" else first)), None)
    return Result(
        scenario=task.scenario.name,
        world=task.world,
        preset=task.preset,
        driver=task.driver if task.world == "live" else None,
        seconds=task.scenario.duration_s,
        promises=task.promises,
        plan=task.plan,
        outcome=outcome,
        last_pass_per_s=last,
        first_failure_per_s=first,
        unmeasured_per_s=unmeasured,
        knee_per_s=search.knee({p.rate_per_s: p.late_us.get(key(watched)) for p in found if p.answer in ("kept", "broken")}),
        knee_of=key(watched),
        is_generator_saturated=outcome == "harness" and end is not None and end.is_generator_saturated,
        resources=resources(next((p for p in found if p.rate_per_s == last), None), end),
        error=search.error(task.plan.runs),
        points=tuple(found),
        runs=len(trials),
        notes=tuple(_notes(task)),
        machine=this_machine(),
        calibrated="" if times is None else f"{times.provenance.machine.cpu}, {times.provenance.measured_at}",
        commit=commit(),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        interrupted=interrupted,
    )


def resources(last: Point | None, first: Point | None) -> tuple[Resource, ...]:
    """Every resource at both ends, the busiest first."""
    names = dict.fromkeys(name for point in (first, last) if point is not None for name in point.busy)
    found = [
        Resource(name, None if last is None else last.busy.get(name), None if first is None else first.busy.get(name))
        for name in names
    ]
    return tuple(sorted(found, key=lambda r: (-(r.at_first_failure or 0.0), -(r.at_last_pass or 0.0), r.name)))


def _notes(task: Task) -> Iterable[str]:
    """What a reader of the number must know. A load that is a share x above what the server can do is late by x times the length of the
    run at its end, so a run of T seconds cannot tell from too much what is less than promise / T above."""
    seconds, promised_s = task.scenario.duration_s, max(promise.at_most_us for promise in task.promises) / 1e6
    if promised_s / seconds > task.plan.tolerance:
        yield (
            f"runs of {seconds:g} s are short for a promise of {promised_s:g} s: a load up to {promised_s / seconds:.0%} above what the"
            f" server can do may keep it; give --seconds {math.ceil(promised_s / task.plan.tolerance)} or more"
        )
