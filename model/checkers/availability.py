"""Which intended operations succeeded, and outages: section 6 of the definitions.

Rules of the file:

- Everything intended counts, in the order of t_int, whether or not the client got round to it. A send that is scheduled to be
  rejected does not count: one of that class, or of a sender who cannot be a member then.
- Two classes: ``send`` (ok within the deadline) and ``delivery`` (within it at all of Must(m) that the schedule left switched on).
- Three scopes: all, each gateway, each device. A send belongs to its sender's device and to the gateway at which that was last ready
  by t_int, else its home gateway. A delivery belongs to those it is owed to: in a narrower scope it succeeds if all of Must(m) *within
  that scope* got it, so a deaf device shows by itself.
- What is an outage only because of devices that are unreachable is implied by that.
- Where no sender was ever told anything, yet messages were shown, answers were not recorded, and there are no operations of class send.
- An outage is a run of at least two failing operations in a row. A class without a success at any device is ``vacuous`` and has
  no outages.
- Of a truncated run only operations whose deadline passed before its end count; of a client that fell silent, only those whose
  deadline passed before its last sign of life. What it had sent by then is still owed to the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.checkers.findings import Finding, Part, of_the_run
from model.checkers.grouped import NONE, Bool, Int, dense, whole
from model.checkers.sessions import Intervals
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

WORST_MAX = 10
"""Devices listed."""
Scope = Literal["all", "gateway", "device"]


@dataclass(frozen=True, slots=True)
class Stream:
    """The operations of one class in one kind of scope, in parallel arrays; ``place`` is a node, a device, or 0 for all."""

    of: str
    scope: Scope
    place: Int
    message: Int
    t_us: Int
    good: Bool


@dataclass(frozen=True, slots=True)
class Outages:
    """Runs of failing operations of a stream, in parallel arrays."""

    stream: Stream
    place: Int
    begin_us: Int
    length_us: Int
    at_least: Bool
    operations: Int
    first: Int
    """The message of the first failing operation."""
    begin: Int
    """Its place in the stream."""


class Operations:
    """Streams of all intended operations."""

    def __init__(self, case: Case) -> None:
        sends, members, contract = case.sends, case.members, case.contract
        senders = members.user[sends.sender]
        allowed = members.possibly(sends.conversation, senders, sends.t_int_us) | ~members.governed[sends.conversation]
        allowed = (allowed | (senders < 0)) & ~sends.to_be_rejected
        due_us = sends.t_int_us + contract.deadline_us
        counted = sends.scheduled & allowed & ((due_us <= case.phases.end_us) | (not case.phases.truncated))
        self.intended = whole(np.flatnonzero(counted))
        known_until_us = case.absences.known_until_us
        known = (sends.sender < 0) | (due_us <= known_until_us[sends.sender])
        self._known = whole(np.flatnonzero(counted & known))
        answers = case.history.rows_of(Kind.OK, Kind.FAIL, Kind.INFO)
        self.answered = bool(len(answers)) or not len(case.deliveries.shown)
        """Whether answers were recorded at all."""
        self.sent: Bool = (sends.t_ok_us >= 0) & (sends.t_ok_us <= due_us)
        """By message."""
        pairs = case.obligations
        t_int_us = sends.t_int_us[pairs.message]
        on = ~case.sessions.off.meets(pairs.device, t_int_us, t_int_us + contract.deadline_us)
        known = (known | sends.committed)[pairs.message] & (due_us[pairs.message] <= known_until_us[pairs.device])
        self._owed = np.flatnonzero(counted[pairs.message] & on & known & ~pairs.trimmed)
        self._message, self._device = pairs.message[self._owed], pairs.device[self._owed]
        self._came = (pairs.row >= 0)[self._owed] & (pairs.t_us <= due_us[pairs.message])[self._owed]
        self._t_int_us = sends.t_int_us
        self._sender, self._home, self._sessions = sends.sender, members.home, case.sessions
        self._reachable: Bool = ~case.absences.unreachable
        self._streams: dict[tuple[Scope, bool], tuple[Stream, Stream]] = {}

    def streams(self, scope: Scope, *, reachable: bool = False) -> tuple[Stream, Stream]:
        """The classes send and delivery in one kind of scope; ``reachable``: as if unreachable devices were not there."""
        if (scope, reachable) not in self._streams:
            self._streams[scope, reachable] = self._send(scope, reachable), self._delivery(scope, reachable)
        return self._streams[scope, reachable]

    def _place(self, scope: Scope, device: Int, message: Int) -> Int:
        if scope == "gateway":
            return self._sessions.node(device, self._t_int_us[message], self._home[device])
        return device if scope == "device" else np.zeros(len(device), np.int64)

    def _send(self, scope: Scope, reachable: bool) -> Stream:
        message = self._known if self.answered else self._known[:0]
        if reachable:
            message = message[(self._sender[message] < 0) | self._reachable[self._sender[message]]]
        place = self._place(scope, self._sender[message], message)
        return _stream("send", scope, place, message, self._t_int_us[message], self.sent[message])

    def _delivery(self, scope: Scope, reachable: bool) -> Stream:
        kept = self._reachable[self._device] if reachable else np.ones(len(self._device), np.bool_)
        message, came = self._message[kept], self._came[kept]
        place = self._place(scope, self._device[kept], message)
        group = dense(place, message) if len(place) else place
        _, first = np.unique(group, return_index=True)
        failed = np.bincount(group, ~came, minlength=len(first)) > 0
        message = message[first]
        return _stream("delivery", scope, place[first], message, self._t_int_us[message], ~failed)


def _stream(of: str, scope: Scope, place: Int, message: Int, t_us: Int, good: Bool) -> Stream:
    known = np.flatnonzero(place >= 0)
    order = known[np.lexsort((message[known], t_us[known], place[known]))]
    return Stream(of, scope, place[order], message[order], t_us[order], good[order])


def outages(stream: Stream) -> Outages:
    """Every maximal run of at least two failing operations. One that no success ends is as long as its failures, "at least"."""
    count = len(stream.good)
    new = np.ones(count, np.bool_)
    new[1:] = (stream.place[1:] != stream.place[:-1]) | (stream.good[1:] != stream.good[:-1])
    begin = np.flatnonzero(new)
    end = np.append(begin[1:], count)[: len(begin)]
    kept = ~stream.good[begin] & (end - begin >= 2)
    begin, end = begin[kept], end[kept]
    after = np.minimum(end, max(count - 1, 0))
    closed = (end < count) & (stream.place[after] == stream.place[begin]) if count else kept
    last_us = np.where(closed, stream.t_us[after], stream.t_us[end - 1])
    return Outages(
        stream=stream,
        place=stream.place[begin],
        begin_us=stream.t_us[begin],
        length_us=last_us - stream.t_us[begin],
        at_least=~closed,
        operations=end - begin,
        first=stream.message[begin],
        begin=begin,
    )


def judge(case: Case) -> Part:
    """``outage`` and ``vacuous``; availability of all, of gateways and of the worst devices."""
    everyone = case.operations.streams("all")
    by_device = case.operations.streams("device")
    vacuous = [stream.of for stream in by_device if len(stream.good) and not stream.good.any()]
    scopes: tuple[Scope, ...] = ("all", "gateway", "device")
    found = {scope: [outages(s) for s in case.operations.streams(scope) if s.of not in vacuous] for scope in scopes}
    findings = [_outage_finding(case, outage, _explained(case, outage)) for by_class in found.values() for outage in by_class]
    say = case.say
    measures = {
        "all": _measure(found["all"], everyone, 0),
        "gateways": {
            say.node(node): _measure(found["gateway"], case.operations.streams("gateway"), node) for node in _gateways(case)
        },
        "devices_worst": _worst(case, found["device"]),
    }
    return Part((*findings, *_vacuous(case, vacuous)), {"availability": measures})


def _gateways(case: Case) -> list[int]:
    """The homes of devices, and where operations belonged."""
    homes = case.members.home[case.members.home >= 0]
    return [int(node) for node in np.unique(np.concatenate([homes, *(s.place for s in case.operations.streams("gateway"))]))]


def _explained(case: Case, found: Outages) -> Bool:
    """Which outages would not be there, or not beyond the budget, without the devices that are unreachable."""
    streams = case.operations.streams(found.stream.scope, reachable=True)
    left = outages(next(s for s in streams if s.of == found.stream.of))
    long = left.length_us > case.contract.outage_budget_us
    remains = Intervals(left.place[long], left.begin_us[long], left.begin_us[long] + left.length_us[long])
    return ~remains.meets(found.place, found.begin_us, found.begin_us + found.length_us)


def _outage_finding(case: Case, found: Outages, explained: Bool) -> Finding:
    at = np.flatnonzero(found.length_us > case.contract.outage_budget_us)
    say, stream = case.say, found.stream
    device = found.place[at] if stream.scope == "device" else np.full(len(at), NONE)
    rows = _planned_row(case, found.first[at])
    proven = _planned_row(case, whole([_passes(found, k, case.contract.outage_budget_us) for k in at.tolist()]))

    def tell(i: int) -> tuple[str, tuple[int, ...]]:
        k = int(at[i])
        where = {"all": "", "gateway": say.node, "device": say.device}[stream.scope]
        place = where(int(found.place[k])) if callable(where) else "the whole system"
        long = f"{'at least ' if found.at_least[k] else ''}{found.length_us[k] / 1e6:.3f} s"
        text = f"{place}: no {stream.of} within its deadline for {long} from {say.seconds(float(found.begin_us[k]))}"
        return f"{text}, {found.operations[k]} operations in a row", (int(rows[i]),)

    return Finding("outage", rows, found.first[at], device, tell, {"unreachable": explained[at]}, proven=proven)


def _planned_row(case: Case, message: Int) -> Int:
    """Where each operation stands in the schedule; where that was not recorded, where it begins."""
    return np.where(case.sends.intend_row >= 0, case.sends.intend_row, case.sends.begun_row)[message]


def _passes(found: Outages, k: int, budget_us: int) -> int:
    """The message of the operation, failing or the success that ends the outage, that is the first one beyond the budget."""
    begin = int(found.begin[k])
    until = begin + int(found.operations[k]) + (not found.at_least[k])
    at = begin + int(np.searchsorted(found.stream.t_us[begin:until], found.begin_us[k] + budget_us, "right"))
    return int(found.stream.message[min(at, until - 1)])


def _vacuous(case: Case, classes: list[str]) -> list[Finding]:
    texts = [f"not a single {of} succeeded" for of in classes]
    if not case.sends.scheduled.any():
        texts = ["nothing was planned, so nothing was shown"]
    return [of_the_run("vacuous", text) for text in texts]


def _measure(found: list[Outages], streams: tuple[Stream, Stream], place: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for stream in streams:
        mine = stream.good[stream.place == place]
        result[stream.of] = float(mine.mean()) if len(mine) else None
    lengths = np.concatenate([whole([0]), *(outage.length_us[outage.place == place] for outage in found)])
    open_ended = np.concatenate([np.zeros(1, np.bool_), *(outage.at_least[outage.place == place] for outage in found)])
    longest = int(np.argmax(lengths))
    return {**result, "longest_outage_us": int(lengths[longest]), "at_least": bool(open_ended[longest])}


def _worst(case: Case, found: list[Outages]) -> list[dict[str, Any]]:
    """The longest outage of each of the devices that had the longest ones."""
    entries = [
        (int(length), outage.stream.of, int(device), bool(open_ended))
        for outage in found
        for length, device, open_ended in zip(*_top(outage), strict=True)
    ]
    entries.sort(key=lambda entry: (-entry[0], entry[2], entry[1]))
    return [
        {"device": case.say.device(device), "of": of, "longest_outage_us": length, "at_least": open_ended}
        for length, of, device, open_ended in entries[:WORST_MAX]
    ]


def _top(found: Outages) -> tuple[NDArray[Any], ...]:
    order = np.lexsort((found.place, -found.length_us))
    first = np.sort(np.unique(found.place[order], return_index=True)[1])[:WORST_MAX]
    at = order[first]
    return found.length_us[at], found.place[at], found.at_least[at]
