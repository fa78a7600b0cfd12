"""The verdict: every judge's findings under the contract, with what implies what, and the answer.

``invalid`` if a failing anomaly is proven, even where the harness failed later; else ``harness_invalid``; else ``unknown``; else ``valid``.
Rules of the file:

- An instance that a failing kind explains is reported under it (``implied_by``) and fails nothing itself. A cause that the contract
  forgives, or that is not proven, explains nothing away; but a gap is nothing but a loss, forgiven with it unless the contract names it.
- From a clock fault on, instants cannot be compared: findings that rest on time count only where they were proven before it.
- A generator that was late makes latencies longer: findings that rest on them prove nothing against the product then.
- A judge that crashes makes the verdict ``unknown``, whatever the others could not find; what others proved stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Literal

import msgspec
import numpy as np

from model.checkers import (
    agreement,
    availability,
    causes,
    coverage,
    duplicates,
    harness,
    latency,
    loss,
    order,
    outcome,
    reads,
    recovery,
    series,
)
from model.checkers.case import Case
from model.checkers.findings import WITNESSES_MAX, Anomaly, Finding, Part, Witness, distinct
from model.checkers.grouped import Bool, Int
from model.checkers.kinds import KINDS, fails
from model.history.columns import History

Verdict = Literal["valid", "invalid", "harness_invalid", "unknown"]

JUDGES: dict[str, Callable[[Case], Part]] = {
    "outcome": outcome.judge,
    "loss": loss.judge,
    "duplicates": duplicates.judge,
    "order": order.judge,
    "causes": causes.judge,
    "agreement": agreement.judge,
    "reads": reads.judge,
    "latency": latency.judge,
    "availability": availability.judge,
    "recovery": recovery.judge,
    "harness": harness.judge,
    "series": series.judge,
    "coverage": coverage.judge,
}


class Judgement(msgspec.Struct, frozen=True):
    """What the judges say of one history."""

    verdict: Verdict
    anomalies: tuple[Anomaly, ...]
    measures: dict[str, Any]
    """Plain JSON values; docs/judges.md lists them."""
    notes: tuple[str, ...]
    """What a reader of the verdict must know: what was not judged and why, and how much "no violation" says."""
    unproven: tuple[str, ...] = ()
    """Of the notes, those that keep a verdict from being "valid": judges that crashed, and what they could not say."""
    crashed: bool = False
    """Whether a judge crashed: then nobody was acquitted of what it looks for."""


def judge(history: History, without: Collection[str] = ()) -> Judgement:
    """Judge a history. Raises nothing: what goes wrong in a judge is a note and, at best, the verdict ``unknown``.

    ``without`` names judges of ``JUDGES`` that are not asked: for whoever judges thousands of histories under a contract that
    forgives what they would find, or who does not ask for latency and recovery.
    """
    return judge_case(Case(history, without))


def judge_case(case: Case) -> Judgement:
    """As :func:`judge`, for whoever wants more of the facts than is told: what the judges have worked out stays in the case."""
    parts, crashes = _hear(case)
    anomalies = _anomalies(case, [finding for part in parts for finding in part.findings], crashes)
    measures: dict[str, Any] = {}
    for part in parts:
        for name, value in part.measures.items():
            measures[name] = {**measures.get(name, {}), **value}
    unproven = (*crashes, *(reason for part in parts for reason in part.unproven))
    notes = (*unproven, *(note for part in parts for note in part.notes), *_bounds(case, anomalies, measures))
    return Judgement(_verdict(anomalies, bool(unproven)), anomalies, measures, notes, unproven, bool(crashes))


def _hear(case: Case) -> tuple[list[Part], list[str]]:
    parts, crashes = [], []
    for name, judge_one in JUDGES.items():
        if name in case.without:
            continue
        try:
            parts.append(judge_one(case))
        except Exception as error:  # whatever it is: a judge that died has judged nothing
            crashes.append(f"the judge of {name} crashed, so it has judged nothing: {type(error).__name__}: {error}")
    return parts, crashes


def _verdict(anomalies: tuple[Anomaly, ...], unproven: bool) -> Verdict:
    blames = {KINDS[anomaly.kind].blame for anomaly in anomalies if anomaly.fails}
    if "product" in blames:
        return "invalid"
    if "harness" in blames:
        return "harness_invalid"
    return "unknown" if unproven or "unknown" in blames else "valid"


# anomalies ------------------------------------------------------------------------------------------------------------------


def _anomalies(case: Case, findings: list[Finding], crashes: list[str]) -> tuple[Anomaly, ...]:
    """Findings of one kind put together, split by what implies them, in the order of the table."""
    clock = _clock_row(case, crashes)
    late = any(finding.kind == "generator_lag" and _failing(case, finding) for finding in findings)
    found: list[Anomaly] = []
    for kind in KINDS:
        mine = [finding for finding in findings if finding.kind == kind and len(finding.rows)]
        groups: dict[tuple[str | None, bool], list[tuple[Finding, Bool]]] = {}
        for finding in mine:
            for cause, failing, which in _split(case, finding, clock, late):
                groups.setdefault((cause, failing), []).append((finding, which))
        for cause, failing in sorted(groups, key=lambda key: (key[0] or "", not key[1])):
            try:
                found.append(_anomaly(case, kind, cause, failing, groups[cause, failing]))
            except Exception as error:  # words fail, the anomaly does not
                crashes.append(f"the witnesses of {kind} could not be told: {type(error).__name__}: {error}")
                found.append(_anomaly(case, kind, cause, failing, groups[cause, failing], witnesses_max=0))
    return tuple(found)


def _clock_row(case: Case, crashes: list[str]) -> int:
    try:
        return harness.clock_fault_row(case)
    except Exception as error:
        crashes.append(f"the clock could not be judged: {type(error).__name__}: {error}")
        return 0


def _failing(case: Case, finding: Finding) -> bool:
    return fails(finding.kind, case.contract) if finding.fails is None else finding.fails


def _split(case: Case, finding: Finding, clock: int, late: bool) -> Iterator[tuple[str | None, bool, Bool]]:
    """(cause, whether it fails, which instances), each instance once."""
    left = np.ones(len(finding.rows), np.bool_)
    for cause, mask in finding.causes.items():
        which = left & mask
        forgiven = KINDS[finding.kind].only_implied and finding.kind not in case.contract.fails
        explained = fails(cause, case.contract) or forgiven
        if which.any() and explained and _implied(cause, finding.kind):
            yield cause, False, which
            left &= ~which
    failing, rests = _failing(case, finding), KINDS[finding.kind]
    by = finding.rows if finding.proven is None else finding.proven
    proven = ~((rests.rests_on_time & (by >= clock)) | (rests.rests_on_generator & late))
    for certain in (True, False):
        which = left & (proven == certain)
        if which.any():
            yield None, failing and certain, which


def _implied(cause: str, kind: str) -> bool:
    return kind in KINDS[cause].implies


def _anomaly(
    case: Case, kind: str, cause: str | None, failing: bool, parts: list[tuple[Finding, Bool]], witnesses_max: int = WITNESSES_MAX
) -> Anomaly:
    part = np.concatenate([np.full(int(which.sum()), n) for n, (_, which) in enumerate(parts)])
    place = np.concatenate([np.flatnonzero(which) for _, which in parts])
    messages = np.concatenate([finding.messages[which] for finding, which in parts])
    order = np.lexsort((place, part, np.concatenate([finding.rows[which] for finding, which in parts])))
    shown = order[_telling(messages[order], witnesses_max)]
    return Anomaly(
        kind=kind,
        count=len(order),
        messages=distinct(messages),
        fails=failing,
        witnesses=tuple(_witness(case, parts[part[k]][0], int(place[k])) for k in shown.tolist()),
        implied_by=cause,
    )


def _telling(messages: Int, most: int) -> Int:
    """Of instances in order of time those that are told: of each message the first, then further ones while there is room."""
    alone = np.where(messages >= 0, messages, -1 - np.arange(len(messages)))  # what concerns no message stands for itself
    first = np.sort(np.unique(alone, return_index=True)[1])[:most]
    others = np.setdiff1d(np.arange(min(len(messages), 2 * most)), first, assume_unique=True)[: most - len(first)]
    return np.sort(np.concatenate([first, others])).astype(np.int64)


def _witness(case: Case, finding: Finding, i: int) -> Witness:
    text, rows = finding.tell(i)
    message, device = int(finding.messages[i]), int(finding.devices[i])
    return Witness(
        text=text,
        rows=rows,
        message=case.say.message(message) if message >= 0 else None,
        device=case.say.device(device) if device >= 0 else None,
    )


# how much "none" says -------------------------------------------------------------------------------------------------------


def _bounds(case: Case, anomalies: tuple[Anomaly, ...], measures: dict[str, Any]) -> list[str]:
    """One line for each of loss, duplicates and order that was looked for and not found."""
    kinds = {anomaly.kind for anomaly in anomalies}
    notes = []
    if not {"lost", "lost_stored"} & kinds and "owed" in measures and case.drained:
        in_flight = measures.get("sends", {}).get("in_flight_at_fault")
        if case.faults and in_flight is not None:
            notes.append(_none("loss", sum(in_flight.values()), "send in flight at faults", "sends in flight at faults"))
        else:
            notes.append(_none("loss", measures["owed"]["pairs"], "owed delivery", "owed deliveries"))
    if "dup_app" not in kinds and "duplicates" in measures:
        notes.append(_none("message shown twice", len(case.deliveries.first)))
    if not {"fifo_log", "fifo_live", "session_nonmonotonic", "disagreement"} & kinds and "order" in measures:
        notes.append(_none("message out of order", len(case.deliveries.ordered)))
    return notes


def _none(what: str, n: int, one: str = "delivery", many: str = "deliveries") -> str:
    rate = f": the rate is up to {3 / n:.2g} at 95 %" if n > 3 else ", too few to bound a rate"
    return f"no {what} in {n} {one if n == 1 else many}{rate}"
