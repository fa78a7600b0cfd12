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
# # Is the measurement itself honest?
#
# Before a number says anything about a server, it says something about whoever took it. Three ways of taking it wrong are common, and this page
# has all three:
#
# - a load that **waits**: each user sends, waits for the answer, and only then sends again (a *closed loop*). It is how most load tools work;
# - a load generator that is **starved**: it wants to send and has no CPU, and its own lag is taken for the server's;
# - a clock that is started **too late**: at the first write, in place of when the user wanted to send.
#
# The server is the same in all of it, and so is its trouble (`scenarios/honest_measurement.py`): it stands still for a second, or it can do
# less than it is asked for. To run this page without a browser:
# `jupytext --to ipynb --execute notebooks/29_honest_measurement.py --output honest.ipynb`.
#
# The first cell shows the newest sweep of either world below `IMBENCH_RUNS` or `reports/runs`, and makes a short one in the simulated world where
# there is none. A short sweep stands still for half a second in six.

# %%
# %matplotlib inline
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import model.sim
from model.analysis.omission import filled_in
from model.checkers.amounts import duration
from model.checkers.case import Case
from model.checkers.latency import nearest_rank
from model.history.run_folder import RunFolderError, runs_root
from reports import sweeps
from reports.figures import BLUE, GREEN, INK, STYLE, VERMILLION
from scenarios.honest_measurement import LOADS, PROMISE_MS, SCENARIO, figures, troubles
from scenarios.running.replicate import simulated
from scenarios.running.settings import apply

CHECKOUT = Path(model.__path__[0]).parent


def short_sweep():
    """The short sweep, as anybody would make it: `imbench sweep honest_measurement --short`."""
    root = Path(tempfile.mkdtemp(prefix="imbench-honest-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", SCENARIO.name, "--short", "--jobs", "2", "--out", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return sweeps.latest(root, SCENARIO.name)


def found_sweep(world):
    try:
        return sweeps.latest(runs_root(None, os.environ, CHECKOUT), SCENARIO.name, world)
    except RunFolderError:
        return None


for world, folder in (("sim", found_sweep("sim") or short_sweep()), ("live", found_sweep("live"))):
    print(
        f"{world}: {sweeps.told(folder) if folder else 'no sweep found; on a quiet machine: imbench sweep honest_measurement --world live'}\n"
    )

# %% [markdown]
# Read it by lines. Where nothing is wrong, the two loads agree. Where the server stands still, the open load says so and the closed one
# does not: its p99 is what it was, and the verdict is *valid*. Under overload the open load is later and later; the closed one sends less. And
# where the generator starves, p99 is bad although the server is well, which is why there is no verdict on the server then.
#
# ## What a standstill looks like
#
# The same second from both sides: a dot is a message, its height how long it took. In the open load everything that was wanted in that second is
# there, the first late by a whole second, the last by nothing: a straight line down. In the closed loop there are four dots, one for each user;
# then nobody was left who could have asked.

# %%
SETTINGS = {choice.label: choice.settings for axis in (LOADS, troubles()) for choice in axis.choices}
COLOURS = {"open": BLUE, "closed": VERMILLION}


@cache
def played(load, trouble, *settings):
    """A finished run of the simulated world, and its latencies."""
    run = simulated(apply(SCENARIO, [*SETTINGS[load], *SETTINGS[trouble], *settings]), "cursor", 1)
    return run, Case(run.history).latencies


def seconds(t_us):
    return (t_us - SCENARIO.load_begin_us) / 1e6


def dots(axes, trouble, load):
    _, late = played(load, trouble)
    axes.scatter(seconds(late.live_t_us), late.live / 1e6, s=7, color=COLOURS[load], alpha=0.6, linewidths=0)
    axes.set_title(f"{load}: {len(late.live):,} messages, p99 {duration(nearest_rank(late.live, 0.99))}", loc="left", fontsize=10)
    axes.set_xlabel("intended at (s of the load)")
    print(f"{trouble}, {load}: {len(late.live):,} messages, p99 {duration(nearest_rank(late.live, 0.99))}")


def side_by_side(trouble):
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True, sharex=True)
        for axes, load in zip(panels, COLOURS):
            dots(axes, trouble, load)
        panels[0].set_ylabel("end to end (s)")
        panels[0].set_ylim(bottom=-0.03)
    return figure


side_by_side("stall")

# %% [markdown]
# ## What a percentile makes of it
#
# The share of messages that took longer than so long. Where the open load's curve leaves the floor, at 8 % (one second in twelve), the closed
# one is at four messages in a thousand. A percentile counts messages, and the closed loop has left out those that would have counted.
#
# HdrHistogram's correction puts them back by arithmetic: who waited for w at a pace of one message each 40 ms left out those
# that would have waited for w - 40 ms, w - 80 ms, ... It knows the pace, which somebody must tell it, and supposes that the wait was a standstill.

# %%
_, opened = played("open", "stall")
_, closed = played("closed", "stall")
pace_us = 1e6 * SCENARIO.population.users / SCENARIO.workload.rate_per_s
curves = {
    "open": (opened.live, BLUE, "-"),
    "closed": (closed.live, VERMILLION, "-"),
    "closed, put right afterwards": (filled_in(closed.live, pace_us), GREEN, "--"),
}
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for label, (waits, colour, style) in curves.items():
        waits = np.sort(waits)
        axes.step(waits / 1e3, 1 - np.arange(len(waits)) / len(waits), where="post", color=colour, linestyle=style, label=label)
        print(f"{label}: p99 {nearest_rank(waits, 0.99) / 1e3:.3g} ms of {len(waits):,}")
    axes.axhline(0.01, color=INK, linestyle=":", linewidth=1)
    axes.text(0.45, 0.0115, "1 %", color=INK, fontsize=9)
    axes.axvline(PROMISE_MS, color=INK, linestyle=":", linewidth=1)
    axes.text(PROMISE_MS * 1.06, 0.55, "promised", color=INK, fontsize=9)
    axes.set(
        xscale="log", yscale="log", xlabel="end to end (ms)", ylabel="share that took longer", xlim=(0.4, 1500), ylim=(7e-4, 1.2)
    )
    axes.legend(loc="lower left")
figure

# %% [markdown]
# ## Does it help to have more users?
#
# Yes, at the same rate. In a standstill of S seconds a closed loop of N users with a think time of Z asks at most N times, on average
# N (1 - exp(-S / Z)). Whether p99 sees that depends on whether it is more than one message in a hundred; the rate at which they would have
# sent does not come into it. Real users are many and each sends seldom, so a closed loop *of that many users* is nearly open. A tool with a
# few connections that send as fast as they can is not.

# %%
users = (2, 4, 8, 16, 32, 128)
p99 = {load: [] for load in COLOURS}
for load in COLOURS:
    for count in users:
        _, late = played(load, "stall", f"population.users={count}")
        p99[load].append(nearest_rank(late.live, 0.99) / 1e3)
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for load, marker in zip(COLOURS, "os"):
        axes.plot(users, p99[load], color=COLOURS[load], marker=marker, markersize=5, label=load)
    axes.axhline(PROMISE_MS, color=INK, linestyle=":", label="promised")
    axes.set(xscale="log", yscale="log", xlabel="users, at 100 messages a second together", ylabel="p99 end to end (ms)")
    axes.set_xticks(users, users)
    axes.minorticks_off()
    axes.legend(loc="center right")
blind = max(count for count, value in zip(users, p99["closed"]) if value < PROMISE_MS)
print(f"a closed loop of {blind} users does not see the standstill, one of {users[users.index(blind) + 1]} does")
figure

# %% [markdown]
# ## More than it can do
#
# From second 2 to 9 each user's connection carries less than is asked of it. In the open load the line grows, and with it the delay, until the
# trouble is over and the line has been worked off. The closed loop sends at the server's pace; its delay says how long one message takes, which is
# true, and nothing about the hundred a second that users had wanted. It is a fair measure of *capacity*, and none of *delay under a given load*.

# %%
side_by_side("overload")

# %% [markdown]
# ## A generator that is itself too slow
#
# Now the server is well, and the load process gets no CPU for a tenth of every half second. Measured from the intended time, its lag looks like
# the server's; measured from the first write, it has vanished, and so would anything that the server did meanwhile. Neither is a measurement. What
# gives it away is the lag itself: each send notes when it was wanted and when it was handed over, and in a live run each event loop notes twenty
# times a second how late it is. Beyond the limits of [the judges](../docs/judges.md#generator_lag) the verdict is `harness_invalid`: nothing was
# learnt about the server, in either direction.

# %%
for load in COLOURS:
    run, _ = played(load, "starved")
    told = figures(run)
    print(
        f"{load}: verdict {run.judged.verdict}; p99 of acks {told['ack_p99_ms']:.3g} ms from the intended time, "
        f"{told['service_p99_ms']:.3g} ms from the first write; send lag p99 {told['send_lag_p99_ms']:.3g} ms"
    )

# %% [markdown]
# ## And the observers?
#
# Recording a history, sampling every process once a second, a proxy in the way, statistics for a web page: all of that costs CPU that the
# server or the generator could have had. In simulated time it costs nothing, so only the live world can say. The ratios are measured by
# `python -m tests.benchmarks.bench_observers`, and stand in [docs/answers/honest_measurement.md](../docs/answers/honest_measurement.md).
#
# ## What to take home

# %%
table = {
    (load, trouble): figures(played(load, trouble)[0]) for load in COLOURS for trouble in ("none", "stall", "overload", "starved")
}
stall_open, stall_closed = table["open", "stall"], table["closed", "stall"]
print(
    f"- The same standstill is a p99 of {stall_open['end_to_end_p99_ms']:.0f} ms in an open load and of {stall_closed['end_to_end_p99_ms']:.1f} ms in a\n"
    f"  closed loop of four users, which has left out {stall_open['sends'] - stall_closed['sends']:.0f} messages and passes as valid.\n"
    f"- Put right afterwards it is {stall_closed['put_right_p99_ms']:.0f} ms: good, if one knows the pace and it was a standstill. Of the overload it\n"
    f"  makes {table['closed', 'overload']['put_right_p99_ms']:.0f} ms, where the open load has {table['open', 'overload']['end_to_end_p99_ms']:.0f} ms.\n"
    f"- Counting from the first write hides what the generator did ({table['open', 'starved']['end_to_end_p99_ms']:.0f} ms become"
    f" {table['open', 'starved']['uncorrected_p99_ms']:.1f} ms), not what the server\n"
    f"  did ({stall_open['end_to_end_p99_ms']:.0f} ms stay {stall_open['uncorrected_p99_ms']:.0f} ms): our clients write at once what their users want.\n"
    f"- A starved generator is found out: {table['open', 'starved']['harness_invalid']:.0f} of 1 run open, {table['closed', 'starved']['harness_invalid']:.0f} of 1 closed."
)

# %% [markdown]
# So: claims about delay need a load that waits for nobody, and a closed loop has to say that it is one. With several seeds and intervals:
# `imbench sweep honest_measurement`, on the real server with `--world live`.
