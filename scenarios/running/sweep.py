"""Run a sweep: every point with every seed, in several processes or, in the live world, one after the other, into one folder with tables.

::

    <root>/<scenario>/<UTC>-sweep-<preset>/    named *.partial until all of it was run; <UTC>-sweep-live-<preset> of the live world
        sweep.json          what was asked, where, from which commit (model.scenario.sweep.SweepRecord)
        scenario.json       the scenario that the axes vary
        replications.csv    a line for each replication: its place on every axis, its seed, and all figures
        summary.csv         a line for each point and measure: mean, 95 % interval, replications, and how many were "never"
        differences.csv     a line for each choice against the first of its axis, all else and the seed being equal
        runs/               the run folders of a live sweep, by the names that replications.csv has for them

Rules of the file:

- Everything is checked before anything runs; a wrong axis makes no folder.
- The tables do not depend on the number of processes, nor on which of them was faster.
- Points share their seeds, and all luck is keyed, so comparisons are made by pairs (common random numbers).
- After a signal, the death of a worker process, or any error, the folder keeps what was run, and its name ends in ``.partial``.
- A run that says nothing is in no table but that of replications, which says why: a live one whose harness fails, three times in a row, one
  that a judge crashed on, and one that was not played as planned (:data:`scenarios.running.replicate.SAYS_NOTHING`).
"""

from __future__ import annotations

import math
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, count, product
from pathlib import Path
from typing import Any, Final

import msgspec
import pandas as pd

from model.analysis import estimates
from model.history.machine import this_machine
from model.history.run_folder import PARTIAL, RunFolder, RunFolderError
from model.scenario import Scenario, World
from model.scenario.sweep import DIFFERENCES, PRESET, RECORD, REPLICATIONS, SUMMARY, Axis, Choice, Measure, Sweep, SweepRecord
from scenarios.running import catalog, replicate
from scenarios.running.command import check_presets
from scenarios.running.exits import CannotRun, Interrupted, suggestion
from scenarios.running.progress import Part, Progress
from scenarios.running.progress import shown as progressing
from scenarios.running.replicate import Finished, NotCounted
from scenarios.running.run import commit, missing
from scenarios.running.settings import apply, check_mix
from scenarios.running.signals import interruptible
from scenarios.running.times import asked_for, asking, chosen, option, read_and_warn

POINTS_MAX: Final = 10_000
"""Of a grid: one more is a slip of the pen."""
Row = dict[str, Any]
VERDICT, LEFT_OUT, RUN_FOLDER = "verdict", "not_counted", "run"
"""Columns of replications that are runs: what came of each, why nothing is concluded from it, if so, and, of a live one, its folder."""
_NO_MEASURES: Final = ("seed", VERDICT, LEFT_OUT, RUN_FOLDER)


@dataclass(frozen=True, slots=True)
class Task:
    """One replication of one point."""

    name: str
    scenario: Scenario
    preset: str
    seed: int
    place: dict[str, str]
    """Labels by axis."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What came of a sweep."""

    folder: Path
    sweep: Sweep
    table: pd.DataFrame
    """A row for each replication."""
    interrupted: int = 0
    """The signal that ended it early; 0: none."""
    worker_died: bool = False
    """Whether a worker process ended before its time, and the sweep with it."""


def parsed(text: str) -> Axis:
    """``field=value,value,...`` as an axis. Commas inside brackets, braces and quotes belong to a value. Raises :class:`CannotRun`."""
    field, equals, values = text.partition("=")
    choices = tuple(Choice(value, (f"{field}={value}",)) for value in _split(values))
    if not equals or not field or not all(choice.label for choice in choices):
        raise CannotRun(f"--axis {text}: write it as field=value,value, such as --axis workload.rate_per_s=50,100,200")
    if len({choice.label for choice in choices}) < len(choices):
        raise CannotRun(f"--axis {text}: a value stands there twice; leave one out")
    return Axis(field, choices)


def _split(values: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for letter in values:
        quoted ^= letter == '"'
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def named(sweep: Sweep, axis: Axis, form: Sweep | None = None) -> Axis:
    """An axis of the command line: where the scenario declares one of that name whose choices are more than a value of that field, labels
    stand for choices, those of its short ``form`` before the declared ones. Raises :class:`CannotRun` for a label that it has not."""
    declared = next((one for one in sweep.axes if one.name == axis.name), axis)
    if declared is axis and axis.name != PRESET and axis.name.partition(".")[0] not in Scenario.__struct_fields__:
        names = [one.name for one in sweep.axes]
        raise CannotRun(
            f"--axis {axis.name}: there is no such field, nor such an axis{suggestion(axis.name, (*names, *Scenario.__struct_fields__))}"
            f" (axes declared: {', '.join(names) or 'none'}; fields: {', '.join(Scenario.__struct_fields__)})"
        )
    forms = [declared, *(one for one in (form or sweep).axes if one.name == axis.name)]
    known = {choice.label: choice for one in forms for choice in (*one.choices, *one.more)}
    if all(choice.settings == (f"{axis.name}={choice.label}",) for choice in declared.choices):
        return axis
    for choice in axis.choices:
        if choice.label not in known:
            close = suggestion(choice.label, known)
            raise CannotRun(f"--axis {axis.name}: there is no choice '{choice.label}'{close} (choices: {', '.join(known)})")
    return Axis(axis.name, tuple(known[choice.label] for choice in axis.choices))


def tasks(scenario: Scenario, sweep: Sweep) -> list[Task]:
    """Every replication of every point, in order. Raises :class:`CannotRun` for a point that cannot be played."""
    size = math.prod(len(axis.choices) for axis in sweep.axes)
    if not sweep.axes:
        raise CannotRun(f"{scenario.name} declares no sweep; give axes, such as --axis workload.rate_per_s=50,100,200")
    if size > POINTS_MAX:
        raise CannotRun(f"the grid has {size} points; {POINTS_MAX} is the most: give fewer choices with --axis")
    return [task for point in sweep.points() for task in _replications(scenario, sweep, point)]


def _replications(scenario: Scenario, sweep: Sweep, point: Mapping[str, Choice]) -> Iterator[Task]:
    settings = [setting for choice in point.values() for setting in choice.settings]
    preset = next((setting.partition("=")[2] for setting in settings if _sets_preset(setting)), sweep.preset)
    there = apply(scenario, [setting for setting in settings if not _sets_preset(setting)], "--axis")
    check_mix(there, preset)
    place = {axis: choice.label for axis, choice in point.items()}
    for seed in range(1, sweep.replications + 1):
        yield Task(scenario.name, there, preset, seed, place)


def _sets_preset(setting: str) -> bool:
    return setting.startswith(f"{PRESET}=")


def _presets(plan: Sweep) -> list[str]:
    """Those its axes choose."""
    settings = [setting for axis in plan.axes for choice in axis.choices for setting in choice.settings]
    return [setting.partition("=")[2] for setting in settings if _sets_preset(setting)]


def swept(
    name: str,
    axes: Sequence[str],
    seeds: int | None,
    preset: str | None,
    settings: Sequence[str],
    *,
    short: bool,
    jobs: int | None,
    root: Path,
    service_times: Path | None = None,
    world: World = "sim",
) -> SweepResult:
    """What ``imbench sweep`` asks for, in its words. Raises :class:`CannotRun`, each one line, before anything runs."""
    scenario = catalog.short(name) if short else catalog.load(name)
    declared = catalog.sweep(name)
    plan = declared.short() if short else declared
    plan = plan.over(tuple(named(declared, parsed(axis), plan) for axis in axes))
    plan = msgspec.structs.replace(plan, replications=seeds or plan.replications, preset=preset or plan.preset)
    check_presets([plan.preset, *_presets(plan)], targets=world == "live")
    _check_apart(plan)
    _check_free(settings, plan)
    if catalog.replication(name) is not None:
        _check_read(name, preset, settings, plan)
    if preset and _presets(plan):
        raise CannotRun(f"--preset {preset}: an axis of this sweep chooses presets; choose from it with --axis")
    if world == "live":
        _check_live(name, jobs, service_times)
    with interruptible("tables that were written already are in the folder that ends in .partial"), progressing() as progress:
        if world == "sim":
            read_and_warn(chosen(service_times), progress)
        with asking(service_times):
            return run(apply(scenario, settings), plan, root, jobs or os.cpu_count() or 1, progress, world)


def _check_live(name: str, jobs: int | None, service_times: Path | None) -> None:
    """Raises :class:`CannotRun` for what a live sweep cannot be asked."""
    if catalog.replication(name) is not None:
        raise CannotRun(f"--world live: what {name} measures is no run of a server; its sweep is of the simulated world only")
    if (jobs or 1) > 1:
        raise CannotRun(f"--jobs {jobs}: live runs would disturb each other; they are played one after the other")
    if service_times is not None:
        raise CannotRun("--service-times: a live run takes the time it takes; leave it out")


def _check_apart(plan: Sweep) -> None:
    """Raises :class:`CannotRun` for two axes of which one sets what the other does: the comparison would be false."""
    for one, other in combinations(plan.axes, 2):
        for field, further in product(sorted(_fields(one)), sorted(_fields(other))):
            if _overlap(field, further):
                raise CannotRun(
                    f"--axis {one.name} and --axis {other.name}: both set {max(field, further)}; leave one of them out"
                )


def _fields(axis: Axis) -> set[str]:
    return {setting.partition("=")[0] for choice in axis.choices for setting in choice.settings}


def _overlap(field: str, other: str) -> bool:
    """Whether the one is the other, or lies within it."""
    return f"{field}.".startswith(f"{other}.") or f"{other}.".startswith(f"{field}.")


def _check_free(settings: Sequence[str], plan: Sweep) -> None:
    """Raises :class:`CannotRun` for a setting of a field that an axis varies: one of the two would be ignored."""
    for setting in settings:
        field = setting.partition("=")[0]
        for axis in plan.axes:
            if any(_overlap(field, other) for other in sorted(_fields(axis))):
                raise CannotRun(
                    f"--set {setting}: the axis '{axis.name}' varies that; choose from it with --axis {axis.name}=..."
                )


def _check_read(name: str, preset: str | None, settings: Sequence[str], plan: Sweep) -> None:
    """Raises :class:`CannotRun` for what a replication of the scenario's own would ignore."""
    given = [("--set", setting) for setting in settings] + [("--preset", preset or "")] * bool(preset)
    given += [("--axis", field) for one in plan.axes for field in sorted(_fields(one))]
    known = catalog.reads(name)
    for way, said in given:
        field = said.partition("=")[0]
        if not any(f"{field}.".startswith(f"{read}.") for read in known):
            raise CannotRun(f"{way} {said}: the sweep of {name} does not look at that (fields: {', '.join(known)})")


def contract(result: SweepResult) -> Row:
    """The object that ``imbench sweep --json`` prints: a measure's infinite or withheld mean is null there."""
    rows = summary(result.table, result.sweep)
    plain = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]
    return {
        "folder": str(result.folder),
        "runs": len(result.table),
        "not_counted": not_counted(result.table),
        "interrupted": is_part(result),
        "summary": plain,
    }


def conclusion(name: str, result: SweepResult) -> list[str]:
    """What the scenario's file concludes from a sweep that was run to its end, on lines of its own."""
    conclude = catalog.conclusion(name)
    return [conclude(counted(result.table)), ""] if conclude is not None and not is_part(result) else []


def is_part(result: SweepResult) -> bool:
    """Whether it ended before all of it was run."""
    return bool(result.interrupted) or result.worker_died


# running ---------------------------------------------------------------------------------------------------------------------------


def run(scenario: Scenario, sweep: Sweep, root: Path, jobs: int, progress: Progress, world: World = "sim") -> SweepResult:
    """Run all of it, or what a signal leaves. Raises :class:`CannotRun`, and :class:`RunFolderError` where nothing can be written."""
    planned = tasks(scenario, sweep)
    if all(lacks := [missing(task.scenario, world) for task in planned]):
        raise CannotRun(f"no point of this sweep can be played: {lacks[0]}")
    record = SweepRecord(
        scenario.name,
        scenario.digest(),
        scenario.question,
        sweep,
        _now(),
        jobs,
        commit(),
        this_machine(),
        planned=len(planned),
        service_times=msgspec.to_builtins(asked_for().provenance) if world == "sim" else {},
        world=world,
    )
    kind = "sweep" if world == "sim" else f"sweep-{world}"
    folder = _claimed(root / scenario.name, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{kind}-{sweep.preset}")
    folder.write_json(RECORD, record)
    folder.write_json("scenario.json", scenario)
    progress.begin(f"sweep {scenario.name}, {len(planned)} runs")
    rows, stop, died = list[Row](), 0, False
    try:
        for row in _rows(planned, jobs) if world == "sim" else _live_rows(planned, folder.path, progress):
            rows.append(row)
            progress.at(len(rows) / len(planned), f"{len(rows)} of {len(planned)} runs")
    except Interrupted as interruption:
        stop = interruption.number
        _end_workers()
        progress.say("imbench: interrupted; the tables hold what was run before")
    except BrokenProcessPool:  # joblib's is one, too
        died = True
        progress.say(
            "imbench: a worker process was killed; the tables hold what was run before. Is memory short? Try fewer --jobs"
        )
    except BaseException:  # whatever it is, hours may have been run before it
        with suppress(RunFolderError):
            _concluded(folder, record, rows, stop, True)
        raise
    return _concluded(folder, record, rows, stop, died)


def _rows(planned: list[Task], jobs: int) -> Iterator[Row]:
    """A row for each task, in order."""
    if jobs == 1:
        yield from map(_row, planned)
        return
    from joblib import Parallel, delayed

    times = option()  # here, for joblib asks for tasks in a thread of its own, which does not know it
    yield from Parallel(n_jobs=jobs, return_as="generator", batch_size=1)(
        delayed(_row_of_a_worker)(task, times) for task in planned
    )


def _row(task: Task) -> Row:
    own, row = catalog.replication(task.name), {**task.place, "seed": task.seed}
    if own is not None:
        return row | own(task.scenario, task.preset, task.seed, task.place)
    return row | _of_a_run(task, replicate.simulated(task.scenario, task.preset, task.seed))


def _of_a_run(task: Task, run: Finished) -> Row:
    """What is told of a run that came to its end; without figures where it says nothing."""
    why = replicate.left_out(run.judged)
    return {VERDICT: run.judged.verdict, LEFT_OUT: why} | ({} if why else catalog.figures(task.name)(run))


def _live_rows(planned: list[Task], folder: Path, progress: Progress) -> Iterator[Row]:
    """A row for each task, in order."""
    for number, task in enumerate(planned):
        quiet = Part(progress, number, len(planned), "runs")
        run, path = replicate.played_live(task.scenario, task.preset, task.seed, folder / "runs", quiet)
        row: Row = {**task.place, "seed": task.seed, RUN_FOLDER: "" if path is None else str(path.relative_to(folder))}
        if isinstance(run, NotCounted):
            row |= {VERDICT: run.verdict, LEFT_OUT: run.verdict}
            reason = run.reason
        else:
            row |= _of_a_run(task, run)
            reason = "; ".join(run.judged.notes)
        if row[LEFT_OUT]:
            progress.say(f"{', '.join(task.place.values())}, seed {task.seed}, is not counted, {row[LEFT_OUT]}: {reason}")
        yield row


def _row_of_a_worker(task: Task, service_times: Path | None) -> Row:
    """A Ctrl-C reaches the whole group of processes; what becomes of it is the parent's to decide."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asking(service_times):
        return _row(task)


def _end_workers() -> None:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _concluded(folder: RunFolder, record: SweepRecord, rows: list[Row], stop: int, broken: bool) -> SweepResult:
    """Write the tables. ``broken``: a signal or something else ended it before all was run."""
    table, sweep = pd.DataFrame(rows), record.sweep
    _write(folder.path / REPLICATIONS, table)
    _write(folder.path / SUMMARY, pd.DataFrame(summary(table, sweep)))
    _write(folder.path / DIFFERENCES, pd.DataFrame(differences(table, sweep)))
    ended = msgspec.structs.replace(
        record, finished=_now(), runs=len(rows), interrupted=bool(stop) or broken, not_counted=not_counted(table)
    )
    folder.write_json(RECORD, ended)
    path = folder.path
    if not stop and not broken:
        path = path.rename(path.with_name(path.name.removesuffix(PARTIAL)))
    return SweepResult(path, sweep, table, stop, broken)


# tables ----------------------------------------------------------------------------------------------------------------------------


def measures(table: pd.DataFrame, sweep: Sweep) -> tuple[Measure, ...]:
    """Those the sweep declares, or all figures there are."""
    own = [axis.name for axis in sweep.axes] + list(_NO_MEASURES)
    return sweep.measures or tuple(Measure(name, name) for name in table.columns if name not in own)


def summary(table: pd.DataFrame, sweep: Sweep) -> list[Row]:
    """Each measure at each point: the mean of its replications and its interval."""
    if table.empty:
        return []
    axes = [axis.name for axis in sweep.axes]
    rows = []
    for place, group in counted(table).groupby(axes, sort=False):
        for measure in measures(table, sweep):
            rows.append({**dict(zip(axes, place, strict=True)), "measure": measure.name, **estimated(group, measure)})
    return rows


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """The replications from which something can be concluded."""
    return table[table[LEFT_OUT] == ""] if LEFT_OUT in table else table


def not_counted(table: pd.DataFrame) -> dict[str, int]:
    """How many replications are left out, by why."""
    return dict(Counter(why for why in table.get(LEFT_OUT, ()) if why))


def estimated(group: pd.DataFrame, measure: Measure) -> Row:
    """Mean, interval, number of replications, and in how many it was never; NaN where a figure is withheld or one run has no interval."""
    values = group[measure.name].astype(float)
    never = int((values == math.inf).sum())
    row: Row = {"mean": math.nan, "low": math.nan, "high": math.nan, "n": len(values), "never": never}
    if measure.of:
        return row | _share(values, group[measure.of].astype(float))
    if not values.map(math.isfinite).all():
        return row | {"mean": float(values.mean(skipna=False))}
    return row | _mean(values.tolist())


def _mean(values: Sequence[float]) -> Row:
    if len(values) < 2:
        return {"mean": values[0]}
    estimate = estimates.mean(values)
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def _share(counts: pd.Series[float], of: pd.Series[float]) -> Row:
    """A share: exact where each replication is one trial, and bounded by 3/n where nothing was ever counted. Withheld where one count is;
    a replication with nothing to count says nothing."""
    if not all(map(math.isfinite, (*counts, *of))) or of.sum() == 0:
        return {}
    counts, of = counts[of > 0], of[of > 0]
    if counts.sum() and (of != 1).any():
        return _mean((counts / of).tolist())
    estimate = estimates.share(int(counts.sum()), int(of.sum()))
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def differences(table: pd.DataFrame, sweep: Sweep) -> Iterable[Row]:
    """Each choice less the first of its axis, by pairs of one seed at one place on all other axes."""
    names = [axis.name for axis in sweep.axes]
    table = counted(table)
    for axis in sweep.axes if not table.empty else ():
        others = [name for name in names if name != axis.name]
        base, *rest = [choice.label for choice in axis.choices]
        for place, group in table.groupby(others, sort=False) if others else [((), table)]:
            for choice in rest:
                for measure in measures(table, sweep):
                    pair = _paired(group, axis.name, base, choice, measure.name)
                    if pair is not None:
                        where = dict(zip(others, place, strict=True))
                        yield {"axis": axis.name, "base": base, "choice": choice, **where, "measure": measure.name, **pair}


def _paired(group: pd.DataFrame, axis: str, base: str, choice: str, measure: str) -> Row | None:
    """The mean difference and its interval over the seeds that both have; None where a figure is no number or with fewer than two pairs."""
    one, other = (group[group[axis] == label].set_index("seed")[measure].astype(float) for label in (base, choice))
    both = pd.concat([one, other], axis=1, join="inner")
    if len(both) < 2 or not all(map(math.isfinite, (*one, *other))):
        return None
    estimate = estimates.difference(both.iloc[:, 0].tolist(), both.iloc[:, 1].tolist())
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high, "n": estimate.n}


# on disk ---------------------------------------------------------------------------------------------------------------------------


def _claimed(parent: Path, name: str) -> RunFolder:
    """A new folder ``<name>.partial``; where the name is taken, with a number behind it."""
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        partial = path.with_name(path.name + PARTIAL)
        if path.exists():
            continue
        try:
            partial.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            where, advice = error.filename or partial, "cannot be written; choose another folder with --out or IMBENCH_RUNS"
            raise RunFolderError(f"{where}: {error.strerror or error}: {advice}", "disk") from error
        return RunFolder(partial)
    raise AssertionError("numbers never end")


def _write(path: Path, table: pd.DataFrame) -> None:
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise RunFolderError(f"{path}: {error.strerror or error}: cannot be written; free space", "disk") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
