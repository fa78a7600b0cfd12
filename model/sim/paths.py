"""Which link each device gets: plain where a look into a table of delays says it all, rough where it does not.

What a plan and its faults need decides it, for all devices of one network alike: a run whose physics are off pays nothing
for them. Both kinds read the same delays at the same places, so a fault changes no other luck. Who has which network of a
mix is drawn by key."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

from model.core import draws
from model.scenario import Network as NetworkPlan
from model.scenario import Scenario, faults
from model.scenario.networks import resolved
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.network import Link, LinkEnd, Luck
from model.sim.rough import Air, Door, Outages, RoughLink
from model.sim.weighing import Weighed, Weight

OF_LINKS = (
    faults.HalfOpen,
    faults.Roam,
    faults.TornFrame,
    faults.Blackhole,
    faults.Delay,
    faults.Throttle,
    faults.SlowConsumer,
    faults.NatDrop,
)
"""Faults that need rough links, whatever the network."""

GIVE_UP_SOON_US = 60_000_000
"""A sender that waits for longer than this before it gives up never does so for losses that come one by one."""


class Paths:
    """The links of one run. From ``calm_us`` on, when the load and the faults are over, no outage and no change of address begins."""

    def __init__(self, kernel: Kernel, scenario: Scenario, seed: int) -> None:
        self._kernel, self._seed = kernel, seed
        self._mix = [(plan, Luck(plan, seed), share) for plan, share in resolved(scenario.network)]
        faulty = any(isinstance(fault, OF_LINKS) for fault in scenario.faults)
        self._rough = [faulty or _is_rough(plan) for plan, _, _ in self._mix]
        self._doors: dict[int, Door] = {}
        self._airs: dict[int, Air] = {}
        self._outages: dict[tuple[int, int], Outages] = {}
        self.weight: Weight | None = None
        """What all links carry, where that is asked for."""
        self.calm_us = scenario.at_us(max([scenario.duration_s, *(fault.healed_s for fault in scenario.faults)]))

    def link(self, end: LinkEnd, device: int, connection: int, gateway: SimGateway) -> Link:
        """A connection from a device, with its ``end``, to a gateway."""
        link = self._link(end, device, connection, gateway)
        if self.weight is not None:
            link.up = Weighed(link.up, self.weight, self._kernel, device, up=True)
            link.down = Weighed(link.down, self.weight, self._kernel, device, up=False)
        return link

    def _link(self, end: LinkEnd, device: int, connection: int, gateway: SimGateway) -> Link:
        air = self._air(device)
        if air is None:
            return Link(self._kernel, self._mix[self._which(device)][1], end, device, connection)
        return RoughLink(self._kernel, air, self.door(gateway), end, device, connection, gateway)

    def door(self, gateway: SimGateway) -> Door:
        """What all connections of a gateway meet."""
        return self._doors.setdefault(gateway.number, Door())

    def of_gateway(self, gateway: SimGateway) -> list[RoughLink]:
        """The rough links that a gateway has."""
        return [link for link in gateway.links if isinstance(link, RoughLink)]

    def air(self, device: int) -> Air:
        """What a device has whose links are rough."""
        air = self._air(device)
        assert air is not None
        return air

    def handovers(self, device: int) -> Iterator[int]:
        """When a device changes its address."""
        plan, draw, t, count = self._mix[self._which(device)][0], draws.draws(self._seed, device), 0, 0
        while plan.handover_every_us:
            count += 1
            t += round(-plan.handover_every_us * log(1 - draw(draws.HANDOVER, count)))
            if t >= self.calm_us:
                return
            yield t

    def _which(self, device: int) -> int:
        """The place of a device's network in the mix."""
        if len(self._mix) == 1:
            return 0
        share, reached = draws.draws(self._seed, device)(draws.LINK_CLASS, 0), 0.0
        for place, (_, _, part) in enumerate(self._mix):
            reached += part
            if share < reached:
                return place
        return len(self._mix) - 1

    def _air(self, device: int) -> Air | None:
        """None for a device whose links are plain."""
        place = self._which(device)
        if not self._rough[place]:
            return None
        if device not in self._airs:
            plan, luck, _ = self._mix[place]
            self._airs[device] = Air(plan, luck, self._cell(place, plan, device))
        return self._airs[device]

    def _cell(self, place: int, plan: NetworkPlan, device: int) -> Outages | None:
        if not plan.outage_us:
            return None
        cell = (device - 1) // plan.cell
        if (place, cell) not in self._outages:
            self._outages[place, cell] = Outages(plan, self._seed, draws.key(place, cell), self.calm_us)
        return self._outages[place, cell]


def _is_rough(plan: NetworkPlan) -> bool:
    """Whether a network has anything that a table of delays does not say. Sparse losses, one by one, are in the table."""
    limited = plan.up_bit_s or plan.down_bit_s or plan.nat_idle_us or plan.outage_us or plan.handover_every_us
    short = plan.loss and plan.give_up_us < GIVE_UP_SOON_US
    return bool(limited or short or (plan.loss and plan.burst_us))
