"""What a history does not tell, so that nobody takes silence for good news.

A history of another system may lack rows that some kinds and measures need. Each gap in the record is one reason, with what could not be
computed for it. What a history has some of is computed from that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from model.checkers.findings import Part
from model.history.schema import Kind

if TYPE_CHECKING:
    from model.checkers.case import Case

Gap = tuple[str, tuple[str, ...]]
"""Why, and what could not be computed."""


def judge(case: Case) -> Part:
    """The measure ``not_computed``: reason -> names of kinds and measures."""
    return Part(measures={"not_computed": {why: list(what) for why, what in _gaps(case)}})


def _gaps(case: Case) -> Iterator[Gap]:
    yield from _sends(case)
    yield from _devices(case)
    yield from _content(case)
    yield from _drain(case)
    yield from _reads(case)


def _has(case: Case, *kinds: Kind) -> bool:
    return bool(len(case.history.rows_of(*kinds)))


def _sends(case: Case) -> Iterator[Gap]:
    sends = case.sends
    if not sends.scheduled.any():
        yield (
            "no intend or invoke rows, so nothing is known to have been sent",
            ("phantom against a schedule", "latency", "availability", "lost"),
        )
        return
    if (sends.intend_row[sends.scheduled] < 0).any():
        yield "sends without an intend row count from their invoke row", ("latency from the intended time", "send_lag")
    if not _has(case, Kind.OK):
        yield (
            "no ok rows, so what nobody saw is not known to have been accepted",
            (
                "ack latency",
                "send availability",
                "conflicting_ack",
                "own_write_missing",
                "realtime_inversion",
                "fifo_log and fifo_live of sequential sends",
            ),
        )
    if case.history.header.generator_cpu_max is None and case.history.header.world != "sim":
        yield "no generator_cpu_max in the header, so a generator that was too busy does not show", ("generator_lag by CPU",)


def _devices(case: Case) -> Iterator[Gap]:
    users = np.bincount(case.members.user[case.members.user >= 0]) if (case.members.user >= 0).any() else np.zeros(1)
    used = np.unique(case.sends.conversation[case.sends.scheduled])
    unknown = int((~case.members.governed[used]).sum())
    if unknown:
        yield (
            f"no rows of membership for {unknown} of {len(used)} conversations, so nothing said there is owed to anybody",
            ("lost", "gap", "late", "end to end latency", "delivery availability", "misdelivery"),
        )
    if not case.sessions.watched.all() or not len(case.sessions.watched):
        yield (
            "devices without connecting, ready or disconnected rows are taken for connected throughout",
            ("unreachable", "reconnect", "catch-up latency"),
        )
    if users.max(initial=0) < 2:
        yield "no user with two devices", ("divergence_final",)


def _content(case: Case) -> Iterator[Gap]:
    history, seen = case.history, case.deliveries.seen
    if len(seen) and not (history.seq[seen] > 0).any() and not (history.seq[history.rows_of(Kind.OK)] > 0).any():
        yield (
            "no positions (epoch, seq)",
            (
                "gap",
                "gap_filled",
                "dup_stored",
                "seq_conflict",
                "fifo_log",
                "session_nonmonotonic",
                "order_changed",
                "realtime_inversion",
                "own_write_missing",
            ),
        )
    if not history.content_hash[seen].any() or not history.content_hash[history.rows_of(Kind.INTEND, Kind.INVOKE)].any():
        yield "no content hashes of what was sent and seen", ("corrupt",)
    if not _has(case, Kind.WIRE):
        yield "no wire rows, so what the client threw away does not show", ("redelivery",)
    elif not _has(case, Kind.RECEIVE_CONFIRMED):
        yield "no receive_confirmed rows", ("redelivery after a confirmed ack",)
    if not _has(case, Kind.SYNC_DONE):
        yield "no sync_done rows", ("own_write_missing", "missed_live by its catch-up")


def _drain(case: Case) -> Iterator[Gap]:
    if not case.drained:
        yield (
            "no completed drain, so what has not come may still come",
            ("lost", "gap", "causal_live without the cause", "watermarks and unread counts at the end"),
        )
    if not len(case.deliveries.read_done):
        yield (
            "no history was read back to the end (read_back_done)",
            ("lost_stored", "order_changed", "divergence_final", "history_shrank"),
        )


def _reads(case: Case) -> Iterator[Gap]:
    if not _has(case, Kind.MARKED, Kind.WATERMARK, Kind.RECEIVE_CONFIRMED):
        yield "no marked, watermark or receive_confirmed rows", ("watermark_regressed",)
    elif not _has(case, Kind.MARKED, Kind.WATERMARK):
        yield "no marked or watermark rows", ("watermark_regressed of what was read",)
    if not _has(case, Kind.UNREAD):
        yield "no unread rows", ("unread_wrong",)
