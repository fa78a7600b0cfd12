"""What of a run or a history is to be explained: a message, by its name or as the first witness of an anomaly, or the proof of an
anomaly that is about no message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.checkers.kinds import KINDS
from model.checkers.life import Explainer, Life, Proof
from scenarios.running import check
from scenarios.running.command import near
from scenarios.running.exits import CannotRun, suggestion

OTHERS_MAX = 5
"""Messages of one name that are listed."""
COMPARED_MAX = 20_000
"""Names that a wrong one is compared with: more take seconds."""


def explained(path: Path, message: str | None, anomaly: str | None) -> Life | Proof:
    """The life asked for, or the proof. Raises :class:`CannotRun` and :class:`model.history.schema.HistoryError`."""
    if (message is None) == (anomaly is None):
        raise CannotRun("explain one thing: give a MESSAGE such as d17/c3:12, or --anomaly KIND")
    if anomaly is not None and anomaly not in KINDS:
        raise CannotRun(f"there is no kind of anomaly '{anomaly}'{suggestion(anomaly, KINDS)}; docs/judges.md lists them")
    if message is not None and not path.exists() and Path(message).exists():
        raise CannotRun(f"'{message}' is the run, and stands first: imbench explain {message} {path}")
    explainer = Explainer(check.history(path))
    return _by_kind(explainer, path, anomaly) if anomaly is not None else _by_name(explainer, path, message or "")


def _by_kind(explainer: Explainer, path: Path, anomaly: str) -> Life | Proof:
    """The life of the message that the first instance is about; its proof, where none of them is about any."""
    found = explainer.first_witness(anomaly)
    if found is not None:
        return explainer.life(found, anomaly)
    proof = explainer.proof(anomaly)
    if proof is None:
        raise CannotRun(f"{near(path)}: nothing in it has the anomaly '{anomaly}'; imbench check lists what it has")
    return proof


def _by_name(explainer: Explainer, path: Path, message: str) -> Life:
    numbers = explainer.find(message)
    if not numbers:
        close = suggestion(message, _comparable(message, explainer.names()))
        raise CannotRun(f"{near(path)}: no message is called '{message}'{close}; imbench check names some, as device/id")
    if len(numbers) > 1:
        names = [explainer.life(number).message for number in numbers[:OTHERS_MAX]]
        raise CannotRun(f"{len(numbers)} messages are called '{message}': {', '.join(names)}; give one of these")
    return explainer.life(numbers[0])


def _comparable(wrong: str, names: Sequence[str]) -> Sequence[str]:
    """The names worth comparing with a wrong one: all, or where they are too many those of the same device or the same id."""
    if len(names) <= COMPARED_MAX:
        return names
    device, _, number = wrong.rpartition("/")
    return [name for name in names if name.startswith(f"{device}/") or name.endswith(f"/{number}")][:COMPARED_MAX]
