"""The measures of a validation, read from the history of a run of either world: one function for both, so that they cannot differ.

Latency and throughput are those of :func:`scenarios.calibrating.simulated.latencies`. Losses, repetitions and inversions are the judges',
as shares of the deliveries owed. How devices come back is read from the sessions that a fault took away.
"""

from __future__ import annotations

import numpy as np

from model.checkers.latency import nearest_rank
from model.checkers.sessions import phases
from model.checkers.verdict import judge
from model.history.columns import History
from model.history.schema import Kind
from model.scenario import Scenario
from scenarios.calibrating.simulated import latencies

PEAK_US = 100_000
"""Width of the window in which returns are counted for a peak."""


def rates(history: History) -> dict[str, float]:
    """Shares of the deliveries owed that were lost, shown again, or shown out of order; of a run whose drain did not end no losses."""
    found = judge(history).measures
    owed = max(1, found["owed"]["pairs"])
    counts = {
        "lost": found["owed"]["lost_pairs"],
        "twice": found["duplicates"]["shown_twice_pairs"],
        "out_of_order": found["order"]["out_of_order"],
    }
    return {name: count / owed for name, count in counts.items() if count is not None}


def returns(history: History) -> dict[str, float]:
    """How devices came back that lost their connection; nothing where none did. Who did not come back before the audit is in no peak, and
    has waited until then."""
    reached = phases(history)
    end_us = reached.audit_us if reached.audit_row >= 0 else int(history.t_us.max(initial=0))
    lost, ready, connecting = (_rows(history, kind, end_us) for kind in (Kind.DISCONNECTED, Kind.READY, Kind.CONNECTING))
    waits, attempts, instants = [], [], []
    for device in np.unique(history.device[lost]).tolist():
        t_us = [history.t_us[rows[history.device[rows] == device]] for rows in (lost, ready, connecting)]
        begun_us = int(t_us[0][0])
        back = t_us[1][t_us[1] > begun_us][:1].tolist()
        back_us = back[0] if back else end_us
        instants += back
        waits.append(back_us - begun_us)
        attempts.append(int(((t_us[2] > begun_us) & (t_us[2] <= back_us)).sum()))
    if not waits:
        return {}
    return {
        "reconnect_peak": float(peak(np.sort(np.array(instants)), PEAK_US)),
        "reconnect_95_us": nearest_rank(np.array(waits, np.float64), 0.95),
        "attempts": float(np.mean(attempts)),
    }


def peak(instants: np.ndarray, width_us: int) -> int:
    """The most of some sorted instants in any window of a width."""
    return int((np.searchsorted(instants, instants + width_us, "left") - np.arange(len(instants))).max(initial=0))


def _rows(history: History, kind: Kind, end_us: int) -> np.ndarray:
    """Rows of a kind from the load's beginning to ``end_us``."""
    rows = history.rows_of(kind)
    return rows[(history.t_us[rows] >= history.header.load_begin_us) & (history.t_us[rows] <= end_us)]


def of(history: History, scenario: Scenario) -> dict[str, float]:
    """Everything that is promised of this scenario: latency where nothing fails, returns where something does."""
    return (returns(history) if scenario.faults else latencies(history, scenario)) | rates(history)
