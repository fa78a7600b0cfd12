"""Locust users that are devices of a scenario: ``locust -f loadgen/locustfile.py``.

With IMBENCH_JOB set it plays that job (see :mod:`loadgen`) and ends Locust with the job's exit code. Without, it is a tool for the
hand: each start on the web page plays :mod:`loadgen.by_hand` with as many users as were asked for.

Rules of the file:

- A Locust user is one reader greenlet. It takes the next line of the population; which device does what, and when, is the schedule's.
- A run begins when all its users are there, so they are to be spawned at once (``-r`` as high as ``-u``).
- Locust's statistics count from the intended time (:mod:`loadgen.latencies`). They are rounded; the judges use the history.
- With ``--master`` it plays nothing but has workers play a job (:mod:`loadgen.machines`); with ``--worker`` it plays what its master says.
- Load goes to loopback, or to hosts named by ``--im-allow-host``. The web page binds loopback unless ``--web-host`` says otherwise.

Importing locust patches the interpreter with gevent: nothing imports this file.
"""

from __future__ import annotations

import sys
from typing import Any

from locust import User, events, runners
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadgen import by_hand
from loadgen.driver import ALLOW_VARIABLE, JobError, Production, explain, job_of_environment
from loadgen.histograms import Histograms
from loadgen.latencies import Latencies
from loadgen.machines import MESSAGE
from loadgen.masters import Podium
from loadgen.page import KEY, extend
from loadgen.stage import Stage
from model.core.policies import PRESETS
from model.scenario.job import JOB_VARIABLE, LoadJob

MISSED_BEATS_MAX = 60
"""Seconds without a sign of a worker until it is taken for lost; Locust's 3 are less than it may take to plan a large run."""

_STAGES: dict[Environment, Stage] = {}


def _serve(user: User) -> None:
    """A user's only task, for as long as the play lasts."""
    _STAGES[user.environment].take().serve()


class ImUser(User):  # type: ignore[misc]  # Locust is not looked into by mypy
    """One device: reads what its gateway sends."""

    tasks = (_serve,)


# what Locust calls ---------------------------------------------------------------------------------------------------------------


def _add_options(parser: LocustArgumentParser) -> None:
    parser.set_defaults(web_host="127.0.0.1", num_users=by_hand.USERS_DEFAULT, spawn_rate=by_hand.USERS_DEFAULT)
    """Options of a play by hand; a job brings its own."""
    parser.add_argument(
        "--im-gateways",
        default="",
        include_in_web_ui=False,
        help="host:port,host:port of the gateways, as the server's ready line has them; on the web page they are the host",
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
    ImUser.host = environment.parsed_options.im_gateways or None
    try:
        job = job_of_environment()
        if job is None and environment.parsed_options.im_secret_file:
            by_hand.read_secret(environment.parsed_options.im_secret_file)  # which no page can put right
        if isinstance(environment.runner, MasterRunner):
            _lead(environment, Podium(environment, job))
        else:
            _play(environment, job)
    except Exception as error:
        sys.exit(explain(error))


def _lead(environment: Environment, podium: Podium) -> None:
    """Of a master: what it hears of workers, and when a play by hand is wanted."""
    runners.HEARTBEAT_LIVENESS = MISSED_BEATS_MAX
    environment.runner.register_message(MESSAGE, lambda msg, **_: podium.heard(msg.node_id, msg.data))
    environment.events.worker_connect.add_listener(lambda client_id, **_: podium.joined(client_id))
    environment.events.test_start.add_listener(lambda **_: podium.wanted())
    environment.events.test_stop.add_listener(lambda **_: podium.cleared())
    histograms = Histograms()
    environment.events.worker_report.add_listener(lambda data, **_: histograms.absorb(data.get(KEY, {})))
    _show(environment, histograms)


def _show(environment: Environment, histograms: Histograms) -> None:
    """On the web page, if there is one; each start begins anew."""
    environment.events.test_start.add_listener(lambda **_: histograms.clear())
    environment.events.reset_stats.add_listener(lambda **_: histograms.clear())
    if environment.web_ui is not None:
        extend(environment.web_ui, histograms)


def _hand_on(data: dict[str, Any], histograms: Histograms) -> None:
    """What was counted since the last report."""
    data[KEY] = histograms.plain()
    histograms.clear()


def _play(environment: Environment, job: LoadJob | None) -> None:
    """Of whoever has users: alone, or for a master."""
    stage = _STAGES[environment] = Stage(environment)
    environment.events.spawning_complete.add_listener(lambda user_count, **_: stage.filled(user_count))
    environment.events.test_stop.add_listener(lambda **_: stage.clear())
    environment.events.quitting.add_listener(lambda **_: stage.end())
    _show(environment, stage.histograms)
    if isinstance(environment.runner, WorkerRunner):
        environment.events.report_to_master.add_listener(lambda data, **_: _hand_on(data, stage.histograms))
        if job is not None:
            raise JobError(f"a worker plays what its master says; unset {JOB_VARIABLE}")
        environment.runner.register_message(MESSAGE, lambda msg, **_: stage.heard(msg.data))
        stage.serve(lambda says: environment.runner.send_message(MESSAGE, says))
    elif job is not None:
        stage.load(Production(job, lambda schedule: Latencies(stage.report, schedule)))


events.init_command_line_parser.add_listener(_add_options)
events.init.add_listener(_set_up)
