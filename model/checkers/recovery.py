"""What a fault did, and when it was over: ``not_recovered``; detection and reconnection, attempts, sends in flight.

Recovery of a fault begun at t_f is the first t >= t_f, in steps of the contract's window step, such that every trailing window that
ends between t and t + one window has an availability of at least 99 % of the base's and a p99 of at most 1.5 times the base's, for
ack and for end to end (live) apart. The base is the same run from the end of warm-up to the first fault; its p99 is the largest over
its own trailing windows, of samples that were complete when the fault came (what it cut short is no base). A window without samples
says nothing against a recovery. Within windows p99 is the plain nearest rank. Devices that never came back are told as
``unreachable`` and are left out here.

A run whose load ends within two windows of the heal cannot show a recovery; like a missing base, that leaves the run unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.checkers.findings import Finding, Part, of_the_run
from model.checkers.grouped import Bool, Int, whole
from model.checkers.latency import Samples, nearest_rank, summary
from model.checkers.outcome import FAIL, OK, resolved_row
from model.checkers.sessions import Fault
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

SECOND_US = 1_000_000


def judge(case: Case) -> Part:
    """Recovery of every fault; reconnection over the whole run."""
    begin_us = case.faults[0].begun_us if case.faults else 0
    base = _base(case, begin_us) if case.faults else None
    findings: list[Finding] = []
    unproven: list[str] = []
    details = []
    for fault in case.faults:
        time_us = _recovery_us(case, base, fault) if base else None
        if time_us is None:
            _explain(case, base, fault, findings, unproven)
        details.append(_detail(case, fault, time_us))
    times = [detail["time_us"] for detail in details]
    worst = max(times) if times and None not in times else None
    measures = {
        "recovery": {"time_us": worst, "faults": details},
        "reconnect": _reconnect(case),
        "sends": {"in_flight_at_fault": _outcomes(case, _in_flight(case, case.faults))},
    }
    return Part(tuple(findings), measures, (), tuple(unproven))


def _explain(case: Case, base: Base | None, fault: Fault, findings: list[Finding], unproven: list[str]) -> None:
    """Why there is no recovery: nothing to compare with, no time to see one, or none."""
    name = f"fault {fault.number} ({fault.kind} of {case.say.node(fault.node)} at {case.say.seconds(fault.begun_us)})"
    last_us = max(fault.begun_us, fault.healed_us)
    if base is None:
        unproven.append(f"recovery from {name} cannot be judged: no baseline, nothing succeeded between warm-up and first fault")
    elif case.phases.drain_us - last_us < 2 * case.contract.window_us:
        unproven.append(f"recovery from {name} cannot be judged: the load ended less than two windows after its end")
    else:
        findings.append(of_the_run("not_recovered", f"{name} was never recovered from while the load lasted", (fault.row,)))


# windows --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Series:
    """Values by their instants, sorted."""

    t_us: Int
    value: Samples

    def window(self, end_us: int, length_us: int) -> Samples:
        """The values in (end - length, end]."""
        low, high = np.searchsorted(self.t_us, (end_us - length_us, end_us), "right")
        return self.value[low:high]


@dataclass(frozen=True, slots=True)
class Base:
    """What the run was like before the first fault."""

    availability: tuple[float, ...]
    p99_us: tuple[float, ...]


def _sorted(t_us: Int, value: Samples | Bool) -> Series:
    order = np.argsort(t_us, kind="stable")
    return Series(t_us[order], value[order].astype(np.float64))


def _rates(case: Case) -> tuple[Series, ...]:
    return tuple(_sorted(stream.t_us, stream.good) for stream in case.operations.streams("all", reachable=True))


def _delays(case: Case, known_by_us: int | None = None) -> tuple[Series, ...]:
    """Samples of ack and end to end (live); if asked for, only those that were complete at an instant."""
    samples = case.latencies
    pairs = (samples.ack_t_us, samples.ack), (samples.live_t_us, samples.live)
    if known_by_us is None:
        return tuple(_sorted(*pair) for pair in pairs)
    return tuple(_sorted(t_us[done], value[done]) for t_us, value in pairs for done in [t_us + value <= known_by_us])


def _base(case: Case, until_us: int) -> Base | None:
    """The base, None where there is none: no end of warm-up, or no success before the first fault."""
    begin_us = case.phases.measure_us
    until_us -= 1  # what is intended at the very instant of the fault is no longer base
    length_us = min(case.contract.window_us, until_us - begin_us)
    if begin_us < 0 or length_us <= 0:
        return None
    availability = [float(w.mean()) if len(w) else 0.0 for s in _rates(case) for w in [s.window(until_us, until_us - begin_us)]]
    if not availability[0]:
        return None
    ends = range(begin_us + length_us, until_us + 1, case.contract.window_step_us)
    p99 = [
        max((nearest_rank(w, 0.99) for end in ends if len(w := s.window(end, length_us))), default=np.inf)
        for s in _delays(case, until_us)
    ]
    return Base(tuple(availability), tuple(p99))


def _recovery_us(case: Case, base: Base, fault: Fault) -> int | None:
    """From a fault to its recovery, None for never."""
    contract = case.contract
    step_us, length_us = contract.window_step_us, contract.window_us
    last_us = case.phases.drain_us
    ends = whole(np.arange(fault.begun_us, last_us + 1, step_us))
    needed = length_us // step_us + 1
    if len(ends) < needed:
        return None
    fine = np.ones(len(ends), np.bool_)
    for series, wanted in zip(_rates(case), base.availability, strict=True):
        fine &= _rates_fine(series, ends, length_us, contract.recovery_availability * wanted)
    for series, p99_us in zip(_delays(case), base.p99_us, strict=True):
        limit_us = contract.recovery_latency_ratio * p99_us
        windows = (series.window(end, length_us) for end in ends.tolist())
        fine &= np.fromiter((not len(w) or nearest_rank(w, 0.99) <= limit_us for w in windows), np.bool_, len(ends))
    calm = np.convolve(fine, np.ones(needed), "valid") == needed
    return int(ends[np.argmax(calm)] - fault.begun_us) if calm.any() else None


def _rates_fine(series: Series, ends: Int, length_us: int, least: float) -> Bool:
    total = np.concatenate([[0.0], np.cumsum(series.value)])
    low, high = np.searchsorted(series.t_us, ends - length_us, "right"), np.searchsorted(series.t_us, ends, "right")
    count = high - low
    return np.asarray((count == 0) | (total[high] - total[low] >= least * count - 1e-9))


# what a fault did -----------------------------------------------------------------------------------------------------------


def _detail(case: Case, fault: Fault, time_us: int | None) -> dict[str, Any]:
    detection, reconnection = _clients(case, fault)
    sent = case.operations.streams("all")[0]
    during = (sent.t_us >= fault.begun_us) & (sent.t_us <= max(fault.healed_us, fault.begun_us))
    return {
        "id": fault.number,
        "node": case.say.node(fault.node),
        "kind": fault.kind,
        "begun_us": fault.begun_us,
        "healed_us": fault.healed_us if fault.healed_us >= 0 else None,
        "time_us": time_us,
        "detection": _short(detection),
        "reconnection": _short(reconnection),
        "in_flight": _outcomes(case, _in_flight(case, (fault,))),
        "during": {"intended": int(during.sum()), "succeeded": int(sent.good[during].sum())},
    }


def _clients(case: Case, fault: Fault) -> tuple[Samples, Samples]:
    """Of each client that was connected to the node: from the fault to its loss of connection, and to its next readiness."""
    history = case.history
    ready = history.rows_of(Kind.READY)
    ready = ready[(ready < fault.row)]
    devices, last = np.unique(history.device[ready][::-1], return_index=True)
    device = whole(devices)[history.node[ready[::-1][last]] == fault.node]
    begun = np.full(len(device), fault.begun_us)
    device = device[case.sessions.ready.until_us(device, begun - 1) >= 0]
    lost_us = case.sessions.ready.until_us(device, np.full(len(device), fault.begun_us - 1))
    hit = lost_us <= case.phases.end_us
    device, lost_us = device[hit], lost_us[hit]
    back_us = case.sessions.ready.next_begin_us(device, lost_us - 1)
    return (lost_us - fault.begun_us).astype(np.float64), np.where(back_us >= 0, back_us - fault.begun_us, np.inf)


def _short(samples: Samples) -> dict[str, Any]:
    whole_summary = summary(samples)
    return {name: whole_summary[name] for name in ("n", "infinite", "p50_us", "p90_us", "p99_us", "max_us")}


def _in_flight(case: Case, faults: tuple[Fault, ...]) -> Int:
    """Sends that were invoked before a fault and not yet answered when it came."""
    sends = case.sends
    heard = resolved_row(sends)
    held = np.zeros(sends.count, np.bool_)
    for fault in faults:
        invoked = (sends.invoke_row >= 0) & (sends.t_inv_us <= fault.begun_us)
        held |= invoked & ((heard < 0) | (sends.times(heard) > fault.begun_us))
    return whole(np.flatnonzero(held))


def _outcomes(case: Case, messages: Int) -> dict[str, int]:
    outcome = case.sends.outcome[messages]
    ok, fail = int((outcome == OK).sum()), int((outcome == FAIL).sum())
    return {"ok": ok, "fail": fail, "info": len(messages) - ok - fail}


# reconnection ---------------------------------------------------------------------------------------------------------------


def _reconnect(case: Case) -> dict[str, Any]:
    """From every loss of readiness that the schedule did not order to the device's next readiness; ">run" for never."""
    ready, off = case.sessions.ready, case.sessions.off
    lost = np.flatnonzero(ready.end_us <= case.phases.end_us)
    device, lost_us = ready.device[lost], ready.end_us[lost]
    chosen = ~off.meets(device, lost_us, lost_us)
    device, lost_us = device[chosen], lost_us[chosen]
    back_us = ready.next_begin_us(device, lost_us - 1)
    attempts = _attempts(case, device, lost_us)
    samples = np.where(back_us >= 0, back_us - lost_us, np.inf)
    return {
        **_short(samples),
        "peak_per_s": _peak(np.sort(back_us[back_us >= 0])),
        "attempts_per_client_max": int(attempts.max(initial=0)),
        "attempts_per_client_mean": float(attempts.mean()) if len(attempts) else None,
    }


def _peak(t_us: Int) -> int:
    """The most in any one second."""
    return int((np.arange(1, len(t_us) + 1) - np.searchsorted(t_us, t_us - SECOND_US, "right")).max(initial=0))


def _attempts(case: Case, device: Int, lost_us: Int) -> Int:
    """By device that lost its readiness, its connection attempts from its first loss on."""
    history = case.history
    affected, first = np.unique(device, return_index=True)
    order = np.lexsort((lost_us, device))
    first_us = lost_us[order][np.searchsorted(device[order], affected)] if len(first) else whole([])
    tries = history.rows_of(Kind.CONNECTING)
    at = np.searchsorted(affected, history.device[tries])
    inside = at < len(affected)
    tries, at = tries[inside], at[inside]
    after = (affected[at] == history.device[tries]) & (history.t_us[tries] >= first_us[at])
    return whole(np.bincount(at[after], minlength=len(affected)))
