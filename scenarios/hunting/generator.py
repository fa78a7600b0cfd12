"""A trial from a seed: which features it has, and how much of each.

Everything is small next to a scenario: some hundred deliveries in less than a second of simulated time, with timers shortened as much,
so that time-outs, backoffs and heartbeats happen within it. What is drawn stays within what the reference design promises to stand: a
trial that fails is a bug, or a mistake here.

Each feature of ``FEATURES`` and each kind of fault is on in a trial or off, by a coin of its own; with everything on at once, one feature
hides what another would show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import msgspec

from model.core import limits, policies
from model.core.policies import Policies, Timers
from model.history.schema import Contract
from model.scenario import Clocks, Disk, Network, Scenario, Step
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.hunting import faults
from scenarios.hunting.dice import Dice
from scenarios.hunting.trial import Trial

VERSION = 5
"""Rises whenever a seed comes to mean another trial."""
DELIVERIES = 250
"""Messages shown that a trial aims at, own ones included."""
FAULTS_MAX = 8
KIND_SHARE = 0.3
"""Of the trials a kind of fault is on in: there are so many that half of them would be the same mixture every time."""
FORGIVEN = {"outage": False, "not_recovered": False}
"""Under as many faults nobody promises availability."""
FRAME_BYTES = 120
"""Of a message on the wire beside its payload, and what is said because of it."""
START_US = 4_000.0
"""From starting a process to its serving: a trial has no time for the real one."""

Draft = dict[str, Any]
"""Parts of a trial under way: fields of the scenario, of its timers, network, population and workload, and service times."""


def trial(seed: int, preset: str = "cursor") -> Trial:
    """The trial of a seed."""
    dice = Dice(seed)
    draft = _plain(dice)
    for name, feature in FEATURES.items():
        if dice.chance(f"feature {name}", SHARES.get(name, 0.5)):
            feature(dice, draft)
    kinds = [kind for kind in faults.KINDS if dice.chance(f"faults of kind {kind}", KIND_SHARE)]
    if draft["merged"]:
        kinds = [kind for kind in kinds if kind not in faults.BETWEEN]
    agenda = faults.Agenda(dice, draft["gateways"], draft["span_s"], START_US / 1e6, Timers().heartbeat_us * draft["scale"] / 1e6)
    return _assembled(seed, preset, dice, draft, faults.draw(agenda, kinds, dice.whole("faults", 1, FAULTS_MAX)))


def mixed(seed: int) -> Trial:
    """The trial of a seed with a mix of the policies that decide what is lost, shown twice and in which order: whatever it loses, it comes
    to an end."""
    dice, drawn = Dice(seed), trial(seed)
    while policies.problem(mix := msgspec.convert({name: dice.pick(f"mix {name}", _choices(name)) for name in MIXED}, Policies)):
        pass
    changed = drawn.scenario.policies | {name: getattr(mix, name) for name in MIXED}
    return msgspec.structs.replace(drawn, scenario=msgspec.structs.replace(drawn.scenario, policies=changed))


def _choices(policy: str) -> tuple[str, ...]:
    return get_args(get_type_hints(Policies)[policy])


MIXED = (
    "send",
    "server_dedupe",
    "ack_basis",
    "delivery",
    "device_dedupe",
    "device_order",
    "catch_up",
    "goodbye",
)


def _plain(dice: Dice) -> Draft:
    """A trial without any feature."""
    return {
        "gateways": dice.pick("gateways", (1, 2, 2, 3)),
        "span_s": dice.log("span", 0.1, 0.8),
        "users": dice.whole("users", 4, 12),
        "groups": {"group_size": 2, "groups_per_user": 0},
        "direct_share": 1.0,
        "payload_bytes": 60,
        "scale": dice.log("scale", 0.01, 0.06),
        "timers": {},
        "counts": {},
        "network": {},
        "policies": {},
        "narrow": {},
        "times": {"gateway_start_us": START_US, "business_start_us": START_US},
        "limits": {},
        "clocks": Clocks(),
        "disk": Disk(),
        "cores": None,
        "merged": False,
        "connection_life_s": 0.0,
    }


# features --------------------------------------------------------------------------------------------------------------------------


def _groups(dice: Dice, draft: Draft) -> None:
    draft["groups"] = {
        "group_size": dice.whole("group size", 3, draft["users"]),
        "groups_per_user": dice.whole("groups per user", 1, 3),
    }
    draft["direct_share"] = dice.pick("direct share", (0.0, 0.2, 0.5))


def _slow_links(dice: Dice, draft: Draft) -> None:
    draft["network"] |= {"delay_us": dice.log("delay", 100, 5_000), "jitter_us": dice.log("jitter", 10, 3_000)}


def _in_step(dice: Dice, draft: Draft) -> None:
    """All delays alike: what is sent to several at once arrives at once, so that ties decide."""
    draft["network"] |= {"delay_us": float(dice.whole("delay in step", 50, 2_000)), "jitter_us": 0.0}


def _lossy_links(dice: Dice, draft: Draft) -> None:
    """Retransmissions last as long as the protocol's own time-outs, so that old frames come when nobody waits for them any more."""
    heartbeat_us = Timers().heartbeat_us * draft["scale"]
    draft["network"] |= {"loss": dice.log("loss", 0.003, 0.02), "retransmit_us": heartbeat_us * dice.log("retransmit", 0.1, 4.0)}


def _losses_in_bursts(dice: Dice, draft: Draft) -> None:
    draft["network"] |= {
        "loss": dice.log("loss in bursts", 0.003, 0.02),
        "burst_us": _heartbeats_us(draft, dice.log("burst", 0.02, 0.5)),
    }
    draft["network"] |= {"retransmit_us": _heartbeats_us(draft, dice.log("retransmit in bursts", 0.1, 1.0))}


def _narrow_links(dice: Dice, draft: Draft) -> None:
    """All that is ever said takes so many heartbeats to be put on the wire of one device."""
    draft["narrow"] = {name: dice.log(name, 0.02, 1.0) for name in ("up_bit_s", "down_bit_s")}


def _forgetful_nat(dice: Dice, draft: Draft) -> None:
    """It forgets what is silent for longer than a heartbeat; else nobody's connection would last."""
    draft["network"]["nat_idle_us"] = _heartbeats_us(draft, dice.log("nat idle", 1.2, 4.0))


def _outages(dice: Dice, draft: Draft) -> None:
    draft["network"] |= {
        "outage_every_us": _heartbeats_us(draft, dice.log("outage every", 3, 30)),
        "outage_us": _heartbeats_us(draft, dice.log("outage", 0.1, 3)),
        "cell": dice.whole("cell", 1, 6),
    }


def _handovers(dice: Dice, draft: Draft) -> None:
    """Devices know at once that their connection is dead, and connect again while the gateway believes in the old one."""
    draft["network"]["handover_every_us"] = _heartbeats_us(draft, dice.log("handover every", 1, 30))


def _gives_up_soon(dice: Dice, draft: Draft) -> None:
    draft["network"]["give_up_us"] = _heartbeats_us(draft, dice.log("give up", 0.5, 10))


def _wrong_clocks(dice: Dice, draft: Draft) -> None:
    steps = tuple(
        Step(
            dice.share("step at") * draft["span_s"],
            dice.log("step by", 0.01, 1) * dice.pick("step to", (-1, 1)),
            dice.share("stepping") or 1.0,
        )
        for _ in range(dice.whole("steps", 0, 2))
    )
    draft["clocks"] = Clocks(dice.log("rate", 10, 1_000), dice.log("offset", 100, 1e6), steps)


def _uneven_disk(dice: Dice, draft: Draft) -> None:
    draft["disk"] = Disk(dice.log("sigma", 0.1, 1.5), dice.log("stalls", 0.01, 0.2), dice.log("stall", 1_000, 30_000))


def _heartbeats_us(draft: Draft, number: float) -> float:
    return round(number * Timers().heartbeat_us * float(draft["scale"]), 1)


def _impatient(dice: Dice, draft: Draft) -> None:
    """Devices that give connections and answers up early."""
    timers = Timers()
    for name in ("ack_timeout_us", "connect_timeout_us", "pong_timeout_us", "receive_ack_delay_us"):
        if dice.chance(f"short {name}"):
            draft["timers"][name] = getattr(timers, name) * dice.log(f"how short {name}", 0.1, 1.0)


def _quick_to_return(dice: Dice, draft: Draft) -> None:
    draft["timers"]["backoff_base_us"] = Timers().backoff_base_us * dice.log("backoff base", 0.01, 1.0)


def _another_backoff(dice: Dice, draft: Draft) -> None:
    """Every backoff keeps what the design promises; they differ in how crowded a return is."""
    draft["policies"]["backoff"] = dice.pick("backoff", ("fixed", "exponential", "equal_jitter", "decorrelated"))


def _gentle_drains(dice: Dice, draft: Draft) -> None:
    draft["policies"]["drain"] = dice.pick("drain", ("spread", "redirect"))


def _admission(dice: Dice, draft: Draft) -> None:
    """Gateways turn some away who log in; everybody is let in within a few heartbeats."""
    draft["policies"] |= {
        "admission": dice.pick("admission", ("token_bucket", "bounded_queue")),
        "admission_hint": dice.pick("admission hint", ("none", "fixed", "spread")),
    }
    heartbeat_us = Timers().heartbeat_us
    draft["timers"]["login_interval_us"] = heartbeat_us * dice.log("log-in interval", 0.003, 0.3)
    draft["timers"]["login_hint_us"] = heartbeat_us * dice.log("log-in hint", 0.01, 1.0)
    draft["counts"] |= {"login_burst": dice.whole("log-in burst", 1, 4), "logins_max": dice.whole("log-ins at once", 1, 4)}


def _short_lives(dice: Dice, draft: Draft) -> None:
    """Connections end by themselves, after so many heartbeats on average."""
    draft["connection_life_s"] = _heartbeats_us(draft, dice.log("connection life", 2, 30)) / 1e6


def _merged(dice: Dice, draft: Draft) -> None:
    """Gateway and business are one process, which has one gateway."""
    draft["merged"] = draft["gateways"] == 1


def _slow_disk(dice: Dice, draft: Draft) -> None:
    draft["times"]["storage_commit_us"] = dice.log("commit", 1_000, 20_000)


def _slow_business(dice: Dice, draft: Draft) -> None:
    draft["times"]["business_envelope_us"] = dice.log("envelope", 100, 2_000)


def _shared_cores(dice: Dice, draft: Draft) -> None:
    draft["cores"] = dice.whole("cores", 1, 2)


def _large_payloads(dice: Dice, draft: Draft) -> None:
    draft["payload_bytes"] = round(dice.log("payload", 200, 16_384))


def _tight_bounds(dice: Dice, draft: Draft) -> None:
    """Windows, pages and queues of a few places, each of them or not."""
    for name, (least, most) in BOUNDS.items():
        if dice.chance(f"tight {name}"):
            draft["limits"][name] = dice.whole(f"how tight {name}", least, most)


BOUNDS = {
    "OUTSTANDING_MAX": (1, 8),
    "RESULTS_MAX": (4, 16),
    "SYNC_PAGE_MAX": (1, 10),
    "GAP_BUFFER_MAX": (0, 4),
    "CATCH_UPS_MAX": (1, 2),
    "SYNCS_MAX": (1, 3),
    "ASKED_MAX": (1, 8),
    "HEADS_MAX": (1, 3),
    "ACK_ENTRIES_MAX": (1, 4),
    "IN_FLIGHT_MAX": (2, 16),
    "OUTBOX_MAX": (3, 10),
    "SEND_QUEUE_MAX": (1, 20),
    "SOCKET_BYTES_MAX": (1_000, 20_000),
}
"""Bound of the protocol -> the least and the most it is tightened to. One that breaks what another needs is left as it is."""


FEATURES: dict[str, Callable[[Dice, Draft], None]] = {
    "groups": _groups,
    "slow links": _slow_links,
    "in step": _in_step,
    "lossy links": _lossy_links,
    "losses in bursts": _losses_in_bursts,
    "narrow links": _narrow_links,
    "forgetful NAT": _forgetful_nat,
    "outages": _outages,
    "handovers": _handovers,
    "gives up soon": _gives_up_soon,
    "wrong clocks": _wrong_clocks,
    "uneven disk": _uneven_disk,
    "impatient": _impatient,
    "quick to return": _quick_to_return,
    "another backoff": _another_backoff,
    "gentle drains": _gentle_drains,
    "slow disk": _slow_disk,
    "slow business": _slow_business,
    "shared cores": _shared_cores,
    "large payloads": _large_payloads,
    "tight bounds": _tight_bounds,
    "admission": _admission,
    "short lives": _short_lives,
    "merged": _merged,
}
"""What a trial may have, beside faults; later ones change what earlier ones drew."""


SHARES = {"groups": 0.7, "shared cores": 0.2, "large payloads": 0.2} | dict.fromkeys(
    (
        "losses in bursts",
        "narrow links",
        "forgetful NAT",
        "outages",
        "handovers",
        "gives up soon",
        "wrong clocks",
        "uneven disk",
        "admission",
        "short lives",
    ),
    0.2,
)
"""In how many trials a feature is on, where not in half: less for what shows little and costs much."""


# putting together ------------------------------------------------------------------------------------------------------------------


def _assembled(seed: int, preset: str, dice: Dice, draft: Draft, drawn: tuple[Any, ...]) -> Trial:
    for name, heartbeats in draft["narrow"].items():
        draft["network"][name] = round(
            _sends(draft) * 8 * (draft["payload_bytes"] + FRAME_BYTES) * 1e6 / _heartbeats_us(draft, heartbeats)
        )
    timers = _timers(draft)
    span_s = draft["span_s"]
    scenario = Scenario(
        name="hunt",
        question="Does anything that the design promises break?",
        gateways=draft["gateways"],
        population=PopulationPlan(users=draft["users"], **draft["groups"]),
        workload=WorkloadPlan(_rate(draft), draft["payload_bytes"], draft["direct_share"]),
        network=Network(**draft["network"]),
        clocks=draft["clocks"],
        disk=draft["disk"],
        cores=None if draft["merged"] else draft["cores"],
        merged=draft["merged"],
        connection_life_s=draft["connection_life_s"],
        timers=timers,
        policies=draft["policies"],
        ramp_s=0.1,
        warm_up_s=0.0,
        duration_s=round(span_s, 6),
        faults=drawn,
        contract=_contract(timers),
    )
    ties = seed if dice.chance("ties") else None
    bounds = draft["limits"]
    if bounds.keys() & {
        "RESULTS_MAX",
        "IN_FLIGHT_MAX",
    }:  # an answer is kept for whatever is outstanding; an overload must be able to end
        bounds["OUTSTANDING_MAX"] = min(4, bounds.get("OUTSTANDING_MAX", 4))
    return Trial(scenario, preset, seed, ties, draft["times"], bounds)


def _timers(draft: Draft) -> Timers:
    """The protocol's timers, shortened, and then as the features want them; but not so short that nobody would promise anything.

    Whoever gives up connecting sooner than coming in takes never gets in. And where all sends together take longer to be refused than the
    longest patience, they are repeated before they were looked at: an overload that feeds on itself, of which this is not the test. On a
    link so narrow that a page of a sync takes longer than a pong may, none ever comes.
    """
    usual = Timers().scaled(draft["scale"])
    drawn = {name: max(1, round(value * draft["scale"])) for name, value in draft["timers"].items()} | draft["counts"]
    network, crowd_us = Network(**draft["network"]), _crowd_us(draft)
    links_us = 4 * network.delay_us + 40 * network.jitter_us + 2 * _heartbeats_us(draft, sum(draft["narrow"].values()))
    least = {
        "connect_timeout_us": links_us + crowd_us,
        "pong_timeout_us": links_us + 5_000,
        "ack_timeout_max_us": links_us + 4 * crowd_us,
    }
    values = {name: drawn.get(name, getattr(usual, name)) for name in usual.__struct_fields__}
    return Timers(**{name: max(value, round(least.get(name, 0))) for name, value in values.items()})


def _crowd_us(draft: Draft) -> float:
    """How long business works on everybody's sends and attachments at once, and commits what a gateway lets through together."""
    times: dict[str, float] = draft["times"]
    users = int(draft["users"])
    frames = _sends(draft) + 5.0 * users
    commits = 2 + _sends(draft) / users / draft["limits"].get("ASKED_MAX", limits.ASKED_MAX)
    return float(frames * (times.get("business_envelope_us", 30.0) + 70.0) + commits * times.get("storage_commit_us", 1_000.0))


def _sends(draft: Draft) -> float:
    return _rate(draft) * float(draft["span_s"])


def _rate(draft: Draft) -> float:
    """Sends a second that come to about ``DELIVERIES`` in the span."""
    members = 2 * draft["direct_share"] + (1 - draft["direct_share"]) * draft["groups"]["group_size"]
    return round(float(DELIVERIES / members / draft["span_s"]), 1)


def _contract(timers: Timers) -> Contract:
    """Sends of a device in order, whether or not it waited for its oks; quiet for three heartbeats, so that the tail rule has had
    its turn; a drain that is longer than any backoff."""
    quiet_us = 3 * timers.heartbeat_us
    return Contract(fails=FORGIVEN, pipelined=True, quiet_us=quiet_us, drain_bound_us=15 * (timers.backoff_max_us + quiet_us))
