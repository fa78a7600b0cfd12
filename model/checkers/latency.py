"""How late: section 5 of the definitions, and the promises made of it.

Rules of the file:

- Samples are exact, from t_int; nothing is moved or dropped because the system was slow. What was owed and never came is infinite.
- Classes are never pooled: live, catch-up, push. ``service`` (of the ack) and ``end_to_end_service`` (live) are the uncorrected
  numbers, from the first write instead of t_int: what most load tools report. They stand beside the others and are in no promise.
- A quantile is the nearest rank. It is withheld (null) with fewer than ten samples beyond it; the largest value is always given.
- A promise is judged on the nearest rank as soon as its quantile has one sample beyond it; with fewer samples a largest value within the
  promise keeps it, and any other leaves it open, which makes the run unknown. A quantile of 1 is the largest value.
- What never came is infinite only where that is known: after a completed drain, or where a sender's client gave up. Of a truncated
  recording what is still open counts once it has waited longer than any number it is measured by; else it is left out.
- Negative samples stay in; they are a ``clock_fault``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.checkers.findings import Finding, Part, of_the_run
from model.checkers.grouped import Bool, Int
from model.checkers.loss import delivery_begin_us
from model.checkers.outcome import INFO, OK
from model.history.schema import LatencyPromise

if TYPE_CHECKING:
    from model.checkers.case import Case

Samples = NDArray[np.float64]
BEYOND_MIN = 10
"""Samples that must lie beyond a quantile for it to be printed."""
QUANTILES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999}
CURVE = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 0.99999)
OVER_RUN = ">run"
"""Printed in place of infinity."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Samples in microseconds, infinite for what never came, with the instants (t_int) they belong to."""

    ack: Samples
    ack_t_us: Int
    ack_settled_us: Int
    """When it was known: at the ok, for an infinite one when the client gave up or its deadline passed."""
    live: Samples
    live_t_us: Int
    live_settled_us: Int
    catch_up: Samples
    push: Samples
    fan_out: Samples
    send_lag: Samples
    service: Samples
    end_to_end_service: Samples


def judge(case: Case) -> Part:
    """Quantiles of every class, and promises that were not kept."""
    samples = case.latencies
    measures = {
        "ack": summary(samples.ack),
        "end_to_end_live": summary(samples.live),
        "end_to_end_catch_up": summary(samples.catch_up),
        "push": summary(samples.push),
        "fan_out": summary(samples.fan_out),
        "send_lag": summary(samples.send_lag),
        "service": summary(samples.service),
        "end_to_end_service": summary(samples.end_to_end_service),
    }
    kept = [(promise, exceeded(_of(samples, promise), promise)) for promise in case.contract.latency]
    findings = tuple(_broken(case, promise) for promise, broken in kept if broken)
    unproven = tuple(f"{_named(promise)} cannot be judged: too few samples" for promise, broken in kept if broken is None)
    return Part(findings, {"latency": measures}, (), unproven)


def _of(samples: Latencies, promise: LatencyPromise) -> Samples:
    return samples.ack if promise.of == "ack" else samples.live


def _named(promise: LatencyPromise) -> str:
    return f"the promise of {promise.of} p{promise.quantile * 100:g} <= {promise.at_most_us / 1000:g} ms"


def _broken(case: Case, promise: LatencyPromise) -> Finding:
    of = _of(case.latencies, promise)
    value = printed(nearest_rank(of, promise.quantile))
    shown = "> run" if value == OVER_RUN else f"{float(value or 0) / 1000:g} ms"
    never = int(np.isinf(of).sum())
    text = f"{_named(promise)} is exceeded: {shown}, n {len(of)}, of which {never} never came"
    return of_the_run("latency", text, proven=len(case.history) - 1)


def exceeded(samples: Samples, promise: LatencyPromise) -> bool | None:
    """Whether a promise was broken; None where there are too few samples to say."""
    enough = len(samples) - math.ceil(promise.quantile * len(samples)) >= 1
    if enough or (promise.quantile == 1 and len(samples)):
        return nearest_rank(samples, promise.quantile) > promise.at_most_us
    return False if len(samples) and samples.max() <= promise.at_most_us else None


# samples --------------------------------------------------------------------------------------------------------------------


def measure(case: Case) -> Latencies:
    """All samples of a run, but for those that are still open."""
    sends, pairs = case.sends, case.obligations
    given_up = sends.info_row >= 0
    known = (sends.outcome == OK) | ((sends.outcome == INFO) & _never(case, "ack", sends.t_int_us, given_up))
    ack_at = np.flatnonzero(sends.scheduled & known & case.operations.answered)
    ack = _since(sends.t_ok_us[ack_at], sends.t_int_us[ack_at], sends.ok_row[ack_at] >= 0)
    due_us = sends.t_int_us + case.contract.deadline_us
    ended_us = np.where(given_up, np.minimum(sends.times(sends.info_row), due_us), due_us)
    begin_us, live = delivery_begin_us(case)
    came = pairs.row >= 0
    owed = pairs.owed & (came | _never(case, "end_to_end", begin_us))
    end_to_end = _since(pairs.t_us, begin_us, came)
    t_int_us = sends.t_int_us[pairs.message]
    settled_us = np.where(came, pairs.t_us, due_us[pairs.message])
    lag = sends.scheduled & ((sends.invoke_row >= 0) | (_had_time(case, "ack", sends.t_int_us) & (sends.outcome == 0)))
    service = np.flatnonzero((sends.ok_row >= 0) & (sends.attempt_row >= 0))
    written = owed & live & came & (sends.attempt_row[pairs.message] >= 0)
    return Latencies(
        ack=ack,
        ack_t_us=sends.t_int_us[ack_at],
        ack_settled_us=np.where(sends.ok_row >= 0, sends.t_ok_us, ended_us)[ack_at],
        live=end_to_end[owed & live],
        live_t_us=t_int_us[owed & live],
        live_settled_us=settled_us[owed & live],
        catch_up=end_to_end[owed & ~live],
        push=_push(case),
        fan_out=_fan_out(pairs.message[owed], _since(pairs.t_us, t_int_us, came)[owed]),
        send_lag=_since(sends.t_inv_us, sends.t_int_us, sends.invoke_row >= 0)[lag],
        service=_since(sends.t_ok_us[service], sends.times(sends.attempt_row)[service], service >= 0),
        end_to_end_service=(pairs.t_us - sends.times(sends.attempt_row)[pairs.message])[written].astype(np.float64),
    )


def _since(end_us: Int, begin_us: Int, came: Bool) -> Samples:
    return np.where(came, end_us - begin_us, np.inf).astype(np.float64)


def _never(case: Case, of: str, since_us: Int, given_up: Bool | None = None) -> Bool:
    """Of what has not come, what is known never to come, or to be later than anything it is measured by."""
    if case.phases.truncated:
        return _had_time(case, of, since_us)
    gave_up = np.zeros(len(since_us), np.bool_) if given_up is None else given_up
    return gave_up | case.drained


def _had_time(case: Case, of: str, since_us: Int) -> Bool:
    """What has waited, in a recording that broke off, longer than any number by which it is judged."""
    if not case.phases.truncated:
        return np.ones(len(since_us), np.bool_)
    contract = case.contract
    promised = [promise.at_most_us for promise in contract.latency if promise.of == of]
    return np.asarray(since_us + max(contract.promise_us, contract.deadline_us, *promised) < case.phases.end_us)


def _fan_out(message: Int, samples: Samples) -> Samples:
    """The largest sample of each message."""
    order = np.argsort(message, kind="stable")
    if not len(order):
        return samples
    starts = np.flatnonzero(np.diff(message[order], prepend=-1))
    return np.maximum.reduceat(samples[order], starts)


def _push(case: Case) -> Samples:
    """From t_int to each notification."""
    rows = case.deliveries.pushed
    message = case.history.message[rows]
    known = case.sends.scheduled[message]
    return np.asarray((case.history.t_us[rows] - case.sends.t_int_us[message])[known], np.float64)


# quantiles ------------------------------------------------------------------------------------------------------------------


def nearest_rank(samples: Samples, quantile: float) -> float:
    """The quantile of at least one sample, by nearest rank."""
    rank = max(0, math.ceil(quantile * len(samples)) - 1)
    return float(np.partition(samples, rank)[rank])


def printed(value: float | None) -> float | str | None:
    """A number of a report: ">run" where it is infinite."""
    if value is None:
        return None
    return OVER_RUN if math.isinf(value) else value


def _quantile(ordered: Samples, quantile: float) -> float | None:
    """Of sorted samples; None with fewer than ten beyond it."""
    rank = math.ceil(quantile * len(ordered))
    return float(ordered[rank - 1]) if rank and len(ordered) - rank >= BEYOND_MIN else None


def summary(samples: Samples) -> dict[str, Any]:
    """Number, censored number, quantiles, largest, and a curve of [quantile, microseconds] for plots."""
    ordered = np.sort(samples)
    curve = [(q, printed(_quantile(ordered, q))) for q in CURVE]
    return {
        "n": len(ordered),
        "infinite": int(np.isinf(ordered).sum()),
        **{name: printed(_quantile(ordered, q)) for name, q in QUANTILES.items()},
        "max_us": printed(float(ordered[-1])) if len(ordered) else None,
        "curve": [[q, value] for q, value in curve if value is not None],
    }
