"""The notebooks on queueing and on the storm run as notebooks, each within a minute, and show what they claim to show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def executed(name: str) -> tuple[str, int]:
    """What a notebook printed, and how many pictures it has."""
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(BOOKS / f"{name}.py")
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(BOOKS)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = {output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})}
    return "".join(output.get("text", "") for output in outputs), len(pictures)


def numbers(pattern: str, told: str) -> list[float]:
    """The groups of the one place where a page says this."""
    found = re.search(pattern, told)
    assert found is not None, pattern
    return [float(number.replace(",", "")) for number in found.groups()]


def assert_turns_cost_less_under_load(told: str) -> None:
    """A frame costs a fraction, the loop goes on where a turn for each frame ends, and it answers soonest in between."""
    quiet_us, quiet, busy_us, busy = numbers(r"a frame costs (\d+) µs at ([\d,]+) a second, ([\d.]+) at ([\d,]+),", told)
    assert quiet_us > 3 * busy_us
    ends, loop_ends = numbers(r"with a turn for each frame at ([\d,]+); the loop at ([\d,]+)", told)
    assert ends < busy < loop_ends
    late_us, soon_us, soonest = numbers(r"it answers after (\d+) µs; soonest, after (\d+), at ([\d,]+)", told)
    assert quiet < soonest < busy
    assert soon_us < min(late_us, quiet_us)


@pytest.mark.slow
def test_formulas_and_simulation_agree_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    told, pictures = executed("20_queueing_first")
    assert pictures == 5
    whole, steady, half, known = numbers(r"with its beginning (\d+) ± \d+ ms, without (\d+) ± (\d+); known: (\d+)", told)
    assert whole > 3 * known
    assert abs(steady - known) <= half
    waits = [tuple(map(float, found)) for found in re.findall(r"servers: +([\d.]+) ± ([\d.]+) ms; Erlang: +([\d.]+)", told)]
    assert len(waits) == 5
    assert all(abs(mean - erlang) <= half for mean, half, erlang in waits)
    assert_turns_cost_less_under_load(told)
    own, common = (float(number) for number in re.findall(r"luck[a-z ]*: 0\.\d+ ± (0\.\d+)", told))
    assert common < own


@pytest.mark.slow
def test_the_storm_is_as_large_as_the_sentence_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    told, pictures = executed("21_storm")
    assert pictures == 5
    assert "full_jitter  bucket + own hints" in told
    bound, ended = map(int, re.findall(r"by the sentence (\d+) users; the largest storm that ended had (\d+)", told)[0])
    assert 0.85 * bound <= ended <= bound


@pytest.mark.slow
def test_the_ladder_shows_what_each_mechanism_buys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    told, pictures = executed("23_mechanism_ladder")
    assert pictures == 4
    lost, none = re.findall(r"killed: lost (\d+\.\d) % with acks, .*; (\d+\.\d) % with a log", told)[0]
    assert float(lost) > 0 == float(none)
    twice, once = re.findall(r"acks are lost: shown twice (\d+\.\d+) %, with server dedupe (\d+\.\d+) %", told)[0]
    assert float(twice) > 0 == float(once)


@pytest.mark.slow
def test_timer_against_cursor_shows_who_loses_and_who_is_late(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    told, pictures = executed("24_timer_or_cursor")
    assert pictures == 4
    assert int(re.findall(r"timer without pull: (\d+) % lost", told)[0]) > 10
    assert "\ncursor: 0 % lost" in told
    resend, pull = re.findall(r"missed: (\d+) ms by resends, (\d+\.\d) ms by a cursor", told)[0]
    assert float(resend) > 20 * float(pull)


@pytest.mark.slow
def test_an_ack_from_a_queue_dies_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMBENCH_RUNS", str(tmp_path))
    told, pictures = executed("25_where_acks_die")
    assert pictures == 3
    assert "queued: lost at queued (8 of 8 kills), nothing in 32 kills elsewhere" in told
    assert "committed: lost at no stage, nothing in 40 kills elsewhere" in told
    streams, gone = map(int, re.findall(r"8 kills broke (\d+) streams and cost (\d+) messages", told)[0])
    assert 8 <= streams < gone
    twice = dict(re.findall(r"dedupe (\w+): (\d+) messages stored twice", told))
    assert twice == {"durable": "0", "recent": "8"}
