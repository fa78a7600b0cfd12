"""Every gateway is restarted, one after another, under load: does anybody notice?

Question
    The access layer should change rarely, but when it does, all of its gateways have to be restarted. What does that cost its users,
    if gateways are killed, close everything at once, send their clients to other gateways, or hand them over to successors?

Set-up
    Three gateways and one business node; 300 users with one device each, a third at home on each gateway; direct pairs and groups of five.
    200 messages a second, open, for 33 s. From 4 s on one gateway is restarted every 8 s, and away for half a second: time enough for the
    gentle drains to send their clients away one by one, within 3.5 s, ``spread`` after 3 s in which the successor begins to serve.

Expectation
    ``cursor`` loses nothing, shows nothing twice and is valid, however gateways go: what differs is what it costs. ``kill`` and
    ``at_once``: more than one reconnect a user, some to a gateway that is restarted next, and some tenths of a second without a session.
    ``redirect``: no closed door, but as many moves. ``spread``: one reconnect a user, and a round trip without a session.
    ``naive`` and ``timer`` are invalid after a kill; a gentle drain hides most of what is wrong with them, and not all of it.

What would surprise us
    A loss or a duplicate under ``cursor``; more than one reconnect of anybody under ``spread``; a user who is away for longer under
    ``spread`` than under ``kill``; ``redirect`` that beats ``spread``; worlds that differ in counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.core.policies import Timers
from model.history.schema import Contract
from model.scenario import RollingRestart, Scenario
from model.scenario.sweep import PRESET, Axis, Choice, HeatMap, Measure, Sweep, axis
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

if TYPE_CHECKING:
    from scenarios.running.replicate import Figures, Finished

SCENARIO = Scenario(
    name="access_deploy",
    question="All gateways are restarted one after another under load: what does each way of going cost their users?",
    gateways=3,
    population=PopulationPlan(users=300, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=200.0, payload_bytes=120, direct_share=0.5),
    policies={"drain": "spread"},
    timers=Timers(drain_lead_us=3_000_000, drain_window_us=3_500_000, drain_grace_us=500_000),
    ramp_s=2.0,
    duration_s=33.0,
    faults=(RollingRestart(("gateway-1", "gateway-2", "gateway-3"), at_s=4.0, down_s=0.5, every_s=8.0, how="drain"),),
    contract=Contract(window_us=2_000_000),
    expected={"naive": "invalid", "timer": "invalid", "cursor": "valid"},
    short_scale=0.3,
)


def _way(label: str, how: str, drain: str = "at_once") -> Choice:
    return Choice(label, (f"faults.0.how={how}", f"policies.drain={drain}"))


SWEEP = Sweep(
    axes=(
        axis(PRESET, "cursor", "timer", "naive"),
        Axis(
            "way",
            (
                _way("kill", "kill"),
                _way("at once", "drain"),
                _way("redirect", "drain", "redirect"),
                _way("spread", "drain", "spread"),
                Choice("no restart", ("faults=[]",)),
            ),
        ),
    ),
    measures=(
        Measure("lost", "lost", of="owed"),
        Measure("shown_twice", "shown twice", of="owed"),
        Measure("reconnects_mean", "reconnects, mean"),
        Measure("reconnects_max", "reconnects, most"),
        Measure("attempts_mean", "attempts, mean"),
        Measure("away_ms_mean", "without a session, mean", "ms"),
        Measure("away_ms_max", "without a session, most", "ms"),
        Measure("late_pairs", "over 200 ms", of="owed_pairs"),
        Measure("end_to_end_p99_ms", "live p99", "ms"),
    ),
    pictures=(
        HeatMap("away_ms_mean", x="way", y="preset"),
        HeatMap("reconnects_mean", x="way", y="preset", log=False),
        HeatMap("lost", x="way", y="preset"),
    ),
    replications=5,
)


def figures(run: Finished) -> Figures:
    """What users lost, saw twice and waited for, and how often they came back."""
    from scenarios.running.replicate import common
    from scenarios.running.sessions import of_sessions

    return common(run.judged) | of_sessions(run.history)


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
