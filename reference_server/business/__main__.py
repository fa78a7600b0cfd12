"""The process of a business node.

    python -m reference_server.business --data DIR --socket PATH --config FILE

It prints ``ready {"socket":...,"pid":...}`` when gateways may link. SIGTERM: it stops accepting, carries out and answers what it was
asked, and ends with 0. A group that cannot be committed ends it at once, with one line and ``IOERR`` (74).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
from functools import partial
from pathlib import Path

from model.scenario.tally import open_tally
from reference_server.business.role import NAME, leave, make_shell
from reference_server.config import ServerConfig
from reference_server.process import OK, UNAVAILABLE, USAGE, Arguments, Unusable, load_config, run, say_ready

BACKLOG = 128


def _parser() -> argparse.ArgumentParser:
    parser = Arguments("reference_server.business", description="Run the business node of a reference server.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the database; made at the first start")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument("--config", type=Path, required=True, help="configuration file (JSON)")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when standard input does")
    return parser


async def _serve(arguments: argparse.Namespace, config: ServerConfig, stop: asyncio.Event) -> int:
    shell = make_shell(arguments.data, config, open_tally(os.getpid()))
    bound = _bind(arguments.socket)
    server = await asyncio.get_running_loop().create_unix_server(shell.new_link, sock=bound, backlog=BACKLOG)
    say_ready(json.dumps({"socket": str(arguments.socket), "pid": os.getpid()}))
    await stop.wait()
    server.close()
    arguments.socket.unlink(missing_ok=True)  # while the folder is locked: a successor's socket is not there yet
    await leave(shell)
    return OK


def _bind(path: Path) -> socket.socket:
    """A socket bound to ``path``; one that a killed node left there is removed. Raises :class:`Unusable`."""
    if _answers(path):
        raise Unusable(f"another business node listens on {path}; stop it, or name another with --socket", UNAVAILABLE)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        bound.bind(str(path))
    except OSError as error:  # too long a path is an OSError without an errno
        bound.close()
        raise Unusable(f"cannot listen on {path}: {error.strerror or error}; name another with --socket", USAGE) from None
    return bound


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def main() -> int:
    """The command line of ``python -m reference_server.business``."""
    arguments = _parser().parse_args()
    try:
        config = load_config(arguments.config)
    except Unusable as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.status
    return run(NAME, partial(_serve, arguments, config), until_stdin_ends=arguments.until_stdin_ends)


if __name__ == "__main__":
    sys.exit(main())
