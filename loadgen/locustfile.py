"""Locust users that are devices of a scenario: ``locust -f loadgen/locustfile.py``.

With IMBENCH_JOB set it plays that job (see :mod:`loadgen`) and ends Locust with the job's exit code. Without, it is a tool for the
hand: each start on the web page plays :mod:`loadgen.by_hand` with as many users as were asked for.

Rules of the file:

- A Locust user is one reader greenlet. It takes the next line of the population; which device does what, and when, is the schedule's.
- A run begins when all its users are there, so they are to be spawned at once (``-r`` as high as ``-u``).
- Locust's statistics count from the intended time (:mod:`loadgen.latencies`). They are rounded; the judges use the history.
- Load goes to loopback, or to hosts named by ``--im-allow-host``. The web page binds loopback unless ``--web-host`` says otherwise.

Importing locust patches the interpreter with gevent: nothing imports this file.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import gevent
from gevent.event import Event
from gevent.socket import wait_read
from locust import User, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import LocalRunner

from loadgen import by_hand
from loadgen.driver import (
    ALLOW_VARIABLE,
    EXIT_DONE,
    EXIT_SIGNAL,
    START_POLL_S,
    START_WAIT_MAX_S,
    JobError,
    Production,
    RunClock,
    explain,
    job_of_environment,
)
from loadgen.gevent_lines import GeventLine, Shell
from loadgen.health import INTERVAL_S
from loadgen.latencies import Latencies
from loadgen.player import Player
from model.core.policies import PRESETS


class Stage:
    """Where plays take place: users come and take their lines; one play at a time."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._lit = Event()
        self._taken = 0
        self._shell: Shell | None = None
        self._production: Production | None = None

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
        if self._shell is not None:
            return
        try:
            body = self._set_job(self._production, users) if self._production else self._set_by_hand(users)
        except JobError as error:
            self._leave(explain(error))
        else:
            self._lit.set()
            gevent.spawn(body)

    def clear(self) -> None:
        """The play is over, or broken off by hand; the next one begins from nothing."""
        if self._shell is not None:
            self._shell.stop()
        self._shell = None
        self._taken = 0
        self._lit.clear()

    def end(self) -> None:
        """Locust is about to end: what was recorded is made whole, whatever ended it."""
        if self._production is not None:
            self._production.close(goodbye=self._environment.process_exit_code == EXIT_SIGNAL)

    def report(self, name: str, milliseconds: float, length: int, why: str) -> None:
        """One sample for Locust's statistics and for whoever else listens."""
        exception = RuntimeError(why) if why else None
        self._environment.events.request.fire(
            request_type="IM", name=name, response_time=milliseconds, response_length=length, exception=exception, context={}
        )

    # a job -------------------------------------------------------------------------------------------------------------------------

    def _set_job(self, production: Production, users: int) -> Any:
        player = production.player
        wanted = len(player.devices)
        if users != wanted:
            raise JobError(f"the job has {wanted} users, Locust was given {users}; start it with -u {wanted} -r {wanted}")
        shell = self._shell = Shell(player, production.clock, production.gateways, self._failed, production.job.source)
        return lambda: self._play_job(production, shell)

    def _play_job(self, production: Production, shell: Shell) -> None:
        production.announce()
        try:
            self._await_start(production)
        except JobError as error:
            self._leave(explain(error))
            return
        sampler = gevent.spawn(_sample, production)
        if production.job.until_stdin_ends:
            gevent.spawn(_end_with_stdin)
        shell.run()
        sampler.kill()
        if production.player.finished:
            production.close()
            self._leave(EXIT_DONE)

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

    # by hand -----------------------------------------------------------------------------------------------------------------------

    def _set_by_hand(self, users: int) -> Any:
        hand = by_hand.prepare(_options(self._environment), users)
        clock = RunClock()
        latencies = Latencies(self.report, hand.play.schedule, hand.identity.device_offset)
        nodes = {index: index + 1 for index in range(len(hand.gateways))}
        player = Player(hand.play, hand.identity, nodes, by_hand.Silence(), clock, latencies)
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

    def _leave(self, code: int | None) -> None:
        """End Locust, from a greenlet of its own: quitting kills whoever asks for it."""
        if code is not None:
            self._environment.process_exit_code = code
        gevent.spawn(self._environment.runner.quit)
        if self._environment.web_ui is not None and code is not None:
            gevent.spawn(self._environment.web_ui.stop)


_STAGES: dict[Environment, Stage] = {}


def _serve(user: User) -> None:
    """A user's only task, for as long as the play lasts."""
    _STAGES[user.environment].take().serve()


class ImUser(User):  # type: ignore[misc]  # Locust is not looked into by mypy
    """One device: reads what its gateway sends."""

    tasks = (_serve,)


def _sample(production: Production) -> None:
    while True:
        gevent.sleep(INTERVAL_S)
        production.health.sample()


def _end_with_stdin() -> None:
    """Whoever started this process is gone: end as Locust does on SIGTERM."""
    while True:
        wait_read(sys.stdin.fileno())
        if not os.read(sys.stdin.fileno(), 4096):
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _options(environment: Environment) -> by_hand.Options:
    """As they stand now: the web page may have changed them."""
    parsed = environment.parsed_options
    assert parsed is not None
    return by_hand.Options(
        parsed.im_gateways,
        parsed.im_preset,
        parsed.im_seed,
        parsed.im_rate,
        parsed.im_duration,
        parsed.im_secret_file,
        tuple(parsed.im_allow_host or ()),
    )


# what Locust calls ---------------------------------------------------------------------------------------------------------------


def _add_options(parser: LocustArgumentParser) -> None:
    parser.set_defaults(web_host="127.0.0.1", num_users=by_hand.USERS_DEFAULT, spawn_rate=by_hand.USERS_DEFAULT)
    """Options of a play by hand; a job brings its own."""
    parser.add_argument(
        "--im-gateways", default="", help="host:port,host:port of the gateways, as the server's ready line has them"
    )
    parser.add_argument(
        "--im-preset", default="cursor", choices=list(PRESETS), help="the clients' policies; the server has its own"
    )
    parser.add_argument(
        "--im-seed", type=int, default=1, help="of population and schedule; the server is provisioned for one seed"
    )
    parser.add_argument("--im-rate", type=float, default=200.0, help="sends per second, of all users together")
    parser.add_argument("--im-duration", type=float, default=300.0, help="seconds of load")
    parser.add_argument(
        "--im-secret-file",
        default="",
        include_in_web_ui=False,
        help="file with the tokens' secret in hexadecimal, or the server's config",
    )
    parser.add_argument(
        "--im-allow-host",
        action="append",
        default=None,
        include_in_web_ui=False,
        metavar="NAME",
        help=f"a host beside the loopback that may be loaded; again for more. For jobs: {ALLOW_VARIABLE}",
    )


def _set_up(environment: Environment, **_: Any) -> None:
    stage = _STAGES[environment] = Stage(environment)
    environment.events.spawning_complete.add_listener(lambda user_count, **_: stage.filled(user_count))
    environment.events.test_stop.add_listener(lambda **_: stage.clear())
    environment.events.quitting.add_listener(lambda **_: stage.end())
    try:
        job = job_of_environment()
        if job is not None and not isinstance(environment.runner, LocalRunner):
            raise JobError("a job is played by one process; start Locust without --master, --worker and --processes")
        if job is not None:
            stage.load(Production(job, lambda schedule: Latencies(stage.report, schedule)))
    except Exception as error:
        sys.exit(explain(error))


events.init_command_line_parser.add_listener(_add_options)
events.init.add_listener(_set_up)
