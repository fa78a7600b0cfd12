"""Run folders made by hand, small and exact: what the tests of this folder read.

One :class:`Plan` says what a run did; :func:`make_run` writes the folder that such a run leaves behind. Sends, times and losses are
fixed, not drawn, so that a test can say what a picture or a number must be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from model.history.columns import from_rows
from model.history.machine import Machine
from model.history.recorder import MemoryRecorder
from model.history.run_folder import Manifest, RunFolder
from model.history.schema import Basis, FaultKind, Header, Kind, Phase, Via

BEGIN_US = 1_000_000
MS = 1_000
S = 1_000_000
DEVICES = range(1, 13)
GATEWAY = {1: "gateway-1", 2: "gateway-2", 3: "business"}
CONVERSATIONS = {i: (2 * i - 1, 2 * i) for i in range(1, 7)} | {7: (1, 3, 5, 7, 9), 8: (2, 4, 6, 8, 10)}
KILL_US, BACK_US, END_US = 1_200 * MS, 1_500 * MS, 4 * S
"""From the beginning of the load."""
SENDS = 240


def measures(**changes: dict[str, Any]) -> dict[str, Any]:
    """Measures of a run in which all is well, with sections changed."""
    quantiles = {"n": 500, "infinite": 0, "p50_us": 2_100, "p90_us": 3_900, "p99_us": 4_120, "p999_us": None, "max_us": 4_600}
    found: dict[str, Any] = {
        "sends": {"intended": SENDS, "invoked": SENDS, "ok": SENDS, "fail": 0, "info": 0, "open": 0, "in_flight_at_fault": 3},
        "owed": {"pairs": 540, "lost_pairs": 0, "lost_messages": 0},
        "duplicates": {"shown_twice": 0},
        "order": {"fifo_live": 0, "session_nonmonotonic": 0, "disagreement": 0, "out_of_order": 0},
        "latency": {"ack": quantiles, "end_to_end_live": quantiles, "end_to_end_catch_up": quantiles},
        "reconnect": {"n": 6, "p50_us": 310_000, "p90_us": None, "p99_us": None, "max_us": 512_000, "peak_per_s": 6.0},
        "availability": {
            "all": {"longest_outage_us": 120_000},
            "gateways": {"gateway-1": {"longest_outage_us": 305_000}, "gateway-2": {"longest_outage_us": 0}},
        },
    }
    for section, values in changes.items():
        found[section] = found[section] | values
    return found


@dataclass
class Plan:
    """What a run did and how it was judged. Messages are numbered from 0; every one has its one device-by-device story."""

    world: str = "sim"
    preset: str = "cursor"
    seed: int = 1
    never_stored: frozenset[int] = frozenset()
    """Sends that were reported ok and are nowhere."""
    never_shown: frozenset[int] = frozenset()
    """Sends that were stored and shown to nobody."""
    shown_twice: frozenset[int] = frozenset()
    """Sends whose first receiver is shown a copy on its next connection."""
    held_up: frozenset[int] = frozenset()
    """Sends that reach their receivers, live, two seconds late."""
    unknown: frozenset[int] = frozenset()
    basis: Basis = Basis.COMMITTED
    verdict: str = "valid"
    reasons: tuple[str, ...] = ()
    anomalies: tuple[dict[str, Any], ...] = ()
    measures: dict[str, Any] = field(default_factory=measures)
    judged: bool = True
    complete: bool = True
    truncated: bool = False
    heals: bool = True
    """Whether the gateway's return was proven."""


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """``make_run(**plan)``: the folder of a run as planned."""
    return lambda **plan: write_run(tmp_path / "runs", Plan(**plan))


def write_run(root: Path, plan: Plan) -> Path:
    """A finished run folder below ``root``."""
    folder = RunFolder.create(
        root, "access_restart", plan.world, plan.preset, plan.seed, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    )
    folder.write_json("scenario.json", _scenario())
    header = Header(
        world=plan.world,
        scenario="access_restart",
        preset=plan.preset,
        seed=plan.seed,
        nodes=GATEWAY,
        load_begin_us=BEGIN_US,
        truncated=plan.truncated,
    )
    recorder = MemoryRecorder()
    _record(recorder, plan)
    folder.write_history(from_rows(header, recorder.rows()))
    folder.write_json("metrics.json", {})
    if plan.judged:
        verdict = {"verdict": plan.verdict, "reasons": plan.reasons, "anomalies": plan.anomalies, "measures": plan.measures}
        folder.write_json("verdict.json", verdict)
    return folder.finish(_manifest(plan))


def _scenario() -> dict[str, Any]:
    return {
        "name": "access_restart",
        "question": "What do users notice <when> a gateway dies?",
        "gateways": 2,
        "population": {"users": 12},
        "workload": {"rate_per_s": 60.0},
        "duration_s": 4.0,
        "faults": [{"fault": "kill", "node": "gateway-1", "at_s": 1.2, "back_s": 1.5}],
        "contract": {"name": "effectively once, in order", "promise_us": 1_000_000, "recovery_availability": 0.99},
        "expected": {"cursor": "valid", "naive": "invalid"},
    }


def _manifest(plan: Plan) -> Manifest:
    return Manifest(
        scenario="access_restart",
        scenario_digest="5ce9a210d16e57ab",
        seed=plan.seed,
        world=plan.world,
        preset=plan.preset,
        started="2026-01-02T03:04:05Z",
        trace_digest="7ac3d16e57000000" if plan.world == "sim" else None,
        commit="c0ffee12",
        machine=Machine(cpu="Example CPU", cores=2, kernel="Linux 6", python="3.11.9", packages={"simpy": "4.1.1"}),
        finished="2026-01-02T03:05:05Z",
        complete=plan.complete,
    )


# the history ----------------------------------------------------------------------------------------------------------


def _record(recorder: MemoryRecorder, plan: Plan) -> None:
    for device in DEVICES:
        recorder.record(Kind.DEVICE, 0, device=device, user=device, node=_home(device))
        recorder.record(Kind.CONNECTING, device * MS, device=device, connection=1, node=_home(device))
        recorder.record(Kind.READY, device * MS + 500, device=device, connection=1, node=_home(device), value=1)
    for conversation, members in CONVERSATIONS.items():
        for user in members:
            recorder.record(Kind.MEMBER, 0, user=user, conversation=conversation)
    _record_fault(recorder, plan.heals)
    positions = dict.fromkeys(CONVERSATIONS, 0)
    counters: dict[tuple[int, int], int] = {}
    for number in sorted(range(SENDS), key=_sent_us):
        _record_send(recorder, plan, number, positions, counters)
    for phase, at_us in (
        (Phase.WARM_UP, 0),
        (Phase.MEASURE, BEGIN_US),
        (Phase.DRAIN, BEGIN_US + END_US),
        (Phase.QUIET, BEGIN_US + END_US),
        (Phase.END, BEGIN_US + 6 * S),
    ):
        recorder.record(Kind.PHASE, at_us, code=phase)


def _home(device: int) -> int:
    return 1 + device % 2


def _record_fault(recorder: MemoryRecorder, heals: bool) -> None:
    """Gateway 1 dies and comes back; its devices (the even ones) return one after the other, to the same gateway."""
    kill, back = BEGIN_US + KILL_US, BEGIN_US + BACK_US
    recorder.record(Kind.FAULT_PLANNED, kill, node=1, value=1, code=FaultKind.KILL)
    recorder.record(Kind.FAULT_BEGUN, kill, node=1, value=1, code=FaultKind.KILL)
    if heals:
        recorder.record(Kind.FAULT_HEALED, back, node=1, value=1, code=FaultKind.KILL)
    for device in (d for d in DEVICES if _home(d) == 1):
        recorder.record(Kind.DISCONNECTED, kill, device=device, connection=1, node=1)
        recorder.record(Kind.CONNECTING, back + device * 10 * MS, device=device, connection=2, node=1)
        recorder.record(Kind.READY, back + device * 10 * MS + MS, device=device, connection=2, node=1, value=2)


def return_us(device: int, at_us: int) -> int:
    """The instant from ``at_us`` on at which a device is ready."""
    back = BEGIN_US + BACK_US + device * 10 * MS + MS
    away = _home(device) == 1 and BEGIN_US + KILL_US <= at_us < back
    return back if away else at_us


def _planned(number: int) -> tuple[int, int, int]:
    """Conversation, sender and intended instant of a send."""
    conversation = 1 + number % len(CONVERSATIONS)
    members = CONVERSATIONS[conversation]
    return conversation, members[number // len(CONVERSATIONS) % len(members)], BEGIN_US + number * END_US // SENDS


def _sent_us(number: int) -> int:
    """When a send reaches the server, which allocates positions in this order."""
    _, sender, at_us = _planned(number)
    return return_us(sender, at_us)


def _record_send(
    recorder: MemoryRecorder, plan: Plan, number: int, positions: dict[int, int], counters: dict[tuple[int, int], int]
) -> None:
    conversation, sender, at_us = _planned(number)
    members = CONVERSATIONS[conversation]
    counter = counters[sender, conversation] = counters.get((sender, conversation), 0) + 1
    who = {"conversation": conversation, "sender": sender, "send_counter": counter, "content_hash": number + 1}
    recorder.record(Kind.INTEND, at_us, device=sender, **who)
    recorder.record(Kind.INVOKE, at_us, device=sender, **who)
    sent_us = _sent_us(number)
    recorder.record(Kind.ATTEMPT, sent_us, device=sender, connection=1, **who)
    if number in plan.unknown:
        recorder.record(Kind.INFO, sent_us + 900 * MS, device=sender, code=23, **who)
        return
    recorder.record(Kind.OK, sent_us + MS, device=sender, basis=plan.basis, **who)
    if number in plan.never_stored:
        return
    positions[conversation] += 1
    where = who | {"epoch": 1, "seq": positions[conversation], "value": number + 1}
    for device in members:
        recorder.record(Kind.READ_BACK, BEGIN_US + 5 * S, device=device, **where)
        if device != sender and number not in plan.never_shown:
            _record_delivery(
                recorder, device, sent_us + (2_000 if number in plan.held_up else 2) * MS, where, twice=number in plan.shown_twice
            )


def _record_delivery(recorder: MemoryRecorder, device: int, at_us: int, where: dict[str, int], twice: bool) -> None:
    shown_us = return_us(device, at_us)
    via = Via.LIVE if shown_us == at_us else Via.SYNC
    connection = 1 if shown_us < BEGIN_US + KILL_US or _home(device) == 2 else 2
    for kind in (Kind.WIRE, Kind.DELIVER):
        recorder.record(kind, shown_us + MS, device=device, connection=connection, via=via, **where)
        if twice:
            recorder.record(kind, shown_us + 3 * S, device=device, connection=connection + 1, via=Via.LIVE, **where)
