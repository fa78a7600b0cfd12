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
# # Access and business: two services, or one?
#
# Business code changes every week, the code that holds connections hardly ever. In one process, every deploy of business ends everybody's
# connection. In two, a deploy ends nobody's: gateways keep their connections, answer what was under way with "unknown, retry", and announce
# their sessions again when business is back. Two processes have a price, too: a hop, and two loops to wake up.
#
# **What do users notice of a deploy, and what does one process give in return?** The scenario is `scenarios/split_or_merged.py`: the same deploys,
# four of them, of the same server, in one process and in two. This page plays its short form in simulated time, and shows the newest sweeps in full
# that it finds below `IMBENCH_RUNS` or `reports/runs`. Without a browser:
# `jupytext --to ipynb --execute notebooks/28_split_or_merged.py --output split_or_merged.ipynb`.

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
import model.sim.service_times
from model.checkers.case import Case
from model.history.columns import from_rows
from model.history.run_folder import RunFolderError, runs_root
from model.history.schema import Kind
from model.scenario import Drain, Kill, Scenario
from reports import sweeps
from reports.figures import BLUE, ORANGE, STYLE, VERMILLION

CHECKOUT = Path(model.__path__[0]).parent
NAME = "split_or_merged"


def short_sweep():
    """The short sweep, as anybody would make it."""
    root = Path(tempfile.mkdtemp(prefix="imbench-sweep-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", NAME, "--short"]
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
# Split, nobody is disconnected; what was sent while business was away is sent again when it is back, so it comes late, by about as long as
# business was away. Merged, everybody is disconnected by every deploy. Nothing is lost either way: that is the rules' doing.
#
# Asked to go instead of killed, the one process is no better (`drained`), and worse where it sends its clients away one by one: its
# database has one process at a time, so there is no successor, and who has left knocks at a closed door with ever longer waits.
#
# ## What it looks like from outside

# %%
base = msgspec.json.decode((short / "scenario.json").read_bytes(), type=Scenario)
SERVERS = {
    "split: killed": (False, "at_once", Kill, "business", BLUE),
    "merged: killed": (True, "at_once", Kill, "business", VERMILLION),
    "merged: one by one": (True, "redirect", Drain, "gateway-1", ORANGE),
}


def deployed(merged, drain, fault, node):
    """The history of the deploys of the short form, on one server."""
    faults = tuple(fault(node, one.at_s, one.back_s) for one in base.faults)
    changed = msgspec.structs.replace(base, merged=merged, policies={"drain": drain}, faults=faults)
    result = model.sim.run(changed, "cursor", 1)
    return from_rows(result.header, result.rows)


def online(history, t_us):
    """Share of the devices that are ready, at each of these instants."""
    change, ready = np.zeros(len(t_us) + 1), {}
    for row in history.rows_of(Kind.READY, Kind.DISCONNECTED):
        device, now = int(history.device[row]), history.kind[row] == Kind.READY
        if now != ready.get(device, False):
            change[np.searchsorted(t_us, history.t_us[row])] += 1 if now else -1
        ready[device] = now
    return np.cumsum(change)[:-1] / len(history.rows_of(Kind.DEVICE))


def waits(history):
    """When each owed delivery was to be sent, and how long it took, in seconds and milliseconds."""
    case = Case(history)
    pairs = case.obligations
    came = pairs.owed & (pairs.row >= 0)
    sent_us = case.sends.t_int_us[pairs.message]
    return (sent_us[came] - base.load_begin_us) / 1e6, (pairs.t_us - sent_us)[came] / 1e3


histories = {label: deployed(*server[:4]) for label, server in SERVERS.items()}
t_us = np.arange(base.load_begin_us, base.at_us(base.duration_s), 5_000)
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.add_subplot(121), figure.add_subplot(122)
    for label, history in reversed(histories.items()):
        colour = SERVERS[label][4]
        left.plot((t_us - base.load_begin_us) / 1e6, 100 * online(history, t_us), color=colour, label=label)
        sent, waited = waits(history)
        right.plot(sent, waited, ".", markersize=2, color=colour, label=label)
    left.set(xlabel="time (s)", ylabel="users with a session (%)", ylim=(-3, 105))
    right.set(xlabel="to be sent at (s)", ylabel="shown after (ms)", yscale="log")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
figure

# %% [markdown]
# Left: the connections. Right: each dot is one delivery. Every deploy makes a wedge: what is to be sent early in it waits longest. Split, the
# wedge is as long as business is away. Merged, it has a tail for as long as the last client waits before it tries again.
#
# ## What one process saves
#
# Nothing is deployed now. The one process uses one loop where two would wake up, and its parts need no hop. The model knows the first: roles
# that take turns on one core. It has them pay for the bytes between them as if they were apart, and so does the real server, which joins its halves by a socket pair; so
# the last line leaves the envelopes out, and is the most that a server could save which has no bytes between its halves at all.

# %%
times = model.sim.service_times.load()
free = msgspec.structs.replace(times, gateway_envelope_us=0.0, business_envelope_out_us=0.0)
KINDS = {"split": (False, times, BLUE), "merged": (True, times, VERMILLION), "merged, no envelopes": (True, free, ORANGE)}
RATES = [200, 1_000, 4_000, 8_000]


def in_calm(rate, merged, costs):
    """CPU of the server for a send, in us, and the median time to a delivery, in ms."""
    plan = msgspec.structs.replace(base.workload, rate_per_s=float(rate))
    contract = msgspec.structs.replace(base.contract, quiet_us=200_000)
    length = 2.0 if rate < 1_000 else 0.6
    calm = msgspec.structs.replace(base, workload=plan, merged=merged, faults=(), warm_up_s=0.2, duration_s=length, contract=contract)
    result = model.sim.run(calm, "cursor", 1, times=costs)
    history = from_rows(result.header, result.rows)
    used_us = sum(of.get("measured_cpu_us", 0) for of in result.counters.values())
    sends = np.sum(history.t_us[history.rows_of(Kind.INTEND)] >= calm.at_us(0.2))
    return used_us / sends, float(np.median(waits(history)[1]))


found = {label: [in_calm(rate, *kind[:2]) for rate in RATES] for label, kind in KINDS.items()}
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.add_subplot(121), figure.add_subplot(122)
    for label, values in found.items():
        dash = "--" if "no" in label else "-"
        for axes, at in ((left, 0), (right, 1)):
            axes.plot(RATES, [value[at] for value in values], dash, marker="o", markersize=4, color=KINDS[label][2], label=label)
    left.set(xlabel="sends (1/s)", ylabel="CPU of the server (µs a send)", xscale="log", ylim=(0, None))
    right.set(xlabel="sends (1/s)", ylabel="to a delivery, median (ms)", xscale="log", ylim=(0, None))
    for axes in (left, right):
        axes.set_xticks(RATES, [f"{rate:,}" for rate in RATES])
        axes.minorticks_off()
    left.legend(loc="lower left")
for rate, split, merged in zip(RATES, found["split"], found["merged"]):
    print(f"{rate:5} sends a second: merged takes {100 * (merged[0] / split[0] - 1):+.0f} % CPU and {100 * (merged[1] / split[1] - 1):+.0f} % time")
figure

# %% [markdown]
# At low rates the two are alike; the busier the server, the more CPU one loop saves, and the later its answers, since both halves share one
# core. The real server may save more (`--world live` measures it): it has one loop to wake up where the model, fitted to two processes, has each half
# pay for a turn of its own.
#
# ## What to take home
#
# - With access apart, a deploy of business costs no user a connection: only what is sent meanwhile is late, by as long as business is away.
# - In one process, every deploy costs every user a reconnect, and several vain knocks at the door that everybody knocks at.
# - Nothing is lost in either: claim and counter-claim are about what users notice, and about load, not about loss.
# - What one process saves is some of the CPU; what it costs besides deploys is the second core.
#
# A merged server of several instances on one shared database could replace them one by one and hand its clients over. Then a deploy of business would
# cost what a deploy of the access layer costs, one reconnect a user at best (`27_access_deploy`), every week. Numbers in full, and of the real server:
# `docs/answers/split_or_merged.md`.
