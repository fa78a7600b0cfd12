"""The judges agree with the brute-force judge on random histories: the same instances of every kind."""

from __future__ import annotations

from collections import Counter

import pytest

from model.checkers.case import Case
from model.checkers.kinds import KINDS
from model.checkers.verdict import JUDGES
from model.history.columns import History
from tests.judged import brute_force
from tests.judged.brute_force import Instance
from tests.judged.random_history import history

CHUNK = 100


def found(history: History) -> set[Instance]:
    """What the judges find, before anything is forgiven or explained by something else."""
    case, result = Case(history), set()
    for judge in JUDGES.values():
        for finding in judge(case).findings:
            for message, device in zip(finding.messages.tolist(), finding.devices.tolist(), strict=True):
                name = case.say.message(message) if message >= 0 else ""
                result.add((finding.kind, name.removeprefix("nobody"), case.say.device(device) if device >= 0 else ""))
    pairs = case.obligations
    assert len({*zip(pairs.message.tolist(), pairs.device.tolist(), strict=True)}) == len(pairs.message), "owed twice"
    return result


def compare(seeds: range) -> Counter[str]:
    """Judge the histories of all seeds twice; how many have each kind."""
    kinds: Counter[str] = Counter()
    for seed in seeds:
        planted = history(seed)
        fast, slow = found(planted), brute_force.judge(planted)
        assert fast == slow, f"seed {seed}: only the judges {sorted(fast - slow)}, only the brute force {sorted(slow - fast)}"
        kinds.update({kind for kind, _, _ in slow})
    return kinds


@pytest.mark.parametrize("first", range(0, 2_000, CHUNK))
def test_agree_on_small_histories(first: int) -> None:
    kinds = compare(range(first, first + CHUNK))
    assert len(kinds) >= 15, "hardly anything goes wrong in these histories"


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(2_000, 100_000, 2_000))
def test_agree_on_very_many(first: int) -> None:
    kinds = compare(range(first, first + 2_000))
    assert set(kinds) == set(KINDS)
