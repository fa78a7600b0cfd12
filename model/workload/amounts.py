"""Amounts that differ from case to case: sizes of messages and groups, lengths of time. A value says how they are distributed.

An :data:`Amount` is a number (always that), a preset's name, a :class:`Lognormal` or a :class:`Table`. Who uses one rounds what is drawn
and keeps it within what that use allows.

The presets, with what they are taken from:

| preset | of | mean | what |
|---|---|---|---|
| ``sms_english`` | bytes | 51 | quantiles of 55,835 messages [a] |
| ``sms_chinese`` | bytes | 41 | quantiles of 31,465 messages, as UTF-8 [a] |
| ``groups`` | members | 9 | lognormal 7, 0.7: most groups have fewer than ten members [b]; the tail is assumed |
| ``app_session`` | seconds | 49 | lognormal 30, 1: a session with an app lasts less than a minute on average [c]; the shape is assumed |
| ``app_pause`` | seconds | 1484 | lognormal 900, 1: with such sessions, 32 minutes of WhatsApp [d] in 16 hours awake |

Sources: [a] counted in the release of 9 March 2015 of the corpus of Chen and Kan, "Creating a Live, Public Short Message Service Corpus:
The NUS SMS Corpus", Language Resources and Evaluation 47, 2013: medians of 36 and 30 bytes, means of 52.1 and 41.5. Values are
the quantiles in the middle of each share. [b] WhatsApp, "Stopping Abuse: How WhatsApp Fights Bulk Messaging and Automated Behavior",
2019; by the same paper about 90 % of messages go from one person to another. [c] Böhmer, Hecht, Schöning, Krüger, Bauer, "Falling Asleep
with Angry Birds, Facebook and Kindle", MobileHCI 2011: 4,100 users. [d] Montag et al., "Smartphone usage in the 21st century: who is
active on WhatsApp?", BMC Research Notes 8:331, 2015: 2,418 users, 32.11 minutes a day.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHARES_OFF_MAX = 1e-6
"""By how much shares may miss 1: rounding, not a forgotten tenth."""
SIGMA_MAX = 3.0
"""Beyond it a lognormal's mean is a hundred times its median, and no sample shows it."""


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="spread", tag="lognormal"):
    """The logarithm is normal."""

    median: float
    sigma: float
    """Standard deviation of the logarithm."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="spread", tag="table"):
    """Some values, each with its share, as they were counted."""

    values: tuple[tuple[float, float], ...]
    """Pairs of value and share; the shares add up to 1."""


Spread = str | Lognormal | Table
"""A preset's name, or a distribution."""
Amount = float | Spread
"""Any of them, or a constant."""

TAGS = ("lognormal", "table")
"""What distributions are called where scenarios are written."""

_SHARES = (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.03, 0.015, 0.005)


def _counted(*values: float) -> Table:
    return Table(tuple(zip(values, _SHARES, strict=True)))


PRESETS: dict[str, Lognormal | Table] = {
    "sms_english": _counted(5, 12, 18, 25, 32, 41, 52, 67, 93, 132, 161, 238, 386),
    "sms_chinese": _counted(6, 13, 18, 23, 27, 34, 42, 53, 69, 93, 126, 174, 255),
    "groups": Lognormal(7, 0.7),
    "app_session": Lognormal(30, 1),
    "app_pause": Lognormal(900, 1),
}


def resolved(amount: Amount) -> float | Lognormal | Table:
    """What a preset's name stands for; all else is itself. KeyError for a preset that does not exist."""
    return PRESETS[amount] if isinstance(amount, str) else amount


def mean(amount: Amount) -> float:
    """The expectation: exp(sigma^2 / 2) medians for a lognormal."""
    match resolved(amount):
        case Lognormal(median, sigma):
            return median * math.exp(sigma * sigma / 2)
        case Table(values):
            return sum(value * share for value, share in values)
        case constant:
            return constant


def scaled(amount: Amount, factor: float) -> float | Lognormal | Table:
    """The same, every value multiplied."""
    match resolved(amount):
        case Lognormal(median, sigma):
            return Lognormal(median * factor, sigma)
        case Table(values):
            return Table(tuple((value * factor, share) for value, share in values))
        case constant:
            return constant * factor


def draw(amount: Amount, rng: np.random.Generator, count: int) -> Floats:
    """Independent draws, shape (count,)."""
    match resolved(amount):
        case Lognormal(median, sigma):
            return median * np.exp(sigma * rng.standard_normal(count))
        case Table(values):
            value, share = np.array(values, np.float64).T
            return np.asarray(rng.choice(value, count, p=share / share.sum()))
        case constant:
            return np.full(count, constant, np.float64)


def length_biased(amount: Amount) -> float | Lognormal | Table:
    """How long the interval is that holds an instant picked at random, where intervals have these lengths: each length counts by itself
    (Cox, "Renewal Theory", 1962). A lognormal's median grows by exp(sigma^2), its sigma stays."""
    match resolved(amount):
        case Lognormal(median, sigma):
            return Lognormal(median * math.exp(sigma * sigma), sigma)
        case Table(values) as table:
            whole = mean(table)
            return Table(tuple((value, value * share / whole) for value, share in values))
        case constant:
            return constant


def problems(name: str, amount: Amount, low: float, high: float, unit: str) -> Iterator[str]:
    """What is wrong with an amount that must lie within bounds, in words that begin with ``name``; a lognormal's median must."""
    if isinstance(amount, str):
        if amount not in PRESETS:
            yield f"{name} is '{amount}', which is no preset; presets are {', '.join(PRESETS)}"
        return
    match amount:
        case Lognormal(median, sigma):
            if not 0 <= sigma <= SIGMA_MAX:
                yield f"{name}.sigma is {sigma:g}; give 0 to {SIGMA_MAX:g}"
            places = {f"{name}.median": median}
        case Table(values):
            yield from _shares(f"{name}.values", values)
            places = {f"{name}.values.{i}.0": value for i, (value, _) in enumerate(values)}
        case constant:
            places = {name: constant}
    for place, value in places.items():
        if not low <= value <= high:
            yield f"{place} is {value:g}; give {low:.12g} to {high:.12g}{unit}"


def _shares(name: str, pairs: tuple[tuple[float, float], ...]) -> Iterator[str]:
    for i, (_, share) in enumerate(pairs):
        if not 0 < share <= 1:
            yield f"{name}.{i}.1 is {share:g}; give a share above 0, up to 1"
    total = sum(share for _, share in pairs)
    if abs(total - 1) > SHARES_OFF_MAX:
        yield f"{name}: the shares add up to {total:g}; give shares that add up to 1"
