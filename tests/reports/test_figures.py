"""Pictures have titled axes, equal scales side by side, and show what never came."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Header
from reports import figures, series
from reports.results import load
from reports.series import Series
from tests.reports.conftest import MakeRun


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
    given = figures.Scales((0.0, 99.0), (0.1, 1e6), rate_per_s_max=777.0, connections_max=888.0, attempts_per_s_max=999.0)
    limits = {picture.name: [ax.axis() for ax in picture.draw(read(make_run), given).axes] for picture in figures.PICTURES}
    [latency], [curves], [outcomes] = (limits[name] for name in ("latency_over_time", "latency_curves", "outcomes_over_time"))
    ready, attempts = limits["connections_over_time"]
    assert latency[:3] == (0.0, 99.0, 0.1)
    assert latency[3] > 1e6
    assert curves[:2] == (0.1, 1e6)
    assert outcomes == (0.0, 99.0, 0.0, 777.0)
    assert ready == (0.0, 99.0, 0.0, 888.0)
    assert attempts == (0.0, 99.0, 0.0, 999.0)


@pytest.mark.parametrize("picture", figures.PICTURES, ids=lambda picture: picture.name)
def test_a_run_in_which_nothing_happened_can_be_drawn(picture: figures.Picture) -> None:
    run = series.of(from_rows(Header(world="live", truncated=True), MemoryRecorder().rows()))
    assert picture.draw(run, None).axes
    assert picture.frame(run).empty


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
    assert top["clean"] == 4.0
    assert 0 < top["lossy"] < 2.0


def test_a_curve_is_the_empirical_distribution(make_run: MakeRun) -> None:
    run = read(make_run, never_shown=frozenset({0, 1, 2}))
    [(latency_ms, nines)] = labelled(figures.latency_curves(run), "receiver connected")
    values = run.pairs["latency_ms"][~run.pairs["away"]].to_numpy()
    for x, y in zip(latency_ms[1:-1], nines[1:-1], strict=True):
        assert 1 - 10**-y <= (values <= x).mean() + 1e-9


def test_bins_are_round_and_some_dozens() -> None:
    for span_s in (0.5, 6.0, 30.0, 300.0):
        assert 30 <= span_s / figures.bin_s(span_s) <= 160
