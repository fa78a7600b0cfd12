"""A broker that is not ours is killed under load and is back two seconds later: what do its users notice, at each quality of service?

Question
    MQTT promises "at most once" (QoS 0), "at least once" (QoS 1) and "exactly once" (QoS 2). People build chat on it. What do users
    of mosquitto lose, see twice or see out of order when the broker is killed, under load, with persistence as Debian ships it?

Set-up
    The schedule, users and groups of ``access_restart``, with one place to connect to: 200 users, 200 messages a second, 30 s. A
    conversation is a topic, a device a client with a persistent session. The one process is killed (kill -9) at 10 s and started again
    at 12 s; nobody waits longer than a second before trying again, for back-off is not what is asked about. Presets ``qos0``, ``qos1``
    and ``qos2`` are mosquitto's, ``qos1_saved`` and ``qos2_saved`` the same with a broker that writes its state every second;
    ``naive``, ``timer`` and ``cursor`` play the same schedule on the reference server, whose gateway is killed.

Expectation
    ``qos0`` loses what was under way and all that was said while somebody was away: invalid. ``qos1`` and ``qos2`` answer for a
    message before it is on disk: kill -9 takes sessions and subscriptions along, so that whoever is back first talks to topics
    nobody has subscribed to again, and is told "sent": invalid. With the state saved every second the sessions survive, and what is
    lost, or shown twice, is what the last second changed, which may be nothing: no verdict is expected. ``cursor``: valid.

What would surprise us
    No loss at QoS 1 or 2 without saved sessions; a loss of what was said once everyone was back; a loss or a duplicate under
    ``cursor``.
"""

from __future__ import annotations

from model.core.policies import Timers
from model.scenario import Kill, Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

SCENARIO = Scenario(
    name="mosquitto_restart",
    question="A broker that is not ours is killed under load and is back a moment later: what do its users lose, at each QoS?",
    gateways=1,
    population=PopulationPlan(users=200, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=200.0, payload_bytes=120, direct_share=0.5),
    duration_s=30.0,
    timers=Timers(backoff_max_us=1_000_000),
    faults=(Kill("gateway-1", at_s=10.0, back_s=12.0),),
    expected={"naive": "invalid", "timer": "invalid", "cursor": "valid", "qos0": "invalid", "qos1": "invalid", "qos2": "invalid"},
)

if __name__ == "__main__":
    from scenarios.running.command import run_script

    run_script(SCENARIO.name)
