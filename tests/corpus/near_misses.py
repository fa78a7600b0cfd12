"""Near misses: histories that look wrong and are not. None raises anything that fails."""

from __future__ import annotations

from model.history.schema import Via
from tests.checkers.planting import Planting
from tests.corpus.entries import Corpus, entry
from tests.corpus.planted import three, traffic

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
    p.unread("w", "c")
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
    p.shown("y", "b", at=1.5, via=Via.OWN)
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
    p = Planting("a b c", {"g": "a b c"})
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
