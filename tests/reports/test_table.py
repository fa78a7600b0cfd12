"""The table says what verdict.json says: no more, no less, and never 0 for what is not known."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from model.checkers.amounts import duration
from model.history.run_folder import RunFolderError
from reports import table
from tests.reports.conftest import MakeRun, measures


def test_every_number_is_the_verdict_s(make_run: MakeRun) -> None:
    distinct = measures(
        sends={"intended": 101, "ok": 102, "info": 103, "open": 5},
        owed={"pairs": 104, "lost_pairs": 105, "lost_messages": 106},
        duplicates={"shown_twice": 107},
        order={"out_of_order": 108},
        latency={"end_to_end_live": {"n": 9, "infinite": 0, "p50_us": 109, "p99_us": 110, "max_us": 111}},
        reconnect={"p90_us": 112, "max_us": 113},
        availability={"gateways": {"gateway-1": {"longest_outage_us": 114, "at_least": True}}},
    )
    [row] = table.summary([make_run(measures=distinct, verdict="invalid")])
    assert (row.sent, row.ok, row.unknown) == (101, 102, 108)
    assert (row.lost, row.lost_pairs, row.shown_twice, row.out_of_order) == (106, 105, 107, 108)
    assert (row.p50.value_us, row.p99.value_us) == (109, 110)
    assert (row.reconnect_p90.value_us, row.reconnect_max_us) == (112, 113)
    assert row.outages == {"gateway-1": table.Outage(114, at_least=True)}
    assert "1: ≥ 114 µs" in table.render_text([row])
    assert (row.verdict, row.expected, row.as_expected) == ("invalid", "valid", False)


def test_runs_of_a_preset_stand_together_sim_first(make_run: MakeRun) -> None:
    folders = [make_run(preset=preset, world=world) for world in ("live", "sim") for preset in ("naive", "cursor")]
    rows = table.summary(folders)
    assert [(row.preset, row.world) for row in rows] == [
        ("naive", "sim"),
        ("naive", "live"),
        ("cursor", "sim"),
        ("cursor", "live"),
    ]


def test_seeds_are_told_apart_where_there_are_several(make_run: MakeRun) -> None:
    folders = [make_run(seed=seed, verdict="unknown", reasons=("doubt",)) for seed in (7, 8)]
    text = table.render_text(table.summary(folders))
    assert [line.split()[:3] for line in text.splitlines() if line.startswith("cursor ")][:2] == [
        ["cursor", "sim", "7"],
        ["cursor", "sim", "8"],
    ]
    assert "cursor sim seed 8: doubt" in text
    assert "seed" not in table.render_text(table.summary(folders[:1]))


def test_a_withheld_quantile_shows_the_largest_value_instead(make_run: MakeRun) -> None:
    few = measures(latency={"end_to_end_live": {"n": 30, "infinite": 0, "p50_us": 2_000, "p99_us": None, "max_us": 7_000}})
    [row] = table.summary([make_run(measures=few)])
    assert row.p99.value_us is None
    assert table.quantile(row.p50) == "2.00 ms"
    assert table.quantile(row.p99) == "max 7.00 ms"


def test_an_infinite_quantile_is_longer_than_the_run(make_run: MakeRun) -> None:
    lost = measures(latency={"end_to_end_live": {"n": 900, "infinite": 30, "p50_us": 2_000, "p99_us": ">run", "max_us": ">run"}})
    folder = make_run(measures=lost)
    [row] = table.summary([folder])
    assert table.quantile(row.p99) == "> run"
    assert "> run" in table.render_text([row])


def test_what_was_not_measured_is_a_dash_and_never_0(make_run: MakeRun) -> None:
    [row] = table.summary([make_run(measures={})])
    assert row.lost is None
    assert row.p50 == table.Quantile(None, None)
    texts = {column.title: column.text(row) for column in table.COLUMNS}
    assert {texts["sent"], texts["lost"], texts["end to\nend p50"], texts["recon-\nnect max"], texts["outage by\ngateway"]} == {
        "–"
    }


def test_a_run_nobody_judged_is_unknown_and_says_why(make_run: MakeRun) -> None:
    [row] = table.summary([make_run(judged=False)])
    assert row.verdict == "unknown"
    assert "imbench check" in " ".join(row.notes)


def test_reasons_and_an_early_end_stand_below_the_table(make_run: MakeRun) -> None:
    rows = table.summary([make_run(verdict="unknown", reasons=("drain_incomplete: 3 devices",), complete=False)])
    text = table.render_text(rows)
    assert "cursor sim: drain_incomplete: 3 devices" in text
    assert "cursor sim: the run did not come to its end" in text
    assert "the scenario expects valid, not unknown" in text


def test_remarks_on_a_run_that_is_plain_do_not_crowd_the_table(make_run: MakeRun) -> None:
    [row] = table.summary([make_run(reasons=("no loss in 540 pairs",))])
    assert row.notes == ()


@pytest.mark.parametrize("width", [120, 80, 60])
def test_the_table_fits_its_width_and_cuts_nothing_off(make_run: MakeRun, width: int) -> None:
    large = measures(
        sends={"intended": 12_345, "ok": 12_001, "info": 1_234},
        owed={"lost_messages": 1_234},
        latency={"end_to_end_live": {"n": 9, "infinite": 0, "p50_us": 123_456, "p99_us": None, "max_us": 12_345_678}},
        reconnect={"p90_us": None, "max_us": 12_345_678},
    )
    rows = table.summary([make_run(preset=preset, measures=large) for preset in ("naive", "cursor", "timer")])
    text = table.render_text(rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for cell in ("12,345", "123 ms", "max 12.3 s", "1: 305 ms", "naive", "cursor"):
        assert cell in text


def test_more_runs_than_fit_are_shown_whole_all_the_same(make_run: MakeRun) -> None:
    rows = table.summary([make_run(preset="cursor", seed=seed) for seed in range(100, 120)])
    text = table.render_text(rows, 60)
    assert "…" not in text
    assert all(str(row.seed) in text for row in rows)


@pytest.mark.parametrize(
    ("value_us", "text"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (999.6, "1.00 ms"),
        (4_123, "4.12 ms"),
        (9_996, "10.0 ms"),
        (99_960, "100 ms"),
        (999_600, "1.00 s"),
        (2_310_000, "2.31 s"),
        (123_400_000, "123 s"),
        (None, "–"),
        (float("inf"), "> run"),
    ],
)
def test_durations_have_three_digits_and_a_unit(value_us: float | None, text: str) -> None:
    assert duration(value_us) == text


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run folder") as error:
        table.summary([tmp_path])
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_folder_at_all_is_one_clear_line() -> None:
    with pytest.raises(RunFolderError, match="at least one run folder"):
        table.summary([])


def test_a_damaged_verdict_is_one_clear_line(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "verdict.json").write_bytes(msgspec.json.encode([1, 2]))
    with pytest.raises(RunFolderError, match=r"verdict\.json: holds no JSON object"):
        table.summary([folder])
