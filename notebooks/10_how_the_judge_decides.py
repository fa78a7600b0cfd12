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
# All are files of the corpus, `tests/corpus/histories`, JSON Lines that can be opened, changed and judged again with `imbench check FILE`;
# `docs/judges.md` has the definitions. To run this page without a browser:
# `jupytext --to ipynb --execute notebooks/10_how_the_judge_decides.py --output judge.ipynb`.
#
# Four helpers first: `read` a history, `table` what was sent and shown in it, ask `ours`, draw the `life` of a message.

# %%
# %matplotlib inline
from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import SVG, display

import model
from model.checkers import judge
from model.checkers.life import Explainer
from model.history import at_rest
from model.history.schema import Kind, Via
from reports.spacetime import svg

HISTORIES = Path(model.__path__[0]).parent / "tests" / "corpus" / "histories"


def read(name):
    return at_rest.read(HISTORIES / f"{name}.jsonl")


def table(history):
    names, rows = history.names, history.rows_of(Kind.INTEND, Kind.OK, Kind.INFO, Kind.DELIVER)
    columns = {
        "seconds": history.t_us[rows] / 1e6,
        "device": [names.devices[d] for d in history.device[rows]],
        "what": [Kind(k).name.lower() for k in history.kind[rows]],
        "message": [names.client_message_ids[m] for m in history.message[rows]],
        "via": [Via(v).name.lower() if v else "-" for v in history.via[rows]],
        "position": [str(n) if n else "-" for n in history.seq[rows]],
    }
    return pd.DataFrame(columns, index=pd.Index(rows, name="row"))


def ours(history):
    judgement = judge(history)
    print(f"the judge: {judgement.verdict}")
    for anomaly in judgement.anomalies:
        if anomaly.fails:
            print(f"  {anomaly.kind} x {anomaly.count}: {anomaly.witnesses[0].text}")


def life(history, message):
    explainer = Explainer(history)
    display(SVG(svg(explainer.life(explainer.find(message)[0]))))


# %% [markdown]
# The checkers work on the same table. A device's showing of its own message (`via` own) proves nothing about the server, so they look at
# what *others* were shown:

# %%
def shown(history):
    found = table(history)
    return found[(found["what"] == "deliver") & (found["via"] != "own")]


def says(checker, found, wrong):
    print(f"a checker {checker}: {found}: {'WRONG' if wrong else 'fine'}")


# %% [markdown]
# ## 1. As many as there should be
#
# `a` sends x and y to `b` and `c`. Two messages for two people: four should be shown.

# %%
counted = read("04_one_loss_and_one_duplicate")
display(table(counted))


def count(history):
    accepted = len(history.rows_of(Kind.OK))
    expected, found = accepted * (len(history.names.devices) - 1), len(shown(history))
    says("that counts", f"{expected} expected, {found} shown", expected != found)


count(counted)
ours(counted)

# %% [markdown]
# Four were shown. But y came to `b` twice and to `c` never: one loss and one duplicate cancel in a count. The judge compares *sets* of
# (message, device), and never counts. The life of y shows both:

# %%
life(counted, "y")

# %% [markdown]
# ## 2. No answer is not a no
#
# The sender of y was never told what became of it; after five seconds its client gave up (`info`). One checker asks everybody for what was
# acknowledged:

# %%
unanswered = read("05_info_seen_by_one_only")
display(table(unanswered))


def lacking(history, wanted):
    """What of these messages somebody else than their sender was not shown."""
    everyone, got = set(history.names.devices), defaultdict(set)
    for _, row in shown(history).iterrows():
        got[row["message"]].add(row["device"])
    senders = {row["message"]: row["device"] for _, row in table(history).iterrows() if row["what"] == "intend"}
    return [f"{message} at {device}" for message in wanted for device in sorted(everyone - got[message] - {senders[message]})]


def of_what(history, *words):
    found = table(history)
    return sorted(set(found[found["what"].isin(words)]["message"]))


missing = lacking(unanswered, of_what(unanswered, "ok"))
says("of what was acknowledged", f"missing {', '.join(missing) or 'nothing'}", missing)
ours(unanswered)

# %% [markdown]
# `b` has y: so it *was* accepted, and `c` has to get it too. An unanswered send may have taken effect or not. Seen by anybody, it is owed to
# everybody.

# %%
life(unanswered, "y")

# %% [markdown]
# A second checker has learned from this and takes every time-out for something that must arrive. It is wrong the other way round. Here is another
# history, in which w was never answered, and nobody ever saw it:

# %%
unseen = read("near_info_seen_by_nobody")
missing = lacking(unseen, of_what(unseen, "ok", "info"))
says("of whatever was not refused", f"missing {', '.join(missing) or 'nothing'}", missing)
ours(unseen)

# %% [markdown]
# Nothing is lost: w may never have reached the server, and its sender was never told that it had. The life of w ends where it was written:

# %%
life(unseen, "w")

# %% [markdown]
# ## 3. Three orders that no two people notice
#
# Three messages, three recipients, each shows two of the three.

# %%
ring = read("18_three_recipients_in_a_ring")
display(table(ring))


def quarrels(history):
    """Pairs of messages that one device shows in one order and another in the other."""
    orders = shown(history).drop_duplicates(["device", "message"]).groupby("device")["message"].agg(list)
    ahead = {(x, y) for order in orders for at, x in enumerate(order) for y in order[at + 1 :]}
    return {(x, y) for x, y in ahead if (y, x) in ahead}


found = quarrels(ring)
says("that compares two devices at a time", f"{len(found)} disagreements", found)
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
promise = slow.header.contract.latency[0]


def time_what_arrives(history):
    planned = table(history).query("what == 'intend'").set_index("message")["seconds"]
    delays = shown(history)["seconds"].to_numpy() - planned[shown(history)["message"]].to_numpy()
    reached = np.quantile(delays, promise.quantile, method="inverted_cdf")
    says("that times what arrives", f"n {len(delays)}, p99 {reached * 1000:.0f} ms", reached > promise.at_most_us / 1e6)


time_what_arrives(slow)
ours(slow)
samples = judge(slow).measures["latency"]["end_to_end_live"]
print(f"  end to end: n {samples['n']}, of which {samples['infinite']} never came; the largest {samples['max_us']}")

# %% [markdown]
# Every system is fast if one times only what it delivered. What was owed and never came counts as infinitely late, so p99 lies beyond the end
# of the run, and the promise is broken beside the loss itself.

# %% [markdown]
# ## 5. The answer before the question
#
# `a` asks, `b` has seen it and answers, `c` looks on. The checker compares, at each device and for each sender, the order in which messages were
# shown with the order in which they were sent.

# %%
answered = read("19_an_answer_before_its_question")
display(table(answered))


def per_sender(history):
    """Neighbours of one sender that a device was shown in another order than they were sent in."""
    sends = table(history).query("what == 'intend'").reset_index().set_index("message")
    found = shown(history).drop_duplicates(["device", "message"])
    found = found.assign(sender=found["message"].map(sends["device"]), sent=found["message"].map(sends["row"]))
    return sum(first > then for _, sent in found.groupby(["device", "sender"])["sent"] for first, then in pairwise(sent))


says("of each sender's order", f"{per_sender(answered)} out of order", per_sender(answered))
ours(answered)

# %% [markdown]
# It is no bad checker. Where one sender's two messages change places, it notices:

# %%
swapped = read("16_right_in_the_log_wrong_in_live")
says("of each sender's order", f"{per_sender(swapped)} out of order", per_sender(swapped))

# %% [markdown]
# But order for each sender is not enough: what a person *had seen* when they wrote is part of what they said. Each send carries the past of its
# author; whoever shows it must have shown that past before. That is `causal_live`. The judge names `session_nonmonotonic` beside it because this
# server numbers its messages, and `c` showed position 2 before position 1. Positions help, and are not needed: where a server has none, and one
# more person looks on, the cause is still found (and `c` contradicts `d`):

# %%
ours(read("19a_the_same_where_nothing_has_a_position"))

# %%
life(answered, "question")

# %% [markdown]
# Which kinds there are, with the smallest history of each and what usually causes it, stands in `docs/judges.md`; how the judges are judged themselves,
# there too. `make judges` prints their score.
