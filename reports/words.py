"""What happened, in words: the first line of a report, one sentence a run on its mechanism, one line a kind of anomaly.

Rules of the file: every number comes from a run's verdict or its history, none from what the author expects; a clause whose number
is 0 is left out, so a sentence never explains what did not happen. Texts are plain; whoever prints them escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from model.checkers.amounts import count, duration
from model.checkers.kinds import KINDS
from model.history.columns import History
from model.history.schema import Kind, Phase, Via
from reports.results import Anomaly, Run
from reports.series import Fault, Series, when_written
from reports.table import BY_POSITION

PRESETS: Final[Mapping[str, str]] = {
    "naive": "written once and shown as sent; nothing is acknowledged, repeated, deduped or fetched later",
    "timer": "acks and timers: sends are repeated up to three times, deliveries are resent from memory, and after a reconnect a device"
    " asks only for what is newer than the newest it has",
    "cursor": "the reference design: an ack means committed, the log is the truth, and a device pulls from its cursor until it is"
    " complete",
    "qos0": "MQTT at QoS 0, on mosquitto: written once, never acknowledged",
    "qos1": "MQTT at QoS 1, on mosquitto: repeated until PUBACK, at least once; the device knows no copy again",
    "qos2": "MQTT at QoS 2, on mosquitto: four packets a message, exactly once as long as both ends remember",
    "qos1_saved": "MQTT at QoS 1, on mosquitto that writes its state to disk every second",
    "qos2_saved": "MQTT at QoS 2, on mosquitto that writes its state to disk every second",
}
"""What each preset is, in one line; those of servers that are not ours too."""


def kind(name: str) -> str:
    """What a kind of anomaly means, in one line; empty for one that the judges of this version do not know."""
    known = KINDS.get(name)
    return known.meaning if known else ""


def consequence(name: str, fails: bool) -> str:
    """What an anomaly of this kind does to its run."""
    blame = KINDS[name].blame if name in KINDS else "product"
    return (
        {"product": "fails the run", "harness": "the harness failed", "unknown": "leaves the run unknown"}[blame]
        if fails
        else "counted"
    )


_OF_NO_MESSAGE: Final = frozenset({"outage", "not_recovered", "unreachable", "latency", "unread_wrong", "watermark_regressed"})


def in_messages(anomaly: Anomaly) -> str:
    """`` in 43 messages``; empty for a kind that is about a device or a stretch of time, where the number would mislead."""
    return f" in {many(anomaly.messages, 'message')}" if anomaly.messages and anomaly.kind not in _OF_NO_MESSAGE else ""


def many(number: int, one: str, more: str = "") -> str:
    """``1 message``, ``1,213 messages``."""
    return f"{count(number)} {one if number == 1 else more or one + 's'}"


def listed(parts: Sequence[str], last: str = " and") -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}{last} {parts[-1]}" if parts else ""


# the first line -------------------------------------------------------------------------------------------------------


def headline(runs: Sequence[Run]) -> list[str]:
    """One sentence a preset: what its users lost, saw twice and saw out of order, over all its runs in the report."""
    presets = dict.fromkeys(run.manifest.preset for run in runs)
    return [_preset_headline(preset, [run for run in runs if run.manifest.preset == preset]) for preset in presets]


def _preset_headline(preset: str, runs: Sequence[Run]) -> str:
    judged = [run for run in runs if run.measure("sends", "intended") is not None]
    settled = [run for run in judged if run.measure("owed", "lost_messages") is not None]
    if not settled:
        return f"{preset} could not be judged for losses{_seen_at_least(judged)}"
    judged = settled
    sent = _amount(judged, ("sends", "intended"))
    if not any(run.measure("owed", "pairs") for run in judged):
        return f"{preset} could not be judged: none of its {sent} messages is known to have been accepted{_seen_at_least(judged)}"
    text = f"{preset} lost {_amount(judged, ('owed', 'lost_messages'), 'nothing')} of {sent} messages"
    text += f", showed {_amount(judged, ('duplicates', 'shown_twice'), 'nothing')} twice"
    text += f" and {_amount(judged, ('order', 'out_of_order'), 'nothing')} out of order"
    text += "" if all(run.computed(BY_POSITION) for run in judged) else ", as far as can be told without positions"
    worlds = list(dict.fromkeys(run.manifest.world for run in judged))
    where = ", in both worlds" if set(worlds) == {"sim", "live"} else f", in {listed(worlds)}"
    where = "" if all(run.is_file for run in judged) else where
    doubtful = [run.manifest.world for run in judged if run.verdict in ("unknown", "harness_invalid")]
    return f"{text}{where}" + (f" (in doubt in {listed(doubtful)}: see the verdict)" if doubtful else "")


def _seen_at_least(runs: Sequence[Run]) -> str:
    """What is wrong whatever else may be; "" where nothing is."""
    found = [("duplicates", "shown_twice", "twice"), ("order", "out_of_order", "out of order")]
    parts = [f"{_amount(runs, (part, key))} {how}" for part, key, how in found if any(run.measure(part, key) for run in runs)]
    return f", but showed {listed(parts)}" if parts else ""


def _amount(runs: Sequence[Run], path: tuple[str, str], zero: str = "0") -> str:
    """A measure over some runs: one number, one for each world, or a range."""
    values = {(run.manifest.world, run.manifest.seed, run.path): int(run.measure(*path) or 0) for run in runs}
    low, high = min(values.values()), max(values.values())
    if low == high:
        return count(low) if low else zero
    if len({world for world, _, _ in values}) == len(values):
        return listed([f"{count(value)} ({world})" for (world, _, _), value in values.items()])
    return f"{count(low)} to {count(high)}"


def occasion(run: Run) -> str:
    """What happened to the system, as a title."""
    if run.is_file:
        return f"The history {run.path.name}: {run.verdict.replace('_', ' ')}"
    faults = [_fault_words(fault, timed=False) for fault in run.scenario.get("faults") or ()]
    return f"{listed(faults)} under load" if faults else f"{run.manifest.scenario}: load without a fault"


def setting(run: Run) -> str:
    """What was done to the system, in one sentence, from the effective scenario; empty where the folder has none.

    Of a history file, how much it holds.
    """
    if run.is_file:
        names = run.history.names
        sizes = (
            (len(run.history), "row"),
            (len(names.client_message_ids), "message"),
            (len(names.devices), "device"),
            (len(names.conversations), "conversation"),
        )
        return f"{listed([many(number, one) for number, one in sizes])}; world {run.manifest.world}."
    scenario = run.scenario
    workload, population = scenario.get("workload") or {}, scenario.get("population") or {}
    parts = [many(int(population["users"]), "user")] if "users" in population else []
    parts += [many(int(scenario["gateways"]), "gateway")] if "gateways" in scenario else []
    closed = (workload.get("arrivals") or {}).get("shape") == "closed"
    rate = f"{workload['rate_per_s']:,.0f} messages/s" if "rate_per_s" in workload else ""
    parts += [f"up to {rate} in a closed loop" if closed else rate] if rate else []
    parts += [f"{scenario['duration_s']:g} s of load"] if "duration_s" in scenario else []
    faults = [_fault_words(fault) for fault in scenario.get("faults") or ()]
    text = listed(parts)
    return f"{text}; {listed(faults)}." if faults else f"{text}; no faults." if text else ""


FAULTS: Final[Mapping[str, str]] = {
    "kill": "was killed",
    "drain": "was drained",
    "rolling_restart": "were restarted one after another",
    "deaf": "died behind a port that still accepted",
    "pause": "stood still",
    "disk_full": "had no room on its disk, ended",
    "clock_step": "had its clock jump",
    "storage_stall": "had a disk that answered nothing",
    "cut": "had every connection reset",
    "half_open": "lost its connections without a word",
    "roam": "had devices that changed their address",
    "ack_lost": "had connections reset before an ack",
    "torn_frame": "had connections reset within a frame",
    "blackhole": "lay behind a black hole",
    "refuse": "refused new connections",
    "delay": "lay behind a slow line",
    "throttle": "had a narrow line",
    "slow_consumer": "had devices that read slowly",
    "nat_drop": "was behind a forgetful NAT",
    "partition": "was parted from business",
    "cold_routes": "had forgotten who is connected where",
}
"""What happened to the node of a fault, by what scenarios and histories call it."""


def _fault_words(fault: Mapping[str, Any], timed: bool = True) -> str:
    kind, at_s = str(fault.get("fault")), float(fault.get("at_s", 0))
    node = listed(fault["nodes"]) if "nodes" in fault else fault.get("node")
    text = f"{node} {FAULTS.get(kind, kind)}"
    again = " and started again" if "back_s" in fault else ""
    if not timed:
        return text + again
    until = f" until {float(fault['heal_s']):g} s" if "heal_s" in fault else ""
    return f"{text} {'from' if until or 'nodes' in fault else 'at'} {at_s:g} s{' on' if 'nodes' in fault else ''}{until}" + (
        f"{again} at {float(fault['back_s']):g} s" if again else ""
    )


# the mechanism --------------------------------------------------------------------------------------------------------


def explanation(series: Series) -> str:
    """One sentence on how this run came to lose, repeat and disorder what it did, or what kept it from that; from its history."""
    if series.pairs.empty:
        return (
            "Nothing was sent." if series.sends.empty else "Nothing was owed to anyone: no send is known to have been accepted."
        )
    clauses = [clause for make in (_loss, _repeats, _disorder, _saved) if (clause := make(series))]
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _because(reasons: Sequence[tuple[int, str]]) -> str:
    """Reasons with the number of cases of each, which goes without saying where there is one reason; empty where there is none."""
    found = [(number, why) for number, why in reasons if number]
    if len(found) <= 1:
        return f": {found[0][1]}" if found else ""
    return f": {listed([f'{number:,} {why}' for number, why in found], ', and')}"


def _loss(series: Series) -> str:
    pairs = series.pairs
    missing = pairs[~np.isfinite(pairs["latency_ms"])]
    if missing.empty:
        return f"everything owed arrived ({many(len(pairs), 'delivery', 'deliveries')})"
    total = f"{many(len(missing), 'delivery', 'deliveries')} of {many(missing['message'].nunique(), 'message')}"
    if series.history.header.truncated:  # what would have come, nobody knows
        return f"{total} had not come when the recording ended"
    total += " never came"
    return f"{total}{_because(_reasons(series, missing))}"


def _reasons(series: Series, missing: pd.DataFrame) -> list[tuple[int, str]]:
    """Why what is missing is missing, each pair under one reason."""
    audited = bool(series.history.rows_of(Kind.READ_BACK).size)
    stored = series.sends["stored"].loc[missing["message"]].to_numpy() if audited else np.ones(len(missing), np.bool_)
    basis = series.sends["basis"].loc[missing["message"]].to_numpy()
    passed = _passed_over(series.history, missing)
    ready, cut = when_written(series, missing)
    kept = "stored" if audited else "sent"
    groups = (
        (~stored & (basis == "write"), "reported as sent when written and never stored by the server"),
        (~stored & (basis == "received"), "acknowledged on receipt and lost before being committed"),
        (~stored & (basis == "committed"), "acknowledged as committed, yet gone"),
        (~stored & (basis == "none"), "seen by some and never stored"),
        (stored & ~ready & passed, f"{kept} while the receiver was away and skipped when it asked only for newer ones"),
        (stored & ~ready & ~passed, f"{kept} while the receiver was away and never asked for on its return"),
        (stored & cut & passed, "sent down a connection that died and skipped when the receiver asked only for newer ones"),
        (stored & cut & ~passed, "sent down a connection that died and never asked for again"),
        (stored & ready & ~cut, f"{kept}, yet never shown on a device that stayed connected"),
    )
    return [(int(chosen.sum()), why) for chosen, why in groups]


def _positions(history: History) -> np.ndarray[Any, np.dtype[np.int64]]:
    """By message, its conversation_seq (the last one mentioned), 0 where nobody ever knew it."""
    rows = history.rows_of(Kind.READ_BACK, Kind.WIRE, Kind.DELIVER)
    rows = rows[history.seq[rows] > 0]
    position = np.zeros(len(history.message_sender), np.int64)
    position[history.message[rows]] = history.seq[rows]
    return position


def _passed_over(history: History, missing: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Of missing pairs, whether their device asked only for what lies above their position."""
    position = _positions(history)
    read = history.rows_of(Kind.READ_BACK, Kind.WIRE, Kind.DELIVER)
    conversation = np.full(len(history.message_sender), -1, np.int64)
    conversation[history.message[read]] = history.conversation[read]
    synced = history.rows_of(Kind.SYNC_REQUEST)
    asked = pd.DataFrame(
        {"device": history.device[synced], "conversation": history.conversation[synced], "after": history.seq[synced]}
    )
    highest = asked.groupby(["device", "conversation"], as_index=False)["after"].max()
    message = missing["message"].to_numpy()
    wanted = pd.DataFrame({"device": missing["device"].to_numpy(), "conversation": conversation[message]})
    after = wanted.merge(highest, how="left", on=["device", "conversation"])["after"].fillna(-1).to_numpy()
    return np.asarray((position[message] > 0) & (after >= position[message]), np.bool_)


def _repeats(series: Series) -> str:
    twice = series.pairs[series.pairs["copies"] > 1]
    if twice.empty:
        return "nothing was shown twice"
    stored_twice = twice["message"].isin(_stored_twice(series.history))
    again = ~stored_twice & (twice["connections"] > 1)
    same = ~stored_twice & (twice["connections"] <= 1)
    later = f"{duration(float(twice['again_ms'][again].median()) * 1e3)} later" if again.any() else ""
    reasons = (
        (int(stored_twice.sum()), "from a repeated send that was stored twice"),
        (int(again.sum()), f"sent down again {later} on another connection where the device no longer knew them"),
        (int(same.sum()), "on one and the same connection"),
    )
    return f"{many(len(twice), 'delivery was', 'deliveries were')} shown more than once{_because(reasons)}"


def _stored_twice(history: History) -> np.ndarray[Any, np.dtype[np.int64]]:
    rows = history.rows_of(Kind.READ_BACK, Kind.DELIVER)
    rows = rows[history.seq[rows] > 0]
    positions = pd.DataFrame({"message": history.message[rows], "epoch": history.epoch[rows], "seq": history.seq[rows]})
    counts = positions.drop_duplicates().groupby("message").size()
    return counts.index[counts > 1].to_numpy(np.int64)


def _disorder(series: Series) -> str:
    """First showings below a position that the device had already shown, by how the late one came and whose was the newer one."""
    history = series.history
    rows = history.rows_of(Kind.DELIVER)
    shown = pd.DataFrame(
        {
            "device": history.device[rows],
            "conversation": history.conversation[rows],
            "message": history.message[rows],
            "position": _positions(history)[history.message[rows]],
            "via": history.via[rows],
        }
    ).drop_duplicates(["device", "message"])
    shown = shown[shown["position"] > 0]
    before = shown.groupby(["device", "conversation"])["position"].cummax()
    own = shown["position"].where(shown["via"] == Via.OWN, 0)
    own_before = own.groupby([shown["device"], shown["conversation"]]).cummax()
    late = before > shown["position"]
    behind_own, live = own_before == before, shown["via"] == Via.LIVE
    of_others = late & (shown["via"] != Via.OWN)
    groups = (
        (late & (shown["via"] == Via.OWN), "own messages placed after newer ones of others"),
        (of_others & behind_own, "behind a newer message of the device's own"),
        (of_others & ~behind_own & ~live, "fetched by catching up when newer ones had been shown"),
        (of_others & ~behind_own & live, "sent down (again) after newer ones"),
    )
    if not late.any():
        return ""
    reasons = _because([(int(chosen.sum()), why) for chosen, why in groups])
    return f"{many(int(late.sum()), 'delivery was', 'deliveries were')} shown out of order{reasons}"


def _saved(series: Series) -> str:
    """What the mechanisms did: repeated attempts, deliveries by catching up, copies dropped at the device."""
    history = series.history
    attempts, sent = history.rows_of(Kind.ATTEMPT), history.message[history.rows_of(Kind.ATTEMPT)]
    repeated = attempts.size - np.unique(sent).size
    wire, deliver = history.rows_of(Kind.WIRE), history.rows_of(Kind.DELIVER)
    dropped = max(0, wire.size - int(np.isin(history.via[deliver], (Via.LIVE, Via.SYNC)).sum()))
    synced = int((history.via[deliver] == Via.SYNC).sum())
    parts = [f"{many(int(repeated), 'send was', 'sends were')} written again"] if repeated else []
    parts += [f"{many(synced, 'delivery', 'deliveries')} came by catching up"] if synced else []
    parts += [f"{many(dropped, 'repeated copy was', 'repeated copies were')} dropped at the device"] if dropped else []
    return listed(parts)


# phases and faults ----------------------------------------------------------------------------------------------------


def fault_sentence(series: Series) -> str:
    """The faults as they were proven, not as they were planned."""
    verbs = dict(FAULTS)
    if series.history.header.world == "live":
        verbs["kill"] = "was killed (kill -9)"
    parts = [
        f"{fault.node} {verbs.get(fault.kind, fault.kind)} at {fault.begin_s:.2f} s"
        + (_service(fault) if fault.kind == "kill" else "")
        for fault in series.faults
    ]
    drain = series.phases.get(Phase.DRAIN)
    load = f"load ended at {drain:.1f} s" if drain is not None else "the end of the load was not recorded"
    return f"{listed(parts)}; {load}." if parts else f"No fault was recorded; {load}."


def _service(fault: Fault) -> str:
    return (
        f" and served again after {duration((fault.end_s - fault.begin_s) * 1e6)}"
        if fault.healed
        else " and was not seen to serve again"
    )
