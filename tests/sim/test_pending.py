"""What is pending comes in the order of time, and of asking where times are equal, whichever of the two sets holds it."""

import random
from collections.abc import Iterator

import pytest

from model.sim.kernel import CROWD, Kernel
from model.sim.pending import STRETCH_BITS, Buckets, Entry, Heap, Pending

STRETCH_US = 1 << STRETCH_BITS


def nothing() -> None:
    """A callback."""


def entry(time_us: int, asked: int) -> Entry:
    return (time_us, asked, nothing, ())


def drained(pending: Pending) -> list[tuple[int, int]]:
    return [pending.pop()[:2] for _ in range(len(pending))]


@pytest.mark.parametrize("kind", [Heap, Buckets])
def test_by_time_and_then_by_asking(kind: type[Heap] | type[Buckets]) -> None:
    pending: Pending = kind()
    for asked, time_us in enumerate([5, 3 * STRETCH_US, 5, 0, STRETCH_US, STRETCH_US - 1, 3 * STRETCH_US]):
        pending.push(entry(time_us, asked))
    assert pending.first_us() == 0
    assert len(pending) == 7
    times = [0, 5, 5, STRETCH_US - 1, STRETCH_US, 3 * STRETCH_US, 3 * STRETCH_US]
    assert drained(pending) == list(zip(times, [3, 0, 2, 5, 4, 1, 6], strict=True))
    assert pending.first_us() == float("inf")
    with pytest.raises(IndexError):
        pending.pop()


@pytest.mark.parametrize("kind", [Heap, Buckets])
def test_what_lies_before_what_was_taken_is_next(kind: type[Heap] | type[Buckets]) -> None:
    pending: Pending = kind()
    pending.push(entry(9 * STRETCH_US, 1))
    pending.push(entry(9 * STRETCH_US + 1, 2))
    assert pending.pop()[1] == 1
    pending.push(entry(2 * STRETCH_US, 3))
    pending.push(entry(9 * STRETCH_US + 1, 4))
    assert [asked for _, asked in drained(pending)] == [3, 2, 4]


def operations(seed: int, count: int) -> Iterator[int | None]:
    """Times to push, None for a pop: bursts of equal times, near ones, heartbeats far ahead, a few that lie before the clock."""
    luck, clock = random.Random(seed), 0
    for _ in range(count):
        kind = luck.random()
        if kind < 0.5:
            clock += luck.randrange(200)
            yield None
        elif kind < 0.7:
            yield clock
        elif kind < 0.9:
            yield clock + luck.randrange(4 * STRETCH_US)
        elif kind < 0.99:
            yield clock + luck.randrange(60_000_000)
        else:
            yield max(0, clock - luck.randrange(2 * STRETCH_US))


@pytest.mark.parametrize(("seed", "count"), [(1, 50_000), (2, 50_000), pytest.param(3, 1_000_000, marks=pytest.mark.slow)])
def test_buckets_are_equal_to_the_heap(seed: int, count: int) -> None:
    heap, buckets = Heap(), Buckets()
    for asked, time_us in enumerate(operations(seed, count)):
        if time_us is not None:
            heap.push(entry(time_us, asked))
            buckets.push(entry(time_us, asked))
        elif len(heap):
            assert buckets.first_us() == heap.first_us() or asked % 2
            assert buckets.pop() == heap.pop()
        assert len(buckets) == len(heap)
    assert drained(buckets) == drained(heap)


def test_a_crowd_gets_buckets() -> None:
    assert isinstance(Kernel(CROWD).pending, Buckets)
    assert isinstance(Kernel(CROWD - 1).pending, Heap)
    given = Heap()
    assert Kernel(CROWD, given).pending is given
