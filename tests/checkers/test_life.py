"""The life of one message: every row of it, what went on around it, whom it was owed to, and what is wrong with it."""

from __future__ import annotations

import pytest

from model.checkers import judge
from model.checkers.life import Explainer, Life
from model.history.schema import Kind, Via
from tests.checkers.planting import Planting
from tests.corpus import files
from tests.corpus.planted import PLANTED
from tests.judged import random_history


def life_of(p: Planting, name: str) -> Life:
    """The life of a message of a planting, by device/name."""
    explainer = Explainer(p.history())
    (message,) = explainer.find(name)
    return explainer.life(message)


def killed() -> Planting:
    """y is written through gateway-1, which dies; it comes to b after a reconnect, and never to c."""
    p = Planting()
    p.connects("a b c", at=0)
    p.message("x", "a", at=1, pos=1)
    p.fault(at=1.9, healed=5)
    p.send("y", "a", at=2, ok=2.02, pos=2)
    p.disconnects("b", at=2.5)
    p.connects("b", at=3, connection=2, node="gateway-2")
    p.sync("b", after=1, upto=2, at=3.1, done=3.3, connection=2)
    p.shown("y", "b", at=3.2, via=Via.SYNC, connection=2)
    return p


def test_every_row_of_the_message_is_told_in_order() -> None:
    life = life_of(killed(), "a/y")
    own = [(event.kind, event.device) for event in life.events if event.own]
    assert own[:6] == [
        (Kind.INTEND, "a"),
        (Kind.INVOKE, "a"),
        (Kind.ATTEMPT, "a"),
        (Kind.OK, "a"),
        (Kind.WIRE, "b"),
        (Kind.DELIVER, "b"),
    ]
    assert [event.row for event in life.events] == sorted(event.row for event in life.events)


def test_what_went_on_around_it_is_told() -> None:
    around = [(event.device or event.node, event.text) for event in life_of(killed(), "a/y").events if not event.own]
    assert around == [
        ("gateway-1", "a kill took effect"),
        ("b", "lost its connection"),
        ("b", "connected to gateway-2"),
        ("b", "asked for what it lacked, above position 1"),
        ("b", "had caught up, up to position 2"),
        ("gateway-1", "back after the kill"),
    ]


def test_an_attempt_that_failed_is_no_lost_connection() -> None:
    p = Planting()
    p.connects("a b c", at=0)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.disconnects("b", at=1.5)
    p.tries("b", at=2, connection=2)
    p.disconnects("b", at=2.5, connection=2)
    p.shown("x", "c", at=3)
    around = [event.text for event in life_of(p, "a/x").events if event.device == "b" and not event.own]
    assert around == ["lost its connection", "did not get a connection"]


def test_rows_name_the_gateway_they_went_through() -> None:
    through = {event.kind: event.node for event in life_of(killed(), "a/y").events if event.own}
    assert through[Kind.ATTEMPT] == "gateway-1"
    assert through[Kind.DELIVER] == "gateway-2"


def test_whom_it_was_owed_to_and_who_lacks_it() -> None:
    life = life_of(killed(), "a/y")
    assert [(owed.device, owed.missing) for owed in life.owed] == [("b", False), ("c", True)]
    assert (life.outcome, life.place, life.conversation) == ("ok", "position 2", "g")
    assert [kind for kind, _ in life.findings] == ["lost", "late"]


def test_a_message_is_found_by_its_whole_name_or_by_its_id() -> None:
    p = Planting("a b", {"g": "a b", "h": "a b"})
    p.message("x", "a", at=1, pos=1)
    explainer = Explainer(p.history())
    assert explainer.find("a/x") == explainer.find("x") == [0]
    assert explainer.find("b/x") == explainer.find("z") == []


@pytest.mark.parametrize("name", ["03_lost_for_one_of_five", "08_retry_stored_twice", "24_never_sent_by_anyone"])
def test_the_first_witness_is_of_the_kind(name: str) -> None:
    explainer = Explainer(PLANTED[name].plant().history())
    for kind in PLANTED[name].raises:
        message = explainer.first_witness(kind)
        assert message is not None
        assert kind in [found for found, _ in explainer.life(message).findings]


def test_what_nothing_explains_comes_before_what_something_does() -> None:
    p = PLANTED["01_acked_absent_everywhere"].plant()
    p.send("w", "a", at=4, ok=4.02, pos=4)
    p.shown("w", "b", at=4.03)
    explainer = Explainer(p.history())
    assert explainer.first_witness("lost") == explainer.find("w")[0]
    assert explainer.first_witness("phantom") is None
    assert explainer.first_witness("unreachable") is None
    assert explainer.proof("unreachable") is None


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("22_read_watermark_back_on_the_second_device", "watermark_regressed", ["was told the read mark, up to position 3 in g"]),
        ("23_unread_three_where_one_or_two", "unread_wrong", ["was told that 3 are unread in g"]),
        ("36_never_gets_in_after_the_heal", "unreachable", ["tried to connect to gateway-1"]),
        ("33_planned_fault_did_not_happen", "fault_unproven", ["a kill is planned"]),
        ("30_p99_still_ten_times_the_base", "not_recovered", ["a kill took effect"]),
        ("35_drain_ran_into_its_bound", "drain_incomplete", ["the phase drain_bound begins"]),
        ("34_no_send_succeeds", "vacuous", []),
    ],
)
def test_what_is_about_no_message_has_its_proof(name: str, kind: str, words: list[str]) -> None:
    history = files.named(name)
    proof = Explainer(history).proof(kind)
    assert proof is not None
    assert [event.text for event in proof.events][: len(words)] == words
    (anomaly,) = [a for a in judge(history).anomalies if a.kind == kind and a.implied_by is None]
    assert proof.text in [witness.text for witness in anomaly.witnesses]
    assert proof.instances == anomaly.count


def test_every_anomaly_of_random_histories_has_a_witness_or_a_proof() -> None:
    for seed in range(20):
        explainer = Explainer(random_history.history(seed))
        for anomaly in judge(random_history.history(seed)).anomalies:
            proof = explainer.proof(anomaly.kind)
            assert proof is not None
            assert all(event.text for event in proof.events)
