"""A calibration as a file, and what it makes the simulated roles cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from model.core.commands import Append
from model.core.effects import Store, TellBusiness, TellGateway, Write
from model.core.envelopes import Attach, Detach, Down, Up
from model.core.frames import Connect, Deliver, Ping, Send, SendAck
from model.core.log import Conversation
from model.core.policies import Policies, Timers
from model.history.machine import Machine
from model.history.schema import Kind
from model.scenario import LoginCost, Network
from model.sim import run
from model.sim.access import SimGateway
from model.sim.business import SimBusiness
from model.sim.generator import LoadProcess
from model.sim.kernel import Kernel
from model.sim.network import Link, Luck
from model.sim.node import FACTORS, SLICE_US, TURN_US_MAX, uneven
from model.sim.service_times import FORMAT, CalibrationError, Provenance, ServiceTimes, load, warning
from model.sim.stations import Cores
from model.sim.storage import STATEMENT_US, SimStorage
from tests.sim.test_world import BASE, KILLED

HERE = Machine(cpu="a CPU", cores=2, kernel="a kernel", python="3.11.7")
_COSTS = {name: 0.0 for name, kind in ServiceTimes.__annotations__.items() if kind == "float"}
FREE = msgspec.convert(
    {
        **_COSTS,
        "format": FORMAT,
        "storage_sync_us": [[0.0]],
        "provenance": Provenance(HERE, "2026-01-01T00:00:00+00:00", "a test"),
    },
    ServiceTimes,
)
"""Everything for nothing."""
KIB = b"x" * 1024


def costing(**costs: Any) -> ServiceTimes:
    return msgspec.structs.replace(FREE, **costs)


def written(folder: Path, times: ServiceTimes = FREE, **changes: Any) -> Path:
    path = folder / "times.json"
    path.write_bytes(msgspec.json.encode(msgspec.to_builtins(times) | changes))
    return path


# the file ----------------------------------------------------------------------------------------------------------------------------


def test_a_calibration_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    times = costing(gateway_turn_us=12.5, storage_sync_us=((100.0, 200.0), (150.0, 250.0)), unexplained_us=-3.0)
    assert load(written(tmp_path, times)) == times


def test_the_committed_one_can_be_read() -> None:
    assert load().format == FORMAT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": FORMAT + 1}, f"format {FORMAT + 1}, this program reads {FORMAT}"),
        ({"format": 1, "gateway_frame_in_us": 13.0}, "is a calibration of format 1"),
        ({"gateway_turn_us": -1.0}, "gateway_turn_us is -1, and a cost is 0 to 1e+09"),
        ({"gateway_turn_us": 1e300}, "gateway_turn_us is 1e+300"),
        ({"storage_sync_us": [[5.0, -2.0]]}, "storage_sync_us is -2"),
        ({"storage_sync_us": []}, "storage_sync_us is empty"),
        ({"storage_sync_us": [[1.0], []]}, "storage_sync_us is empty"),
        ({"gateway_turn_us": "much"}, "gateway_turn_us"),
        ({"gateway_trun_us": 3.0}, "gateway_trun_us"),
    ],
)
def test_what_is_no_calibration_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(CalibrationError, match="imbench calibrate") as refused:
        load(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_without_a_format_is_one_of_the_first_format(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"gateway_turn_us": 60.1}')
    with pytest.raises(CalibrationError, match="format 1"):
        load(tmp_path / "old.json")


def test_what_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be read"):
        load(tmp_path / "absent.json")
    (tmp_path / "text.json").write_text("no JSON")
    with pytest.raises(CalibrationError, match="is no calibration"):
        load(tmp_path / "text.json")


def test_another_machine_is_warned_about_and_this_one_is_not() -> None:
    assert warning(FREE, HERE, "times.json") == ""
    assert warning(FREE, msgspec.structs.replace(HERE, kernel="a newer one"), "times.json") == ""
    other = warning(FREE, msgspec.structs.replace(HERE, cpu="another CPU", cores=8), "times.json")
    assert other.startswith("times.json: was measured on another machine (CPU a CPU, not another CPU; cores 2, not 8)")
    assert "\n" not in other


# what it makes things cost -----------------------------------------------------------------------------------------------------------


def gateway(times: ServiceTimes) -> SimGateway:
    found = SimGateway(Kernel(), 2, times, Policies(), Timers(), lambda *_: True)
    found.start()
    return found


def business(times: ServiceTimes) -> SimBusiness:
    found = SimBusiness(Kernel(), 1, times, Policies(), Timers(), [Conversation(1, "direct", (1, 2))])
    found.start()
    return found


def deliver(payload: bytes) -> Deliver:
    return Deliver(1, 1, 1, 1, 1, 1, 1, payload)


def test_a_connection_that_gets_several_frames_in_a_turn_is_written_to_once() -> None:
    node = gateway(costing(gateway_write_us=100.0, gateway_frame_out_us=1.0))
    frame = SendAck(1, 1, 0)
    assert node.cost([Write(7, frame), Write(7, frame), Write(8, frame)]) == 2 * 100 + 3 * 1


def test_a_gateway_pays_for_payloads_by_their_size_in_and_out() -> None:
    node = gateway(costing(gateway_kib_us=10.0))
    assert node.take(("frame", 1, Send(1, 1, KIB)), 0, []) == 10
    assert node.take(("envelopes", [Down((), 1, deliver(KIB * 2))]), 0, []) == 20
    assert node.cost([TellBusiness(Up(1, Send(1, 1, KIB))), Write(1, deliver(KIB)), Write(2, deliver(KIB))]) == 30


def test_frames_that_a_gateway_answers_cost_something_else_than_those_it_passes_on() -> None:
    node = gateway(costing(gateway_own_us=1.0, gateway_connect_us=20.0, gateway_forward_us=300.0))
    frames = (Ping(1), Connect(1, 1, 1, b""), Send(1, 1, b""))
    assert [node.take(("frame", 1, frame), 0, []) for frame in frames] == [1, 21, 300]


def test_business_pays_for_targets_and_envelopes_apart() -> None:
    node = business(costing(business_envelope_out_us=10.0, business_target_us=1.0, business_kib_us=100.0))
    fan_out = [TellGateway(1, Down((1, 2, 3), 1, deliver(KIB))), TellGateway(2, Down((4,), 1, deliver(KIB)))]
    assert node.cost(fan_out) == 2 * 10 + 4 * 1 + 2 * 100
    assert node.cost([Store(Append(1, 1, 1, 1, 1, b"", True))]) == 0


def test_waking_up_unevenly_costs_no_more_on_average() -> None:
    """A lognormal factor of mean 1, not of median 1; within four standard errors."""
    spread = 0.6
    factors = np.array(uneven(spread, 1, 1))
    assert factors.mean() == pytest.approx(1.0, abs=4 * np.sqrt((np.exp(spread**2) - 1) / FACTORS))
    assert np.log(factors).std() == pytest.approx(spread, rel=0.05)


def test_a_role_that_has_rested_takes_longer() -> None:
    rests = {"gateway_rest_short_us": 1_000.0, "gateway_rest_middle_us": 300.0, "gateway_rest_long_us": 5_000.0}
    node = gateway(costing(gateway_turn_us=10.0, **rests))
    for at_us in (100, 1_000, 2_200, 20_000):
        node.kernel.at(at_us, node.arrive, "frame", 1, Ping(1))
    node.kernel.play()
    assert node.cpu_us == 10 + (1_000 + 10) + 10 + (5_000 + 10)  # after rests of 90 us, of 900 us, of 190 us, of 18 ms


def test_a_turn_after_a_rest_takes_what_has_come_however_much_the_rest_costs() -> None:
    node = gateway(costing(gateway_turn_us=10.0, gateway_rest_long_us=2.0 * TURN_US_MAX))
    for _ in range(2):
        node.kernel.at(20_000, node.arrive, "deadline")
    node.kernel.at(20_001, node.arrive, "deadline")
    node.kernel.play()
    assert (node.turns, node.cpu_us) == (1, 10 + 2 * TURN_US_MAX)


def committed(times: ServiceTimes, at_us: tuple[int, ...], host: Cores | None = None, kernel: Kernel | None = None) -> list[int]:
    """When single messages are committed that are handed to storage at these instants."""
    kernel, done = kernel or Kernel(), list[int]()
    disk = SimStorage(kernel, times, [Conversation(1, "direct", (1, 2))], lambda results: done.append(kernel.now), host)
    disk.open()
    for number, instant in enumerate(at_us, 1):
        kernel.at(instant, disk.submit, [Append(number, 1, 1, 1, number, KIB, True)])
    kernel.play()
    return done


def test_a_commit_waits_for_a_disk_that_has_rested_for_as_long_as_such_a_disk_takes() -> None:
    times = costing(storage_sync_us=((10.0,), (20.0,), (30.0,)))
    assert committed(times, (0, 50, 1_000, 10_000)) == [10, 60, 1_030, 10_030]


def test_the_commit_that_fills_the_log_makes_the_checkpoint() -> None:
    times = costing(storage_kib_checkpoints=0.3, storage_commit_checkpoints=0.1, storage_conversation_checkpoints=0.1)
    slow = {"storage_checkpoint_us": 100.0, "storage_checkpoint_kib_us": 10.0, "storage_checkpoint_wait_us": 1_000.0}
    times = msgspec.structs.replace(times, **slow, storage_checkpoint_kib_wait_us=200.0)
    found = committed(times, (0, 10_000, 20_000, 30_000, 40_000))
    assert found == [0, 11_520, 20_000, 31_520, 40_000]  # 100 + 2 x 10 of CPU, 1,000 + 2 x 200 of waiting


def test_a_commit_gives_way_after_each_statement_and_needs_a_core_again_to_tell() -> None:
    kernel, others = Kernel(), list[int]()
    cores = Cores(kernel, 1)
    times = costing(storage_commit_us=2.0 * STATEMENT_US, storage_sync_us=((100.0,),))
    kernel.at(STATEMENT_US - 1, cores.work, 1_000, lambda: others.append(kernel.now))
    kernel.at(1_000 + STATEMENT_US + 1, cores.work, 500, lambda: others.append(kernel.now))
    found = committed(times, (0,), cores, kernel)
    assert others == [STATEMENT_US + 1_000, 1_000 + 2 * STATEMENT_US + 500]
    assert found == [1_000 + 2 * STATEMENT_US + 500]


@pytest.mark.parametrize(
    ("to", "leaves_us"), [((1, 2, 3), [10, 20, 30]), ((1, 1, 2), [10, 10, 20]), ((1, 1), [0, 0]), ((3,), [0])]
)
def test_what_goes_to_several_leaves_one_after_another_while_it_is_written(to: tuple[int, ...], leaves_us: list[int]) -> None:
    """What goes to one leaves together."""
    kernel, came = Kernel(), list[tuple[int, int]]()
    node = SimGateway(kernel, 2, costing(gateway_turn_us=5.0, gateway_write_us=10.0), Policies(), Timers(), lambda *_: True)
    node.start()

    class End:
        def receive(self, link: Link, frame: Any) -> None:
            came.append((link.number, kernel.now))

        def hung_up(self, link: Link) -> None:
            """For having been silent, later."""

    for device in (1, 2, 3):
        node.connect(Link(kernel, Luck(Network(delay_us=0, jitter_us=0), 1), End(), device, 1))
    out = [Write(number, SendAck(1, 1, 0)) for number in to]
    costs = list[float]()
    kernel.at(1_000, lambda: costs.append(node.cost(out)))
    kernel.at(1_000, node.release, out)
    kernel.play()
    assert costs == [10 * len(set(to))]
    assert came[: len(to)] == [(number, 1_000 + leaves) for number, leaves in zip(to, leaves_us, strict=True)]


def test_what_a_scenario_says_of_log_ins_comes_on_top_of_what_was_measured() -> None:
    measured = costing(gateway_own_us=1.0, gateway_connect_us=20.0, business_attach_us=5.0)
    times = measured.with_log_ins(LoginCost(handshake_us=300.0, account_us=4_000.0))
    door = gateway(times)
    assert [door.take(item, 0, []) for item in (("opened", 1), ("frame", 1, Connect(1, 1, 1, b"")))] == [300, 21]
    behind = business(times)
    envelopes = (Attach(1, 1, 1, 1), Attach(2, 2, 2, 1, announced=True), Detach(1, 1, 1, 1))
    assert [behind.take(("envelopes", 1, [envelope]), 0, []) for envelope in envelopes] == [4_005, 5, 5]


# cores that are shared ---------------------------------------------------------------------------------------------------------------


def test_who_waits_for_a_core_takes_what_has_arrived_meanwhile_in_one_turn() -> None:
    """Two gateways on one core: the second waits for the first one's turn, and finds two frames."""
    kernel = Kernel()
    cores, times = Cores(kernel, 1), costing(gateway_turn_us=100.0)
    one, other = (SimGateway(kernel, k, times, Policies(), Timers(), lambda *_: True, cores) for k in (2, 3))
    for node in (one, other):
        node.start()
    for at_us, node in ((0, one), (10, other), (50, other)):
        kernel.at(at_us, node.arrive, "frame", 1, Ping(1))
    kernel.play()
    assert (one.turns, other.turns, kernel.now) == (1, 1, 200)


def test_a_node_with_more_to_do_keeps_its_core_until_its_slice_is_over() -> None:
    kernel, done = Kernel(), list[int]()
    cores, times = Cores(kernel, 1), costing(gateway_turn_us=100.0, gateway_own_us=30.0)
    node = SimGateway(kernel, 2, times, Policies(), Timers(), lambda *_: True, cores)
    node.start()
    for at_us in range(0, 3 * SLICE_US, 50):
        kernel.at(at_us, node.arrive, "frame", 1, Ping(1))
    kernel.at(10, cores.work, 100, lambda: done.append(kernel.now))
    kernel.play()
    assert SLICE_US + 100 <= done[0] < 2 * SLICE_US


def test_a_core_of_a_node_that_dies_while_it_waits_goes_to_the_next() -> None:
    kernel, done = Kernel(), list[tuple[str, int]]()
    cores = Cores(kernel, 1)
    for name in ("a", "b"):
        cores.work(100, lambda name=name: done.append((name, kernel.now)))
    node = SimGateway(kernel, 2, FREE, Policies(), Timers(), lambda *_: True, cores)
    node.start()
    node.arrive("frame", 1, Ping(1))
    kernel.at(50, node.kill)
    kernel.at(60, cores.work, 100, lambda: done.append(("c", kernel.now)))
    kernel.play()
    assert done == [("a", 100), ("b", 200), ("c", 300)]


def on_one_core() -> tuple[SimGateway, Cores, list[int]]:
    """A gateway whose turns take 100 us, its core, and where somebody else's work of 100 us notes its end."""
    kernel = Kernel()
    cores = Cores(kernel, 1)
    node = SimGateway(kernel, 2, costing(gateway_turn_us=100.0), Policies(), Timers(), lambda *_: True, cores)
    node.start()
    return node, cores, []


def test_a_process_that_is_paused_while_it_waits_for_a_core_lets_others_have_it() -> None:
    node, cores, done = on_one_core()
    kernel = node.kernel
    for at_us in (0, 60):
        kernel.at(at_us, cores.work, 100, lambda: done.append(kernel.now))
    for at_us, call in ((50, node.pause), (250, node.resume)):
        kernel.at(at_us, call)
    kernel.at(10, node.arrive, "frame", 1, Ping(1))
    kernel.play()
    assert (done, node.turns, kernel.now) == ([100, 200], 1, 350)


def test_a_process_that_is_paused_in_its_turn_gives_its_core_back_once() -> None:
    node, cores, done = on_one_core()
    kernel = node.kernel
    kernel.at(0, node.arrive, "frame", 1, Ping(1))
    for at_us, call in ((50, node.pause), (300, node.resume)):
        kernel.at(at_us, call)
    for _ in range(2):
        kernel.at(400, cores.work, 100, lambda: done.append(kernel.now))
    kernel.play()
    assert (node.turns, done) == (1, [500, 600])


# the load process --------------------------------------------------------------------------------------------------------------------


def test_the_load_process_takes_frames_one_after_another_and_sleeps_in_between() -> None:
    kernel, seen = Kernel(), list[tuple[int, str]]()
    load_process = LoadProcess(kernel, costing(generator_turn_us=5.0, generator_frame_us=20.0))
    for at_us, name in ((0, "a"), (10, "b"), (100, "c")):
        kernel.at(at_us, lambda name=name: load_process.receive(name, None, lambda: seen.append((kernel.now, name))))
    kernel.play()
    assert seen == [(5, "a"), (25, "b"), (105, "c")]
    assert (load_process.wakes, load_process.cpu_us) == (2, 2 * 5 + 3 * 20)


def test_what_has_come_on_one_connection_is_read_at_once() -> None:
    kernel = Kernel()
    load_process = LoadProcess(kernel, costing(generator_read_us=20.0, generator_frame_us=3.0))
    for link in ("a", "b", "a"):
        load_process.receive(link, None, lambda: None)
    kernel.play()
    assert load_process.cpu_us == 2 * 20 + 3 * 3


def test_what_the_schedule_wants_waits_for_a_whole_millisecond_unless_a_frame_comes() -> None:
    """The same sends, and none earlier than it was meant, or more than two milliseconds late."""
    times = costing(generator_frame_us=1.0)
    found = run(BASE, "cursor", 1, times=times, generator=True)
    rows = found.rows
    intended, invoked = (rows[rows["kind"] == kind] for kind in (Kind.INTEND, Kind.INVOKE))
    assert len(intended) == len(invoked)
    late = invoked["t_us"] - intended["t_us"]
    assert late.min() >= 0
    assert 0 < late.mean() < 1_000
    assert late.max() <= 2_010


def timed(*due_us: int, frames_us: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    """(due, done) of what a load process has planned that costs nothing, while frames come."""
    kernel, done = Kernel(), list[tuple[int, int]]()
    load_process = LoadProcess(kernel, costing())
    for due in due_us:
        load_process.plan(due, lambda due=due: done.append((due, kernel.now)))
    for at_us in frames_us:
        kernel.at(at_us, lambda: load_process.receive(0, None, lambda: None))
    kernel.play()
    return done


def test_the_timer_counts_whole_milliseconds_and_does_together_what_is_due() -> None:
    assert timed(1_200, 1_900, 2_500) == [(1_200, 2_000), (1_900, 2_000), (2_500, 3_000)]


def test_a_frame_has_the_timer_looked_at_once_the_clock_has_its_millisecond() -> None:
    assert timed(1_200, frames_us=(1_500, 2_100)) == [(1_200, 2_100)]
    assert timed(1_200, frames_us=(1_500,)) == [(1_200, 2_500)]  # it slept again, for the one millisecond that was missing
    assert timed(3_200, frames_us=(2_500, 4_100)) == [(3_200, 4_100)]


def test_the_timer_does_not_ring_for_what_was_done_when_it_rang() -> None:
    kernel = Kernel()
    load_process = LoadProcess(kernel, costing())
    load_process.plan(100, lambda: load_process.plan(50_000, lambda: None))
    load_process.plan(200, lambda: None)
    kernel.play()
    assert load_process.wakes == 2


def test_what_is_written_when_the_timer_rings_leaves_together() -> None:
    kernel, left = Kernel(), list[int]()
    load_process = LoadProcess(kernel, costing(generator_send_us=30.0))
    for due in (100, 200, 300):
        load_process.plan(due, lambda: load_process.write(Send(1, 1, b""), lambda: left.append(kernel.now)))
    kernel.play()
    assert left == [1_090] * 3


def test_a_prediction_is_a_function_of_its_arguments() -> None:
    for scenario in (BASE, KILLED):
        one, other = (run(scenario, "cursor", 5, times=load(), generator=True) for _ in range(2))
        assert one.trace_digest == other.trace_digest
    assert run(KILLED, "cursor", 5, times=load()).trace_digest != other.trace_digest


def test_with_a_load_process_the_same_is_shown_later() -> None:
    alone, beside = (run(BASE, "cursor", 1, times=load(), generator=generator) for generator in (False, True))
    assert alone.messages_delivered == beside.messages_delivered
    assert "generator" in beside.counters
    assert beside.counters["generator"]["cpu_us"] > 0
