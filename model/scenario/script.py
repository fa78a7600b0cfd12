"""The script of a run: what the harness does when, from the first connection to the last audit; one script for every driver.

A machine like those of ``model.core``: no I/O, ``now`` in microseconds since the start of the run, one ``deadline``, effects appended
to ``out``. The simulated world, the Locust users and the asyncio driver all play it, so a run means the same in each.

The phases: WARM_UP (sessions start evenly over half the ramp, then load), MEASURE, DRAIN (from the end of the load, and not before
every fault is due to be healed, nor before everyone whose app is closed has opened it again), QUIET once every device is ready and
settled, begun anew whenever anything but heartbeats still moves, AUDIT after the quiet time, END when everything is read back. A drain
that reaches its bound goes on if all that is missing are devices that cannot get in (the judges call them unreachable); otherwise it
records DRAIN_BOUND and audits what there is.

Where several processes play one run, each plays its own devices up to the drain. From then on one decides for all, on the progress of all
(:class:`Script`); the others follow it (:class:`Follower`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from operator import itemgetter

import msgspec
import numpy as np

from model.core import limits
from model.history.schema import Phase
from model.scenario import Scenario
from model.workload.arrivals import Closed
from model.workload.closed import Loop
from model.workload.population import Population
from model.workload.schedule import Schedule

POLL_US = 50_000
"""Between two looks at whether the run has settled."""
AUDIT_BOUND_US = 30_000_000
"""Longest wait for any read-back to complete; past it the run ends with what was read."""
READ_BACKS_MAX = 2_000
"""Read-backs under way at a time: all of a crowd's at once would be a storm that costs connections."""


class StartSession(msgspec.Struct, frozen=True):
    """This device's user opens the app."""

    device: int


class StopSession(msgspec.Struct, frozen=True):
    """This device's user closes the app, or, before the first session, has not opened it yet: from here on the device is switched off."""

    device: int


class Submit(msgspec.Struct, frozen=True):
    """This device's user sends ``payload``, intended for ``t_int_us``."""

    device: int
    conversation: int
    payload: bytes
    t_int_us: int
    planned: bool = True
    """Whether the schedule has it; else its user, in a closed loop, has come to want it now, and it is still to be recorded as intended."""
    send_counter: int = 0
    """Of a send that no schedule has: the place it will have among its device's in the conversation."""


class Audit(msgspec.Struct, frozen=True):
    """Read this conversation back on this device."""

    device: int
    conversation: int


class BeginPhase(msgspec.Struct, frozen=True):
    """Record this phase."""

    phase: Phase


class Finish(msgspec.Struct, frozen=True):
    """The run is over."""


ScriptEffect = StartSession | StopSession | Submit | Audit | BeginPhase | Finish


class Progress(msgspec.Struct, frozen=True):
    """What a driver can say of its sessions at a moment."""

    unready: int
    """Devices without a ready session."""
    unsettled: int
    """Devices that are ready but have sends unanswered or catch-up under way."""
    auditing: int
    """Read-backs not completed."""
    activity: int
    """Frames of messages (sends, deliveries, syncs and their acks) written or received so far, by all devices."""
    asked: int = 0
    """Of the read-backs not completed, those that this script has asked for; other than ``auditing`` where several processes play."""


class Script:
    """Plays one run. ``progress`` is asked only from the drain on, every ``POLL_US``. ``users``: whose devices are played; None: all."""

    __slots__ = (
        "_activity",
        "_audit_bound_us",
        "_auditing",
        "_audits",
        "_drain_bound_us",
        "_loop",
        "_planned",
        "_population",
        "_progress",
        "_quiet_since",
        "_quiet_us",
        "_upcoming",
        "_users",
        "deadline",
        "phase",
    )

    def __init__(
        self,
        scenario: Scenario,
        population: Population,
        schedule: Schedule,
        progress: Callable[[], Progress],
        users: Collection[int] | None = None,
    ) -> None:
        self._users = None if users is None else frozenset(users)
        self._population, self._progress = population, progress
        self._quiet_us = scenario.contract.quiet_us
        self._drain_bound_us = scenario.contract.drain_bound_us  # counted from the drain's beginning once it has begun
        self._audit_bound_us = self._auditing = 0
        self._audits: list[Audit] = []  # yet to be asked for, the next one last
        self._quiet_since = 0
        self._activity = -1
        self.phase: Phase | None = None
        self._planned = _planned(scenario, population, schedule, self._users)
        self._upcoming = next(self._planned)
        self._loop = _loop(scenario, population, schedule.seed, self._users)
        self.deadline = self._upcoming[0]

    @property
    def closed(self) -> bool:
        """Whether users wait for their answers, so that ``answered`` must be told of them."""
        return self._loop is not None

    def answered(self, device: int, conversation: int, send_counter: int, now: int) -> None:
        """A send has come to its end, whatever that is; in a closed loop its user may want to send again, at ``deadline``."""
        if self._loop is not None:
            self._loop.answered(device, conversation, send_counter, now)
            if self.phase in _PLAYED:
                self.deadline = min(self.deadline, self._loop.deadline)

    def on_deadline(self, now: int, out: list[ScriptEffect]) -> None:
        """Do everything that is due; early calls do nothing."""
        if now < self.deadline:
            return
        if self.phase in _PLAYED:
            self._play(now, out)
        elif self.phase is Phase.AUDIT:
            self._await_audit(now, out)
        elif self.phase is not Phase.END:
            self._settle(now, out)

    def _play(self, now: int, out: list[ScriptEffect]) -> None:
        """What was planned before the run, and what users in a closed loop want by now, up to the drain."""
        while min(self._upcoming[0], self._wished) <= now:
            if self._loop is not None and self._wished < self._upcoming[0]:
                wish = self._loop.next()
                out.append(Submit(wish.device, wish.conversation, wish.payload, wish.t_int_us, False, wish.send_counter))
                continue
            effect = self._upcoming[1]
            out.append(effect)
            if isinstance(effect, BeginPhase):
                self.phase = effect.phase
            if self.phase is Phase.DRAIN:
                self._drain_bound_us += now
                self.deadline = now + POLL_US
                return
            self._upcoming = next(self._planned)
        self.deadline = min(self._upcoming[0], self._wished)

    @property
    def _wished(self) -> int:
        """When a user in a closed loop wants to send."""
        return self._loop.deadline if self._loop is not None else limits.NEVER_US

    def _settle(self, now: int, out: list[ScriptEffect]) -> None:
        """Drain until everyone is settled, then wait until nothing has moved for the quiet time."""
        self.deadline = now + POLL_US
        progress = self._progress()
        bound = now >= self._drain_bound_us
        settled = progress.unsettled == 0 and (progress.unready == 0 or bound)
        moved = self.phase is Phase.QUIET and progress.activity != self._activity
        if bound and (moved or not settled):
            self._begin(Phase.DRAIN_BOUND, out)
            self._audit(now, out)
        elif settled and (moved or self.phase is Phase.DRAIN):
            self._begin_quiet(now, progress, out)
        elif not settled and self.phase is Phase.QUIET:
            self._begin(Phase.DRAIN, out)
        elif settled and now - self._quiet_since >= self._quiet_us:
            self._audit(now, out)

    def _begin_quiet(self, now: int, progress: Progress, out: list[ScriptEffect]) -> None:
        self._quiet_since, self._activity = now, progress.activity
        self._begin(Phase.QUIET, out)

    def _audit(self, now: int, out: list[ScriptEffect]) -> None:
        self._begin(Phase.AUDIT, out)
        mine, conversations = self._users, self._population.conversations
        audits = [Audit(user, c.conversation) for c in conversations for user in c.members if mine is None or user in mine]
        self._audits = audits[::-1]
        self._auditing = len(audits)
        self._audit_bound_us = now + AUDIT_BOUND_US
        self._read_back(0, out)

    @property
    def unasked(self) -> int:
        """Read-backs that are yet to be asked for."""
        return len(self._audits)

    def _read_back(self, asked: int, out: list[ScriptEffect]) -> None:
        """Ask for as many more as may be under way."""
        rest = max(0, len(self._audits) - (READ_BACKS_MAX - asked))
        out.extend(reversed(self._audits[rest:]))
        del self._audits[rest:]

    def _await_audit(self, now: int, out: list[ScriptEffect]) -> None:
        self.deadline = now + POLL_US
        progress = self._progress()
        left = progress.auditing + self.unasked
        if left < self._auditing:
            self._auditing, self._audit_bound_us = left, now + AUDIT_BOUND_US
        self._read_back(progress.asked, out)
        if left == 0 or now >= self._audit_bound_us:
            self._begin(Phase.END, out)
            out.append(Finish())
            self.deadline = limits.NEVER_US

    def _begin(self, phase: Phase, out: list[ScriptEffect]) -> None:
        self.phase = phase
        out.append(BeginPhase(phase))


class Follower(Script):
    """Plays some devices of a run whose settling another process decides; ``led`` says in which phase that one is, None where nobody knows.

    ``progress`` is asked as often as by the leader, so that it can be told.
    """

    __slots__ = ("_led",)

    def __init__(
        self,
        scenario: Scenario,
        population: Population,
        schedule: Schedule,
        progress: Callable[[], Progress],
        users: Collection[int],
        led: Callable[[], Phase | None],
    ) -> None:
        super().__init__(scenario, population, schedule, progress, users)
        self._led = led

    def _settle(self, now: int, out: list[ScriptEffect]) -> None:
        self.deadline = now + POLL_US
        self._progress()
        if self._led() in (Phase.AUDIT, Phase.END):
            self._audit(now, out)

    def _await_audit(self, now: int, out: list[ScriptEffect]) -> None:
        self.deadline = now + POLL_US
        self._read_back(self._progress().asked, out)
        if self._led() is Phase.END:
            self._begin(Phase.END, out)
            out.append(Finish())
            self.deadline = limits.NEVER_US


_PLAYED = (None, Phase.WARM_UP, Phase.MEASURE)


def _planned(
    scenario: Scenario, population: Population, schedule: Schedule, users: frozenset[int] | None
) -> Iterator[tuple[int, ScriptEffect]]:
    """Everything up to the drain, in order of time. Apps that are closed when the load ends are opened as they are at first: evenly.

    What is planned for ``users`` is what would be if all were played.
    """
    half_ramp_us = scenario.load_begin_us / 2
    end_us = scenario.at_us(scenario.duration_s)
    there, away = _split(population, schedule, scenario.load_begin_us)
    starts = _evenly(there, 0, half_ramp_us)
    _, closed = _split(population, schedule, end_us)
    returns = _evenly(closed, end_us, half_ramp_us)
    switches: list[Step] = [(t_us, StartSession(d) if opens else StopSession(d)) for t_us, d, opens in _switches(schedule)]
    sends = (
        (t_us, Submit(int(schedule.device[i]), int(schedule.conversation[i]), schedule.payload(i), t_us))
        for i, t_us in _sends(schedule, users)
    )
    healed = [scenario.at_us(fault.healed_s) for fault in scenario.faults]
    phases = [
        (0, BeginPhase(Phase.WARM_UP)),
        (scenario.at_us(scenario.warm_up_s), BeginPhase(Phase.MEASURE)),
        (max([end_us, *healed, *(t_us for t_us, _ in returns[-1:])]), BeginPhase(Phase.DRAIN)),
    ]
    absent: list[Step] = [(0, StopSession(user)) for user in away]
    sessions = [_of(users, steps) for steps in (absent, returns, starts, switches)]
    return heapq.merge(sessions[0], sessions[1], phases, *sessions[2:], sends, key=itemgetter(0))


def _loop(scenario: Scenario, population: Population, seed: int, users: frozenset[int] | None) -> Loop | None:
    """The users in their loops, if the load is closed."""
    if not isinstance(scenario.workload.arrivals, Closed):
        return None
    return Loop(population, scenario.workload, scenario.load_begin_us, scenario.at_us(scenario.duration_s), seed, users)


def _sends(schedule: Schedule, users: frozenset[int] | None) -> Iterator[tuple[int, int]]:
    """Index and instant of each send of these users."""
    t_us = schedule.t_us.tolist()
    if users is None:
        yield from enumerate(t_us)
    else:
        yield from ((i, t_us[i]) for i, device in enumerate(schedule.device.tolist()) if device in users)


Step = tuple[int, StartSession | StopSession]


def _of(users: frozenset[int] | None, steps: list[Step]) -> list[Step]:
    return steps if users is None else [step for step in steps if step[1].device in users]


def _evenly(users: list[int], begin_us: int, span_us: float) -> list[Step]:
    return [(begin_us + round(i * span_us / len(users)), StartSession(user)) for i, user in enumerate(users)]


def _split(population: Population, schedule: Schedule, t_us: int) -> tuple[list[int], list[int]]:
    """Users whose app is open at an instant of the load, and those whose is not."""
    users = list(population.users)
    if schedule.apps is None:
        return users, []
    is_open = schedule.apps.open_at(np.array(users), t_us).tolist()
    chosen = list(zip(users, is_open, strict=True))
    return [user for user, yes in chosen if yes], [user for user, yes in chosen if not yes]


def _switches(schedule: Schedule) -> list[tuple[int, int, bool]]:
    return [] if schedule.apps is None else schedule.apps.switches()
