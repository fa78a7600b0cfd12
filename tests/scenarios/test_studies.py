"""The studies in their short forms: each ends, and shows what its docstring expects."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from model.analysis import clients
from model.history.columns import from_rows
from model.sim import run as simulate
from model.sim.service_times import load
from scenarios import capacity_plan, polling_or_push, reconnect_storm
from scenarios.running import catalog, settings, sweep
from scenarios.running.progress import Silent
from scenarios.running.replicate import simulated
from scenarios.running.run import run
from tests.sim.times import PINNED

STUDIES = [name for name in catalog.names() if catalog.sweep(name).axes]


def short(name: str, root: Path, *axes: str) -> pd.DataFrame:
    """The replications of a short form; of some choices only, where axes are given."""
    declared = catalog.sweep(name)
    plan = declared.short().over(tuple(sweep.named(declared, sweep.parsed(axis)) for axis in axes))
    return sweep.run(catalog.short(name), plan, root, 1, Silent()).table


@pytest.mark.parametrize("name", STUDIES)
def test_a_declared_sweep_can_be_run_in_full_and_in_short(name: str) -> None:
    plan = catalog.sweep(name)
    whole = sweep.tasks(catalog.load(name), plan)
    assert 0 < len(sweep.tasks(catalog.short(name), plan.short())) < len(whole)


class TestReconnectStorm:
    def test_a_counting_door_ends_what_an_open_one_does_not_and_jitter_saves_attempts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scenarios.running.replicate.asked_for", lambda: PINNED)
        runs = short("reconnect_storm", tmp_path, "admission=open,queue").set_index(["policies.backoff", "admission", "seed"])
        late = runs["time_to_95_s"]
        for seed in (1, 2, 3):
            assert late["fixed", "open", seed] > 2 * late["fixed", "queue", seed]
            assert late["full_jitter", "open", seed] < late["fixed", "open", seed]
        attempts = runs["attempts_per_client"]
        assert (attempts["full_jitter", "open"] < attempts["fixed", "open"]).all()
        assert runs["cut_off"].between(297, 300).all()  # now and then a connection ends by itself
        assert (runs["lost"] == 0).all()

    def test_figures_are_those_of_the_history(self) -> None:
        """Ten users, five of them cut off: all come back at once, each at its first attempt to the other gateway."""
        small = settings.apply(
            reconnect_storm.SCENARIO.short(),
            [
                "population.users=10",
                "ramp_s=4",
                "login.account_us=0",
                "connection_life_s=0",
                "policies.backoff=fixed",
                "duration_s=6",
            ],
        )
        result = simulate(small, "cursor", 1)
        figures = reconnect_storm.storm(from_rows(result.header, result.rows), small.at_us(small.duration_s))
        wait_s = small.timers.backoff_fixed_us / 1e6
        assert figures["cut_off"] == 5
        assert figures["attempts_per_client"] == 2  # one to the dead gateway, one to the other
        assert figures["time_to_95_s"] == pytest.approx(2 * wait_s, abs=0.02)
        assert figures["attempts_peak_per_s"] == 50  # five within a tenth of a second

    def test_no_storm_ends_that_is_larger_than_its_bound_and_smaller_ones_do(self) -> None:
        """The closed form knows capacity, time-out and wait; the simulation knows the rules. Clients that all come again together."""
        both = '[{"fault":"cut","node":"gateway-1","at_s":0.5},{"fault":"cut","node":"gateway-2","at_s":0.5}]'
        alike = ["policies.backoff=fixed", "connection_life_s=0", "workload.rate_per_s=1", f"faults={both}"]
        base = settings.apply(catalog.short("reconnect_storm"), alike)
        times, timers = load(), base.timers
        capacity = 1e6 / (base.login.account_us + times.business_attach_us + times.business_envelope_out_us)
        bound = clients.storm_bound(capacity, timers.connect_timeout_us / 1e6, timers.backoff_fixed_us / 1e6)
        for users, ends in ((round(0.85 * bound), True), (round(1.05 * bound), False)):
            storm = reconnect_storm.figures(simulated(settings.apply(base, [f"population.users={users}"]), "cursor", 1))
            assert (storm["online_share"] == 1.0) == ends
            assert (storm["time_to_95_s"] != math.inf) == ends

    def test_without_a_fault_there_is_no_storm(self) -> None:
        calm = settings.apply(reconnect_storm.SCENARIO.short(), ["population.users=10", "faults=[]"])
        result = simulate(calm, "cursor", 1)
        assert reconnect_storm.storm(from_rows(result.header, result.rows), calm.at_us(9))["time_to_95_s"] is None


class TestPollingOrPush:
    def test_closed_forms_hold_and_push_is_prompt_with_the_fewest_bytes(self, tmp_path: Path) -> None:
        runs = short("polling_or_push", tmp_path)
        means = runs.groupby(["workload.rate_per_s", "way"]).mean(numeric_only=True)
        assert means["delay_s"].to_numpy() == pytest.approx(means["delay_known_s"].to_numpy(), rel=0.1)
        assert means["awake_share"].to_numpy() == pytest.approx(means["awake_known_share"].to_numpy(), abs=0.02)
        prompt = means.loc["0.01"].query("delay_s < 1")
        assert prompt["kib_per_h"].idxmin() == "push, ping every 300 s"
        assert means.loc["1"]["kib_per_h"].idxmin() == "poll every 60 s"
        told = polling_or_push.conclusion(runs)
        assert "1 messages a second: fewest bytes poll every 60 s; within 1 s on average push, ping every 300 s" in told


class TestCapacityPlan:
    @pytest.mark.slow
    def test_a_second_gateway_moves_the_knee(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Well below the knee of the formula, and well above it, where fuller turns help no more."""
        monkeypatch.setattr("scenarios.running.replicate.asked_for", lambda: PINNED)
        monkeypatch.setattr(capacity_plan, "asked_for", lambda: PINNED)
        monkeypatch.setattr(
            capacity_plan, "PROMISE_MS", 50.0
        )  # a message costs ten times as much there as with the committed times
        knee = next(rate for rate in range(20, 100_000, 20) if self.by_formula(rate) == math.inf)
        low, high = str(knee // 5), str(4 * knee)
        runs = short("capacity_plan", tmp_path, "gateways=1,2", f"workload.rate_per_s={low},{high}")
        late = runs.groupby(["gateways", "workload.rate_per_s"])["end_to_end_p99_ms"].max()
        assert late["1", low] < capacity_plan.PROMISE_MS < late["1", high]
        assert late["2", high] < late["1", high]
        first, second = capacity_plan.conclusion(runs).splitlines()[1:]
        assert first.startswith(f"  {low} messages a second:")
        assert first.endswith(" 1 by M/M/c")
        assert second.endswith("more than all tried by M/M/c")

    @staticmethod
    def by_formula(rate: int) -> float:
        asked = settings.apply(capacity_plan.SCENARIO, [f"workload.rate_per_s={rate}"])
        return capacity_plan.formula_ms(asked, PINNED, 0.99)

    def test_its_short_form_has_a_rate_for_one_gateway_and_one_for_two(self) -> None:
        """By the formula, with the committed service times, so that nothing must be simulated."""
        rates = next(axis for axis in capacity_plan.SWEEP.short().axes if axis.name == "workload.rate_per_s").choices

        def promised(gateways: int, rate: str) -> bool:
            asked = settings.apply(capacity_plan.SCENARIO, [f"gateways={gateways}", f"workload.rate_per_s={rate}"])
            return capacity_plan.formula_ms(asked, load(), 0.99) < capacity_plan.PROMISE_MS

        assert promised(1, rates[0].label)
        assert [promised(gateways, rates[-1].label) for gateways in (1, 2)] == [False, True]

    def test_the_formula_knows_its_knee(self) -> None:
        times = PINNED
        gateway, business = capacity_plan.services_us(capacity_plan.SCENARIO, times)
        frames = 99 * (times.gateway_write_us + times.gateway_frame_out_us)
        ack = times.gateway_forward_us + 2 * times.gateway_envelope_us + frames / 99
        assert frames < gateway < frames + 102 * ack  # a hundred frames out, and an ack of each at the most
        knee = 1e6 / max(gateway, business)
        assert self.by_formula(round(knee / 10)) < math.inf
        assert self.by_formula(round(10 * knee)) == math.inf


def test_the_live_world_skips_log_ins_whose_cost_it_cannot_set(tmp_path: Path) -> None:
    result = run(catalog.short("reconnect_storm"), "live", "cursor", 1, tmp_path, Silent())
    assert result.verdict == "skipped"
    assert result.reasons == ("skipped: the live world has no log-ins of a given cost, connections that end by themselves",)
    assert not list(tmp_path.iterdir())
