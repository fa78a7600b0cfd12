"""Amounts: a value says how sizes and lengths are distributed, and the presets are what their sources counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.workload import amounts
from model.workload.amounts import PRESETS, Amount, Lognormal, Table

MANY = 200_000


def drawn(amount: Amount, seed: int = 1) -> amounts.Floats:
    return amounts.draw(amount, np.random.default_rng(seed), MANY)


@pytest.mark.parametrize("amount", [7.0, Lognormal(30, 0.8), Table(((1, 0.25), (2, 0.5), (10, 0.25))), *PRESETS])
def test_the_mean_is_that_of_the_draws(amount: Amount) -> None:
    found = drawn(amount)
    assert abs(found.mean() - amounts.mean(amount)) <= 2.58 * found.std() / MANY**0.5  # the 99 % interval of a mean


def test_a_lognormal_has_its_median_and_the_deviation_of_its_logarithm() -> None:
    found = np.log(drawn(Lognormal(30, 0.8)))
    assert found.mean() == pytest.approx(math.log(30), abs=0.01)
    assert found.std() == pytest.approx(0.8, abs=0.01)


def test_a_table_gives_each_value_its_share() -> None:
    values, counts = np.unique(drawn(Table(((1, 0.25), (2, 0.5), (10, 0.25)))), return_counts=True)
    assert values.tolist() == [1, 2, 10]
    assert counts / MANY == pytest.approx([0.25, 0.5, 0.25], abs=0.005)


@pytest.mark.parametrize("amount", [5.0, Lognormal(30, 0.8), Table(((1, 0.25), (2, 0.5), (10, 0.25)))])
def test_the_interval_that_holds_an_instant_is_as_long_as_intervals_weighed_by_length(amount: Amount) -> None:
    """Its mean is the second moment over the first, here of draws."""
    plain = drawn(amount)
    assert amounts.mean(amounts.length_biased(amount)) == pytest.approx((plain**2).mean() / plain.mean(), rel=0.03)


def test_scaling_multiplies_every_value() -> None:
    assert amounts.scaled(5.0, 0.2) == 1.0
    assert amounts.scaled(Lognormal(30, 1), 0.5) == Lognormal(15, 1)
    assert amounts.scaled(Table(((2, 1.0),)), 0.5) == Table(((1, 1.0),))
    assert amounts.scaled("app_session", 0.5) == Lognormal(15, 1)


def test_the_presets_are_what_their_sources_counted() -> None:
    """Means and medians of the corpus; a session below a minute; the minutes a day that sessions and pauses come to."""
    assert amounts.mean("sms_english") == pytest.approx(52.1, rel=0.03)
    assert amounts.mean("sms_chinese") == pytest.approx(41.5, rel=0.03)
    assert np.median(drawn("sms_english")) == pytest.approx(36, abs=5)
    assert np.median(drawn("sms_chinese")) == pytest.approx(30, abs=5)
    assert (drawn("groups").round() < 10).mean() > 0.5
    session, pause = amounts.mean("app_session"), amounts.mean("app_pause")
    assert session < 60
    assert 16 * 60 * session / (session + pause) == pytest.approx(32.11, rel=0.05)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("emails", "x is 'emails', which is no preset; presets are sms_english, sms_chinese, groups"),
        (0, "x is 0; give 1 to 100 cakes"),
        (Lognormal(0, 1), "x.median is 0"),
        (Lognormal(5, 4), "x.sigma is 4; give 0 to 3"),
        (Table(((5, 0.5), (500, 0.5))), "x.values.1.0 is 500"),
        (Table(((5, 0.5), (6, 0.4))), "the shares add up to 0.9"),
        (Table(((5, 1.5), (6, -0.5))), "x.values.0.1 is 1.5; give a share above 0, up to 1"),
        (Table(()), "the shares add up to 0"),
        (float("nan"), "x is nan"),
    ],
)
def test_amounts_that_cannot_be_are_refused(amount: Amount, words: str) -> None:
    assert words in next(amounts.problems("x", amount, 1, 100, " cakes"))


@pytest.mark.parametrize("amount", [1, 100, "sms_english", Lognormal(5, 1)])
def test_amounts_that_can_be_are_not(amount: Amount) -> None:
    assert list(amounts.problems("x", amount, 1, 100, " cakes")) == []
