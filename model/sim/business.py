"""The simulated business layer: a business node's machine on a node, with its links to gateways and its storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from model.core import limits
from model.core.business import BusinessNode
from model.core.commands import Page, StorageCommand, StorageResult
from model.core.effects import TellGateway
from model.core.envelopes import Down, Up
from model.core.frames import RECEIVE_ACK, SEND, SYNC_REQUEST
from model.core.log import Conversation
from model.core.policies import Policies, Timers
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.node import Node
from model.sim.service_times import ServiceTimes
from model.sim.sizes import WITH_PAYLOAD, payload_kib
from model.sim.stations import Cores
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
        host: Cores | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(kernel, number, times.business_turn_us, host, times.rests_us("business"))
        self._times, self._policies, self._timers = times, policies, timers
        self._conversations = tuple(conversations)
        self._local_us = round(times.local_us)
        self._frame_us = {
            SEND: times.business_send_us,
            RECEIVE_ACK: times.business_receive_ack_us,
            SYNC_REQUEST: times.business_sync_us,
        }
        self.storage = SimStorage(kernel, times, self._conversations, self._stored, host, seed)
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
            self.kernel.at(self.kernel.now + self._local_us, gateway.unlinked, link)
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

    def _stored(self, results: list[StorageResult]) -> None:
        self.arrive("stored", results)

    # a turn ------------------------------------------------------------------------------------------------------------------------

    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        machine = self._machine
        assert machine is not None
        match item[0]:
            case "envelopes":
                _, link, envelopes = item
                for envelope in envelopes:
                    self.trace = hash((self.trace, now, link, envelope.kind, envelope.connection))
                    machine.receive(link, envelope, now, out)
                return sum(map(self._envelope_us, envelopes))
            case "stored":
                for result in item[1]:
                    machine.stored(result, now, out)
                page_rows = sum(len(result.messages) for result in item[1] if type(result) is Page)
                return self._times.business_result_us * len(item[1]) + self._times.business_page_row_us * page_rows
            case "unlinked":
                machine.gateway_lost(item[1], now, out)
            case "deadline":
                machine.on_deadline(now, out)
        return 0.0

    def _envelope_us(self, envelope: Any) -> float:
        if type(envelope) is not Up:
            return self._times.business_attach_us
        return self._frame_us[envelope.frame.kind] + self._times.business_kib_us * payload_kib(envelope.frame)

    def cost(self, out: list[Any]) -> float:
        envelopes = targets = 0
        kib = 0.0
        for effect in out:
            if type(effect) is TellGateway:
                envelopes += 1
                envelope = effect.envelope
                if type(envelope) is Down:
                    targets += len(envelope.connections)
                    if envelope.frame.kind in WITH_PAYLOAD:
                        kib += payload_kib(envelope.frame)
        self.sent += envelopes
        times = self._times
        return envelopes * times.business_envelope_out_us + targets * times.business_target_us + kib * times.business_kib_us

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
        arrival = self.kernel.now + self._local_us
        for link, told in envelopes.items():
            gateway = self._links.get(link)
            if gateway is not None:
                self.kernel.at(arrival, gateway.told, link, told)
        if commands:
            self.storage.submit(commands)

    def deadline(self) -> int:
        return self._machine.deadline if self._machine is not None else limits.NEVER_US
