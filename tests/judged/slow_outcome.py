"""The brute-force judge on what senders were told, what was lost, what came late, and what came twice."""

from __future__ import annotations

from model.history.schema import Kind, Via
from tests.judged.facts import Facts
from tests.judged.instances import Found, each_once
from tests.judged.lives import Life, Place, Row

# outcome ----------------------------------------------------------------------------------------------------------------------


@each_once
def outcomes(facts: Facts) -> Found:
    """What contradicts what senders were told, and what nobody sent."""
    for life in facts.lives:
        for row in life.elsewhere:
            yield "misdelivery" if life.scheduled or life.system else "phantom", life.name, row.device
        for row in [*life.seen, *life.elsewhere]:
            if life.outcome == "fail" and life.scheduled and row.via != Via.OWN:
                yield "aborted_delivery", life.name, row.device
            if not life.scheduled and not life.system:
                yield "phantom", life.name, row.device
            if life.altered(row) and life.revision(row) == 0:
                yield "corrupt", life.name, row.device
            if (life.scheduled or life.system) and row.via != Via.OWN and facts.never(life, row.device):
                yield "misdelivery", life.name, row.device
        bad = _conflicting(life)
        if bad:
            yield "conflicting_ack", life.name, bad.device


def _conflicting(life: Life) -> Row | None:
    oks = [r for r in life.rows if r.kind == Kind.OK]
    for ok in oks:
        if life.fail and life.fail.at < ok.at:
            return ok
        for other in (r for r in oks if r.at < ok.at and (r.epoch == ok.epoch or 0 in (r.epoch, ok.epoch))):
            if (ok.value and other.value and ok.value != other.value) or (ok.seq and other.seq and ok.seq != other.seq):
                return ok
    return None


# loss -------------------------------------------------------------------------------------------------------------------------


@each_once
def losses(facts: Facts) -> Found:
    """What was owed and did not come."""
    for life in facts.sends:
        for d in facts.must[life.name]:
            if facts.trimmed(life, d) and life.committed:
                yield "trimmed", life.name, d
        for d in facts.devices:
            if facts.drained and _not_found(facts, life, d):
                yield "lost", life.name, d
            if facts.drained and _never_came(facts, life, d):
                yield "lost", life.name, d
                if life.place and any(_above(r, life.place, life.home) for r in facts.orders[d]):
                    yield "gap", life.name, d
        if is_lost_stored(facts, life):
            yield "lost_stored", life.name, ""


def _never_came(facts: Facts, life: Life, device: str) -> bool:
    return facts.owed(life, device) and device not in life.shown


def _not_found(facts: Facts, life: Life, device: str) -> bool:
    """Whether a device that was registered later lacks what was said before it, and so do its user's others."""
    registered, back, begun = facts.registration.get(device), facts.final.get((device, life.home)), life.begun
    if not registered or not back or not begun or registered.at < begun.at or device == life.sender or not life.committed:
        return False
    if not facts.for_user(life, device) or facts.off_at_the_end(device) or life.recalled_by(back.done.at):
        return False
    if not facts.kept(life, back.done) or facts.trimmed_away(life, device) or device in life.shown:
        return False
    if not facts.certainly(life.home, device, back.done.t):
        return False
    others = [d for d in facts.devices if facts.user(d) == facts.user(device) and (d, life.home) in facts.final]
    return not any(life.name in facts.final[d, life.home].has for d in others)


def is_lost_stored(facts: Facts, life: Life) -> bool:
    """Whether a message is in nobody's history though it should be."""
    if not life.committed or life.may_be_shed or life.name in facts.in_some_read or life.home in facts.half_read:
        return False
    if (facts.audit or facts.truncated) and facts.unread(life.home):
        return False
    backs = [back for (_, room), back in facts.final.items() if room == life.home]
    readers = [back for back in backs if facts.may_see(life, back.done.device, back.done.t)]
    readers = [back for back in readers if life.known and life.known.at < back.begun]
    return any(facts.kept(life, back.done) and not life.recalled_by(back.done.at) for back in readers)


def _above(row: Row, place: Place, room: str) -> bool:
    return row.room == room and row.epoch == place[0] and row.seq > place[1]


@each_once
def lateness(facts: Facts) -> Found:
    """What came, and when."""
    promise = facts.contract.promise_us
    for life in facts.sends:
        for d in facts.must[life.name]:
            if not facts.owed(life, d) or d not in life.shown or not life.known:
                continue
            row, due = life.shown[d], life.known.t + promise
            if row.t - begin(facts, life, d) > promise:
                yield "late", life.name, d
            if row.via == Via.SYNC and row.t > due and facts.ready_until(d, life.t_inv) > due:
                yield "missed_live", life.name, d
            if overtaken(facts, row):
                yield "gap_filled", life.name, d


def begin(facts: Facts, life: Life, device: str) -> float:
    """From when on a delivery is timed."""
    ready, row = facts.ready_next(device, life.t_int), life.shown.get(device)
    if facts.ready_until(device, life.t_int) != -1 or ready < 0 or (row and row.t < ready):
        return life.t_int
    return ready


def overtaken(facts: Facts, row: Row) -> bool:
    """Whether a device had shown one of a higher position before."""
    before = [r for r in facts.orders[row.device] if r.at < row.at]
    return row.seq > 0 and any(_above(r, (row.epoch, row.seq), row.room) for r in before)


# twice ------------------------------------------------------------------------------------------------------------------------


def twice(facts: Facts) -> Found:
    """What stands at two places, and places with two."""
    claims: list[tuple[str, str, Place]] = []
    rows = [(r, life) for life in facts.lives for r in life.telling]
    for row, life in sorted(rows, key=lambda pair: pair[0].at):
        place = (row.epoch, row.seq)
        if (life.name, life.home, place) in claims:
            continue
        if any(c[0] == life.name and c[2][0] == row.epoch for c in claims):
            yield "dup_stored", life.name, row.device
        if any(c[1] == life.home and c[2] == place for c in claims):
            yield "seq_conflict", life.name, row.device
        claims.append((life.name, life.home, place))


def shown_twice(facts: Facts) -> Found:
    """What one device showed more often than it was given a content."""
    for life in facts.lives:
        for d in life.shown:
            showings = [r for r in life.deliveries if r.device == d]
            for row in showings[1:]:
                same = [r for r in showings if r.at <= row.at and version(life, r) == version(life, row)]
                revisions = [r for r in life.revisions(row) if r.content == _content(life, version(life, row), row)]
                if len(same) > len(revisions) + (version(life, showings[0]) == version(life, row) == ORIGINAL):
                    yield "dup_app", life.name, d


ORIGINAL, ANY = -2, -1


def version(life: Life, row: Row) -> int:
    """Which content a sighting shows: that of a revision, any tombstone's, or the original's, also where an edit brought it back."""
    shows = life.revision(row)
    return ORIGINAL if shows in (0, life.content) else shows


def redelivered(facts: Facts) -> Found:
    """Copies on the wire that nothing excuses."""
    for life in facts.lives:
        wired = [r for r in life.seen if r.kind == Kind.WIRE and r.via not in (Via.BACKFILL, Via.PUSH)]
        for row in wired:
            copies = [r for r in wired if r.at <= row.at and _copy_of(life, r) == _copy_of(life, row)]
            again = len(copies) > 1 or row.at > _confirmed_at(facts, life, row)
            if again and row is not _sighting(life, row) and not _excused(facts, life, row, copies):
                yield "redelivery", life.name, row.device


def _copy_of(life: Life, row: Row) -> tuple[str, int, int, int, int]:
    return row.device, row.epoch, row.seq, *_revision(life, row)


def _revision(life: Life, row: Row) -> tuple[int, int]:
    """Which content a row shows, and for the how manieth time that it was given: a device's nth copy of it shows its nth giving."""
    shows = version(life, row)
    given = sum(r.content == _content(life, shows, row) for r in life.revisions(row)) + (shows == ORIGINAL)
    alike = [r for r in life.seen if (r.device, r.kind) == (row.device, row.kind) and r.via != Via.PUSH and r.at <= row.at]
    return shows, min(sum(version(life, r) == shows for r in alike), max(given, 1))


def _content(life: Life, shows: int, row: Row) -> int:
    """The hash that revisions with a content have; -1 where that of the original is not known."""
    return 0 if shows == ANY else row.content if shows != ORIGINAL else life.content or -1


def _sighting(life: Life, row: Row) -> Row:
    """The first time that a device saw a content of a message, as given, on the wire or in the app."""
    here = [r for r in life.seen if r.device == row.device and r.kind != Kind.READ_BACK and r.via != Via.PUSH]
    return next(r for r in here if _revision(life, r) == _revision(life, row))


def _excused(facts: Facts, life: Life, row: Row, copies: list[Row]) -> bool:
    """Whether a copy, the last of ``copies`` so far, has a reason."""
    if row.via == Via.SYNC:
        return not facts.of(Kind.SYNC_REQUEST, device=row.device) or row.at in _asked_for(facts, life, copies)
    if row.at > _confirmed_at(facts, life, row):
        return False
    served = {r.connection for r in facts.of(Kind.READY, device=row.device)}
    lost = facts.of(Kind.DISCONNECTED, device=row.device)
    ended = [r for r in lost if copies[0].at < r.at < row.at and (r.connection in served or not served)]
    changes = len({r.connection for r in copies}) - 1
    allowed = 1 + max(len(ended), changes) + facts.contract.resends_allowed
    return sum(r.via != Via.SYNC for r in copies) <= allowed


def _asked_for(facts: Facts, life: Life, copies: list[Row]) -> set[int]:
    """Which of the copies that came by sync answer a request that covers them; each request brings a copy once."""
    left = facts.of(Kind.SYNC_REQUEST, device=copies[0].device, room=copies[0].room)
    answers: set[int] = set()
    for copy in (r for r in copies if r.via == Via.SYNC):
        by = min(copy.at, _confirmed_at(facts, life, copy))
        usable = [r for r in left if r.at < by and (not copy.seq or r.seq < copy.seq)]
        if usable:
            answers.add(copy.at)
            left.remove(usable[0])
    return answers


def _confirmed_at(facts: Facts, life: Life, copy: Row) -> int:
    """The row at which a receive ack that covers a copy was confirmed first, of a revision once it was seen; the end where none was."""
    since = -1 if _revision(life, copy) == (ORIGINAL, 1) else _sighting(life, copy).at
    confirmed = facts.of(Kind.RECEIVE_CONFIRMED, device=copy.device, room=copy.room)
    return min((r.at for r in confirmed if r.at > since and _confirms(r, copy)), default=len(facts.rows))


def _confirms(confirmed: Row, row: Row) -> bool:
    """Whether a receive ack that was confirmed covers the position of a copy."""
    covers = confirmed.seq >= row.seq if confirmed.value == 1 else confirmed.seq == row.seq
    return row.seq > 0 and confirmed.epoch in (0, row.epoch) and covers
