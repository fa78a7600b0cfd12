"""Promises as they are written on a command line: ``p99=200ms`` of the way from end to end, ``ack.p95=50ms`` of acknowledgements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from model.checkers.amounts import duration
from model.history.schema import LatencyPromise
from scenarios.running.exits import CannotRun, suggestion

DEFAULT: Final = "p99=200ms"
"""Where neither the command line nor the scenario promises anything."""
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
OF: Final = ("end_to_end", "ack")
_UNITS: Final = {"us": 1.0, "ms": 1e3, "s": 1e6}
_FORM: Final = re.compile(r"(?:([a-z_]+)\.)?([a-z]+\d+(?:\.\d+)?)=(.*)")
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?) ?(us|ms|s)")


def parsed(texts: Sequence[str]) -> tuple[LatencyPromise, ...]:
    """Every promise. Raises :class:`CannotRun`, one line, for the first that is none, and for two of one quantile."""
    found = tuple(map(_parsed, texts))
    for i, promise in enumerate(found):
        if any((promise.of, promise.quantile) == (other.of, other.quantile) for other in found[:i]):
            raise CannotRun(f"--promise {texts[i]}: this quantile is promised twice; leave one out")
    return found


def _parsed(text: str) -> LatencyPromise:
    said, found = f"--promise {text}", _FORM.fullmatch(text)
    if found is None:
        raise CannotRun(f"{said}: write it as p99=200ms, or ack.p99=50ms")
    of, quantile, time = found[1] or OF[0], found[2], found[3]
    if of not in OF:
        raise CannotRun(f"{said}: there is no latency of '{of}'{suggestion(of, OF)} (latencies: {', '.join(OF)})")
    if quantile not in QUANTILES:
        raise CannotRun(f"{said}: there is no quantile '{quantile}' (quantiles: {', '.join(QUANTILES)})")
    return LatencyPromise(of, QUANTILES[quantile], _us(said, time))


def _us(said: str, text: str) -> int:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise CannotRun(f"{said}: '{text}' is no time; write a number with its unit, us, ms or s, such as 200ms")
    us = round(float(found[1]) * _UNITS[found[2]])
    if us < 1:
        raise CannotRun(f"{said}: nothing comes in no time; give 1us at least")
    return us


def named(promise: LatencyPromise) -> str:
    """``p99 end to end within 200 ms``."""
    quantile = f"p{promise.quantile * 100:g}"
    return f"{quantile} {promise.of.replace('_', ' ')} within {duration(promise.at_most_us)}"
