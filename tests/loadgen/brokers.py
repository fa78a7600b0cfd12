"""Two brokers for the same tests: one that is made up, in this process, and mosquitto. What a test says of one must hold of the other.

The made-up one has just enough of MQTT 3.1.1 to be asked what mosquitto is asked here, and can do one thing that mosquitto does by
chance only: take a message and drop the connection before it answers.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from scenarios.targets import mosquitto

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = range(1, 10)
PINGREQ, PINGRESP = 12, 13


class Broker(Protocol):
    """What a test asks of a broker."""

    port: int

    async def down(self) -> None:
        """It is killed."""
        ...

    async def up(self) -> None:
        """It is there again, and remembers nothing, or what it had saved."""
        ...


class MadeUp:
    """The made-up broker. ``forgets``: whether sessions end when it does."""

    def __init__(self, forgets: bool = True) -> None:
        self.forgets = forgets
        self.drops_before_answer = 0
        """So many messages more are passed on, and their senders cut off instead of answered."""
        self.mute = False
        """It answers no more whether it is there."""
        self.port = 0
        self._sessions: dict[str, dict[str, int]] = {}
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._held: dict[tuple[str, int], tuple[str, bytes]] = {}
        self._server: asyncio.Server | None = None
        self._last_id = 0

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers.values():
            writer.transport.abort()
        self._writers.clear()
        self._held.clear()
        if self.forgets:
            self._sessions.clear()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = ""
        try:
            while True:
                kind, flags, body = await self._packet(reader)
                if kind == CONNECT:
                    name = body[12:].decode()
                    self._writers[name] = writer
                    _say(writer, CONNACK, bytes([name in self._sessions, 0]))
                    self._sessions.setdefault(name, {})
                else:
                    self._handle(name, writer, kind, flags, body)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def _packet(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return first >> 4, first & 0xF, await reader.readexactly(length)

    def _handle(self, name: str, writer: asyncio.StreamWriter, kind: int, flags: int, body: bytes) -> None:
        if kind == SUBSCRIBE:
            topics = _topics(body[2:])
            self._sessions[name] |= topics
            _say(writer, SUBACK, body[:2] + bytes(topics.values()))
        elif kind == PUBLISH:
            self._published(name, writer, flags >> 1 & 3, body)
        elif kind == PUBREC:
            _say(writer, PUBREL, body[:2], 2)
        elif kind == PUBREL:
            held = self._held.pop((name, int.from_bytes(body[:2], "big")), None)
            if held:
                self._pass_on(*held)
            self._answer(writer, PUBCOMP, body[:2])
        elif kind == PINGREQ and not self.mute:
            _say(writer, PINGRESP, b"")

    def _published(self, name: str, writer: asyncio.StreamWriter, qos: int, body: bytes) -> None:
        size = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if qos == 2:
            self._held[name, int.from_bytes(rest[:2], "big")] = (topic, rest[2:])
            _say(writer, PUBREC, rest[:2])
            return
        self._pass_on(topic, rest[2:] if qos else rest)
        if qos:
            self._answer(writer, PUBACK, rest[:2])

    def _answer(self, writer: asyncio.StreamWriter, kind: int, packet_id: bytes) -> None:
        if self.drops_before_answer:
            self.drops_before_answer -= 1
            writer.transport.abort()
        else:
            _say(writer, kind, packet_id)

    def _pass_on(self, topic: str, payload: bytes) -> None:
        for name, topics in self._sessions.items():
            if topic in topics and name in self._writers:
                qos, words = topics[topic], topic.encode()
                self._last_id += 1
                packet_id = self._last_id.to_bytes(2, "big") if qos else b""
                _say(self._writers[name], PUBLISH, len(words).to_bytes(2, "big") + words + packet_id + payload, qos << 1)


def _topics(body: bytes) -> dict[str, int]:
    found = {}
    while body:
        size = int.from_bytes(body[:2], "big")
        found[body[2 : 2 + size].decode()] = body[2 + size]
        body = body[3 + size :]
    return found


def _say(writer: asyncio.StreamWriter, kind: int, body: bytes, flags: int = 0) -> None:
    length, digits = len(body), bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        digits.append(digit | (0x80 if length else 0))
        if not length:
            break
    if not writer.is_closing():
        writer.write(bytes([kind << 4 | flags]) + bytes(digits) + body)


class Mosquitto:
    """The real one, started and killed as in a live run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def event(self) -> dict[str, object]:
        """The next line of the program that runs it."""
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        found: dict[str, object] = json.loads(line.removeprefix("ready "))
        return found

    async def down(self) -> None:
        self._tell("kill gateway-1")
        assert (await self.event())["status"] == -9

    async def up(self) -> None:
        self._tell("start gateway-1")
        assert (await self.event())["event"] == "started"

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())


@asynccontextmanager
async def broker(name: str, preset: str, folder: Path) -> AsyncIterator[Broker]:
    """``made up`` or ``mosquitto``, serving; ended afterwards."""
    if name == "made up":
        made_up = MadeUp()
        await made_up.up()
        yield made_up
        await made_up.down()
        return
    arguments = ["--preset", preset, "--folder", str(folder / "data"), "--logs", str(folder)]
    command = [sys.executable, "-m", mosquitto.SERVER, *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        real = Mosquitto(process)
        ready = await real.event()
        real.port = ready["gateways"][0]["port"]  # type: ignore[index]
        yield real
    finally:
        process.terminate()
        await process.wait()
