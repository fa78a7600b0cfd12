"""Half direct messages, half groups of five, and nothing fails: how late are messages, and what is busy meanwhile?

Question
    The mix of messages that a calibration plays, 100 users on two gateways: is every message shown in time when nothing goes wrong?

Set-up
    Two gateways and one business node; 100 users with one device each; half of the messages go to one person, half into groups of five,
    so that a message is shown 2.5 times. 200 messages a second, open, for 10 s; no faults. The promise: 99 of 100 within 200 ms.

Expectation
    Every design is valid, since what they differ in shows when connections die. p99 is a few milliseconds, far from the promise: ``imbench
    capacity standard_mix`` finds up to which rate it is kept.

What would surprise us
    A loss under any design; a p99 near the promise at this rate.
"""

from __future__ import annotations

from model.history.schema import Contract, LatencyPromise
from model.scenario import Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

SCENARIO = Scenario(
    name="standard_mix",
    question="Half direct messages and half groups of five, and nothing fails: are 99 of 100 messages shown within 200 ms?",
    gateways=2,
    population=PopulationPlan(users=100, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=200.0, payload_bytes=120, direct_share=0.5),
    ramp_s=1.0,
    warm_up_s=1.0,
    duration_s=10.0,
    contract=Contract(latency=(LatencyPromise("end_to_end", 0.99, 200_000),), quiet_us=500_000, drain_bound_us=30_000_000),
    expected={"naive": "valid", "timer": "valid", "cursor": "valid"},
    short_scale=0.3,
)

if __name__ == "__main__":
    from scenarios.running.command import run_script

    run_script(SCENARIO.name)
