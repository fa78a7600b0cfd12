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
# # A timer for every message, or a cursor?
#
# Two ways to be sure that what was said arrives. **Timer**: keep every delivered message in memory, start a timer, send it again until the
# device acknowledges it, and give it up after some tries. **Cursor**: keep a log; the device knows up to where it has it, and asks for what
# lies above. We play both under the same outages, with the same luck.
#
# So that nobody can say that the timer was made of straw, it plays with six designs: with and without a pull at log-in, with generous numbers (twenty
# tries, sixty resends: pending for five minutes), and with everything that `cursor` has except the log, the cursor and the order by sequence. `scenarios/timer_or_cursor.py`
# says how. This page makes the short sweep itself, in which all times are a sixth, and shows the newest full one below `IMBENCH_RUNS` or `reports/runs` where
# there is one. Without a browser: `jupytext --to ipynb --execute notebooks/24_timer_or_cursor.py --output timer.ipynb`.

# %%
# %matplotlib inline
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import model
from model.history.run_folder import RunFolderError, runs_root
from reports import sweeps
from reports.figures import BLUE, GREEN, ORANGE, STYLE, VERMILLION

CHECKOUT = Path(model.__path__[0]).parent
NAME = "timer_or_cursor"


def short_sweep(*options):
    """As anybody would make it: `imbench sweep timer_or_cursor --short`, and a choice of what is varied."""
    root = Path(tempfile.mkdtemp(prefix="imbench-timer-"))
    command = [sys.executable, str(CHECKOUT / "imbench.py"), "sweep", NAME, "--short", "--jobs", "1", "--out", str(root), *options]
    subprocess.run(command, check=True, capture_output=True)
    return sweeps.latest(root, NAME)


def found(world):
    try:
        return sweeps.latest(runs_root(None, os.environ, CHECKOUT), NAME, world)
    except RunFolderError:
        return None


def mean(folder, measure, design, outage):
    _, summary = sweeps.read(folder)
    rows = summary[(summary["design"] == design) & (summary["outage"] == outage) & (summary["measure"] == measure)]
    return float(rows["mean"].iloc[0])


short = short_sweep()
folder = found("sim") or short
print(sweeps.told(folder))

# %% [markdown]
# ## What is lost
#
# A share of what was owed. The timers alone lose what business had not yet begun to watch when it died, what it gave up, and
# whatever was said to somebody who was not there: a timer needs somebody to send to.

# %%
record, summary = sweeps.read(folder)
lost, disorder, late = [sweeps.draw(record.sweep, one, sweeps.shown(record.sweep, one, summary)) for one in record.sweep.pictures]
lost

# %%
for design in ("timer without pull", "timer", "cursor"):
    print(f"{design}: {100 * mean(short, 'lost_pairs', design, 'app closed for 30 s'):.0f} % lost where apps are closed at times")

# %% [markdown]
# The preset `timer` loses nothing, and not because of its timers: it asks the log, at log-in, for what is newer than the newest it has. **What saves it is half
# a cursor.** What the missing half costs is order.
#
# A share of the messages:

# %%
disorder

# %% [markdown]
# ## Longer than the list remembers
#
# A NAT forgets a connection; both ends believe in it until a heartbeat goes unanswered. Business waits for receipts meanwhile, sends again into the void, and
# gives up after three times the timer. How long may the silence last?

# %%
HEARTBEATS, SCALE = (5, 10, 20, 40), 1 / 6
long = short_sweep(
    "--axis", "outage=" + ",".join(f"NAT forgets (heartbeat {s} s)" for s in HEARTBEATS),
    "--seeds", "1", "--axis", "design=timer without pull,timer and rest of cursor,timer + pull and rest of cursor,cursor",
)
looks = {
    "timer without pull": (VERMILLION, "o", "-"),
    "timer and rest of cursor": (ORANGE, "s", "-"),
    "timer + pull and rest of cursor": (GREEN, "^", "--"),
    "cursor": (BLUE, "D", ":"),
}
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    panels = {"lost_pairs": "lost (% of owed)", "out_of_order": "out of order (% of sends)"}
    for i, (measure, title) in enumerate(panels.items()):
        axes = figure.add_subplot(1, 2, i + 1)
        for design, (colour, marker, line) in looks.items():
            shares = [100 * mean(long, measure, design, f"NAT forgets (heartbeat {s} s)") for s in HEARTBEATS]
            axes.plot(SCALE * np.array(HEARTBEATS), shares, color=colour, marker=marker, markersize=5, linestyle=line, label=design)
        axes.axvline(SCALE * 15, color="#777777", linewidth=1)
        axes.set(xlabel="heartbeat (s); grey: three timers", ylabel=title, xscale="log")
        axes.set_xticks([SCALE * s for s in HEARTBEATS], [f"{SCALE * s:.1f}" for s in HEARTBEATS])
        axes.minorticks_off()
    axes.legend(loc="upper left")
figure

# %% [markdown]
# A generous list (orange) holds out, at the price of memory: it grows with the rate of deliveries times five minutes, and dies with the process. And the resends of a list come in the order of
# their timers, between what is said now.
#
# ## What was missed, how soon is it there?
#
# A resend comes when its timer is due, up to 5 s after the return (0.8 s here, where all timers are a sixth). A pull comes at once.

# %%
resend = mean(long, "return_p90_ms", "timer and rest of cursor", "NAT forgets (heartbeat 40 s)")
pull = mean(long, "return_p90_ms", "cursor", "NAT forgets (heartbeat 40 s)")
print(f"p90 of the time from the return to what was missed: {resend:.0f} ms by resends, {pull:.1f} ms by a cursor")
late

# %% [markdown]
# ## What to take home
#
# - A timer repeats to a connection. It knows nothing of who is away, and its memory is the memory of one process. Numbers do not mend that: more resends
#   lose less, later, and use more memory.
# - Who adds a pull at log-in to a timer has built a log and half a cursor, and can leave the timers out.
# - `cursor` lost nothing, showed nothing twice and kept the order under every outage, at as many frames and less CPU. The numbers of the full sweep,
#   in both worlds, are in `docs/answers/timer_or_cursor.md`.
