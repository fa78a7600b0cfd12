"""A slow and obvious judge: each kind as docs/judges.md defines it, by looking at every row for every question.

It shares nothing with the judges but the schema, and what it says can be checked by reading: what it reads off a history is in
``facts.py`` and ``lives.py``, the kinds are in ``slow_*.py``, by family. Tests hold the judges against it on random histories.
"""

from __future__ import annotations

from collections import Counter

from model.history.columns import History
from tests.judged import slow_order, slow_outcome, slow_reads, slow_time
from tests.judged.facts import Facts
from tests.judged.instances import Instance, Look

LOOKS: tuple[Look, ...] = (
    slow_outcome.outcomes,
    slow_outcome.losses,
    slow_outcome.lateness,
    slow_outcome.twice,
    slow_outcome.shown_twice,
    slow_outcome.redelivered,
    slow_order.orders,
    slow_order.disagreements,
    slow_order.causes,
    slow_order.order_changed,
    slow_reads.diverged,
    slow_reads.shrank,
    slow_reads.own_writes,
    slow_reads.watermarks,
    slow_reads.unread,
    slow_time.outages,
    slow_time.latencies,
    slow_time.generator,
    slow_time.recoveries,
    slow_time.harness,
)


def judge(history: History) -> Counter[Instance]:
    """Everything there is to find, as often as it counts, whether or not a contract forgives it or another kind explains it."""
    facts = Facts(history)
    return Counter(instance for look in LOOKS for instance in look(facts))
