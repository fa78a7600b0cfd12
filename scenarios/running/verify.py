"""``make verify``: do the three designs behave as claimed, in both worlds, over several seeds, at full length?

    python -m scenarios.running.verify [--seeds N] [--short] [--out DIR]

Held to: every verdict is the one the scenario expects; ``cursor`` raises nothing that fails; ``naive`` loses, with witnesses. What
``timer`` does is reported as it is. The table goes to stdout; the exit code is 0 when all of it holds, else 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from model.core.policies import PRESETS
from model.scenario import WORLDS, Scenario
from scenarios.running import catalog, command, demo
from scenarios.running.run import RunResult

SEEDS: Final = 5
LOSSES: Final = ("lost", "lost_stored")


def broken(result: RunResult) -> Iterator[str]:
    """What a run does not hold to, in words."""
    if not result.as_expected:
        yield f"{result.verdict}, not {result.expected}"
    failing = [anomaly for anomaly in result.anomalies if anomaly["fails"]]
    if result.preset == "cursor" and failing:
        yield "cursor raises " + ", ".join(anomaly["kind"] for anomaly in failing)
    if result.preset == "naive" and not any(anomaly["kind"] in LOSSES and anomaly["witnesses"] for anomaly in failing):
        yield "naive shows no loss with witnesses"


def _results(scenario: Scenario, seeds: int, out: Path | None) -> Iterator[RunResult]:
    for seed in range(1, seeds + 1):
        for result in command.runs(scenario, WORLDS, tuple(PRESETS), seed, out, again=True):
            yield result
            if result.interrupted:
                return


def _row(result: RunResult, problems: list[str]) -> str:
    found = ", ".join(f"{a['kind']} {a['count']}{'' if a['fails'] else ' (counted)'}" for a in result.anomalies) or "nothing"
    held = "BROKEN: " + "; ".join(problems) if problems else "holds"
    return f"{result.preset:7} {result.world:5} {result.seed:4}  {result.verdict:16} {held}\n        {found}"


def verify(scenario: Scenario, seeds: int, out: Path | None) -> int:
    """Run everything and print the table. Returns the exit code."""
    print(f"{scenario.name}: {scenario.question}\npreset  world seed  verdict          claim", flush=True)
    failures, results = 0, []
    for result in _results(scenario, seeds, out):
        problems = list(broken(result))
        failures += bool(problems)
        results.append(result)
        print(_row(result, problems), flush=True)
    planned = seeds * len(WORLDS) * len(PRESETS)
    print(f"{len(results)} of {planned} runs, {failures} broken")
    if results and results[-1].interrupted:
        return command.exit_code(results)
    return 1 if failures or len(results) < planned else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="verify", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"run seeds 1 to this ({SEEDS})")
    parser.add_argument("--short", action="store_true", help="the short form")
    parser.add_argument("--out", type=Path, help="folder for run folders")
    options = parser.parse_args()
    scenario: Scenario = catalog.load(demo.SCENARIO)
    return verify(scenario.short() if options.short else scenario, options.seeds, options.out)


if __name__ == "__main__":
    status: Any = command.conclude(main)
    sys.exit(status)
