"""What a soak plays: legs, each a live run of its own under kills and drains drawn from the seed.

A leg has its own server, with an empty store, a minute of load and its drain, and is judged whole by the judges of every other run; then
its figures are added up and its folder is deleted. So there is one implementation of what is right, memory and disk are bounded by a leg
however long the soak goes on, and each leg is an independent trial for the bounds. A judge that follows a history as it grows would be a
second implementation of all rules of judging, with its own bugs, and would have to remember every message for as long as it may come again.

What legs cannot see: a message of one leg that comes again in a later one (the devices are new as well), and what goes wrong only in a
store or a process older than a leg. Longer legs see more of it, at the cost of memory.

Rules of the file:

- Nodes are struck at instants of a Poisson process; each time one of those that may be struck is drawn. A node may be struck when it is
  there and has been for ``REST_S``, so no node is struck twice at a time, while two nodes may well be down at once. Business is killed, for
  it knows no drain; a gateway is drained once in ``1 / DRAIN_SHARE`` times.
- Every node is to be back before the load ends.
- All draws are keyed: a leg is the same for the same soak, whatever came of the legs before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from model.core import draws
from model.scenario import Drain, Kill, Scenario
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.hunting.dice import Dice

FIRST_S: Final = 1.0
"""Of the load, before the first fault: messages are under way by then."""
DOWN_S: Final = (0.2, 2.0)
"""How long a node is away before it is started again: from a supervisor's quick restart to what clients notice as an outage."""
REST_S: Final = 4.0
"""From a node's restart to the next fault of it: a Python process takes a second to start, some on a busy machine, and a kill of what is
not there yet proves nothing."""
DRAIN_SHARE: Final = 0.25
"""Of the faults of gateways: drains are the gentle way out, kills are what the soak is about."""
SEED_MAX: Final = 2**31 - 1
"""Of a run."""

DEFAULT: Final = Scenario(
    name="soak",
    question="Of millions of messages under kills and drains, how many are lost, shown twice or shown out of order?",
    population=PopulationPlan(users=200, group_size=4),
    workload=WorkloadPlan(rate_per_s=2_000.0, direct_share=0.7),
)
"""The scenario of a soak that names none. The rate keeps a core of the server and the one of the generator about half busy, so that there
is room to catch up after a kill; the quiet time is the contract's, three heartbeats and the longest resend timer."""


def leg_seed(seed: int, number: int) -> int:
    """The seed of leg ``number``, from 1, of a soak: no two soaks share their legs as seeds in a row would."""
    return draws.key(seed, number) & SEED_MAX


def leg(scenario: Scenario, seed: int, faults_per_minute: float, load_s: float) -> Scenario:
    """What a leg plays: the scenario's people and load for ``load_s`` seconds, under faults of its own instead of the scenario's."""
    planned = faults(seed, scenario.gateways, load_s, faults_per_minute)
    warm_up_s = min(scenario.warm_up_s, load_s)
    return msgspec.structs.replace(scenario, duration_s=load_s, warm_up_s=warm_up_s, faults=tuple(planned), expected={})


def faults(seed: int, gateways: int, load_s: float, per_minute: float) -> Iterator[Kill | Drain]:
    """The kills and drains of a leg, in order of time."""
    if not per_minute:
        return
    dice, at_s = Dice(seed), FIRST_S
    free_at = dict.fromkeys(["business", *(f"gateway-{k}" for k in range(1, gateways + 1))], FIRST_S)
    while True:
        at_s += -math.log(1 - dice.share("gap")) * 60 / per_minute
        if at_s + DOWN_S[1] > load_s:
            return
        free = [node for node, free_s in free_at.items() if free_s <= at_s]
        if free:
            node = dice.pick("node", free)
            back_s = at_s + DOWN_S[0] + dice.share("down") * (DOWN_S[1] - DOWN_S[0])
            free_at[node] = back_s + REST_S
            drained = node != "business" and dice.chance("drain", DRAIN_SHARE)
            yield (Drain if drained else Kill)(node, round(at_s, 6), round(back_s, 6))
