"""The life of one message as a space-time diagram, SVG: lanes for storage, business, gateways and devices, time to the right.

Rules of the file:

- Dots, rings and marks stand where rows of the history put them. Lines between lanes are drawn dotted: when a message passed a gateway,
  or was committed, nobody recorded; that it did, a row at the end of the line proves.
- Time is not to scale: each pause is as wide as the logarithm of its length, so that a send of two milliseconds and a device that comes
  back after a minute are both seen. Instants are written on the axis.
- Where an anomaly is about two messages, the showings of the other one that prove it stand as diamonds on their lanes.
- Layers behind the gateways are drawn for our own systems; of another one nobody knows what is there, and it is one lane, "server".
- In a page, colours are the page's; on its own the picture brings them along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from model.checkers.amounts import duration
from model.checkers.life import Event, Life
from model.history.schema import Basis, Kind, Via
from reports.markup import escape

DEVICES_MAX: Final = 8
"""Lanes for devices beside the sender's; those that something is wrong with come first."""
WIDTH: Final = 1060
_TOP, _LANE, _FOOT = 62, 36, 48
_LABEL_MAX: Final = 34
"""Letters of a name beside its lane; a longer one keeps its beginning and its end."""
_LETTER: Final = 6.9
"""Mean width of a letter of 12 px, generously."""
_STEP: Final = 14.0
_LABEL_GAP: Final = 58
_INK, _SOFT, _GOOD, _BAD, _LINK = (
    "var(--ink,#1b1f24)",
    "var(--soft,#57606a)",
    "var(--good,#006b4f)",
    "var(--bad,#b34700)",
    "var(--blue,#0072b2)",
)
_SHADE: Final = "var(--line,#d0d7de)"
_DRAWN: Final = frozenset(set(Kind) - {Kind.READ_BACK})
_SHOWN: Final = (Kind.DELIVER, Kind.WIRE)
_RESULT: Final = (Kind.OK, Kind.FAIL, Kind.INFO)
Point = tuple[float, float]


def svg(life: Life, *, alone: bool = True) -> str:
    """The diagram as an ``<svg>`` element; ``alone``: as a file of its own."""
    return _Diagram(life).draw(alone)


class _Scale:
    """Instants to places."""

    def __init__(self, times: Sequence[int], begin: float, end: float) -> None:
        self._times = sorted(set(times))
        widths = [math.log10(10 + (b - a) / 50) for a, b in zip(self._times, self._times[1:], strict=False)]
        unit = (end - begin) / max(sum(widths), 1e-9) if widths else 0.0
        unit = min(unit, 90.0)
        self._places = [begin] if self._times else []  # of what was read back only there is nothing to place
        for width in widths:
            self._places.append(self._places[-1] + width * unit)

    def __call__(self, t_us: int) -> float:
        return self._places[self._times.index(t_us)]

    def labelled(self) -> Iterator[tuple[int, float]]:
        """Instants with room for a label."""
        last = -math.inf
        for t_us, x in zip(self._times, self._places, strict=True):
            if x - last >= _LABEL_GAP:
                yield t_us, x
                last = x


class _Diagram:
    """One picture in the making."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.devices, self.left_out = _devices(life)
        drawn = [e for e in life.events if e.kind in _DRAWN and (not e.device or e.device in self.devices)]
        self.events = [e for e in drawn if not e.other]
        self.others = [e for e in drawn if e.other and e.kind in _SHOWN]
        gateways = sorted({e.node for e in self.events if e.node} - {"business", "storage"})
        self.servers = [*(["storage", "business"] if life.imbench and gateways else ["server"]), *gateways]
        self.lanes = [*self.servers, *self.devices]
        self.y = {lane: _TOP + _LANE * (at + 0.5) for at, lane in enumerate(self.lanes)}
        self.endings = {device: _ending(life, device) for device in self.devices}
        self.left = 28 + _LETTER * max(len(self._word(lane)) for lane in self.lanes)
        self.right = WIDTH - 24 - _LETTER * max([8, *(len(text) for text, _ in self.endings.values())])
        self.x = _Scale([e.t_us for e in (*self.events, *self.others)], self.left + 26, self.right - 12)
        self.parts: list[str] = []

    def draw(self, alone: bool) -> str:
        """All of it."""
        height = _TOP + _LANE * len(self.lanes) + _FOOT
        self._lanes()
        self._axis(height)
        self._faults()
        commit = self._commit()
        self._sends(commit)
        for device in self.devices:
            self._arrivals(device, commit)
        for event in (*self.events, *self.others):
            self._mark(event)
        self._ends()
        self._legend(height)
        label = f"The life of {self.life.message}: {self.life.outcome}"
        style = ' style="color:#1b1f24;background:#fff;max-width:100%;height:auto"' if alone else ""
        space = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
        head = f'<svg{space} viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}"{style}'
        return f'{head} font-family="system-ui,sans-serif" font-size="12">{"".join(self.parts)}</svg>\n'

    # frame -------------------------------------------------------------------------------------------------------------------

    def _text(self, x: float, y: float, text: str, colour: str = _INK, extra: str = "") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{extra}>{escape(text)}</text>')

    def _line(self, points: Sequence[Point], colour: str, width: float = 1.2, dotted: bool = False) -> None:
        dash = ' stroke-dasharray="2 3"' if dotted else ""
        place = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{place}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>')

    def _lanes(self) -> None:
        life = self.life
        self._text(
            12,
            20,
            f"{life.message} in {life.conversation}: {life.outcome}, {life.place}",
            extra=' font-weight="600" font-size="14"',
        )
        for lane, y in self.y.items():
            self._text(self.left - 10, y + 4, self._word(lane), extra=' text-anchor="end"')
            self._line([(self.left, y), (self.right, y)], _SHADE, 1)
            for begin, end in self._away(lane):
                self._line([(begin, y), (end, y)], _BAD, 1.5, dotted=True)

    def _word(self, lane: str) -> str:
        """What stands beside a lane."""
        return f"{_cut(lane)} (sender)" if lane == self.life.sender else _cut(lane)

    def _away(self, lane: str) -> Iterator[tuple[float, float]]:
        """Where a device is known to have had no connection."""
        since: float | None = None
        for event in self.events:
            if event.device == lane and event.kind in (Kind.DISCONNECTED, Kind.OFFLINE):
                since = since if since is not None else self.x(event.t_us)
            elif event.device == lane and event.kind is Kind.READY:
                yield from [(since, self.x(event.t_us))] if since is not None else []
                since = None
        if since is not None:
            yield since, self.right

    def _axis(self, height: float) -> None:
        bottom = height - _FOOT
        for t_us, x in self.x.labelled():
            self._line([(x, _TOP - 6), (x, bottom)], _SHADE, 0.5)
            self._text(x, _TOP - 12, _since(t_us - self.life.zero_us), _SOFT, ' text-anchor="middle" font-size="11"')
        zero = (self.life.zero_us - self.life.load_begin_us) / 1e6
        self._text(12, _TOP - 12, f"0 = {zero:.3f} s", _SOFT, ' font-size="11"')

    def _faults(self) -> None:
        begun: dict[str, Event] = {}
        for event in self.events:
            if event.kind is Kind.FAULT_BEGUN:
                begun[event.node] = event
        for node, event in begun.items():
            if node in self.y:
                healed = [e for e in self.events if e.kind is Kind.FAULT_HEALED and e.node == node]
                x, end = self.x(event.t_us), self.x(healed[-1].t_us) if healed else self.right
                box = f'x="{x:.1f}" y="{self.y[node] - 11:.1f}" width="{max(end - x, 2):.1f}" height="22" fill="{_BAD}" opacity="0.22"'
                self.parts.append(f"<rect {box}/>")
                self._text(
                    x + 4, self.y[node] + 4, event.text.removesuffix(" took effect").removeprefix("a "), _BAD, ' font-size="11"'
                )

    # lines -------------------------------------------------------------------------------------------------------------------

    def _commit(self) -> Point | None:
        """Where it was committed: some time between its writing and the first sign of it; None if nothing shows that it was."""
        signs = [e for e in self.events if e.own and _shows_commit(e)]
        starts = [self.x(e.t_us) for e in self.events if e.kind in (Kind.ATTEMPT, Kind.INVOKE)]
        if signs:
            sign = min(self.x(e.t_us) for e in signs)
            begin = max((x for x in starts if x <= sign), default=sign - 2 * _STEP)
            return (begin + sign) / 2, self.y[self.servers[0]]
        if starts and any(e.kind is Kind.READ_BACK for e in self.life.events):
            return starts[-1] + _STEP, self.y[self.servers[0]]
        return None

    def _by(self, node: str) -> list[str]:
        """Lanes between storage and the devices, on the way through a gateway."""
        inner = [lane for lane in self.servers[1:2] if lane == "business"]
        return inner + ([node] if node in self.y and node not in inner else [])

    def _path(self, start: Point, end: Point, lanes: Sequence[str], colour: str) -> None:
        """A dotted line that bends at every lane it passes, with an arrowhead."""
        steps = len(lanes) + 1
        points = [start]
        for at, lane in enumerate(lanes, start=1):
            points.append((start[0] + (end[0] - start[0]) * at / steps, self.y[lane]))
        points.append(end)
        self._line(points, colour, 1.3, dotted=True)
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        tip = (x1 - ux * 5, y1 - uy * 5)
        corners = [
            tip,
            (tip[0] - ux * 7 - uy * 3.5, tip[1] - uy * 7 + ux * 3.5),
            (tip[0] - ux * 7 + uy * 3.5, tip[1] - uy * 7 - ux * 3.5),
        ]
        self.parts.append(f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}" fill="{colour}"/>')

    def _sends(self, commit: Point | None) -> None:
        """From the sender to the storage, and the answer back."""
        life = self.life
        if life.sender not in self.y:
            return
        y = self.y[life.sender]
        tries = [e for e in self.events if e.kind is Kind.ATTEMPT]
        arrived = [e for e in tries if commit and self.x(e.t_us) <= commit[0]][-1:]
        for event in tries:
            x = self.x(event.t_us)
            if commit and event in arrived:
                self._path((x, y), commit, self._by(event.node)[::-1], _INK)
            else:
                lane = event.node if event.node in self.y else self.servers[-1]
                self._path((x, y), (x + _STEP, self.y[lane]), [], _SOFT)
        answer = next((e for e in self.events if e.kind is Kind.OK), None)
        if answer and tries and answer.basis is not Basis.WRITE:
            end, node = (self.x(answer.t_us), y), tries[-1].node
            heard = ((self.x(tries[-1].t_us) + end[0]) / 2, self.y[self.servers[-1] if node not in self.y else node])
            stored = commit if commit and answer.basis is not Basis.RECEIVED else None
            self._path(stored or heard, end, self._by(node) if stored else [], _GOOD)
        refusal = next((e for e in self.events if e.kind is Kind.FAIL), None)
        if refusal and tries:
            end, node = (self.x(refusal.t_us), y), tries[-1].node
            turn = ((self.x(tries[-1].t_us) + end[0]) / 2, self.y[node if node in self.y else self.servers[-1]])
            self._path(turn, end, [], _BAD)

    def _arrivals(self, device: str, commit: Point | None) -> None:
        """From the storage to a device; an answer to a sync from its request on."""
        wired = [e for e in self.events if e.device == device and e.kind is Kind.WIRE]
        came = wired or [e for e in self.events if e.device == device and e.kind is Kind.DELIVER and e.via is not Via.OWN]
        for number, event in enumerate(came):
            end = (self.x(event.t_us), self.y[device])
            asked = [e for e in self.events if e.device == device and e.kind is Kind.SYNC_REQUEST and e.row < event.row]
            top = self.y[self.servers[0]]
            if event.via is Via.SYNC and asked:
                begin = (self.x(asked[-1].t_us), self.y[device])
                turn = ((begin[0] + end[0]) / 2, top)
                self._path(begin, turn, self._by(event.node)[::-1], _SOFT)
                self._path(turn, end, self._by(event.node), _LINK)
            elif commit and number == 0:
                self._path(commit, end, self._by(event.node), _LINK)
            else:
                self._path((end[0] - 24, top), end, self._by(event.node), _LINK)

    # marks -------------------------------------------------------------------------------------------------------------------

    def _mark(self, event: Event) -> None:
        lane = event.device or event.node
        if lane not in self.y:
            return
        x, y = self.x(event.t_us), self.y[lane]
        title = f"<title>{escape(f'{_since(event.t_us - self.life.zero_us)}  {lane} {event.text}')}</title>"
        shape = _diamond(x, y) if event.other else _shape(event.kind, event.via, x, y)
        if shape:
            self.parts.append(f"<g>{title}{shape}</g>")
        if event.other:
            self._text(x, y - 9, _cut(event.other.rpartition("/")[2]), _BAD, ' text-anchor="middle" font-size="10"')

    def _ends(self) -> None:
        """What each device ended with."""
        x = self.right + 12
        for device in self.devices:
            text, colour = self.endings[device]
            self._text(x, self.y[device] + 4, text, colour)

    def _legend(self, height: float) -> None:
        """What the marks mean, those that are there."""
        x, y = 16.0, height - 26
        for shape, word in self._marks(y - 4):
            self.parts.append(shape(x))
            self._text(x + 11, y, word, _SOFT, ' font-size="11"')
            x += 24 + len(word) * 6.1
        more = f" {self.left_out} more device{'s are' if self.left_out > 1 else ' is'} left out." if self.left_out else ""
        text = f"Dotted lines: passed at instants that nobody recorded. Time runs to the right, not to scale.{more}"
        self._text(12, height - 8, text, _SOFT, ' font-size="11"')

    def _marks(self, y: float) -> Iterator[tuple[Callable[[float], str], str]]:
        """Shapes, to be drawn at an x, and their meanings."""
        here = {event.kind for event in self.events}
        for kind, word in _LEGEND.items():
            if kind in here:
                yield lambda x, kind=kind: _shape(kind, Via.LIVE, x, y + 12 * (kind in _RESULT)), word  # type: ignore[misc]
        if self.others:
            names = list(dict.fromkeys(event.other for event in self.others))
            yield lambda x: _diamond(x, y), f"shown: {', '.join(_cut(name) for name in names[:3])}{', …' * (len(names) > 3)}"
        if any(
            _shape(event.kind, event.via, 0, 0).startswith("<path") and event.kind is not Kind.ATTEMPT for event in self.events
        ):
            yield lambda x: _shape(Kind.READY, Via.NONE, x, y), "what else is known"
        if any(True for lane in self.devices for _ in self._away(lane)):
            yield (
                lambda x: f'<path d="M{x - 8:.1f} {y:.1f}h16" stroke="{_BAD}" stroke-width="1.5" stroke-dasharray="2 3"/>',
                "no connection",
            )


_LEGEND: Final = {
    Kind.INTEND: "intended",
    Kind.SYSTEM: "made by the system",
    Kind.ATTEMPT: "written",
    Kind.WIRE: "received",
    Kind.DELIVER: "shown",
    Kind.OK: "told “sent”",
    Kind.FAIL: "told “failed”",
    Kind.INFO: "gave up",
}


def _cut(name: str) -> str:
    """A name that fits beside a lane."""
    half = _LABEL_MAX // 2
    return name if len(name) <= _LABEL_MAX else f"{name[:half]}…{name[-half + 1 :]}"


def _devices(life: Life) -> tuple[list[str], int]:
    """The sender and those it concerns most, in the order in which they got it; and how many are left out."""
    own = [event for event in life.events if event.own and event.device]
    told = [event.device for event in life.events if event.other and event.device]
    showings = [event.device for event in own if event.kind is Kind.DELIVER]
    missing = [owed.device for owed in life.owed if owed.missing]
    others = [d for d in dict.fromkeys([*told, *missing, *(event.device for event in own)]) if d != life.sender]
    late = {d: next((e.t_us for e in own if e.device == d and e.kind is Kind.DELIVER), math.inf) for d in others}
    wrong = {d for d in others if d in missing or d in told or showings.count(d) > 1}
    ranked = sorted(others, key=lambda d: (d not in wrong, -late[d] if late[d] < math.inf else 0, d))
    chosen = ranked[:DEVICES_MAX]
    if len(ranked) > DEVICES_MAX and set(chosen) <= wrong:  # one of those that are well, to compare
        chosen[-1:] = [d for d in ranked if d not in wrong][:1] or chosen[-1:]
    chosen.sort(key=lambda d: (late[d], d))
    return [*([life.sender] if life.sender else []), *chosen], len(others) - len(chosen)


def _shows_commit(event: Event) -> bool:
    """Whether a row shows that the message was stored before it."""
    if event.kind is Kind.OK:
        return event.basis is Basis.COMMITTED
    return event.kind in (Kind.WIRE, Kind.DELIVER) and event.via is not Via.OWN


def _since(t_us: int) -> str:
    return "0" if t_us == 0 else f"{'+' if t_us > 0 else '-'}{duration(abs(t_us))}"


def _diamond(x: float, y: float) -> str:
    """The showing of another message."""
    return f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z" fill="{_BAD}"/>'


def _shape(kind: Kind, via: Via, x: float, y: float) -> str:
    """What stands for a row."""
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" '
    if kind in (Kind.INTEND, Kind.SYSTEM):
        return f'{dot}r="6" fill="none" stroke="{_INK}"/>'
    if kind is Kind.ATTEMPT:
        return f'<path d="M{x - 4:.1f} {y + 4:.1f}h8l-4 -8z" fill="{_INK}"/>'
    if kind is Kind.WIRE:
        return f'{dot}r="5.5" fill="none" stroke="{_LINK}" stroke-width="1.5"/>'
    if kind is Kind.DELIVER:
        return f'{dot}r="3.5" fill="{_SOFT if via is Via.PUSH else _LINK}"/>'
    if kind in _RESULT:
        sign, colour = {Kind.OK: ("✓", _GOOD), Kind.FAIL: ("✗", _BAD), Kind.INFO: ("?", _BAD)}[kind]
        return f'<text x="{x:.1f}" y="{y - 8:.1f}" fill="{colour}" text-anchor="middle" font-size="15" font-weight="700">{sign}</text>'
    if kind in (Kind.RECALL, Kind.EDIT):
        return f'<text x="{x:.1f}" y="{y - 8:.1f}" fill="{_INK}" text-anchor="middle">{kind.name.lower()}</text>'
    return f'<path d="M{x:.1f} {y - 4:.1f}v8" stroke="{_SOFT}"/>'


def _ending(life: Life, device: str) -> tuple[str, str]:
    """What a device ended with, in words, and how good that is."""
    own = [e for e in life.events if e.own and e.device == device]
    shown = [e for e in own if e.kind is Kind.DELIVER and e.via is not Via.PUSH]
    copies = sum(e.kind is Kind.WIRE for e in own)
    read = any(e.kind is Kind.READ_BACK for e in life.events if e.own)
    mine = any(e.kind is Kind.READ_BACK for e in own)
    history = (", in its history" if mine else ", not in its history") if read else ""
    if device == life.sender:
        return f"{life.outcome}{history}", _BAD if life.outcome != "ok" else _INK
    if len(shown) > 1:
        return f"shown {len(shown)} times{history}", _BAD
    if shown:
        often = f", received {copies} times" if copies > 1 else ""
        return f"shown {_since(shown[0].t_us - life.zero_us)}{often}{history}", _INK if mine or not read else _BAD
    owed = any(one.device == device for one in life.owed)
    return (f"never shown{history}", _BAD) if owed else (f"not owed{history}", _SOFT)
