"""The supervisor's loop: children started, watched, killed on demand, restarted, and stopped together.

Rules of the file:

- On stdout it speaks to programs: the ready line and, with ``control``, events. People read stderr, or the files of ``logs``.
- A gateway's port is held by the caller: a socket bound to it that never listens. So a gateway that was killed comes back on its port,
  no connecting client is given that port as its own in between (on the loopback it would then be connected to itself), and a client
  that knocks meanwhile is refused, as it should be.
- Every child has a pipe of the supervisor as its stdin and ends when that ends, so ``kill -9`` of the supervisor leaves nobody behind. A
  session of its own keeps Ctrl-C from the children.
- The proof of an exit is waitpid; the proof of a start is the child's ready line.
- With ``control``, children start and die as told, and only so. Without, a child that died is started again after a delay that doubles
  while it keeps dying.
- A second SIGINT or SIGTERM kills what has not stopped yet.

One thread, one ``selectors`` loop: signals arrive as bytes of a wake-up socket, so a handler does nothing.
"""

from __future__ import annotations

import json
import math
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Literal

from reference_server.process import OK, SOFTWARE, UNAVAILABLE, say_ready

BUSINESS = "business"
START_BOUND_S = 30.0
"""Within this every child is ready, or the server is given up; starting takes well under a second."""
STOP_BOUND_S = 10.0
"""Within this a child ends on SIGTERM, or is killed."""
RESTART_DELAY_S = 0.1
"""First delay of a restart nobody asked for; it doubles up to ``RESTART_DELAY_MAX_S``."""
RESTART_DELAY_MAX_S = 5.0
STEADY_S = 10.0
"""A child that served this long begins anew with the first delay."""


VERBS = ("kill", "drain", "pause", "resume", "start", "step", "arm", "disarm")
"""What may be done to a child: SIGKILL, SIGTERM, SIGSTOP, SIGCONT, a new process, another time; an end of its own at a stage, and none."""
_VALUES = {"step": re.compile(r"-?\d{1,15}"), "arm": re.compile(r"[a-z_]{1,40}")}
"""What stands behind the role, by the verb."""
_NOTHING = re.compile("")


class Child:
    """One role: how it is started and, while it has one, its process. ``port`` is None for business; ``logs`` a folder or None. ``also``:
    further roles that its process has; events tell of it by the one it was ``called`` by last."""

    __slots__ = (
        "also",
        "called",
        "command",
        "delay_s",
        "ending",
        "held",
        "log",
        "output",
        "paused",
        "port",
        "process",
        "ready_s",
        "restart_s",
        "role",
    )

    def __init__(
        self, role: str, command: Sequence[str], port: int | None, logs: Path | None, also: tuple[str, ...] = ()
    ) -> None:
        self.role = self.called = role
        self.also = also
        self.command = command
        self.port = port
        self.log = logs / f"{role}.log" if logs else None
        self.process: subprocess.Popen[bytes] | None = None
        self.output = b""
        self.ready_s: float | None = None  # since when it serves
        self.ending = False  # its end was asked for
        self.held = False  # it was told to stand still
        self.paused = False  # and was last seen to
        self.delay_s = RESTART_DELAY_S
        self.restart_s: float | None = None  # when it is to be started again

    @property
    def serves(self) -> bool:
        return self.process is not None and self.ready_s is not None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self) -> IO[bytes]:
        """Start the process. Returns its stdout."""
        log = self.log.open("ab") if self.log else None
        self.output, self.ready_s, self.ending, self.restart_s = b"", None, False, None
        self.held = self.paused = False
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=log, start_new_session=True)
        if log is not None:
            log.close()
        assert self.process.stdout is not None
        return self.process.stdout

    def signal(self, number: int) -> None:
        """Send a signal that ends it, if there is a process to send it to; its end is then no surprise."""
        if self.process is not None:
            self.ending = True
            self.process.send_signal(number)
            if self.held:
                self.process.send_signal(signal.SIGCONT)  # it would not hear it

    def pause(self, wanted: bool) -> None:
        """Have it stand still, or go on."""
        assert self.process is not None
        self.held = wanted
        self.process.send_signal(signal.SIGSTOP if wanted else signal.SIGCONT)

    def tell(self, order: str) -> None:
        """Give an order to the process itself (:func:`reference_server.process.run`); it says when it has obeyed."""
        assert self.process is not None
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(order.encode() + b"\n")
            self.process.stdin.flush()

    def stands_still(self) -> bool:
        """Whether the kernel says so."""
        return self.process is not None and _state(self.process.pid) == "T"

    def reap(self) -> int | None:
        """The status of a process that has ended (minus its signal); None while it runs, or if there is none."""
        return self.process.poll() if self.process else None

    def forget(self) -> None:
        """There is no process any more."""
        if self.process is not None and self.process.stdin and self.process.stdout:
            self.process.stdin.close()
            self.process.stdout.close()
        self.process = None

    def aside(self) -> Child:
        """Its process as a child of its own, so that it can have another."""
        leaver = Child(self.role, self.command, self.port, self.log and self.log.parent, self.also)
        leaver.called, leaver.process, leaver.ready_s, leaver.ending = self.called, self.process, self.ready_s, True
        leaver.output, self.process = self.output, None
        return leaver

    def next_delay_s(self, now_s: float) -> float:
        """How long to wait before an unasked restart."""
        if self.ready_s is not None and now_s - self.ready_s >= STEADY_S:
            self.delay_s = RESTART_DELAY_S
        delay, self.delay_s = self.delay_s, min(2 * self.delay_s, RESTART_DELAY_MAX_S)
        return delay


class Supervisor:
    """The children of one server; business first, then the gateways. ``run`` returns the exit code."""

    def __init__(self, children: Sequence[Child], host: str, socket_path: str, *, control: bool) -> None:
        self._socket_path = socket_path
        self._children = {child.role: child for child in children}
        self._roles = {role: child for child in children for role in (child.role, *child.also)}
        self._host = host
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._stops_asked = 0
        self._announced = False
        self._phase: Literal["starting", "serving", "stopping"] = "starting"
        self._first_failure: tuple[Child, int] | None = None
        self._commands = b""
        self._leaving: list[Child] = []
        """Processes that were asked to go and whose successors have been started."""

    def run(self) -> int:
        """Start everything, serve until told to stop, stop everything."""
        with self._selector, self._signals():
            try:
                return self._run()
            finally:
                self._stop()

    # phases ------------------------------------------------------------------------------------------------------------------------

    def _run(self) -> int:
        for child in self._children.values():
            self._start(child)
        self._pump(lambda: self._stops_asked or self._first_failure or self._all_serve(), START_BOUND_S)
        if self._stops_asked:
            return OK
        if not self._all_serve():
            return self._explain_failure()
        self._announce()
        self._pump(lambda: self._stops_asked, None)
        return OK

    def _announce(self) -> None:
        self._phase = "serving"
        self._announced = True
        gateways = [
            {"name": child.role, "host": self._host, "port": child.port, "pid": child.pid}
            for child in self._children.values()
            if child.port is not None
        ]
        business = {"pid": self._roles[BUSINESS].pid, "socket": self._socket_path}
        say_ready(_json({"gateways": gateways, "business": business}))
        if self._control:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_commands)

    def _explain_failure(self) -> int:
        """The child has said on stderr what is wrong; where a log file took that, repeat its last line."""
        if self._first_failure is None:
            late = ", ".join(child.role for child in self._children.values() if not child.serves)
            _say(f"not ready within {START_BOUND_S:.0f} s: {late}; is this machine overloaded?")
            return UNAVAILABLE
        child, status = self._first_failure
        if child.log is not None:
            lines = child.log.read_text(errors="replace").splitlines()
            _say(f"{child.role} did not start: {lines[-1] if lines else 'it left no message'}")
        return status if status > 0 else SOFTWARE

    def _stop(self) -> None:
        """Gateways first: then nobody is left for business to answer. What does not end in time, or fast enough, is killed."""
        self._phase = "stopping"
        self._close_control()
        asked = self._stops_asked
        business = self._roles[BUSINESS]
        gateways = [*self._leaving, *(child for child in self._children.values() if child is not business)]
        for group in (gateways, [business]):
            _signal_all(group, signal.SIGTERM)
            self._pump(partial(self._ended_or_hurried, group, asked), STOP_BOUND_S)
            _signal_all(group, signal.SIGKILL)
            self._pump(partial(_all_ended, group), STOP_BOUND_S)

    def _ended_or_hurried(self, group: Sequence[Child], asked: int) -> bool:
        return _all_ended(group) or self._stops_asked > asked

    # children ----------------------------------------------------------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        output = child.start()
        self._selector.register(output, selectors.EVENT_READ, partial(self._read_output, child, output))

    def _succeed(self, child: Child) -> None:
        """Start a process for a role whose last one is still leaving: it has let go of its port, and goes on for its clients."""
        leaver = child.aside()
        self._leaving.append(leaver)
        output = leaver.process.stdout if leaver.process else None
        if output is not None and output.fileno() in self._selector.get_map():  # what it still says is not its successor's
            self._selector.modify(output, selectors.EVENT_READ, partial(self._read_output, leaver, output))
        self._start(child)

    def _read_output(self, child: Child, output: IO[bytes]) -> None:
        """A child speaks: its ready line says that it serves, any other that it has done what it was told."""
        chunk = os.read(output.fileno(), 4096)
        if not chunk:
            self._selector.unregister(output)
            return
        *lines, child.output = (child.output + chunk).split(b"\n")
        for line in lines:
            if child.ready_s is not None:
                self._told(child, line.decode(errors="replace"))
            else:
                child.ready_s = time.monotonic()
                if self._phase == "serving":
                    self._emit("started", role=child.called, pid=child.pid, port=child.port)

    def _told(self, child: Child, line: str) -> None:
        """A child has done what it was told to, cannot, or stands where it was told to end."""
        word, stage, since_ns = (*line.split(), "", "", "")[:3]
        if word in ("stepped", "armed", "disarmed"):
            self._emit(word, role=child.called, pid=child.pid)
        elif word == "unarmed":
            text = f"{child.called} has no such stage, or waits for one already"
            self._emit("refused", command=f"arm {child.called} {stage}", text=text)
        elif word == "stood":
            child.ending = True
            self._emit(word, role=child.called, pid=child.pid, stage=stage, since_ns=int(since_ns))

    def _reap_children(self) -> None:
        for leaver in list(self._leaving):
            status = leaver.reap()
            if status is not None:
                self._leaving.remove(leaver)
                self._exited(leaver, status)
        for child in self._children.values():
            status = child.reap()
            if status is not None:
                self._exited(child, status)
            elif child.held != child.paused and child.stands_still() == child.held:
                child.paused = not child.paused
                self._emit("paused" if child.paused else "resumed", role=child.called, pid=child.pid)

    def _exited(self, child: Child, status: int) -> None:
        pid = child.pid
        self._hear_out(child)
        child.forget()
        if self._phase == "starting":
            self._first_failure = self._first_failure or (child, status)
        else:
            self._emit("exited", role=child.called, pid=pid, status=status)
        if self._phase == "serving" and not child.ending:
            _say(f"{child.role} (pid {pid}) ended unasked, {_status_text(status)}{self._plan_restart(child)}")

    def _hear_out(self, child: Child) -> None:
        """What it said before it ended may be read only now."""
        output = child.process.stdout if child.process else None
        while output is not None and output.fileno() in self._selector.get_map():
            self._read_output(child, output)

    def _plan_restart(self, child: Child) -> str:
        """Without control, a child that died comes back. Returns what to say about it."""
        if self._control:
            return ""
        now_s = time.monotonic()
        delay_s = child.next_delay_s(now_s)
        child.restart_s = now_s + delay_s
        return f"; it is started again in {delay_s:.1f} s"

    def _restart_due(self) -> None:
        for child in self._children.values():
            if child.restart_s is not None and time.monotonic() >= child.restart_s:
                self._start(child)

    def _all_serve(self) -> bool:
        return all(child.serves for child in self._children.values())

    # commands and events -----------------------------------------------------------------------------------------------------------

    def _read_commands(self) -> None:
        chunk = os.read(sys.stdin.fileno(), 4096)
        if not chunk:  # whoever was in control is gone
            self._close_control()
            self._stops_asked += 1
            return
        *lines, self._commands = (self._commands + chunk).split(b"\n")
        for line in lines:
            self._obey(line.decode(errors="replace").strip())

    def _close_control(self) -> None:
        if self._control and sys.stdin.fileno() in self._selector.get_map():
            self._selector.unregister(sys.stdin.fileno())

    def _obey(self, command: str) -> None:
        verb, role, value = (*command.split(), "", "", "")[:3]
        child = self._roles.get(role)
        if command == "stop":
            self._stops_asked += 1
        elif child is None or verb not in VERBS or not _VALUES.get(verb, _NOTHING).fullmatch(value):
            roles, verbs = ", ".join(self._roles), ", ".join(f"{verb} ROLE" for verb in VERBS if verb not in _VALUES)
            text = f"expected {verbs}, step ROLE MICROSECONDS, arm ROLE STAGE or stop; roles are {roles}"
            self._emit("refused", command=command, text=text)
        elif verb == "disarm":
            if child.process is not None:  # else it has ended where it was told to
                child.tell("disarm")
        elif verb == "start" and child.process is not None and child.ending:
            self._succeed(child)
        elif (verb == "start") == (child.process is not None):
            self._emit("refused", command=command, text=f"{role} is {'running' if child.process else 'not running'}")
        elif verb == "start":
            child.called = role
            self._start(child)
        elif verb in ("kill", "drain"):
            child.called = role
            child.signal(signal.SIGKILL if verb == "kill" else signal.SIGTERM)
        elif verb in _VALUES:
            child.called = role
            child.tell(f"{verb} {value}")
        else:
            child.pause(verb == "pause")

    def _emit(self, event: str, **fields: object) -> None:
        if self._control and self._announced:
            with suppress(BrokenPipeError):
                print(_json({"event": event, **fields, "t_ns": time.monotonic_ns()}), flush=True)

    # the loop ----------------------------------------------------------------------------------------------------------------------

    def _pump(self, until: Callable[[], object], bound_s: float | None) -> None:
        """Handle what happens until a condition holds, or the bound is over."""
        end_s = time.monotonic() + bound_s if bound_s is not None else math.inf
        while not until() and time.monotonic() < end_s:
            for key, _ in self._selector.select(self._wait_s(end_s)):
                if self._selector.get_map().get(key.fd) is key:  # not closed by what came before it in this turn
                    key.data()
            if self._phase == "serving":
                self._restart_due()

    def _wait_s(self, end_s: float) -> float | None:
        nearest = min([end_s, *(child.restart_s for child in self._children.values() if child.restart_s is not None)])
        return None if math.isinf(nearest) else max(0.0, nearest - time.monotonic())

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Have SIGCHLD and the signals that stop written to a socket of the loop; put back what was there before."""
        numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
        reader, writer = socket.socketpair()
        with reader, writer:
            reader.setblocking(False)
            writer.setblocking(False)
            before = {number: signal.signal(number, lambda *_: None) for number in numbers}
            wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            self._selector.register(reader, selectors.EVENT_READ, partial(self._read_signals, reader))
            try:
                yield
            finally:
                self._selector.unregister(reader)
                signal.set_wakeup_fd(wakeup)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _read_signals(self, reader: socket.socket) -> None:
        numbers = reader.recv(4096)
        self._stops_asked += sum(number != signal.SIGCHLD for number in numbers)
        self._reap_children()


def _all_ended(children: Sequence[Child]) -> bool:
    return all(child.process is None for child in children)


def _signal_all(children: Sequence[Child], number: int) -> None:
    for child in children:
        child.signal(number)


def _state(pid: int) -> str:
    """What a process does, as one letter of proc(5); none where there is no such file."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _status_text(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit code {status}"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _say(text: str) -> None:
    print(f"imbench serve: {text}", file=sys.stderr, flush=True)
