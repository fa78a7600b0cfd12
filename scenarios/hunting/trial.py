"""A trial: one small scenario with all that decides its run, as a value; and what comes of playing it.

Everything that a run depends on is in the value, so a trial kept as JSON means the same whatever becomes of the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import msgspec

import model.sim
from model.checkers import Judgement, judge
from model.checkers.kinds import KINDS
from model.core import limits
from model.history.columns import History, from_rows
from model.scenario import Scenario
from model.sim import rough
from model.sim.service_times import ServiceTimes, load
from model.sim.ties import CALLBACKS_MAX, Endless, Shuffled
from scenarios.hunting import conduct

FOUND_UNKNOWN = ("drain_incomplete", "truncated")
"""Kinds that elsewhere leave a verdict open and here are findings: a trial whose faults are healed has to converge, and to end."""
NOT_ASKED = ("latency", "availability", "recovery", "series")
"""Judges of how well, not of whether: under so many faults a trial promises none of it, and they take a quarter of the judging."""
CRASH, ENDLESS, JUDGE_CRASH = "crash", "endless", "judge_crash"
FURTHER_KINDS = {
    CRASH: "a rule or the world around it raised an exception",
    ENDLESS: "the run went in a circle",
    JUDGE_CRASH: "a judge crashed on the history, so nothing is acquitted",
    **conduct.MEANINGS,
}


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of a hunt, down to its luck."""

    scenario: Scenario
    preset: str
    seed: int
    """The luck of the run: who talks when, delays, backoffs."""
    ties: int | None = None
    """The order of equal times (:mod:`model.sim.ties`); None: as asked for."""
    times: dict[str, float] = {}
    """Service times that take the place of the measured ones, in microseconds: by their names, or those of :func:`service_times`."""
    limits: dict[str, int] = {}
    """Bounds of :mod:`model.core.limits` and :mod:`model.sim.rough` that take the place of the real ones: a small trial reaches only
    small bounds."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a trial. ``kinds`` are those that fail it, in the order of the table; none where it passed."""

    kinds: tuple[str, ...]
    details: tuple[str, ...]
    """A sentence for each kind: how many, and the first witness."""
    digest: str
    """The trace digest: what every node saw and every client recorded; empty where there is none."""
    messages: int
    """Shown, own ones included."""
    rows: int
    """Of its history: how much work it was."""


@contextmanager
def bounded(bounds: dict[str, int]) -> Iterator[None]:
    """Bounds of the protocol as a trial wants them, while the block lasts."""
    homes = {name: rough if hasattr(rough, name) else limits for name in bounds}
    before = {name: getattr(home, name) for name, home in homes.items()}
    for name, home in homes.items():
        setattr(home, name, bounds[name])
    try:
        yield
    finally:
        for name, home in homes.items():
            setattr(home, name, before[name])


@cache
def _measured() -> ServiceTimes:
    return load()


def service_times(trial: Trial) -> ServiceTimes:
    """The measured ones, with those of the trial in their place. What a trial calls ``business_envelope_us`` is what envelopes of every
    kind cost business, and its ``storage_commit_us`` is how long a commit waits for the disk."""
    times: dict[str, Any] = dict(trial.times)
    if "business_envelope_us" in times:
        times |= dict.fromkeys(_ENVELOPES, times.pop("business_envelope_us"))
    if "storage_commit_us" in times:
        times["storage_sync_us"] = ((times.pop("storage_commit_us"),),)
    return msgspec.structs.replace(_measured(), **times)


_ENVELOPES = ("business_attach_us", "business_send_us", "business_receive_ack_us", "business_sync_us")


def play(trial: Trial, look: Callable[[History, Judgement], None] | None = None) -> Outcome:
    """Play and judge a trial. ``look`` is shown the history and what the judges say of it."""
    times = service_times(trial)
    try:
        with bounded(trial.limits):
            result = model.sim.run(trial.scenario, trial.preset, trial.seed, times=times, pending=Shuffled(trial.ties))
    except Endless as error:
        return Outcome((ENDLESS,), (str(error),), "", 0, CALLBACKS_MAX)
    except Exception as error:  # whatever it is: rules do not raise
        return Outcome((CRASH,), (_place(error),), "", 0, 0)
    history = from_rows(result.header, result.rows)
    judgement = judge(history, without=NOT_ASKED)
    if look is not None:
        look(history, judgement)
    return Outcome(*_findings(trial, history, judgement), result.trace_digest, result.messages_delivered, len(history))


def _findings(trial: Trial, history: History, judgement: Judgement) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found: dict[str, str] = {}
    for anomaly in judgement.anomalies:
        if anomaly.kind in FOUND_UNKNOWN or (anomaly.fails and KINDS[anomaly.kind].blame != "unknown"):
            first = f", first: {anomaly.witnesses[0].text}" if anomaly.witnesses else ""
            found.setdefault(anomaly.kind, f"{anomaly.count}{first}")
    for kind, text in conduct.findings(history, trial.scenario.clocks.perfect):
        found.setdefault(kind, text)
    for note in judgement.notes:
        if "crashed" in note:
            found.setdefault(JUDGE_CRASH, note)
    return tuple(found), tuple(found.values())


def _place(error: Exception) -> str:
    """An exception, and where it was raised, without paths of this machine."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_globals.get('__name__')}.{trace.tb_frame.f_code.co_qualname}" if trace else ""
    return f"{type(error).__name__}: {error}{where}"


def meaning(kind: str) -> str:
    """What a kind of finding is, in words."""
    return FURTHER_KINDS.get(kind) or KINDS[kind].meaning
