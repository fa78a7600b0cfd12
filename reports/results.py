"""A run as a report sees it: what its folder says of it, and its history when a picture needs it; or a history file from anywhere.

Rules of the file:

- A run folder is read, never written to and never judged again: verdict, anomalies and measures are those of its ``verdict.json``.
- A run that nobody has judged is ``unknown``, with the reason in words; a run that did not come to its end says so beside its
  verdict. Nothing missing is ever shown as 0: :meth:`Run.measure` answers None.
- The history is read once, and only when it is asked for: a table of a hundred runs needs none.
- A history file comes without a verdict, so it is judged as it is loaded; its name is that of its header's scenario and preset, or of
  the file. What only a run folder knows (machine, commit, how to run it again) it does not have.

What this does not do: put anything into words (:mod:`reports.words`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from model.checkers.kinds import header_problem
from model.checkers.verdict import judge
from model.core.policies import Timers
from model.history import at_rest
from model.history.columns import History
from model.history.run_folder import SCENARIO, VERDICT, Manifest, RunFolder, RunFolderError, finished_runs

NOT_JUDGED: Final = "nobody has judged this run: it has no verdict.json; `imbench check` judges it"
_WORLD_ORDER: Final = ("sim", "live")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A named violation, as the judges found it."""

    kind: str
    count: int
    messages: int | None
    """Distinct messages in it; None where it is not said."""
    fails: bool
    """Whether it keeps the run from being valid; otherwise it is only counted."""
    witnesses: tuple[str, ...]
    """What proves it, in words."""
    message: str | None
    """What the first of them is about, ``sending device/client_message_id``; None for what is about no message."""
    implied_by: str | None
    """The kind that is the cause of these instances, if another is."""


@dataclass(frozen=True)
class Run:
    """One run. ``scenario`` is the effective scenario as plain values, empty where the folder has none."""

    path: Path
    manifest: Manifest
    scenario: Mapping[str, Any]
    verdict: str
    reasons: tuple[str, ...]
    """Why the verdict is no plain one, in words; empty otherwise."""
    anomalies: tuple[Anomaly, ...]
    measures: Mapping[str, Any]
    read: Callable[[], History]
    is_file: bool = False
    """Whether it is a history file, not a run folder."""

    @property
    def name(self) -> str:
        """What tells this run from the others of a report."""
        if self.is_file:
            return self.path.name
        return f"{self.manifest.scenario} {self.manifest.preset} {self.manifest.world} seed {self.manifest.seed}"

    @property
    def is_short(self) -> bool:
        """Whether the scenario is in its short form; nothing records that, so: its timers are the usual ones, scaled as it says."""
        scale = self.scenario.get("short_scale")
        if not isinstance(scale, int | float) or scale <= 0 or scale == 1:
            return False
        return bool(self.scenario.get("timers") == msgspec.to_builtins(Timers().scaled(scale)))

    @property
    def expected(self) -> str | None:
        """The verdict the scenario expects of this preset; None where it states none."""
        wanted = (self.scenario.get("expected") or {}).get(self.manifest.preset)
        return str(wanted) if wanted else None

    @cached_property
    def history(self) -> History:
        """The history, read on first use. Raises :class:`model.history.schema.HistoryError`."""
        return self.read()

    def computed(self, name: str) -> bool:
        """Whether the history told enough for this kind, or part of a measure."""
        return not any(name in what for what in (self.measure("not_computed") or {}).values())

    def measure(self, *keys: str) -> Any:
        """One value of ``measures`` by its path, such as ``measure("sends", "ok")``; None where it is not there."""
        found: Any = self.measures
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found


def load(path: Path) -> Run:
    """A run folder, or a history file, as a :class:`Run`.

    Raises :class:`model.history.schema.HistoryError`, one line, where ``path`` is neither, or damaged.
    """
    if path.is_file():
        return _of_file(path)
    folder = RunFolder.open(path)
    manifest = folder.manifest()
    scenario = _mapping(folder, SCENARIO) if (path / SCENARIO).exists() else {}
    judged = _mapping(folder, VERDICT) if (path / VERDICT).exists() else {}
    reasons = [] if judged else [NOT_JUDGED]
    reasons += [str(reason) for reason in judged.get("reasons") or ()]
    if not manifest.complete:
        reasons.append("the run was interrupted" if manifest.interrupted else "the run did not come to its end")
    return Run(
        path=path,
        manifest=manifest,
        scenario=scenario,
        verdict=str(judged.get("verdict", "unknown")),
        reasons=tuple(reasons),
        anomalies=_anomalies(judged.get("anomalies") or ()),
        measures=judged.get("measures") or {},
        read=folder.history,
    )


def _of_file(path: Path) -> Run:
    """A history file, judged."""
    history = at_rest.read(path)
    header = history.header
    if wrong := header_problem(header):
        raise RunFolderError(f"{path}: its header is wrong: {wrong}")
    found = judge(history)
    judged = msgspec.json.decode(msgspec.json.encode(found, enc_hook=lambda number: number.tolist()))
    manifest = Manifest(
        scenario=header.scenario or path.stem,
        scenario_digest=header.scenario_digest,
        seed=header.seed,
        world=header.world,
        preset=header.preset or path.stem,
        started="",
        complete=not header.truncated,
    )
    return Run(
        path=path,
        manifest=manifest,
        scenario={"contract": msgspec.to_builtins(header.contract)},
        verdict=found.verdict,
        reasons=found.notes,
        anomalies=_anomalies(judged["anomalies"]),
        measures=judged["measures"],
        read=lambda: history,
        is_file=True,
    )


def load_all(paths: Sequence[Path]) -> list[Run]:
    """Runs in the order of a report: by scenario and preset as they come, sim before live, then by seed. One that is given twice is
    there once.

    Raises :class:`RunFolderError` where there is none, or as :func:`load` does.
    """
    if not paths:
        raise RunFolderError("a report needs at least one run folder; make one with `imbench run NAME`", "usage")
    runs = [load(path) for path in {path.resolve(): path for path in paths}.values()]
    groups = list(dict.fromkeys((run.manifest.scenario, run.manifest.preset) for run in runs))
    scenarios = list(dict.fromkeys(run.manifest.scenario for run in runs))

    def place(run: Run) -> tuple[int, int, int, str, int]:
        manifest = run.manifest
        group = groups.index((manifest.scenario, manifest.preset))
        world = _WORLD_ORDER.index(manifest.world) if manifest.world in _WORLD_ORDER else len(_WORLD_ORDER)
        return scenarios.index(manifest.scenario), group, world, manifest.world, manifest.seed

    return sorted(runs, key=place)


def latest_of_each(root: Path, scenario: str) -> list[Path]:
    """The newest finished run of each preset in each world, among those of the same form of the scenario as the newest of all.

    Empty where there is none. Runs of different forms (the short and the full one) are never put beside one another.
    """
    manifests = {folder.path: folder.manifest() for folder in finished_runs(root, scenario)}
    if not manifests:
        return []
    digest = list(manifests.values())[-1].scenario_digest
    newest = {(found.preset, found.world): path for path, found in manifests.items() if found.scenario_digest == digest}
    return list(newest.values())


def _mapping(folder: RunFolder, name: str) -> Mapping[str, Any]:
    found = folder.read_json(name)
    if not isinstance(found, Mapping):
        raise RunFolderError(f"{folder.path / name}: holds no JSON object; run the scenario again")
    return found


def _anomalies(found: Sequence[Mapping[str, Any]]) -> tuple[Anomaly, ...]:
    """Those that fail the run first, those that come with another last, and by count."""
    anomalies = [
        Anomaly(
            kind=str(one["kind"]),
            count=int(one.get("count", 0)),
            messages=one.get("messages"),
            fails=bool(one.get("fails", False)),
            witnesses=tuple(map(_words, one.get("witnesses") or ())),
            message=next((w["message"] for w in one.get("witnesses") or () if isinstance(w, Mapping) and w.get("message")), None),
            implied_by=one.get("implied_by"),
        )
        for one in found
    ]
    return tuple(sorted(anomalies, key=lambda a: (a.implied_by is not None, not a.fails, -a.count, a.kind)))


def _words(witness: Any) -> str:
    """A witness as its judge tells it; of another form, its own text."""
    return str(witness.get("text", witness)) if isinstance(witness, Mapping) else str(witness)
