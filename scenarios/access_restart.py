"""An access gateway dies under load and is back two seconds later: what do its users notice?

Question
    Half of the users lose their connection at once, in the middle of what they were saying, and come back a moment later. What do
    they lose, see twice or see out of order, and how long are they cut off, under each way of delivering messages?

Set-up
    Two gateways and one business node; 200 users with one device each, half at home on either gateway; direct pairs and groups of
    five. 200 messages a second, open, for 30 s. ``gateway-1`` is killed (kill -9) at 10 s and started again at 12 s; afterwards the
    run drains and everything is read back.

Expectation
    ``naive`` loses what was under way to and from the dead gateway and all that was said while its users were away: invalid.
    ``timer`` resends what was not acknowledged, but forgets what it gave up, knows a message again only within one connection, and
    shows in the order of arrival: invalid. ``cursor`` misses nothing, shows nothing twice and keeps the order: valid.

What would surprise us
    A loss or a duplicate under ``cursor``; no loss under ``naive``; users of ``gateway-2`` who notice anything but late messages from
    the other half; an outage much longer than the gateway was away; a verdict that differs between the two worlds.
"""

from __future__ import annotations

from model.scenario import Kill, Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

SCENARIO = Scenario(
    name="access_restart",
    question="A gateway is killed under load and is back a moment later: what do its users lose, see twice or see out of order?",
    gateways=2,
    population=PopulationPlan(users=200, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=200.0, payload_bytes=120, direct_share=0.5),
    duration_s=30.0,
    faults=(Kill("gateway-1", at_s=10.0, back_s=12.0),),
    expected={"naive": "invalid", "timer": "invalid", "cursor": "valid"},
)

if __name__ == "__main__":
    from scenarios.running.command import run_script

    run_script(SCENARIO.name)
