"""`imbench serve`: one reference server, from its options to its exit code.

    python -m reference_server.serve --gateways 2 --data DIR --config FILE [--host 127.0.0.1] [--port 0] [--control] [--logs DIR]
    python -m reference_server.serve --merged --data DIR --config FILE ...

When everything serves it prints one line on stdout::

    ready {"gateways":[{"name":"gateway-1","host":"127.0.0.1","port":40001,"pid":123}],"business":{"pid":122,"socket":...}}

SIGTERM and SIGINT stop it, gateways first; the exit code is then 0. With ``--control`` it takes commands on stdin (``kill gateway-1``,
``drain gateway-1``, ``pause business``, ``resume business``, ``start business``, ``step business MICROSECONDS`` (its clock),
``arm business STAGE`` (it ends there by itself, with SIGKILL), ``disarm business``, ``stop``) and prints one JSON event a line, each with
the instant ``t_ns`` of CLOCK_MONOTONIC: ``{"event":"exited","role":"gateway-1","pid":123,"status":-9,"t_ns":1}``,
``{"event":"started",...,"port":40001,...}``, ``{"event":"stood",...,"stage":"queued","since_ns":1,...}``,
``{"event":"refused","command":...,"text":...}``. The end of stdin stops it then.

With ``--merged`` the one gateway and business are one process (:mod:`reference_server.merged`): it has one pid under both names, either
name kills and starts it, and events tell of it by the name it was called by last.

What cannot work is found before the first child is started, and told in one line with a code of sysexits(3): usage 64, a database
of another kind 65, no such file or folder 66, a port or folder in use 69, a folder that cannot be made 73, a configuration that is
wrong 78. How children are started and watched is :mod:`reference_server.supervisor`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from reference_server.process import CANTCREAT, USAGE, Arguments, Unusable, bind, load_config, whole
from reference_server.supervisor import BUSINESS, Child, Supervisor

SOCKET_PATH_MAX = 100
"""Bytes of a Unix socket's path that every system takes (108 on Linux, less elsewhere)."""
GATEWAYS_MAX = 64
"""Gateways of one server: more than the cores of a host this is run on."""


class ServeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a server is asked for. Gateway k listens on ``port + k - 1``; port 0: any. ``logs``: a folder for the stderr of each role."""

    data: Path
    config: Path
    gateways: int = 2
    host: str = "127.0.0.1"
    port: int = 0
    control: bool = False
    logs: Path | None = None
    links: Path | None = None
    """A folder with a socket ``NAME.sock`` for each gateway, at which it is to look for business instead."""
    merged: bool = False


def serve(options: ServeOptions) -> int:
    """Run a server until it is told to stop. Returns the exit code; nothing is left running. Call it from the main thread."""
    try:
        with ExitStack() as held:
            children, socket_path = _prepare(options, held)
            return Supervisor(children, options.host, str(socket_path), control=options.control).run()
    except Unusable as error:
        print(f"imbench serve: {error}", file=sys.stderr, flush=True)
        return error.status


def _prepare(options: ServeOptions, held: ExitStack) -> tuple[list[Child], Path]:
    """Check what can be checked, hold the ports, and say how every child is started, and where business listens. Raises
    :class:`Unusable`."""
    load_config(options.config)
    if options.port and options.port + options.gateways - 1 > 65535:
        text = f"{options.gateways} gateways from port {options.port} go beyond 65535; take a lower --port"
        raise Unusable(text, USAGE)
    if options.merged and options.gateways != 1:
        raise Unusable(
            f"--merged is one process, which has one gateway; with it, --gateways must be 1, not {options.gateways}", USAGE
        )
    if options.control and not _can_be_awaited(sys.stdin.fileno()):
        raise Unusable("--control takes its commands from a pipe or a terminal; connect stdin to one", USAGE)
    if options.logs is not None:
        _make_logs(options.logs)
    ports = [_hold(options.host, options.port + k if options.port else 0, held) for k in range(options.gateways)]
    if options.merged:
        return [_merged(options, ports[0])], Path()
    socket_path = held.enter_context(_socket_path(options.data))
    children = [_business(options, socket_path)]
    return children + [_gateway(options, socket_path, k + 1, port) for k, port in enumerate(ports)], socket_path


def _can_be_awaited(descriptor: int) -> bool:
    """Whether a command can arrive later: not so with a plain file or /dev/null."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


def _make_logs(logs: Path) -> None:
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"cannot make the folder {logs}: {error.strerror}; name another with --logs"
        raise Unusable(text, CANTCREAT) from None


def _hold(host: str, port: int, held: ExitStack) -> int:
    """Keep a port for a gateway, as long as the server lives. Returns its number."""
    holder: socket.socket = held.enter_context(bind(host, port))
    number: int = holder.getsockname()[1]
    return number


@contextmanager
def _socket_path(data: Path) -> Iterator[Path]:
    """Where business listens: in the data folder, or, where that path is too long for a socket, in a temporary one."""
    path = data.absolute() / "business.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        yield path
        return
    folder = tempfile.mkdtemp(prefix="imbench-")
    try:
        yield Path(folder) / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _business(options: ServeOptions, socket_path: Path) -> Child:
    command = _command("reference_server.business", "--data", options.data, "--socket", socket_path, "--config", options.config)
    return Child(BUSINESS, command, None, options.logs)


def _gateway(options: ServeOptions, socket_path: Path, number: int, port: int) -> Child:
    name = f"gateway-{number}"
    if options.links is not None:
        socket_path = options.links / f"{name}.sock"
    where = ("--host", options.host, "--port", port, "--business", socket_path, "--config", options.config)
    return Child(name, _command("reference_server.access", "--name", name, *where), port, options.logs)


def _merged(options: ServeOptions, port: int) -> Child:
    name = "gateway-1"
    where = ("--host", options.host, "--port", port, "--data", options.data, "--config", options.config)
    return Child(name, _command("reference_server.merged", "--name", name, *where), port, options.logs, also=(BUSINESS,))


def _command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *(str(argument) for argument in arguments), "--until-stdin-ends"]


def _parser() -> argparse.ArgumentParser:
    parser = Arguments("reference_server.serve", description="Start one reference server: a business node and its gateways.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the database; made at the first start")
    parser.add_argument("--config", type=Path, required=True, help="configuration file (JSON)")
    parser.add_argument("--gateways", type=whole(1, GATEWAYS_MAX), help="number of gateways (2; with --merged 1)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=whole(0, 65535), default=0, help="port of gateway-1, the others follow; 0: any (0)")
    parser.add_argument("--merged", action="store_true", help="run the one gateway and business in one process")
    parser.add_argument("--control", action="store_true", help="take commands on stdin, print events on stdout")
    parser.add_argument("--logs", type=Path, help="folder for the stderr of each role, instead of stderr")
    parser.add_argument("--links", type=Path, help="folder of sockets, NAME.sock, at which gateways look for business instead")
    return parser


def main() -> int:
    """The command line of ``python -m reference_server.serve``."""
    options = vars(_parser().parse_args())
    return serve(ServeOptions(**options | {"gateways": options["gateways"] or (1 if options["merged"] else 2)}))


if __name__ == "__main__":
    sys.exit(main())
