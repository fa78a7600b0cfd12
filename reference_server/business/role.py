"""What the process of a business node does with its shell: make it, with its storage, and end it. Its own process does so, and one that it
shares with a gateway."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

from model.core.business import BusinessNode
from model.scenario.tally import Tally
from reference_server.business import stages
from reference_server.business.shell import BusinessShell
from reference_server.config import ServerConfig
from reference_server.process import IOERR, SOFTWARE
from reference_server.storage.database import Database
from reference_server.storage.writer import Writer

NAME = "business"
FAREWELL_S = 1.0
"""How long a link may take to be flushed at the end."""


def make_shell(data: Path, config: ServerConfig, tally: Tally) -> BusinessShell:
    """A node on the running loop, with the database in ``data``. Raises :class:`reference_server.process.Unusable`."""
    loop = asyncio.get_running_loop()
    database = Database(data, config.conversations)
    machine = BusinessNode(config.policies, config.timers, config.conversations, database.heads(), database.incarnation)
    shell = BusinessShell(machine, loop, tally)
    shell.writer = Writer(database, loop, shell.stored, partial(_end_on_doubt, data), tally)
    shell.writer.start()
    stages.add(shell)
    return shell


async def leave(shell: BusinessShell) -> None:
    """Carry out and answer what was asked, then end the links."""
    shell.stop_reading()
    await asyncio.to_thread(shell.writer.close)  # its last results reach the loop before this returns
    shell.close_links()
    with suppress(TimeoutError):  # a gateway that does not read learns of the end from its socket
        await asyncio.wait_for(shell.nobody_left.wait(), FAREWELL_S)


def _end_on_doubt(folder: Path, error: BaseException) -> None:
    """Called on the writer thread: nobody may be told anything after this, so the process ends here and now."""
    if isinstance(error, sqlite3.Error):
        text = f"cannot commit to {folder}: {error}; what is unacknowledged is not kept. Check the disk, then start again"
        print(f"{NAME}: {text}", file=sys.stderr, flush=True)
        os._exit(IOERR)
    traceback.print_exception(error)
    os._exit(SOFTWARE)
