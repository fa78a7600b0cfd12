"""The script plays every run the same way: who starts when, who sends what, and when a run has settled."""

from __future__ import annotations

from typing import Any

import msgspec

from model.history.schema import Phase
from model.scenario import Kill, Scenario
from model.scenario.script import (
    READ_BACKS_MAX,
    Audit,
    BeginPhase,
    Finish,
    Follower,
    Progress,
    Script,
    StartSession,
    StopSession,
    Submit,
)
from model.workload.personas import Persona
from model.workload.population import PopulationPlan, populate
from model.workload.schedule import WorkloadPlan, plan

SCENARIO = Scenario("s", "?", population=PopulationPlan(users=10), faults=(Kill("gateway-1", 2, 40),)).short()


class Run:
    """Plays a script; ``states`` gives the progress from each moment of the drain on (seconds since it began)."""

    def __init__(self, states: list[tuple[float, Progress]], scenario: Scenario = SCENARIO) -> None:
        self.people = populate(scenario.population, 2, 1)
        self.sends = plan(self.people, scenario.workload, scenario.load_begin_us, scenario.at_us(scenario.duration_s), 1)
        self.states = states
        self.now = 0
        self.drained_at: int | None = None
        self.effects: list[tuple[int, Any]] = []
        script = Script(scenario, self.people, self.sends, self.progress)
        while not any(isinstance(e, Finish) for _, e in self.effects):
            self.now = script.deadline
            out: list[Any] = []
            script.on_deadline(self.now, out)
            self.effects += [(self.now, e) for e in out]
            if self.drained_at is None and script.phase is Phase.DRAIN:
                self.drained_at = self.now

    def progress(self) -> Progress:
        assert self.drained_at is not None
        elapsed = (self.now - self.drained_at) / 1e6
        return next(p for t, p in reversed(self.states) if t <= elapsed)

    def phases(self) -> list[tuple[Phase, float]]:
        return [(e.phase, t / 1e6) for t, e in self.effects if isinstance(e, BeginPhase)]

    def of(self, kind: type) -> list[tuple[int, Any]]:
        return [(t, e) for t, e in self.effects if isinstance(e, kind)]


SETTLED = Progress(unready=0, unsettled=0, auditing=0, activity=7)


def test_sessions_start_along_half_the_ramp_and_every_send_is_submitted_at_its_instant() -> None:
    run = Run([(0, SETTLED)])
    starts = [t for t, _ in run.of(StartSession)]
    assert len(starts) == 10
    assert max(starts) < SCENARIO.load_begin_us / 2
    assert [t for t, _ in run.of(Submit)] == run.sends.t_us.tolist()
    assert all(t == e.t_int_us for t, e in run.of(Submit))


def test_the_drain_waits_for_faults_to_heal_then_for_quiet_then_everything_is_read_back() -> None:
    run = Run([(0, SETTLED)])
    names = [p for p, _ in run.phases()]
    assert names == [Phase.WARM_UP, Phase.MEASURE, Phase.DRAIN, Phase.QUIET, Phase.AUDIT, Phase.END]
    times = dict(run.phases())
    assert times[Phase.DRAIN] == SCENARIO.at_us(8.0) / 1e6  # 40 s, scaled: after the end of the load
    assert times[Phase.AUDIT] - times[Phase.QUIET] >= SCENARIO.contract.quiet_us / 1e6
    assert len(run.of(Audit)) == sum(len(c.members) for c in run.people.conversations)


def test_quiet_begins_anew_when_something_moves() -> None:
    run = Run([(0, SETTLED), (1, Progress(0, 0, 0, 8)), (2, Progress(0, 1, 0, 9)), (2.5, Progress(0, 0, 0, 10))])
    quiet = [t for p, t in run.phases() if p is Phase.QUIET]
    audit = dict(run.phases())[Phase.AUDIT]
    assert len(quiet) == 3
    assert audit - quiet[-1] >= SCENARIO.contract.quiet_us / 1e6
    assert quiet[-1] >= dict(run.phases())[Phase.DRAIN]


def test_a_device_that_never_gets_in_does_not_make_the_drain_incomplete() -> None:
    run = Run([(0, Progress(unready=1, unsettled=0, auditing=0, activity=7))])
    names = [p for p, _ in run.phases()]
    assert Phase.DRAIN_BOUND not in names
    assert names[-3:] == [Phase.QUIET, Phase.AUDIT, Phase.END]


def test_a_drain_that_does_not_settle_reaches_its_bound_and_says_so() -> None:
    run = Run([(0, Progress(unready=0, unsettled=1, auditing=0, activity=7))])
    times = dict(run.phases())
    assert Phase.QUIET not in times
    assert times[Phase.DRAIN_BOUND] - times[Phase.DRAIN] >= SCENARIO.contract.drain_bound_us / 1e6


def test_traffic_that_never_ends_also_reaches_the_bound() -> None:
    run = Run([(k / 20, Progress(0, 0, 0, k)) for k in range(600)])
    assert Phase.DRAIN_BOUND in dict(run.phases())


def test_a_read_back_that_never_completes_ends_the_run_all_the_same() -> None:
    run = Run([(0, Progress(unready=0, unsettled=0, auditing=3, activity=7))])
    assert run.phases()[-1][0] is Phase.END


def test_apps_are_closed_and_opened_as_planned_and_all_are_open_when_the_drain_begins() -> None:
    sometimes = WorkloadPlan(rate_per_s=20, personas=((Persona(open_s=1.5, away_s=1.0, linger_s=0.5), 1.0),))
    scenario = Scenario("s", "?", population=PopulationPlan(users=10), workload=sometimes, duration_s=8)
    run = Run([(0, SETTLED)], scenario)
    is_open: dict[int, bool] = {}
    for t_us, effect in run.effects:
        match effect:
            case StopSession(device):
                assert is_open.get(device, t_us == 0)
                is_open[device] = False
            case StartSession(device):
                assert not is_open.get(device, False)
                is_open[device] = True
            case Submit(device):
                assert is_open[device]
            case BeginPhase(Phase.DRAIN):
                assert t_us >= scenario.at_us(8)
                assert sorted(d for d, yes in is_open.items() if yes) == list(range(1, 11))
    assert run.sends.apps is not None
    played = [(t, e.device) for t, e in run.of(StopSession) if t > 0]
    assert played == [(t, d) for t, d, opens in run.sends.apps.switches() if not opens]


def test_of_a_crowd_a_bounded_number_reads_back_at_a_time_and_the_run_ends_when_all_have() -> None:
    scenario = Scenario("s", "?", population=PopulationPlan(users=1000, groups_per_user=2)).short()
    people = populate(scenario.population, 2, 1)
    sends = plan(people, scenario.workload, scenario.load_begin_us, scenario.at_us(scenario.duration_s), 1)
    under_way: list[Audit] = []
    script = Script(scenario, people, sends, lambda: Progress(0, 0, len(under_way), 7, len(under_way)))
    asked: list[Audit] = []
    most, out = 0, list[Any]()
    while not any(isinstance(step, Finish) for step in out):
        out = []
        script.on_deadline(script.deadline, out)
        asked += (begun := [step for step in out if isinstance(step, Audit)])
        under_way += begun
        most = max(most, len(under_way))
        del under_way[:50]  # so many are completed between two looks
    assert most == READ_BACKS_MAX
    assert asked == [Audit(user, c.conversation) for c in people.conversations for user in c.members]
    assert not under_way


# several processes ------------------------------------------------------------------------------------------------------------------


def test_parts_of_a_run_plan_together_what_one_process_would() -> None:
    scenario = msgspec.structs.replace(SCENARIO, faults=())
    people = populate(scenario.population, 2, 1)
    sends = plan(people, scenario.workload, scenario.load_begin_us, scenario.at_us(scenario.duration_s), 1)

    def planned(users: list[int] | None) -> list[tuple[int, Any]]:
        script, out = Script(scenario, people, sends, lambda: SETTLED, users), list[tuple[int, Any]]()
        while script.phase is not Phase.DRAIN:
            now, steps = script.deadline, list[Any]()
            script.on_deadline(now, steps)
            out += [(now, step) for step in steps if not isinstance(step, BeginPhase)]
        return out

    whole, odd, even = planned(None), planned([1, 3, 5, 7, 9]), planned([2, 4, 6, 8, 10])
    assert {step.device for _, step in odd} == {1, 3, 5, 7, 9}
    assert sorted(odd + even, key=repr) == sorted(whole, key=repr)


def test_a_follower_reads_its_own_back_when_the_leader_does_and_ends_when_the_leader_has() -> None:
    scenario = msgspec.structs.replace(SCENARIO, faults=())
    people = populate(scenario.population, 2, 1)
    sends = plan(people, scenario.workload, scenario.load_begin_us, scenario.at_us(scenario.duration_s), 1)
    leader: list[Phase | None] = [None, Phase.DRAIN, Phase.QUIET, Phase.QUIET, Phase.AUDIT, Phase.AUDIT, Phase.AUDIT, Phase.END]
    told = iter(leader)
    looks: list[Phase | None] = []
    script = Follower(scenario, people, sends, lambda: looks.append(script.phase) or SETTLED, [1, 2], lambda: next(told))  # type: ignore[func-returns-value]
    out: list[Any] = []
    while not any(isinstance(step, Finish) for step in out):
        script.on_deadline(script.deadline, out)
    assert {audit.device for audit in out if isinstance(audit, Audit)} == {1, 2}
    assert looks == [Phase.DRAIN] * 5 + [Phase.AUDIT] * 3
    assert next(told, "all heard") == "all heard"
