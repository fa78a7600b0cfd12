"""``imbench capacity``, as a shell sees it: what it refuses, and a capacity that is known beforehand."""

from __future__ import annotations

import json
from itertools import count
from math import log
from pathlib import Path

import msgspec
import pytest

import model.sim
from model.analysis.queues import mmc_response_quantile
from model.history.run_folder import RunFolder
from model.sim import run as simulate
from scenarios.capacity.promises import named, parsed
from scenarios.running.exits import CannotRun, Interrupted
from tests.cli.conftest import Answer, Command, imbench
from tests.sim.times import PINNED

__all__ = ["imbench"]

COST_US = 5_000.0
"""Of a message at the business node, so that it takes 200 a second."""
SMALL = ("--set", "population.users=20", "--set", "gateways=1", "--set", "workload.direct_share=1")


@pytest.fixture
def dear(tmp_path: Path) -> Path:
    """Service times in which a message costs business ``COST_US`` and everything else next to nothing."""
    path = tmp_path / "times.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(PINNED, business_send_us=COST_US)))
    return path


# options ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), ("no scenario is called 'nothing'",)),
        (("--preset", "curser"), ("no preset is called 'curser'", "did you mean 'cursor'")),
        (("--world", "both"), ("'both' is not one of",)),
        (("--promise", "fast"), ("--promise fast", "write it as p99=200ms")),
        (("--promise", "p99"), ("write it as p99=200ms",)),
        (("--promise", "p99=200"), ("'200' is no time", "us, ms or s")),
        (("--promise", "p99=-1ms"), ("'-1ms' is no time",)),
        (("--promise", "p99=0ms"), ("give 1us at least",)),
        (("--promise", "p42=1s"), ("no quantile 'p42'", "p50, p90, p95, p99, p99.9")),
        (("--promise", "akc.p99=1s"), ("no latency of 'akc'", "did you mean 'ack'")),
        (("--promise", "p99=1s", "--promise", "end_to_end.p99=2s"), ("promised twice",)),
        (("--from", "500", "--to", "400"), ("--from 500 is above --to 400",)),
        (("--from", "0"), ("0.0 is not in the range",)),
        (("--to", "nan"), ("--to nan",)),
        (("--tolerance", "0"), ("0.0 is not in the range",)),
        (("--runs", "4"), ("--runs 4: is even", "give 5")),
        (("--seconds", "nan"), ("--seconds nan",)),
        (("--set", "workload.rate_per_s=5"), ("the search varies that; give --from and --to",)),
        (("--set", 'workload={"rate_per_s":5}'), ("the search varies that",)),
        (("--set", "duration_s=5"), ("give --seconds",)),
        (("--set", "faults=[]"), ("without faults",)),
        (("--set", "contract.latency=[]"), ("give --promise",)),
        (("--set", "gateways=0"), ("gateways is 0",)),
        (("--world", "live", "--set", "network=4g"), ("the live world has no network but the loopback", "take --world sim")),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    imbench: Command, arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    answer = imbench("capacity", *arguments, "--out", tmp_path / "new")
    assert answer.status == 64
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert all(word in answer.err for word in words)


def test_a_recorded_trace_has_a_rate_of_its_own(imbench: Command, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("t_s,user\n0.5,1\n")
    replay = f'workload.arrivals={{"shape":"replay","path":"{path}"}}'
    answer = imbench("capacity", "--set", replay, "--out", tmp_path / "new")
    assert answer.status == 64
    assert "standard_mix replays a recorded trace, whose rate is what it is" in answer.err


def test_a_closed_loop_never_offers_more_than_is_answered(imbench: Command, tmp_path: Path) -> None:
    answer = imbench("capacity", "--set", 'workload.arrivals={"shape":"closed"}', "--out", tmp_path / "new")
    assert answer.status == 64
    assert answer.err.count("\n") == 1
    assert "standard_mix is a closed loop, which never offers more than is answered" in answer.err


def test_results_are_not_mixed_with_others(imbench: Command, tmp_path: Path) -> None:
    answer = imbench("capacity", "--out", tmp_path.parent)
    assert answer.status == 73
    assert "is not empty; choose another with --out" in answer.err


def test_promises_are_read_as_they_are_written() -> None:
    found = parsed(["p99=200ms", "ack.p50=1.5ms", "end_to_end.p99.9=2s"])
    assert [(p.of, p.quantile, p.at_most_us) for p in found] == [
        ("end_to_end", 0.99, 200_000),
        ("ack", 0.5, 1_500),
        ("end_to_end", 0.999, 2_000_000),
    ]
    assert [named(p) for p in found] == [
        "p99 end to end within 200 ms",
        "p50 ack within 1.50 ms",
        "p99.9 end to end within 2.00 s",
    ]


# a capacity ------------------------------------------------------------------------------------------------------------------------


def capacity(imbench: Command, dear: Path, tmp_path: Path, *more: object) -> Answer:
    options = ("--service-times", dear, "--out", tmp_path / "found", "--from", 50, "--to", 1_000, "--seconds", 4)
    return imbench("capacity", *SMALL, *options, *more)


def test_a_capacity_that_is_known_is_found(imbench: Command, dear: Path, tmp_path: Path) -> None:
    """One server that takes 5 ms a message: it cannot do more than 200 a second, or 6 % more for the 4 s of a run before the last tenth is
    200 ms late; and it does at least what M/M/1 would, whose services vary and whose line is longer."""
    answer = capacity(imbench, dear, tmp_path, "--promise", "p90=200ms", "--json")
    found = json.loads(answer.out)
    assert (answer.status, found["outcome"]) == (0, "found")
    last, first = found["last_pass_per_s"], found["first_failure_per_s"]
    assert first / last <= 1.1
    most = 1e6 / COST_US
    pocket = most - log(10) / 0.2
    assert mmc_response_quantile(pocket / 1e6, COST_US, 1, 0.9) == pytest.approx(200_000, rel=1e-3)
    assert first > pocket
    assert last < most * (1 + 0.2 / (0.9 * 4))
    busiest = found["resources"][0]
    assert busiest["name"] == "business"
    assert busiest["at_first_failure"] > 0.9
    assert busiest["at_last_pass"] == pytest.approx(last / most, rel=0.12)
    assert 0.3 * most < found["knee_per_s"] < last
    assert {point["runs"] for point in found["points"]} <= {2, 3}


def test_it_is_the_same_every_time(imbench: Command, dear: Path, tmp_path: Path) -> None:
    one, other = (json.loads(capacity(imbench, dear, tmp_path / k, "--runs", 1, "--json").out) for k in ("a", "b"))
    assert one["points"] == other["points"]


def test_words_table_and_folders(imbench: Command, dear: Path, tmp_path: Path) -> None:
    answer = capacity(imbench, dear, tmp_path, "--runs", 1, "--promise", "p99=20ms", "--promise", "ack.p50=15ms")
    assert answer.status == 0
    assert "p99 end to end within 20.0 ms, p50 ack within 15.0 ms, and the contract of the scenario" in answer.out
    assert "capacity: " in answer.out
    assert "/s: broken, kept by 0 of 1" in answer.err
    folder = tmp_path / "found"
    assert {path.name for path in folder.iterdir()} == {
        "capacity.json",
        "capacity.csv",
        "capacity.svg",
        "capacity.png",
        "runs",
    }
    runs = sorted((folder / "runs" / "standard_mix").iterdir())
    assert len(runs) == json.loads((folder / "capacity.json").read_text())["runs"]
    assert RunFolder.open(runs[0]).manifest().complete


def test_what_even_the_lowest_rate_does_not_keep(imbench: Command, dear: Path, tmp_path: Path) -> None:
    answer = capacity(imbench, dear, tmp_path, "--promise", "p50=4ms")
    assert answer.status == 1
    assert "capacity: below 50 messages/s" in answer.out


def test_too_few_messages_to_judge_by_are_no_answer(imbench: Command, dear: Path, tmp_path: Path) -> None:
    answer = capacity(imbench, dear, tmp_path, "--promise", "p99.9=20ms", "--seconds", 1)
    assert answer.status == 2
    assert "capacity: unknown (" in answer.out
    assert "too few samples" in answer.out


def test_a_server_that_does_not_start_leaves_what_was_decided(
    imbench: Command, dear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sims = count(1)

    def starting(*arguments: object, **more: object) -> object:
        if next(sims) > 3:
            raise CannotRun("the server did not start: no room", 69)
        return simulate(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(model.sim, "run", starting)
    answer = capacity(imbench, dear, tmp_path)
    assert answer.status == 69
    assert "the server did not start: no room" in answer.err
    left = json.loads((tmp_path / "found" / "capacity.json").read_text())
    assert (left["outcome"], left["last_pass_per_s"], left["runs"]) == ("unfinished", 50.0, 3)


def test_a_signal_leaves_what_was_decided(imbench: Command, dear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sims = count(1)

    def interrupted(*arguments: object, **more: object) -> object:
        if next(sims) > 3:
            raise Interrupted(15)
        return simulate(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(model.sim, "run", interrupted)
    answer = capacity(imbench, dear, tmp_path)
    assert answer.status == 143
    assert "capacity: the search was not finished; kept at 50 messages/s so far" in answer.out
    assert "imbench: interrupted" in answer.err
    assert json.loads((tmp_path / "found" / "capacity.json").read_text())["interrupted"] == 15
