"""The kinds of anomalies: the one table of what each is called, whether it fails a run by default, and what it implies.

``docs/judges.md`` explains each with its smallest example. A contract's ``fails`` overrides the default of a kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from model.history.schema import Contract, Header

DURATION_MAX_US = 1 << 53
"""Whole numbers up to here are exact in every language that may write a header, and sums of a few fit 64 bits."""
STEPS_MAX = 1000
"""Steps of one window: finer ones only take time."""
RESENDS_MAX = 1_000_000
CPU_SHARE_MAX = 2.0
"""A second's share of a core comes out a little above 1 at times; what is far above is a percentage."""
Blame = Literal["product", "harness", "unknown"]


class KindOfAnomaly(msgspec.Struct, frozen=True):
    """One line of the table."""

    meaning: str
    fails: bool = True
    """By default; a contract that promises live delivery or real-time order raises two of them."""
    implies: tuple[str, ...] = ()
    """Kinds that come with it for the same messages and are reported under it."""
    blame: Blame = "product"
    """What a run with it is: invalid, harness_invalid or unknown."""
    only_implied: bool = False
    """Nothing but its cause seen from elsewhere: whoever forgives the cause forgives it."""
    rests_on_time: bool = False
    """Proven by comparing instants or their order: not proven from a clock fault on."""
    rests_on_generator: bool = False
    """Proven by quantiles that count from the intended time: not proven where the load generator was late itself."""


KINDS: dict[str, KindOfAnomaly] = {
    "lost": KindOfAnomaly("owed to a device that never got it", implies=("gap",)),
    "lost_stored": KindOfAnomaly("accepted, yet in nobody's history after the run", implies=("lost",)),
    "missed_live": KindOfAnomaly("not delivered live to a ready device, came by sync", False, ("late",), rests_on_time=True),
    "late": KindOfAnomaly("first shown after the promise", False, rests_on_time=True),
    "gap": KindOfAnomaly("a device went past a position whose message never came", only_implied=True, rests_on_time=True),
    "gap_filled": KindOfAnomaly("a device went past a position whose message came later", False, rests_on_time=True),
    "trimmed": KindOfAnomaly("owed, but sync said that it is gone", False),
    "unreachable": KindOfAnomaly("a device that tried and never got in after the heal", implies=("lost", "outage")),
    "aborted_delivery": KindOfAnomaly("reported as failed, yet seen"),
    "conflicting_ack": KindOfAnomaly("two answers for one send that cannot both be true"),
    "phantom": KindOfAnomaly("shown, never sent by anyone"),
    "corrupt": KindOfAnomaly("shown with other content than was sent"),
    "misdelivery": KindOfAnomaly("shown to someone who must not see it, or in another conversation"),
    "dup_stored": KindOfAnomaly("one message at two positions"),
    "seq_conflict": KindOfAnomaly("two messages at one position"),
    "dup_app": KindOfAnomaly("shown twice on one device", implies=("redelivery",)),
    "redelivery": KindOfAnomaly("sent down again without a reason", rests_on_time=True),
    "fifo_log": KindOfAnomaly("one sender's messages stored in the wrong order", rests_on_time=True),
    "fifo_live": KindOfAnomaly("one sender's messages shown in the wrong order", rests_on_time=True),
    "disagreement": KindOfAnomaly("devices show the messages of a conversation in orders that contradict", rests_on_time=True),
    "realtime_inversion": KindOfAnomaly("stored before a message that was ok before it was sent", False, rests_on_time=True),
    "session_nonmonotonic": KindOfAnomaly(
        "shown after a message of a higher position", implies=("order_changed", "disagreement"), rests_on_time=True
    ),
    "order_changed": KindOfAnomaly("shown in another order than the history has", rests_on_time=True),
    "divergence_final": KindOfAnomaly("two devices of one user end with different histories"),
    "own_write_missing": KindOfAnomaly("one's own message missing from one's own sync", rests_on_time=True),
    "history_shrank": KindOfAnomaly("what was seen is missing from a later history"),
    "watermark_regressed": KindOfAnomaly("a confirmed watermark went back, or is not where it was put", rests_on_time=True),
    "unread_wrong": KindOfAnomaly("an unread count that reads and sends do not allow", rests_on_time=True),
    "causal_live": KindOfAnomaly("shown without, or before, what its author had seen", rests_on_time=True),
    "outage": KindOfAnomaly("operations failed in a row for longer than the budget", rests_on_time=True),
    "not_recovered": KindOfAnomaly("never back to what it was before the fault", rests_on_time=True, rests_on_generator=True),
    "latency": KindOfAnomaly("a promised quantile exceeded", rests_on_time=True, rests_on_generator=True),
    "clock_fault": KindOfAnomaly("an effect before its cause", blame="harness"),
    "generator_lag": KindOfAnomaly("the load generator was late itself", blame="harness"),
    "vacuous": KindOfAnomaly("no operation of a planned class succeeded", blame="unknown"),
    "fault_unproven": KindOfAnomaly("a planned fault without proof that it took effect", blame="unknown"),
    "drain_incomplete": KindOfAnomaly("the run ended before everything had settled", blame="unknown"),
    "truncated": KindOfAnomaly("the recording ended before the run did", blame="unknown"),
}
"""In the order in which they are reported."""


def problem(contract: Contract) -> str | None:
    """What is wrong with a contract, in words; None if the judges can judge by it."""
    return next((text for holds, text in _conditions(contract) if not holds), None)


def header_problem(header: Header) -> str | None:
    """What is wrong with a header, its contract included, in words; None if the judges can judge by it."""
    cpu, begin_us = header.generator_cpu_max, header.load_begin_us
    if cpu is not None and not 0 <= cpu <= CPU_SHARE_MAX:
        return f"generator_cpu_max is {cpu:g}; give a share of one core, 0 to 1, or null where it was not measured"
    if header.steal_max is not None and not 0 <= header.steal_max <= 1:
        return f"steal_max is {header.steal_max:g}; give a share of the host's CPU, 0 to 1, or null where it was not measured"
    lag_us = header.harness_lag_p99_us
    if lag_us is not None and not 0 <= lag_us <= DURATION_MAX_US:
        return f"harness_lag_p99_us is {lag_us:g}; give 0 to {DURATION_MAX_US} microseconds, or null where it was not measured"
    if not 0 <= begin_us <= DURATION_MAX_US:
        return f"load_begin_us is {begin_us}; give 0 to {DURATION_MAX_US} microseconds"
    return problem(header.contract)


def _conditions(contract: Contract) -> Iterator[tuple[bool, str]]:
    for kind, failing in contract.fails.items():
        yield kind in KINDS, f"contract.fails names '{kind}', which is no kind of anomaly; docs/judges.md lists them"
        yield (
            failing or KINDS[kind].blame == "product",
            f"contract.fails forgives '{kind}', but a run in which that happened proves nothing; leave it out",
        )
    for name in contract.__struct_fields__:
        if name.endswith("_us") and (found := getattr(contract, name)) is not None:
            yield _within(f"contract.{name}", found, 1 if name.startswith("window") else 0)
    yield from _of_windows(contract)
    kept = contract.retention_messages
    yield kept is None or kept >= 1, f"contract.retention_messages is {kept}; give at least 1, or null"
    resends = contract.resends_allowed
    yield 0 <= resends <= RESENDS_MAX, f"contract.resends_allowed is {resends}; give 0 to {RESENDS_MAX}"
    for promise in contract.latency:
        yield promise.of in LATENCIES, f"contract.latency is of '{promise.of}'; give {' or '.join(LATENCIES)}"
        yield 0 < promise.quantile <= 1, f"contract.latency has the quantile {promise.quantile:g}; give more than 0, at most 1"
        yield _within("at_most_us in contract.latency", promise.at_most_us, 0)


def _within(name: str, found: int, least: int) -> tuple[bool, str]:
    wanted = f"at least {least}" if found < least else f"at most {DURATION_MAX_US}"
    return least <= found <= DURATION_MAX_US, f"{name} is {found}; give {wanted} microseconds"


def _of_windows(contract: Contract) -> Iterator[tuple[bool, str]]:
    """The numbers by which recovery is judged."""
    step_us, window_us = contract.window_step_us, contract.window_us
    least_us = -(-window_us // STEPS_MAX)
    yield (
        least_us <= step_us <= window_us,
        f"contract.window_step_us is {step_us}; give {least_us} to {window_us}, at most {STEPS_MAX} steps of window_us",
    )
    share, ratio = contract.recovery_availability, contract.recovery_latency_ratio
    yield 0 < share <= 1, f"contract.recovery_availability is {share:g}; give a share of the base, more than 0, at most 1"
    yield 0 < ratio < float("inf"), f"contract.recovery_latency_ratio is {ratio:g}; give more than 0"


LATENCIES = ("ack", "end_to_end")
"""What can be promised a quantile of."""


def fails(kind: str, contract: Contract) -> bool:
    """Whether a kind fails a run under a contract."""
    promised = {"missed_live": contract.live_promised, "realtime_inversion": contract.realtime_promised}
    return contract.fails.get(kind, promised.get(kind, KINDS[kind].fails))
