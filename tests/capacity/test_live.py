"""A search in the live world, with small bounds: invariants, and no time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scenarios.capacity.trial import SERVER
from tests.cli.conftest import Command, imbench

__all__ = ["imbench"]


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_live_search_plays_real_servers_and_says_how_busy_they_were(imbench: Command, tmp_path: Path) -> None:
    options = ("--from", 100, "--to", 200, "--seconds", 2, "--runs", 1, "--promise", "p99=1s", "--tolerance", 0.5)
    answer = imbench("capacity", "--world", "live", *options, "--out", tmp_path / "found", "--json")
    found = json.loads(answer.out)
    assert (found["outcome"], answer.status) in (("at_least", 0), ("harness", 3)), "a busy machine measures nothing"
    point = found["points"][0]
    assert {"gateway-1", "gateway-2", "business", "generator"} <= set(point["busy"])
    assert (SERVER in point["busy"]) == (len(os.sched_getaffinity(0)) > 1)
    assert all(0 <= share <= 1.5 for share in point["busy"].values())
    assert 50 < point["sent_per_s"] < 200
    assert len(list((tmp_path / "found" / "runs" / "standard_mix").iterdir())) >= found["runs"]
