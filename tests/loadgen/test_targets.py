"""A job played with the clients of a target: what they tell becomes the history of a run, and is judged as any other."""

from __future__ import annotations

import numpy as np
import pytest

from loadgen.driver import JobError
from loadgen.targets.playing import Playing, Seat, known, prepared
from model.checkers.verdict import judge
from model.history.columns import from_rows
from model.history.recorder import MemoryRecorder
from model.history.schema import Contract, Header, Kind, Phase
from model.scenario import Scenario
from model.scenario.job import Endpoint, LoadJob
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

SCENARIO = Scenario(
    "small",
    "Is a target's job played?",
    gateways=1,
    population=PopulationPlan(users=4, groups_per_user=0),
    workload=WorkloadPlan(rate_per_s=40),
    ramp_s=0.2,
    warm_up_s=0.1,
    duration_s=2.0,
    contract=Contract(quiet_us=300_000),
)


def job(gateways: int = 1) -> LoadJob:
    places = tuple(Endpoint("127.0.0.1", 9, 2 + k) for k in range(gateways))
    return LoadJob(SCENARIO, "any", 1, places, "", "", "", "")


class Room:
    """A server in memory: everyone who is there sees at once what is said, but for what is ``lost``; it may ``change`` a content."""

    def __init__(self, lost: frozenset[int] = frozenset(), change: bool = False) -> None:
        self.lost, self.change = lost, change
        self.said = 0
        self.members: list[Member] = []

    def make(self, seat: Seat) -> Member:
        self.members.append(Member(self, seat))
        return self.members[-1]

    def say(self, conversation: int, payload: bytes) -> None:
        self.said += 1
        for member in self.members:
            if self.said not in self.lost and conversation in member.seat.conversations:
                member.seat.diary.shown(conversation, payload + b"!" if self.change else payload)


class Member:
    ready, settled = False, True

    def __init__(self, room: Room, seat: Seat) -> None:
        self.room, self.seat = room, seat

    def open(self) -> None:
        self.seat.diary.connecting()
        self.seat.diary.ready()
        self.ready = True

    def send(self, conversation: int, send_counter: int, payload: bytes) -> None:
        self.seat.diary.written(conversation, send_counter, payload)
        self.room.say(conversation, payload)
        self.seat.diary.ok(conversation, send_counter, "received")

    def close(self) -> None:
        self.seat.diary.disconnected()


def played(room: Room) -> MemoryRecorder:
    """The job to its end, in no time."""
    recorder, now = MemoryRecorder(), 0
    playing = Playing(job(), room.make, recorder, lambda: now)
    while not playing.finished:
        now = max(now, playing.deadline)
        playing.turn()
    return recorder


def verdict(room: Room) -> tuple[str, dict[str, int]]:
    judgement = judge(from_rows(Header("live", contract=SCENARIO.contract, nodes={2: "gateway-1"}), played(room).rows()))
    return judgement.verdict, {anomaly.kind: anomaly.messages for anomaly in judgement.anomalies if anomaly.fails}


def test_a_job_is_played_to_its_end_without_an_audit_and_judged() -> None:
    rows = played(Room()).rows()
    assert rows[rows["kind"] == Kind.PHASE]["code"].tolist() == [
        Phase.WARM_UP,
        Phase.MEASURE,
        Phase.DRAIN,
        Phase.QUIET,
        Phase.END,
    ]
    intended, invoked, ok = (rows[rows["kind"] == kind] for kind in (Kind.INTEND, Kind.INVOKE, Kind.OK))
    identity = ["sender", "conversation", "send_counter"]
    assert len(intended) > 50
    assert np.array_equal(intended[identity], invoked[identity])
    assert np.array_equal(intended[identity], ok[identity])
    assert verdict(Room()) == ("valid", {})


def test_what_was_never_shown_is_lost() -> None:
    assert verdict(Room(lost=frozenset({7, 30}))) == ("invalid", {"lost": 2})


def test_content_that_nobody_sent_is_a_phantom() -> None:
    kind, found = verdict(Room(change=True))
    assert kind == "invalid"
    assert "phantom" in found


def test_every_content_of_a_schedule_is_known() -> None:
    schedule = Playing(job(), Room().make, MemoryRecorder(), lambda: 0).play.schedule
    assert len(known(schedule)) == len(schedule)


def test_a_target_is_reached_at_one_place() -> None:
    with pytest.raises(JobError, match="reached at one place, and the job names 2"):
        prepared(job(gateways=2), Room().make)
