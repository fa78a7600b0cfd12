"""Further histories: what was owed, and who reads back what. Found by trying the judges with histories made from the definitions alone."""

from __future__ import annotations

from model.history.schema import Via
from tests.checkers.planting import Planting
from tests.corpus.entries import Corpus, entry
from tests.corpus.planted import three

PLANTED: Corpus = {}
NEAR_MISSES: Corpus = {}


def anew(p: Planting, name: str, at: float, pos: int) -> None:
    """One more message of a, in the second epoch of the log."""
    p.send(name, "a", at=at, ok=at + 0.02, pos=pos, epoch=2)
    p.shown(name, "a", at + 0.02, via=Via.OWN)
    p.shown(name, "b c", at + 0.03)


def two_logs(p: Planting) -> None:
    """Five messages, and after the log was made anew two more."""
    for number, name in enumerate("vwxyz", start=1):
        p.message(name, "a", at=float(number), pos=number)
    anew(p, "one", at=7, pos=1)
    anew(p, "two", at=8, pos=2)


# what is kept -----------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "01c_only_another_span_is_gone", "lost_stored")
def only_another_span_is_gone() -> Planting:
    p = Planting()
    three(p)
    p.gone("x")
    p.trimmed("c", 2, 4, at=110)
    return p


@entry(PLANTED, "01d_the_same_place_in_an_older_log_is_gone", "lost_stored")
def the_same_place_in_an_older_log_is_gone() -> Planting:
    p = Planting()
    two_logs(p)
    p.gone("one")
    p.trimmed("c", 0, 4, at=110)
    return p


@entry(PLANTED, "01e_within_retention_of_a_new_log", "lost_stored")
def within_retention_of_a_new_log() -> Planting:
    """Of seven messages three are to be kept: the second log's two, and the last of the first."""
    p = Planting()
    p.promise(retention_messages=3)
    two_logs(p)
    p.gone("v", "w", "x", "y", "one")
    return p


@entry(PLANTED, "38b_the_system_spoke_without_a_position_and_one_device_lacks_it", "divergence_final")
def the_system_spoke_without_a_position() -> Planting:
    """Last of four, of which three are to be kept; by position it would stand nowhere."""
    p = Planting("a b")
    p.device("tablet", user="b")
    p.promise(retention_messages=3)
    three(p)
    p.says_itself("note", at=4)
    p.absent("note", "tablet")
    return p


@entry(PLANTED, "24a_a_phantom_far_ahead_lets_nothing_go", "lost_stored phantom")
def a_phantom_far_ahead_lets_nothing_go() -> Planting:
    p = Planting()
    p.promise(retention_messages=3)
    three(p)
    p.gone("x")
    p.send("ghost", "a", at=4, scheduled=False, pos=1000)
    p.shown("ghost", "b", at=4)
    return p


@entry(PLANTED, "03c_said_to_be_gone_before_it_was_sent", "lost")
def said_to_be_gone_before_it_was_sent() -> Planting:
    p = Planting()
    p.trimmed("c", 0, 2, at=0.7)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "b", at=1.03)
    p.message("y", "a", at=2, pos=2)
    return p


@entry(PLANTED, "03d_said_to_be_gone_while_it_was_to_be_kept", "lost")
def said_to_be_gone_while_it_was_to_be_kept() -> Planting:
    """Later, when more had come, it might have been."""
    p = Planting()
    p.promise(retention_messages=2)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "b", at=1.03)
    p.trimmed("c", 0, 2, at=1.5)
    p.message("y", "a", at=2, pos=2)
    p.message("z", "a", at=3, pos=3)
    p.gone("x")
    return p


@entry(NEAR_MISSES, "let_go_by_a_retention_that_spans_two_logs")
def let_go_by_a_retention_that_spans_two_logs() -> Planting:
    p = Planting()
    p.promise(retention_messages=3)
    two_logs(p)
    p.gone("v", "w", "x", "y")
    return p


@entry(NEAR_MISSES, "let_go_by_a_retention_where_nothing_has_a_position")
def let_go_by_a_retention_where_nothing_has_a_position() -> Planting:
    p = Planting()
    p.promise(retention_messages=2)
    for at, name in enumerate("xyz", start=1):
        p.message(name, "a", at=float(at))
    p.gone("x")
    return p


@entry(NEAR_MISSES, "retention_lapses_between_two_read_backs")
def retention_lapses_between_two_read_backs() -> Planting:
    p = Planting()
    p.promise(retention_messages=2)
    three(p)
    p.reads("b", "x y z", at=4)
    p.message("w", "a", at=5, pos=4)
    p.gone("x", "y")
    return p


# who reads back -----------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "01f_read_once_and_then_gone_from_every_history", "lost_stored")
def read_once_and_then_gone_from_every_history() -> Planting:
    p = Planting()
    three(p)
    p.reads("b", "x y z", at=50)
    p.gone("y")
    return p


@entry(PLANTED, "35c_read_back_in_the_middle_of_the_run_only", "drain_incomplete", "unknown")
def read_back_in_the_middle_of_the_run_only() -> Planting:
    """What was sent after it is not missing from it, and no other read-back was completed."""
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    for device in "abc":
        p.reads(device, "x", at=1.5)
    p.message("y", "a", at=2, pos=2)
    p.no_read_back()
    p.reads("a", "x y", at=201)
    return p


@entry(PLANTED, "37b_a_history_that_flaps", "history_shrank")
def a_history_that_flaps() -> Planting:
    p = Planting()
    three(p)
    p.reads("b", "x y z", at=50)
    p.reads("b", "x z", at=60)
    return p


@entry(PLANTED, "37c_shown_and_not_in_the_next_history", "history_shrank")
def shown_and_not_in_the_next_history() -> Planting:
    p = Planting()
    three(p)
    p.reads("b", "x z", at=50)
    return p


@entry(PLANTED, "03e_a_later_phone_does_not_find_what_was_said", "lost")
def a_later_phone_does_not_find_what_was_said() -> Planting:
    """b's only device is registered when x was long said: nothing is owed to it live, but its history is."""
    p = Planting("a c", {})
    p.joins("g", "a b c")
    p.message("x", "a", at=1, pos=1)
    p.device("b2", user="b", at=50)
    p.message("y", "a", at=60, pos=2)
    p.absent("x", "b2")
    return p


@entry(NEAR_MISSES, "only_a_joiner_who_must_not_see_it_reads_back")
def only_a_joiner_who_must_not_see_it_reads_back() -> Planting:
    p = Planting("a b")
    p.promise(history_hidden=True)
    p.message("x", "a", at=1, pos=1)
    p.leaves("g", "a b", at=10)
    p.device("c", at=15)
    p.joins("g", "c", at=20)
    p.gone("x")
    return p


@entry(NEAR_MISSES, "read_back_in_the_middle_of_the_run_too")
def read_back_in_the_middle_of_the_run_too() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.reads("b", "x", at=1.5)
    p.message("y", "a", at=2, pos=2)
    return p


# whom it is for ------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "26c_the_system_speaks_to_a_stranger", "misdelivery")
def the_system_speaks_to_a_stranger() -> Planting:
    p = Planting("a b c", {"g": "a b"})
    p.message("x", "a", at=1, pos=1)
    p.says_itself("welcome", at=2, pos=2)
    p.shown("welcome", "a b c", at=2.1)
    return p


@entry(PLANTED, "39a_came_by_sync_before_the_phone_was_switched_off", "missed_live")
def came_by_sync_before_the_phone_was_switched_off() -> Planting:
    p = Planting()
    p.promise(live_promised=True)
    p.connects("a b c", at=0)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "b", at=1.03)
    p.shown("x", "c", at=4, via=Via.SYNC)
    p.off("c", at=50)
    return p


@entry(NEAR_MISSES, "leaves_before_it_has_caught_up")
def leaves_before_it_has_caught_up() -> Planting:
    """A sync that ended before its absence began is no catch-up from it."""
    p = Planting()
    p.connects("a b c", at=0)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "b", at=1.03)
    p.sync("c", 0, 0, at=1.01, done=1.03)
    p.disconnects("c", at=1.04)
    p.leaves("g", "c", at=3)
    p.connects("c", at=4, connection=2)
    return p


@entry(NEAR_MISSES, "whoever_forgives_a_loss_forgives_its_gap")
def whoever_forgives_a_loss_forgives_its_gap() -> Planting:
    p = Planting()
    p.promise(fails={"lost": False})
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b", at=2.03)
    p.message("z", "a", at=3, pos=3)
    return p


@entry(PLANTED, "07a_a_gap_that_the_contract_names_itself", "gap")
def a_gap_that_the_contract_names_itself() -> Planting:
    p = whoever_forgives_a_loss_forgives_its_gap()
    p.promise(fails={"lost": False, "gap": True})
    return p
