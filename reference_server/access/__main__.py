"""The process of one gateway.

    python -m reference_server.access --name gateway-1 --host 127.0.0.1 --port 0 --business SOCKET --config FILE

It prints ``ready {"name":...,"host":...,"port":...,"pid":...}`` when it accepts connections; business may come later. SIGTERM: it stops
accepting at once, so that a successor may listen on the same port, drains as its policy says (:mod:`model.core.drain`), and ends with 0
when nobody is left, at the latest when the drain and the time to close are over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from functools import partial
from pathlib import Path

from model.scenario.tally import open_tally
from reference_server.access.role import leave, listen, make_shell
from reference_server.access.shell import keep_link
from reference_server.config import ServerConfig
from reference_server.process import OK, Arguments, Unusable, load_config, run, say_ready, whole


def _parser() -> argparse.ArgumentParser:
    parser = Arguments("reference_server.access", description="Run one gateway of a reference server.")
    parser.add_argument("--name", required=True, help="name of the gateway")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=whole(0, 65535), default=0, help="port to listen on; 0: any (0)")
    parser.add_argument("--business", required=True, help="Unix socket of the business node")
    parser.add_argument("--config", type=Path, required=True, help="configuration file (JSON)")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when standard input does")
    return parser


async def _serve(arguments: argparse.Namespace, config: ServerConfig, stop: asyncio.Event) -> int:
    shell = make_shell(arguments.name, config, open_tally(os.getpid()))
    server, port = await listen(shell, arguments.host, arguments.port)
    link = asyncio.get_running_loop().create_task(keep_link(shell, arguments.business))
    say_ready(json.dumps({"name": arguments.name, "host": arguments.host, "port": port, "pid": os.getpid()}))
    await stop.wait()
    await leave(shell, server, config)
    link.cancel()
    return OK


def main() -> int:
    """The command line of ``python -m reference_server.access``."""
    arguments = _parser().parse_args()
    try:
        config = load_config(arguments.config)
    except Unusable as error:
        print(f"{arguments.name}: {error}", file=sys.stderr)
        return error.status
    return run(arguments.name, partial(_serve, arguments, config), until_stdin_ends=arguments.until_stdin_ends)


if __name__ == "__main__":
    sys.exit(main())
