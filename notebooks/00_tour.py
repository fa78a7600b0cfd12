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
# # A tour: what a run leaves behind, and what it says
#
# A *scenario* asks one question of an instant-messaging system. Here it is: **a gateway is killed under load and is back a moment
# later; what do its users notice?** A *run* answers it once, for one way of delivering messages (a *preset*), in one of two worlds:
# `sim`, a simulation, or `live`, real processes with real sockets and a real database. Every run leaves a *run folder*, and everything
# below is read from such folders. Nothing here starts a server.
#
# Runs are looked for in `IMBENCH_RUNS`, else in `reports/runs` of the checkout (`imbench demo` puts them there). Where there are none,
# the tour makes short simulated ones for itself.
#
# The first cell only finds or makes the runs; read on below it, and come back to it if you want to know how a run is made by hand.

# %%
# %matplotlib inline
from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import model.sim
from model.checkers.verdict import judge
from model.history.columns import from_rows
from model.history.machine import this_machine
from model.history.run_folder import Manifest, RunFolder, RunFolderError, runs_root
from model.scenario import Kill, Scenario
from model.workload.population import PopulationPlan
from reports import figures, plots, results, series, table, words


def simulated(root: Path, preset: str) -> Path:
    """A short simulated run of a small form of the scenario: play, judge, keep."""
    small = Scenario(
        name="access_restart",
        question="A gateway is killed under load and is back a moment later: what do its users lose, see twice or out of order?",
        population=PopulationPlan(users=60),
        duration_s=20.0,
        faults=(Kill("gateway-1", at_s=7.0, back_s=9.0),),
        expected={"naive": "invalid", "cursor": "valid"},
    ).short()
    played = model.sim.run(small, preset, 1)
    history = from_rows(played.header, played.rows)
    judged = judge(history)
    now = datetime.now(UTC)
    folder = RunFolder.create(root, small.name, "sim", preset, 1, now)
    folder.write_json("scenario.json", small)
    folder.write_history(history)
    folder.write_json(
        "verdict.json",
        {"verdict": judged.verdict, "reasons": judged.notes, "anomalies": judged.anomalies, "measures": judged.measures},
    )
    return folder.finish(
        Manifest(
            scenario=small.name,
            scenario_digest=small.digest(),
            seed=1,
            world="sim",
            preset=preset,
            started=now.isoformat(timespec="seconds"),
            trace_digest=played.trace_digest,
            machine=this_machine(),
            complete=True,
        )
    )


def found() -> list[Path]:
    """The newest run of each preset in each world."""
    here = Path.cwd()
    checkout = next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)
    try:
        return results.latest_of_each(runs_root(None, os.environ, checkout), "access_restart")
    except RunFolderError:
        return []


folders = found()
if not folders:
    root = Path(tempfile.mkdtemp(prefix="imbench-tour-"))
    folders = [simulated(root, preset) for preset in ("naive", "cursor")]
for folder in folders:
    print(folder.name)

# %% [markdown]
# ## What is in a run folder
#
# - `manifest.json`: what ran, where, from which commit, and whether it came to its end;
# - `scenario.json`: the scenario as it was run, down to the last timer;
# - `history.parquet`: one row for each thing a client tried or saw, and for each fault; this is what is judged;
# - `verdict.json`: what the judges say, with witnesses;
# - `metrics.json`, `logs/`, and `plots/`, which is empty until pictures are written there (at the end of this tour).

# %%
every = results.load_all(folders)
run = every[0]  # the one looked at closely below; choose another if you like
print(sorted(path.name for path in run.path.iterdir()))
print(words.setting(run))
print(f"{run.manifest.preset} in {run.manifest.world}: {run.verdict}; {len(run.history):,} rows of history")

# %% [markdown]
# ## The answer in one table
#
# One line a run. *Lost* counts messages that never came to at least one of those they were owed to. A latency counts from the instant
# the sender *meant* to send, so a system that is down cannot hide its slowness; what never came is infinitely late (`> run`).

# %%
print(table.render_text(table.summary(folders)))
for sentence in words.headline(every):
    print(f"- {sentence}")

# %% [markdown]
# ## What happened at the restart
#
# Connections first, stacked by gateway. When a gateway dies, all of its devices are cut off at once; they come back as their backoff
# lets them, to whichever gateway answers. The shaded span is the fault as it was *proven*, not as it was planned.

# %%
seen = {one.path: series.of(one.history) for one in every}
shared = figures.scales(list(seen.values()))
first = seen[run.path]
print(words.fault_sentence(first))
figures.connections_over_time(first, shared)

# %% [markdown]
# And what its users were told about what they sent meanwhile:

# %%
figures.outcomes_over_time(first, shared)

# %% [markdown]
# ## How late
#
# Each dot is one message at one receiver, placed at the instant it was meant to be sent. Crosses along the top never came. Receivers
# that were away when the message was sent are apart: they could not have had it sooner.

# %%
figures.latency_over_time(first, shared)

# %% [markdown]
# The same as a curve: which share had arrived within which time. Each step up from 90 % leaves out ten times fewer, and a curve that
# ends below 100 % lost the rest.

# %%
figures.latency_curves(first, shared)

# %% [markdown]
# ## What was lost, and why
#
# The sentences are computed from the history: where did each lost message get to, and what was its receiver doing?

# %%
for one in every:
    print(f"{one.manifest.preset}, {one.manifest.world}: {words.explanation(seen[one.path])}\n")

# %% [markdown]
# What never came to whom is a table like any other, the one that the picture of latencies is drawn from: a row for each message at each
# receiver it was owed to.

# %%
deliveries = next(picture for picture in figures.PICTURES if picture.name == "latency_over_time").frame(first)
lost = deliveries[deliveries["latency_ms"] == float("inf")]
lost[["sender", "message", "device", "t_s", "away"]].head(10)

# %% [markdown]
# The judges name each kind of violation and show the first witnesses:

# %%
for anomaly in run.anomalies:
    print(f"{anomaly.kind} x {anomaly.count:,} ({words.consequence(anomaly.kind, anomaly.fails)}): {words.kind(anomaly.kind)}")
    for witness in anomaly.witnesses[:2]:
        print(f"    {witness}")

# %% [markdown]
# ## Sim beside live
#
# One scenario, one schedule of sends, one judge, two worlds. Where both were run, the picture of the same preset in both should tell the
# same story: the same cliff at the kill, the same way back. Where no live run is at hand, two presets stand here instead. On equal
# scales:

# %%
pairs = [(sim, live) for sim in every for live in every if (sim.manifest.world, live.manifest.world) == ("sim", "live")]
same = [
    (sim, live) for sim, live in pairs if (sim.manifest.preset, sim.manifest.seed) == (live.manifest.preset, live.manifest.seed)
]
beside = list(same[-1]) if same else [every[0], every[-1]]
for one in beside:
    print(f"{one.manifest.preset}, {one.manifest.world}")
pictures = [figures.latency_over_time(seen[one.path], shared) for one in beside]
pictures[0]

# %%
pictures[-1]

# %% [markdown]
# ## Pictures as files
#
# Each picture goes into the run folder's `plots/` as SVG and PNG, with the numbers it is drawn from as CSV beside it.

# %%
for path in plots.write_plots(run.path):
    print(path.relative_to(run.path))

# %% [markdown]
# ## Go on from here
#
# - `imbench report RUN...` makes one HTML page of any runs.
# - `imbench check RUN` judges a run, or any history, again.
# - Change the question: `imbench run access_restart --set duration_s=60`, or write a scenario of your own in `scenarios/`.
