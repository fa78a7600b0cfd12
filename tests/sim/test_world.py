"""Whole runs in the simulated world: deterministic, conserving, and honest about what each preset loses."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict

import msgspec
import numpy as np
import pytest

from model.history.recorder import Rows
from model.history.schema import Kind, Phase, Via
from model.scenario import Cut, Kill, Scenario
from model.sim import SimResult, run
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

BASE = Scenario(
    "base", "?", population=PopulationPlan(users=40), workload=WorkloadPlan(rate_per_s=100), duration_s=20, warm_up_s=1
).short()
KILLED = msgspec.structs.replace(BASE, faults=(Kill("gateway-1", 1.5, 2.0),))
BUSINESS_KILLED = msgspec.structs.replace(BASE, faults=(Kill("business", 1.5, 2.0),))
CUT = msgspec.structs.replace(BASE, faults=(Cut("gateway-1", 1.5),))
PRESETS = ["naive", "timer", "cursor"]


def of(result: SimResult, kind: Kind) -> Rows:
    found: Rows = result.rows[result.rows["kind"] == kind]
    return found


def phases(result: SimResult) -> list[Phase]:
    return [Phase(code) for code in of(result, Kind.PHASE)["code"]]


def owed(result: SimResult) -> set[tuple[int, int, int, int]]:
    """(device, conversation, sender, send_counter) of every delivery owed for an ok send, the sender's own included."""
    members = defaultdict(list)
    for row in of(result, Kind.MEMBER):
        members[int(row["conversation"])].append(int(row["user"]))
    return {
        (device, int(ok["conversation"]), int(ok["sender"]), int(ok["send_counter"]))
        for ok in of(result, Kind.OK)
        for device in members[int(ok["conversation"])]
    }


def shown(result: SimResult) -> Counter[tuple[int, int, int, int]]:
    rows = of(result, Kind.DELIVER)
    return Counter(zip(*(rows[name].tolist() for name in ("device", "conversation", "sender", "send_counter")), strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_without_faults_everything_sent_is_shown_to_everyone_exactly_once(preset: str) -> None:
    result = run(BASE, preset, 1)
    assert len(of(result, Kind.OK)) == len(of(result, Kind.INVOKE)) == len(of(result, Kind.INTEND)) > 300
    assert shown(result) == Counter(owed(result))
    assert phases(result)[-1] is Phase.END
    assert Phase.DRAIN_BOUND not in phases(result)


@pytest.mark.parametrize("scenario", [KILLED, BUSINESS_KILLED, CUT], ids=["gateway killed", "business killed", "connections cut"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cursor_shows_every_ok_message_once_and_in_order_whatever_dies(scenario: Scenario, seed: int) -> None:
    result = run(scenario, "cursor", seed)
    assert shown(result) == Counter(owed(result))
    assert phases(result)[-1] is Phase.END
    rows = of(result, Kind.DELIVER)
    for device in np.unique(rows["device"]):
        for conversation in np.unique(rows["conversation"][rows["device"] == device]):
            seqs = rows["seq"][(rows["device"] == device) & (rows["conversation"] == conversation)]
            assert seqs.tolist() == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_naive_loses_what_was_said_while_its_users_were_away(seed: int) -> None:
    result = run(KILLED, "naive", seed)
    assert owed(result) - set(shown(result))
    assert max(shown(result).values()) == 1


def test_faults_are_planned_proven_and_healed_with_their_processes() -> None:
    result = run(KILLED, "cursor", 1)
    planned, begun, healed = (of(result, k)[0] for k in (Kind.FAULT_PLANNED, Kind.FAULT_BEGUN, Kind.FAULT_HEALED))
    gateway = next(number for number, name in result.header.nodes.items() if name == "gateway-1")
    assert planned["node"] == begun["node"] == healed["node"] == gateway
    assert planned["t_us"] == begun["t_us"] == KILLED.at_us(1.5)
    assert healed["t_us"] > KILLED.at_us(2.0)  # the new process takes its time
    assert of(result, Kind.PROCESS_EXITED)["code"].tolist() == [-9]
    assert len(of(result, Kind.PROCESS_STARTED)) == 4


def test_a_dead_gateway_costs_its_devices_their_connections_and_no_one_else_theirs() -> None:
    result = run(KILLED, "cursor", 1)
    homes = {int(row["device"]): int(row["node"]) for row in of(result, Kind.DEVICE)}
    gateway = next(number for number, name in result.header.nodes.items() if name == "gateway-1")
    dropped = {int(row["device"]) for row in of(result, Kind.DISCONNECTED)}
    assert dropped == {device for device, node in homes.items() if node == gateway}
    assert {int(row["device"]) for row in of(result, Kind.DELIVER) if row["via"] == Via.SYNC} <= set(homes)


def test_connections_live_through_a_business_restart() -> None:
    result = run(BUSINESS_KILLED, "cursor", 1)
    assert len(of(result, Kind.DISCONNECTED)) == 0
    assert len(of(result, Kind.READY)) == 40


def test_one_seed_gives_one_trace_in_any_process_and_another_seed_another() -> None:
    code = (
        "from tests.sim.test_world import KILLED; from model.sim import run;"
        "print(run(KILLED, 'cursor', 7).trace_digest, run(KILLED, 'naive', 7).trace_digest)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    cursor, naive = outputs.pop().split()
    assert cursor == run(KILLED, "cursor", 7).trace_digest
    assert naive != cursor
    assert run(KILLED, "cursor", 8).trace_digest != cursor


def test_changing_the_preset_does_not_change_the_schedule() -> None:
    schedules = [of(run(BASE, preset, 3), Kind.INTEND).tobytes() for preset in PRESETS]
    assert schedules[0] == schedules[1] == schedules[2]


def test_roles_that_share_a_core_take_longer_than_roles_that_do_not() -> None:
    """Two gateways, business and its storage on one core: the same messages, later; and as many cores are as good as one each."""
    own, shared, enough = (run(msgspec.structs.replace(BASE, cores=cores), "cursor", 1) for cores in (None, 1, 4))
    assert own.messages_delivered == shared.messages_delivered == enough.messages_delivered
    ends = [int(result.rows["t_us"][result.rows["kind"] == Kind.DELIVER].sum()) for result in (own, shared, enough)]
    assert ends[1] - ends[0] > 10 * own.messages_delivered
    assert abs(ends[2] - ends[0]) <= 5 * own.messages_delivered  # what comes at one instant may be taken in another order
