"""A timer for every message and resends, or a log and a cursor: which of them is the way to reliable delivery?

Question
    The one design gives every delivered message a timer, repeats it until the device acknowledges it, and forgets it after some tries. The
    other keeps a log and lets each device pull what lies above its cursor. What do users lose, see twice or out of order under each,
    when an outage lasts seconds, and when it lasts longer than a pending list does? How soon does what was missed come after the return?

Set-up
    60 users on two gateways, direct pairs and groups of five, 40 messages a second for 60 s. Six designs, so that no numbers can be blamed:

    - *timer without pull*: ``timer`` by its timers alone. Three tries of a send; pending for 15 s: a timer of 5 s, two resends.
    - *timer*: the preset, which also asks the log, after each log-in, for what is newer than the newest it has.
    - *generous timer*: the same with 20 tries and 60 resends: pending for five minutes, longer than any outage here.
    - *timer and rest of cursor*: generous timers in place of log and cursor, no pull, and everything else of ``cursor``: sends that are
      repeated until answered, acks after the commit, durable dedupe, dedupe at the device across connections, fenced goodbyes.
    - *timer + pull and rest of cursor*: the same, and the pull of ``timer``.
    - *cursor*: the reference design.

    Business keeps a message pending for a device that is attached when the message comes. Outages: a gateway killed; business killed and
    away for 2, 8 or 20 s; connections that a gateway has lost and their devices believe in (half-open); connections that a NAT has
    forgotten, in which both ends believe until a heartbeat of 5 to 40 s finds out; half of the users with their app closed for 5 or 30 s.

Expectation
    Without a pull, timers lose what they gave up, what business had in memory when it died, and whatever was said to somebody who was not
    there; longer ones lose less of the first only. The preset survives by its pull, that is by a log, and shows things out of order.
    ``cursor`` loses nothing, repeats nothing and keeps the order, whatever the length, in about the same bytes; what was missed comes at
    once after the return, instead of with the next resend.

What would surprise us
    A timer that loses nothing by resends alone; a loss, duplicate or disorder under ``cursor``; a cursor that costs twice the frames or
    CPU.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from model.core.policies import SECOND
from model.history.columns import History
from model.history.schema import Contract, Kind, Via
from model.scenario import Fault, HalfOpen, Kill, NatDrop, Scenario
from model.scenario.sweep import PRESET, Axis, Choice, HeatMap, Measure, Sweep
from model.workload.personas import Persona
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios import mechanism_ladder
from scenarios.running.replicate import Figures, Finished

SCENARIO = Scenario(
    name="timer_or_cursor",
    question="A timer and resends for every message, or a log and a cursor: what do users lose, and how soon is what they missed there?",
    gateways=2,
    population=PopulationPlan(users=60, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=40.0, payload_bytes=120, direct_share=0.5),
    ramp_s=1.0,
    warm_up_s=2.0,
    duration_s=60.0,
    faults=(NatDrop("gateway-1", at_s=5.0, heal_s=6.0, idle_s=0.02),),
    contract=Contract(fails={"outage": False, "not_recovered": False}),
    expected={"cursor": "valid"},
    short_scale=1 / 6,
)

GENEROUS: Final = ("timers.send_tries_max=20", "timers.resends_max=60")
BY_TIMER: Final = (f"{PRESET}=cursor", "policies.delivery=pending", "policies.device_order=arrival", *GENEROUS)
"""All of ``cursor`` but log, cursor and the order by sequence, which would wait for ever for what was given up."""
DESIGNS: Final = Axis(
    "design",
    (
        Choice("timer without pull", (f"{PRESET}=timer", "policies.catch_up=none")),
        Choice("timer", (f"{PRESET}=timer",)),
        Choice("generous timer", (f"{PRESET}=timer", *GENEROUS)),
        Choice("timer and rest of cursor", (*BY_TIMER, "policies.catch_up=none")),
        Choice("timer + pull and rest of cursor", (*BY_TIMER, "policies.catch_up=newest")),
        Choice("cursor", (f"{PRESET}=cursor",)),
    ),
)


def _outage(label: str, *faults: Fault, settings: tuple[str, ...] = ()) -> Choice:
    return Choice(label, (f"faults={msgspec.json.encode(faults).decode()}", *settings))


def _dead(label: str, fault: Fault, heartbeat_s: float, k: float) -> Choice:
    """Connections die and at least the device does not know until its heartbeat is not answered."""
    heartbeat_us = round(heartbeat_s * k * SECOND)
    return _outage(f"{label} (heartbeat {heartbeat_s:g} s)", fault, settings=(f"timers.heartbeat_us={heartbeat_us}",))


def _closed(away_s: float, k: float) -> Choice:
    mix = ((Persona(), 0.5), (Persona(open_s=5.0 * k, away_s=away_s * k, linger_s=1.0 * k), 0.5))
    return _outage(f"app closed for {away_s:g} s", settings=(f"workload.personas={msgspec.json.encode(mix).decode()}",))


def _business_away(away_s: float, k: float) -> Choice:
    return _outage(f"business away {away_s:g} s", Kill("business", at_s=5.0 * k, back_s=(5.0 + away_s) * k))


def _outages(k: float) -> Axis:
    """The outages, times scaled by ``k``: those of an axis are not the scenario's, which its short form scales."""
    return Axis(
        "outage",
        (
            _outage("none"),
            _outage("gateway killed", Kill("gateway-1", at_s=5.0 * k, back_s=7.0 * k)),
            *(_business_away(away_s, k) for away_s in (2.0, 8.0, 20.0)),
            _dead("half-open", HalfOpen("gateway-1", at_s=5.0 * k), 10.0, k),
            *(
                _dead("NAT forgets", NatDrop("gateway-1", 5.0 * k, 6.0 * k, idle_s=0.02), beat_s, k)
                for beat_s in (5.0, 10.0, 20.0, 40.0)
            ),
            *(_closed(away_s, k) for away_s in (5.0, 30.0)),
        ),
    )


SWEEP = Sweep(
    axes=(_outages(1.0), DESIGNS),
    measures=(
        Measure("lost_pairs", "lost", of="owed"),
        Measure("shown_twice", "shown twice", of="owed"),
        Measure("out_of_order", "messages out of order", of="sends"),
        Measure("unsure", "never known to be sent", of="sends"),
        Measure("return_p90_ms", "p90 of what was missed, after the return", "ms"),
        Measure("frames_per_delivery", "frames of messages per delivery"),
        Measure("cpu_us_per_delivery", "CPU per delivery", "us"),
    ),
    pictures=(
        HeatMap("lost_pairs", x="outage", y="design", log=False),
        HeatMap("out_of_order", x="outage", y="design", log=False),
        HeatMap("return_p90_ms", x="outage", y="design"),
    ),
    replications=3,
    short_axes=(
        mechanism_ladder.in_short(
            _outages(SCENARIO.short_scale),
            "gateway killed",
            "business away 8 s",
            "NAT forgets (heartbeat 40 s)",
            "app closed for 30 s",
        ),
    ),
    short_replications=2,
)


def figures(run: Finished) -> Figures:
    """Those of the ladder, and how soon what was missed was there after a return."""
    return mechanism_ladder.figures(run) | {"return_p90_ms": return_ms(run.history, 0.9)}


def return_ms(history: History, quantile: float) -> float | None:
    """Of what was sent (and known to be) before a device's latest log-in and first shown after it: a quantile of the time since the log-in,
    in ms; None with fewer than ten samples beyond it."""
    waits_us = np.sort(_waits_us(history))
    if len(waits_us) * (1 - quantile) < 10:
        return None
    return float(waits_us[int(np.ceil(quantile * len(waits_us))) - 1]) / 1e3


def _waits_us(history: History) -> np.ndarray:
    shown = history.rows_of(Kind.DELIVER)
    shown = shown[history.via[shown] != Via.OWN]
    _, first = np.unique(history.message[shown] * (int(history.device.max()) + 1) + history.device[shown], return_index=True)
    shown = np.sort(shown[first])
    ok = history.rows_of(Kind.OK)
    ok_us = np.full(int(history.message.max(initial=0)) + 1, np.iinfo(np.int64).max)
    ok_us[history.message[ok]] = history.t_us[ok]
    ready_us = _latest_ready_us(history)[shown]
    missed = (ready_us >= 0) & (ok_us[history.message[shown]] < ready_us)
    return np.asarray((history.t_us[shown] - ready_us)[missed])


def _latest_ready_us(history: History) -> np.ndarray:
    """For each row that shows something, when its device last came in, -1 for never; shape (rows,)."""
    latest, found = dict[int, int](), np.full(len(history), -1)
    for row in history.rows_of(Kind.READY, Kind.DELIVER).tolist():
        device = int(history.device[row])
        if history.kind[row] == Kind.READY:
            latest[device] = int(history.t_us[row])
        else:
            found[row] = latest.get(device, -1)
    return found


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
