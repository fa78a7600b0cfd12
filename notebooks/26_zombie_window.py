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
# # Zombies: a dead connection that both ends believe in
#
# A gateway's host forgets its connections, or a NAT on the way forgets one that was silent for too long. Nobody is told. The phone shows
# "connected", the server sends into the void, and nothing comes. **How long does that last, what falls into it, and what does a battery pay for knowing
# sooner?**
#
# The scenario is `scenarios/zombie_window.py`. A second in it stands for a minute of a phone's life where a battery is concerned: pings every 1 to
# 8 s are pings every 1 to 8 minutes, and its NAT forgets after 3. This page plays its short form in simulated time, and shows the newest sweeps in full that it
# finds below `IMBENCH_RUNS` or `reports/runs`. Without a browser:
# `jupytext --to ipynb --execute notebooks/26_zombie_window.py --output zombie_window.ipynb`.

# %%
# %matplotlib inline
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.figure import Figure

import model.sim
from model.analysis import clients, radio
from model.core.heartbeat import Heartbeat
from model.history.columns import from_rows
from model.history.run_folder import RunFolderError, runs_root
from model.history.schema import Kind
from model.scenario import Scenario
from reports import sweeps
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE, VERMILLION

CHECKOUT = Path(model.__path__[0]).parent
NAME = "zombie_window"


def short_sweep():
    """The short sweep of the reference design, as anybody would make it."""
    root = Path(tempfile.mkdtemp(prefix="imbench-sweep-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", NAME, "--short", "--axis", "preset=cursor"]
    subprocess.run([*command, "--jobs", "2", "--out", str(root)], check=True, capture_output=True)
    return sweeps.latest(root, NAME)


def found_sweeps():
    """The newest of each world, where there are any."""
    try:
        root = runs_root(None, os.environ, CHECKOUT)
    except RunFolderError:
        return []
    return [folder for world in ("sim", "live") if (folder := sweeps.latest(root, NAME, world))]


short = short_sweep()
for folder in [short, *found_sweeps()]:
    record, _ = sweeps.read(folder)
    print(f"world: {record.world}, {record.runs} runs\n{sweeps.told(folder)}\n")

# %% [markdown]
# The short form is a sixth of the whole in all its times. "Withheld" is where there was no zombie to measure.
#
# ## How long: half an interval, and the time-out
#
# After a break at any instant, the next ping comes after what is left of the interval, evenly between nothing and all of it, and another time-out
# passes until its answer is missed. That is all there is to know, and the simulated clients, which run the real rules, keep to it.

# %%
base = msgspec.json.decode((short / "scenario.json").read_bytes(), type=Scenario)
SECOND = base.timers.pong_timeout_us / 0.5  # what is a second in the whole form, in microseconds of this one


def played(heartbeat_s, preset="cursor", **changes):
    timers = msgspec.structs.replace(base.timers, heartbeat_us=round(heartbeat_s * SECOND))
    result = model.sim.run(msgspec.structs.replace(base, timers=timers, **changes), preset, 1)
    return from_rows(result.header, result.rows)


def windows(history):
    """From each break to the end of each connection that it broke, in seconds of the whole form."""
    begun = history.t_us[history.rows_of(Kind.FAULT_BEGUN)]
    ends = history.t_us[history.rows_of(Kind.DISCONNECTED)]
    return np.sort([end - begun[np.searchsorted(begun, end) - 1] for end in ends if end > begun[0]]) / SECOND


EVERY = {1: BLUE, 2: GREEN, 4: ORANGE, 8: VERMILLION}
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for every, colour in EVERY.items():
        window = windows(played(every))
        mean, longest = clients.zombie(every, 0.5)
        axes.plot(window, 100 * np.arange(1, len(window) + 1) / len(window), color=colour, label=f"ping every {every} s")
        axes.plot([0.5, longest], [0, 100], color=INK, linewidth=0.8, linestyle=":")
        print(f"ping every {every} s: mean {window.mean():.2f} s, known {mean:.2f}; longest {window.max():.2f}, known {longest:.2f}")
    axes.set(xlabel="from the break to the phone's noticing (s)", ylabel="of the broken connections (%)", ylim=(0, 103))
    axes.legend(loc="lower right", title="dotted: known")
figure

# %% [markdown]
# ## What a battery pays
#
# A radio that slept is woken for each ping and stays awake for its tail, twelve seconds with LTE: that costs far more than the bytes. So the energy of
# heartbeats falls as one over the interval, and the window grows with it. Every point on this line is a choice, and none is free.

# %%
minutes = np.array([0.25, 0.5, 1, 2, 3, 4, 6, 8, 10])
cost = [radio.of_heartbeats(radio.RADIOS["4g"], round(m * 60e6), 246) for m in minutes]
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([m * 60 / 2 + 30 for m in minutes], [one.joules for one in cost], color=BLUE, marker="o", markersize=4)
    for m, one in zip(minutes, cost):
        axes.annotate(f"{m:g} min", (m * 60 / 2 + 30, one.joules), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axes.set(xlabel="mean window (s), time-out 30 s", ylabel="energy of heartbeats, 4G (J an hour)", yscale="log", xlim=(0, 370))
    axes.set_yticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1,000", "2,000"])
figure

# %% [markdown]
# ## A NAT does not break, it forgets
#
# Here an interval is not better or worse, it is right or wrong. Pings in time keep the connection, and there is no zombie at all. Pings that are too rare lose it
# in *every* silence: the phone is deaf, notices, comes back, and is deaf again. Which interval is right, the network knows and does not say; it is minutes in some
# and an hour in others. The adaptive heartbeat tries: three answers, a step longer; two losses, a step and a third back, and there it stays.

# %%
def search(forgets_s, pings=60):
    """The intervals of a phone that is silent but for its pings, and which of them were too long."""
    timers = msgspec.structs.replace(base.timers, heartbeat_us=1_000_000, heartbeat_max_us=8_000_000, heartbeat_step_us=1_000_000)
    beat, at, told = Heartbeat(timers), 0.0, []
    beat.answered()
    for _ in range(pings):
        interval = beat.interval_us / 1e6
        at += interval
        beat.pinged()
        lost = interval > forgets_s
        told.append((at, interval, lost))
        if lost:
            beat.unanswered()
            beat.stirred()  # by the log-in that follows
        else:
            beat.answered()
    return np.array(told)


with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for forgets, colour in ((60, ORANGE), (5.5, GREEN), (3, BLUE)):
        at, interval, lost = search(forgets).T
        axes.step(at, interval, where="pre", color=colour, label="no NAT" if forgets > 8 else f"NAT forgets after {forgets:g} min")
        axes.plot(at[lost > 0], interval[lost > 0], "x", color=VERMILLION, markersize=9, markeredgewidth=2, zorder=5)
        if forgets < 8:
            axes.axhline(forgets, color=colour, linewidth=0.8, linestyle=":")
        print(f"forgets after {forgets:g}: {int(lost.sum())} connections lost, then pings every {interval[-1]:.2f}")
    axes.set(xlabel="time (min)", ylabel="interval between pings (min)", ylim=(0, 9), xlim=(0, 120))
    axes.legend(loc="upper left", title="×: lost, a zombie")
figure

# %% [markdown]
# ## Together
#
# The sweep: each point is a heartbeat, behind a NAT and where connections are lost by a fault. Left is cheaper, down is sooner.

# %%
record, summary = sweeps.read((found_sweeps() or [short])[0])
at = summary[(summary["measure"].isin(["joules_per_h", "late_pairs"])) & (summary.get("preset", "cursor") == "cursor")]
points = at.pivot_table(index=["break", "heartbeat"], columns="measure", values="mean", sort=False).reset_index()
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    for i, (broken, part) in enumerate(points.groupby("break", sort=False)):
        axes = figure.add_subplot(1, 2, i + 1)
        adaptive = part["heartbeat"] == "adaptive"
        axes.plot(part["joules_per_h"][~adaptive], 100 * part["late_pairs"][~adaptive], color=BLUE, marker="o", markersize=5)
        axes.plot(part["joules_per_h"][adaptive], 100 * part["late_pairs"][adaptive], "D", color=VERMILLION, markersize=7, label="adaptive")
        for row in part[~adaptive].itertuples():
            axes.annotate(row.heartbeat, (row.joules_per_h, 100 * row.late_pairs), textcoords="offset points", xytext=(7, 4), fontsize=9)
        axes.set(xlabel="energy with all traffic, 4G (J an hour)", ylabel="" if i else "deliveries over 200 ms (%)", title=broken)
        axes.set(xlim=(0, 950), ylim=(-3, None))
        axes.legend(loc="upper right")
points.round(3)

# %%
figure

# %% [markdown]
# ## What to take home
#
# - Heartbeats bound the zombie window: to the interval and the time-out, half the interval on average. Nothing else in the design does.
# - `cursor` turns what falls into a window into lateness; a design without a catch-up loses it.
# - Behind a NAT a fixed interval is right or wrong. A wrong one loses the connection in every silence: cheaper for the battery, and useless.
# - The adaptive heartbeat costs two zombies for each phone while it learns, and then pings as rarely as the network bears. Where nothing
#   forgets, it goes on to the longest interval, and its windows with it: it saves a battery, it does not shorten a window.
#
# Numbers in full, and of the real server: `docs/answers/zombie_window.md`.
