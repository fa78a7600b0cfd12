"""How a command ends: exit codes, and errors that are one line for the person at the keyboard.

Codes below 64 are answers (the verdict of a run); from 64 on they are those of sysexits(3); 128 and more are signals. A
:class:`CannotRun` is raised where something outside the program stands in the way, and its text says what to do about it. Nothing here
prints or exits: :func:`scenarios.running.command.conclude` does.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

VALID, INVALID, UNKNOWN, HARNESS_INVALID, REGRESSED, INCONCLUSIVE = range(6)
USAGE, DAMAGED, MISSING, UNAVAILABLE, SOFTWARE, CANNOT_CREATE, IO_ERROR = 64, 65, 66, 69, 70, 73, 74

OF_VERDICT: Final = {
    "valid": VALID,
    "unknown": UNKNOWN,
    "skipped": UNKNOWN,
    "harness_invalid": HARNESS_INVALID,
    "invalid": INVALID,
}
"""Exit code of a verdict, from best to worst: a proven violation outweighs a harness that failed."""


class CannotRun(Exception):
    """What was asked for cannot be done. The text is one line: what is wrong, and what to do; ``status`` is the exit code."""

    def __init__(self, text: str, status: int = USAGE) -> None:
        super().__init__(text)
        self.status = status


class Interrupted(BaseException):
    """A signal asks the program to stop. As a KeyboardInterrupt it is no error, so that nobody takes it for one of a rule or a judge.

    ``left``: what there is of what was done until then, in words.
    """

    def __init__(self, number: int, left: str = "") -> None:
        super().__init__(f"signal {number}")
        self.number, self.left = number, left


def worst(verdicts: Iterable[str]) -> int:
    """The exit code of the worst of some verdicts; ``UNKNOWN`` where there is none."""
    order = list(OF_VERDICT)
    found = [order.index(verdict) for verdict in verdicts]
    return OF_VERDICT[order[max(found)]] if found else UNKNOWN


def suggestion(name: str, valid: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where a valid name is close to ``name``, else nothing."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""
