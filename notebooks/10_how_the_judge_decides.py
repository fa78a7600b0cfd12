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
# # How the judge decides: five small histories
#
# A *history* says what users of a messaging system asked for and what they saw. The judge reads nothing else. Here are five of them, each
# small enough to read; for each, a checker that anybody might write in ten minutes, what it says, and what the judge says and why.
#
# All five are files of the corpus, `tests/corpus/histories`, JSON Lines that can be opened, changed and judged again with
# `imbench check FILE`; `docs/judges.md` has the definitions.

# %%
# %matplotlib inline
from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import SVG, display

from model.checkers import judge
from model.checkers.life import Explainer
from model.history import at_rest
from model.history.schema import Kind, Via
from reports.spacetime import svg

here = Path.cwd()
root = next(folder for folder in [here, *here.parents] if (folder / "tests" / "corpus" / "histories").is_dir())


def read(name):
    """A history of the corpus."""
    return at_rest.read(root / "tests" / "corpus" / "histories" / f"{name}.jsonl")


def table(history):
    """What was sent and shown, a row each."""
    names = history.names
    rows = history.rows_of(Kind.INTEND, Kind.OK, Kind.INFO, Kind.DELIVER)
    return pd.DataFrame(
        {
            "seconds": history.t_us[rows] / 1e6,
            "device": [names.devices[d] for d in history.device[rows]],
            "what": [Kind(k).name.lower() for k in history.kind[rows]],
            "message": [names.client_message_ids[m] for m in history.message[rows]],
            "position": history.seq[rows],
        }
    )


def shown(history):
    """(device, message, seconds) of everything that somebody else's device showed."""
    rows = history.rows_of(Kind.DELIVER)
    rows = rows[history.via[rows] != Via.OWN]
    names = history.names
    return [(names.devices[history.device[r]], names.client_message_ids[history.message[r]], history.t_us[r] / 1e6) for r in rows]


def ours(history):
    """The verdict, and what fails it."""
    judgement = judge(history)
    print(f"the judge: {judgement.verdict}")
    for anomaly in judgement.anomalies:
        if anomaly.fails:
            print(f"  {anomaly.kind} x {anomaly.count}: {anomaly.witnesses[0].text}")


def life(history, message):
    """The space-time diagram of one message."""
    explainer = Explainer(history)
    display(SVG(svg(explainer.life(explainer.find(message)[0]))))


# %% [markdown]
# ## 1. As many as there should be
#
# `a` sends x and y to `b` and `c`. Two messages for two people: four should be shown.

# %%
counted = read("04_one_loss_and_one_duplicate")
display(table(counted))

recipients = 2
expected, found = recipients * len(counted.rows_of(Kind.OK)), len(shown(counted))
print(f"a checker that counts: {expected} expected, {found} shown: {'fine' if expected == found else 'WRONG'}")
ours(counted)

# %% [markdown]
# Four were shown. But y came to `b` twice and to `c` never: one loss and one duplicate cancel in a count. The judge compares *sets* of
# (message, device), and never counts.

# %%
life(counted, "y")

# %% [markdown]
# ## 2. No answer is not a no
#
# The sender of y was never told what became of it; after five seconds its client gave up (`info`).

# %%
unanswered = read("05_info_seen_by_one_only")
display(table(unanswered))

accepted = {m for m, k in zip(table(unanswered)["message"], table(unanswered)["what"], strict=True) if k == "ok"}
got = defaultdict(set)
for device, message, _ in shown(unanswered):
    got[device].add(message)
missing = {device: accepted - got[device] for device in ("b", "c")}
print(f"a checker of what was acknowledged: {sorted(accepted)} accepted, missing {[m for m in missing.values() if m] or 'nothing'}: fine")
ours(unanswered)

# %% [markdown]
# `b` has y: so it *was* accepted, and `c` has to get it too. An unanswered send may have taken effect or not. Seen by anybody, it is owed to
# everybody; seen by nobody, nothing is lost. A checker that takes every time-out for a loss is wrong the other way round:

# %%
ours(read("near_info_seen_by_nobody"))
life(unanswered, "y")

# %% [markdown]
# ## 3. Three orders that no two people notice
#
# Three messages, three recipients, each shows two of the three.

# %%
ring = read("18_three_recipients_in_a_ring")
display(table(ring))

orders = defaultdict(list)
for device, message, _ in shown(ring):
    orders[device].append(message)
quarrels = [
    (p, q)
    for p in orders
    for q in orders
    for x in orders[p]
    for y in orders[p]
    if x in orders[q] and y in orders[q] and orders[p].index(x) < orders[p].index(y) and orders[q].index(x) > orders[q].index(y)
]
print(f"a checker that compares two devices at a time: {len(quarrels)} disagreements: fine")
ours(ring)

# %% [markdown]
# x before y, y before z, z before x: each pair of devices shares one message only, so no two of them contradict one another, and yet there is no
# order of the conversation that all three could have seen. The judge looks for a cycle in the union of the orders, and shows the shortest.

# %%
life(ring, "x")

# %% [markdown]
# ## 4. The latency of what never came
#
# A hundred messages; p99 is promised to be at most 200 ms. Two never arrive.

# %%
slow = read("31_two_percent_undelivered")
intended = {m: t for t, m, k in zip(table(slow)["seconds"], table(slow)["message"], table(slow)["what"], strict=True) if k == "intend"}
delays = np.array([at - intended[message] for _, message, at in shown(slow)])
print(f"a checker that times what arrives: n {len(delays)}, p99 {np.quantile(delays, 0.99) * 1000:.0f} ms: fine")
ours(slow)
samples = judge(slow).measures["latency"]["end_to_end_live"]
print(f"  end to end: n {samples['n']}, of which {samples['infinite']} never came; the largest {samples['max_us']}")

# %% [markdown]
# Every system is fast if one times only what it delivered. What was owed and never came counts as infinitely late, so p99 lies beyond the end
# of the run, and the promise is broken beside the loss itself.

# %% [markdown]
# ## 5. The answer before the question
#
# `a` asks, `b` has seen it and answers, `c` looks on. Messages of each sender are in order everywhere.

# %%
answered = read("19_an_answer_before_its_question")
display(table(answered))

names = answered.names
author = dict(zip(names.client_message_ids, (names.devices[d] for d in answered.message_sender), strict=True))
per_sender = Counter()
for device in ("a", "b", "c"):
    for sender in ("a", "b"):
        mine = [at for who, message, at in shown(answered) if who == device and author[message] == sender]
        per_sender["wrong"] += sum(x > y for x, y in zip(mine, mine[1:], strict=False))
print(f"a checker of each sender's order: {per_sender['wrong']} out of order: fine")
ours(answered)

# %% [markdown]
# Order for each sender is not enough: what a person *had seen* when they wrote is part of what they said. Each send carries the past of its
# author; whoever shows it must have shown that past before.

# %%
life(answered, "question")

# %% [markdown]
# Which kinds there are, with the smallest history of each and what usually causes it, stands in `docs/judges.md`; how the judges are judged themselves,
# there too. `make judges` prints their score.
