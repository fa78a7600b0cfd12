"""The studies in their short forms: each ends, and shows what its docstring expects."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from model.analysis import clients, estimates
from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Header
from model.scenario import Scenario
from model.sim import run as simulate
from model.sim.service_times import load
from scenarios import capacity_plan, polling_or_push, reconnect_storm
from scenarios.running import catalog, settings, sweep
from scenarios.running.progress import Silent
from scenarios.running.replicate import Finished, simulated
from scenarios.running.run import Judged, run
from tests.checkers.planting import Planting
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
        bound = self.bound(base)
        for users, ends in ((round(0.85 * bound), True), (round(1.05 * bound), False)):
            storm = reconnect_storm.figures(simulated(settings.apply(base, [f"population.users={users}"]), "cursor", 1))
            assert (storm["online_share"] == 1.0) == ends
            assert (storm["time_to_95_s"] != math.inf) == ends

    @staticmethod
    def bound(scenario: Scenario) -> float:
        times, timers = load(), scenario.timers
        capacity = 1e6 / (scenario.login.account_us + times.business_attach_us + times.business_envelope_out_us)
        return clients.storm_bound(capacity, timers.connect_timeout_us / 1e6, timers.backoff_fixed_us / 1e6)

    def test_the_storm_of_the_grid_is_below_the_bound_and_that_of_4800_users_above(self) -> None:
        """By the formula: as the docstring and the page say which storm ends at an open door."""
        sizes = {choice.label: choice.settings for choice in (*reconnect_storm.SIZES.choices, *reconnect_storm.SIZES.more)}
        crowd, grid = (settings.apply(reconnect_storm.SCENARIO, sizes[label]) for label in ("4.8k", "4k"))
        assert self.bound(crowd) == self.bound(grid)
        assert grid.population.users / 2 < self.bound(grid) < crowd.population.users / 2

    @pytest.mark.parametrize(("door", "ends"), [("open", False), ("bounded_queue", True)])
    def test_above_the_bound_an_open_door_never_ends_it_and_a_queue_does(self, door: str, ends: bool) -> None:
        asked = ["population.users=720", "policies.backoff=fixed", f"policies.admission={door}"]
        found = reconnect_storm.figures(simulated(settings.apply(catalog.short("reconnect_storm"), asked), "cursor", 1))
        assert (found["time_to_95_s"] != math.inf) == ends
        assert (found["lost"] == 0) == ends  # withheld where clients are still away

    def test_it_is_over_with_the_95th_of_a_hundred_and_attempts_are_those_until_then(self) -> None:
        """Twenty are cut off at 10 s; 17 are back at 12 s, the 19th at 20 s, the last at its third attempt when the load is over."""
        cut, rest, last = [f"d{n}" for n in range(17)], ["d17", "d18"], "d19"
        p = Planting(" ".join([*cut, *rest, last]), load_ends=30.0)
        p.connects(" ".join([*cut, *rest, last]), 1.0)
        p.fault(10.0, 11.0)
        p.disconnects(" ".join([*cut, *rest, last]), 10.0)
        p.connects(" ".join(cut), 12.0, connection=2)
        p.connects(" ".join(rest), 20.0, connection=2)
        for connection, at in ((2, 13.0), (3, 25.0)):
            p.tries(last, at, connection=connection)
        p.connects(last, 31.0, connection=4)
        found = reconnect_storm.storm(p.history(), 30_000_000)
        assert found["time_to_95_s"] == 10.0
        assert (
            found["attempts_per_client"] == 18 / 20
        )  # the 17, and one of the last; those of the instant of its end are not before it
        early = reconnect_storm.storm(p.history(), 15_000_000)
        assert (early["time_to_95_s"], early["attempts_per_client"]) == (math.inf, 18 / 20)
        whole = reconnect_storm.storm(p.history(), 40_000_000)
        assert whole["time_to_95_s"] == 10.0

    def test_what_comes_back_after_the_load_is_not_back(self) -> None:
        p = Planting("a b", load_ends=30.0)
        p.connects("a b", 1.0)
        p.fault(10.0, 11.0)
        p.disconnects("a b", 10.0)
        p.connects("a", 12.0, connection=2)
        p.connects("b", 31.0, connection=2)
        found = reconnect_storm.storm(p.history(), 30_000_000)
        assert (found["time_to_95_s"], found["attempts_per_client"]) == (math.inf, 0.5)

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

    def test_the_closed_form_of_long_polling_lies_within_the_interval_of_the_simulation(self) -> None:
        """At the rate at which a quarter of its delay is the wait for the next question, whose way varies."""
        asked = settings.apply(polling_or_push.SCENARIO, ["workload.rate_per_s=5"])
        runs = [polling_or_push.replication(asked, "cursor", seed, {"way": "long poll, 30 s"}) for seed in range(1, 5)]
        for name in ("delay_s", "requests_per_h"):
            simulated = estimates.mean([run[name] or 0.0 for run in runs])
            assert (runs[0][name.replace("_s", "_known_s").replace("_per_h", "_known_per_h")] or 0.0) in simulated
            assert simulated.half_width < 0.01 * simulated.mean


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

    def test_the_formula_is_that_of_the_mean_link_where_networks_are_mixed(self) -> None:
        def formula(network: str) -> float:
            asked = settings.apply(capacity_plan.SCENARIO, ["gateways=2", "workload.rate_per_s=20", f"network={network}"])
            return capacity_plan.formula_ms(asked, PINNED, 0.99)

        mixed = formula('[["4g",0.25],["wifi_good",0.75]]')
        assert mixed == pytest.approx(0.25 * formula("4g") + 0.75 * formula("wifi_good"))

    def test_how_busy_roles_were_is_told_of_the_time_after_the_warm_up(self) -> None:
        """Three seconds of it: what was spent in the ramp, the warm-up and the drain is in ``cpu_us`` only."""
        spent = {"gateway-1": {"cpu_us": 9e6, "measured_cpu_us": 1.5e6}, "business": {"cpu_us": 9e6, "measured_cpu_us": 0.3e6}}
        nothing = from_rows(Header(world="live"), MemoryRecorder().rows())
        asked = capacity_plan.SCENARIO
        found = capacity_plan.figures(Finished(asked, "live", "cursor", nothing, Judged("valid", [], {}, ()), spent, 0))
        assert [found["gateway_busy"], found["business_busy"]] == pytest.approx([0.5, 0.1])

    def test_a_promise_is_kept_where_every_replication_has_shown_it(self) -> None:
        late = {("1", 1): 5.0, ("1", 2): 15.0, ("2", 1): 5.0, ("2", 2): 6.0}

        def told(late: dict[tuple[str, int], float]) -> str:
            rows = [
                {"gateways": gateways, "workload.rate_per_s": "100", "seed": seed, "end_to_end_p99_ms": ms, "mmc_p99_ms": 1.0}
                for (gateways, seed), ms in late.items()
            ]
            return capacity_plan.conclusion(pd.DataFrame(rows))

        assert "100 messages a second: 2 by simulation, 1 by M/M/c" in told(late)
        assert "100 messages a second: more than all tried by simulation" in told(late | {("2", 2): math.nan})

    def test_the_cost_of_a_message_by_hand(self) -> None:
        """At a rate near nothing each of a hundred acknowledges alone, a frame in and its answer out; where messages come closely, not."""
        times = PINNED
        frame_out = times.gateway_write_us + times.gateway_frame_out_us
        there_and_back = times.gateway_forward_us + times.gateway_envelope_us + frame_out

        def gateway_us(rate: float) -> float:
            asked = settings.apply(capacity_plan.SCENARIO, [f"workload.rate_per_s={rate}"])
            return capacity_plan.services_us(asked, times)[0]

        to_all = there_and_back + times.gateway_envelope_us + 99 * frame_out
        assert gateway_us(1e-6) == pytest.approx(to_all + 100 * there_and_back, rel=1e-4)
        delay_s = capacity_plan.SCENARIO.timers.receive_ack_delay_us / 1e6
        often = 10 / delay_s * 1000 / 100  # ten messages to each in one delay: eleven share an ack
        assert gateway_us(often) == pytest.approx(to_all + 100 / 11 * there_and_back, rel=1e-4)

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
