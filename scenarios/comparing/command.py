"""``imbench compare``: what its options ask for, checked before anything runs, and the comparison itself.

Two revisions are built side by side and play pairs of live runs; on two servers that run already, this imbench plays them; two sets of
run folders are paired by case and seed. A comparison of a build with itself is what tells the noise of the machine: it is kept, and a
comparison of two builds asks for it.

Exit codes: 0 nothing is worse, 4 regressed, 5 inconclusive, 3 the harness failed; 66 where the machine's noise is not known yet.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from model.analysis.noise import floor
from model.analysis.paired import PAIRS_MAX
from model.analysis.regressions import ALPHA
from model.history.machine import Machine, this_machine
from model.history.run_folder import RunFolder
from model.scenario import Scenario
from model.scenario.paired_comparison import Outcome, PairedComparison, PlayedCase, Side
from scenarios.comparing import builds, folders, noise, pairs
from scenarios.comparing.addresses import Access, access
from scenarios.comparing.folders import Found
from scenarios.comparing.measures import BY_KEY, MEASURES
from scenarios.comparing.noise import Noise
from scenarios.comparing.pairs import SIDES, Pairs, Which
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
    """What is to be compared, checked. ``digests``: of the cases' scenarios, by case; ``runs``: those there are already, where folders were
    given; ``number``: of pairs of each case, in each of two sets."""

    base: Side
    candidate: Side
    cases: tuple[Case, ...]
    digests: Mapping[str, str]
    number: int
    machine: Machine
    known: Noise
    noise: Path
    """Folder of what is known of machines' noise."""
    runs: Mapping[Which, list[Found]] | None = None
    access: Access | None = None
    """To servers that run already."""

    @property
    def same(self) -> bool:
        """Whether both sides are one build, one server, or one folder."""
        if self.access is not None:
            return self.base.given == self.candidate.given
        if self.base.kind == "folders" and Path(self.base.given).resolve() == Path(self.candidate.given).resolve():
            return True
        return bool(self.base.commit) and self.base.commit == self.candidate.commit and not self.base.commit.endswith("+")

    def key(self, case: Case) -> str:
        """Under which the noise of a case is kept: apart for servers that run already, of which less is fresh."""
        name = case.name if self.access is None else f"{case.name} at an address"
        return noise.key(name, self.digests[case.name])

    def floors(self) -> pairs.Floors:
        """The floor of each measure; none where a build is compared with itself, which is asked what it is."""
        if self.same:
            return lambda case, measure: 0.0
        found = {
            (case.name, key): floor(noise.ratios(self.known, self.key(case), key), self.number, np.random.default_rng(_LUCK))
            for case in self.cases
            for key in BY_KEY
        }
        return lambda case, measure: found[case.name, measure]

    def noise_told(self) -> str:
        """Where the floors come from."""
        if self.same:
            return "none: a build is compared with itself"
        number = min(len(self.known.cases[self.key(case)]) for case in self.cases)
        return f"{number} pairs of one build on this machine ({self.machine.fingerprint})"


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
    secret_file: Path | None = None,
    allowed: Sequence[str] = (),
) -> Asked:
    """What the command line asks for. Raises :class:`CannotRun`, one line."""
    sides = side(base), side(candidate)
    if sides[0].kind != sides[1].kind:
        raise CannotRun(f"'{base}' is {_a(sides[0])} and '{candidate}' {_a(sides[1])}; compare two of one kind")
    kept, there = noise_folder or runs_root(None) / NOISE, access(sides[0].kind, secret_file, allowed)
    if sides[0].kind == "folders":
        if names or changed or full:
            raise CannotRun("--scenario, --set and --full are of runs that are to be made; folders have what they have")
        return _checked(_of_folders(*sides, kept))
    check_presets([preset])
    cases = tuple(_cases(names, preset, changed, full=full, struck=there is None))
    scenarios = {case.name: scenario_of(case) for case in cases}
    for scenario in scenarios.values():
        settings.check_mix(scenario, preset)
    digests, machine = {name: scenario.digest() for name, scenario in scenarios.items()}, this_machine()
    if there is not None:
        there.check(sides, scenarios.values())
    wanted = _checked(Asked(*sides, cases, digests, number, machine, noise.read(kept, machine), kept, access=there))
    if there is not None:
        there.knock(sides, scenarios.values(), preset)
    return wanted


def _a(of: Side) -> str:
    return {"revision": "a revision", "address": "an address", "folders": "a folder"}[of.kind]


def _cases(names: Sequence[str], preset: str, changed: Sequence[str], *, full: bool, struck: bool) -> Iterator[Case]:
    """``struck``: whether faults can be played."""
    if not names and (changed or full):
        raise CannotRun("--set and --full are of a scenario; name it with --scenario")
    for name in dict.fromkeys(names):
        yield Case(name, preset, tuple(changed), not full)
    for case in DEFAULTS if not names else ():
        if struck or not scenario_of(case).faults:
            yield Case(case.scenario, preset, case.settings)


def scenario_of(case: Case) -> Scenario:
    """The scenario that a case plays. Raises :class:`CannotRun`."""
    return settings.apply(catalog.short(case.scenario) if case.short else catalog.load(case.scenario), case.settings)


def _of_folders(base: Side, candidate: Side, kept: Path) -> Asked:
    runs = folders.both(base, candidate)
    machine, cases = folders.machine(runs), folders.cases(runs)
    base, candidate = (_of_commit(of, runs[name]) for name, of in zip(SIDES, (base, candidate), strict=True))
    digests = {case.name: of[2] for of, case in cases.items()}
    number = min(folders.pairs_of(runs, of) for of in cases) // folders.SETS
    return Asked(base, candidate, tuple(cases.values()), digests, number, machine, noise.read(kept, machine), kept, runs)


def _of_commit(of: Side, runs: list[Found]) -> Side:
    return msgspec.structs.replace(of, commit=folders.commit(runs))


def _checked(wanted: Asked) -> Asked:
    """The same, if it can be answered. Raises :class:`CannotRun`."""
    measures = len(MEASURES) * len(wanted.cases)
    least = max(noise.ENOUGH, pairs.pairs_least(measures, ALPHA))
    if wanted.runs is not None and wanted.number < least:
        few, which = min((folders.pairs_of(wanted.runs, of), case.name) for of, case in folders.cases(wanted.runs).items())
        raise CannotRun(
            f"the folders have runs for {few} pairs of {which}, and fewer than {least * folders.SETS} prove nothing of {measures} "
            "measures; make more runs"
        )
    if not least <= wanted.number <= PAIRS_MAX:
        raise CannotRun(
            f"--pairs {wanted.number}: fewer than {least} prove nothing of {measures} measures, and more than {PAIRS_MAX} take too long"
            f"; give {least} to {PAIRS_MAX}"
        )
    for case in wanted.cases if not wanted.same else ():
        if len(wanted.known.cases.get(wanted.key(case), ())) < noise.ENOUGH:
            raise CannotRun(
                f"the noise of this machine is not known for {case.name}; measure it first, by comparing a build with itself "
                f"(imbench compare {wanted.base.given} {wanted.base.given}, with the same options); what there is of it is looked for in "
                f"{near(noise.where(wanted.noise, wanted.machine))}",
                exits.MISSING,
            )
    return wanted


# comparing ------------------------------------------------------------------------------------------------------------------------


def compared(wanted: Asked, out: Path | None, progress: Progress) -> tuple[Path, PairedComparison]:
    """Build, play and decide. Returns the folder, with the result and the runs that were made in it. Raises :class:`CannotRun` and
    ``HistoryError``; then there is no result."""
    if wanted.same:
        noise.check(wanted.noise)
    began, started_s = datetime.now(UTC), time.monotonic()
    folder = fresh(out.absolute() if out else runs_root(None) / FOLDER / f"{began:%Y%m%dT%H%M%SZ}")
    with interruptible(f"there is no comparison; runs that were made are in {near(folder)}"):
        played = _gathered(wanted, folder, progress)
        floors = wanted.floors()
        found = PairedComparison(
            wanted.base,
            wanted.candidate,
            tuple(_played(case, played) for case in wanted.cases),
            pairs.decided(played, floors),
            pairs.violations(played),
            tuple(played.discarded),
            wanted.machine,
            wanted.noise_told(),
            began.isoformat(timespec="seconds"),
            round(time.monotonic() - started_s, 1),
            wanted.same,
        )
        RunFolder(folder).write_json(RESULT, found)
        if wanted.same:
            noise.add(wanted.noise, wanted.machine, {wanted.key(case): played.ratios_by_pair(case) for case in wanted.cases})
    return folder, found


def _gathered(wanted: Asked, folder: Path, progress: Progress) -> Pairs:
    """The pairs: read, or played."""
    if wanted.runs is not None:
        progress.begin("compare, judging the runs")
        return folders.paired(wanted.runs, folders.cases(wanted.runs))
    run = _players(wanted, runs_root(None) / BUILDS, folder, progress)
    progress.begin(f"compare, {wanted.number} pairs of {' and '.join(case.name for case in wanted.cases)}")
    return pairs.play(wanted.cases, wanted.number, run, wanted.floors(), progress.at)


def _players(wanted: Asked, root: Path, folder: Path, progress: Progress) -> pairs.Play:
    """Plays a run of either side."""
    logs = folder / "logs"
    logs.mkdir()

    def player(name: Which, of: Side) -> Player:
        where = folder / name, logs / f"{name}.log"
        return wanted.access.player(of, *where) if wanted.access else Player(builds.built(of, root, progress), *where)

    players = {name: player(name, of) for name, of in zip(SIDES, (wanted.base, wanted.candidate), strict=True)}

    def run(which: Which, case: Case, seed: int) -> Taken:
        """Play, and judge; only like is taken with like."""
        path = players[which].play(case, seed)
        if path and RunFolder.open(path).manifest().scenario_digest != wanted.digests[case.name]:
            of = {"base": wanted.base, "candidate": wanted.candidate}[which]
            raise CannotRun(
                f"'{of.given}' ({of.title}) plays another form of {case.name} than this checkout does; only like is compared with like: "
                "give --scenario with one that both have in the same form"
            )
        if path is None:
            why = ": ".join(filter(None, ("the run left nothing", players[which].last_words())))
            return Taken({}, {}, f"{why} (log: {near(logs / f'{which}.log')})", True)
        return taken(path)

    return run


def _played(case: Case, played: Pairs) -> PlayedCase:
    return PlayedCase(
        case.scenario, case.preset, case.settings, len(played.first[case.name]), len(played.again.get(case.name, ()))
    )
