"""The schema of a history, version 2: kinds of rows, the fixed-width record, the header and the contract.

Rules of the file: numbers are stable once released; a name at rest is the lower-case name of the enum member; a change that an
old reader would misread raises ``VERSION``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import msgspec
import numpy as np

SCHEMA = "imbench-history"
VERSION = 2
"""Version 1 lacks joins and leaves under way, classes of messages, revisions, read marks and unread counts, and is read as it is."""


Reason = Literal["damaged", "missing", "disk", "usage"]
"""Why something fails: it is there and wrong; it is not there; the disk or its permissions (``__cause__``: the OSError); a wrong call."""


class HistoryError(Exception):
    """A history cannot be recorded, written, found or read. Its text is one line: where, what is wrong, what to do."""

    def __init__(self, text: str, reason: Reason = "damaged") -> None:
        super().__init__(text)
        self.reason: Reason = reason


class Kind(IntEnum):
    """What a row says. In brackets the fields it uses beside ``t_us``."""

    # who and what there is
    DEVICE = 1  # [device, user, node: its home gateway] registered
    MEMBER = 2  # [user, conversation] certainly a member from here on (the join's ok)
    INTEND = 3  # [device, conversation, message, content_hash, code: SendClass] the schedule: t_us is t_int
    JOINING = 4  # [user, conversation] the join is invoked: possibly a member from here on
    LEAVING = 5  # [user, conversation] the leave, or removal, is invoked: no longer certainly a member
    LEFT = 6  # [user, conversation] certainly no member from here on (the leave's ok)
    SYSTEM = 7  # [conversation, message, content_hash] a message of the system's own making: in no schedule, owed to nobody
    # operations of a sending device
    INVOKE = 10  # [device, conversation, message, content_hash] handed to the client session
    ATTEMPT = 11  # [device, conversation, message, connection] written to the transport
    OK = 12  # [device, conversation, message, basis, epoch, seq, value: message_id] the client says "sent"
    FAIL = 13  # [device, conversation, message, code] every attempt certainly rejected
    INFO = 14  # [device, conversation, message, code] the client gave up: cannot know
    RECALL = 15  # [device, conversation, message, content_hash: of the tombstone] asked for; the message may be gone from here on
    EDIT = 16  # [device, conversation, message, content_hash: of the new content] asked for
    MARK = 17  # [device, conversation, epoch, seq] the person has read up to seq; the client is told so
    MARKED = 18  # [device, conversation, epoch, seq] the server confirms the user's read watermark
    UNREAD_ASKED = 19  # [device, conversation] the device asks for the user's unread count
    # what a device saw
    DELIVER = 20  # [device, conversation, message, connection, via, epoch, seq, content_hash, value: message_id] shown: D
    WIRE = 21  # as DELIVER, before client dedupe: W
    READ_BACK = 22  # as DELIVER: one message of the audit read after the drain: R
    READ_BACK_DONE = 23  # [device, conversation, seq: head] that audit read reached the end
    RECEIVE_CONFIRMED = 24  # [device, conversation, connection, epoch, seq, value: 1 = a watermark, 0 = this position only]
    SYNC_REQUEST = 25  # [device, conversation, connection, seq: after]
    SYNC_DONE = 26  # [device, conversation, connection, epoch, seq: upto, value: after] a catch-up is complete
    TRIMMED = 27  # [device, conversation, epoch, seq: first position kept, value: after] sync said so
    WATERMARK = 28  # [device, conversation, epoch, seq] the device is told the user's read watermark
    UNREAD = 29  # [device, conversation, value] the answer: others' messages above the user's read watermark
    # sessions
    CONNECTING = 30  # [device, connection, node]
    READY = 31  # [device, connection, node, value: generation]
    DISCONNECTED = 32  # [device, connection, node, code]
    OFFLINE = 33  # [device] switched off by the schedule
    ONLINE = 34  # [device] switched on by the schedule
    # faults and processes
    FAULT_PLANNED = 40  # [node, value: id of the fault, code: FaultKind, epoch: Stage of a kill] t_us as planned
    FAULT_BEGUN = 41  # [node, value: id, code: FaultKind, seq: how many it strikes at first, epoch: Stage of a kill] proven
    FAULT_HEALED = 42  # [node, value: id, code: FaultKind, seq: how many it struck in all] proven healed at t_us
    PROCESS_STARTED = 43  # [node, value: pid or incarnation]
    PROCESS_EXITED = 44  # [node, value: pid or incarnation, code: signal or status]
    # the phases of a run
    PHASE = 50  # [code: Phase] t_us is where it begins


class SendClass(IntEnum):
    """What the schedule says of a message beyond its time."""

    MUST = 0  # owed, and to be accepted
    MAY_BE_SHED = 1  # a room's chatter: owed to nobody
    TO_BE_REJECTED = 2  # sent in order to be refused: counts for no availability


class Via(IntEnum):
    """How a message reached a device."""

    NONE = 0
    LIVE = 1
    SYNC = 2
    BACKFILL = 3
    OWN = 4
    PUSH = 5


class Basis(IntEnum):
    """What an ok rests on."""

    NONE = 0
    WRITE = 1
    RECEIVED = 2
    COMMITTED = 3


class Phase(IntEnum):
    """Where a run stands. A run that ends well passes all of them."""

    WARM_UP = 1  # connections are made, load begins
    MEASURE = 2  # end of warm-up: the base is measured from here to the first fault
    DRAIN = 3  # the schedule is over; faults are healed
    QUIET = 4  # every device caught up and outboxes are empty; nothing but heartbeats from here
    AUDIT = 5  # R is read from here
    END = 6  # the run is complete
    DRAIN_BOUND = 7  # the drain ran into its bound (instead of QUIET)


class FaultKind(IntEnum):
    """What a fault does to its node. Healed: when the node serves again, when what was disturbed works again, or, for what is done as
    it begins, at once."""

    KILL = 1  # the process is gone at once (kill -9)
    CUT = 2  # every connection of the node is reset; healed at once
    DRAIN = 3  # the process tells its clients, closes and ends
    HALF_OPEN = 4  # connections are gone at the node, whose clients believe in them; healed at once
    BLACKHOLE = 5  # nothing passes between the node and its clients, in one direction or both
    ACK_LOST = 6  # a connection is cut between a commit and its ack
    TORN_FRAME = 7  # a connection is reset in the middle of a frame
    PAUSE = 8  # the process stands still
    THROTTLE = 9  # the bandwidth of the node's connections collapses
    NAT_DROP = 10  # silent connections are forgotten on the way, neither end is told
    DEAF = 11  # connections are accepted and never served
    PARTITION = 12  # nothing passes between the node and business
    COLD_ROUTES = 13  # business has forgotten which sessions the node has
    ROAM = 14  # clients of the node changed their address, it believes in their old connections; healed at once
    SLOW_CONSUMER = 15  # clients of the node read slowly
    STORAGE_STALL = 16  # the disk answers nothing
    DELAY = 17  # all that passes between the node and its clients takes longer
    REFUSE = 18  # the node's port refuses connections, those it has stay
    DISK_FULL = 19  # the node ends at a commit for which there is no room
    CLOCK_STEP = 20  # the node's clock jumps; healed at once


class Stage(IntEnum):
    """Where a message stands between its sender and its receivers: a kill may wait until a process stands there."""

    READ = 1  # a gateway has read a send and not forwarded it
    FORWARDED = 2  # a gateway has forwarded a send, whose answer is not back
    RECEIVED = 3  # business has parsed a send and said what it says on receipt; its append is not queued
    QUEUED = 4  # an append waits for its commit, and what business says of that is said
    COMMITTED = 5  # an append is committed, and nobody has been told
    ACKED = 6  # business has told a gateway of the commit, and nothing of the fan-out has left
    FANNED_OUT = 7  # the fan-out has left business
    ACK_UNWRITTEN = 8  # a gateway has a send's ack and has not written it
    DELIVERY_UNWRITTEN = 9  # a gateway has a delivery and has not written it


ROW = np.dtype(
    [
        ("t_us", "<i8"),
        ("kind", "u1"),
        ("via", "u1"),
        ("basis", "u1"),
        ("pad", "u1"),
        ("code", "<i4"),
        ("device", "<i4"),
        ("user", "<i4"),
        ("node", "<i4"),
        ("conversation", "<i4"),
        ("sender", "<i4"),
        ("send_counter", "<i4"),
        ("connection", "<i4"),
        ("epoch", "<i4"),
        ("seq", "<i8"),
        ("content_hash", "<u8"),
        ("value", "<i8"),
    ]
)
"""The fixed-width record (72 bytes). Ids are those of the world that records, 0 for none; (sender, conversation, send_counter) is
a message's identity. ``struct`` format: ``ROW_FORMAT``. ``kind`` 0 marks the end of what was written."""

ROW_FORMAT = "<qBBBxiiiiiiiiiqQq"
NO_POSITION = 0
"""``seq`` where a position is unknown; sequences begin at 1."""


class LatencyPromise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A promised quantile of a latency: ``of`` is ``ack`` or ``end_to_end`` (class live)."""

    of: str
    quantile: float
    at_most_us: int


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run promises its users, and the numbers by which the judges measure. Defaults: docs/judges.md."""

    name: str = "effectively once, in order"
    fails: dict[str, bool] = {}
    """Departures from the default column of the definitions: kind -> whether it fails the run."""
    promise_us: int = 1_000_000
    deadline_us: int = 5_000_000
    window_us: int = 5_000_000
    window_step_us: int = 100_000
    outage_budget_us: int = 5_000_000
    quiet_us: int = 10_000_000
    drain_bound_us: int = 60_000_000
    recovery_availability: float = 0.99
    recovery_latency_ratio: float = 1.5
    resends_allowed: int = 0
    """Resends of one delivery the server's policy allows on one connection (for ``redelivery``)."""
    live_promised: bool = False
    realtime_promised: bool = False
    pipelined: bool = False
    """Whether sends of one device are ordered by invocation, not only when one is ok before the next."""
    history_hidden: bool = False
    """Whether a joiner must not see what was said before its join."""
    causal_across: bool = False
    """Whether cause comes before effect across conversations, too."""
    retention_us: int | None = None
    """For how long messages are kept; None: the server's word is taken."""
    retention_messages: int | None = None
    """How many messages of a conversation are kept; None: the server's word is taken."""
    latency: tuple[LatencyPromise, ...] = ()


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands before the rows. Times of rows are microseconds since the run's start, on one clock."""

    world: str
    scenario: str = ""
    scenario_digest: str = ""
    preset: str = ""
    seed: int = 0
    contract: Contract = Contract()
    policies: dict[str, str] = {}
    timers_us: dict[str, int] = {}
    nodes: dict[int, str] = {}
    """Names of nodes (``gateway-1``, ``business``), by the number rows use."""
    codes: dict[int, str] = {}
    """Names of the codes that ``fail``, ``info`` and ``disconnected`` rows carry."""
    load_begin_us: int = 0
    """When the schedule begins; before it, connections are made. Reports count seconds from here."""
    generator_cpu_max: float | None = None
    """Largest share of its core the load generator used in any second; None where nothing was measured (sim)."""
    steal_max: float | None = None
    """Largest share of the host's CPU that a hypervisor gave to others in any second; None where nothing was measured."""
    closed_loop: bool = False
    """Users waited for an answer before they sent again: nothing was scheduled, and latencies leave out what nobody sent meanwhile."""
    harness_lag_p99_us: float | None = None
    """How late the event loops of load generator and proxy came to what was due, the worse of the two; None where nothing was measured."""
    truncated: bool = False
    """The recording ended before the run did; what is here is the salvaged part."""
    schema: str = SCHEMA
    version: int = VERSION
