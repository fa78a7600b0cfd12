"""Clients that speak MQTT 3.1.1, by Eclipse Paho: ``python -m loadgen.targets.mqtt`` plays the job of IMBENCH_JOB against a broker.

How a messaging system is made of MQTT (OASIS, MQTT Version 3.1.1, 2014):

| here | in MQTT |
|---|---|
| conversation | a topic, ``imbench/<conversation>`` |
| device | a client id with a persistent session (clean session 0), subscribed to the topics of its conversations |
| send | PUBLISH at the preset's QoS |
| "sent" | QoS 0: written to the socket (basis ``write``); QoS 1: PUBACK, QoS 2: PUBCOMP (basis ``received``, for the standard
  asks no broker to have stored it durably) |
| ready | CONNACK that says "session present"; else SUBACK of all topics |
| seen | what the library hands over, as it comes: at QoS 1 to know a copy again is the application's matter, and this one does not |

Rules of the file:

- The library holds what is unanswered at QoS 1 and 2, and writes it again when it has reconnected (``attempt`` rows at QoS 1; at QoS 2 it
  may be a PUBREL alone, and the library does not say, so a send has one attempt). It never gives up, so no outcome is ever ``info``
  but at QoS 0, where a connection ended before a packet was written whole.
- What the person sends while the session is not ready waits in the app, at every QoS.
- We reconnect, not the library: with full jitter, from the scenario's timers, as the preset ``cursor`` does. Keep-alive is
  ``heartbeat_us`` in whole seconds, at least five.
- The sender is a subscriber as all are: it shows its own message when the broker sends it, so the order it shows is the broker's.
- Copies at QoS 2 are not recorded as ``wire``: the library has thrown away by then what it knew.

What MQTT has not, and this does not pretend: positions, a history to read back, catch-up told apart from live, read marks. A history has
no column for the DUP flag; how many copies carried it stands in the log of this process.

The library's I/O is called by the loop: a reader a connection, writes when something is queued; only ``connect``, which blocks, runs in a
thread. What it queues from such a thread is written by the loop.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from loadgen.driver import EXIT_DONE, JobError
from loadgen.targets.playing import Seat, main
from model.core import backoff, draws
from model.core.codes import Code
from model.core.effects import Basis

QOS: Final = {"qos0": 0, "qos1": 1, "qos2": 2, "qos1_saved": 1, "qos2_saved": 2}
"""Of a preset; what else a preset says is the broker's matter."""
BASIS: Final[tuple[Basis, ...]] = ("write", "received", "received")
KEEPALIVE_MIN_S: Final = 5
"""mosquitto counts whole seconds, and takes a client for gone after half a keep-alive more than it promised: of one second, that is after
any that is over."""
MISC_S: Final = 0.5
"""How often the library is asked whether it is time for a PINGREQ, or too late for its answer."""
IN_FLIGHT_MAX: Final = 65_535
"""Unanswered sends of one client: as many as there are packet ids, so that the library holds none of them back."""

Message = tuple[int, int, bytes]
"""(conversation, send counter, payload)"""


def topic(conversation: int) -> str:
    """Where a conversation is talked about."""
    return f"imbench/{conversation}"


def _conversation(name: str) -> int:
    return int(name.removeprefix("imbench/"))


class Crowd:
    """What the devices of a process share: threads to connect in, and a count of the copies that carried the DUP flag."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(thread_name_prefix="connect")
        self.flagged = 0


class Device:
    """One MQTT client: :class:`loadgen.targets.playing.Client`."""

    def __init__(self, seat: Seat, crowd: Crowd) -> None:
        """Raises :class:`loadgen.driver.JobError` for a preset that is not MQTT's."""
        if seat.job.preset not in QOS:
            raise JobError(f"there is no preset {seat.job.preset!r} of MQTT; known are {', '.join(QOS)}")
        self.ready = False
        self._seat, self._diary, self._crowd = seat, seat.diary, crowd
        self._qos = QOS[seat.job.preset]
        self._timers = seat.job.scenario.timers
        self._keepalive_s = max(KEEPALIVE_MIN_S, round(self._timers.heartbeat_us / 1e6))
        self._wanted = False  # the person has opened the app
        self._trying = False  # a connection is there or being made
        self._failures = 0
        self._waiting: deque[Message] = deque()  # until the session is ready
        self._unanswered: dict[int, Message] = {}  # by packet id
        self._reading: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client = self._library()

    def _library(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"imbench-{self._seat.device}",
            clean_session=False,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages = IN_FLIGHT_MAX
        client.connect_timeout = self._timers.connect_timeout_us / 1e6
        client.on_connect, client.on_disconnect = self._connected, lambda *_: self._lost()
        client.on_subscribe, client.on_publish, client.on_message = self._subscribed, self._answered, self._arrived
        client.on_socket_close = lambda *_: self._unread()
        client.on_socket_register_write = lambda *_: self._soon(self._write)
        return client

    # what the person does --------------------------------------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether every send has its outcome."""
        return not self._unanswered and not self._waiting

    def open(self) -> None:
        """Connect, and stay connected."""
        self._loop = asyncio.get_running_loop()
        self._wanted = True
        self._connect()
        self._keep_alive()

    def send(self, conversation: int, send_counter: int, payload: bytes) -> None:
        """Publish it, now or when the session is ready."""
        self._waiting.append((conversation, send_counter, payload))
        self._publish()

    def close(self) -> None:
        """Say goodbye; the broker keeps the session."""
        if self._trying:
            self._diary.disconnected()
        self._wanted = self._trying = self.ready = False
        self._client.disconnect()

    # connecting ------------------------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if not self._wanted:
            return
        self._trying = True
        connection = self._diary.connecting()
        attempt = self._crowd.threads.submit(self._client.connect, *self._seat.address, self._keepalive_s)
        attempt.add_done_callback(lambda done: self._soon(self._reached, connection, done))

    def _soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Call in the loop's thread, from whichever."""
        self._loop.call_soon_threadsafe(call, *arguments)

    def _reached(self, connection: int, attempt: Future[MQTTErrorCode]) -> None:
        """The transport is there, or is not."""
        if connection != self._diary.connection or not self._trying:
            return
        try:
            attempt.result()
        except OSError:
            self._lost()
            return
        found = self._client.socket()
        if not isinstance(found, socket.socket):  # closed again meanwhile
            self._lost()
            return
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reading = found
        self._loop.add_reader(found, self._read)
        self._timer = self._loop.call_later(self._timers.connect_timeout_us / 1e6, self._too_late)
        self._write()

    def _too_late(self) -> None:
        """Not ready in time: end the connection, which the reader then sees."""
        if self._reading is not None:
            with suppress(OSError):
                self._reading.shutdown(socket.SHUT_RDWR)

    def _connected(self, _client: Any, _data: Any, flags: paho.ConnectFlags, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._too_late()
            return
        if self._qos == 1:  # the library is about to write all of them again
            for message in self._unanswered.values():
                self._diary.written(*message)
        topics = [(topic(conversation), self._qos) for conversation in self._seat.conversations]
        if flags.session_present or not topics:
            # not before the library has written again what is older than what waits
            self._loop.call_soon(self._resumed, self._diary.connection, flags.session_present)
        else:
            self._client.subscribe(topics)

    def _subscribed(self, _client: Any, _data: Any, _id: int, reasons: list[Any], _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            raise RuntimeError(f"the broker refused a subscription: {', '.join(map(str, reasons))}")
        self._joined(resumed=False)

    def _resumed(self, connection: int, resumed: bool) -> None:
        if self._trying and connection == self._diary.connection:
            self._joined(resumed=resumed)

    def _joined(self, *, resumed: bool) -> None:
        self.ready, self._failures = True, 0
        self._stop_timer()
        self._diary.ready(resumed=resumed)
        self._publish()

    def _lost(self) -> None:
        """The connection is gone, or could not be made; try again after a while."""
        if not self._trying:
            return
        self._trying = self.ready = False
        self._stop_timer()
        self._diary.disconnected()
        if self._qos == 0:
            self._give_up()
        share = self._seat.luck(draws.BACKOFF, self._diary.connection)
        wait_us = backoff.wait_us("full_jitter", self._timers, self._failures, share)
        self._failures += 1
        self._loop.call_later(wait_us / 1e6, self._connect)

    def _give_up(self) -> None:
        """At QoS 0 what was not written whole is forgotten by the library; it may have been read in part, which is nothing."""
        for conversation, counter, _ in self._unanswered.values():
            self._diary.unknown(conversation, counter, Code.GAVE_UP)
        self._unanswered.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # messages --------------------------------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        while self.ready and self._waiting:
            conversation, counter, payload = message = self._waiting[0]
            sent = self._client.publish(topic(conversation), payload, self._qos)
            if sent.rc == MQTTErrorCode.MQTT_ERR_NO_CONN and self._qos == 0:
                return  # it stays the first to go
            self._waiting.popleft()
            self._unanswered[sent.mid] = message
            self._diary.written(conversation, counter, payload)

    def _answered(self, _client: Any, _data: Any, packet_id: int, _reason: Any, _properties: Any) -> None:
        """PUBACK, PUBCOMP, or at QoS 0 the last byte is written."""
        if message := self._unanswered.pop(packet_id, None):
            self._diary.ok(message[0], message[1], BASIS[self._qos])

    def _arrived(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        conversation, payload = _conversation(message.topic), bytes(message.payload)
        self._crowd.flagged += message.dup
        if self._qos < 2:
            self._diary.arrived(conversation, payload)
        self._diary.shown(conversation, payload)

    # bytes -----------------------------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self._client.loop_read()

    def _write(self) -> None:
        """Write what is queued; the rest when the socket takes more."""
        self._client.loop_write()
        found = self._reading
        if found is None:
            return
        if self._client.want_write():
            self._loop.add_writer(found, self._write)
        else:
            self._loop.remove_writer(found)

    def _unread(self) -> None:
        if self._reading is not None:
            self._loop.remove_reader(self._reading)
            self._loop.remove_writer(self._reading)
            self._reading = None

    def _keep_alive(self) -> None:
        self._client.loop_misc()
        if self._wanted:
            self._loop.call_later(MISC_S, self._keep_alive)


if __name__ == "__main__":
    shared = Crowd()
    status = main(lambda seat: Device(seat, shared))
    if status == EXIT_DONE:
        print(f"copies that carried the DUP flag: {shared.flagged}", file=sys.stderr)
    sys.exit(status)
