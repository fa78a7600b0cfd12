"""Many trials: what is found does not depend on how they are shared out; a failing one is made small and still fails in the same way."""

from __future__ import annotations

import gc
from datetime import date
from pathlib import Path

import msgspec
import pytest

from model.sim import kernel
from model.sim.world import World
from scenarios.hunting import generator, kept, probes, search, shrink
from scenarios.hunting.trial import CRASH, Outcome, Trial, play
from scenarios.running.settings import apply
from tests.hunt.mutants import MUTANTS

PAST_A_GAP = next(mutant for mutant in MUTANTS if mutant.name == "cursor moved past a gap")


def test_any_number_of_jobs_finds_the_same() -> None:
    alone, two = (search.hunt(range(1, 50), "timer", jobs) for jobs in (1, 2))
    assert search.plain(alone) == search.plain(two)
    assert alone.seeds == 49
    assert [failure.seed for failure in alone.failures] == sorted({failure.seed for failure in alone.failures})
    assert len(alone.failures) > 20


def test_a_hunt_ends_with_its_time() -> None:
    tally = search.hunt(iter(range(10**9)), "cursor", 1, seconds=0.01)
    assert 0 < tally.seeds < 1000


def test_a_failing_trial_is_made_small_and_fails_in_the_same_way() -> None:
    with PAST_A_GAP.made():
        seed = next(seed for seed in range(1, 200) if play(generator.trial(seed)).kinds)
        trial = generator.trial(seed)
        outcome = play(trial)
        small, found, tries = shrink.shrink(trial, outcome)
        assert play(small) == found
        assert outcome.kinds[0] in found.kinds
        assert tries <= shrink.TRIES_MAX
        assert all(less <= more for less, more in zip(shrink.size(small), shrink.size(trial), strict=True))
        assert shrink.size(small) < shrink.size(trial)
        assert len(small.scenario.faults) <= 1
        assert small.scenario.population.users <= 4
    assert play(small).kinds == ()


def test_what_fails_in_another_way_is_not_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here every trial fails, and only those with a fault in the way of the first."""
    trial = next(t for t in map(generator.trial, range(1, 100)) if len(t.scenario.faults) > 2)
    monkeypatch.setattr(shrink, "play", lambda t: Outcome(("lost",) if t.scenario.faults else ("dup_app",), ("1",), "", 0, 0))
    small, found, _ = shrink.shrink(trial, Outcome(("lost",), ("1",), "", 0, 0), tries_max=100)
    assert found.kinds == ("lost",)
    assert len(small.scenario.faults) == 1


def test_a_crash_elsewhere_is_another_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says may name values, which smaller trials have others of; its type and its place are what it is."""
    trial = next(t for t in map(generator.trial, range(1, 100)) if len(t.scenario.faults) > 2)

    def play(trial: Trial) -> Outcome:
        faults = len(trial.scenario.faults)
        detail = f"KeyError: {faults} in model.core.log.f" if faults > 1 else "KeyError: 0 in model.core.log.g"
        return Outcome((CRASH,), (detail,), "", 0, 0)

    monkeypatch.setattr(shrink, "play", play)
    small, found, _ = shrink.shrink(trial, play(trial), tries_max=200)
    assert found.details == ("KeyError: 2 in model.core.log.f",)
    assert len(small.scenario.faults) == 2


def test_only_what_can_be_played_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halved again and again, a scenario would end as one that every command refuses, and a crash in it is no bug of the rules."""
    tried, fails = list[Trial](), Outcome(("lost",), ("1",), "", 0, 0)

    def play(trial: Trial) -> Outcome:
        tried.append(trial)
        return fails

    monkeypatch.setattr(shrink, "play", play)
    for seed in range(1, 30):
        shrink.shrink(generator.trial(seed), fails, tries_max=100)
    assert len(tried) > 500
    for trial in tried:
        assert apply(trial.scenario, []) is trial.scenario


def test_shrinking_is_bounded() -> None:
    trial = generator.trial(1, "timer")
    small, _, tries = shrink.shrink(trial, play(trial), tries_max=7)
    assert tries == 7
    assert small.preset == "timer"


def test_what_is_kept_is_kept_once_and_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("# for readers\n")
    trial = generator.trial(3, "timer")
    found = [(3, trial, play(trial))]
    assert kept.keep(found, date(2026, 11, 26), path) == 1
    assert kept.keep(found, date(2026, 11, 27), path) == 0
    (entry,) = kept.read(path)
    assert (entry.seed, entry.day, entry.generator) == (3, "2026-11-26", generator.VERSION)
    assert entry.kinds == found[0][2].kinds
    assert msgspec.to_builtins(entry.trial) == msgspec.to_builtins(trial)
    assert play(entry.trial) == found[0][2]


def test_another_trial_of_the_same_scenario_and_luck_is_kept_too_and_twice_the_same_once(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("")
    trial, outcome = generator.trial(3), Outcome(("lost",), ("1",), "", 0, 0)
    others = ({"ties": 1}, {"ties": None}, {"limits": {"GAP_BUFFER_MAX": 0}}, {"preset": "timer"}, {"times": {"local_us": 1.0}})
    found = [(3, msgspec.structs.replace(trial, **fields), outcome) for fields in others]
    assert kept.keep([*found, *found], date(2026, 11, 26), path) == len(found)
    assert [entry.trial for entry in kept.read(path)] == [trial for _, trial, _ in found]
    assert kept.keep(found, date(2026, 11, 26), path) == 0


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text('# for readers\n{"seed": 1}\n')
    with pytest.raises(ValueError, match=r"seeds\.txt, line 2: .*day"):
        kept.read(path)


@pytest.mark.parametrize("entry", kept.read(), ids=lambda entry: f"{entry.seed}-{'-'.join(entry.kinds)}")
def test_what_failed_once_passes_for_ever(entry: kept.Kept) -> None:
    assert play(entry.trial).kinds == ()


def test_probes_find_their_lines_and_tell_what_a_trial_came_to() -> None:
    tally = search.hunt_seeds([0, search.PROBED_EVERY, 2 * search.PROBED_EVERY], "cursor")
    assert tally.probed == 3
    assert {"sends are repeated", "a repeated send is recognised", "model.core.log.ConversationLog.append"} <= tally.reached
    never = probes.never(tally.reached)
    assert "a conversation begins anew in another epoch" in never
    assert "model.core.log.ConversationLog.append" not in never
    assert set(never) | tally.reached == {*probes.LINES, *probes.HISTORIES, *probes.functions()} - probes.ELSEWHERE.keys()


def test_what_cannot_be_reached_is_there_and_is_not_reached() -> None:
    assert set(probes.functions()) >= probes.ELSEWHERE.keys()
    tally = search.hunt_seeds(range(0, 20 * search.PROBED_EVERY, search.PROBED_EVERY), "cursor")
    assert not tally.reached & probes.ELSEWHERE.keys()
    assert {"model.core.admission.TokenBucket.ask", "model.core.admission.BoundedQueue.over"} <= tally.reached


def test_a_probe_without_its_line_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    function, _ = probes.LINES["sends are repeated"]
    monkeypatch.setitem(probes.LINES, "sends are repeated", (function, "no such text"))
    probes._lines.cache_clear()
    with pytest.raises(LookupError, match=r"'sends are repeated' finds its text 0 times in Outbox\._repeat"):
        probes.traced(int)
    probes._lines.cache_clear()


def test_worlds_of_earlier_trials_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is frozen for a run is not looked at by the collector again."""
    monkeypatch.setattr(kernel, "RUNS_KEPT", 2)
    search.hunt_seeds(range(30), "cursor")
    assert sum(type(thing) is World for thing in gc.get_objects()) <= 2
