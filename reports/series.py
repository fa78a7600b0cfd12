"""What pictures are drawn from: a history as a few tables of sends, owed deliveries, connections and faults.

Rules of the file:

- Whole columns only; no Python object per row. Times in tables are seconds from the beginning of the load, latencies milliseconds.
- Latency is counted from the schedule's instant, not from the moment a busy client got round to it. What was owed and never came is
  infinitely late, and stays in every table and every quantile.
- A receiver *was away* if it had no ready session at the intended instant of the send; then ``latency_ms`` still counts from that
  instant (what a person waited), ``after_return_ms`` from the receiver's next ready session (what catching up took).

- A history that lacks something is read as the judges read it: a send that is in no schedule counts from its invocation, a device of
  which no connection is recorded was connected throughout.

Who was owed what, and what counts as shown, is the judges' word (:mod:`model.checkers`): memberships change, and two readings of them
would differ. Everything else is computed here, for the eye, and tests hold the two against each other.
What this does not do: edits, recalls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.checkers.case import Case
from model.history.columns import History
from model.history.schema import Basis, FaultKind, Kind, Phase

OUTCOMES: Final = ("ok", "ok_late", "unknown", "failed", "open")
"""What became of a send: ok within the promise, ok later, given up without an answer, rejected for certain, or none of these."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was proven, in seconds from the beginning of the load; ``end_s`` is that of the run where it never healed."""

    node: str
    kind: str
    begin_s: float
    end_s: float
    healed: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """The tables of one history.

    ``sends``, one row an intended send, indexed by message: ``t_s, sender, conversation, outcome, answered_s, ack_ms, basis, stored``.
    ``pairs``, one row an owed (message, receiving device): ``message, device, t_s, away, arrived_s, latency_ms, after_return_ms,
    copies, connections, again_ms`` (the last three: times shown, on how many connections, and from the first to the last of them).
    ``ready``, one row a change: ``t_s, device, node, step`` (+1 or -1 ready connections). ``attempts_s``: instants of connection
    attempts.
    """

    history: History
    sends: pd.DataFrame
    pairs: pd.DataFrame
    ready: pd.DataFrame
    attempts_s: NDArray[np.float64]
    faults: tuple[Fault, ...]
    phases: dict[Phase, float]
    end_s: float
    """Where pictures end: nothing of interest happens later."""
    begin_s: float = 0.0
    """Where they begin: at the beginning of the load, or where nobody said when that was (hours on a wall clock), at the first send."""


def of(history: History) -> Series:
    """The tables of a history, finished or salvaged."""
    sends = _sends(history)
    sessions = _sessions(history)
    pairs = _pairs(history, sends, sessions)
    phases = _phases(history)
    attempts_s = _seconds(history, history.t_us[history.rows_of(Kind.CONNECTING)])
    last = [
        0.0,
        phases.get(Phase.DRAIN, 0.0),
        _largest(sends["t_s"]),
        _largest(sends["answered_s"]),
        _largest(pairs["arrived_s"]),
    ]
    last += attempts_s[-1:].tolist()
    end_s = max(last)
    first_s = float(sends["t_s"].min()) if len(sends) else 0.0
    begin_s = first_s if history.header.load_begin_us == 0 and first_s > end_s / 2 else min(0.0, first_s)
    ready = _ready(history, sessions)
    return Series(history, sends, pairs, ready, attempts_s, _faults(history, end_s), phases, end_s, begin_s)


def _seconds(history: History, t_us: NDArray[Any]) -> NDArray[np.float64]:
    return (np.asarray(t_us, np.float64) - history.header.load_begin_us) / 1e6


def _largest(column: pd.Series[float]) -> float:
    finite = column.to_numpy(np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if finite.size else 0.0


def _phases(history: History) -> dict[Phase, float]:
    """The first beginning of each phase."""
    rows = history.rows_of(Kind.PHASE)[::-1]
    return dict(zip(map(Phase, history.code[rows].tolist()), _seconds(history, history.t_us[rows]).tolist(), strict=True))


def _faults(history: History, end_s: float) -> tuple[Fault, ...]:
    begun, healed = history.rows_of(Kind.FAULT_BEGUN), history.rows_of(Kind.FAULT_HEALED)
    ends = dict(zip(history.value[healed].tolist(), _seconds(history, history.t_us[healed]).tolist(), strict=True))
    rows = zip(
        history.value[begun].tolist(),
        history.node[begun].tolist(),
        history.code[begun].tolist(),
        _seconds(history, history.t_us[begun]).tolist(),
        strict=True,
    )
    return tuple(
        Fault(
            history.names.nodes[node], FaultKind(code).name.lower(), begin_s, max(begin_s, ends.get(fault, end_s)), fault in ends
        )
        for fault, node, code, begin_s in rows
    )


# sends ----------------------------------------------------------------------------------------------------------------


def _sends(history: History) -> pd.DataFrame:
    planned = _mentioned(history, Kind.INTEND)
    begun = history.rows_of(Kind.INTEND, Kind.INVOKE)
    intended = begun[(history.kind[begun] == Kind.INTEND) | ~planned[history.message[begun]]]
    message = history.message[intended]
    t_int_us = history.t_us[intended]
    count = len(history.message_sender)
    answered_us = np.full(count, np.nan)
    outcome = np.full(count, "open", object)
    for kind, name in ((Kind.FAIL, "failed"), (Kind.INFO, "unknown"), (Kind.OK, "ok")):  # a later ok turns unknown into ok
        rows = history.rows_of(kind)[::-1]  # of several, the first stays
        answered_us[history.message[rows]] = history.t_us[rows]
        outcome[history.message[rows]] = name
    basis = np.zeros(count, np.uint8)
    ok = history.rows_of(Kind.OK)[::-1]
    basis[history.message[ok]] = history.basis[ok]
    wait_us = answered_us[message] - t_int_us
    frame = pd.DataFrame(
        {
            "t_s": _seconds(history, t_int_us),
            "sender": history.message_sender[message],
            "conversation": history.conversation[intended],
            "outcome": outcome[message],
            "answered_s": _seconds(history, answered_us[message]),
            "ack_ms": np.where(outcome[message] == "ok", wait_us / 1e3, np.where(outcome[message] == "failed", np.nan, np.inf)),
            "basis": [Basis(value).name.lower() for value in basis[message].tolist()],
            "stored": _mentioned(history, Kind.READ_BACK)[message],
        },
        index=pd.Index(message, name="message"),
    )
    late = (frame["outcome"] == "ok") & (wait_us > history.header.contract.promise_us)
    frame.loc[late, "outcome"] = "ok_late"
    return frame


def _mentioned(history: History, *kinds: Kind) -> NDArray[np.bool_]:
    """By message, whether a row of these kinds speaks of it."""
    found = np.zeros(len(history.message_sender) + 1, np.bool_)
    found[history.message[history.rows_of(*kinds)]] = True
    return found[:-1]


# sessions -------------------------------------------------------------------------------------------------------------


def _sessions(history: History) -> pd.DataFrame:
    """Changes of readiness, one row each: ``device, t_us, node, step``, in order of time."""
    rows = history.rows_of(Kind.READY, Kind.DISCONNECTED)
    frame = pd.DataFrame(
        {
            "device": history.device[rows],
            "t_us": history.t_us[rows],
            "node": history.node[rows],
            "now": (history.kind[rows] == Kind.READY).astype(np.int64),
        }
    )
    by_device = frame.groupby("device", sort=False)
    frame["step"] = frame["now"] - by_device["now"].shift(fill_value=0)
    previous = by_device["node"].shift(fill_value=-1)
    frame["node"] = np.where(frame["step"] < 0, previous, frame["node"])
    return frame[frame["step"] != 0].drop(columns="now")


def _ready(history: History, sessions: pd.DataFrame) -> pd.DataFrame:
    names = np.array([*history.names.nodes, ""], object)
    columns = {
        "t_s": _seconds(history, sessions["t_us"].to_numpy()),
        "device": sessions["device"],
        "node": names[sessions["node"]],
        "step": sessions["step"],
    }
    return pd.DataFrame(columns).reset_index(drop=True)


def when_written(series: Series, pairs: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each of these pairs, at the instant its message was first written: whether its receiver was ready, and whether it was but its
    connection ended within the promise from then on. A message that was never written counts from its intended instant.
    """
    history = series.history
    attempts = history.rows_of(Kind.ATTEMPT)[::-1]  # of several, the first stays
    first_s = np.full(len(history.message_sender), np.nan)
    first_s[history.message[attempts]] = _seconds(history, history.t_us[attempts])
    written_s = first_s[pairs["message"]]
    written_s = np.where(np.isnan(written_s), pairs["t_s"], written_s)
    asked = pd.DataFrame({"device": pairs["device"].to_numpy(), "t_s": written_s, "place": np.arange(len(pairs))}).sort_values(
        "t_s"
    )
    changes = series.ready.sort_values("t_s", kind="stable")[["device", "t_s", "step"]]
    ends = changes[changes["step"] < 0].assign(end_s=lambda frame: frame["t_s"]).drop(columns="step")
    found = pd.merge_asof(pd.merge_asof(asked, changes, on="t_s", by="device"), ends, on="t_s", by="device", direction="forward")
    found = found.sort_values("place")
    ready = (found["step"] == 1).to_numpy()
    ended = (found["end_s"] - found["t_s"] <= history.header.contract.promise_us / 1e6).to_numpy()
    return ready, ready & ended


def _readiness(pairs: pd.DataFrame, sessions: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of each pair: whether its device was ready at ``t_us``, and the instant it next became so otherwise (infinite: never)."""
    left = pairs[["device", "t_us"]].reset_index().sort_values("t_us", kind="stable")
    right = sessions.sort_values("t_us", kind="stable")
    before = pd.merge_asof(left, right[["device", "t_us", "step"]], on="t_us", by="device")
    returns = right.loc[right["step"] > 0, ["device", "t_us"]].assign(return_us=lambda f: f["t_us"].astype(np.float64))
    after = pd.merge_asof(left, returns, on="t_us", by="device", direction="forward")
    order = np.argsort(left["index"].to_numpy(), kind="stable")
    ready = (before["step"].to_numpy() == 1)[order]
    return_us = after["return_us"].fillna(np.inf).to_numpy(np.float64)[order]
    return ready, return_us


# owed deliveries ------------------------------------------------------------------------------------------------------


def _pairs(history: History, sends: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    case = Case(history)
    pairs = _owed(case, sends)
    shown = _shown(history, case.deliveries.shown)
    pairs = pairs.merge(shown, how="left", on=["message", "device"])
    pairs["copies"] = pairs["copies"].fillna(0).astype(np.int64)
    pairs["connections"] = pairs["connections"].fillna(0).astype(np.int64)
    pairs["again_ms"] = (pairs.pop("last_us") - pairs["first_us"]) / 1e3
    pairs["t_us"] = np.round(pairs["t_s"] * 1e6).astype(np.int64) + history.header.load_begin_us
    ready, return_us = _readiness(pairs, sessions)
    ready |= ~_observed(history)[pairs["device"]]
    arrived_us = pairs.pop("first_us").fillna(np.inf).to_numpy(np.float64)
    t_us = pairs.pop("t_us").to_numpy(np.float64)
    pairs["away"] = ~ready
    pairs["arrived_s"] = _seconds(history, arrived_us)
    pairs["latency_ms"] = (arrived_us - t_us) / 1e3
    came = np.isfinite(arrived_us)
    since_us = np.where(ready | ~np.isfinite(return_us), t_us, return_us)
    pairs["after_return_ms"] = np.where(came, arrived_us - since_us, np.inf) / 1e3
    return pairs


def _observed(history: History) -> NDArray[np.bool_]:
    """By device, whether anything is recorded of its connections."""
    found = np.zeros(len(history.names.devices), np.bool_)
    found[history.device[history.rows_of(Kind.CONNECTING, Kind.READY, Kind.DISCONNECTED)]] = True
    return found


def _owed(case: Case, sends: pd.DataFrame) -> pd.DataFrame:
    """(message, device) of everything that was owed."""
    owed = case.obligations.owed
    pairs = pd.DataFrame({"message": case.obligations.message[owed], "device": case.obligations.device[owed].astype(np.int32)})
    pairs["t_s"] = sends["t_s"].loc[pairs["message"]].to_numpy()
    return pairs


def _shown(history: History, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Of each (message, device): the first and the last time it was shown, how often, and on how many connections."""
    frame = pd.DataFrame(
        {
            "message": history.message[rows],
            "device": history.device[rows],
            "first_us": history.t_us[rows].astype(np.float64),
            "connection": history.connection[rows],
        }
    )
    groups = frame.groupby(["message", "device"], sort=False)
    return pd.DataFrame(
        {
            "first_us": groups["first_us"].first(),
            "last_us": groups["first_us"].last(),
            "copies": groups.size(),
            "connections": groups["connection"].nunique(),
        }
    ).reset_index()


# over time and quantiles ----------------------------------------------------------------------------------------------


def outcomes_over_time(series: Series, bin_s: float) -> pd.DataFrame:
    """Sends per second by the bin of their intended instant (index: its beginning in seconds), one column an outcome."""
    starts = np.floor(series.sends["t_s"].to_numpy() / bin_s).astype(np.int64)
    counts = pd.crosstab(starts, series.sends["outcome"].to_numpy()).reindex(columns=list(OUTCOMES), fill_value=0)
    if starts.size:
        counts = counts.reindex(range(int(starts.min()), int(starts.max()) + 1), fill_value=0)
    counts.index = pd.Index(counts.index.to_numpy(np.float64) * bin_s, name="t_s")
    counts.columns = pd.Index(OUTCOMES)
    return counts / bin_s


def quantile(values: NDArray[np.float64], q: float) -> float:
    """The smallest value with at least the share ``q`` at or below it; infinite where so many never came, NaN where fewer than ten
    samples lie beyond."""
    place = int(np.ceil(q * values.size - 1e-9)) - 1
    if values.size - 1 - place < 10:
        return float("nan")
    return float(np.partition(values, place)[place])


def quantiles_over_time(t_s: NDArray[np.float64], values: NDArray[np.float64], window_s: float, q: float) -> pd.Series[float]:
    """A quantile of ``values`` in consecutive windows of ``t_s``, by the middle of the window in seconds."""
    window = np.floor(t_s / window_s).astype(np.int64)
    found = pd.Series(values).groupby(window).agg(lambda group: quantile(group.to_numpy(np.float64), q))
    if window.size:
        found = found.reindex(range(int(window.min()), int(window.max()) + 1))
    found.index = (found.index.to_numpy() + 0.5) * window_s
    return found


def ready_over_time(series: Series) -> pd.DataFrame:
    """Ready connections after each change, indexed by ``t_s``: one column a gateway, in order of name, and ``all``."""
    steps = series.ready.pivot_table(index="t_s", columns="node", values="step", aggfunc="sum", fill_value=0)
    levels = steps.cumsum()
    levels["all"] = levels.sum(axis=1)
    return levels
