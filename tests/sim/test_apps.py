"""Users who close the app and open it again: both worlds play it from the schedule, and the judges know it from a lost connection."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest

from model.checkers.verdict import Judgement, judge
from model.history.columns import from_rows
from model.history.recorder import Rows
from model.history.schema import Contract, Kind, Phase
from model.scenario import Kill, Scenario
from model.sim import SimResult, run
from model.workload.personas import Persona
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from tests.loadgen.fakes import World

SOMETIMES = Persona(open_s=8.0, away_s=5.0, linger_s=3.0)
BASE = Scenario(
    "apps",
    "?",
    population=PopulationPlan(users=40),
    workload=WorkloadPlan(rate_per_s=80, personas=((SOMETIMES, 0.5), ("regular", 0.5))),
    duration_s=20,
    warm_up_s=1,
    contract=Contract(deadline_us=3_000_000, quiet_us=2_000_000, live_promised=True),
)
KILLED = msgspec.structs.replace(BASE, faults=(Kill("gateway-1", 8, 9),))


def of(rows: Rows, *kinds: Kind) -> list[tuple[Kind, int, int]]:
    """(kind, time, device) in order."""
    chosen = rows[[kind in kinds for kind in rows["kind"].tolist()]]
    return [(Kind(k), int(t), int(d)) for k, t, d in zip(chosen["kind"], chosen["t_us"], chosen["device"], strict=True)]


def absences(rows: Rows) -> dict[int, list[tuple[int, int]]]:
    """From switched off to switched on again, by device."""
    since: dict[int, int] = {}
    found = defaultdict(list)
    for kind, t_us, device in of(rows, Kind.OFFLINE, Kind.ONLINE):
        if kind is Kind.OFFLINE:
            assert device not in since
            since[device] = t_us
        else:
            found[device].append((since.pop(device), t_us))
    assert not since  # everyone is back before the drain
    return found


@pytest.fixture(scope="module")
def undisturbed() -> SimResult:
    return run(BASE, "cursor", 1)


def judged(result: SimResult) -> Judgement:
    return judge(from_rows(result.header, result.rows))


def test_nothing_happens_at_a_device_whose_app_is_closed(undisturbed: SimResult) -> None:
    away = absences(undisturbed.rows)
    assert 15 <= len(away) <= 20
    acts = of(undisturbed.rows, Kind.INVOKE, Kind.ATTEMPT, Kind.DELIVER, Kind.WIRE, Kind.CONNECTING, Kind.READY, Kind.INTEND)
    for kind, t_us, device in acts:
        assert not any(begin < t_us < end for begin, end in away[device]), (kind, t_us, device)


def test_the_switches_are_those_of_the_schedule_and_all_are_back_for_the_drain(undisturbed: SimResult) -> None:
    """As many lose a session by the schedule as connect again; the load's end brings back the rest, evenly over half a ramp."""
    rows = undisturbed.rows
    drain_us = next(int(r["t_us"]) for r in rows if r["kind"] == Kind.PHASE and r["code"] == Phase.DRAIN)
    end_us = BASE.at_us(BASE.duration_s)
    returns = [t_us for kind, t_us, _ in of(rows, Kind.ONLINE) if t_us >= end_us]
    assert returns[0] == end_us
    assert end_us < drain_us == returns[-1] < end_us + BASE.load_begin_us / 2
    away_at_first = [d for kind, t_us, d in of(rows, Kind.OFFLINE) if t_us == 0]
    started = [d for kind, t_us, d in of(rows, Kind.CONNECTING) if t_us < BASE.load_begin_us]
    assert sorted(away_at_first + started) == list(range(1, 41))


@pytest.mark.parametrize(
    "scenario", [BASE, KILLED, BASE.short(), KILLED.short()], ids=["plain", "killed", "short", "short killed"]
)
def test_the_reference_design_delivers_everything_to_who_comes_back(scenario: Scenario) -> None:
    report = judged(run(scenario, "cursor", 1))
    assert report.verdict == "valid"
    assert report.measures["availability"]["all"]["send"] == 1.0
    assert report.measures["latency"]["end_to_end_catch_up"]["n"] > 50


def test_closing_the_app_is_no_lost_connection(undisturbed: SimResult) -> None:
    reconnect = judged(undisturbed).measures["reconnect"]
    assert reconnect["n"] == 0
    killed = judged(run(KILLED, "cursor", 1)).measures["reconnect"]
    assert 10 <= killed["n"] <= 20  # of twenty at the killed gateway, those that were there


def test_a_design_without_catch_up_loses_what_was_sent_meanwhile() -> None:
    result = run(BASE, "naive", 1)
    report = judged(result)
    assert report.verdict == "invalid"
    away = absences(result.rows)
    lost = next(a for a in report.anomalies if a.kind == "lost")
    assert lost.fails
    assert {w.device for w in lost.witnesses} <= {f"d{device}" for device in away}


def test_a_player_of_the_live_world_plays_the_same_switches(undisturbed: SimResult) -> None:
    world = World(BASE)
    rows = world.play()
    live, sim = (of(r, Kind.OFFLINE, Kind.ONLINE, Kind.INTEND) for r in (rows, undisturbed.rows))
    assert live == sim
    absences(rows)
    ready = {d for kind, t_us, d in of(rows, Kind.READY)}
    assert ready == set(range(1, 41))
    goodbyes = [d for kind, t_us, d in of(rows, Kind.DISCONNECTED)]
    assert len(goodbyes) >= len([d for kind, t_us, d in of(rows, Kind.OFFLINE) if t_us > 0])
