"""Pictures and tables of a sweep say every mean with its interval, and never hide that something never ended."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from model.history.schema import HistoryError
from model.scenario.sweep import RECORD, SUMMARY, Axis, Choice, Curves, HeatMap, Measure, Sweep, SweepRecord, axis
from reports import sweeps

PLAN = Sweep(
    axes=(axis("policies.backoff", "fixed", "full_jitter"), Axis("door", (Choice("open"), Choice("bucket + one hint")))),
    measures=(Measure("time_s", "time to 95 %", "s"),),
    pictures=(HeatMap("time_s", x="door", y="policies.backoff"),),
)
LINE = Sweep(
    axes=(axis("gateways", 1, 2), axis("workload.rate_per_s", 1, 10, 100)),
    measures=(Measure("p99_ms", "p99", "ms"), Measure("known_ms", "formula", "ms")),
    pictures=(Curves(("p99_ms", "known_ms"), x="workload.rate_per_s"),),
)


def folder(root: Path, plan: Sweep, means: list[float]) -> Path:
    """A sweep's folder with these means, of measure after measure at point after point, ± 0.5 each."""
    record = SweepRecord("storm", "0", "How long?", plan, "2026-01-01T00:00:00+00:00", 1, runs=12, planned=12)
    (root / RECORD).write_bytes(msgspec.json.encode(record))
    places = [{name: choice.label for name, choice in point.items()} for point in plan.points()]
    rows = [
        {
            **place,
            "measure": measure.name,
            "mean": mean,
            "low": mean - 0.5,
            "high": mean + 0.5,
            "n": 3,
            "never": int(mean == math.inf),
        }
        for (place, measure), mean in zip(((place, measure) for place in places for measure in plan.measures), means, strict=True)
    ]
    pd.DataFrame(rows).to_csv(root / SUMMARY, index=False)
    return root


def test_a_table_has_a_line_for_each_point_and_an_interval_with_each_mean(tmp_path: Path) -> None:
    lines = sweeps.told(folder(tmp_path, PLAN, [12.0, 3.0, math.inf, 1234.0])).splitlines()
    assert lines[0] == "How long?"
    assert lines[2].split("  ")[0] == "backoff"
    assert lines[2].endswith("time to 95 % (s)")
    assert [line.split("  ")[-1].strip() for line in lines[4:8]] == ["12 ± 0.5", "3 ± 0.5", "never in 1 of 3", "1,234 ± 0.5"]


def test_a_table_that_is_too_wide_breaks_its_headings_and_then_stands_in_parts_with_all_points_in_each(tmp_path: Path) -> None:
    many = tuple(Measure(f"m{k}", f"the measure with the number {k}", "ms") for k in range(4))
    wide = Sweep(axes=(axis("gateways", 1, 2),), measures=many)
    folder(tmp_path, wide, [float(n) for n in range(11, 19)])
    broken, parts = (sweeps.told(tmp_path, width).partition("\n3 seeds")[0].splitlines()[2:] for width in (70, 40))
    assert max(map(len, sweeps.told(tmp_path, 200).splitlines())) > 120
    assert max(map(len, broken)) <= 70
    assert max(map(len, parts)) <= 40
    assert sum(line.startswith("1 ") for line in broken) == 1
    assert sum(line.startswith("1 ") for line in parts) == 2
    for cell in range(11, 19):
        assert f"{cell} ± 0.5" in "\n".join(broken)
        assert f"{cell} ± 0.5" in "\n".join(parts)


def test_a_table_explains_the_signs_that_stand_in_it_and_no_others(tmp_path: Path) -> None:
    told = sweeps.told(folder(tmp_path, PLAN, [12.0, 3.0, math.inf, math.nan]))
    assert "\nnever: " in told
    assert "\nwithheld: " in told
    assert "below" not in told
    assert "never: " not in sweeps.told(folder(tmp_path, PLAN, [12.0, 3.0, 4.0, 5.0]))


def test_where_some_runs_do_not_count_it_says_how_many_seeds_stand_behind_a_line(tmp_path: Path) -> None:
    rows = pd.read_csv(folder(tmp_path, PLAN, [12.0, 3.0, 4.0, 5.0]) / SUMMARY)
    rows.assign(n=[3, 2, 3, 3]).to_csv(tmp_path / SUMMARY, index=False)
    assert "\n2 to 3 seeds a line; " in sweeps.told(tmp_path)
    svg, _, _ = sweeps.write_pictures(tmp_path)
    assert "mean of 2 to 3 seeds" in svg.read_text()


def test_a_sweep_that_was_interrupted_before_its_first_replication_ended_says_so(tmp_path: Path) -> None:
    folder(tmp_path, PLAN, [12.0, 3.0, 4.0, 5.0])
    pd.DataFrame([]).to_csv(tmp_path / SUMMARY, index=False)
    assert sweeps.told(tmp_path) == "no replication came to its end"
    assert sweeps.write_pictures(tmp_path) == []


def test_an_interval_that_reaches_below_zero_does_not_hide_the_lines_of_a_logarithmic_scale(tmp_path: Path) -> None:
    folder(tmp_path, LINE, [float(n) for n in range(10, 22)])
    rows = pd.read_csv(tmp_path / SUMMARY, dtype={axis.name: str for axis in LINE.axes}).assign(low=-40.0)
    for axes in sweeps.draw(LINE, LINE.pictures[0], rows).axes:
        low, high = axes.get_ylim()
        assert (axes.get_yscale(), low > 1, high < 100) == ("log", True, True)


def test_a_heat_map_tells_every_cell(tmp_path: Path) -> None:
    svg, png, csv = sweeps.write_pictures(folder(tmp_path, PLAN, [12.0, 3.0, math.inf, 1234.0]))
    text = svg.read_text()
    for word in ("12", "± 0.5", "never", "1 of 3", "1,234", "full jitter", "bucket +", "one hint", "time to 95 % (s)"):
        assert word in text
    assert png.read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(csv)) == 4


def test_curves_have_a_panel_for_each_choice_they_do_not_show_and_units(tmp_path: Path) -> None:
    svg, _, _ = sweeps.write_pictures(folder(tmp_path, LINE, [float(n) for n in range(1, 13)]))
    text = svg.read_text()
    for word in ("gateways 1", "gateways 2", "rate per s (1/s)", "p99 (ms)", "formula"):
        assert word in text


def test_the_ticks_of_a_logarithmic_scale_are_plain_numbers_and_more_than_one(tmp_path: Path) -> None:
    folder(tmp_path, LINE, [float(n) for n in range(2, 14)])
    record, rows = sweeps.read(tmp_path)
    figure = sweeps.draw(record.sweep, LINE.pictures[0], rows)
    figure.canvas.draw()
    for scale in (scale for axes in figure.axes for scale in (axes.xaxis, axes.yaxis)):
        low, high = scale.get_view_interval()
        told = [
            label.get_text()
            for value, label in zip(scale.get_ticklocs(), scale.get_ticklabels(), strict=True)
            if low <= value <= high
        ]
        assert len(told) >= 2
        assert [str(float(text)) for text in told]


@pytest.mark.parametrize(
    ("mean", "low", "high", "never", "told"),
    [
        (2.0, 1.5, 2.5, 0, "2\n± 0.5"),
        (2.0, math.nan, math.nan, 0, "2"),
        (2.0, 2.0, 2.0, 0, "2"),
        (0.0, 0.0, 0.003, 0, "0,\nbelow 0.003"),
        (1.0, 0.05, 1.0, 0, "1,\nabove 0.05"),
        (math.nan, math.nan, math.nan, 0, "withheld"),
        (math.inf, math.nan, math.nan, 2, "never in\n2 of 5"),
    ],
)
def test_a_cell_says_what_is_known(mean: float, low: float, high: float, never: int, told: str) -> None:
    assert sweeps.cell({"mean": mean, "low": low, "high": high, "n": 5, "never": never}) == told


def test_what_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="holds no sweep"):
        sweeps.write_pictures(tmp_path)
