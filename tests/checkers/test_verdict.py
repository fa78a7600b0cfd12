"""The verdict: what wins over what, what implies what, and what no judge may pass over in silence."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from model.checkers import KINDS, Anomaly, Judgement, judge, verdict
from model.checkers.case import Case
from model.checkers.findings import Part
from model.checkers.kinds import header_problem, problem
from model.checkers.sessions import Intervals
from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Contract, Header, Kind, LatencyPromise, Phase, Via
from tests.checkers.planting import Planting, in_conversation, only
from tests.corpus.further_time import PLANTED as PLANTED_LATER
from tests.corpus.planted import PLANTED, three, traffic


def failing(judgement: Judgement) -> set[str]:
    return {anomaly.kind for anomaly in judgement.anomalies if anomaly.fails}


def of(judgement: Judgement, kind: str) -> list[Anomaly]:
    return [anomaly for anomaly in judgement.anomalies if anomaly.kind == kind]


def crash(case: Case) -> Part:
    raise ZeroDivisionError("on purpose")


@pytest.mark.parametrize("name", verdict.JUDGES)
def test_crashed_judge_is_unknown_and_never_valid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    p = Planting()
    three(p)
    monkeypatch.setitem(verdict.JUDGES, name, crash)
    judgement = judge(p.history())
    assert judgement.verdict == "unknown"
    assert any(name in note and "ZeroDivisionError" in note for note in judgement.notes)


def test_what_others_proved_stands_when_a_judge_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(verdict.JUDGES, "order", crash)
    assert judge(PLANTED["10_shown_twice_in_a_row"].plant().history()).verdict == "invalid"


def test_empty_history_is_unknown() -> None:
    judgement = judge(from_rows(Header(world="sim"), MemoryRecorder().rows()))
    assert judgement.verdict == "unknown"
    assert {"vacuous", "truncated"} <= failing(judgement)
    assert not [note for note in judgement.notes if "crashed" in note]


def test_implied_kinds_are_reported_under_their_cause() -> None:
    judgement = judge(PLANTED["07_gap_never_filled"].plant().history())
    (gap,) = of(judgement, "gap")
    assert (gap.fails, gap.implied_by) == (False, "lost")


def test_loss_of_what_is_stored_nowhere_is_told_once() -> None:
    judgement = judge(PLANTED["01_acked_absent_everywhere"].plant().history())
    (lost,) = of(judgement, "lost")
    assert (lost.count, lost.messages, lost.fails, lost.implied_by) == (2, 1, False, "lost_stored")
    assert "middle" in of(judgement, "lost_stored")[0].witnesses[0].text


@pytest.mark.parametrize(("absent", "place"), [("x", "prefix"), ("y", "middle"), ("z", "postfix")])
def test_place_of_a_stored_loss_in_its_stream(absent: str, place: str) -> None:
    p = Planting()
    three(p)
    p.gone(absent)
    assert of(judge(p.history()), "lost_stored")[0].witnesses[0].text.endswith(f"{place} of its sender's stream")


def test_cause_that_the_contract_forgives_explains_nothing_away() -> None:
    p = PLANTED["01_acked_absent_everywhere"].plant()
    p.promise(fails={"lost_stored": False})
    assert failing(judge(p.history())) == {"lost"}


def test_contract_decides_what_fails() -> None:
    p = PLANTED["10_shown_twice_in_a_row"].plant()
    p.promise(fails={"dup_app": False, "redelivery": False})
    judgement = judge(p.history())
    assert judgement.verdict == "valid"
    assert of(judgement, "dup_app")[0].count == 1
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=4)
    p.shown("w", "b c", at=30)
    p.promise(fails={"late": True})
    assert judge(p.history()).verdict == "invalid"


def test_loss_is_counted_in_pairs_and_in_messages() -> None:
    p = Planting("a b c d")
    p.message("x", "a", at=1, pos=1)
    for place, name in enumerate("yz", start=2):
        p.send(name, "a", at=place, ok=place + 0.02, pos=place)
        p.shown(name, "b", at=place + 0.03)
    judgement = judge(p.history())
    (lost,) = of(judgement, "lost")
    assert (lost.count, lost.messages) == (4, 2)
    assert judgement.measures["owed"] == {"pairs": 9, "lost_pairs": 4, "lost_messages": 2, "lost_stored_messages": 0}


def test_witnesses_are_the_first_five_in_time() -> None:
    p = Planting("a b")
    for place in range(1, 10):
        p.send(f"m{place}", "a", at=place, ok=place + 0.02, pos=place)
        p.shown(f"m{place}", "b", at=place + 0.03)
    for place in range(9, 0, -1):
        p.shown(f"m{place}", "b", at=30 - place)
    (anomaly,) = (a for a in of(judge(p.history()), "dup_app") if a.fails)
    assert anomaly.count == 9
    assert [w.message for w in anomaly.witnesses] == [f"a/m{place}" for place in (9, 8, 7, 6, 5)]


def test_shortest_cycle_names_three_devices_where_two_do_not_do() -> None:
    text = of(judge(PLANTED["18_three_recipients_in_a_ring"].plant().history()), "disagreement")[0].witnesses[0].text
    assert sorted(device for device in "pqr" if f"{device} shows" in text) == ["p", "q", "r"]
    assert text.count("before") == 3


def test_proof_by_two_devices_where_they_do() -> None:
    text = of(judge(PLANTED["17_two_recipients_two_orders"].plant().history()), "disagreement")[0].witnesses[0].text
    assert text.count("before") == 2


def test_another_conversation_is_a_misdelivery_and_nothing_else() -> None:
    p = Planting("a b c", {"g": "a b c", "h": "a b c"})
    three(p)
    p.message("w", "a", at=4, pos=1, group="h")
    p.shown("x", "b", at=5)
    history = p.history()
    strays = np.flatnonzero((history.t_us == 5_000_000) & (history.device == history.names.devices.index("b")))
    for row in strays.tolist():
        history = in_conversation(history, row, "h")
    assert failing(judge(history)) == {"misdelivery"}


# what cannot be known -----------------------------------------------------------------------------------------------------------


def test_salvaged_part_claims_no_loss_and_says_so() -> None:
    judgement = judge(PLANTED["42_recording_breaks_off"].plant().history())
    assert judgement.measures["owed"]["lost_pairs"] is None
    assert any("salvaged" in note for note in judgement.notes)


def test_phantoms_of_a_salvaged_part_are_judged_by_the_schedule() -> None:
    p = Planting()
    three(p)
    p.intends("w", "a", at=4)
    p.shown("w", "b", at=4.2, pos=4)
    p.recording_ends(at=5)
    assert failing(judge(p.history())) == {"truncated"}


def test_missing_baseline_is_not_green() -> None:
    p = Planting()
    p.fault(at=0.7, healed=0.8)
    traffic(p, 1, 90, every=1.0)
    judgement = judge(p.history())
    assert judgement.verdict == "unknown"
    assert any("no baseline" in note for note in judgement.notes)


def test_load_that_ends_too_early_cannot_show_a_recovery() -> None:
    p = Planting(load_ends=24)
    traffic(p, 1, 20)
    p.fault(at=20, healed=21)
    for place in range(12):
        p.send(f"no{place}", "a", at=20.25 + place * 0.3, fail=20.3 + place * 0.3)
    judgement = judge(p.history())
    assert judgement.verdict == "unknown"
    assert any("the load ended" in note for note in judgement.notes)


def test_promise_without_enough_samples_is_open() -> None:
    p = Planting()
    p.promise(latency=(LatencyPromise("ack", 0.99, 50_000),))
    p.message("x", "a", at=1, pos=1)
    assert judge(p.history()).verdict == "valid", "even the largest is within"
    p.message("y", "a", at=2, pos=2, took=0.06)
    assert judge(p.history()).verdict == "unknown"


def test_read_back_that_was_not_finished_leaves_the_run_unknown() -> None:
    p = Planting()
    three(p)
    p.no_read_back()
    p.reads("a", "x y z", at=201)
    p.reads("b", "x y z", at=201)
    judgement = judge(p.history())
    assert failing(judgement) == {"drain_incomplete"}
    assert "c did not finish reading g back" in of(judgement, "drain_incomplete")[0].witnesses[0].text


def test_device_that_is_gone_and_does_not_try_is_no_failure_of_the_product() -> None:
    p = Planting()
    p.connects("a b c", at=0)
    three(p)
    p.disconnects("c", at=5)
    assert judge(p.history()).verdict == "unknown"


def test_orders_after_a_clock_fault_prove_nothing_and_before_it_they_do() -> None:
    p = PLANTED["16_right_in_the_log_wrong_in_live"].plant()
    p.send("late", "b", at=10, ok=9.5, pos=3)
    p.shown("late", "a c", at=9.6)
    assert failing(judge(p.history())) == {"clock_fault", "fifo_live", "session_nonmonotonic"}
    p = PLANTED["16_right_in_the_log_wrong_in_live"].plant()
    p.send("early", "b", at=0.9, ok=0.8, pos=3)
    p.shown("early", "a c", at=5)
    judgement = judge(p.history())
    assert (judgement.verdict, failing(judgement)) == ("harness_invalid", {"clock_fault"})


def test_late_generator_counts_only_where_latency_or_recovery_is_judged() -> None:
    p = PLANTED["32b_generator_late_where_latency_is_promised"].plant()
    p.promise(latency=())
    judgement = judge(p.history())
    assert judgement.verdict == "valid"
    assert not of(judgement, "generator_lag")[0].fails


def test_busy_generator_is_late() -> None:
    p = Planting()
    three(p)
    p.promise(latency=(LatencyPromise("ack", 0.5, 1_000_000),))
    p.generator_cpu(0.71)
    assert judge(p.history()).verdict == "harness_invalid"


def test_no_violation_is_told_with_its_bound() -> None:
    p = Planting("a b")
    for place in range(1, 301):
        p.message(f"m{place}", "a", at=place / 4, pos=place)
    assert "no loss in 300 owed deliveries: the rate is up to 0.01 at 95 %" in judge(p.history()).notes


def test_losses_under_faults_are_bounded_by_what_was_in_flight() -> None:
    p = Planting(load_ends=60)
    traffic(p, 1, 50)
    p.fault(at=20.01, healed=21)
    assert any(note.startswith("no loss in 1 send in flight at faults, too few") for note in judge(p.history()).notes)


def test_trimmed_is_counted() -> None:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=4)
    p.shown("w", "b", at=4.2)
    p.trimmed("c", after=3, kept=5, at=5)
    p.gone("w")
    judgement = judge(p.history())
    assert judgement.verdict == "valid"
    assert of(judgement, "trimmed")[0].count == 1


def test_push_is_a_sighting_but_no_delivery() -> None:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, info=7, pos=2, stored=True)
    p.shown("y", "b", at=2.1, via=Via.PUSH)
    judgement = judge(p.history())
    assert failing(judgement) == {"lost"}
    assert of(judgement, "lost")[0].count == 2


# what a kind rests on, and the contract -----------------------------------------------------------------------------------------


def test_what_rests_on_time_and_on_the_generator() -> None:
    by_time = "missed_live late gap gap_filled redelivery fifo_log fifo_live disagreement realtime_inversion session_nonmonotonic"
    by_time += " order_changed own_write_missing watermark_regressed unread_wrong causal_live outage not_recovered latency"
    assert {name for name, kind in KINDS.items() if kind.rests_on_time} == set(by_time.split())
    assert {name for name, kind in KINDS.items() if kind.rests_on_generator} == {"not_recovered", "latency"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"fails": {"clock_fault": False}},
            "contract.fails forgives 'clock_fault', but a run in which that happened proves nothing",
        ),
        ({"fails": {"truncated": False}}, "contract.fails forgives 'truncated'"),
        ({"fails": {"lots": True}}, "contract.fails names 'lots', which is no kind of anomaly"),
        ({"promise_us": 2**53 + 1}, "contract.promise_us is 9007199254740993; give at most 9007199254740992 microseconds"),
        ({"deadline_us": 2**63}, "contract.deadline_us is 9223372036854775808; give at most"),
        ({"retention_us": 2**60}, "contract.retention_us is"),
        ({"outage_budget_us": -1}, "contract.outage_budget_us is -1; give at least 0 microseconds"),
        ({"window_step_us": 4_999}, "contract.window_step_us is 4999; give 5000 to 5000000, at most 1000 steps of window_us"),
        ({"window_step_us": 5_000_001}, "contract.window_step_us is 5000001; give 5000 to 5000000"),
        (
            {"recovery_availability": 99.0},
            "contract.recovery_availability is 99; give a share of the base, more than 0, at most 1",
        ),
        ({"recovery_availability": 0.0}, "contract.recovery_availability is 0; give a share"),
        ({"recovery_latency_ratio": 0.0}, "contract.recovery_latency_ratio is 0; give more than 0"),
        ({"recovery_latency_ratio": float("inf")}, "contract.recovery_latency_ratio is inf; give more than 0"),
        ({"recovery_latency_ratio": float("nan")}, "contract.recovery_latency_ratio is nan; give more than 0"),
        ({"resends_allowed": 2**40}, "contract.resends_allowed is 1099511627776; give 0 to 1000000"),
        ({"latency": (LatencyPromise("ack", 0.5, 2**60),)}, "at_most_us in contract.latency is"),
        ({"latency": (LatencyPromise("ack", 1.5, 5),)}, "contract.latency has the quantile 1.5"),
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    wrong = problem(msgspec.structs.replace(Contract(), **changes))
    assert wrong is not None
    assert wrong.startswith(said)
    assert "\n" not in wrong


@pytest.mark.parametrize(
    "changes",
    [
        {"fails": {"clock_fault": True, "drain_incomplete": True, "lost": False}},
        {"promise_us": 2**53, "retention_us": None, "retention_messages": 1},
        {"window_us": 1, "window_step_us": 1},
        {"window_us": 1_500, "window_step_us": 2},
        {"recovery_availability": 1.0, "recovery_latency_ratio": 0.01, "resends_allowed": 1_000_000},
        {"latency": (LatencyPromise("end_to_end", 1.0, 0),)},
    ],
)
def test_a_contract_that_can_be_meant_is_none_of_our_business(changes: dict[str, Any]) -> None:
    assert problem(msgspec.structs.replace(Contract(), **changes)) is None


@pytest.mark.parametrize("cpu", [-7.0, 71.0, float("nan"), float("inf")])
def test_a_share_of_a_core_that_is_none_is_refused(cpu: float) -> None:
    assert str(header_problem(Header(world="sim", generator_cpu_max=cpu))).startswith("generator_cpu_max is")


def test_a_share_of_the_host_that_is_none_is_refused() -> None:
    assert str(header_problem(Header(world="live", steal_max=1.5))).startswith("steal_max is 1.5")


@pytest.mark.parametrize(("steal", "verdict"), [(0.1, "valid"), (0.11, "harness_invalid")])
def test_a_host_that_others_were_given_has_measured_nothing(steal: float, verdict: str) -> None:
    p = Planting()
    three(p)
    p.promise(latency=(LatencyPromise("ack", 0.5, 1_000_000),))
    history = p.history()
    stolen = dataclasses.replace(history, header=msgspec.structs.replace(history.header, steal_max=steal))
    assert judge(stolen).verdict == verdict


@pytest.mark.parametrize(("lag_us", "verdict"), [(20_000.0, "valid"), (20_001.0, "harness_invalid")])
def test_an_event_loop_of_the_harness_that_is_late_makes_the_server_look_late(lag_us: float, verdict: str) -> None:
    p = Planting()
    three(p)
    p.promise(latency=(LatencyPromise("ack", 0.5, 1_000_000),))
    history = p.history()
    late = dataclasses.replace(history, header=msgspec.structs.replace(history.header, harness_lag_p99_us=lag_us))
    assert judge(late).verdict == verdict
    assert judge(late).measures["generator"]["lag_p99_us"] == lag_us
    unpromised = dataclasses.replace(late, header=msgspec.structs.replace(late.header, contract=Contract()))
    assert judge(unpromised).verdict == "valid"
    assert str(header_problem(Header(world="live", harness_lag_p99_us=-1.0))).startswith("harness_lag_p99_us is -1")


def test_a_header_is_judged_with_its_contract() -> None:
    assert header_problem(Header(world="sim")) is None
    assert header_problem(Header(world="sim", generator_cpu_max=1.0)) is None
    assert str(header_problem(Header(world="sim", load_begin_us=-1))).startswith("load_begin_us is -1")
    assert str(header_problem(Header(world="sim", contract=Contract(promise_us=-1)))).startswith("contract.promise_us")


# where things are proven --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock_at", [25, 27])
def test_an_outage_in_a_record_without_a_schedule_is_placed_by_its_sends(clock_at: int) -> None:
    p = Planting("a b")
    traffic(p, 1, 20, every=1.0)
    for at in range(20, 29):
        p.send(f"no{at}", "a", at=at + 0.5, fail=at + 0.6)
    p.send("early", "b", at=clock_at, written=clock_at + 0.1, ok=clock_at + 0.01)
    history = p.history()
    judgement = judge(only(history, np.flatnonzero(history.kind != Kind.INTEND)))
    rows = [row for anomaly in judgement.anomalies for witness in anomaly.witnesses for row in witness.rows]
    assert min(rows) >= 0
    assert of(judgement, "outage")[0].fails == (clock_at == 27), "the budget was over with the send of 26.5 s"


# the drain ----------------------------------------------------------------------------------------------------------------------


def calm() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    three(p)
    return p


def bounded(p: Planting) -> None:
    p.drain_runs_into_its_bound()


def silent(p: Planting) -> None:
    p.disconnects("c", at=50)


def unread(p: Planting) -> None:
    p.no_read_back()


def unhealed(p: Planting) -> None:
    p.fault(at=50)


def unreachable(p: Planting) -> None:
    p.disconnects("c", at=50)
    p.tries("c", at=180, connection=2)


def switched_off(p: Planting) -> None:
    p.off("c", at=50)
    p.disconnects("c", at=50)


def unread_without_an_audit(p: Planting) -> None:
    p.no_read_back()
    p._phases = [(t, phase) for t, phase in p._phases if phase is not Phase.AUDIT]


@pytest.mark.parametrize("change", [bounded, silent, unread, unhealed])
def test_what_keeps_a_drain_from_being_complete(change: Callable[[Planting], None]) -> None:
    p = calm()
    change(p)
    assert not Case(p.history()).drained
    assert "drain_incomplete" in failing(judge(p.history()))


@pytest.mark.parametrize("change", [lambda p: None, unreachable, switched_off, unread_without_an_audit])
def test_what_does_not_keep_a_drain_from_being_complete(change: Callable[[Planting], None]) -> None:
    p = calm()
    change(p)
    assert Case(p.history()).drained
    assert "drain_incomplete" not in failing(judge(p.history()))


def test_no_bound_is_told_for_losses_that_a_longer_drain_might_have_shown() -> None:
    p = calm()
    assert any(note.startswith("no loss") for note in judge(p.history()).notes)
    p.disconnects("c", at=50)
    assert not any(note.startswith("no loss") for note in judge(p.history()).notes)


def test_who_was_there_is_asked_at_the_last_audit() -> None:
    p = calm()
    p.disconnects("c", at=50)
    p.connects("c", at=195, connection=2)
    p._phases.append((190, Phase.AUDIT))
    assert judge(p.history()).verdict == "valid"


def test_a_device_that_tries_while_a_fault_lasts_is_told_as_that() -> None:
    (found,) = of(judge(PLANTED_LATER["35c_not_let_in_by_a_gateway_that_was_never_healed"].plant().history()), "drain_incomplete")
    texts = [witness.text for witness in found.witnesses]
    assert texts == ["fault 1 (kill of gateway-2 at 20.500 s) was never healed", "d was not connected at the end"]


def test_a_client_that_died_makes_no_latency_infinite() -> None:
    p = calm()
    p.disconnects("c", at=3.5)
    p.send("w", "a", at=3.4, ok=3.42, pos=4)
    p.shown("w", "b", at=3.43)
    assert judge(p.history()).measures["latency"]["end_to_end_live"]["infinite"] == 0
    p.tries("c", at=180, connection=2)
    assert judge(p.history()).measures["latency"]["end_to_end_live"]["infinite"] == 1


# faults and time ----------------------------------------------------------------------------------------------------------------


def test_a_fault_is_healed_by_its_own_heal() -> None:
    p = Planting(load_ends=60)
    traffic(p, 1, 59)
    p.fault(at=20, healed=30, number=1)
    p.fault(at=21, healed=22, number=2)
    p.fault(at=23, healed=24, number=1, node="gateway-2")
    assert [fault.healed_us for fault in Case(p.history()).faults] == [30_000_000, 22_000_000, 24_000_000]


def test_intervals_know_instants_since_1970_of_many_devices() -> None:
    device = np.arange(20_000)
    begin_us = np.where(device == 0, 0, 1_760_000_000_000_000 + device)
    intervals = Intervals(device, begin_us, begin_us + 10)
    assert intervals.meets(device, begin_us + 9, begin_us + 9).all()
    assert not intervals.meets(device, begin_us - 2, begin_us - 1).any()
    assert (intervals.until_us(device, begin_us) == begin_us + 10).all()
    assert (intervals.next_begin_us(device, begin_us - 1) == begin_us).all()
    assert (intervals.next_begin_us(device, begin_us) == -1).all()


def test_windows_without_number_are_judged_in_a_moment() -> None:
    p = Planting("a b", load_ends=90)
    p.promise(window_us=1_000, window_step_us=1)
    traffic(p, 1, 90, every=1.0)
    p.fault(at=20.5, healed=21.5)
    assert judge(p.history()).verdict == "valid"


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_what_was_worked_out_goes_with_the_case(name: str) -> None:
    """Arrays of a million rows do not wait for the collector of cycles, which counts objects and not their size."""
    case = Case(PLANTED[name].plant().history())
    gone = weakref.ref(case)
    gc.disable()
    try:
        verdict.judge_case(case)
        del case
        assert gone() is None
    finally:
        gc.enable()
