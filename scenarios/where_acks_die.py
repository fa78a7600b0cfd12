"""A process dies with -9 between two steps of what it does with a message: does a message outlive it whose sender was told "sent"?

Question
    "An acked message survives a crash at any stage" - with an ack after business has received the message, after its append is in the
    storage writer's queue, and after its commit. Where does each of the three lose what it promised, and what does waiting for the commit
    cost?

Set-up
    ``cursor`` with each ``ack_basis``; 40 users on two gateways and one business node, 100 messages a second. Eight times a run, 2.5 s
    apart, a process is killed exactly where it stands at one stage, and the kill is proven with its stage: business, or the gateways in
    turn, since all devices are on the one that lived. The nine stages are those of ``Stage`` in ``model/history/schema.py``. Clients repeat
    what was not acknowledged. Storage recognises a repetition for ever, or business does in memory (``policies.server_dedupe``).

Expectation
    ``committed`` loses nothing anywhere. ``received`` loses every message that stands at ``received`` or ``queued``; ``queued`` loses at
    ``queued`` alone: a queue in memory dies with its process, so its ack is worth hardly more than the one before it. From
    ``committed`` on, and at gateways, no basis loses. A repetition that business knew in memory only is stored twice where the ack
    of a committed message died with business. Waiting for the commit costs about one commit.

What would surprise us
    A message gone under ``committed``; one gone at a gateway; a kill at ``received`` that costs ``queued`` anything; one loss where there
    could be many: an ack that came too early also misleads the sender's counter.

What a kill cannot show: the page cache of the operating system outlives the process, so a commit without ``fsync`` would look as good
here. Only a machine that loses its power, or a disk that lies, tells those apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from model.core.policies import Timers
from model.history.columns import History
from model.history.schema import Contract, Kind
from model.scenario import Kill, Scenario
from model.scenario.faults import BUSINESS_STAGES, KillStage
from model.scenario.sweep import Axis, Choice, HeatMap, Measure, Sweep, axis
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from scenarios.running.replicate import Figures, Finished, common, cpu

if TYPE_CHECKING:
    import pandas as pd

NO_KILL: Final = "none"
STAGES: Final[tuple[KillStage, ...]] = (
    "read",
    "forwarded",
    "received",
    "queued",
    "committed",
    "acked",
    "fanned_out",
    "ack_unwritten",
    "delivery_unwritten",
)
"""In the order in which a message passes them; the last two lie side by side."""


def kills(stage: KillStage, first_s: float, every_s: float, count: int, down_s: float) -> tuple[Kill, ...]:
    """So many kills at a stage. A gateway is struck in turn with the other, to which all devices have gone meanwhile."""
    nodes = ("business",) if stage in BUSINESS_STAGES else ("gateway-1", "gateway-2")
    instants = [round(first_s + k * every_s, 3) for k in range(count)]
    return tuple(Kill(nodes[k % len(nodes)], at_s, round(at_s + down_s, 3), stage) for k, at_s in enumerate(instants))


def _stages(stages: tuple[KillStage, ...], first_s: float, every_s: float, count: int, down_s: float) -> Axis:
    planned = {stage: kills(stage, first_s, every_s, count, down_s) for stage in stages}
    choices = [Choice(stage, (f"faults={msgspec.json.encode(faults).decode()}",)) for stage, faults in planned.items()]
    return Axis("stage", (Choice(NO_KILL, ("faults=[]",)), *choices))


SCENARIO = Scenario(
    name="where_acks_die",
    question="A process is killed between two steps of what it does with a message: which acks were worth something?",
    gateways=2,
    population=PopulationPlan(users=40, group_size=5, groups_per_user=1),
    workload=WorkloadPlan(rate_per_s=100.0, payload_bytes=120, direct_share=0.5),
    timers=Timers(heartbeat_us=1_000_000, pong_timeout_us=1_000_000),
    ramp_s=2.0,
    warm_up_s=2.0,
    duration_s=24.0,
    faults=kills("queued", first_s=6.0, every_s=6.0, count=2, down_s=1.0),
    contract=Contract(
        fails={"outage": False, "not_recovered": False},  # how long one is cut off is not asked
        window_us=2_000_000,
        quiet_us=5_000_000,
    ),
    expected={"naive": "invalid", "timer": "invalid", "cursor": "valid"},
    short_scale=0.25,
)

SWEEP = Sweep(
    axes=(
        _stages(STAGES, 3.0, 2.5, 8, 0.5),
        axis("policies.ack_basis", "received", "queued", "committed"),
        axis("policies.server_dedupe", "durable", "recent"),
    ),
    measures=(
        Measure("kills_that_lost", "kills that took a message told sent", of="kills"),
        Measure("gone_at_kill", "told sent, in memory at a kill, and gone"),
        Measure("gone_later", "told sent after a kill, and refused"),
        Measure("stored_twice", "messages stored twice"),
        Measure("ack_p50_ms", "ack, p50", "ms"),
        Measure("ack_p99_ms", "ack, p99", "ms"),
    ),
    pictures=(
        HeatMap("kills_that_lost", x="stage", y="policies.ack_basis", log=False),
        HeatMap("gone_later", x="stage", y="policies.ack_basis", log=False),
    ),
    replications=5,
    short_axes=(
        _stages(("forwarded", "received", "queued", "committed", "delivery_unwritten"), 1.0, 1.0, 4, 0.2),
        axis("policies.server_dedupe", "durable"),
    ),
    short_replications=2,
)


# what is measured -------------------------------------------------------------------------------------------------------------------


def figures(run: Finished) -> Figures:
    """The figures of a run of either world: what was told sent and is gone, what is there twice, and what acks took."""
    latency = run.judged.measures.get("latency", {}).get("ack", {})
    acks: Figures = {f"ack_{q}_ms": _ms(latency.get(f"{q}_us")) for q in ("p50", "p99")}
    told = common(run.judged) | cpu(run)
    rate: Figures = {"ok_per_s": (told["ok"] or 0.0) / run.scenario.duration_s}
    dense = run.scenario.preset(run.preset).server_dedupe == "durable"
    return gone(run.history, dense) | {"stored_twice": stored_twice(run.history)} | acks | rate | told


def _ms(us: float | str | None) -> float | None:
    return None if us is None else float("inf") if isinstance(us, str) else us / 1e3


def gone(history: History, dense: bool) -> Figures:
    """Messages whose sender was told "sent" and that are in nobody's history afterwards, by why.

    A process had them in memory when it was killed; or, where counters are to be ``dense``, the log refused them because it had never
    seen an earlier one of the same sender, which had been told "sent" as well.
    """
    ok, read = (np.unique(history.message[history.rows_of(kind)]) for kind in (Kind.OK, Kind.READ_BACK))
    invoked = dict(
        zip(*(column[history.rows_of(Kind.INVOKE)].tolist() for column in (history.message, history.t_us)), strict=True)
    )
    died = np.sort(history.t_us[history.rows_of(Kind.FAULT_BEGUN)])
    broken, guilty, at_kill, later = set[tuple[int, int]](), set[int](), 0, 0
    places = _places(history)
    for message in sorted(np.setdiff1d(ok, read).tolist(), key=lambda message: (invoked[message], message)):
        place = places[message]
        if dense and place in broken:
            later += 1
        else:
            broken.add(place)
            guilty.add(int(np.searchsorted(died, invoked[message])))
            at_kill += 1
    return {
        "kills": float(len(died)),
        "kills_that_lost": float(len(guilty)),
        "gone_at_kill": float(at_kill),
        "gone_later": float(later),
    }


def _places(history: History) -> dict[int, tuple[int, int]]:
    """Sending device and conversation of each message that was handed to a client."""
    rows = history.rows_of(Kind.INVOKE)
    columns = (history.message, history.device, history.conversation)
    return {message: (device, room) for message, device, room in zip(*(column[rows].tolist() for column in columns), strict=True)}


def stored_twice(history: History) -> float:
    """Messages that have two positions in someone's history."""
    rows = history.rows_of(Kind.READ_BACK)
    found = np.unique(np.stack([history.message[rows], history.seq[rows]], axis=1), axis=0)
    _, positions = np.unique(found[:, 0], return_counts=True)
    return float((positions > 1).sum())


def conclusion(table: pd.DataFrame) -> str:
    """For each basis: where it lost, of how many kills, and what an ack took where nobody was killed."""
    lines = []
    for basis, rows in table.groupby("policies.ack_basis", sort=False):
        killed, calm = rows[rows["stage"] != NO_KILL], rows[rows["stage"] == NO_KILL]
        lost = killed.groupby("stage", sort=False)[["kills_that_lost", "kills"]].sum().query("kills_that_lost > 0")
        where = ", ".join(f"{stage} ({row.kills_that_lost:.0f} of {row.kills:.0f} kills)" for stage, row in lost.iterrows())
        kept = killed[~killed["stage"].isin(lost.index)]["kills"].sum()
        ack = f"; ack p50 {calm['ack_p50_ms'].mean():.2f} ms" if len(calm) else ""
        bound = f"nothing in {kept:.0f} kills elsewhere (a rate up to {3 / kept:.2g})" if kept else "no other kill"
        lines.append(f"{basis}: lost at {where or 'no stage'}, {bound}{ack}")
    return "\n".join(lines)


if __name__ == "__main__":
    from scenarios.running.command import sweep_script

    sweep_script(SCENARIO.name)
