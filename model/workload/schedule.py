"""The schedule: every send a run intends, with its instant, before anything runs.

An open schedule: an arrival does not wait for the system, so a slow system cannot thin out the load that measures it (the
"coordinated omission" that closed-loop generators suffer from; Gil Tene, "How NOT to measure latency", 2013). Arrivals are Poisson:
exponential gaps at the planned rate; with ``burst`` above 1, so many sends at each of them. ``spacing_us`` above 0 keeps sends into one
conversation at least that far apart: an arrival whose conversation is not free goes to another one of its sender's, or to the next sender
whose conversation is.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.core import draws
from model.core.log import Conversation
from model.workload.population import Population


class WorkloadPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What users do."""

    rate_per_s: float = 200.0
    payload_bytes: int = 120
    direct_share: float = 0.5
    """Share of the sends that go into a direct conversation, the rest into groups."""
    spacing_us: int = 0
    """Least distance of two sends in one conversation; 0: none."""
    burst: int = 1
    """Sends that come at one instant; instants are Poisson."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Intended sends in order of time; every array has shape (sends,).

    ``t_us`` counts from the start of the run; (``device``, ``conversation``, ``send_counter``) is the identity of a send, counters dense
    from 1 in the order of time; its payload is ``payload(i)``, never the same for two sends.
    """

    t_us: NDArray[np.int64]
    device: NDArray[np.int64]
    conversation: NDArray[np.int64]
    send_counter: NDArray[np.int64]
    payload_bytes: int
    seed: int

    def __len__(self) -> int:
        return len(self.t_us)

    def payload(self, index: int) -> bytes:
        """The content of send ``index``: its identity in words, filled up to the planned size."""
        text = b"seed %d: device %d says no %d in conversation %d. " % (
            self.seed,
            self.device[index],
            self.send_counter[index],
            self.conversation[index],
        )
        return (text * (self.payload_bytes // len(text) + 1))[: max(self.payload_bytes, len(text))]


def plan(population: Population, workload: WorkloadPlan, begin_us: int, end_us: int, seed: int) -> Schedule:
    """The schedule of a workload between two instants."""
    rng = np.random.default_rng(draws.key(seed, draws.ARRIVAL))
    times = np.repeat(_poisson(rng, workload.rate_per_s / workload.burst, begin_us, end_us), workload.burst)
    if workload.spacing_us:
        device, conversation = _spaced(rng, population, workload, times)
    else:
        device, conversation = _drawn(rng, population, workload, len(times))
    kept = conversation > 0
    times, device, conversation = times[kept], device[kept], conversation[kept]
    return Schedule(times, device, conversation, _counters(device, conversation), workload.payload_bytes, seed)


def _poisson(rng: np.random.Generator, rate: float, begin_us: int, end_us: int) -> NDArray[np.int64]:
    """Arrivals given their number are uniform: draw the number, then sort the instants."""
    count = int(rng.poisson(rate * (end_us - begin_us) / 1e6))
    return np.sort(rng.integers(begin_us, end_us, count)).astype(np.int64)


def _drawn(
    rng: np.random.Generator, population: Population, workload: WorkloadPlan, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A conversation of the wanted kind, then one of its members; every conversation of a kind is as likely as any other."""
    by_kind = {
        kind: [c for c in population.conversations if (c.kind == "direct") == (kind == "direct")] for kind in ("direct", "group")
    }
    direct = rng.random(count) < workload.direct_share
    picks = rng.random((count, 2))
    device = np.zeros(count, np.int64)
    conversation = np.zeros(count, np.int64)
    for i in range(count):
        pool = by_kind["direct" if direct[i] else "group"] or population.conversations
        chosen = pool[int(picks[i, 0] * len(pool))]
        device[i] = chosen.members[int(picks[i, 1] * len(chosen.members))]
        conversation[i] = chosen.conversation
    return device, conversation


def _spaced(
    rng: np.random.Generator, population: Population, workload: WorkloadPlan, times: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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


def _counters(device: NDArray[np.int64], conversation: NDArray[np.int64]) -> NDArray[np.int64]:
    """Dense per (device, conversation), from 1, in order of time."""
    last: dict[tuple[int, int], int] = {}
    counters = np.zeros(len(device), np.int64)
    for i, key in enumerate(zip(device.tolist(), conversation.tolist(), strict=True)):
        counters[i] = last[key] = last.get(key, 0) + 1
    return counters
