"""A seed is one trial: the same every time, playable, and with features of its own."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from model.core import limits
from model.scenario import RollingRestart, faults
from scenarios.hunting import faults as hunted
from scenarios.hunting import generator, probes
from scenarios.hunting.dice import Dice
from scenarios.hunting.trial import CRASH, ENDLESS, FOUND_UNKNOWN, Trial, play
from scenarios.running.settings import apply

SEEDS = range(300)
TRIALS = [generator.trial(seed) for seed in SEEDS]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_is_played_the_same_every_time(seed: int) -> None:
    first, second = (play(generator.trial(seed)) for _ in range(2))
    assert first == second
    assert first.digest
    assert first.digest != play(generator.trial(seed + 1)).digest


@pytest.mark.parametrize("begin", range(0, 60, 20))
def test_any_mix_of_policies_comes_to_its_end(begin: int) -> None:
    """What it loses and repeats is its own affair."""
    trials = [generator.mixed(seed) for seed in range(begin, begin + 20)]
    outcomes = [play(trial) for trial in trials]
    assert not [
        (t.seed, o.details) for t, o in zip(trials, outcomes, strict=True) if {CRASH, ENDLESS, *FOUND_UNKNOWN} & set(o.kinds)
    ]
    assert any(o.kinds for o in outcomes)


def test_a_trial_is_a_value_that_stands_for_itself() -> None:
    for trial in TRIALS:
        read = msgspec.json.decode(msgspec.json.encode(trial), type=Trial)
        assert msgspec.to_builtins(read) == msgspec.to_builtins(trial)
    assert play(msgspec.json.decode(msgspec.json.encode(TRIALS[5]), type=Trial)) == play(TRIALS[5])


def test_every_trial_can_be_played() -> None:
    for trial in TRIALS:
        assert apply(trial.scenario, []) is trial.scenario  # else it says what is wrong with the scenario


def test_every_feature_and_kind_of_fault_is_on_in_some_trials_and_off_in_others() -> None:
    kinds = Counter(faults.tag(fault) for trial in TRIALS for fault in trial.scenario.faults)
    assert set(kinds) == set(hunted.KINDS)
    choices = {
        "groups": lambda trial: trial.scenario.population.groups_per_user > 0,
        "loss": lambda trial: trial.scenario.network.loss > 0,
        "jitter": lambda trial: trial.scenario.network.jitter_us > 0,
        "policies": lambda trial: bool(trial.scenario.policies),
        "admission": lambda trial: "admission" in trial.scenario.policies,
        "hints": lambda trial: trial.scenario.policies.get("admission_hint", "none") != "none",
        "merged": lambda trial: trial.scenario.merged,
        "short lives": lambda trial: trial.scenario.connection_life_s > 0,
        "cores": lambda trial: trial.scenario.cores is not None,
        "ties": lambda trial: trial.ties is not None,
        "limits": lambda trial: bool(trial.limits),
        "slow disk": lambda trial: "storage_commit_us" in trial.times,
        "faults": lambda trial: len(trial.scenario.faults) > 1,
    }
    for name, has in choices.items():
        with_it = sum(map(has, TRIALS))
        assert 0.05 < with_it / len(TRIALS) < 0.95, name


def test_a_node_is_at_one_fault_at_a_time() -> None:
    for trial in TRIALS:
        spans: dict[str, list[tuple[float, float]]] = {}
        for fault in trial.scenario.faults:
            for node in fault.nodes if isinstance(fault, RollingRestart) else (fault.node,):
                spans.setdefault(node, []).append((fault.at_s, fault.healed_s))
        for of_node in spans.values():
            of_node.sort()
            assert all(end < begin for (_, end), (begin, _) in pairwise(of_node))


def test_another_feature_shifts_no_other_draw() -> None:
    one, other = Dice(7), Dice(7)
    other.share("something new")
    assert [one.share("delay"), one.share("delay")] == [other.share("delay"), other.share("delay")]
    assert one.share("delay") != one.share("jitter")


def test_no_kind_of_fault_is_no_fault() -> None:
    agenda = hunted.Agenda(Dice(1), 2, 1.0, 0.0, 0.1)
    assert hunted.draw(agenda, [], 5) == ()


def test_tightened_bounds_are_in_force_for_the_trial_only() -> None:
    trial = next(t for t in TRIALS if t.limits.get("SYNC_PAGE_MAX", 100) <= 2 and t.scenario.faults)
    before = limits.SYNC_PAGE_MAX
    _, reached = probes.traced(lambda: play(trial))
    assert before == limits.SYNC_PAGE_MAX
    assert "an audit takes several pages" in reached


def test_a_rule_that_raises_is_a_finding_with_its_place() -> None:
    trial = msgspec.structs.replace(TRIALS[1], limits={"SYNC_PAGE_MAX": "many"})  # as wrong as a rule may be
    outcome = play(trial)
    assert outcome.kinds == (CRASH,)
    assert "Error: " in outcome.details[0]
    assert "/" not in outcome.details[0]
