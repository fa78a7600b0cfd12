"""The judges' own score: ``python -m tests.judged.score``.

Planted histories flagged with exactly their kinds, near misses left quiet, random histories judged as the brute-force judge does, and
mutants of the judges killed. Exits with 1 unless all are. ``--corpus`` leaves the mutants out, ``--first`` prints the first failure and no
more; a mutant is put through that first, and through the tests of the judges if it survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model.checkers import judge
from model.history import at_rest
from tests.corpus import files
from tests.corpus.files import PLANTED
from tests.judged.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
AGREED = 200
"""Random histories that the score looks at; the tests look at more."""
TIMEOUT_S = 300
TESTS = ("tests/checkers", "tests/judged/test_told.py")
"""The tests of the judges."""


def wrong(name: str) -> str:
    """What the judges say of one file of the corpus, where it is not what is expected; else ""."""
    judgement = judge(at_rest.read(files.FOLDER / f"{name}.jsonl"))
    crashed = next((note for note in judgement.notes if "crashed" in note), "")
    if crashed:
        return crashed
    raised = {anomaly.kind for anomaly in judgement.anomalies if anomaly.fails}
    entry = files.ENTRIES[name]
    if raised == entry.raises and judgement.verdict == entry.verdict:
        return ""
    return f"{name}: {judgement.verdict}, {' '.join(sorted(raised)) or 'nothing'}"


def disagrees(seed: int) -> str:
    """A random history on which the judges and the brute-force judge differ; else ""."""
    from tests.judged.random_history import history
    from tests.judged.test_brute_force import differences

    fast, slow = differences(history(seed))
    differ = {kind for kind, _, _ in (*fast, *slow)}
    return f"random history {seed}: {' '.join(sorted(differ))}" if differ else ""


def told(what: str, verb: str, of: Sequence[object], failures: list[str]) -> bool:
    """Print one line of the score, and what failed."""
    print(f"{what:<18} {len(of) - len(failures):>4} of {len(of):>4} {verb}", flush=True)
    for failure in failures:
        print(f"    {failure}")
    return not failures


Check = tuple[str, str, Sequence[str | int], Callable[..., str]]
"""What is checked and what it should be, the instances, and what is wrong with one."""


def checks() -> tuple[Check, ...]:
    """The corpus and the random histories."""
    near = [name for name in files.ENTRIES if name not in PLANTED]
    return (
        ("planted", "flagged", list(PLANTED), wrong),
        ("near misses", "quiet", near, wrong),
        ("random histories", "judged as by brute force", range(AGREED), disagrees),
    )


def corpus() -> bool:
    """All of them, each kind with its line."""
    lines = [told(what, verb, of, [text for one in of if (text := check(one))]) for what, verb, of, check in checks()]
    return all(lines)


def first_failure() -> str:
    """The first of them that is wrong; else ""."""
    return next((text for _, _, of, check in checks() for one in of if (text := check(one))), "")


def killer(mutant: Mutant) -> str:
    """What noticed a mutant; "" for nothing. Raises ValueError for one that does not run: that is noticed by anything."""
    with tempfile.TemporaryDirectory(prefix="imbench-mutant-") as place:
        for entry in ROOT.iterdir():
            if entry.name not in ("model", ".git"):
                (Path(place) / entry.name).symlink_to(entry)
        shutil.copytree(ROOT / "model", Path(place) / "model")  # with what is compiled: a file that changes is newer
        mutant.put_into(Path(place) / "model" / "checkers")
        said = _run(place, "-m", "tests.judged.score", "--first")
        if said.returncode:
            failure = said.stdout.strip()
            if not failure or "crashed" in failure:
                raise ValueError(f"{mutant.name}: {failure or said.stderr}")
            return failure
        said = _run(place, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "--timeout", "120", *TESTS)
        failed = [line for line in said.stdout.splitlines() if line.startswith("FAILED")]
        return failed[0].split(" - ")[0] if failed else ""


def _run(place: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": place, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def mutants(verbose: bool) -> bool:
    """Every mutant, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        killers = list(pool.map(killer, MUTANTS))
    survivors = [mutant.name for mutant, by in zip(MUTANTS, killers, strict=True) if not by]
    good = told("mutants", "killed", MUTANTS, survivors)
    if verbose:
        for mutant, by in zip(MUTANTS, killers, strict=True):
            print(f"    {mutant.name}  <-  {by or 'SURVIVES'}")
    return good


def main() -> int:
    """Print the score."""
    parser = argparse.ArgumentParser(prog="python -m tests.judged.score", description="How good the judges are.")
    parser.add_argument("--corpus", action="store_true", help="without the mutants")
    parser.add_argument("--first", action="store_true", help="print the first failure of these, and no more")
    parser.add_argument("--verbose", action="store_true", help="tell what killed each mutant")
    options = parser.parse_args()
    if options.first:
        failure = first_failure()
        print(failure)
        return 1 if failure else 0
    good = corpus()
    if not options.corpus:
        good &= mutants(options.verbose)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
