"""Further histories: copies on the wire, cycles, causes. Found by trying the judges with histories made from the definitions alone."""

from __future__ import annotations

from model.history.schema import Kind, SendClass, Via
from tests.checkers.planting import Planting
from tests.corpus.entries import Corpus, entry
from tests.corpus.planted import three

PLANTED: Corpus = {}
NEAR_MISSES: Corpus = {}


def connected() -> Planting:
    """x, y, z of a at positions 1, 2, 3, all in order, with the connections told."""
    p = Planting()
    p.connects("a b c", at=0)
    three(p)
    return p


def reconnects(p: Planting, device: str, at: float, connection: int = 2) -> None:
    """A connection ends, and the next one begins a second later."""
    p.disconnects(device, at=at, connection=connection - 1)
    p.connects(device, at=at + 1, connection=connection)


def copy_without_epoch(p: Planting, name: str, device: str, at: float) -> None:
    """A live copy whose recorder did not know the epoch."""
    message = p._messages[name]
    p._of(Kind.WIRE, name, device, at, via=Via.LIVE, seq=message.pos, content_hash=message.content, value=message.content)


# content ----------------------------------------------------------------------------------------------------------------------


def edited_back_and_forth() -> Planting:
    """z is edited to 555, to 666 and to 555 again; b and c show each in its turn."""
    p = Planting()
    three(p)
    for at, content in ((5, 555), (6, 666), (7, 555)):
        p.edits("z", "a", at=at, content=content)
        p.shown("z", "b c", at=at + 0.1, content=content)
    p.holds("z", 555)
    return p


@entry(PLANTED, "10d_a_content_given_twice_and_shown_three_times", "dup_app")
def a_content_given_twice_and_shown_three_times() -> Planting:
    p = edited_back_and_forth()
    p.shown("z", "b", at=8, content=555)
    return p


@entry(NEAR_MISSES, "edited_back_and_forth")
def near_edited_back_and_forth() -> Planting:
    return edited_back_and_forth()


@entry(NEAR_MISSES, "edits_that_a_device_catches_up_with")
def edits_that_a_device_catches_up_with() -> Planting:
    p = Planting()
    three(p)
    for asked, content in ((5, 555), (6, 666), (7, 555)):
        p.edits("z", "a", at=asked, content=content)
    p.sync("b", after=2, upto=3, at=8, done=9)
    for at, content in ((8.1, 555), (8.2, 666), (8.3, 555)):
        p.shown("z", "b", at=at, via=Via.SYNC, content=content)
    p.sync("b", after=2, upto=3, at=10, done=11)
    p.holds("z", 555)
    return p


@entry(NEAR_MISSES, "edited_back_to_what_it_was")
def edited_back_to_what_it_was() -> Planting:
    p = Planting()
    three(p)
    for at, content in ((5, 555), (6, p._messages["z"].content)):
        p.edits("z", "a", at=at, content=content)
        p.shown("z", "b c", at=at + 0.1, content=content)
    return p


@entry(NEAR_MISSES, "an_edit_sent_after_the_confirmation")
def an_edit_sent_after_the_confirmation() -> Planting:
    p = connected()
    p.confirmed("b", upto=3, at=4)
    p.edits("z", "a", at=5, content=555)
    p.shown("z", "b c", at=5.1, content=555)
    reconnects(p, "b", at=6)
    p.wired("z", "b", at=7.1, connection=2, content=555)
    p.holds("z", 555)
    return p


@entry(PLANTED, "25c_other_content_where_only_the_invocation_has_its_hash", "corrupt")
def other_content_where_only_the_invocation_has_its_hash() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, scheduled=False)
    p._of(Kind.INTEND, "x", "a", 1)
    for kind in (Kind.INVOKE, Kind.ATTEMPT):
        p._of(kind, "x", "a", 1, content_hash=p._messages["x"].content)
    p.ok("x", 1.02)
    p._messages["x"].stored = True
    p.shown("x", "b", at=1.03)
    p.shown("x", "c", at=1.03, content=555)
    return p


@entry(PLANTED, "25d_other_content_than_the_system_said", "corrupt")
def other_content_than_the_system_said() -> Planting:
    p = Planting()
    three(p)
    p.says_itself("notice", at=4, pos=4)
    p.shown("notice", "a b", at=4.1)
    p.shown("notice", "c", at=4.1, content=555)
    return p


# copies on the wire -----------------------------------------------------------------------------------------------------------


@entry(PLANTED, "11b_live_after_a_backfill_whose_ack_was_confirmed", "redelivery")
def live_after_a_backfill_whose_ack_was_confirmed() -> Planting:
    p = Planting()
    p.connects("a b c", at=0)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "c", at=1.03)
    p.wired("x", "b", at=1.5, via=Via.BACKFILL)
    p.shown("x", "b", at=1.5, via=Via.BACKFILL)
    p.confirmed("b", upto=1, at=2)
    reconnects(p, "b", at=3)
    p.wired("x", "b", at=4.1, connection=2)
    return p


@entry(PLANTED, "11c_its_ack_was_confirmed_before_the_first_copy_on_the_wire", "redelivery")
def its_ack_was_confirmed_before_the_first_copy_on_the_wire() -> Planting:
    p = connected()
    p.confirmed("a", upto=3, at=4)
    p.wired("y", "a", at=5)
    return p


@entry(NEAR_MISSES, "confirmed_before_it_was_first_seen")
def confirmed_before_it_was_first_seen() -> Planting:
    p = connected()
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.shown("w", "c", at=4.03)
    p.confirmed("b", upto=4, at=4.5)
    p.shown("w", "b", at=4.6)
    return p


@entry(PLANTED, "11d_confirmed_before_it_was_first_seen_then_twice", "redelivery")
def confirmed_before_it_was_first_seen_then_twice() -> Planting:
    p = confirmed_before_it_was_first_seen()
    reconnects(p, "b", at=6)
    p.wired("w", "b", at=8, connection=2)
    return p


@entry(PLANTED, "13a_copies_excused_by_attempts_that_failed", "redelivery")
def copies_excused_by_attempts_that_failed() -> Planting:
    p = connected()
    for connection in (2, 3):
        p.tries("b", at=3 + connection, connection=connection)
        p.disconnects("b", at=3.5 + connection, connection=connection)
    p.wired("z", "b", at=8)
    return p


@entry(NEAR_MISSES, "a_copy_after_a_lost_connection_and_attempts_that_failed")
def a_copy_after_a_lost_connection_and_attempts_that_failed() -> Planting:
    p = connected()
    p.disconnects("b", at=4)
    p.tries("b", at=5, connection=2)
    p.disconnects("b", at=5.5, connection=2)
    p.connects("b", at=6, connection=3)
    p.wired("z", "b", at=6.1, connection=3)
    return p


@entry(PLANTED, "13b_a_copy_without_its_epoch", "redelivery")
def a_copy_without_its_epoch() -> Planting:
    p = Planting()
    three(p)
    copy_without_epoch(p, "x", "b", at=5)
    return p


@entry(PLANTED, "13c_a_copy_without_its_position", "redelivery")
def a_copy_without_its_position() -> Planting:
    p = Planting()
    three(p)
    p.wired("x", "b", at=5, pos=0)
    return p


@entry(PLANTED, "13d_two_sync_copies_for_one_request", "redelivery")
def two_sync_copies_for_one_request() -> Planting:
    p = connected()
    p.asks("b", after=2, at=4)
    reconnects(p, "b", at=5)
    for at in (6.1, 6.2):
        p.wired("z", "b", at=at, via=Via.SYNC, connection=2)
    return p


@entry(NEAR_MISSES, "a_request_answered_on_the_next_connection")
def a_request_answered_on_the_next_connection() -> Planting:
    p = connected()
    p.asks("b", after=2, at=4)
    reconnects(p, "b", at=4.05)
    p.wired("z", "b", at=5.1, via=Via.SYNC, connection=2)
    return p


@entry(NEAR_MISSES, "a_request_that_names_no_connection")
def a_request_that_names_no_connection() -> Planting:
    p = connected()
    p._row(Kind.SYNC_REQUEST, 4, device="b", group="g")
    p.wired("x", "b", at=4.1, via=Via.SYNC)
    return p


@entry(NEAR_MISSES, "a_sync_copy_asked_for_after_one_that_was_not")
def a_sync_copy_asked_for_after_one_that_was_not() -> Planting:
    p = Planting()
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "c", at=1.03)
    p.shown("x", "b", at=1.1, via=Via.SYNC)
    p.asks("b", after=0, at=2)
    p.wired("x", "b", at=2.1, via=Via.SYNC)
    return p


# orders -----------------------------------------------------------------------------------------------------------------------


def hidden_behind_an_inversion(pos: int, epoch: int) -> Planting:
    """d shows w before z before y, where y, z are positions 2, 3 and w cannot be compared; c shows w between them."""
    p = Planting("a b c d")
    p.message("x", "a", at=1, pos=1)
    for name, place in (("y", 2), ("z", 3)):
        p.send(name, "a", at=2, ok=2.02, pos=place, kind=SendClass.MAY_BE_SHED)
    p.send("w", "b", at=2, ok=2.02, pos=pos, epoch=epoch, kind=SendClass.MAY_BE_SHED, stored=epoch > 1)
    for device, names in (("c", "ywz"), ("d", "wzy")):
        for place, name in enumerate(names):
            p.shown(name, device, at=3 + place / 10)
    return p


@entry(PLANTED, "17a_contradicting_orders_across_epochs_beside_one_of_positions", "disagreement session_nonmonotonic")
def contradicting_orders_across_epochs_beside_one_of_positions() -> Planting:
    return hidden_behind_an_inversion(pos=1, epoch=2)


@entry(PLANTED, "17b_contradicting_orders_without_a_position_beside_one_of_positions", "disagreement session_nonmonotonic")
def contradicting_orders_without_a_position_beside_one_of_positions() -> Planting:
    return hidden_behind_an_inversion(pos=0, epoch=1)


@entry(PLANTED, "40a_changed_order_beside_one_of_positions", "order_changed session_nonmonotonic")
def changed_order_beside_one_of_positions() -> Planting:
    p = Planting("a b", {"g": "a b"})
    for name in "wxy":
        p.send(name, "a", at=1, ok=1.1, stored=False)
    for at, (name, pos) in enumerate((("w", 9), ("x", 1), ("y", 2))):
        p.shown(name, "b", at=2 + at, pos=pos)
    for name, pos in (("y", 1), ("x", 2), ("w", 3)):  # all moved to a second epoch, and there in another order
        message = p._messages[name]
        message.pos, message.epoch, message.stored = pos, 2, True
    return p


@entry(PLANTED, "19f_an_answer_at_the_position_of_its_question", "causal_live seq_conflict")
def an_answer_at_the_position_of_its_question() -> Planting:
    p = Planting()
    p.send("question", "a", at=1, ok=1.02, pos=1)
    p.shown("question", "b", at=1.03)
    p.send("answer", "b", at=2, ok=2.02, pos=1)
    p.shown("answer", "a c", at=2.03)
    p.shown("question", "c", at=2.5)
    return p
