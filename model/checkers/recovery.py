"""What a fault did, and when it was over: ``not_recovered``; detection and reconnection, attempts, sends in flight.

Recovery of a fault begun at t_f is the first t >= t_f, in steps of the contract's window step, such that every trailing window that
ends between t and t + one window has an availability of at least 99 % of the base's and a p99 of at most 1.5 times the base's, for
ack and for end to end (live) apart. The base is the same run from the end of warm-up to the first fault; its p99 is the largest over
its own trailing windows, of samples that were settled when the fault came (what it cut short is no base). A window without samples
neither breaks nor proves a recovery: something must have been intended between t and t + one window. Within windows p99 is the plain
nearest rank. Devices that never came back are told as ``unreachable`` and are left out here.

The load ends with the last intended operation. A run whose load ends within two windows of the heal cannot show a recovery; nor can a
class of operations that had no base and was there after the fault. Like a missing base, that leaves the run unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.checkers.findings import Finding, Part, of_the_run
from model.checkers.grouped import Bool, Int, whole
from model.checkers.harness import told
from model.checkers.latency import Samples, summary
from model.checkers.outcome import FAIL, OK, resolved_row
from model.checkers.sessions import Fault
from model.history.schema import Contract, Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

SECOND_US = 1_000_000
WINDOWS_MAX = 1_000_000
"""Windows that are looked at: a day in steps of 0.1 s."""


def judge(case: Case) -> Part:
    """Recovery of every fault; reconnection over the whole run."""
    findings: list[Finding] = []
    unproven: list[str] = []
    details = []
    tracks = _tracks(case) if case.faults else ()
    for fault in case.faults:
        time_us = _recovery_us(case, tracks, fault)
        proven = time_us is None and _judged(case, tracks, fault)
        wanting = _wanting(case, tracks, fault, time_us)
        if wanting is not None:
            unproven.append(f"recovery from {told(case, fault)} cannot be judged: {wanting}")
        if proven:
            text = f"{told(case, fault)} was never recovered from while the load lasted"
            findings.append(of_the_run("not_recovered", text, (fault.row,), proven=len(case.history) - 1))
        details.append(_detail(case, fault, None if wanting else time_us))
    times = [detail["time_us"] for detail in details]
    worst = max(times) if times and None not in times else None
    measures = {
        "recovery": {"time_us": worst, "faults": details},
        "reconnect": _reconnect(case),
        "sends": {"in_flight_at_fault": _outcomes(case, in_flight(case, case.faults))},
    }
    return Part(tuple(findings), measures, (), tuple(unproven))


def _judged(case: Case, tracks: tuple[Track, ...], fault: Fault) -> bool:
    """Whether there is something to compare with, and the load lasted long enough to see a recovery."""
    lasted_us = _load_end_us(case) - max(fault.begun_us, fault.healed_us)
    return any(track.base is not None for track in tracks) and lasted_us >= 2 * case.contract.window_us


def _wanting(case: Case, tracks: tuple[Track, ...], fault: Fault, time_us: int | None) -> str | None:
    """What is wanting for a judgement of a recovery; None where nothing is. A class without a base may hide that there was none."""
    if all(track.base is None for track in tracks):
        return "no baseline, nothing succeeded between warm-up and first fault"
    if time_us is None and not _judged(case, tracks, fault):
        return "the load ended less than two windows after its end"
    missing = [track.of for track in tracks if track.base is None and track.has_some(fault.begun_us, _load_end_us(case))]
    return f"no baseline of {' and of '.join(missing)} between warm-up and first fault" if missing else None


def _load_end_us(case: Case) -> int:
    """The last counted operation; what is measured after it is silence."""
    t_us = case.sends.t_int_us[case.operations.intended]
    return min(case.phases.drain_us, int(t_us.max(initial=0)))


# windows --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Track:
    """What is compared before and after a fault: values of one class by their instants, sorted, and their base."""

    of: str
    is_delay: bool
    t_us: Int
    value: Samples
    base: float | None
    """The availability, or the largest p99 of a window; None where there was nothing to measure, or no success."""

    def has_some(self, begin_us: int, end_us: int) -> bool:
        """Whether there are any in [begin, end]."""
        low, high = np.searchsorted(self.t_us, begin_us, "left"), np.searchsorted(self.t_us, end_us, "right")
        return bool(low < high)

    def fine(self, ends_us: Int, contract: Contract) -> Bool:
        """Of trailing windows, whether each is as good as the base, as far as it says anything."""
        assert self.base is not None
        if self.is_delay:
            return _quick(self.t_us, self.value, ends_us, contract.window_us, contract.recovery_latency_ratio * self.base)
        count, good = _within(self.t_us, self.value, ends_us, contract.window_us)
        return good >= contract.recovery_availability * self.base * count - 1e-9


def _within(t_us: Int, value: Samples | Bool, ends_us: Int, length_us: int) -> tuple[Int, Samples]:
    """The number of values, and their sum, in each window (end - length, end]."""
    total = np.concatenate([[0.0], np.cumsum(value)])
    low, high = np.searchsorted(t_us, ends_us - length_us, "right"), np.searchsorted(t_us, ends_us, "right")
    return whole(high - low), total[high] - total[low]


def _quick(t_us: Int, value: Samples, ends_us: Int, length_us: int, limit_us: float) -> Bool:
    """Of trailing windows, whether the p99 (nearest rank) of each is within a limit: enough values are."""
    count, quick = _within(t_us, value <= limit_us, ends_us, length_us)
    return np.asarray(quick >= np.ceil(0.99 * count))


def _tracks(case: Case) -> tuple[Track, ...]:
    """Availability of sends and of deliveries, delay of acks and of live deliveries, each with its base."""
    begin_us, until_us = case.phases.measure_us, case.faults[0].begun_us - 1  # at the instant of the fault is no longer base
    samples = case.latencies
    tracks = []
    for stream in case.operations.streams("all", reachable=True):
        t_us, good = _sorted(stream.t_us, stream.good)
        count, successes = _within(t_us, good, whole([until_us]), until_us - begin_us)
        share = float(successes[0] / count[0]) if 0 <= begin_us < until_us and count[0] else 0.0
        tracks.append(Track({"send": "sends", "delivery": "deliveries"}[stream.of], False, t_us, good, share or None))
    delays = (
        ("acks", samples.ack_t_us, samples.ack, samples.ack_settled_us),
        ("live deliveries", samples.live_t_us, samples.live, samples.live_settled_us),
    )
    for of, t_us, value, settled_us in delays:
        done = settled_us <= case.faults[0].begun_us
        base = _base_p99(case, *_sorted(t_us[done], value[done]), until_us)
        tracks.append(Track(of, True, *_sorted(t_us, value), base))
    return tuple(tracks)


def _sorted(t_us: Int, value: Samples | Bool) -> tuple[Int, Samples]:
    order = np.argsort(t_us, kind="stable")
    return t_us[order], value[order].astype(np.float64)


def _base_p99(case: Case, t_us: Int, value: Samples, until_us: int) -> float | None:
    """The largest p99 over the windows of the base: the smallest limit within which all of them are."""
    begin_us = case.phases.measure_us
    length_us = min(case.contract.window_us, until_us - begin_us)
    if begin_us < 0 or length_us <= 0:
        return None
    ends_us = _ends(case, begin_us + length_us, until_us)
    inside = (t_us > begin_us) & (t_us <= ends_us[-1])
    limits = np.unique(value[inside])
    low, high = 0, len(limits)
    while low < high:
        middle = (low + high) // 2
        if _quick(t_us, value, ends_us, length_us, limits[middle]).all():
            high = middle
        else:
            low = middle + 1
    return float(limits[low]) if low < len(limits) else None


def _ends(case: Case, first_us: int, last_us: int) -> Int:
    """Where windows end, in the contract's steps; in multiples of them where there would be too many."""
    return whole(np.arange(first_us, last_us + 1, _step_us(case, last_us - first_us)))


def _step_us(case: Case, span_us: int) -> int:
    step_us = case.contract.window_step_us
    return step_us * max(1, -(-span_us // (step_us * WINDOWS_MAX)))


def _recovery_us(case: Case, tracks: tuple[Track, ...], fault: Fault) -> int | None:
    """From a fault to its recovery, None for never."""
    contract, last_us = case.contract, _load_end_us(case)
    ends = _ends(case, fault.begun_us, last_us)
    needed = contract.window_us // _step_us(case, last_us - fault.begun_us) + 1
    if len(ends) < needed:
        return None
    fine = np.ones(len(ends), np.bool_)
    for track in tracks:
        if track.base is not None:
            fine &= track.fine(ends, contract)
    begins, sums = ends[: len(ends) - needed + 1], np.concatenate([[0], np.cumsum(fine)])
    calm = (sums[needed:] - sums[:-needed] == needed) & _some(tracks, begins, begins + contract.window_us)
    return int(begins[np.argmax(calm)] - fault.begun_us) if calm.any() else None


def _some(tracks: tuple[Track, ...], begins_us: Int, ends_us: Int) -> Bool:
    """Whether anything that is judged was intended in each [begin, end]."""
    result = np.zeros(len(begins_us), np.bool_)
    for track in tracks:
        if track.base is not None:
            result |= np.searchsorted(track.t_us, begins_us, "left") < np.searchsorted(track.t_us, ends_us, "right")
    return result


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
        "in_flight": _outcomes(case, in_flight(case, (fault,))),
        "during": {"intended": int(during.sum()), "succeeded": int(sent.good[during].sum())},
    }


def _clients(case: Case, fault: Fault) -> tuple[Samples, Samples]:
    """Of each client that was connected to the node: from the fault to its loss of connection, and to its next readiness.

    A loss that the schedule ordered, or that came after a killed node was back, is not of the fault's making; a device that is
    switched off before it is back says nothing of reconnection.
    """
    history = case.history
    ready = history.rows_of(Kind.READY)
    ready = ready[(ready < fault.row)]
    devices, last = np.unique(history.device[ready][::-1], return_index=True)
    device = whole(devices)[history.node[ready[::-1][last]] == fault.node]
    begun = np.full(len(device), fault.begun_us)
    device = device[case.sessions.ready.until_us(device, begun - 1) >= 0]
    lost_us = case.sessions.ready.until_us(device, np.full(len(device), fault.begun_us - 1))
    killed = fault.kind == "kill" and fault.healed_us >= 0  # a cut is over at once, and felt later
    over_us = fault.healed_us if killed else case.phases.end_us
    hit = (lost_us <= min(over_us, case.phases.end_us)) & ~case.sessions.off.meets(device, lost_us, lost_us)
    device, lost_us = device[hit], lost_us[hit]
    back_us, kept = _back_us(case, device, lost_us)
    detection, reconnection = lost_us - fault.begun_us, np.where(back_us >= 0, back_us - fault.begun_us, np.inf)
    return detection.astype(np.float64), reconnection[kept].astype(np.float64)


def _back_us(case: Case, device: Int, lost_us: Int) -> tuple[Int, Bool]:
    """The next readiness after each loss, -1 for never; and whether the device was left switched on until then."""
    back_us = case.sessions.ready.next_begin_us(device, lost_us - 1)
    until_us = np.where(back_us >= 0, back_us, case.phases.end_us)
    return back_us, ~case.sessions.off.meets(device, lost_us, until_us)


def _short(samples: Samples) -> dict[str, Any]:
    whole_summary = summary(samples)
    return {name: whole_summary[name] for name in ("n", "infinite", "p50_us", "p90_us", "p99_us", "max_us")}


def in_flight(case: Case, faults: tuple[Fault, ...]) -> Int:
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
    """From every loss of readiness to the device's next one, ">run" for never, but for those the schedule ordered, or drew out."""
    ready = case.sessions.ready
    lost = np.flatnonzero(ready.end_us <= case.phases.end_us)
    device, lost_us = ready.device[lost], ready.end_us[lost]
    back_us, chosen = _back_us(case, device, lost_us)
    device, lost_us, back_us = device[chosen], lost_us[chosen], back_us[chosen]
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
