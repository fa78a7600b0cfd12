"""Where acks die: the verdicts the file expects, and figures that are those of the history."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from model.history.columns import History, from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Basis, Header, Kind
from model.scenario import faults
from model.sim import run as simulate
from model.sim.service_times import load
from scenarios import where_acks_die
from scenarios.running import catalog
from scenarios.running.progress import Silent
from scenarios.running.replicate import simulated
from scenarios.running.run import run_to_an_answer
from scenarios.where_acks_die import SCENARIO, kills, stored_twice

SHORT = SCENARIO.short()


def figures(stage: faults.KillStage, basis: str, dedupe: str = "durable") -> dict[str, float | None]:
    policies = {"ack_basis": basis, "server_dedupe": dedupe}
    struck = msgspec.structs.replace(SHORT, faults=kills(stage, 1.0, 1.0, 4, 0.2), policies=policies)
    return where_acks_die.figures(simulated(struck, "cursor", 1))


@pytest.mark.parametrize("preset", ["naive", "timer", "cursor"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_preset_has_the_verdict_it_is_expected_to_have(preset: str, seed: int) -> None:
    assert simulated(SHORT, preset, seed).judged.verdict == SCENARIO.expected[preset]


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.parametrize("preset", ["naive", "timer", "cursor"])
def test_and_on_the_real_server(preset: str, tmp_path: Path) -> None:
    result = run_to_an_answer(SHORT, "live", preset, 1, tmp_path, Silent(), "asyncio")
    assert result.verdict == SCENARIO.expected[preset], result.reasons


class TestFigures:
    def test_an_early_ack_loses_at_every_kill_and_what_comes_after_it_too(self) -> None:
        found = figures("queued", "queued")
        assert found["kills"] == found["kills_that_lost"] == 4
        assert found["gone_at_kill"] is not None
        assert found["gone_at_kill"] >= 4
        assert found["gone_later"] is not None
        assert found["gone_later"] > found["gone_at_kill"]

    def test_where_repetitions_are_known_in_memory_nothing_is_refused_later(self) -> None:
        found = figures("queued", "queued", "recent")
        assert (found["kills_that_lost"], found["gone_later"]) == (4, 0)

    def test_one_stage_earlier_the_queue_costs_nothing_and_the_commit_never_does(self) -> None:
        for stage, basis in (("received", "queued"), ("received", "committed"), ("queued", "committed")):
            found = figures(stage, basis)  # type: ignore[arg-type]
            assert (found["kills"], found["kills_that_lost"], found["gone_later"]) == (4, 0, 0)

    def test_a_repetition_is_stored_twice_where_its_first_time_is_forgotten(self) -> None:
        assert figures("committed", "committed", "recent")["stored_twice"] == 4
        assert figures("committed", "committed", "durable")["stored_twice"] == 0

    def test_a_run_without_a_fault_has_none_of_them(self) -> None:
        calm = simulated(msgspec.structs.replace(SHORT, faults=()), "cursor", 1)
        found = where_acks_die.figures(calm)
        assert [found[name] for name in ("kills", "kills_that_lost", "gone_at_kill", "gone_later", "stored_twice")] == [0] * 5
        assert found["ok"] == found["sends"]
        assert found["ok_per_s"] == found["ok"] / SHORT.duration_s  # type: ignore[operator]


def written() -> History:
    """Two streams: of the first, 1 is kept, 2 dies at the first kill, 3 is refused; of the second, 1 dies at the second kill and is twice
    in nobody's history, 2 is there twice."""
    recorder = MemoryRecorder()
    for sender, counter, t_us in ((1, 1, 10), (1, 2, 20), (1, 3, 40), (2, 1, 50), (2, 2, 70)):
        message = {"device": sender, "conversation": 1, "sender": sender, "send_counter": counter}
        recorder.record(Kind.INVOKE, t_us, **message)
        recorder.record(Kind.OK, t_us + 1, **message, basis=Basis.RECEIVED)
    for fault, t_us in ((1, 30), (2, 60)):
        recorder.record(Kind.FAULT_BEGUN, t_us, value=fault, code=1, node=1)
    for sender, counter, seq in ((1, 1, 1), (2, 2, 2), (2, 2, 3)):
        recorder.record(
            Kind.READ_BACK, 100, device=1, conversation=1, sender=sender, send_counter=counter, seq=seq, epoch=1, via=2
        )
    return from_rows(Header(world="test", nodes={1: "business"}), recorder.rows())


def test_what_is_gone_is_told_apart_by_why() -> None:
    found = where_acks_die.gone(written(), dense=True)
    assert found == {"kills": 2, "kills_that_lost": 2, "gone_at_kill": 2, "gone_later": 1}
    assert where_acks_die.gone(written(), dense=False)["gone_at_kill"] == 3
    assert stored_twice(written()) == 1


def test_the_conclusion_counts_all_kills_of_a_stage() -> None:
    rows = [
        {"stage": stage, "policies.ack_basis": "queued", "kills": kills, "kills_that_lost": lost, "ack_p50_ms": 0.5}
        for stage, kills, lost in (("none", 0, 0), ("queued", 8, 8), ("queued", 8, 0), ("committed", 8, 0))
    ]
    told = where_acks_die.conclusion(pd.DataFrame(rows))
    assert told == "queued: lost at queued (8 of 16 kills), nothing in 8 kills elsewhere (a rate up to 0.38); ack p50 0.50 ms"


def test_waiting_for_the_commit_takes_longer_by_about_a_commit() -> None:
    calm, p50 = msgspec.structs.replace(SHORT, faults=()), dict[str, float]()
    for basis in ("received", "queued", "committed"):
        result = simulate(msgspec.structs.replace(calm, policies={"ack_basis": basis}), "cursor", 1)
        history = from_rows(result.header, result.rows)
        meant, ok = (
            dict(zip(history.message[rows].tolist(), history.t_us[rows].tolist(), strict=True))
            for rows in map(history.rows_of, (Kind.INTEND, Kind.OK))
        )
        p50[basis] = float(np.median([ok[message] - t_us for message, t_us in meant.items()]))
    times = load()
    commit_us = times.storage_commit_us + times.storage_row_us
    assert p50["received"] < p50["queued"] < p50["received"] + 100
    assert p50["queued"] + commit_us < p50["committed"]


def test_its_sweep_strikes_every_stage() -> None:
    stages = next(axis for axis in catalog.sweep(SCENARIO.name).axes if axis.name == "stage")
    assert {choice.label for choice in stages.choices} == {"none", *faults.GATEWAY_STAGES, *faults.BUSINESS_STAGES}
