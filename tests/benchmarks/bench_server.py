"""What one message costs the reference server: CPU microseconds by role, at an offered rate, on this machine.

    python -m tests.benchmarks.bench_server [--rate 1000] [--seconds 5] [--users 200]

Direct pairs, one user on each of two gateways; payloads of 120 bytes; a message is sent, committed, acknowledged, delivered and
receive-acknowledged (one receive ack a connection each 50 ms). The generator is open: it sends on schedule, whatever comes back. It
knows nothing of the client rules and judges nothing; ``behind`` is what was sent and not yet delivered at the end. Run it on an idle
machine, and not in the checks.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import psutil

from model.core import tokens
from model.core.frames import DELIVER, SEND_ACK, WELCOME, Connect, Deliver, ReceiveAck, Send
from model.core.log import Conversation
from model.wire import FrameDecoder, decode, encode
from reference_server.config import ServerConfig, write_config

SECRET = bytes(range(16))
PAYLOAD = b"x" * 120
ACK_S = 0.05
TICK_S = 0.002


class Device:
    """One connection: its conversation, its counters and how far it has received."""

    def __init__(self, user: int, port: int) -> None:
        self.conversation = (user + 1) // 2
        self.counter = self.ack_counter = self.received_upto = self.acked_upto = 0
        self.decoder = FrameDecoder(range(32, 41))
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(encode(Connect(user, user, 1, tokens.mint(SECRET, user, user))))

    def send(self) -> None:
        self.counter += 1
        self.socket.sendall(encode(Send(self.conversation, self.counter, PAYLOAD)))

    def acknowledge(self) -> None:
        if self.received_upto > self.acked_upto:
            self.acked_upto = self.received_upto
            self.ack_counter += 1
            self.socket.sendall(encode(ReceiveAck(self.ack_counter, ((self.conversation, self.acked_upto),))))


class Load:
    """All devices on one selector."""

    def __init__(self, users: int, ports: list[int]) -> None:
        self.selector = selectors.DefaultSelector()
        self.devices = [Device(user, ports[user % len(ports)]) for user in range(1, users + 1)]
        for device in self.devices:
            self.selector.register(device.socket, selectors.EVENT_READ, device)
        self.welcomed = self.sent = self.acked = self.delivered = 0

    def read(self, wait_s: float) -> None:
        for key, _ in self.selector.select(wait_s):
            device: Device = key.data
            for frame in device.decoder.feed(device.socket.recv(1 << 16)):
                self.welcomed += frame.kind == WELCOME
                self.acked += frame.kind == SEND_ACK
                if frame.kind == DELIVER:
                    self.delivered += 1
                    message = cast(Deliver, decode(frame))
                    device.received_upto = max(device.received_upto, message.conversation_seq)

    def run(self, rate: float, seconds: float) -> None:
        begin = now = time.monotonic()
        ack_at = begin + ACK_S
        while now < begin + seconds:
            due = int((now - begin) * rate)
            while self.sent < due:
                self.devices[self.sent * 7 % len(self.devices)].send()
                self.sent += 1
            if now >= ack_at:
                ack_at = now + ACK_S
                for device in self.devices:
                    device.acknowledge()
            self.read(TICK_S)
            now = time.monotonic()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000, help="messages per second (1000)")
    parser.add_argument("--seconds", type=float, default=5, help="how long (5)")
    parser.add_argument("--users", type=int, default=200, help="connections (200)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = tuple(Conversation(n, "direct", (2 * n - 1, 2 * n)) for n in range(1, options.users // 2 + 1))
        config = Path(folder) / "server.json"
        write_config(config, ServerConfig(SECRET.hex(), pairs))
        command = [sys.executable, "-m", "reference_server.serve", "--config", str(config), "--data", folder + "/store"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                report(json.loads(server.stdout.readline().removeprefix("ready ")), options)
            finally:
                server.terminate()
    return 0


def report(ready: dict[str, Any], options: argparse.Namespace) -> None:
    """Put a ready server under load and print what it cost."""
    roles = {gateway["name"]: gateway["pid"] for gateway in ready["gateways"]} | {"business": ready["business"]["pid"]}
    load = Load(options.users, [gateway["port"] for gateway in ready["gateways"]])
    while load.welcomed < options.users:
        load.read(1.0)
    before = {role: cpu_us(pid) for role, pid in roles.items()} | {"generator": time.process_time() * 1e6}
    load.run(options.rate, options.seconds)
    after = {role: cpu_us(pid) for role, pid in roles.items()} | {"generator": time.process_time() * 1e6}
    costs = {role: round((after[role] - before[role]) / max(1, load.delivered), 1) for role in after}
    print(json.dumps({"sent": load.sent, "acked": load.acked, "behind": load.sent - load.delivered, "us_per_message": costs}))


def cpu_us(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system) * 1e6


if __name__ == "__main__":
    sys.exit(main())
