"""The simulated business layer: a business node's machine on a node, with its links to gateways and its storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from model.core import limits
from model.core.business import BusinessNode
from model.core.commands import Page, StorageCommand, StorageResult
from model.core.effects import TellGateway
from model.core.envelopes import ATTACH, UP, Down
from model.core.frames import RECEIVE_ACK, SEND, SYNC_REQUEST, Deliver, SyncReply
from model.core.log import Conversation
from model.core.policies import Policies, Timers
from model.sim.access import SimGateway
from model.sim.kernel import Kernel
from model.sim.node import TURN_US_MAX, Node
from model.sim.service_times import ServiceTimes
from model.sim.sizes import KIB, payload_bytes
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
        storage_host: Cores | None = None,
    ) -> None:
        super().__init__(kernel, number, times.business_turn_us, host, times.rests_us("business"))
        self._times, self._policies, self._timers = times, policies, timers
        self._conversations = tuple(conversations)
        self._local_us = round(times.local_us)
        self._byte_us = times.business_kib_us / KIB
        self._frame_us = {
            SEND: times.business_send_us,
            RECEIVE_ACK: times.business_receive_ack_us,
            SYNC_REQUEST: times.business_sync_us,
        }
        self.storage = SimStorage(kernel, times, self._conversations, self._stored, storage_host, seed)
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
                page_rows = 0
                for result in item[1]:
                    machine.stored(result, now, out)
                    if type(result) is Page:
                        page_rows += len(result.messages)
                return self._times.business_result_us * len(item[1]) + self._times.business_page_row_us * page_rows
            case "queued":
                out += item[1]
            case "unlinked":
                machine.gateway_lost(item[1], now, out)
            case "deadline":
                machine.on_deadline(now, out)
        return 0.0

    def _envelopes(self, machine: BusinessNode, link: int, envelopes: list[Any], now: int, out: list[Any]) -> float:
        """Take envelopes of a gateway; what would make the turn too long waits for the next one."""
        times, frame_us, byte_us, cost = self._times, self._frame_us, self._byte_us, 0.0
        for taken, envelope in enumerate(envelopes):
            if cost >= TURN_US_MAX:
                self._inbox.appendleft(("envelopes", link, envelopes[taken:]))
                break
            kind = envelope.kind
            self.trace = hash((self.trace, now, link, kind, envelope.connection))
            machine.receive(link, envelope, now, out)
            if kind == UP:
                frame = envelope.frame
                cost += frame_us[frame.kind]
                if frame.kind == SEND:
                    cost += byte_us * len(frame.payload)
            else:
                cost += times.business_attach_us
                if kind == ATTACH and not envelope.announced:
                    cost += times.business_account_us
        return cost

    def cost(self, out: list[Any]) -> float:
        envelopes = targets = payload = 0
        for effect in out:
            if type(effect) is TellGateway:
                envelopes += 1
                envelope = effect.envelope
                if type(envelope) is Down:
                    targets += len(envelope.connections)
                    frame = envelope.frame
                    if type(frame) is Deliver:
                        payload += len(frame.payload)
                    elif type(frame) is SyncReply:
                        payload += payload_bytes(frame)
        self.sent += envelopes
        times = self._times
        return envelopes * times.business_envelope_out_us + targets * times.business_target_us + payload * self._byte_us

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
            self._submit(commands)

    def _submit(self, commands: list[StorageCommand]) -> None:
        """Hand commands to the disk's queue; what there is to say of that is said in the next turn."""
        assert self._machine is not None
        self.storage.submit(commands)
        told: list[Any] = []
        self._machine.queued(commands, told)
        if told:
            self.arrive("queued", told)

    def deadline(self) -> int:
        return self._machine.deadline if self._machine is not None else limits.NEVER_US
