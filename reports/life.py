"""The life of one message for people, as text and as a file with its diagram."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.checkers.life import Event, Life
from model.history.schema import Kind
from reports.files import write_text
from reports.spacetime import svg
from reports.table import duration

_SIGHTINGS = (Kind.WIRE, Kind.DELIVER, Kind.READ_BACK)


def told(life: Life) -> str:
    """A life as text: what became of it, whom it was owed to, what is wrong with it, and every row."""
    return "\n".join([*_head(life), *_owed(life), *(f"{kind}: {text}" for kind, text in life.findings), "", *_events(life)])


def _head(life: Life) -> Iterator[str]:
    seen = life.committed or any(event.own and event.kind in _SIGHTINGS and event.device != life.sender for event in life.events)
    kept = "" if seen or not life.sender else ", and nobody saw it"
    yield f"{life.message} in {life.conversation}: {life.outcome}{kept}, {life.place}"


def _owed(life: Life) -> Iterator[str]:
    at = {event.row: event.t_us for event in life.events}
    shown = [f"{one.device} after {duration(at[one.row] - life.zero_us)}" for one in life.owed if one.row >= 0]
    never = [one.device for one in life.owed if one.row < 0]
    yield f"owed to {len(life.owed)} device{'s' * (len(life.owed) != 1)}{': shown to ' if shown else ''}{', '.join(shown)}"
    if never:
        yield f"never shown to {', '.join(never)}"


def _events(life: Life) -> Iterator[str]:
    wide = max((len(event.device or event.node) for event in life.events), default=0)
    for event in life.events:
        since = event.t_us - life.zero_us
        delta = f"{'-' if since < 0 else '+'}{duration(abs(since))}"
        seconds = (event.t_us - life.load_begin_us) / 1e6
        mark = " " if event.own else "·"
        yield f"{seconds:11.6f} s  {delta:>9} {mark} {event.device or event.node:<{wide}}  {event.text}"


def plain(life: Life) -> dict[str, Any]:
    """The object that ``imbench explain --json`` prints: names in place of numbers, times in microseconds since the run's start."""
    names: dict[str, Callable[[Event], str]]
    names = {"kind": lambda e: e.kind.name.lower(), "via": lambda e: e.via.name.lower(), "basis": lambda e: e.basis.name.lower()}
    events = [asdict(event) | {key: name(event) for key, name in names.items()} for event in life.events]
    findings = [{"kind": kind, "text": text} for kind, text in life.findings]
    return asdict(life) | {"events": events, "findings": findings}


def draw(life: Life, out: Path | None) -> Path:
    """Write the diagram, to ``explain-<message>.svg`` here unless told otherwise. Raises :class:`HistoryError` where the disk refuses."""
    name = "".join(letter if letter.isalnum() else "-" for letter in life.message)
    return write_text(out or Path(f"explain-{name}.svg"), svg(life), "the diagram")
