"""The brute-force judge on what is read back and counted: devices of one user, later histories, own syncs, watermarks, unread counts."""

from __future__ import annotations

from itertools import product

from model.history.schema import Kind, Via
from tests.judged.facts import Facts, ReadBack
from tests.judged.instances import Found, each_once
from tests.judged.lives import Life, Row
from tests.judged.slow_outcome import is_lost_stored

# agreement --------------------------------------------------------------------------------------------------------------------


@each_once
def diverged(facts: Facts) -> Found:
    """What one device of a user reads back and another does not, or has elsewhere or otherwise than the one that read it first."""
    for life, user in product(facts.lives, {facts.user(d) for d in facts.devices} - {""}):
        backs = [facts.final[d, life.home] for d in facts.devices if facts.user(d) == user and (d, life.home) in facts.final]
        backs = [back for back in backs if facts.certainly(life.home, back.done.device, back.done.t)]
        for one, other in product(backs, backs):
            lacks = life.name in one.has - other.has and not _let_go(facts, life, other.done.device, other.done)
            if not life.may_be_shed and (lacks or _differs(life, one, other)):
                yield "divergence_final", life.name, other.done.device


def _differs(life: Life, one: ReadBack, other: ReadBack) -> bool:
    """Whether another read-back, that read a message later, has it at another position or with other content."""
    ours, theirs = ([r for r in back.rows if r.message == life.name] for back in (one, other))
    places = [{(r.epoch, r.seq) for r in rows if r.seq} for rows in (ours, theirs)]
    contents = [{r.content for r in rows if r.content} for rows in (ours, theirs)]
    later = bool(ours and theirs) and ours[0].at < theirs[0].at
    return later and any(mine and its and mine != its for mine, its in (places, contents))


def _let_go(facts: Facts, life: Life, device: str, done: Row) -> bool:
    return life.may_be_shed or facts.trimmed_away(life, device, done.at) or not facts.kept(life, done)


@each_once
def shrank(facts: Facts) -> Found:
    """What was shown, or read back before, and is not read back."""
    for (d, room), backs in facts.complete.items():
        for at, back in enumerate(backs):
            for life in (life for life in facts.lives if life.home == room and life.name not in back.has):
                shown = life.shown.get(d)
                had = any(life.name in earlier.has for earlier in backs[:at]) or (shown is not None and shown.at < back.begun)
                told = life.committed or (life.name in facts.in_some_read and (life.scheduled or life.system))
                if had and told and not is_lost_stored(facts, life) and _still_due(facts, life, d, back.done):
                    yield "history_shrank", life.name, d


def _still_due(facts: Facts, life: Life, device: str, row: Row) -> bool:
    """Whether a device has to have a message at a row, once it had it."""
    return facts.may_see(life, device, row.t) and not life.recalled_by(row.at) and not _let_go(facts, life, device, row)


@each_once
def own_writes(facts: Facts) -> Found:
    """Syncs that cover an ok message of their own user, and do not bring it."""
    for done in facts.of(Kind.SYNC_DONE):
        begun = _asked(facts, done)
        for life in facts.sends:
            place = life.place
            if not life.ok or not place or life.home != done.room or not facts.user(done.device):
                continue
            if facts.user(life.sender) != facts.user(done.device) or done.epoch not in (0, place[0]):
                continue
            covered = done.value < place[1] <= done.seq and life.ok.at < begun.at
            gone = life.recalled_by(done.at) or facts.trimmed_away(life, done.device, done.at) or life.may_be_shed
            if covered and facts.may_see(life, done.device, done.t) and not gone and not _brought(facts, life, begun, done):
                yield "own_write_missing", life.name, done.device


def _asked(facts: Facts, done: Row) -> Row:
    """The first request, on its connection, that a completion answers; itself where there is none."""
    on_it = [
        r
        for r in facts.of(Kind.SYNC_DONE, Kind.SYNC_REQUEST, device=done.device, room=done.room)
        if r.connection == done.connection and r.at < done.at
    ]
    earlier = [r.at for r in on_it if r.kind == Kind.SYNC_DONE]
    return next((r for r in on_it if r.kind == Kind.SYNC_REQUEST and r.at > max(earlier, default=-1)), done)


def _brought(facts: Facts, life: Life, begun: Row, done: Row) -> bool:
    tapped = any(r.kind == Kind.WIRE and r.device == done.device for other in facts.lives for r in other.seen)
    if not tapped:
        shown = life.shown.get(done.device)
        return shown is not None and shown.at < done.at
    copies = [r for r in life.seen if r.kind == Kind.WIRE and r.via == Via.SYNC and r.device == done.device]
    return any(r.at < done.at and (r.at > begun.at or begun is done) for r in copies)


# watermarks -------------------------------------------------------------------------------------------------------------------


def watermarks(facts: Facts) -> Found:
    """Watermarks that went back, or that end where nobody put them."""
    told = [r for r in facts.of(Kind.MARKED, Kind.WATERMARK, Kind.RECEIVE_CONFIRMED) if not _single(r)]
    for row in told:
        same = [r for r in told if _watermark(facts, r) == _watermark(facts, row)]
        back = any(r.at < row.at and r.seq > row.seq for r in same)
        last = row.kind != Kind.RECEIVE_CONFIRMED and facts.drained and row is same[-1]
        if back or (last and _misplaced(facts, row)):
            yield "watermark_regressed", "", row.device


def _single(row: Row) -> bool:
    return row.kind == Kind.RECEIVE_CONFIRMED and row.value != 1


def _epoch(facts: Facts, row: Row) -> int:
    """A mark without an epoch is one of the conversation's latest."""
    return row.epoch or max((life.place[0] for life in facts.lives if life.home == row.room and life.place), default=0)


def _watermark(facts: Facts, row: Row) -> tuple[bool, str, str, int]:
    return row.kind == Kind.RECEIVE_CONFIRMED, row.device, row.room, _epoch(facts, row)


def _marks(facts: Facts, row: Row, *kinds: Kind) -> list[Row]:
    """The marks of a row's user in its conversation."""
    user = facts.user(row.device)
    return [r for r in facts.of(*kinds, room=row.room) if r.device == row.device or (user and facts.user(r.device) == user)]


def _misplaced(facts: Facts, row: Row) -> bool:
    marks = [r for r in _marks(facts, row, Kind.MARK, Kind.MARKED) if _epoch(facts, r) == _epoch(facts, row)]
    sure = [r for r in marks if r.kind == Kind.MARKED]
    low = max((r.seq for r in sure), default=0)
    since = next((r.at for r in sure if r.seq == low), -1)
    return row.seq > max((r.seq for r in marks), default=0) or (row.seq < low and row.at > since)


# unread -----------------------------------------------------------------------------------------------------------------------


def unread(facts: Facts) -> Found:
    """Counts outside what must and what may be counted."""
    for row in facts.of(Kind.UNREAD):
        asked = _question(facts, row)
        settled = facts.drained and facts.quiet is not None and asked.at > facts.quiet.at
        least = sum(_must_count(facts, life, row, asked) for life in facts.sends)
        most = sum(_may_count(facts, life, row, asked, settled) for life in facts.lives)
        if not least <= row.value <= most:
            yield "unread_wrong", "", row.device


def _question(facts: Facts, answer: Row) -> Row:
    """The oldest open question; a connection's end drops them; the answer itself where there is none."""
    open_: list[Row] = []
    for row in facts.rows[: answer.at]:
        if row.device != answer.device:
            continue
        if row.kind in (Kind.DISCONNECTED, Kind.OFFLINE):
            open_ = []
        if row.room == answer.room and row.kind == Kind.UNREAD_ASKED:
            open_.append(row)
        if row.room == answer.room and row.kind == Kind.UNREAD:
            open_ = open_[1:]
    return open_[0] if open_ else answer


def _covered(facts: Facts, life: Life, marks: list[Row]) -> bool:
    """Whether one of these marks covers a message."""
    return life.place is not None and any(_epoch(facts, r) == life.place[0] and r.seq >= life.place[1] for r in marks)


def _of_others(facts: Facts, life: Life, row: Row) -> bool:
    user = facts.user(row.device)
    return life.home == row.room and not (user and life.sender and facts.user(life.sender) == user)


def _must_count(facts: Facts, life: Life, row: Row, asked: Row) -> bool:
    if not _of_others(facts, life, row) or not life.committed or not _was_member(facts, life, row.device):
        return False
    if not life.known or life.known.at >= asked.at or life.recalled_by(row.at) or _let_go(facts, life, row.device, row):
        return False
    marks = [r for r in _marks(facts, row, Kind.MARK, Kind.MARKED) if r.at < row.at]
    if life.place is None:
        return not marks
    later = any(_epoch(facts, r) > life.place[0] for r in marks)  # what a newer log left behind may have been read
    return not later and not _covered(facts, life, marks)


def _was_member(facts: Facts, life: Life, device: str) -> bool:
    """Whether a device's user was certainly a member from before a message was sent until the promise after it was known."""
    mine, promised = facts.certain.get((life.home, facts.user(device)), []), facts.contract.promise_us
    begun, known = life.begun, life.known
    return bool(begun and known) and any(s.at < begun.at and s.end >= known.t + promised for s in mine if begun and known)


def _may_count(facts: Facts, life: Life, row: Row, asked: Row, settled: bool) -> bool:
    there = life.committed if settled else life.scheduled and life.outcome != "fail"
    if not (there or life.system) or not _of_others(facts, life, row) or not life.begun or life.begun.at >= row.at:
        return False
    return not _covered(facts, life, [r for r in _marks(facts, row, Kind.MARKED) if r.at < asked.at])
