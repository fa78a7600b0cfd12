"""Who holds connections asks for the descriptors that they take: 1,024, as many systems have it, would look like a server that is full."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from loadgen.driver import Prepared
from model.scenario import Scenario
from model.scenario.descriptors import most
from model.scenario.job import Endpoint, LoadJob
from scenarios.breaking import proxy
from scenarios.breaking.proxy import ProxyJob
from scenarios.targets import supervised

FEW = 512


@pytest.fixture
def few() -> Iterator[int]:
    """A process that may have more descriptors than it has; how many it may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def has() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_load_process_has_as_many_as_it_may(few: int) -> None:
    job = LoadJob(Scenario("any", "?"), "cursor", 1, (Endpoint("127.0.0.1", 7001, 2),), "00", "", "", "")
    Prepared(job, lambda *_: cast(Any, SimpleNamespace()))
    assert has() == most() == few > FEW


def test_a_proxy_has_as_many_as_it_may(few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "proxy.json"
    path.write_bytes(msgspec.json.encode(ProxyJob(Scenario("any", "?"), 1, ())))
    monkeypatch.setattr(sys, "argv", ["proxy", str(path)])
    monkeypatch.setattr("uvloop.run", lambda serving: serving.close())
    proxy.main()
    assert has() == few


def test_a_server_that_is_not_ours_inherits_as_many_as_there_may_be(
    few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.run", lambda running: running.close() or 0)
    supervised.main(lambda *_: ["any"], ["--preset", "qos1", "--folder", str(tmp_path), "--logs", str(tmp_path)])
    assert has() == few
