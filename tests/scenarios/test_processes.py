"""Processes are heard and always ended; what they cost is told by role."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.history.recorder import MemoryRecorder, Rows
from model.history.schema import Kind, Via
from model.scenario.pulse import BEAT_NS, Pulse, pulse_path
from scenarios.running import metrics
from scenarios.running.exits import Interrupted
from scenarios.running.metrics import HostSample, Meter, Sample
from scenarios.running.processes import Started
from scenarios.running.progress import Lines
from scenarios.running.signals import STOPPING, interruptible

ROOT = Path(__file__).resolve().parents[2]
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
TWICE = """
import multiprocessing, os, signal, time
from contextlib import suppress
from scenarios.running.exits import Interrupted
from scenarios.running.signals import interruptible
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
worker.start()
with suppress(Interrupted), interruptible("two of nine were kept"):
    signal.raise_signal(signal.SIGTERM)
signal.raise_signal(signal.SIGTERM)
"""
"""A program that tells its partial result, and is asked to stop once more."""

Start = Callable[[str], Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def begin(program: str) -> Started:
        started.append(Started("child", [sys.executable, "-c", program], tmp_path / "log", cwd=tmp_path, env=os.environ))
        return started[-1]

    yield begin
    for child in started:
        child.kill()


def test_it_is_heard_line_by_line_and_its_end_stays_the_end(start: Start) -> None:
    child = start("print('one'); print(input())")
    child.say("two")
    assert [child.line(10), child.line(10), child.line(10), child.line(0)] == ["one", "two", None, None]
    assert child.stop() == 0


def test_it_ends_even_if_it_does_not_listen(start: Start) -> None:
    child = start(DEAF)
    assert child.line(10) == "ready"
    assert child.stop(grace_s=0.1) == -signal.SIGKILL
    assert child.stop() == -signal.SIGKILL


def test_what_it_says_last_is_kept(start: Start) -> None:
    child = start("import sys; sys.exit('no port is free')")
    assert child.line(10) is None
    while child.status is None:
        time.sleep(0.01)
    assert child.last_words() == "no port is free"
    child.say("nobody hears this")


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts the handlers of signals back."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_is_an_exception(handlers: None) -> None:
    with interruptible(), pytest.raises(Interrupted) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.number == signal.SIGTERM


def test_without_a_signal_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_second_signal_ends_it_all_at_once_and_says_what_is_left() -> None:
    # it returns when nobody has its pipes any more: when the worker has ended, too
    ended = subprocess.run([sys.executable, "-c", TWICE], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 143
    assert ended.stderr == "imbench: ended at once; two of nine were kept\n"


def test_progress_is_a_plain_line_every_while() -> None:
    stream = io.StringIO()
    with Lines(stream, every_s=0.01) as lines:
        lines.begin("cursor live")
        lines.at(0.25, "second 3")
        while stream.getvalue().count("\n") < 3:
            time.sleep(0.005)
    assert stream.getvalue().splitlines()[:2] == ["cursor live", "cursor live, second 3, 25% (0 s)"]


class TestCost:
    def test_a_meter_skips_who_has_gone(self) -> None:
        meter = Meter()
        meter.watch("generator", "load", os.getpid())
        meter.watch("gateway", "gateway-1", 2**22 + 1)
        meter.sample(5)
        (sample,) = meter.samples
        assert (sample.role, sample.pid, sample.t_us) == ("generator", os.getpid(), 5)
        assert sample.resident_bytes > 0

    def test_how_the_machine_was_is_noted(self) -> None:
        meter = Meter()
        meter.watch("generator", "load", os.getpid())
        meter.sample(0)
        meter.sample(1_000_000)
        found = metrics.of_live(meter.samples, meter.host, deliveries([]), 0, 1_000_000)
        assert found["descriptors_max"]["load"] >= 3
        assert found["waited_share_max"]["load"] >= 0
        assert [sample.t_us for sample in found["host"]] == [0, 1_000_000]
        assert all(sample.available_bytes > 0 for sample in found["host"])

    def test_the_worst_second_of_steal_counts(self) -> None:
        told = ((0, 100, 5), (1, 300, 5), (2, 400, 35), (3, 400, 35))
        host = [HostSample(second * 1_000_000, cpu_us, steal_us, 1) for second, cpu_us, steal_us in told]
        assert metrics.steal_max(host) == 0.3
        assert metrics.steal_max(host[:1]) is None

    def test_a_look_before_a_fault_makes_no_second_of_the_time_to_the_next(self) -> None:
        """The kernel counts in ticks of 10 ms: of two ticks between two looks one may be another machine's, in a second of which that is
        half a per cent."""
        told = ((0, 0, 0), (1_000_000, 2_000_000, 0), (1_004_000, 2_020_000, 10_000), (2_000_000, 4_000_000, 10_000))
        host = [HostSample(t_us, cpu_us, steal_us, 1) for t_us, cpu_us, steal_us in told]
        assert metrics.steal_max(host) == 0.005
        waited = [Sample(t_us, "gateway", "gateway-1", 1, 0, 1, waited_us=steal_us / 4) for t_us, _, steal_us in told]
        assert metrics.of_live(waited, [], deliveries([]), 0, 1)["waited_share_max"] == {"gateway-1": 0.0025}

    def test_the_worst_wait_for_a_core_counts_of_each_process(self) -> None:
        samples = [Sample(t * 1_000_000, "gateway", "gateway-1", 1, 0, 1, waited_us=w) for t, w in ((0, 0), (1, 1e5), (2, 5e5))]
        assert metrics.of_live(samples, [], deliveries([]), 0, 200)["waited_share_max"] == {"gateway-1": 0.4}

    def test_how_late_loops_are_is_sampled_for_everyone_and_judged_of_the_harness_alone(self, tmp_path: Path) -> None:
        """Of each process the worst of every second; p99 over all beats of the load, of those that are asked for."""
        meter = Meter()
        meter.pulses = tmp_path
        meter.watch("generator", "load", os.getpid())
        due: list[Callable[[], None]] = []
        now_ns = [0]
        pulse = Pulse(pulse_path(tmp_path, os.getpid()), lambda _, call: due.append(call), lambda: now_ns[0])
        pulse.begin()
        for second, lates_ms in enumerate(((45,), (1, 2, 30), (4,), (40,)), 1):
            for late_ms in lates_ms:
                now_ns[0] += BEAT_NS
                now_ns[0] += late_ms * 1_000_000
                due.pop()()
                now_ns[0] -= late_ms * 1_000_000
            meter.sample(second * 1_000_000)
        assert [sample.lag_us for sample in meter.samples] == [45_000, 30_000, 4_000, 40_000]
        assert metrics.of_live(meter.samples, [], deliveries([]), 0, 4_000_000)["lag_us_max"] == {"load": 45_000}

    def test_late_beats_count_where_they_were_due_of_the_load_alone(self) -> None:
        """A look finds what was due in the second before it: that of the first second of the load is not the ramp's, nor is what a look
        after the end of the load finds of its last second left out."""
        meter, calm, late = Meter(), [0] * 20, [*[0] * 10, 30_000, 20_000, *[0] * 8]
        meter.beats = [(t_us + 150, "load", lags) for t_us, lags in ((1_000_000, [900_000] * 19 + [0]), (2_000_000, calm))]
        meter.beats += [(3_000_150, "load", late), (4_000_150, "load", [700_000] * 20), (2_000_000, "gateway-1", [500_000] * 20)]
        assert meter.lag_p99_us(("load", "proxy"), 1_000_000, 3_000_000) == 30_000
        assert meter.lag_p99_us(("load",), 1_000_000, 2_000_000) == 0
        assert meter.lag_p99_us(("proxy",), 0, 3_000_000) is None

    def test_cpu_counts_from_the_load_to_the_drain_over_all_lives_of_a_role(self) -> None:
        samples = [
            Sample(0, "gateway", "gateway-1", 1, 500, 10),
            Sample(100, "gateway", "gateway-1", 1, 700, 30),
            Sample(200, "gateway", "gateway-1", 1, 900, 20),  # killed
            Sample(200, "gateway", "gateway-2", 2, 100, 5),
            Sample(300, "gateway", "gateway-1", 3, 50, 5),  # born again
            Sample(400, "gateway", "gateway-1", 3, 90, 5),
            Sample(500, "gateway", "gateway-1", 3, 999, 5),  # the drain
        ]
        rows = deliveries([(150, Via.LIVE), (160, Via.SYNC), (170, Via.OWN), (450, Via.LIVE)])
        found = metrics.of_live(samples, [], rows, 100, 400)
        assert found["deliveries"] == 2
        assert found["cost"] == {"gateway": {"cpu_us": 200 + 100 + 90, "cpu_us_per_delivery": 195.0}}
        assert found["resident_bytes_max"] == {"gateway-1": 30, "gateway-2": 5}

    def test_cpu_is_read_between_samples(self) -> None:
        samples = [
            Sample(t_us, "business", "business", 1, cpu_us, 1) for t_us, cpu_us in ((0, 0), (100, 40), (200, 100), (300, 100))
        ]
        found = metrics.of_live(samples, [], deliveries([(150, Via.LIVE)]), 50, 250)
        assert found["cost"]["business"]["cpu_us"] == 100 - 20

    def test_how_busy_a_process_was_is_a_share_of_one_core_and_the_server_is_all_of_its_own(self) -> None:
        spent = {"supervisor": 0, "gateway-1": 30, "gateway-2": 20, "business": 80, "load": 50, "proxy": 10}
        roles = {"gateway-1": "gateway", "gateway-2": "gateway", "load": "generator"}
        samples = [
            Sample(t_us, roles.get(name, name), name, pid, t_us // 100 * cpu_us, 1)
            for t_us in (0, 100, 200)
            for pid, (name, cpu_us) in enumerate(spent.items())
        ]
        found = metrics.of_live(samples, [], deliveries([]), 100, 200)
        assert found["busy"] == {name: cpu_us / 100 for name, cpu_us in sorted(spent.items())}
        assert found["server_busy"] == 1.3

    def test_a_cost_of_nothing_delivered_is_not_a_number(self) -> None:
        found = metrics.of_live([Sample(0, "business", "business", 1, 5, 1)], [], deliveries([]), 0, 100)
        assert found["cost"]["business"]["cpu_us_per_delivery"] is None


def deliveries(shown: list[tuple[int, Via]]) -> Rows:
    recorder = MemoryRecorder(chunk_rows=16)
    for t_us, via in shown:
        recorder.record(Kind.DELIVER, t_us, device=1, conversation=1, sender=2, send_counter=1, via=via)
    return recorder.rows()
