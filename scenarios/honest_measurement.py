"""Does the measurement tell what happened? The same standstill, asked by an open load, by a closed loop, and by a generator short of CPU.

Question
    A server stands still for a second, or can do less than it is asked for. Which way of asking shows that, and which hides it? And is a
    generator that was itself too slow found out, in place of being taken for a slow server, or for a quick one?

Set-up
    One gateway, four users in two direct conversations, 100 messages a second for 12 s; 99 of 100 are promised within 200 ms end to end.
    ``load`` is *open* (a schedule that waits for nobody) or *closed* (each user waits for the answer, then thinks; without any wait they
    would come to the same 100 a second). ``trouble`` is *none*; a *stall*: the gateway is stopped (SIGSTOP) for a second; *overload*:
    for seven seconds each user's connection carries fewer bits than the messages have; or *starved*: the generator itself is stopped,
    for a tenth of a second in every half. Latencies count from the intended time, in a closed loop from when the user has thought
    enough. Beside them stand the uncorrected ones, from the first write, and what HdrHistogram's correction makes of a closed loop's.
    What it costs to observe a run is measured by ``tests/benchmarks/bench_observers.py``.

Expectation
    Stall: of 1,200 messages the 100 that fall into that second wait for up to a second, so p99 of the open load is 0.88 s: invalid. In
    the closed loop four users wait, once each, which is less than 1 %: p99 is a few milliseconds, and the run is *valid*. Overload: the
    open load is later and later as long as it lasts; the closed loop sends less instead and stays within the promise. Starved: the
    server is well and latencies are not; the verdict is harness_invalid under either load, never valid nor invalid.

What would surprise us
    An uncorrected p99 of the open load far below the corrected one while the server is at fault: our clients write at once what their users
    want, so here it is the waiting that flatters, not the instant from which one counts. A closed loop that shows the stall in its p99. A
    starved run that blames, or acquits, the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from model.analysis.omission import filled_in
from model.checkers.case import Case
from model.checkers.latency import nearest_rank
from model.history.schema import Contract, LatencyPromise
from model.scenario import Pause, Scenario, Starved, Throttle
from model.scenario.sweep import Axis, Choice, HeatMap, Measure, Sweep
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.replicate import Figures, Finished

PROMISE_MS: Final = 200
BIT_S: Final = 50_000.0
"""Of each connection under overload. A user sends 25 messages a second and is sent as many, with answers and acks to all of them; that
needs more, as a run shows."""
SHORT: Final = 0.5


def stall(k: float = 1.0) -> Pause:
    """The gateway stands still."""
    return Pause("gateway-1", 5.0 * k, 6.0 * k)


SCENARIO = Scenario(
    name="honest_measurement",
    question="A server stands still for a second: which way of measuring shows it, and which hides it?",
    gateways=1,
    population=PopulationPlan(users=4, groups_per_user=0),
    workload=WorkloadPlan(rate_per_s=100.0, payload_bytes=120, direct_share=1.0),
    ramp_s=1.0,
    warm_up_s=1.0,
    duration_s=12.0,
    faults=(stall(),),
    contract=Contract(
        latency=(LatencyPromise("end_to_end", 0.99, PROMISE_MS * 1000),),
        fails={"outage": False, "not_recovered": False},  # how long it takes to be well again is another question
        window_us=1_000_000,
        quiet_us=2_000_000,
    ),
    expected={"naive": "invalid", "timer": "invalid", "cursor": "invalid"},
    short_scale=SHORT,
)

LOADS: Final = Axis(
    "load",
    (
        Choice("open", ('workload.arrivals={"shape":"poisson"}',)),
        Choice("closed", ('workload.arrivals={"shape":"closed"}',)),
    ),
)


def _trouble(label: str, faults: Sequence[Any] = (), starved: Starved | None = None) -> Choice:
    fields = {"faults": list(faults), "starved": starved}
    return Choice(label, tuple(f"{field}={msgspec.json.encode(value).decode()}" for field, value in fields.items()))


def troubles(k: float = 1.0) -> Axis:
    """What goes wrong, in a run whose times are multiplied by ``k``."""
    overload = Throttle("gateway-1", 2.0 * k, 9.0 * k, BIT_S)
    starved = Starved(2.0 * k, 10.0 * k)
    return Axis(
        "trouble",
        (
            _trouble("none"),
            _trouble("stall", [stall(k)]),
            _trouble("overload", [overload]),
            _trouble("starved", starved=starved),
        ),
    )


SWEEP = Sweep(
    axes=(LOADS, troubles()),
    measures=(
        Measure("end_to_end_p99_ms", "p99 end to end", "ms"),
        Measure("uncorrected_p99_ms", "p99 from the first write", "ms"),
        Measure("put_right_p99_ms", "p99 put right afterwards", "ms"),
        Measure("sends", "messages sent"),
        Measure("valid", "runs that end as valid", of="runs"),
        Measure("harness_invalid", "runs that end as harness_invalid", of="runs"),
    ),
    pictures=(HeatMap("end_to_end_p99_ms", x="load", y="trouble"), HeatMap("sends", x="load", y="trouble", log=False)),
    replications=5,
    short_axes=(troubles(SHORT),),
)


def figures(run: Finished) -> Figures:
    """Latencies by nearest rank, as promises are judged, however few the samples; and what the run was taken for."""
    samples = Case(run.history).latencies
    return {
        "runs": 1.0,
        "valid": float(run.judged.verdict == "valid"),
        "harness_invalid": float(run.judged.verdict == "harness_invalid"),
        "sends": float(len(samples.send_lag)),
        "end_to_end_p50_ms": _quantile_ms(samples.live, 0.5),
        "end_to_end_p99_ms": _quantile_ms(samples.live, 0.99),
        "end_to_end_max_ms": _quantile_ms(samples.live, 1.0),
        "uncorrected_p99_ms": _quantile_ms(samples.end_to_end_service, 0.99),
        "ack_p99_ms": _quantile_ms(samples.ack, 0.99),
        "service_p99_ms": _quantile_ms(samples.service, 0.99),
        "send_lag_p99_ms": _quantile_ms(samples.send_lag, 0.99),
        "put_right_p99_ms": _put_right_ms(run, samples.live),
    }


def _quantile_ms(samples: np.ndarray[Any, Any], quantile: float) -> float | None:
    return nearest_rank(samples, quantile) / 1e3 if len(samples) else None


def _put_right_ms(run: Finished, samples: np.ndarray[Any, Any]) -> float | None:
    """p99 as it would be if a closed loop had gone on sending; an open load has, and nothing is to be put right."""
    if not run.history.header.closed_loop or not np.isfinite(samples).all():
        return _quantile_ms(samples, 0.99)
    pace_us = 1e6 * run.scenario.population.users / run.scenario.workload.rate_per_s
    return _quantile_ms(filled_in(samples, pace_us), 0.99)


def conclusion(table: pd.DataFrame) -> str:
    """For each trouble what either load says of it: p99 (median of the replications), messages, and the verdict."""
    if table.duplicated(["load", "trouble", "seed"]).any():
        return "more was varied than load and trouble; see the table"
    lines = [f"p99 end to end, and verdicts (promised: {PROMISE_MS} ms):"]
    for trouble, rows in table.groupby("trouble", sort=False):
        told = [f"{load} {_told(part)}" for load, part in rows.groupby("load", sort=False)]
        lines.append(f"  {trouble}: {'; '.join(told)}")
    return "\n".join(lines)


def _told(rows: pd.DataFrame) -> str:
    counted = rows.dropna(subset=["runs"])
    if counted.empty:
        return "not counted: the harness failed"
    verdicts = counted["verdict"].unique()
    taken = verdicts[0] if len(verdicts) == 1 else "mixed verdicts"
    p99_ms = counted["end_to_end_p99_ms"].astype(float).median()
    return f"{p99_ms:.3g} ms, {taken}, {counted['sends'].astype(float).median():.0f} messages"


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
