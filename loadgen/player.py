"""The player: a scenario's script played by client sessions, without I/O, a clock or dice of its own.

A shell owns sockets and sleeps. It gives each device a :class:`Line` and calls ``opened``, ``received``, ``lost`` as things happen, and
``turn`` at ``deadline`` or later; early calls do nothing. In return the player calls the lines. So the gevent and the asyncio shell
cannot differ in what they play, only in how bytes move.

Rules of the file:

- A turn is one call of the shell for one device. All frames a device writes in a turn are one write on its line.
- Rows are recorded as each frame is handled, before its bytes leave: whoever dies in between leaves an attempt without a delivery,
  never a delivery without its attempt.
- One heap holds the deadlines of all devices, with at most one live entry a device. A device whose deadline moved later keeps its early
  entry and is looked at once in vain: that is cheaper than to find and move the entry.
- A device that was settled and heard nothing since is settled: only devices with a turn since the last look are looked at again.
- Nothing in a turn is O(devices).
- Of a run that several processes play it plays the devices of its part (:mod:`loadgen.ensemble`). What is true of the whole run (who
  there is, what is intended, phases) the leader records alone.

Prior art: the shell loop of aioquic (feed, drain, arm one timer); the lazily re-armed timers of the Linux TCP stack.
What this does not do: decide when to send, retry, acknowledge or reconnect (the session does), or when the run ends (the script does).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from loadgen.ensemble import Ensemble
from loadgen.numbering import Numbering
from model.core import draws, limits
from model.core.client import ClientSession, State
from model.core.commands import ReadBack, SendMessage
from model.core.effects import (
    ClientEffect,
    Close,
    Open,
    ReadBackCompleted,
    SendFailed,
    SendOk,
    SendUnknown,
    Write,
)
from model.core.frames import CLIENT_KINDS, FRAME_TYPES, SESSION_KINDS, Frame, Opaque
from model.core.tokens import mint
from model.history.recorder import Recorder
from model.history.schema import Phase
from model.observe import ClientObserver, RunObserver
from model.scenario import Scenario
from model.scenario.script import (
    Audit,
    BeginPhase,
    Finish,
    Follower,
    Progress,
    Script,
    ScriptEffect,
    StartSession,
    StopSession,
    Submit,
)
from model.wire import FrameDecoder, WireError, decode, encode
from model.workload.population import Population, populate
from model.workload.schedule import Schedule, plan

Clock = Callable[[], int]
"""Microseconds since the start of the run; negative before it."""

SERVER_KINDS = frozenset(frame.kind for frame in FRAME_TYPES) - CLIENT_KINDS


class Line(Protocol):
    """A device's way to the gateways: at most one connection at a time. No call blocks, raises, or calls the player back at once."""

    def open(self, connection: int, gateway: int) -> None:
        """Begin to connect to a gateway (index); answer later by ``Player.opened`` or ``Player.lost`` with this number."""
        ...

    def write(self, data: bytes) -> None:
        """Send on the current connection; what cannot leave yet is kept. Without a connection the bytes are dropped."""
        ...

    def close(self) -> None:
        """Close the connection, or stop making it, after what was written."""
        ...


class Watcher(Protocol):
    """Someone who wants to see what comes of what devices do, beside the history."""

    def meant(self, step: Submit) -> None:
        """A send that no schedule has is wanted."""
        ...

    def observed(self, device: int, effects: list[ClientEffect], now: int) -> None:
        """These are a device's effects."""
        ...


class Identity(msgspec.Struct, frozen=True):
    """What the server must accept: the secret tokens are minted with, and what is added to a user's number to name its device.

    ``device_offset`` above 0 makes new devices of the same users, for a second play against a store that remembers the first
    (:mod:`loadgen.numbering`).
    """

    secret: bytes
    device_offset: int = 0


class Play(msgspec.Struct, frozen=True):
    """Everything a player plays, fixed before it begins."""

    scenario: Scenario
    preset: str
    seed: int
    population: Population
    schedule: Schedule

    @classmethod
    def of(cls, scenario: Scenario, preset: str, seed: int, population_seed: int | None = None) -> Play:
        """Plan a scenario, as :meth:`planned` does. KeyError for an unknown preset."""
        scenario.preset(preset)
        return cls.planned(scenario, preset, seed, population_seed)

    @classmethod
    def planned(cls, scenario: Scenario, preset: str, seed: int, population_seed: int | None = None) -> Play:
        """Plan a scenario for whoever's clients; ``preset`` is theirs to know. ``population_seed``: who talks with whom, if not ``seed``'s
        to say."""
        population = populate(scenario.population, scenario.gateways, seed if population_seed is None else population_seed)
        begin_us, end_us = scenario.load_begin_us, scenario.at_us(scenario.duration_s)
        return cls(scenario, preset, seed, population, plan(population, scenario.workload, begin_us, end_us, seed))


class Device:
    """One device of the population: its session, who records it, and its line."""

    __slots__ = ("armed_us", "decoder", "line", "number", "observer", "session")

    def __init__(self, number: int, session: ClientSession, observer: ClientObserver) -> None:
        self.number = number
        self.session = session
        self.observer = observer
        self.decoder = FrameDecoder(SERVER_KINDS)
        self.line: Line = _NoLine()
        self.armed_us = limits.NEVER_US


class _NoLine:
    """Before a shell has given one: a mistake of the shell, said at the first use."""

    def open(self, connection: int, gateway: int) -> None:
        raise RuntimeError("a session starts on a device without a line; give every device its line first")

    def write(self, data: bytes) -> None:
        self.open(0, 0)

    def close(self) -> None:
        self.open(0, 0)


class Player:
    """Plays one run. ``finished`` is True after END; ``frames_*`` and ``bytes_*`` count what went over the lines."""

    __slots__ = (
        "_activity",
        "_audits",
        "_clock",
        "_decode",
        "_encode",
        "_ensemble",
        "_heap",
        "_out",
        "_over",
        "_restless",
        "_run",
        "_script",
        "_unsent",
        "_watcher",
        "bytes_in",
        "bytes_out",
        "devices",
        "finished",
        "frames_in",
        "frames_out",
        "play",
    )

    def __init__(
        self,
        play: Play,
        identity: Identity,
        gateway_nodes: Mapping[int, int],
        recorder: Recorder,
        clock: Clock,
        watcher: Watcher | None = None,
        ensemble: Ensemble | None = None,
    ) -> None:
        self.play = play
        self.finished = False
        self._over = False  # nothing is recorded or done any more
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = 0
        self._clock, self._watcher, self._ensemble = clock, watcher, ensemble
        self._activity = self._audits = 0
        self._heap: list[tuple[int, int]] = []  # (deadline, device)
        self._out: list[ClientEffect] = []  # of the frame or call under way
        self._unsent: list[bytes] = []  # of the turn under way
        self._run = RunObserver(recorder)
        users = play.population.users if ensemble is None else ensemble.part.users(play.population)
        offset = identity.device_offset
        numbering = Numbering(offset, play.scenario.population.users) if offset else None
        self._encode: Callable[[Frame], bytes] = numbering.encode if numbering else encode
        self._decode: Callable[[Opaque], Frame] = numbering.decode if numbering else decode
        nodes = dict(gateway_nodes)
        self.devices = {user: _device(user, play, identity, nodes, recorder) for user in users}
        self._restless = set(self.devices)
        self._script = self._scripted()
        if self._leads:
            self._run.population(play.population, gateway_nodes, 0)
            self._run.schedule(play.schedule)

    @property
    def deadline(self) -> int:
        """When ``turn`` is wanted next."""
        if self._over:
            return limits.NEVER_US
        due = self._script.deadline
        return min(due, self._heap[0][0]) if self._heap else due

    @property
    def loaded(self) -> bool:
        """Whether the run is where load is offered: from the end of the ramp to the drain."""
        return self._script.phase in (Phase.WARM_UP, Phase.MEASURE) and self._clock() >= self.play.scenario.load_begin_us

    @property
    def _leads(self) -> bool:
        return self._ensemble is None or self._ensemble.part.leads

    def _scripted(self) -> Script:
        play, ensemble = self.play, self._ensemble
        if ensemble is None or ensemble.part.leads:
            return Script(play.scenario, play.population, play.schedule, self._progress, self.devices if ensemble else None)
        return Follower(play.scenario, play.population, play.schedule, self._progress, self.devices, ensemble.led)

    # inputs of the shell ---------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Do everything that is due."""
        if self._over:
            return
        now = self._clock()
        if now >= self._script.deadline:
            self._play(now)
            now = self._clock()  # what was played has recorded later instants than it began at
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, number = heapq.heappop(heap)
            device = self.devices[number]
            if due == device.armed_us:  # else an earlier entry has taken its place
                device.armed_us = limits.NEVER_US
                device.session.on_deadline(now, self._out)
                self._handled(device, now)
                self._end_turn(device, now)

    def opened(self, device: Device, connection: int) -> None:
        """The connection that ``Line.open`` was asked for is there."""
        if self._over:
            return
        now = self._clock()
        device.decoder = FrameDecoder(SERVER_KINDS)
        device.session.opened(connection, now, self._out)
        self._handled(device, now)
        self._end_turn(device, now)

    def received(self, device: Device, connection: int, data: bytes) -> None:
        """Bytes of the server, in chunks of any size."""
        session, observer, out = device.session, device.observer, self._out
        if self._over or connection != session.connection or session.state not in _LISTENING:
            return  # late: the session has given this connection up
        now = self._clock()
        self.bytes_in += len(data)
        decoder = device.decoder
        sound = True
        for opaque in decoder.feed(data):
            try:
                frame = self._decode(opaque)
            except WireError:
                sound = False
                break
            self.frames_in += 1
            if frame.kind not in SESSION_KINDS:
                self._activity += 1
            observer.received(frame, now)  # type: ignore[arg-type]
            session.receive(connection, frame, now, out)  # type: ignore[arg-type]
            if out:
                self._handled(device, now)
        self._end_turn(device, now)
        if not sound or decoder.error is not None:
            self._refuse(device, connection)
        if self._script.deadline < now:
            self.turn()  # a crowd of readers must not hold up what the schedule wants

    def lost(self, device: Device, connection: int) -> None:
        """The connection ended, or could not be made."""
        if self._over:
            return
        now = self._clock()
        device.session.closed(connection, now, self._out)
        self._handled(device, now)
        self._end_turn(device, now)

    def stop(self) -> None:
        """Break the run off: every user closes the app, and what the shell says from now on is ignored."""
        if self._over:
            return
        for device in self.devices.values():
            now = self._clock()
            device.session.stop(now, self._out)
            self._handled(device, now)
            self._end_turn(device, now)
        self._over = True

    # what the script wants ---------------------------------------------------------------------------------------------------------

    def _play(self, now: int) -> None:
        steps: list[ScriptEffect] = []
        self._script.on_deadline(now, steps)
        for step in steps:
            _STEPS[type(step)](self, step)

    def _start(self, step: StartSession) -> None:
        device, now = self.devices[step.device], self._clock()
        device.observer.started(now)
        device.session.start(now, self._out)
        self._handled(device, now)
        self._end_turn(device, now)

    def _stop(self, step: StopSession) -> None:
        device, now = self.devices[step.device], self._clock()
        device.observer.stopped(now)
        device.session.stop(now, self._out)
        self._handled(device, now)
        self._end_turn(device, now)

    def _submit(self, step: Submit) -> None:
        device, now = self.devices[step.device], self._clock()
        device.observer.submitted(step.conversation, step.payload, now, None if step.planned else step.t_int_us)
        if self._watcher is not None and not step.planned:
            self._watcher.meant(step)
        device.session.submit(SendMessage(step.conversation, step.payload), now, self._out)
        self._handled(device, now)
        self._end_turn(device, now)

    def _audit(self, step: Audit) -> None:
        device, now = self.devices[step.device], self._clock()
        self._audits += 1
        device.session.submit(ReadBack(step.conversation), now, self._out)
        self._handled(device, now)
        self._end_turn(device, now)

    def _begin(self, step: BeginPhase) -> None:
        if self._leads:
            self._run.phase(step.phase, self._clock())

    def _finish(self, step: Finish) -> None:
        self.finished = self._over = True
        if self._ensemble is not None:
            self._ensemble.end()

    def _progress(self) -> Progress:
        devices = self.devices
        self._restless = {number for number in self._restless if not devices[number].session.settled}
        unready = sum(devices[number].session.state is not State.READY for number in self._restless)
        own = Progress(unready, len(self._restless) - unready, self._audits, self._activity, self._audits)
        if self._ensemble is None:
            return own
        return self._ensemble.together(own, self._script.phase, self._script.unasked)

    # a turn ------------------------------------------------------------------------------------------------------------------------

    def _handled(self, device: Device, now: int) -> None:
        """Record what the session wants, and do it; what it writes waits for the end of the turn."""
        out = self._out
        device.observer.effects(out, now)
        if self._watcher is not None:
            self._watcher.observed(device.number, out, now)
        if self._script.closed:
            self._tell_answers(device, now)
        for effect in out:
            kind = type(effect)
            if kind is Write:
                self._unsent.append(self._encode(effect.frame))  # type: ignore[union-attr, arg-type]
                if effect.frame.kind not in SESSION_KINDS:  # type: ignore[union-attr]
                    self._activity += 1
            elif kind in _RARE:
                self._do(device, effect)
        out.clear()

    def _tell_answers(self, device: Device, now: int) -> None:
        """A closed loop goes on where sends have come to an end."""
        for effect in self._out:
            if isinstance(effect, SendOk | SendFailed | SendUnknown):
                self._script.answered(device.number, effect.conversation, effect.send_counter, now)

    def _do(self, device: Device, effect: ClientEffect) -> None:
        if isinstance(effect, ReadBackCompleted):
            self._audits -= 1
            return
        self._flush(device)
        if isinstance(effect, Open):
            device.line.open(effect.connection, effect.gateway)
        else:
            device.line.close()

    def _flush(self, device: Device) -> None:
        unsent = self._unsent
        if unsent:
            data = unsent[0] if len(unsent) == 1 else b"".join(unsent)
            self.frames_out += len(unsent)
            self.bytes_out += len(data)
            unsent.clear()
            device.line.write(data)

    def _end_turn(self, device: Device, now: int) -> None:
        self._flush(device)
        self._restless.add(device.number)
        due = device.session.deadline
        if due < device.armed_us:
            device.armed_us = due = max(due, now + 1)  # later than now, so that no turn goes round for ever
            heapq.heappush(self._heap, (due, device.number))

    def _refuse(self, device: Device, connection: int) -> None:
        """The server speaks nonsense: the connection is of no use any more."""
        device.line.close()
        self.lost(device, connection)


_LISTENING = (State.ATTACHING, State.READY)
_RARE = frozenset({Open, Close, ReadBackCompleted})
_STEPS: dict[type, Callable[..., None]] = {
    StartSession: Player._start,
    StopSession: Player._stop,
    Submit: Player._submit,
    Audit: Player._audit,
    BeginPhase: Player._begin,
    Finish: Player._finish,
}


def _device(user: int, play: Play, identity: Identity, gateway_nodes: dict[int, int], recorder: Recorder) -> Device:
    scenario = play.scenario
    session = ClientSession(
        user,
        user,
        mint(identity.secret, user, user + identity.device_offset),
        scenario.gateways,
        play.population.homes[user],
        scenario.preset(play.preset),
        scenario.timers,
        draws.draws(play.seed, user),
    )
    return Device(user, session, ClientObserver(recorder, user, gateway_nodes))
