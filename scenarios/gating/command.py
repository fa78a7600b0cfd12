"""``imbench gate``: every case against its baseline, or every baseline taken over.

Exit codes: 0 all are the same, 4 something differs, 66 a baseline is missing, 65 one cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.scenario.comparison import Case, Comparison
from model.sim.service_times import PATH, load
from scenarios.gating import baselines, compare
from scenarios.gating.cases import CASES
from scenarios.gating.play import play
from scenarios.running import exits
from scenarios.running.command import near
from scenarios.running.exits import CannotRun, suggestion
from scenarios.running.progress import Progress
from scenarios.running.run import commit


def chosen(names: Sequence[str]) -> list[Case]:
    """The cases of these scenarios, all of them where none is named. Raises :class:`CannotRun`."""
    known = sorted({case.scenario for case in CASES})
    for name in names:
        if name not in known:
            raise CannotRun(f"no case is of the scenario '{name}'{suggestion(name, known)} (gated: {', '.join(known)})")
    return [case for case in CASES if not names or case.scenario in names]


def gate(names: Sequence[str], folder: Path, progress: Progress, accept: str | None = None) -> Comparison:
    """Play and compare; with a reason to ``accept``, take over what differs. Raises :class:`CannotRun`."""
    if accept is not None and not accept.strip():
        raise CannotRun("--accept needs a reason in words: it is kept with the baseline, for whoever asks why it changed")
    cases, times, results = chosen(names), load(PATH), []
    kept = {case: _kept(folder, case, forgiving=accept is not None) for case in cases}
    progress.begin(f"gate, {len(cases)} case{'s' * (len(cases) > 1)}")
    for number, case in enumerate(cases):
        progress.at(number / len(cases), case.name)
        played = play(case, times)
        results.append(compare.compared(case, kept[case], played))
        if accept is not None and results[-1].answer != "same":
            before = kept[case]
            baselines.write(folder, case, played, accept.strip(), before and before[0])
    return Comparison(tuple(results), str(near(folder.absolute())), commit())


def exit_code(comparison: Comparison) -> int:
    """0 where all is the same; what is missing is never green."""
    answers = {result.answer for result in comparison.cases}
    return exits.REGRESSED if "changed" in answers else exits.MISSING if answers != {"same"} else exits.VALID


def _kept(folder: Path, case: Case, *, forgiving: bool) -> baselines.Kept | None:
    """A baseline; one that cannot be read is none where it is to be made anew."""
    try:
        return baselines.read(folder, case)
    except CannotRun:
        if forgiving:
            return None
        raise
