"""The population: users, their devices, the conversations they are in, and the gateway each device calls home.

Users are numbered from 1; a device has its user's number (one device each, so far). Conversations are numbered from 1: first the
direct pairs, then the groups. Membership is drawn from the seed, so that pairs and groups cross gateways. Groups of one size, or of sizes
drawn from a distribution: the users in their drawn order are cut into groups of these sizes, and who is left at the end forms a smaller
last one, if two are.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from model.core import draws
from model.core.log import Conversation
from model.workload import amounts
from model.workload.amounts import Spread

GROUP_MIN = 2
"""A group of one is none."""
USERS_MAX = 1_000_000
"""What the simulated world is built for."""
GROUPS_MAX = 10_000
"""Of one user: far more than the largest population in groups would fit into memory with."""
DRAWN_AT_ONCE = 1024
"""Sizes of groups, for speed."""


class PopulationPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many there are of everything."""

    users: int = 200
    """Each with one device; even, so that everyone has a partner."""
    group_size: int | Spread = 5
    """Members of a group: a number, or a distribution of it (:mod:`model.workload.amounts`)."""
    groups_per_user: int = 1
    """Every user is in this many groups; users who do not fill a last group stay out of one."""


class Population(msgspec.Struct, frozen=True):
    """Who there is. ``homes[device]`` is an index into the gateways."""

    users: tuple[int, ...]
    conversations: tuple[Conversation, ...]
    homes: dict[int, int]


def populate(plan: PopulationPlan, gateways: int, seed: int) -> Population:
    """The population of a plan, the same for the same seed."""
    rng = np.random.default_rng(draws.key(seed, draws.TOPOLOGY))
    users = range(1, plan.users + 1)
    sizes = np.random.default_rng(draws.key(seed, draws.TOPOLOGY, 2))
    rounds: list[tuple[str, int | Spread]] = [("direct", 2)] + [("group", plan.group_size)] * plan.groups_per_user
    conversations: list[Conversation] = []
    for kind, size in rounds:
        order = (rng.permutation(plan.users) + 1).tolist()
        for start, end in _cut(plan.users, size, sizes):
            conversations.append(Conversation(len(conversations) + 1, kind, tuple(sorted(order[start:end]))))
    return Population(tuple(users), tuple(conversations), {user: (user - 1) % gateways for user in users})


def _cut(users: int, size: int | Spread, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Where groups begin and end in a row of users."""
    if isinstance(size, int):
        yield from ((start, start + size) for start in range(0, users - size + 1, size))
        return
    start = 0
    while users - start >= GROUP_MIN:
        for drawn in amounts.draw(size, rng, DRAWN_AT_ONCE):
            end = min(start + max(round(float(drawn)), GROUP_MIN), users)
            if end - start >= GROUP_MIN:
                yield start, end
            start = end


def problems(plan: PopulationPlan) -> Iterator[str]:
    """What is wrong with a plan, in words that begin with a field's name, the first first."""
    if not GROUP_MIN <= plan.users <= USERS_MAX:
        yield f"users is {plan.users}; give {GROUP_MIN} to {USERS_MAX}"
    yield from amounts.problems("group_size", plan.group_size, GROUP_MIN, USERS_MAX, " members")
    if isinstance(plan.group_size, int) and plan.groups_per_user and GROUP_MIN <= plan.users < plan.group_size:
        yield f"group_size is {plan.group_size}, more than all {plan.users} users; make it smaller, or set groups_per_user to 0"
    if not 0 <= plan.groups_per_user <= GROUPS_MAX:
        yield f"groups_per_user is {plan.groups_per_user}; give 0 to {GROUPS_MAX}"
