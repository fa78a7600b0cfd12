"""What MQTT says becomes rows: the same with a made-up broker and with mosquitto."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadgen.driver import JobError
from loadgen.targets.mqtt import QOS, Crowd, Device
from loadgen.targets.playing import Diary, Seat
from model.core.policies import Timers
from model.history.recorder import MemoryRecorder
from model.history.schema import Basis, Kind, Via
from model.observe import ClientObserver, content_hash
from model.scenario import Scenario
from model.scenario.job import Endpoint, LoadJob
from scenarios.targets import mosquitto
from tests.loadgen.brokers import Broker, MadeUp, broker

LACKING = mosquitto.missing()
WAIT_S = 20.0
"""Longest wait for anything; reached only where something is broken."""
TALK = 7
MINUTE_US = 60_000_000
QUICK = msgspec.structs.replace(Timers().scaled(0.02), heartbeat_us=MINUTE_US)
SCENARIO = Scenario("mqtt", "What becomes of it?", gateways=1, timers=QUICK)

BROKERS = pytest.mark.parametrize(
    "kind",
    [
        "made up",
        pytest.param("mosquitto", marks=[pytest.mark.live, pytest.mark.skipif(LACKING is not None, reason=str(LACKING))]),
    ],
)


class Two:
    """Two people who talk with each other, and what was recorded of them."""

    def __init__(self, port: int, preset: str, heartbeat_us: int = MINUTE_US) -> None:
        endpoint, timers = Endpoint("127.0.0.1", port, 2), msgspec.structs.replace(QUICK, heartbeat_us=heartbeat_us)
        job = LoadJob(msgspec.structs.replace(SCENARIO, timers=timers), preset, 1, (endpoint,), "", "", "", "")
        self.recorder, began = MemoryRecorder(), time.monotonic_ns()
        self.crowd = Crowd()

        def device(number: int) -> Device:
            diary = Diary(ClientObserver(self.recorder, number, {0: 2}), lambda: (time.monotonic_ns() - began) // 1000, KNOWN)
            self.diaries[number] = diary
            return Device(Seat(job, number, (TALK,), diary), self.crowd)

        self.diaries: dict[int, Diary] = {}
        self.devices = {number: device(number) for number in (1, 2)}

    async def open(self) -> None:
        for device in self.devices.values():
            device.open()
        await until(lambda: all(device.ready for device in self.devices.values()))

    def close(self) -> None:
        for device in self.devices.values():
            device.close()
        self.crowd.threads.shutdown()

    def say(self, counter: int) -> None:
        """Device 1 sends its message number ``counter``."""
        payload = words(counter)
        self.diaries[1].invoked(TALK, payload)
        self.devices[1].send(TALK, counter, payload)

    def rows(self, kind: Kind, device: int = 1) -> list[dict[str, int]]:
        found = [row for row in self.recorder.rows() if row["kind"] == kind and row["device"] == device]
        return [{name: int(row[name]) for name in row.dtype.names if name not in ("pad", "t_us")} for row in found]

    def counters(self, kind: Kind, device: int = 1) -> list[int]:
        return [row["send_counter"] for row in self.rows(kind, device)]


def words(counter: int) -> bytes:
    return b"seed 1: device 1 says no %d in conversation %d. " % (counter, TALK)


KNOWN = {content_hash(words(counter)): (1, counter) for counter in (1, 2, 3)}


async def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.005)


def played(
    kind: str, preset: str, folder: Path, story: Callable[[Broker, Two], Awaitable[Any]], heartbeat_us: int = MINUTE_US
) -> Two:
    """Tell a story of two people who are there, on a broker; returns them."""

    async def tell() -> Two:
        async with broker(kind, preset, folder) as there:
            two = Two(there.port, preset, heartbeat_us)
            await two.open()
            try:
                await story(there, two)
            finally:
                two.close()
            return two

    return asyncio.run(tell())


@BROKERS
@pytest.mark.parametrize(("preset", "basis"), [("qos0", Basis.WRITE), ("qos1", Basis.RECEIVED), ("qos2", Basis.RECEIVED)])
def test_a_message_is_sent_answered_and_seen_by_all(kind: str, preset: str, basis: Basis, tmp_path: Path) -> None:
    async def story(_: Broker, two: Two) -> None:
        two.say(1)
        await until(lambda: two.counters(Kind.DELIVER, 2) and two.counters(Kind.DELIVER, 1) and two.counters(Kind.OK))
        assert two.devices[1].settled

    two = played(kind, preset, tmp_path, story)
    assert two.counters(Kind.INVOKE) == two.counters(Kind.ATTEMPT) == [1]
    (ok,) = two.rows(Kind.OK)
    assert (ok["conversation"], ok["sender"], ok["send_counter"], ok["basis"]) == (TALK, 1, 1, basis)
    for device in (1, 2):
        (shown,) = two.rows(Kind.DELIVER, device)
        assert (shown["sender"], shown["send_counter"], shown["via"], shown["seq"]) == (1, 1, Via.LIVE, 0)
        assert shown["content_hash"] == content_hash(words(1))
        assert len(two.rows(Kind.WIRE, device)) == (preset != "qos2")


@BROKERS
def test_a_killed_broker_that_forgot_is_a_new_session_and_what_waited_leaves_in_order(kind: str, tmp_path: Path) -> None:
    async def story(there: Broker, two: Two) -> None:
        await there.down()
        await until(lambda: two.rows(Kind.DISCONNECTED, 1) and two.rows(Kind.DISCONNECTED, 2))
        for counter in (1, 2, 3):
            two.say(counter)
        assert not two.devices[1].settled
        await asyncio.sleep(0.05)
        assert two.counters(Kind.ATTEMPT) == []
        await there.up()
        await until(lambda: two.counters(Kind.OK) == [1, 2, 3] and two.devices[2].ready)

    two = played(kind, "qos1", tmp_path, story)
    assert two.counters(Kind.ATTEMPT) == [1, 2, 3]
    for device in (1, 2):
        ready = two.rows(Kind.READY, device)
        assert [row["value"] for row in ready] == [1, 2]
        assert [row["connection"] for row in two.rows(Kind.CONNECTING, device)] == list(range(1, ready[-1]["connection"] + 1))
        assert {row["node"] for row in ready} == {2}


@pytest.mark.live
@pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
def test_mosquitto_that_saves_every_second_resumes_the_session(tmp_path: Path) -> None:
    async def story(there: Broker, two: Two) -> None:
        await until(lambda: (tmp_path / "data" / "mosquitto.db").exists())
        await there.down()
        await until(lambda: two.rows(Kind.DISCONNECTED, 1) and two.rows(Kind.DISCONNECTED, 2))
        await there.up()
        await until(lambda: two.devices[1].ready and two.devices[2].ready)
        two.say(1)
        await until(lambda: two.counters(Kind.DELIVER, 2))

    two = played("mosquitto", "qos1_saved", tmp_path, story)
    assert [row["value"] for row in two.rows(Kind.READY, 2)] == [1, 1]


def after_a_lost_answer(preset: str, tmp_path: Path) -> Two:
    """The broker passes a message on, and its sender is cut off before the answer; the sender comes back and has it answered."""

    async def story(there: Broker, two: Two) -> None:
        assert isinstance(there, MadeUp)
        there.drops_before_answer = 1
        two.say(1)
        await until(lambda: two.counters(Kind.OK) == [1])
        await until(lambda: len(two.counters(Kind.DELIVER, 2)) >= (2 if preset == "qos1" else 1))

    return played("made up", preset, tmp_path, story)


def test_at_qos_1_a_lost_answer_makes_a_second_attempt_and_a_duplicate(tmp_path: Path) -> None:
    two = after_a_lost_answer("qos1", tmp_path)
    assert two.counters(Kind.ATTEMPT) == [1, 1]
    assert two.counters(Kind.DELIVER, 2) == two.counters(Kind.WIRE, 2) == [1, 1]
    assert [row["connection"] for row in two.rows(Kind.ATTEMPT)] == [1, 2]


def test_what_was_sent_before_is_repeated_before_what_waited(tmp_path: Path) -> None:
    async def story(there: Broker, two: Two) -> None:
        assert isinstance(there, MadeUp)
        there.forgets = False
        there.drops_before_answer = 1
        two.say(1)
        await until(lambda: two.rows(Kind.DISCONNECTED))
        two.say(2)
        await until(lambda: two.counters(Kind.OK) == [1, 2])

    two = played("made up", "qos1", tmp_path, story)
    assert two.counters(Kind.DELIVER, 2) == [1, 1, 2]


def test_at_qos_2_a_lost_answer_is_asked_for_again_and_nothing_is_twice(tmp_path: Path) -> None:
    two = after_a_lost_answer("qos2", tmp_path)
    assert two.counters(Kind.ATTEMPT) == [1]
    assert two.counters(Kind.DELIVER, 2) == [1]


def test_a_session_that_is_remembered_is_resumed_without_subscribing(tmp_path: Path) -> None:
    async def story(there: Broker, two: Two) -> None:
        assert isinstance(there, MadeUp)
        there.forgets = False
        await there.down()
        await until(lambda: two.rows(Kind.DISCONNECTED, 1) and two.rows(Kind.DISCONNECTED, 2))
        await there.up()
        await until(lambda: two.devices[1].ready and two.devices[2].ready)

    two = played("made up", "qos1", tmp_path, story)
    assert [row["value"] for row in two.rows(Kind.READY)] == [1, 1]


def test_a_broker_that_accepts_and_says_nothing_is_left_after_the_connect_timeout(tmp_path: Path) -> None:
    async def tell() -> Two:
        server = await asyncio.start_server(lambda *_: asyncio.sleep(WAIT_S), "127.0.0.1", 0)
        two = Two(server.sockets[0].getsockname()[1], "qos1")
        two.devices[1].open()
        await until(lambda: len(two.rows(Kind.CONNECTING)) >= 2)
        two.close()
        server.close()
        return two

    two = asyncio.run(tell())
    assert len(two.rows(Kind.DISCONNECTED)) >= 1
    assert two.rows(Kind.READY) == []


def test_a_broker_that_falls_silent_is_left_after_the_keep_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.mqtt.KEEPALIVE_MIN_S", 1)

    async def story(there: Broker, two: Two) -> None:
        assert isinstance(there, MadeUp)
        there.mute = True
        await until(lambda: two.rows(Kind.DISCONNECTED, 1))

    two = played("made up", "qos1", tmp_path, story, heartbeat_us=1_000_000)
    assert two.rows(Kind.DISCONNECTED)[0]["connection"] == 1


def test_a_preset_of_another_server_is_refused() -> None:
    with pytest.raises(JobError, match="no preset 'cursor' of MQTT; known are qos0, qos1, qos2"):
        Two(9, "cursor")


def test_the_presets_of_the_broker_are_those_of_its_clients() -> None:
    assert QOS.keys() == mosquitto.PRESETS.keys()
    assert {name: str(qos) for name, qos in QOS.items()} == {name: mosquitto.policies(name)["qos"] for name in QOS}
