"""The physics of the simulated world: links, CPUs, the disk and the kernel they run on."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from model.core.commands import Append, Appended, Page, ReadAfter
from model.core.effects import TellBusiness, TellGateway
from model.core.envelopes import Attach, Attached
from model.core.log import Conversation
from model.core.policies import Policies, Timers
from model.scenario import Network
from model.sim.access import SimGateway
from model.sim.business import SimBusiness
from model.sim.kernel import Kernel
from model.sim.network import TABLE, Lane, Luck
from model.sim.node import Node
from model.sim.service_times import ServiceTimes, load
from model.sim.storage import SimStorage
from tests.sim.times import PINNED

TIMES: ServiceTimes = msgspec.structs.replace(
    PINNED, storage_commit_us=150.0, storage_row_us=10.0, storage_kib_us=1024.0, storage_sync_us=((400.0,),)
)


# kernel ------------------------------------------------------------------------------------------------------------------------------


def test_callbacks_and_simpy_processes_share_one_clock_in_order() -> None:
    kernel, seen = Kernel(), list[tuple[str, int]]()

    def process() -> Any:
        yield kernel.timeout(50)
        seen.append(("process", kernel.now))
        kernel.at(60, lambda: seen.append(("asked by process", kernel.now)))
        yield kernel.timeout(100)
        seen.append(("process", kernel.now))

    kernel.process(process())
    for time in (200, 10, 100, 50):
        kernel.at(time, lambda: seen.append(("callback", kernel.now)))
    kernel.play()
    assert seen == [
        ("callback", 10),
        ("process", 50),
        ("callback", 50),
        ("asked by process", 60),
        ("callback", 100),
        ("process", 150),
        ("callback", 200),
    ]


def test_equal_times_run_in_the_order_they_were_asked_for_and_the_past_is_now() -> None:
    kernel, seen = Kernel(), list[int]()
    for k in range(20):
        kernel.at(5, seen.append, k)
    kernel.at(6, lambda: kernel.at(1, seen.append, 99))
    kernel.play()
    assert seen == [*range(20), 99]
    assert kernel.now == 6


def test_stepping_is_playing() -> None:
    one, other = Kernel(), Kernel()
    traces: list[list[int]] = [[], []]
    for kernel, trace in zip((one, other), traces, strict=True):
        for k in (3, 1, 2):
            kernel.at(k, trace.append, k)
    one.play()
    while other.peek() != float("inf"):
        other.step()
    assert traces[0] == traces[1] == [1, 2, 3]


# links -------------------------------------------------------------------------------------------------------------------------------


def arrivals(plan: Network, sends: int = 2000, every_us: int = 100) -> np.ndarray:
    kernel, luck = Kernel(), Luck(plan, seed=1)
    lane, seen = Lane(kernel, luck, luck.place(7, 0)), list[tuple[int, int]]()
    for k in range(sends):
        kernel.at(k * every_us, lambda k=k: lane.carry(0, lambda k: seen.append((k, kernel.now)), k))
    kernel.play()
    assert [k for k, _ in seen] == list(range(sends))  # in order, none missing
    return np.array([t for _, t in seen]) - np.arange(sends) * every_us


def test_a_lane_takes_the_least_delay_and_an_exponential_tail() -> None:
    delays = arrivals(Network(delay_us=60, jitter_us=40), every_us=5000)
    assert delays.min() >= 60
    assert abs(delays.mean() - 100) < 4
    assert abs(np.std(delays) - 40) < 5


def test_a_frame_never_overtakes_an_earlier_one() -> None:
    delays = arrivals(Network(delay_us=10, jitter_us=1000), every_us=1)
    assert (np.diff(delays + np.arange(len(delays))) >= 0).all()


def test_loss_is_delay_and_holds_up_what_follows() -> None:
    delays = arrivals(Network(delay_us=60, jitter_us=0, loss=0.02), every_us=1000)
    assert 0.01 < (delays >= 200_000).mean() < 0.03  # those that were lost
    assert (delays > 1_000).mean() > 0.5  # and those that waited behind them: up to 200 ms of frames, one a millisecond


@pytest.mark.parametrize("direction", [0, 1])
def test_the_luck_of_a_link_does_not_depend_on_others(direction: int) -> None:
    luck = Luck(Network(), seed=3)
    assert luck.place(5, direction) == Luck(Network(), seed=3).place(5, direction)
    places = {luck.place(link, direction) for link in range(1000)}
    assert len(places) > 900
    assert len(luck.delays) == TABLE, "a place beyond the table begins it anew"


# CPUs --------------------------------------------------------------------------------------------------------------------------------


class Echo(Node):
    """Takes 10 us an item and says when each was done."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, 1, 100.0)
        self.done: list[tuple[int, Any]] = []
        self.start()

    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        out.append(item)
        return 10.0

    def cost(self, out: list[Any]) -> float:
        return 0.0

    def release(self, out: list[Any]) -> None:
        self.done += [(self.kernel.now, item[0]) for item in out]

    def deadline(self) -> int:
        return 1 << 62


def test_what_arrives_while_the_cpu_is_busy_shares_the_next_turn() -> None:
    kernel = Kernel()
    node = Echo(kernel)
    for time, name in ((0, "a"), (105, "b"), (108, "c"), (500, "d")):
        kernel.at(time, node.arrive, name)
    kernel.play()
    assert node.done == [(110, "a"), (230, "b"), (230, "c"), (610, "d")]
    assert node.cpu_us == 3 * 100 + 4 * 10


def test_what_arrives_before_a_node_is_awake_is_taken_with_what_woke_it() -> None:
    kernel = Kernel()
    node = Echo(kernel)
    for time, name in ((0, "a"), (10, "b"), (99, "c")):
        kernel.at(time, node.arrive, name)
    kernel.play()
    assert node.done == [(130, "a"), (130, "b"), (130, "c")]


def test_a_node_that_is_paused_or_killed_while_it_wakes_up_takes_nothing_before_it_goes_on() -> None:
    kernel = Kernel()
    node = Echo(kernel)
    for time, call in ((50, node.pause), (300, node.resume), (450, node.kill), (460, node.start)):
        kernel.at(time, call)
    for time, name in ((0, "a"), (430, "b")):
        kernel.at(time, node.arrive, name)
    kernel.play()
    assert node.done == [(410, "a")]


def test_a_killed_node_releases_nothing_of_its_turn_and_notices_nothing_after() -> None:
    kernel = Kernel()
    node = Echo(kernel)
    kernel.at(0, node.arrive, "a")
    kernel.at(50, node.kill)
    kernel.at(60, node.arrive, "b")
    kernel.at(70, node.start)
    kernel.at(80, node.arrive, "c")
    kernel.play()
    assert node.done == [(190, "c")]


# the disk ----------------------------------------------------------------------------------------------------------------------------


def append(token: int, counter: int) -> Append:
    return Append(token, 1, 1, 1, counter, b"x", True)


def storage(kernel: Kernel) -> tuple[SimStorage, list[tuple[int, list[int]]]]:
    done: list[tuple[int, list[int]]] = []
    disk = SimStorage(
        kernel, TIMES, [Conversation(1, "direct", (1, 2))], lambda results: done.append((kernel.now, [r.token for r in results]))
    )
    disk.open()
    return disk, done


def test_what_waits_for_the_disk_shares_the_next_commit() -> None:
    kernel = Kernel()
    disk, done = storage(kernel)
    for time, token in ((0, 1), (1, 2), (2, 3)):
        kernel.at(time, disk.submit, [append(token, token)])
    kernel.play()
    assert [tokens for _, tokens in done] == [[1], [2, 3]]
    first, second = 150 + 10 + 1 + 400, 150 + 2 * (10 + 1) + 400  # a payload of one byte costs 1 us
    assert [t for t, _ in done] == [first, first + second]
    assert (disk.commits, disk.rows) == (2, 3)


def test_a_disk_that_varies_varies_the_wait_and_not_the_cpu() -> None:
    kernel = Kernel()
    disk, done = storage(kernel)
    disk.vary = lambda number, waited_us: waited_us * 10 * number
    for time, token in ((0, 1), (10_000, 2)):
        kernel.at(time, disk.submit, [append(token, token)])
    kernel.play()
    assert [t for t, _ in done] == [161 + 4_000, 10_000 + 161 + 8_000]
    assert disk.cpu_us == 2 * 161


def test_a_crash_takes_what_was_not_committed_and_nothing_else() -> None:
    kernel = Kernel()
    disk, done = storage(kernel)
    results: list[Any] = []
    kernel.at(0, disk.submit, [append(1, 1)])
    kernel.at(100_000, disk.submit, [append(2, 2)])
    kernel.at(100_001, disk.close)
    kernel.at(100_002, disk.open)
    kernel.play()
    assert [tokens for _, tokens in done] == [[1]]
    disk._done = results.extend
    disk.submit([append(3, 2), ReadAfter(4, 1, 0, 100)])
    kernel.play()
    appended, page = results
    assert isinstance(appended, Appended)
    assert isinstance(page, Page)
    assert (appended.duplicate, appended.conversation_seq) == (False, 2)  # as if the lost one had never been
    assert [m.send_counter for m in page.messages] == [1, 2]
    assert disk.incarnation == 2


# killed processes --------------------------------------------------------------------------------------------------------------------


def linked_pair() -> tuple[Kernel, SimBusiness, SimGateway]:
    kernel, times = Kernel(), load()
    business = SimBusiness(kernel, 1, times, Policies(), Timers(), [Conversation(1, "direct", (1, 2))])
    gateway = SimGateway(kernel, 2, times, Policies(), Timers(), lambda *_: True)
    business.start()
    gateway.start()
    business.link(gateway)
    kernel.play()
    return kernel, business, gateway


@pytest.mark.parametrize("killed", ["gateway", "business"])
def test_what_a_killed_process_had_handed_to_its_kernel_arrives_before_the_end_of_the_link(killed: str) -> None:
    kernel, business, gateway = linked_pair()
    dead, other = (gateway, business) if killed == "gateway" else (business, gateway)
    got: list[str] = []
    other.arrive = lambda *item: got.append(item[0])  # type: ignore[method-assign]
    if killed == "gateway":
        gateway.release([TellBusiness(Attach(1, 1, 1, 1))])
    else:
        business.release([TellGateway(1, Attached(1, 1, ()))])
    kernel.at(kernel.now + 10, dead.kill)
    kernel.play()
    assert got == ["envelopes", "unlinked"]
