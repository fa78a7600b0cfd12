"""Which message of a run or a history is to be explained: by its name, or as the first witness of an anomaly."""

from __future__ import annotations

from pathlib import Path

from model.checkers.kinds import KINDS
from model.checkers.life import Explainer, Life
from scenarios.running import check
from scenarios.running.command import near
from scenarios.running.exits import CannotRun, suggestion

OTHERS_MAX = 5
"""Messages of one name that are listed."""


def explained(path: Path, message: str | None, anomaly: str | None) -> Life:
    """The life asked for. Raises :class:`CannotRun` and :class:`model.history.schema.HistoryError`."""
    if (message is None) == (anomaly is None):
        raise CannotRun("explain one thing: give a MESSAGE such as d17/c3:12, or --anomaly KIND")
    if anomaly is not None and anomaly not in KINDS:
        raise CannotRun(f"there is no kind of anomaly '{anomaly}'{suggestion(anomaly, KINDS)}; docs/judges.md lists them")
    history = check.history(path)
    explainer = Explainer(history)
    if anomaly is not None:
        found = explainer.first_witness(anomaly)
        if found is None:
            raise CannotRun(f"{near(path)}: {_without_message(explainer.first_words(anomaly), anomaly)}")
        return explainer.life(found, anomaly)
    numbers = explainer.find(message or "")
    if not numbers:
        raise CannotRun(f"{near(path)}: no message is called '{message}'; imbench check names some, as device/id")
    if len(numbers) > 1:
        names = [explainer.life(number).message for number in numbers[:OTHERS_MAX]]
        raise CannotRun(f"{len(numbers)} messages are called '{message}': {', '.join(names)}; give one of these")
    return explainer.life(numbers[0])


def _without_message(said: str | None, anomaly: str) -> str:
    """Why there is no message to explain."""
    if said is None:
        return f"nothing in it has the anomaly '{anomaly}'; imbench check lists what it has"
    return f"'{anomaly}' is about no single message: {said}; explain one of its messages by its name"
