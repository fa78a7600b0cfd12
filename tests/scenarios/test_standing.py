"""Runs on a server that runs already and remembers earlier ones: each is judged as if the server had been started for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.history.run_folder import METRICS, RunFolder
from model.history.schema import Kind
from scenarios.running import catalog, settings, standing
from scenarios.running.exits import INCONCLUSIVE, VALID, CannotRun
from scenarios.running.progress import Silent
from scenarios.running.run import run_to_an_answer
from scenarios.running.standing import Address
from tests.scenarios.conftest import history_of

ROOT = Path(__file__).resolve().parents[2]
USERS = 20
TINY = (f"population.users={USERS}", "workload.rate_per_s=100", "duration_s=0.6")
SCENARIO = settings.apply(catalog.short("standard_mix"), TINY)
pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_text("5a" * 32)
    return path


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, secret_file: Path) -> Iterator[Address]:
    """A server as a person starts it."""
    command = ["serve", "--data", tmp_path_factory.mktemp("data"), "--users", USERS, "--secret-file", secret_file]
    words = [sys.executable, str(ROOT / "imbench.py"), *map(str, command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline().removeprefix("ready "))
            given = ",".join(f"127.0.0.1:{gateway['port']}" for gateway in ready["gateways"])
            yield standing.address(given, secret_file, ())
        finally:
            server.terminate()
            server.wait(30)
    assert server.returncode == 0


@pytest.mark.timeout(60)
def test_a_second_play_sees_nothing_of_the_first(there: Address, tmp_path: Path) -> None:
    for seed in (1, 2):
        result = run_to_an_answer(SCENARIO, "live", "cursor", seed, tmp_path, Silent(), "asyncio", at=there)
        assert result.verdict == "valid", result.anomalies
        history = history_of(result)
        shown = history.rows_of(Kind.DELIVER)
        intended = len(history.rows_of(Kind.INTEND))
        assert intended > 20
        assert len(shown) > intended
        assert history.seq[shown].min() == 1
        assert not {"phantom", "lost"} & {anomaly["kind"] for anomaly in result.anomalies}
        assert result.folder is not None
        metrics = RunFolder.open(result.folder).read_json(METRICS)
        assert metrics["server"] == there.given
        assert metrics["resident_bytes_max"].keys() == {"load", "gateway-1", "gateway-2"}
        assert "gateway" in metrics["cost"]


@pytest.mark.parametrize(
    ("preset", "changes", "secret", "why"),
    [
        ("cursor", ("population.users=30",), "5a", "has other conversations than the run's 30 users"),
        ("timer", (), "5a", "does not answer sends as preset timer does"),
        ("cursor", (), "a5", "is --secret-file the server's?"),
    ],
)
def test_another_server_than_was_meant_is_found_before_the_run(
    there: Address, preset: str, changes: tuple[str, ...], secret: str, why: str
) -> None:
    scenario = settings.apply(SCENARIO, changes)
    with pytest.raises(CannotRun, match=why.replace("?", r"\?")):
        standing.check(scenario, preset, Address(there.given, there.gateways, secret * 32))
    standing.check(SCENARIO, "cursor", there)


def test_the_process_behind_a_port_of_this_host_is_known(there: Address) -> None:
    pids = {standing.listener(host, port) for host, port in there.gateways}
    assert len(pids) == 2
    assert None not in pids
    assert standing.listener("localhost", there.gateways[0][1]) in pids
    assert standing.listener("192.0.2.1", there.gateways[0][1]) is None


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_server_that_is_compared_with_itself_is_not_slower(there: Address, secret_file: Path, tmp_path: Path) -> None:
    options = ["--scenario", "standard_mix", "--pairs", "8", "--secret-file", str(secret_file), "--out", str(tmp_path / "found")]
    busy = (f"population.users={USERS}", "workload.rate_per_s=300", "duration_s=1.5")  # enough for CPU, which is counted in 10 ms
    changes = [word for change in busy for word in ("--set", change)]
    command = [sys.executable, str(ROOT / "imbench.py"), "compare", there.given, there.given, *options, *changes]
    environment = os.environ | {"IMBENCH_RUNS": str(tmp_path / "runs")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode in (VALID, INCONCLUSIVE), done.stdout + done.stderr
    found = json.loads((tmp_path / "found" / "comparison.json").read_text())
    assert {"end_to_end_p50_us", "goodput_per_s", "cpu_gateway_us", "memory_gateway_bytes"} <= {
        one["measure"] for one in found["measures"]
    }
