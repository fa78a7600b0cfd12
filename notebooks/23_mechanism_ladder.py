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
# # The ladder: what does each mechanism buy?
#
# "Acks, retransmission and dedupe: nothing lost, nothing twice." Everybody says so, and most systems that lose messages have all three. Which
# of them does what? We begin with a client that writes and hopes, and add **one mechanism at a time**, each because of what the one before it
# leaves over, up to the reference design `cursor`. Then we go the other way and take one mechanism away.
#
# The rules are the real ones, those of the live clients and servers; `scenarios/mechanism_ladder.py` says how each rung is built. This page
# makes the short sweep itself, and shows the newest full one below `IMBENCH_RUNS` or `reports/runs` where there is one. Without a browser:
# `jupytext --to ipynb --execute notebooks/23_mechanism_ladder.py --output ladder.ipynb`.

# %%
# %matplotlib inline
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import model
from model.history.run_folder import RunFolderError, runs_root
from reports import sweeps

CHECKOUT = Path(model.__path__[0]).parent
NAME = "mechanism_ladder"


def short_sweep(*options):
    """As anybody would make it: `imbench sweep mechanism_ladder --short`, and a choice of what is varied."""
    root = Path(tempfile.mkdtemp(prefix="imbench-ladder-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", NAME, "--short", "--jobs", "1", "--out", str(root), *options]
    subprocess.run(command, check=True, capture_output=True)
    return sweeps.latest(root, NAME)


def found(world):
    try:
        return sweeps.latest(runs_root(None, os.environ, CHECKOUT), NAME, world)
    except RunFolderError:
        return None


def pictures(folder):
    record, summary = sweeps.read(folder)
    return [sweeps.draw(record.sweep, one, sweeps.shown(record.sweep, one, summary)) for one in record.sweep.pictures]


def share(folder, measure, mechanisms, fault):
    """The mean share of one cell, in percent."""
    _, summary = sweeps.read(folder)
    rows = summary[(summary["mechanisms"] == mechanisms) & (summary["fault"] == fault) & (summary["measure"] == measure)]
    return 100 * float(rows["mean"].iloc[0])


short = short_sweep()
print(sweeps.told(found("sim") or short))

# %% [markdown]
# ## Lost
#
# Down the ladder, across the faults. A cell is the share of what was owed (pairs of a message and a device) and never shown. Zero is told with what it
# proves: below that share at 95 %, if losses came one by one.

# %%
lost, twice, disorder = pictures(found("sim") or short)
lost

# %%
before, after = (share(short, "lost_pairs", rung, "gateway killed") for rung in ("+ server dedupe", "+ log and cursor"))
print(f"a gateway is killed: lost {before:.1f} % with acks, retransmission and dedupe; {after:.1f} % with a log and a cursor")

# %% [markdown]
# Acks and retransmission save what goes **up**. What goes down is lost as before: whoever was away when it was sent never hears of it, and a
# sender who was told "committed" believes that all is well. What ends loss is the log with a cursor: the device asks for what it lacks.
#
# ## Shown twice
#
# Acks bring the first duplicates, where one is lost after the commit: the message is repeated and stored again. The server's dedupe ends that. Pulling
# brings the next: what came live ahead of a hole is in the page as well. The device's dedupe ends that.

# %%
twice

# %%
stored, recognised = (share(short, "shown_twice", rung, "ack lost") for rung in ("+ ack and retransmit", "+ server dedupe"))
pulled, known = (share(short, "shown_twice", rung, "gateway killed") for rung in ("+ log and cursor", "+ device dedupe"))
print(f"acks are lost: shown twice {stored:.2f} %, with server dedupe {recognised:.2f} %")
print(f"a gateway is killed: shown twice {pulled:.2f} % of what a pull brings, with device dedupe {known:.2f} %")

# %% [markdown]
# ## Out of order
#
# And what fills a hole comes late: without an order by sequence it is shown behind what was said after it.

# %%
disorder

# %% [markdown]
# ## One mechanism taken away
#
# The other proof. If a mechanism can be left out of `cursor` for nothing, it is ornament.

# %%
left_out = short_sweep(
    "--axis", "mechanisms=+ jitter (= cursor),cursor without ack,cursor without server dedupe,cursor without catch-up,"
    "cursor with three tries,cursor without device dedupe,cursor with order of arrival",
    "--axis", "fault=none,business killed,ack lost,half-open", "--seeds", "1",
)
pictures(left_out)[0]

# %%
stuck = share(left_out, "unsure", "cursor with three tries", "half-open")
hole = share(left_out, "lost_pairs", "cursor without catch-up", "half-open")
print(f"half-open: giving up after three tries leaves {stuck:.0f} % of the sends unknown; without catch-up {hole:.0f} % are lost")

# %% [markdown]
# Two combinations are worse than having neither part:
#
# - **Order without pulling.** A device that shows in sequence waits at the first hole; if nothing fills it, it waits for ever.
# - **Dense counters and giving up.** The log accepts a device's sends in the order of their counters. A client that gives one up and goes on with
#   the next is refused for ever. Who numbers must repeat until there is an answer.
#
# ## What to take home
#
# - "Ack, retransmit, dedupe" is the upper half of the answer. It makes *sending* reliable. It is the log and the cursor that make *receiving* reliable.
# - Each mechanism creates the disorder that the next one puts right: repetition needs dedupe at the server, pulling needs dedupe at the device and
#   an order. Adopt them together.
# - They cost nothing in frames while nothing fails; acks of receptions cost CPU. The numbers of the full sweep, in both worlds, are in `docs/answers/mechanism_ladder.md`.
