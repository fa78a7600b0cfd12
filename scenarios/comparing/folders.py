"""Runs that are there already, made by whoever knows how: two folders of run folders, paired.

Runs make a pair if they are of the same scenario, preset and seed; of several of one seed the first goes with the first. Of a seed whose
harness failed once and which was run again, the run that says something is taken. A seed, or a case, that only one side has played is told:
the other may have failed to. Nothing can be played again to see whether what is suspected repeats, so the pairs are dealt into two sets, of
which the second is held back for that. Pairs are dealt by twos, since whoever plays in turns has the base first in every other one.

One folder in place of both has runs of one build, several of each seed, which are paired with each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise, zip_longest
from pathlib import Path
from typing import Final

import msgspec

from model.analysis.paired import PAIRS_MAX
from model.core.policies import PRESETS
from model.history.machine import Machine
from model.history.run_folder import Manifest, RunFolder, is_run
from model.scenario.paired_comparison import Discarded, Side
from scenarios.comparing.pairs import SIDES, Pair, Pairs, Which
from scenarios.comparing.playing import Case, Taken, taken
from scenarios.running.exits import DAMAGED, MISSING, USAGE, CannotRun

Of = tuple[str, str, str]
"""Scenario, preset, digest of the scenario."""
SETS: Final = 2
"""Into which pairs are dealt."""


class Found(msgspec.Struct, frozen=True):
    """A run folder, and what it says of itself."""

    path: Path
    manifest: Manifest

    @property
    def of(self) -> Of:
        """What is paired with its like."""
        return self.manifest.scenario, self.manifest.preset, self.manifest.scenario_digest


def found(side: Side) -> list[Found]:
    """The live runs in a folder, the oldest first. Raises :class:`CannotRun` where there is none."""
    top = Path(side.given)
    folders = [top] if is_run(top) else sorted(path for path in top.glob("**/") if is_run(path))
    runs = [Found(path, RunFolder.open(path).manifest()) for path in folders]
    live = sorted((run for run in runs if run.manifest.world == "live"), key=lambda run: (run.manifest.started, run.path))
    if not live:
        why = (
            "its runs are simulated, and those are compared exactly, by imbench gate" if runs else "there is no run folder in it"
        )
        raise CannotRun(f"{side.given}: {why}; give a folder with live runs", MISSING)
    return live


def both(base: Side, candidate: Side) -> dict[Which, list[Found]]:
    """The runs of either side; of one folder in place of both, its runs of each seed in turns. Raises :class:`CannotRun`."""
    runs = found(base)
    if Path(base.given).resolve() != Path(candidate.given).resolve():
        sides: dict[Which, list[Found]] = {"base": runs, "candidate": found(candidate)}
        twice = {run.path.resolve() for run in runs} & {run.path.resolve() for run in sides["candidate"]}
        if twice:
            raise CannotRun(f"{min(twice)}: is in both folders, and a run says nothing of itself; give folders that lie apart")
        return sides
    seen: Counter[tuple[Of, int]] = Counter()
    dealt: dict[Which, list[Found]] = {side: [] for side in SIDES}
    for run in runs:
        of = run.of, run.manifest.seed
        dealt[SIDES[seen[of] % 2]].append(run)
        seen[of] += 1
    if not dealt["candidate"]:
        raise CannotRun(f"{base.given}: has one run of each seed; play each twice, or give another folder beside it")
    return dealt


def commit(runs: list[Found]) -> str:
    """The one commit that all of them are of; empty where they are of several, or nobody knows: of a server that is not ours, the commit is
    that of the checkout that played it."""
    commits = {run.manifest.commit if run.manifest.preset in PRESETS else "" for run in runs}
    return commits.pop() if len(commits) == 1 else ""


def machine(runs: Mapping[Which, list[Found]]) -> Machine:
    """The one machine that all runs were made on. Raises :class:`CannotRun` where they are of several."""
    first = runs["base"][0].manifest.machine
    for run in chain.from_iterable(runs.values()):
        other = run.manifest.machine
        if other.fingerprint != first.fingerprint:
            raise CannotRun(
                f"{run.path}: was run on another machine ({_told(other)}) than {runs['base'][0].path} ({_told(first)}); "
                "compare runs of one machine",
                DAMAGED,
            )
    return first


def _told(machine: Machine) -> str:
    return f"{machine.cpu or 'an unknown CPU'}, {machine.cores} cores, Python {machine.python}"


def cases(runs: Mapping[Which, list[Found]]) -> dict[Of, Case]:
    """What both sides have played. Raises :class:`CannotRun` where there is nothing, several forms of one scenario, something that only one
    side has, or more than can be decided on."""
    base, candidate = ({run.of for run in runs[side]} for side in SIDES)
    if not base & candidate:
        raise CannotRun("the two folders have no scenario in the same form with the same preset; run the same in both", USAGE)
    for one, other in pairwise(sorted(base | candidate)):
        if one[:2] == other[:2]:
            raise CannotRun(f"{one[0]} {one[1]} was run in several forms (--short, --set); compare folders with one form", USAGE)
    for of in sorted(base ^ candidate):
        lacking = "candidate" if of in base else "base"
        raise CannotRun(f"the {lacking} has no run of {of[0]} {of[1]}; run it there, too, or give folders without it")
    for of in sorted(base):
        number = min(sum(run.of == of for run in runs[side]) for side in SIDES)
        if number > SETS * PAIRS_MAX:
            raise CannotRun(f"{number} pairs of {of[0]} {of[1]} are more than {SETS * PAIRS_MAX}; give folders with fewer runs")
    return {of: Case(of[0], of[1]) for of in sorted(base)}


def pairs_of(runs: Mapping[Which, list[Found]], of: Of) -> int:
    """For how many pairs of a case there may be runs, before they are read."""
    return min(len([run for run in runs[side] if run.of == of]) for side in SIDES)


def paired(runs: Mapping[Which, list[Found]], cases: Mapping[Of, Case]) -> Pairs:
    """All pairs, dealt into two sets."""
    played = Pairs(list(cases.values()))
    for of, case in cases.items():
        pairs = list(_pairs(case, {side: [run for run in runs[side] if run.of == of] for side in SIDES}, played))
        played.first[case.name], played.again[case.name] = _dealt(pairs, 0), _dealt(pairs, 1)
    return played


def _dealt(pairs: list[Pair], number: int) -> list[Pair]:
    return [pair for place, pair in enumerate(pairs) if place // 2 % SETS == number]


def _pairs(case: Case, runs: Mapping[Which, list[Found]], played: Pairs) -> Iterator[Pair]:
    base, candidate = (_by_seed(case, side, runs[side], played.discarded) for side in SIDES)
    for lacking, of in zip(SIDES, (base, candidate), strict=True):
        there = {run.manifest.seed for run in runs[lacking]}
        absent = sorted((base.keys() | candidate.keys()) - of.keys() - there)
        played.discarded += [Discarded(case.name, lacking, seed, "it has no run of this seed", False) for seed in absent]
    for seed in sorted(base.keys() | candidate.keys()):
        for both in zip_longest(base.get(seed, ()), candidate.get(seed, ())):
            if None in both:
                played.leave(case, seed, {side: taken for side, taken in zip(SIDES, both, strict=True) if taken})
            else:
                yield Pair(seed, *both)


def _by_seed(case: Case, side: Which, runs: list[Found], discarded: list[Discarded]) -> dict[int, list[Taken]]:
    """The runs that say something, by seed."""
    by_seed: dict[int, list[Taken]] = defaultdict(list)
    failed = []
    for run in runs:
        came = taken(run.path)
        if came.nothing:
            failed.append((run.manifest.seed, came, came.unclear and not run.manifest.interrupted))  # a Ctrl-C is nobody's fault
        else:
            by_seed[run.manifest.seed].append(came)
    discarded += [Discarded(case.name, side, seed, came.nothing, seed in by_seed, unclear) for seed, came, unclear in failed]
    return by_seed
