"""Zombies: how long a dead connection is believed in, what it costs to find out, and that heartbeats are worked out right."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import numpy as np
import pytest

from model.analysis import clients
from model.analysis.queues import TheoryError
from model.analysis.radio import RADIOS, of_heartbeats
from model.core.client import ClientSession
from model.history.columns import from_rows
from model.scenario import HalfOpen, NatDrop, Scenario
from model.sim import run as simulate
from scenarios import zombie_window
from scenarios.running import catalog, heartbeats, settings
from scenarios.running.progress import Silent
from scenarios.running.replicate import Figures, Finished, simulated
from scenarios.running.run import Judged, run
from tests.scenarios.conftest import history_of

SECOND = 1_000_000
BREAKS = ("connections lost", "NAT forgets")


def at(broken: str, beat: str, *, whole: bool = False) -> Scenario:
    """The study at a point of its grid, in short or in full."""
    plan = catalog.sweep("zombie_window") if whole else catalog.sweep("zombie_window").short()
    labels = {"break": broken, "heartbeat": beat}
    chosen = [choice.settings for axis in plan.axes for choice in axis.choices if choice.label == labels.get(axis.name)]
    return settings.apply(catalog.load("zombie_window") if whole else catalog.short("zombie_window"), [*chosen[0], *chosen[1]])


@cache
def told(broken: str, beat: str, preset: str = "cursor", *, whole: bool = False) -> tuple[str, Figures]:
    """Verdict and figures in simulated time."""
    finished = simulated(at(broken, beat, whole=whole), preset, 1)
    return finished.judged.verdict, zombie_window.figures(finished)


@pytest.mark.parametrize("beat", ["1 s", "4 s", "8 s"])
def test_the_window_after_a_break_is_what_is_known_of_it(beat: str) -> None:
    verdict, found = told("connections lost", beat, whole=True)
    assert verdict == "valid"
    assert found["dropped"] > 100  # type: ignore[operator]
    assert found["zombie_max_ms"] <= found["known_max_ms"]  # type: ignore[operator]
    assert found["zombie_max_ms"] > 0.95 * found["known_max_ms"]  # type: ignore[operator]


def test_a_nat_strikes_who_pings_too_seldom_and_nobody_else() -> None:
    for beat in ("1 s", "2 s"):
        assert told("NAT forgets", beat)[1]["dropped"] == 0
    for beat in ("4 s", "8 s"):
        found = told("NAT forgets", beat)[1]
        assert found["dropped"] > 100  # type: ignore[operator]
        assert found["zombie_max_ms"] == pytest.approx(found["known_max_ms"], rel=0.02)


def test_who_finds_the_interval_out_loses_two_connections_and_then_none() -> None:
    (verdict, found), (_, safe), (_, careless) = (told("NAT forgets", beat, whole=True) for beat in ("adaptive", "2 s", "4 s"))
    assert verdict == "valid"
    assert found["dropped_max"] == zombie_window.SCENARIO.timers.heartbeat_losses_max
    assert careless["dropped_max"] > 5  # type: ignore[operator]
    assert found["joules_per_h"] < safe["joules_per_h"]  # type: ignore[operator]


@pytest.mark.parametrize("broken", BREAKS)
def test_what_falls_into_the_window_is_late_under_cursor_and_lost_under_naive(broken: str) -> None:
    (verdict, cursor), (other, naive) = (told(broken, "4 s", preset) for preset in ("cursor", "naive"))
    assert (verdict, other) == ("valid", "invalid")
    assert (cursor["lost"], cursor["shown_twice"]) == (0, 0)
    assert cursor["late_pairs"] > 0  # type: ignore[operator]
    assert naive["lost"] > 0  # type: ignore[operator]


def test_the_less_often_the_longer_the_window_and_the_less_energy() -> None:
    found = [told("connections lost", beat)[1] for beat in ("1 s", "2 s", "4 s", "8 s")]
    for name, rises in (("zombie_p50_ms", True), ("late_pairs", True), ("joules_per_h", False), ("kib_per_h", False)):
        values = [one[name] for one in found]
        assert values == sorted(values, reverse=not rises)  # type: ignore[type-var]


def test_energy_is_that_of_heartbeats_where_nothing_else_is_said() -> None:
    quiet = settings.apply(at("NAT forgets", "2 s", whole=True), ["workload.rate_per_s=0.01", "faults=[]"])
    finished = simulated(quiet, "cursor", 1)
    found = zombie_window.cost(finished, heartbeats.sessions(finished))
    known = of_heartbeats(RADIOS["4g"], 2 * zombie_window.PHONE * SECOND, zombie_window.BYTES)
    assert found["joules_per_h"] == pytest.approx(known.joules, rel=0.05)
    assert found["wake_ups_per_h"] == pytest.approx(known.wake_ups, rel=0.05)
    assert found["kib_per_h"] == pytest.approx(known.bytes / 1024, rel=0.05)


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("beat", ["2 s", "8 s", "adaptive"])
def test_heartbeats_worked_out_from_a_history_are_those_that_were(
    broken: str, beat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings: dict[int, list[int]] = {}
    ping = ClientSession._ping

    def noted(session: ClientSession, now: int, out: list[object]) -> None:
        pings.setdefault(session.device, []).append(now)
        ping(session, now, out)  # type: ignore[arg-type]

    monkeypatch.setattr(ClientSession, "_ping", noted)
    scenario = at(broken, beat, whole=True)
    result = simulate(scenario, "cursor", 1)
    history = from_rows(result.header, result.rows)
    finished = Finished(scenario, "sim", "cursor", history, Judged("", [], {}, ()), {}, int(history.t_us.max()))
    found: dict[int, list[int]] = {}
    for session in heartbeats.sessions(finished):
        found.setdefault(int(history.names.devices[session.device][1:]), []).extend(session.pings_us)
    assert sum(map(len, pings.values())) > 500
    unlike = sum(found[device] != pings[device] for device in pings)
    assert unlike <= (0.02 * len(pings) if beat == "adaptive" else 0)  # where something came between a ping and its pong


def test_a_connection_that_was_dropped_counts_also_where_nobody_knows_when_it_broke() -> None:
    nothing = np.zeros(0, np.int64)
    history = SimpleNamespace(rows_of=lambda *_: nothing, code=nothing, t_us=nothing)
    run_ = cast(Finished, SimpleNamespace(history=history, scenario=SimpleNamespace(faults=())))
    sessions = [heartbeats.Session(0, 0, 9, dropped, [], 1, []) for dropped in (True, True, False)]
    unknown = {"zombie_p50_ms": None, "zombie_max_ms": None}
    assert heartbeats.of_zombies(run_, sessions) == {"dropped": 2.0, "dropped_max": 2.0, **unknown}
    assert heartbeats.of_zombies(run_, sessions[2:]) == {"dropped": 0.0, "dropped_max": 0.0, **unknown}


def test_what_is_known_of_zombies() -> None:
    assert clients.zombie(4, 0.5) == (2.5, 4.5)
    assert clients.zombie(4, 0.5, forgets=3) == (1.5, 1.5)
    assert clients.zombie(3, 0.5, forgets=3) == (0, 0)
    with pytest.raises(TheoryError, match="none may be 0"):
        clients.zombie(0, 1)


@pytest.mark.nightly
@pytest.mark.live
def test_on_the_real_server_windows_are_as_long_and_nothing_is_lost(tmp_path: Path) -> None:
    """Half of the connections are lost; then a NAT forgets those that are silent. A busy machine makes windows longer, never shorter."""
    whole = catalog.load("zombie_window")
    scenario = msgspec.structs.replace(
        settings.apply(whole, ["timers.heartbeat_us=1500000", "contract.quiet_us=1000000"]),
        ramp_s=1.0,
        duration_s=6.0,
        warm_up_s=0.5,
        faults=(HalfOpen("gateway-1", 0.6, 0.5), NatDrop("gateway-1", at_s=3.0, heal_s=6.0, idle_s=0.8)),
    )
    result = run(scenario, "live", "cursor", 1, tmp_path, Silent(), "asyncio")
    history = history_of(result)
    judged = Judged(result.verdict, result.anomalies, result.measures, result.reasons)
    finished = Finished(scenario, "live", "cursor", history, judged, {}, int(history.t_us.max()))
    found = zombie_window.figures(finished)
    assert (found["lost"], found["shown_twice"]) == (0, 0)
    assert found["dropped"] > 60  # type: ignore[operator]
    assert found["zombie_p50_ms"] >= scenario.timers.pong_timeout_us / 1e3  # type: ignore[operator]
