"""Kills that wait, in the simulated world: a process dies the first time it stands between two steps of what it does with a message.

Rules of the file:

- A node's effects leave at the end of a turn. Most stages lie there: a trap lets go of what leaves before the stage, and the node is gone
  with the rest. What was let go arrives, as bytes do that a kernel has taken.
- ``queued`` and ``committed`` lie in the disk's commit. An append is queued when its turn ends, and what business says of that leaves a
  turn later; so the commit is held until the node has nothing left to do, and never made.
- A kill is meant for the process that is there when it is planned for, not for one that has taken its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from model.core.commands import Append
from model.core.effects import Store, TellBusiness, TellGateway, Write
from model.core.envelopes import Down, Up
from model.core.frames import DELIVER, SEND, SEND_ACK
from model.sim.access import SimGateway
from model.sim.storage import SimStorage

LOOK_US = 100
"""Between two looks at whether business has said all that it has to say."""


class Struck(Protocol):
    """Who is to be killed, and where: a case of :mod:`model.sim.faults`."""

    fault: Any
    node: Any

    @property
    def storage(self) -> SimStorage: ...

    def call_in(self, wait_us: int, call: Callable[[], None]) -> None: ...


GiveUp = Callable[[], None]
"""Ends the waiting; who stands there by then is killed."""


def arm(case: Struck, gone: Callable[[], object]) -> GiveUp:
    """Have ``gone`` happen when the node stands at the fault's stage."""
    return (_in_commit if case.fault.stage in ("queued", "committed") else _at_end_of_turn)(case, gone)


# at the end of a turn ---------------------------------------------------------------------------------------------------------------

Before = Callable[[Any, list[Any]], list[Any] | None]
"""Of a node and the effects of a turn: what leaves before the stage; None where the turn does not stand there."""


def _is_send(effect: Any) -> bool:
    return type(effect) is TellBusiness and type(effect.envelope) is Up and effect.envelope.frame.kind == SEND


def _is_append(effect: Any) -> bool:
    return type(effect) is Store and type(effect.command) is Append


def _is_fan_out(effect: Any) -> bool:
    return type(effect) is TellGateway and type(effect.envelope) is Down and effect.envelope.frame.kind == DELIVER


def _writes(kind: int) -> Callable[[SimGateway, Any], bool]:
    """Whether a gateway writes a frame of this kind to somebody who is there."""

    def is_one(node: SimGateway, effect: Any) -> bool:
        return type(effect) is Write and effect.frame.kind == kind and node.connection(effect.connection) is not None

    return is_one


def _told(out: list[Any]) -> list[Any]:
    """What business says to gateways, which leaves before commands for storage do."""
    return [effect for effect in out if type(effect) is TellGateway]


def _none_of(is_one: Callable[[Any, Any], bool]) -> Before:
    """Nothing of such a turn leaves."""
    return lambda node, out: [] if any(is_one(node, effect) for effect in out) else None


BEFORE: dict[str, Before] = {
    "read": _none_of(lambda node, effect: _is_send(effect)),
    "forwarded": lambda node, out: out if node.is_linked and any(map(_is_send, out)) else None,
    "ack_unwritten": _none_of(_writes(SEND_ACK)),
    "delivery_unwritten": _none_of(_writes(DELIVER)),
    "received": lambda node, out: _told(out) if any(map(_is_append, out)) else None,
    "acked": lambda node, out: [e for e in _told(out) if not _is_fan_out(e)] if any(map(_is_fan_out, out)) else None,
    "fanned_out": lambda node, out: _told(out) if any(map(_is_fan_out, out)) else None,
}


def _at_end_of_turn(case: Struck, gone: Callable[[], object]) -> GiveUp:
    node, life, before = case.node, case.node.life, BEFORE[case.fault.stage]

    def end() -> None:
        if node.life == life:
            gone()

    def trap(out: list[Any]) -> list[Any]:
        left = before(node, out) if node.life == life else None
        if left is None:
            return out
        node.traps.remove(trap)
        node.release(left)
        if left and node.writing_us:
            case.call_in(node.writing_us, end)  # the rest of what it writes to several
        else:
            end()
        return []

    def give_up() -> None:
        if trap in node.traps:
            node.traps.remove(trap)

    node.traps.append(trap)
    return give_up


# in a commit ------------------------------------------------------------------------------------------------------------------------


def _in_commit(case: Struck, gone: Callable[[], object]) -> GiveUp:
    node, life, storage = case.node, case.node.life, case.storage
    stands = False

    def when_all_is_said() -> None:
        if node.life == life and node.is_busy:
            case.call_in(LOOK_US, when_all_is_said)
        else:
            end()

    def end() -> None:
        if node.life == life:
            gone()

    def stand() -> bool:
        nonlocal stands
        if node.life == life and not stands:
            stands = True
            (when_all_is_said if case.fault.stage == "queued" else end)()
        return stands

    def give_up() -> None:
        storage.instead = storage.unheard = None
        if stands:
            end()  # it has been busy all the time

    if storage.instead is not None or storage.unheard is not None:  # another fault waits there
        return lambda: None
    if case.fault.stage == "queued":
        storage.instead = stand
    else:
        storage.unheard = stand
    return give_up
