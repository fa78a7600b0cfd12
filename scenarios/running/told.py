"""A run in a few lines, for the person who waits for it: the verdict, what users got, how it took its faults, and where the rest is.

Every figure is one of ``verdict.json``'s; nothing is computed here. The table of several runs, with what its columns mean, is
``imbench report``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model.checkers.amounts import count, duration, number, quantile
from scenarios.running.command import near

if TYPE_CHECKING:
    from scenarios.running.run import RunResult

Values = Mapping[str, Any]


def told(result: RunResult, asked: Sequence[str] = ()) -> str:
    """A result on a few lines; ``asked``: the presets of another server, if the question is about one."""
    silent = result.expected is None or result.verdict == "skipped"
    expected = "" if silent else " (expected)" if result.as_expected else f" (NOT expected: {result.expected})"
    found = ", ".join(_amount(anomaly) for anomaly in result.anomalies if anomaly["fails"])
    partial = " [partial: interrupted]" if result.interrupted else ""
    head = f"{result.scenario} {result.preset} {result.world} seed {result.seed}: {result.verdict}{expected}{partial}"
    if asked and result.preset not in asked:
        head += f", of the reference server; the one asked about is played live: --world live --preset {asked[0]} ({', '.join(asked)})"
    last = str(near(result.folder)) if result.folder else result.reasons[0]
    return "\n  ".join([f"{head}{': ' + found if found else ''}", *_figures(result.measures), last])


def _amount(anomaly: Values) -> str:
    """``41 lost (27 messages)``: instances, and of how many messages, where that is another number."""
    many, messages = anomaly["count"], anomaly["messages"]
    return f"{many} {anomaly['kind']}" + (f" ({messages} messages)" if messages and messages != many else "")


def _figures(measures: Values) -> Iterator[str]:
    """Nothing where the judge crashed, or nothing was played."""
    if not measures:
        return
    twice, order = measures["duplicates"]["shown_twice"], measures["order"]["out_of_order"]
    yield (
        f"{count(measures['sends']['intended'])} messages: {count(measures['owed']['lost_messages'])} lost,"
        f" {count(twice)} shown twice, {count(order)} out of order"
    )
    yield f"end to end: {_quantiles(measures['latency']['end_to_end_live'])}{_uncorrected(measures)}"
    yield from map(_fault, measures["recovery"]["faults"])


def _quantiles(summary: Values) -> str:
    largest = number(summary["max_us"])
    return ", ".join(f"{name} {quantile(number(summary[f'{name}_us']), largest)}" for name in ("p50", "p99"))


def _uncorrected(measures: Values) -> str:
    """What must be known of the figures: that they are a closed loop's, or what p99 would be from the first write."""
    if measures["generator"]["closed_loop"]:
        return " (closed loop: nobody sent while waiting for an answer)"
    plain_us = number(measures["latency"]["end_to_end_service"]["p99_us"])
    return "" if plain_us is None else f" (uncorrected p99 {duration(plain_us)})"


def _fault(fault: Values) -> str:
    recovered = "no recovery shown" if fault["time_us"] is None else f"recovered {duration(fault['time_us'])} after it began"
    lost, back = fault["reconnection"]["n"], number(fault["reconnection"]["max_us"])
    again = f", {count(lost)} connections lost, the last ready again {duration(back)} after it was lost" if lost else ""
    return f"{fault['kind']} of {fault['node']}: {recovered}{again}"
