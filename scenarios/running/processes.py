"""Processes of a live run: started with a log of their own, heard line by line, and always ended.

Rules of the file:

- A process is a session of its own, so Ctrl-C at the terminal reaches the runner alone, which decides what happens.
- Its stdout is read by a thread into a queue; stderr goes to its log. Nobody blocks on a full pipe.
- ``stop`` always ends it: SIGTERM, then SIGKILL after ``grace_s``; by its own id, never by name.
"""

from __future__ import annotations

import atexit
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GRACE_S = 15.0
"""Between SIGTERM and SIGKILL: a server writes back its log, Locust says goodbye."""

_ALIVE: dict[int, Started] = {}


class Started:
    """One process. ``log`` takes its stderr; its stdout lines are had from ``line``."""

    def __init__(self, name: str, command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
            )
        self.pid = self._process.pid
        _ALIVE[self.pid] = self
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True, name=f"stdout of {name}").start()

    def _read(self, output: IO[bytes]) -> None:
        for line in output:
            self._lines.put(line.decode(errors="replace").rstrip("\n"))
        self._lines.put(None)

    def line(self, timeout_s: float) -> str | None:
        """The next line of stdout; None after its end, or where none came in time."""
        try:
            line = self._lines.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if line is None:
            self._lines.put(None)  # the end stays the end
        return line

    def say(self, line: str) -> None:
        """Write a line to its stdin; one that has gone does not hear it."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    @property
    def status(self) -> int | None:
        """Exit status, minus the signal that ended it; None while it runs."""
        return self._process.poll()

    def stop(self, grace_s: float = GRACE_S) -> int:
        """End it and return its status. More than once is harmless."""
        try:
            if self.status is None:
                self._process.send_signal(signal.SIGTERM)
                self._process.send_signal(signal.SIGCONT)  # one that stands still does not hear it
                self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()
        return self._process.wait()

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.status is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.status is None:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        _ALIVE.pop(self.pid, None)

    def last_words(self) -> str:
        """The last line of its log that is ours, since Locust prints tables after it; else the last one."""
        with suppress(OSError):
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            ours = [line for line in lines if line.startswith("imbench-")]
            return (ours or lines or ["it left no message"])[-1]
        return "it left no message"


def kill_all() -> None:
    """End everything that was started, at once: for the second Ctrl-C."""
    for started in list(_ALIVE.values()):
        with suppress(OSError):
            os.kill(started.pid, signal.SIGKILL)


atexit.register(kill_all)
