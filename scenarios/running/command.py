"""``imbench run``, as a command of its own: the program ``imbench`` has it as a sub-command, a scenario script calls it with its name.

Also how every command concludes: :func:`conclude` turns whatever was raised into one line on stderr and an exit code. Importing this
file loads click and nothing heavier; what runs and judges is imported when a command is called.
"""

from __future__ import annotations

import copy
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from scenarios.running import exits
from scenarios.running.exits import CannotRun, Interrupted

if TYPE_CHECKING:
    from model.history.schema import HistoryError
    from model.scenario import Scenario, World
    from scenarios.running.generators import Fleet
    from scenarios.running.live import Driver
    from scenarios.running.run import RunResult
    from scenarios.running.standing import Address

DEFAULT_PRESET = "cursor"
PRESET_HELP = f"Policies to run with, or another server's way (qos1); may be repeated.  [default: {DEFAULT_PRESET}]"
SERVICE_TIMES_HELP = "Calibration to simulate with, instead of IMBENCH_SERVICE_TIMES or the committed one."
SET_HELP = "Change a field of the scenario; may be repeated."
GENERATORS_HELP = "Load processes of this host.  [default: as many as the users need]"
WORKERS_HELP = "Instead of these: Locust workers, on any machines, that are waited for."
LISTEN_HELP = "Where server and Locust's master listen for --workers."
SERVER_HELP = "Instead of a new server: the gateways of one that runs already, with the same --preset and users (docs/load.md)."
SECRET_HELP = "For --server: the file with the key of its tokens, in hexadecimal."
ALLOW_HELP = "For a server that runs already: a host beside the loopback that may be loaded; may be repeated."
OUT_HELP = "Folder for run folders, instead of IMBENCH_RUNS or reports/runs of the checkout."


def each_once(context: click.Context, parameter: click.Parameter, settings: tuple[str, ...]) -> tuple[str, ...]:
    """The settings of a command line. Raises :class:`CannotRun` where one is of a field that an earlier one set: it would win unseen."""
    fields = [setting.partition("=")[0] for setting in settings]
    for i, field in enumerate(fields):
        if field in fields[:i]:
            raise CannotRun(f"--set {settings[i]}: {field} is set twice; leave one of them out")
    return settings


def _to_write(*endings: str) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """What checks, before anything is run, that a file can be made where it is asked for."""
    return lambda context, parameter, path: None if path is None else target(path, *endings)


def report_options(command: Callable[..., object]) -> Callable[..., object]:
    """The forms of a regression report: a command gets ``as_json`` and the paths ``markdown``, ``junit`` and ``html``."""
    forms = (
        ("--html", (".html", ".htm"), "Also write a self-contained page with pictures."),
        ("--junit", (".xml",), "Also write JUnit XML, which CI systems list."),
        ("--markdown", (".md",), "Also write Markdown, short enough for a comment on GitHub."),
    )
    for name, endings, text in forms:
        path = click.Path(dir_okay=False, path_type=Path)
        command = click.option(name, type=path, metavar="FILE", callback=_to_write(*endings), help=text)(command)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


SET_OPTION = click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", callback=each_once, help=SET_HELP)


@click.command()
@click.argument("name")
@click.option("--world", type=click.Choice(["sim", "live", "both"]), default="sim", show_default=True, help="Where to run it.")
@click.option("--preset", "presets", multiple=True, metavar="P", help=PRESET_HELP)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="All luck of the run comes from it."
)
@click.option(
    "--driver",
    type=click.Choice(["locust", "asyncio"]),
    default="locust",
    show_default=True,
    help="Who makes the live world's load.",
)
@click.option("--generators", type=int, default=0, help=GENERATORS_HELP)
@click.option("--workers", type=click.IntRange(0), default=0, help=WORKERS_HELP)
@click.option("--listen", metavar="HOST[:PORT]", default="127.0.0.1", show_default=True, help=LISTEN_HELP)
@click.option("--server", metavar="HOST:PORT[,...]", help=SERVER_HELP)
@click.option("--secret-file", type=click.Path(path_type=Path), help=SECRET_HELP)
@click.option("--allow-host", "allowed", multiple=True, metavar="HOST", help=ALLOW_HELP)
@click.option("--short", is_flag=True, help="The short form: a few seconds, with times and timers scaled.")
@SET_OPTION
@click.option("--service-times", type=click.Path(dir_okay=False, path_type=Path), help=SERVICE_TIMES_HELP)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help=OUT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run, a line each.")
def run(
    name: str,
    world: str,
    presets: tuple[str, ...],
    seed: int,
    driver: Driver,
    generators: int,
    workers: int,
    listen: str,
    server: str | None,
    secret_file: Path | None,
    allowed: tuple[str, ...],
    short: bool,
    settings: tuple[str, ...],
    service_times: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Run the scenario NAME and judge it.

    Exit code: 0 valid, 1 invalid, 2 unknown, 3 the harness failed; of several runs, the worst.
    """
    from scenarios.running.told import told
    from scenarios.targets.registry import presets as of_targets

    scenario = _scenario(name, short, settings)
    presets = presets or (DEFAULT_PRESET,)
    check_presets(presets, targets=True)
    worlds: list[World] = ["sim", "live"] if world == "both" else [world]  # type: ignore[list-item]
    asked = [preset for preset in of_targets() if preset in scenario.expected]
    results = []
    fleet = _fleet(worlds, driver, generators, workers, listen)
    theirs = [preset for preset in presets if preset in of_targets()]
    if theirs and (generators or workers):
        raise CannotRun(
            f"--preset {theirs[0]}: the load of a server that is not ours is one process; leave --generators and --workers out"
        )
    at = _server(worlds, server, secret_file, allowed)
    if theirs and at is not None:
        raise CannotRun(f"--preset {theirs[0]}: --server is imbench's own; leave one of them out")
    for result in runs(scenario, worlds, presets, seed, out, driver=driver, service_times=service_times, fleet=fleet, at=at):
        print(json.dumps(result.contract()) if as_json else told(result, asked), flush=True)
        results.append(result)
    return exit_code(results)


def _fleet(worlds: Sequence[World], driver: Driver, generators: int, workers: int, listen: str) -> Fleet | None:
    """Who makes the load. None where nobody was named. Raises :class:`CannotRun` for what does not go together."""
    from scenarios.running.generators import fleet

    if "live" not in worlds and (generators or workers):
        raise CannotRun("--generators and --workers make the load of the live world; add --world live, or leave them out")
    return fleet(driver, generators, workers, listen) if "live" in worlds else None


def _server(worlds: Sequence[World], server: str | None, secret_file: Path | None, allowed: Sequence[str]) -> Address | None:
    """The server that runs already, None where none was named. Raises :class:`CannotRun`."""
    if server is None:
        if secret_file or allowed:
            raise CannotRun("--secret-file and --allow-host are for a server that runs already; name it with --server")
        return None
    if list(worlds) != ["live"]:
        raise CannotRun("--server is of the live world; give --world live")
    from scenarios.running.standing import address

    return address(server, secret_file, allowed)


def _scenario(name: str, short: bool, settings: Sequence[str]) -> Scenario:
    from scenarios.running import catalog
    from scenarios.running.settings import apply

    return apply(catalog.short(name) if short else catalog.load(name), settings)


def check_presets(presets: Sequence[str], *, targets: bool = False) -> None:
    """Raise :class:`CannotRun` for a preset that does not exist; ``targets``: those of servers that are not ours do."""
    from model.core.policies import PRESETS
    from scenarios.targets import registry

    known = (*PRESETS, *(registry.presets() if targets else ()))
    for preset in presets:
        if preset not in known:
            raise CannotRun(f"no preset is called '{preset}'{exits.suggestion(preset, known)} (presets: {', '.join(known)})")


def runs(
    scenario: Scenario,
    worlds: Sequence[World],
    presets: Sequence[str],
    seed: int,
    out: Path | None,
    *,
    driver: Driver = "locust",
    again: bool = False,
    service_times: Path | None = None,
    fleet: Fleet | None = None,
    at: Address | None = None,
) -> Iterator[RunResult]:
    """Run each preset in each world, one after the other; ``again`` where the harness failed. ``at``: on the server there.

    After a signal, what there is of that run, and no more.
    """
    from scenarios.running.progress import shown
    from scenarios.running.run import run as run_once
    from scenarios.running.run import run_to_an_answer
    from scenarios.running.signals import RECORDED, SIMULATED, interruptible
    from scenarios.running.times import chosen, read_and_warn

    root = runs_root(out)
    more: dict[str, Any] = {name: value for name, value in (("fleet", fleet), ("at", at)) if value is not None}
    with interruptible(RECORDED if "live" in worlds else SIMULATED), shown() as progress:
        times = read_and_warn(chosen(service_times), progress) if "sim" in worlds else None
        for world in worlds:
            for preset in presets:
                play = run_to_an_answer if again else run_once
                result = play(scenario, world, preset, seed, root, progress, driver, times, **more)
                for reason in result.reasons:
                    progress.say(f"{scenario.name} {preset} {world}: {reason}")
                yield result
                if result.interrupted:
                    return


def runs_root(out: Path | None) -> Path:
    """Where run folders go. Raises :class:`model.history.run_folder.RunFolderError` where no place is given."""
    from model.history.run_folder import runs_root as chosen
    from scenarios.running.run import ROOT

    return chosen(out, os.environ, ROOT).absolute()


def near(path: Path) -> Path:
    """A path as a person here would write it: relative where it lies below the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def exit_code(results: Sequence[RunResult]) -> int:
    """Of several runs: that of the signal that ended them, else of the worst verdict."""
    signals = [result.interrupted for result in results if result.interrupted]
    return 128 + signals[0] if signals else exits.worst(result.verdict for result in results)


_VISIBLE = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def visible(text: str) -> str:
    """A line in which no name from a file can command the terminal."""
    return text.translate(_VISIBLE)


def target(path: Path, *endings: str) -> Path:
    """The same path, if a file of that kind can be made there. Raises :class:`CannotRun`: no folder is made in passing."""
    if path.suffix not in endings:
        raise CannotRun(f"{path}: would be no {endings[0][1:]} file by its name; give one that ends in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise CannotRun(f"{path.parent}: there is no such folder to write into; make it, or choose another", exits.CANNOT_CREATE)
    return path


def fresh(folder: Path) -> Path:
    """A folder for the results of many runs, made if need be. Raises :class:`CannotRun` where something is in it: results are not mixed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise CannotRun(f"{folder}: cannot be made ({error.strerror}); choose another with --out", exits.CANNOT_CREATE) from None
    if taken:
        raise CannotRun(f"{folder}: is not empty; choose another with --out", exits.CANNOT_CREATE)
    return folder


# how commands end ------------------------------------------------------------------------------------------------------------------


def run_script(name: str) -> NoReturn:
    """What ``python scenarios/NAME.py`` does: the same as ``imbench run NAME``, with the same options."""
    named = copy.copy(run)  # which need not be told the name
    named.params = [parameter for parameter in run.params if parameter.name != "name"]
    named.no_args_is_help = False
    named.callback = partial(cast("Callable[..., int]", run.callback), name=name)
    named.help = (run.help or "").replace("NAME", name)
    sys.exit(conclude(lambda: named.main(sys.argv[1:], prog_name=f"{name}.py", standalone_mode=False)))


def sweep_script(name: str) -> NoReturn:
    """What ``python scenarios/NAME.py`` does where the question needs a sweep: the same as ``imbench sweep NAME``, which this process
    becomes, for pictures are drawn by what scenarios do not know."""
    from scenarios.running.run import ROOT

    os.execv(sys.executable, [sys.executable, str(ROOT / "imbench.py"), "sweep", name, *sys.argv[1:]])


def conclude(command: Callable[[], object]) -> int:
    """Call a command and return its exit code; what went wrong in a way that a person can mend is one line on stderr."""
    try:
        status = command()
        if sys.stdout is not None:
            sys.stdout.flush()  # while an error can still be told
    except click.UsageError as error:
        return _misused(error)
    except click.ClickException as error:
        return _complain(error.format_message(), exits.USAGE)
    except CannotRun as error:
        return _complain(str(error), error.status)
    except Interrupted as stop:
        return _complain(f"interrupted{f'; {stop.left}' if stop.left else ''}", 128 + stop.number)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _complain("interrupted", 130)
    except SystemExit:  # so click ends when whoever read our output has gone
        return _unheard()
    except Exception as error:
        return _outside(error)
    return status if isinstance(status, int) else 0


def _misused(error: click.UsageError) -> int:
    """A wrong command line; one without any argument asks for help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # click before 8.2 does not know it and shows the help itself
        print(error.format_message(), file=sys.stderr)
        return exits.USAGE
    where = f"; see {error.ctx.command_path} --help" if error.ctx is not None else ""
    text = error.format_message().rstrip(".")
    for words, plain in _NO_NUMBER.items():
        text = text.replace(words, plain)
    return _complain(f"{text}{where}", exits.USAGE)


_NO_NUMBER = {"a valid integer range": "a whole number", "a valid float range": "a number"}
"""What click calls a number that has bounds, and what a person does."""


def _outside(error: Exception) -> int:
    """Trouble with files and disks; anything else is a bug and keeps its traceback."""
    from model.history.schema import HistoryError
    from model.workload.trace import TraceError

    if isinstance(error, TraceError):  # of a sweep, whose seeds are many
        return _complain(str(error), exits.USAGE)
    if isinstance(error, HistoryError):
        return _complain(str(error), _history_status(error))
    if isinstance(error, BrokenPipeError):
        return _unheard()
    if isinstance(error, OSError):
        if error.filename is None and error.errno in _FULL:  # whoever writes a file says which
            _drop_output()
            return _complain("standard output: no space left; write it where there is room", exits.IO_ERROR)
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _complain(f"{what}; check the path, its permissions and the free space", exits.IO_ERROR)
    raise error


def _unheard() -> int:
    """Whoever read us has gone, and nothing is left to say: end as one whom the signal killed."""
    _drop_output()
    return 128 + signal.SIGPIPE


def _drop_output() -> None:
    """Let what waits to be written go nowhere, for the interpreter tries once more as it ends."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.__stdout__.fileno() if sys.__stdout__ else 1)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CANNOT_CREATE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOENT, errno.ENOTDIR}


def _history_status(error: HistoryError) -> int:
    """The exit code for trouble with a history or a run folder."""
    if error.reason == "disk":
        number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
        return exits.CANNOT_CREATE if number in _CANNOT_CREATE else exits.IO_ERROR
    return {"damaged": exits.DAMAGED, "missing": exits.MISSING, "usage": exits.USAGE}[error.reason]


def _complain(text: str, status: int) -> int:
    print(f"imbench: {visible(' '.join(text.split()))}", file=sys.stderr, flush=True)
    return status
