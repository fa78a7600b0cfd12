"""Mutants of the rules: plausible mistakes of a design, each one change in one function of ``model/core``, that the hunt must find.

    python -m tests.hunt.mutants --table        how many seeds it took, from several starts; the table of docs/hunt.md
    python -m tests.hunt.mutants --name "..."   one of them

A mutant takes the place of its function's code while a block lasts, so tables of functions, and references that others hold, see it,
too. Its text must be found exactly once in the function: a mutant that the rules have moved away from is an error.
"""

from __future__ import annotations

import argparse
import inspect
import statistics
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from model.core.admission import BoundedQueue
from model.core.business import BusinessNode
from model.core.client import ClientSession
from model.core.gateway import Gateway
from model.core.inbox import Inbox
from model.core.log import ConversationLog
from model.core.outbox import Outbox
from scenarios.hunting import generator
from scenarios.hunting.trial import play

STARTS = 3
"""Independent stretches of seeds, each searched until the mutant is found."""
APART = 1_000_000
SEEDS_MAX = 3_000
"""Seeds after which a mutant counts as not found."""


@dataclass(frozen=True)
class Mutant:
    """In ``function``, the text ``old``, which stands there once, becomes ``new``."""

    name: str
    function: Any
    old: str
    new: str

    @contextmanager
    def made(self) -> Iterator[None]:
        """The mistake is made while the block lasts. Raises ValueError where ``old`` is not found exactly once."""
        function = self.function
        before = function.__code__
        function.__code__ = self._code()
        try:
            yield
        finally:
            function.__code__ = before

    def _code(self) -> CodeType:
        function: FunctionType = self.function
        source = textwrap.dedent(inspect.getsource(function))
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: {function.__qualname__} has its text {source.count(self.old)} times, not once")
        place: dict[str, Any] = {}
        first = function.__code__.co_firstlineno  # so that probes, which name lines, still find them
        text = "\n" * (first - 2) + "from __future__ import annotations\n" + source.replace(self.old, self.new)
        exec(compile(text, function.__code__.co_filename, "exec"), function.__globals__, place)  # noqa: S102  # its own text
        code: CodeType = place[function.__name__].__code__
        return code


MUTANTS = (
    # what a send ack promises, and who recognises a repetition
    Mutant("ack before commit", BusinessNode._send, 'self.policies.ack_basis == "received"', "True"),
    Mutant("ack when queued", BusinessNode.queued, 'self.policies.ack_basis != "queued"', "False"),
    Mutant("no dedupe at the server", BusinessNode._send, 'self.policies.server_dedupe == "durable"', "False"),
    Mutant(
        "dedupe within a session only",
        BusinessNode._send,
        'dedupe = self.policies.server_dedupe == "durable"',
        "known = (route.generation, frame.conversation, 0)\n    dedupe = known in self._recent\n    self._recent[known] = None",
    ),
    Mutant(
        "dedupe window lost at a restart", ConversationLog.restore, "sends.remember(row.send_counter, OK", "(row.send_counter, OK"
    ),
    Mutant("sequence reused after a restart", ConversationLog.restore, "max(state.head_seq, row.conversation_seq)", "0"),
    Mutant(
        "a repeated send leaves a hole in the sequence",
        ConversationLog.append,
        "return self._out_of_order(command, sends), None",
        "state.head_seq += 1\n        return self._out_of_order(command, sends), None",
    ),
    Mutant("a send may overtake an earlier one", ConversationLog.append, "<= sends.last + 1", ""),
    Mutant("skipped counters are not told", Outbox.submit, "payload, stream.skipped)", "payload)"),
    Mutant("no repetition without an answer", Outbox._expire, "elif due and self.connection:", "elif False:"),
    # what a device has, shows and acknowledges
    Mutant("cursor moved past a gap", Inbox._place, "if message.conversation_seq > conversation.received_upto + 1:", "if False:"),
    Mutant("the gap buffer drops what waited in it", Inbox._join, "self._show(*following, out)", "pass"),
    Mutant("an ack covers a gap", Inbox._acknowledge, "(n, conversations[n].received_upto)", "(n, conversations[n].newest)"),
    Mutant(
        "sync from the newest instead of the cursor",
        Inbox._pull,
        "self._sync(number, conversation.received_upto,",
        "self._sync(number, conversation.newest,",
    ),
    Mutant(
        "behind only where the newest is",
        Inbox._pull,
        "conversation.received_upto < conversation.head_seq",
        "conversation.newest < conversation.head_seq",
    ),
    Mutant(
        "dedupe at the device off by one",
        Inbox._is_duplicate,
        "message.conversation_seq <= conversation.received_upto",
        "message.conversation_seq < conversation.received_upto",
    ),
    Mutant(
        "own message shown out of its place",
        ClientSession._show_own,
        'self.inbox.deliver(message, "own", now, out)',
        'self.inbox._show(message, "own", out)',
    ),
    Mutant("a page begins one too far", BusinessNode._read, "frame.after_seq, limit", "frame.after_seq + 1, limit"),
    Mutant("a conversation that waited is never synced", Inbox.synced, "self._sync_next(out)", "pass"),
    Mutant("syncs of a dead connection awaited for ever", Inbox.attached, "self._forget_syncs()", "pass"),
    # who is told what
    Mutant("heads of Welcome ignored", ClientSession._welcome, "frame.heads, now", "(), now"),
    Mutant("heads not announced after a business restart", Gateway._attached_again, "Heads(envelope.heads)", "Heads(())"),
    Mutant(
        "sessions not announced after a business restart",
        Gateway.business_up,
        "connection.state is not NEW",
        "connection.state is ATTACHING",
    ),
    Mutant("heads not read from the store at a restart", BusinessNode.__init__, "dict(heads)", "{}"),
    Mutant("only the first list of heads told", BusinessNode._attach, "max(1, len(heads))", "1"),
    Mutant(
        "watermark taken for the head",
        BusinessNode._receive_ack,
        "min(seq, self._heads.get(conversation, 0))",
        "self._heads.get(conversation, 0)",
    ),
    Mutant("in-flight not told when business goes", Gateway.business_down, "if connection.asked:", "if False:"),
    Mutant("notice does not free the syncs under way", ClientSession._notice, "self.inbox.notice()", "pass"),
    Mutant(
        "fan-out skips the sender's gateway",
        BusinessNode._fan_out,
        "if route.device != message.sender_device:",
        "sender = self._route(message.sender_user, message.sender_device)\n"
        "            if sender is None or route.gateway != sender.gateway:",
    ),
    # whose connection it is
    Mutant("a stale attempt wins", BusinessNode._attach, "attach.connect_counter < old.connect_counter", "False"),
    Mutant("goodbye unfenced", BusinessNode._detach, 'self.policies.goodbye == "unfenced"', "True"),
    Mutant(
        "backoff reset on open", ClientSession._introduce, "self.state = ATTACHING", "self.state, self._attempts = ATTACHING, 0"
    ),
    Mutant("signs of life not seen by the gateway", Gateway.receive, "connection.heard_us = now", "pass"),
    # whose turn it is
    Mutant("places of unanswered frames lost at a notice", Gateway._notice, "connection.asked = 0", "pass"),
    Mutant("a connection that waited is not read on", Gateway._answered, "self._read_on(connection, out)", "pass"),
    Mutant("places of syncs never given back", BusinessNode.stored, "self._syncs -= 1", "pass"),
    Mutant("places of log-ins never given back", BoundedQueue.over, "self._under_way -= 1", "pass"),
)


def found_after(mutant: Mutant, first: int, seeds_max: int = SEEDS_MAX) -> tuple[int, tuple[str, ...]]:
    """How many seeds from ``first`` on it takes, and what shows then; (0, ()) for not found."""
    with mutant.made():
        for number in range(seeds_max):
            outcome = play(generator.trial(first + number))
            if outcome.kinds:
                return number + 1, outcome.kinds
    return 0, ()


def _found(task: tuple[int, int]) -> tuple[int, tuple[str, ...]]:
    number, start = task
    return found_after(MUTANTS[number], APART * (1 + start))


def row(mutant: Mutant, found: list[tuple[int, tuple[str, ...]]]) -> str:
    """One line of the table: the median of the seeds it took, least and most, and what showed."""
    took = [seeds or SEEDS_MAX for seeds, _ in found]
    missed = sum(not seeds for seeds, _ in found)
    kinds = sorted({kinds[0] for _, kinds in found if kinds})
    middle = (
        f"{statistics.median(took):.0f} ({min(took)} to {max(took)})" if not missed else f"not found in {missed} of {len(found)}"
    )
    return f"| {mutant.name} | {middle} | {', '.join(kinds)} |"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="every mutant")
    parser.add_argument("--name", help="one mutant")
    parser.add_argument("--starts", type=int, default=STARTS, help=f"independent starts ({STARTS})")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args()
    chosen = [i for i, mutant in enumerate(MUTANTS) if options.table or mutant.name == options.name]
    if not chosen:
        parser.error("give --table, or --name with one of: " + "; ".join(mutant.name for mutant in MUTANTS))
    tasks = [(i, start) for i in chosen for start in range(options.starts)]
    print("| mutant | seeds to find it | what shows first |\n|---|---|---|")
    missed = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        results = pool.map(_found, tasks)
        for i in chosen:
            found = [next(results) for _ in range(options.starts)]
            missed += any(not seeds for seeds, _ in found)
            print(row(MUTANTS[i], found), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
