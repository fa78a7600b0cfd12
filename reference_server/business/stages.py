"""The stages at which a business node may be told to end.

Most lie at the end of a turn of its loop, where it tells gateways first and hands appends to the writer then: what leaves before the
stage is written, and nothing follows. Two lie about the commit, on the writer's thread: before it, that thread waits until the loop has
said all it has to say of what is queued; after it, the process ends there, since the loop has not been told.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

from model.core.commands import Append, Appended, StorageCommand, StorageResult
from model.core.envelopes import Down, ToGateway
from model.core.frames import DELIVER
from reference_server.business.shell import BusinessShell
from reference_server.stages import STAGES, Disarm, end_at, end_when_written


def add(shell: BusinessShell) -> None:
    """The stages of this node are the process's."""
    for stage in STANDS:
        STAGES[stage] = partial(_at_end_of_turn, shell, stage)
    for stage in ("queued", "committed"):
        STAGES[stage] = partial(_in_commit, shell, stage)


# at the end of a turn ---------------------------------------------------------------------------------------------------------------


def _queues(shell: BusinessShell) -> bool:
    return any(type(command) is Append for command in shell.commands)


def _is_fan_out(envelope: ToGateway) -> bool:
    return type(envelope) is Down and envelope.frame.kind == DELIVER


def _fans_out(shell: BusinessShell) -> bool:
    return any(_is_fan_out(envelope) for link in shell.dirty for envelope in link.envelopes)


STANDS: dict[str, Callable[[BusinessShell], bool]] = {"received": _queues, "acked": _fans_out, "fanned_out": _fans_out}
"""Whether the turn that ends has what a stage is about. Gateways are told then, of the fan-out only where that is before the stage."""


def _at_end_of_turn(shell: BusinessShell, stage: str) -> Disarm:
    loop, stands, armed, stood = asyncio.get_running_loop(), STANDS[stage], True, False

    def end_turn() -> None:
        nonlocal stood
        if not armed or not stands(shell):  # a turn may have planned its end before it was disarmed
            shell.flush()
            return
        stood = True  # the turn stays planned: nothing follows
        links = list(shell.dirty)
        if stage == "acked":
            for link in links:
                link.envelopes = [envelope for envelope in link.envelopes if not _is_fan_out(envelope)]
        shell.tell_gateways()
        loop.call_soon(end_when_written, stage, [link.transport for link in links])

    def disarm() -> bool:
        nonlocal armed
        armed, shell.end_turn = False, shell.flush
        return not stood

    shell.end_turn = end_turn
    return disarm


# about a commit ---------------------------------------------------------------------------------------------------------------------


def _in_commit(shell: BusinessShell, stage: str) -> Disarm:
    loop, lock, run = asyncio.get_running_loop(), threading.Lock(), shell.writer.run
    armed, stood = True, False

    def end_when_said() -> None:
        if shell.flush_planned:
            loop.call_soon(end_when_said)
        else:
            end_when_written(stage, [link.transport for link in shell.links.values()])

    def run_or_end(group: list[StorageCommand]) -> list[StorageResult]:
        nonlocal stood
        with lock:
            stood = armed and stage == "queued" and any(type(command) is Append for command in group)
        if stood:
            loop.call_soon_threadsafe(end_when_said)
            threading.Event().wait()
        results = run(group)
        with lock:
            if armed and stage == "committed" and any(type(one) is Appended and one.message is not None for one in results):
                end_at(stage)
        return results

    def disarm() -> bool:
        nonlocal armed
        with lock:
            armed = False
            shell.writer.run = run
            return not stood

    shell.writer.run = run_or_end
    return disarm
