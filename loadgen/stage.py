"""Where plays take place in a Locust process: its users come and take a line each; one play at a time.

Rules of the file:

- A play is a job's, or by hand, or a part that a master says (:mod:`loadgen.machines`). Of what a person or a signal breaks off, the
  recording is made whole.
- A worker may be given a user less than its part has devices, for Locust shares out users by its own rule: what is left over is served
  by greenlets that are no users.
- Locust's environment is used as it is; nothing here imports Locust, which patches the interpreter.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from gevent.socket import wait_read

from loadgen import by_hand
from loadgen.driver import (
    EXIT_DONE,
    EXIT_SIGNAL,
    START_POLL_S,
    START_WAIT_MAX_S,
    JobError,
    Production,
    RunClock,
    Silence,
    explain,
)
from loadgen.gevent_lines import GeventLine, Shell
from loadgen.health import INTERVAL_S
from loadgen.histograms import Histograms
from loadgen.latencies import Latencies
from loadgen.machines import Says, WireBoard, clock, here, pieces
from loadgen.player import Player
from loadgen.statistics import METHOD, feed
from model.scenario.descriptors import raise_limit
from model.scenario.job import LoadJob
from model.scenario.pulse import keep_pulse


class Stage:
    """One Locust process's. ``environment`` is Locust's."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self.histograms, self._new = Histograms(), Histograms()  # what is shown, and what is not yet
        gevent.spawn(self._publish)
        self._lit = Event()
        self._taken = 0
        self._shell: Shell | None = None
        self._production: Production | None = None
        self._tell: Callable[[Says], None] | None = None  # a worker's way to its master
        self._there = False  # a worker's users are
        self._rest: list[gevent.Greenlet] = []  # serve what no user has taken
        self._board: WireBoard | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # where a part is recorded

    def take(self) -> GeventLine:
        """The next line that no user has yet; waits until the play is set up. Waits for ever where there are more users than lines."""
        number = self._taken
        self._taken += 1
        self._lit.wait()
        while self._shell is None or number >= len(self._shell.lines):
            gevent.sleep(INTERVAL_S)
        return self._shell.lines[number]

    def load(self, production: Production) -> None:
        """This job is to be played, and Locust to end with it; until END the exit code says that it was cut short."""
        self._production = production
        self._environment.process_exit_code = EXIT_SIGNAL

    def filled(self, users: int) -> None:
        """All users are there: begin, unless a play is on already."""
        self._there = True
        if self._shell is not None or (self._tell is not None and self._production is None):
            return
        try:
            body = self._set_job(self._production, users) if self._production else self._set_by_hand(users)
        except JobError as error:
            self._refuse(error)
        else:
            self._lit.set()
            self._serve_the_rest()
            gevent.spawn(body)

    def _serve_the_rest(self) -> None:
        if self._tell is not None and self._shell is not None:
            self._rest = [gevent.spawn(line.serve) for line in self._shell.lines[self._environment.runner.user_count :]]

    def clear(self) -> None:
        """The play is over, or broken off by hand; the next one begins from nothing."""
        self.publish()
        if self._shell is not None:
            self._shell.stop()
        gevent.killall(self._rest, block=False)
        self._shell, self._rest = None, []
        self._taken, self._there = 0, False
        self._lit.clear()

    def end(self) -> None:
        """Locust is about to end: what was recorded is made whole, whatever ended it."""
        self.publish()
        if self._production is not None:
            self._production.close(goodbye=self._environment.process_exit_code == EXIT_SIGNAL)

    def report(self, name: str, latency_us: int, length: int, why: str) -> None:
        """One sample for our histograms and, a little later, for Locust's statistics."""
        new = self._new.of(name)
        if not why:
            new.add(latency_us, length)
            return
        new.failed += 1
        self._environment.events.request.fire(
            request_type=METHOD,
            name=name,
            response_time=latency_us / 1000,
            response_length=length,
            exception=RuntimeError(why),
            context={},
        )

    def publish(self) -> None:
        """Show what is new."""
        new, self._new = self._new, Histograms()
        self.histograms.absorb(new.plain())
        for name, histogram in new.by_name.items():
            feed(self._environment.runner.stats, name, histogram, time.time())

    def _publish(self) -> None:
        while True:
            gevent.sleep(INTERVAL_S)
            self.publish()

    # a job -------------------------------------------------------------------------------------------------------------------------

    def _set_job(self, production: Production, users: int) -> Any:
        player = production.player
        wanted = len(player.devices)
        if users != wanted and self._tell is None:
            raise JobError(f"the job has {wanted} users, Locust was given {users}; start it with -u {wanted} -r {wanted}")
        shell = self._shell = Shell(player, production.clock, production.gateways, self._failed, production.job.source)
        return lambda: self._play_job(production, shell)

    def _play_job(self, production: Production, shell: Shell) -> None:
        production.announce()
        self._say({"is": "ready"})
        try:
            self._await_start(production)
        except JobError as error:
            self._leave(explain(error))
            return
        sampler = gevent.spawn(_sample, production)
        keep_pulse(gevent.spawn_later, time.monotonic_ns)
        if production.job.until_stdin_ends:
            gevent.spawn(end_with_stdin)
        shell.run()
        sampler.kill()
        if production.player.finished:
            production.close()
            self._hand_over(production) if self._tell else self._leave(EXIT_DONE)
        elif self._tell is not None and self._production is production:
            production.close()  # the master has broken it off
            self._production = self._board = None

    def _await_start(self, production: Production) -> None:
        deadline = time.monotonic() + START_WAIT_MAX_S
        while not production.started():
            if time.monotonic() > deadline:
                raise JobError(f"{production.job.start_path}: no start for {START_WAIT_MAX_S:g} s; the runner must write it")
            gevent.sleep(START_POLL_S)

    def _failed(self, error: Exception) -> None:
        """A bug, or a recording without room; what is recorded keeps what led to it."""
        if self._production is not None:
            self._production.close(goodbye=False)
        self._leave(explain(error))

    # for a master ------------------------------------------------------------------------------------------------------------------

    def serve(self, tell: Callable[[Says], None]) -> None:
        """Play what a master says, who is told so."""
        self._tell = tell

    def heard(self, says: Says) -> None:
        """What the master says."""
        match says["is"]:
            case "ask":
                self._say(clock())
            case "job":
                gevent.spawn(self._take_part, says["job"])
            case "start" if self._production is not None:
                Path(self._production.job.start_path).write_text(str(says["at_ns"]))
            case "report" if self._board is not None:
                self._board.heard(says["report"])

    def _take_part(self, text: bytes) -> None:
        """Plan a part of a job; it records into a folder of its own."""
        try:
            self._board = WireBoard(self._say)
            self._folder = tempfile.TemporaryDirectory(prefix="imbench-")
            job = here(msgspec.json.decode(text, type=LoadJob), Path(self._folder.name))
            self.load(Production(job, lambda schedule: Latencies(self.report, schedule), self._board))
        except Exception as error:
            explain(error)
            self._say({"is": "failed", "why": str(error)})
            return
        if self._there:
            self.filled(0)

    def _hand_over(self, production: Production) -> None:
        """All that was recorded goes to the master, which then ends everything."""
        for piece in pieces(production.job.recording_path):
            self._say(piece)
            gevent.sleep(0)
        self._say({"is": "done", "health": Path(production.job.health_path).read_bytes()})
        self._environment.process_exit_code = EXIT_DONE
        self._production = self._board = None

    def _say(self, says: Says) -> None:
        if self._tell is not None:
            self._tell(says)

    # by hand -----------------------------------------------------------------------------------------------------------------------

    def _set_by_hand(self, users: int) -> Any:
        hand = by_hand.prepare(by_hand.options_of(self._environment), users)
        raise_limit()
        clock = RunClock()
        latencies = Latencies(self.report, hand.play.schedule)
        nodes = {index: index + 1 for index in range(len(hand.gateways))}
        player = Player(hand.play, hand.identity, nodes, Silence(), clock, latencies)
        shell = self._shell = Shell(player, clock, hand.gateways, self._failed)
        clock.start(time.monotonic_ns())
        return lambda: self._play_by_hand(shell, player)

    def _play_by_hand(self, shell: Shell, player: Player) -> None:
        shell.run()
        if not player.finished:
            player.stop()
        elif self._environment.web_ui is None:
            self._leave(None)
        else:
            self._environment.runner.stop()

    def _refuse(self, error: JobError) -> None:
        """A start that cannot be ends Locust, but for one from the web page: that says why, under "Exceptions", and waits for the next."""
        code = explain(error)
        if self._production is not None or self._environment.web_ui is None:
            self._leave(code)
            return
        self._environment.runner.log_exception("local", str(error), str(error))
        gevent.spawn(self._environment.runner.stop)  # from a greenlet of its own, as quitting

    def _leave(self, code: int | None) -> None:
        """End Locust, from a greenlet of its own: quitting kills whoever asks for it."""
        if code is not None:
            self._environment.process_exit_code = code
        gevent.spawn(self._environment.runner.quit)
        if self._environment.web_ui is not None and code is not None:
            gevent.spawn(self._environment.web_ui.stop)


def _sample(production: Production) -> None:
    while True:
        gevent.sleep(INTERVAL_S)
        production.health.sample()


def end_with_stdin() -> None:
    """Whoever started this process is gone: end as Locust does on SIGTERM."""
    while True:
        wait_read(sys.stdin.fileno())
        if not os.read(sys.stdin.fileno(), 4096):
            os.kill(os.getpid(), signal.SIGTERM)
            return
