"""Access and business as two services or as one: what does a deploy of business code cost their users, and what does one process save?

Question
    Business code is deployed often. Where the connections of all users end in the process that is replaced, every deploy ends them all.
    What do users notice of it, and what does a server in one process give in return?

Set-up
    One gateway and one business node, apart or as one process; 200 users with one device each; direct pairs and groups of five. 200
    messages a second, open, for 40 s. From 4 s on business is deployed every 8 s, four times, and away for half a second each time: by
    kill -9. One process may instead be asked to go: it closes everything at once, or sends its clients away one by one within 4 s. Business
    alone is never asked, so that the split server is seen at its worst and the merged one also at its best. The same load without any
    deploy says what one process saves.

Expectation
    Nothing is lost either way: that is the matter of the rules, not of processes. Split, nobody is disconnected, and what is sent while
    business is away is answered "retry": it comes half a second late. Merged, each deploy costs each user a reconnect, and everybody knocks
    at the same door at once. Asked to go, one process is no better: its database has no second process, so nobody serves those who have
    left. In calm one process uses less CPU for a message, since it wakes up once for what two wake up for.

What would surprise us
    A loss anywhere; a split server that disconnects somebody; a way of replacing one process that costs its users less than a kill of
    business alone; a merged server that saves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from model.core.policies import Timers
from model.history.schema import Contract, Kind
from model.scenario import Drain, Fault, Kill, Scenario, faults
from model.scenario.sweep import Axis, Choice, Measure, Sweep
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

if TYPE_CHECKING:
    from scenarios.running.replicate import Figures, Finished

AT_S, DOWN_S = (4.0, 12.0, 20.0, 28.0), 0.5

SCENARIO = Scenario(
    name="split_or_merged",
    question="Business code is deployed every 8 s: what do users notice where the access layer is a service of its own, and where not?",
    gateways=1,
    population=PopulationPlan(users=200, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=200.0, payload_bytes=120, direct_share=0.5),
    timers=Timers(drain_lead_us=1_000_000, drain_window_us=4_000_000, drain_grace_us=1_000_000),
    ramp_s=2.0,
    duration_s=40.0,
    faults=tuple(Kill("business", at_s, at_s + DOWN_S) for at_s in AT_S),
    contract=Contract(window_us=2_000_000),
    expected={"cursor": "valid"},
)


def _ways(scale: float = 1.0) -> Axis:
    """The servers and how they are deployed, at instants of a run of that scale."""

    def drained(label: str, policy: str) -> Choice:
        asked = (faults.scaled(Drain("gateway-1", at_s, at_s + DOWN_S), scale) for at_s in AT_S)
        return Choice(label, ("merged=true", f"policies.drain={policy}", _setting(asked)))

    return Axis(
        "server",
        (
            Choice("split: killed"),
            Choice("merged: killed", ("merged=true",)),
            drained("merged: drained", "at_once"),
            drained("merged: one by one", "redirect"),
            Choice("split: calm", (_setting(()),)),
            Choice("merged: calm", ("merged=true", _setting(()))),
        ),
    )


def _setting(planned: Iterable[Fault]) -> str:
    return f"faults={msgspec.json.encode(list(planned)).decode()}"


SWEEP = Sweep(
    axes=(_ways(),),
    measures=(
        Measure("lost", "lost", of="owed"),
        Measure("reconnects_mean", "reconnects, mean"),
        Measure("attempts_mean", "attempts, mean"),
        Measure("away_ms_mean", "without a session, mean", "ms"),
        Measure("failed", "sends failed", of="sends"),
        Measure("retried", "sends repeated", of="sends"),
        Measure("late_pairs", "over 200 ms", of="owed_pairs"),
        Measure("ack_p99_ms", "ack p99", "ms"),
        Measure("end_to_end_p50_ms", "live p50", "ms"),
        Measure("cpu_us_per_send", "CPU per send", "us"),
    ),
    replications=5,
    short_axes=(_ways(SCENARIO.short_scale),),
)


def figures(run: Finished) -> Figures:
    """What users noticed: disconnects, failed and repeated sends, lateness; and what a message cost."""
    from scenarios.running.replicate import common
    from scenarios.running.sessions import of_sends, of_sessions

    return common(run.judged) | of_sessions(run.history) | of_sends(run.history) | {"cpu_us_per_send": _cost_us(run)}


def _cost_us(run: Finished) -> float | None:
    """CPU of the whole server, its storage thread with it, for a send with its ack and its deliveries.

    From the end of the warm-up on, in either world. To be compared in calm: the start of a process costs, too.
    """
    server = [of for name, of in run.counters.items() if name in ("business", "storage") or name.startswith("gateway")]
    sends = run.history.t_us[run.history.rows_of(Kind.INTEND)] >= run.scenario.at_us(run.scenario.warm_up_s)
    return sum(of.get("measured_cpu_us", of["cpu_us"]) for of in server) / sends.sum() if sends.any() else None


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
