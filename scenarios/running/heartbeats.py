"""The heartbeats of a run, which no history records, worked out again from what it does record; and the zombies between them.

When a device pings is the rules' to say, and all that they go by is in a history: when it was ready, when it said or heard something,
when it gave a connection up. So the rules (:mod:`model.core.heartbeat`) are asked again, device by device, for both worlds alike. In the
simulated world that is exact but for what comes between a ping and its pong; in the live one a ping is late by the few
milliseconds of a timer, and each one adds them to the next. Rules of the file:

- A connection is *dropped* where a device gave it up for want of a pong: it ends without a reason, a pong time-out after a ping.
- It was a *zombie* from the break until then. Where a fault broke it, that is when the fault began; where a NAT forgot it, the
  end of the first silence that was too long.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from model.core import draws
from model.core.heartbeat import Heartbeat
from model.history.columns import History
from model.history.schema import FaultKind, Kind
from model.scenario import NatDrop
from scenarios.running.replicate import Finished

SLACK_US: Final = 20_000
"""By which a live client may take a time-out late without being taken for one that ended otherwise."""
_HEARD = (Kind.READY, Kind.OK, Kind.WIRE, Kind.RECEIVE_CONFIRMED, Kind.SYNC_DONE, Kind.READ_BACK_DONE)
_SAID = (Kind.CONNECTING, Kind.ATTEMPT, Kind.SYNC_REQUEST)


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a device. Instants in microseconds, sorted."""

    device: int
    """Its place among the history's devices."""
    ready_us: int
    end_us: int
    dropped: bool
    """Whether it ended for want of a pong."""
    pings_us: list[int]
    heard_us: int
    """When anything was heard last: a row, or the pong of a ping."""
    traffic_us: list[int]
    """When the device said or heard something, pings among it, connecting too; not the pongs."""


def sessions(run: Finished) -> list[Session]:
    """All sessions of a run, device by device, with their pings."""
    adaptive, end_us = run.scenario.preset(run.preset).heartbeat == "adaptive", run.end_us
    heard, said = _instants(run.history, *_HEARD), _instants(run.history, *_SAID)
    lives = _lives(run.history, end_us)
    found = []
    for device, name in enumerate(run.history.names.devices):
        beat = Heartbeat(run.scenario.timers)
        draw = draws.draws(run.history.header.seed, int(name.removeprefix("d")))
        for connection, ready_us, ended_us, open_end in lives.get(device, []):
            phase = draw(draws.HEARTBEAT_PHASE, connection)
            found.append(
                _session(run, beat, adaptive, device, phase, (ready_us, ended_us), open_end, heard[device], said[device])
            )
    return found


def _session(
    run: Finished,
    beat: Heartbeat,
    adaptive: bool,
    device: int,
    phase: float,
    span: tuple[int, int],
    open_end: bool,
    heard: list[int],
    said: list[int],
) -> Session:
    """One session, and ``beat`` as it leaves it. ``open_end``: it ended without a reason of the server's."""
    (ready_us, end_us), timers = span, run.scenario.timers
    fixed_us = timers.heartbeat_us
    last = spoken = heard[max(0, bisect_left(heard, end_us) - 1)]
    beat.stirred()
    pings: list[int] = []
    due = ready_us + int((0.5 + phase / 2) * (beat.interval_us if adaptive else fixed_us))
    before, unanswered = ready_us, end_us - timers.pong_timeout_us - SLACK_US if open_end else end_us
    while due < end_us:
        if bisect_left(heard, due) > bisect_right(heard, before) or bisect_left(said, due) > bisect_right(said, before):
            beat.stirred()
        beat.pinged()
        pings.append(due)
        before, due = due, due + (beat.interval_us if adaptive else fixed_us)  # as it is before this one is answered
        if before < unanswered:
            beat.answered()
            last = max(last, before)
    dropped = open_end and spoken < unanswered  # a row would say that the other end lived
    if dropped:
        beat.unanswered()
    traffic = [*_within(heard, ready_us, end_us), *_within(said, ready_us, end_us), *pings]
    return Session(device, ready_us, end_us, dropped, pings, last, sorted(traffic))


def _within(instants: list[int], begin_us: int, end_us: int) -> list[int]:
    return instants[bisect_left(instants, begin_us) : bisect_left(instants, end_us)]


def _instants(history: History, *kinds: Kind) -> list[list[int]]:
    """By device, when it has rows of some kinds."""
    rows = history.rows_of(*kinds)
    found: list[list[int]] = [[] for _ in history.names.devices]
    for device, t_us in zip(history.device[rows].tolist(), history.t_us[rows].tolist(), strict=True):
        found[device].append(t_us)
    return found


def _lives(history: History, end_us: int) -> dict[int, list[tuple[int, int, int, bool]]]:
    """By device: (connection, ready, end, whether it ended without a reason of the server's) of each session."""
    found: dict[int, list[tuple[int, int, int, bool]]] = {}
    for row in history.rows_of(Kind.READY, Kind.DISCONNECTED).tolist():
        device, connection, t_us = int(history.device[row]), int(history.connection[row]), int(history.t_us[row])
        lives = found.setdefault(device, [])
        if history.kind[row] == Kind.READY:
            lives.append((connection, t_us, end_us, False))
        elif lives and lives[-1][0] == connection:
            lives[-1] = (connection, lives[-1][1], t_us, bool(history.code[row] == 0))
    return found


# zombies ---------------------------------------------------------------------------------------------------------------------------


def zombies_us(run: Finished, found: list[Session]) -> list[int]:
    """How long each dropped connection was a zombie, as far as it can be said when it broke."""
    broken = [(session, _broken_us(run, session)) for session in found if session.dropped]
    return [session.end_us - at_us for session, at_us in broken if at_us is not None]


def _broken_us(run: Finished, session: Session) -> int | None:
    """When a connection that was dropped broke: with a fault that strikes connections, or in the first silence a NAT does not bear."""
    history = run.history
    rows = history.rows_of(Kind.FAULT_BEGUN)
    rows = rows[history.code[rows] == FaultKind.HALF_OPEN]
    struck = [t for t in history.t_us[rows].tolist() if session.ready_us <= t < session.end_us]
    if struck:
        return int(struck[-1])
    return next(_forgotten_us(run, session), None)


def _forgotten_us(run: Finished, session: Session) -> Iterator[int]:
    """Where, since anything was heard, a silence was longer than a NAT of the scenario remembers, while it was there."""
    for fault in run.scenario.faults:
        if isinstance(fault, NatDrop):
            idle_us, begin_us, until_us = (
                round(fault.idle_s * 1e6),
                run.scenario.at_us(fault.at_s),
                run.scenario.at_us(fault.heal_s),
            )
            since = [t_us for t_us in session.traffic_us if t_us >= session.heard_us]
            for before, after in pairwise([*since, session.end_us]):
                forgotten_us = max(before + idle_us, begin_us)
                if forgotten_us < min(after, until_us):
                    yield forgotten_us


def of_zombies(run: Finished, found: list[Session]) -> dict[str, float | None]:
    """How many connections were dropped, and how long they had been zombies, in milliseconds."""
    windows = np.array(zombies_us(run, found)) / 1e3
    by_device = np.bincount([session.device for session in found if session.dropped] or [0])
    return {
        "dropped": float(sum(session.dropped for session in found)),
        "dropped_max": float(by_device.max()) if any(session.dropped for session in found) else 0.0,
        "zombie_p50_ms": float(np.median(windows)) if len(windows) else None,
        "zombie_max_ms": float(windows.max()) if len(windows) else None,
    }
