"""The brute-force judge's verdict, from what it found.

Implied instances need no thought: a cause explains only where it fails the run itself. But a gap, which is nothing but a loss, fails
only where the contract names it. Not told is whether an instance lies before a clock fault: there, only what does not rest on time counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from model.history.columns import History
from model.history.schema import Contract, Kind
from tests.judged.facts import Facts
from tests.judged.instances import Instance
from tests.judged.slow_time import promise_kept, recovered

TIMELESS = {
    "lost",
    "lost_stored",
    "unreachable",
    "aborted_delivery",
    "conflicting_ack",
    "phantom",
    "corrupt",
    "misdelivery",
    "dup_stored",
    "seq_conflict",
    "dup_app",
    "divergence_final",
    "history_shrank",
}
"""Kinds that are proven whatever the clock does."""
COUNTED = {"late", "gap", "gap_filled", "trimmed"}
"""Kinds that fail no run by default."""
OF_THE_GENERATOR = {"latency", "not_recovered"}
HARNESS = {"clock_fault", "generator_lag"}
UNKNOWN = {"vacuous", "fault_unproven", "drain_incomplete", "truncated"}


def _fails(kind: str, contract: Contract) -> bool:
    promised = {"missed_live": contract.live_promised, "realtime_inversion": contract.realtime_promised}
    return contract.fails.get(kind, promised.get(kind, kind not in COUNTED))


def verdict(history: History, found: Iterable[Instance]) -> str | None:
    """The verdict; None where it hangs on what lies before a clock fault."""
    facts, contract = Facts(history), history.header.contract
    kinds = {kind for kind, _, _ in found if _fails(kind, contract)}
    late = "generator_lag" in kinds and bool(contract.latency or facts.of(Kind.FAULT_BEGUN))
    product = kinds - HARNESS - UNKNOWN
    if late:
        product -= OF_THE_GENERATOR
    if product & TIMELESS or (product and "clock_fault" not in kinds):
        return "invalid"
    if product:
        return None
    if "clock_fault" in kinds or late:
        return "harness_invalid"
    open_ = [promise_kept(facts, promise) for promise in contract.latency] + recovered(facts)
    return "unknown" if kinds & UNKNOWN or None in open_ else "valid"
