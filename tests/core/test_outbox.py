"""The outbox of a device: how often a send is written."""

from __future__ import annotations

from itertools import pairwise

import pytest

from model.core import limits
from model.core.codes import Code
from model.core.effects import ClientEffect, Write
from model.core.frames import Send, SendAck
from model.core.outbox import Outbox
from model.core.policies import Policies, Timers

SENDS = 20


def written(effects: list[ClientEffect]) -> int:
    count = sum(isinstance(effect, Write) and isinstance(effect.frame, Send) for effect in effects)
    effects.clear()
    return count


def attached() -> tuple[Outbox, list[ClientEffect]]:
    """An outbox that has written ``SENDS`` sends."""
    outbox, out = Outbox(1, Policies(), Timers(), lambda purpose, counter: 0.5), list[ClientEffect]()
    outbox.attached(1, 0, out)
    for _ in range(SENDS):
        outbox.submit(7, b"hello", 0, out)
    assert written(out) == SENDS
    return outbox, out


def played(outbox: Outbox, out: list[ClientEffect], until: int) -> int:
    """Call at every deadline up to an instant; returns how many sends were written."""
    count = 0
    while outbox.due <= until:
        outbox.on_deadline(outbox.due, out)
        count += written(out)
    return count


def test_answers_in_vain_that_come_one_after_the_other_are_one_round() -> None:
    """Else each of them has all sends written again, their answers as well, and an overloaded server is never rid of it."""
    outbox, out = attached()
    patience_us = Timers().retry_after_us
    count = 0
    for counter in range(1, SENDS + 1):
        now = counter * patience_us // SENDS
        outbox.acked(SendAck(7, counter, Code.OVERLOADED), now, out)
        count += played(outbox, out, now)
    assert count + played(outbox, out, 2 * patience_us) == SENDS


def repeated_at(outbox: Outbox, out: list[ClientEffect], now: int) -> int:
    """When all sends are written again, after an answer in vain at ``now``."""
    outbox.acked(SendAck(7, SENDS, Code.OVERLOADED), now, out)
    while not written(out):
        now = max(now, outbox.due)
        outbox.on_deadline(now, out)
    return now


def test_rounds_in_vain_come_more_and_more_seldom() -> None:
    outbox, out = attached()
    instants = [0]
    for _ in range(5):
        instants.append(repeated_at(outbox, out, instants[-1]))
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 4 * gaps[0]


def test_an_accepted_send_ends_the_patience() -> None:
    outbox, out = attached()
    now = 0
    for _ in range(3):
        now = repeated_at(outbox, out, now)
    outbox.acked(SendAck(7, 1, Code.OK, True, 1, 1, 1), now, out)
    assert repeated_at(outbox, out, now) == now + Timers().retry_after_us


def test_no_send_is_written_that_has_the_log_forget_the_result_of_the_oldest() -> None:
    """All but the oldest are accepted: its first copy was answered on a dead connection, the further ones find the server overloaded."""
    outbox, out = attached()
    last = 2 * limits.RESULTS_MAX
    for _ in range(SENDS, last):
        outbox.submit(7, b"hello", 0, out)
    for counter in range(2, last + 1):
        outbox.acked(SendAck(7, counter, Code.OK, True, 1, counter, counter), 1, out)
    sent = {effect.frame.send_counter for effect in out if isinstance(effect, Write) and isinstance(effect.frame, Send)}
    assert max(sent) == limits.RESULTS_MAX
    outbox.acked(SendAck(7, 1, Code.OK, True, 1, 1, 1), 2, out)
    sent = {effect.frame.send_counter for effect in out if isinstance(effect, Write) and isinstance(effect.frame, Send)}
    assert max(sent) > limits.RESULTS_MAX


def slow(timeout_us: int, answer_us: int) -> int:
    """How many times two hundred sends are written to a server that takes ``answer_us`` for each writing, one after the other."""
    timers = Timers(ack_timeout_us=timeout_us, ack_timeout_max_us=1_000_000)
    outbox, out = Outbox(1, Policies(), timers, lambda purpose, counter: 0.5), list[ClientEffect]()
    outbox.attached(1, 0, out)
    for _ in range(200):
        outbox.submit(7, b"hello", 0, out)
    line, free_at, total = list[int](), 0, 0
    for _ in range(100_000):
        frames = [e.frame for e in out if isinstance(e, Write) and isinstance(e.frame, Send)]
        out.clear()
        line += [frame.send_counter for frame in frames]
        total += len(frames)
        if not line:
            break
        if outbox.due <= free_at + answer_us:
            outbox.on_deadline(max(free_at, outbox.due), out)
            continue
        free_at += answer_us
        counter = line.pop(0)
        outbox.acked(SendAck(7, counter, Code.OK, True, 1, counter, counter), free_at, out)
    assert outbox.empty
    return total


def test_a_server_slower_than_the_time_out_is_not_kept_slow_by_repetitions() -> None:
    """Each send that were repeated after the first wait would have all others repeated with it."""
    assert slow(timeout_us=1_000, answer_us=800) < 4 * 200
    assert slow(timeout_us=1_000, answer_us=1_500) < 5 * 200


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_wait_after_one_in_vain_is_not_shorter_than_an_answer_takes(share: float) -> None:
    outbox, out = Outbox(1, Policies(), Timers(), lambda purpose, counter: share), list[ClientEffect]()
    outbox.attached(1, 0, out)
    outbox.submit(7, b"hello", 0, out)
    took = Timers().ack_timeout_us - 1
    outbox.acked(SendAck(7, 1, Code.OK, True, 1, 1, 1), took, out)
    outbox.submit(7, b"hello", took, out)
    instants = [took]
    written(out)
    while len(instants) < 6:
        now = outbox.due
        outbox.on_deadline(now, out)
        instants += [now] * written(out)
    assert min(later - earlier for earlier, later in pairwise(instants)) >= 3 * took


def test_an_answer_to_a_send_that_was_written_once_ends_the_waits_in_vain() -> None:
    outbox, out = attached()
    played(outbox, out, 2 * Timers().ack_timeout_us)
    now = outbox.due
    outbox.on_deadline(now, out)
    for counter in range(1, SENDS + 1):
        outbox.acked(SendAck(7, counter, Code.OK, True, 1, counter, counter), now, out)
    outbox.submit(7, b"hello", now, out)
    assert outbox.due > now + 2 * Timers().ack_timeout_us  # nobody knows which writing was answered
    outbox.acked(SendAck(7, SENDS + 1, Code.OK, True, 1, SENDS + 1, SENDS + 1), now, out)
    outbox.submit(7, b"hello", now, out)
    assert outbox.due == now + Timers().ack_timeout_us


def test_who_is_answered_late_waits_longer_for_the_next_answer() -> None:
    outbox, out = Outbox(1, Policies(), Timers(), lambda purpose, counter: 0.5), list[ClientEffect]()
    outbox.attached(1, 0, out)
    outbox.submit(7, b"hello", 0, out)
    took = Timers().ack_timeout_us - 1
    outbox.acked(SendAck(7, 1, Code.OK, True, 1, 1, 1), took, out)
    outbox.submit(7, b"hello", took, out)
    outbox.on_deadline(took + 3 * took - 1, out)
    assert outbox.due == took + 3 * took
