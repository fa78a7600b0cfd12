"""The population: users, their devices, the conversations they are in, and the gateway each device calls home.

Users are numbered from 1; a device has its user's number (one device each, so far). Conversations are numbered from 1: first the
direct pairs, then the groups. Membership is drawn from the seed, so that pairs and groups cross gateways.
"""

from __future__ import annotations

import msgspec
import numpy as np

from model.core import draws
from model.core.log import Conversation


class PopulationPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many there are of everything."""

    users: int = 200
    """Each with one device; even, so that everyone has a partner."""
    group_size: int = 5
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
    rounds = [("direct", 2)] + [("group", plan.group_size)] * plan.groups_per_user
    conversations: list[Conversation] = []
    for kind, size in rounds:
        order = rng.permutation(plan.users) + 1
        for start in range(0, plan.users - size + 1, size):
            members = tuple(sorted(int(user) for user in order[start : start + size]))
            conversations.append(Conversation(len(conversations) + 1, kind, members))
    return Population(tuple(users), tuple(conversations), {user: (user - 1) % gateways for user in users})
