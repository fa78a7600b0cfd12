"""The schedule: every send a run intends, with its instant, before anything runs; and when apps are opened and closed.

An open schedule: an arrival does not wait for the system, so a slow system cannot thin out the load that measures it (the
"coordinated omission" that closed-loop generators suffer from; Gil Tene, "How NOT to measure latency", 2013).

Rules of the file:

- When: :mod:`model.workload.arrivals`; with ``burst`` above 1, so many sends at each arrival. Who: without personas, a conversation of the
  wanted kind, then one of its members, all alike; with them, a sender by weight among those whose app is open, then one of the
  sender's conversations of that kind.
- ``spacing_us`` above 0 keeps sends into one conversation at least that far apart: an arrival whose conversation is not free goes to
  another one of its sender's, or to the next sender whose conversation is.
- Arrivals that nobody can make are left out: every conversation is taken, or no app is open.
- What is drawn for one purpose shifts nothing of another: arrivals, sizes and personas have keys of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.core import draws, limits
from model.core.log import Conversation
from model.workload import amounts, arrivals, personas
from model.workload.amounts import Spread
from model.workload.arrivals import Arrivals, Closed, Poisson, Replay
from model.workload.personas import Apps, Crowd, Mix
from model.workload.population import Population

Int = NDArray[np.int64]

RATE_MAX = 1e6
"""Sends per second: beyond what any world here can play."""
ROUNDS_MAX = 256
"""How often a sender whose app is closed is drawn anew; where one user in twenty has it open, a send in 500,000 finds nobody."""


class WorkloadPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What users do."""

    rate_per_s: float = 200.0
    payload_bytes: int | Spread = 120
    """Bytes of a message: a number, or a distribution of it (:mod:`model.workload.amounts`)."""
    direct_share: float = 0.5
    """Share of the sends that go into a direct conversation, the rest into groups."""
    spacing_us: int = 0
    """Least distance of two sends in one conversation; 0: none."""
    burst: int = 1
    """Sends that come at one instant."""
    arrivals: Arrivals = Poisson()
    """How the rate varies (:mod:`model.workload.arrivals`)."""
    personas: Mix = ()
    """Pairs of a persona and the share of users who are like that (:mod:`model.workload.personas`)."""

    def scaled(self, factor: float) -> WorkloadPlan:
        """The same in a run that is shortened: times of arrivals and personas multiplied, rates and sizes kept."""
        return msgspec.structs.replace(
            self, arrivals=self.arrivals.scaled(factor), personas=personas.scaled(self.personas, factor)
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Intended sends in order of time; every array has shape (sends,).

    ``t_us`` counts from the start of the run; (``device``, ``conversation``, ``send_counter``) is the identity of a send, counters dense
    from 1 in the order of time; its payload is ``payload(i)``, never the same for two sends.
    """

    t_us: Int
    device: Int
    conversation: Int
    send_counter: Int
    payload_bytes: int | Int
    """The size of all, or of each."""
    seed: int
    apps: Apps | None = None
    """When apps are open; None: throughout."""

    def __len__(self) -> int:
        return len(self.t_us)

    def payload(self, index: int) -> bytes:
        """The content of send ``index``."""
        who = (int(self.device[index]), int(self.send_counter[index]), int(self.conversation[index]))
        if isinstance(self.payload_bytes, int):
            return content(self.seed, *who, self.payload_bytes)
        return content(self.seed, *who, int(self.payload_bytes[index]), brief=True)


def content(seed: int, device: int, send_counter: int, conversation: int, size: int, *, brief: bool = False) -> bytes:
    """What a message says: its identity in words, filled up to ``size`` bytes; ``brief`` where sizes differ, for there are messages of a
    few bytes. No shorter than the identity."""
    text = b"seed %d: device %d says no %d in conversation %d. " % (seed, device, send_counter, conversation)
    if brief:
        text = b"%d.%d.%d " % (device, send_counter, conversation)
    return (text * (size // len(text) + 1))[: max(size, len(text))]


def plan(population: Population, workload: WorkloadPlan, begin_us: int, end_us: int, seed: int) -> Schedule:
    """The schedule of a workload between two instants; an empty one for a closed loop, which has none.

    Raises :class:`model.workload.trace.TraceError` for one that is replayed and cannot be."""
    if isinstance(workload.arrivals, Replay):
        return _replayed(population, workload, workload.arrivals, begin_us, end_us, seed)
    if isinstance(workload.arrivals, Closed):
        none = np.zeros(0, np.int64)
        return Schedule(none, none, none, none, 0, seed)
    rng = np.random.default_rng(draws.key(seed, draws.ARRIVAL))
    crowd = personas.crowd(workload.personas, len(population.users), begin_us, end_us, seed) if workload.personas else None
    instants = arrivals.instants(workload.arrivals, workload.rate_per_s / workload.burst, begin_us, end_us, rng)
    times = np.repeat(instants, workload.burst)
    if crowd is not None:
        device, conversation = _weighed(rng, population, workload, times, crowd)
    elif workload.spacing_us:
        device, conversation = _spaced(rng, population, workload, times)
    else:
        device, conversation = _drawn(rng, population, workload, len(times))
    kept = conversation > 0
    times, device, conversation = times[kept], device[kept], conversation[kept]
    sizes = _sizes(workload.payload_bytes, len(times), seed)
    apps = crowd.apps if crowd is not None else None
    return Schedule(times, device, conversation, _counters(device, conversation), sizes, seed, apps)


def _replayed(population: Population, workload: WorkloadPlan, replay: Replay, begin_us: int, end_us: int, seed: int) -> Schedule:
    """What is recorded, with what is not said drawn: senders and conversations as without personas, sizes by the plan."""
    from model.workload import trace  # it needs what reads tables, which no other load does

    recorded = trace.read(replay).until(end_us - begin_us)
    rng = np.random.default_rng(draws.key(seed, draws.ARRIVAL))
    count = len(recorded.t_us)
    device, conversation = _drawn(rng, population, workload, count)
    said = trace.fitted(recorded, population)
    rooms = _rooms_of(rng, population, workload, recorded.user)
    conversation = np.where(said > 0, said, np.where(recorded.user > 0, rooms, conversation))
    device = np.where(recorded.user > 0, recorded.user, device)
    trace.none_left_out(recorded, conversation)
    sizes = _sizes(workload.payload_bytes, count, seed)
    if recorded.bytes.any():
        sizes = np.where(recorded.bytes > 0, recorded.bytes, sizes)
    return Schedule(begin_us + recorded.t_us, device, conversation, _counters(device, conversation), sizes, seed)


def _rooms_of(rng: np.random.Generator, population: Population, workload: WorkloadPlan, user: Int) -> Int:
    """One of each user's conversations, of the wanted kind where there is one; 0 for nobody, and for who is in none."""
    everyone = np.ones(len(population.users) + 1)
    direct, picks = rng.random(len(user)) < workload.direct_share, rng.random(len(user))
    found = {kind: _Seats(_of_kind(population, kind), everyone).of(user, picks) for kind in (True, False)}
    wanted, other = np.where(direct, found[True], found[False]), np.where(direct, found[False], found[True])
    return np.where(wanted > 0, wanted, other)


def _sizes(payload_bytes: int | Spread, count: int, seed: int) -> int | Int:
    """Bytes of each message, none longer than a device takes."""
    if isinstance(payload_bytes, int):
        return payload_bytes
    drawn = amounts.draw(payload_bytes, np.random.default_rng(draws.key(seed, draws.PAYLOAD)), count)
    return clipped(drawn)


def clipped(drawn: NDArray[np.float64]) -> Int:
    """Sizes as whole bytes, none longer than a device takes."""
    return np.clip(np.rint(drawn), 1, limits.PAYLOAD_BYTES_MAX).astype(np.int64)


def _drawn(rng: np.random.Generator, population: Population, workload: WorkloadPlan, count: int) -> tuple[Int, Int]:
    """A conversation of the wanted kind, then one of its members; every conversation of a kind is as likely as any other."""
    direct = rng.random(count) < workload.direct_share
    picks = rng.random((count, 2))
    device, conversation = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for is_direct in (True, False):
        mine = np.flatnonzero(direct == is_direct)
        pool = _of_kind(population, is_direct) or population.conversations
        if len(mine) and pool:
            numbers = np.array([c.conversation for c in pool])
            sizes = np.array([len(c.members) for c in pool])
            members = np.fromiter((user for c in pool for user in c.members), np.int64, int(sizes.sum()))
            chosen = (picks[mine, 0] * len(pool)).astype(np.int64)
            place = (picks[mine, 1] * sizes[chosen]).astype(np.int64)
            device[mine] = members[(np.cumsum(sizes) - sizes)[chosen] + place]
            conversation[mine] = numbers[chosen]
    return device, conversation


def _of_kind(population: Population, is_direct: bool) -> list[Conversation]:
    return [c for c in population.conversations if (c.kind == "direct") == is_direct]


class _Seats:
    """Senders by weight among the members of some conversations, and one of the sender's conversations."""

    __slots__ = ("_begin", "_conversation", "_count", "_reached")

    def __init__(self, pool: list[Conversation], weights: NDArray[np.float64]) -> None:
        seats = sorted((user, c.conversation) for c in pool for user in c.members)
        user, conversation = np.array(seats, np.int64).reshape(-1, 2).T
        self._conversation = conversation
        self._count = np.bincount(user, minlength=len(weights))
        self._begin = np.cumsum(self._count) - self._count
        self._reached = np.cumsum(np.where(self._count > 0, weights, 0.0))

    @property
    def taken(self) -> bool:
        """Whether anybody here ever sends."""
        return bool(self._reached[-1] > 0)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Int, Int]:
        """Devices and their conversations."""
        picks = rng.random((count, 2))
        last = np.searchsorted(self._reached, self._reached[-1])  # where rounding up would lead past it
        device = np.minimum(np.searchsorted(self._reached, picks[:, 0] * self._reached[-1], "right"), last)
        seat = self._begin[device] + (picks[:, 1] * self._count[device]).astype(np.int64)
        return device, self._conversation[seat]

    def of(self, user: Int, picks: NDArray[np.float64]) -> Int:
        """A conversation of each user, 0 where there is none."""
        seat = self._begin[user] + (picks * self._count[user]).astype(np.int64)
        return np.where(self._count[user] > 0, np.append(self._conversation, 0)[seat], 0)


def _weighed(
    rng: np.random.Generator, population: Population, workload: WorkloadPlan, times: Int, crowd: Crowd
) -> tuple[Int, Int]:
    """A sender by weight, among those whose app is open; where nobody ever sends in one kind of conversation, all goes to the other."""
    direct = rng.random(len(times)) < workload.direct_share
    seats = {True: _Seats(_of_kind(population, True), crowd.sends), False: _Seats(_of_kind(population, False), crowd.group_sends)}
    device, conversation = np.zeros(len(times), np.int64), np.zeros(len(times), np.int64)
    for is_direct in (True, False):
        left = np.flatnonzero(direct == is_direct)
        source = seats[is_direct] if seats[is_direct].taken else seats[not is_direct]
        for _ in range(ROUNDS_MAX if source.taken else 0):
            sender, room = source.draw(rng, len(left))
            can = crowd.apps.sending(sender, times[left]) if crowd.apps is not None else np.ones(len(left), np.bool_)
            device[left[can]], conversation[left[can]] = sender[can], room[can]
            left = left[~can]
            if not len(left):
                break
    return device, conversation


def _spaced(rng: np.random.Generator, population: Population, workload: WorkloadPlan, times: Int) -> tuple[Int, Int]:
    """Each arrival takes a conversation that has been free for long enough; one that finds none is left out (conversation 0)."""
    free_at = {c.conversation: -workload.spacing_us for c in population.conversations}
    device = np.zeros(len(times), np.int64)
    conversation = np.zeros(len(times), np.int64)
    for i, t in enumerate(times):
        free: list[Conversation] = [c for c in population.conversations if free_at[c.conversation] <= t]
        if free:
            chosen = free[int(rng.integers(len(free)))]
            device[i], conversation[i] = chosen.members[int(rng.integers(len(chosen.members)))], chosen.conversation
            free_at[chosen.conversation] = int(t) + workload.spacing_us
    return device, conversation


def _counters(device: Int, conversation: Int) -> Int:
    """Dense per (device, conversation), from 1, in order of time."""
    order = np.lexsort((conversation, device))  # stable, so each stream keeps its order of time
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(device[order]) != 0) | (np.diff(conversation[order]) != 0)
    place = np.arange(len(order))
    counters = np.zeros(len(order), np.int64)
    counters[order] = place - np.maximum.accumulate(np.where(new, place, 0)) + 1
    return counters


# what cannot be ---------------------------------------------------------------------------------------------------------------------


def problems(plan: WorkloadPlan, duration_s: float) -> Iterator[str]:
    """What is wrong with a plan for a load of this length, in words that begin with a field's name, the first first."""
    yield from (text for holds, text in _conditions(plan) if not holds)
    yield from amounts.problems("payload_bytes", plan.payload_bytes, 1, limits.PAYLOAD_BYTES_MAX, " bytes")
    yield from (f"arrivals.{text}" for text in arrivals.problems(plan.arrivals, duration_s))
    yield from personas.problems(plan.personas)


def _conditions(plan: WorkloadPlan) -> Iterator[tuple[bool, str]]:
    yield 0 <= plan.rate_per_s <= RATE_MAX, f"rate_per_s is {plan.rate_per_s:g}; give 0 to {RATE_MAX:.0f}"
    peak = plan.rate_per_s * arrivals.peak(plan.arrivals)
    yield (
        peak <= RATE_MAX,
        f"arrivals reach {peak:g} sends a second; give a rate_per_s and multiples that stay below {RATE_MAX:.0f}",
    )
    yield 0 <= plan.direct_share <= 1, f"direct_share is {plan.direct_share:g}; give 0 to 1"
    yield plan.spacing_us >= 0, f"spacing_us is {plan.spacing_us}; give at least 0"
    yield not (plan.spacing_us and plan.personas), "spacing_us and personas exclude each other; give one of them"
    yield plan.burst >= 1, f"burst is {plan.burst}; give at least 1"
    if isinstance(plan.arrivals, Closed):
        yield (
            not plan.personas,
            "personas have no part in a closed loop, where everybody sends as fast as answers come; leave them out",
        )
        yield not plan.spacing_us, f"spacing_us is {plan.spacing_us}; leave it at 0 in a closed loop, which waits for answers"
        yield plan.burst == 1, f"burst is {plan.burst}; leave it at 1 in a closed loop, which has no arrivals"
    if isinstance(plan.arrivals, Replay):
        yield not plan.personas, "personas have no part in a replay, which knows its senders; leave them out"
        yield not plan.spacing_us, f"spacing_us is {plan.spacing_us}; leave it at 0 where a trace is replayed"
        yield plan.burst == 1, f"burst is {plan.burst}; leave it at 1 where a trace is replayed"
