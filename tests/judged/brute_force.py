"""A slow and obvious judge: each kind as docs/judges.md defines it, by looking at every row for every question.

It shares nothing with the judges but the schema, and what it says can be checked by reading. Tests hold the judges against it on
random histories. An instance is (kind, message, device), "" where a kind has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise, product

from model.history.columns import History
from model.history.schema import Kind, Via
from tests.judged.facts import FOREVER, Facts, Life, Place, Row

Instance = tuple[str, str, str]
Found = Iterator[Instance]


def judge(history: History) -> set[Instance]:
    """Everything there is to find, whether or not a contract forgives it or another kind explains it."""
    facts = Facts(history)
    return {instance for look in LOOKS for instance in look(facts)}


# outcome ----------------------------------------------------------------------------------------------------------------------


def outcomes(facts: Facts) -> Found:
    """What contradicts what senders were told, and what nobody sent."""
    for life in facts.lives:
        for row in life.seen:
            foreign = row.via != Via.OWN
            if life.outcome == "fail" and life.scheduled and foreign:
                yield "aborted_delivery", life.name, row.device
            if not life.scheduled and not life.system:
                yield "phantom", life.name, row.device
            if life.altered(row) and life.revision(row) == 0:
                yield "corrupt", life.name, row.device
            if life.scheduled and foreign and (row.room != life.home or facts.never(life, row.device)):
                yield "misdelivery", life.name, row.device
        bad = _conflicting(life)
        if bad:
            yield "conflicting_ack", life.name, bad.device


def _conflicting(life: Life) -> Row | None:
    oks = [r for r in life.rows if r.kind == Kind.OK]
    for ok in oks:
        earlier = [r for r in oks if r.at < ok.at]
        ids = [r.value for r in earlier if r.value]
        places = [r.seq for r in earlier if r.seq and r.epoch == ok.epoch]
        if (life.fail and life.fail.at < ok.at) or (ok.value and ids and ids[0] != ok.value):
            return ok
        if ok.seq and places and places[0] != ok.seq:
            return ok
    return None


# loss -------------------------------------------------------------------------------------------------------------------------


def losses(facts: Facts) -> Found:
    """What was owed and did not come."""
    read_rooms = {r.room for r in facts.of(Kind.READ_BACK_DONE)}
    for life in facts.sends:
        for d in facts.must[life.name]:
            if facts.trimmed(life, d) and life.committed:
                yield "trimmed", life.name, d
            if facts.owed(life, d) and d not in life.shown and facts.settled:
                yield "lost", life.name, d
                if life.place and any(_above(r, life.place, life.home) for r in facts.orders[d]):
                    yield "gap", life.name, d
        owed = life.committed and not life.may_be_shed and not life.recall
        if owed and life.home in read_rooms and not life.read and facts.kept(life):
            yield "lost_stored", life.name, ""


def _above(row: Row, place: Place, room: str) -> bool:
    return row.room == room and row.epoch == place[0] and row.seq > place[1]


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
            if row in facts.orders[d] and _overtaken(facts, row):
                yield "gap_filled", life.name, d


def begin(facts: Facts, life: Life, device: str) -> float:
    """From when on a delivery is timed."""
    ready, row = facts.ready_next(device, life.t_int), life.shown.get(device)
    if facts.ready_until(device, life.t_int) != -1 or ready < 0 or (row and row.t < ready):
        return life.t_int
    return ready


def _overtaken(facts: Facts, row: Row) -> bool:
    before = [r for r in facts.orders[row.device] if r.at < row.at]
    return row.seq > 0 and any(_above(r, (row.epoch, row.seq), row.room) for r in before)


# twice ------------------------------------------------------------------------------------------------------------------------


def twice(facts: Facts) -> Found:
    """What was shown twice, what stands at two places, and places with two."""
    claims: list[tuple[str, str, Place, str]] = []
    rows = [(r, life) for life in facts.lives for r in life.rows if r.seq > 0 and (r in life.proper or r.kind == Kind.OK)]
    for row, life in sorted(rows, key=lambda pair: pair[0].at):
        if row.kind == Kind.DELIVER and row.via == Via.PUSH:
            continue
        place = (row.epoch, row.seq)
        if any(c[0] == life.name and c[2] == place for c in claims):
            continue
        if any(c[0] == life.name and c[2][0] == row.epoch for c in claims):
            yield "dup_stored", life.name, row.device
        if any(c[1] == life.home and c[2] == place for c in claims):
            yield "seq_conflict", life.name, row.device
        claims.append((life.name, life.home, place, row.device))
    for life in facts.lives:
        for d, first in life.shown.items():
            versions: set[int] = set()
            for row in (r for r in life.deliveries if r.device == d):
                version = life.revision(row)
                if row is not first and (version == 0 or version in versions):
                    yield "dup_app", life.name, d
                versions.add(version)


def redelivered(facts: Facts) -> Found:
    """Copies on the wire that nothing excuses."""
    for life in facts.lives:
        wired = [r for r in life.proper if r.kind == Kind.WIRE and r.via not in (Via.BACKFILL, Via.PUSH)]
        for row in wired:
            same = [r for r in wired if r.at <= row.at and _copy_of(life, r) == _copy_of(life, row)]
            if len(same) > 1 and not _excused(facts, row, same):
                yield "redelivery", life.name, row.device


def _copy_of(life: Life, row: Row) -> tuple[str, int, int, int]:
    return row.device, row.epoch, row.seq, life.revision(row)


def _excused(facts: Facts, row: Row, copies: list[Row]) -> bool:
    """Whether a copy, the last of ``copies`` so far, has a reason."""
    first = copies[0]
    confirmed = [
        r.at
        for r in facts.of(Kind.RECEIVE_CONFIRMED, device=row.device, room=row.room)
        if r.at > first.at and row.seq and r.epoch in (0, row.epoch) and (r.seq >= row.seq if r.value == 1 else r.seq == row.seq)
    ]
    known = min(confirmed, default=len(facts.rows))
    if row.via == Via.SYNC:
        if not facts.of(Kind.SYNC_REQUEST, device=row.device):
            return True
        asked = [
            r
            for r in facts.of(Kind.SYNC_REQUEST, device=row.device, room=row.room)
            if r.connection == row.connection and (not row.seq or r.seq < row.seq) and r.at < min(row.at, known)
        ]
        return sum(r.via == Via.SYNC and r.connection == row.connection for r in copies) <= len(asked)
    if row.at > known:
        return False
    ended = [r for r in facts.of(Kind.DISCONNECTED, device=row.device) if first.at < r.at < row.at]
    changed = len({r.connection for r in copies}) - 1
    allowed = 1 + max(len(ended), changed) + facts.contract.resends_allowed
    return sum(r.via != Via.SYNC for r in copies) <= allowed


# order ------------------------------------------------------------------------------------------------------------------------


def _precedes(facts: Facts, one: Life, other: Life) -> bool:
    """Whether a send was over, or under the contract ``pipelined`` only begun, before another was begun."""
    if facts.contract.pipelined:
        return one.committed and one.t_inv < other.t_inv
    return one.ok is not None and one.ok.t < other.t_inv


def orders(facts: Facts) -> Found:
    """Order in the log, at a device, and against real time."""
    begun = [life for life in facts.sends if life.begun]
    for x, y in product(begun, begun):
        if x.home != y.home:
            continue
        mine = x.sender == y.sender and _precedes(facts, x, y)
        if x.place and y.place and x.place[0] == y.place[0] and y.place[1] < x.place[1]:
            if mine:
                yield "fifo_log", y.name, y.sender
            if x.ok and x.ok.t < y.t_inv:
                yield "realtime_inversion", y.name, y.sender
        if mine:
            for d in facts.devices:
                first, second = x.shown.get(d), y.shown.get(d)
                if first in facts.orders[d] and second in facts.orders[d] and first and second and second.at < first.at:
                    yield "fifo_live", x.name, d
    for d in facts.devices:
        for row in facts.orders[d]:
            if _overtaken(facts, row):
                yield "session_nonmonotonic", row.message, d


def disagreements(facts: Facts) -> Found:
    """Contradicting orders: what is on a cycle of "shown before", at devices that show it behind what follows it in the log."""
    before: dict[str, set[str]] = {life.name: set() for life in facts.lives}
    for d, room in product(facts.devices, facts.rooms):
        shown = [r.message for r in facts.orders[d] if r.room == room]
        for x, y in pairwise(shown):
            before[y].add(x)
    past = {name: reached(name, before) for name in before}
    cyclic = {name for name in past if name in past[name]}

    def rank(row: Row) -> tuple[int, int, int]:
        life = facts.life[row.message]
        return (*(life.place or (0, 0)), life.sighted.at if life.sighted else -1)

    for d, room in product(facts.devices, facts.rooms):
        shown_rows = [r for r in facts.orders[d] if r.room == room and r.message in cyclic]
        for at, row in enumerate(shown_rows):
            if any(rank(r) > rank(row) for r in shown_rows[:at]):
                yield "disagreement", row.message, d


def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Everything reachable by at least one edge."""
    result: set[str] = set()
    open_ = [start]
    while open_:
        for name in edges[open_.pop()] - result:
            result.add(name)
            open_.append(name)
    return result


def causes(facts: Facts) -> Found:
    """``causal_live``, by the closure of all pairs."""
    begun = [(life, life.begun) for life in facts.sends if life.begun]
    direct: dict[str, set[str]] = {life.name: set() for life, _ in begun}
    for (x, sent), (y, later) in product(begun, begun):
        heard = x.shown.get(y.sender)
        own = x.sender == y.sender and sent.at < later.at
        if (x.home == y.home or facts.contract.causal_across) and x is not y and (own or (heard and heard.at < later.at)):
            direct[y.name].add(x.name)
    for y, _ in begun:
        for x in (facts.life[name] for name in reached(y.name, direct)):
            if x.sender != y.sender and (x.committed if facts.contract.pipelined else x.ok):
                yield from _behind(facts, x, y)


def _behind(facts: Facts, cause: Life, effect: Life) -> Found:
    for d in facts.devices:
        row, shown = effect.shown.get(d), cause.shown.get(d)
        if not row or row.via == Via.BACKFILL or not (_due(facts, cause, d) and _due(facts, effect, d)):
            continue
        if facts.settled if shown is None else shown.via != Via.BACKFILL and shown.at > row.at:
            yield "causal_live", cause.name, d


def _due(facts: Facts, life: Life, device: str) -> bool:
    """Owed; what came counts even at a device that was switched off later."""
    in_must = device in facts.must[life.name] and life.committed and not facts.trimmed(life, device)
    return in_must and (device in life.shown or not facts.off_at_the_end(device))


# agreement --------------------------------------------------------------------------------------------------------------------


def order_changed(facts: Facts) -> Found:
    """D(d) against the positions in R(d)."""
    for d in facts.devices:
        places: dict[str, Place] = {}
        for room in facts.rooms:
            for row in facts.final.get((d, room), []):
                if row.seq > 0:
                    places.setdefault(row.message, (row.epoch, row.seq))
        for row in facts.orders[d]:
            here = places.get(row.message)
            earlier = [r for r in facts.orders[d] if r.at < row.at and r.room == row.room and r.message in places]
            if here and any(places[r.message][0] == here[0] and places[r.message][1] > here[1] for r in earlier):
                yield "order_changed", row.message, d


def diverged(facts: Facts) -> Found:
    """What one device of a user reads back and another does not."""
    readers = [(d, room) for (d, room), done in facts.done.items() if facts.user(d) and facts.certainly(room, d, done.t)]
    for (d, room), (other, same) in product(readers, readers):
        if d == other or room != same or facts.user(d) != facts.user(other):
            continue
        has = {_entry(facts, r) for r in facts.final[other, room]}
        for row in facts.final[d, room]:
            life = facts.life[row.message]
            excused = facts.trimmed_away(life, other) or not facts.kept(life) or life.may_be_shed
            if _entry(facts, row) not in has and not excused:
                yield "divergence_final", life.name, other


def _entry(facts: Facts, row: Row) -> tuple[str, int, int, int]:
    return row.message, row.epoch, row.seq, facts.life[row.message].revision(row)


def _still_due(facts: Facts, life: Life, device: str, t: float) -> bool:
    allowed = facts.certainly(life.home, device, t) and not facts.never(life, device)
    return allowed and not (life.may_be_shed or life.recall or facts.trimmed_away(life, device))


def shrank(facts: Facts) -> Found:
    """What was shown, or read back before, and is not read back."""
    for (d, room), done in facts.done.items():
        until = min(done.at, facts.audit.at if facts.audit else len(facts.rows))
        has = {r.message for r in facts.final[d, room]}
        for life in facts.lives:
            shown = life.shown.get(d)
            had = life.home == room and shown is not None and shown.at < until
            had |= any(r.message == life.name for r in facts.earlier[d, room])
            if had and life.name not in has and life.read and _still_due(facts, life, d, done.t):
                yield "history_shrank", life.name, d


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
            if covered and not _brought(facts, life, begun, done) and _still_due(facts, life, done.device, done.t):
                yield "own_write_missing", life.name, done.device


def _asked(facts: Facts, done: Row) -> Row:
    """The first request that a completion answers; itself where there is none."""
    earlier = [r.at for r in facts.of(Kind.SYNC_DONE, device=done.device, room=done.room) if r.at < done.at]
    requests = facts.of(Kind.SYNC_REQUEST, device=done.device, room=done.room)
    return next((r for r in requests if max(earlier, default=-1) < r.at < done.at), done)


def _brought(facts: Facts, life: Life, begun: Row, done: Row) -> bool:
    tapped = any(r.kind == Kind.WIRE and r.device == done.device for other in facts.lives for r in other.proper)
    if not tapped:
        shown = life.shown.get(done.device)
        return shown is not None and shown.at < done.at
    copies = [r for r in life.proper if r.kind == Kind.WIRE and r.via == Via.SYNC and r.device == done.device]
    return any(r.at < done.at and (r.at > begun.at or begun is done) for r in copies)


# reads ------------------------------------------------------------------------------------------------------------------------


def watermarks(facts: Facts) -> Found:
    """Watermarks that went back, or that end where nobody put them."""
    told = [r for r in facts.of(Kind.MARKED, Kind.WATERMARK, Kind.RECEIVE_CONFIRMED) if not _single(r)]
    for row in told:
        same = [r for r in told if _watermark(r) == _watermark(row)]
        if any(r.at < row.at and r.seq > row.seq for r in same):
            yield "watermark_regressed", "", row.device
        read = row.kind != Kind.RECEIVE_CONFIRMED
        if read and facts.settled and row is same[-1] and _misplaced(facts, row):
            yield "watermark_regressed", "", row.device


def _single(row: Row) -> bool:
    return row.kind == Kind.RECEIVE_CONFIRMED and row.value != 1


def _watermark(row: Row) -> tuple[bool, str, str, int]:
    return row.kind == Kind.RECEIVE_CONFIRMED, row.device, row.room, row.epoch


def _marks(facts: Facts, row: Row, *kinds: Kind) -> list[Row]:
    """The marks of a row's user in its conversation."""
    user = facts.user(row.device)
    return [r for r in facts.of(*kinds, room=row.room) if r.device == row.device or (user and facts.user(r.device) == user)]


def _misplaced(facts: Facts, row: Row) -> bool:
    marks = [r for r in _marks(facts, row, Kind.MARK, Kind.MARKED) if r.epoch == row.epoch]
    sure = [r for r in marks if r.kind == Kind.MARKED]
    low = max((r.seq for r in sure), default=0)
    since = next((r.at for r in sure if r.seq == low), -1)
    return row.seq > max((r.seq for r in marks), default=0) or (row.seq < low and row.at > since)


def unread(facts: Facts) -> Found:
    """Counts outside what must and what may be counted."""
    for row in facts.of(Kind.UNREAD):
        asked = _question(facts, row)
        settled = facts.settled and facts.quiet is not None and asked.at > facts.quiet.at
        least = sum(_must_count(facts, life, row, asked) for life in facts.sends)
        most = sum(_may_count(facts, life, row, asked, settled) for life in facts.lives)
        if not least <= row.value <= most:
            yield "unread_wrong", "", row.device


def _question(facts: Facts, row: Row) -> Row:
    answers = [r.at for r in facts.of(Kind.UNREAD, device=row.device, room=row.room) if r.at < row.at]
    asks = [r for r in facts.of(Kind.UNREAD_ASKED, device=row.device, room=row.room) if r.at < row.at]
    return asks[-1] if asks and asks[-1].at > max(answers, default=-1) else row


def _highest(marks: list[Row]) -> Place | None:
    return max(((r.epoch, r.seq) for r in marks), default=None)


def _must_count(facts: Facts, life: Life, row: Row, asked: Row) -> bool:
    d = row.device
    if d not in facts.must[life.name] or not life.committed or facts.trimmed(life, d) or life.home != row.room:
        return False
    if facts.user(life.sender) == facts.user(d) or life.recall or not life.known or life.known.at >= asked.at:
        return False
    mark = _highest([r for r in _marks(facts, row, Kind.MARK, Kind.MARKED) if r.at < row.at])
    return mark is None or (life.place is not None and life.place[0] == mark[0] and life.place[1] > mark[1])


def _may_count(facts: Facts, life: Life, row: Row, asked: Row, settled: bool) -> bool:
    there = life.committed if settled else life.scheduled and life.outcome != "fail"
    since = life.system or life.begun
    if not (there or life.system) or life.home != row.room or not since or since.at >= row.at:
        return False
    user = facts.user(row.device)
    if user and life.sender and facts.user(life.sender) == user:
        return False
    mark = _highest([r for r in _marks(facts, row, Kind.MARKED) if r.at < asked.at])
    return mark is None or not (life.place is not None and life.place[0] == mark[0] and life.place[1] <= mark[1])


# availability -----------------------------------------------------------------------------------------------------------------

Operation = tuple[int, int, str, bool]
"""(t_int, order of the messages, message, whether it succeeded)"""


def outages(facts: Facts) -> Found:
    """Runs of failing operations longer than the budget, in every scope; classes without a success."""
    if not facts.sends:
        yield "vacuous", "", ""
    for of in ("send", "delivery"):
        by_device = [_operations(facts, of, [d]) for d in facts.devices]
        every = [op for ops in by_device for op in ops]
        if every and not any(op[3] for op in every):
            yield "vacuous", "", ""
            continue
        for d, ops in zip(facts.devices, by_device, strict=True):
            yield from (("outage", first, d) for first in _runs(facts, ops))
        yield from (("outage", first, "") for first in _runs(facts, _operations(facts, of, ["", *facts.devices])))
        for node in {r.node for r in facts.registration.values() if r.node}:
            at_home = [d for d, r in facts.registration.items() if r.node == node]
            yield from (("outage", first, "") for first in _runs(facts, _operations(facts, of, at_home)))


def _operations(facts: Facts, of: str, inside: list[str]) -> list[Operation]:
    """The operations of a class at devices of a scope, in the order of t_int."""
    result = []
    deadline = facts.contract.deadline_us
    answered = facts.of(Kind.OK, Kind.FAIL, Kind.INFO) or not any(life.deliveries for life in facts.lives)
    for number, life in enumerate(facts.lives):
        if not _counts(facts, life):
            continue
        if of == "send":
            if life.sender in inside and answered:
                result.append((life.t_int, number, life.name, bool(life.ok and life.ok.t <= life.t_int + deadline)))
            continue
        owed = [
            d
            for d in facts.must[life.name]
            if d in inside and not facts.is_off(d, life.t_int, life.t_int + deadline) and not facts.trimmed(life, d)
        ]
        if owed:
            came = all(d in life.shown and life.shown[d].t <= life.t_int + deadline for d in owed)
            result.append((life.t_int, number, life.name, came))
    return sorted(result)


def _counts(facts: Facts, life: Life) -> bool:
    if not life.scheduled or life.to_be_rejected or (facts.truncated and life.t_int + facts.contract.deadline_us > facts.end):
        return False
    user = facts.user(life.sender) if life.sender else ""
    here = facts.possible.get((life.home, user), [])
    return not user or life.home not in facts.governed or any(s.meets(life.t_int, life.t_int) for s in here)


def _runs(facts: Facts, operations: list[Operation]) -> Iterator[str]:
    """The first message of each outage beyond the budget."""
    failing: list[Operation] = []
    for op in [*operations, None]:
        if op is not None and not op[3]:
            failing.append(op)
            continue
        if len(failing) >= 2:
            end = op[0] if op is not None else failing[-1][0]
            if end - failing[0][0] > facts.contract.outage_budget_us:
                yield failing[0][2]
        failing = []


# time -------------------------------------------------------------------------------------------------------------------------


def latencies(facts: Facts) -> Found:
    """Promised quantiles that were exceeded, by nearest rank."""
    for promise in facts.contract.latency:
        samples = [sample for _, sample in (_acks(facts) if promise.of == "ack" else _end_to_end(facts))]
        enough = len(samples) - math.ceil(promise.quantile * len(samples)) >= 1
        if enough and _rank(samples, promise.quantile) > promise.at_most_us:
            yield "latency", "", ""


def _had_time(facts: Facts, t: float) -> bool:
    return not facts.truncated or t + facts.contract.promise_us <= facts.end


def _acks(facts: Facts) -> Timed:
    counted = [life for life in facts.sends if life.outcome in ("ok", "info") and _had_time(facts, life.t_inv)]
    return [(life.t_int, life.ok.t - life.t_int if life.ok else FOREVER) for life in counted]


def _end_to_end(facts: Facts) -> Timed:
    """Of the class live."""
    result: Timed = []
    for life in facts.sends:
        for d in facts.must[life.name]:
            live = facts.ready_until(d, life.t_int) != -1
            if live and facts.owed(life, d) and life.known and (d in life.shown or _had_time(facts, life.known.t)):
                result.append((life.t_int, life.shown[d].t - life.t_int if d in life.shown else FOREVER))
    return result


def _rank(samples: list[float], quantile: float) -> float:
    return sorted(samples)[max(math.ceil(quantile * len(samples)), 1) - 1]


def generator(facts: Facts) -> Found:
    """A load generator that was late itself."""
    lags: list[float] = [life.t_inv - life.t_int for life in facts.sends if life.invoke]
    never = [life for life in facts.sends if life.outcome == "never invoked" and _had_time(facts, life.t_int)]
    lags += [FOREVER] * len(never)
    acks = [sample for _, sample in _acks(facts)]
    usual = _rank(acks, 0.5) if acks else 0
    limit = max(5_000, 0.05 * usual if usual != FOREVER else 0)
    if (lags and _rank(lags, 0.99) > limit) or (facts.cpu is not None and facts.cpu > 0.7):
        yield "generator_lag", "", ""


# recovery ---------------------------------------------------------------------------------------------------------------------

Timed = list[tuple[int, float]]
"""(t_int, value)"""


def recoveries(facts: Facts) -> Found:
    """Faults after which the run was never again what it was before the first."""
    faults = facts.of(Kind.FAULT_BEGUN)
    if not faults:
        return
    gone = [d for d in facts.devices if _is_unreachable(facts, d)]
    there = [d for d in ["", *facts.devices] if d not in gone]
    rates = [[(op[0], float(op[3])) for op in _operations(facts, of, there)] for of in ("send", "delivery")]
    delays = [_acks(facts), _end_to_end(facts)]
    base = _base(facts, faults[0].t - 1, rates, delays)
    drain = facts.drain
    for fault in faults:
        heal = next((r.t for r in facts.of(Kind.FAULT_HEALED) if r.value == fault.value and r.at > fault.at), -1)
        seen = drain - max(fault.t, heal) >= 2 * facts.contract.window_us
        if base and seen and not _recovered(facts, fault.t, drain, base, rates, delays):
            yield "not_recovered", "", ""


def _within(values: Timed, end: int, length: int) -> list[float]:
    return [value for t, value in values if end - length < t <= end]


def _base(facts: Facts, until: int, rates: list[Timed], delays: list[Timed]) -> tuple[list[float], list[float]] | None:
    """Availabilities and p99s before the first fault."""
    measure, contract = facts.measure, facts.contract
    if measure is None or until <= measure:
        return None
    length = min(contract.window_us, until - measure)
    good = [_within(values, until, until - measure) for values in rates]
    shares = [sum(values) / len(values) if values else 0.0 for values in good]
    if not shares[0]:
        return None
    complete = [[(t, value) for t, value in values if t + value <= until] for values in delays]
    windows = [
        [_within(values, end, length) for end in range(measure + length, until + 1, contract.window_step_us)]
        for values in complete
    ]
    return shares, [max((_rank(w, 0.99) for w in each if w), default=FOREVER) for each in windows]


def _recovered(
    facts: Facts, begun: int, drain: int, base: tuple[list[float], list[float]], rates: list[Timed], delays: list[Timed]
) -> bool:
    """Whether every trailing window is fine from some instant on, for one window."""
    contract, (shares, slowest) = facts.contract, base
    length, step = contract.window_us, contract.window_step_us

    def fine(end: int) -> bool:
        good = [_within(values, end, length) for values in rates]
        slow = [_within(values, end, length) for values in delays]
        enough = [sum(w) >= contract.recovery_availability * share * len(w) - 1e-9 for w, share in zip(good, shares, strict=True)]
        quick = [not w or _rank(w, 0.99) <= contract.recovery_latency_ratio * p99 for w, p99 in zip(slow, slowest, strict=True)]
        return all(enough) and all(quick)

    calm = [fine(end) for end in range(begun, drain + 1, step)]
    needed = length // step + 1
    return any(all(calm[at : at + needed]) for at in range(len(calm) - needed + 1))


# the harness ------------------------------------------------------------------------------------------------------------------


def harness(facts: Facts) -> Found:
    """What makes the run no evidence."""
    for life in facts.lives:
        if _backward(life):
            yield "clock_fault", life.name, ""
    begun = {r.value for r in facts.of(Kind.FAULT_BEGUN)}
    if any(r.value not in begun for r in facts.of(Kind.FAULT_PLANNED)):
        yield "fault_unproven", "", ""
    if facts.truncated:
        yield "truncated", "", ""
    away = [d for d in facts.devices if _away(facts, d)]
    lost = [d for d in away if _is_unreachable(facts, d)]
    yield from (("unreachable", "", d) for d in lost)
    silent = set(away) - set(lost)
    if facts.bound or (not facts.truncated and (not facts.settled or silent or _unread(facts, away))):
        yield "drain_incomplete", "", ""


def _backward(life: Life) -> bool:
    """Whether an effect is earlier than its cause."""
    steps = [(life.intend, life.invoke), (life.invoke, life.attempt), (life.attempt or life.invoke, life.ok)]
    steps += [(life.begun, row) for row in life.seen if life.scheduled]
    return any(cause and effect and effect.t < cause.t for cause, effect in steps)


def _away(facts: Facts, device: str) -> bool:
    """Whether a device is not there when R is read, and not switched off."""
    here = not facts.watched[device] or facts.ready_until(device, facts.asked) != -1
    return not here and not facts.is_off(device, facts.asked, facts.asked)


def _is_unreachable(facts: Facts, device: str) -> bool:
    """Whether it kept trying."""
    if not _away(facts, device):
        return False
    tries = facts.of(Kind.CONNECTING, device=device)
    if not facts.audit or facts.truncated or not tries or facts.ready_next(device, facts.asked) != -1:
        return False
    healed = max((r.t for r in facts.of(Kind.FAULT_HEALED)), default=0)
    lost = max((s.end for s in facts.ready[device] if s.end <= facts.end), default=0)
    return tries[-1].t >= max(healed, lost)


def _unread(facts: Facts, away: list[str]) -> bool:
    """Whether a device that was there did not finish reading a conversation that was used."""
    if not facts.audit or not (facts.of(Kind.READ_BACK_DONE) or any(life.read for life in facts.lives)):
        return False
    used = {life.home for life in facts.lives if life.committed}
    there = [d for d in facts.registration if d not in away and not facts.off_at_the_end(d)]
    return any(
        (d, room) not in facts.done and any(s.end > facts.audit.t for s in facts.certain.get((room, facts.user(d)), []))
        for d, room in product(there, used)
    )


LOOKS: tuple[Callable[[Facts], Found], ...] = (
    outcomes,
    losses,
    lateness,
    twice,
    redelivered,
    orders,
    disagreements,
    causes,
    order_changed,
    diverged,
    shrank,
    own_writes,
    watermarks,
    unread,
    outages,
    latencies,
    generator,
    recoveries,
    harness,
)
