"""Sometimes-probes: situations that a hunt ought to come to at some time; a hunt that never does proves nothing about them.

They cost the rules nothing. A trial that is traced (``sys.settrace``, a few trials in a hundred) tells which functions of the rules
were called, and which of the lines were run that stand for a situation; other situations are read from its history. A line is named by
its function and a piece of its text, found once; a probe whose line was moved or changed is an error, not a probe that is silent.

Prior art: the "sometimes assertions" of Antithesis and the ``TEST`` macro of FoundationDB (Zhou et al., SIGMOD 2021).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeVar

import numpy as np

from model.core import admission, backoff, business, client, drain, gateway, inbox, log, outbox
from model.history.columns import History
from model.history.schema import Kind, Via

T = TypeVar("T")
RULES = (admission, backoff, business, client, drain, gateway, inbox, log, outbox)

LINES: dict[str, tuple[Any, str]] = {
    # the device receives
    "a message waits in the gap buffer": (inbox.Inbox._place, "conversation.ahead[message.conversation_seq] ="),
    "a gap closes and shows what waited": (inbox.Inbox._join, "self._show(*following, out)"),
    "a catch-up takes several pages": (inbox.Inbox.synced, "self._sync(reply.conversation, have, out)"),
    "a conversation waits for its turn to be synced": (inbox.Inbox._sync, "self._wanting[number] ="),
    "a conversation that waited is synced": (inbox.Inbox._sync_next, "after = self._wanting.pop"),
    "a sync says that the beginning is gone": (inbox.Inbox._trim, "out.append(TrimmedTo"),
    "a conversation begins anew in another epoch": (inbox.Inbox._begin_anew, "= _Conversation()"),
    "a message of an older epoch is dropped": (inbox.Inbox._accept, "# of a log that is no more"),
    "an audit takes several pages": (inbox.Inbox.audited, "self._request_audit("),
    # the device sends
    "sends are repeated": (outbox.Outbox._repeat, "self._write("),
    "a send is asked to wait": (outbox.Outbox.acked, "self._stall("),
    "a notice stalls the outbox": (outbox.Outbox.notice, "self._stall("),
    "sends wait because the outbox is stalled": (outbox.Outbox._write_waiting, "stream.stalled_until)"),
    "an own message is learnt of by sync": (outbox.Outbox.sighted, "self._write_waiting("),
    "an answer comes to a send that has one": (outbox.Outbox.acked, "self._late("),
    "a send is refused by the outbox": (outbox.Outbox.submit, "stream.skipped += 1"),
    "the log forgot the result of a send": (outbox.Outbox.acked, "self._give_up("),
    # the device connects
    "an attempt to connect takes too long": (client.ClientSession._timed_out, "out.append("),
    "a pong does not come": (client.ClientSession._drop, "self._timed_out("),
    "the server closes with a reason": (client.ClientSession._error, "self._last_code ="),
    "a device is sent to another gateway": (client.ClientSession._go_away, "self._home ="),
    "a device leaves a gateway when it was told to": (client.ClientSession._move, "self._open("),
    # gateways
    "a gateway passes a notice on when business goes": (gateway.Gateway.business_down, "self._notice("),
    "a gateway answers for business that is away": (gateway.Gateway._forward, "self._notice("),
    "a connection waits for answers": (gateway.Gateway._forward, "connection.waiting = deque("),
    "a connection may ask again": (gateway.Gateway._read_on, "out.append(Resume"),
    "a session is announced again": (gateway.Gateway._attached_again, "self._write("),
    "a log-in is turned away": (gateway.Gateway._connect, "Code.OVERLOADED, out, hint_us"),
    "a silent connection is cut off": (gateway.Gateway.on_deadline, "self._end("),
    "a frame waits for a slow consumer": (gateway.Gateway._write, "connection.queue.append("),
    "a slow consumer is cut off": (gateway.Gateway._write, "self._end("),
    "who came in late to a gateway that goes is told so": (gateway.Gateway._attached, "self._farewell.next()"),
    "a frame comes out of place": (gateway.Gateway._out_of_place, "self._end("),
    # business
    "a device is taken over by its newer connection": (business.BusinessNode._attach, "Code.TAKEN_OVER"),
    "a stale attempt is turned away": (business.BusinessNode._attach, "Code.STALE_CONNECT"),
    "a goodbye comes for a route that is no more": (business.BusinessNode._detach, 'self.policies.goodbye == "unfenced"'),
    "a frame comes from a connection without a route": (business.BusinessNode.receive, "Code.NOT_ATTACHED"),
    "business is overloaded": (business.BusinessNode._send, "Code.OVERLOADED"),
    "a sync waits at business": (business.BusinessNode._sync, "self._syncs_waiting.append("),
    "a sync that waited is read": (business.BusinessNode.stored, "self._syncs_waiting.popleft()"),
    # the log
    "a repeated send is recognised": (log.ConversationLog._out_of_order, "return Appended(command.token, code, True"),
    "a send overtakes an earlier one": (log.ConversationLog._out_of_order, "Code.OUT_OF_SEQUENCE"),
    "a repeated send is too old to be answered": (log.ConversationLog._out_of_order, "Code.RESULT_FORGOTTEN"),
    "a counter is used twice": (log.ConversationLog._out_of_order, "Code.COUNTER_REUSED"),
}
"""Situation -> the function in which a line stands for it, and text of that line."""


def _repeated(history: History) -> bool:
    attempts = np.unique(history.message[history.rows_of(Kind.ATTEMPT)], return_counts=True)[1]
    return bool((attempts > 3).any())


def _moved(history: History) -> bool:
    rows = history.rows_of(Kind.READY)
    pairs = np.unique(np.stack([history.device[rows], history.node[rows]]), axis=1)
    return bool((np.unique(pairs[0], return_counts=True)[1] > 1).any())


def _live_and_sync(history: History) -> bool:
    rows = history.rows_of(Kind.WIRE)
    live = rows[history.via[rows] == Via.LIVE]
    sync = rows[history.via[rows] == Via.SYNC]
    key = history.message * (int(history.device.max()) + 1) + history.device
    return bool(np.isin(key[live], key[sync]).any())


def _at_once(history: History) -> bool:
    rows = history.rows_of(Kind.FAULT_BEGUN, Kind.FAULT_HEALED)
    return bool((np.cumsum(np.where(history.kind[rows] == Kind.FAULT_BEGUN, 1, -1)) > 1).any())


HISTORIES: dict[str, Callable[[History], bool]] = {
    "a send is written more than three times": _repeated,
    "a device moves to another gateway": _moved,
    "a message comes live and by sync": _live_and_sync,
    "two faults last at the same time": _at_once,
}
"""Situation -> whether a history shows it."""


ELSEWHERE: dict[str, str] = {
    "model.core.admission.Admission.ask": "a protocol: its classes do it",
    "model.core.admission.Admission.over": "a protocol: its classes do it",
    "model.core.business.BusinessNode._await_receipt": "policy pending",
    "model.core.business.BusinessNode._due": "policy pending",
    "model.core.business.BusinessNode._is_recent": "policy recent",
    "model.core.business.BusinessNode._remember": "policy recent",
    "model.core.business.BusinessNode._resend": "policy pending",
    "model.core.business._Pending.__init__": "policy pending",
    "model.core.inbox.Inbox._advance_shown": "policy arrival",
    "model.core.outbox.Outbox._give_up": "policy bounded, or a log that forgot",
    "model.core.outbox.Outbox._try_again": "policy bounded",
    "model.core.gateway.Gateway.__len__": "live shell",
    "model.core.gateway.Gateway.refuse": "live shell: bytes that are no frame",
    "model.core.inbox.Inbox.cursor": "tests",
    "model.core.log.ConversationLog.head_seq": "live storage",
    "model.core.log.ConversationLog._reject": "the outbox refuses what the log would, before it is sent",
}
"""Functions that a hunt in the reference design cannot come to, and where they belong: not on the list of those never reached."""


@cache
def _lines() -> dict[tuple[str, int], str]:
    """(qualified name of a function, number of a line) -> situation."""
    found = {}
    for situation, (function, text) in LINES.items():
        lines, first = inspect.getsourcelines(function)
        numbers = [first + i for i, line in enumerate(lines) if text in line]
        if len(numbers) != 1:
            raise LookupError(f"the probe '{situation}' finds its text {len(numbers)} times in {function.__qualname__}, not once")
        found[function.__qualname__, numbers[0]] = situation
    return found


@cache
def functions() -> tuple[str, ...]:
    """Every function of the rules, as ``module.Class.name``."""
    names = []
    for module in RULES:
        members = [
            vars(module),
            *(vars(c) for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__),
        ]
        for member in members:
            names += [
                f"{module.__name__}.{function.__qualname__}"
                for function in (f.fget if isinstance(f, property) else f for f in member.values())
                if isinstance(function, FunctionType) and function.__module__ == module.__name__
            ]
    return tuple(sorted(set(names)))


def traced(call: Callable[[], T]) -> tuple[T, set[str]]:
    """Call, and tell which situations and functions of the rules were come to."""
    lines, reached = _lines(), set[str]()
    watched = {name for name, _ in lines}
    files = {module.__file__: module.__name__ for module in RULES}

    def called(frame: FrameType, event: str, arg: object) -> Any:
        code: CodeType = frame.f_code
        module = files.get(code.co_filename)
        if module is None:
            return None
        if "<locals>" not in code.co_qualname:
            reached.add(f"{module}.{code.co_qualname}")
        return ran if code.co_qualname in watched else None

    def ran(frame: FrameType, event: str, arg: object) -> Any:
        situation = lines.get((frame.f_code.co_qualname, frame.f_lineno))
        if situation is not None:
            reached.add(situation)
        return ran

    before = sys.gettrace()
    sys.settrace(called)
    try:
        result = call()
    finally:
        sys.settrace(before)
    return result, reached


def shown(history: History) -> set[str]:
    """The situations that a history shows."""
    return {situation for situation, shows in HISTORIES.items() if shows(history)}


def never(reached: set[str]) -> list[str]:
    """Situations, then functions, that were not come to and might have been."""
    situations = [name for name in (*LINES, *HISTORIES) if name not in reached]
    return situations + [name for name in functions() if name not in reached and name not in ELSEWHERE]
