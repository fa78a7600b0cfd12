"""Further histories: orders, agreement and reads. Found by trying the judges with histories made from the definitions alone."""

from __future__ import annotations

from model.history.schema import Via
from tests.checkers.planting import Planting
from tests.corpus.entries import Corpus, entry
from tests.corpus.further_loss import two_logs
from tests.corpus.planted import three, two_phones

PLANTED: Corpus = {}
NEAR_MISSES: Corpus = {}


# orders -------------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "12b_positions_that_only_the_senders_heard_of", "session_nonmonotonic")
def positions_that_only_the_senders_heard_of() -> Planting:
    p = Planting()
    p.unordered_read_back()
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.send("y", "b", at=1, ok=1.03, pos=2)
    p.shown("y", "c", at=1.04, pos=0)
    p.shown("x", "c", at=1.05, pos=0)
    p.shown("x", "b", at=1.04, pos=0)
    p.shown("y", "a", at=1.04, pos=0)
    return p


# agreement ----------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "38a_two_devices_of_a_user_end_with_other_content", "corrupt divergence_final")
def two_devices_of_a_user_end_with_other_content() -> Planting:
    p = two_phones()
    p.no_read_back()
    for device in "abc":
        p.reads(device, "x y z", at=201)
    p.reads_as("b2", "x y z", at=201, other="y", content=99)
    return p


@entry(PLANTED, "21b_missing_from_the_sync_after_one_that_was_given_up", "own_write_missing")
def missing_from_the_sync_after_one_that_was_given_up() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.message("x", "b", at=1, pos=1)
    p.asks("a", 0, at=1.5)
    p.disconnects("a", at=1.6)
    p.connects("a", at=1.7, connection=2)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b c", at=2.03)
    p.message("z", "b", at=3, pos=3)
    p.sync("a", 1, 3, at=5, done=5.2, connection=2)
    p.wired("z", "a", at=5.1, via=Via.SYNC, connection=2)
    return p


@entry(PLANTED, "21c_recalled_only_after_the_sync_that_missed_it", "own_write_missing")
def recalled_only_after_the_sync_that_missed_it() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.message("x", "b", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b c", at=2.03)
    p.message("z", "b", at=3, pos=3)
    p.sync("a", 1, 3, at=5, done=5.2)
    p.wired("z", "a", at=5.1, via=Via.SYNC)
    p.recalls("y", "a", at=9)
    return p


@entry(PLANTED, "37d_recalled_only_after_the_history_that_lacks_it", "history_shrank")
def recalled_only_after_the_history_that_lacks_it() -> Planting:
    p = Planting()
    three(p)
    p.reads("b", "x z", at=50)
    p.recalls("y", "a", at=60)
    return p


@entry(NEAR_MISSES, "a_history_without_hashes_beside_one_with_an_edit")
def a_history_without_hashes_beside_one_with_an_edit() -> Planting:
    p = two_phones()
    p.edits("y", "a", at=10, content=99)
    p.no_read_back()
    for device in ("a", "b", "c"):
        p.reads_as(device, "x y z", at=201, other="y", content=99)
    p.reads_as("b2", "x y z", at=201, other="y", content=0)
    return p


# reads --------------------------------------------------------------------------------------------------------------------------


@entry(NEAR_MISSES, "two_questions_answered_in_their_order")
def two_questions_answered_in_their_order() -> Planting:
    p = two_phones()
    p.counts_asked("b2", at=3.5)
    p.message("w", "a", at=4, pos=4)
    p.counts_asked("b2", at=4.5)
    p.counts("b2", 3, at=5)
    p.counts("b2", 4, at=5.1)
    return p


@entry(PLANTED, "23d_a_question_that_its_connection_did_not_outlive", "unread_wrong")
def a_question_that_its_connection_did_not_outlive() -> Planting:
    p = two_phones()
    p.connects("a b b2 c", at=0)
    p.counts_asked("b2", at=3.5)
    p.disconnects("b2", at=3.6)
    p.connects("b2", at=3.7, connection=2)
    p.message("w", "a", at=4, pos=4)
    p.counts("b2", 3, asked=5, at=5.1)
    return p


@entry(PLANTED, "23e_a_later_phone_counts_what_was_said_before_it", "unread_wrong")
def a_later_phone_counts_what_was_said_before_it() -> Planting:
    p = Planting()
    three(p)
    p.device("b2", user="b", at=50)
    p.counts("b2", 0, asked=60, at=60.1)
    return p


@entry(PLANTED, "23f_recalled_only_after_it_was_not_counted", "unread_wrong")
def recalled_only_after_it_was_not_counted() -> Planting:
    p = two_phones()
    p.counts("b2", 2, asked=6, at=6.1)
    p.recalls("y", "a", at=9)
    return p


@entry(PLANTED, "23g_read_in_a_log_that_is_no_more_and_counted_again", "unread_wrong")
def read_in_a_log_that_is_no_more_and_counted_again() -> Planting:
    p = Planting()
    two_logs(p)
    p.marks("b", 5, at=6, confirmed=6.1)
    p.marks("b", 1, at=9, confirmed=9.1, epoch=2)
    p.counts("b", 6, asked=120, at=120.1)
    return p


@entry(NEAR_MISSES, "marks_that_name_no_epoch")
def marks_that_name_no_epoch() -> Planting:
    p = two_phones()
    p.marks("b", 2, at=6, confirmed=6.1, epoch=0)
    p.counts("b2", 1, asked=7, at=7.1)
    p.hears_of_mark("b2", 2, at=8)
    return p
