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
import sqlite3
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

from model.core.business import BusinessNode
from model.scenario.tally import open_tally
from reference_server.business.shell import BusinessShell
from reference_server.config import ServerConfig
from reference_server.process import IOERR, OK, SOFTWARE, UNAVAILABLE, USAGE, Arguments, Unusable, load_config, run, say_ready
from reference_server.storage.database import Database
from reference_server.storage.writer import Writer

NAME = "business"
BACKLOG = 128
FAREWELL_S = 1.0
"""How long a link may take to be flushed at the end."""


def _parser() -> argparse.ArgumentParser:
    parser = Arguments("reference_server.business", description="Run the business node of a reference server.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the database; made at the first start")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument("--config", type=Path, required=True, help="configuration file (JSON)")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when standard input does")
    return parser


async def _serve(arguments: argparse.Namespace, config: ServerConfig, stop: asyncio.Event) -> int:
    loop = asyncio.get_running_loop()
    database = Database(arguments.data, config.conversations)
    machine = BusinessNode(config.policies, config.timers, config.conversations, database.heads(), database.incarnation)
    shell = BusinessShell(machine, loop, open_tally(os.getpid()))
    shell.writer = Writer(database, loop, shell.stored, partial(_end_on_doubt, arguments.data), shell.tally)
    shell.writer.start()
    server = await loop.create_unix_server(shell.new_link, sock=_bind(arguments.socket), backlog=BACKLOG)
    say_ready(json.dumps({"socket": str(arguments.socket), "pid": os.getpid()}))
    await stop.wait()
    server.close()
    arguments.socket.unlink(missing_ok=True)  # while the folder is locked: a successor's socket is not there yet
    shell.stop_reading()
    await asyncio.to_thread(shell.writer.close)  # its last results reach the loop before this returns
    shell.close_links()
    with suppress(TimeoutError):  # a gateway that does not read learns of the end from its socket
        await asyncio.wait_for(shell.nobody_left.wait(), FAREWELL_S)
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


def _end_on_doubt(folder: Path, error: BaseException) -> None:
    """Called on the writer thread: nobody may be told anything after this, so the process ends here and now."""
    if isinstance(error, sqlite3.Error):
        text = f"cannot commit to {folder}: {error}; what is unacknowledged is not kept. Check the disk, then start again"
        print(f"{NAME}: {text}", file=sys.stderr, flush=True)
        os._exit(IOERR)
    traceback.print_exception(error)
    os._exit(SOFTWARE)


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
