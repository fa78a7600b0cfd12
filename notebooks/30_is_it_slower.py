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
# # Is it slower?
#
# A change is under review. Somebody runs the benchmark before and after it: 107 µs of CPU a message, then 112. Is the change slower, by
# five per cent? On a shared machine the same build, run twice, differs by as much. A gate that does not know this cries wolf, and a gate
# that cries wolf is switched off.
#
# `imbench compare BASE CANDIDATE` plays *pairs* of runs, one build right after the other, and says REGRESSED, IMPROVED, EQUIVALENT or
# INCONCLUSIVE. This page shows how it decides, how often it is wrong, and what it cannot see, all in the noise of a real machine: pairs
# of runs of one and the same build, as `imbench compare X X` keeps them. It uses those of this machine if there are any, else the
# committed ones. It starts no server.
# Without a browser: `jupytext --to ipynb --execute notebooks/30_is_it_slower.py --output is_it_slower.ipynb`.

# %%
# %matplotlib inline
from __future__ import annotations

import math
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import model
from model.analysis import paired
from model.analysis.noise import simulated
from model.history.run_folder import RunFolderError, runs_root
from reports.figures import BLUE, GREEN, INK, ORANGE, STYLE, VERMILLION
from scenarios.comparing import power

CHECKOUT = Path(model.__path__[0]).parent
PAIRS = power.PAIRS


def known_noise():
    """The noise of this machine where it is known, else the committed one."""
    try:
        places = [runs_root(None, os.environ, CHECKOUT) / "noise"]
    except RunFolderError:
        places = []
    for place in [*places, CHECKOUT / "reports" / "baselines" / "noise"]:
        kept = power.kept(place)
        try:
            return kept, power.drawn(kept, PAIRS), "of this machine" if place in places else "committed"
        except power.CannotRun:  # it is of other cases
            continue
    raise LookupError("no noise is known")


kept, known, source = known_noise()
ratios, gates = known
print(f"noise: {source}; {kept.machine.cpu}, {kept.machine.cores} cores; {len(next(iter(ratios.values())))} pairs of one build")

# %% [markdown]
# ## One build, twice
#
# Each dot is a pair of runs of one build: by how much the second differs from the first. Were the machine perfect, all dots would stand on
# the line. Some measures hardly move, since they are counts (bytes, frames, rows); times do. The grey bar is what anybody would act on
# (`matters`), the orange one the *floor*: by how much two whole comparisons of one build differ, in 95 of 100.

# %%
CALM = "standard_mix cursor: "
calm = {name.removeprefix(CALM): values for name, values in ratios.items() if name.startswith(CALM)}


def per_cent(log_ratio):
    return 100 * np.expm1(log_ratio)


with mpl.rc_context(STYLE):
    figure = Figure(figsize=(9, 0.42 * len(calm) + 1.2), layout="constrained")
    axes = figure.subplots()
    luck = np.random.default_rng(1)
    for row, (name, values) in enumerate(calm.items()):
        gate = gates[CALM + name]
        axes.barh(row, 2 * 100 * math.expm1(gate.matters), left=-100 * math.expm1(gate.matters), height=0.7, color="0.9", zorder=0)
        floor = 100 * math.expm1(gate.floor)
        axes.barh(row, 2 * floor, left=-floor, height=0.35, color=ORANGE, alpha=0.5, zorder=1)
        axes.scatter(per_cent(np.array(values)), row + luck.uniform(-0.2, 0.2, len(values)), s=9, color=BLUE, zorder=2)
    axes.set_yticks(range(len(calm)), [name.replace("_", " ") for name in calm])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("second run against the first, %")
    axes.set_title("Pairs of runs of one build; grey: what matters, orange: the floor", loc="left", fontsize=10)
figure

# %% [markdown]
# ## How a measure is decided
#
# Suppose that nothing changed. Then in each pair it was luck which run came out higher: the sign of its logarithm is a coin. The *sign-flip
# test* asks of all 2ⁿ ways these coins could have fallen how many give a sum as large as the one that was seen. That is the p-value,
# exactly; no bell curve is supposed. Below: ten pairs drawn from this machine's noise, as they are and with a slowdown of 30 % planted.

# %%
name = CALM + "cpu_gateway_us"
luck = np.random.default_rng(7)
drawn = luck.choice(np.array(ratios[name]), PAIRS) * luck.choice([-1, 1], PAIRS)
bound = gates[name].bound
for title, pairs in (("alike", drawn), ("30 % more", drawn + math.log(1.3))):
    found = paired.effect(list(pairs), 0.9)
    print(
        f"{title:>10}: median {per_cent(found.median):+5.1f} %, interval {per_cent(found.low):+5.1f} to {per_cent(found.high):+5.1f} %, "
        f"p of 'no more than {per_cent(bound):.0f} %': {paired.p_above(list(pairs), bound):.4f}"
    )
print(f"the least p-value that {PAIRS} pairs can have: {0.5**PAIRS:.4f}; with {len(ratios)} measures in a report, Holm asks for {0.05 / len(ratios):.4f}")

# %% [markdown]
# Two more rules keep the wolf away. All measures of a report share one allowance (Holm): the more is looked at, the more each must show.
# And what is suspected is played again by fresh processes; only what repeats is REGRESSED.
#
# ## How often is it wrong?
#
# Two hundred reports on builds that are alike, their pairs drawn from the noise above.

# %%
counts = power.alike(known, np.random.default_rng(20))
print(f"of {counts.total()} reports on builds that are alike: {power.told(counts)}")

# %% [markdown]
# An INCONCLUSIVE report is no alarm: some measure, most often a p99, was too noisy to be called equal within what matters, and the report
# says how many pairs would do.
#
# ## What does it see?
#
# Now the candidate needs more CPU for each message. The larger the slowdown, the more often it is called; and one that matters is never
# called EQUIVALENT, which would be the dangerous mistake.

# %%
SLOWDOWNS = (0, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)
rows = []
for number in (PAIRS, 14):
    drawn_for = power.drawn(kept, number)
    for slowdown in SLOWDOWNS:
        luck = np.random.default_rng(30)
        counts = power.slower(drawn_for, "cpu_gateway_us", slowdown, luck, pairs=number, number=60)
        rows.append({"pairs": number, "slowdown": slowdown} | {answer: counts[answer] / counts.total() for answer in counts})
table = pd.DataFrame(rows).fillna(0.0)
ANSWERS = {"EQUIVALENT": GREEN, "INCONCLUSIVE": "0.7", "REGRESSED": VERMILLION, "IMPROVED": BLUE}
with mpl.rc_context(STYLE):
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, (number, part) in zip(panels, table.groupby("pairs"), strict=True):
        shares = [100 * part[answer] if answer in part else 0 * part["slowdown"] for answer in ANSWERS]
        panel.stackplot(100 * part["slowdown"], shares, colors=list(ANSWERS.values()), labels=list(ANSWERS), alpha=0.9)
        panel.set_title(f"{number} pairs", loc="left", fontsize=10)
        panel.set_xlabel("more CPU of gateways per message, %")
        panel.set_xlim(0, 30)
        panel.set_ylim(0, 100)
    panels[0].set_ylabel("reports, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
figure

# %% [markdown]
# ## In words

# %%
at = table[table["pairs"] == PAIRS].set_index("slowdown")
ten, thirty = at.loc[0.1], at.loc[0.3]
share = at.get("EQUIVALENT", pd.Series(0.0, index=at.index))
print(
    f"With {PAIRS} pairs on this machine a gateway that needs 10 % more CPU is called REGRESSED in {ten.get('REGRESSED', 0):.0%} of reports "
    f"and EQUIVALENT in {share.loc[0.1]:.0%}; one that needs 30 % more is REGRESSED in {thirty.get('REGRESSED', 0):.0%}."
)

# %% [markdown]
# **What this does not say.** A change that is worse only beyond the scenario's load, only after hours, or only on another machine is not
# seen here: play the scenario in which it would show. A leak shows as memory only if the run is long enough for it to grow by what matters.
# Loss, duplicates and disorder are not statistics: one new kind of violation in one run fails the comparison, and `imbench gate` compares
# the simulated ones to the last event.
