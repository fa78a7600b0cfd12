"""Playing a job on a server that is not ours: all that a load process does but to speak the server's protocol.

The script, the schedule, the phases, the clock, the health and the recording are those of our own load processes, so a run means the same.
What differs is who the clients are: a target brings one :class:`Client` a device, and each tells its :class:`Diary` what it does and sees,
in the words of :mod:`docs/history.md <model.history.schema>`. The diary makes rows of it through :mod:`model.observe`, as for our own.

Rules of the file:

- A message is known by its content, for no two of a schedule have the same. Content that nobody sent is recorded without a sender, under
  a number made of its hash, and the judges call it a phantom; a message that was changed on its way is one, too.
- Nothing here has positions: no sequence numbers, no cursor, no read-back. So the phase ``audit`` is left out, and the judges say what
  they do not compute for want of such rows.
- Calls of a client and into a diary come from the loop's thread.

What this does not do: connect, wait, retry or give up; when to do that is a client's, and each is to say in its module what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import uvloop

from loadgen.asyncio_driver import Turns, play
from loadgen.driver import JobError, Prepared, RunClock, explain, job_of_environment
from loadgen.player import Play
from model.core import draws
from model.core.effects import Basis, Delivered, SendFailed, SendOk, SendUnknown, SessionChanged, Write
from model.core.frames import Deliver, Send
from model.history.recorder import Recorder
from model.history.schema import Phase
from model.observe import ClientObserver, RunObserver, content_hash
from model.scenario.job import JOB_VARIABLE, LoadJob
from model.scenario.script import Audit, BeginPhase, Finish, Progress, Script, ScriptEffect, StartSession, Submit
from model.workload.schedule import Schedule

GATEWAY = 0
"""A target is reached at one place: the only gateway of its scenarios, by its index."""


NOBODY = 0
COUNTERS = (1 << 31) - 1
"""Send counters fit into 31 bits."""

Known = Mapping[int, tuple[int, int]]
"""Hash of a content (:func:`model.observe.content_hash`) -> (sending device, send counter)."""


class Diary:
    """What one device does and sees; every call makes a row. ``connection`` counts attempts to connect, from 1."""

    __slots__ = (
        "_clock",
        "_generation",
        "_known",
        "_observer",
        "activity",
        "bytes_in",
        "bytes_out",
        "connection",
        "copies_in",
        "sends_out",
    )

    def __init__(self, observer: ClientObserver, clock: Callable[[], int], known: Known) -> None:
        self._observer, self._clock, self._known = observer, clock, known
        self._generation = 0
        self.connection = 0
        self.activity = 0  # anything that moved but heartbeats
        self.sends_out = self.copies_in = self.bytes_in = self.bytes_out = 0

    # the session -------------------------------------------------------------------------------------------------------------------

    def connecting(self) -> int:
        """An attempt to connect begins. Returns its number."""
        self.connection += 1
        self._session("connecting")
        return self.connection

    def ready(self, *, resumed: bool = False) -> None:
        """The device can send, and is reached. ``resumed``: the server still knew its session, which is no new generation."""
        self._generation += not resumed
        self._session("ready")

    def disconnected(self) -> None:
        """The connection, or the attempt, is over."""
        self._session("disconnected")

    def _session(self, state: str) -> None:
        generation = self._generation if state == "ready" else 0
        effect = SessionChanged(state, self.connection, GATEWAY, generation)  # type: ignore[arg-type]
        self._observer.effects([effect], self._clock())

    # what it sends -----------------------------------------------------------------------------------------------------------------

    def invoked(self, conversation: int, payload: bytes) -> None:
        """The person sends."""
        self._observer.submitted(conversation, payload, self._clock())

    def written(self, conversation: int, send_counter: int, payload: bytes) -> None:
        """Written to the transport: once for each attempt."""
        self.activity += 1
        self.sends_out += 1
        self.bytes_out += len(payload)
        self._observer.effects([Write(self.connection, Send(conversation, send_counter, payload))], self._clock())

    def ok(self, conversation: int, send_counter: int, basis: Basis) -> None:
        """The person is told "sent". ``basis``: what the client knows then."""
        self.activity += 1
        self._observer.effects([SendOk(conversation, send_counter, basis, 0, 0, 0)], self._clock())

    def failed(self, conversation: int, send_counter: int, code: int) -> None:
        """Refused for certain, before any effect."""
        self._observer.effects([SendFailed(conversation, send_counter, code)], self._clock())

    def unknown(self, conversation: int, send_counter: int, code: int) -> None:
        """The client gave up, and cannot know."""
        self._observer.effects([SendUnknown(conversation, send_counter, code)], self._clock())

    # what it sees ------------------------------------------------------------------------------------------------------------------

    def arrived(self, conversation: int, payload: bytes) -> None:
        """A copy came in, before the client threw any away."""
        self.activity += 1
        self._observer.received(self._message(conversation, payload), self._clock())

    def shown(self, conversation: int, payload: bytes) -> None:
        """The person sees it."""
        self.activity += 1
        self.copies_in += 1
        self.bytes_in += len(payload)
        self._observer.effects([Delivered(self._message(conversation, payload), "live")], self._clock())

    def _message(self, conversation: int, payload: bytes) -> Deliver:
        """A message seen in a conversation: no epoch, no position, no id of the server."""
        found = content_hash(payload)
        sender, send_counter = self._known.get(found, (NOBODY, found % COUNTERS + 1))
        return Deliver(conversation, 0, 0, 0, sender, sender, send_counter, payload)


class Seat:
    """What a client is given: who it is, where it sends, to whom it tells, its luck."""

    __slots__ = ("address", "conversations", "device", "diary", "job", "luck")

    def __init__(self, job: LoadJob, device: int, conversations: tuple[int, ...], diary: Diary) -> None:
        self.job, self.device, self.conversations, self.diary = job, device, conversations, diary
        self.address = (job.gateways[GATEWAY].host, job.gateways[GATEWAY].port)
        self.luck = draws.draws(job.seed, device)


class Client(Protocol):
    """One device of the target. No call blocks."""

    @property
    def ready(self) -> bool:
        """Whether it can send and is reached."""
        ...

    @property
    def settled(self) -> bool:
        """Whether nothing of it is on its way: every send has its outcome."""
        ...

    def open(self) -> None:
        """The person opens the app: connect, and connect again whenever that ends."""
        ...

    def send(self, conversation: int, send_counter: int, payload: bytes) -> None:
        """The person sends; what cannot leave yet is kept."""
        ...

    def close(self) -> None:
        """The person closes the app."""
        ...


Maker = Callable[[Seat], Client]


class Playing:
    """Plays one job with the clients of a target: :class:`loadgen.driver.Playable`."""

    __slots__ = ("_clients", "_clock", "_diaries", "_known", "_run", "_script", "finished", "play")

    def __init__(self, job: LoadJob, make: Maker, recorder: Recorder, clock: Callable[[], int]) -> None:
        self.play = Play.planned(job.scenario, job.preset, job.seed)
        self.finished = False
        self._clock = clock
        nodes = {GATEWAY: job.gateways[GATEWAY].node}
        population = self.play.population
        self._known = known(self.play.schedule)
        self._diaries = {user: Diary(ClientObserver(recorder, user, nodes), clock, self._known) for user in population.users}
        talks: dict[int, list[int]] = {user: [] for user in population.users}
        for conversation in population.conversations:
            for user in conversation.members:
                talks[user].append(conversation.conversation)
        self._clients = {user: make(Seat(job, user, tuple(talks[user]), diary)) for user, diary in self._diaries.items()}
        self._run = RunObserver(recorder)
        self._script = Script(job.scenario, population, self.play.schedule, self._progress)
        self._run.population(population, nodes, 0)
        self._run.schedule(self.play.schedule)

    # what is asked of whoever plays ----------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> int:
        """When ``turn`` is wanted next."""
        return self._script.deadline

    @property
    def loaded(self) -> bool:
        """Whether the run is where load is offered."""
        return self._script.phase in (Phase.WARM_UP, Phase.MEASURE) and self._clock() >= self.play.scenario.load_begin_us

    @property
    def frames_in(self) -> int:
        """Messages shown."""
        return sum(diary.copies_in for diary in self._diaries.values())

    @property
    def frames_out(self) -> int:
        """Messages written."""
        return sum(diary.sends_out for diary in self._diaries.values())

    @property
    def bytes_in(self) -> int:
        """Their payloads."""
        return sum(diary.bytes_in for diary in self._diaries.values())

    @property
    def bytes_out(self) -> int:
        """Their payloads."""
        return sum(diary.bytes_out for diary in self._diaries.values())

    def turn(self) -> None:
        """Do everything that is due."""
        steps: list[ScriptEffect] = []
        self._script.on_deadline(self._clock(), steps)
        for step in steps:
            self._do(step)

    def stop(self) -> None:
        """Break the run off: every person closes the app."""
        for client in self._clients.values():
            client.close()

    # the script ------------------------------------------------------------------------------------------------------------------------

    def _do(self, step: ScriptEffect) -> None:
        match step:
            case StartSession():
                self._clients[step.device].open()
            case Submit():
                self._submit(step)
            case BeginPhase():
                if step.phase is not Phase.AUDIT:
                    self._run.phase(step.phase, self._clock())
            case Finish():
                self.finished = True
            case Audit():  # nobody here can read back
                pass

    def _submit(self, step: Submit) -> None:
        _, send_counter = self._known[content_hash(step.payload)]
        self._diaries[step.device].invoked(step.conversation, step.payload)
        self._clients[step.device].send(step.conversation, send_counter, step.payload)

    def _progress(self) -> Progress:
        clients = self._clients.values()
        unready = sum(not client.ready for client in clients)
        unsettled = sum(client.ready and not client.settled for client in clients)
        return Progress(unready, unsettled, 0, sum(diary.activity for diary in self._diaries.values()))


def known(schedule: Schedule) -> Known:
    """Whose each content of a schedule is."""
    senders = zip(schedule.device.tolist(), schedule.send_counter.tolist(), strict=True)
    return {content_hash(schedule.payload(i)): sender for i, sender in enumerate(senders)}


def prepared(job: LoadJob, make: Maker) -> Prepared:
    """A job made ready for the clients of a target. Raises :class:`JobError`."""
    if len(job.gateways) != 1:
        raise JobError(
            f"a target is reached at one place, and the job names {len(job.gateways)}; give a scenario with one gateway"
        )

    if job.part.of > 1:
        raise JobError("a target is played by one process; leave --generators out")

    def playing(recorder: Recorder, clock: RunClock) -> Playing:
        return Playing(job, make, recorder, clock)

    return Prepared(job, playing)


def main(make: Maker) -> int:
    """Play the job of the environment with the clients that ``make`` makes, on uvloop; returns the exit code."""
    try:
        job = job_of_environment()
        if job is None:
            raise JobError(f"no job; set {JOB_VARIABLE} to the path of one")
        code: int = uvloop.run(_played(job, make))
        return code
    except Exception as error:
        return explain(error)


async def _played(job: LoadJob, make: Maker) -> int:
    return await play(Turns(prepared(job, make)))
