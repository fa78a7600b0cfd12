"""What deploys cost: of the access layer in each way of going, and of business, beside it or within it. The same claims in both worlds."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import msgspec
import pytest

from model.analysis import clients
from model.analysis.queues import TheoryError
from model.history.columns import History, from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Contract, Header, Kind, Phase
from model.scenario import Kill, RollingRestart, Scenario
from scenarios import access_deploy, split_or_merged
from scenarios.running import catalog, sessions, settings
from scenarios.running.progress import Silent
from scenarios.running.replicate import Figures, Finished, simulated
from scenarios.running.run import Judged, run
from tests.scenarios.conftest import history_of

SECOND = 1_000_000


def at(name: str, axis: str, label: str) -> Scenario:
    """The short form of a study at a choice of an axis, presets apart."""
    choices = next(one for one in catalog.sweep(name).short().axes if one.name == axis).choices
    return settings.apply(catalog.short(name), next(choice for choice in choices if choice.label == label).settings)


@cache
def gone(way: str, preset: str = "cursor", seed: int = 1) -> tuple[str, Figures]:
    """Verdict and figures of a rolling restart in simulated time."""
    finished = simulated(at("access_deploy", "way", way), preset, seed)
    return finished.judged.verdict, access_deploy.figures(finished)


@cache
def deployed(server: str, seed: int = 1) -> tuple[str, Figures]:
    """Verdict and figures of deploys of business in simulated time."""
    finished = simulated(at("split_or_merged", "server", server), "cursor", seed)
    return finished.judged.verdict, split_or_merged.figures(finished)


def live(scenario: Scenario, root: Path) -> Finished:
    """A run on the real server, by the driver that starts sooner. What is counted holds on a busy machine, too; times do not."""
    result = run(scenario, "live", "cursor", 1, root, Silent(), "asyncio")
    history = history_of(result)
    judged = Judged(result.verdict, result.anomalies, result.measures, result.reasons)
    return Finished(scenario, "live", "cursor", history, judged, {}, int(history.t_us.max()))


class TestAccessDeploy:
    @pytest.mark.parametrize("way", ["kill", "at once", "redirect", "spread"])
    def test_cursor_loses_nothing_and_shows_nothing_twice_however_gateways_go(self, way: str) -> None:
        verdict, told = gone(way)
        assert verdict == "valid"
        assert (told["lost"], told["shown_twice"], told["failing"]) == (0, 0, 0)

    @pytest.mark.parametrize("preset", ["naive", "timer"])
    @pytest.mark.parametrize("way", ["kill", "spread"])
    def test_a_gentle_drain_does_not_mend_the_other_designs(self, way: str, preset: str) -> None:
        verdict, told = gone(way, preset)
        assert verdict == "invalid"
        assert told["lost" if preset == "naive" else "shown_twice"] > 0  # type: ignore[operator]

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_handed_over_everybody_reconnects_once_and_nobody_waits(self, seed: int) -> None:
        _, spread = gone("spread", seed=seed)
        assert (spread["reconnects_mean"], spread["reconnects_max"], spread["attempts_mean"]) == (1, 1, 1)
        assert spread["late_pairs"] == 0
        _, kill = gone("kill", seed=seed)
        assert kill["away_ms_mean"] > 100 * spread["away_ms_mean"]  # type: ignore[operator]
        assert kill["late_pairs"] > 0  # type: ignore[operator]

    def test_the_others_move_clients_as_often_as_is_known(self) -> None:
        for way, to_next in (("kill", True), ("at once", True), ("redirect", False)):
            known, told = clients.rolling_moves(3, to_next=to_next), gone(way)[1]
            assert told["reconnects_mean"] == pytest.approx(known, abs=0.06)
            assert told["reconnects_max"] == 3
            knocks = told["attempts_mean"] - told["reconnects_mean"]  # type: ignore[operator]
            assert knocks == pytest.approx(known if to_next else 0, abs=0.06)  # the first is at the closed door

    def test_without_a_restart_nobody_reconnects(self) -> None:
        _, calm = gone("no restart")
        assert (calm["reconnects_max"], calm["away_ms_max"], calm["late_pairs"]) == (0, 0, 0)

    def test_what_is_known_of_moves(self) -> None:
        assert [clients.rolling_moves(n, to_next=True) for n in (2, 3, 4)] == pytest.approx([1.5, 2, 2.5])
        assert clients.rolling_moves(2, to_next=False) == pytest.approx(1.5)
        assert clients.rolling_moves(3, to_next=False) == pytest.approx(1 / 3 + 1 / 2 + 3 / 4)
        with pytest.raises(TheoryError, match="fewer than two"):
            clients.rolling_moves(1, to_next=True)

    @pytest.mark.live
    def test_on_the_real_server_a_hand_over_costs_each_client_one_reconnect(self, tmp_path: Path) -> None:
        """Given time: on a busy machine the successor's process takes long to start, and who leaves before knocks at a closed door."""
        short = catalog.short("access_deploy")
        timers = msgspec.structs.replace(short.timers, drain_lead_us=3 * SECOND, drain_window_us=SECOND // 2)
        once = (RollingRestart(("gateway-1",), at_s=0.5, down_s=0.05, every_s=1.0),)
        small = msgspec.structs.replace(short, gateways=1, timers=timers, duration_s=5.0, ramp_s=1.0, faults=once)
        told = access_deploy.figures(live(msgspec.structs.replace(small, contract=_brief(short)), tmp_path))
        assert (told["lost"], told["shown_twice"]) == (0, 0)
        assert (told["reconnects_mean"], told["reconnects_max"], told["attempts_mean"]) == (1, 1, 1)


class TestSplitOrMerged:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_split_nobody_is_disconnected_and_merged_everybody_is_every_time(self, seed: int) -> None:
        verdict, split = deployed("split: killed", seed)
        _, merged = deployed("merged: killed", seed)
        assert verdict == "valid"
        assert (split["reconnects_max"], split["away_ms_max"]) == (0, 0)
        deploys = len(split_or_merged.AT_S)
        assert merged["reconnects_max"] == deploys
        assert merged["reconnects_mean"] > deploys - 0.1  # type: ignore[operator]  # one may still be away at the next
        assert merged["late_pairs"] > 3 * split["late_pairs"]  # type: ignore[operator]
        assert split["retried"] > 10 * merged["retried"]  # type: ignore[operator]  # without a connection nothing can be sent twice

    @pytest.mark.parametrize("server", ["split: killed", "merged: killed", "merged: drained", "merged: one by one"])
    def test_nothing_is_lost_and_no_send_fails_whatever_the_processes_are(self, server: str) -> None:
        _, told = deployed(server)
        assert (told["lost"], told["failed"], told["shown_twice"]) == (0, 0, 0)

    def test_to_ask_the_one_process_to_go_is_no_better_than_to_kill_it(self) -> None:
        killed, *asked = (deployed(f"merged: {way}")[1] for way in ("killed", "drained", "one by one"))
        for told in asked:
            assert told["away_ms_mean"] > 0.9 * killed["away_ms_mean"]  # type: ignore[operator]

    def test_in_calm_one_process_saves_next_to_nothing(self) -> None:
        split, merged = (deployed(f"{server}: calm")[1] for server in ("split", "merged"))
        for name in ("cpu_us_per_send", "end_to_end_p50_ms"):
            assert merged[name] == pytest.approx(split[name], rel=0.1)

    def test_a_send_costs_what_was_measured_over_the_sends_that_were_in_either_world(self) -> None:
        """What a process has used since the warm-up is told of both worlds, so sends of the warm-up have no part in it."""
        finished = simulated(at("split_or_merged", "server", "split: calm"), "cursor", 1)
        sent_us = finished.history.t_us[finished.history.rows_of(Kind.INTEND)]
        sends = float((sent_us >= finished.scenario.at_us(finished.scenario.warm_up_s)).sum())
        counters = {name: {"cpu_us": 3.0 * sends, "measured_cpu_us": 2.0 * sends} for name in ("business", "gateway-1", "load")}
        for world in ("sim", "live"):
            told = split_or_merged.figures(dataclasses.replace(finished, world=world, counters=counters))
            assert told["cpu_us_per_send"] == pytest.approx(4.0)

    @pytest.mark.nightly
    @pytest.mark.live
    def test_on_the_real_server_only_the_merged_one_disconnects_its_users(self, tmp_path: Path) -> None:
        short = msgspec.structs.replace(catalog.short("split_or_merged"), duration_s=4.0, ramp_s=1.0)
        short = msgspec.structs.replace(short, faults=(Kill("business", 1.0, 1.1),), contract=_brief(short))
        split = split_or_merged.figures(live(short, tmp_path))
        merged = split_or_merged.figures(live(msgspec.structs.replace(short, merged=True), tmp_path))
        assert (split["reconnects_mean"], merged["reconnects_mean"]) == (0, 1)
        assert [told[name] for told in (split, merged) for name in ("lost", "failed", "shown_twice")] == [0] * 6


def _brief(scenario: Scenario) -> Contract:
    """Its contract, with less silence at the end: nobody is left to come back."""
    return msgspec.structs.replace(scenario.contract, quiet_us=SECOND)


class TestFigures:
    def test_absence_is_counted_from_the_first_session_to_the_end_and_attempts_beyond_the_first(self) -> None:
        told = sessions.of_sessions(history())
        assert told["devices"] == 2
        assert (told["reconnects_mean"], told["reconnects_max"]) == (0.5, 1)
        assert told["attempts_mean"] == 1.0
        assert (told["away_ms_mean"], told["away_ms_max"]) == (1_000, 2_000)

    def test_late_is_late_whether_one_was_there_or_not(self) -> None:
        told = sessions.of_sessions(history())
        assert (told["late_pairs"], told["owed_pairs"]) == (1, 2)

    def test_a_send_that_is_written_twice_is_repeated_and_one_without_an_ok_failed(self) -> None:
        told = sessions.of_sends(history())
        assert (told["retried"], told["failed"]) == (1, 1)
        assert told["ack_p99_ms"] is None  # of three samples


def history() -> History:
    """Two devices. The second is away from 3 s to 5 s and knocks twice; the first sends it three messages: one is shown at once, one only
    after its return, written twice, and one is never answered nor seen."""
    recorder = MemoryRecorder()
    for device in (1, 2):
        recorder.record(Kind.DEVICE, 0, device, user=device, node=2)
        recorder.record(Kind.MEMBER, 0, user=device, conversation=7)
    for device in (1, 2):
        recorder.record(Kind.CONNECTING, SECOND // 2, device, connection=1, node=2)
        recorder.record(Kind.READY, SECOND, device, connection=1, node=2)
    recorder.record(Kind.PHASE, SECOND, code=Phase.WARM_UP)
    recorder.record(Kind.PHASE, SECOND, code=Phase.MEASURE)
    for number, sent_us in enumerate((2 * SECOND, 4 * SECOND, 6 * SECOND), 1):
        recorder.record(Kind.INTEND, sent_us, 1, 7, 1, number, content_hash=number)
    _said(recorder, 1, 2 * SECOND, 2 * SECOND + 1_000, 1)
    recorder.record(Kind.DISCONNECTED, 3 * SECOND, 2, connection=1, node=2)
    recorder.record(Kind.CONNECTING, 3 * SECOND, 2, connection=2, node=2)
    recorder.record(Kind.CONNECTING, 4 * SECOND, 2, connection=3, node=2)
    _said(recorder, 2, 4 * SECOND, 5 * SECOND + 1_000, 3)
    recorder.record(Kind.READY, 5 * SECOND, 2, connection=3, node=2)
    recorder.record(Kind.INVOKE, 6 * SECOND, 1, 7, 1, 3, content_hash=3)
    recorder.record(Kind.ATTEMPT, 6 * SECOND, 1, 7, 1, 3, 1)
    recorder.record(Kind.PHASE, 7 * SECOND, code=Phase.DRAIN)
    recorder.record(Kind.PHASE, 8 * SECOND, code=Phase.END)
    return from_rows(Header(world="sim"), recorder.rows())


def _said(recorder: MemoryRecorder, number: int, sent_us: int, seen_us: int, connection: int) -> None:
    recorder.record(Kind.INVOKE, sent_us, 1, 7, 1, number, content_hash=number)
    for tries in range(number):
        recorder.record(Kind.ATTEMPT, sent_us + tries, 1, 7, 1, number, 1)
    recorder.record(Kind.OK, sent_us + 500, 1, 7, 1, number, 1, epoch=1, seq=number, value=number, basis=3)
    recorder.record(
        Kind.DELIVER, seen_us, 2, 7, 1, number, connection, via=1, epoch=1, seq=number, content_hash=number, value=number
    )
