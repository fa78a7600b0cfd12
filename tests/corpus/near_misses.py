"""Near misses: histories that look wrong and are not. None raises anything that fails."""

from __future__ import annotations

from model.history.schema import LatencyPromise, SendClass, Via
from tests.checkers.planting import Planting
from tests.corpus.entries import Corpus, entry
from tests.corpus.planted import elsewhere, one_or_two_unread, three, traffic, two_phones

NEAR_MISSES: Corpus = {}


@entry(NEAR_MISSES, "info_seen_by_nobody")
def info_seen_by_nobody() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, info=9)
    return p


@entry(NEAR_MISSES, "info_seen_once_by_everyone")
def info_seen_once_by_everyone() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, info=9, pos=4, stored=True)
    p.shown("w", "b c", at=4.1)
    return p


@entry(NEAR_MISSES, "late_but_delivered")
def late_but_delivered() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=4)
    p.shown("w", "b c", at=30)
    return p


@entry(NEAR_MISSES, "unacknowledged_delivery_repeated_after_a_reconnect")
def unacknowledged_delivery_repeated_after_a_reconnect() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    three(p)
    p.disconnects("b", at=4)
    p.connects("b", at=5, connection=2)
    p.wired("z", "b", at=5.1, connection=2)
    return p


@entry(NEAR_MISSES, "resends_that_the_policy_allows")
def resends_that_the_policy_allows() -> Planting:
    p = Planting()
    p.promise(resends_allowed=2)
    three(p)
    p.wired("z", "b", at=8)
    p.wired("z", "b", at=13)
    return p


@entry(NEAR_MISSES, "live_delivery_that_a_sync_brings_again")
def live_delivery_that_a_sync_brings_again() -> Planting:
    p = Planting()
    three(p)
    p.sync("b", after=1, upto=3, at=5, done=5.2)
    for name in "yz":
        p.wired(name, "b", at=5.1, via=Via.SYNC)
    return p


@entry(NEAR_MISSES, "sync_asked_before_the_confirmation_answered_after_it")
def sync_asked_before_the_confirmation() -> Planting:
    p = Planting()
    p.asks("b", after=0, at=0.9)
    three(p)
    p.confirmed("b", upto=3, at=4)
    p.wired("z", "b", at=4.1, via=Via.SYNC)
    return p


@entry(NEAR_MISSES, "phone_switched_off_for_a_minute")
def phone_switched_off_for_a_minute() -> Planting:
    p = Planting("a b c", load_ends=90)
    p.connects("a b c", at=0)
    three(p)
    p.off("c", at=10, until=70)
    p.disconnects("c", at=10)
    for place in range(4, 14):
        p.send(f"m{place}", "a", at=place * 4, ok=place * 4 + 0.02, pos=place)
        p.shown(f"m{place}", "b", at=place * 4 + 0.03)
    p.connects("c", at=70, connection=2)
    p.sync("c", after=3, upto=13, at=70.1, done=70.5, connection=2)
    for place in range(4, 14):
        p.shown(f"m{place}", "c", at=70.2, via=Via.SYNC, connection=2)
    traffic(p, 75, 85, every=1.0)
    return p


@entry(NEAR_MISSES, "phone_still_off_at_the_end")
def phone_still_off_at_the_end() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    three(p)
    p.off("c", at=10)
    p.disconnects("c", at=10)
    p.send("w", "a", at=20, ok=20.1, pos=4)
    p.shown("w", "b", at=20.2)
    p.absent("w", "c")
    return p


@entry(NEAR_MISSES, "concurrent_sends_in_one_agreed_order")
def concurrent_sends_in_one_agreed_order() -> Planting:
    p = Planting("a b c d")
    p.send("x", "a", at=1, ok=1.3, pos=2)
    p.send("y", "b", at=1.1, ok=1.2, pos=1)
    p.shown("y", "a c d", at=1.4)
    p.shown("x", "b c d", at=1.5)
    return p


@entry(NEAR_MISSES, "own_message_placed_after_a_concurrent_one")
def own_message_placed_after_a_concurrent_one() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, ok=1.3, pos=2)
    p.send("y", "b", at=1, ok=1.1, pos=1)
    p.shown("y", "b", at=1.1, via=Via.OWN)
    p.shown("y", "a c", at=1.2)
    p.shown("x", "a", at=1.3, via=Via.OWN)
    p.shown("x", "b c", at=1.4)
    return p


@entry(NEAR_MISSES, "out_of_order_on_the_wire_in_order_in_the_app")
def out_of_order_on_the_wire() -> Planting:
    p = Planting("a b")
    p.send("x", "a", at=1, ok=1.1, pos=1)
    p.send("y", "a", at=1.2, ok=1.3, pos=2)
    p.wired("y", "b", at=1.4)
    p.shown("x", "b", at=1.5)
    p.shown("y", "b", at=1.5, held_back=True)
    return p


@entry(NEAR_MISSES, "backfill_pages_newest_first")
def backfill_pages_newest_first() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    three(p)
    p.joins("g", "d", at=4)
    for n, name in enumerate("zyx"):
        p.shown(name, "d", at=5 + n, via=Via.BACKFILL)
    p.message("w", "a", at=9, pos=4)
    return p


@entry(NEAR_MISSES, "same_text_sent_twice_on_purpose")
def same_text_sent_twice_on_purpose() -> Planting:
    p = Planting("a b")
    p.send("x", "a", at=1, ok=1.1, pos=1)
    p.send("y", "a", at=2, ok=2.1, pos=2)
    for name, at in (("x", 1.2), ("y", 2.2)):
        p._messages[name].content = 7
        p.shown(name, "b", at=at, content=1000 if name == "x" else 1001)
    p._messages["x"].content, p._messages["y"].content = 1000, 1001
    return p


@entry(NEAR_MISSES, "equal_positions_in_two_conversations")
def equal_positions_in_two_conversations() -> Planting:
    p = Planting("a b c", {"g": "a b c", "h": "a b"})
    p.message("x", "a", at=1, pos=1)
    p.message("y", "a", at=2, pos=1, group="h")
    return p


@entry(NEAR_MISSES, "equal_positions_in_two_epochs")
def equal_positions_in_two_epochs() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=1, epoch=2)
    p.shown("w", "b c", at=4.2)
    return p


@entry(NEAR_MISSES, "answers_that_take_no_time_count")
def answers_that_take_no_time_count() -> Planting:
    p = Planting("a b")
    p.promise(latency=(LatencyPromise("ack", 0.5, 100_000),))
    for place in range(1, 31):
        p.message(f"m{place}", "a", at=place, pos=place, took=0 if place % 3 else 0.3)
    return p


@entry(NEAR_MISSES, "outage_within_its_budget")
def outage_within_its_budget() -> Planting:
    p = Planting(load_ends=90)
    traffic(p, 1, 30)
    p.fault(at=30, healed=32)
    for place in range(4):
        p.send(f"refused{place}", "a", at=30 + place, fail=30.1 + place)
    traffic(p, 34, 90)
    return p


@entry(NEAR_MISSES, "trimmed_and_told_so")
def trimmed_and_told_so() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.disconnects("c", at=0.5)
    for place, name in enumerate("xyz", start=1):
        p.send(name, "a", at=float(place), ok=place + 0.02, pos=place)
        p.shown(name, "b", at=place + 0.03)
    p.connects("c", at=50, connection=2)
    p.trimmed("c", after=0, kept=3, at=50.1)
    p.shown("z", "c", at=50.2, via=Via.SYNC, connection=2)
    p.gone("x", "y")
    return p


@entry(NEAR_MISSES, "push_notification_followed_by_sync")
def push_notification_followed_by_sync() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=4)
    p.shown("w", "b", at=4.2)
    p.shown("w", "c", at=4.3, via=Via.PUSH)
    p.sync("c", after=3, upto=4, at=4.9, done=5.1)
    p.shown("w", "c", at=5, via=Via.SYNC)
    return p


@entry(NEAR_MISSES, "room_chatter_owed_to_nobody")
def room_chatter_owed_to_nobody() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, kind=SendClass.MAY_BE_SHED, stored=False)
    p.shown("w", "b", at=4.2)
    return p


@entry(NEAR_MISSES, "conversation_whose_members_are_told_nowhere")
def conversation_whose_members_are_told_nowhere() -> Planting:
    p = Planting()
    three(p)
    p.send("w", "a", at=4, ok=4.1, pos=1, group="room")
    p.shown("w", "b", at=4.2)
    return p


@entry(NEAR_MISSES, "nothing_is_wrong")
def nothing_is_wrong() -> Planting:
    p = Planting()
    three(p)
    return p


@entry(NEAR_MISSES, "joiner_not_owed_what_was_before")
def joiner_not_owed_what_was_before() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    p.message("x", "a", at=1, pos=1)
    p.joins("g", "d", at=2)
    p.message("y", "a", at=3, pos=2)
    return p


@entry(NEAR_MISSES, "send_of_a_stranger_is_scheduled_to_be_rejected")
def send_of_a_stranger() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    three(p)
    for place in range(30):
        p.send(f"no{place}", "d", at=5.0 + place, fail=5.1 + place)
    return p


@entry(NEAR_MISSES, "sends_of_members_made_to_be_refused")
def sends_of_members_made_to_be_refused() -> Planting:
    p = Planting()
    three(p)
    for place in range(30):
        p.send(f"no{place}", "a", at=5.0 + place, fail=5.1 + place, kind=SendClass.TO_BE_REJECTED)
    return p


# membership -------------------------------------------------------------------------------------------------------------------


@entry(NEAR_MISSES, "leaves_a_millisecond_after_the_ok")
def leaves_a_millisecond_after_the_ok() -> Planting:
    p = Planting("a b c d")
    three(p)
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.leaves("g", "d", at=4.041, asked=4.021)
    p.shown("w", "b c", at=4.03)
    return p


@entry(NEAR_MISSES, "shown_to_one_who_is_just_leaving")
def shown_to_one_who_is_just_leaving() -> Planting:
    p = Planting("a b c d")
    three(p)
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.shown("w", "b c d", at=4.03)
    p.leaves("g", "d", at=4.1, asked=3.9)
    return p


@entry(NEAR_MISSES, "a_leave_that_was_never_answered")
def a_leave_that_was_never_answered() -> Planting:
    p = Planting("a b c d")
    three(p)
    p.leaves("g", "d", at=190, asked=4)
    p.send("v", "a", at=5, ok=5.02, pos=4)
    p.shown("v", "b c", at=5.03)
    p.send("w", "a", at=6, ok=6.02, pos=5)
    p.shown("w", "b c d", at=6.03)
    return p


@entry(NEAR_MISSES, "a_join_that_was_never_answered")
def a_join_that_was_never_answered() -> Planting:
    p = Planting("a b c d e", {"g": "a b c"})
    p.asks_to_join("g", "d e", at=0.6)
    for n, name in enumerate("xyz", start=1):
        p.send(name, "a", at=n, ok=n + 0.02, pos=n)
        p.shown(name, "b c d", at=n + 0.03)
    return p


@entry(NEAR_MISSES, "hidden_history_begins_within_the_promise")
def hidden_history_begins_within_the_promise() -> Planting:
    p = Planting("a b c d", {"g": "a b c"})
    p.promise(history_hidden=True)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.joins("g", "d", at=1.5)
    p.shown("x", "b c d", at=1.6)
    return p


# messages that change, that may be shed, or that nobody sent ------------------------------------------------------------------


@entry(NEAR_MISSES, "a_returning_device_gets_a_tombstone")
def a_returning_device_gets_a_tombstone() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    three(p)
    p.off("c", at=10, until=30)
    p.disconnects("c", at=10)
    p.send("w", "a", at=12, ok=12.02, pos=4)
    p.shown("w", "b", at=12.03)
    p.recalls("w", "a", at=20, tombstone=404)
    p.shown("w", "b", at=20.1, content=404)
    p.connects("c", at=30, connection=2)
    p.sync("c", after=3, upto=4, at=30.1, done=30.3, connection=2)
    p.shown("w", "c", at=30.2, via=Via.SYNC, content=404, connection=2)
    p.holds("w", 404)
    return p


@entry(NEAR_MISSES, "recalled_and_gone_without_a_trace")
def recalled_and_gone_without_a_trace() -> Planting:
    p = Planting()
    three(p)
    p.recalls("z", "a", at=5)
    p.gone("z")
    return p


@entry(NEAR_MISSES, "an_edit_shown_to_everyone")
def an_edit_shown_to_everyone() -> Planting:
    p = Planting()
    three(p)
    p.edits("x", "a", at=5, content=555)
    p.shown("x", "b c", at=5.1, content=555)
    p.holds("x", 555)
    return p


@entry(NEAR_MISSES, "the_system_says_who_joined")
def the_system_says_who_joined() -> Planting:
    p = Planting("a b c")
    three(p)
    p.says_itself("joined", at=4, pos=4)
    p.shown("joined", "a b", at=4.1)
    return p


@entry(NEAR_MISSES, "older_than_what_is_kept")
def older_than_what_is_kept() -> Planting:
    p = Planting()
    p.promise(retention_messages=2)
    three(p)
    p.gone("x")
    return p


# cause and effect -------------------------------------------------------------------------------------------------------------


@entry(NEAR_MISSES, "answer_in_another_conversation")
def answer_in_another_conversation() -> Planting:
    p = Planting("a b c", {"g": "a b c", "h": "a b c"})
    elsewhere(p)
    return p


@entry(NEAR_MISSES, "two_who_speak_at_once_cause_nothing")
def two_who_speak_at_once_cause_nothing() -> Planting:
    p = Planting("a b c d")
    p.send("x", "a", at=1, ok=1.3, pos=1)
    p.send("y", "b", at=1, ok=1.3, pos=2)
    p.shown("x", "b", at=1.4)
    p.shown("x", "c", at=1.4)
    p.shown("x", "d", at=1.4)
    p.shown("y", "a c d", at=1.5)
    return p


# what was read ----------------------------------------------------------------------------------------------------------------


@entry(NEAR_MISSES, "unread_one_or_two")
def unread_one_or_two() -> Planting:
    p = one_or_two_unread()
    p.counts("b", 2, asked=6, at=6.1)
    p.counts("b2", 1, asked=6, at=6.1)
    return p


@entry(NEAR_MISSES, "a_send_under_way_may_count_as_unread")
def a_send_under_way_may_count_as_unread() -> Planting:
    p = two_phones()
    p.send("w", "a", at=4, ok=4.5, pos=4)
    p.counts("b", 3, asked=4.1, at=4.2)
    p.counts("b2", 4, asked=4.1, at=4.2)
    p.shown("w", "b b2 c", at=4.6)
    return p


@entry(NEAR_MISSES, "a_second_device_hears_late_of_what_was_read")
def a_second_device_hears_late_of_what_was_read() -> Planting:
    p = two_phones()
    p.hears_of_mark("b2", 1, at=3)
    p.marks("b", 1, at=2.5, confirmed=2.6)
    p.marks("b", 3, at=5, confirmed=5.1)
    p.hears_of_mark("b2", 3, at=8)
    return p
