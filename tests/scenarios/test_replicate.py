"""The figures of a run: nothing is told as 0 that nobody has looked for, and they mean the same in both worlds."""

from __future__ import annotations

from typing import Any

import pytest

from model.checkers import verdict
from model.checkers.case import Case
from model.checkers.findings import Part
from model.scenario import Scenario
from scenarios.running import catalog, replicate
from scenarios.running.metrics import Sample
from scenarios.running.run import Judged
from scenarios.running.settings import apply

SMALL = ("population.users=10", "workload.rate_per_s=20", "duration_s=2", "warm_up_s=0.5")
ENDED: dict[str, Any] = {
    "owed": {"pairs": 900, "lost_pairs": 0},
    "sends": {"in_flight_at_fault": {"ok": 3, "fail": 0, "info": 2}},
}


def small(*settings: str) -> Scenario:
    return apply(catalog.load("access_restart").short(), (*SMALL, *settings))


def judged(*anomalies: tuple[str, int, str | None], **measures: Any) -> Judged:
    """A judgement with anomalies (kind, count, what implies it), all of which fail."""
    found = [{"kind": kind, "count": n, "fails": cause is None, "implied_by": cause} for kind, n, cause in anomalies]
    return Judged("unknown", found, ENDED | measures, ())


class TestLosses:
    def test_every_loss_counts_once(self) -> None:
        found = judged(("lost_stored", 2, None), ("lost", 5, "lost_stored"), ("lost", 1, None), ("gap", 1, "lost"))
        assert replicate.common(found)["lost"] == 3

    def test_they_are_withheld_where_the_judges_withhold_them(self) -> None:
        assert replicate.common(judged(owed={"pairs": 900, "lost_pairs": None}))["lost"] is None
        assert replicate.common(judged())["lost"] == 0

    def test_those_under_faults_are_told_of_the_sends_in_flight(self) -> None:
        assert replicate.common(judged())["in_flight"] == 5

    def test_a_run_that_is_cut_short_before_its_drain_is_done_has_no_number_of_losses(self) -> None:
        run = replicate.simulated(small("contract.drain_bound_us=1000", "network.delay_us=50000"), "cursor", 1)
        assert replicate.common(run.judged)["lost"] is None
        assert not replicate.left_out(run.judged)


class TestRunsThatSayNothing:
    def test_what_no_judge_has_looked_for_is_no_zero(self) -> None:
        figures = replicate.common(Judged("unknown", [], {}, (), True))
        assert [figures[name] for name in ("lost", "in_flight", "shown_twice", "out_of_order")] == [None] * 4

    @pytest.mark.parametrize("kind", ["truncated", "fault_unproven"])
    def test_a_run_that_was_not_played_as_planned_counts_nowhere_unless_its_contract_forgives_it(self, kind: str) -> None:
        assert replicate.left_out(judged((kind, 1, None))) == kind
        assert not replicate.left_out(judged((kind, 1, "forgiven")))

    @pytest.mark.parametrize("kind", ["lost", "drain_incomplete", "vacuous"])
    def test_what_a_run_has_found_counts(self, kind: str) -> None:
        assert not replicate.left_out(judged((kind, 1, None)))

    def test_a_judge_that_crashes_acquits_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def crash(case: Case) -> Part:
            raise ZeroDivisionError

        monkeypatch.setitem(verdict.JUDGES, "duplicates", crash)
        assert replicate.left_out(replicate.simulated(small(), "cursor", 1).judged) == "judge_crashed"


class TestCpu:
    def test_the_simulated_world_tells_it_without_ramp_warm_up_and_drain(self) -> None:
        """An ordinary log-in costs nothing like an hour of load: with a warm-up of nearly all of it, next to nothing is left."""
        whole, part = (
            replicate.cpu(replicate.simulated(small(f"warm_up_s={warm_up_s}"), "cursor", 1)) for warm_up_s in (0.01, 1.9)
        )
        assert 0 < part["business_cpu_s"] < 0.2 * whole["business_cpu_s"]  # type: ignore[operator]

    def test_the_live_world_tells_it_of_the_same_span(self) -> None:
        """A process that uses a tenth of a core until the warm-up is over and half of one from then on."""
        scenario = small()
        begin_us, warm_us, end_us = (scenario.at_us(at_s) for at_s in (0, scenario.warm_up_s, scenario.duration_s))
        used = (
            (begin_us, 0),
            (warm_us, (warm_us - begin_us) // 10),
            (end_us, (warm_us - begin_us) // 10 + (end_us - warm_us) // 2),
        )
        samples = [vars_of(Sample(t_us, "business", "business", 1, cpu_us, 1)) for t_us, cpu_us in used]
        (counted,) = replicate.counted({"samples": samples}, scenario).values()
        assert counted["measured_cpu_us"] == pytest.approx((end_us - warm_us) / 2)
        assert counted["cpu_us"] == pytest.approx(counted["measured_cpu_us"] + (warm_us - begin_us) / 10)


def vars_of(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in sample.__struct_fields__}
