"""Mutants of the judges: plausible mistakes, each one change of one line, that the corpus or the tests must notice.

Those that the definitions name come first. ``python -m tests.judged.score`` makes each and tells what killed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A mistake: in one file of ``model/checkers``, ``old`` (found there once) becomes ``new``."""

    name: str
    file: str
    old: str
    new: str

    def put_into(self, checkers: Path) -> None:
        """Make the mistake in a copy of the judges. Raises ValueError where ``old`` is not found exactly once."""
        path = checkers / self.file
        text = path.read_text(encoding="utf8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.file} has its text {text.count(self.old)} times, not once")
        path.write_text(text.replace(self.old, self.new), encoding="utf8")


MUTANTS = (
    # those that the definitions name
    Mutant(
        "a duplicate test that no count fulfils",
        "duplicates.py",
        "rows = shown[~np.isin(shown, case.deliveries.first, assume_unique=True)]",
        "rows = shown[:0]",
    ),
    Mutant(
        "duplicates that do not reach the verdict",
        "kinds.py",
        '"dup_app": KindOfAnomaly("shown twice on one device",',
        '"dup_app": KindOfAnomaly("shown twice on one device", False,',
    ),
    Mutant(
        "an outage closed only by a later success",
        "availability.py",
        "    last_us = np.where(closed",
        "    begin, end, closed, after = begin[closed], end[closed], closed[closed], after[closed]\n    last_us = np.where(closed",
    ),
    Mutant(
        "latencies of zero dropped",
        "latency.py",
        "    enough = len(samples) - math",
        "    samples = samples[samples > 0]\n    enough = len(samples) - math",
    ),
    Mutant(
        "order compared with the previous message only",
        "deliveries.py",
        "        highest = highest_earlier(group, history.seq[at])",
        "        highest = Rows(group, np.arange(len(at))).before(group, np.arange(len(at)))",
    ),
    Mutant(
        "a dedupe window that forgets",
        "duplicates.py",
        "    message, device = history.message[rows], whole(history.device[rows])\n\n    def tell(i: int) -> tuple[str, tuple[int, ...]]:\n"
        "        row = int(rows[i])\n        before",
        "    early = case.deliveries.first_row(history.message[rows], whole(history.device[rows]))\n"
        "    rows = rows[history.t_us[rows] - history.t_us[early] < 10_000_000]\n"
        "    message, device = history.message[rows], whole(history.device[rows])\n\n    def tell(i: int) -> tuple[str, tuple[int, ...]]:\n"
        "        row = int(rows[i])\n        before",
    ),
    Mutant(
        "state cleared at logout",
        "duplicates.py",
        "rows = shown[~np.isin(shown, case.deliveries.first, assume_unique=True)]",
        "rows = shown[~np.isin(shown, shown[first_by(dense(case.deliveries.pair_of(shown), history.connection[shown]))])]",
    ),
    Mutant(
        "info taken for fail",
        "outcome.py",
        "np.where(touched, INFO, NEVER_INVOKED)",
        "np.where(touched, FAIL, NEVER_INVOKED)",
    ),
    Mutant(
        "info taken for ok",
        "outcome.py",
        "((self.outcome == OK) | ((self.outcome != FAIL) & (self.seen_row >= 0)))",
        "((self.outcome == OK) | (self.outcome == INFO))",
    ),
    Mutant(
        "a judge that crashed taken for one that found nothing",
        "verdict.py",
        "_verdict(anomalies, bool(crashes or unproven))",
        "_verdict(anomalies, bool(unproven))",
    ),
    Mutant(
        "counts compared instead of sets",
        "loss.py",
        "    lost = np.flatnonzero(pairs.missing) if case.phases.settled else np.zeros(0, np.int64)",
        "    lost = np.flatnonzero(pairs.missing) if case.phases.settled else np.zeros(0, np.int64)\n"
        "    live = case.history.via[case.deliveries.shown] != Via.OWN\n"
        "    lost = lost[: max(0, int(pairs.owed.sum()) - int(live.sum()))]",
    ),
    Mutant(
        "a missing baseline taken for green",
        "recovery.py",
        "    if base is None:\n        unproven.append(",
        "    if base is None:\n        str(",
    ),
    # outcomes and identity
    Mutant(
        "two oks compared by their ids only",
        "outcome.py",
        "for differs in (_other_id, _other_position):",
        "for differs in (_other_id,):",
    ),
    Mutant(
        "an ok after a fail believed",
        "outcome.py",
        "after_fail = (fail >= 0) & (fail < rows)",
        "after_fail = fail > len(history)",
    ),
    Mutant(
        "what was sent by nobody taken for the system's",
        "outcome.py",
        "known = case.sends.scheduled | case.sends.of_the_system",
        "known = case.sends.sender >= 0",
    ),
    Mutant(
        "any edit explains any content",
        "revisions.py",
        "every = np.concatenate([revisions, rows])\n        key = dense(history.message[every], history.content_hash[every])",
        "every = np.concatenate([revisions, rows])\n        key = dense(history.message[every])",
    ),
    Mutant(
        "an edit explains what was shown before it",
        "revisions.py",
        "named]).before(key[count:], rows)",
        "named]).before(key[count:], rows + 10**9)",
    ),
    # who is owed what
    Mutant(
        "members never leave",
        "members.py",
        "possible = Stays(history, (Kind.MEMBER, Kind.JOINING), (Kind.LEFT,))",
        "possible = Stays(history, (Kind.MEMBER, Kind.JOINING), ())",
    ),
    Mutant("leaving excuses nothing", "obligations.py", "    must[leaves] = _stays(", "    must[leaves] |= _stays("),
    Mutant(
        "whoever leaves is owed nothing",
        "obligations.py",
        "        must[leaves] = _stays(case, message[leaves], device[leaves], until_us[leaves])",
        "        must[leaves] = False",
    ),
    Mutant(
        "a join that was only asked for taken for one",
        "members.py",
        "certain = Stays(history, (Kind.MEMBER,), (",
        "certain = Stays(history, (Kind.MEMBER, Kind.JOINING), (",
    ),
    Mutant("hidden history open to joiners", "members.py", "latest_us = np.where(hides,", "latest_us = np.where(hides & False,"),
    Mutant(
        "what may be shed is owed",
        "obligations.py",
        "due = np.flatnonzero(sends.scheduled & ~sends.may_be_shed)",
        "due = np.flatnonzero(sends.scheduled)",
    ),
    Mutant(
        "a sync's word taken against the contract",
        "obligations.py",
        "    covered &= ~case.retention.promised(message[which], history.t_us[row])\n",
        "",
    ),
    Mutant(
        "whoever is away is owed nothing",
        "obligations.py",
        "& ~case.absences.off[self.device]",
        "& case.sessions.ready_at(self.device, np.full(len(self.device), case.phases.end_us))",
    ),
    Mutant(
        "a run without a quiet time taken for settled",
        "sessions.py",
        "settled=not truncated and bound == NONE and row_of(Phase.QUIET) >= 0",
        "settled=not truncated",
    ),
    Mutant(
        "a message nobody has is only lost where it was shown to nobody",
        "loss.py",
        "gone = owed & read & ~deliveries.in_some_read & case.retention.kept",
        "gone = owed & read & ~deliveries.in_some_read & case.retention.kept\n"
        "    gone[case.history.message[deliveries.first]] = False",
    ),
    # twice and order
    Mutant(
        "a receive ack confirmed changes nothing",
        "duplicates.py",
        '        if row > confirmed:\n            return "its receive ack had been confirmed"\n',
        "",
    ),
    Mutant(
        "a sync may bring anything again", "duplicates.py", 'return "" if nth <= asked else', 'return "" if nth <= asked + 1 else'
    ),
    Mutant(
        "resends without end allowed",
        "duplicates.py",
        "allowed = 1 + max(between, changed) + self._resends",
        "allowed = 10 + max(between, changed) + self._resends",
    ),
    Mutant(
        "positions of two epochs compared",
        "deliveries.py",
        "group = dense(history.device[at], history.conversation[at], history.epoch[at])",
        "group = dense(history.device[at], history.conversation[at])",
    ),
    Mutant(
        "backfill taken for live order",
        "deliveries.py",
        "return whole(self.first[self.history.via[self.first] != Via.BACKFILL])",
        "return whole(self.first)",
    ),
    Mutant(
        "push taken for a delivery",
        "deliveries.py",
        "self.shown: Int = seen[(kind == Kind.DELIVER) & (via != Via.PUSH)]",
        "self.shown: Int = seen[kind == Kind.DELIVER]",
    ),
    Mutant(
        "pipelined sends ordered like sequential ones",
        "order.py",
        "    if case.contract.pipelined:\n        return np.where",
        "    if False:\n        return np.where",
    ),
    Mutant(
        "contradictions between two devices only",
        "disagreement.py",
        "return np.where(np.bincount(label)[label] > 1,",
        "return np.where(np.bincount(label)[label] == 2,",
    ),
    # causes and reads
    Mutant(
        "causes of causes forgotten", "causes.py", "                np.maximum(mine, result[source].max(axis=0), out=mine)\n", ""
    ),
    Mutant(
        "a question that never came causes nothing",
        "causes.py",
        "np.where(missing, case.phases.settled, came > effect)",
        "np.where(missing, False, came > effect)",
    ),
    Mutant(
        "causes across conversations never looked for",
        "causes.py",
        "        if self._case.contract.causal_across:\n            return np.zeros",
        "        if False:\n            return np.zeros",
    ),
    Mutant(
        "an unanswered question makes a claim",
        "causes.py",
        "sends.committed if case.contract.pipelined else sends.ok_row >= 0",
        "sends.committed",
    ),
    Mutant(
        "a watermark compared with the one before only where it was its own device's",
        "reads.py",
        "rows = history.rows_of(Kind.MARKED, Kind.WATERMARK, Kind.RECEIVE_CONFIRMED)",
        "rows = history.rows_of(Kind.MARKED, Kind.RECEIVE_CONFIRMED)",
    ),
    Mutant(
        "one's own messages counted as unread", "reads.py", "    return every - np.where(user >= 0, own, 0)", "    return every"
    ),
    Mutant(
        "a mark that was not confirmed taken for sure",
        "reads.py",
        "marked, epoch, seq = _mark(case, (SURE,), rows, asked)",
        "marked, epoch, seq = _mark(case, (SURE, POSSIBLE), rows, asked)",
    ),
    Mutant(
        "after the drain anything may still count",
        "reads.py",
        "settled = case.phases.settled & (asked > case.phases.quiet_row)",
        "settled = asked < 0",
    ),
    # time and the harness
    Mutant(
        "what never came taken for instant",
        "latency.py",
        "return np.where(came, end_us - begin_us, np.inf)",
        "return np.where(came, end_us - begin_us, 0)",
    ),
    Mutant(
        "latency from the first write",
        "latency.py",
        "ack = _since(sends.t_ok_us[ack_at], sends.t_int_us[ack_at],",
        "ack = _since(sends.t_ok_us[ack_at], sends.times(sends.attempt_row)[ack_at],",
    ),
    Mutant(
        "only the average's outages",
        "availability.py",
        "for by_class in found.values() for outage in by_class]",
        'for outage in found["all"]]',
    ),
    Mutant(
        "refusals on purpose count as failures",
        "availability.py",
        "allowed = (allowed | (senders < 0)) & ~sends.to_be_rejected",
        "allowed = allowed | (senders < 0)",
    ),
    Mutant(
        "recovery by rate alone",
        "recovery.py",
        "(not len(w) or nearest_rank(w, 0.99) <= limit_us for w in windows)",
        "(limit_us >= 0 for _ in windows)",
    ),
    Mutant(
        "a clock that went back proves nothing",
        "harness.py",
        "back = case.history.t_us[effect] < case.history.t_us[cause]",
        "back = case.history.t_us[effect] < case.history.t_us[cause] - 10**9",
    ),
    Mutant(
        "a planned fault believed",
        "harness.py",
        "if int(history.value[row]) not in begun]",
        "if not begun and int(history.value[row]) > 1]",
    ),
    Mutant(
        "a device that never gets in taken for switched off",
        "sessions.py",
        "unreachable = away & trying & ~back & judged",
        "unreachable = away & trying & back & judged",
    ),
    Mutant(
        "failures of a late generator blamed on the product",
        "verdict.py",
        "proven = ~((rests.rests_on_time & (finding.rows >= clock)) | (rests.rests_on_generator & late))",
        "proven = ~(rests.rests_on_time & (finding.rows >= clock))",
    ),
    Mutant(
        "a cause that the contract forgives explains all away",
        "verdict.py",
        "if which.any() and fails(cause, case.contract) and _implied(cause, finding.kind):",
        "if which.any() and _implied(cause, finding.kind):",
    ),
)
