"""The simulated business layer: a business node's machine on a node, with its links to gateways and its storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from model.core import limits
from model.core.business import BusinessNode
from model.core.commands import StorageCommand, StorageResult
from model.core.effects import TellGateway
from model.core.envelopes import ATTACH
from model.core.log import Conversation
from model.core.policies import Policies, Timers
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.network import LOCAL_DELAY_US
from model.sim.node import TURN_US_MAX, Node
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

    def told(self, link: int, envelopes: list[Any]) -> None:
        """What a turn of a gateway had to say arrives."""
        if link in self._links:
            self.arrive("envelopes", link, envelopes)

    def unlinked(self, link: int) -> None:
        """A gateway is gone."""
        if self._links.pop(link, None) is not None:
            self.arrive("unlinked", link)

    def sever(self, gateway: SimGateway, far_end: Callable[[SimGateway], Any]) -> Any:
        """Put ``far_end(gateway)`` between itself and a gateway, which it still believes in; returns it."""
        link = next(link for link, known in self._links.items() if known is gateway)
        self._links[link] = stand_in = far_end(gateway)
        return stand_in

    def mend(self, gateway: SimGateway, stand_in: Any) -> None:
        """Speak to a gateway itself again, if the link has not ended meanwhile."""
        for link, known in self._links.items():
            if known is stand_in:
                self._links[link] = gateway

    def unlink(self, gateway: SimGateway) -> None:
        """The link to a gateway ends, for both."""
        for link in [link for link, known in self._links.items() if known is gateway]:
            self.unlinked(link)
            gateway.unlinked(link)

    def forget(self, gateway: SimGateway) -> None:
        """The sessions of a gateway are forgotten, and nobody is told."""
        for link, known in self._links.items():
            if known is gateway:
                self.arrive("unlinked", link)

    def _stored(self, results: list[StorageResult]) -> None:
        self.arrive("stored", results)

    # a turn ------------------------------------------------------------------------------------------------------------------------

    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        machine = self._machine
        assert machine is not None
        match item[0]:
            case "envelopes":
                return self._envelopes(machine, item[1], item[2], now, out)
            case "stored":
                for result in item[1]:
                    machine.stored(result, now, out)
                return self._times.business_result_us * len(item[1])
            case "unlinked":
                machine.gateway_lost(item[1], now, out)
            case "deadline":
                machine.on_deadline(now, out)
        return self._times.business_result_us

    def _envelopes(self, machine: BusinessNode, link: int, envelopes: list[Any], now: int, out: list[Any]) -> float:
        """Take envelopes of a gateway; what would make the turn too long waits for the next one."""
        cost = 0.0
        for taken, envelope in enumerate(envelopes):
            if cost >= TURN_US_MAX:
                self._inbox.appendleft(("envelopes", link, envelopes[taken:]))
                break
            self.trace = hash((self.trace, now, link, envelope.kind, envelope.connection))
            machine.receive(link, envelope, now, out)
            cost += self._times.business_envelope_us
            if envelope.kind == ATTACH and not envelope.announced:
                cost += self._times.business_account_us
        return cost

    def cost(self, out: list[Any]) -> float:
        envelopes = [*map(type, out)].count(TellGateway)
        self.sent += envelopes
        return envelopes * self._times.business_envelope_out_us

    def release(self, out: list[Any]) -> None:
        commands: list[StorageCommand] = []
        envelopes: dict[int, list[Any]] = {}
        for effect in out:
            if type(effect) is TellGateway:
                told = envelopes.get(effect.gateway)
                if told is None:
                    envelopes[effect.gateway] = [effect.envelope]
                else:
                    told.append(effect.envelope)
            else:
                commands.append(effect.command)
        arrival = self.kernel.now + LOCAL_DELAY_US
        for link, told in envelopes.items():
            gateway = self._links.get(link)
            if gateway is not None:
                self.kernel.at(arrival, gateway.told, link, told)
        if commands:
            self.storage.submit(commands)

    def deadline(self) -> int:
        return self._machine.deadline if self._machine is not None else limits.NEVER_US
