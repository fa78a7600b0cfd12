"""The words for faults, in both worlds: what goes wrong, where, from when until when.

Rules of the file:

- A fault strikes one node (``gateway-1``, ..., or ``business``) at ``at_s``, seconds from the beginning of the load; on a
  gateway, the connections it has then, or all it has while the fault lasts. ``healed_s`` is when the script may count on
  its being over: for one that lasts its ``back_s`` or ``heal_s``; one that is done as it begins has neither.
- ``share`` is the share of a gateway's devices that are struck, drawn by key.
- A :class:`RollingRestart` is a plan for several faults: ``steps`` puts them in its place, and they are what is recorded.
- The kind of a fault in the history is ``kind``; the page on the model says what each does to bytes and to either end.

Both worlds do all of them, each with proof that it took effect. Prior art: Jepsen's nemeses, and the toxics of Toxiproxy, each one
failure at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import msgspec

from model.history.schema import FaultKind, Stage

World = Literal["sim", "live"]
Strikes = Literal["any", "gateway", "business"]
Direction = Literal["up", "down", "both"]
"""From the device to the gateway, from the gateway to the device."""


KillStage = Literal[
    "",
    "read",
    "forwarded",
    "received",
    "queued",
    "committed",
    "acked",
    "fanned_out",
    "ack_unwritten",
    "delivery_unwritten",
]
"""Stages by their names in the history, where each is explained; none: at once."""
GATEWAY_STAGES: tuple[KillStage, ...] = ("read", "forwarded", "ack_unwritten", "delivery_unwritten")
BUSINESS_STAGES: tuple[KillStage, ...] = ("received", "queued", "committed", "acked", "fanned_out")


class _Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="fault"):
    """What all have in common."""

    kind: ClassVar[FaultKind]
    strikes: ClassVar[Strikes] = "gateway"

    node: str
    at_s: float

    @property
    def healed_s(self) -> float:
        """When it is over as far as the scenario knows; starting a process again takes a little longer."""
        return self.at_s


class _Lasting(_Fault, frozen=True):
    """One that is healed at an instant of its own."""

    heal_s: float

    @property
    def healed_s(self) -> float:
        return self.heal_s


class _Restart(_Fault, frozen=True):
    """One that is healed by a new process, started at ``back_s``."""

    back_s: float

    @property
    def healed_s(self) -> float:
        return self.back_s


# processes --------------------------------------------------------------------------------------------------------------------------


class Kill(_Restart, frozen=True, tag="kill", omit_defaults=True):
    """The node's process is gone (kill -9) and started again later: at once, or the first time from ``at_s`` on that it stands at a
    ``stage`` between two steps of what it does with a message (``GATEWAY_STAGES``, ``BUSINESS_STAGES``). One that does not stand
    there before ``back_s`` lives on."""

    kind = FaultKind.KILL
    strikes = "any"

    stage: KillStage = ""


class Drain(_Restart, frozen=True, tag="drain"):
    """A gateway is asked to go (SIGTERM): it tells every client, closes, ends; and is started again later."""

    kind = FaultKind.DRAIN


class Deaf(_Restart, frozen=True, tag="deaf"):
    """A gateway's process is gone, but its port still accepts, as where a supervisor holds the listening socket: who
    connects meanwhile waits in vain."""

    kind = FaultKind.DEAF


class Pause(_Lasting, frozen=True, tag="pause"):
    """The node's process stands still (SIGSTOP), and then goes on (SIGCONT) with all that has come meanwhile."""

    kind = FaultKind.PAUSE
    strikes = "any"


class DiskFull(_Restart, frozen=True, tag="disk_full"):
    """There is no more room on the disk: business ends at the next commit rather than go on in doubt, and is started again when there
    is room."""

    kind = FaultKind.DISK_FULL
    strikes = "business"


class ClockStep(_Fault, frozen=True, tag="clock_step"):
    """The clock that the node's process reads jumps, forward or back; a new process has the right one."""

    kind = FaultKind.CLOCK_STEP
    strikes = "any"

    by_s: float = 60.0


class StorageStall(_Lasting, frozen=True, tag="storage_stall"):
    """The disk answers nothing: commits and reads under way, and what comes after them, wait until it is healed."""

    kind = FaultKind.STORAGE_STALL
    strikes = "business"


# connections ------------------------------------------------------------------------------------------------------------------------


class Cut(_Fault, frozen=True, tag="cut"):
    """Every client connection of a gateway is reset; the gateway itself goes on."""

    kind = FaultKind.CUT


class HalfOpen(_Fault, frozen=True, tag="half_open"):
    """The gateway has lost connections and says nothing: their clients believe in them, and what they send vanishes."""

    kind = FaultKind.HALF_OPEN
    share: float = 1.0


class Roam(_Fault, frozen=True, tag="roam"):
    """Devices change their address: they know their connections are dead and connect again at once, while the gateway
    believes in the old ones; so a session is taken over while its connection is half open."""

    kind = FaultKind.ROAM
    share: float = 1.0


class AckLost(_Lasting, frozen=True, tag="ack_lost"):
    """A connection is cut after the commit of a send and before its ack leaves, ``count`` times."""

    kind = FaultKind.ACK_LOST
    count: int = 1


class TornFrame(_Lasting, frozen=True, tag="torn_frame"):
    """A connection is reset in the middle of a frame of a message, ``count`` times: the half that arrived is no frame."""

    kind = FaultKind.TORN_FRAME
    count: int = 1
    direction: Literal["up", "down"] = "down"


# networks ---------------------------------------------------------------------------------------------------------------------------


class Blackhole(_Lasting, frozen=True, tag="blackhole"):
    """Nothing passes between a gateway and its devices in a direction, and nobody is told; TCP sends it again until it does."""

    kind = FaultKind.BLACKHOLE
    direction: Direction = "both"


class Refuse(_Lasting, frozen=True, tag="refuse"):
    """A gateway's port refuses connections; those that it has go on."""

    kind = FaultKind.REFUSE


class Delay(_Lasting, frozen=True, tag="delay"):
    """All that passes between a gateway and its devices takes longer, each way: by ``delay_s`` and, evenly spread, up to ``jitter_s`` more.
    Nothing is overtaken."""

    kind = FaultKind.DELAY
    delay_s: float = 0.2
    jitter_s: float = 0.0


class Throttle(_Lasting, frozen=True, tag="throttle"):
    """The bandwidth of each of a gateway's connections collapses, both ways."""

    kind = FaultKind.THROTTLE
    bit_s: float = 8_000.0


class SlowConsumer(_Lasting, frozen=True, tag="slow_consumer"):
    """Devices read this slowly: what is sent to them fills the buffers, then the gateway's queue for them."""

    kind = FaultKind.SLOW_CONSUMER
    share: float = 0.1
    bit_s: float = 8_000.0


class NatDrop(_Lasting, frozen=True, tag="nat_drop"):
    """A NAT before the gateway forgets every connection that is silent both ways for ``idle_s``: neither end is told."""

    kind = FaultKind.NAT_DROP
    idle_s: float


class Partition(_Lasting, frozen=True, tag="partition"):
    """Nothing passes between a gateway and business. ``noticed``: both see the link end, as where a keep-alive finds out,
    and link again when it is healed; else what they send waits and arrives then."""

    kind = FaultKind.PARTITION
    noticed: bool = False


class ColdRoutes(_Lasting, frozen=True, tag="cold_routes"):
    """Business forgets which sessions a gateway has, all gateways' for ``business``, as where a session registry is
    flushed; when it is healed the gateways announce them again."""

    kind = FaultKind.COLD_ROUTES
    strikes = "any"


# plans ------------------------------------------------------------------------------------------------------------------------------


class RollingRestart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="fault", tag="rolling_restart"):
    """Gateways are restarted one after another, one every ``every_s``, each away for ``down_s``."""

    nodes: tuple[str, ...]
    at_s: float
    down_s: float
    every_s: float
    how: Literal["drain", "kill"] = "drain"

    @property
    def healed_s(self) -> float:
        """When the last one is to be back."""
        return max((step.healed_s for step in self.steps), default=self.at_s)

    @property
    def steps(self) -> tuple[Drain | Kill, ...]:
        """What happens to each of them."""
        make = Drain if self.how == "drain" else Kill
        starts = [self.at_s + i * self.every_s for i in range(len(self.nodes))]
        return tuple(make(node, at_s, at_s + self.down_s) for node, at_s in zip(self.nodes, starts, strict=True))


Single = (
    Kill
    | Drain
    | Deaf
    | Pause
    | StorageStall
    | DiskFull
    | ClockStep
    | Cut
    | HalfOpen
    | Roam
    | AckLost
    | TornFrame
    | Blackhole
    | Refuse
    | Delay
    | Throttle
    | SlowConsumer
    | NatDrop
    | Partition
    | ColdRoutes
)
"""A fault of one node."""
Fault = Single | RollingRestart

FAULTS: tuple[type, ...] = Fault.__args__  # a union knows its members
SINGLE: tuple[type, ...] = Single.__args__

TAGS: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in FAULTS)  # type: ignore[attr-defined]
"""What faults are called where scenarios are written."""

_TIMES = ("at_s", "back_s", "heal_s", "idle_s", "down_s", "every_s")


def tag(fault: Fault) -> str:
    """What a fault is called where scenarios are written."""
    return str(fault.__struct_config__.tag)


def steps(faults: Iterable[Fault]) -> tuple[Single, ...]:
    """The faults of single nodes that a scenario's faults come to, in the order in which they are numbered."""
    found: list[Single] = []
    for fault in faults:
        found += fault.steps if isinstance(fault, RollingRestart) else (fault,)
    return tuple(found)


def stage(fault: Fault) -> int:
    """The stage at which a fault strikes, by its number in the history; 0 for none."""
    return Stage[fault.stage.upper()] if isinstance(fault, Kill) and fault.stage else 0


def scaled(fault: Fault, factor: float) -> Fault:
    """The same in a run that is shortened: its times are multiplied, its shares, counts and bandwidths kept."""
    times = {name: getattr(fault, name) * factor for name in _TIMES if name in fault.__struct_fields__}
    return msgspec.structs.replace(fault, **times)


# what cannot be ---------------------------------------------------------------------------------------------------------------------


def struck(fault: Fault, gateways: int) -> list[str]:
    """The nodes that a fault of this kind may strike."""
    names = [f"gateway-{k}" for k in range(1, gateways + 1)]
    strikes = "gateway" if isinstance(fault, RollingRestart) else fault.strikes
    return {"gateway": names, "business": ["business"], "any": [*names, "business"]}[strikes]


def problems(fault: Fault) -> Iterator[str]:
    """What is wrong with a fault by itself, in words that begin with a field's name; ``node`` and ``at_s`` are the scenario's matter."""
    for name in ("back_s", "heal_s"):
        value = getattr(fault, name, math.inf)
        if name in fault.__struct_fields__ and not (fault.at_s <= value <= 86_400):
            yield f"{name} is {value:g}; give a time after at_s"
    for name in ("down_s", "every_s", "idle_s"):
        if name in fault.__struct_fields__ and not 0 < getattr(fault, name) <= 86_400:
            yield f"{name} is {getattr(fault, name):g}; give more than 0 seconds"
    share, count, rate = getattr(fault, "share", 1.0), getattr(fault, "count", 1), getattr(fault, "bit_s", 1.0)
    if not 0 < share <= 1:
        yield f"share is {share:g}; give a share above 0, up to 1"
    for name, least in (("delay_s", 0.0), ("jitter_s", 0.0), ("by_s", -86_400)):
        value = getattr(fault, name, 0.0)
        if not least <= value <= 86_400:
            yield f"{name} is {value:g}; give {'seconds from 0' if not least else 'at most a day'}"
    if isinstance(fault, ClockStep) and not fault.by_s:
        yield "by_s is 0; give seconds, below 0 for a jump back"
    if isinstance(fault, Delay) and not fault.delay_s + fault.jitter_s:
        yield "delay_s and jitter_s are 0; give one of them"
    if count < 1:
        yield f"count is {count}; give at least 1"
    if not 0 < rate < math.inf:
        yield f"bit_s is {rate:g}; give more than 0 bits per second"
    if isinstance(fault, Kill) and fault.stage:
        stages = BUSINESS_STAGES if fault.node == "business" else GATEWAY_STAGES
        if fault.stage not in stages:
            yield f"stage is {fault.stage}, where {fault.node} never stands; give one of {', '.join(stages)}"
    if isinstance(fault, RollingRestart) and not fault.nodes:
        yield "nodes is empty; name the gateways to restart, in order"
