"""The judges agree with the brute-force judge on random histories: the same instances of every kind, as often, and the same verdict."""

from __future__ import annotations

from collections import Counter

import pytest

from model.checkers import judge
from model.checkers.case import Case
from model.checkers.kinds import KINDS
from model.checkers.verdict import JUDGES
from model.history import at_rest
from model.history.columns import History
from model.history.sense import impossible
from tests.corpus import files
from tests.judged import brute_force
from tests.judged.instances import Instance
from tests.judged.random_history import HEALTHY, OF, history
from tests.judged.slow_verdict import verdict

CHUNK = 100
BY_REASON = {"drain_incomplete", "divergence_final", "generator_lag"}
"""Kinds of which one instance is told once for each reason, or for each way in which it differs: how often says nothing."""
OF_PAIRS = {"divergence_final"}
"""Kinds that are about two devices; at which of them they are told says nothing."""


def found(history: History) -> Counter[Instance]:
    """What the judges find, before anything is forgiven or explained by something else."""
    case, result = Case(history), Counter[Instance]()
    for one in JUDGES.values():
        for finding in one(case).findings:
            for message, device in zip(finding.messages.tolist(), finding.devices.tolist(), strict=True):
                name = case.say.message(message) if message >= 0 else ""
                result[finding.kind, name.removeprefix("nobody"), case.say.device(device) if device >= 0 else ""] += 1
    pairs = case.obligations
    assert len({*zip(pairs.message.tolist(), pairs.device.tolist(), strict=True)}) == len(pairs.message), "owed twice"
    return result


def comparable(instances: Counter[Instance]) -> Counter[Instance]:
    """Instances without what two judges may tell in two ways.

    Where a message was seen before it was sent, causes can run in circles, and what follows from them is not compared.
    """
    if any(kind == "clock_fault" for kind, _, _ in instances):
        instances = Counter({one: count for one, count in instances.items() if one[0] != "causal_live"})
    result: Counter[Instance] = Counter()
    for (kind, message, device), count in instances.items():
        result[kind, message, "" if kind in OF_PAIRS else device] += 1 if kind in BY_REASON else count
    return Counter({one: 1 if one[0] in BY_REASON else count for one, count in result.items()})


def differences(planted: History) -> tuple[Counter[Instance], Counter[Instance]]:
    """What only the judges find, and what only the brute force finds."""
    fast, slow = comparable(found(planted)), comparable(brute_force.judge(planted))
    return fast - slow, slow - fast


def compare(seeds: range) -> tuple[Counter[str], Counter[str]]:
    """Judge the histories of all seeds twice; how many have each kind, and each verdict."""
    kinds, verdicts = Counter[str](), Counter[str]()
    for seed in seeds:
        planted = history(seed)
        fast, slow = differences(planted)
        assert (fast, slow) == ({}, {}), f"seed {seed}: only the judges {sorted(fast)}, only the brute force {sorted(slow)}"
        instances = brute_force.judge(planted)
        said, expected = judge(planted).verdict, verdict(planted, instances)
        assert expected in (said, None), f"seed {seed}: {said}, by brute force {expected}"
        kinds.update({kind for kind, _, _ in instances})
        verdicts[said] += 1
    return kinds, verdicts


@pytest.mark.parametrize("first", range(0, 2_000, CHUNK))
def test_agree_on_small_histories(first: int) -> None:
    kinds, verdicts = compare(range(first, first + CHUNK))
    assert len(kinds) >= 25, "hardly anything goes wrong in these histories"
    assert verdicts["valid"] >= CHUNK / 20, "hardly anything goes right in these histories"


ONCE_DIFFERED = (
    *(4174, 6648, 7639, 8199, 10687, 12347, 14574, 15788, 16072, 18638, 20338, 22353, 24266, 26244, 28068, 30538, 33547, 34737),
    *(37159, 38229, 40563, 42117, 46163, 48192, 52878, 33914, 48178, 58759, 85817, 99409, 100469, 107690),
)
"""Seeds on which one of the two was wrong."""


@pytest.mark.parametrize("seed", ONCE_DIFFERED)
def test_agree_where_they_once_did_not(seed: int) -> None:
    compare(range(seed, seed + 1))


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(2_000, 100_000, 2_000))
def test_agree_on_very_many(first: int) -> None:
    kinds, _ = compare(range(first, first + 2_000))
    assert set(kinds) == set(KINDS)


@pytest.mark.parametrize("seed", range(100))
def test_random_histories_are_the_same_every_time_and_could_have_been(seed: int) -> None:
    planted = history(seed)
    assert planted.equals(history(seed))
    assert impossible(planted) is None


def test_nearly_healthy_histories_are_mostly_in_order() -> None:
    healthy = [seed for seed in range(200) if seed % OF < HEALTHY]
    verdicts = Counter(judge(history(seed)).verdict for seed in healthy)
    assert verdicts["valid"] > len(healthy) / 4
    assert verdicts["invalid"] > len(healthy) / 10


@pytest.mark.parametrize("name", files.ENTRIES)
def test_agree_on_the_corpus(name: str) -> None:
    planted = at_rest.read(files.FOLDER / f"{name}.jsonl")
    fast, slow = differences(planted)
    assert (fast, slow) == ({}, {}), f"only the judges {sorted(fast)}, only the brute force {sorted(slow)}"
    assert verdict(planted, brute_force.judge(planted)) in (files.ENTRIES[name].verdict, None)
