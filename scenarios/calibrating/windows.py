"""What was counted in a live run: differences of samples between two instants, by role.

All processes are looked at together, CPU and tally at once, so any two instants bound a window in which counts and CPU belong together,
wherever exactly they lie. A run has up to three windows: the ramp (connections are made), the load, and the audit (pages are read).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from model.core.envelopes import ATTACH, DETACH
from model.core.frames import CONNECT, GOODBYE, PING, RECEIVE_ACK, SEND, SYNC_REQUEST
from model.history.recorder import Rows
from model.history.schema import Kind, Phase
from model.scenario import Scenario
from model.scenario import tally as t
from scenarios.calibrating.fit import Point
from scenarios.running.metrics import Sample

UNSOLD = ("second", "first")
"""Terms that explain CPU but are no cost of anything that is simulated: time that passed, and what a process does for the first time."""
RESTS = tuple(f"rest_{name}" for name in t.RESTS)
GATEWAY = (
    "turn",
    *RESTS,
    "connect",
    "own",
    "forward",
    "envelope",
    "write",
    "frame_out",
    "kib",
    "first",
)
BUSINESS = (
    "turn",
    *RESTS,
    "attach",
    "send",
    "receive_ack",
    "sync",
    "page_row",
    "result",
    "envelope_out",
    "target",
    "kib",
    "first",
)
STORAGE = ("commit", *RESTS, "row", "conversation", "kib", "checkpoint", "checkpoint_kib", "read", "page_row", "page_kib")
GENERATOR = ("turn", "send", "read", "frame", "write", "connect", "page_row", "kib", "second", "first")
TERMS: Mapping[str, Sequence[str]] = {"gateway": GATEWAY, "business": BUSINESS, "storage": STORAGE, "generator": GENERATOR}
"""What each role's CPU is explained by."""


class Totals(msgspec.Struct):
    """Of all processes of a role, within a window."""

    main_us: float = 0.0
    others_us: float = 0.0
    wakes: int = 0
    tally: list[int] = msgspec.field(default_factory=lambda: [0] * t.SIZE)


class Window(msgspec.Struct, frozen=True):
    """A part of a run. ``totals``: by role."""

    name: str
    seconds: float
    totals: dict[str, Totals]

    def server_us(self) -> float:
        """CPU of the whole server."""
        return sum(found.main_us + found.others_us for role, found in self.totals.items() if role in ("gateway", "business"))

    def busy(self, cores: int) -> float:
        """The share that was busy of the server's ``cores`` or of the load process's one, whichever is more."""
        load = self.totals.get("generator", Totals())
        return max(self.server_us() / cores, load.main_us + load.others_us) / (self.seconds * 1e6)

    def points(self) -> dict[str, Point]:
        """This window as a point of each role's fit."""
        gateway, business, load = (self.totals.get(role, Totals()) for role in ("gateway", "business", "generator"))
        passed = {"second": self.seconds, "first": float(self.name.endswith(": ramp"))}
        of_load = _generator(load.wakes, gateway.tally, business.tally[t.PAGE_ROWS])
        return {
            "gateway": Point(self.name, _gateway(gateway.tally) | passed, gateway.main_us + gateway.others_us),
            "business": Point(self.name, _business(business.tally) | passed, business.main_us),
            "storage": Point(self.name, _storage(business.tally), business.others_us),
            "generator": Point(self.name, of_load | passed, load.main_us + load.others_us),
        }


def _gateway(n: Sequence[int]) -> dict[str, float]:
    return {
        **_rests(n, t.RESTED),
        "turn": n[t.TURNS],
        "connect": n[CONNECT],
        "own": n[PING] + n[GOODBYE] + n[CONNECT],
        "forward": n[SEND] + n[RECEIVE_ACK] + n[SYNC_REQUEST],
        "envelope": n[t.ENVELOPES_IN],
        "write": n[t.WRITES],
        "frame_out": n[t.FRAMES_OUT],
        "kib": (n[t.CLIENT_BYTES] + n[t.LINK_BYTES]) / 1024,
    }


def _business(n: Sequence[int]) -> dict[str, float]:
    return {
        **_rests(n, t.RESTED),
        "turn": n[t.TURNS],
        "attach": n[t.ENVELOPES + ATTACH] + n[t.ENVELOPES + DETACH],
        "send": n[SEND],
        "receive_ack": n[RECEIVE_ACK],
        "sync": n[SYNC_REQUEST],
        "page_row": n[t.PAGE_ROWS],
        "result": n[t.RESULTS],
        "envelope_out": n[t.ENVELOPES_OUT],
        "target": n[t.TARGETS],
        "kib": n[t.LINK_BYTES] / 1024,
    }


def _storage(n: Sequence[int]) -> dict[str, float]:
    return {
        **_rests(n, t.COMMIT_RESTED),
        "commit": n[t.COMMITS],
        "row": n[t.ROWS],
        "conversation": n[t.CONVERSATIONS],
        "kib": n[t.BYTES_KEPT] / 1024,
        "checkpoint": 0,  # not counted, but told by what was written (disk.with_checkpoints)
        "checkpoint_kib": 0,
        "read": n[t.READS],
        "page_row": n[t.PAGE_ROWS],
        "page_kib": n[t.PAGE_BYTES] / 1024,
    }


def _rests(n: Sequence[int], first: int) -> dict[str, float]:
    return {name: n[first + i] for i, name in enumerate(RESTS)}


def _generator(wakes: int, gateway: Sequence[int], page_rows: int) -> dict[str, float]:
    """What it read is what gateways wrote, and the other way round."""
    return {
        "turn": wakes,
        "send": gateway[SEND],
        "read": gateway[t.WRITES],
        "frame": gateway[t.FRAMES_OUT],
        "write": gateway[RECEIVE_ACK] + gateway[PING] + gateway[SYNC_REQUEST],
        "connect": gateway[CONNECT],
        "page_row": page_rows,
        "kib": gateway[t.CLIENT_BYTES] / 1024,
    }


# cutting a run into windows ----------------------------------------------------------------------------------------------------------


def cut(name: str, scenario: Scenario, samples: Sequence[Sample], rows: Rows) -> Iterator[Window]:
    """The windows of a run in which something was done."""
    by_instant: dict[int, dict[int, Sample]] = defaultdict(dict)
    for sample in samples:
        by_instant[sample.t_us][sample.pid] = sample
    instants = sorted(by_instant)
    begin_us, end_us = scenario.load_begin_us, scenario.at_us(scenario.duration_s)
    bounds = (
        ("ramp", _first(instants, 0), _last(instants, begin_us)),
        ("load", _first(instants, scenario.at_us(scenario.warm_up_s)), _last(instants, end_us)),
        ("audit", _last(instants, _phase_us(rows, Phase.AUDIT)), instants[-1] if instants else None),
    )
    for part, begin, end in bounds:
        if begin is not None and end is not None and begin < end:
            yield Window(f"{name}: {part}", (end - begin) / 1e6, _between(by_instant[begin], by_instant[end]))


def _last(instants: Sequence[int], at_us: int | None) -> int | None:
    return max((t_us for t_us in instants if at_us is not None and t_us <= at_us), default=None)


def _first(instants: Sequence[int], at_us: int) -> int | None:
    return min((t_us for t_us in instants if t_us >= at_us), default=None)


def _phase_us(rows: Rows, phase: Phase) -> int | None:
    found = rows["t_us"][(rows["kind"] == Kind.PHASE) & (rows["code"] == phase)]
    return int(found[0]) if len(found) else None


def _between(begin: Mapping[int, Sample], end: Mapping[int, Sample]) -> dict[str, Totals]:
    """By role, of the processes that were there at both instants."""
    totals: dict[str, Totals] = defaultdict(Totals)
    for pid, after in end.items():
        before = begin.get(pid)
        if before is None:
            continue
        found = totals[after.role]
        found.main_us += after.main_us - before.main_us
        found.others_us += after.others_us - before.others_us
        found.wakes += after.wakes - before.wakes
        for i, (a, b) in enumerate(zip(before.tally, after.tally, strict=False)):
            found.tally[i] += b - a
    return dict(totals)
