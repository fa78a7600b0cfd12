"""The tables behind the pictures hold exactly what a history says; what never came stays in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.checkers.verdict import judge
from model.history.schema import Basis, Phase
from reports import series
from reports.results import load
from reports.series import Series
from tests.reports.conftest import BACK_US, DEVICES, KILL_US, SENDS, MakeRun


def read(folder: Path) -> Series:
    return series.of(load(folder).history)


def test_every_owed_delivery_is_there_once(make_run: MakeRun) -> None:
    run = read(make_run())
    assert len(run.sends) == SENDS
    assert len(run.pairs) == SENDS * (6 * 1 + 2 * 4) / 8  # six direct conversations, two groups of five
    assert not run.pairs.duplicated(["message", "device"]).any()
    assert np.isfinite(run.pairs["latency_ms"]).all()


def test_latency_counts_from_the_intended_instant(make_run: MakeRun) -> None:
    run = read(make_run())
    calm = run.pairs[run.pairs["t_s"] < 1.0]
    assert calm["latency_ms"].to_numpy() == pytest.approx(3.0)
    assert (calm["latency_ms"] == calm["after_return_ms"]).all()


def test_a_receiver_that_was_away_is_apart_and_counted_from_its_return(make_run: MakeRun) -> None:
    away = (run := read(make_run())).pairs[lambda pairs: pairs["away"]]
    assert 0 < len(away) < len(run.pairs)
    assert away["t_s"].between(KILL_US / 1e6, BACK_US / 1e6 + 0.13).all()
    assert (away["after_return_ms"] < away["latency_ms"]).all()
    assert (away["after_return_ms"] >= 1.0).all()


def test_what_never_came_is_infinitely_late_and_stays(make_run: MakeRun) -> None:
    run = read(make_run(never_shown=frozenset({8, 9}), never_stored=frozenset({16})))
    lost = run.pairs[~np.isfinite(run.pairs["latency_ms"])]
    assert len(lost) == 3
    assert lost["message"].nunique() == 3
    assert not run.sends["stored"].loc[lost["message"]].all()
    assert run.sends["stored"].sum() == SENDS - 1


def test_they_agree_with_the_judges(make_run: MakeRun) -> None:
    folder = make_run(never_shown=frozenset({8, 81}), never_stored=frozenset({16}), unknown=frozenset({33}))
    run, judged = read(folder), judge(load(folder).history).measures
    away = run.pairs["away"]
    for name, values in (
        ("ack", run.sends["ack_ms"]),
        ("end_to_end_live", run.pairs["after_return_ms"][~away]),
        ("end_to_end_catch_up", run.pairs["after_return_ms"][away]),
    ):
        found = judged["latency"][name]
        assert (len(values), int(np.isinf(values).sum())) == (found["n"], found["infinite"])
        p90_ms = series.quantile(values.to_numpy(), 0.9)
        assert found["p90_us"] is None if np.isnan(p90_ms) else found["p90_us"] == pytest.approx(p90_ms * 1e3)
    assert len(run.pairs) == judged["owed"]["pairs"]


def test_a_send_nobody_answered_and_nobody_saw_is_owed_to_nobody(make_run: MakeRun) -> None:
    run = read(make_run(unknown=frozenset({8})))
    [unknown] = run.sends.index[run.sends["outcome"] == "unknown"]
    assert unknown not in set(run.pairs["message"])
    assert np.isinf(run.sends["ack_ms"].loc[unknown])


def test_copies_and_their_connections_are_counted(make_run: MakeRun) -> None:
    run = read(make_run(shown_twice=frozenset({0})))
    twice = run.pairs[run.pairs["copies"] > 1]
    assert twice[["copies", "connections"]].to_numpy().tolist() == [[2, 2]]


def test_ready_connections_by_gateway_over_time(make_run: MakeRun) -> None:
    levels = series.ready_over_time(read(make_run()))
    during = levels[levels.index <= KILL_US / 1e6].iloc[-1]
    assert during.to_dict() == {"gateway-1": 0, "gateway-2": len(DEVICES) / 2, "all": len(DEVICES) / 2}
    assert levels["all"].iloc[-1] == len(DEVICES)
    assert levels.to_numpy().min() >= 0


def test_faults_are_those_that_were_proven(make_run: MakeRun) -> None:
    run = read(make_run())
    assert [(fault.node, fault.kind, fault.begin_s, fault.end_s) for fault in run.faults] == [("gateway-1", "kill", 1.2, 1.5)]
    assert run.phases[Phase.DRAIN] == 4.0


def test_every_send_is_under_one_outcome(make_run: MakeRun) -> None:
    run = read(make_run(unknown=frozenset({0, 100}), basis=Basis.RECEIVED))
    rates = series.outcomes_over_time(run, 0.5)
    assert rates.sum().mul(0.5).to_dict() == {"ok": SENDS - 2, "ok_late": 0, "unknown": 2, "failed": 0, "open": 0}
    assert len(rates) == 8


def test_a_quantile_counts_what_never_came_and_wants_ten_samples_beyond() -> None:
    values = np.r_[np.arange(80.0), np.full(20, np.inf)]
    assert series.quantile(values, 0.5) == 49.0
    assert series.quantile(values, 0.8) == 79.0
    assert series.quantile(values, 0.9) == np.inf
    assert np.isnan(series.quantile(values, 0.91))
    assert np.isnan(series.quantile(np.array([]), 0.5))


def test_a_history_with_nothing_in_it_has_empty_tables(make_run: MakeRun) -> None:
    from model.history.columns import from_rows
    from model.history.recorder import MemoryRecorder
    from model.history.schema import Header

    run = series.of(from_rows(Header(world="live", truncated=True), MemoryRecorder().rows()))
    assert run.sends.empty
    assert run.pairs.empty
    assert run.ready.empty
