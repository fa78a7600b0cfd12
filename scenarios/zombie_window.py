"""A connection is dead and neither end knows: how long until the phone notices, what comes too late by then, and what does noticing cost?

Question
    A gateway's side forgets its connections, or a NAT on the way does; the phone believes in a connection on which nothing comes any more,
    a zombie. Heartbeats find out. How often is often enough, if each costs a battery a wake-up; and does a phone do better that finds
    the interval out by itself?

Set-up
    One gateway and one business node; 200 users with one device each, 10 messages a second between pairs, so that a phone is silent for
    ten seconds on average. **A second here stands for a minute of a phone's life**: pings every 1, 2, 4 or 8 s, a time-out of 0.5 s for
    the pong, and a NAT that forgets after 3 s, over one minute, are pings every 1 to 8 minutes and a NAT of 3 minutes over an hour.
    Energy and wake-ups are counted on that scale. Either the gateway's side loses half of all connections, three times; or the NAT is
    there for most of the time. ``adaptive`` begins at 1 s and tries a second more after three pings that were answered.

Expectation
    After a break by a fault the window is what is left of the interval, and the time-out: half an interval on average, one at most, and
    the time-out. A NAT never makes a zombie of a phone that pings in time; of one that does not it makes one in every silence, for the
    interval less what the NAT bears. ``cursor`` loses nothing in the window, all of it comes late; ``naive`` loses it. Energy falls as
    one over the interval. ``adaptive`` pays for what it learns with a few zombies, and then pings as seldom as the NAT bears; without a
    NAT its windows are as long as the longest interval it has reached.

What would surprise us
    A window longer than the interval and the time-out; a loss under ``cursor``; a fixed interval below the NAT's that makes zombies;
    ``adaptive`` that goes on losing connections after it has learnt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from model.analysis import clients
from model.core.policies import Timers
from model.history.schema import Contract
from model.scenario import Fault, HalfOpen, NatDrop, Scenario, faults
from model.scenario.sweep import PRESET, Axis, Choice, Measure, Sweep, axis
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

if TYPE_CHECKING:
    from scenarios.running.heartbeats import Session
    from scenarios.running.replicate import Figures, Finished

PHONE: Final = 60
"""Seconds of a phone's life that a second of the scenario stands for, where a battery is concerned."""
BYTES: Final = 246
"""A ping, its pong and their acknowledgements with all headers (docs/model.md)."""
LOST: Final = tuple(HalfOpen("gateway-1", at_s=at_s, share=0.5) for at_s in (12.0, 24.0, 36.0))
NAT: Final = (NatDrop("gateway-1", at_s=8.0, heal_s=46.0, idle_s=3.0),)

SCENARIO = Scenario(
    name="zombie_window",
    question="A connection is dead and neither end knows: how long until the phone notices, and what does it cost to notice sooner?",
    gateways=1,
    population=PopulationPlan(users=200, groups_per_user=0),
    workload=WorkloadPlan(rate_per_s=10.0, payload_bytes=120, direct_share=1.0),
    timers=Timers(
        heartbeat_us=1_000_000,
        heartbeat_max_us=8_000_000,
        heartbeat_step_us=1_000_000,
        pong_timeout_us=500_000,
        idle_heartbeats=3,
    ),
    ramp_s=2.0,
    duration_s=60.0,
    faults=LOST,
    contract=Contract(fails={"outage": False, "not_recovered": False}, quiet_us=3_000_000),
    expected={"cursor": "valid", "naive": "invalid"},
    short_scale=0.16,
)


def _breaks(scale: float = 1.0) -> Axis:
    def choice(label: str, planned: tuple[Fault, ...]) -> Choice:
        written = msgspec.json.encode([faults.scaled(fault, scale) for fault in planned]).decode()
        return Choice(label, (f"faults={written}",))

    return Axis("break", (choice("connections lost", LOST), choice("NAT forgets", NAT)))


def _beats(scale: float = 1.0) -> Axis:
    fixed = (Choice(f"{every} s", (f"timers.heartbeat_us={round(every * 1e6 * scale)}",)) for every in (1, 2, 4, 8))
    return Axis("heartbeat", (*fixed, Choice("adaptive", ("policies.heartbeat=adaptive",))))


SWEEP = Sweep(
    axes=(axis(PRESET, "cursor", "naive"), _breaks(), _beats()),
    measures=(
        Measure("dropped", "zombies"),
        Measure("dropped_max", "of one phone, most"),
        Measure("zombie_p50_ms", "window, median", "ms"),
        Measure("zombie_max_ms", "window, longest", "ms"),
        Measure("known_mean_ms", "closed form, mean", "ms"),
        Measure("known_max_ms", "closed form, longest", "ms"),
        Measure("lost", "lost", of="owed"),
        Measure("late_pairs", "over 200 ms", of="owed_pairs"),
        Measure("kib_per_h", "heartbeats", "KiB/h"),
        Measure("wake_ups_per_h", "wake-ups, 4G", "1/h"),
        Measure("joules_per_h", "energy, 4G", "J/h"),
    ),
    replications=5,
    short_axes=(_breaks(SCENARIO.short_scale), _beats(SCENARIO.short_scale)),
)


def figures(run: Finished) -> Figures:
    """Zombies, what is lost and late, and what heartbeats cost; beside them what is known of a device with a fixed interval."""
    from scenarios.running.heartbeats import of_zombies, sessions
    from scenarios.running.replicate import common
    from scenarios.running.sessions import of_sessions

    found = sessions(run)
    own = of_zombies(run, found) | cost(run, found) | known(run.scenario)
    return common(run.judged) | of_sessions(run.history) | own


def cost(run: Finished, found: list[Session]) -> Figures:
    """Of one device in an hour of a phone's life: bytes of heartbeats, wake-ups and energy of its radio with all that it says and hears."""
    from model.analysis.radio import RADIOS, of_traffic

    scenario = run.scenario
    begin_us, end_us = scenario.load_begin_us, scenario.at_us(scenario.duration_s)
    scale = PHONE * SCENARIO.timers.heartbeat_max_us / scenario.timers.heartbeat_max_us  # in the short form all is shorter
    devices = len(run.history.names.devices)
    pings = sum(begin_us <= at_us < end_us for session in found for at_us in session.pings_us)
    by_device: dict[int, list[int]] = {}
    for session in found:
        by_device.setdefault(session.device, []).extend(t for t in session.traffic_us if begin_us <= t < end_us)
    span_us = (end_us - begin_us) * scale
    costs = [of_traffic(RADIOS["4g"], [round(t * scale) for t in sorted(at)], 0, round(span_us)) for at in by_device.values()]
    hours = span_us / 3_600_000_000
    return {
        "pings_per_h": pings / devices / hours,
        "kib_per_h": pings * BYTES / 1024 / devices / hours,
        "wake_ups_per_h": sum(one.wake_ups for one in costs) / devices,
        "joules_per_h": sum(one.joules for one in costs) / devices,
    }


def known(scenario: Scenario) -> Figures:
    """What is known of the window of a device that is silent but for its pings, in milliseconds; of one that adapts, the most it can be."""
    timers, nat = scenario.timers, [fault.idle_s for fault in scenario.faults if isinstance(fault, NatDrop)]
    adaptive = scenario.policies.get("heartbeat") == "adaptive"
    interval_us = timers.heartbeat_max_us if adaptive else timers.heartbeat_us
    mean_s, longest_s = clients.zombie(interval_us / 1e6, timers.pong_timeout_us / 1e6, nat[0] if nat else 0.0)
    return {"known_mean_ms": None if adaptive else mean_s * 1e3, "known_max_ms": longest_s * 1e3}


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
