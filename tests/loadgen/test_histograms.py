"""Percentiles for those who watch: three digits, from counts that add up."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from loadgen.histograms import Histogram, Histograms
from loadgen.page import rows
from tests.loadgen.live import ROOT


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@pytest.mark.parametrize("scale", [3.0, 6.0, 9.0, 14.0])
def test_quantiles_are_right_to_three_digits(scale: float) -> None:
    values = np.rint(np.random.default_rng(1).lognormal(scale, 1.0, 20_000)).astype(int).tolist()
    histogram = filled(values)
    for q in (0.5, 0.95, 0.99, 0.999):
        exact = sorted(values)[int(np.ceil(q * len(values))) - 1]
        assert histogram.quantile(q) == pytest.approx(exact, rel=1 / 1024)
    assert histogram.largest == max(values)


def test_no_quantile_is_told_with_fewer_than_ten_samples_beyond_it() -> None:
    assert filled([7] * 999).quantile(0.99) is None
    assert filled([7] * 1000).quantile(0.99) == 7
    assert Histogram().quantile(0.5) is None


def test_counts_of_several_processes_add_up_to_those_of_one() -> None:
    values = np.random.default_rng(2).integers(0, 10_000_000, 5000).tolist()
    whole, sum_of_parts = Histograms(), Histograms()
    for part in (values[:100], values[100:]):
        one = Histograms()
        for value in part:
            one.of("send (ack)").add(value)
            whole.of("send (ack)").add(value)
        one.of("send (ack)").failed += 1
        sum_of_parts.absorb(one.plain())
    whole.of("send (ack)").failed = 2
    assert rows(sum_of_parts) == rows(whole)
    assert whole.of("send (ack)").counts == sum_of_parts.of("send (ack)").counts


def test_the_table_shows_milliseconds_with_the_digits_that_are_known() -> None:
    histograms = Histograms()
    for value in range(1, 2001):
        histograms.of("send (ack)").add(value * 100)
    (row,) = rows(histograms)
    assert row == {
        "name": "send (ack)",
        "samples": "2,000",
        "failed": "0",
        "p50": "100",
        "p95": "190",
        "p99": "198",
        "p99_9": "too few",
        "largest": "200",
    }


IN_LOCUST = """
from locust.stats import RequestStats
from loadgen.histograms import Histogram
from loadgen.statistics import METHOD, feed, rounded
one_by_one, in_batches = RequestStats(), RequestStats()
values = [k * k for k in range(1, 3000)]
new = Histogram()
for value in values:
    one_by_one.log_request(METHOD, "send", value / 1000, 120)
    new.add(value, 120)
feed(in_batches, "send", new, 1000.0)
for a, b in ((one_by_one.get("send", METHOD), in_batches.get("send", METHOD)), (one_by_one.total, in_batches.total)):
    assert (a.num_requests, a.total_content_length) == (b.num_requests, b.total_content_length), b
    assert (a.min_response_time, a.max_response_time) == (b.min_response_time, b.max_response_time)
    assert abs(a.avg_response_time - b.avg_response_time) < 1e-6
    for q in (0.5, 0.95, 0.99):
        assert abs(a.get_response_time_percentile(q) / b.get_response_time_percentile(q) - 1) < 0.02
"""


def test_locust_shows_of_a_batch_what_it_would_of_each_request() -> None:
    done = subprocess.run([sys.executable, "-c", IN_LOCUST], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
