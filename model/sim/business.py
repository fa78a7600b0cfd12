"""The simulated business layer: a business node's machine on a node, with its links to gateways and its storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from model.core import limits
from model.core.business import BusinessNode
from model.core.commands import StorageResult
from model.core.effects import Store, TellGateway
from model.core.envelopes import Attach
from model.core.log import Conversation
from model.core.policies import Policies, Timers
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.network import LOCAL_DELAY_US
from model.sim.node import Node
from model.sim.service_times import ServiceTimes
from model.sim.stations import Host
from model.sim.storage import SimStorage

RELINK_US = 50_000
"""How often a gateway looks whether business is back; the live gateway's interval."""


class SimBusiness(Node):
    """One business node and its store."""

    def __init__(
        self,
        kernel: Kernel,
        number: int,
        times: ServiceTimes,
        policies: Policies,
        timers: Timers,
        conversations: Iterable[Conversation],
        host: Host | None = None,
    ) -> None:
        super().__init__(kernel, number, times.business_turn_us, host)
        self._times, self._policies, self._timers = times, policies, timers
        self._conversations = tuple(conversations)
        self.storage = SimStorage(kernel, times, self._conversations, self._stored)
        self._machine: BusinessNode | None = None
        self._links: dict[int, SimGateway] = {}
        self._last_link = 0

    # life --------------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        super().start()
        self.storage.open()
        self._links = {}
        self._machine = BusinessNode(
            self._policies, self._timers, self._conversations, self.storage.heads(), self.storage.incarnation
        )

    def kill(self) -> int:
        """The process dies; gateways see their links end. Returns how many links it held."""
        super().kill()
        self.storage.close()
        links, self._links = self._links, {}
        for link, gateway in links.items():  # after what was handed to the kernel
            self.kernel.at(self.kernel.now + LOCAL_DELAY_US, gateway.unlinked, link)
        return len(links)

    # links -------------------------------------------------------------------------------------------------------------------------

    def link(self, gateway: SimGateway) -> None:
        """A living gateway links to the living node."""
        self._last_link += 1
        self._links[self._last_link] = gateway
        gateway.linked(self, self._last_link)

    def told(self, link: int, envelope: Any) -> None:
        """An envelope of a gateway arrives."""
        if link in self._links:
            self.arrive("envelope", link, envelope)

    def unlinked(self, link: int) -> None:
        """A gateway is gone."""
        if self._links.pop(link, None) is not None:
            self.arrive("unlinked", link)

    def _stored(self, results: list[StorageResult]) -> None:
        for result in results:
            self.arrive("stored", result)

    # a turn ------------------------------------------------------------------------------------------------------------------------

    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        machine = self._machine
        assert machine is not None
        match item[0]:
            case "envelope":
                self.trace = hash((self.trace, now, item[1], item[2].kind, item[2].connection))
                machine.receive(item[1], item[2], now, out)
                logs_in = type(item[2]) is Attach and not item[2].announced
                return self._times.business_envelope_us + (self._times.business_account_us if logs_in else 0.0)
            case "stored":
                machine.stored(item[1], now, out)
            case "unlinked":
                machine.gateway_lost(item[1], now, out)
            case "deadline":
                machine.on_deadline(now, out)
        return self._times.business_result_us

    def cost(self, out: list[Any]) -> float:
        envelopes = sum(type(effect) is TellGateway for effect in out)
        self.counts["envelopes_out"] += envelopes
        return envelopes * self._times.business_envelope_out_us

    def release(self, out: list[Any]) -> None:
        commands = [effect.command for effect in out if type(effect) is Store]
        arrival = self.kernel.now + LOCAL_DELAY_US
        for effect in out:
            if type(effect) is TellGateway:
                gateway = self._links.get(effect.gateway)
                if gateway is not None:
                    self.kernel.at(arrival, gateway.told, effect.gateway, effect.envelope)
        if commands:
            self.storage.submit(commands)

    def deadline(self) -> int:
        return self._machine.deadline if self._machine is not None else limits.NEVER_US
