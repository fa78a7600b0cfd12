"""The faults of a trial: a table of kinds, each with a maker that draws one of its kind.

A new kind of fault is one line of ``MAKERS``. What a maker asks the agenda for is a span in which its node is not already at fault: two
faults of one node at a time would be one fault with another name.
"""

from __future__ import annotations

from collections.abc import Callable

from model.scenario import Cut, Fault, Kill
from scenarios.hunting.dice import Dice

LEAST_S = 0.001
"""The shortest absence of a node."""


class Agenda:
    """When each node is at fault. Times in seconds since the load began, which lasts ``span_s``."""

    def __init__(self, dice: Dice, gateways: int, span_s: float, start_s: float) -> None:
        self.dice, self.span_s = dice, span_s
        self.gateways = [f"gateway-{k}" for k in range(1, gateways + 1)]
        self._start_s = start_s
        self._taken: dict[str, list[tuple[float, float]]] = {}

    def span(self, node: str) -> tuple[float, float] | None:
        """A time for a fault to begin and one for it to end, long or short; None where the node is at fault then."""
        at_s = round(self.dice.share("fault at") * self.span_s * 0.95, 6)
        back_s = round(at_s + self.dice.log("fault lasts", LEAST_S, self.span_s / 2), 6)
        spans = self._taken.setdefault(node, [])
        if any(at_s <= end and begin <= back_s + self._start_s for begin, end in spans):
            return None
        spans.append((at_s, back_s + self._start_s))
        return at_s, back_s


def _kill(node: str, agenda: Agenda) -> Fault | None:
    span = agenda.span(node)
    return Kill(node, *span) if span else None


def _gateway(agenda: Agenda) -> str:
    return agenda.dice.pick("fault of gateway", agenda.gateways)


def _cut(agenda: Agenda) -> Fault | None:
    node = _gateway(agenda)
    span = agenda.span(node)
    return Cut(node, span[0]) if span else None


MAKERS: dict[str, Callable[[Agenda], Fault | None]] = {
    "kill of a gateway": lambda agenda: _kill(_gateway(agenda), agenda),
    "kill of business": lambda agenda: _kill("business", agenda),
    "cut": _cut,
}
"""Kind of fault -> what draws one; None where there is no room for it."""


def draw(agenda: Agenda, kinds: list[str], number: int) -> tuple[Fault, ...]:
    """Up to ``number`` faults of the kinds, in order of time."""
    drawn = (MAKERS[agenda.dice.pick("kind of fault", kinds)](agenda) for _ in range(number if kinds else 0))
    return tuple(sorted((fault for fault in drawn if fault is not None), key=lambda fault: fault.at_s))
