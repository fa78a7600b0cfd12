"""How good ``imbench compare`` is in the noise of a machine: ``python -m scenarios.comparing.power``.

Comparisons are simulated: pairs are drawn from what runs of one build have been seen to differ by on this machine (``imbench compare X X``
keeps that; ``--noise`` names another folder, which may hold that of another machine, such as reports/baselines/noise), and the same
decision is made on them as on real ones. Exits with 1 unless false alarms are at most 5 in 100 reports, a slowdown of 10 % in CPU is never
called EQUIVALENT, and one of 30 % is called REGRESSED in at least 95 of 100.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from model.analysis.noise import Noise as Ratios
from model.analysis.noise import floor, simulated, tallied
from model.analysis.regressions import Answer, Gated
from model.history.machine import this_machine
from scenarios.comparing import noise
from scenarios.comparing.command import DEFAULTS, NOISE, scenario_of
from scenarios.comparing.measures import BY_KEY
from scenarios.comparing.noise import Noise as Kept
from scenarios.running.command import conclude, runs_root
from scenarios.running.exits import MISSING, CannotRun

PAIRS = 10
ALIKE, SLOWER = 200, 100
"""Simulated comparisons of builds that are alike, and of each slowdown."""
SLOWDOWNS = {"cpu_gateway_us": (0.10, 0.30), "cpu_business_us": (0.10, 0.30)}
FALSE_ALARMS, POWER = 0.05, 0.95
Drawn = tuple[Ratios, Mapping[str, Gated]]


def kept(folder: Path) -> Kept:
    """The noise of this machine in a folder; where it has only that of one other machine, that. Raises :class:`CannotRun`."""
    others = sorted(folder.glob("*.json"))
    ours = noise.where(folder, this_machine())
    return noise.at(others[0]) if len(others) == 1 and not ours.exists() else noise.read(folder, this_machine())


def drawn(kept: Kept, pairs: int = PAIRS) -> Drawn:
    """The noise of the default cases, each measure of each case by its name, and its gate. Raises :class:`CannotRun` if there is none."""
    ratios: dict[str, list[float]] = {}
    gates = {}
    for case in DEFAULTS:
        key = noise.key(case.name, scenario_of(case).digest())
        for measure in BY_KEY:
            found = noise.ratios(kept, key, measure)
            if found and len(found) == len(kept.cases[key]):
                ratios[f"{case.name}: {measure}"] = found
                gates[f"{case.name}: {measure}"] = BY_KEY[measure].gated(floor(found, pairs, np.random.default_rng(1)))
    if not ratios:
        raise CannotRun(
            "the noise of this machine is not known for what imbench compare plays where no --scenario is given; measure it with: "
            "imbench compare HEAD HEAD",
            MISSING,
        )
    least = min(map(len, ratios.values()))
    return {name: found[-least:] for name, found in ratios.items()}, gates


def alike(known: Drawn, luck: np.random.Generator, pairs: int = PAIRS, number: int = ALIKE) -> Counter[Answer]:
    """Reports on builds that are alike, by their gravest answer."""
    return tallied(simulated(*known, pairs, luck) for _ in range(number))


def slower(
    known: Drawn, measure: str, by: float, luck: np.random.Generator, pairs: int = PAIRS, number: int = SLOWER
) -> Counter[Answer]:
    """What is said of a measure of the first case that is worse by so much."""
    name = next(name for name in known[0] if name.endswith(f": {measure}"))
    return tallied((simulated(*known, pairs, luck, {name: math.log1p(by)}) for _ in range(number)), name)


def main() -> int:
    """Print the score."""
    parser = argparse.ArgumentParser(
        prog="python -m scenarios.comparing.power", description="False alarms and power of a comparison."
    )
    parser.add_argument("--noise", type=Path, help="folder of machines' noise, instead of this checkout's")
    folder = parser.parse_args().noise or runs_root(None) / NOISE
    found = kept(folder)
    known, luck = drawn(found), np.random.default_rng(20)
    machine = f"{found.machine.cpu}, {found.machine.cores} cores"
    print(
        f"{len(known[0])} measures, noise of {len(next(iter(known[0].values())))} pairs ({machine}), {PAIRS} pairs a comparison"
    )
    counts = alike(known, luck)
    good = counts["REGRESSED"] <= FALSE_ALARMS * ALIKE
    print(f"alike: {told(counts)}")
    for measure, sizes in SLOWDOWNS.items():
        small, large = (slower(known, measure, by, luck) for by in sizes)
        print(f"{measure} {sizes[0]:.0%} more: {told(small)}\n{measure} {sizes[1]:.0%} more: {told(large)}")
        good &= small["EQUIVALENT"] == 0 and large["REGRESSED"] >= POWER * SLOWER
    return 0 if good else 1


def told(counts: Counter[Answer]) -> str:
    """``REGRESSED 2, EQUIVALENT 198``"""
    return ", ".join(
        f"{answer} {counts[answer]}" for answer in ("REGRESSED", "IMPROVED", "INCONCLUSIVE", "EQUIVALENT") if counts[answer]
    )


if __name__ == "__main__":
    sys.exit(conclude(main))
