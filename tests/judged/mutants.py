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
        "highest_before(group[known], events[known], event_seq[known], ",
        "highest_before(group[known], events[known], events[known], ",
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
        "_verdict(anomalies, bool(unproven))",
        "_verdict(anomalies, len(unproven) > len(crashes))",
    ),
    Mutant(
        "counts compared instead of sets",
        "loss.py",
        "    lost = np.flatnonzero(pairs.missing) if case.drained else np.zeros(0, np.int64)",
        "    lost = np.flatnonzero(pairs.missing) if case.drained else np.zeros(0, np.int64)\n"
        "    live = case.history.via[case.deliveries.shown] != Via.OWN\n    lost = lost[: max(0, int(pairs.owed.sum()) - int(live.sum()))]",
    ),
    Mutant(
        "a missing baseline taken for green",
        "recovery.py",
        'return "no baseline, nothing succeeded between warm-up and first fault"',
        "return None",
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
        "retention.py",
        "lapsed = history.t_us[row] >= self._lapse_us[message[which]]",
        "lapsed = history.t_us[row] >= 0",
    ),
    Mutant(
        "whoever is away is owed nothing",
        "obligations.py",
        "off = case.absences.off[self.device] & (self.row < 0)",
        "off = ~case.sessions.ready_at(self.device, np.full(len(self.device), case.phases.end_us))",
    ),
    Mutant(
        "a run without a quiet time taken for settled",
        "sessions.py",
        "settled=not truncated and bound == NONE and",
        "settled=not truncated and bound == NONE or",
    ),
    Mutant(
        "a message nobody has is only lost where it was shown to nobody",
        "loss.py",
        "    owed = sends.committed & ~sends.may_be_shed & ~case.deliveries.in_some_read",
        "    owed = sends.committed & ~sends.may_be_shed & ~case.deliveries.in_some_read\n"
        "    owed[case.history.message[case.deliveries.first]] = False",
    ),
    # twice and order
    Mutant(
        "a receive ack confirmed changes nothing",
        "duplicates.py",
        "confirmed = self._known < self.rows",
        "confirmed = self._known < 0",
    ),
    Mutant("a sync may bring anything again", "duplicates.py", "result[at] = (left < low) &", "result[at] = (left < low - 1) &"),
    Mutant(
        "resends without end allowed",
        "duplicates.py",
        "return whole(1 + np.maximum(between, changed))",
        "return whole(10 + np.maximum(between, changed))",
    ),
    Mutant(
        "positions of two epochs compared",
        "deliveries.py",
        "history.conversation[every], np.concatenate([event_epoch, epoch]))",
        "history.conversation[every])",
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
        "a question that never came causes nothing", "causes.py", "np.where(missing, case.", "np.where(missing, False and case."
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
        "marks = _marks(case, (SURE,), rows, asked)",
        "marks = _marks(case, (SURE, POSSIBLE), rows, asked)",
    ),
    Mutant(
        "after the drain anything may still count",
        "reads.py",
        "settled = case.drained & (asked > case.phases.quiet_row)",
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
        "return np.asarray(quick >= np.ceil(0.99 * count))",
        "return np.asarray(count >= 0)",
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
        "missing += [row] * (not proofs[fault])",
        "missing += [row] * (not proofs and not proofs[fault])",
    ),
    Mutant(
        "a device that never gets in taken for switched off",
        "sessions.py",
        "unreachable = away & trying & ~back & judged",
        "unreachable = away & trying & back & judged",
    ),
    Mutant("failures of a late generator blamed on the product", "verdict.py", " | (rests.rests_on_generator & late))", ")"),
    Mutant(
        "a cause that the contract forgives explains all away",
        "verdict.py",
        "explained = fails(cause, case.contract) or forgiven",
        "explained = True",
    ),
    Mutant(
        "histories that differ in content taken for one",
        "agreement.py",
        "(2, content, content != 0)):",
        "(2, content, content < 0)):",
    ),
    Mutant(
        "a sync has to bring what was ok while it was under way",
        "agreement.py",
        "later = sends.ok_row[message] < begin",
        "later = sends.ok_row[message] < done",
    ),
    Mutant("a history has to have what came after it", "agreement.py", "later = begun[read] > had[which]", "later = read >= 0"),
    Mutant(
        "a recall excuses what was read before it", "agreement.py", "~((recalled >= 0) & (recalled < done))", "~(recalled >= 0)"
    ),
    Mutant(
        "phantoms stand in the log",
        "retention.py",
        "sent_us = np.where(sends.committed | sends.of_the_system, sends.times(self._begun_row), NONE)",
        "sent_us = np.where(sends.seen_row >= 0, sends.times(sends.seen_row), NONE)",
    ),
    Mutant(
        "what a sync said before a message was sent is about it",
        "retention.py",
        "(seq[which] < history.seq[row]) & (begun[which] < row)",
        "(seq[which] < history.seq[row])",
    ),
    Mutant("not a word where nothing was read back", "coverage.py", "if not len(case.deliveries.read_done):", "if False:"),
    Mutant("not a word where no answers were recorded", "coverage.py", "if not _has(case, Kind.OK):", "if False:"),
    Mutant(
        "a fault that was over still around",
        "life.py",
        "(fault.healed_us < 0 or fault.healed_us >= case.history.t_us[row])",
        "True",
    ),
    Mutant(
        "whom a message was not owed to named",
        "life.py",
        "mine = np.flatnonzero((pairs.message == message) & pairs.owed)",
        "mine = np.flatnonzero(pairs.message == message)",
    ),
    Mutant(
        "devices that stay connected for ever in plots",
        "series.py",
        "ended = ready.end_us[ready.end_us <= case.phases.end_us]",
        "ended = ready.end_us[:0]",
    ),
    Mutant(
        "a median plotted for a p99",
        "series.py",
        '"ack_p99_us": _by_bin(bins(samples.ack_t_us), samples.ack, 0.99, count)',
        '"ack_p99_us": _by_bin(bins(samples.ack_t_us), samples.ack, 0.5, count)',
    ),
    Mutant(
        "times told from the recording's begin",
        "findings.py",
        "since = t_us - self._history.header.load_begin_us",
        "since = t_us",
    ),
    Mutant(
        "instances counted as messages",
        "findings.py",
        "return len(np.unique(values[values >= 0]))",
        "return len(values[values >= 0])",
    ),
    Mutant(
        "what happens at one instant comes before itself",
        "grouped.py",
        "order = np.lexsort((is_event, np",
        "order = np.lexsort((1 - is_event, np",
    ),
    Mutant(
        "the next row may be the row itself",
        "grouped.py",
        'at = np.searchsorted(self._codes, codes, "right")\n',
        'at = np.searchsorted(self._codes, codes, "left")\n',
    ),
    Mutant("the last word taken for the first", "grouped.py", "result[index[::-1]] = rows[::-1]", "result[index] = rows"),
    Mutant(
        "the first question dropped by the next", "reads.py", "questions.popleft() if questions", "questions.pop() if questions"
    ),
    Mutant(
        "whoever came late is said to be out of order wherever a contradiction is",
        "disagreement.py",
        "(before >= 0) & (rank[before] > rank)",
        "(before >= 0)",
    ),
    Mutant(
        "a recovery seen in a load that had ended",
        "recovery.py",
        ">= 2 * case.contract.window_us",
        ">= 0 * case.contract.window_us",
    ),
    Mutant(
        "a device that was switched off and on is there throughout",
        "sessions.py",
        "        _times(history, _after(history, Kind.OFFLINE, begin)),\n",
        "",
    ),
    Mutant(
        "an ended connection ends any",
        "sessions.py",
        "Rows(connection[ended], ended).after(connection[begin], begin)",
        "Rows(device[ended], ended).after(device[begin], begin)",
    ),
    Mutant(
        "a generator's own load never asked about",
        "harness.py",
        "if cpu is not None and cpu > CPU_MAX:",
        "if cpu is not None and cpu > 1:",
    ),
    Mutant(
        "late loops of the harness never asked about",
        "harness.py",
        "if loop_us is not None and loop_us > LOOP_LAG_MAX_US:",
        "if loop_us is not None and loop_us > 10 * LOOP_LAG_MAX_US:",
    ),
    Mutant(
        "misdelivery forgiven",
        "kinds.py",
        '"misdelivery": KindOfAnomaly("shown to someone who must not see it, or in another conversation")',
        '"misdelivery": KindOfAnomaly("shown to someone who must not see it, or in another conversation", False)',
    ),
    Mutant(
        "a drain that did not end proves the product wrong",
        "kinds.py",
        '"drain_incomplete": KindOfAnomaly("the run ended before everything had settled", blame="unknown")',
        '"drain_incomplete": KindOfAnomaly("the run ended before everything had settled")',
    ),
    Mutant(
        "real time asked of the clock of the positions",
        "order.py",
        "late = np.flatnonzero((earlier >= 0) & (place[before] > place))",
        "late = np.flatnonzero((earlier >= 0) & (place[before] < place))",
    ),
    Mutant(
        "a client that died is charged for what came after",
        "sessions.py",
        "    if silent.any():",
        "    if False:",
    ),
    Mutant(
        "a client that died is excused from the start",
        "sessions.py",
        "known_until_us[silent] = _last_sign_us(history)[silent]",
        "known_until_us[silent] = 0",
    ),
    Mutant(
        "a deadline that a late delivery meets",
        "availability.py",
        "& (pairs.t_us <= due_us[pairs.message])",
        "& (pairs.t_us >= 0)",
    ),
    Mutant(
        "too few samples taken for a kept promise",
        "latency.py",
        "return False if len(samples) and samples.max() <= promise.at_most_us else None",
        "return False",
    ),
)
