"""``imbench hunt``: what its options ask for, done and told. Exit codes: 0 nothing fails, 1 something does, 3 a worker process was
killed and nothing failed until then."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from scenarios.hunting import generator, kept, search, shrink, told
from scenarios.hunting.search import Failure, Tally
from scenarios.hunting.trial import Outcome, Trial, play
from scenarios.running import exits
from scenarios.running.exits import CannotRun, Interrupted
from scenarios.running.progress import Progress, shown
from scenarios.running.signals import interruptible

SHRUNK_MAX = 3
"""Failing seeds that are shrunk; of a design that fails everywhere, more tell nothing new."""
SEEDS = 1000
"""Where neither a number of seeds nor a time is asked for."""


def last(first: int, last: int | None, seeds: int | None, seconds: float | None) -> int | None:
    """The last seed to play; None for no bound but time. Raises :class:`CannotRun` where the options contradict each other."""
    if seconds is not None and math.isnan(seconds):
        raise CannotRun("--seconds nan is no time; give a number of seconds")
    if last is None:
        return None if seeds is None and seconds is not None else first + (seeds or SEEDS) - 1
    if seeds is not None:
        raise CannotRun("--last and --seeds both say where to end; leave out one of them")
    if last < first:
        raise CannotRun(f"--last {last} is before --first {first}; give a seed from {first} on")
    return last


def check_alone(first: int, last: int | None, seeds: int | None, seconds: float | None, keep: bool) -> None:
    """Raises :class:`CannotRun` where a replay was given what only a hunt has."""
    given = {
        "--first": first != 1,
        "--last": last is not None,
        "--seeds": seeds is not None,
        "--seconds": seconds is not None,
        "--keep": keep,
    }
    more = [name for name, is_given in given.items() if is_given]
    if more:
        raise CannotRun(f"--replay plays one seed again and has no use for {', '.join(more)}; leave out the one or the other")


@dataclass(slots=True)
class _Hunt:
    """A hunt as it goes on, and what it has come to."""

    preset: str
    first: int
    total: int | None
    seconds: float | None
    progress: Progress
    tally: Tally = field(default_factory=lambda: Tally(failures=[], reached=set()))
    small: list[tuple[int, Trial, Outcome, int]] = field(default_factory=list)
    """Failing trials made small: seed, trial, outcome, tries."""
    known: set[int] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)
    took: float = 0.0
    stop: int = 0
    """The signal that ended it early; 0: none."""

    def go(self, jobs: int) -> None:
        """Play, then make the first failures small; a signal ends it with what was found until then."""
        seeds = count(self.first) if self.total is None else range(self.first, self.first + self.total)
        self.progress.begin(f"hunt {self.preset} from seed {self.first}")
        try:
            search.hunt(seeds, self.preset, jobs, self.seconds, self.hear)
            self.took = time.monotonic() - self.began
            for failure in self.tally.failures[:SHRUNK_MAX]:
                self.progress.at(None, f"shrinking seed {failure.seed}")
                self.small.append(_shrunk(failure.seed, self.preset))
        except Interrupted as interruption:
            self.stop, self.took = interruption.number, time.monotonic() - self.began

    def hear(self, so_far: Tally) -> None:
        """Of the tally as it grows."""
        for failure in (failure for failure in so_far.failures if failure.seed not in self.known):
            self.known.add(failure.seed)
            self.progress.say(f"seed {failure.seed} fails: {', '.join(failure.kinds)}")
        self.tally = so_far
        share = so_far.seeds / self.total if self.total else (time.monotonic() - self.began) / (self.seconds or 1)
        self.progress.at(min(1.0, share), f"{so_far.seeds} seeds, {len(so_far.failures)} fail")

    def plain(self) -> dict[str, Any]:
        """The object that ``imbench hunt --json`` prints."""
        told_small = [_plain(*found[:3]) for found in self.small]
        begin = {"preset": self.preset, "first": self.first, "interrupted": bool(self.stop)}
        return {**begin, **search.plain(self.tally), "shrunk": told_small}

    def exit_code(self) -> int:
        """With a line on stderr where it ended before its time."""
        if self.stop:
            print("imbench: interrupted; what was found before is told", file=sys.stderr)
            return 128 + self.stop
        if self.tally.worker_died:
            text = "what was found before is told. Is memory short? Try fewer --jobs"
            print(f"imbench: a worker process was killed; {text}", file=sys.stderr)
        return exits.INVALID if self.tally.failures else exits.HARNESS_INVALID if self.tally.worker_died else exits.VALID


def hunt(preset: str, first: int, last: int | None, seconds: float | None, jobs: int, keep: bool, as_json: bool) -> int:
    """Play the trials of seeds first .. last (None: until ``seconds`` are over); returns the exit code."""
    with interruptible("seeds that were found to fail stand above, and no more is told"), shown() as progress:
        ended = _Hunt(preset, first, None if last is None else last + 1 - first, seconds, progress)
        ended.go(jobs)
    if as_json:
        print(json.dumps(ended.plain()))
    else:
        _print(ended.tally, preset, ended.small, ended.took)
    if keep and ended.small:
        kept.keep([(seed, trial, outcome) for seed, trial, outcome, _ in ended.small], datetime.now(UTC).date())
    return ended.exit_code()


def replay(seed: int, preset: str, as_json: bool) -> int:
    """Play the trial of one seed twice, and say what came of it; returns the exit code."""
    trial = generator.trial(seed, preset)
    outcome, again = play(trial), play(trial)
    if outcome.digest != again.digest or outcome.kinds != again.kinds:
        raise CannotRun(
            f"seed {seed} does not replay: {outcome.digest} and then {again.digest}; this is a bug of imbench", exits.SOFTWARE
        )
    if as_json:
        print(json.dumps(_plain(seed, trial, outcome)))
        return exits.INVALID if outcome.kinds else exits.VALID
    print(f"seed {seed}, played twice, one trace: {outcome.digest}")
    if not outcome.kinds:
        print(f"it passes, with {outcome.messages} messages")
        return exits.VALID
    print(told.failing(Failure(seed, outcome.kinds, outcome.details, outcome.digest), preset))
    print(told.minimal(*shrink.shrink(trial, outcome)))
    return exits.INVALID


def _shrunk(seed: int, preset: str) -> tuple[int, Trial, Outcome, int]:
    trial = generator.trial(seed, preset)
    return seed, *shrink.shrink(trial, play(trial))


def _plain(seed: int, trial: Trial, outcome: Outcome) -> dict[str, Any]:
    return {"seed": seed, "outcome": msgspec.to_builtins(outcome), "trial": msgspec.to_builtins(trial)}


def _print(tally: Tally, preset: str, small: list[tuple[int, Trial, Outcome, int]], took: float) -> None:
    for failure, (_, trial, outcome, tries) in zip(tally.failures, small, strict=False):
        print(f"{told.failing(failure, preset)}\n{told.minimal(trial, outcome, tries)}")
    further = [str(failure.seed) for failure in tally.failures[len(small) :]]
    if further:
        print(f"further seeds that fail: {', '.join(further[:20])}{', ...' if len(further) > 20 else ''}")
    print(told.tally(tally, preset, took))
    if tally.probed:
        print(told.reach(tally))
