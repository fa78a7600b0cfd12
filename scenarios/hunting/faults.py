"""The faults of a trial: every kind that the simulated world can do, each drawn as far as its fields go.

A new kind of fault is drawn without a word here: its node is one that it may strike, its times lie within the load. What further fields
it has is one line of ``FIELDS``; at which stage a kill strikes depends on its node, too. The agenda gives a span in which the node is
not already at fault: two faults of one node at a time would leave each unproven that found nothing to strike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from model.scenario import Fault, RollingRestart, faults
from model.scenario.faults import SINGLE
from scenarios.hunting.dice import Dice

LEAST_S = 0.001
"""The shortest fault."""
KINDS: dict[str, type] = {str(kind.__struct_config__.tag): kind for kind in (*SINGLE, RollingRestart)}  # type: ignore[attr-defined]
"""Every kind by its name."""
BETWEEN = tuple(str(kind.__struct_config__.tag) for kind in (faults.Partition, faults.ColdRoutes))
"""Kinds that strike what is between gateway and business, where they are two processes."""


class Agenda:
    """When each node is at fault. Times in seconds since the load began, which lasts ``span_s``.

    ``start_s`` is how long a process takes to start, ``heartbeat_s`` the protocol's.
    """

    def __init__(self, dice: Dice, gateways: int, span_s: float, start_s: float, heartbeat_s: float) -> None:
        self.dice, self.gateways, self.span_s, self.heartbeat_s = dice, gateways, span_s, heartbeat_s
        self._start_s = start_s
        self._taken: dict[str, list[tuple[float, float]]] = {}

    def span(self, nodes: tuple[str, ...]) -> tuple[float, float] | None:
        """A time for a fault to begin and one for it to end, long or short; None where one of the nodes is at fault then."""
        at_s = round(self.dice.share("fault at") * self.span_s * 0.95, 6)
        end_s = round(at_s + self.dice.log("fault lasts", LEAST_S, self.span_s / 2), 6)
        spans = [span for node in nodes for span in self._taken.get(node, [])]
        if any(at_s <= end and begin <= end_s + self._start_s for begin, end in spans):
            return None
        for node in nodes:
            self._taken.setdefault(node, []).append((at_s, end_s + self._start_s))
        return at_s, end_s


def _share(agenda: Agenda) -> dict[str, Any]:
    return {"share": round(agenda.dice.log("share of devices", 0.1, 1.0), 3)}


def _count(agenda: Agenda) -> dict[str, Any]:
    return {"count": agenda.dice.whole("how often", 1, 4)}


def _bandwidth(agenda: Agenda) -> dict[str, Any]:
    """So little that a send takes as long as a heartbeat, or so much that it hardly shows."""
    return {"bit_s": round(agenda.dice.log("bandwidth", 1_000, 100_000) / agenda.heartbeat_s)}


def _stage(agenda: Agenda, node: str) -> dict[str, Any]:
    """At once as often as at some stage."""
    stages = faults.BUSINESS_STAGES if node == "business" else faults.GATEWAY_STAGES
    return {"stage": agenda.dice.pick("stage", stages)} if agenda.dice.chance("at a stage") else {}


FIELDS: dict[type, Callable[[Agenda], dict[str, Any]]] = {
    faults.HalfOpen: _share,
    faults.Roam: _share,
    faults.AckLost: _count,
    faults.TornFrame: lambda agenda: _count(agenda) | {"direction": agenda.dice.pick("torn", ("up", "down"))},
    faults.Blackhole: lambda agenda: {"direction": agenda.dice.pick("hole", ("up", "down", "both"))},
    faults.Delay: lambda agenda: {
        "delay_s": round(agenda.heartbeat_s * agenda.dice.log("delay", 0.01, 0.3), 6),
        "jitter_s": round(agenda.heartbeat_s * agenda.dice.log("jitter", 0.01, 0.3), 6),
    },
    faults.ClockStep: lambda agenda: {
        "by_s": round(agenda.heartbeat_s * agenda.dice.log("step", 0.1, 100.0) * agenda.dice.pick("step to", (-1, 1)), 6)
    },
    faults.Throttle: _bandwidth,
    faults.SlowConsumer: lambda agenda: _share(agenda) | _bandwidth(agenda),
    faults.NatDrop: lambda agenda: {"idle_s": round(agenda.heartbeat_s * agenda.dice.log("idle", 0.1, 1.0), 6)},
    faults.Partition: lambda agenda: {"noticed": agenda.dice.chance("noticed")},
}
"""Kind of fault -> what draws the fields that are its own."""


def _one(kind: str, agenda: Agenda) -> Fault | None:
    """A fault of a kind; None where there is no room for it."""
    made = KINDS[kind]
    if made is RollingRestart:
        return _rolling(agenda)
    node = agenda.dice.pick("node at fault", _struck(made, agenda.gateways))
    span = agenda.span((node,))
    if span is None:
        return None
    fields = _stage(agenda, node) if made is faults.Kill else FIELDS[made](agenda) if made in FIELDS else {}
    ends = {name: span[1] for name in ("back_s", "heal_s") if name in made.__struct_fields__}  # type: ignore[attr-defined]
    fault: Fault = made(node=node, at_s=span[0], **ends, **fields)
    return fault


def _struck(kind: Any, gateways: int) -> tuple[str, ...]:
    """The nodes that a kind may strike; where it may strike any, business as often as all gateways together."""
    names = tuple(f"gateway-{k}" for k in range(1, gateways + 1))
    return {"gateway": names, "business": ("business",), "any": names + ("business",) * gateways}[kind.strikes]


def _rolling(agenda: Agenda) -> Fault | None:
    nodes = tuple(f"gateway-{k}" for k in range(1, agenda.gateways + 1))
    span = agenda.span(nodes)
    if span is None:
        return None
    every_s = max(LEAST_S, round((span[1] - span[0]) / len(nodes), 6))
    down_s = max(LEAST_S, round(every_s * agenda.dice.log("down", 0.1, 0.9), 6))
    return RollingRestart(nodes, span[0], down_s, every_s, agenda.dice.pick("how", ("drain", "kill")))


def draw(agenda: Agenda, kinds: list[str], number: int) -> tuple[Fault, ...]:
    """Up to ``number`` faults of the kinds, in order of time."""
    drawn = (_one(agenda.dice.pick("kind of fault", kinds), agenda) for _ in range(number if kinds else 0))
    return tuple(sorted((fault for fault in drawn if fault is not None), key=lambda fault: fault.at_s))


def without(found: tuple[Fault, ...], node: str) -> tuple[Fault, ...]:
    """The faults that are left where a node is no more."""
    kept = list[Fault]()
    for fault in found:
        if isinstance(fault, RollingRestart):
            nodes = tuple(name for name in fault.nodes if name != node)
            kept += [msgspec.structs.replace(fault, nodes=nodes)] if nodes else []
        elif fault.node != node:
            kept.append(fault)
    return tuple(kept)
