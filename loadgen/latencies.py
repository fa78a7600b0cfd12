"""Latencies for those who watch a run while it goes on: always from the intended time, as the judges measure them.

Judges take theirs from the history. This looks at the same effects and reports two latencies as they become known: ``send (ack)``, from
t_int to the instant at which the client says "sent", and ``deliver (end to end)``, from t_int to the first time another device shows
the message; t_int is the schedule's, so it is known of senders in other processes too. A send that failed or was given up is
reported with its reason. ``connect`` is an attempt to connect, from its beginning to the session's readiness or to its failure.
"""

from __future__ import annotations

from collections.abc import Callable

from model.core.codes import TEXT, Code
from model.core.effects import ClientEffect, Delivered, SendFailed, SendOk, SendUnknown, SessionChanged
from model.scenario.script import Submit
from model.workload.schedule import Schedule

SEND, DELIVER, CONNECT = "send (ack)", "deliver (end to end)", "connect"
NO_ANSWER = "no gateway lets this device in"

Report = Callable[[str, int, int, str], None]
"""(name, microseconds, payload bytes, why it failed or "")."""

Message = tuple[int, int, int]
"""(user, conversation, send_counter)."""


class Latencies:
    """A :class:`loadgen.player.Watcher` that reports latencies."""

    __slots__ = ("_connecting", "_intended", "_report")

    def __init__(self, report: Report, schedule: Schedule) -> None:
        self._report = report
        self._connecting: dict[int, int] = {}  # device -> since when
        self._intended: dict[Message, int] = intended(schedule)

    def meant(self, step: Submit) -> None:
        """A user in a closed loop wants to send. Who hears of it in another process does not know since when it was wanted."""
        self._intended[step.device, step.conversation, step.send_counter] = step.t_int_us

    def observed(self, device: int, effects: list[ClientEffect], now: int) -> None:
        """Report what these effects complete. ``device`` is the number in the population, that is the user's."""
        for effect in effects:
            kind = type(effect)
            if kind is Delivered:
                self._delivered(effect, now)  # type: ignore[arg-type]
            elif kind in _ANSWERS:
                self._answered(device, effect, now)  # type: ignore[arg-type]
            elif kind is SessionChanged:
                self._connected(device, effect, now)  # type: ignore[arg-type]

    def _delivered(self, effect: Delivered, now: int) -> None:
        message = effect.message
        if effect.via == "own" or message.sender_device != message.sender_user:
            return
        t_int = self._intended.get((message.sender_user, message.conversation, message.send_counter))
        if t_int is not None:
            self._report(DELIVER, now - t_int, len(message.payload), "")

    def _answered(self, device: int, effect: SendOk | SendFailed | SendUnknown, now: int) -> None:
        t_int = self._intended.get((device, effect.conversation, effect.send_counter))
        if t_int is not None:
            why = "" if isinstance(effect, SendOk) else TEXT[Code(effect.code)]
            self._report(SEND, now - t_int, 0, why)

    def _connected(self, device: int, effect: SessionChanged, now: int) -> None:
        if effect.state == "connecting":
            self._connecting[device] = now
        elif device in self._connecting:
            why = "" if effect.state == "ready" else TEXT[Code(effect.code)] if effect.code else NO_ANSWER
            self._report(CONNECT, now - self._connecting.pop(device), 0, why)


def intended(schedule: Schedule) -> dict[Message, int]:
    """When each send of a schedule is intended, in microseconds of the run."""
    columns = (schedule.device, schedule.conversation, schedule.send_counter)
    names = zip(*(column.tolist() for column in columns), strict=True)
    return dict(zip(names, schedule.t_us.tolist(), strict=True))


_ANSWERS = frozenset({SendOk, SendFailed, SendUnknown})
