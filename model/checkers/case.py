"""A case: one history, and the facts that several judges need, each worked out once and only when asked for."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from model.checkers.availability import Operations
from model.checkers.deliveries import Deliveries
from model.checkers.findings import Speech
from model.checkers.grouped import Int, whole
from model.checkers.harness import unread
from model.checkers.latency import Latencies, measure
from model.checkers.loss import stored_losses
from model.checkers.members import Members
from model.checkers.obligations import Obligations
from model.checkers.outcome import Sends, home_conversations
from model.checkers.retention import Retention
from model.checkers.revisions import Revisions
from model.checkers.sessions import Absences, Fault, Phases, Sessions, absences, faults, phases
from model.history.columns import History
from model.history.schema import Contract


class Case:
    """What the judges share. Facts are read-only by convention; judges do not see one another's findings."""

    def __init__(self, history: History, without: Collection[str] = ()) -> None:
        self.history = history
        self.without = without
        """Judges that are not asked, by name."""
        self.say = Speech(history)

    @property
    def contract(self) -> Contract:
        """What was promised."""
        return self.history.header.contract

    @cached_property
    def _home(self) -> Int:
        return home_conversations(self.history)

    @cached_property
    def deliveries(self) -> Deliveries:
        """D, W and R."""
        return Deliveries(self.history, self._home, self.phases.audit_row)

    @cached_property
    def sends(self) -> Sends:
        """Every send and its outcome."""
        return Sends(self.history, self.deliveries, self._home)

    @cached_property
    def revisions(self) -> Revisions:
        """Recalls and edits."""
        return Revisions(self.history, self.sends)

    @cached_property
    def retention(self) -> Retention:
        """What the contract lets be forgotten."""
        return Retention(self)

    @property
    def epoch(self) -> Int:
        """By message, the epoch of its one position."""
        return self.deliveries.position[0]

    @property
    def seq(self) -> Int:
        """By message, the conversation_seq of its one position, 0 for none."""
        return self.deliveries.position[1]

    def place(self, row: int) -> str:
        """Where what a row shows stands: by its own word, else by the message's one position."""
        epoch, seq = self.deliveries.placed(whole([row]))
        return self.say.position(int(epoch[0]), int(seq[0]))

    @cached_property
    def members(self) -> Members:
        """Who is in which conversation."""
        return Members(self.history)

    @cached_property
    def sessions(self) -> Sessions:
        """When devices were ready."""
        return Sessions(self.history)

    @cached_property
    def phases(self) -> Phases:
        """The phases of the run."""
        return phases(self.history)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that took effect."""
        return faults(self.history)

    @cached_property
    def stored_losses(self) -> Int:
        """Messages that were committed and are in nobody's R."""
        return stored_losses(self)

    @cached_property
    def absences(self) -> Absences:
        """Devices that were missing at the end."""
        return absences(self.history, self.sessions, self.phases, self.faults)

    @cached_property
    def drained(self) -> bool:
        """Whether everything had settled, with every device there to see it: what had not come by then never does.

        A device that kept trying was there, and a device that the schedule left switched off is owed nothing.
        """
        healed = all(fault.healed_us >= 0 for fault in self.faults)
        return self.phases.settled and healed and not self.absences.silent.any() and not len(self.unread[0])

    @cached_property
    def unread(self) -> tuple[Int, Int]:
        """The (devices, conversations) that were to be read back and were not, parallel."""
        return unread(self)

    @cached_property
    def obligations(self) -> Obligations:
        """Must of every send."""
        return Obligations(self)

    @cached_property
    def latencies(self) -> Latencies:
        """All samples of latency."""
        return measure(self)

    @cached_property
    def operations(self) -> Operations:
        """What of the intended operations succeeded."""
        return Operations(self)
