"""Arrivals follow their shape: how many come when is what theory says, for every shape, in full and in the short form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from model.workload import arrivals
from model.workload.arrivals import Bursts, Drawn, Poisson, Ramp, Spike, Steps

S = 1_000_000
BEGIN, END = 3 * S, 103 * S
RATE = 400.0
BINS = 20
BIN_S = 100 / BINS


def arrived(shape: Drawn, seed: int = 1, rate_per_s: float = RATE) -> Any:
    return arrivals.instants(shape, rate_per_s, BEGIN, END, np.random.default_rng(seed))


def integral(multiple: Any, from_s: float, to_s: float) -> float:
    """Of a multiple of the rate, by the midpoint rule on a fine grid."""
    step = (to_s - from_s) / 1000
    return float(sum(multiple(from_s + (k + 0.5) * step) for k in range(1000)) * step)


def spike(t: float) -> float:
    return 8.0 if 30 <= t < 40 else 1.0


def steps(t: float) -> float:
    return 1.0 if t < 12.5 else 0.0 if t < 50 else 3.0


SHAPES = [
    (Poisson(), lambda t: 1.0),
    (Ramp(0.5, 3.0), lambda t: 0.5 + 2.5 * t / 100),
    (Ramp(2.0, 0.0), lambda t: 2.0 - 2.0 * t / 100),
    (Ramp(1.0, 1.0), lambda t: 1.0),
    (Steps(((12.5, 0.0), (50.0, 3.0))), steps),
    (Steps(((0.0, 2.0),)), lambda t: 2.0),
    (Spike(30, 40, 8), spike),
]


@pytest.mark.parametrize(("shape", "multiple"), SHAPES, ids=lambda v: getattr(type(v), "__name__", "") if not callable(v) else "")
def test_as_many_come_in_each_interval_as_the_rate_says(shape: Drawn, multiple: Any) -> None:
    """All intervals at once within their joint 99 % interval of a Poisson count."""
    counts = np.histogram(arrived(shape), BINS, (BEGIN, END))[0]
    wanted = np.array([RATE * integral(multiple, k * BIN_S, (k + 1) * BIN_S) for k in range(BINS)])
    low, high = stats.poisson.interval(1 - 0.01 / BINS, wanted)
    assert ((low <= counts) & (counts <= high)).all(), (counts, wanted)


@pytest.mark.parametrize("shape", [Poisson(), Ramp(0.5, 3.0), Spike(30, 40, 8)], ids=["poisson", "ramp", "spike"])
def test_counts_of_a_poisson_process_vary_as_much_as_their_mean(shape: Drawn) -> None:
    """The number in 100 runs: variance over mean, within the 99 % interval of the dispersion test (chi-squared with 99 degrees)."""
    counts = np.array([len(arrived(shape, seed, 20)) for seed in range(100)])
    low, high = stats.chi2.interval(0.99, 99)
    assert low <= counts.var(ddof=1) / counts.mean() * 99 <= high


def test_within_a_ramp_the_instants_have_its_density() -> None:
    """Kolmogorov's test against the integral of the rate, at 1 %."""
    shares = (arrived(Ramp(0.0, 2.0)) - BEGIN) / (END - BEGIN)
    assert stats.kstest(shares, lambda x: x * x).pvalue > 0.01


def test_bursts_are_as_dispersed_as_their_closed_form_says() -> None:
    """Mean and dispersion of the counts in windows of 5 s, from 60 independent runs, within 99 % intervals of their means."""
    shape, rate, window_s = Bursts(quiet=0.5, busy=6.0, quiet_s=4.0, busy_s=1.0), 50.0, 5.0
    runs = [np.histogram(arrived(shape, seed, rate), BINS, (BEGIN, END))[0] for seed in range(60)]
    assert window_s == BIN_S
    mean = rate * shape.mean * window_s
    means = np.array([counts.mean() for counts in runs])
    spread = np.array([((counts - mean) ** 2).mean() / mean for counts in runs])
    for samples, wanted in ((means, mean), (spread, shape.dispersion(rate, window_s))):
        reach = stats.t.ppf(0.995, len(samples) - 1) * samples.std(ddof=1) / len(samples) ** 0.5
        assert abs(samples.mean() - wanted) < reach
    assert shape.dispersion(rate, window_s) > 20


def test_bursts_begin_as_they_go_on() -> None:
    """The first half second of 400 runs has the mean rate, within the 99 % interval of its mean."""
    shape = Bursts(quiet=0.5, busy=6.0, quiet_s=4.0, busy_s=1.0)
    counts = np.array([(arrived(shape, seed, 50) < BEGIN + S // 2).sum() for seed in range(400)])
    assert abs(counts.mean() - 25 * shape.mean) < 2.58 * counts.std() / 20


def test_bursts_of_one_rate_are_no_bursts() -> None:
    assert Bursts(2, 2, 9, 1).dispersion(100, 5) == 1
    assert Bursts().dispersion(100, 1e-6) == pytest.approx(1, abs=1e-3)  # nothing varies within no time
    assert Bursts().mean == pytest.approx(0.95)


@pytest.mark.parametrize("shape", [shape for shape, _ in SHAPES] + [Bursts()], ids=lambda s: type(s).__name__)
def test_instants_are_in_order_within_the_load_and_fixed_by_the_seed(shape: Drawn) -> None:
    found = arrived(shape)
    assert found.dtype == np.int64
    assert (np.diff(found) >= 0).all()
    assert found[0] >= BEGIN
    assert found[-1] < END
    assert (arrived(shape) == found).all()
    assert len(arrived(shape, 2)) != len(found)


def test_a_silent_load_has_no_arrivals() -> None:
    assert len(arrived(Ramp(0, 0))) == 0
    assert len(arrived(Steps(((0.0, 0.0),)))) == 0
    assert len(arrived(Spike(10, 20, 5), rate_per_s=0)) == 0


def test_the_short_form_keeps_multiples_and_multiplies_times() -> None:
    assert Bursts(0.5, 5, 10, 2).scaled(0.2) == Bursts(0.5, 5, 2, 0.4)
    assert Steps(((10, 2), (20, 1))).scaled(0.5) == Steps(((5, 2), (10, 1)))
    assert Spike(10, 20, 7).scaled(0.5) == Spike(5, 10, 7)
    assert Ramp(0, 3).scaled(0.5) == Ramp(0, 3)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (Ramp(-1, 2), "begin is -1; give 0 to 1000000 times"),
        (Ramp(0, float("nan")), "end is nan"),
        (Bursts(busy_s=0), "busy_s is 0; give 0.001 to 86400 seconds"),
        (Steps(()), "steps is empty"),
        (Steps(((5, 1), (5, 2))), "steps.1.0 is 5; give steps in order of time"),
        (Steps(((5, -1),)), "steps.0.1 is -1"),
        (Steps(((500, 1),)), "steps.0.0 is 500; give 0 to 30, the scenario's duration_s"),
        (Spike(20, 10), "to_s is 10; give a time after from_s"),
        (Spike(20, 31), "to_s is 31; give 0 to 30"),
    ],
)
def test_shapes_that_cannot_be_are_refused(shape: Drawn, words: str) -> None:
    assert words in next(arrivals.problems(shape, 30))


@pytest.mark.parametrize("shape", [Poisson(), Bursts(), Ramp(), Spike(1, 2)], ids=lambda s: type(s).__name__)
def test_the_defaults_can_be(shape: Drawn) -> None:
    assert list(arrivals.problems(shape, 30)) == []
