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
# # Can the access layer restart unnoticed?
#
# Gateways hold the connections and no rules of business, so they change rarely. But when they do, every one of them is restarted, and on
# each hang some thousand people in the middle of a sentence. There are four ways for a process to go:
#
# - **kill**: it is gone. Clients see the end of their connection and come back when their backoff says so.
# - **at once**: it says why, closes everything, and is gone.
# - **redirect**: it tells every client *when* to leave, one after another, and to go to another gateway.
# - **spread**: it tells every client when to leave, and to come back to the same address, where a successor serves by then.
#
# **Which of them do users notice?** The scenario is `scenarios/access_deploy.py`: three gateways, restarted one after another under load. This
# page plays its short form in simulated time, and shows the newest sweep in full that it finds below `IMBENCH_RUNS` or `reports/runs`, of either world.
# Without a browser: `jupytext --to ipynb --execute notebooks/27_access_deploy.py --output access_deploy.ipynb`.

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
from model.checkers.case import Case
from model.history.columns import from_rows
from model.history.run_folder import RunFolderError, runs_root
from model.history.schema import Kind
from model.scenario import Scenario
from reports import sweeps
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE, VERMILLION

CHECKOUT = Path(model.__path__[0]).parent
WAYS = {"kill": VERMILLION, "at once": ORANGE, "redirect": BLUE, "spread": GREEN}


def short_sweep():
    """The short sweep of the reference design, as anybody would make it."""
    root = Path(tempfile.mkdtemp(prefix="imbench-deploy-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", "access_deploy", "--short", "--axis", "preset=cursor"]
    subprocess.run([*command, "--jobs", "2", "--out", str(root)], check=True, capture_output=True)
    return sweeps.latest(root, "access_deploy")


def found_sweeps():
    """The newest of each world, where there are any."""
    try:
        root = runs_root(None, os.environ, CHECKOUT)
    except RunFolderError:
        return []
    return [folder for world in ("sim", "live") if (folder := sweeps.latest(root, "access_deploy", world))]


short = short_sweep()
for folder in [short, *found_sweeps()]:
    record, _ = sweeps.read(folder)
    print(f"world: {record.world}, {record.runs} runs\n{sweeps.told(folder)}\n")

# %% [markdown]
# Nobody loses anything and nobody sees anything twice: that is the rules' doing (a log, a cursor, a pull after each reconnect), and they
# do it whichever way a gateway goes. What differs is how often people are moved, and for how long they are cut off.
#
# ## What it looks like from outside
#
# The three restarts of the short form, second by second: who has a session, and how many come back at a time.

# %%
base = msgspec.json.decode((short / "scenario.json").read_bytes(), type=Scenario)


def gone(way, preset="cursor", gateways=3, seed=1):
    """The history of a rolling restart."""
    how = "kill" if way == "kill" else "drain"
    drain = {"redirect": "redirect", "spread": "spread"}.get(way, "at_once")
    nodes = tuple(f"gateway-{k}" for k in range(1, gateways + 1))
    restart = msgspec.structs.replace(base.faults[0], nodes=nodes, how=how)
    changed = msgspec.structs.replace(base, policies={"drain": drain}, faults=(restart,), gateways=gateways)
    changed = msgspec.structs.replace(changed, duration_s=max(base.duration_s, restart.healed_s + 3.5))
    result = model.sim.run(changed, preset, seed)
    return from_rows(result.header, result.rows)


def online(history, t_us):
    """Share of the devices that are ready, at each of these instants."""
    change = np.zeros(len(t_us) + 1)
    ready = {}
    for row in history.rows_of(Kind.READY, Kind.DISCONNECTED):
        device, now = int(history.device[row]), history.kind[row] == Kind.READY
        if now != ready.get(device, False):
            change[np.searchsorted(t_us, history.t_us[row])] += 1 if now else -1
        ready[device] = now
    return np.cumsum(change)[:-1] / len(history.rows_of(Kind.DEVICE))


histories = {way: gone(way) for way in WAYS}
begin = base.load_begin_us
t_us = np.arange(begin, base.at_us(base.duration_s), 5_000)
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.add_subplot(121), figure.add_subplot(122)
    for way in ("kill", "redirect", "spread"):
        history = histories[way]
        left.plot((t_us - begin) / 1e6, 100 * online(history, t_us), color=WAYS[way], label=way)
        back = history.t_us[history.rows_of(Kind.CONNECTING)]
        counts, edges = np.histogram(back, bins=np.arange(begin, t_us[-1], 100_000))
        right.step((edges[:-1] - begin) / 1e6, counts, color=WAYS[way], where="post", label=way)
    left.set(xlabel="time (s)", ylabel="users with a session (%)", ylim=(0, 105))
    right.set(xlabel="time (s)", ylabel="connection attempts in 0.1 s", yscale="symlog")
    left.legend(loc="lower left")
    right.legend(loc="upper right")
figure

# %% [markdown]
# A kill cuts off what it kills, and the crowd grows: who was on the first gateway is on the second when that dies, so the last one takes
# everybody with it. `spread` and `redirect` let people leave one by one, and the line of those without a session is too thin to see.
#
# ## How often is one moved?
#
# That is known. Clients of a gateway that was killed knock at its closed door and go to the next one; in a rolling restart of n gateways
# that is (n + 1) / 2 moves each, and as many vain knocks. Sent to any other gateway, it is a little less. Handed over, it is one, however many there are.

# %%
counts = [2, 3, 4, 5]
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    lines = (("kill", True, "killed: to the next one"), ("redirect", False, "redirect: to any other"), ("spread", None, "spread"))
    for way, to_next, label in lines:
        known = [1.0 if to_next is None else clients.rolling_moves(n, to_next=to_next) for n in counts]
        axes.plot(counts, known, color=WAYS[way], label=label)
        moved = []
        for n in counts[:2]:
            history = histories[way] if n == 3 else gone(way, gateways=n)
            moved.append(len(history.rows_of(Kind.READY)) / len(history.rows_of(Kind.DEVICE)) - 1)
        axes.plot(counts[:2], moved, color=WAYS[way], marker="o", linestyle="none")
        print(f"{way:8} known {[round(k, 2) for k in known[:2]]}, simulated {[round(m, 2) for m in moved]}")
    axes.set(xlabel="gateways", ylabel="reconnects of a user, mean", xticks=counts, ylim=(0, 3.3))
    axes.legend(loc="upper left", title="line: known, dot: simulated")
figure

# %% [markdown]
# ## How late are messages?
#
# The share of deliveries that took longer than so long, from the instant at which they were to be sent, whether the receiver had a session or not.

# %%
waits = {}
for way, history in histories.items():
    case = Case(history)
    pairs = case.obligations
    waits[way] = np.sort((pairs.t_us - case.sends.t_int_us[pairs.message])[pairs.owed & (pairs.row >= 0)] / 1e3)
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for way, dash in (("kill", "-"), ("at once", ":"), ("redirect", "-"), ("spread", "--")):
        wait = waits[way]
        axes.plot(wait, 100 * (1 - np.arange(len(wait)) / len(wait)), dash, color=WAYS[way], label=way)
    axes.axvline(200, color=INK, linewidth=1, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="later than (ms)", ylabel="share of deliveries (%)", ylim=(0.02, 110))
    axes.legend(loc="lower left")
for way in WAYS:
    print(f"{way:8} later than 200 ms: {100 * np.mean(waits[way] > 200):.2f} %")
figure

# %% [markdown]
# ## Does a gentle drain mend a design that loses?
#
# It hides most of it. `naive` has neither acks nor a catch-up, so whatever falls between two connections is gone, even where
# that is half a millisecond; and the goodbye of the old connection may come after the new one's hello, and end it.

# %%
for preset in ("cursor", "naive"):
    for way in ("kill", "spread"):
        case = Case(histories[way] if preset == "cursor" else gone(way, preset))
        lost, owed = int(case.obligations.missing.sum()), int(case.obligations.owed.sum())
        print(f"{preset:7} {way:7} {lost} of {owed:,} owed deliveries never came")

# %% [markdown]
# ## What to take home
#
# - The access layer can restart unnoticed: one reconnect a user, about a round trip without a session, nothing lost, nothing twice, nothing late.
# - It takes three things: rules that catch up after a reconnect, a gateway that tells each client *when* to leave, and a successor
#   that serves at the same address before the first one does. Without the first there is loss; without the others, crowds at closed doors.
# - A goodbye alone (`at once`) is worth nothing. `redirect` needs nobody who starts a successor first, and moves people half as often again.
#
# Numbers of the whole form and of the real server: `docs/answers/access_deploy.md`.
