"""What a leg says, and what legs add up to."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.checkers import verdict
from model.checkers.case import Case
from model.history.columns import History
from model.history.schema import FaultKind
from scenarios.running import exits
from scenarios.soaking.command import exit_code
from scenarios.soaking.conduct import Soak, soak_folder
from scenarios.soaking.tally import Counts, Leg, Rate, Sum, judged, rates
from scenarios.soaking.told import told
from tests.checkers.planting import Planting
from tests.soak.simulated import ORDER, with_messages


def quiet_leg() -> Planting:
    """Three messages; the second is in flight when the gateway is killed, the third when it is drained."""
    p = Planting("a b c")
    p.message("x", "a", at=1, pos=1)
    p.message("y", "a", at=1.99, pos=2, took=0.02)
    p.fault(at=2, healed=3)
    p.message("z", "b", at=4.99, pos=3, took=0.02)
    p.fault(at=5, healed=6, kind=FaultKind.DRAIN)
    return p


def said(p: Planting) -> Leg:
    return judged(p.history(), 1, 7)


def test_a_clean_leg_counts_messages_deliveries_and_sends_in_flight_at_kills() -> None:
    leg = said(quiet_leg())
    assert leg == Leg(1, 7, Counts(ok=3, accepted=3, owed=6, in_flight=1, kills=1, drains=1))


def test_a_loss_in_flight_at_a_kill_is_counted_by_message_by_delivery_by_send_and_by_kill() -> None:
    p = quiet_leg()
    p.send("gone", "a", at=1.995, ok=2.01, pos=4)
    leg = said(p)
    assert leg.found["lost"] == 2
    counts = leg.counts
    assert (counts.lost, counts.lost_owed, counts.lost_in_flight, counts.kills_with_loss) == (1, 2, 1, 1)
    assert (counts.accepted, counts.owed, counts.in_flight, counts.kills) == (4, 8, 2, 1)


def test_a_loss_that_was_not_in_flight_is_none_of_a_kill() -> None:
    p = quiet_leg()
    p.send("gone", "a", at=3.5, ok=3.6, pos=4)
    counts = said(p).counts
    assert (counts.lost, counts.lost_in_flight, counts.kills_with_loss) == (1, 0, 0)


def test_what_was_answered_and_not_yet_shown_to_everyone_is_in_flight_for_as_long_as_the_promise() -> None:
    p = quiet_leg()
    p.send("under_way", "a", at=1.9, ok=1.95, pos=4)
    p.shown("under_way", "b", at=1.96)
    p.shown("under_way", "c", at=2.1)
    p.send("waits_for_c", "a", at=0.6, ok=0.7, pos=5)
    p.shown("waits_for_c", "b", at=0.71)
    p.shown("waits_for_c", "c", at=2.1)
    p.message("done", "b", at=1.5, pos=6)
    assert said(p).counts.in_flight == 1 + 1


def test_what_was_not_yet_answered_is_in_flight_however_long_it_waits() -> None:
    p = quiet_leg()
    p.send("waits", "a", at=0.5, ok=2.5, pos=4)
    p.shown("waits", "b c", at=2.51)
    p.send("refused", "b", at=0.6, fail=2.5)
    assert said(p).counts.in_flight == 1 + 2


def test_what_is_told_sent_when_it_is_written_is_lost_in_flight() -> None:
    p = quiet_leg()
    p.send("unheard", "a", at=1.99, ok=1.99, stored=False)
    counts = said(p).counts
    assert (counts.lost, counts.lost_in_flight, counts.kills_with_loss) == (1, 1, 1)


def test_a_message_in_no_history_is_lost_though_it_was_shown() -> None:
    p = quiet_leg()
    p.message("forgotten", "c", at=10, pos=4)
    p.gone("forgotten")
    leg = said(p)
    assert set(leg.found) == {"lost_stored"}
    assert (leg.counts.lost, leg.counts.lost_owed) == (1, 0)


def test_what_is_shown_twice_and_what_is_out_of_order() -> None:
    p = quiet_leg()
    p.shown("x", "b", at=1.5)
    p.send("u", "a", at=10, ok=10.1, pos=4)
    p.send("v", "a", at=11, ok=11.1, pos=5)
    p.shown("v", "b c", at=11.2)
    p.shown("u", "b c", at=11.3)
    counts = said(p).counts
    assert (counts.shown_twice, counts.out_of_order, counts.lost) == (1, 1, 0)


def test_a_late_generator_is_told_and_does_not_set_a_leg_aside() -> None:
    p = quiet_leg()
    p.send("late", "a", at=20, invoked=21, ok=21.1, pos=4)
    p.shown("late", "b c", at=21.2)
    leg = said(p)
    assert leg.was_late
    assert leg.counts.ok == 4
    assert not leg.set_aside


def test_a_fault_without_proof_sets_a_leg_aside_and_nothing_of_it_is_counted() -> None:
    p = quiet_leg()
    p.fault(at=30, proven=False)
    leg = said(p)
    assert leg.counts == Counts()
    assert "fault_unproven" in leg.set_aside[0]
    assert not leg.found


def test_what_is_proven_in_a_leg_that_is_set_aside_is_found() -> None:
    p = quiet_leg()
    p.shown("x", "b", at=1.5)
    p.fault(at=30, proven=False)
    leg = said(p)
    assert leg.set_aside
    assert leg.found == {"dup_app": 1}


def test_a_judge_that_crashes_sets_a_leg_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(case: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setitem(verdict.JUDGES, "order", crash)
    leg = said(quiet_leg())
    assert leg.counts == Counts()
    assert "the judge of order crashed" in leg.set_aside[0]


# sums --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ends", "crashes"), [((2.0, 5.1), 0), ((2.0, 2.6, 5.1), 1), ((2.0, 2.6, 3.0, 5.1), 2), ((), 0)])
def test_a_process_that_ends_though_no_fault_ended_it_is_a_crash(ends: tuple[float, ...], crashes: int) -> None:
    """Also of a node that a fault has struck before."""
    p = quiet_leg()
    for at in ends:
        p.exits(at)
    assert said(p).crashes == crashes


def test_a_soak_in_which_the_server_crashed_has_found_something(tmp_path: Path) -> None:
    """Though no message is known to be lost, and its leg does not count: nobody could say what it would have done."""
    order = with_messages(ORDER, 1)
    soak = Soak(order, soak_folder(tmp_path, order))
    soak.total = Sum().plus(Leg(1, 1, Counts(ok=9))).plus(Leg(2, 2, set_aside=("truncated",), crashes=1))
    assert exit_code(soak) == exits.INVALID
    assert "1 end of the server's processes that no fault had brought about" in told(soak).splitlines()[0]
    assert soak.contract()["crashes"] == 1


def counted(number: int, counts: Counts, **more: object) -> Leg:
    return Leg(number, number, counts, **more)  # type: ignore[arg-type]


def test_legs_add_up() -> None:
    legs = [
        counted(1, Counts(ok=10, accepted=11, kills=2)),
        counted(2, Counts(ok=20, accepted=20, kills=3, lost=1), found={"lost": 4}, was_late=True),
        Leg(3, 3, found={"lost": 1, "phantom": 2}, set_aside=("truncated",), crashes=2),
    ]
    total = Sum()
    for leg in legs:
        total = total.plus(leg)
    assert total.counts == Counts(ok=30, accepted=31, kills=5, lost=1)
    assert (total.legs, total.late_legs) == (2, 1)
    assert total.found == {"lost": 5, "phantom": 2}
    assert total.crashes == 2
    assert total.set_aside == (legs[2],)


def rate(counts: Counts, name: str, of: str) -> Rate:
    (found,) = [rate for rate in rates(counts) if (rate.name, rate.of) == (name, of)]
    return found


def test_none_in_three_million_is_a_rate_of_at_most_one_in_a_million() -> None:
    lost = rate(Counts(accepted=3_000_000), "lost", "messages")
    assert (lost.found, lost.n, lost.low) == (0, 3_000_000, 0.0)
    assert lost.high == pytest.approx(1e-6, rel=0.01)


def test_what_was_found_has_an_exact_interval() -> None:
    lost = rate(Counts(in_flight=100, lost_in_flight=10), "lost", "sends in flight at a kill")
    assert lost.found == 10
    assert lost.low == pytest.approx(0.0490, abs=1e-4)  # Clopper-Pearson, 10 of 100
    assert lost.high == pytest.approx(0.1762, abs=1e-4)


def test_where_nothing_was_counted_there_is_no_bound() -> None:
    assert all((rate.n, rate.low, rate.high) == (0, None, None) for rate in rates(Counts()))


def test_a_history_is_judged_the_same_by_a_case_of_ones_own() -> None:
    history: History = quiet_leg().history()
    assert verdict.judge(history) == verdict.judge_case(Case(history))
