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
# # Where acks die
#
# A client shows "sent" when the server has acknowledged a message. **What is that worth when a process dies a moment later?** It depends on
# how far the message had come when the ack was said. Three places are usual: business has *received* the message; its append is *queued* for
# the next group commit; it is *committed*. Each is earlier than the next, and each sounds safe.
#
# Here a process is not killed at some time but at a *place*: between two steps of what it does with a message. There are nine such places, all
# met by the real server and by the model (`docs/protocol.md`, *When business acknowledges*). To run this page without a browser:
# `jupytext --to ipynb --execute notebooks/25_where_acks_die.py --output acks.ipynb`.
#
# The first cell looks for the newest sweep of either world below `IMBENCH_RUNS` or `reports/runs`, and makes a short simulated one.

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
import pandas as pd
from matplotlib.figure import Figure

import model.sim
from model.history.columns import from_rows
from model.history.run_folder import RunFolderError, runs_root
from model.history.schema import Kind
from model.scenario import Disk
from model.scenario.sweep import REPLICATIONS, Axis, axis
from reports import sweeps
from reports.figures import BLUE, INK, ORANGE, STYLE, VERMILLION
from scenarios import where_acks_die
from scenarios.where_acks_die import SCENARIO, kills

CHECKOUT = Path(model.__path__[0]).parent
BASES = {"received": VERMILLION, "queued": ORANGE, "committed": BLUE}


def short_sweep():
    """The short sweep, as anybody would make it: `imbench sweep where_acks_die --short`."""
    root = Path(tempfile.mkdtemp(prefix="imbench-acks-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", SCENARIO.name, "--short", "--jobs", "2", "--out", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return sweeps.latest(root, SCENARIO.name)


def found_sweep(world):
    try:
        return sweeps.latest(runs_root(None, os.environ, CHECKOUT), SCENARIO.name, world)
    except RunFolderError:
        return None


def concluded(folder):
    return where_acks_die.conclusion(pd.read_csv(folder / REPLICATIONS, keep_default_na=False, na_values=[""]))


short = short_sweep()
folders = {"simulated, short": short, "simulated, in full": found_sweep("sim"), "on the real server": found_sweep("live")}
for name, folder in folders.items():
    print(f"{name}\n{concluded(folder) if folder else 'not found; imbench sweep where_acks_die makes one'}\n")

# %% [markdown]
# ## Which kills took a message that was told "sent"
#
# Across: where the process stood. Down: when business acknowledges. Each cell is a share of kills, so 1 means that *every* kill at that place
# cost somebody a message. The picture is the newest simulated sweep in full, where there is one.
#
# Read the row of `queued`: the stage before, it is as good as a commit. One step later it is as bad as no queue at all. A queue in memory moves the place
# where acks die by a few microseconds. Now and then a kill *behind* the commit of one message takes another that has not got so far.

# %%
folder = folders["simulated, in full"] or short
record, summary = sweeps.read(folder)
stage, *_ = record.sweep.axes
killed = record.sweep.over((Axis("stage", stage.choices[1:]), axis("policies.server_dedupe", "durable")))
summary = summary[summary["policies.server_dedupe"] == "durable"]
taken, _ = killed.pictures
sweeps.draw(killed, taken, sweeps.shown(killed, taken, summary))

# %% [markdown]
# ## One lost message is not one lost message
#
# Storage knows a repeated send by its counter, which has to be dense: that is how it can refuse what overtakes and recognise what comes twice. A message
# that was acknowledged too early and died leaves a hole in the counters of its sender that nobody will ever fill: the sender was told "sent". So
# storage refuses everything the sender says in that conversation from then on, and business has acknowledged that as well.
#
# Here are the senders that one kill at `queued` has hit, under `queued`: each line is what one device said in one conversation.

# %%
struck = msgspec.structs.replace(SCENARIO, faults=kills("queued", 3.0, 2.5, 8, 0.5), policies={"ack_basis": "queued"})


def played(scenario, seed=1):
    result = model.sim.run(scenario, "cursor", seed)
    return from_rows(result.header, result.rows)


def streams(history):
    """(device, conversation) -> (seconds, whether it is in anyone's history) of its messages that were told "sent"."""
    kept, said = set(history.message[history.rows_of(Kind.READ_BACK)].tolist()), {}
    ok = set(history.message[history.rows_of(Kind.OK)].tolist())
    for row in history.rows_of(Kind.INVOKE):
        message = int(history.message[row])
        if message in ok:
            place = history.names.devices[history.device[row]], history.names.conversations[history.conversation[row]]
            said.setdefault(place, []).append(((history.t_us[row] - struck.load_begin_us) / 1e6, message in kept))
    return said


history = played(struck)
broken = {place: said for place, said in streams(history).items() if not all(kept for _, kept in said)}
died = (history.t_us[history.rows_of(Kind.FAULT_BEGUN)] - struck.load_begin_us) / 1e6
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for line, ((device, room), said) in enumerate(sorted(broken.items(), key=lambda item: next(t for t, kept in item[1] if not kept))):
        for kept, colour, marker in ((True, BLUE, "o"), (False, VERMILLION, "x")):
            times = [t for t, is_kept in said if is_kept == kept]
            label = {True: "in the log", False: "told sent, and gone"}[kept] if not line else None
            axes.scatter(times, [line] * len(times), color=colour, marker=marker, s=18, label=label)
    for at_s in died:
        axes.axvline(at_s, color=INK, linestyle=":", linewidth=1, label="kill" if at_s == died[0] else None)
    names = sorted(broken, key=lambda place: next(t for t, kept in broken[place] if not kept))
    axes.set_yticks(range(len(names)), [f"{device} in {room}" for device, room in names])
    axes.invert_yaxis()
    axes.set(xlabel="second of the load")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
gone = [kept for said in broken.values() for _, kept in said].count(False)
print(f"{len(died)} kills broke {len(broken)} streams and cost {gone} messages")
figure

# %% [markdown]
# ## What the commit costs
#
# Nobody is killed here. Left: the disk as measured. Right: one that stalls in one commit of twenty, for 20 ms on average. Who waits for the commit
# waits for such a disk, too; who does not has told "sent" of what is not there yet, and the stall is the time for which it may still die.

# %%
calm = msgspec.structs.replace(SCENARIO, faults=(), duration_s=8.0)
disks = {"as measured": Disk(), "stalls in 5 % of commits": Disk(stall_share=0.05, stall_us=20_000)}


def acks_ms(basis, disk):
    """Milliseconds from the intent of each send to its ack."""
    history = played(msgspec.structs.replace(calm, policies={"ack_basis": basis}, disk=disk))
    meant, ok = ({int(history.message[r]): int(history.t_us[r]) for r in history.rows_of(kind)} for kind in (Kind.INTEND, Kind.OK))
    return np.sort([(ok[message] - t_us) / 1e3 for message, t_us in meant.items()])


with mpl.rc_context(STYLE):
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    for panel, (name, disk) in enumerate(disks.items(), 1):
        axes = figure.add_subplot(1, 2, panel)
        for basis, colour in BASES.items():
            ms = acks_ms(basis, disk)
            axes.plot(ms, 1 - np.arange(len(ms)) / len(ms), color=colour, label=basis)
            print(f"{name}, {basis}: p50 {np.quantile(ms, 0.5):.2f} ms, p99 {np.quantile(ms, 0.99):.2f} ms")
        axes.set(xscale="log", yscale="log", xlabel="from intent to ack (ms)", title=name, xlim=(0.1, 100), ylim=(2e-3, 1.1))
        axes.set_ylabel("share of acks that take longer" if panel == 1 else "")
    axes.legend(loc="upper right")
figure

# %% [markdown]
# ## And the other way round: twice instead of never
#
# A message that is committed and whose ack dies is repeated by its sender. That is right, and it is what waiting for the commit needs beside it: a log that knows
# the repetition, in the same transaction as the message. Where business remembers ids in its own memory, they die with it.

# %%
at_commit = msgspec.structs.replace(SCENARIO, faults=kills("committed", 3.0, 2.5, 8, 0.5))
for dedupe in ("durable", "recent"):
    twice = where_acks_die.stored_twice(played(msgspec.structs.replace(at_commit, policies={"server_dedupe": dedupe})))
    print(f"8 kills after the commit and before the ack, dedupe {dedupe}: {twice:.0f} messages stored twice")

# %% [markdown]
# ## What to take home
#
# - "An acked message survives a crash at any stage" holds for one of the three: the ack that waits for the commit, in the same order as every kill saw it.
# - An ack from a queue in memory is an ack on receipt with a better name. It would be worth more if the queue outlived the process.
# - The price of the commit is one commit, a fraction of a millisecond on this disk, and as much as the disk stalls on another. It is paid in delay: group commit
#   takes everything that waits in one go, so the disk does not do more work.
# - Early acks lose more than what was in memory, if anything behind them counts on having seen everything before.
# - `committed` needs repetitions, and those need a dedupe that is as durable as the log.
# - Not shown here: a disk that loses what it said it had written. The page cache outlives a process that is killed; for that one has to pull the plug.
