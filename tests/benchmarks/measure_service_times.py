"""Measure what the simulated world's roles cost, on the real ones, and write ``model/sim/service_times.json``.

    python -m tests.benchmarks.measure_service_times [--seconds 5] [--print]

Run it on an idle machine; it takes about a minute. What is measured, and how it becomes the model's numbers:

- CPU of each role per direct message (sent, committed, acknowledged, delivered, receive-acknowledged) at a low and at a high offered rate,
  by the generator of ``bench_server``. At the low rate every input has a turn of its own; at the high one turns are shared. So the
  high rate's cost is taken for the content of a message, and the difference, divided by the inputs of a message, for a turn.
- The content is split over frames and envelopes in proportion to in-process timings of the same code paths (decode, machine, encode,
  and a write to a socket).
- Group commit: ``Database.run`` with 1 to 200 appends; a least-squares line gives the commit and the row.
- Starts: from the supervisor's command to the role's ready line, median of five.

The client's send is one frame in, its ack another; three envelopes and three frames go out. A turn's cost thus contains the system calls
of waking and reading; a frame out contains its write.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from model.core.business import BusinessNode
from model.core.commands import Append, Appended
from model.core.effects import Store
from model.core.envelopes import Attach, Attached, Down, Up
from model.core.frames import CLIENT_KINDS, Connect, Deliver, Opaque, Send, SendAck
from model.core.gateway import Gateway
from model.core.log import Conversation
from model.core.policies import PRESETS, Timers
from model.history.machine import this_machine
from model.sim.service_times import PATH, ServiceTimes
from model.wire import BatchDecoder, FrameDecoder, decode, encode, encode_batches
from reference_server.config import ServerConfig, write_config
from reference_server.storage.database import Database
from tests.benchmarks.bench_server import PAYLOAD, SECRET, Load, cpu_us

USERS = 200
LOW_RATE, HIGH_RATE = 100.0, 4000.0
TURNS_AT_GATEWAYS = 5
"""Inputs of one direct message at both gateways together: send, ack down, delivery down, receive ack, confirmation down."""
TURNS_AT_BUSINESS = 3
"""Send, the store's result, receive ack."""
BATCHES = (1, 5, 20, 50, 100, 200)
LOOPS = 20_000


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="length of each load (5)")
    parser.add_argument("--print", action="store_true", help="print the file instead of writing it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = msgspec.json.format(msgspec.json.encode(measure(Path(folder), options.seconds)), indent=2)
    if options.print:
        sys.stdout.write(text.decode() + "\n")
    else:
        PATH.write_bytes(text + b"\n")
    return 0


def measure(folder: Path, seconds: float) -> ServiceTimes:
    """Everything, in order."""
    starts, low, high = real_roles(folder, seconds)
    gateway, business = gateway_parts(), business_parts()
    commit, row = group_commit(folder)
    gateway_turn = max(0.0, (low["gateways"] - high["gateways"]) / TURNS_AT_GATEWAYS)
    business_turn = max(0.0, (low["business"] - high["business"]) / TURNS_AT_BUSINESS)
    frame_in, envelope, frame_out = shares(high["gateways"], gateway, (2, 3, 3))
    envelope_in, result, envelope_out = shares(max(1.0, high["business"] - row), business, (2, 1, 3))
    return ServiceTimes(
        gateway_turn_us=round(gateway_turn, 1),
        gateway_frame_in_us=frame_in,
        gateway_frame_out_us=frame_out,
        gateway_envelope_us=envelope,
        business_turn_us=round(business_turn, 1),
        business_envelope_us=envelope_in,
        business_result_us=result,
        business_envelope_out_us=envelope_out,
        storage_commit_us=round(commit, 1),
        storage_row_us=round(row, 1),
        gateway_start_us=round(starts["gateway-1"]),
        business_start_us=round(starts["business"]),
        provenance=provenance(low, high, seconds),
    )


def shares(total_us: float, parts_us: tuple[float, ...], counts: tuple[int, ...]) -> tuple[float, ...]:
    """What each part costs, so that ``counts`` of them make ``total_us``, in proportion to their in-process timings."""
    in_process = sum(part * count for part, count in zip(parts_us, counts, strict=True))
    return tuple(round(total_us * part / in_process, 1) for part in parts_us)


def provenance(low: dict[str, float], high: dict[str, float], seconds: float) -> dict[str, str]:
    """Where the numbers come from."""
    machine = this_machine()
    return {
        "machine": f"{machine.cpu}, {machine.cores} cores, kernel {machine.kernel}, Python {machine.python}",
        "measured_on": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": "python -m tests.benchmarks.measure_service_times",
        "method": "see the docstring of that file",
        "cpu_us_per_direct_message": json.dumps({f"{LOW_RATE:.0f}/s": low, f"{HIGH_RATE:.0f}/s": high}),
        "load": f"{USERS} users, direct messages of {len(PAYLOAD)} bytes, {seconds:.0f} s at each rate, 2 gateways",
    }


# the real roles under load -------------------------------------------------------------------------------------------------------------


def real_roles(folder: Path, seconds: float) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Start-up times, and CPU per message of all gateways and of business at the low and the high rate."""
    config = folder / "server.json"
    pairs = tuple(Conversation(n, "direct", (2 * n - 1, 2 * n)) for n in range(1, USERS // 2 + 1))
    write_config(config, ServerConfig(SECRET.hex(), pairs))
    command = [sys.executable, "-m", "reference_server.serve", "--config", str(config), "--data", f"{folder}/store", "--control"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline().removeprefix("ready "))
            low, high = (under_load(ready, rate, seconds) for rate in (LOW_RATE, HIGH_RATE))
            return {role: start_us(server, role) for role in ("gateway-1", "business")}, low, high
        finally:
            server.terminate()


def under_load(ready: dict[str, Any], rate: float, seconds: float) -> dict[str, float]:
    """CPU microseconds per delivered message at an offered rate."""
    pids = {"gateways": [g["pid"] for g in ready["gateways"]], "business": [ready["business"]["pid"]]}
    load = Load(USERS, [gateway["port"] for gateway in ready["gateways"]])
    while load.welcomed < USERS:
        load.read(1.0)
    before = {role: sum(map(cpu_us, of)) for role, of in pids.items()}
    load.run(rate, seconds)
    after = {role: sum(map(cpu_us, of)) for role, of in pids.items()}
    for device in load.devices:
        device.socket.close()
    return {role: round((after[role] - before[role]) / load.delivered, 1) for role in pids}


def start_us(server: subprocess.Popen[str], role: str) -> float:
    """Median time from the command to start a role until it serves."""
    assert server.stdin is not None
    assert server.stdout is not None
    times: list[float] = []
    for _ in range(5):
        tell(server, f"kill {role}")
        begin = time.monotonic_ns()
        times.append((tell(server, f"start {role}")["t_ns"] - begin) / 1e3)
    return statistics.median(times)


def tell(server: subprocess.Popen[str], command: str) -> dict[str, Any]:
    """A command to the supervisor, and its event."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(command + "\n")
    server.stdin.flush()
    event: dict[str, Any] = json.loads(server.stdout.readline())
    return event


# parts, in process ----------------------------------------------------------------------------------------------------------------------


def timed(call: Callable[[], object]) -> float:
    """Microseconds a call, best of five."""
    return min(timeit.repeat(call, number=LOOPS, repeat=5)) / LOOPS * 1e6


DELIVER = Deliver(1, 1, 1, 1, 1, 1, 1, PAYLOAD)


def gateway_parts() -> tuple[float, float, float]:
    """A frame in, an envelope, a frame out."""
    machine, out = Gateway(PRESETS["cursor"], Timers(), lambda *_: True), list[Any]()
    machine.business_up(0, out)
    machine.opened(1, 0, out)
    machine.receive(1, Connect(1, 1, 1, b""), 0, out)
    machine.receive_business(Attached(1, 1, ()), 0, out)
    decoder, frame = FrameDecoder(CLIENT_KINDS), encode(Send(1, 1, PAYLOAD))
    batch = encode_batches([Down((1,), 1, DELIVER)])
    ours, theirs = socket.socketpair()
    data = encode(DELIVER)

    def frame_in() -> None:
        out.clear()
        for opaque in decoder.feed(frame):
            machine.receive(1, opaque, 0, out)
        encode_batches([effect.envelope for effect in out])

    def envelope() -> None:
        out.clear()
        for told in BatchDecoder().feed(batch):
            machine.receive_business(told, 0, out)  # type: ignore[arg-type]

    def frame_out() -> None:
        ours.send(data)
        theirs.recv(4096)  # counted in: emptying the buffer costs about as much as waking the peer

    with ours, theirs:
        return timed(frame_in), timed(envelope), timed(frame_out)


def business_parts() -> tuple[float, float, float]:
    """An envelope in, a result, an envelope out."""
    node = BusinessNode(PRESETS["cursor"], Timers(), [Conversation(1, "direct", (1, 2))], [], 1)
    out: list[Any] = []
    answers: list[Any] = []
    for user in (1, 2):
        node.receive(user, Attach(user, user, user, 1), 0, out)
    batch = encode_batches([Up(1, Send(1, 1, PAYLOAD))])

    def envelope_in() -> None:
        for told in BatchDecoder().feed(batch):
            assert isinstance(told, Up)
            assert isinstance(told.frame, Opaque)
            node.receive(1, Up(told.connection, decode(told.frame)), 0, out)

    def result() -> None:
        effect = out.pop()
        assert isinstance(effect, Store)
        node.stored(Appended(effect.command.token, 0, False, 1, 1, 1, DELIVER), 0, answers)
        answers.clear()

    def envelope_out() -> bytes:
        return encode_batches([Down((1,), 0, SendAck(1, 1, 0, True, 1, 1, 1))])

    out.clear()
    rounds = [(timeit.timeit(envelope_in, number=LOOPS), timeit.timeit(result, number=LOOPS)) for _ in range(5)]
    into, stored = (min(times) / LOOPS * 1e6 for times in zip(*rounds, strict=True))
    return into, stored, timed(envelope_out)


def group_commit(folder: Path) -> tuple[float, float]:
    """The commit and the row, in elapsed microseconds: a least-squares line through medians over batch sizes."""
    database = Database(folder / "commits", (Conversation(1, "direct", (1, 2)),))
    counter, medians = 0, []
    for size in BATCHES:
        times = []
        for _ in range(40):
            commands = [Append(k, 1, 1, 1, counter + k, PAYLOAD, True) for k in range(1, size + 1)]
            counter += size
            begin = time.perf_counter_ns()
            database.run(commands)
            times.append((time.perf_counter_ns() - begin) / 1e3)
        medians.append(statistics.median(times))
    row, commit = np.polyfit(BATCHES, medians, 1)
    return float(commit), float(row)


if __name__ == "__main__":
    sys.exit(main())
