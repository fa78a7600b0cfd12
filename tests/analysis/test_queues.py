"""Closed forms against values from the literature, against one another, and against their limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import exp

import pytest

from model.analysis import clients, queues
from model.analysis.queues import TheoryError


def test_one_server_at_half_load() -> None:
    """Textbook: load 1/2 gives one in the system, and twice the service as response."""
    line = queues.mm1(0.5, 1.0)
    assert (line.utilisation, line.wait, line.response, line.number) == (0.5, 1.0, 2.0, 1.0)


def test_constant_service_waits_half_as_long() -> None:
    assert queues.md1(0.8, 1.0).wait == pytest.approx(queues.mm1(0.8, 1.0).wait / 2)


def test_erlang_values() -> None:
    """Erlang's tables: B(1, 1) = 1/2, B(5, 3) = 0.1101, B(10, 8) = 0.1217; C(2, 1) = 1/3 by way of the wait."""
    assert queues.erlang_b(1, 1.0) == pytest.approx(0.5)
    assert queues.erlang_b(5, 3.0) == pytest.approx(0.1101, abs=5e-5)
    assert queues.erlang_b(10, 8.0) == pytest.approx(0.1217, abs=5e-5)
    assert queues.mmc(1.0, 1.0, 2).wait == pytest.approx(1 / 3)


def test_several_servers_of_which_there_is_one() -> None:
    one, other = queues.mmc(0.7, 1.0, 1), queues.mm1(0.7, 1.0)
    assert one.wait == pytest.approx(other.wait)
    assert one.number == pytest.approx(other.number)


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_quantiles_of_one_server_are_those_of_an_exponential(quantile: float) -> None:
    assert queues.mmc_response_quantile(0.7, 1.0, 1, quantile) == pytest.approx(-math.log(1 - quantile) / 0.3)


@pytest.mark.parametrize(("arrivals", "servers"), [(1.5, 2), (1.0, 2), (2.0, 3), (9.0, 10)])
def test_quantiles_of_several_servers_add_up_to_the_mean(arrivals: float, servers: int) -> None:
    """The mean of a response is the integral of its quantiles; of 2,000 middles here, whose largest leave out a little."""
    middles = [queues.mmc_response_quantile(arrivals, 1.0, servers, (i + 0.5) / 2000) for i in range(2000)]
    assert middles == sorted(middles)
    assert sum(middles) / 2000 == pytest.approx(queues.mmc(arrivals, 1.0, servers).response, rel=0.002)


def test_a_quantile_lies_between_none_and_all() -> None:
    for impossible in (-0.1, 1.0):
        with pytest.raises(TheoryError, match="quantile"):
            queues.mmc_response_quantile(0.5, 1.0, 1, impossible)


def test_many_places_are_as_good_as_no_bound() -> None:
    bounded, unbounded = queues.mm1k(0.5, 1.0, 60), queues.mm1(0.5, 1.0)
    assert bounded.response == pytest.approx(unbounded.response)
    assert bounded.lost < 1e-15


def test_one_place_loses_as_erlang_says() -> None:
    assert queues.mm1k(3.0, 1.0, 1).lost == pytest.approx(queues.erlang_b(1, 3.0))


def test_a_bounded_line_at_full_load_is_equally_often_in_every_state() -> None:
    line = queues.mm1k(1.0, 1.0, 4)
    assert line.lost == pytest.approx(0.2)
    assert line.number == pytest.approx(2.0)


def test_the_slowest_of_a_tandem_decides() -> None:
    assert queues.tandem(0.5, [1.0, 0.2]).response == pytest.approx(2.0 + 0.2 / 0.9)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: queues.mm1(1.0, 1.0),
        lambda: queues.mmc(4.0, 1.0, 4),
        lambda: queues.mm1(-1.0, 1.0),
        lambda: queues.mm1k(1.0, 1.0, 0),
        lambda: clients.short_polling(0.0, 1.0),
        lambda: clients.reconnect_peak(10, 1.0, 2.0),
    ],
)
def test_what_the_formulas_do_not_cover_is_refused(impossible: Callable[[], object]) -> None:
    with pytest.raises(TheoryError):
        impossible()


class TestRadio:
    def test_what_is_used_more_often_than_its_tail_never_sleeps(self) -> None:
        assert clients.awake(10.0, every=5.0) == clients.awake(10.0, every=10.0) == 1.0
        assert clients.awake_long_polling(10.0, 0.1, 0.0, 9.0) == 1.0

    def test_without_messages_the_period_decides(self) -> None:
        assert clients.awake(10.0, every=100.0) == pytest.approx(0.1)
        assert clients.awake(10.0, every=100.0, exchange=5.0) == pytest.approx(0.15)
        assert clients.awake_long_polling(10.0, 0.1, 1e-12, 100.0) == pytest.approx(
            clients.awake_long_polling(10.0, 0.1, 0.0, 100.0), abs=1e-3
        )

    def test_messages_alone_keep_it_awake_as_often_as_one_falls_into_a_tail(self) -> None:
        assert clients.awake(10.0, messages=0.1) == pytest.approx(1 - exp(-1))

    def test_what_cannot_be_is_refused(self) -> None:
        with pytest.raises(TheoryError, match="below 0"):
            clients.awake(-1.0)


def test_the_largest_storm_that_ends() -> None:
    """200 a second, 5 s, 1 s: a thousand get in at first, and what is left must fit before the second round has waited 5 s."""
    assert clients.storm_bound(200.0, 5.0, 1.0) == 2_200
    with pytest.raises(TheoryError, match="must be above 0"):
        clients.storm_bound(0.0, 5.0, 1.0)
