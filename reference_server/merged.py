"""Access and business in one process, on one event loop: the server that is not split.

    python -m reference_server.merged --name gateway-1 --host 127.0.0.1 --port 0 --data DIR --config FILE

The same two shells as in processes of their own, joined by a socketpair where those have a Unix socket: the same bytes, written and read
in the same way, so that what differs is what is compared: that they share a core and a fate. A database has one process, so there is one
gateway, and no successor beside it. It prints the ready line of a gateway. SIGTERM: it drains as a gateway, then ends as business does,
with 0.
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
from reference_server.access import role as access
from reference_server.access.shell import AccessShell
from reference_server.business import role as business
from reference_server.business.shell import BusinessShell
from reference_server.config import ServerConfig
from reference_server.process import OK, Arguments, Unusable, load_config, run, say_ready, whole


def _parser() -> argparse.ArgumentParser:
    parser = Arguments("reference_server.merged", description="Run a gateway and business in one process.")
    parser.add_argument("--name", required=True, help="name of the gateway")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=whole(0, 65535), default=0, help="port to listen on; 0: any (0)")
    parser.add_argument("--data", type=Path, required=True, help="folder of the database; made at the first start")
    parser.add_argument("--config", type=Path, required=True, help="configuration file (JSON)")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when standard input does")
    return parser


async def _serve(arguments: argparse.Namespace, config: ServerConfig, stop: asyncio.Event) -> int:
    tally = open_tally(os.getpid())
    node = business.make_shell(arguments.data, config, tally)
    gateway = access.make_shell(arguments.name, config, tally)
    server, port = await access.listen(gateway, arguments.host, arguments.port)
    joined = asyncio.get_running_loop().create_task(_keep_joined(gateway, node))
    say_ready(json.dumps({"name": arguments.name, "host": arguments.host, "port": port, "pid": os.getpid()}))
    await stop.wait()
    await access.leave(gateway, server, config)
    joined.cancel()
    await business.leave(node)
    return OK


async def _keep_joined(gateway: AccessShell, node: BusinessShell) -> None:
    """A link between the two; should one of them end it, as between processes, there is another."""
    loop = asyncio.get_running_loop()
    while True:
        above, below = socket.socketpair()
        await loop.create_unix_connection(node.new_link, sock=above)
        _, link = await loop.create_unix_connection(gateway.new_link, sock=below)
        await link.lost.wait()


def main() -> int:
    """The command line of ``python -m reference_server.merged``."""
    arguments = _parser().parse_args()
    try:
        config = load_config(arguments.config)
    except Unusable as error:
        print(f"{arguments.name}: {error}", file=sys.stderr)
        return error.status
    return run(arguments.name, partial(_serve, arguments, config), until_stdin_ends=arguments.until_stdin_ends)


if __name__ == "__main__":
    sys.exit(main())
