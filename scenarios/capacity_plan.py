"""How many gateways does a stated load need, so that 99 of 100 messages come in time?

Question
    Users talk in large groups, so every message goes out a hundred times. Up to which rate does the 99th percentile stay within the
    promise, with one gateway, two or three; and how good a guide is the pocket formula, M/M/c, with the measured service times?

Set-up
    1000 users in groups of 100, everyone in two; one business node; each role on a core of its own with the service times of
    ``model/sim/service_times.json``. Messages come as a Poisson stream for 3 s at each rate. The promise: 99 of 100 deliveries within 10 ms
    of the intended send. Beside the simulation stands M/M/c: gateways are servers of one line, business is one more server behind it, and
    a message costs both what its frames and envelopes cost, a turn of the loop each left out.

Expectation
    A message to a hundred people costs a gateway a hundred writes, 4 to 10 us each on machines like ours, so it takes one to two thousand
    a second; two gateways take twice that. M/M/c finds where a second one is needed. It says that the delay grows without end from there
    on, which the simulation need not: the longer a turn, the more messages to one connection share a write, so a gateway that is late does
    less for each. The fewer the connections, the more so: with 200 users instead of 1000, one gateway keeps 10 ms at 7000 a second.

What would surprise us
    A second gateway that does not help; one that M/M/c calls for and the simulation does not.
"""

from __future__ import annotations

from statistics import fmean
from typing import Final

import pandas as pd

from model.analysis import queues
from model.history.schema import Contract, LatencyPromise
from model.scenario import Scenario
from model.scenario.networks import resolved
from model.scenario.sweep import Curves, Measure, Sweep, axis
from model.sim.service_times import ServiceTimes
from model.workload import amounts
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.replicate import Figures, Finished, common, cpu
from scenarios.running.times import asked_for

PROMISE_MS: Final = 10.0

SCENARIO = Scenario(
    name="capacity_plan",
    question="How many gateways does a stated load need, so that 99 of 100 messages come within 10 ms?",
    gateways=1,
    population=PopulationPlan(users=1000, group_size=100, groups_per_user=2),
    workload=WorkloadPlan(rate_per_s=20.0, payload_bytes=120, direct_share=0.0),
    ramp_s=2.0,
    warm_up_s=0.5,
    duration_s=3.5,
    contract=Contract(
        latency=(LatencyPromise("end_to_end", 0.99, round(PROMISE_MS * 1e3)),), quiet_us=1_000_000, drain_bound_us=30_000_000
    ),
    expected={"cursor": "valid"},
    short_scale=1.0,  # it is short as it is, and an ack delay that is scaled would change what a message costs
)

SWEEP = Sweep(
    axes=(axis("gateways", 1, 2, 3), axis("workload.rate_per_s", 100, 400, 800, 1200, 1600, 2000, 2400)),
    measures=(
        Measure("end_to_end_p99_ms", "p99", "ms"),
        Measure("mmc_p99_ms", "p99, M/M/c", "ms"),
        Measure("gateway_busy", "busiest gateway", "busy"),
        Measure("business_busy", "business", "busy"),
        Measure("lost", "messages lost", of="owed"),
    ),
    pictures=(Curves(("end_to_end_p99_ms", "mmc_p99_ms"), x="workload.rate_per_s", log_x=False),),
    replications=3,
    short_settings=("duration_s=0.7", "warm_up_s=0.2"),
    short_axes=(axis("gateways", 1, 2), axis("workload.rate_per_s", 100, 800, 2400)),
)


def figures(run: Finished) -> Figures:
    """The delay of one run, how busy its roles were after the warm-up, and what the formula says."""
    found, spent, measured_s = common(run.judged), cpu(run), run.scenario.duration_s - run.scenario.warm_up_s
    return {
        **{name: found[name] for name in ("end_to_end_p50_ms", "end_to_end_p99_ms", "lost", "owed", "failing")},
        "gateway_busy": _busy(spent["gateway_cpu_s_max"], measured_s),
        "business_busy": _busy(spent["business_cpu_s"], measured_s),
        "mmc_p99_ms": formula_ms(run.scenario, asked_for(), 0.99),
    }


def _busy(cpu_s: float | None, measured_s: float) -> float | None:
    """CPU over the time in which it was used; what is left over when the load ends is in neither."""
    return None if cpu_s is None or measured_s <= 0 else cpu_s / measured_s


def services_us(scenario: Scenario, times: ServiceTimes) -> tuple[float, float]:
    """What a message costs the gateways and business, in microseconds of one core, turns and bytes of payload left out.

    A message to n members is a frame in, an envelope to business, one envelope to each gateway and n - 1 frames out, each written to a
    connection of its own, and an envelope and a frame for its answer. A device acknowledges what it saw ``receive_ack_delay_us`` after
    the first of it: an ack for each cycle of that delay and the wait for the next message; each is a frame in, an envelope and the way
    back.
    """
    members, rate = amounts.mean(scenario.population.group_size), scenario.workload.rate_per_s
    seen_per_s = rate * members / scenario.population.users
    acks = members / (1 + seen_per_s * scenario.timers.receive_ack_delay_us / 1e6)
    frame_out = times.gateway_write_us + times.gateway_frame_out_us
    there_and_back = times.gateway_forward_us + times.gateway_envelope_us + frame_out
    gateway = (1 + acks) * there_and_back + scenario.gateways * times.gateway_envelope_us + (members - 1) * frame_out
    answer = times.business_envelope_out_us + times.business_target_us
    business = (
        (times.business_send_us + times.business_result_us + answer + acks * (times.business_receive_ack_us + answer))
        + scenario.gateways * times.business_envelope_out_us
        + (members - 1) * times.business_target_us
    )
    return gateway, business


def formula_ms(scenario: Scenario, times: ServiceTimes, q: float) -> float:
    """The quantile of the response by M/M/c for the gateways, with the mean of M/M/1 for business and of a commit, and links without
    their jitter; infinite at and above the knee. Services are exponential there, and a message costs a gateway nearly always the same, so
    it says too much far below the knee."""
    rate = scenario.workload.rate_per_s / 1e6
    gateway, business = services_us(scenario, times)
    try:
        before = queues.mmc_response_quantile(rate, gateway, scenario.gateways, q)
        behind = queues.mm1(rate, business).response
    except queues.TheoryError:
        return float("inf")
    way_us = sum(
        share * network.delay_us for network, share in resolved(scenario.network)
    )  # the least; the mean where networks are mixed
    commit = times.storage_commit_us + times.storage_row_us + times.storage_conversation_us + fmean(times.storage_sync_us[0])
    return (before + behind + commit + 2 * way_us) / 1e3


def conclusion(table: pd.DataFrame) -> str:
    """For each rate the least number of gateways that kept the promise in every replication; one without a figure has not shown it."""
    lines = [f"gateways needed for p99 within {PROMISE_MS:g} ms in every replication:"]
    for rate, rows in table.groupby("workload.rate_per_s", sort=False):
        found = [_least(rows, name) for name in ("end_to_end_p99_ms", "mmc_p99_ms")]
        lines.append(f"  {rate} messages a second: {found[0]} by simulation, {found[1]} by M/M/c")
    return "\n".join(lines)


def _least(rows: pd.DataFrame, name: str) -> str:
    for gateways, part in rows.groupby("gateways", sort=False):
        late = part[name].astype(float)
        if late.notna().all() and late.max() <= PROMISE_MS:
            return str(gateways)
    return "more than all tried"


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
