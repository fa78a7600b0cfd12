"""Policies: every rule the claims compare, by name, so that wrong designs can be run on purpose.

A preset is a set of named policies, never a code path: each policy is asked for at the one place it decides. ``cursor`` is the
reference design and the default; ``naive`` and ``timer`` are designs that people do build.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SECOND = 1_000_000
MILLISECOND = 1_000

SendPolicy = Literal["once", "bounded", "until_definite"]
ServerDedupe = Literal["none", "recent", "durable"]
AckBasis = Literal["none", "received", "queued", "committed"]
Delivery = Literal["once", "pending", "log"]
DeviceDedupe = Literal["none", "connection", "sequence"]
DeviceOrder = Literal["arrival", "sequence"]
CatchUp = Literal["none", "newest", "cursor"]
Backoff = Literal["fixed", "exponential", "equal_jitter", "full_jitter", "decorrelated"]
Goodbye = Literal["unfenced", "fenced"]
AdmissionPolicy = Literal["open", "token_bucket", "bounded_queue"]
AdmissionHint = Literal["none", "fixed", "spread"]
DrainPolicy = Literal["at_once", "spread", "redirect"]
HeartbeatPolicy = Literal["fixed", "adaptive"]


class Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One choice for every rule that is compared. Defaults are the reference design."""

    send: SendPolicy = "until_definite"
    """``once``: written once, "sent" when written; ``bounded``: ack awaited, ``send_tries_max`` tries; ``until_definite``: repeated
    with backoff until answered."""
    server_dedupe: ServerDedupe = "durable"
    """Where an accepted send is recognised: nowhere, among recent ids in memory, or in the message's own transaction."""
    ack_basis: AckBasis = "committed"
    """What a send ack promises: no ack, business has parsed it, its append waits in the storage writer's queue, storage has committed it.
    Only the last survives the end of the process."""
    delivery: Delivery = "log"
    """``once``: sent down once; ``pending``: kept in business memory and resent until acked; ``log``: sent down, the log is the truth."""
    device_dedupe: DeviceDedupe = "sequence"
    device_order: DeviceOrder = "sequence"
    catch_up: CatchUp = "cursor"
    """After a re-attachment: nothing, what is newer than the newest seen, or everything above the contiguous cursor."""
    backoff: Backoff = "full_jitter"
    goodbye: Goodbye = "fenced"
    """Whether the end of an old connection may remove a newer route of the same device."""
    admission: AdmissionPolicy = "open"
    """Whom a gateway lets log in when many want to (:mod:`model.core.admission`)."""
    admission_hint: AdmissionHint = "none"
    """What it tells the others: nothing, one wait for all, or to each a place in a line."""
    drain: DrainPolicy = "at_once"
    """How a gateway goes that is asked to: it closes everything, or sends its clients away one by one, back to its own address or to
    another gateway (:mod:`model.core.drain`)."""
    heartbeat: HeartbeatPolicy = "fixed"
    """Whether a device pings every ``heartbeat_us``, or ever less often as long as it is answered (:mod:`model.core.heartbeat`)."""


PRESETS: dict[str, Policies] = {
    "naive": Policies(
        send="once",
        server_dedupe="none",
        ack_basis="none",
        delivery="once",
        device_dedupe="none",
        device_order="arrival",
        catch_up="none",
        backoff="fixed",
        goodbye="unfenced",
    ),
    "timer": Policies(
        send="bounded",
        server_dedupe="recent",
        ack_basis="received",
        delivery="pending",
        device_dedupe="connection",
        device_order="arrival",
        catch_up="newest",
        backoff="exponential",
        goodbye="unfenced",
    ),
    "cursor": Policies(),
}


def problem(policies: Policies) -> str | None:
    """Why no run of this mix would mean anything, in words; None where one does. Any mix can be played that comes to an end."""
    if policies.send == "until_definite" and policies.ack_basis == "none":
        return "send=until_definite waits for an answer that ack_basis=none never gives; set policies.ack_basis or policies.send"
    return None


class Timers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every duration of the protocol, in microseconds; ``scaled`` shortens them all for a short run."""

    ack_timeout_us: int = 1 * SECOND
    """Least wait for a send ack. ``until_definite`` waits longer where answers take longer, up to ``ack_timeout_max_us``
    (:mod:`model.core.outbox`)."""
    ack_timeout_max_us: int = 8 * SECOND
    send_tries_max: int = 3
    """Tries under ``bounded``, the first one included (a count, not a time)."""
    resend_timer_us: int = 5 * SECOND
    """Wait before a pending delivery is sent down again (policy ``pending``)."""
    resends_max: int = 2
    """Resends of a pending delivery before it is given up (a count)."""
    backoff_fixed_us: int = 1 * SECOND
    backoff_base_us: int = 500 * MILLISECOND
    backoff_max_us: int = 30 * SECOND
    connect_timeout_us: int = 5 * SECOND
    """From opening a connection to its Welcome."""
    heartbeat_us: int = 3 * SECOND
    """Between two pings of a device; a gateway cuts a connection off after ``idle_heartbeats`` of silence. ``adaptive``: the least."""
    heartbeat_max_us: int = 30 * SECOND
    """The longest interval under ``adaptive``; then a gateway waits for ``idle_heartbeats`` of these."""
    heartbeat_step_us: int = 3 * SECOND
    """By which it grows."""
    heartbeat_proofs: int = 3
    """Pings in a row, each answered after a silence, before it grows (a count)."""
    heartbeat_losses_max: int = 2
    """Pings that were not answered before it is taken for too long (a count)."""
    pong_timeout_us: int = 3 * SECOND
    idle_heartbeats: int = 3
    receive_ack_delay_us: int = 50 * MILLISECOND
    """How long a device gathers receptions before it acknowledges them in one frame."""
    retry_after_us: int = 250 * MILLISECOND
    """The hint a gateway gives while business is away."""
    login_interval_us: int = 5 * MILLISECOND
    """Between two log-ins that a gateway lets in under ``token_bucket``, and between two places in the line of the hint ``spread``."""
    login_burst: int = 50
    """Log-ins that may come at once after a pause, under ``token_bucket`` (a count)."""
    logins_max: int = 100
    """Log-ins of a gateway under way at a time, under ``bounded_queue`` (a count): what business can answer within a time-out."""
    login_hint_us: int = 2 * SECOND
    """The hint ``fixed``."""
    drain_lead_us: int = 2 * SECOND
    """Before the first client of a gateway that goes leaves it, under ``spread``: in this time its successor begins to serve."""
    drain_window_us: int = 4 * SECOND
    """Over which its clients leave one after another, under ``spread`` and ``redirect``."""
    drain_grace_us: int = 1 * SECOND
    """From the last one's place to the end: who is still there then is closed."""

    def scaled(self, factor: float) -> Timers:
        """The same timers with every duration multiplied by ``factor`` (> 0); counts stay."""
        if factor <= 0:
            raise ValueError(f"a time scale must be above 0, not {factor}")
        changes = {name: max(1, round(getattr(self, name) * factor)) for name in self.__struct_fields__ if name.endswith("_us")}
        return msgspec.structs.replace(self, **changes)
