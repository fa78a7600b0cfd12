"""A closed loop: each user sends, waits for the answer, thinks, and sends again. There is no schedule; the system sets the pace.

Most load tools work like this, and it flatters: whoever waits for a slow answer does not send meanwhile, so a system that stands still is
asked next to nothing, and its standstill is in one sample a user instead of in everything that should have been sent ("coordinated
omission": Gil Tene, "How NOT to measure latency", 2013; Schroeder, Wierman, Harchol-Balter, "Open Versus Closed: A Cautionary Tale",
NSDI 2006). It is here so that this can be seen, and says that it is closed wherever its numbers are told.

Rules of the file:

- A machine like those of ``model.core``: no I/O, ``now`` is an argument, one ``deadline``.
- The answer is whatever ends the user's wait: ok, failed, or given up as unknown. What comes later of the same send is nobody's answer.
- Thinking takes an exponential time of mean users / ``rate_per_s``: the planned rate is what they would send if answers took no time.
- The intended time of a send is when its user has thought enough. A load process that is late is found out by it, as in an open load; a
  system that is late is not.
- All luck is keyed by seed, device and the user's count of sends, so that runs that differ only in the system share it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from model.core import draws, limits
from model.workload import amounts
from model.workload.population import Population
from model.workload.schedule import WorkloadPlan, clipped, content


class Wish(NamedTuple):
    """What a user wants to send now."""

    device: int
    conversation: int
    send_counter: int
    payload: bytes
    t_int_us: int


class Loop:
    """All users of a population in their loops, from ``begin_us`` until ``end_us``; nobody begins to send after that.

    ``deadline`` is when the next of them has thought enough, ``next`` takes it. ``users``: whose part is played; None: all. Each does what
    it would do if all were played.
    """

    __slots__ = ("_awaited", "_counters", "_end_us", "_heap", "_luck", "_plan", "_rooms", "_seed", "_sent", "_think_us")

    def __init__(
        self,
        population: Population,
        plan: WorkloadPlan,
        begin_us: int,
        end_us: int,
        seed: int,
        users: Collection[int] | None = None,
    ) -> None:
        self._plan, self._seed, self._end_us = plan, seed, end_us
        rooms = _rooms(population)
        self._rooms = rooms if users is None else {user: mine for user, mine in rooms.items() if user in users}
        self._think_us = 1e6 * len(rooms) / plan.rate_per_s if plan.rate_per_s else math.inf
        self._luck = {device: draws.draws(seed, device) for device in self._rooms}
        self._sent = dict.fromkeys(self._rooms, 0)
        self._counters: dict[tuple[int, int], int] = {}
        self._awaited: dict[int, tuple[int, int]] = {}  # device -> (conversation, send counter)
        self._heap: list[tuple[int, int]] = []  # (when, device)
        for device in self._rooms:
            self._think(device, begin_us)

    @property
    def deadline(self) -> int:
        """When ``next`` is wanted."""
        return self._heap[0][0] if self._heap else limits.NEVER_US

    def next(self) -> Wish:
        """What is due at ``deadline``; its user waits from now on."""
        t_int_us, device = heapq.heappop(self._heap)
        conversation = self._room(device)
        counter = self._counters[device, conversation] = self._counters.get((device, conversation), 0) + 1
        self._sent[device] += 1
        self._awaited[device] = (conversation, counter)
        return Wish(device, conversation, counter, self._payload(device, conversation, counter), t_int_us)

    def answered(self, device: int, conversation: int, send_counter: int, now: int) -> None:
        """A send has its answer; if it is the one its user waits for, the user begins to think."""
        if self._awaited.get(device) == (conversation, send_counter):
            del self._awaited[device]
            self._think(device, now)

    def _think(self, device: int, now: int) -> None:
        share = self._luck[device](draws.THINK, self._sent[device])
        until = now - self._think_us * math.log1p(-share) if share else float(now)
        if until < self._end_us:
            heapq.heappush(self._heap, (round(until), device))

    def _room(self, device: int) -> int:
        """One of the user's conversations, of the wanted kind where there is one."""
        direct, groups = self._rooms[device]
        luck, sent = self._luck[device], self._sent[device]
        wanted, other = (direct, groups) if luck(draws.KIND, sent) < self._plan.direct_share else (groups, direct)
        pool = wanted or other
        return pool[int(luck(draws.ROOM, sent) * len(pool))]

    def _payload(self, device: int, conversation: int, counter: int) -> bytes:
        size = self._plan.payload_bytes
        who = (device, counter, conversation)
        if isinstance(size, int):
            return content(self._seed, *who, size)
        rng = np.random.default_rng(draws.key(self._seed, draws.PAYLOAD, device, self._sent[device]))
        return content(self._seed, *who, int(clipped(amounts.draw(size, rng, 1))[0]), brief=True)


def _rooms(population: Population) -> dict[int, tuple[list[int], list[int]]]:
    """Of each user who is in a conversation: the direct ones and the others."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for conversation in population.conversations:
        for user in conversation.members:
            found.setdefault(user, ([], []))[conversation.kind != "direct"].append(conversation.conversation)
    return dict(sorted(found.items()))
