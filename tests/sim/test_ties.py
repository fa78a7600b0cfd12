"""Callbacks of equal time come in a random order that a seed decides, but what travels on one link stays in order."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest

from model.scenario import Kill, Network, Scenario
from model.sim import run, ties
from model.sim.access import SimGateway
from model.sim.business import SimBusiness
from model.sim.devices import SimDevice
from model.sim.kernel import Kernel
from model.sim.network import Link
from model.sim.pending import Entry
from model.sim.ties import Endless, Shuffled
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

IN_STEP = Scenario(
    "in step",
    "?",
    population=PopulationPlan(users=12, group_size=4, groups_per_user=2),
    workload=WorkloadPlan(rate_per_s=150, direct_share=0.2),
    network=Network(delay_us=200.0, jitter_us=0.0),
    ramp_s=0.2,
    duration_s=5,
    warm_up_s=0,
    faults=(Kill("gateway-1", 1.0, 1.5), Kill("business", 3.0, 3.5)),
).short()
"""All delays alike, so that much falls due at the same instant."""


def order_of(seed: int | None, callbacks: int = 8) -> list[int]:
    """In which order callbacks of one time are called, and those that they ask for now."""
    kernel, called = Kernel(pending=Shuffled(seed)), list[int]()

    def call(number: int) -> None:
        called.append(number)
        if number < callbacks // 2:
            kernel.at(kernel.now, called.append, callbacks + number)

    for number in range(callbacks):
        kernel.at(5, call, number)
    kernel.at(6, called.append, -1)
    kernel.play()
    return called


def test_without_a_seed_in_the_order_of_asking() -> None:
    assert order_of(None) == [*range(12), -1]


def test_with_a_seed_in_an_order_of_its_own() -> None:
    orders = [order_of(seed) for seed in range(20)]
    assert orders == [order_of(seed) for seed in range(20)]
    assert len({tuple(order) for order in orders}) == 20
    for order in orders:
        assert sorted(order[:-1]) == list(range(12))
        assert order[-1] == -1
        assert all(order.index(number) < order.index(8 + number) for number in range(4))


def test_times_come_in_order_whatever_is_pushed_when() -> None:
    rng = random.Random(1)
    for seed in range(50):
        pending, now, asked = Shuffled(seed), 0, 0
        pushed, taken = 0, 0
        for _ in range(200):
            if rng.random() < 0.55:
                asked += 1
                pending.push((now + rng.randrange(3), asked, print, ()))
                pushed += 1
            elif len(pending):
                before = pending.first_us()
                entry = pending.pop()
                assert entry[0] == before >= now
                now, taken = entry[0], taken + 1
                if rng.random() < 0.1:  # as the kernel does where an event of SimPy comes first
                    pending.push(entry)
                    taken -= 1
        assert len(pending) == pushed - taken


def test_what_was_pushed_back_is_still_before_what_follows_it_on_its_link() -> None:
    """The kernel pushes an entry back where an event of SimPy comes first."""
    link = object.__new__(Link)
    for seed in range(50):
        pending, came = Shuffled(seed), list[int]()
        for asked in range(1, 7):
            pending.push((5, asked, print, (link,) if asked % 2 else ()))
        pending.push(pending.pop())
        while len(pending):
            came.append(pending.pop()[1])
        assert [asked for asked in came if asked % 2] == [1, 3, 5]


def test_a_run_in_a_circle_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ties, "CALLBACKS_MAX", 100)
    for seed in (None, 1):
        kernel = Kernel(pending=Shuffled(seed))

        def again(kernel: Kernel = kernel) -> None:
            kernel.at(kernel.now, again)
            kernel.at(kernel.now, int)

        kernel.at(0, again)
        with pytest.raises(Endless, match="no end"):
            kernel.play()


def digest(seed: int | None) -> str:
    return run(IN_STEP, "cursor", 1, pending=Shuffled(seed)).trace_digest


def test_a_run_depends_on_the_order_of_ties_and_on_nothing_else() -> None:
    assert digest(None) == run(IN_STEP, "cursor", 1).trace_digest
    assert digest(3) == digest(3)
    assert len({digest(seed) for seed in (None, 1, 2, 3)}) == 4


class Watched:
    """A pending set that notes in which order the callbacks of a lane were asked for, and in which they came."""

    def __init__(self, pending: Shuffled) -> None:
        self._pending = pending
        self.asked, self.came = defaultdict[Any, list[int]](list), defaultdict[Any, list[int]](list)
        self._seen = set[int]()

    def push(self, entry: Entry) -> None:
        lane = lane_of(entry)
        if lane is not None and entry[1] not in self._seen:  # else it is pushed back
            self._seen.add(entry[1])
            self.asked[lane].append(entry[1])
        self._pending.push(entry)

    def pop(self) -> Entry:
        entry = self._pending.pop()
        came = self.came[lane_of(entry)]
        if not came or came[-1] != entry[1]:
            came.append(entry[1])
        return entry

    def first_us(self) -> float:
        return self._pending.first_us()

    def __len__(self) -> int:
        return len(self._pending)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_goes_into_a_link_comes_out_in_order(seed: int) -> None:
    watched = Watched(Shuffled(seed))
    run(IN_STEP, "cursor", 1, pending=watched)
    del watched.came[None]
    assert len(watched.asked) > 30
    assert sum(len(numbers) for numbers in watched.came.values()) > 2_000
    for lane, numbers in watched.came.items():
        assert numbers == watched.asked[lane][: len(numbers)], lane


def lane_of(entry: Entry) -> Any:
    """The lane an entry travels on: which link, and which way; None where it travels on none. Not how the pending set finds it."""
    _, _, callback, args = entry
    owner, name = getattr(callback, "__self__", None), getattr(callback, "__name__", "")
    if isinstance(owner, SimBusiness | SimGateway) and name in ("told", "unlinked"):
        return type(owner).__name__, args[0]
    if isinstance(owner, SimDevice) and name in ("receive", "hung_up", "opened"):
        return "down", args[0]
    if isinstance(owner, SimGateway) and name in ("receive", "ended"):
        return "up", args[0]
    return None
