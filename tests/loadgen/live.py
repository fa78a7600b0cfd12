"""A real server and real load processes for tests, all on loopback, all ended by their own pids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from model.history.recorder import Rows, read_rows
from model.history.schema import Kind
from model.scenario import Scenario
from model.scenario.job import JOB_VARIABLE, READY_LINE, Endpoint, LoadJob
from model.workload.population import populate
from reference_server.config import ServerConfig, write_config

ROOT = Path(__file__).parents[2]
SECRET_HEX = "5e" * 16
SEED = 1
WAIT_S = 20.0
"""Longest wait for anything; reached only where something is broken."""


def command_of(driver: str, users: int) -> list[str]:
    """The command line of a load process."""
    if driver == "asyncio":
        return [sys.executable, "-m", "loadgen.asyncio_driver"]
    locust = [sys.executable, "-m", "locust", "-f", "loadgen/locustfile.py", "--headless"]
    return [*locust, "-u", str(users), "-r", str(users), "--only-summary"]


class Server:
    """A reference server that takes commands."""

    def __init__(self, process: subprocess.Popen[str], config: Path, gateways: tuple[Endpoint, ...]) -> None:
        self.process, self.config, self.gateways = process, config, gateways

    def tell(self, command: str, awaited: str) -> None:
        """Give a command and wait for its event."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        while (event := msgspec.json.decode(self.process.stdout.readline()))["event"] != awaited:
            assert event["event"] != "refused", event


@contextmanager
def serving(scenario: Scenario, folder: Path) -> Iterator[Server]:
    """A server provisioned for a scenario, with an empty store."""
    population = populate(scenario.population, scenario.gateways, SEED)
    config = folder / "server.json"
    write_config(config, ServerConfig(SECRET_HEX, population.conversations, scenario.preset("cursor"), scenario.timers))
    arguments = ["--gateways", str(scenario.gateways), "--data", str(folder / "store"), "--config", str(config), "--control"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reference_server.serve", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, _, text = process.stdout.readline().partition(" ")
        assert word == "ready"
        listed = msgspec.json.decode(text)["gateways"]
        yield Server(process, config, tuple(Endpoint(g["host"], g["port"], i + 1) for i, g in enumerate(listed)))
    finally:
        end(process)


class Load:
    """A load process and its files."""

    def __init__(
        self,
        driver: str,
        scenario: Scenario,
        gateways: tuple[Endpoint, ...],
        folder: Path,
        users: int | None = None,
        source: str = "",
    ) -> None:
        self.recording, self.health = folder / "load.rows", folder / "health.json"
        self._start = folder / "start"
        paths = (str(self.recording), str(self._start), str(self.health))
        job = folder / "job.json"
        job.write_bytes(msgspec.json.encode(LoadJob(scenario, "cursor", SEED, gateways, SECRET_HEX, *paths, source=source)))
        self.errors = folder / "errors.txt"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command_of(driver, users or scenario.population.users),
                cwd=ROOT,
                env=os.environ | {JOB_VARIABLE: str(job)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *exception: object) -> None:
        end(self.process)

    def start(self) -> None:
        """Wait for the ready line and let it begin."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == READY_LINE:
                break
        else:
            raise AssertionError(self.errors.read_text())
        partial = self._start.with_suffix(".partial")
        partial.write_text(str(time.monotonic_ns()))
        partial.rename(self._start)

    def until(self, kind: Kind, count: int) -> None:
        """Wait until it has recorded so many rows of a kind."""
        deadline = time.monotonic() + WAIT_S
        while int((self.rows()["kind"] == kind).sum()) < count:
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < deadline, f"no {count} rows of {kind.name}"
            time.sleep(0.02)

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(WAIT_S)

    def rows(self) -> Rows:
        """What it has recorded so far."""
        return read_rows(self.recording)

    def report(self) -> dict[str, Any]:
        """Its health."""
        found: dict[str, Any] = msgspec.json.decode(self.health.read_bytes())
        return found


def end(process: subprocess.Popen[str]) -> None:
    """Stop a process of ours, and make sure."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
