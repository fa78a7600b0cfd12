"""Ask again and again, ask and wait, or be told: from which rate of messages on is which the better way to one phone?

Question
    A phone can poll, hold a question open (long polling), or keep a connection down which messages come, with heartbeats. How late is a
    message, how many requests and bytes does it take, and for how much of the time is the radio awake, from one message in half an hour
    to several a second?

Set-up
    One device on a mobile link (50 ms each way at the least, 20 ms more on average); Poisson messages of 120 bytes for six hours, less at
    high rates. Questions and answers are plain HTTP/1.1 with a bearer token, sized by writing them out; push is the frames of this
    project. Connections stay open; TLS and the server's own time are left out, alike for all. The radio sleeps 11.6 s after its
    last use, as LTE's does. Closed forms stand beside the simulation.

Expectation
    Polling every T is late by T/2 at any rate. Long polling and push are as late as the link. Push needs the fewest bytes until
    messages come so densely that one answer carries many; there, polling saves bytes and is late. What keeps a radio awake is how often
    anything is said: polling every 10 s never lets it sleep, heartbeats every 5 min hardly wake it.

What would surprise us
    A closed form outside the interval of the simulation; polling that is both quicker and cheaper than push anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from model.analysis import clients
from model.core import draws
from model.core.frames import Deliver, Ping, Pong, ReceiveAck, ReceiveConfirmed
from model.scenario import Network, Scenario
from model.scenario.networks import sole
from model.scenario.sweep import Axis, Choice, Curves, Measure, Sweep, axis
from model.sim.kernel import Kernel
from model.sim.receiving import TAIL_US, Receiver, Sizes, Way
from model.wire import encode
from model.workload import amounts
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.replicate import Figures, Place

S: Final = 1_000_000
WAYS: Final = {
    "poll every 2 s": Way(interval_us=2 * S),
    "poll every 10 s": Way(interval_us=10 * S),
    "poll every 60 s": Way(interval_us=60 * S),
    "long poll, 30 s": Way(hold_us=30 * S),
    "push, ping every 300 s": Way(heartbeat_us=300 * S),
}
MESSAGES: Final = 20_000
"""About so many messages are enough for a figure; at high rates the hours are cut short."""
HOURS: Final = 6
READS: Final = ("workload.rate_per_s", "workload.payload_bytes", "network.delay_us", "network.jitter_us")
"""The fields of the scenario that a replication looks at; no other can be set for a sweep."""
LATE_S: Final = 1.0
"""A mean delay above it is not what people call instant."""

SCENARIO = Scenario(
    name="polling_or_push",
    question="Ask again and again, ask and wait, or be told: from which rate of messages on is which the better way?",
    gateways=1,
    population=PopulationPlan(users=20, groups_per_user=0),
    workload=WorkloadPlan(rate_per_s=2.0, payload_bytes=120, direct_share=1.0),
    network=Network(delay_us=50_000.0, jitter_us=20_000.0),
    expected={"cursor": "valid"},
)

SWEEP = Sweep(
    axes=(
        Axis("way", tuple(Choice(label) for label in WAYS)),
        axis("workload.rate_per_s", 0.0005, 0.002, 0.01, 0.05, 0.2, 1, 5),
    ),
    measures=(
        Measure("delay_s", "mean delay", "s"),
        Measure("delay_known_s", "closed form", "s"),
        Measure("requests_per_h", "requests", "1/h"),
        Measure("kib_per_h", "traffic", "KiB/h"),
        Measure("awake_share", "radio awake", "share"),
        Measure("awake_known_share", "closed form", "share"),
    ),
    pictures=tuple(Curves((name,), x="workload.rate_per_s", by="way") for name in ("delay_s", "kib_per_h", "awake_share")),
    replications=5,
    short_axes=(axis("workload.rate_per_s", 0.01, 1),),
)


def sizes(way: Way, payload_bytes: int) -> Sizes:
    """Bytes of what is said in a way: HTTP written out, or frames encoded."""
    message = Deliver(7, 1, 12_345, 1_234_567, 42, 42, 1_234, bytes(payload_bytes))
    if way.heartbeat_us:
        ack = len(encode(ReceiveAck(12, ((7, 12_345),)))) + len(encode(ReceiveConfirmed(12)))
        return Sizes(len(encode(Ping(12))), len(encode(Pong(12, ()))), len(encode(message)), ack)
    question = (
        f"GET /messages?after=12345 HTTP/1.1\r\nHost: im.example.org\r\nAuthorization: Bearer {'t' * 43}\r\nAccept: */*\r\n\r\n"
    )
    answer = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n"
    return Sizes(len(question), len(answer), len(encode(message)))


def replication(scenario: Scenario, preset: str, seed: int, place: Place) -> Figures:
    """One device for some hours, in one way. The messages of a seed and a rate are the same in every way."""
    way, rate = WAYS[place["way"]], scenario.workload.rate_per_s
    until_us = round(min(HOURS * 3600.0, MESSAGES / rate) * S)
    luck = np.random.default_rng(draws.key(seed, draws.ARRIVAL))
    arrivals = np.sort(luck.integers(0, until_us, luck.poisson(rate * until_us / S)))
    phase_us = int(luck.integers(way.interval_us or way.heartbeat_us or 1))
    kernel = Kernel()
    device = Receiver(
        kernel,
        way,
        sizes(way, round(amounts.mean(scenario.workload.payload_bytes))),
        _delays(scenario, seed),
        arrivals.tolist(),
        phase_us,
    )
    kernel.at(until_us, kernel.stop)
    kernel.play()
    got, hours = device.got, until_us / S / 3600
    return {
        "delay_s": float(np.mean(got.delays_us)) / 1e6 if got.delays_us else None,
        "requests_per_h": got.questions / hours,
        "kib_per_h": got.bytes / 1024 / hours,
        "awake_share": got.awake_share(until_us),
        "wake_ups_per_h": got.wake_ups() / hours,
        **known(scenario, way),
    }


def _delays(scenario: Scenario, seed: int) -> Callable[[], int]:
    """One-way delays of the link, in order."""
    luck, plan = np.random.default_rng(draws.key(seed, draws.LINK_DELAY)), sole(scenario.network)
    return lambda: round(plan.delay_us + luck.exponential(plan.jitter_us))


def known(scenario: Scenario, way: Way) -> Figures:
    """What the closed forms say of the mean delay and of the radio."""
    network = sole(scenario.network)
    one_way, jitter = (network.delay_us + network.jitter_us) / S, network.jitter_us / S
    rate, tail = scenario.workload.rate_per_s, TAIL_US / S
    if way.interval_us:
        every = way.interval_us / S
        form, awake = clients.short_polling(every, one_way), clients.awake(tail, every=every, exchange=2 * one_way)
    elif way.hold_us:
        hold = way.hold_us / S
        form, awake = clients.long_polling(one_way, rate, hold, jitter), clients.awake_long_polling(tail, one_way, rate, hold)
    else:
        every = way.heartbeat_us / S
        form, awake = clients.push(one_way, every), clients.awake(tail, every=every, exchange=2 * one_way, messages=rate)
    return {"delay_known_s": form.delay, "requests_known_per_h": form.requests * 3600, "awake_known_share": awake}


def conclusion(table: pd.DataFrame) -> str:
    """At each rate: the way with the fewest bytes, and the one with the fewest among those that are not late."""
    lines = []
    for rate, rows in table.groupby("workload.rate_per_s", sort=False):
        means = rows.groupby("way", sort=False)[["delay_s", "kib_per_h"]].mean()
        prompt = means[means["delay_s"] <= LATE_S]["kib_per_h"]
        least = means["kib_per_h"].idxmin()
        best = prompt.idxmin() if len(prompt) else "none"
        lines.append(f"{rate} messages a second: fewest bytes {least}; within {LATE_S:g} s on average {best}")
    return "\n".join(lines)


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
