"""The simulated access layer: a gateway's machine on a node, with its connections and its link to business."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from model.core.effects import Close, TellBusiness, Write
from model.core.envelopes import Down, Up
from model.core.frames import CLIENT_KINDS, CONNECT, GATEWAY_KINDS, SEND, Deliver, Send, SyncReply
from model.core.gateway import CheckToken, Gateway
from model.core.policies import Policies, Timers
from model.sim.kernel import Kernel
from model.sim.network import Link
from model.sim.node import Node
from model.sim.service_times import ServiceTimes
from model.sim.sizes import KIB, payload_bytes
from model.sim.stations import Cores

if TYPE_CHECKING:
    from model.sim.business import SimBusiness

ACCEPT_BACKLOG = 4096
"""Connections that a gateway's kernel holds until they are accepted, as the live gateway asks for; Linux caps it at ``somaxconn``."""


class SimGateway(Node):
    """One gateway, with its ends of connections."""

    def __init__(
        self,
        kernel: Kernel,
        number: int,
        times: ServiceTimes,
        policies: Policies,
        timers: Timers,
        check_token: CheckToken,
        host: Cores | None = None,
    ) -> None:
        super().__init__(kernel, number, times.gateway_turn_us, host, times.rests_us("gateway"))
        self._times, self._policies, self._timers, self._check_token = times, policies, timers, check_token
        self._local_us = round(times.local_us)
        self._each_us = 0.0
        """What each connection takes of a turn's writing, if it writes to several."""
        self._byte_us = times.gateway_kib_us / KIB
        self._frame_us = {
            kind: times.gateway_own_us if kind in GATEWAY_KINDS else times.gateway_forward_us for kind in sorted(CLIENT_KINDS)
        }
        self._frame_us[CONNECT] += times.gateway_connect_us
        self._machine = Gateway(policies, timers, check_token)
        self._links: dict[int, Link] = {}
        self._unaccepted = 0
        self._last_number = 0
        self._business: SimBusiness | None = None
        self._business_link = 0
        self._known_link = 0
        """The link that the machine knows of: one that it has not heard of yet is not for what it says."""
        self.accepts = self.deaf = False
        """Whether a connection request is taken up; whether a port without a process behind it takes it up."""
        self.severed = False
        """Whether nothing passes between it and business, whoever lives."""

    # life --------------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        super().start()
        self._machine = Gateway(self._policies, self._timers, self._check_token)
        self._links, self._unaccepted = {}, 0
        self._business = None
        self.accepts, self.deaf = True, False

    def kill(self) -> int:
        """The process dies; every client learns of it after what was already on its way. Returns how many connections it held."""
        super().kill()
        self.accepts = False
        links, self._links = self._links, {}
        for link in links.values():
            link.down.carry(0, link.end.hung_up, link)
        if self._business is not None:  # what was handed to the kernel is read before the end of the link
            self.kernel.at(self.kernel.now + self._local_us, self._business.unlinked, self._business_link)
            self._business = None
        return len(links)

    def cut(self) -> int:
        """Every connection is reset; the process goes on. Returns how many there were."""
        links, self._links = self._links, {}
        for number, link in links.items():
            link.down.carry(0, link.end.hung_up, link)
            self.arrive("closed", number)
        return len(links)

    def shut_down(self) -> None:
        """Accept nobody more, and tell everybody; it is empty when its machine's deadlines have been kept."""
        self.accepts = False
        self.arrive("shut_down")

    # connections -------------------------------------------------------------------------------------------------------------------

    def connect(self, link: Link) -> None:
        """A device's connection request arrives: the kernel accepts it for a living process."""
        self._last_number += 1
        link.number, link.gateway = self._last_number, self
        self._links[link.number] = link
        self._unaccepted += 1
        self.arrive("opened", link.number)

    @property
    def crowded(self) -> bool:
        """Whether so many connections wait to be accepted that the kernel drops further requests."""
        return self._unaccepted >= ACCEPT_BACKLOG

    def receive(self, link: Link, frame: Any) -> None:
        """A frame of a device arrives."""
        if link.number in self._links:
            self.arrive("frame", link.number, frame)

    def ended(self, link: Link) -> None:
        """A device has closed its end."""
        if self._links.pop(link.number, None) is not None:
            self.arrive("closed", link.number)

    def cut_off(self, link: Link) -> None:
        """One connection is reset."""
        self.ended(link)
        link.down.carry(0, link.end.hung_up, link)

    def congested(self, link: Link) -> None:
        """The buffer of a connection's socket is full."""
        if link.number in self._links:
            self.arrive("congested", link.number)

    def drained(self, link: Link) -> None:
        """It has room again."""
        if link.number in self._links:
            self.arrive("drained", link.number)

    @property
    def links(self) -> list[Link]:
        """The connections it has, in the order in which they came."""
        return list(self._links.values())

    def connection(self, number: int) -> Link | None:
        """One of them by its number."""
        return self._links.get(number)

    @property
    def is_linked(self) -> bool:
        """Whether there is a link to business."""
        return self._business is not None

    # the link to business ----------------------------------------------------------------------------------------------------------

    def linked(self, business: SimBusiness, link: int) -> None:
        """The link to business is there."""
        self._business, self._business_link = business, link
        self.arrive("linked")

    def unlinked(self, link: int) -> None:
        """A link to business ended."""
        if self._business is not None and link == self._business_link:
            self._business = None
            self.arrive("unlinked")

    def told(self, link: int, envelopes: list[Any]) -> None:
        """What a turn of business had to say arrives on a link."""
        if self._business is not None and link == self._business_link:
            self.arrive("envelopes", envelopes)

    def sever(self, far_end: Callable[[SimBusiness], Any]) -> Any:
        """Put ``far_end(business)`` between itself and business, which it still believes in; returns it."""
        assert self._business is not None
        self._business = stand_in = far_end(self._business)
        return stand_in

    def mend(self, business: SimBusiness) -> None:
        """Speak to business itself again, if the link has not ended meanwhile."""
        if self._business is not None:
            self._business = business

    def announce(self) -> None:
        """Tell business again which sessions are here."""
        if self._business is not None:
            self.arrive("linked")

    # a turn ------------------------------------------------------------------------------------------------------------------------

    def take(self, item: tuple[Any, ...], now: int, out: list[Any]) -> float:
        machine = self._machine
        match item[0]:
            case "frame":
                frame = item[2]
                kind = frame.kind
                self.trace = hash((self.trace, now, item[1], kind))
                machine.receive(item[1], frame, now, out)
                cost = self._frame_us[kind]
                return cost + self._byte_us * len(frame.payload) if kind == SEND else cost
            case "envelopes":
                envelopes = item[1]
                self.trace = hash((self.trace, now, len(envelopes), envelopes[0].kind, envelopes[-1].kind))
                payload = 0
                for envelope in envelopes:
                    machine.receive_business(envelope, now, out)
                    if type(envelope) is Down:
                        frame = envelope.frame
                        if type(frame) is Deliver:  # most of them; told apart here, without a call, since there are so many
                            payload += len(frame.payload)
                        elif type(frame) is SyncReply:
                            payload += payload_bytes(frame)
                return self._times.gateway_envelope_us * len(envelopes) + self._byte_us * payload
            case "opened":
                self._unaccepted -= 1
                machine.opened(item[1], now, out)
                return self._times.gateway_handshake_us
            case "closed":
                machine.closed(item[1], now, out)
            case "linked":
                self._known_link = self._business_link
                machine.business_up(now, out)
            case "unlinked":
                out[:] = [effect for effect in out if type(effect) is not TellBusiness]  # meant for the link that is no more
                machine.business_down(now, out)
            case "deadline":
                machine.on_deadline(now, out)
            case "congested":
                machine.congested(item[1])
            case "drained":
                machine.drained(item[1], now, out)
            case "shut_down":
                machine.shut_down(now, out)
        return 0.0

    def cost(self, out: list[Any]) -> float:
        """A connection that gets several frames in a turn is written to once."""
        written: list[int] = []
        payload = 0
        for effect in out:
            kind = type(effect)
            if kind is Write:
                written.append(effect.connection)
                frame = effect.frame
                if type(frame) is Deliver:
                    payload += len(frame.payload)
                elif type(frame) is SyncReply:
                    payload += payload_bytes(frame)
            elif kind is TellBusiness and type(effect.envelope) is Up:
                frame = effect.envelope.frame
                if type(frame) is Send:
                    payload += len(frame.payload)
        frames, times = len(written), self._times
        self.sent += frames
        connections = len(set(written)) if frames > 1 else frames
        writing = frames * times.gateway_frame_out_us + connections * times.gateway_write_us + payload * self._byte_us
        self.writing_us, self._each_us = (round(writing), writing / connections) if connections > 1 else (0, 0.0)
        return writing

    def release(self, out: list[Any]) -> None:
        links, each_us, lags_us = self._links, self._each_us, dict[int, int]()
        envelopes: list[Any] = []
        for effect in out:
            kind = type(effect)
            if kind is Write:
                number = effect.connection
                link = links.get(number)
                if link is not None:
                    lag_us = lags_us.setdefault(number, int((len(lags_us) + 1) * each_us)) if each_us else 0
                    link.down.carry(lag_us, link.end.receive, link, effect.frame)
            elif kind is TellBusiness:
                envelopes.append(effect.envelope)
            elif kind is Close:
                link = links.pop(effect.connection, None)
                if link is not None:
                    link.down.carry(lags_us.get(effect.connection, 0), link.end.hung_up, link)
        if envelopes and self._business is not None and self._known_link == self._business_link:
            written_us = self.kernel.now + int(len(lags_us) * each_us)  # clients come first
            self.kernel.at(written_us + self._local_us, self._business.told, self._business_link, envelopes)

    def deadline(self) -> int:
        return self._machine.deadline
