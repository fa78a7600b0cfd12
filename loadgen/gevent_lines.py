"""The player over gevent sockets: one reader greenlet a device, one scheduler greenlet a process, none a message.

Rules of the file:

- A line never switches greenlets inside a call of the player: it writes with a plain non-blocking ``write(2)``, and what the socket does
  not take goes to a buffer with its own greenlet, which ends when the buffer is empty. So a device that is stuck holds up nobody.
- The reader is the only one that sees a connection end. A write that fails says nothing: the reader will.
- A close from elsewhere wakes the reader with an error; the session ignores what comes of a connection that it has given up.

It needs no patched interpreter; whoever imports locust has one anyway. What this does not do: know Locust.
"""

from __future__ import annotations

import os
import socket as plain
from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event

from loadgen.player import Clock, Device, Player
from loadgen.sources import bind_source

CHUNK_BYTES = 65536
"""Bytes asked of the socket at once: many frames a system call under load."""


class GeventLine:
    """One device's connections. ``serve`` is the body of the device's reader greenlet."""

    __slots__ = ("_backlog", "_closing", "_fd", "_shell", "_socket", "_wanted", "_work", "device")

    def __init__(self, shell: Shell, device: Device) -> None:
        self._shell = shell
        self.device = device
        self._work = Event()
        self._wanted: tuple[int, int] | None = None  # (connection, gateway) to open
        self._socket: socket.socket | None = None
        self._fd = -1
        self._backlog = bytearray()
        self._closing = False

    def open(self, connection: int, gateway: int) -> None:
        """See :class:`loadgen.player.Line`."""
        self._shut(self._socket)  # at once: what is still unsent on a connection given up helps nobody
        self._wanted = (connection, gateway)
        self._work.set()

    def write(self, data: bytes) -> None:
        """See :class:`loadgen.player.Line`."""
        if self._fd < 0:
            return
        if self._backlog:
            self._backlog += data
            return
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reader sees the end of the connection
        if sent < len(data):
            self._backlog += data[sent:]
            gevent.spawn(self._write_backlog, self._socket)

    def close(self) -> None:
        """See :class:`loadgen.player.Line`."""
        self._wanted = None
        if self._backlog:
            self._closing = True
        else:
            self._shut(self._socket)

    def serve(self) -> None:
        """Open what the session wants opened and read until it ends, for ever. Ends by being killed, or by a bug in the rules."""
        try:
            while True:
                self._work.wait()
                self._work.clear()
                if self._wanted is not None:
                    self._attend(*self._wanted)
        except Exception as error:
            self._shell.crashed(error)
        finally:
            self._shut(self._socket)

    # one connection ----------------------------------------------------------------------------------------------------------------

    def _attend(self, connection: int, gateway: int) -> None:
        self._wanted = None
        try:
            sock = self._connect(gateway)
        except OSError:
            self._shell.lost(self.device, connection)
            return
        self._shell.opened(self.device, connection)
        self._read(sock, connection)
        self._shut(sock)
        self._shell.lost(self.device, connection)

    def _connect(self, gateway: int) -> socket.socket:
        host, port = self._shell.gateways[gateway]
        family = plain.AF_INET6 if ":" in host else plain.AF_INET
        sock = self._socket = socket.socket(family, plain.SOCK_STREAM)
        bind_source(sock, self._shell.source)
        self._backlog.clear()
        self._closing = False
        sock.connect((host, port))
        sock.setsockopt(plain.IPPROTO_TCP, plain.TCP_NODELAY, 1)
        self._fd = sock.fileno()
        return sock

    def _read(self, sock: socket.socket, connection: int) -> None:
        received, device = self._shell.received, self.device
        while True:
            try:
                data = sock.recv(CHUNK_BYTES)
            except OSError:
                return
            if not data:
                return
            received(device, connection, data)

    def _shut(self, sock: socket.socket | None) -> None:
        if sock is not None and sock is self._socket:
            self._socket, self._fd = None, -1
            self._backlog.clear()
        if sock is not None:
            sock.close()

    def _is_current(self, sock: Any) -> bool:
        return sock is self._socket

    def _write_backlog(self, sock: Any) -> None:
        """Send what waits as the socket takes it, then close if that was asked for meanwhile."""
        try:
            while self._backlog and self._is_current(sock):
                sent = sock.send(bytes(self._backlog[:CHUNK_BYTES]))
                if self._is_current(sock):
                    del self._backlog[:sent]
        except OSError:
            return
        if self._closing and self._is_current(sock):
            self._shut(sock)


class Shell:
    """Feeds the player what its lines receive, and calls it when something is due.

    ``failed`` is told of a bug in the rules, once; the run is broken then.
    """

    __slots__ = ("_alarm", "_asleep_until", "_broken", "_clock", "_failed", "_player", "gateways", "lines", "source", "stopped")

    def __init__(
        self,
        player: Player,
        clock: Clock,
        gateways: list[tuple[str, int]],
        failed: Callable[[Exception], None],
        source: str = "",
    ) -> None:
        self._player, self._clock, self._failed = player, clock, failed
        self.gateways, self.source = gateways, source
        self._alarm = Event()
        self._asleep_until = 0
        self._broken = False
        self.stopped = False
        self.lines = [GeventLine(self, device) for device in player.devices.values()]
        for line in self.lines:
            line.device.line = line

    def run(self) -> None:
        """The scheduler greenlet's body: to END, or until ``stopped`` is set and the alarm rung."""
        player, clock = self._player, self._clock
        try:
            while True:
                player.turn()
                if player.finished or self.stopped:
                    return
                self._asleep_until = player.deadline
                self._alarm.clear()
                self._alarm.wait(max(0, self._asleep_until - clock()) / 1e6)
        except Exception as error:
            self.crashed(error)

    def stop(self) -> None:
        """Play no further."""
        self.stopped = True
        self._alarm.set()

    def crashed(self, error: Exception) -> None:
        """A bug: nothing that follows can be trusted."""
        if not self._broken:
            self._broken = True
            self.stop()
            self._failed(error)

    # called by lines ---------------------------------------------------------------------------------------------------------------

    def opened(self, device: Device, connection: int) -> None:
        """A connection of a device is there."""
        self._player.opened(device, connection)
        self._wake()

    def received(self, device: Device, connection: int, data: bytes) -> None:
        """Bytes arrived on it."""
        self._player.received(device, connection, data)
        self._wake()

    def lost(self, device: Device, connection: int) -> None:
        """It is gone, or could not be made."""
        self._player.lost(device, connection)
        self._wake()

    def _wake(self) -> None:
        """Something is due before the scheduler would look."""
        if self._player.deadline < self._asleep_until:
            self._alarm.set()
