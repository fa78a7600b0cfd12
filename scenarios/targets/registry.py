"""Which servers there are beside ours, and whose preset a preset is.

A preset is a way of delivering messages, and belongs to one server: ``cursor`` to the reference server, ``qos1`` to mosquitto. So any
scenario can be played on any server, by the preset alone, and the file of a scenario names none; what a server cannot be asked is skipped,
and says so. This needs no second kind of scenario, option or table of policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from scenarios.targets import mosquitto


class Target(Protocol):
    """What a module of this package tells."""

    NAME: str
    """The server's name."""
    PRESETS: Mapping[str, str]
    """Each of its presets in a line. A preset's name is no other server's."""
    SERVER: str
    """Module that starts it: ``python -m SERVER --preset P --folder DIR --logs DIR`` (:func:`scenarios.targets.supervised.main`)."""
    LOAD: str
    """Module of its load process: ``python -m LOAD`` plays the job of IMBENCH_JOB."""

    def missing(self) -> str | None:
        """What this machine lacks to play on it, in words that say what to do; None if nothing."""
        ...

    def policies(self, preset: str) -> Mapping[str, str]:
        """What a preset means, by name, for the header of the history."""
        ...


TARGETS: Final[tuple[Target, ...]] = (mosquitto,)


def presets() -> tuple[str, ...]:
    """Names of the presets of all targets."""
    return tuple(name for target in TARGETS for name in target.PRESETS)


def target_of(preset: str) -> Target | None:
    """Whose preset it is; None for one that is no target's."""
    return next((target for target in TARGETS if preset in target.PRESETS), None)
