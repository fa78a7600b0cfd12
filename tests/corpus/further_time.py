"""Further histories: latency, recovery, the harness. Found by trying the judges with histories made from the definitions alone."""

from __future__ import annotations

from model.history.schema import FaultKind, Kind, LatencyPromise, Phase, Via
from tests.checkers.planting import AUDIT_S, Planting
from tests.corpus.entries import Corpus, entry
from tests.corpus.planted import three, traffic

PLANTED: Corpus = {}
NEAR_MISSES: Corpus = {}

LONG_US = 60_000_000
"""An outage budget that no history here exceeds, where the recovery is what matters."""


def steady(p: Planting, begin: int, end: int, *, took: float = 0.02) -> None:
    """One send each second."""
    traffic(p, begin, end, every=1.0, took=took)


def refused(p: Planting, begin: int, end: int, sender: str = "a", every: int = 1) -> None:
    """Sends that fail at once."""
    for at in range(begin, end, every):
        p.send(f"no{sender}{at}", sender, at=at + 0.5, fail=at + 0.52)


def unsure(p: Planting, name: str, at: float) -> None:
    """Handed over a millisecond before it was intended: from here on the clock proves nothing."""
    p.send(name, "b", at=at, invoked=at - 0.001, written=at, ok=at + 0.02, pos=1000)
    p.shown(name, "b", at=at + 0.02, via=Via.OWN)
    p.shown(name, "a", at=at + 0.03)


def phases(p: Planting, *begun: tuple[float, Phase]) -> None:
    """Other phases than the usual ones, from the end of the load on."""
    p._phases = [(t, phase) for t, phase in p._phases if phase in (Phase.WARM_UP, Phase.MEASURE)] + list(begun)


def fault_row(
    p: Planting, kind: Kind, at: float, *, number: int = 1, node: str = "gateway-1", what: FaultKind = FaultKind.KILL
) -> None:
    """One row of a fault, alone."""
    p._row(kind, at, node=node, value=number, code=what)


# recovery ---------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "30a_refused_until_the_load_ends_before_the_drain", "not_recovered")
def refused_until_the_load_ends() -> Planting:
    p = Planting("a b", load_ends=80)
    p.promise(outage_budget_us=LONG_US)
    steady(p, 1, 20)
    p.fault(at=20, healed=21)
    refused(p, 20, 35)
    return p


@entry(NEAR_MISSES, "load_that_ends_within_the_fault", verdict="unknown")
def load_that_ends_within_the_fault() -> Planting:
    p = Planting("a b", load_ends=60)
    steady(p, 1, 20)
    p.fault(at=20, healed=40)
    refused(p, 20, 24)
    return p


@entry(PLANTED, "30b_after_a_pause_nothing_is_accepted", "not_recovered")
def after_a_pause_nothing_is_accepted() -> Planting:
    p = Planting("a b", load_ends=50)
    p.promise(outage_budget_us=LONG_US)
    steady(p, 1, 20)
    p.fault(at=20, healed=21)
    refused(p, 31, 50)
    return p


@entry(NEAR_MISSES, "after_a_pause_all_is_as_before")
def after_a_pause_all_is_as_before() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 20)
    p.fault(at=20, healed=21)
    steady(p, 31, 50)
    return p


@entry(NEAR_MISSES, "as_many_unanswered_before_the_fault_as_after")
def as_many_unanswered_before_as_after() -> Planting:
    p = Planting("a b", load_ends=50)
    p.fault(at=20.5, healed=21.5)
    for at in range(1, 50):
        if at % 5:
            p.message(f"m{at}", "a", at=at, pos=at)
        else:
            p.send(f"m{at}", "a", at=at, info=at + 0.5)
    return p


@entry(PLANTED, "30c_slow_after_the_fault_in_a_record_without_answers", "not_recovered")
def slow_in_a_record_without_answers() -> Planting:
    p = Planting("a b", load_ends=50)
    p.fault(at=20, healed=21)
    for at in range(1, 50):
        p.send(f"m{at}", "a", at=at, pos=at, stored=True)
        p.shown(f"m{at}", "b", at=at + (0.03 if at < 20 else 0.4))
    return p


@entry(NEAR_MISSES, "a_class_that_had_no_base", verdict="unknown")
def a_class_that_had_no_base() -> Planting:
    p = Planting("a b c", {"g": "a b", "alone": "c"}, load_ends=50)
    p.fault(at=20, healed=21)
    for at in range(1, 50):
        p.message(f"c{at}", "c", at=at, pos=at, group="alone")
        if at > 20:
            p.send(f"a{at}", "a", at=at + 0.5, ok=at + 0.52, pos=at)
            p.shown(f"a{at}", "b", at=at + 4.5)
    return p


# outage -----------------------------------------------------------------------------------------------------------------------


ODD = range(1, 12, 2)


def twelve_pairs(home: str) -> Planting:
    """Twelve senders, each of a send in twelve seconds; the odd ones have this home."""
    p = Planting("", {}, load_ends=50)
    for n in range(12):
        p.device(f"s{n}", home=home if n in ODD else "gateway-1")
        p.device(f"r{n}")
        p.joins(f"g{n}", f"s{n} r{n}")
    return p


def half_refused(p: Planting) -> None:
    """For ten seconds the odd senders are refused, each once."""
    for at in range(3, 48):
        n = at % 12
        if n in ODD and 18 <= at < 28:
            p.send(f"m{at}", f"s{n}", at=at, group=f"g{n}", fail=at + 0.02)
        else:
            p.message(f"m{at}", f"s{n}", at=at, group=f"g{n}", pos=at)


@entry(PLANTED, "29b_the_gateway_that_devices_moved_to_is_dead", "outage")
def the_gateway_that_devices_moved_to_is_dead() -> Planting:
    p = twelve_pairs("gateway-1")
    for n in ODD:
        p.connects(f"s{n}", at=0)
        p.connects(f"s{n}", at=2, connection=2, node="gateway-2")
    half_refused(p)
    return p


@entry(PLANTED, "29c_a_dead_gateway_of_devices_without_a_home", "outage")
def a_dead_gateway_of_devices_without_a_home() -> Planting:
    p = twelve_pairs("")
    for n in ODD:
        p.connects(f"s{n}", at=0, node="gateway-2")
    half_refused(p)
    return p


@entry(NEAR_MISSES, "the_gateway_that_devices_moved_away_from")
def the_gateway_that_devices_moved_away_from() -> Planting:
    p = twelve_pairs("gateway-2")
    for n in ODD:
        p.connects(f"s{n}", at=0)
        p.connects(f"s{n}", at=2, connection=2, node=f"gateway-{3 + n}")
    half_refused(p)
    return p


# what a clock cannot prove ----------------------------------------------------------------------------------------------------


@entry(PLANTED, "32d_latency_after_the_clock_was_wrong", "clock_fault", "harness_invalid")
def latency_after_the_clock_was_wrong() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 0.5, 200_000),))
    unsure(p, "early", at=1)
    steady(p, 2, 20, took=0.4)
    return p


@entry(PLANTED, "32e_no_recovery_after_the_clock_was_wrong", "clock_fault", "harness_invalid")
def no_recovery_after_the_clock_was_wrong() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 20)
    p.fault(at=20, healed=21)
    unsure(p, "early", at=21)
    steady(p, 22, 50, took=0.4)
    return p


@entry(PLANTED, "32f_an_outage_that_grew_too_long_after_the_clock_was_wrong", "clock_fault", "harness_invalid")
def an_outage_that_grew_too_long_after_the_clock_was_wrong() -> Planting:
    p = Planting("a b")
    steady(p, 1, 20)
    refused(p, 20, 27)
    unsure(p, "early", at=24)
    steady(p, 30, 40)
    return p


@entry(PLANTED, "32g_an_outage_too_long_before_the_clock_was_wrong", "outage clock_fault")
def an_outage_too_long_before_the_clock_was_wrong() -> Planting:
    p = Planting("a b")
    steady(p, 1, 20)
    refused(p, 20, 40)
    unsure(p, "early", at=38)
    steady(p, 41, 50)
    return p


# latency ----------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "31b_the_slowest_answer_was_promised_too", "latency")
def the_slowest_answer_was_promised_too() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 1.0, 200_000),))
    steady(p, 1, 10)
    p.message("slow", "a", at=10, pos=10, took=0.9)
    return p


@entry(NEAR_MISSES, "even_the_slowest_answer_as_promised")
def even_the_slowest_answer_as_promised() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 1.0, 200_000), LatencyPromise("end_to_end", 1.0, 200_000)))
    steady(p, 1, 10)
    return p


def breaks_off(p: Planting, every: float, took: float, at: float) -> None:
    """A recording that breaks off while sends are under way, all of which take as long."""
    for n in range(1, int(at / every)):
        begun = round(n * every, 6)
        p.send(f"m{n}", "a", at=begun, ok=begun + took if begun + took < at else None, pos=n)
        if begun + took < at:
            p.shown(f"m{n}", "b", at=begun + took)
    p.recording_ends(at=at)


@entry(PLANTED, "42c_answers_under_way_when_the_recording_breaks_off", "truncated", "unknown")
def answers_under_way() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 0.5, 3_000_000), LatencyPromise("end_to_end", 0.5, 3_000_000)))
    breaks_off(p, every=0.25, took=2.0, at=2.6)
    return p


@entry(PLANTED, "42d_unanswered_for_longer_than_promised_when_it_breaks_off", "truncated latency")
def unanswered_for_longer_than_promised() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 0.5, 7_000_000),), outage_budget_us=LONG_US)
    steady(p, 1, 4)
    for at in range(4, 10):
        p.send(f"open{at}", "a", at=at)
    p.message("last", "a", at=17.5, pos=4)
    p.recording_ends(at=18)
    return p


@entry(PLANTED, "42e_unanswered_for_less_than_promised_when_it_breaks_off", "truncated", "unknown")
def unanswered_for_less_than_promised() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 0.5, 20_000_000),), outage_budget_us=LONG_US)
    steady(p, 1, 4)
    for at in range(4, 10):
        p.send(f"open{at}", "a", at=at)
    p.message("last", "a", at=17.5, pos=4)
    p.recording_ends(at=18)
    return p


@entry(PLANTED, "42f_a_fault_planned_for_after_the_recording_broke_off", "truncated", "unknown")
def a_fault_planned_for_later() -> Planting:
    p = Planting()
    three(p)
    p.fault(at=40, proven=False)
    p.recording_ends(at=5)
    return p


def some_unanswered(info: bool) -> Planting:
    """A third of the sends never ok, and a drain that ran into its bound."""
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 0.5, 200_000),))
    for at in range(1, 31):
        if at % 3:
            p.send(f"m{at}", "a", at=at, info=at + 6.0 if info else None)
        else:
            p.message(f"m{at}", "a", at=at, pos=at)
    p.promise(outage_budget_us=LONG_US)
    p.drain_runs_into_its_bound()
    return p


@entry(PLANTED, "35a_answers_that_a_longer_drain_might_have_brought", "drain_incomplete", "unknown")
def answers_that_a_longer_drain_might_have_brought() -> Planting:
    return some_unanswered(info=False)


@entry(PLANTED, "31c_given_up_whatever_the_drain_might_have_brought", "latency drain_incomplete")
def given_up_whatever_the_drain_might_have_brought() -> Planting:
    return some_unanswered(info=True)


# faults and their proofs ------------------------------------------------------------------------------------------------------


@entry(PLANTED, "33a_another_node_was_killed", "fault_unproven", "unknown")
def another_node_was_killed() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    p.fault(at=20.5, proven=False)
    fault_row(p, Kind.FAULT_BEGUN, 20.5, node="gateway-2")
    fault_row(p, Kind.FAULT_HEALED, 21.5, node="gateway-2")
    return p


@entry(PLANTED, "33b_cut_where_a_kill_was_planned", "fault_unproven", "unknown")
def cut_where_a_kill_was_planned() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    p.fault(at=20.5, proven=False)
    fault_row(p, Kind.FAULT_BEGUN, 20.5, what=FaultKind.CUT)
    return p


@entry(PLANTED, "33c_two_faults_planned_and_one_proven", "fault_unproven", "unknown")
def two_faults_planned_and_one_proven() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    p.fault(at=20.5, healed=21.5)
    p.fault(at=30.5, proven=False)
    return p


@entry(NEAR_MISSES, "one_fault_planned_and_proven_twice")
def one_fault_planned_and_proven_twice() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    p.fault(at=20.5, healed=21.5)
    p.fault(at=30.5, healed=31.5)
    return p


@entry(NEAR_MISSES, "a_cut_is_healed_at_once")
def a_cut_is_healed_at_once() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    fault_row(p, Kind.FAULT_PLANNED, 20.5, what=FaultKind.CUT)
    fault_row(p, Kind.FAULT_BEGUN, 20.5, what=FaultKind.CUT)
    return p


@entry(PLANTED, "35b_a_fault_that_was_never_healed", "drain_incomplete", "unknown")
def a_fault_that_was_never_healed() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    p.fault(at=20.5, node="business")
    return p


@entry(PLANTED, "35c_not_let_in_by_a_gateway_that_was_never_healed", "drain_incomplete", "unknown")
def not_let_in_by_a_gateway_that_was_never_healed() -> Planting:
    p = Planting("a b", load_ends=50)
    p.device("d", home="gateway-2")
    p.connects("a b d", at=0)
    steady(p, 1, 50)
    p.fault(at=20.5, node="gateway-2")
    p.disconnects("d", at=20.5)
    for n in range(2, 90):
        p.tries("d", at=20 + 2 * n, connection=n)
        p.disconnects("d", at=20.1 + 2 * n, connection=n)
    return p


@entry(PLANTED, "35d_healed_by_the_heal_of_another_fault", "drain_incomplete", "unknown")
def healed_by_the_heal_of_another_fault() -> Planting:
    p = Planting("a b", load_ends=50)
    steady(p, 1, 50)
    p.fault(at=20.5)
    p.fault(at=25.5, healed=26.5, number=2)
    return p


# the drain and the audit ------------------------------------------------------------------------------------------------------


@entry(PLANTED, "35e_the_drain_began_anew_and_nothing_was_quiet_after", "drain_incomplete", "unknown")
def the_drain_began_anew() -> Planting:
    p = Planting()
    three(p)
    phases(p, (100, Phase.DRAIN), (110, Phase.QUIET), (112, Phase.DRAIN), (AUDIT_S, Phase.AUDIT), (210, Phase.END))
    return p


@entry(NEAR_MISSES, "the_drain_began_anew_and_all_was_quiet_after")
def the_drain_began_anew_and_all_was_quiet_after() -> Planting:
    p = Planting()
    three(p)
    phases(
        p,
        (100, Phase.DRAIN),
        (110, Phase.QUIET),
        (112, Phase.DRAIN),
        (120, Phase.QUIET),
        (AUDIT_S, Phase.AUDIT),
        (210, Phase.END),
    )
    return p


@entry(PLANTED, "35f_an_audit_in_which_nobody_read_back", "drain_incomplete", "unknown")
def an_audit_in_which_nobody_read_back() -> Planting:
    p = Planting()
    three(p)
    p.no_read_back()
    return p


@entry(PLANTED, "35g_read_back_long_before_the_audit_only", "drain_incomplete", "unknown")
def read_back_long_before_the_audit_only() -> Planting:
    p = Planting()
    three(p)
    for device in "abc":
        p.reads(device, "x y z", at=50)
    p.no_read_back()
    return p


@entry(NEAR_MISSES, "no_audit_and_nobody_read_back")
def no_audit_and_nobody_read_back() -> Planting:
    p = Planting()
    three(p)
    phases(p, (100, Phase.DRAIN), (110, Phase.QUIET), (210, Phase.END))
    p.no_read_back()
    return p


# a client that died -----------------------------------------------------------------------------------------------------------


def a_client_that_falls_silent(*, deaf_from: int, silent_from: int) -> Planting:
    """One of three is shown nothing from an instant on, and is not heard of again from another."""
    p = Planting(load_ends=60)
    p.connects("a b c", at=0)
    names = [f"m{at}" for at in range(1, 50)]
    for at, name in enumerate(names, start=1):
        p.send(name, "a", at=at, ok=at + 0.02, pos=at)
        p.shown(name, "a", at=at + 0.02, via=Via.OWN)
        p.shown(name, "b" if at >= deaf_from else "b c", at=at + 0.03)
        if at >= silent_from:
            p.intends(f"c{at}", "c", at=at + 0.5)
    p.disconnects("c", at=silent_from)
    p.no_read_back()
    p.reads("a", " ".join(names), at=AUDIT_S + 1)
    p.reads("b", " ".join(names), at=AUDIT_S + 1)
    return p


@entry(PLANTED, "35h_a_client_that_died_and_would_have_got_more", "drain_incomplete", "unknown")
def a_client_that_died() -> Planting:
    return a_client_that_falls_silent(deaf_from=20, silent_from=20)


@entry(PLANTED, "29d_connected_and_deaf_before_its_client_died", "outage drain_incomplete")
def deaf_before_it_died() -> Planting:
    return a_client_that_falls_silent(deaf_from=20, silent_from=40)
