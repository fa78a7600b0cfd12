"""Service times: what a turn of a role's loop, a frame, a row and a commit cost, and where these numbers were measured.

``service_times.json`` beside this file was written by ``imbench calibrate``; another file is read with ``load(path)``. A file says what
its format is and on which machine it was measured: one of another format is refused, one of another machine can be used, but what it
predicts is that machine's and not this one's, and ``warning`` says so.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import msgspec

from model.history.machine import Machine
from model.scenario import LoginCost
from model.scenario.tally import RESTS

PATH = Path(__file__).with_name("service_times.json")
FORMAT = 3
"""Changes with the meaning of a field. 1: costs without kinds of frames, sizes and fan-out. 2: no brief rests, no conversations in a
commit, no checkpoints, one wait for the disk whatever the rest."""


COST_MAX_US = 1e9
"""More than any cost, wait or start: a quarter of an hour."""


class CalibrationError(ValueError):
    """A calibration cannot be used. The text is one line: which file, what is wrong, what to do."""


class Provenance(msgspec.Struct, frozen=True):
    """Where the numbers come from. Fields of a newer version are ignored when read."""

    machine: Machine
    measured_at: str
    """UTC, ISO 8601."""
    command: str
    commit: str = ""
    load: str = ""
    """What was played, in words."""
    residuals: dict[str, float] = {}
    """Of each role: the largest relative error of predicted CPU over the points of load it was fitted to."""


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The standard mix under a load of the calibration, as it was measured: what simpler models are fitted to."""

    sends_per_s: float
    deliveries_per_s: float
    busy: float
    """Share of the server's cores or of the load process's one, whichever is more."""
    mean_us: float
    p50_us: float
    p95_us: float
    p99_us: float
    """End to end, from the intended send to the showing."""


class ServiceTimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All in microseconds of one core; waits, delays and starts are elapsed time. Every number is 0 or more."""

    format: int

    # a gateway
    gateway_turn_us: float
    """A turn of the loop: waking up, polling, and what of its system calls does not grow with their content."""
    gateway_rest_brief_us: float
    """What a turn takes more after a rest of 0.1 ms (:data:`model.scenario.tally.RESTS_US`), its caches cold and its core asleep,"""
    gateway_rest_short_us: float
    """after one of 0.5 ms,"""
    gateway_rest_middle_us: float
    """after one of 2 ms,"""
    gateway_rest_long_us: float
    """after one of 8 ms."""
    gateway_connect_us: float
    """A connection accepted and let in, but for the frames."""
    gateway_own_us: float
    """A frame that the gateway itself answers (ping, goodbye), read and handled."""
    gateway_forward_us: float
    """A frame read and passed on to business."""
    gateway_envelope_us: float
    """An envelope from business."""
    gateway_write_us: float
    """A connection written to in a turn: the system call."""
    gateway_frame_out_us: float
    """A frame of that write."""
    gateway_kib_us: float
    """1024 bytes of payload read or written, of clients or business."""

    # the business node
    business_turn_us: float
    business_rest_brief_us: float
    business_rest_short_us: float
    business_rest_middle_us: float
    business_rest_long_us: float
    business_attach_us: float
    """A session let in, or let go."""
    business_send_us: float
    """A message of a client, decoded and handed to storage."""
    business_receive_ack_us: float
    business_sync_us: float
    business_page_row_us: float
    """A message in the answer to a sync."""
    business_result_us: float
    """A result of storage, answered and fanned out, but for the envelopes."""
    business_envelope_out_us: float
    business_target_us: float
    """A connection that an envelope is addressed to."""
    business_kib_us: float
    """1024 bytes of payload read from or written to gateways."""

    # storage: a thread of the business node
    storage_commit_us: float
    """CPU of one group commit."""
    storage_rest_brief_us: float
    storage_rest_short_us: float
    storage_rest_middle_us: float
    storage_rest_long_us: float
    storage_row_us: float
    """CPU of a row in it."""
    storage_conversation_us: float
    """CPU of a conversation in it, whose messages are on pages of their own."""
    storage_kib_us: float
    """CPU of 1024 bytes of payload in it."""
    storage_checkpoint_us: float
    """CPU of copying the pages of the log into the database, which is done by the commit that fills it up; whatever is in it,"""
    storage_checkpoint_kib_us: float
    """and for 1024 bytes of payload written since the last one."""
    storage_checkpoint_wait_us: float
    """How long a checkpoint waits for the disk, whatever is in it,"""
    storage_checkpoint_kib_wait_us: float
    """and for 1024 bytes of payload."""
    storage_commit_checkpoints: float
    """The part of a checkpoint that a commit brings about,"""
    storage_conversation_checkpoints: float
    """a conversation in it,"""
    storage_kib_checkpoints: float
    """and 1024 bytes of payload in it."""
    storage_read_us: float
    """CPU of a page read."""
    storage_page_row_us: float
    """CPU of a message in it."""
    storage_page_kib_us: float
    """CPU of 1024 bytes of payload in it."""
    storage_sync_us: tuple[tuple[float, ...], ...]
    """Elapsed time for which a commit waits for the disk: as many equally likely values, in ascending order; first without a rest before
    it, then after one of each length, and where there are no more, the last."""

    # starts
    gateway_start_us: float
    """From starting the process to its listening socket."""
    business_start_us: float

    # the load process, where it is simulated, too
    generator_turn_us: float
    """The load process wakes up."""
    generator_send_us: float
    """A user sends: planned, recorded, written."""
    generator_read_us: float
    """A connection is read: the system call."""
    generator_frame_us: float
    """A frame of it, handled and recorded."""
    generator_write_us: float
    """A frame written that is no send: acks, pings, syncs."""
    generator_connect_us: float
    generator_page_row_us: float
    """A message in the answer to a sync."""
    generator_kib_us: float
    """1024 bytes of payload read or written."""

    # between processes
    loopback_us: float
    """Least one-way delay of a frame between a client and a gateway."""
    loopback_jitter_us: float
    """Mean of the exponential tail above it."""
    local_us: float
    """Hand-over between two roles of one host."""

    provenance: Provenance
    spread: float = 0.0
    """Of what waking up and a commit take, whatever is in them: standard deviation of the logarithm. The one with which simulated latencies
    at 30 % and 60 % come closest to the measured ones."""
    unexplained_us: float = 0.0
    """What the mean latency at 30 % had beyond everything above; it is in ``loopback_us``. Below 0: the simulation was slower."""
    standard: tuple[Standard, ...] = ()
    """At about 30 % and at about 60 % of load."""

    # what a scenario adds to what was measured
    gateway_handshake_us: float = 0.0
    """What a connection that is accepted costs beyond all above: TLS, which the reference server has not."""
    business_account_us: float = 0.0
    """What a log-in that is let in costs beyond its session and envelopes."""

    def with_log_ins(self, cost: LoginCost) -> ServiceTimes:
        """These times with the log-ins of a scenario on top."""
        return msgspec.structs.replace(self, gateway_handshake_us=cost.handshake_us, business_account_us=cost.account_us)

    def rests_us(self, role: str) -> tuple[float, ...]:
        """What a turn of ``gateway`` or ``business``, or a commit of ``storage``, takes more after a rest, by its length
        (:data:`model.scenario.tally.RESTS_US`)."""
        return tuple(getattr(self, f"{role}_rest_{name}_us") for name in RESTS)


class _Format(msgspec.Struct):
    """What is read first of any file. The first format had no number; what has neither that nor a cost is something else."""

    format: int = 1
    gateway_turn_us: float | None = None


def load(path: Path = PATH) -> ServiceTimes:
    """The service times of a file, by default the committed ones. Raises :class:`CalibrationError`."""
    again = "write it anew with `imbench calibrate`"
    try:
        text = path.read_bytes()
        found = msgspec.json.decode(text, type=_Format)
        if found.gateway_turn_us is None:
            raise CalibrationError(f"{path}: is no calibration (it has no gateway_turn_us); {again}")
        if found.format != FORMAT:
            raise CalibrationError(f"{path}: is a calibration of format {found.format}, this program reads {FORMAT}; {again}")
        times = msgspec.json.decode(text, type=ServiceTimes)
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read ({error.strerror}); {again}") from error
    except msgspec.DecodeError as error:  # a ValidationError is one, and names the field
        raise CalibrationError(f"{path}: is no calibration ({error}); {again}") from error
    if wrong := impossible(times):
        raise CalibrationError(f"{path}: {wrong}; {again}")
    return times


def impossible(times: ServiceTimes) -> str:
    """What cannot be a cost, in words; empty where all can."""
    for name in times.__struct_fields__:
        value = getattr(times, name)
        for number in chain(*value) if name == "storage_sync_us" else (value,):
            if isinstance(number, float) and name != "unexplained_us" and not 0 <= number <= COST_MAX_US:
                return f"{name} is {number:g}, and a cost is 0 to {COST_MAX_US:g}"
    if any(list(values) != sorted(values) for values in times.storage_sync_us):
        return "storage_sync_us is not in ascending order, as the values of a distribution are"
    given = times.storage_sync_us and all(times.storage_sync_us)
    return "" if given else "storage_sync_us is empty, and a commit takes some time"


def warning(times: ServiceTimes, here: Machine, name: str) -> str:
    """Why what ``times`` predict is not about the machine ``here``, in one line; empty where it is. ``name``: of the file."""
    there = times.provenance.machine
    differing = [
        f"{what} {theirs or 'unknown'}, not {ours or 'unknown'}"
        for what, theirs, ours in (
            ("CPU", there.cpu, here.cpu),
            ("cores", there.cores, here.cores),
            ("Python", there.python, here.python),
        )
        if theirs != ours
    ]
    if not differing:
        return ""
    return f"{name}: was measured on another machine ({'; '.join(differing)}); `imbench calibrate` measures this one"
