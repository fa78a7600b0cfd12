"""The life of one message for people, as text and as a file with its diagram; and the proof of what is about no message, as text.

Lists are cut where they grow long, and say by how much: what is left out stands in the object for programs, which has everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from model.checkers.amounts import duration
from model.checkers.life import Event, Life, Proof
from model.history.schema import Kind
from reports.files import write_text
from reports.markup import line
from reports.spacetime import svg

DEVICES_MAX: Final = 8
"""Devices that a line names."""
FINDINGS_MAX: Final = 5
"""Findings of one kind that are told."""
AROUND: Final = "·"
"""The mark of rows that do not speak of the message itself."""
_SIGHTINGS = (Kind.WIRE, Kind.DELIVER, Kind.READ_BACK)


def told(found: Life | Proof) -> str:
    """As text. Of a life: what became of it, whom it was owed to, what is wrong with it, and every row."""
    lines = _proof(found) if isinstance(found, Proof) else _life(found)
    return "\n".join(map(line, lines))


def _life(life: Life) -> Iterator[str]:
    yield from _head(life)
    yield from _owed(life)
    yield from _findings(life)
    yield ""
    yield from _events(life)
    if not all(event.own for event in life.events):
        yield f"{AROUND} what went on around it"


def _head(life: Life) -> Iterator[str]:
    seen = life.committed or any(event.own and event.kind in _SIGHTINGS and event.device != life.sender for event in life.events)
    kept = "" if seen or not life.sender else ", and nobody saw it"
    yield f"{life.message} in {life.conversation}: {life.outcome}{kept}, {life.place}"


def _owed(life: Life) -> Iterator[str]:
    at = {event.row: event.t_us for event in life.events}
    shown = [f"{one.device} {_after(at[one.row] - life.zero_us)}" for one in life.owed if one.row >= 0]
    never = [one.device for one in life.owed if one.row < 0]
    number = f"{len(life.owed)} device{'s' * (len(life.owed) != 1)}"
    yield f"owed to {number}{': shown to ' if shown else ''}{_some(shown)}"
    if never:
        yield f"never shown to {_some(never)}"


def _after(t_us: int) -> str:
    """How late; where clocks are wrong, how early."""
    return f"after {duration(t_us)}" if t_us >= 0 else f"{duration(-t_us)} before it was sent"


def _some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = len(names) - DEVICES_MAX
    return ", ".join(names[:DEVICES_MAX]) + (f" and {more:,} more" if more > 0 else "")


def _findings(life: Life) -> Iterator[str]:
    """The first few of each kind, and how many more."""
    total, seen = Counter(kind for kind, _ in life.findings), Counter[str]()
    for kind, text in life.findings:
        seen[kind] += 1
        if seen[kind] <= FINDINGS_MAX:
            yield f"{kind}: {text}"
        if seen[kind] == FINDINGS_MAX < total[kind]:
            yield f"... and {total[kind] - FINDINGS_MAX:,} more of that kind"


def _events(life: Life) -> Iterator[str]:
    wide = _width(life.events)
    for event in life.events:
        since = event.t_us - life.zero_us
        delta = f"{'-' if since < 0 else '+'}{duration(abs(since))}"
        mark = " " if event.own else AROUND
        yield f"{_seconds(event, life)}  {delta:>9} {mark} {event.device or event.node:<{wide}}  {event.text}"


def _width(events: Sequence[Event]) -> int:
    return max((len(event.device or event.node) for event in events), default=0)


def _seconds(event: Event, of: Life | Proof) -> str:
    return f"{(event.t_us - of.load_begin_us) / 1e6:11.6f} s"


def _proof(proof: Proof) -> Iterator[str]:
    yield f"{proof.kind}: {proof.text}"
    if proof.instances > 1:
        yield f"the first of {proof.instances:,}; imbench check tells more of them"
    yield ""
    wide = _width(proof.events)
    for event in proof.events:
        yield f"{_seconds(event, proof)}  {event.device or event.node:<{wide}}  {event.text}"
    if not proof.events:
        yield "no single row proves it: it rests on the history as a whole, or on what is not in it"


def plain(found: Life | Proof) -> dict[str, Any]:
    """The object that ``imbench explain --json`` prints: names in place of numbers, times in microseconds since the run's start."""
    names: dict[str, Callable[[Event], str]]
    names = {"kind": lambda e: e.kind.name.lower(), "via": lambda e: e.via.name.lower(), "basis": lambda e: e.basis.name.lower()}
    events = [asdict(event) | {key: name(event) for key, name in names.items()} for event in found.events]
    if isinstance(found, Proof):
        return asdict(found) | {"events": events}
    findings = [{"kind": kind, "text": text} for kind, text in found.findings]
    return asdict(found) | {"events": events, "findings": findings}


def draw(life: Life, out: Path | None) -> Path:
    """Write the diagram, to ``explain-<message>.svg`` here unless told otherwise. Raises :class:`HistoryError` where the disk refuses."""
    name = "".join(letter if letter.isalnum() else "-" for letter in life.message)
    return write_text(out or Path(f"explain-{name}.svg"), svg(life), "the diagram")
