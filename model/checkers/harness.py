"""Whether the measurement itself can be trusted: section 7 of the definitions.

These kinds never blame the product. ``clock_fault`` and ``generator_lag`` make a run harness_invalid, the second only where latency is
promised or a recovery is judged; the others leave it unknown. ``unreachable`` is here too, since it takes the same look at who was there
when the run ended.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Finding, Part, of_the_run
from model.checkers.grouped import NONE, Int, whole
from model.checkers.latency import nearest_rank
from model.checkers.sessions import Fault, same_fault
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

LAG_LEAST_US = 5_000
"""A generator may always be this late (p99)."""
LAG_SHARE = 0.05
"""Of the reported p50 of acks, if that is more."""
STEAL_MAX = 0.10
"""Share of the host's CPU that others may have in any second: beyond it both the load and the server are slower than they are."""
LOOP_LAG_MAX_US = 20_000
"""p99 of how late the event loop of the generator, or of the proxy, comes to what is due, at twenty instants a second. More than a send may
be late: in a run of ten seconds one hiccup of the machine, of an eighth of a second, is the p99."""
CLOSED_NOTE = "closed loop: senders waited for their answers, so what nobody sent while the system was slow is in no latency"
CPU_MAX = 0.70
"""Share of its core above which a generator no longer sends on time for sure."""


def judge(case: Case) -> Part:
    """Every kind that concerns the harness, and ``unreachable``."""
    header = case.history.header
    findings = (
        _clock_fault(case),
        *_generator_lag(case),
        *_fault_unproven(case),
        *_drain_incomplete(case),
        *_truncated(case),
        _unreachable(case),
    )
    how = {
        "cpu_max": header.generator_cpu_max,
        "steal_max": header.steal_max,
        "lag_p99_us": header.harness_lag_p99_us,
        "closed_loop": header.closed_loop,
    }
    return Part(findings, {"generator": how}, _notes(case))


def _notes(case: Case) -> tuple[str, ...]:
    notes = _unasked(case)
    if case.history.header.closed_loop:
        notes.append(CLOSED_NOTE)
    if case.phases.truncated:
        notes.append(f"the recording ends at {case.say.seconds(case.phases.end_us)}: only the salvaged part was judged")
    return tuple(notes)


def _unasked(case: Case) -> list[str]:
    """Processes of the server that ended by themselves: no fault killed them."""
    history, say = case.history, case.say
    killed = {(fault.node, fault.begun_us) for fault in case.faults}
    rows = history.rows_of(Kind.PROCESS_EXITED)
    ended = [(int(history.node[row]), row) for row in rows.tolist()]
    return [
        f"{say.node(node)} ended at {say.at(row)} with status {int(history.code[row])}, and no fault of the run had killed it"
        for node, row in ended
        if not any(node == at and begun_us <= history.t_us[row] for at, begun_us in killed)
    ]


# clock ----------------------------------------------------------------------------------------------------------------------


def clock_fault_row(case: Case) -> int:
    """The first row from which instants cannot be compared; past the last one where there is no clock fault."""
    finding = _clock_fault(case)
    return int(finding.rows.min(initial=len(case.history)))


def _clock_fault(case: Case) -> Finding:
    """Effects that are earlier than their causes: invoked before intended, written before invoked, ok before written, seen before sent."""
    sends, history = case.sends, case.history
    seen = case.deliveries.seen
    seen = seen[sends.scheduled[history.message[seen]]]
    message = np.arange(sends.count)
    steps = [
        (message, sends.intend_row, sends.invoke_row),
        (message, sends.invoke_row, sends.attempt_row),
        (message, np.where(sends.attempt_row >= 0, sends.attempt_row, sends.invoke_row), sends.ok_row),
        (history.message[seen], sends.begun_row[history.message[seen]], seen),
    ]
    found = [_backward(case, *step) for step in steps]
    messages, causes, effects = (np.concatenate(columns) for columns in zip(*found, strict=True))
    rows = np.minimum(causes, effects)

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        cause, effect = int(causes[i]), int(effects[i])
        names = [Kind(int(history.kind[row])).name.lower() for row in (effect, cause)]
        text = f"{case.say.message(int(messages[i]))}: {names[0]} at {case.say.at(effect)}, before its {names[1]} at {case.say.at(cause)}"
        return text, (effect, cause)

    return Finding("clock_fault", rows, messages, np.full(len(rows), NONE), tell)


def _backward(case: Case, message: Int, cause: Int, effect: Int) -> tuple[Int, Int, Int]:
    known = (cause >= 0) & (effect >= 0)
    message, cause, effect = message[known], cause[known], effect[known]
    back = case.history.t_us[effect] < case.history.t_us[cause]
    return whole(message[back]), cause[back], effect[back]


# generator ------------------------------------------------------------------------------------------------------------------


def _generator_lag(case: Case) -> list[Finding]:
    latency, recovery = bool(case.contract.latency), bool(case.faults)
    judged = (latency and "latency" not in case.without) or (recovery and "recovery" not in case.without)
    samples, ack = case.latencies.send_lag, case.latencies.ack
    texts = []
    if len(samples):
        p50_us = nearest_rank(ack, 0.5) if len(ack) else 0.0
        limit_us = max(LAG_LEAST_US, LAG_SHARE * p50_us if np.isfinite(p50_us) else 0.0)
        lag_us = nearest_rank(samples, 0.99)
        if lag_us > limit_us:
            late = "some sends were never handed over" if np.isinf(lag_us) else f"p99 of send lag is {lag_us / 1000:.1f} ms"
            texts.append(f"{late}, more than {limit_us / 1000:.1f} ms")
    loop_us = case.history.header.harness_lag_p99_us
    if loop_us is not None and loop_us > LOOP_LAG_MAX_US:
        most_ms = LOOP_LAG_MAX_US / 1000
        texts.append(f"p99 of the lag of the harness's event loops is {loop_us / 1000:.1f} ms, more than {most_ms:.1f} ms")
    cpu = case.history.header.generator_cpu_max
    if cpu is not None and cpu > CPU_MAX:
        texts.append(f"the load generator used {cpu:.0%} of its core, more than {CPU_MAX:.0%}")
    steal = case.history.header.steal_max
    if steal is not None and steal > STEAL_MAX:
        texts.append(f"other machines were given {steal:.0%} of this host's CPU in a second, more than {STEAL_MAX:.0%}")
    return [of_the_run("generator_lag", text, fails=None if judged else False) for text in texts]


# faults, drain, end ---------------------------------------------------------------------------------------------------------


def _fault_unproven(case: Case) -> list[Finding]:
    """Plans without a proof of the same id, node and kind; a proof counts once, for the first of several such plans."""
    history = case.history
    planned, begun = history.rows_of(Kind.FAULT_PLANNED), history.rows_of(Kind.FAULT_BEGUN)
    if case.phases.truncated:
        planned = planned[history.t_us[planned] <= case.phases.end_us]
    which = same_fault(history, np.concatenate([planned, begun])).tolist()
    proofs = Counter(which[len(planned) :])
    missing = []
    for row, fault in zip(planned.tolist(), which, strict=False):
        missing += [row] * (not proofs[fault])
        proofs[fault] -= proofs[fault] > 0
    return [of_the_run("fault_unproven", _planned(case, row), (row,)) for row in missing]


def told(case: Case, fault: Fault) -> str:
    """A fault in words."""
    return f"fault {fault.number} ({fault.kind} of {case.say.node(fault.node)} at {case.say.seconds(fault.begun_us)})"


def _planned(case: Case, row: int) -> str:
    number, node = int(case.history.value[row]), int(case.history.node[row])
    return f"fault {number} of {case.say.node(node)}, planned for {case.say.at(row)}, has no proof that it took effect"


def _drain_incomplete(case: Case) -> list[Finding]:
    phases, say = case.phases, case.say
    if phases.bound_row >= 0:
        text = f"the drain ran into its bound at {say.at(phases.bound_row)}"
        return [of_the_run("drain_incomplete", text, (phases.bound_row,))]
    if phases.truncated:
        return []
    texts = [] if phases.settled else ["the run ended without a quiet time after the drain"]
    texts += [f"{told(case, fault)} was never healed" for fault in case.faults if fault.healed_us < 0]
    gone = case.absences
    for device in np.flatnonzero(gone.silent)[:5].tolist():
        texts.append(f"{say.device(device)} was not connected at the end{'' if gone.trying[device] else ' and did not try'}")
    device, conversation = case.unread
    for d, g in zip(device[:5].tolist(), conversation[:5].tolist(), strict=True):
        texts.append(f"{say.device(d)} did not finish reading {say.conversation(g)} back")
    return [of_the_run("drain_incomplete", text) for text in texts]


def unread(case: Case) -> tuple[Int, Int]:
    """The (devices, conversations) that were to be read back, in an audit or in what a truncated recording lacks, and have no R."""
    deliveries, members, gone = case.deliveries, case.members, case.absences
    if case.phases.audit_row < 0 and not case.phases.truncated:
        return whole([]), whole([])
    used = np.unique(case.sends.conversation[case.sends.committed])
    there = ~(gone.unreachable | gone.silent | gone.off)[members.device] & np.isin(members.conversation, used)
    there &= members.until_us > case.phases.audit_us
    device, conversation = members.device[there], members.conversation[there]
    width = len(case.history.names.conversations) + 1
    left = deliveries.done_row(device * width + conversation) < 0
    return device[left], conversation[left]


def _truncated(case: Case) -> list[Finding]:
    if not case.phases.truncated:
        return []
    at = case.say.seconds(case.phases.end_us)
    if case.history.header.truncated:
        return [of_the_run("truncated", f"the recording ends at {at}, before the run did")]
    return [of_the_run("truncated", f"the recording stops at {at}, and no phase 'end' says that the run was complete")]


def _unreachable(case: Case) -> Finding:
    device = whole(np.flatnonzero(case.absences.unreachable))
    rows = case.absences.last_try[device]
    say = case.say

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        row = int(rows[i])
        return f"{say.device(int(device[i]))} still tried to connect at {say.at(row)} and never got in after the heal", (row,)

    return Finding("unreachable", rows, np.full(len(device), NONE), device, tell)
