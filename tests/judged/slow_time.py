"""The brute-force judge on time: operations, latencies, recovery; and on the harness itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from model.history.schema import Kind, LatencyPromise, Phase
from tests.judged.facts import Facts
from tests.judged.instances import Found
from tests.judged.lives import FOREVER, Life, Row

# availability -----------------------------------------------------------------------------------------------------------------

Operation = tuple[int, int, str, bool]
"""(t_int, order of the messages, message, whether it succeeded)"""
CLASSES = ("send", "delivery")


def outages(facts: Facts) -> Found:
    """Runs of failing operations longer than the budget, in every scope; classes without a success."""
    if not facts.sends:
        yield "vacuous", "", ""
    for of in CLASSES:
        every = [op for d in facts.devices for op in _operations(facts, of, [d])]
        if every and not any(op[3] for op in every):
            yield "vacuous", "", ""
            continue
        for d in facts.devices:
            yield from (("outage", first, d) for first in _runs(facts, _operations(facts, of, [d])))
        yield from (("outage", first, "") for first in _runs(facts, _operations(facts, of, ["", *facts.devices])))
        for node in {r.node for r in facts.of(Kind.DEVICE, Kind.READY) if r.node}:
            yield from (("outage", first, "") for first in _runs(facts, _operations(facts, of, facts.devices, node)))


def _gateway(facts: Facts, device: str, t: int) -> str:
    """Through which gateway a device goes at an instant: that of its last ready row, else its home."""
    ready = [r for r in facts.of(Kind.READY, device=device) if r.t <= t]
    return ready[-1].node if ready else facts.registration[device].node if device in facts.registration else ""


def _operations(facts: Facts, of: str, inside: list[str], node: str = "") -> list[Operation]:
    """The operations of a class at devices of a scope, in the order of t_int."""
    result = []
    deadline = facts.contract.deadline_us
    answered = _answered(facts)
    for number, life in enumerate(facts.lives):
        if not _counts(facts, life):
            continue
        sent = not life.sender or _known(facts, life.sender, life.t_int + deadline)
        there = [d for d in inside if not node or _gateway(facts, d, life.t_int) == node]
        if of == "send":
            if life.sender in there and answered and sent:
                result.append((life.t_int, number, life.name, bool(life.ok and life.ok.t <= life.t_int + deadline)))
            continue
        owed = [
            d
            for d in facts.must[life.name]
            if d in there
            and not facts.is_off(d, life.t_int, life.t_int + deadline)
            and not facts.trimmed(life, d)
            and _known(facts, d, life.t_int + deadline)
        ]
        if owed and (sent or life.committed):
            came = all(d in life.shown and life.shown[d].t <= life.t_int + deadline for d in owed)
            result.append((life.t_int, number, life.name, came))
    return sorted(result)


def _known(facts: Facts, device: str, due: float) -> bool:
    """Whether a device's word reaches as far: one that fell silent may have died after the last that it did or saw."""
    if device in facts.away and device not in facts.unreachable:
        return any(r.t >= due for r in facts.rows if r.device == device and Kind.INVOKE <= r.kind <= Kind.DISCONNECTED)
    return True


def _counts(facts: Facts, life: Life) -> bool:
    if not life.scheduled or life.to_be_rejected or (facts.truncated and life.t_int + facts.contract.deadline_us > facts.end):
        return False
    user = facts.user(life.sender) if life.sender else ""
    here = facts.possible.get((life.home, user), [])
    return not user or life.home not in facts.governed or any(s.meets(life.t_int, life.t_int) for s in here)


def _runs(facts: Facts, operations: list[Operation]) -> Iterator[str]:
    """The first message of each outage beyond the budget."""
    failing: list[Operation] = []
    for op in [*operations, None]:
        if op is not None and not op[3]:
            failing.append(op)
            continue
        if len(failing) >= 2:
            end = op[0] if op is not None else failing[-1][0]
            if end - failing[0][0] > facts.contract.outage_budget_us:
                yield failing[0][2]
        failing = []


# latency ----------------------------------------------------------------------------------------------------------------------

Timed = list[tuple[int, float]]
"""(t_int, value)"""


def latencies(facts: Facts) -> Found:
    """Promised quantiles that were exceeded, by nearest rank."""
    for promise in facts.contract.latency:
        if promise_kept(facts, promise) is False:
            yield "latency", "", ""


def promise_kept(facts: Facts, promise: LatencyPromise) -> bool | None:
    """Whether a promise was kept; None where there are too few samples to say."""
    samples = [sample for _, sample in _samples(facts, promise.of)]
    beyond = len(samples) - math.ceil(promise.quantile * len(samples))
    if not samples or (beyond < 1 and promise.quantile < 1):
        return True if samples and max(samples) <= promise.at_most_us else None
    return _rank(samples, promise.quantile) <= promise.at_most_us


def _samples(facts: Facts, of: str) -> Timed:
    return _acks(facts) if of == "ack" else _end_to_end(facts)


def _patience(facts: Facts, of: str) -> int:
    """After which time what has not come is taken for never."""
    promised = [p.at_most_us for p in facts.contract.latency if p.of == of]
    return max(facts.contract.promise_us, facts.contract.deadline_us, *promised, 0)


def _had_time(facts: Facts, of: str, t: float) -> bool:
    return not facts.truncated or t + _patience(facts, of) < facts.end


def _answered(facts: Facts) -> bool:
    """Whether answers to sends were recorded at all."""
    return bool(facts.of(Kind.OK, Kind.FAIL, Kind.INFO)) or not any(life.deliveries for life in facts.lives)


def _acks(facts: Facts) -> Timed:
    """Of sends that were answered, given up, or can no longer be answered."""
    result: Timed = []
    for life in facts.sends if _answered(facts) else []:
        over = _had_time(facts, "ack", life.t_int) if facts.truncated else life.info or facts.drained
        if life.ok or (life.outcome == "info" and over):
            result.append((life.t_int, life.ok.t - life.t_int if life.ok else FOREVER))
    return result


def _end_to_end(facts: Facts) -> Timed:
    """Of the class live."""
    result: Timed = []
    for life in facts.sends:
        over = _had_time(facts, "end_to_end", life.t_int) if facts.truncated else facts.drained
        for d in facts.must[life.name]:
            live = facts.ready_until(d, life.t_int) != -1
            if live and facts.owed(life, d) and (d in life.shown or over):
                result.append((life.t_int, life.shown[d].t - life.t_int if d in life.shown else FOREVER))
    return result


def _rank(samples: list[float], quantile: float) -> float:
    return sorted(samples)[max(math.ceil(quantile * len(samples)), 1) - 1]


def generator(facts: Facts) -> Found:
    """A load generator that was late itself."""
    lags: list[float] = [life.t_inv - life.t_int for life in facts.sends if life.invoke]
    never = [life for life in facts.sends if life.outcome == "never invoked" and _had_time(facts, "ack", life.t_int)]
    lags += [FOREVER] * len(never)
    acks = [sample for _, sample in _acks(facts)]
    usual = _rank(acks, 0.5) if acks else 0
    limit = max(5_000, 0.05 * usual if usual != FOREVER else 0)
    late = bool(lags) and _rank(lags, 0.99) > limit
    if late or (facts.cpu or 0) > 0.7 or (facts.steal or 0) > 0.1 or (facts.loop_lag or 0) > 20_000:
        yield "generator_lag", "", ""


# recovery ---------------------------------------------------------------------------------------------------------------------


@dataclass
class _Track:
    """Values of one class by t_int, 1 or 0 for operations, and what was usual before the first fault; None where nothing was."""

    values: Timed
    is_delay: bool
    base: float | None


def recoveries(facts: Facts) -> Found:
    """Faults after which the run was never again what it was before the first."""
    for came_back in recovered(facts):
        if came_back is False:
            yield "not_recovered", "", ""


def recovered(facts: Facts) -> list[bool | None]:
    """For each fault whether the run recovered from it; None where that cannot be said."""
    faults = facts.of(Kind.FAULT_BEGUN)
    tracks = _tracks(facts, faults[0].t) if faults else []
    judged = [track for track in tracks if track.base is not None]
    ends = load_ends(facts)
    result: list[bool | None] = []
    for fault in faults:
        healed = [r.t for r in facts.of(Kind.FAULT_HEALED) if r.value == fault.value and r.at > fault.at]
        lasted = ends - max([fault.t, *healed[:1]])
        came_back = bool(judged) and _recovers(facts, fault.t, ends, judged)
        blind = any(_within(t.values, ends, ends - fault.t + 1) for t in tracks if t.base is None)
        said = judged and (came_back or lasted >= 2 * facts.contract.window_us) and not (came_back and blind)
        result.append(came_back if said else None)
    return result


def load_ends(facts: Facts) -> int:
    """The last operation that counts, before the drain."""
    drain = [r.t for r in facts.of(Kind.PHASE) if r.code == Phase.DRAIN][:1]
    return min([max((life.t_int for life in facts.lives if _counts(facts, life)), default=0), *drain])


def _tracks(facts: Facts, fault: int) -> list[_Track]:
    """Availability of sends and deliveries, delays of acks and live deliveries, with their bases from before the first fault."""
    there = [d for d in ["", *facts.devices] if d not in facts.unreachable]
    begin, until = facts.measure, fault - 1
    tracks = []
    for of in CLASSES:
        values = [(op[0], float(op[3])) for op in _operations(facts, of, there)]
        good = _within(values, until, until - begin) if begin is not None else []
        tracks.append(_Track(values, False, sum(good) / len(good) if sum(good) else None))
    for of in ("ack", "end_to_end"):
        values = _samples(facts, of)
        windows = _windows(facts, _settled(facts, of, fault), begin, until) if begin is not None else []
        tracks.append(_Track(values, True, max((_rank(w, 0.99) for w in windows if w), default=None)))
    return tracks


def _settled(facts: Facts, of: str, fault: int) -> Timed:
    """The samples that were known when the fault came: come, given up, or past their deadline."""
    result = []
    for t, value in _samples(facts, of):
        given_up = [life.info.t for life in facts.sends if life.info and not life.ok and life.t_int == t and of == "ack"]
        over = t + value if value != FOREVER else min([t + facts.contract.deadline_us, *given_up])
        if over <= fault:
            result.append((t, value))
    return result


def _windows(facts: Facts, values: Timed, begin: int, until: int) -> list[list[float]]:
    length = min(facts.contract.window_us, until - begin)
    ends = range(begin + length, until + 1, facts.contract.window_step_us) if length > 0 else []
    return [_within(values, end, length) for end in ends]


def _within(values: Timed, end: int, length: int) -> list[float]:
    return [value for t, value in values if end - length < t <= end]


def _fine(facts: Facts, track: _Track, end: int) -> bool:
    """Whether a trailing window is as good as the base, as far as it says anything."""
    contract, base = facts.contract, track.base or 0.0
    window = _within(track.values, end, contract.window_us)
    if track.is_delay:
        return not window or _rank(window, 0.99) <= contract.recovery_latency_ratio * base
    return sum(window) >= contract.recovery_availability * base * len(window) - 1e-9


def _recovers(facts: Facts, begun: int, until: int, tracks: list[_Track]) -> bool:
    """Whether every trailing window is fine from some instant on, for one window in which something was asked for."""
    length, step = facts.contract.window_us, facts.contract.window_step_us
    for first in range(begun, until - length // step * step + 1, step):
        asked = any(first <= t <= first + length for track in tracks for t, _ in track.values)
        stretch = range(first, first + length // step * step + 1, step)
        if asked and all(_fine(facts, track, end) for track in tracks for end in stretch):
            return True
    return False


# the harness ------------------------------------------------------------------------------------------------------------------


def harness(facts: Facts) -> Found:
    """What makes the run no evidence."""
    for life in facts.lives:
        yield from (("clock_fault", life.name, "") for _ in backward(life))
    yield from (("fault_unproven", "", "") for _ in not_proven(facts))
    if facts.truncated:
        yield "truncated", "", ""
    yield from (("unreachable", "", d) for d in facts.unreachable)
    if facts.bound or (not facts.truncated and not facts.drained):
        yield "drain_incomplete", "", ""


def not_proven(facts: Facts) -> list[Row]:
    """Planned faults without a proof of their own."""
    proofs = [(r.value, r.node, r.code) for r in facts.of(Kind.FAULT_BEGUN)]
    missing = []
    for plan in facts.of(Kind.FAULT_PLANNED):
        fault = (plan.value, plan.node, plan.code)
        if fault in proofs:
            proofs.remove(fault)
        elif not (facts.truncated and plan.t > facts.end):
            missing.append(plan)
    return missing


def backward(life: Life) -> list[Row]:
    """The effects that are earlier than their causes."""
    steps = [(life.intend, life.invoke), (life.invoke, life.attempt), (life.attempt or life.invoke, life.ok)]
    steps += [(life.begun, row) for row in [*life.seen, *life.elsewhere] if life.scheduled]
    return [effect for cause, effect in steps if cause and effect and effect.t < cause.t]
