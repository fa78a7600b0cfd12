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
# # The storm: everyone comes back at once
#
# A gateway dies. Half of all users lose their connection in the same instant and want it back. A log-in costs work, clients that wait
# too long give up and come again, and the server cannot tell an attempt somebody still waits for from one whose client has left.
# **What decides whether this ends after ten seconds, late, or never?** No formula of a waiting line has it: there, whoever has waited leaves.
#
# The rules are the real ones, those of the live clients and gateways (`model/core`); costs and links are the scenario's
# (`scenarios/reconnect_storm.py`, whose docstring says where they come from). This page uses its short form: a seventh of the time, a seventh of
# the users, the same storm in small. To run it without a browser:
# `jupytext --to ipynb --execute notebooks/21_storm.py --output storm.ipynb`.
#
# The first cell only looks for the newest sweep below `IMBENCH_RUNS` or `reports/runs`, and has a short one made where there is none.

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
from model.analysis import clients
from model.history.columns import from_rows
from model.history.run_folder import RunFolderError, runs_root
from model.history.schema import Kind
from model.scenario import Cut, Scenario
from model.sim.retries import Database
from model.sim.service_times import load
from reports import sweeps
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE, VERMILLION

CHECKOUT = Path(model.__path__[0]).parent


def short_sweep():
    """The short sweep, as anybody would make it: `imbench sweep reconnect_storm --short`."""
    root = Path(tempfile.mkdtemp(prefix="imbench-storm-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", "reconnect_storm", "--short", "--jobs", "2", "--out", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return sweeps.latest(root, "reconnect_storm")


def found_sweep():
    try:
        return sweeps.latest(runs_root(None, os.environ, CHECKOUT), "reconnect_storm")
    except RunFolderError:
        return None


short = short_sweep()
folder = found_sweep() or short
print(sweeps.told(folder))

# %% [markdown]
# ## How long, and at how many attempts
#
# Down: how a client waits before it tries again. Across: whom a gateway lets in. *Open* is everyone; a *bucket* counts so many log-ins a
# second; a *queue* so many under way. Hints tell the refused when to come back: one wait for all, or a place in a line of their own.
# With an open door and clients that come back after a fixed wait, the storm ends late: there are just not so many of them that it never
# would. "never" is not a large number; how many clients make it, is shown below.

# %%
record, summary = sweeps.read(folder)
pictures = [sweeps.draw(record.sweep, picture, sweeps.shown(record.sweep, picture, summary)) for picture in record.sweep.pictures]
pictures[0]

# %%
pictures[1]

# %% [markdown]
# ## What it looks like from outside
#
# Three of these storms, second by second. The attempts of clients without jitter come in spikes, each as high as there are clients; business is
# busy all the time in all three (the work is the same), but behind an open door it is busy with attempts that nobody waits for.

# %%
base = msgspec.json.decode((short / "scenario.json").read_bytes(), type=Scenario)


def changed(policies, **fields):
    return msgspec.structs.replace(base, policies=policies, **fields)


def played(scenario, seed=1):
    result = model.sim.run(scenario, "cursor", seed)
    return from_rows(result.header, result.rows)


def online(history, t_us):
    """Share of the devices that are ready, at each of these instants."""
    rows = history.rows_of(Kind.READY, Kind.DISCONNECTED)
    ready, last = np.zeros(len(t_us)), {}
    for row in rows:
        device, now_ready = int(history.device[row]), history.kind[row] == Kind.READY
        if now_ready != last.get(device, False):
            ready[np.searchsorted(t_us, history.t_us[row]) :] += 1 if now_ready else -1
        last[device] = now_ready
    return ready / len(history.rows_of(Kind.DEVICE))


doors = {
    "fixed wait, open door": ({"backoff": "fixed"}, VERMILLION),
    "full jitter, open door": ({"backoff": "full_jitter"}, ORANGE),
    "full jitter, bounded queue": ({"backoff": "full_jitter", "admission": "bounded_queue"}, BLUE),
}
killed_us = base.at_us(base.faults[0].at_s)
t_us = np.arange(killed_us - 500_000, base.at_us(base.duration_s), 20_000)
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.add_subplot(121), figure.add_subplot(122)
    for label, (policies, colour) in doors.items():
        history = played(changed(policies))
        left.plot((t_us - killed_us) / 1e6, online(history, t_us), color=colour, label=label)
        attempts = history.t_us[history.rows_of(Kind.CONNECTING)]
        counts, edges = np.histogram(attempts, bins=np.arange(t_us[0], t_us[-1], 50_000))
        right.step((edges[:-1] - killed_us) / 1e6, counts, color=colour, where="post", linewidth=1)
    left.set(xlabel="since the kill (s)", ylabel="users online (share)", ylim=(0, 1.05))
    right.set(xlabel="since the kill (s)", ylabel="attempts in 50 ms", yscale="symlog")
    left.legend(loc="lower right")
figure

# %% [markdown]
# ## How large may a storm be?
#
# Let all users come again together, give up after a time-out T, wait w, and come again, and let business take µ log-ins a second in the order in
# which they came. Of N the first µT get in. The others ask again when business has worked for T + w; whatever is left of their first attempts
# stands before them, and nobody waits for it. If that alone takes T, no one is ever let in again: so it is for N above µ (2T + w). The
# simulation knows nothing of this sentence.

# %%
times = load()
capacity = 1e6 / (base.login.account_us + times.business_attach_us + times.business_envelope_out_us)
time_out_s, wait_s = base.timers.connect_timeout_us / 1e6, base.timers.backoff_fixed_us / 1e6
bound = clients.storm_bound(capacity, time_out_s, wait_s)
sizes = [120, 180, 240, 280, 300, 320, 340, 380, 440]
cuts = tuple(Cut(f"gateway-{k}", base.faults[0].at_s) for k in (1, 2))
branches = {"nothing happens": (), "all lose their connection": cuts}
shares = {}
for label, faults in branches.items():
    for users in sizes:
        plan = msgspec.structs.replace(base.population, users=users)
        scenario = changed({"backoff": "fixed"}, population=plan, faults=faults, connection_life_s=0.0)
        end_us = np.array([scenario.at_us(scenario.duration_s)])
        shares[label, users] = float(online(played(scenario), end_us)[0])
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (label, faults), colour in zip(branches.items(), (GREEN, VERMILLION)):
        axes.plot(sizes, [shares[label, users] for users in sizes], color=colour, marker="o", markersize=4, label=label)
    axes.axvline(bound, color=INK, linestyle=":", label=f"µ (2T + w) = {bound:.0f}")
    axes.set(xlabel="users", ylabel="online at the end (share)", ylim=(0, 1.05))
    axes.legend(loc="lower left")
print(f"by the sentence {bound:.0f} users; the largest storm that ended had {max(n for n in sizes if shares['all lose their connection', n] > 0.99)}")
figure

# %% [markdown]
# Between the two curves there are two steady states for one load, and which of them holds is decided by what has been before. The cause is
# long gone; the state stays. That is called *metastable*.
#
# ## Up, and down again
#
# The same in the smallest system that has it, a published one (Bronson and others, "Metastable Failures in Distributed Systems", HotOS 2021):
# a database does 300 queries a second, and a query that takes longer than a second is asked once more. The load rises to 280, which is
# carried. Then comes an outage of 10 s, and then the load falls again, step by step. On the way down the same loads are not carried until
# the load is below half of what the database can do: every query comes twice, and both come too late.

# %%
loads = [80, 120, 140, 160, 200, 240, 280]
STEP_US = {"up": 60_000_000, "down": 200_000_000}  # the line must have time to empty


def up_and_down():
    """Goodput at each load on the way up, and on the way down after an outage."""
    database, until_us, goodput = Database(seed=1), 0, {"up": [], "down": []}
    for way, steps in (("up", loads), ("down", loads[::-1])):
        if way == "down":
            database.outage(until_us, 10_000_000)
        for step in steps:
            database.load, until_us = step, until_us + STEP_US[way]
            database.run(until_us)
            goodput[way].append(step * database.goodput(20))
    return goodput["up"], goodput["down"][::-1]


up, down = up_and_down()
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(loads, up, color=GREEN, marker="^", label="load rises")
    axes.plot(loads, down, color=VERMILLION, marker="v", label="load falls, after an outage of 10 s")
    axes.axvline(150, color=INK, linestyle=":", label="half of what it can do")
    axes.set(xlabel="queries asked (1/s)", ylabel="queries answered in time (1/s)")
    axes.legend(loc="center right")
figure

# %% [markdown]
# ## What to take home
#
# - The danger is not the number of clients, it is work for clients that have left. Whatever keeps the line shorter than the time-out ends
#   the storm: a door that counts does it even for clients that know nothing of jitter.
# - Jitter flattens the spike and ends the storm with an open door too, later, for the line still grows beyond the time-out.
# - A door that counts punishes exponential backoff without jitter: those turned away all come back in the same instant, for longer waits.
# - Hints save attempts and cost time, since a client waits for the hint and up to as long again.
#
# The whole, with 4,000 users: `imbench sweep reconnect_storm`; larger ones by the rule in the scenario's docstring.
