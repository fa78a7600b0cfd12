"""Two servers behind one face: the simulated and the real one, each with two gateways and a business node.

A test opens connections, writes frames and reads what comes, and kills and starts roles; it cannot tell the worlds apart. Conversation 1
is direct between users 1 and 2, conversation 2 a group of users 1 to 3; a device has its user's number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from model.core import tokens
from model.core.frames import Connect, Error, Frame, Welcome
from model.core.log import Conversation
from model.core.policies import PRESETS, Policies, Timers
from model.scenario import Kill, Network
from model.scenario.faults import KillStage
from model.sim.access import SimGateway
from model.sim.business import SimBusiness
from model.sim.kernel import Kernel
from model.sim.network import Link, Luck
from model.sim.node import Node
from model.sim.service_times import load
from model.sim.stages import GiveUp, arm
from model.sim.storage import SimStorage
from reference_server.config import ServerConfig, write_config
from tests.reference_server.client import SECRET
from tests.reference_server.conftest import Server, stop

CONVERSATIONS = (Conversation(1, "direct", (1, 2)), Conversation(2, "group", (1, 2, 3)))
TIMERS = Timers(heartbeat_us=400_000)
BOUND_US = 20_000_000

F = TypeVar("F", bound=Frame)


class Connection(Protocol):
    """One connection of a device."""

    user: int

    def write(self, *frames: Frame) -> None: ...

    def expect(self, wanted: type[F]) -> F:
        """The next frame of this type; others wait for another ``expect``."""
        ...

    def read_to_end(self) -> list[Frame]:
        """Everything until the gateway closes the connection."""
        ...

    def waiting(self, wanted: type[F]) -> list[F]:
        """The frames of this type that have come and that nobody has asked for yet."""
        ...


class ServerUnderTest(Protocol):
    """A whole server."""

    def open(self, user: int, gateway: int = 1) -> Connection: ...

    def kill(self, role: str) -> None: ...

    def kill_at(self, role: str, stage: KillStage) -> None:
        """Have it killed when it next stands there."""
        ...

    def await_kill(self, role: str, stage: str) -> None:
        """Until it has stood there and is gone."""
        ...

    def start(self, role: str) -> None: ...

    def close(self) -> None: ...


def connect(connection: Connection, counter: int = 1, token: bytes | None = None) -> None:
    """Write the first frame of a connection."""
    proof = tokens.mint(SECRET, connection.user, connection.user) if token is None else token
    connection.write(Connect(connection.user, connection.user, counter, proof))


def logged_in(server: ServerUnderTest, user: int, gateway: int = 1, counter: int = 1) -> tuple[Any, Welcome]:
    """A connection with an attached session, and its Welcome."""
    connection = server.open(user, gateway)
    connect(connection, counter)
    return connection, connection.expect(Welcome)


def refusal(connection: Connection) -> int:
    """The code of the Error that is the last frame before the gateway closes."""
    last = connection.read_to_end()[-1]
    assert isinstance(last, Error)
    return last.code


# live --------------------------------------------------------------------------------------------------------------------------------


class LiveServer:
    """Real processes and sockets."""

    def __init__(self, folder: Path, policies: Policies = PRESETS["cursor"]) -> None:
        path = folder / "server.json"
        write_config(path, ServerConfig(SECRET.hex(), CONVERSATIONS, policies, TIMERS))
        self._server = Server(path, folder / "store", "--control", "--gateways", "2")

    def open(self, user: int, gateway: int = 1) -> Connection:
        return self._server.client(user, gateway)

    def kill(self, role: str) -> None:
        assert self._server.ask(f"kill {role}")["status"] == -9

    def kill_at(self, role: str, stage: KillStage) -> None:
        assert self._server.ask(f"arm {role} {stage}")["event"] == "armed"

    def await_kill(self, role: str, stage: str) -> None:
        stood, exited = self._server.event(), self._server.event()
        assert (stood["event"], stood["role"], stood["stage"]) == ("stood", role, stage)
        assert (exited["event"], exited["role"], exited["status"]) == ("exited", role, -9)
        assert stood["since_ns"] <= exited["t_ns"]

    def start(self, role: str) -> None:
        assert self._server.ask(f"start {role}")["event"] == "started"

    def close(self) -> None:
        stop(self._server)


# sim ---------------------------------------------------------------------------------------------------------------------------------


class SimServer:
    """The simulated access, business and storage, without devices: the test has the clients' ends of the links."""

    def __init__(self, policies: Policies = PRESETS["cursor"], **changed: Any) -> None:
        """``changed``: service times in place of the measured ones."""
        times = msgspec.structs.replace(load(), gateway_start_us=0, business_start_us=0, **changed)
        self.kernel = Kernel()
        self._luck = Luck(Network(), seed=1)
        self._business = SimBusiness(self.kernel, 1, times, policies, TIMERS, CONVERSATIONS)
        self._gateways = [SimGateway(self.kernel, 1 + k, times, policies, TIMERS, self._check) for k in (1, 2)]
        self._give_up: GiveUp | None = None
        self._connections = 0
        for role in ("business", "gateway-1", "gateway-2"):
            self.start(role)

    def _check(self, user: int, device: int, token: bytes) -> bool:
        return tokens.check(SECRET, user, device, token)

    def _role(self, name: str) -> Node:
        return self._business if name == "business" else self._gateways[int(name[-1]) - 1]

    def open(self, user: int, gateway: int = 1) -> Connection:
        self._connections += 1
        connection = SimConnection(self, user, self._connections, self._gateways[gateway - 1])
        assert connection.accepted
        return connection

    def link(self, connection: SimConnection, number: int) -> Link:
        return Link(self.kernel, self._luck, connection, connection.user, number)

    def kill(self, role: str) -> None:
        self._role(role).kill()

    def kill_at(self, role: str, stage: KillStage) -> None:
        node = self._role(role)
        self._give_up = arm(_Struck(self.kernel, Kill(role, 0.0, 0.0, stage), node, self._business.storage), node.kill)

    def await_kill(self, role: str, stage: str) -> None:
        while self._role(role).alive or (role == "business" and any(gateway.is_linked for gateway in self._gateways)):
            self.kernel.step()
        assert self._give_up is not None
        self._give_up()

    def start(self, role: str) -> None:
        node = self._role(role)
        node.start()
        for gateway in self._gateways:
            if self._business.alive and gateway.alive and not gateway.is_linked:
                self._business.link(gateway)

    def close(self) -> None:
        self.kernel.stop()


@dataclass
class _Struck:
    """Who is to be killed, and where."""

    kernel: Kernel
    fault: Kill
    node: Node
    storage: SimStorage

    def call_in(self, wait_us: int, call: Callable[[], None]) -> None:
        self.kernel.at(self.kernel.now + wait_us, call)


class SimConnection:
    """The client's end of a simulated link; reading lets simulated time pass, up to a bound."""

    def __init__(self, server: SimServer, user: int, number: int, gateway: SimGateway) -> None:
        self.user = user
        self._kernel, self._gateway = server.kernel, gateway
        self._link = server.link(self, number)
        self._inbox: deque[Frame] = deque()
        self._ended = False
        self.accepted = gateway.alive
        self._link.up.carry(0, gateway.connect, self._link)

    def write(self, *frames: Frame) -> None:
        for frame in frames:
            self._link.up.carry(0, self._gateway.receive, self._link, frame)

    def receive(self, link: Link, frame: Frame) -> None:
        self._inbox.append(frame)

    def hung_up(self, link: Link) -> None:
        self._ended = True

    def expect(self, wanted: type[F]) -> F:
        seen = 0
        until = self._kernel.now + BOUND_US
        while True:
            for at in range(seen, len(self._inbox)):
                frame = self._inbox[at]
                if isinstance(frame, wanted):
                    del self._inbox[at]
                    return frame
            seen = len(self._inbox)
            assert not self._ended, f"the connection ended before a {wanted.__name__}; waiting: {list(self._inbox)}"
            self._pass(until)

    def read_to_end(self) -> list[Frame]:
        until = self._kernel.now + BOUND_US
        while not self._ended:
            self._pass(until)
        frames = list(self._inbox)
        self._inbox.clear()
        return frames

    def waiting(self, wanted: type[F]) -> list[F]:
        return [frame for frame in self._inbox if isinstance(frame, wanted)]

    def _pass(self, until: int) -> None:
        assert self._kernel.peek() <= until, "nothing more happens"
        self._kernel.step()
