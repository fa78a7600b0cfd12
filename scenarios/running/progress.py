"""Progress, on stderr: a bar on a terminal, one plain line every 10 s elsewhere.

A worker says what it is doing and how far it is; how that looks is decided once, in :func:`shown`. Results never go this way.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

LINE_EVERY_S = 10.0
"""Between two plain lines where stderr is no terminal."""


class Progress(Protocol):
    """Where a worker reports to. No call blocks or raises."""

    def begin(self, title: str) -> None:
        """Something new begins, named in a few words."""
        ...

    def at(self, share: float | None, text: str) -> None:
        """It is done to this share (0 to 1; None: nobody knows), and this is what goes on."""
        ...

    def say(self, text: str) -> None:
        """One line that stays."""
        ...


class Silent:
    """Says nothing: for tests and programs."""

    def begin(self, title: str) -> None:
        pass

    def at(self, share: float | None, text: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class Part:
    """One of ``of`` equal parts of a longer work, whose title stays."""

    def __init__(self, whole: Progress, number: int, of: int, what: str) -> None:
        self._whole, self._number, self._of, self._what = whole, number, of, what

    def begin(self, title: str) -> None:
        self.at(0.0, title)

    def at(self, share: float | None, text: str) -> None:
        self._whole.at((self._number + (share or 0.0)) / self._of, f"{self._number} of {self._of} {self._what}; {text}")

    def say(self, text: str) -> None:
        self._whole.say(text)


class Lines:
    """Plain lines: one when something begins, then one every ``every_s`` while it lasts, from a thread of its own."""

    def __init__(self, stream: TextIO, every_s: float = LINE_EVERY_S) -> None:
        self._stream, self._every_s = stream, every_s
        self._title, self._state, self._since = "", "", time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True, name="progress")

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, title: str) -> None:
        self._title, self._state, self._since = title, "", time.monotonic()
        self.say(title)

    def at(self, share: float | None, text: str) -> None:
        self._state = text if share is None else f"{text}, {share:.0%}"

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def _tick(self) -> None:
        while not self._ended.wait(self._every_s):
            if self._title:
                state = f", {self._state}" if self._state else ""
                self.say(f"{self._title}{state} ({time.monotonic() - self._since:.0f} s)")


class Bar:
    """A bar of rich, which draws itself."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task: Any = None

    def begin(self, title: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(title, total=None, state="")

    def at(self, share: float | None, text: str) -> None:
        total, done = (None, 0.0) if share is None else (1.0, min(share, 1.0))
        self._bar.update(self._task, total=total, completed=done, state=text)

    def say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


@contextmanager
def shown() -> Iterator[Progress]:
    """Progress in the form that suits stderr, while the block lasts."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        with Lines(sys.stderr) as lines:
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Bar(bar)
