"""What one leg says, and the sum over legs: counts, and the rates that they come to.

Rules of the file:

- A leg is judged by the judges of every run, but for those of latency and recovery: nodes are struck again before anyone has recovered,
  and a generator that was late has still sent what is owed. Its legs are counted, and told.
- A leg counts if its harness is whole: drained, complete, every fault proven, no judge crashed. Otherwise it is *set aside*, with its
  reasons: nothing of it enters a rate. What is proven against the product in it is found all the same, and so is a process of the
  server that ended by itself, which breaks a leg off: a server that crashes has not passed for want of a leg that counts.
- Rates of messages are per accepted message (ok, or seen by someone), and per owed delivery. Losses come in clusters, at kills; so they
  are told per send in flight at a kill as well, and per kill. In flight, at whichever gateway: handed over and not yet answered; or handed
  over within the contract's promise and not yet shown to all whom it is owed to, for an ack does not end the danger, and a design
  without acks would have nothing in flight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from model.analysis import estimates
from model.checkers.case import Case
from model.checkers.grouped import Int, whole
from model.checkers.kinds import KINDS
from model.checkers.outcome import OK
from model.checkers.recovery import in_flight
from model.checkers.sessions import Fault
from model.checkers.verdict import Judgement, judge_case
from model.history.columns import History
from model.history.schema import Kind

ENDS: Final = ("kill", "drain", "deaf", "disk_full")
"""Kinds of faults that end a process."""
NOT_ASKED: Final = ("latency", "availability", "recovery", "series")
"""Judges whose questions a soak does not have."""
REASONS_MAX: Final = 3
"""That a leg is set aside for, of those told."""


class Counts(msgspec.Struct, frozen=True):
    """What happened, in numbers that add up. Messages are distinct within a leg, and no two legs share one."""

    ok: int = 0
    """Sends that were ok."""
    accepted: int = 0
    """Messages that were ok or seen by someone."""
    owed: int = 0
    """(message, device) pairs."""
    in_flight: int = 0
    """Sends in flight at a kill."""
    kills: int = 0
    drains: int = 0
    lost: int = 0
    """Messages that some device never got, or that are in no history."""
    lost_owed: int = 0
    lost_in_flight: int = 0
    kills_with_loss: int = 0
    shown_twice: int = 0
    """Messages, at some device."""
    out_of_order: int = 0
    """Messages, at some device or in the log."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class Rate(msgspec.Struct, frozen=True):
    """Of ``n``, how many were ``found``, and the interval of their rate at 95 %. ``low`` to ``high``: exact (Clopper, Pearson); where none
    was found, ``high`` is one-sided, 3/n."""

    name: str
    of: str
    found: int
    n: int
    low: float | None
    high: float | None


RATES: Final = (
    ("lost", "messages", "lost", "accepted"),
    ("lost", "deliveries owed", "lost_owed", "owed"),
    ("lost", "sends in flight at a kill", "lost_in_flight", "in_flight"),
    ("a loss", "kills", "kills_with_loss", "kills"),
    ("shown twice", "messages", "shown_twice", "accepted"),
    ("out of order", "messages", "out_of_order", "accepted"),
)
"""What is told of :class:`Counts`: name, of what, which of them, of how many."""


def rates(counts: Counts) -> Iterator[Rate]:
    """The rates that counts come to, without an interval where there was nothing to count."""
    for name, of, found, among in RATES:
        n = getattr(counts, among)
        many = min(getattr(counts, found), n)  # a message that nobody sent can be shown twice as well
        bounds = estimates.share(many, n) if n else None
        yield Rate(name, of, many, n, *((None, None) if bounds is None else (bounds.low, bounds.high)))


class Leg(msgspec.Struct, frozen=True):
    """One leg."""

    number: int
    seed: int
    counts: Counts = Counts()
    """Nothing where the leg is set aside."""
    found: dict[str, int] = {}
    """What is proven against the product: kind of anomaly -> how often."""
    set_aside: tuple[str, ...] = ()
    """Why it does not count."""
    was_late: bool = False
    """The generator was late, or its core or host too busy."""
    crashes: int = 0
    """Processes of the server that ended though no fault had ended them."""
    folder: Path | None = None
    """Its run folder, where it was kept."""


def judged(history: History, number: int, seed: int, notes: tuple[str, ...] = ()) -> Leg:
    """What a leg's history says; ``notes`` are those of whoever played it."""
    case = Case(history, NOT_ASKED)
    judgement = judge_case(case)
    found: Counter[str] = Counter()
    for anomaly in judgement.anomalies:
        if anomaly.fails and KINDS[anomaly.kind].blame == "product":
            found[anomaly.kind] += anomaly.count
    reasons = tuple(_reasons(judgement))
    was_late = any(anomaly.kind == "generator_lag" for anomaly in judgement.anomalies)
    return Leg(
        number,
        seed,
        counts=Counts() if reasons else _counts(case, judgement),
        found=dict(found),
        set_aside=(*notes, *reasons)[:REASONS_MAX] if reasons else (),
        was_late=was_late,
        crashes=_crashes(case),
    )


def _crashes(case: Case) -> int:
    """Ends of processes beyond those that a fault of their node brought about, each of which brings about one."""
    history = case.history
    ended = Counter(history.node[history.rows_of(Kind.PROCESS_EXITED)].tolist())
    struck = Counter(fault.node for fault in case.faults if fault.kind in ENDS)
    return (ended - struck).total()


def _reasons(judgement: Judgement) -> Iterator[str]:
    """Why a leg cannot count."""
    for anomaly in judgement.anomalies:
        if anomaly.fails and KINDS[anomaly.kind].blame != "product":
            yield f"{anomaly.kind}: {anomaly.witnesses[0].text if anomaly.witnesses else KINDS[anomaly.kind].meaning}"
    yield from judgement.unproven


def _counts(case: Case, judgement: Judgement) -> Counts:
    sends, pairs, measures = case.sends, case.obligations, judgement.measures
    kills = [fault for fault in case.faults if fault.kind == "kill"]
    lost = np.union1d(pairs.message[pairs.missing], case.stored_losses)
    held = [_held(case, kill) for kill in kills]
    ever_held = np.unique(np.concatenate([*held, whole([])]))
    return Counts(
        ok=int((sends.outcome == OK).sum()),
        accepted=int(sends.committed.sum()),
        owed=int(pairs.owed.sum()),
        in_flight=len(ever_held),
        kills=len(kills),
        drains=sum(fault.kind == "drain" for fault in case.faults),
        lost=len(lost),
        lost_owed=int(pairs.missing.sum()),
        lost_in_flight=_among(ever_held, lost),
        kills_with_loss=sum(_among(messages, lost) > 0 for messages in held),
        shown_twice=measures["duplicates"]["shown_twice"],
        out_of_order=measures["order"]["out_of_order"],
    )


def _held(case: Case, kill: Fault) -> Int:
    """The sends in flight at a kill."""
    sends, pairs, t_us = case.sends, case.obligations, kill.begun_us
    unshown = np.zeros(sends.count, np.bool_)
    unshown[pairs.message[pairs.owed & ((pairs.row < 0) | (pairs.t_us > t_us))]] = True
    recent = (sends.invoke_row >= 0) & (sends.t_inv_us <= t_us) & (sends.t_inv_us > t_us - case.contract.promise_us)
    return np.union1d(in_flight(case, (kill,)), np.flatnonzero(recent & unshown))


def _among(messages: Int, others: Int) -> int:
    return int(np.isin(messages, others).sum())


class Sum(msgspec.Struct, frozen=True):
    """The legs of a soak so far."""

    counts: Counts = Counts()
    legs: int = 0
    """Those that count."""
    late_legs: int = 0
    """Of those."""
    found: dict[str, int] = {}
    """Of all legs, also of those set aside."""
    crashes: int = 0
    """Likewise."""
    set_aside: tuple[Leg, ...] = ()
    kept: tuple[Leg, ...] = ()
    """Legs in which something was found, and whose folders are there."""

    def plus(self, leg: Leg) -> Sum:
        """With one leg more."""
        return Sum(
            counts=self.counts + leg.counts,
            legs=self.legs + (not leg.set_aside),
            late_legs=self.late_legs + (leg.was_late and not leg.set_aside),
            found=dict(Counter(self.found) + Counter(leg.found)),
            crashes=self.crashes + leg.crashes,
            set_aside=(*self.set_aside, leg) if leg.set_aside else self.set_aside,
            kept=(*self.kept, leg) if leg.found and leg.folder else self.kept,
        )
