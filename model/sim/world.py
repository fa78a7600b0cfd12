"""One run in the simulated world: the roles, the devices, the script, the faults, and what was observed.

Deterministic: a run is a function of (scenario, preset, seed, service times, generator, pending set). All luck is keyed
(:mod:`model.core.draws`), equal times run in the order in which they were asked for (or, for a hunt, in a keyed random one), and nothing
iterates over a set. The fault schedule is a SimPy process; everything else is callbacks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from model.core import draws, limits, tokens
from model.core.client import ClientSession
from model.core.commands import ReadBack, SendMessage
from model.core.effects import SendFailed, SendOk, SendUnknown
from model.history.recorder import MemoryRecorder
from model.history.schema import Header, Kind, Phase
from model.observe import ClientObserver, RunObserver, header
from model.scenario import Disk, Scenario
from model.scenario.script import Audit, BeginPhase, Finish, Progress, Script, ScriptEffect, StartSession, StopSession, Submit
from model.sim.access import SimGateway
from model.sim.business import RELINK_US, SimBusiness
from model.sim.clocks import Clocked, clock_of
from model.sim.devices import DeviceWorld, Lives, SimDevice
from model.sim.faults import Nemesis
from model.sim.generator import LoadProcess
from model.sim.kernel import GARBAGE, Kernel, seldom_collecting
from model.sim.node import Node, uneven
from model.sim.paths import Paths
from model.sim.pending import Pending
from model.sim.service_times import ServiceTimes, load
from model.sim.stations import Cores
from model.sim.storage import varied
from model.sim.weighing import Weight
from model.workload.population import populate
from model.workload.schedule import plan

SECRET = b"the simulated world has nothing to hide"
BUSINESS = 1
"""The node number of the business node; gateway k (from 1) is node 1 + k."""


@dataclass(slots=True)
class SimResult:
    """What a run leaves: the history's header and rows, the digest of everything nodes saw, and what roles did."""

    header: Header
    rows: NDArray[np.void]
    trace_digest: str
    messages_delivered: int
    counters: dict[str, dict[str, float]] = field(default_factory=dict)
    """Per node: ``cpu_us``, ``turns``, ``sent`` (frames and envelopes); for storage commits and rows. ``measured_cpu_us`` is what of the
    CPU was used from the end of the warm-up to the end of the load; of storage ``measured_us``, for how long it was at work then."""


class World:
    """One run, assembled."""

    def __init__(
        self,
        scenario: Scenario,
        preset: str,
        seed: int,
        times: ServiceTimes,
        generator: bool = False,
        pending: Pending | None = None,
    ) -> None:
        self.scenario, self.preset, self.seed = scenario, preset, seed
        self.policies = scenario.preset(preset)
        self.times = times.with_log_ins(scenario.login)
        self.kernel = Kernel(scenario.population.users, pending)
        alone = generator or scenario.starved is not None
        self.recorder = MemoryRecorder()
        self.observer = RunObserver(self.recorder)
        self.paths = Paths(self.kernel, scenario, seed)
        self.devices = DeviceWorld(self.kernel, self.paths, LoadProcess(self.kernel, self.times) if alone else None)
        self.devices.lives = Lives(scenario, seed) if scenario.connection_life_s else None
        self.population = populate(scenario.population, scenario.gateways, seed)
        self.schedule = plan(
            self.population, scenario.workload, scenario.load_begin_us, scenario.at_us(scenario.duration_s), seed
        )
        self.nodes = {BUSINESS: "business"} | {1 + k: f"gateway-{k}" for k in range(1, scenario.gateways + 1)}
        self._gateway_nodes = {k: 2 + k for k in range(scenario.gateways)}
        self._host = Cores(self.kernel, scenario.cores) if scenario.cores is not None else None
        """The cores that all roles and the storage thread share, if they do."""
        self._loop = Cores(self.kernel, 1) if scenario.merged else self._host
        """What gateways and business run on; merged, the one event loop, beside which the storage thread has a core of its own."""
        self.business = self._business()
        self.devices.gateways = [self._gateway(k) for k in range(1, scenario.gateways + 1)]
        self.former: list[SimGateway] = []
        """Gateways whose place a successor has taken, in order; they serve on until their clients have left them."""
        self.devices.devices = {user: self._device(user) for user in self.population.users}
        self.devices.stirred = dict.fromkeys(self.devices.devices.values())
        self.script = Script(scenario, self.population, self.schedule, self._progress)
        self._armed = limits.NEVER_US
        if self.script.closed:
            self.devices.answered = self._answered
        self._used: dict[Phase, dict[str, dict[str, float]]] = {}
        """What was used of CPU and of storage until each phase began."""

    def _business(self) -> SimBusiness:
        timers, conversations = self.scenario.timers, self.population.conversations
        business = SimBusiness(
            self.kernel, BUSINESS, self.times, self.policies, timers, conversations, self._loop, self.seed, self._host
        )
        business.factors = uneven(self.times.spread, self.seed, BUSINESS)
        business.storage.factors = uneven(self.times.spread, self.seed, -BUSINESS)
        if self.scenario.disk != Disk():
            business.storage.vary = varied(self.scenario.disk, self.seed)
        return business

    def _gateway(self, k: int) -> SimGateway:
        def check_token(user: int, device: int, token: bytes) -> bool:
            return tokens.check(SECRET, user, device, token)

        policies, timers = self.policies, self.scenario.timers
        gateway = SimGateway(self.kernel, 1 + k, self.times, policies, timers, check_token, self._loop)
        gateway.factors = uneven(self.times.spread, self.seed, gateway.number)
        return gateway

    def _device(self, user: int) -> SimDevice:
        session = ClientSession(
            user,
            user,
            tokens.mint(SECRET, user, user),
            self.scenario.gateways,
            self.population.homes[user],
            self.policies,
            self.scenario.timers,
            draws.draws(self.seed, user),
        )
        observer = ClientObserver(self.recorder, user, self._gateway_nodes)
        if not self.scenario.clocks.perfect:
            clock = clock_of(self.scenario.clocks, self.scenario, self.seed, user)
            return SimDevice(cast(ClientSession, Clocked(session, clock)), observer, self.devices)
        return SimDevice(session, observer, self.devices)

    # running -----------------------------------------------------------------------------------------------------------------------

    def run(self, progress: Callable[[float], None] | None = None) -> SimResult:
        """Play the script to its end."""
        self.observer.population(self.population, self._gateway_nodes, 0)
        self.observer.schedule(self.schedule)
        self.start(self.business)
        for gateway in self.devices.gateways:
            self.start(gateway)
        Nemesis(self).plan()
        self._roam()
        self._starve()
        if progress is not None:
            self._report(progress)
        if self.devices.generator is not None:
            self.devices.after_frame = self._do_due
        self._arm()
        self.kernel.play()
        return self._result()

    def _starve(self) -> None:
        """The load process is stopped, where the scenario says so."""
        starved, generator = self.scenario.starved, self.devices.generator
        if starved is not None and generator is not None:
            for begin_s in starved.begins_s():
                self.kernel.at(self.scenario.at_us(begin_s), generator.stop, round(starved.stop_s * 1e6))

    def _roam(self) -> None:
        """Devices change their addresses, where their network has them do so."""
        for device in self.population.users:
            instants = self.paths.handovers(device)
            for first in instants:
                self.kernel.at(first, self._change_address, device, instants)
                break

    def _change_address(self, device: int, instants: Iterator[int]) -> None:
        link = self.paths.air(device).link
        if link is not None:
            link.lost_by_device()
        for following in instants:
            self.kernel.at(following, self._change_address, device, instants)
            break

    def _arm(self) -> None:
        """Set the script's one timer, if it is not set for as early a time."""
        due = max(self.script.deadline, self.kernel.now)
        if due < self._armed and not self.kernel.stopped:
            self._armed = due
            plan = self.kernel.at if self.devices.generator is None else self.devices.generator.plan
            plan(due, self._turn, due)

    def _turn(self, armed: int) -> None:
        """The timer is up, unless an earlier one took its place."""
        if armed == self._armed:
            self._armed = limits.NEVER_US
            self._do_due()
            self._arm()

    def _do_due(self) -> None:
        """What the script has due; nothing, if it is early."""
        out: list[ScriptEffect] = []
        self.script.on_deadline(self.kernel.now, out)
        for effect in out:
            self._play(effect)

    def _play(self, effect: ScriptEffect) -> None:
        now = self.kernel.now
        match effect:
            case Submit(number, conversation, payload, t_int_us, planned):
                device = self.devices.devices[number]
                device.observer.submitted(conversation, payload, now, None if planned else t_int_us)
                command = SendMessage(conversation, payload)
                device.do(lambda now, out: device.session.submit(command, now, out))
            case StartSession(number):
                device = self.devices.devices[number]
                device.observer.started(now)
                device.do(device.session.start)
            case StopSession(number):
                device = self.devices.devices[number]
                device.observer.stopped(now)
                device.do(device.session.stop)
            case Audit(number, conversation):
                device = self.devices.devices[number]
                self.devices.audits += 1
                read_back = ReadBack(conversation)
                device.do(lambda now, out: device.session.submit(read_back, now, out))
            case BeginPhase(phase):
                self.observer.phase(phase, now)
                self._used[phase] = self._use()
            case Finish():
                self.kernel.stop()

    def _answered(self, device: int, effects: list[Any]) -> None:
        """Sends have come to their end, so their user may want to send again before anything else is due."""
        for effect in effects:
            if isinstance(effect, SendOk | SendFailed | SendUnknown):
                self.script.answered(device, effect.conversation, effect.send_counter, self.kernel.now)
        self._arm()

    def _progress(self) -> Progress:
        unready, unsettled = self.devices.restless()
        audits = self.devices.audits
        return Progress(unready, unsettled, audits, self.devices.activity, audits)

    def _report(self, progress: Callable[[float], None]) -> None:
        """Tell the share of the load that is over, a hundred times."""
        end = self.scenario.at_us(self.scenario.duration_s)
        for percent in range(1, 101):
            self.kernel.at(end * percent // 100, progress, percent / 100)

    # nodes -------------------------------------------------------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """A node by its name."""
        number = next(number for number, known in self.nodes.items() if known == name)
        return self.business if number == BUSINESS else self.devices.gateways[number - 2]

    def process_of(self, node: Node) -> tuple[Node, ...]:
        """The nodes that are one process with this one, in the order in which they are started; itself alone, unless merged."""
        return (self.business, *self.devices.gateways) if self.scenario.merged else (node,)

    def start(self, node: Node) -> None:
        """A process serves; links are made between what is alive."""
        node.start()
        self.observer.process_started(node.number, node.starts, self.kernel.now)
        if node is self.business:
            for gateway in (*self.devices.gateways, *self.former):
                share = draws.draws(self.seed, gateway.number)(draws.SERVICE_TIME, node.starts)
                self.kernel.at(self.kernel.now + int(share * RELINK_US), self.link, gateway, gateway.life)
        elif isinstance(node, SimGateway):
            self.link(node, node.life)

    def succeed(self, gateway: SimGateway) -> None:
        """A new process takes a gateway's place; the old one goes on with the connections it has."""
        successor = self._gateway(gateway.number - BUSINESS)
        successor.starts = gateway.starts
        self.devices.gateways[gateway.number - 2] = successor
        self.former.append(gateway)
        self.start(successor)

    def link(self, gateway: SimGateway, life: int) -> None:
        """A gateway links to business, if both live and nothing is between them."""
        if gateway.alive and gateway.life == life and self.business.alive and not gateway.is_linked and not gateway.severed:
            self.business.link(gateway)

    # the end -----------------------------------------------------------------------------------------------------------------------

    def _result(self) -> SimResult:
        rows = self.recorder.rows()
        digest = hashlib.sha256(rows.tobytes())
        for node in (self.business, *self.devices.gateways, *self.former):
            digest.update(b"%d %d %d;" % (node.number, node.trace, node.turns))
        return SimResult(
            header=header(
                world="sim",
                scenario=self.scenario.name,
                scenario_digest=self.scenario.digest(),
                preset=self.preset,
                seed=self.seed,
                contract=self.scenario.contract,
                policies=self.policies,
                timers=self.scenario.timers,
                nodes=self.nodes,
                load_begin_us=self.scenario.load_begin_us,
                closed_loop=self.script.closed,
            ),
            rows=rows,
            trace_digest=digest.hexdigest(),
            messages_delivered=int((rows["kind"] == Kind.DELIVER).sum()),
            counters=self._counters(),
        )

    def _counters(self) -> dict[str, dict[str, float]]:
        counters: dict[str, dict[str, float]] = {name: {"cpu_us": 0, "turns": 0, "sent": 0} for name in self.nodes.values()}
        for node in (self.business, *self.devices.gateways, *self.former):
            did = counters[self.nodes[node.number]]
            did["cpu_us"] += round(node.cpu_us)
            did["turns"] += node.turns
            did["sent"] += node.sent
        storage, generator = self.business.storage, self.devices.generator
        counters["storage"] = {"commits": storage.commits, "rows": storage.rows, "cpu_us": round(storage.cpu_us)}
        if self.paths.weight is not None:
            counters["links"] = self.paths.weight.counters()
        if generator is not None:
            counters["generator"] = {"cpu_us": round(generator.cpu_us), "wakes": generator.wakes}
        if Phase.MEASURE in self._used and Phase.DRAIN in self._used:
            before, after = self._used[Phase.MEASURE], self._used[Phase.DRAIN]
            for name, used in after.items():
                counters[name] |= {f"measured_{of}": round(us - before[name][of]) for of, us in used.items()}
        return counters

    def _use(self) -> dict[str, dict[str, float]]:
        """By node, until now."""
        storage, generator = self.business.storage, self.devices.generator
        used = {name: {"cpu_us": 0.0} for name in self.nodes.values()}
        for node in (self.business, *self.devices.gateways, *self.former):
            used[self.nodes[node.number]]["cpu_us"] += node.cpu_us
        used["storage"] = {"cpu_us": storage.cpu_us, "us": storage.at_work_us()}
        return used | ({} if generator is None else {"generator": {"cpu_us": generator.cpu_us}})


def run(
    scenario: Scenario,
    preset: str,
    seed: int,
    *,
    progress: Callable[[float], None] | None = None,
    times: ServiceTimes | None = None,
    generator: bool = False,
    pending: Pending | None = None,
    weighed: bool = False,
) -> SimResult:
    """Run ``scenario`` with a preset's policies. ``progress`` is told the share of the load that is over, in [0, 1].

    ``times``: of another calibration than the committed one. ``generator``: devices share the one CPU of a load process, as they do in a
    live run (:mod:`model.sim.generator`). ``pending`` decides the order of callbacks of equal time (:class:`model.sim.ties.Shuffled`);
    None: that of asking. ``weighed``: counters have what ``links`` carried (:mod:`model.sim.weighing`), in a run that takes longer.
    """
    GARBAGE.collect()
    with seldom_collecting():
        world = World(scenario, preset, seed, times or load(), generator, pending)
        world.paths.weight = Weight() if weighed else None
        return world.run(progress)
