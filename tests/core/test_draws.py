"""Draws are keyed: the same key gives the same number, and no key disturbs another."""

from __future__ import annotations

from model.core import draws


def test_a_draw_depends_on_its_key_alone() -> None:
    one, other = draws.draws(1, 7), draws.draws(1, 7)
    first = [one(draws.BACKOFF, k) for k in range(5)]
    for k in range(100):
        other(draws.LINK_DELAY, k)
    assert [other(draws.BACKOFF, k) for k in range(5)] == first


def test_every_part_of_the_key_matters() -> None:
    numbers = {draws.draws(s, m)(p, c) for s in (1, 2) for m in (1, 2) for p in (1, 2) for c in (1, 2)}
    assert len(numbers) == 16


def test_draws_are_uniform() -> None:
    draw = draws.draws(3, 3)
    numbers = [draw(draws.BACKOFF, k) for k in range(20_000)]
    bins = [0] * 10
    for number in numbers:
        bins[int(number * 10)] += 1
    chi_square = sum((n - 2000) ** 2 / 2000 for n in bins)
    assert chi_square < 27.9  # 9 degrees of freedom, 99.9 %


def test_the_mixing_function_is_that_of_splitmix64() -> None:
    # First outputs of SplitMix64 for seed 0, as published with the reference implementation.
    state, outputs = 0, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        outputs.append(draws.mix(state))
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
