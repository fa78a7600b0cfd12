"""A gateway dies and thousands want to log in again at once: which way of coming back, and which way of letting in, ends the storm?

Question
    Half of all users lose their connection in one instant. A log-in costs work, and a client that waits too long for its answer gives
    up and comes again, so the work on it was for nothing. How long does it take until 95 % are back, and how many attempts does it
    take, under each policy of backoff and of admission?

Set-up
    4,000 users on two gateways, one business node. A log-in costs the gateway 0.3 ms (a TLS handshake; signing with RSA-2048 alone
    takes about 0.2 ms of a core of ours, ``openssl speed rsa2048``) and business 5 ms (account, session, contacts: an assumption), so
    business can do 200 a second and the 2,000 of the dead gateway are ten seconds of work. Clients wait 5 s for their Welcome. Any user's
    connection breaks once in ten minutes on average, and a few messages are said. ``gateway-1`` is killed at 5 s and back at 7 s. Either
    gateway lets in 100 a second where it counts them, half of what business can do, or 100 at a time.
    Sizes scale: with k times the users and a k-th of the costs it is the same storm; ``--axis size=20k`` (100k, 1M) has more gateways, too,
    as each holds 19,000 connections. Every other one of them dies; at 1M, where the others could not hold all, all connections are cut.

Expectation
    Without jitter and with an open door business works on attempts whose clients have given up. Above a bound such a storm never ends
    (``model.analysis.clients.storm_bound``); 2,000 are just below it, so this one ends, after three times as long as its work takes, and
    with 4,800 users it does not (``--axis size=4.8k``). Jitter spreads the attempts, so it ends sooner, and late; admission keeps the line
    short and ends it in little more than the work takes. Clients that back off exponentially without jitter come back in waves, of which a
    counting door turns most away, for longer and longer. Hints lower the number of attempts and lengthen the storm, since a client waits
    for a hint and up to as long again.

What would surprise us
    A storm under full jitter and admission that takes three times as long as the work; no end where the door counts and clients have
    jitter; a message lost under ``cursor`` in any of it.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from model.core.limits import CONNECTIONS_MAX
from model.core.policies import Timers
from model.history.columns import History
from model.history.schema import Contract, Kind
from model.scenario import Cut, Kill, LoginCost, Scenario
from model.scenario.sweep import Axis, Choice, HeatMap, Measure, Sweep, axis
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.replicate import Figures, Finished, common, cpu

BACK: Final = 0.95
"""The share of those who were cut off after whose return a storm is over."""
MESSAGES_US: Final = 100
"""What business does for a log-in beside its work: an attachment and what answers it, generously."""
PEAK_US: Final = 100_000
"""The window in which attempts are counted for their peak: jitter within a second would not show in a longer one."""

SCENARIO = Scenario(
    name="reconnect_storm",
    question="A gateway dies and thousands log in again at once: how long until they are back, and at how many attempts?",
    gateways=2,
    population=PopulationPlan(users=4_000, groups_per_user=0),
    workload=WorkloadPlan(rate_per_s=20.0, direct_share=1.0),
    login=LoginCost(handshake_us=300.0, account_us=5_000.0),
    connection_life_s=600.0,
    timers=Timers(heartbeat_us=30_000_000, login_interval_us=10_000, login_hint_us=5_000_000),
    ramp_s=60.0,
    warm_up_s=2.0,
    duration_s=60.0,
    faults=(Kill("gateway-1", at_s=5.0, back_s=7.0),),
    contract=Contract(
        fails={"outage": False, "not_recovered": False, "latency": False}, quiet_us=1_000_000, drain_bound_us=30_000_000
    ),
    expected={"cursor": "valid"},
    short_scale=0.15,
)


def _door(label: str, *settings: str) -> Choice:
    names = ("policies.admission", "policies.admission_hint")
    return Choice(label, tuple(f"{name}={value}" for name, value in zip(names, settings, strict=True)))


DOORS: Final = Axis(
    "admission",
    (
        _door("open", "open", "none"),
        _door("bucket", "token_bucket", "none"),
        _door("bucket + one hint", "token_bucket", "fixed"),
        _door("bucket + own hints", "token_bucket", "spread"),
        _door("queue", "bounded_queue", "none"),
        _door("queue + own hints", "bounded_queue", "spread"),
    ),
)


def _sized(label: str, users: int, gateways: int) -> Choice:
    """The same storm with more users: the work of a log-in, and what a door lets in, go with them, as far as a log-in's own messages let
    them: at 1M those cost more than its work."""
    account_us = 5_000 * 4_000 / users
    work_us = account_us + MESSAGES_US
    one = (Cut(f"gateway-{k}", at_s=5.0) for k in range(1, gateways + 1))
    other = (Kill(f"gateway-{k}", at_s=5.0, back_s=7.0) for k in range(1, gateways, 2))
    under_way = round(1e6 / work_us / gateways)  # a second of work for business in all
    changes = {
        "gateways": gateways,
        "population.users": users,
        "ramp_s": max(60.0, 3 * users * work_us / 1e6),
        "login.account_us": account_us,
        "login.handshake_us": 300.0 * 2_000 * gateways / users,
        "timers.login_interval_us": round(work_us * gateways),
        "timers.logins_max": under_way,
        "timers.login_burst": under_way // 2,
        "faults": list(one if users // gateways > CONNECTIONS_MAX // 2 else other),
    }
    return Choice(label, tuple(f"{field}={msgspec.json.encode(value).decode()}" for field, value in changes.items()))


_WHOLE: Final = _sized("4k", 4_000, 2)
SIZES: Final = Axis(
    "size",
    (_WHOLE,),
    more=(
        Choice("4.8k", (*_WHOLE.settings, "population.users=4800", "ramp_s=75")),  # more users at the same work: above the bound
        _sized("20k", 20_000, 4),
        _sized("100k", 100_000, 12),
        _sized("1M", 1_000_000, 64),
    ),
)

SWEEP = Sweep(
    axes=(SIZES, axis("policies.backoff", "fixed", "exponential", "equal_jitter", "full_jitter", "decorrelated"), DOORS),
    measures=(
        Measure("time_to_95_s", "time to 95 % reconnected", "s"),
        Measure("attempts_per_client", "attempts per client"),
        Measure("attempts_peak_per_s", "peak of attempts in 0.1 s", "1/s"),
        Measure("gateway_cpu_s_max", "CPU of the busiest gateway", "s"),
        Measure("lost", "messages lost", of="owed"),
    ),
    pictures=(
        HeatMap("time_to_95_s", x="admission", y="policies.backoff"),
        HeatMap("attempts_per_client", x="admission", y="policies.backoff"),
    ),
    replications=3,
    short_replications=3,
    # time and population are a seventh of the whole: the same storm in small
    short_settings=(
        "population.users=600",
        "ramp_s=9",
        "timers.login_interval_us=10000",
        "timers.login_burst=8",
        "timers.logins_max=15",
    ),
    short_axes=(
        Axis("size", (Choice("600"),)),
        axis("policies.backoff", "fixed", "full_jitter"),
        Axis("admission", (DOORS.choices[0], DOORS.choices[1], DOORS.choices[3])),
    ),
)


def figures(run: Finished) -> Figures:
    """How the storm after the first fault went."""
    return storm(run.history, run.scenario.at_us(run.scenario.duration_s)) | cpu(run) | _of(common(run.judged))


def _of(found: Figures) -> Figures:
    return {name: found[name] for name in ("failing", "lost", "owed", "end_to_end_p99_ms")}


def storm(history: History, end_us: int) -> Figures:
    """Of those whose connections a fault ended: how long until 95 % were ready again, and at how many attempts until then. "Never" is
    not before the load ends; attempts are those until then."""
    begun = history.t_us[history.rows_of(Kind.FAULT_BEGUN)]
    if not len(begun):
        none: Figures = dict.fromkeys(("time_to_95_s", "attempts_per_client", "attempts_peak_per_s"))
        return none | {"cut_off": 0.0, "online_share": online_share(history, end_us)}
    t_us = int(begun.min())
    cut = _cut_off(history, t_us)
    back = np.sort(_first_after(history, t_us, end_us, cut))
    needed = int(np.ceil(BACK * len(cut)))
    over_us = int(back[needed - 1]) if 0 < needed <= len(back) else None
    attempts = history.rows_of(Kind.CONNECTING)
    attempts = attempts[(history.t_us[attempts] >= t_us) & (history.t_us[attempts] < (end_us if over_us is None else over_us))]
    own = attempts[np.isin(history.device[attempts], cut)]
    return {
        "time_to_95_s": float("inf") if over_us is None else (over_us - t_us) / 1e6,
        "attempts_per_client": len(own) / len(cut) if len(cut) else None,
        "attempts_peak_per_s": float(np.bincount((history.t_us[attempts] - t_us) // PEAK_US).max(initial=0)) * 1e6 / PEAK_US,
        "cut_off": float(len(cut)),
        "online_share": online_share(history, end_us),
    }


def online_share(history: History, t_us: int) -> float:
    """Share of the devices that have a ready session at an instant."""
    rows = history.rows_of(Kind.READY, Kind.DISCONNECTED)
    rows = rows[history.t_us[rows] <= t_us]
    last = {int(history.device[row]): int(history.kind[row]) for row in rows}
    return sum(kind == Kind.READY for kind in last.values()) / max(1, len(history.rows_of(Kind.DEVICE)))


def _cut_off(history: History, t_us: int) -> np.ndarray:
    """Devices that were connected to a node of a fault that began at that instant."""
    faults = history.rows_of(Kind.FAULT_BEGUN)
    nodes = set(history.node[faults[history.t_us[faults] == t_us]].tolist())
    rows = history.rows_of(Kind.READY, Kind.DISCONNECTED)
    rows = rows[history.t_us[rows] < t_us]
    last = {int(history.device[row]): row for row in rows}
    there = [device for device, row in last.items() if history.kind[row] == Kind.READY and int(history.node[row]) in nodes]
    return np.array(there, np.int64)


def _first_after(history: History, t_us: int, end_us: int, devices: np.ndarray) -> np.ndarray:
    """When each of these devices was first ready between two instants, those that never were left out."""
    ready = history.rows_of(Kind.READY)
    ready = ready[(history.t_us[ready] > t_us) & (history.t_us[ready] < end_us) & np.isin(history.device[ready], devices)]
    _, first = np.unique(history.device[ready], return_index=True)
    return history.t_us[ready[first]]


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
