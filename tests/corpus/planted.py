"""Planted histories, numbered as in the definitions; those with a letter are further ones of the same kind."""

from __future__ import annotations

from model.history.schema import LatencyPromise, SendClass, Via
from tests.checkers.planting import Planting
from tests.corpus.entries import Corpus, entry

PLANTED: Corpus = {}


def three(p: Planting, sender: str = "a") -> None:
    """x, y, z of one sender at positions 1, 2, 3, all in order."""
    for number, name in enumerate("xyz", start=1):
        p.message(name, sender, at=float(number), pos=number)


def traffic(p: Planting, begin: float, end: float, *, every: float = 0.5, sender: str = "a", took: float = 0.02) -> None:
    """Sends at a steady rate, in order, named by their place."""
    at = begin
    while at < end:
        place = len(p._messages) + 1
        p.message(f"{sender}{place}", sender, at, pos=place, took=took)
        at = round(at + every, 6)


# loss -------------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "01_acked_absent_everywhere", "lost_stored")
def acked_absent_everywhere() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.gone("y")
    p.message("z", "a", at=3, pos=3)
    return p


@entry(PLANTED, "02_acked_absent_everywhere_at_the_head", "lost_stored")
def acked_absent_everywhere_at_the_head() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.gone("x")
    p.message("y", "a", at=2, pos=2)
    p.message("z", "a", at=3, pos=3)
    return p


@entry(PLANTED, "03_lost_for_one_of_five", "lost")
def lost_for_one_of_five() -> Planting:
    p = Planting("a b c d e f")
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b c d e", at=2.03)
    return p


@entry(PLANTED, "04_one_loss_and_one_duplicate", "lost dup_app")
def one_loss_and_one_duplicate() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b", at=2.03)
    p.shown("y", "b", at=2.5)
    return p


@entry(PLANTED, "05_info_seen_by_one_only", "lost")
def info_seen_by_one_only() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, info=7, pos=2, stored=True)
    p.shown("y", "b", at=2.03)
    return p


@entry(PLANTED, "05a_info_seen_in_a_read_back_only", "lost")
def info_seen_in_a_read_back_only() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, info=7, pos=2, stored=True)
    return p


@entry(PLANTED, "05b_never_answered_seen_by_one_only", "lost")
def never_answered_seen_by_one_only() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, pos=2, stored=True)
    p.shown("y", "b", at=2.03)
    return p


@entry(PLANTED, "05c_info_then_ok_shown_by_nobody", "lost")
def info_then_ok_shown_by_nobody() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, info=4, ok=5, pos=2)
    return p


@entry(PLANTED, "06_failed_send_delivered", "aborted_delivery")
def failed_send_delivered() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, fail=2.02, pos=2)
    p.shown("y", "b", at=2.03)
    return p


@entry(PLANTED, "07_gap_never_filled", "lost")
def gap_never_filled() -> Planting:
    p = Planting()
    for pos, name in ((5, "v"), (6, "w")):
        p.message(name, "a", at=pos, pos=pos)
    p.send("x", "b", at=7, ok=7.02, pos=7)
    p.message("y", "a", at=8, pos=8)
    return p


@entry(PLANTED, "27_joiner_misses_first_message", "lost")
def joiner_misses_first_message() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    p.message("x", "a", at=1, pos=1)
    p.joins("g", "d", at=2)
    p.send("y", "a", at=2.001, ok=2.02, pos=2)
    p.shown("y", "b c", at=2.03)
    p.message("z", "a", at=3, pos=3)
    return p


@entry(PLANTED, "27a_rejoined_and_still_left_out", "lost")
def rejoined_and_still_left_out() -> Planting:
    p = Planting("a b c d")
    p.message("x", "a", at=1, pos=1)
    p.leaves("g", "d", at=2.02, asked=2)
    p.message("y", "a", at=10, pos=2)
    p.joins("g", "d", at=20.02, asked=20)
    p.send("z", "a", at=30, ok=30.02, pos=3)
    p.shown("z", "b c", at=30.03)
    return p


@entry(PLANTED, "03a_leaves_after_the_promise_was_over", "lost")
def leaves_after_the_promise_was_over() -> Planting:
    p = Planting("a b c d")
    p.connects("a b c d", at=0)
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b c", at=2.03)
    p.leaves("g", "d", at=4.02, asked=4)
    return p


@entry(PLANTED, "03b_said_to_be_gone_though_it_was_to_be_kept", "lost")
def said_to_be_gone_though_it_was_to_be_kept() -> Planting:
    p = Planting()
    p.promise(retention_messages=1000)
    three(p)
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.shown("w", "b", at=4.03)
    p.trimmed("c", after=3, kept=5, at=5)
    return p


@entry(PLANTED, "36_never_gets_in_after_the_heal", "unreachable")
def never_gets_in_after_the_heal() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.message("x", "a", at=1, pos=1)
    p.fault(at=2, healed=3)
    p.disconnects("c", at=2)
    for attempt in range(20):
        p.tries("c", at=2.5 + attempt * 9, connection=2 + attempt)
    for place, at in enumerate(range(10, 90, 4), start=2):
        p.send(f"m{place}", "a", at=at, ok=at + 0.02, pos=place)
        p.shown(f"m{place}", "b", at=at + 0.03)
    return p


@entry(PLANTED, "37_delivered_then_gone_from_every_history", "lost_stored")
def delivered_then_gone_from_every_history() -> Planting:
    p = Planting()
    three(p)
    p.gone("z")
    return p


@entry(PLANTED, "37a_gone_from_one_history", "history_shrank")
def gone_from_one_history() -> Planting:
    p = Planting()
    three(p)
    p.absent("y", "c")
    return p


@entry(PLANTED, "37b_an_earlier_read_back_had_it", "history_shrank lost")
def an_earlier_read_back_had_it() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b", at=2.03)
    p.reads("c", "x y", at=120)
    p.absent("y", "c")
    return p


@entry(PLANTED, "38_two_devices_of_a_user_end_differently", "divergence_final")
def two_devices_of_a_user_end_differently() -> Planting:
    p = Planting()
    three(p)
    p.device("b2", user="b", at=90)
    p.absent("y", "b2")
    return p


@entry(PLANTED, "39_ready_all_the_time_and_came_by_sync", "missed_live")
def ready_all_the_time_and_came_by_sync() -> Planting:
    p = Planting()
    p.promise(live_promised=True)
    p.connects("a b c", at=0)
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b", at=2.03)
    p.sync("c", after=1, upto=2, at=9, done=9.2)
    p.shown("y", "c", at=9.1, via=Via.SYNC)
    return p


# duplicates -------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "08_retry_stored_twice", "dup_stored dup_app")
def retry_stored_twice() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, ok=2, pos=1)
    p.shown("x", "b c", at=1.03, pos=1)
    p.shown("x", "b c", at=1.9, pos=2)
    return p


@entry(PLANTED, "09_two_answers_for_one_send", "conflicting_ack dup_stored")
def two_answers_for_one_send() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.ok("x", at=2, pos=2)
    return p


@entry(PLANTED, "09a_ok_after_fail", "conflicting_ack")
def ok_after_fail() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, fail=1.5, ok=2, pos=1)
    p.shown("x", "b c", at=2.1)
    return p


@entry(PLANTED, "09b_two_oks_with_two_ids", "conflicting_ack")
def two_oks_with_two_ids() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.ok("x", at=2, pos=1, message_id=77)
    return p


@entry(PLANTED, "10_shown_twice_in_a_row", "dup_app")
def shown_twice_in_a_row() -> Planting:
    p = Planting()
    three(p)
    p.shown("z", "b", at=3.04)
    return p


@entry(PLANTED, "10a_shown_twice_far_apart_on_another_connection", "dup_app")
def shown_twice_far_apart() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.message("first", "a", at=0.6, pos=1)
    for place in range(2, 40):
        p.message(f"m{place}", "a", at=float(place), pos=place)
    p.disconnects("b", at=50)
    p.connects("b", at=51, connection=2)
    p.shown("first", "b", at=52, connection=2)
    return p


@entry(PLANTED, "10b_own_message_shown_again_by_sync", "dup_app")
def own_message_shown_again_by_sync() -> Planting:
    p = Planting()
    three(p)
    p.sync("a", after=0, upto=3, at=5, done=5.2)
    for name in "xyz":
        p.wired(name, "a", at=5.1, via=Via.SYNC)
    p.shown("x", "a", at=5.15, via=Via.OWN)
    return p


@entry(PLANTED, "10c_an_edit_shown_twice", "dup_app")
def an_edit_shown_twice() -> Planting:
    p = Planting()
    three(p)
    p.edits("z", "a", at=5, content=555)
    for at in (5.1, 5.2):
        p.shown("z", "b", at=at, content=555)
    p.shown("z", "c", at=5.1, content=555)
    p.holds("z", 555)
    return p


@entry(PLANTED, "11_live_again_after_its_ack_was_confirmed", "redelivery")
def live_again_after_its_ack_was_confirmed() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.message("x", "a", at=1, pos=1)
    p.confirmed("b", upto=1, at=1.5)
    p.disconnects("b", at=2)
    p.connects("b", at=3, connection=2)
    p.wired("x", "b", at=3.1, connection=2)
    return p


@entry(PLANTED, "11a_sync_asked_after_the_confirmation", "redelivery")
def sync_asked_after_the_confirmation() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.confirmed("b", upto=1, at=1.5)
    p.sync("b", after=0, upto=1, at=2, done=2.2)
    p.wired("x", "b", at=2.1, via=Via.SYNC)
    return p


@entry(PLANTED, "12_gap_filled_late_then_a_duplicate", "dup_app session_nonmonotonic")
def gap_filled_late_then_a_duplicate() -> Planting:
    p = Planting("a b c d")
    p.message("x", "a", at=5, pos=5)
    p.send("y", "d", at=6, ok=6.02, pos=6)
    p.shown("y", "a c", at=6.03)
    p.send("z", "a", at=6.01, ok=6.04, pos=7)
    p.shown("z", "b c d", at=6.05)
    p.shown("y", "b", at=6.5)
    p.shown("z", "b", at=7)
    return p


@entry(PLANTED, "12a_far_behind_the_highest_not_the_previous", "session_nonmonotonic")
def far_behind_the_highest() -> Planting:
    p = Planting("a b c d e")
    for pos, (name, sender) in enumerate((("v", "a"), ("w", "c"), ("x", "d"), ("y", "e")), start=1):
        p.send(name, sender, at=1 + pos / 1000, ok=1.5, pos=pos)
        p.shown(name, " ".join(d for d in "acde" if d != sender), at=1.6)
    for n, name in enumerate("yvwx"):
        p.shown(name, "b", at=2 + n)
    return p


@entry(PLANTED, "13_five_copies_with_one_reconnect", "redelivery")
def five_copies_with_one_reconnect() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.message("x", "a", at=1, pos=1)
    p.wired("x", "b", at=1.2)
    p.disconnects("b", at=2)
    p.connects("b", at=3, connection=2)
    for copy in range(3):
        p.wired("x", "b", at=3.1 + copy, connection=2)
    return p


@entry(PLANTED, "14_two_messages_at_one_position", "seq_conflict")
def two_messages_at_one_position() -> Planting:
    p = Planting("a b c d")
    p.send("x", "a", at=1, ok=1.1, pos=1)
    p.send("y", "b", at=1, ok=1.1, pos=1)
    for name, others in (("x", "b c d"), ("y", "a c d")):
        p.shown(name, others, at=1.2)
    return p


# order ------------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "15_stored_and_delivered_in_the_wrong_order", "fifo_log fifo_live session_nonmonotonic")
def stored_and_delivered_in_the_wrong_order() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, ok=1.1, pos=2)
    p.send("y", "a", at=1.2, ok=1.3, pos=1)
    p.shown("x", "a", at=1.1, via=Via.OWN)
    p.shown("y", "a", at=1.3, via=Via.OWN)
    p.shown("y", "b c", at=1.4)
    p.shown("x", "b c", at=1.5)
    return p


@entry(PLANTED, "16_right_in_the_log_wrong_in_live", "fifo_live session_nonmonotonic")
def right_in_the_log_wrong_in_live() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, ok=1.1, pos=1)
    p.send("y", "a", at=1.2, ok=1.3, pos=2)
    p.shown("y", "b c", at=1.4)
    p.shown("x", "b c", at=1.5)
    return p


@entry(PLANTED, "16a_pipelined_sends_stored_the_wrong_way", "fifo_log")
def pipelined_sends_stored_the_wrong_way() -> Planting:
    p = Planting()
    p.promise(pipelined=True)
    p.send("x", "a", at=1, ok=1.3, pos=2)
    p.send("y", "a", at=1.1, ok=1.2, pos=1)
    p.shown("y", "b c", at=1.4, via=Via.BACKFILL)
    p.shown("x", "b c", at=1.5, via=Via.BACKFILL)
    return p


@entry(PLANTED, "17_two_recipients_two_orders", "disagreement")
def two_recipients_two_orders() -> Planting:
    p = Planting("a b c d")
    p.unordered_read_back()
    p.send("x", "a", at=1, ok=1.1)
    p.send("y", "b", at=1, ok=1.1)
    p.shown("y", "a", at=1.2)
    p.shown("x", "b", at=1.2)
    for first, second, device in (("x", "y", "c"), ("y", "x", "d")):
        p.shown(first, device, at=1.2)
        p.shown(second, device, at=1.3)
    return p


@entry(PLANTED, "18_three_recipients_in_a_ring", "disagreement")
def three_recipients_in_a_ring() -> Planting:
    p = Planting("a p q r")
    for name in "xyz":
        p.send(name, "a", at=1, ok=1.1, kind=SendClass.MAY_BE_SHED, stored=False)
    for device, first, second in (("p", "x", "y"), ("q", "y", "z"), ("r", "z", "x")):
        p.shown(first, device, at=1.2)
        p.shown(second, device, at=1.3)
    return p


@entry(PLANTED, "40_shown_in_another_order_than_the_history_has", "order_changed")
def shown_in_another_order_than_the_history_has() -> Planting:
    """The log was made anew, in another order."""
    p = Planting("a b")
    p.message("x", "a", at=1, pos=1)
    p.message("y", "b", at=2, pos=2)
    p.moves("x", pos=2, epoch=2)
    p.moves("y", pos=1, epoch=2)
    return p


@entry(PLANTED, "41_stored_before_what_was_ok_before_it", "realtime_inversion")
def stored_before_what_was_ok_before_it() -> Planting:
    p = Planting()
    p.promise(realtime_promised=True)
    p.send("x", "a", at=1, ok=1.1, pos=2)
    p.send("y", "b", at=2, ok=2.1, pos=1)
    p.shown("y", "a c", at=2.2)
    p.shown("x", "b c", at=2.3)
    return p


@entry(PLANTED, "21_own_message_missing_from_own_sync", "own_write_missing")
def own_message_missing_from_own_sync() -> Planting:
    p = Planting()
    three(p)
    p.sync("a", after=0, upto=3, at=5, done=5.2)
    for name in "xz":
        p.wired(name, "a", at=5.1, via=Via.SYNC)
    return p


# cause before effect ------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "19_an_answer_before_its_question", "causal_live session_nonmonotonic")
def an_answer_before_its_question() -> Planting:
    p = Planting()
    p.send("question", "a", at=1, ok=1.02, pos=1)
    p.shown("question", "b", at=1.03)
    p.send("answer", "b", at=2, ok=2.02, pos=2)
    p.shown("answer", "a c", at=2.03)
    p.shown("question", "c", at=2.5)
    return p


@entry(PLANTED, "19a_the_same_where_nothing_has_a_position", "causal_live disagreement")
def the_same_where_nothing_has_a_position() -> Planting:
    p = Planting("a b c d")
    p.unordered_read_back()
    p.send("question", "a", at=1, ok=1.02)
    p.shown("question", "b d", at=1.03)
    p.send("answer", "b", at=2, ok=2.02)
    p.shown("answer", "a c d", at=2.03)
    p.shown("question", "c", at=2.5)
    return p


@entry(PLANTED, "19b_the_cause_of_a_cause", "causal_live session_nonmonotonic")
def the_cause_of_a_cause() -> Planting:
    p = Planting("a b c d")
    p.send("first", "a", at=1, ok=1.02, pos=1)
    p.shown("first", "b", at=1.03)
    p.send("aside", "b", at=2, ok=2.02, pos=2, kind=SendClass.MAY_BE_SHED)
    p.shown("aside", "c", at=2.03)
    p.send("third", "c", at=3, ok=3.02, pos=3)
    p.shown("third", "a b d", at=3.03)
    p.shown("first", "c d", at=3.5)
    return p


@entry(PLANTED, "19c_pipelined_an_unanswered_question_that_was_seen", "causal_live session_nonmonotonic")
def pipelined_an_unanswered_question_that_was_seen() -> Planting:
    p = Planting()
    p.promise(pipelined=True)
    unanswered_question(p)
    return p


@entry(PLANTED, "19e_sequential_an_unanswered_question_makes_no_claim", "session_nonmonotonic")
def sequential_an_unanswered_question_makes_no_claim() -> Planting:
    p = Planting()
    unanswered_question(p)
    return p


def unanswered_question(p: Planting) -> None:
    """Its sender never learnt that it was sent; one member answers it, the other sees the answer first."""
    p.message("hello", "a", at=0.6, pos=1)
    p.send("question", "a", at=1, info=6, pos=2, stored=True)
    p.shown("question", "b", at=1.03)
    p.send("answer", "b", at=2, ok=2.02, pos=3)
    p.shown("answer", "a c", at=2.03)
    p.shown("question", "c", at=2.5)


@entry(PLANTED, "19d_across_conversations_where_promised", "causal_live")
def across_conversations_where_promised() -> Planting:
    p = Planting("a b c", {"g": "a b c", "h": "a b c"})
    p.promise(causal_across=True)
    elsewhere(p)
    return p


def elsewhere(p: Planting) -> None:
    """An answer in another conversation, seen before its question."""
    p.send("question", "a", at=1, ok=1.02, pos=1)
    p.shown("question", "b", at=1.03)
    p.send("answer", "b", at=2, ok=2.02, pos=1, group="h")
    p.shown("answer", "a c", at=2.03)
    p.shown("question", "c", at=2.5)


@entry(PLANTED, "20_an_answer_whose_question_never_came", "lost causal_live")
def an_answer_whose_question_never_came() -> Planting:
    p = Planting()
    p.send("question", "a", at=1, ok=1.02, pos=1)
    p.shown("question", "b", at=1.03)
    for place, name in enumerate(("answer", "more"), start=2):
        p.send(name, "b", at=place, ok=place + 0.02, pos=place)
        p.shown(name, "a c", at=place + 0.03)
    return p


# what was read ------------------------------------------------------------------------------------------------------------------


def two_phones() -> Planting:
    """b has two devices; x, y, z are stored and shown."""
    p = Planting()
    p.device("b2", user="b")
    three(p)
    return p


@entry(PLANTED, "22_read_watermark_back_on_the_second_device", "watermark_regressed")
def read_watermark_back_on_the_second_device() -> Planting:
    p = two_phones()
    p.marks("b", 3, at=5, confirmed=5.1)
    p.hears_of_mark("b2", 3, at=5.2)
    p.hears_of_mark("b2", 1, at=8)
    p.hears_of_mark("b2", 3, at=9)
    return p


@entry(PLANTED, "22a_receive_watermark_back", "watermark_regressed")
def receive_watermark_back() -> Planting:
    p = Planting()
    three(p)
    p.confirmed("b", upto=3, at=5)
    p.confirmed("b", upto=2, at=6)
    return p


@entry(PLANTED, "22b_ends_below_what_was_confirmed", "watermark_regressed")
def ends_below_what_was_confirmed() -> Planting:
    p = two_phones()
    p.marks("b", 3, at=5, confirmed=5.1)
    p.hears_of_mark("b2", 2, at=8)
    return p


@entry(PLANTED, "22c_ends_above_what_anybody_read", "watermark_regressed")
def ends_above_what_anybody_read() -> Planting:
    p = two_phones()
    p.marks("b", 2, at=5, confirmed=5.1)
    p.hears_of_mark("b2", 3, at=8)
    return p


@entry(PLANTED, "23_unread_three_where_one_or_two", "unread_wrong")
def unread_three_where_one_or_two() -> Planting:
    p = one_or_two_unread()
    p.counts("b2", 3, asked=6, at=6.1)
    return p


def one_or_two_unread() -> Planting:
    """x, y, z for b: x is certainly read, y perhaps, z not."""
    p = two_phones()
    p.marks("b", 1, at=5, confirmed=5.1)
    p.marks("b", 2, at=5.5)
    return p


@entry(PLANTED, "23a_unread_none_where_one_or_two", "unread_wrong")
def unread_none_where_one_or_two() -> Planting:
    p = one_or_two_unread()
    p.counts("b2", 0, asked=6, at=6.1)
    return p


@entry(PLANTED, "23b_ones_own_counted_as_unread", "unread_wrong")
def ones_own_counted_as_unread() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.message("y", "b", at=2, pos=2)
    p.counts("b", 2, asked=3, at=3.1)
    return p


@entry(PLANTED, "23c_after_the_drain_a_send_nobody_saw_is_counted", "unread_wrong")
def after_the_drain_a_send_nobody_saw_is_counted() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, info=9)
    p.counts("b", 4, asked=150, at=150.1)
    return p


# identity ---------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "24_never_sent_by_anyone", "phantom")
def never_sent_by_anyone() -> Planting:
    p = Planting()
    three(p)
    p.send("ghost", "a", at=4, pos=4, scheduled=False)
    p.shown("ghost", "b", at=4)
    return p


@entry(PLANTED, "25_same_id_other_content", "corrupt")
def same_id_other_content() -> Planting:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.shown("y", "b", at=2.03)
    p.shown("y", "c", at=2.03, content=666)
    return p


@entry(PLANTED, "26_delivered_to_a_member_removed_long_before", "misdelivery")
def delivered_to_a_member_removed_long_before() -> Planting:
    p = Planting("a b c d")
    p.message("x", "a", at=1, pos=1)
    p.leaves("g", "d", at=2.02, asked=2)
    p.message("y", "a", at=60, pos=2)
    p.shown("y", "d", at=60.1)
    return p


@entry(PLANTED, "26b_delivered_to_a_stranger", "misdelivery")
def delivered_to_a_stranger() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    p.message("x", "a", at=1, pos=1)
    p.shown("x", "d", at=1.5)
    return p


@entry(PLANTED, "26a_hidden_history_shown_to_a_joiner", "misdelivery")
def hidden_history_shown_to_a_joiner() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    p.promise(history_hidden=True)
    p.message("x", "a", at=1, pos=1)
    p.joins("g", "d", at=3)
    p.absent("x", "d")
    p.shown("x", "d", at=3.5, via=Via.BACKFILL)
    return p


@entry(PLANTED, "25a_content_that_no_edit_gave_it", "corrupt")
def content_that_no_edit_gave_it() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.edits("w", "a", at=5, content=555)
    p.shown("w", "b", at=5.1, content=555)
    p.shown("w", "c", at=5.1, content=666)
    p.holds("w", 555)
    return p


@entry(PLANTED, "25b_a_tombstone_before_anyone_recalled", "corrupt")
def a_tombstone_before_anyone_recalled() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.shown("w", "b", at=4.03)
    p.shown("w", "c", at=4.03, content=404)
    p.recalls("w", "a", at=9, tombstone=404)
    p.holds("w", 404)
    return p


# availability, recovery, latency ----------------------------------------------------------------------------------------------


@entry(PLANTED, "28_refused_to_the_end", "outage not_recovered")
def refused_to_the_end() -> Planting:
    p = Planting(load_ends=60)
    traffic(p, 1, 20)
    p.fault(at=20, healed=21, node="business")
    for place in range(60):
        p.send(f"refused{place}", "a", at=20.25 + place * 0.6, fail=20.3 + place * 0.6)
    return p


@entry(PLANTED, "29_one_gateway_dead", "outage")
def one_gateway_dead() -> Planting:
    p = Planting("a b", {"g": "a b"}, load_ends=60)
    p.device("c", home="gateway-2")
    p.device("d", home="gateway-2")
    p.joins("h", "c d")
    for place in range(1, 170):
        p.message(f"a{place}", "a", at=1 + place / 3, pos=place)
    for place in range(1, 28):
        at = 2.0 * place
        if 20 <= at < 40:
            p.send(f"c{place}", "c", at=at, group="h", fail=at + 0.1)
        else:
            p.message(f"c{place}", "c", at=at, pos=place, group="h")
    return p


@entry(PLANTED, "29a_one_connected_device_is_deaf", "outage")
def one_connected_device_is_deaf() -> Planting:
    p = Planting(load_ends=60)
    for place in range(1, 56):
        p.send(f"m{place}", "a", at=place, ok=place + 0.02, pos=place)
        p.shown(f"m{place}", "b", at=place + 0.03)
    for place in range(1, 56):
        p.shown(f"m{place}", "c", at=100 + place / 100)
    return p


@entry(PLANTED, "30_p99_still_ten_times_the_base", "not_recovered")
def p99_still_ten_times_the_base() -> Planting:
    p = Planting(load_ends=60)
    traffic(p, 1, 20, every=0.3)
    p.fault(at=20, healed=21)
    traffic(p, 20, 60, every=0.3, took=0.2)
    return p


@entry(PLANTED, "31_two_percent_undelivered", "lost latency")
def two_percent_undelivered() -> Planting:
    p = Planting("a b", load_ends=100)
    p.promise(latency=(LatencyPromise("end_to_end", 0.99, 200_000),))
    for place in range(1, 101):
        p.send(f"m{place}", "a", at=place / 2, ok=place / 2 + 0.02, pos=place)
        if place % 50:
            p.shown(f"m{place}", "b", at=place / 2 + 0.04)
    return p


@entry(PLANTED, "31a_one_in_ten_unanswered_counts_against_the_ack", "latency")
def unanswered_counts_against_the_ack() -> Planting:
    p = Planting("a b", load_ends=100)
    p.promise(latency=(LatencyPromise("ack", 0.99, 200_000),))
    for place in range(1, 201):
        answered = place % 10 != 0
        p.send(f"m{place}", "a", at=place / 4, ok=place / 4 + 0.02 if answered else None, pos=place if answered else 0)
        if answered:
            p.shown(f"m{place}", "b", at=place / 4 + 0.04)
    return p


# the harness ------------------------------------------------------------------------------------------------------------------


@entry(PLANTED, "32_clock_steps_back", "clock_fault", "harness_invalid")
def clock_steps_back() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=10, ok=9.5, pos=4)
    p.shown("w", "b c", at=9.51)
    return p


@entry(PLANTED, "32a_shown_before_it_was_intended", "clock_fault", "harness_invalid")
def shown_before_it_was_intended() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=10, ok=10.1, pos=4)
    p.shown("w", "b c", at=9.999)
    return p


@entry(PLANTED, "32b_generator_late_where_latency_is_promised", "generator_lag", "harness_invalid")
def generator_late() -> Planting:
    p = Planting()
    p.promise(latency=(LatencyPromise("ack", 0.5, 500_000),))
    for place in range(1, 31):
        p.send(f"m{place}", "a", at=float(place), invoked=place + 0.05, ok=place + 0.07, pos=place)
        p.shown(f"m{place}", "b c", at=place + 0.08)
    return p


@entry(PLANTED, "32c_late_because_the_generator_was", "generator_lag", "harness_invalid")
def late_because_the_generator_was() -> Planting:
    p = generator_late()
    p.promise(latency=(LatencyPromise("ack", 0.5, 60_000),))
    return p


@entry(PLANTED, "33_planned_fault_did_not_happen", "fault_unproven", "unknown")
def planned_fault_did_not_happen() -> Planting:
    p = Planting()
    three(p)
    p.fault(at=2, proven=False)
    return p


@entry(PLANTED, "34_no_send_succeeds", "vacuous", "unknown")
def no_send_succeeds() -> Planting:
    p = Planting()
    for place in range(20):
        p.send(f"m{place}", "a", at=1 + place, fail=1.1 + place)
    return p


@entry(PLANTED, "35_drain_ran_into_its_bound", "drain_incomplete", "unknown")
def drain_ran_into_its_bound() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=4)
    p.shown("w", "b", at=4.2)
    p.drain_runs_into_its_bound()
    return p


@entry(PLANTED, "42_recording_breaks_off", "truncated", "unknown")
def recording_breaks_off() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=4)
    p.shown("w", "b", at=4.2)
    p.recording_ends(at=5)
    return p


@entry(PLANTED, "42a_duplicate_before_the_recording_breaks_off", "truncated dup_app", "invalid")
def duplicate_before_the_recording_breaks_off() -> Planting:
    p = shown_twice_in_a_row()
    p.recording_ends(at=5)
    return p


@entry(PLANTED, "42b_loss_and_a_generator_that_was_late", "lost generator_lag", "invalid")
def loss_and_a_generator_that_was_late() -> Planting:
    p = generator_late()
    p.send("gone", "a", at=50, ok=50.1, pos=31)
    return p
