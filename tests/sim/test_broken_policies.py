"""Wrong choices of policies, put into the design that loses nothing, are caught by the judges in the simulated world."""

from __future__ import annotations

import msgspec
import pytest

from model.checkers import judge
from model.core.policies import PRESETS, Policies
from model.history.columns import from_rows
from model.history.schema import Contract
from model.scenario import Cut, Fault, Kill, Scenario
from model.sim import run
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from tests.sim.times import PINNED

BASE = Scenario(
    "base",
    "?",
    population=PopulationPlan(users=40),
    workload=WorkloadPlan(rate_per_s=400),
    duration_s=20,
    warm_up_s=1,
    contract=Contract(fails={"outage": False, "not_recovered": False}),  # so many faults leave no time to recover
).short()
FAULTS: dict[str, tuple[Fault, ...]] = {
    "gateways killed": (Kill("gateway-1", 1.0, 1.5), Kill("gateway-2", 2.5, 3.0)),
    "business killed": tuple(Kill("business", 0.8 + i * 0.8, 1.0 + i * 0.8) for i in range(4)),
    "connections cut": tuple(Cut(f"gateway-{1 + i % 2}", 0.8 + i * 0.4) for i in range(8)),
}


def kinds(monkeypatch: pytest.MonkeyPatch, faults: str, choices: dict[str, str]) -> set[str]:
    """What fails a run of the reference design with some policies changed."""
    monkeypatch.setitem(PRESETS, "broken", msgspec.convert(msgspec.to_builtins(Policies()) | choices, Policies))
    result = run(msgspec.structs.replace(BASE, faults=FAULTS[faults]), "broken", 1, times=PINNED)
    judgement = judge(from_rows(result.header, result.rows))
    return {anomaly.kind for anomaly in judgement.anomalies if anomaly.fails}


@pytest.mark.parametrize("faults", FAULTS)
def test_the_reference_design_fails_nothing(monkeypatch: pytest.MonkeyPatch, faults: str) -> None:
    assert kinds(monkeypatch, faults, {}) == set()


@pytest.mark.parametrize(
    ("choices", "faults", "caught"),
    [
        ({"server_dedupe": "none"}, "connections cut", {"dup_stored", "dup_app"}),
        ({"server_dedupe": "recent"}, "business killed", {"dup_stored", "dup_app"}),
        ({"ack_basis": "received"}, "business killed", {"lost_stored"}),
        ({"send": "once"}, "business killed", {"lost_stored"}),
        ({"catch_up": "none"}, "gateways killed", {"lost"}),
        ({"catch_up": "none", "delivery": "once"}, "connections cut", {"lost"}),
        ({"device_order": "arrival"}, "gateways killed", {"session_nonmonotonic"}),
        (
            {"device_order": "arrival", "catch_up": "newest"},
            "gateways killed",
            {"session_nonmonotonic", "fifo_live", "causal_live"},
        ),
    ],
    ids=lambda value: ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else None,
)
def test_a_broken_design_is_caught(
    monkeypatch: pytest.MonkeyPatch, choices: dict[str, str], faults: str, caught: set[str]
) -> None:
    assert caught <= kinds(monkeypatch, faults, choices)
