"""Pictures have titled axes, equal scales side by side, and show what never came."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Header
from reports import figures, series
from reports.results import load
from reports.series import Series
from tests.reports.conftest import DEVICES, KILL_US, MakeRun


def read(make_run: MakeRun, **plan: object) -> Series:
    return series.of(load(make_run(**plan)).history)


def labelled(figure: Figure, label: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The lines whose legend begins with ``label``."""
    lines = [line for ax in figure.axes for line in ax.get_lines() if str(line.get_label()).startswith(label)]
    return [(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)) for line in lines]


@pytest.mark.parametrize("picture", figures.PICTURES, ids=lambda picture: picture.name)
def test_every_axis_has_a_title(make_run: MakeRun, picture: figures.Picture) -> None:
    figure = picture.draw(read(make_run), None)
    assert all(ax.get_ylabel() for ax in figure.axes)
    assert figure.axes[-1].get_xlabel()


@pytest.mark.parametrize("picture", figures.PICTURES, ids=lambda picture: picture.name)
def test_pictures_side_by_side_have_equal_scales(make_run: MakeRun, picture: figures.Picture) -> None:
    both = [read(make_run), read(make_run, world="live", never_shown=frozenset({8}), unknown=frozenset({9}))]
    shared = figures.scales(both)
    limits = [[(ax.get_xlim(), ax.get_ylim()) for ax in picture.draw(run, shared).axes] for run in both]
    assert limits[0] == limits[1]


def test_scales_are_those_that_are_given(make_run: MakeRun) -> None:
    given = figures.Scales((0.0, 99.0), (0.1, 1e6), (0.01, 1e5), 7, 777.0, 888.0, attempts_per_s_max=999.0)
    limits = {picture.name: [ax.axis() for ax in picture.draw(read(make_run), given).axes] for picture in figures.PICTURES}
    [latency], [curves], [outcomes] = (limits[name] for name in ("latency_over_time", "latency_curves", "outcomes_over_time"))
    ready, attempts = limits["connections_over_time"]
    assert latency[:3] == (0.0, 99.0, 0.1)
    assert latency[3] > 1e6
    assert curves[:3] == (0.01, 1e5, 0.0)
    assert curves[3] > 7
    assert outcomes == (0.0, 99.0, 0.0, 777.0)
    assert ready == (0.0, 99.0, 0.0, 888.0)
    assert attempts == (0.0, 99.0, 0.0, 999.0)


@pytest.mark.parametrize("picture", figures.PICTURES, ids=lambda picture: picture.name)
def test_a_run_in_which_nothing_happened_can_be_drawn(picture: figures.Picture) -> None:
    run = series.of(from_rows(Header(world="live", truncated=True), MemoryRecorder().rows()))
    assert picture.draw(run, None).axes
    assert picture.frame(run).empty
    assert isinstance(picture.tell(run), str)


def test_what_never_came_is_a_cross_at_its_intended_instant(make_run: MakeRun) -> None:
    run = read(make_run, never_shown=frozenset({8, 81}))
    [(t_s, _)] = labelled(figures.latency_over_time(run), "never came")
    assert sorted(t_s) == sorted(run.pairs["t_s"][np.isinf(run.pairs["latency_ms"])])
    assert labelled(figures.latency_over_time(read(make_run)), "never came") == []


def test_every_delivery_is_a_point_the_away_ones_apart(make_run: MakeRun) -> None:
    run = read(make_run)
    figure = figures.latency_over_time(run)
    counts = {label: len(labelled(figure, label)[0][0]) for label in ("receiver connected", "receiver away")}
    away = int(run.pairs["away"].sum())
    assert counts == {"receiver connected": len(run.pairs) - away, "receiver away": away}


def test_a_curve_that_lost_something_does_not_reach_the_top(make_run: MakeRun) -> None:
    top = {}
    for name, lost in (("clean", frozenset[int]()), ("lossy", frozenset(range(8)))):
        [(_, nines)] = labelled(figures.latency_curves(read(make_run, never_shown=lost)), "receiver connected")
        top[name] = nines.max()
    assert top["clean"] == 3.0
    assert 0 < top["lossy"] < 2.0


def test_one_loss_among_very_many_does_not_reach_the_top_either(make_run: MakeRun) -> None:
    run = read(make_run)
    many = pd.concat([run.pairs[~run.pairs["away"]]] * 60, ignore_index=True)
    many.loc[0, ["latency_ms", "after_return_ms"]] = np.inf
    run = replace(run, pairs=many)
    [axes] = (figure := figures.latency_curves(run)).axes
    [(_, nines)] = labelled(figure, "receiver connected")
    assert len(many) > 20_000
    labels = {label.get_text(): at for label, at in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert labels["99.99 %"] < nines.max() < labels["100 %"]


def test_gateways_are_stacked_to_the_number_of_ready_connections(make_run: MakeRun) -> None:
    run = read(make_run)
    bands = [patch for patch in figures.connections_over_time(run).axes[0].patches if isinstance(patch, StepPatch)]
    assert [band.get_label() for band in bands] == ["gateway-1", "gateway-2"]
    values, edges, _ = bands[-1].get_data()
    killed = int(np.searchsorted(edges, KILL_US / 1e6, "right")) - 1
    assert (values[killed - 1], values[killed], values[-1]) == (len(DEVICES), len(DEVICES) / 2, len(DEVICES))


def test_a_picture_is_told_in_numbers(make_run: MakeRun) -> None:
    run = read(make_run, never_shown=frozenset({8}), unknown=frozenset({9}))
    told = {picture.name: picture.tell(run) for picture in figures.PICTURES}
    away = int(run.pairs["away"].sum())
    assert told["latency_over_time"].startswith(
        f"{len(run.pairs) - away:,} deliveries to connected receivers, {away} to receivers"
    )
    assert told["latency_over_time"].endswith(", 1 never came")
    assert "receiver connected: 50 % within 3 ms" in told["latency_curves"]
    assert told["connections_over_time"] == "12 ready at the most, 6 at the least under load; 6 attempts under load"
    assert told["outcomes_over_time"] == "239 ok within the promise, 1 unknown outcome"


def test_what_a_salvaged_recording_does_not_hold_is_not_called_lost(make_run: MakeRun) -> None:
    run = read(make_run, never_shown=frozenset({8}), truncated=True)
    assert labelled(figures.latency_over_time(run), "never") == []
    assert len(labelled(figures.latency_over_time(run), "not come when the recording ended")) == 1


def test_a_curve_is_the_empirical_distribution(make_run: MakeRun) -> None:
    run = read(make_run, never_shown=frozenset({0, 1, 2}))
    [(latency_ms, nines)] = labelled(figures.latency_curves(run), "receiver connected")
    values = run.pairs["latency_ms"][~run.pairs["away"]].to_numpy()
    for x, y in zip(latency_ms[1:-1], nines[1:-1], strict=True):
        assert 1 - 10**-y <= (values <= x).mean() + 1e-9


def test_bins_are_round_and_some_dozens() -> None:
    for span_s in (0.5, 6.0, 30.0, 300.0):
        assert 30 <= span_s / figures.bin_s(span_s) <= 160
