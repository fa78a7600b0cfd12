"""``imbench compare``: what its options ask for, checked before anything runs, and the comparison itself.

Two revisions are built side by side and play pairs of live runs; two sets of run folders are paired by case and seed. A comparison of
a build with itself is what tells the noise of the machine: it is kept, and a comparison of two builds asks for it.

Exit codes: 0 nothing is worse, 4 regressed, 5 inconclusive, 3 the harness failed; 66 where the machine's noise is not known yet.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from model.analysis import noise as of_noise
from model.analysis.paired import PAIRS_MAX
from model.analysis.regressions import ALPHA
from model.history.machine import this_machine
from model.scenario import Scenario
from model.scenario.paired_comparison import Outcome, PairedComparison, PlayedCase, Side
from scenarios.comparing import builds, noise, pairs
from scenarios.comparing.measures import BY_KEY, MEASURES
from scenarios.comparing.pairs import Pairs, Which
from scenarios.comparing.playing import Case, Player, Taken, taken
from scenarios.comparing.sides import side
from scenarios.running import catalog, exits, settings
from scenarios.running.command import check_presets, fresh, near, runs_root
from scenarios.running.exits import CannotRun
from scenarios.running.progress import Progress
from scenarios.running.signals import interruptible

FOLDER: Final = "comparisons"
NOISE: Final = "noise"
BUILDS: Final = "builds"
RESULT: Final = "comparison.json"
DEFAULTS: Final = (
    Case("standard_mix", settings=("workload.rate_per_s=600", "duration_s=5")),
    Case("access_restart"),
)
"""What is played where nothing is asked for: everyday traffic, at a rate at which CPU shows, and a gateway that is killed."""
_CALM_ONLY: Final = {"recovery_us", "without_session_p90_us"}
_LUCK: Final = 1
"""Seed of the bootstrap behind a floor: the same noise always has the same floor."""
EXIT_CODES: Final[Mapping[Outcome, int]] = {
    "REGRESSED": exits.REGRESSED,
    "HARNESS": exits.HARNESS_INVALID,
    "INCONCLUSIVE": exits.INCONCLUSIVE,
    "IMPROVED": exits.VALID,
    "EQUIVALENT": exits.VALID,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be compared, checked."""

    base: Side
    candidate: Side
    cases: tuple[Case, ...]
    pairs: int
    noise: Path
    """Folder of what is known of machines' noise."""

    @property
    def same(self) -> bool:
        """Whether both sides are one build."""
        return self.base.kind == "revision" and self.base.commit == self.candidate.commit


def asked(
    base: str,
    candidate: str,
    names: Sequence[str],
    preset: str,
    changed: Sequence[str],
    number: int,
    *,
    full: bool,
    noise_folder: Path | None,
) -> Asked:
    """What the command line asks for. Raises :class:`CannotRun`, one line."""
    check_presets([preset])
    if not names and (changed or full):
        raise CannotRun("--set and --full are of a scenario; name it with --scenario")
    cases = tuple(Case(name, preset, tuple(changed), not full) for name in dict.fromkeys(names)) or tuple(
        Case(case.scenario, preset, case.settings, case.short) for case in DEFAULTS
    )
    for case in cases:
        settings.check_mix(scenario_of(case), preset)
    _check_number(number, cases)
    sides = side(base), side(candidate)
    if sides[0].kind != sides[1].kind:
        raise CannotRun(f"'{base}' is {_a(sides[0])} and '{candidate}' {_a(sides[1])}; compare two of one kind")
    return Asked(*sides, cases, number, noise_folder or runs_root(None) / NOISE)


def _a(of: Side) -> str:
    return {"revision": "a revision", "address": "an address", "folders": "a folder"}[of.kind]


def scenario_of(case: Case) -> Scenario:
    """The scenario that a case plays. Raises :class:`CannotRun`."""
    return settings.apply(catalog.short(case.scenario) if case.short else catalog.load(case.scenario), case.settings)


def _check_number(number: int, cases: Sequence[Case]) -> None:
    measures = sum(len(_expected(scenario_of(case))) for case in cases)
    least = max(noise.ENOUGH, pairs.pairs_least(measures, ALPHA))
    if not least <= number <= PAIRS_MAX:
        raise CannotRun(
            f"--pairs {number}: with {measures} measures, fewer than {least} pairs prove nothing, and {PAIRS_MAX} are the most; "
            f"give {least} to {PAIRS_MAX}"
        )


def _expected(scenario: Scenario) -> list[str]:
    """Measures that a run of the scenario should have."""
    return [measure.key for measure in MEASURES if scenario.faults or measure.key not in _CALM_ONLY]


# comparing ------------------------------------------------------------------------------------------------------------------------


def compared(wanted: Asked, out: Path | None, progress: Progress) -> tuple[Path, PairedComparison]:
    """Build, play and decide. Returns the folder, with all runs and the result in it. Raises :class:`CannotRun` and ``HistoryError``."""
    machine = this_machine()
    known = noise.read(wanted.noise, machine)
    if not wanted.same:
        _check_known(wanted, known)
    began = datetime.now(UTC)
    started_s = time.monotonic()
    root = runs_root(None)
    folder = fresh(out.absolute() if out else root / FOLDER / f"{began:%Y%m%dT%H%M%SZ}")
    with interruptible(f"there is no comparison; runs that were made are in {near(folder)}"):
        run = _players(wanted, root / BUILDS, folder, progress)
        floors = _floors(wanted, known)
        progress.begin(f"compare, {wanted.pairs} pairs of {len(wanted.cases)} cases")
        played = pairs.play(wanted.cases, wanted.pairs, run, floors, progress.at)
    found = PairedComparison(
        wanted.base,
        wanted.candidate,
        tuple(_played(case, played) for case in wanted.cases),
        pairs.decided(played, floors),
        pairs.violations(played),
        tuple(played.discarded),
        machine,
        _of_noise(wanted, known),
        began.isoformat(timespec="seconds"),
        round(time.monotonic() - started_s, 1),
        wanted.same,
    )
    if wanted.same:
        noise.add(wanted.noise, known, {_key(case): played.ratios_by_pair(case) for case in wanted.cases})
    (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return folder, found


def _players(wanted: Asked, root: Path, folder: Path, progress: Progress) -> pairs.Play:
    """Plays a run of either side."""
    logs = folder / "logs"
    logs.mkdir()
    players = {
        name: Player(builds.built(of, root, progress), folder / name, logs / f"{name}.log")
        for name, of in (("base", wanted.base), ("candidate", wanted.candidate))
    }

    def run(which: Which, case: Case, seed: int) -> Taken:
        path = players[which].play(case, seed)
        return taken(path) if path else Taken({}, {}, f"the run left nothing (log: {near(logs / f'{which}.log')})")

    return run


def _played(case: Case, played: Pairs) -> PlayedCase:
    return PlayedCase(
        case.scenario, case.preset, case.settings, len(played.first[case.name]), len(played.again.get(case.name, ()))
    )


# noise ----------------------------------------------------------------------------------------------------------------------------


def _key(case: Case) -> str:
    return noise.key(case.name, scenario_of(case).digest())


def _check_known(wanted: Asked, known: noise.Noise) -> None:
    for case in wanted.cases:
        if len(known.cases.get(_key(case), ())) < noise.ENOUGH:
            raise CannotRun(
                f"the noise of this machine is not known for {case.name}; measure it first, by comparing a build with itself: "
                f"imbench compare {wanted.base.given} {wanted.base.given}, with the same options",
                exits.MISSING,
            )


def _floors(wanted: Asked, known: noise.Noise) -> pairs.Floors:
    """The floor of each measure; none where a build is compared with itself, which is asked what it is."""
    if wanted.same:
        return lambda case, measure: 0.0
    found = {
        (case.name, key): of_noise.floor(noise.ratios(known, _key(case), key), wanted.pairs, np.random.default_rng(_LUCK))
        for case in wanted.cases
        for key in BY_KEY
    }
    return lambda case, measure: found[case.name, measure]


def _of_noise(wanted: Asked, known: noise.Noise) -> str:
    if wanted.same:
        return "none: a build is compared with itself"
    number = min(len(known.cases[_key(case)]) for case in wanted.cases)
    return f"{number} pairs or more of one build on this machine ({known.machine.fingerprint})"
