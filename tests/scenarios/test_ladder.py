"""What the ladder of mechanisms, and timer against cursor, claim, held to in their short forms."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pandas as pd
import pytest

from model.core.policies import PRESETS
from model.scenario import Scenario, World
from scenarios import mechanism_ladder, timer_or_cursor
from scenarios.running import catalog, sweep
from scenarios.running.progress import Silent
from scenarios.running.replicate import simulated
from scenarios.running.run import run
from scenarios.running.settings import apply
from tests.sim.times import PINNED


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.running.replicate.asked_for", lambda: PINNED)


def played(name: str, root: Path, *axes: str) -> pd.DataFrame:
    """Of the short form, one line for each place, seeds added up."""
    declared = catalog.sweep(name)
    form = declared.short()
    plan = form.over(tuple(sweep.named(declared, sweep.parsed(axis), form) for axis in axes))
    table = sweep.run(catalog.short(name), plan, root, 1, Silent()).table
    return table.groupby([axis.name for axis in plan.axes], sort=False).sum(numeric_only=True)


class TestLadder:
    def test_its_last_rung_is_the_reference_design(self) -> None:
        tasks = sweep.tasks(mechanism_ladder.SCENARIO, mechanism_ladder.SWEEP)
        by_label = {task.place["mechanisms"]: task.scenario.preset(task.preset) for task in tasks}
        assert by_label["naive"] == PRESETS["naive"]
        assert by_label["+ jitter (= cursor)"] == PRESETS["cursor"]

    def test_each_rung_takes_its_anomaly_away_and_the_next_answers_what_it_brings(self, tmp_path: Path) -> None:
        runs = played("mechanism_ladder", tmp_path, "fault=gateway killed,ack lost")
        killed, unacked = runs.xs("gateway killed", level="fault"), runs.xs("ack lost", level="fault")
        rungs = [label for label, _ in mechanism_ladder.LADDER[:6]]
        assert (killed["lost_pairs"][rungs[:3]] > 0).all()
        assert (runs["lost_pairs"][rungs[3:]] == 0).all()
        assert unacked["shown_twice"]["+ ack and retransmit"] > 0
        assert unacked["shown_twice"]["+ server dedupe"] == 0
        assert killed["shown_twice"]["+ log and cursor"] > 0
        assert killed["shown_twice"]["+ device dedupe"] == 0
        assert killed["out_of_order"]["+ device dedupe"] > 0
        assert (runs["failing"]["+ order by sequence"] == 0).all()

    def test_cpu_is_told_of_the_deliveries_that_it_was_used_for(self) -> None:
        """Without those of the warm-up, whose CPU is not counted: half of the run here."""
        task = next(t for t in sweep.tasks(mechanism_ladder.SCENARIO, mechanism_ladder.SWEEP) if t.place["fault"] == "none")
        half = msgspec.structs.replace(task.scenario, warm_up_s=2.0, duration_s=4.0)
        whole = msgspec.structs.replace(half, warm_up_s=0.0)
        late, all_of_it = (mechanism_ladder.figures(simulated(one, "naive", 1)) for one in (half, whole))
        assert late["cpu_us_per_delivery"] == pytest.approx(all_of_it["cpu_us_per_delivery"], rel=0.05)
        assert late["shown"] == all_of_it["shown"]

    @pytest.mark.slow
    def test_what_is_left_out_of_cursor_brings_its_anomaly_back(self, tmp_path: Path) -> None:
        left_out = {
            ("cursor without ack", "half-open"): "lost_pairs",
            ("cursor without server dedupe", "ack lost"): "shown_twice",
            ("cursor without catch-up", "half-open"): "lost_pairs",
            ("cursor without device dedupe", "business killed"): "shown_twice",
            ("cursor with order of arrival", "half-open"): "out_of_order",
            ("cursor with three tries", "half-open"): "unsure",
        }
        labels = ",".join(label for label, _ in left_out)
        runs = played("mechanism_ladder", tmp_path, f"mechanisms={labels}", "fault=business killed,ack lost,half-open")
        for place, figure in left_out.items():
            assert runs[figure][place] > 0, place


class TestTimerOrCursor:
    @pytest.mark.slow
    def test_timers_lose_who_is_away_or_silent_for_long_and_a_pull_costs_order_where_a_cursor_costs_nothing(
        self, tmp_path: Path
    ) -> None:
        runs = played("timer_or_cursor", tmp_path, "outage=NAT forgets (heartbeat 40 s),app closed for 30 s")
        silent, closed = (runs.loc[outage] for outage in ("NAT forgets (heartbeat 40 s)", "app closed for 30 s"))
        assert silent["lost_pairs"]["timer without pull"] > 0
        assert silent["lost_pairs"]["timer and rest of cursor"] == 0  # pending for longer than the silence lasts
        assert (closed["lost_pairs"][["timer without pull", "timer and rest of cursor"]] > 0).all()
        assert (runs["lost_pairs"].xs("timer + pull and rest of cursor", level="design") == 0).all()
        assert silent["out_of_order"]["timer + pull and rest of cursor"] > 0
        assert silent["unsure"]["timer"] > 0
        assert (
            (runs.xs("cursor", level="design")[["failing", "lost_pairs", "shown_twice", "out_of_order", "unsure"]] == 0)
            .all()
            .all()
        )

    def test_what_was_missed_comes_with_a_pull_and_not_with_the_next_resend(self) -> None:
        scenario = timer_or_cursor.SCENARIO.short()
        choice = {c.label: c for axis in timer_or_cursor.SWEEP.axes for c in (*axis.choices, *axis.more)}
        by_timer = apply(scenario, [s for s in choice["timer and rest of cursor"].settings if not s.startswith("preset")])
        waits = [timer_or_cursor.return_ms(simulated(heartbeat(one), "cursor", 1).history, 0.5) for one in (by_timer, scenario)]
        assert waits[0] is not None
        assert waits[1] is not None
        assert waits[0] > 20 * waits[1]


def heartbeat(scenario: Scenario) -> Scenario:
    """A device finds out after some seconds that its connection is dead."""
    return msgspec.structs.replace(scenario, timers=msgspec.structs.replace(scenario.timers, heartbeat_us=8_000_000))


@pytest.mark.parametrize("world", ["sim", pytest.param("live", marks=[pytest.mark.live, pytest.mark.nightly])])
@pytest.mark.parametrize("name", ["mechanism_ladder", "timer_or_cursor"])
def test_cursor_is_valid_under_the_fault_of_the_scenario(name: str, world: World, tmp_path: Path) -> None:
    result = run(catalog.short(name), world, "cursor", 1, tmp_path, Silent())
    assert [a["kind"] for a in result.anomalies if a["fails"] and a["kind"] != "generator_lag"] == []
    assert result.verdict in ("valid", "harness_invalid")  # a busy machine is no fault of the product
