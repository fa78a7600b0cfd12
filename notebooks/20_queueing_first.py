# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Queueing first: what a formula knows, and where a model must take over
#
# Every server is a line of work before something that does it. A page of formulas, some a hundred years old, says what such a line comes to
# in the long run. This notebook puts them beside the simulated world: where they agree, both are believed; where they cannot agree, the
# reason is what the model is for.
#
# The formulas are in `model/analysis`, the simulated stations in `model/sim`; neither knows the other. To run this page without a browser:
# `jupytext --to ipynb --execute notebooks/20_queueing_first.py --output queueing.ipynb`.

# %%
# %matplotlib inline
from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from model.analysis import clients, estimates, queues
from model.core.backoff import wait_us
from model.core.policies import Timers
from model.sim.kernel import Kernel
from model.sim.receiving import Receiver, Sizes, Way
from model.sim.service_times import load
from model.sim.stations import Line
from reports.figures import BLUE, CYCLE, GREEN, INK, ORANGE, STYLE, VERMILLION

MS = 1_000  # microseconds: the clock of the simulated world
SERVICE_US = 10 * MS


def panels(count=1, width=5.6):
    """A figure with so many axes side by side."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * count, 3.6), layout="constrained")
        return figure, [figure.add_subplot(1, count, i + 1) for i in range(count)]


def visit(load, seed, count=8_000, servers=1, spread=1.0):
    """Response times in ms of Poisson visitors of a line of servers; work is exponential, or always as long (spread 0)."""
    luck, kernel = np.random.default_rng((seed, 20)), Kernel()
    came = np.cumsum(luck.exponential(SERVICE_US / (load * servers), count)).astype(int)
    work = luck.exponential(SERVICE_US, count) if spread else np.full(count, SERVICE_US)
    line, took = Line(kernel, servers), np.zeros(count)

    def done(i):
        took[i] = kernel.now - came[i]

    for i in range(count):
        kernel.at(int(came[i]), line.bring, work[i], done, i)
    kernel.play()
    return took / MS


# %% [markdown]
# ## The knee
#
# One server needs 10 ms for a piece of work. At half load it already takes twice as long as that, at 90 % ten times. Nothing is broken
# there; work comes in bunches, and whoever comes in a bunch waits. Where all pieces are equally long (M/D/1) the wait is half of what it is
# where their lengths are exponential (M/M/1). Dots are simulations: the mean of six seeds each, with its 95 % interval, and without
# the warm-up that the next section speaks of.

# %%
loads = np.array([0.2, 0.35, 0.5, 0.65, 0.8, 0.9])
figure, (axes,) = panels()
for spread, form, colour, label in ((1.0, queues.mm1, BLUE, "M/M/1"), (0.0, queues.md1, ORANGE, "M/D/1")):
    fine = np.linspace(0.05, 0.93, 200)
    axes.plot(fine, [form(x / 10, 10).response for x in fine], color=colour, label=f"{label}, formula")
    runs = []
    for x in loads:
        count = 40_000 if x > 0.7 else 8_000  # a busy line takes longer to show its mean
        runs.append(estimates.mean([float(visit(x, seed, count, spread=spread)[count // 10 :].mean()) for seed in range(6)]))
    half = [run.half_width for run in runs]
    axes.errorbar(loads, [run.mean for run in runs], yerr=half, fmt="o", color=colour, markersize=4, capsize=3, label=f"{label}, simulated")
axes.set(xlabel="load (share of what the server can do)", ylabel="mean response (ms)", yscale="log")
axes.legend()
figure

# %% [markdown]
# ## A run begins empty, and that is not its steady state
#
# A line that begins empty is quicker than it will be. A mean over the whole run says something about its beginning, so for a steady state
# each replication leaves its warm-up out; runs that end by themselves, such as a reconnect storm, have none. How much to leave out is read off
# the series itself (MSER-5): the cut after which the mean of the rest is known best. Below, a line at 90 % load begins with 400 pieces of
# work already in it.

# %%
def begun_full(seed, count=12_000, waiting=400, load=0.9):
    luck, kernel = np.random.default_rng((seed, 21)), Kernel()
    came = np.concatenate([np.zeros(waiting, int), np.cumsum(luck.exponential(SERVICE_US / load, count)).astype(int)])
    line, took = Line(kernel), np.zeros(len(came))

    def done(i):
        took[i] = (kernel.now - came[i]) / MS

    for i, work in enumerate(luck.exponential(SERVICE_US, len(came))):
        kernel.at(int(came[i]), line.bring, work, done, i)
    kernel.play()
    return took


series = [begun_full(seed) for seed in range(12)]
cuts = [estimates.warm_up(run) for run in series]
known = queues.mm1(0.9 / 10, 10).response
figure, (axes,) = panels(width=8)
axes.plot(np.mean(series, axis=0)[:8_000], color=BLUE, linewidth=0.8, label="mean of twelve replications")
axes.axhline(known, color=INK, linestyle=":", label=f"M/M/1: {known:.0f} ms")
axes.axvline(np.median(cuts), color=VERMILLION, label=f"warm-up, median: {np.median(cuts):.0f} visitors")
axes.set(xlabel="visitor", ylabel="response (ms)", yscale="log")
axes.legend()
whole, steady = estimates.mean([float(run.mean()) for run in series]), estimates.mean([estimates.steady(run) for run in series])
print(f"with its beginning {whole.mean:.0f} ± {whole.half_width:.0f} ms, without {steady.mean:.0f} ± {steady.half_width:.0f}; known: {known:.0f}")
figure

# %% [markdown]
# ## One line for many servers
#
# Why a pool is better than its parts: with one line before c servers (M/M/c) a visitor waits only if all of them are busy. At 80 % load a single
# server makes people wait four times its service; sixteen of them with one line, hardly at all. That is also why a gateway per core with
# its own connections (many lines) is not the same as a gateway of many cores (one line): a user cannot change the line.

# %%
servers = np.arange(1, 17)
figure, (axes,) = panels()
for load_, colour in ((0.5, GREEN), (0.8, BLUE), (0.95, VERMILLION)):
    axes.plot(servers, [queues.mmc(load_ * c / 10, 10, int(c)).wait for c in servers], color=colour, label=f"load {load_:.0%}")
for c in (1, 2, 4, 8, 16):
    run = estimates.mean([float(visit(0.8, seed, servers=c)[800:].mean()) - 10 for seed in range(6)])
    axes.errorbar(c, run.mean, yerr=run.half_width, fmt="o", color=BLUE, markersize=4, capsize=3)
axes.set(xlabel="servers with one line", ylabel="mean wait (ms)", xscale="log", yscale="log")
axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
axes.minorticks_off()
axes.legend(title="dots: simulated")
figure

# %% [markdown]
# ## Where the formula ends: a server that works in turns
#
# An event loop does not serve one piece of work after another. It wakes up, takes *everything* that has come in the meantime, and writes what is
# to be written at the end of the turn. A turn has a cost of its own, which a busy loop shares among many pieces: under load a message costs
# less. No M/M/1 says that. With the service times measured on the real gateway (`model/sim/service_times.json`):

# %%
times = load()
frame_us = times.gateway_forward_us + times.gateway_write_us + times.gateway_frame_out_us


def turns(rate_per_s, seed, count=6_000):
    """CPU of a frame in µs and mean response in µs of a loop that takes all there is in each turn."""
    luck, kernel = np.random.default_rng((seed, 22)), Kernel()
    came = np.cumsum(luck.exponential(1e6 / rate_per_s, count)).astype(int)
    waiting, took, spent, busy = [], [], [0.0], [False]

    def arrive(i):
        waiting.append(i)
        if not busy[0]:
            busy[0] = True
            kernel.at(kernel.now, turn)

    def turn():
        taken, waiting[:] = list(waiting), []
        cost = times.gateway_turn_us + frame_us * len(taken)
        spent[0] += cost
        kernel.at(kernel.now + round(cost), finish, taken)

    def finish(taken):
        took.extend(kernel.now - came[i] for i in taken)
        busy[0] = bool(waiting)
        if waiting:
            turn()

    for i in range(count):
        kernel.at(int(came[i]), arrive, i)
    kernel.play()
    return spent[0] / count, float(np.mean(took))


rates = np.array([500, 2_000, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000])
measured = [[turns(rate, seed) for seed in range(5)] for rate in rates]
alone_us = times.gateway_turn_us + frame_us  # a turn for each frame
figure, (left, right) = panels(2, width=4.8)
for axes, index in ((left, 0), (right, 1)):
    found = [estimates.mean([run[index] for run in runs]) for runs in measured]
    axes.errorbar(rates / 1e3, [one.mean for one in found], yerr=[one.half_width for one in found], color=BLUE, marker="o", markersize=4, capsize=3, label="turns, simulated")
below = np.linspace(500, 0.95 * 1e6 / alone_us, 100)
right.plot(below / 1e3, [queues.md1(x / 1e6, alone_us).response for x in below], color=ORANGE, label="M/D/1, a turn for each frame")
left.axhline(alone_us, color=ORANGE, label="a turn for each frame")
left.axhline(frame_us, color=INK, linestyle=":", label="the frame alone")
left.set(xlabel="frames (1,000/s)", ylabel="CPU of a frame (µs)", ylim=(0, 100))
right.set(xlabel="frames (1,000/s)", ylabel="mean response (µs)", yscale="log")
left.legend()
right.legend()
print(f"a formula with a turn for each frame ends at {1e6 / alone_us:,.0f} frames a second, the loop at {1e6 / frame_us:,.0f}")
figure

# %% [markdown]
# ## Asking, or being told
#
# A client that asks every T seconds sees a message between 0 and T late, each delay as likely as the other: T/2 on average, at any rate
# of messages. A long connection is late by the way alone. One device, messages at random, 50 ms each way:

# %%
def delays(way, seed=1, messages=3_000):
    luck, kernel = np.random.default_rng((seed, 23)), Kernel()
    came = np.cumsum(luck.exponential(7e6, messages)).astype(int).tolist()
    device = Receiver(kernel, way, Sizes(0, 0, 0), lambda: 50 * MS, came)
    kernel.at(came[-1], kernel.stop)
    kernel.play()
    return np.sort(device.got.delays_us) / 1e6


ways = {"asked every 2 s": Way(interval_us=2_000 * MS), "asked every 10 s": Way(interval_us=10_000 * MS), "long polling": Way(hold_us=30_000 * MS), "pushed": Way(heartbeat_us=60_000 * MS)}
figure, (axes,) = panels()
for (label, way), colour in zip(ways.items(), CYCLE):
    seen = delays(way)
    axes.step(seen, np.arange(1, len(seen) + 1) / len(seen), color=colour, label=label, where="post")
for interval in (2.0, 10.0):
    uniform = np.linspace(0, 1, 200)
    axes.plot(0.05 + interval * uniform, uniform, color=INK, linestyle=":", linewidth=1)
    print(f"every {interval:g} s: {clients.short_polling(interval, 0.05).delay:.2f} s on average by the formula")
axes.set(xlabel="delay of a message (s); dotted: uniform, as the formula says", ylabel="share seen within it", xscale="log", xlim=(0.04, 12))
axes.legend(loc="center left", bbox_to_anchor=(0.12, 0.6))
figure

# %% [markdown]
# ## Comparing two policies: the same luck for both
#
# Two runs with different luck differ for no reason. Here every draw is keyed by what it decides, so two policies can be given the *same*
# luck, and only what the policy changes is left between them. How much longer is the first wait under equal than under full jitter, over 200
# clients? Ten pairs of runs, once with luck of their own, once with common luck:

# %%
timers = Timers()


def mean_wait_s(policy, seed):
    shares = np.random.default_rng(seed).random(200)
    return float(np.mean([wait_us(policy, timers, 3, share) for share in shares])) / 1e6


full = [mean_wait_s("full_jitter", seed) for seed in range(10)]
own = estimates.difference(full, [mean_wait_s("equal_jitter", seed + 100) for seed in range(10)])
common = estimates.difference(full, [mean_wait_s("equal_jitter", seed) for seed in range(10)])
for label, found in (("luck of their own", own), ("common luck", common)):
    print(f"{label}: {found.mean:.3f} ± {found.half_width:.3f} s")
never = estimates.share(0, 1_000)
print(f"and what was never seen in 1,000 trials: 0, below {never.high:.4f} (the rule of 3/n)")

# %% [markdown]
# ## Go on from here
#
# - `21_storm.py`: what none of these formulas has, clients that come again.
# - `python scenarios/capacity_plan.py --short`: M/M/c beside the whole model, up to the knee.
# - `python scenarios/polling_or_push.py --short`: delay, requests, bytes and the radio, with closed forms beside them.
# - `tests/sim/test_theory.py` holds the stations against the formulas: inside the 99 % interval and within 2 %.
