"""What a history says of its users' connections and sends: reconnects, time without a session, repeated sends, lateness as users count it.

The same for both worlds, since only the history is read. Rules of the file:

- Counted is what happens after a device was first ready, up to the end of the run: the ramp is nobody's absence.
- Late is counted from the instant at which a message was to be sent, by owed pairs of a message and a device, whether the device was
  there or not: who had no session at that moment waited all the same. The latencies of the judges keep the two apart.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from model.checkers.case import Case
from model.checkers.latency import nearest_rank
from model.checkers.outcome import OK
from model.history.columns import History
from model.history.schema import Kind
from scenarios.running.replicate import Figures

LATE_US: Final = 200_000
"""What a person notices in a conversation: about a fifth of a second."""
QUANTILE_MIN: Final = 1_000
"""Samples from which on p99 has ten beyond it."""


def of_sessions(history: History) -> Figures:
    """Reconnects and attempts by device, and how long devices were without a session, in milliseconds."""
    case = Case(history)
    devices = history.rows_of(Kind.DEVICE)
    there, reconnects = _after_the_first(history, Kind.READY)
    _, attempts = _after_the_first(history, Kind.CONNECTING)
    away_ms = _away_us(case) / 1e3
    return {
        "devices": float(len(devices)),
        "reconnects_mean": float(reconnects[there].mean()),
        "reconnects_max": float(reconnects[there].max()),
        "attempts_mean": float(attempts[there].mean()),
        "away_ms_mean": float(away_ms[there].mean()),
        "away_ms_max": float(away_ms[there].max()),
        **_lateness(case),
    }


def of_sends(history: History) -> Figures:
    """How many sends were not told "sent" in the end, how many were written more than once, and how late acks were, in milliseconds."""
    case = Case(history)
    tries = np.bincount(history.message[history.rows_of(Kind.ATTEMPT)])
    ack_us, outcome = case.latencies.ack, case.sends.outcome[case.sends.scheduled]
    return {
        "failed": float((outcome != OK).sum()),
        "retried": float((tries > 1).sum()),
        "ack_p99_ms": nearest_rank(ack_us, 0.99) / 1e3 if len(ack_us) >= QUANTILE_MIN else None,
    }


def _after_the_first(history: History, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """By device, whether it has a row of a kind, and how many more it has."""
    counts = np.bincount(history.device[history.rows_of(kind)], minlength=len(history.names.devices))
    return counts > 0, np.maximum(counts - 1, 0)


def _away_us(case: Case) -> np.ndarray:
    """By device, how long it was not ready between its first session and the end of the run."""
    ready, end_us = case.sessions.ready, case.phases.end_us
    devices = len(case.history.names.devices)
    first_us = np.full(devices, end_us)
    np.minimum.at(first_us, ready.device, ready.begin_us)
    there_us = np.bincount(ready.device, np.minimum(ready.end_us, end_us) - ready.begin_us, devices)
    return np.asarray(end_us - first_us - there_us)


def _lateness(case: Case) -> Figures:
    """How many owed pairs were shown later than :data:`LATE_US` after they were to be sent, or never."""
    pairs = case.obligations
    waited_us = np.where(pairs.row >= 0, pairs.t_us - case.sends.t_int_us[pairs.message], np.inf)[pairs.owed]
    return {"late_pairs": float((waited_us > LATE_US).sum()), "owed_pairs": float(len(waited_us))}
