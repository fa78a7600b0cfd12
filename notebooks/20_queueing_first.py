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
from model.core.limits import NEVER_US
from model.core.policies import Timers
from model.sim.kernel import Kernel
from model.sim.node import Node
from model.sim.receiving import Receiver, Sizes, Way
from model.sim.service_times import load
from model.sim.stations import Line
from reports.figures import BLUE, CYCLE, GREEN, INK, ORANGE, SKY, STYLE, VERMILLION

MS = 1_000  # microseconds: the clock of the simulated world
SERVICE_US = 10 * MS


def panels(count=1, width=5.6):
    """A figure with so many axes side by side."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * count, 3.6), layout="constrained")
        return figure, [figure.add_subplot(1, count, i + 1) for i in range(count)]


def visit(load, seed, count=8_000, servers=1, spread=1.0):
    """Response times in ms of Poisson visitors of a line of servers; work is exponential, or always as long (spread 0)."""
    luck = np.random.default_rng((20, seed, servers, round(1_000 * load), bool(spread)))  # each line has its own
    came = np.cumsum(luck.exponential(SERVICE_US / (load * servers), count)).astype(int).tolist()
    work = luck.exponential(SERVICE_US, count).tolist() if spread else [SERVICE_US] * count
    kernel, took = Kernel(), [0] * count
    line = Line(kernel, servers)

    def done(i):
        took[i] = kernel.now - came[i]

    for i in range(count):
        kernel.at(came[i], line.bring, work[i], done, i)
    kernel.play()
    return np.array(took) / MS


# %% [markdown]
# ## The knee
#
# One server needs 10 ms for a piece of work. At half load it already takes twice as long as that, at 90 % ten times. Nothing is broken
# there; work comes in bunches, and whoever comes in a bunch waits. Where all pieces are equally long (M/D/1) the wait is half of what it is
# where their lengths are exponential (M/M/1). Dots are simulations: the mean of twelve seeds each, with its 95 % interval, and without
# the warm-up that the next section speaks of.

# %%
loads = np.array([0.2, 0.35, 0.5, 0.65, 0.8, 0.9])
figure, (axes,) = panels()
for spread, form, colour, label in ((1.0, queues.mm1, BLUE, "M/M/1"), (0.0, queues.md1, ORANGE, "M/D/1")):
    fine = np.linspace(0.05, 0.93, 200)
    axes.plot(fine, [form(x / 10, 10).response for x in fine], color=colour, label=f"{label}, formula")
    runs = []
    for x in loads:
        count = 20_000 if x > 0.7 else 4_000  # a busy line takes longer to show its mean
        runs.append(estimates.mean([float(visit(x, seed, count, spread=spread)[count // 10 :].mean()) for seed in range(12)]))
    half = [run.half_width for run in runs]
    axes.errorbar(
        loads, [run.mean for run in runs], yerr=half, fmt="o", color=colour, markersize=4, capsize=3, label=f"{label}, simulated"
    )
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
#
# The rule can be given each replication, or their mean. Each one alone (light blue) arrives when its luck lets it, and is then cut just where its
# own line happens to be short, so the mean of the rest is a little low (by 4 % over 144 runs such as these). In the mean of all (blue) luck has averaged out and the way down is
# left: one cut for all, read off that, is where even the slow ones have nearly arrived. What is still missing there, a few dozen ms over some
# hundred visitors, is little beside thousands that follow.

# %%
def begun_full(seed, count=16_000, waiting=400, load=0.9):
    luck, kernel = np.random.default_rng((21, seed)), Kernel()
    came = np.concatenate([np.zeros(waiting, int), np.cumsum(luck.exponential(SERVICE_US / load, count)).astype(int)])
    line, took = Line(kernel), np.zeros(len(came))

    def done(i):
        took[i] = (kernel.now - came[i]) / MS

    for i, work in enumerate(luck.exponential(SERVICE_US, len(came))):
        kernel.at(int(came[i]), line.bring, work, done, i)
    kernel.play()
    return took


def shown(found):
    return f"{found.mean:.0f} ± {found.half_width:.0f}"


series = [begun_full(seed) for seed in range(12)]
together = np.mean(series, axis=0)
cut, cuts = estimates.warm_up(together), [estimates.warm_up(run) for run in series]
known = queues.mm1(0.9 / 10, 10).response
figure, (axes,) = panels(width=8)
axes.plot(together[:10_000], color=BLUE, linewidth=0.8, label="mean of twelve replications")
axes.axhline(known, color=INK, linestyle=":", label=f"M/M/1: {known:.0f} ms")
for own in cuts:
    axes.axvline(own, color=SKY, linewidth=0.8, label="each replication's own cut" if own == cuts[0] else None)
axes.axvline(cut, color=VERMILLION, label=f"cut of their mean: {cut:,} visitors")
axes.set(xlabel="visitor", ylabel="response (ms)", yscale="log")
axes.legend()
whole, steady = estimates.mean([float(run.mean()) for run in series]), estimates.mean([float(run[cut:].mean()) for run in series])
print(f"with its beginning {shown(whole)} ms, without {shown(steady)}; known: {known:.0f}")
print(
    f"each with a cut of its own, {min(cuts):,} to {max(cuts):,}: {shown(estimates.mean([estimates.steady(run) for run in series]))}"
)
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
    run = estimates.mean([float(visit(0.8, seed, servers=c)[800:].mean()) - 10 for seed in range(16)])
    axes.errorbar(c, run.mean, yerr=run.half_width, fmt="o", color=BLUE, markersize=4, capsize=3)
    known = queues.mmc(0.8 * c / 10, 10, c).wait
    print(f"{c:2} servers: {run.mean:5.2f} ± {run.half_width:.2f} ms; Erlang: {known:5.2f}")
axes.set(xlabel="servers with one line", ylabel="mean wait (ms)", xscale="log", yscale="log")
axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
axes.minorticks_off()
axes.legend(title="dots: simulated")
figure

# %% [markdown]
# ## Where the formula ends: a server that works in turns
#
# An event loop does not serve one piece of work after another. It wakes up, takes *everything* that has come in the meantime, and writes what is
# to be written at the end of the turn. Waking up costs more the longer it has slept, its caches cold and its core asleep; and a turn
# costs something whatever is in it, which a busy loop shares among many pieces. So a message costs less the more of them there are. A formula is
# given one service time. Below, the model's own node (`model/sim/node.py`) takes frames that come at random, with the costs that were measured on the
# real gateway (`model/sim/service_times.json`); beside it M/D/1, once with what a frame costs on a quiet server, once with a turn for each frame and no
# rests.

# %%
times = load()
frame_us = times.gateway_forward_us + times.gateway_write_us + times.gateway_frame_out_us
alone_us = times.gateway_turn_us + frame_us  # a turn for each frame


class Loop(Node):
    """A gateway's CPU that reads a frame and writes one; when it has, the frame's time is over."""

    def __init__(self, kernel):
        super().__init__(kernel, 0, times.gateway_turn_us, rests_us=times.rests_us("gateway"))
        self.took = []

    def take(self, item, now, out):
        out.append(item[0])
        return frame_us

    def cost(self, out):
        return 0.0

    def release(self, out):
        self.took += [self.kernel.now - came for came in out]

    def deadline(self):
        return NEVER_US


def turns(rate_per_s, seed, count=6_000):
    """CPU of a frame and mean response, in µs, and frames a turn."""
    luck, kernel = np.random.default_rng((22, seed, rate_per_s)), Kernel()
    loop = Loop(kernel)
    loop.start()
    for came in np.cumsum(luck.exponential(1e6 / rate_per_s, count)).astype(int).tolist():
        kernel.at(came, loop.arrive, came)
    kernel.play()
    return loop.cpu_us / count, float(np.mean(loop.took)), count / loop.turns


def formula(cost_us):
    """Rates up to close to the end of M/D/1 with this service time, and its mean responses."""
    below = np.geomspace(rates[0], 0.98 * 1e6 / cost_us, 200)
    return below, [queues.md1(rate / 1e6, cost_us).response for rate in below]


rates = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 55_000, 65_000, 72_000]
measured = [[turns(rate, seed) for seed in range(5)] for rate in rates]
cpu, response, shared = ([estimates.mean([run[i] for run in runs]) for runs in measured] for i in range(3))
quiet_us = cpu[0].mean
figure, (left, right) = panels(2, width=4.8)
for axes, found in ((left, cpu), (right, response)):
    half = [one.half_width for one in found]
    axes.errorbar(
        rates, [one.mean for one in found], yerr=half, color=BLUE, marker="o", markersize=4, capsize=3, label="turns, simulated"
    )
for cost_us, colour, label in (
    (quiet_us, GREEN, "M/D/1, a frame as on a quiet server"),
    (alone_us, ORANGE, "M/D/1, a turn for each frame"),
):
    left.plot(rates, [cost_us] * len(rates), color=colour, label=label)
    right.plot(*formula(cost_us), color=colour, label=label)
left.plot(rates, [frame_us] * len(rates), color=INK, linestyle=":", label="the frame alone")
left.set(xlabel="frames a second", ylabel="CPU of a frame (µs)", xscale="log", ylim=(0, 1.5 * quiet_us))
right.set(xlabel="frames a second", ylabel="mean response (µs)", xscale="log", yscale="log")
left.legend()
print(
    f"a frame costs {quiet_us:.0f} µs at {rates[0]} a second, {cpu[-1].mean:.1f} at {rates[-1]:,}, where a turn takes {shared[-1].mean:.1f} of them"
)
print(
    f"M/D/1 ends at {1e6 / quiet_us:,.0f} a second, or with a turn for each frame at {1e6 / alone_us:,.0f}; the loop at {1e6 / frame_us:,.0f}"
)
least = int(np.argmin([one.mean for one in response]))
print(
    f"at {rates[-1]:,} a second it answers after {response[-1].mean:.0f} µs; soonest, after {response[least].mean:.0f}, at {rates[least]:,}"
)
figure

# %% [markdown]
# No single service time gives both ends. Measured on a quiet server it makes a formula end far below what the loop can do; measured under load
# it promises a quiet server's delays too short. And no formula with one service time has what the picture on the right shows: delays that *fall* while
# load rises, up to a good part of what the loop can do, before the line begins to count. There are formulas for a server that takes longer over whoever
# finds it idle (Welch 1964), and for one that serves in batches; for both at once, with a cost by the length of the rest, beside a disk, a network and
# clients that come again, there is the model.

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
