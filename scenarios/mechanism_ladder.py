"""From "send and hope" to a log with cursors, one mechanism at a time: which of them takes away what, under which fault, at what cost?

Question
    Ack, retransmission and dedupe are said to give "no loss, no duplicates". Which of them does what, which fault does each answer, what is
    still missing when they are all there, and what does each cost? And the other way round: which of those of the reference design can be
    left out?

Set-up
    60 users on two gateways, direct pairs and groups of five, 100 messages a second for 16 s. The ladder begins with ``naive`` and adds one
    mechanism a rung, each because of what the one before it leaves over:

    1. *ack, retransmission*: an ack after the commit, and repetition until there is a definite answer. What was under way up is not lost.
    2. *server dedupe*: a repetition whose first try was committed is recognised in the message's own transaction.
    3. *log, cursor*: what a device missed it pulls from the log, above what it has without a hole.
    4. *device dedupe*: what a pull brings again is not shown again.
    5. *order by sequence*: what is ahead of a hole waits until that is filled.
    6. *fenced goodbye*: the end of an old connection removes no newer route.
    7. *jitter* (and the server's hint): how one comes back; that is ``cursor``.

    Order before dedupe, and dedupe before pulling, would have nothing to do: they answer what pulling brings (Saltzer, Reed, Clark:
    "End-to-End Arguments in System Design", 1984, for acks, repetition and the suppression of duplicates at the ends; Kafka's idempotent
    producer, KIP-98, and consumer offsets for rungs 2 and 3). The other arm leaves one mechanism of ``cursor`` out at a time, or puts the
    weaker form in its place. Faults, each twice or four times a run: cuts, kills of a gateway and of business, acks lost after the commit,
    half-open connections, devices that change their address, and links that lose 2 % of their segments (simulated world only).

Expectation
    Loss ends with rung 3 and not before; what is shown twice begins with it and ends with rung 4, what is out of order with rung 5. Rung 1
    alone stores messages twice where acks are lost. From rung 5 on nothing is left to find but delay. A lossy link alone harms nobody: TCP
    repeats. Of ``cursor``, whatever of rungs 1 to 5 is left out brings its anomaly back, and nothing else does.

What would surprise us
    A rung that makes something worse than it was, other than by what the next one answers; a mechanism that can be left out for nothing;
    a cost of the whole ladder above twice that of ``naive``.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from model.history.schema import Contract, Kind, Via
from model.scenario import AckLost, Cut, Fault, HalfOpen, Kill, Roam, Scenario
from model.scenario.sweep import PRESET, Axis, Choice, HeatMap, Measure, Sweep
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.replicate import Figures, Finished, common, cpu

ONE, OTHER = "gateway-1", "gateway-2"

SCENARIO = Scenario(
    name="mechanism_ladder",
    question="Ack, retransmission, dedupe, log, cursor, sequence: which takes away what, under which fault, at what cost?",
    gateways=2,
    population=PopulationPlan(users=60, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=100.0, payload_bytes=120, direct_share=0.5),
    ramp_s=1.0,
    warm_up_s=1.0,
    duration_s=16.0,
    faults=(Kill(ONE, at_s=4.0, back_s=5.0),),
    contract=Contract(fails={"outage": False, "not_recovered": False}),
    expected={"naive": "invalid", "cursor": "valid"},
    short_scale=0.25,
)

LADDER: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("naive", {}),
    ("+ ack and retransmit", {"send": "until_definite", "ack_basis": "committed"}),
    ("+ server dedupe", {"server_dedupe": "durable"}),
    ("+ log and cursor", {"delivery": "log", "catch_up": "cursor"}),
    ("+ device dedupe", {"device_dedupe": "sequence"}),
    ("+ order by sequence", {"device_order": "sequence"}),
    ("+ fenced goodbye", {"goodbye": "fenced"}),
    ("+ jitter (= cursor)", {"backoff": "full_jitter"}),
)
"""Label of a rung -> the policies it changes in all below it."""
WITHOUT: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    (
        "without ack",
        {"send": "once", "ack_basis": "none", "server_dedupe": "none"},
    ),  # what is never repeated needs no recognising
    ("with three tries", {"send": "bounded"}),
    ("with ack when received", {"ack_basis": "received"}),
    ("without server dedupe", {"server_dedupe": "none"}),
    ("with server dedupe in memory", {"server_dedupe": "recent"}),
    ("without catch-up", {"catch_up": "none"}),
    ("with catch-up from the newest", {"catch_up": "newest"}),
    ("without device dedupe", {"device_dedupe": "none"}),
    ("with order of arrival", {"device_order": "arrival"}),
    ("with unfenced goodbye", {"goodbye": "unfenced"}),
)
"""Label -> what is left out of ``cursor``, or made weaker."""


def _settings(changes: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"policies.{name}={value}" for name, value in changes.items())


def _rungs() -> tuple[Choice, ...]:
    changes: dict[str, str] = {}
    choices = []
    for label, added in LADDER:
        changes |= added
        choices.append(Choice(label, (f"{PRESET}=naive", *_settings(changes))))
    return tuple(choices)


RUNGS: Final = _rungs()
LEFT_OUT: Final = tuple(Choice(f"cursor {label}", (f"{PRESET}=cursor", *_settings(changes))) for label, changes in WITHOUT)


def _struck(label: str, *faults: Fault) -> Choice:
    return Choice(label, (f"faults={msgspec.json.encode(faults).decode()}",))


def _faults(k: float) -> Axis:
    """The faults, at times scaled by ``k``: those of an axis are not the scenario's, which its short form scales."""
    four = [(node, at_s * k) for node, at_s in ((ONE, 3.0), (OTHER, 5.0), (ONE, 7.0), (OTHER, 9.0))]
    return Axis(
        "fault",
        (
            _struck("none"),
            _struck("cut", *(Cut(node, at_s=at_s) for node, at_s in four)),
            _struck(
                "gateway killed", *(Kill(node, at_s=at_s * k, back_s=(at_s + 1) * k) for node, at_s in ((ONE, 4.0), (OTHER, 8.0)))
            ),
            _struck("business killed", *(Kill("business", at_s=at_s * k, back_s=(at_s + 1) * k) for at_s in (4.0, 8.0))),
            _struck("ack lost", *(AckLost(node, at_s=at_s, heal_s=at_s + k, count=5) for node, at_s in four)),
            _struck("half-open", *(HalfOpen(node, at_s=at_s) for node, at_s in four[:2])),
            _struck("address changed", *(Roam(node, at_s=at_s) for node, at_s in four)),
            Choice("lossy link", ("faults=[]", "network.loss=0.02", "network.delay_us=20000")),
        ),
    )


def in_short(axis: Axis, *labels: str) -> Axis:
    """An axis of a short form: of these choices, the others where they are asked for."""
    chosen = [choice.label in labels for choice in axis.choices]
    return Axis(
        axis.name, *(tuple(c for c, is_in in zip(axis.choices, chosen, strict=True) if is_in is one) for one in (True, False))
    )


SWEEP = Sweep(
    axes=(Axis("mechanisms", RUNGS + LEFT_OUT), _faults(1.0)),
    measures=(
        Measure("lost_pairs", "lost", of="owed"),
        Measure("shown_twice", "shown twice", of="owed"),
        Measure("out_of_order", "messages out of order", of="sends"),
        Measure("unsure", "never known to be sent", of="sends"),
        Measure("frames_per_delivery", "frames of messages per delivery"),
        Measure("cpu_us_per_delivery", "CPU per delivery", "us"),
        Measure("end_to_end_p99_ms", "p99, live", "ms"),
    ),
    pictures=tuple(
        HeatMap(measure, x="fault", y="mechanisms", log=False) for measure in ("lost_pairs", "shown_twice", "out_of_order")
    ),
    replications=5,
    short_axes=(
        Axis("mechanisms", RUNGS[:6]),
        in_short(_faults(SCENARIO.short_scale), "none", "gateway killed", "ack lost"),
    ),
    short_replications=2,
)


def figures(run: Finished) -> Figures:
    """What users lost, saw twice and saw out of order, and what it cost; loss in pairs of a message and a device that it was owed to."""
    history, spent, measures = run.history, cpu(run), run.judged.measures
    deliveries = history.rows_of(Kind.DELIVER)
    shown_us = history.t_us[deliveries[history.via[deliveries] != Via.OWN]]
    shown, measured = len(shown_us), _measured(run.scenario, shown_us)
    frames = len(history.rows_of(Kind.ATTEMPT)) + len(history.rows_of(Kind.WIRE))
    lost = measures.get("owed", {}).get("lost_pairs")
    found = common(run.judged)
    cpu_s = (spent["business_cpu_s"] or 0.0) + (spent["gateways_cpu_s"] or 0.0)
    return found | {
        "unsure": (found["sends"] or 0.0) - (found["ok"] or 0.0),
        "lost_pairs": None if lost is None else float(lost),
        "shown": float(shown),
        "frames_per_delivery": frames / shown if shown else None,
        "cpu_us_per_delivery": 1e6 * cpu_s / measured if measured else None,
    }


def _measured(scenario: Scenario, t_us: np.ndarray) -> int:
    """How many of some instants are in the time whose CPU is counted: from the end of the warm-up to the end of the load."""
    return int(((t_us >= scenario.at_us(scenario.warm_up_s)) & (t_us < scenario.at_us(scenario.duration_s))).sum())


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
