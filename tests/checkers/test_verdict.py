"""The verdict: what wins over what, what implies what, and what no judge may pass over in silence."""

from __future__ import annotations

import numpy as np
import pytest

from model.checkers import Anomaly, Judgement, judge, verdict
from model.checkers.case import Case
from model.checkers.findings import Part
from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Header, LatencyPromise, Via
from tests.checkers.planting import Planting, in_conversation
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
