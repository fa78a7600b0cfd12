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
# # Sim against live: is the simulation to be believed?
#
# A simulation that was tuned until it looked like a measurement proves nothing. This one is *calibrated* on some loads, says beforehand
# how wrong it may be, *predicts* others that it has not seen, and only then are those played on the real server. `imbench calibrate` does
# the first, `imbench validate` the rest; this notebook reads what they left, and starts nothing.
#
# It looks for the newest validation in `IMBENCH_RUNS`, else in `reports/runs` of the checkout. Where there is none, it shows the
# predictions of the committed calibration alone, and says so.

# %%
# %matplotlib inline
from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import model.sim
from model.analysis.queues import TheoryError, mmc
from model.history.run_folder import RunFolderError, runs_root
from model.history.schema import Contract, Kind, Via
from model.scenario import Network, Scenario
from model.sim.service_times import load
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from reports import validation
from reports.figures import BLUE, ORANGE, STYLE


def newest() -> Path | None:
    """The folder of the newest validation that came to its end."""
    here = Path.cwd()
    checkout = next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)
    try:
        found = sorted((runs_root(None, os.environ, checkout) / "validation").glob(f"*/{validation.RESULTS}"))
    except RunFolderError:
        return None
    return found[-1].parent if found else None


folder = newest()
results = validation.load(folder) if folder else None
print(results["conclusion"] if results else "no validation is there: make one with `imbench validate` on an idle machine")

# %% [markdown]
# ## What was calibrated
#
# A cost for everything a role does: a turn of its loop, and more after a rest, a frame of each kind, a write, a target, a kilobyte. Where they come
# from is in the file itself.

# %%
times = load()
provenance = times.provenance
print(f"measured on {provenance.machine.cpu}, {provenance.machine.cores} cores, {provenance.measured_at}, by `{provenance.command}`")
costs = pd.Series({name: getattr(times, name) for name in times.__struct_fields__ if isinstance(getattr(times, name), float)})
pd.DataFrame({role: costs[costs.index.str.startswith(role)].rename(lambda name: name.split("_", 1)[1]) for role in ("gateway", "business", "storage", "generator")}).dropna(how="all").round(1)

# %% [markdown]
# ## Why a queue from the textbook is not enough
#
# M/M/c says: a message takes a service time, and waits for those before it. A server with an event loop is not like that. What arrives while
# it works is taken together in the next turn, so a message costs *less* when there is more to do, and an almost idle server answers hardly
# faster than a busy one. Below, the simulation's mean latency over the rate of sends, and the line M/M/1 that has the same mean at the lowest rate and
# the CPU of a delivery there.

# %%
RATES = (50, 100, 200, 400, 800)


def simulated(rate: float) -> tuple[float, float, float]:
    """(mean latency, deliveries a second, share of one core that is busy) at this many sends a second."""
    scenario = Scenario(
        "line",
        "How late?",
        population=PopulationPlan(users=60),
        workload=WorkloadPlan(rate_per_s=rate),
        network=Network(delay_us=times.loopback_us, jitter_us=times.loopback_jitter_us),
        cores=1,
        ramp_s=0.5,
        warm_up_s=0.2,
        duration_s=2.2,
        contract=Contract(quiet_us=100_000),
    )
    played = model.sim.run(scenario, "cursor", 1)
    rows = played.rows
    key = ["sender", "conversation", "send_counter"]
    intended = pd.DataFrame(rows[rows["kind"] == Kind.INTEND][[*key, "t_us"]])
    shown = pd.DataFrame(rows[(rows["kind"] == Kind.DELIVER) & (rows["via"] == Via.LIVE)][[*key, "t_us"]])
    pairs = shown.merge(intended, on=key, suffixes=("", "_meant"))
    busy_us = sum(counters.get("cpu_us", 0) for counters in played.counters.values())
    return float((pairs["t_us"] - pairs["t_us_meant"]).mean()), len(pairs) / 2.2, busy_us / (rows["t_us"].max())


curve = pd.DataFrame([(rate, *simulated(rate)) for rate in RATES], columns=["rate", "mean_us", "deliveries_per_s", "busy"])
service_us = curve["busy"][0] * 1e6 / curve["deliveries_per_s"][0]
constant_us = curve["mean_us"][0] - mmc(curve["deliveries_per_s"][0] / 1e6, service_us, 1).response


def line(deliveries_per_s: float) -> float:
    """What M/M/1 says; nothing where its line would grow for ever."""
    try:
        return constant_us + mmc(deliveries_per_s / 1e6, service_us, 1).response
    except TheoryError:
        return np.inf


curve["line_us"] = curve["deliveries_per_s"].map(line)
with mpl.rc_context(STYLE):
    picture = Figure(figsize=(7, 3.6), layout="constrained")
    axes = picture.subplots()
    axes.plot(curve["rate"], curve["mean_us"] / 1000, "o-", color=BLUE, label="simulation")
    axes.plot(curve["rate"], curve["line_us"] / 1000, "x--", color=ORANGE, label="M/M/1")
    axes.set(xlabel="sends a second", ylabel="mean latency (ms)", yscale="log")
    axes.legend()
picture

# %% [markdown]
# ## What was promised, predicted and measured
#
# One row for each measure of each point. `error` is the prediction's, relative to what was measured; `allowed` is what was promised before
# anything was measured. Nothing is left out: what could not be measured is `open`.

# %%
table = validation.frame(results) if results else pd.DataFrame(columns=list(validation.COLUMNS))
print(validation.text(results) if results else "no validation is there")

# %% [markdown]
# The errors of latency over the load, with what was promised shaded. The textbook line's stand beside ours: at the edge where they are 100 % or more.

# %%
errors = validation.figure(results) if results else None
errors

# %% [markdown]
# ## What is broken, if anything
#
# A broken promise is a finding about the model, and the place to look is the measure that broke: the mean alone points to a cost, the upper
# quantiles alone to something that happens now and then (a stall of the disk, a turn that was long), a whole point to a kind of work
# that the calibration did not have.

# %%
broken = table[table["answer"] == "broken"]
broken[["point", "preset", "load", "measure", "predicted", "measured", "error", "allowed"]]

# %% [markdown]
# ## Predicted and measured load
#
# Nothing is promised of how busy the server is, but a latency that is right at a load that is wrong is right by accident.

# %%
busy = pd.DataFrame(results["busy"], index=["predicted", "measured"]).T if results else pd.DataFrame(columns=["predicted", "measured"])
busy.round(2)

# %% [markdown]
# ## Go on from here
#
# - `docs/calibration.md` says how all of this is measured, and what the model does not have.
# - `imbench run NAME --service-times FILE` simulates any scenario with a calibration of your own machine.
